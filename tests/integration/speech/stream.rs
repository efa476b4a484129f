//! `POST /v1/tool-calls` with `Accept: text/event-stream`.

use serde_json::{Value, json};

use super::{Events, all_of, call, gateway, held, kinds, with};
use crate::harness::{Process, files, write_project};
use crate::upstream::{Reply, Upstream};

#[tokio::test]
async fn a_slow_call_is_told_of_as_it_goes() {
    let (upstream, gate) = held(Reply::ok("{\n  \"status\": \"shipped\",\r\n\n  \"rate\": 1.10\n}")).await;
    let gateway = gateway(upstream.port, &[]).await;
    let asked = with(
        call("look", json!({"number": "7"})),
        json!({"tool_call_id": "call_1", "variables": {"account.name": "Ann"}}),
    );
    let mut events = Events::of(&gateway, &asked).await;
    // Each comes while the upstream has not answered.
    let started = events.expect("started").await;
    let text = "One moment, I am looking for order 7.";
    assert_eq!(started, json!({"tool_call_id": "call_1", "name": "look", "text": text}));
    let delayed = events.expect("delayed").await;
    let text = "This takes a little longer, Ann.";
    assert_eq!(delayed, json!({"tool_call_id": "call_1", "name": "look", "text": text, "after_ms": 100}));
    gate.add_permits(1);
    let result = events.expect("completed").await;
    assert_eq!((&result["tool_call_id"], &result["status"]), (&json!("call_1"), &json!("success")));
    let body: Value = serde_json::from_str(r#"{"status": "shipped", "rate": 1.10}"#).unwrap();
    assert_eq!(result["body"], body, "every digit of it");
    assert_eq!((&result["speech"], &result["error"]), (&Value::Null, &Value::Null));
    assert!(events.next().await.is_none(), "the stream ends after the last call");
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn a_call_that_ends_at_once_is_not_delayed() {
    let gateway = gateway(1, &[]).await;
    for _ in 0..20 {
        let events = all_of(&gateway, &call("hours", json!({}))).await;
        assert_eq!(kinds(&events), ["started", "completed"]);
        assert_eq!(events[0].1["text"], "Let me see.");
        assert_eq!(events[0].1["tool_call_id"], events[1].1["tool_call_id"]);
    }
}

#[tokio::test]
async fn an_action_without_words_streams_too() {
    let upstream = Upstream::start(|_| Reply::ok("{}")).await;
    let gateway = gateway(upstream.port, &[]).await;
    let events = all_of(&gateway, &with(call("quiet", json!({})), json!({"tool_call_id": "q"}))).await;
    assert_eq!(kinds(&events), ["started", "completed"]);
    assert_eq!(events[0].1, json!({"tool_call_id": "q", "name": "quiet"}));
}

#[tokio::test]
async fn the_events_of_several_calls_interleave() {
    let (upstream, gate) = held(Reply::ok("{}")).await;
    let gateway = gateway(upstream.port, &[]).await;
    let calls = [
        with(call("look", json!({"number": "1"})), json!({"tool_call_id": "slow"})),
        with(call("hours", json!({})), json!({"tool_call_id": "fast"})),
        with(call("no_such_tool", json!({})), json!({"tool_call_id": "none"})),
    ];
    let variables = json!({"account.name": "Bo"});
    let mut events = Events::of(&gateway, &json!({"calls": calls, "variables": variables})).await;
    let mut seen = Vec::new();
    while seen.len() < 5 {
        let (kind, event) = events.next().await.unwrap();
        seen.push(format!("{} {kind}", event["tool_call_id"].as_str().unwrap()));
    }
    // In no order but that of each call.
    let of = |id: &str| -> Vec<&str> { seen.iter().filter_map(|one| one.strip_prefix(id)).collect() };
    assert_eq!(of("slow"), [" started", " delayed"], "{seen:?}");
    assert_eq!(of("fast"), [" started", " completed"], "{seen:?}");
    assert_eq!(of("none"), [" completed"], "{seen:?}");
    gate.add_permits(1);
    assert_eq!(events.expect("completed").await["tool_call_id"], "slow");
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn a_replay_is_told_at_once() {
    let upstream = Upstream::start(|_| Reply::ok("{}")).await;
    let gateway = gateway(upstream.port, &[]).await;
    let asked = with(
        call("book", json!({"slot": 1, "say": "I book it."})),
        json!({"tool_call_id": "call_1", "conversation_id": "c"}),
    );
    assert_eq!(kinds(&all_of(&gateway, &asked).await), ["started", "completed"]);
    let again = all_of(&gateway, &asked).await;
    assert_eq!(kinds(&again), ["completed"], "it has been said");
    assert_eq!(again[0].1["replayed"], true);
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn a_call_that_joins_another_says_nothing_again() {
    let (upstream, gate) = held(Reply::ok("{}")).await;
    let gateway = gateway(upstream.port, &[]).await;
    let asked =
        with(call("book", json!({"slot": 1})), json!({"tool_call_id": "call_1", "conversation_id": "c"}));
    let mut first = Events::of(&gateway, &asked).await;
    first.expect("started").await;
    upstream.received(1).await;
    let second = Events::of(&gateway, &asked).await;
    gate.add_permits(1);
    first.expect("completed").await;
    let second = second.rest().await;
    assert_eq!((kinds(&second), &second[0].1["replayed"]), (vec!["completed"], &json!(true)));
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn what_failed_is_said_with_the_result_streamed_or_not() {
    let upstream = Upstream::start(|_| Reply::Json(500, "{}".to_owned())).await;
    let gateway = gateway(upstream.port, &[]).await;
    let asked =
        |id: &str| with(call("book", json!({"slot": 1})), json!({"tool_call_id": id, "conversation_id": id}));
    let events = all_of(&gateway, &asked("a")).await;
    assert_eq!(kinds(&events), ["started", "completed"]);
    let result = &events[1].1;
    let said = json!({"failed": "The booking did not work."});
    assert_eq!((&result["status"], &result["error"]["code"]), (&json!("error"), &json!("upstream_error")));
    assert_eq!(result["speech"], said);
    let plain = gateway.call_with(asked("b")).await;
    assert_eq!(plain["speech"], said);
    let replayed = gateway.call_with(asked("b")).await;
    assert_eq!((&replayed["replayed"], &replayed["speech"]), (&json!(true), &said));
    // An action without words has none, however it fails.
    assert_eq!(gateway.call("quiet", json!({})).await["speech"], Value::Null);
}

#[tokio::test]
async fn what_never_went_ahead_neither_starts_nor_fails_aloud() {
    let gateway = gateway(1, &[]).await;
    for (asked, code) in [
        (call("look", json!({"number": "seven"})), "invalid_arguments"),
        (call("look", json!({})), "invalid_arguments"),
        (call("book", json!({"say": "I book it."})), "invalid_arguments"),
        (call("no_such_tool", json!({})), "unknown_tool"),
    ] {
        let events = all_of(&gateway, &asked).await;
        assert_eq!(kinds(&events), ["completed"], "{asked}");
        assert_eq!((&events[0].1["error"]["code"], &events[0].1["speech"]), (&json!(code), &Value::Null));
        let plain = gateway.call_with(asked).await;
        assert_eq!((&plain["error"]["code"], &plain["speech"]), (&json!(code), &Value::Null));
    }
}

#[tokio::test]
async fn a_text_that_lacks_a_value_is_left_out_and_the_call_goes_on() {
    const LACKING: (&str, &str) = (
        "actions/lacking.yaml",
        "description: Asks.\nconnection: api\npath: /\n\
         speech:\n  start: Hello {{.variables.account.name}}.\n  \
         delayed: {after_ms: 100, text: '{{with .variables.account.name}}{{.}}, one{{else}}One{{end}} moment.'}\n  \
         failed: 'Sorry, {{.variables.account.name}}.'\n",
    );
    let (upstream, gate) = held(Reply::Json(500, "{}".to_owned())).await;
    let gateway = gateway(upstream.port, &[LACKING]).await;
    let mut events = Events::of(&gateway, &call("lacking", json!({}))).await;
    let started = events.expect("started").await;
    assert_eq!((&started["name"], started.get("text")), (&json!("lacking"), None));
    assert_eq!(events.expect("delayed").await["text"], "One moment.");
    gate.add_permits(1);
    let result = events.expect("completed").await;
    assert_eq!((&result["error"]["code"], result.get("speech")), (&json!("upstream_error"), None));
    // Variables that cannot be used fail a call that needs them, not one that only says them.
    gate.add_permits(1);
    let clashing = json!({"variables": {"account": 1, "account.name": "Ann"}});
    let result = gateway.call_with(with(call("lacking", json!({})), clashing)).await;
    assert_eq!(result["error"]["code"], "upstream_error");
}

#[tokio::test]
async fn what_a_conversation_hides_is_not_said() {
    const LEARN: (&str, &str) = (
        "actions/learn.yaml",
        "description: Learns.\nconnection: api\npath: /\noutput_variables:\n  - {name: account.pin, path: $.pin, expose: false}\n",
    );
    const TELL: (&str, &str) = (
        "actions/tell.yaml",
        "description: Tells.\nconnection: api\npath: /\nspeech: {start: 'Your pin is {{.variables.account.pin}}.'}\n",
    );
    let upstream = Upstream::start(|_| Reply::ok("{\"pin\": \"pin-48151623\"}")).await;
    let gateway = gateway(upstream.port, &[LEARN, TELL]).await;
    let place = json!({"conversation_id": "c"});
    gateway.call_with(with(call("learn", json!({})), place.clone())).await;
    let events = all_of(&gateway, &with(call("tell", json!({})), place)).await;
    assert_eq!(events[0].1["text"], "Your pin is [hidden].");
}

#[tokio::test]
async fn a_broken_request_is_a_problem_and_no_stream() {
    let gateway = gateway(1, &[]).await;
    for (body, status, code) in [
        ("{", 400, "invalid_json"),
        ("{}", 400, "invalid_request"),
        (r#"{"name": "hours", "environment": "production"}"#, 400, "unknown_environment"),
        (r#"{"calls": [{"name": "hours"}, {}]}"#, 400, "invalid_request"),
    ] {
        let request = gateway.request("POST", "/v1/tool-calls").header("accept", "text/event-stream");
        let answer = request.body(body).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{body}");
        assert_eq!(answer.status(), status, "{body}");
        let problem: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(problem["code"], code, "{body}");
    }
    // No calls, no events.
    assert_eq!(all_of(&gateway, &json!({"calls": []})).await, []);
}

#[tokio::test]
async fn a_stop_lets_a_stream_come_to_its_end() {
    let (upstream, gate) = held(Reply::ok("{}")).await;
    let project = write_project(&files(upstream.port, &super::ALL));
    let mut process = Process::serve(project.path(), &[]);
    let client = crate::harness::client();
    let request = client.post(format!("{}/v1/tool-calls", process.url)).header("accept", "text/event-stream");
    let asked = call("look", json!({"number": "1"})).to_string();
    let mut events = Events::from(request.body(asked).send().await.unwrap()).await;
    events.expect("started").await;
    upstream.received(1).await;
    process.signal("TERM");
    process.wait_for("stopping");
    gate.add_permits(1);
    assert_eq!(events.expect("completed").await["status"], "success");
    assert!(events.next().await.is_none());
    assert_eq!(process.wait(), Some(0));
}

/// Have words for a failure, and may not be called just now, or not with what is known.
const REFUSED: [(&str, &str); 5] = [
    (
        "actions/pin.yaml",
        "description: Checks.\nconnection: api\npath: /pin\nnext_state: verified\n\
         output_variables: [{name: slots, path: $.slots}]\n",
    ),
    (
        "actions/later.yaml",
        "description: Later.\nconnection: api\npath: /later\nonly_after: [pin]\n\
         speech: {start: Now., failed: It failed.}\n",
    ),
    (
        "actions/elsewhere.yaml",
        "description: Elsewhere.\nconnection: api\npath: /elsewhere\navailable_in: [verified]\n\
         speech: {start: Now., failed: It failed.}\n",
    ),
    (
        "actions/choose.yaml",
        "description: Chooses.\nconnection: api\npath: /choose\n\
         parameters: {type: object, properties: {slot: {type: string}}}\n\
         allowed_values_from: {slot: '$.variables.slots[*]'}\nspeech: {start: Now., failed: It failed.}\n",
    ),
    (
        "actions/gaps.yaml",
        "description: Needs much.\nconnection: api\nmethod: POST\npath: '/gaps/{{.variables.order.id}}'\n\
         parameters: {type: object, properties: {email: {type: string}}}\n\
         query: {day: '{{.variables.day}} at noon'}\nheaders: {X-Day: 'on {{.variables.day}}'}\n\
         body: '{\"to\": \"{{.parameters.email}}\", \"slot\": {{with .variables.slot}}{{.id}}{{else}}0{{end}}}'\n\
         speech: {start: Now., failed: It failed.}\n",
    ),
];

#[tokio::test]
async fn nothing_is_said_of_a_call_that_does_not_go_ahead() {
    let upstream = Upstream::start(|_| Reply::ok("{}")).await;
    let gateway = gateway(upstream.port, &REFUSED).await;
    for (name, arguments, conversation, code) in [
        ("later", json!({}), Some("c"), "too_early"),
        ("later", json!({}), None, "conversation_required"),
        ("elsewhere", json!({}), Some("c"), "not_available"),
        ("choose", json!({"slot": "x"}), Some("c"), "invalid_arguments"),
        ("gaps", json!({}), Some("c"), "missing_variable"),
    ] {
        let asked = with(call(name, arguments), json!({"conversation_id": conversation}));
        let events = all_of(&gateway, &asked).await;
        assert_eq!(kinds(&events), ["completed"], "{name}: {events:?}");
        let result = &events[0].1;
        assert_eq!((&result["error"]["code"], &result["speech"]), (&json!(code), &Value::Null), "{result}");
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn everything_that_is_missing_is_named_at_once() {
    let upstream = Upstream::start(|_| Reply::ok("{}")).await;
    let gateway = gateway(upstream.port, &REFUSED).await;
    let error = gateway.call("gaps", json!({})).await["error"].clone();
    let all = [".variables.order.id", ".variables.day", ".parameters.email"];
    let mut named: Vec<&str> =
        error["missing_all"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(error["missing"], named[0]);
    named.sort_unstable();
    assert_eq!(named, {
        let mut all = all;
        all.sort_unstable();
        all
    });
    let message = error["message"].as_str().unwrap();
    assert_eq!(
        message,
        "Values that are needed for this are missing: `email` (ask the caller); `day` and `order.id` (find out first)."
    );
    let one = with(call("gaps", json!({"email": "a@b.de"})), json!({"variables": {"order": {"id": 7}}}));
    let error = gateway.call_with(one).await["error"].clone();
    assert_eq!(
        (&error["missing"], &error["missing_all"]),
        (&json!(".variables.day"), &Value::Null),
        "{error}"
    );
    assert!(upstream.requests().is_empty());
}
