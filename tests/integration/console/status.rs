//! `GET /v1/status`, specs and branches.

use serde_json::{Value, json};

use crate::api::Api;
use crate::harness::{Gateway, files};
use crate::upstream::{Reply, Upstream};

const ORDER: (&str, &str) = (
    "actions/get_order.yaml",
    "description: Looks up an order.\nconnection: api\npath: /orders/{{.parameters.number}}\n\
     parameters: {type: object, properties: {number: {type: string, pattern: '^[0-9]+$'}}, required: [number]}\n",
);
const NOTE: (&str, &str) = (
    "actions/add_note.yaml",
    "description: Adds a note.\nconnection: api\nmethod: POST\npath: /notes\n\
     parameters: {type: object, properties: {text: {type: string}, urgent: {type: boolean}}, required: [text]}\n\
     body: |\n  {\"text\": \"{{.parameters.text}}\"\n   {{if .parameters.urgent}}, \"urgent\": true{{end}}}\n",
);

#[tokio::test]
async fn the_status_tells_how_calls_and_connections_are_doing() {
    let upstream = Upstream::start(|_| Reply::ok("{}")).await;
    let api = Api(Gateway::start(&files(upstream.port, &[ORDER, NOTE])).await);
    api.call(json!({"name": "get_order", "arguments": {"number": "1"}})).await;
    api.call(json!({"name": "get_order", "tool_call_id": "bad", "arguments": {"number": "x"}})).await;
    let status = api.get("/v1/status").await.body;
    assert_eq!(
        (&status["edit"], &status["admin"], &status["reload"]),
        (&json!(false), &json!(true), &Value::Null)
    );
    let environment = &status["environments"][0];
    let connection = &environment["connections"][0];
    assert_eq!((&connection["name"], &connection["running"]), (&json!("api"), &json!(0)), "{connection}");
    let order = &environment["actions"][0];
    assert_eq!(
        (&order["name"], &order["calls"], &order["failed"]),
        (&json!("get_order"), &json!(2), &json!(1)),
        "{environment}"
    );
    let latency = order["latency"].as_array().unwrap();
    assert_eq!(latency.last().unwrap(), &json!({"le_ms": null, "calls": 2}));
    assert!(latency.is_sorted_by_key(|bucket| bucket["calls"].as_u64()), "{latency:?}");
    let error = &environment["errors"][0];
    assert_eq!(
        (&error["action"], &error["code"], &error["tool_call_id"]),
        (&json!("get_order"), &json!("invalid_arguments"), &json!("bad"))
    );
}

#[tokio::test]
async fn an_action_is_shown_as_each_provider_s_models_see_it() {
    let api = Api(Gateway::start(&files(9, &[ORDER, NOTE])).await);
    let specs = api.get("/v1/actions/get_order/specs").await.body["specs"].clone();
    let formats: Vec<(&str, bool)> = specs
        .as_array()
        .unwrap()
        .iter()
        .map(|spec| (spec["format"].as_str().unwrap(), spec["strict"].as_bool().unwrap()))
        .collect();
    assert!(formats.contains(&("openai-chat", true)) && formats.contains(&("vapi", false)), "{formats:?}");
    for spec in specs.as_array().unwrap() {
        let bytes = spec["spec"].to_string().len();
        assert_eq!(spec["bytes"], json!(bytes), "{}", spec["format"]);
        assert_eq!(spec["tokens"], json!(bytes.div_ceil(4)));
    }
    let tools = api.get("/v1/tools?format=anthropic").await.body;
    let own = specs.as_array().unwrap().iter().find(|spec| spec["format"] == "anthropic").unwrap();
    assert_eq!(
        own["spec"],
        tools.as_array().unwrap().iter().find(|tool| tool["name"] == "get_order").unwrap().clone()
    );
    assert_eq!(api.get("/v1/actions/nothing/specs").await.status, 404);
}

#[tokio::test]
async fn every_combination_of_branches_is_rendered() {
    let api = Api(Gateway::start(&files(9, &[ORDER, NOTE])).await);
    let branches = api.get("/v1/actions/add_note/branches").await.body;
    let combinations = branches["combinations"].as_array().unwrap();
    let taken: Vec<&Value> = combinations.iter().map(|one| &one["decisions"][0]["taken"]).collect();
    assert_eq!((taken, &branches["truncated"]), (vec![&json!(true), &json!(false)], &json!(false)));
    assert!(combinations[0]["text"].as_str().unwrap().contains("\"urgent\": true"), "{branches}");
    let decision = &combinations[0]["decisions"][0];
    assert_eq!(
        (&decision["condition"], &decision["file"], &decision["line"], &decision["column"]),
        (&json!("if .parameters.urgent"), &json!("actions/add_note.yaml"), &json!(8), &json!(6)),
        "{decision}"
    );
    assert_eq!(api.get("/v1/actions/get_order/branches").await.body["combinations"], json!([]));
}
