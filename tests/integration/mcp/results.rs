//! What `tools/list` and `tools/call` say.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::{Session, call, gateway, initialize, message};
use crate::upstream::{Reply, Upstream};

#[tokio::test]
async fn every_version_with_a_handshake_is_spoken() {
    let gateway = gateway(1, &[]).await;
    let mut client = Session::begin(&gateway.url).await;
    client.id.clear();
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let reply = client.send(&initialize(version)).await;
        assert_eq!(reply.result()["protocolVersion"], version);
        assert_eq!(reply.result()["serverInfo"]["name"], "callgate");
        assert_eq!(reply.result()["capabilities"], json!({"tools": {"listChanged": true}}));
    }
    let reply = client.send(&initialize("1999-01-01")).await;
    assert_eq!(reply.result()["protocolVersion"], "2025-11-25");
}

#[tokio::test]
async fn tools_are_listed_with_their_hints_and_schemas() {
    let gateway = gateway(1, &[]).await;
    let session = Session::begin(&gateway.url).await;
    let reply = session.send(&message(1, "tools/list", json!({}))).await;
    let tools = reply.result()["tools"].as_array().unwrap();
    let names: Vec<&str> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["add_note", "get_order", "get_rates", "greet", "hours"]);
    let hints = |read: bool, idempotent: bool, open: bool| json!({"readOnlyHint": read, "destructiveHint": !read, "idempotentHint": idempotent, "openWorldHint": open});
    assert_eq!(tools[0]["annotations"], hints(false, true, true));
    assert_eq!(tools[1]["annotations"], hints(true, true, true));
    assert_eq!(tools[3]["annotations"], hints(false, false, true));
    assert_eq!(tools[4]["annotations"], hints(true, true, false));
    // What is bound is not offered.
    assert_eq!(tools[3]["inputSchema"]["properties"], json!({}));
    let usd = json!({"type": "object", "properties": {"usd": {"type": "number"}}, "required": ["usd"]});
    assert_eq!((tools[1].get("outputSchema"), &tools[2]["outputSchema"]), (None, &usd));
    let (_, listed) = gateway.get("/v1/tools?environment=development&format=mcp").await;
    assert_eq!(reply.result()["tools"], listed);
}

#[tokio::test]
async fn a_body_keeps_every_digit_as_text_and_as_structured_content() {
    let body = r#"{"n":1.10,"big":123456789012345678901234567890,"customer":"c1"}"#;
    let upstream = Upstream::start(move |_| Reply::ok(body)).await;
    let gateway = gateway(upstream.port, &[]).await;
    let session = Session::begin(&gateway.url).await;
    let note = call(1, "add_note", json!({"text": "x"}));
    let reply = session.send(&note).await;
    assert_eq!(reply.result()["content"], json!([{"type": "text", "text": body}]));
    assert!(reply.text.contains(&format!("\"structuredContent\":{body}")), "{}", reply.text);
    assert_eq!(reply.result()["isError"], false);
    let request = upstream.request();
    assert_eq!((request.line(), request.text().as_str()), ("POST /notes", r#"{"text":"x"}"#));
}

#[tokio::test]
async fn a_text_is_no_structured_content() {
    let gateway = gateway(1, &[]).await;
    let session = Session::begin(&gateway.url).await;
    let reply = session.send(&call(1, "hours", json!({}))).await;
    assert_eq!(reply.result()["content"][0]["text"], "9 to 5,\nMonday to Friday");
    assert_eq!(reply.result().get("structuredContent"), None);
    // Without `arguments` at all.
    let reply = session.send(&message(2, "tools/call", json!({"name": "hours"}))).await;
    assert_eq!(reply.result()["isError"], false);
}

#[tokio::test]
async fn what_the_model_can_mend_is_a_result_and_what_it_cannot_an_error() {
    let upstream = Upstream::start(|_| Reply::Json(500, "{\"why\": \"broken\"}".to_owned())).await;
    let gateway = gateway(upstream.port, &[]).await;
    let session = Session::begin(&gateway.url).await;
    let reply = session.send(&call(1, "get_order", json!({"number": "seven"}))).await;
    let result = reply.result();
    assert_eq!((&result["isError"], result.get("structuredContent")), (&json!(true), None));
    let told = result["content"][0]["text"].as_str().unwrap();
    assert!(told.contains("\"code\":\"invalid_arguments\"") && told.contains("`number`"), "{told}");
    assert!(upstream.requests().is_empty());

    let reply = session.send(&call(2, "add_note", json!({"text": "x"}))).await;
    let told = reply.result()["content"][0]["text"].as_str().unwrap();
    assert_eq!(reply.result()["isError"], true);
    assert!(told.contains("\"code\":\"upstream_error\"") && told.contains("\"why\": \"broken\""), "{told}");

    for (message, code) in [
        (call(3, "no_such_tool", json!({})), -32602),
        (message(4, "tools/call", json!({"arguments": {}})), -32602),
        (message(5, "tools/call", json!({"name": "hours", "arguments": [1]})), -32602),
        (message(6, "no/such/method", json!({})), -32601),
        (message(7, "prompts/get", json!({"name": "x"})), -32601),
    ] {
        let reply = session.send(&message).await;
        assert_eq!((reply.error_code(), &reply.answer()["id"]), (code, &message["id"]), "{message}");
    }
    assert_eq!(session.send(&message(8, "ping", json!({}))).await.result(), &json!({}));
}

#[tokio::test]
async fn a_declared_output_is_kept_or_the_call_is_an_error() {
    let calls = AtomicUsize::new(0);
    let bodies = [r#"{"usd":1.50}"#, r#"{"usd":"much"}"#, "[1]", "\"text\""];
    let upstream = Upstream::start(move |_| Reply::ok(bodies[calls.fetch_add(1, Ordering::Relaxed)])).await;
    let gateway = gateway(upstream.port, &[]).await;
    let session = Session::begin(&gateway.url).await;
    let reply = session.send(&call(1, "get_rates", json!({}))).await;
    assert!(reply.text.contains("\"structuredContent\":{\"usd\":1.50}"), "{}", reply.text);
    for (id, body) in [(2, bodies[1]), (3, bodies[2]), (4, bodies[3])] {
        let reply = session.send(&call(id, "get_rates", json!({}))).await;
        let result = reply.result();
        assert_eq!((&result["isError"], result.get("structuredContent")), (&json!(true), None), "{body}");
        let told = result["content"][0]["text"].as_str().unwrap();
        assert!(told.contains("\"code\":\"invalid_response\"") && told.contains(body), "{told}");
    }
}

#[tokio::test]
async fn headers_that_an_action_names_are_told_beside_the_body() {
    let upstream = Upstream::start(|request| {
        let body = if request.line().contains("typed") { "{\"left\": \"few\"}" } else { "{\"left\": 3}" };
        Reply::whole("200 OK\r\ncontent-type: application/json\r\nx-request-id: req-1", body.as_bytes())
    })
    .await;
    let action = |path: &str, more: &str| {
        format!(
            "description: d\nconnection: api\npath: {path}\nresponse: {{headers: [X-Request-Id]}}\n{more}"
        )
    };
    let schema = "output_schema: {type: object, properties: {left: {type: integer}}, required: [left]}\n";
    let (plain, kept, broken) = (action("/plain", ""), action("/kept", schema), action("/typed", schema));
    let actions = [
        ("actions/plain.yaml", plain.as_str()),
        ("actions/kept.yaml", kept.as_str()),
        ("actions/broken.yaml", broken.as_str()),
    ];
    let gateway = gateway(upstream.port, &actions).await;
    let session = Session::begin(&gateway.url).await;
    let told = json!({"headers": {"X-Request-Id": "req-1"}, "body": {"left": 3}});
    for (id, name, structured) in
        [(1, "plain", Some(&told)), (2, "kept", Some(&json!({"left": 3}))), (3, "broken", None)]
    {
        let reply = session.send(&call(id, name, json!({}))).await;
        let result = reply.result();
        assert_eq!(result.get("structuredContent"), structured, "{name}: {result}");
        let text: serde_json::Value =
            serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(text["headers"], told["headers"], "{name}: {result}");
        assert_eq!(result["isError"], name == "broken");
    }
}
