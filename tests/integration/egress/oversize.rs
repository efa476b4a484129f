//! Values that make a request too long to be sent.

use serde_json::{Value, json};

use crate::harness::Gateway;
use crate::upstream::{Reply, Upstream};

fn project(port: u16, settings: &str) -> Vec<(&'static str, String)> {
    let action = |text: &str| format!("description: x\nconnection: api\n{text}");
    let text =
        |name: &str| format!("parameters: {{type: object, properties: {{{name}: {{type: string}}}}}}\n");
    vec![
        ("callgate.toml", format!("environments = [\"development\"]\n{settings}")),
        (
            "connections/api.yaml",
            format!(
                "base_url: http://127.0.0.1:{port}\nbreaker: {{min_calls: 4, open_ms: 3600000}}\nlimits: {{max_in_flight: 8}}\n"
            ),
        ),
        ("actions/search.yaml", action(&format!("path: /search\n{}", text("query")))),
        (
            "actions/cancel.yaml",
            action(&format!("method: DELETE\npath: /orders/{{{{.parameters.id}}}}\n{}", text("id"))),
        ),
        (
            "actions/note.yaml",
            action(&format!(
                "method: POST\npath: /notes\nheaders: {{X-Note: \"{{{{.parameters.note}}}}\"}}\n{}",
                text("note")
            )),
        ),
        (
            "actions/mine.yaml",
            action("method: POST\npath: /mine\nquery: {token: \"{{.variables.token}}\"}\n"),
        ),
        ("actions/book.yaml", action("method: POST\npath: /book\n")),
    ]
}

/// Status, code, effect, retry, attempts.
fn told(result: &Value) -> Value {
    let error = &result["error"];
    json!([result["status"], error["code"], error["effect"], error["retry"], result["attempts"]])
}

fn refused() -> Value {
    json!(["exception", "template_error", "none", "with_changes", 0])
}

async fn ok() -> Upstream {
    Upstream::start(|_| Reply::ok("{}")).await
}

#[tokio::test]
async fn values_too_long_for_a_url_are_refused_by_name_and_do_not_close_the_service_to_others() {
    let upstream = ok().await;
    let gateway = Gateway::start(&project(upstream.port, "")).await;
    for number in 0..22 {
        let query = format!("{number}{}", "a".repeat(65_500));
        let result = gateway.call("search", json!({"query": query})).await;
        assert_eq!(told(&result), refused());
        let message = "`query` is too long for this request; nothing was done. Send a shorter value.";
        assert_eq!(result["error"]["message"], message);
    }
    assert_eq!(upstream.requests().len(), 0);
    assert_eq!(gateway.call("book", json!({})).await["status"], "success");
    assert_eq!(gateway.call("search", json!({"query": "a".repeat(7_900)})).await["status"], "success");
}

#[tokio::test]
async fn a_value_that_grows_too_long_by_its_encoding_is_refused_as_well() {
    let upstream = ok().await;
    let gateway = Gateway::start(&project(upstream.port, "")).await;
    assert_eq!(told(&gateway.call("search", json!({"query": "ж".repeat(2_000)})).await), refused());
    assert_eq!(gateway.call("search", json!({"query": "ж".repeat(1_000)})).await["status"], "success");
}

#[tokio::test]
async fn a_write_that_is_too_long_has_no_effect_and_leaves_its_id_free() {
    let upstream = ok().await;
    let gateway = Gateway::start(&project(upstream.port, "")).await;
    let call = |name: &str, arguments: Value| {
        let call = json!({"name": name, "arguments": arguments, "conversation_id": "c", "tool_call_id": "1"});
        gateway.call_with(call)
    };
    for _ in 0..2 {
        let result = call("cancel", json!({"id": "7".repeat(65_500)})).await;
        assert_eq!((told(&result), &result["replayed"]), (refused(), &Value::Null));
        assert!(result["error"]["message"].as_str().unwrap().starts_with("`id` is too long"), "{result}");
        let result = call("note", json!({"note": "n".repeat(8_001)})).await;
        assert_eq!((told(&result), &result["replayed"]), (refused(), &Value::Null));
        assert!(result["error"]["message"].as_str().unwrap().starts_with("`note` is too long"), "{result}");
    }
    assert_eq!(call("cancel", json!({"id": "7"})).await["status"], "success");
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn a_variable_that_is_too_long_is_named_and_the_model_is_not_asked_to_shorten_it() {
    let upstream = ok().await;
    let gateway = Gateway::start(&project(upstream.port, "")).await;
    let result = gateway
        .call_with(json!({"name": "mine", "arguments": {}, "variables": {"token": "t".repeat(9_000)}}))
        .await;
    assert_eq!(told(&result), json!(["exception", "template_error", "none", "no", 0]));
    let message = "`token`, which this conversation holds, is too long for this request; nothing was done.";
    assert_eq!(result["error"]["message"], message);
}

#[tokio::test]
async fn the_limit_can_be_raised_for_a_service_that_takes_longer_urls() {
    let upstream = ok().await;
    let gateway = Gateway::start(&project(upstream.port, "[limits]\nmax_url_bytes = 60000\n")).await;
    assert_eq!(gateway.call("search", json!({"query": "a".repeat(50_000)})).await["status"], "success");
    assert_eq!(told(&gateway.call("search", json!({"query": "a".repeat(60_000)})).await), refused());
}

#[tokio::test]
async fn a_preview_refuses_what_the_call_would() {
    let upstream = ok().await;
    let gateway = Gateway::start(&project(upstream.port, "")).await;
    let call = json!({"arguments": {"query": "a".repeat(9_000)}});
    let (_, answer) = gateway.post("/v1/actions/search/preview", call.to_string()).await;
    assert_eq!(answer["error"]["code"], "template_error", "{answer}");
}
