//! What a person sees who looks into a call.

use serde_json::{Value, json};

use crate::api::Api;
use crate::harness::{Gateway, files};
use crate::upstream::{Reply, Upstream};

const SECRETS: (&str, &str) = ("secrets.toml", "[development]\nkey = \"hunter2-hunter2\"\n");
const AUTH: (&str, &str) = ("auth/key.yaml", "type: bearer\ntoken: {secret: key}\n");
const ORDER: (&str, &str) = (
    "actions/get_order.yaml",
    "description: Looks up an order.\nconnection: api\nauth: key\npath: /orders/{{.parameters.number}}\n\
     parameters: {type: object, properties: {number: {type: string}}, required: [number]}\n\
     response: {max_chars: 300}\n\
     output_variables:\n  - {name: order.status, path: $.status, expose: true}\n  - {name: order.pin, path: $.pin, sensitive: true}\n  \
     - {name: order.owner, path: $.owner, expose: false}\n",
);

async fn start() -> (Upstream, Api) {
    let upstream = Upstream::start(|_| {
        let items: Vec<String> = (0..50).map(|number| format!("{{\"n\": {number}}}")).collect();
        Reply::Json(
            200,
            format!(
                "{{\"status\": \"shipped\", \"pin\": \"4711-0815\", \"owner\": \"Ann Onym\", \"echo\": \"hunter2-hunter2\", \
                 \"big\": 9007199254740993, \"items\": [{}]}}",
                items.join(", ")
            ),
        )
    });
    let upstream = upstream.await;
    let api = Api(Gateway::start(&files(upstream.port, &[SECRETS, AUTH, ORDER])).await);
    (upstream, api)
}

#[tokio::test]
async fn an_inspection_tells_what_was_sent_and_answered_and_when() {
    let (_upstream, api) = start().await;
    let call = json!({
        "name": "get_order", "conversation_id": "c", "tool_call_id": "1", "arguments": {"number": "7"},
        "source": "console", "inspect": true,
    });
    let result = api.call(call.clone()).await;
    let seen = &result["inspection"];
    assert_eq!((&seen["tool_call_id"], &seen["attempts"]), (&json!("1"), &json!(1)));
    assert_eq!(seen["request"]["headers"]["authorization"], "Bearer ***");
    let response = &seen["response"];
    assert_eq!(
        (&response["status"], &response["json"], &response["cut"]),
        (&json!(200), &json!(true), &json!(true))
    );
    // The model gets less of it, and a person sees all of it, but for what must not be seen.
    let body: Value = serde_json::from_str(response["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["items"].as_array().unwrap().len(), 50);
    assert!(response["body"].as_str().unwrap().contains("9007199254740993"));
    assert_eq!(
        (&body["pin"], &body["owner"], &body["echo"], &body["status"]),
        (&json!("***"), &json!("***"), &json!("***"), &json!("shipped"))
    );
    let mut masked: Vec<&str> =
        response["masked"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    masked.sort_unstable();
    assert_eq!(masked, ["/echo", "/owner", "/pin"]);
    let variable = |name: &str| {
        let all = seen["variables"].as_array().unwrap();
        all.iter().find(|one| one["name"] == name).cloned().unwrap()
    };
    assert_eq!(variable("order.status")["value"], "shipped");
    assert_eq!(
        (&variable("order.pin")["value"], &variable("order.owner")["hidden"]),
        (&json!("***"), &json!(true))
    );
    let phases: Vec<&str> =
        seen["phases"].as_array().unwrap().iter().map(|one| one["phase"].as_str().unwrap()).collect();
    for phase in ["open", "validate", "claim", "render", "connect", "first_byte", "body", "extract", "store"]
    {
        assert!(phases.contains(&phase), "{phase} in {phases:?}");
    }
    let starts = seen["phases"].as_array().unwrap().iter().map(|one| one["start_ms"].as_f64().unwrap());
    assert!(starts.is_sorted(), "{seen}");

    // The feed says what made the call; nothing else of the inspection is kept.
    let events = api.get("/v1/conversations/c/events").await.body["events"].clone();
    assert_eq!(events[1]["data"]["source"], "console", "{events}");
    let again = api.call(call).await;
    assert_eq!((&again["replayed"], again.get("inspection")), (&json!(true), None));
    let plain =
        api.call(json!({"name": "get_order", "tool_call_id": "2", "arguments": {"number": "8"}})).await;
    assert_eq!(plain.get("inspection"), None);
}

#[tokio::test]
async fn a_stream_has_the_inspection_behind_the_result() {
    let (_upstream, api) = start().await;
    let request = api.0.request("POST", "/v1/tool-calls").header("accept", "text/event-stream");
    let body = json!({"name": "get_order", "arguments": {"number": "7"}, "inspect": true}).to_string();
    let text = request.body(body).send().await.unwrap().text().await.unwrap();
    let kinds: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(kinds, ["started", "completed", "inspection"], "{text}");
    api.0.assert_untold(&text);
}

#[tokio::test]
async fn a_source_is_a_short_word() {
    let (_upstream, api) = start().await;
    for source in ["two words", "x".repeat(33).as_str(), "a\nb", "é"] {
        let call = json!({"name": "get_order", "arguments": {"number": "7"}, "source": source});
        let refused = api.post("/v1/tool-calls", &call).await;
        assert_eq!((refused.status, &refused.body["code"]), (400, &json!("invalid_request")), "{source}");
    }
}

/// What an action keeps to itself is masked in every answer: without a conversation, and in an answer that says no.
#[tokio::test]
async fn what_an_action_hides_is_masked_in_every_answer() {
    let upstream = Upstream::start(|request| {
        let status = if request.line().ends_with("/no") { 422 } else { 200 };
        let names = "\"names\": {\"4711-0815\": 1, \"Ann Onym\": 2, \"other\": 3}";
        Reply::Json(status, format!("{{\"pin\": \"4711-0815\", \"owner\": \"Ann Onym\", {names}}}"))
    });
    let upstream = upstream.await;
    let api = Api(Gateway::start(&files(upstream.port, &[SECRETS, AUTH, ORDER])).await);
    for (number, conversation) in [("7", None), ("no", None), ("8", Some("c")), ("no", Some("d"))] {
        let call = json!({
            "name": "get_order", "conversation_id": conversation, "arguments": {"number": number}, "inspect": true,
        });
        let result = api.call(call).await;
        let response = &result["inspection"]["response"];
        let body = response["body"].as_str().unwrap();
        assert!(
            !body.contains("4711-0815") && !body.contains("Ann Onym"),
            "{number} {conversation:?}: {body}"
        );
        let masked: Vec<&str> =
            response["masked"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
        assert!(masked.contains(&"/pin") && masked.contains(&"/owner"), "{masked:?}");
        // Two names that look the same are two members.
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["names"].as_object().unwrap().len(), 3, "{body}");
        assert_eq!(body["names"]["other"], 3);
    }
}

#[tokio::test]
async fn several_calls_are_not_inspected_at_once() {
    let (_upstream, api) = start().await;
    let one = json!({"name": "get_order", "arguments": {"number": "7"}});
    let inspected = json!({"name": "get_order", "arguments": {"number": "7"}, "inspect": true});
    for request in [json!({"inspect": true, "calls": [one]}), json!({"calls": [inspected]})] {
        let refused = api.post("/v1/tool-calls", &request).await;
        assert_eq!(
            (refused.status, &refused.body["code"]),
            (400, &json!("invalid_request")),
            "{}",
            refused.body
        );
    }
}
