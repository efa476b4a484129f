//! Actions that run when a conversation is created, and when it ends.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::*;
use crate::api::Api;
use crate::backend::{RedisServer, on_every_store};
use crate::harness::{Process, write_project};
use crate::wait::{until, until_so};

const HOOKS: &[(&str, &str)] = &[
    (
        "actions/find_caller.yaml",
        "description: Finds the caller.\nconnection: api\npath: /callers\non: start\n\
         parameters: {type: object, properties: {phone: {type: string}}, required: [phone]}\n\
         bind: {phone: '{{.variables.caller_phone}}'}\n\
         output_variables: [{name: customer.name, path: $.name, expose: true}, {name: customer.pin, path: $.pin, sensitive: true}]\n",
    ),
    (
        "actions/open_invoices.yaml",
        "description: Finds invoices.\nconnection: api\npath: /invoices\non: start\noutput_variables: [{name: invoices, path: $.open}]\n",
    ),
    (
        "actions/greet.yaml",
        "description: Greets.\nconnection: api\nmethod: POST\npath: /greet\nonly_after: [find_caller]\n",
    ),
    (
        "actions/save_call.yaml",
        "description: Saves the call.\nconnection: api\nmethod: POST\npath: /calls\non: end\nbody: '{\"record\": {{.variables.conversation.record}}}'\n",
    ),
];

const HERE: &str = "environment=development";

fn answer(request: &Captured) -> Reply {
    match request.line() {
        line if line.contains("/callers?phone=%2B49301") => {
            Reply::ok(r#"{"name": "Ann", "pin": "pin-of-ann"}"#)
        }
        line if line.contains("/callers") => Reply::Json(404, "{}".to_owned()),
        line if line.contains("/invoices") => Reply::ok(r#"{"open": 3}"#),
        _ => Reply::ok("{}"),
    }
}

/// Two gateways on one store, in front of one upstream.
struct Nodes {
    nodes: [Api; 2],
    upstream: Upstream,
}

impl Nodes {
    async fn new(on: &Backend, reply: impl Fn(&Captured) -> Reply + Send + Sync + 'static) -> Self {
        Self::with(on, "start_budget_ms = 60000", reply).await
    }

    async fn with(
        on: &Backend,
        settings: &str,
        reply: impl Fn(&Captured) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let upstream = Upstream::start(reply).await;
        let settings = format!("environments = [\"development\"]\n[conversations]\n{settings}\n");
        let files = files(upstream.port, &[HOOKS, &[("callgate.toml", &settings)]].concat());
        let store = on.fresh();
        let one = Api(Gateway::start_on(&files, store.clone()).await);
        let other = Api(Gateway::start_on(&files, store).await);
        Self { nodes: [one, other], upstream }
    }

    fn one(&self) -> &Api {
        &self.nodes[0]
    }

    /// Begins conversation `c`.
    async fn begin(&self, id: &str, phone: &str) -> Value {
        let request = json!({"id": id, "variables": {"caller_phone": phone}});
        let reply = self.one().post("/v1/conversations", &request).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        reply.body
    }

    fn sent(&self, path: &str) -> Vec<Captured> {
        let requests = self.upstream.requests().into_iter();
        requests.filter(|request| request.line().contains(path)).collect()
    }

    /// The first request to `path`, once it is there.
    async fn request(&self, path: &str) -> Captured {
        until(path, async || self.sent(path).into_iter().next()).await
    }

    async fn events(&self, id: &str) -> Vec<Value> {
        let reply = self.one().get(&format!("/v1/conversations/{id}/events?{HERE}&limit=500")).await;
        reply.body["events"].as_array().unwrap().clone()
    }

    /// The event of this type and action, once it is there.
    async fn event(&self, id: &str, kind: &str, name: &str) -> Value {
        until(&format!("{kind} of {name}"), async || {
            let events = self.events(id).await;
            events.into_iter().find(|event| event["type"] == kind && event["data"]["name"] == name)
        })
        .await
    }
}

/// What became of the hooks of a reply, by name: their status, and the code of their error.
fn told(reply: &Value) -> Vec<(&str, &str, Option<&str>)> {
    let reports = reply["start"].as_array().unwrap().iter();
    reports
        .map(|one| {
            (one["name"].as_str().unwrap(), one["status"].as_str().unwrap(), one["error"]["code"].as_str())
        })
        .collect()
}

on_every_store! {
    async fn the_caller_is_known_before_the_first_word(on) {
        let nodes = Nodes::new(on, answer).await;
        let begun = nodes.begin("c", "+49301").await;
        assert_eq!(told(&begun), [("find_caller", "success", None), ("open_invoices", "success", None)]);
        assert_eq!(begun["variables"]["customer.name"]["value"], "Ann");
        assert_eq!(begun["variables"]["customer.pin"]["value"], "***");
        assert_eq!(begun["variables"]["invoices"]["value"], 3);
        // It counts as a success of the conversation.
        let greeted = nodes.one().call(json!({"name": "greet", "conversation_id": "c"})).await;
        assert_eq!(greeted["status"], "success", "{greeted}");
        // Again: it is there already, and nothing runs.
        let request = json!({"id": "c", "variables": {"caller_phone": "+49301"}});
        let again = nodes.nodes[1].post("/v1/conversations", &request).await;
        assert_eq!((again.status, &again.body["created"], again.body.get("start")), (200, &json!(false), None));
        assert_eq!((nodes.sent("/callers").len(), nodes.sent("/invoices").len()), (1, 1));
    }
}

#[tokio::test]
async fn a_hook_that_fails_is_told_and_fails_nothing_else() {
    let nodes = Nodes::new(&Backend::Memory, answer).await;
    let begun = nodes.begin("unknown", "+1").await;
    assert_eq!(
        told(&begun),
        [("find_caller", "error", Some("upstream_not_found")), ("open_invoices", "success", None)]
    );
    let reply = nodes.one().post("/v1/conversations", &json!({"id": "without"})).await;
    assert_eq!(reply.status, 201);
    assert_eq!(
        told(&reply.body),
        [("find_caller", "exception", Some("missing_variable")), ("open_invoices", "success", None)]
    );
    assert_eq!(reply.body["start"][0]["error"]["effect"], "none");
}

#[tokio::test]
async fn what_is_slow_goes_on_behind_the_reply() {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let nodes = Nodes::with(&Backend::Memory, "start_budget_ms = 20", move |request| {
        match request.line().contains("/callers") {
            true => Reply::Held(held.clone(), Box::new(answer(request))),
            false => Reply::Held(Arc::new(Semaphore::new(1)), Box::new(answer(request))),
        }
    })
    .await;
    let begun = nodes.begin("c", "+49301").await;
    assert_eq!(begun["start"][0]["status"], "running", "{begun}");
    assert_eq!(begun["variables"].get("customer.name"), None);
    gate.add_permits(1);
    let path = format!("/v1/conversations/c?{HERE}");
    let name = until("the name", async || {
        let now = nodes.one().get(&path).await.body;
        Some(now["variables"].get("customer.name")?["value"].clone())
    })
    .await;
    assert_eq!(name, "Ann");
}

#[tokio::test]
async fn a_conversation_that_a_call_begins_runs_no_hook() {
    let nodes = Nodes::new(&Backend::Memory, answer).await;
    let greeted = nodes.one().call(json!({"name": "greet", "conversation_id": "c"})).await;
    assert_eq!(greeted["error"]["code"], "too_early");
    let begun = nodes.one().post("/v1/conversations", &json!({"id": "c"})).await;
    assert_eq!((begun.status, begun.body.get("start")), (200, None), "it is there already");
    assert!(nodes.upstream.requests().is_empty());
}

#[tokio::test]
async fn no_model_is_offered_a_hook_and_none_can_call_it() {
    let nodes = Nodes::new(&Backend::Memory, answer).await;
    let tools = nodes.one().get("/v1/tools?format=anthropic").await.body;
    let names: Vec<&str> =
        tools.as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["greet"]);
    for name in ["find_caller", "save_call"] {
        let refused = nodes.one().call(json!({"name": name, "conversation_id": "c"})).await;
        assert_eq!(refused["error"]["code"], "unknown_tool", "{name}");
    }
    // A slip is not corrected to one.
    let refused = nodes.one().call(json!({"name": "find_calle", "conversation_id": "c"})).await;
    assert!(!refused["error"]["message"].as_str().unwrap().contains("find_caller"), "{refused}");
    let preview = json!({"variables": {"caller_phone": "+49301"}});
    let shown = nodes.one().post("/v1/actions/find_caller/preview", &preview).await.body;
    assert!(shown["request"]["url"].as_str().unwrap().ends_with("/callers?phone=%2B49301"), "{shown}");
    assert!(nodes.upstream.requests().is_empty());
}

on_every_store! {
    async fn the_end_is_told_once_with_the_whole_record(on) {
        let nodes = Nodes::new(on, answer).await;
        nodes.begin("c", "+49301").await;
        nodes.one().call(json!({"name": "greet", "conversation_id": "c", "tool_call_id": "1"})).await;
        let path = format!("/v1/conversations/c?{HERE}");
        let ended = nodes.one().ask("DELETE", &path, &Value::Null).await;
        assert_eq!(ended.status, 200);
        let sent: Value = serde_json::from_str(&nodes.request("/calls").await.text()).unwrap();
        let record = &sent["record"];
        assert_eq!((&record["id"], &record["environment"]), (&json!("c"), &json!("development")));
        assert_eq!((&record["started_at"], &record["ended_at"]), (&ended.body["started_at"], &ended.body["ended_at"]));
        assert_eq!(record["variables"], json!({"caller_phone": "+49301", "customer": {"name": "Ann"}, "invoices": 3}));
        // As the feed shows it.
        let at = record["events"][0]["at"].as_str().unwrap();
        assert!(at.starts_with("20") && at.ends_with('Z') && record["events"][0]["at_ms"].is_null(), "{record}");
        assert_eq!(record["calls"]["greet"], json!({"begun": 1, "succeeded": 1}));
        assert_eq!(record["calls"]["find_caller"], json!({"begun": 1, "succeeded": 1}));
        let types: Vec<&str> =
            record["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect();
        assert_eq!((types.first(), types.last()), (Some(&"conversation_started"), Some(&"ended")));
        assert!(!sent.to_string().contains("pin-of-ann"), "{sent}");
        // Again, on both nodes: each finds it done, and says so in the feed.
        for node in &nodes.nodes {
            assert_eq!(node.ask("DELETE", &path, &Value::Null).await.status, 200);
        }
        nodes.event("c", "replay", "save_call").await;
        assert_eq!(nodes.sent("/calls").len(), 1);
    }
}

#[tokio::test]
async fn the_end_is_told_once_although_its_claim_is_forgotten() {
    let mut nodes = Nodes::new(&Backend::Memory, answer).await;
    nodes.begin("c", "+49301").await;
    let path = format!("/v1/conversations/c?{HERE}");
    assert_eq!(nodes.one().ask("DELETE", &path, &Value::Null).await.status, 200);
    // Its result is kept before the feed tells of it.
    until("the end of the hook", async || {
        let told = |event: &Value| {
            let id = event["data"]["tool_call_id"].as_str().unwrap_or_default();
            event["type"] == "response_received" && id.starts_with("callgate:end:save_call:")
        };
        nodes.events("c").await.iter().any(told).then_some(())
    })
    .await;
    // Results are kept by this clock, conversations by the clock on the wall.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3 * 60 * 60)).await;
    tokio::time::resume();
    // Connections that were idle for so long are being closed.
    nodes.nodes[0].0.reconnect();
    assert_eq!(nodes.one().ask("DELETE", &path, &Value::Null).await.status, 200);
    let refused = nodes.event("c", "error", "save_call").await;
    assert_eq!(refused["data"]["code"], "too_many_calls", "{refused}");
    assert_eq!(nodes.sent("/calls").len(), 1);
}

/// Sends a request while `redis` does not answer, and hangs up before it does.
async fn leave_early(api: &Api, redis: &RedisServer, line: &str, body: &str) {
    let address = api.0.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request =
        format!("{line} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    redis.signal("STOP");
    stream.write_all(request.as_bytes()).await.unwrap();
    api.0.caught_up().await;
    drop(stream);
    api.0.caught_up().await;
    redis.signal("CONT");
}

#[tokio::test]
async fn who_does_not_wait_for_the_reply_begins_and_ends_all_the_same() {
    let Some(on) = Backend::redis() else { return };
    let Backend::Redis(redis) = &on else { panic!("a Redis") };
    let nodes = Nodes::new(&on, answer).await;
    nodes.begin("first", "+49301").await;
    let request = json!({"id": "c", "variables": {"caller_phone": "+49301"}}).to_string();
    leave_early(nodes.one(), redis, "POST /v1/conversations", &request).await;
    until_so("the hook of the start", || nodes.sent("/callers").len() == 2).await;
    leave_early(nodes.one(), redis, &format!("DELETE /v1/conversations/c?{HERE}"), "").await;
    assert!(nodes.request("/calls").await.text().contains("\"Ann\""));
    // What is to be erased is not only ended.
    let path = format!("/v1/conversations/first?{HERE}");
    leave_early(nodes.one(), redis, &format!("DELETE {}&forget=true", path), "").await;
    until("its end", async || (nodes.one().get(&path).await.status == 404).then_some(())).await;
    assert_eq!(nodes.sent("/calls").len(), 1);
}

#[tokio::test]
async fn a_hook_runs_after_the_end_and_nothing_else_does() {
    let nodes = Nodes::new(&Backend::Memory, answer).await;
    nodes.begin("c", "+49301").await;
    let path = format!("/v1/conversations/c?{HERE}");
    assert_eq!(nodes.one().ask("DELETE", &path, &Value::Null).await.status, 200);
    let called = nodes.event("c", "tool_called", "save_call").await;
    assert!(
        called["data"]["tool_call_id"].as_str().unwrap().starts_with("callgate:end:save_call:"),
        "{called}"
    );
    // A call of the model is too late.
    let late = nodes.one().call(json!({"name": "greet", "conversation_id": "c"})).await;
    assert_eq!(late["error"]["code"], "conversation_ended");
}

#[tokio::test]
async fn what_is_erased_is_told_to_nobody() {
    let nodes = Nodes::new(&Backend::Memory, answer).await;
    nodes.begin("erased", "+49301").await;
    nodes.begin("kept", "+49301").await;
    let path = |id: &str, more: &str| format!("/v1/conversations/{id}?{HERE}{more}");
    let erased = nodes.one().ask("DELETE", &path("erased", "&forget=true"), &Value::Null).await;
    assert_eq!(erased.status, 204);
    nodes.one().ask("DELETE", &path("kept", ""), &Value::Null).await;
    assert!(nodes.request("/calls").await.text().contains("\"kept\""));
    assert_eq!(nodes.sent("/calls").len(), 1);
    assert_eq!(nodes.one().get(&path("erased", "")).await.status, 404, "and it is not there again");
    // Its id may be used again, for a conversation that knows nothing.
    let begun = nodes.begin("erased", "+49301").await;
    assert_eq!(begun["variables"]["customer.name"]["value"], "Ann");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_waits_for_the_hooks() {
    let upstream = Upstream::start(|request| match request.line().contains("/calls") {
        true => Reply::After(Duration::from_millis(300), Box::new(Reply::ok("{}"))),
        false => answer(request),
    })
    .await;
    let project = write_project(&files(upstream.port, HOOKS));
    let mut process = Process::serve(project.path(), &[("CALLGATE_STORE__BACKEND", "memory")]);
    let (status, _) = process.post("/v1/conversations", &json!({"id": "c"})).await;
    assert_eq!(status, 201);
    let url = format!("{}/v1/conversations/c", process.url);
    assert_eq!(crate::harness::client().delete(url).send().await.unwrap().status(), 200);
    process.signal("TERM");
    assert_eq!(process.wait(), Some(0));
    let log = process.log();
    let line = log.lines().find(|line| line.contains("save_call") && line.contains("tool call"));
    assert!(line.is_some_and(|line| line.contains("tool call done")), "{log}");
}
