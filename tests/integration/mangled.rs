//! Calls that clients and models write a little wrongly, and that can mean one thing only.

use serde_json::{Value, json};

use crate::harness::{Gateway, files};
use crate::upstream::{Reply, Upstream};

/// Takes a value of every kind.
const BOOK: (&str, &str) = (
    "actions/book_slot.yaml",
    "description: Books.\nconnection: api\nmethod: POST\npath: /book\nparameters:\n  type: object\n  \
     properties:\n    names: {type: array, items: {type: string}}\n    \
     address: {type: object, properties: {zip: {type: string}, floor: {type: integer}}}\n    \
     people: {type: integer}\n    price: {type: number}\n    hard: {type: boolean}\n    level: {enum: [1, 2]}\n    \
     note: {type: string}\n    either: {type: [string, integer]}\n    \
     pin: {type: integer, x-sensitive: true}\n",
);
const FIND: (&str, &str) = ("actions/find.yaml", "description: Finds.\nconnection: api\npath: /find\n");
/// Runs by itself; no model is offered it.
const GREET: (&str, &str) =
    ("actions/greet.yaml", "description: Greets.\nconnection: api\npath: /greet\non: start\n");

async fn start() -> (Gateway, Upstream) {
    let upstream = Upstream::start(|_| Reply::ok("{\"done\":true}")).await;
    let gateway = Gateway::start(&files(upstream.port, &[BOOK, FIND, GREET])).await;
    (gateway, upstream)
}

/// Books with `arguments`; `sent` is what the upstream must get.
async fn check_sent(arguments: Value, sent: &str) {
    let (gateway, upstream) = start().await;
    let result = gateway.call("book_slot", arguments).await;
    assert_eq!(result["status"], "success", "{result}");
    assert_eq!(upstream.request().text(), sent);
}

#[tokio::test]
async fn a_value_that_came_as_a_text_is_sent_as_the_value() {
    let sent = r#"{"names":["Ann"],"address":{"zip":"12","floor":3},"people":50,"price":12.50,"hard":true,"level":2}"#;
    let arguments = json!({"names": "[\"Ann\"]", "address": "{\"zip\": \"12\", \"floor\": \"3\"}", "people": "50",
        "price": "12.50", "hard": "true", "level": "2"});
    check_sent(arguments, sent).await;
}

#[tokio::test]
async fn a_text_stays_a_text_where_one_is_allowed() {
    let arguments = json!({"note": "50", "either": "7", "people": "2"});
    check_sent(arguments, r#"{"note":"50","either":"7","people":2}"#).await;
}

#[tokio::test]
async fn a_null_that_came_as_a_text_is_absent() {
    check_sent(json!({"people": "null", "note": "null"}), r#"{"note":"null"}"#).await;
}

#[tokio::test]
async fn arguments_that_were_encoded_twice_are_read() {
    let once = json!({"people": 2}).to_string();
    let twice = Value::String(once).to_string();
    check_sent(json!(twice), r#"{"people":2}"#).await;
}

#[tokio::test]
async fn what_does_not_fit_as_a_value_either_is_refused() {
    let (gateway, upstream) = start().await;
    for arguments in [json!({"people": "fifty"}), json!({"people": "5.5"}), json!({"names": "[1]"})] {
        let result = gateway.call("book_slot", arguments).await;
        assert_eq!(result["error"]["code"], "invalid_arguments", "{result}");
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn a_call_and_its_repeat_with_the_value_as_a_text_are_one_call() {
    let (gateway, upstream) = start().await;
    let call = |people: Value| json!({"conversation_id": "c", "tool_call_id": "call_1", "name": "book_slot", "arguments": {"people": people}});
    let first = gateway.call_with(call(json!("50"))).await;
    let second = gateway.call_with(call(json!(50))).await;
    assert_eq!((&first["status"], &second["status"]), (&json!("success"), &json!("success")), "{second}");
    assert_eq!(second["replayed"], true, "{second}");
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn the_feed_tells_what_was_read_as_json_and_nothing_sensitive() {
    let (gateway, _upstream) = start().await;
    let arguments = json!({"people": "50", "pin": "471199", "address": "{\"floor\": \"3\"}"});
    let call = json!({"conversation_id": "c", "name": "book_slot", "arguments": arguments});
    assert_eq!(gateway.call_with(call).await["status"], "success");
    let (_, told) = gateway.get("/v1/conversations/c/events").await;
    let events = told["events"].as_array().unwrap();
    let called = events.iter().find(|event| event["type"] == "tool_called").unwrap();
    let places = json!(["/people", "/pin", "/address", "/address/floor"]);
    assert_eq!(called["data"]["decoded"], places);
    assert_eq!(called["data"]["arguments"]["pin"], "***");
    assert!(!told.to_string().contains("471199"), "{told}");
}

#[tokio::test]
async fn a_tool_that_is_called_by_a_longer_name_is_found() {
    let (gateway, upstream) = start().await;
    for name in [
        "functions.book_slot",
        "default_api.book_slot",
        "tools/book_slot",
        "book_slot:0",
        "functions.book_slot:3",
        "book_slot<|channel|>commentary",
        "book_slot <|channel|>commentary",
        "<function>book_slot",
    ] {
        let result = gateway.call(name, json!({})).await;
        assert_eq!((&result["status"], &result["name"]), (&json!("success"), &json!("book_slot")), "{name}");
    }
    assert_eq!(upstream.requests().len(), 8);
}

#[tokio::test]
async fn a_longer_name_that_may_mean_several_tools_or_none_is_unknown() {
    let (gateway, upstream) = start().await;
    for name in
        ["book_slot.find", "functions.book", "api.greet", "please book_slot", "find me.now", "...", ":"]
    {
        let result = gateway.call(name, json!({})).await;
        assert_eq!(result["error"]["code"], "unknown_tool", "{name}: {result}");
    }
    for name in ["mcp__orders__book_slot", "orders__book_slot", "functions.mcp__a__book_slot:1"] {
        let message = gateway.call(name, json!({})).await["error"]["message"].clone();
        let message = message.as_str().unwrap();
        assert!(message.ends_with("Did you mean `book_slot`?"), "{message}");
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn products_that_match_by_name_get_the_name_that_they_sent() {
    let (gateway, _upstream) = start().await;
    let turn =
        json!({"role": "model", "parts": [{"functionCall": {"name": "default_api.find", "args": {}}}]});
    let (status, answer) = gateway.post("/v1/gemini/tool-calls", turn.to_string()).await;
    assert_eq!(status, 200, "{answer}");
    let response =
        answer.pointer("/parts/0/functionResponse").or_else(|| answer.pointer("/0/functionResponse"));
    let response = response.unwrap_or_else(|| panic!("no response in {answer}"));
    assert_eq!(response["name"], "default_api.find");
    assert!(response["response"].get("output").is_some(), "{answer}");
}

#[tokio::test]
async fn an_action_may_begin_with_a_digit_and_gemini_calls_it_behind_an_underscore() {
    let upstream = Upstream::start(|_| Reply::ok("{\"done\":true}")).await;
    let action = |name| (name, "description: Asks.\nconnection: api\npath: /2fa\n");
    let more = [action("actions/2fa.yaml"), action("actions/3d.yaml"), action("actions/_3d.yaml")];
    let gateway = Gateway::start(&files(upstream.port, &more)).await;
    let names = |specs: &Value, pointer: &str| -> Vec<String> {
        let all = specs.pointer(pointer).unwrap_or(specs).as_array().unwrap().clone();
        all.iter().map(|spec| spec["name"].as_str().unwrap().to_owned()).collect()
    };
    let (_, specs) = gateway.get("/v1/tools?format=anthropic").await;
    assert_eq!(names(&specs, ""), ["2fa", "3d", "_3d"], "{specs}");
    for format in ["gemini", "gemini-schema"] {
        let (_, specs) = gateway.get(&format!("/v1/tools?format={format}")).await;
        let offered = names(&specs, "/0/functionDeclarations");
        assert_eq!(offered, ["_2fa", "__3d", "_3d"], "{specs}");
    }
    for (called, meant) in
        [("2fa", "2fa"), ("_2fa", "2fa"), ("default_api._2fa", "2fa"), ("__3d", "3d"), ("_3d", "_3d")]
    {
        let result = gateway.call(called, json!({})).await;
        assert_eq!((&result["status"], &result["name"]), (&json!("success"), &json!(meant)), "{called}");
    }
}
