//! Conversations that their callers carry: the same calls, with nothing stored.

mod guards;
mod hostile;
mod keys;
mod replays;

use std::sync::Arc;

use callgate::conversation::{MemoryStore, Store};
use callgate::tool::Scope;
use serde_json::{Value, json};

use crate::harness::{Gateway, files};
use crate::upstream::{Captured, Reply, Upstream};

/// What stays hidden from models and callers alike.
const HIDDEN: &str = "tok-hidden-4711";
const KEY_1: &str = "6b1f0c5ddc8a5e7e2f3d9c4b1a0f8e7d6c5b4a39281706f5e4d3c2b1a0998877";
const KEY_2: &str = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=";

const ACTIONS: &[(&str, &str)] = &[
    (
        "actions/verify.yaml",
        "description: verifies\nconnection: api\nmethod: POST\npath: /verify\nparameters: {type: object, properties: {pin: {type: string}}}\noutput_variables:\n  - {name: account.id, path: $.id, expose: true}\n  - {name: account.token, path: $.token, sensitive: true}\n",
    ),
    (
        "actions/account.yaml",
        "description: looks up\nconnection: api\npath: /accounts/{{.variables.account.id}}\nheaders: {X-Token: '{{.variables.account.token}}'}\n",
    ),
    (
        "actions/book.yaml",
        "description: books\nconnection: api\nmethod: POST\npath: /book\nparameters: {type: object, properties: {slot: {type: integer}}}\noutput_variables:\n  - {name: booking.id, path: $.id, expose: true}\n",
    ),
    (
        "actions/count.yaml",
        "description: counts\nconnection: api\npath: /count\noutput_variables:\n  - {name: number, path: $.id, expose: true}\n",
    ),
    (
        "actions/always.yaml",
        "description: as often as it comes\nconnection: api\nmethod: POST\npath: /always\ndedupe_window_ms: 0\n",
    ),
    (
        "actions/large.yaml",
        "description: a lot\nconnection: api\npath: /large\noutput_variables:\n  - {name: large.text, path: $.text}\n  - {name: large.size, path: $.size, expose: true}\n",
    ),
    (
        "actions/shown.yaml",
        "description: shows what is known\nconnection: api\npath: /shown\nquery: {large: '{{.variables.large.size}}', conversation: '{{.variables.conversation.id}}'}\n",
    ),
    (
        "actions/known.yaml",
        "description: what is known\nconnection: api\nmethod: POST\npath: /known\nbody: '{\"number\":{{.variables.number}},\"booking\":{{.variables.booking.id}}}'\n",
    ),
    ("actions/once.yaml", "description: once\nconnection: api\nmethod: POST\npath: /once\nmax_calls: 1\n"),
    ("actions/bill.yaml", "description: bills\nconnection: api\npath: /bill\nnext_state: billing\n"),
    (
        "actions/refund.yaml",
        "description: refunds\nconnection: api\nmethod: POST\npath: /refund\navailable_in: [billing]\nonly_after: [verify]\n",
    ),
    (
        "actions/reverify.yaml",
        "description: verifies again\nconnection: api\nmethod: POST\npath: /verify-none\nsuccess_when: '@.body.id'\nnext_state: {error: refused}\noutput_variables:\n  - {name: account.id, path: $.id}\n",
    ),
    ("actions/hours.yaml", "description: says when\ntype: static\nresponse: 9 to 5\n"),
];

/// The files of a project with these settings and secrets.
fn project<'a>(port: u16, settings: &str, secrets: &str) -> Vec<(&'a str, String)> {
    let mut project = files(port, &[]);
    project.extend(ACTIONS.iter().map(|(name, text)| (*name, (*text).to_owned())));
    project.push(("callgate.toml", settings.to_owned()));
    project.push(("secrets.toml", secrets.to_owned()));
    project
}

fn settings(keys: &[&str], more: &str) -> String {
    format!("environments = [\"development\", \"staging\"]\n[sealing]\nkeys = {keys:?}\n{more}")
}

fn secrets() -> String {
    let keys = format!("STATE_KEY_1 = \"{KEY_1}\"\nSTATE_KEY_2 = \"{KEY_2}\"\n");
    format!("[development]\n{keys}[staging]\n{keys}")
}

/// An upstream that knows an account, and counts what it is asked for.
async fn upstream() -> Upstream {
    let count = std::sync::atomic::AtomicUsize::new(0);
    Upstream::start(move |request: &Captured| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
        let path = request.line().split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default();
        Reply::ok(&match path {
            "/verify" => json!({"id": "A-77", "token": HIDDEN}).to_string(),
            "/accounts/A-77" => json!({"owner": "Ann", "note": format!("uses {HIDDEN} today")}).to_string(),
            "/verify-none" => json!({"matches": 0}).to_string(),
            "/large" => json!({"text": "x".repeat(20_000), "size": 20_000}).to_string(),
            _ => json!({ "id": number }).to_string(),
        })
    })
    .await
}

struct Setup {
    gateway: Gateway,
    upstream: Upstream,
    store: Arc<dyn Store>,
}

impl Setup {
    async fn new() -> Self {
        Self::with(&settings(&["STATE_KEY_1"], "")).await
    }

    async fn with(settings: &str) -> Self {
        let (upstream, store) = (upstream().await, Arc::new(MemoryStore::default()));
        let files = project(upstream.port, settings, &secrets());
        Self { gateway: Gateway::start_on(&files, store.clone()).await, upstream, store }
    }

    /// Calls an action with a state; the result must have the next one.
    async fn call(&self, name: &str, id: Option<&str>, state: &str) -> Value {
        self.call_with(json!({"name": name, "tool_call_id": id, "state": state})).await
    }

    async fn call_with(&self, mut body: Value) -> Value {
        body["environment"] = "development".into();
        let answer = self.gateway.call_with(body).await;
        assert!(answer["state"].as_str().is_some_and(|state| !state.is_empty()), "{answer}");
        answer
    }

    /// What is said of a request that is refused: status, code, detail.
    async fn refused(&self, mut body: Value) -> (u16, String, String) {
        if body.get("environment").is_none() {
            body["environment"] = "development".into();
        }
        refused(&self.gateway, body).await
    }

    fn sent(&self) -> usize {
        self.upstream.requests().len()
    }
}

async fn refused(gateway: &Gateway, body: Value) -> (u16, String, String) {
    let (status, problem) = gateway.post("/v1/tool-calls", body.to_string()).await;
    assert!((400..500).contains(&status), "{status} {problem}");
    let text = |member: &str| problem[member].as_str().unwrap_or_default().to_owned();
    (status, text("code"), text("detail"))
}

fn state(answer: &Value) -> &str {
    answer["state"].as_str().unwrap()
}

#[tokio::test]
async fn what_one_call_learns_the_next_one_uses_and_nothing_is_stored() {
    let setup = Setup::new().await;
    let first = setup.call("verify", Some("call_1"), "").await;
    assert_eq!((&first["status"], &first["variables"]), (&json!("success"), &json!({"account.id": "A-77"})));
    let second = setup.call("account", Some("call_2"), state(&first)).await;
    assert_eq!(second["status"], "success", "{second}");
    assert_ne!(state(&first), state(&second));
    let request = &setup.upstream.requests()[1];
    assert_eq!((request.line(), request.header("x-token")), ("GET /accounts/A-77", Some(HIDDEN)));
    assert!(setup.store.list(&Scope::shared("development"), None, 10).await.unwrap().is_empty());
    // The state after the second call still has what the first one learned.
    let third = setup.call("account", Some("call_3"), state(&second)).await;
    assert_eq!(third["status"], "success", "{third}");
}

#[tokio::test]
async fn what_an_answer_no_longer_has_is_gone_from_the_state_too() {
    let setup = Setup::new().await;
    let first = setup.call("verify", Some("call_1"), "").await;
    let again = setup.call("reverify", Some("call_2"), state(&first)).await;
    assert_eq!(again["error"]["code"], "upstream_declined", "{again}");
    let gone = setup.call("account", Some("call_3"), state(&again)).await;
    assert_eq!(gone["error"]["code"], "missing_variable", "{gone}");
    // Also where the clearing is put into another state of the conversation: of a call that is repeated late.
    let hours = setup.call("hours", Some("call_4"), state(&first)).await;
    let late = setup.call("reverify", Some("call_2"), state(&hours)).await;
    let gone = setup.call("account", Some("call_5"), state(&late)).await;
    assert_eq!(gone["error"]["code"], "missing_variable", "{gone}");
}

#[tokio::test]
async fn what_is_hidden_stays_hidden_in_later_answers_and_in_the_state() {
    let setup = Setup::new().await;
    let first = setup.call("verify", None, "").await;
    let second = setup.call("account", None, state(&first)).await;
    for answer in [&first, &second] {
        assert!(!answer.to_string().contains(HIDDEN), "{answer}");
        let sealed = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, state(answer));
        let sealed = String::from_utf8_lossy(&sealed.unwrap()).into_owned();
        for plain in [HIDDEN, "A-77", "account", "variables"] {
            assert!(!sealed.contains(plain), "{plain} can be read");
        }
    }
    assert_eq!(second["body"]["owner"], "Ann");
    let preview = json!({"environment": "development", "state": state(&second)}).to_string();
    let (status, preview) = setup.gateway.post("/v1/actions/account/preview", preview).await;
    assert_eq!(status, 200);
    assert!(preview["request"]["url"].as_str().unwrap().ends_with("/accounts/A-77"), "{preview}");
    assert_eq!(preview["request"]["headers"]["x-token"], "***");
}

#[tokio::test]
async fn a_call_that_fails_has_a_state_too() {
    let setup = Setup::new().await;
    let first = setup.call("verify", Some("call_1"), "").await;
    let bad =
        json!({"name": "verify", "tool_call_id": "call_2", "arguments": {"pin": 7}, "state": state(&first)});
    let bad = setup.call_with(bad).await;
    assert_eq!(bad["error"]["code"], "invalid_arguments");
    let unknown = setup.call("verfy", None, state(&bad)).await;
    assert_eq!(unknown["error"]["code"], "unknown_tool");
    let missing = setup.call("account", None, "").await;
    assert_eq!(missing["error"]["code"], "missing_variable");
    let fixed = setup.call("hours", None, state(&unknown)).await;
    assert_eq!(fixed["body"], "9 to 5");
    let next = setup.call("account", Some("call_2"), state(&fixed)).await;
    assert_eq!(next["status"], "success", "the id of a call that was not sent is free: {next}");
}

#[tokio::test]
async fn several_calls_begin_with_one_state_and_end_in_one() {
    let setup = Setup::new().await;
    let first = setup.call("verify", Some("call_1"), "").await;
    let calls = json!([
        {"name": "count", "tool_call_id": "call_2"}, {"name": "account", "tool_call_id": "call_3"},
        {"name": "book", "tool_call_id": "call_4"}, {"name": "count", "tool_call_id": "call_5"},
    ]);
    let request = json!({"calls": calls, "state": state(&first)});
    let several = setup.call_with(request.clone()).await;
    let results = several["results"].as_array().unwrap();
    assert!(results.iter().all(|result| result["status"] == "success" && result.get("state").is_none()));
    // Of the two counts, the later one of the array stands, whichever was answered first.
    let number = &results[3]["variables"]["number"];
    let later = setup.call("account", Some("call_6"), state(&several)).await;
    assert_eq!(later["status"], "success", "{later}");
    let preview = json!({"environment": "development", "state": state(&several)}).to_string();
    let (_, preview) = setup.gateway.post("/v1/actions/known/preview", preview).await;
    assert_eq!(
        preview["request"]["body"],
        json!({"number": number, "booking": results[2]["variables"]["booking.id"]}).to_string()
    );
    let again = setup.call_with(request).await;
    assert_eq!(state(&again), state(&several), "the same request with the same state has the same answer");
    assert!(again["results"].as_array().unwrap().iter().all(|result| result["replayed"] == true));
}

#[tokio::test]
async fn a_state_stands_beside_the_calls_and_is_of_one_conversation() {
    let setup = Setup::new().await;
    let inside = json!({"calls": [{"name": "count", "state": ""}]});
    let (status, code, detail) = setup.refused(inside).await;
    assert_eq!((status, code.as_str()), (400, "invalid_request"));
    assert!(detail.contains("calls[0]: `state` stands beside `calls`"), "{detail}");
    for calls in [
        json!([{"name": "count", "conversation_id": "a"}, {"name": "count", "conversation_id": "b"}]),
        json!([{"name": "count"}, {"name": "count", "environment": "staging"}]),
    ] {
        let (status, code, _) = setup.refused(json!({"calls": calls, "state": ""})).await;
        assert_eq!((status, code.as_str()), (400, "invalid_request"), "{calls}");
    }
    let stream = setup.gateway.request("POST", "/v1/tool-calls").header("accept", "text/event-stream");
    let body = json!({"environment": "development", "calls": [{"name": "count"}], "state": ""});
    assert_eq!(stream.body(body.to_string()).send().await.unwrap().status(), 400, "no place for one state");
    let first = setup.call("count", None, "").await;
    let stream = setup.gateway.request("POST", "/v1/tool-calls").header("accept", "text/event-stream");
    let body = json!({"environment": "development", "name": "hours", "state": state(&first)});
    let told = stream.body(body.to_string()).send().await.unwrap().text().await.unwrap();
    assert!(told.contains("event: completed") && told.contains("\"state\":\"A"), "{told}");
    let none = setup.call_with(json!({"calls": [], "state": state(&first)})).await;
    assert_eq!((&none["results"], state(&none)), (&json!([]), state(&first)));
    assert_eq!(setup.sent(), 1);
}

#[tokio::test]
async fn a_request_without_a_state_is_what_it_was() {
    let setup = Setup::new().await;
    for body in [
        json!({"name": "count", "environment": "development", "conversation_id": "c"}),
        json!({"name": "count", "environment": "development", "state": null}),
        json!({"name": "hours", "environment": "development"}),
    ] {
        let result = setup.gateway.call_with(body).await;
        assert_eq!((&result["status"], result.get("state")), (&json!("success"), None));
    }
    assert_eq!(setup.store.list(&Scope::shared("development"), None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_does_not_fit_is_not_remembered_and_the_result_is_not_lost() {
    let setup = Setup::with(&settings(&["STATE_KEY_1"], "max_state_bytes = 4096\n")).await;
    let first = setup.call("verify", None, "").await;
    let large = setup.call("large", None, state(&first)).await;
    assert_eq!((&large["status"], &large["variables"]), (&json!("success"), &json!({"large.size": 20_000})));
    assert!(state(&large).len() <= 4096);
    let shown = setup.call("shown", None, state(&large)).await;
    assert_eq!(shown["status"], "success", "what fits is there: {shown}");
    let known = setup.call("account", None, state(&large)).await;
    assert_eq!(known["status"], "success", "{known}");
    let (status, code, detail) = setup.refused(json!({"name": "count", "state": "x".repeat(4097)})).await;
    assert_eq!((status, code.as_str()), (400, "invalid_state"));
    assert_eq!(detail, "`state` has 4097 characters; 4096 are allowed");
}

#[tokio::test]
async fn a_conversation_has_the_id_it_was_given_or_one_of_its_own() {
    let setup = Setup::new().await;
    let call = |body: Value| {
        let mut body = body;
        body["variables"] = json!({"large.size": 1});
        setup.call_with(body)
    };
    let given = call(json!({"name": "shown", "conversation_id": "phone-4711", "state": ""})).await;
    call(json!({"name": "shown", "state": state(&given)})).await;
    call(json!({"name": "shown", "conversation_id": "phone-4711", "state": state(&given)})).await;
    let made_up = call(json!({"name": "shown", "conversation_id": "", "state": ""})).await;
    call(json!({"name": "shown", "state": state(&made_up)})).await;
    let ids: Vec<String> = setup
        .upstream
        .requests()
        .iter()
        .map(|request| request.line().split("conversation=").nth(1).unwrap().to_owned())
        .collect();
    // The third is the second again: the same call with the same state.
    assert_eq!(ids.len(), 4, "{ids:?}");
    assert_eq!((&ids[0], &ids[1]), (&"phone-4711".to_owned(), &"phone-4711".to_owned()));
    assert!(ids[2].starts_with("conv_") && ids[2].len() == 37, "{ids:?}");
    assert_eq!(ids[2], ids[3]);
}
