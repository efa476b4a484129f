//! Conversations that callers carry, as the OpenAPI document has them.

use serde_json::json;

use super::gateway;
use crate::upstream::{Reply, Upstream};

const SEALING: &[(&str, &str)] = &[
    ("callgate.toml", "environments = [\"development\", \"staging\"]\n[sealing]\nkeys = [\"STATE_KEY\"]\n"),
    (
        "secrets.toml",
        "[development]\nSTATE_KEY = \"6b1f0c5ddc8a5e7e2f3d9c4b1a0f8e7d6c5b4a39281706f5e4d3c2b1a0998877\"\n",
    ),
];

#[tokio::test]
async fn every_reply_of_a_carried_conversation_is_documented() {
    let upstream = Upstream::start(|_| Reply::ok(r#"{"status": "shipped", "customer": "C-1"}"#)).await;
    let api = gateway(upstream.port, SEALING).await;
    let order =
        json!({"environment": "development", "name": "get_order", "arguments": {"number": "7"}, "state": ""});
    let first = api.call(order).await;
    assert_eq!(first["variables"], json!({"order.status": "shipped"}));
    let state = &first["state"];
    assert!(state.is_string(), "{first}");
    let calls =
        json!([{"name": "add_note", "arguments": {"text": "x"}}, {"name": "hours"}, {"name": "human"}]);
    let several = api.call(json!({"environment": "development", "calls": calls, "state": state})).await;
    assert!(several["state"].is_string() && several["results"][0].get("state").is_none(), "{several}");
    assert_eq!(several["results"][0]["status"], "success");
    assert!(upstream.requests()[1].text().contains("C-1"), "what the first call kept");
    let preview = json!({"environment": "development", "arguments": {"text": "x"}, "state": state});
    let preview = api.post("/v1/actions/add_note/preview", &preview).await;
    assert!(preview.body["request"]["body"].as_str().unwrap().contains("C-1"), "{}", preview.body);
    for (environment, state, status, code) in [
        ("development", "x", 400, "invalid_state"),
        ("staging", "", 400, "stateless_off"),
        ("development", &"x".repeat(70_000), 400, "invalid_state"),
    ] {
        let call = json!({"environment": environment, "name": "hours", "state": state});
        let reply = api.post("/v1/tool-calls", &call).await;
        assert_eq!((reply.status, &reply.body["code"]), (status, &json!(code)), "{}", reply.body);
        assert_eq!(reply.media, "application/problem+json");
    }
}
