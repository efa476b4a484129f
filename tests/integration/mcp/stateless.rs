//! The generation of 2026-07-28: every request stands for itself.

use serde_json::{Value, json};

use super::{Reply, call, gateway, message};
use crate::harness::Gateway;
use crate::upstream::{Reply as Answer, Upstream};

const VERSION: &str = "2026-07-28";

/// The same message with what it has to say about its sender.
pub(crate) fn complete(mut message: Value) -> Value {
    message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!(VERSION);
    message["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
    message["params"]["_meta"]["io.modelcontextprotocol/clientInfo"] =
        json!({"name": "test", "version": "1"});
    message
}

pub(crate) fn request(gateway: &str, message: &Value) -> reqwest::RequestBuilder {
    let request = crate::harness::client().post(format!("{gateway}/mcp/development"));
    let request = request
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", VERSION)
        .header("mcp-method", message["method"].as_str().unwrap());
    let request = match message["params"]["name"].as_str() {
        Some(name) => request.header("mcp-name", name),
        None => request,
    };
    request.body(message.to_string())
}

async fn send(gateway: &Gateway, message: &Value) -> Reply {
    Reply::of(request(&gateway.url, message).send().await.unwrap()).await
}

#[tokio::test]
async fn a_request_alone_is_answered_with_json() {
    let upstream = Upstream::start(|_| Answer::ok("{\"customer\": \"c1\"}")).await;
    let gateway = gateway(upstream.port, &[]).await;
    let reply = send(&gateway, &complete(message(1, "server/discover", json!({})))).await;
    let versions = reply.result()["supportedVersions"].as_array().unwrap();
    assert!(versions.contains(&json!(VERSION)) && versions.contains(&json!("2025-11-25")), "{reply:?}");
    let reply = send(&gateway, &complete(message(2, "tools/list", json!({})))).await;
    assert_eq!((reply.result()["tools"].as_array().unwrap().len(), &reply.session), (5, &None));
    // What a key may see is not for others' caches.
    assert_eq!((&reply.result()["cacheScope"], &reply.result()["ttlMs"]), (&json!("private"), &json!(0)));
    let reply = send(&gateway, &complete(call(3, "add_note", json!({"text": "x"})))).await;
    assert_eq!(reply.result()["structuredContent"], json!({"customer": "c1"}));
    assert!(reply.text.starts_with('{'), "{reply:?}");
}

#[tokio::test]
async fn requests_without_a_session_are_never_taken_for_one_another() {
    let upstream = Upstream::start(|_| Answer::ok("{\"customer\": \"c1\"}")).await;
    let gateway = gateway(upstream.port, &[]).await;
    let note = complete(call(1, "add_note", json!({"text": "x"})));
    for _ in 0..2 {
        assert_eq!(send(&gateway, &note).await.result()["isError"], false);
    }
    assert_eq!(upstream.requests().len(), 2);
    // A session that is none makes no conversation.
    for _ in 0..2 {
        let request = request(&gateway.url, &note).header("mcp-session-id", "made-up");
        assert_eq!(Reply::of(request.send().await.unwrap()).await.result()["isError"], false);
    }
    assert_eq!(upstream.requests().len(), 4);
    // With a conversation of the caller's, the same write within the window is one.
    for _ in 0..2 {
        let request = request(&gateway.url, &note).header("callgate-conversation-id", "phone-1");
        assert_eq!(Reply::of(request.send().await.unwrap()).await.result()["isError"], false);
    }
    assert_eq!(upstream.requests().len(), 5);
}

#[tokio::test]
async fn a_request_that_does_not_say_who_sends_it_is_refused() {
    let upstream = Upstream::start(|_| Answer::ok("{}")).await;
    let gateway = gateway(upstream.port, &[]).await;
    let note = call(1, "add_note", json!({"text": "x"}));
    assert_eq!(send(&gateway, &note).await.status, 400);
    let mut other = complete(note.clone());
    other["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2025-06-18");
    assert_eq!(send(&gateway, &other).await.status, 400);
    // What a proxy would route by is what is executed.
    let hidden = request(&gateway.url, &complete(call(1, "hours", json!({}))));
    let reply = Reply::of(hidden.body(complete(note).to_string()).send().await.unwrap()).await;
    assert_eq!((reply.status, reply.error_code()), (400, -32020), "{reply:?}");
    assert!(upstream.requests().is_empty());
}
