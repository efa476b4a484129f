//! Who may call, and what is no message.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{Reply, Session, call, gateway, initialize, message};
use crate::harness::Gateway;
use crate::upstream::{Reply as Answer, Upstream};

async fn post(
    gateway: &Gateway,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<reqwest::Body>,
) -> Reply {
    let mut request = gateway.request("POST", path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Reply::of(request.body(body).send().await.unwrap()).await
}

const JSON: (&str, &str) = ("content-type", "application/json");
const BOTH: (&str, &str) = ("accept", "application/json, text/event-stream");

#[tokio::test]
async fn a_key_is_wanted_as_everywhere() {
    let [all, staging] = [0, 1].map(|_| callgate::server::NewKey::generate().unwrap());
    let settings = format!(
        "environments = [\"development\", \"staging\"]\n[[keys]]\nname = \"all\"\nhash = \"{}\"\n\
         [[keys]]\nname = \"staging\"\nhash = \"{}\"\nenvironments = [\"staging\"]\n",
        all.hash, staging.hash
    );
    let gateway = gateway(1, &[("callgate.toml", &settings)]).await;
    let begin = initialize("2025-06-18").to_string();
    let (wrong, staging_bearer) =
        (format!("Bearer cg_{}", "0".repeat(64)), format!("Bearer {}", staging.key));
    for (path, key, status, code) in [
        ("/mcp/development", None, 401, "unauthorized"),
        ("/mcp/development", Some(("authorization", wrong.as_str())), 401, "unauthorized"),
        ("/mcp/nowhere", None, 401, "unauthorized"),
        ("/mcp/development", Some(("authorization", &staging_bearer)), 403, "environment_not_allowed"),
        ("/mcp/nowhere", Some(("x-api-key", &all.key)), 400, "unknown_environment"),
    ] {
        let headers: Vec<(&str, &str)> = [JSON, BOTH].into_iter().chain(key).collect();
        let reply = post(&gateway, path, &headers, begin.clone()).await;
        let problem: Value = serde_json::from_str(&reply.text).unwrap();
        assert_eq!((reply.status, &problem["code"]), (status, &json!(code)), "{path} {key:?}");
    }
    // By either header, under any name: keys make Host no question. A page must be the gateway's own.
    for key in [("authorization", staging_bearer.as_str()), ("x-api-key", &staging.key)] {
        let headers = [JSON, BOTH, key, ("origin", "https://gate.example.com"), ("host", "gate.example.com")];
        let reply = post(&gateway, "/mcp/staging", &headers, begin.clone()).await;
        assert!(reply.result()["serverInfo"].is_object());
        for foreign in ["https://app.example.com", "https://gate.example.com.evil.test", "null"] {
            let headers = [JSON, BOTH, key, ("origin", foreign), ("host", "gate.example.com")];
            let reply = post(&gateway, "/mcp/staging", &headers, begin.clone()).await;
            assert_eq!(reply.status, 403, "{foreign}: {reply:?}");
            assert!(reply.text.contains("foreign_origin"), "{reply:?}");
        }
    }
}

#[tokio::test]
async fn without_keys_no_page_of_another_origin_gets_in() {
    let gateway = gateway(1, &[]).await;
    let begin = initialize("2025-06-18").to_string();
    for header in [("origin", "https://evil.example"), ("host", "evil.example"), ("origin", "null")] {
        let reply = post(&gateway, "/mcp/development", &[JSON, BOTH, header], begin.clone()).await;
        assert_eq!(reply.status, 403, "{header:?}: {reply:?}");
        assert!(reply.text.contains("foreign_origin"), "{reply:?}");
    }
}

#[tokio::test]
async fn what_is_no_message_is_refused() {
    let gateway = gateway(1, &[]).await;
    let session = Session::begin(&gateway.url).await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_call = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{{\"name\":\"hours\",\"arguments\":{{\"a\":{deep}}}}}}}"
    );
    for body in [
        "",
        "{",
        "null",
        "[]",
        "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}]",
        "{}",
        "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"tools/list\"}",
        "{\"id\":1,\"method\":\"tools/list\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"tools/list\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"tools/list\"}",
        "\u{0}\u{1}",
        &deep,
        &deep_call,
    ] {
        let reply = Reply::of(session.request("POST").body(body.to_owned()).send().await.unwrap()).await;
        let short: String = body.chars().take(80).collect();
        assert!((400..500).contains(&reply.status), "{short}: {reply:?}");
    }
    let unreadable = Reply::of(session.request("POST").body("{").send().await.unwrap()).await;
    let answer: Value = serde_json::from_str(&unreadable.text).unwrap();
    assert_eq!((unreadable.status, &answer["error"]["code"]), (400, &json!(-32700)));
    // A tool that is called in a wrong way is no method that is not there.
    for params in
        [json!({"name": "hours", "arguments": "{}"}), json!({"name": "hours", "arguments": []}), json!({})]
    {
        let reply = session.send(&message(3, "tools/call", params.clone())).await;
        assert_eq!(reply.error_code(), -32602, "{params}");
        assert!(reply.text.contains("{name, arguments}"), "{reply:?}");
    }
    // It has lived through all of that.
    assert!(session.send(&message(2, "tools/list", json!({}))).await.result()["tools"].is_array());
}

#[tokio::test]
async fn media_types_and_sizes_are_held_to() {
    let settings =
        ("callgate.toml", "environments = [\"development\"]\n[server]\nmax_request_bytes = 2048\n");
    let gateway = gateway(1, &[settings]).await;
    let begin = initialize("2025-06-18").to_string();
    let path = "/mcp/development";
    assert_eq!(post(&gateway, path, &[JSON], begin.clone()).await.status, 406);
    assert_eq!(
        post(&gateway, path, &[JSON, ("accept", "application/json")], begin.clone()).await.status,
        406
    );
    assert_eq!(post(&gateway, path, &[BOTH], begin.clone()).await.status, 415);
    let reply = post(&gateway, path, &[JSON, BOTH], " ".repeat(4096)).await;
    assert_eq!(reply.status, 413, "{reply:?}");
    assert!(reply.text.contains("body_too_large"));
    let response = gateway.request("PUT", path).send().await.unwrap();
    assert_eq!(response.status(), 405);
    assert_eq!(post(&gateway, path, &[JSON, BOTH], begin).await.status, 200);
}

#[tokio::test]
async fn a_key_has_its_rate() {
    let key = callgate::server::NewKey::generate().unwrap();
    let settings = format!(
        "environments = [\"development\"]\n[[keys]]\nname = \"one\"\nhash = \"{}\"\nrate = {{per_second = 0.001, burst = 3}}\n",
        key.hash
    );
    let gateway = gateway(1, &[("callgate.toml", &settings)]).await;
    let bearer = format!("Bearer {}", key.key);
    let session =
        Session::begin_at(&format!("{}/mcp/development", gateway.url), &[("authorization", &bearer)]).await;
    session.send(&call(1, "hours", json!({}))).await.result();
    let reply = session.send(&call(2, "hours", json!({}))).await;
    assert_eq!(reply.status, 429, "{reply:?}");
    assert!(reply.text.contains("rate_limited"), "{reply:?}");
}

#[tokio::test]
async fn a_call_for_which_there_is_no_room_is_a_result() {
    let held = Arc::new(Semaphore::new(0));
    let gate = held.clone();
    let upstream = Upstream::start(move |_| Answer::Held(gate.clone(), Box::new(Answer::ok("{}")))).await;
    let settings = ("callgate.toml", "environments = [\"development\"]\n[server]\nmax_calls_in_flight = 1\n");
    let gateway = gateway(upstream.port, &[settings]).await;
    let session = Session::begin(&gateway.url).await;
    let (first, second) =
        (call(1, "add_note", json!({"text": "a"})), call(2, "add_note", json!({"text": "b"})));
    let (first, ()) = tokio::join!(session.send(&first), async {
        upstream.received(1).await;
        let reply = session.send(&second).await;
        assert_eq!(reply.result()["isError"], true);
        assert!(reply.text.contains("Too much is going on"), "{reply:?}");
        held.add_permits(1);
    });
    assert_eq!(first.result()["isError"], false);
}

#[tokio::test]
async fn an_answer_comes_by_its_deadline() {
    let upstream = Upstream::start(|_| Answer::Stall).await;
    let settings = ("callgate.toml", "environments = [\"development\"]\n[mcp]\ndeadline_ms = 200\n");
    let gateway = gateway(upstream.port, &[settings]).await;
    let url = format!("{}/mcp/development", gateway.url);
    let session = Session::begin(&gateway.url).await;
    let reply = session.send(&call(1, "get_order", json!({"number": "1"}))).await;
    assert!(reply.text.contains("\\\"code\\\":\\\"timeout\\\""), "{reply:?}");
    let session = Session::begin_at(&url, &[("callgate-deadline-ms", "100")]).await;
    let reply = session.send(&call(1, "get_order", json!({"number": "1"}))).await;
    assert!(reply.text.contains("\\\"code\\\":\\\"timeout\\\""), "{reply:?}");
    let session = Session::begin_at(&url, &[("callgate-deadline-ms", "soon")]).await;
    let reply = session.send(&call(1, "get_order", json!({"number": "1"}))).await;
    assert_eq!(reply.error_code(), -32602, "{reply:?}");
}
