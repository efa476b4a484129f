//! What an action answers by itself: the `response` of `static`, the `message` of `handover`.

use serde_json::{Value, json};

use super::*;
use crate::upstream::{Reply as Answer, Upstream};

const ACTIONS: &[(&str, &str)] = &[
    (
        "actions/order.yaml",
        "description: Looks up an order.\nconnection: api\npath: /order\n\
         output_variables: [{name: order, path: $.order}, {name: pin, path: $.pin, expose: false}]\n",
    ),
    (
        "actions/status.yaml",
        "description: Says the status.\ntype: static\n\
         parameters: {type: object, properties: {name: {type: string}}}\n\
         response:\n  order: '{{.variables.order}}'\n  count: '{{.variables.order.items}}'\n  \
         lines: [1, 'For {{.parameters.name}} in {{.static_variables.city}}.', null]\n  plain: 'a } b {'\n",
    ),
    ("actions/leak.yaml", "description: Leaks.\ntype: static\nresponse: 'The PIN is {{.variables.pin}}.'\n"),
    (
        "actions/transfer.yaml",
        "description: Transfers.\ntype: handover\nparameters: {type: object, properties: {why: {type: string}}}\n\
         handover: {queue: billing, message: \"{{.parameters.why}}: order {{.variables.order.id}},\\n pin {{.variables.pin}}\"}\n",
    ),
    ("variables.toml", "[development]\ncity = \"Bonn\"\n"),
];

async fn agent() -> (Api, Upstream) {
    let upstream = Upstream::start(|_| {
        Answer::ok(r#"{"order": {"id": "A-7", "items": 2, "total": 1.5}, "pin": "4711-0815"}"#)
    })
    .await;
    (gateway(upstream.port, ACTIONS).await, upstream)
}

async fn call(api: &Api, name: &str, arguments: Value) -> Value {
    let call = json!({"name": name, "conversation_id": "c", "arguments": arguments});
    api.post("/v1/tool-calls", &call).await.body
}

#[tokio::test]
async fn a_static_answer_says_what_the_conversation_knows() {
    let (api, _upstream) = agent().await;
    call(&api, "order", json!({})).await;
    let result = call(&api, "status", json!({"name": "Ann \"A\""})).await;
    assert_eq!(result["status"], "success", "{result}");
    // A text that is nothing but one value is that value.
    let body = json!({
        "order": {"id": "A-7", "items": 2, "total": 1.5},
        "count": 2,
        "lines": [1, "For Ann \"A\" in Bonn.", null],
        "plain": "a } b {",
    });
    assert_eq!(result["body"], body);
    assert_eq!(result["attempts"], 0);
}

#[tokio::test]
async fn a_static_answer_that_lacks_values_names_them_all() {
    let (api, _upstream) = agent().await;
    let result = call(&api, "status", json!({})).await;
    assert_eq!(result["status"], "exception", "{result}");
    let error = &result["error"];
    assert_eq!((&error["code"], &error["effect"]), (&json!("missing_variable"), &json!("none")));
    let missing = [".variables.order", ".variables.order.items", ".parameters.name"];
    assert_eq!(error["missing_all"], json!(missing));
    let preview = api.post("/v1/actions/status/preview", &json!({"conversation_id": "c"})).await.body;
    assert_eq!(preview["error"]["code"], "missing_variable", "{preview}");
}

#[tokio::test]
async fn an_answer_of_the_action_itself_shows_no_value_that_is_hidden() {
    let (api, _upstream) = agent().await;
    call(&api, "order", json!({})).await;
    assert_eq!(call(&api, "leak", json!({})).await["body"], "The PIN is [hidden].");
    let result = call(&api, "transfer", json!({"why": "Complaint\u{7}"})).await;
    // It is said, so it is one line.
    let message = "Complaint : order A-7, pin [hidden]";
    assert_eq!(result["handover"], json!({"queue": "billing", "message": message}), "{result}");
    assert_eq!(result["body"], message);
}

#[tokio::test]
async fn a_caller_is_not_handed_over_with_a_sentence_that_lacks_a_value() {
    let (api, _upstream) = agent().await;
    let result = call(&api, "transfer", json!({"why": "Complaint"})).await;
    assert_eq!(result["error"]["missing_all"], json!([".variables.order.id", ".variables.pin"]), "{result}");
    assert_eq!(result["handover"], Value::Null);
}
