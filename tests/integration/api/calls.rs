//! Calls: alone, several at once, in time, and with what a conversation knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{Api, gateway};
use crate::bad_input::told;
use crate::harness::{Gateway, files};
use crate::upstream::{Reply, Upstream};

const ORDER: &str = r#"{"status": "shipped", "customer": "c-7", "token": "hidden-token-1", "n": 1.50}"#;

#[tokio::test]
async fn a_result_is_what_the_design_says() {
    let upstream = Upstream::start(|_| Reply::ok(ORDER)).await;
    let api = gateway(upstream.port, &[]).await;
    let mut result = api
        .call(json!({"name": "get_order", "arguments": {"number": "A 1"}, "tool_call_id": "call-9"}))
        .await;
    assert_eq!(upstream.request().line(), "GET /orders/A%201");
    assert!(result["duration_ms"].is_u64());
    let time = result["timestamp"].as_str().unwrap();
    assert!(time.len() == 24 && time.ends_with('Z') && &time[10..11] == "T", "{time}");
    let members: Vec<&String> = result.as_object().unwrap().keys().collect();
    let expected = [
        "tool_call_id",
        "name",
        "status",
        "status_code",
        "body",
        "variables",
        "error",
        "attempts",
        "duration_ms",
        "timestamp",
    ];
    assert_eq!(members, expected);
    result["duration_ms"] = Value::Null;
    result["timestamp"] = Value::Null;
    assert_eq!(
        result,
        json!({
            "tool_call_id": "call-9", "name": "get_order", "status": "success", "status_code": 200,
            "body": serde_json::from_str::<Value>(&ORDER.replace("hidden-token-1", "[hidden]")).unwrap(),
            "variables": {"order.status": "shipped"}, "error": null, "attempts": 1, "duration_ms": null, "timestamp": null,
        })
    );
    let fixed = api.call(json!({"name": "hours"})).await;
    assert_eq!((&fixed["body"], &fixed["attempts"]), (&json!({"open": "9 to 5"}), &json!(0)));
    assert!(fixed["tool_call_id"].as_str().unwrap().starts_with("call_"));
    let human = api.call(json!({"name": "human"})).await;
    assert_eq!(human["handover"], json!({"phone_number": "+4930123456", "message": "One moment."}));
}

#[tokio::test]
async fn calls_at_once_run_in_parallel_and_are_answered_in_order() {
    const COUNT: usize = 20;
    let (gate, count) = (Arc::new(Semaphore::new(0)), AtomicUsize::new(0));
    // Nobody is answered before everybody has asked.
    let upstream = Upstream::start(move |request| {
        if count.fetch_add(1, Ordering::SeqCst) + 1 == COUNT {
            gate.add_permits(COUNT);
        }
        let number = request.line().rsplit('/').next().unwrap_or_default().to_owned();
        Reply::Held(gate.clone(), Box::new(Reply::ok(&format!("{{\"number\": \"{number}\"}}"))))
    })
    .await;
    let api = gateway(upstream.port, &[]).await;
    let call = |number: usize| json!({"name": "get_order", "tool_call_id": format!("id-{number}"), "arguments": {"number": number.to_string()}});
    let mut calls: Vec<Value> = (0..COUNT).map(call).collect();
    calls.insert(3, json!({"name": "nothing", "tool_call_id": "wrong"}));
    let results = api.call(json!({"calls": calls})).await;
    let mut results = results["results"].as_array().unwrap().clone();
    assert_eq!(results.remove(3)["error"]["code"], "unknown_tool");
    for (number, result) in results.iter().enumerate() {
        assert_eq!(result["tool_call_id"], format!("id-{number}"));
        assert_eq!(result["body"], json!({"number": number.to_string()}));
    }
    assert_eq!(api.call(json!({"calls": []})).await, json!({"results": []}));
}

#[tokio::test]
async fn the_sooner_of_action_and_caller_is_the_deadline() {
    let upstream = Upstream::start(|_| Reply::Stall).await;
    // Where a deadline was over before the request was sent, once more with more time.
    for few in [50, 1_500, 15_000] {
        if sooner(upstream.port, few).await {
            return;
        }
    }
    panic!("no request is sent in time");
}

/// Whether requests were sent before a deadline of so `few` milliseconds was over.
async fn sooner(port: u16, few: u64) -> bool {
    let action =
        |timeout_ms: u64| format!("description: d\nconnection: api\npath: /x\ntimeout_ms: {timeout_ms}\n");
    let (patient, hasty) = (action(300_000), action(few));
    let actions = [("actions/patient.yaml", patient.as_str()), ("actions/hasty.yaml", hasty.as_str())];
    let api = Api(Gateway::start(&files(port, &actions)).await);
    let never = u64::MAX;
    for (name, deadline) in [("patient", few), ("patient", 0), ("hasty", 300_000), ("hasty", never)] {
        let result = api.call(json!({"name": name, "deadline_ms": deadline})).await;
        let is_sent = result["attempts"] == 1;
        // A deadline that has passed already leaves nothing to be sent.
        let status = if is_sent { "failure" } else { "exception" };
        assert_eq!(told(&result).0, (status, "timeout", "none", "later"), "{name} {deadline}");
        assert!(!is_sent || deadline > 0, "{result}");
        if deadline > 0 && !is_sent {
            return false;
        }
    }
    // Beside `calls` it holds for each.
    let calls =
        json!({"deadline_ms": few, "calls": [{"name": "patient"}, {"name": "patient", "deadline_ms": 10}]});
    let results = api.call(calls).await;
    for result in results["results"].as_array().unwrap() {
        assert_eq!(result["error"]["code"], "timeout");
    }
    true
}

const SHOW: (&str, &str) = (
    "actions/show.yaml",
    "description: d\nconnection: api\nmethod: POST\npath: /show\n\
     body: '{\"status\": {{.variables.account.status}}, \"level\": {{.variables.account.level}}, \"id\": {{.variables.conversation.id}}}'\n",
);

#[tokio::test]
async fn variables_of_the_request_may_be_dotted_nested_or_both() {
    let upstream = Upstream::start(|_| Reply::ok("{}")).await;
    let plain = ("actions/plain.yaml", "description: d\ntype: static\nresponse: fine\n");
    let api = gateway(upstream.port, &[SHOW, plain]).await;
    for variables in [
        json!({"account.status": "gold", "account.level": 3}),
        json!({"account": {"status": "gold", "level": 3}}),
        json!({"account": {"status": "gold"}, "account.level": 3}),
        json!({"account.level": 3, "account": {"status": "gold"}, "conversation.id": "forged", "other": [1]}),
    ] {
        let result =
            api.call(json!({"name": "show", "conversation_id": "c-1", "variables": variables})).await;
        assert_eq!(result["status"], "success", "{variables}: {result}");
        let sent: Value = serde_json::from_str(&upstream.requests().last().unwrap().text()).unwrap();
        assert_eq!(sent, json!({"status": "gold", "level": 3, "id": "c-1"}), "{variables}");
    }
    let before = upstream.requests().len();
    for (variables, code) in [
        (json!({"account": 1, "account.status": "gold"}), "invalid_variables"),
        (json!({"account.status": "gold", "account": 1}), "invalid_variables"),
        (json!({"account..status": "gold"}), "invalid_variables"),
        (json!({"": 1}), "invalid_variables"),
        (json!({"account": "gold"}), "template_error"),
        (json!({"account.status": "gold"}), "missing_variable"),
        (json!({}), "missing_variable"),
    ] {
        let result = api.call(json!({"name": "show", "variables": variables})).await;
        assert_eq!(told(&result).0, ("exception", code, "none", "with_changes"), "{variables}: {result}");
        // An action that reads none of them does not mind.
        let result = api.call(json!({"name": "plain", "variables": variables})).await;
        assert_eq!(result["status"], "success", "{variables}: {result}");
    }
    assert_eq!(upstream.requests().len(), before);
}

#[tokio::test]
async fn a_conversation_remembers_what_it_learned_and_no_other_does() {
    let upstream = Upstream::start(|_| Reply::ok(ORDER)).await;
    let environments = ("callgate.toml", "environments = [\"development\", \"staging\"]\n");
    let api = gateway(upstream.port, &[environments]).await;
    let order = |conversation: &str| json!({"name": "get_order", "arguments": {"number": "1"}, "conversation_id": conversation, "environment": "development"});
    let note = |conversation: Value, environment: &str| json!({"name": "add_note", "arguments": {"text": "hi"}, "conversation_id": conversation, "environment": environment});
    let learned = api.call(order("one")).await;
    assert_eq!(learned["variables"], json!({"order.status": "shipped"}), "the customer is not shown");
    let used = api.call(note(json!("one"), "development")).await;
    assert_eq!(used["status"], "success", "{used}");
    let sent: Value = serde_json::from_str(&upstream.requests().last().unwrap().text()).unwrap();
    assert_eq!(sent, json!({"text": "hi", "customer": "c-7"}));
    let before = upstream.requests().len();
    for (conversation, environment) in [
        (json!("two"), "development"),
        (json!("one"), "staging"),
        (Value::Null, "development"),
        (json!(""), "development"),
    ] {
        let result = api.call(note(conversation.clone(), environment)).await;
        assert_eq!(result["error"]["code"], "missing_variable", "{conversation} {environment}: {result}");
        assert_eq!(result["error"]["missing"], ".variables.order.customer");
    }
    assert_eq!(upstream.requests().len(), before);
    // The caller's own variable wins over the one that was learned.
    let mut own = note(json!("one"), "development");
    own["variables"] = json!({"order.customer": "c-8"});
    api.call(own).await;
    let sent: Value = serde_json::from_str(&upstream.requests().last().unwrap().text()).unwrap();
    assert_eq!(sent["customer"], "c-8");
}

#[tokio::test]
async fn a_stream_of_events_is_documented_too() {
    let api = gateway(1, &[]).await;
    let request = api.0.request("POST", "/v1/tool-calls").header("accept", "text/event-stream");
    let reply = api.send("post", "/v1/tool-calls", request.body(r#"{"name": "hours"}"#)).await;
    assert_eq!((reply.status, reply.media.as_str()), (200, "text/event-stream"));
    let text = reply.body.as_str().unwrap();
    assert!(
        text.starts_with("event: started\ndata: {") && text.contains("\n\nevent: completed\ndata: {"),
        "{text}"
    );
}
