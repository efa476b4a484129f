//! What the feed tells: everything that happened, in its order, and nothing sensitive.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::{ANSWER, HERE, begin, call, events, events_once, path, start, start_before, types};
use crate::api::Api;
use crate::backend::{Backend, on_every_store};
use crate::harness::{Gateway, files};
use crate::upstream::{Reply, Upstream};

on_every_store! {
    async fn a_call_is_told_in_its_order(on) {
        let (api, _upstream) = start(on).await;
        begin(&api, "c", json!({})).await;
        api.call(call("c", "1", "get_order", json!({"number": "17"}))).await;
        let told = events(&api, "c").await;
        assert_eq!(
            types(&told),
            [
                "conversation_started", "tool_called", "request_sent", "response_received", "variable_set",
                "variable_set", "variable_set", "variable_set",
            ]
        );
        let ids: Vec<u64> = told.iter().map(|event| event["id"].as_u64().unwrap()).collect();
        assert_eq!(ids, (1..=8).collect::<Vec<u64>>());
        let times: Vec<&str> = told.iter().map(|event| event["at"].as_str().unwrap()).collect();
        assert!(times.is_sorted(), "{times:?}");
        let data = |at: usize| told[at]["data"].clone();
        assert_eq!(data(1), json!({"tool_call_id": "1", "name": "get_order", "arguments": {"number": "17"}}));
        let sent = data(2);
        assert_eq!((&sent["tool_call_id"], &sent["method"], &sent["body"]), (&json!("1"), &json!("GET"), &Value::Null));
        assert!(sent["url"].as_str().unwrap().ends_with("/orders/17"), "{sent}");
        assert_eq!(sent["headers"]["x-key"], "***");
        let received = data(3);
        assert_eq!((&received["status_code"], received["duration_ms"].is_u64()), (&json!(200), true));
        // As the model sees it.
        let seen = json!({"status": "shipped", "customer": "Ann", "token": "[hidden]", "margin": "[hidden]"});
        assert_eq!(received["body"], seen);
        let source = json!({"by": "call", "tool_call_id": "1", "action": "get_order"});
        let set = |name: &str, value: &str, sensitive: bool, exposed: bool| {
            json!({"name": name, "value": value, "sensitive": sensitive, "exposed": exposed, "source": source})
        };
        assert_eq!(data(4), set("order.status", "shipped", false, true));
        assert_eq!(data(5), set("order.customer", "Ann", false, false));
        assert_eq!(data(6), set("order.token", "***", true, false));
        assert_eq!(data(7), set("order.margin", "***", false, false));
        // Arguments as a text, an answer without a request.
        api.call(call("c", "2", "get_order", json!("{\"number\": \"18\"}"))).await;
        api.call(call("c", "3", "hours", json!({}))).await;
        let told = events_once(&api, "c", 17).await;
        assert_eq!(told[8]["data"]["arguments"], json!({"number": "18"}));
        assert_eq!(types(&told)[15..], ["tool_called", "response_received"]);
        let answered = &told[16]["data"];
        assert_eq!((&answered["tool_call_id"], &answered["status_code"]), (&json!("3"), &json!(200)));
        assert_eq!(answered["body"], json!({"open": "9 to 5"}));
        let phases = |at: usize| -> Vec<String> {
            let phases = told[at]["data"]["phases"].as_array().unwrap().iter();
            phases.map(|one| one["phase"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(phases(16), ["open", "validate", "claim", "render", "extract"]);
        let of_a_request = phases(3);
        for phase in ["open", "validate", "claim", "render", "connect", "first_byte", "body", "extract"] {
            assert!(of_a_request.contains(&phase.to_owned()), "{phase} in {of_a_request:?}");
        }
    }
}

on_every_store! {
    async fn retries_replays_and_errors_are_told(on) {
        let count = AtomicUsize::new(0);
        let upstream = Upstream::start(move |request| match request.line() {
            "GET /orders/no" => Reply::Json(404, "{\"reason\": \"unknown\"}".to_owned()),
            _ if count.fetch_add(1, Ordering::SeqCst) == 0 => Reply::Json(503, "{}".to_owned()),
            _ => Reply::ok(ANSWER),
        })
        .await;
        let api = start_before(on, upstream.port).await;
        begin(&api, "c", json!({})).await;
        let done = api.call(call("c", "1", "get_order", json!({"number": "1"}))).await;
        assert_eq!((&done["status"], &done["attempts"]), (&json!("success"), &json!(2)), "{done}");
        api.call(call("c", "1", "get_order", json!({"number": "1"}))).await;
        api.call(call("c", "2", "get_order", json!({"number": "no"}))).await;
        api.call(call("c", "3", "get_order", json!({"number": 7}))).await;
        // An order that is not there has none of the variables that an order had.
        let told = events_once(&api, "c", 20).await;
        assert_eq!(
            types(&told),
            [
                "conversation_started", "tool_called", "request_sent", "retry", "response_received", "variable_set",
                "variable_set", "variable_set", "variable_set", "replay", "tool_called", "request_sent",
                "response_received", "variable_set", "variable_set", "variable_set", "variable_set", "error", "tool_called",
                "error",
            ]
        );
    }
}

#[tokio::test]
async fn nothing_sensitive_is_in_it() {
    let (api, _upstream) = start(&Backend::Memory).await;
    let request = json!({
        "variables": {"caller.phone": "+493012345", "pin": "s3cr3t-pin"},
        "sensitive": ["caller.phone", "pin"], "exposed": ["caller.phone"],
    });
    begin(&api, "c", request).await;
    let marks =
        ["4111-1111-2222", "493012345", "t0k3n-of-4711", "margin-is-high", "s3cr3t-pin", "k3y-of-the-orders"];
    api.call(call("c", "1", "get_order", json!({"number": "s3cr3t-pin k3y-of-the-orders"}))).await;
    api.call(call("c", "2", "pay", json!({"amount": 5, "card": "4111-1111-2222"}))).await;
    // Arguments that do not fit, that are none, of another action, and of none.
    api.call(call("c", "3", "pay", json!({"amount": "x", "card": "4111-1111-2222"}))).await;
    api.call(call("c", "4", "pay", json!("{\"card\": \"4111-1111-2222\""))).await;
    api.call(call("c", "5", "get_order", json!({"number": "t0k3n-of-4711", "x": "margin-is-high"}))).await;
    api.call(call("c", "6", "pya", json!({"card": "4111-1111-2222"}))).await;
    api.call(call("c", "7", "pay", json!({"amount": 6, "card": "s3cr3t-pin"}))).await;
    api.call(call("c", "7", "pay", json!({"amount": 6, "card": "s3cr3t-pin"}))).await;
    // Under a name that is misspelt.
    api.call(call("c", "8", "pay", json!({"amount": 6, "Card": "4111-1111-2222"}))).await;
    let told = events_once(&api, "c", 27).await;
    let text = serde_json::to_string(&told).unwrap();
    for mark in marks {
        assert!(!text.contains(mark), "{mark} in {text}");
    }
    // What was sent is told all the same.
    let sent: Vec<&Value> = told.iter().filter(|event| event["type"] == "request_sent").collect();
    assert_eq!(sent.len(), 3, "{text}");
    let body: Value = serde_json::from_str(sent[1]["data"]["body"].as_str().unwrap()).unwrap();
    assert_eq!(body, json!({"amount": 5, "card": "***", "token": "***", "caller": "***"}));
    assert_eq!(told.iter().filter(|event| event["type"] == "replay").count(), 1);
}

#[tokio::test]
async fn what_a_call_brings_under_a_sensitive_name_is_not_in_it() {
    let upstream = Upstream::start(|request| Reply::ok(&json!({"said": request.text()}).to_string())).await;
    let call_back = (
        "actions/call_back.yaml",
        "description: Calls back.\nconnection: api\nmethod: POST\npath: /calls\nbind: {phone: '{{.variables.caller.phone}}'}\n\
         parameters: {type: object, properties: {hour: {type: integer}}}\n",
    );
    let api = Api(Gateway::start(&files(upstream.port, &[call_back])).await);
    let request = json!({"variables": {"caller.phone": "+493012345"}, "sensitive": ["caller.phone"]});
    begin(&api, "c", request).await;
    let brought = |id: &str, variables: Value, hour: Value| {
        let mut call = call("c", id, "call_back", json!({"hour": hour}));
        call["variables"] = variables;
        call
    };
    let of_sent = json!({"hour": 5, "phone": "***"});
    for (id, variables) in
        [("1", json!({"caller.phone": "9876-5432"})), ("2", json!({"caller": {"phone": "9876-5432"}}))]
    {
        let call = brought(id, variables, json!(5));
        let shown = api.post("/v1/actions/call_back/preview", &call).await.body;
        let body: Value = serde_json::from_str(shown["request"]["body"].as_str().unwrap()).unwrap();
        assert_eq!(body, of_sent);
        assert!(!shown.to_string().contains("9876-5432"), "{shown}");
        api.call(call).await;
    }
    assert!(upstream.requests().iter().all(|request| request.text().contains("9876-5432")));
    // Of a call that goes no further its arguments are told, and what is wrong with them.
    api.call(brought("3", json!({"caller.phone": "9876-5432"}), json!("9876-5432"))).await;
    let told = events_once(&api, "c", 10).await;
    let text = serde_json::to_string(&told).unwrap();
    assert!(!text.contains("9876-5432"), "{text}");
    let sent: Vec<&Value> = told.iter().filter(|event| event["type"] == "request_sent").collect();
    let body: Value = serde_json::from_str(sent[0]["data"]["body"].as_str().unwrap()).unwrap();
    assert_eq!((sent.len(), body), (2, of_sent));
}

#[tokio::test]
async fn what_is_sensitive_and_cannot_be_found_hides_all_content() {
    let (api, _upstream) = start(&Backend::Memory).await;
    begin(&api, "c", json!({})).await;
    api.call(call("c", "1", "pay", json!({"amount": 5, "is_ill": true}))).await;
    let told = events(&api, "c").await;
    assert_eq!(types(&told), ["conversation_started", "tool_called", "request_sent", "response_received"]);
    assert_eq!(told[1]["data"]["arguments"], "***");
    assert_eq!((&told[2]["data"]["url"], &told[2]["data"]["body"]), (&json!("***"), &json!("***")));
    assert_eq!((&told[3]["data"]["body"], &told[3]["data"]["status_code"]), (&json!("***"), &json!(201)));
    // A call without it is told.
    api.call(call("c", "2", "pay", json!({"amount": 5}))).await;
    assert_eq!(events(&api, "c").await[4]["data"]["arguments"], json!({"amount": 5}));
}

on_every_store! {
    async fn it_is_read_in_pages_and_bounded(on) {
        let (api, _upstream) = start(on).await;
        begin(&api, "c", json!({})).await;
        let feed = format!("/v1/conversations/c/events?{HERE}");
        for round in 0..14 {
            let many: serde_json::Map<String, Value> =
                (0..39).map(|number| (format!("n{number}"), json!(round))).collect();
            assert_eq!(api.ask("PATCH", &path("c"), &json!({"variables": many})).await.status, 200);
        }
        // 1 + 14 × 39 have happened; the newest 500 are there.
        let (mut after, mut found) = (0, Vec::new());
        loop {
            let page = api.get(&format!("{feed}&after={after}&limit=200")).await.body;
            assert_eq!((&page["newest"], page["gap"] == true), (&json!(547), after == 0));
            found.extend(page["events"].as_array().unwrap().iter().map(|event| event["id"].as_u64().unwrap()));
            let Some(next) = page["next"].as_u64() else { break };
            after = next;
        }
        assert_eq!(found, (48..=547).collect::<Vec<u64>>());
        for (query, events) in [("after=547", 0), ("after=546", 1), ("after=18446744073709551615", 0), ("", 100)] {
            let page = api.get(&format!("{feed}&{query}")).await;
            assert_eq!((page.status, page.body["events"].as_array().unwrap().len()), (200, events), "{query}");
        }
        for broken in ["after=-1", "after=x", "limit=0", "limit=501", "afetr=1"] {
            let refused = api.get(&format!("{feed}&{broken}")).await;
            assert_eq!((refused.status, &refused.body["code"]), (400, &json!("invalid_request")), "{broken}");
        }
        // Of a change of more variables than it tells of, it says how many there were.
        let many: serde_json::Map<String, Value> = (0..50).map(|number| (format!("m{number}"), json!(1))).collect();
        api.ask("PATCH", &path("c"), &json!({"variables": many})).await;
        let told = events(&api, "c").await;
        assert_eq!(told.last().unwrap()["data"], json!({"more": 10}));
    }
}

#[tokio::test]
async fn long_contents_are_cut() {
    let long = format!("{{\"text\": \"{}\"}}", "é".repeat(6_000));
    let upstream = Upstream::start(move |_| Reply::ok(&long)).await;
    let api = start_before(&Backend::Memory, upstream.port).await;
    begin(&api, "c", json!({"variables": {"long": "y".repeat(100_000)}})).await;
    api.call(call("c", "1", "pay", json!({"amount": 1, "note": "x"}))).await;
    api.call(call("c", "2", "get_order", json!({"number": "\u{1}".repeat(2_500)}))).await;
    let told = events_once(&api, "c", 7).await;
    for event in &told {
        let bytes = event["data"].to_string().len();
        assert!(bytes <= 4 * 1024 && event["data"]["omitted_bytes"].is_null(), "{bytes}: {event}");
    }
    assert_eq!(told[1]["data"]["value"], "[100002 bytes]");
    let body =
        told.iter().find(|event| event["type"] == "response_received").unwrap()["data"]["body"].to_string();
    assert!(body.contains("éé") && body.contains("bytes]"), "{body}");
}
