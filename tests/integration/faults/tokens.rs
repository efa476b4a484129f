//! Token servers that fail: nothing is sent upstream without a token, and the
//! id of a call is not used up.

use serde_json::json;

use crate::bad_input::told;
use crate::harness::{Gateway, files};
use crate::upstream::{Reply, Upstream};

const SECRETS: (&str, &str) = ("secrets.toml", "[development]\nkey = \"hunter2hunter2\"\n");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_token_nothing_is_sent() {
    let raw = |text: &str| Reply::Raw(text.as_bytes().to_vec());
    let faults = [
        ("closes", Reply::Close, "later"),
        ("is no HTTP", raw("SSH-2.0-OpenSSH_9.6\r\n"), "later"),
        ("never answers", Reply::Stall, "later"),
        (
            "stalls within the body",
            Reply::RawThenStall(b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{".to_vec()),
            "later",
        ),
        ("trickles", Reply::Trickle(b"HTTP/1.1 200 OK\r\nx-slow: slow\r\n".to_vec()), "later"),
        (
            "lies about its length",
            raw("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"access_token\": \"t0ken-t0ken\"}"),
            "later",
        ),
        ("refuses the client", Reply::Json(401, r#"{"error": "invalid_client"}"#.to_owned()), "no"),
        ("fails", Reply::Json(500, "{}".to_owned()), "later"),
        ("is asked too often", Reply::Json(429, "{}".to_owned()), "later"),
        (
            "redirects",
            raw("HTTP/1.1 302 X\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"),
            "later",
        ),
        ("gives half a JSON", Reply::ok("{\"access_token\": "), "later"),
        ("gives no token", Reply::ok("{\"token_type\": \"Bearer\"}"), "later"),
        ("gives an endless token", Reply::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()), "later"),
    ];
    // Some of them flood: not all at once.
    for method in ["GET", "PUT", "POST"] {
        let checks = faults.iter().map(|(what, reply, retry)| check(what, reply.clone(), method, retry));
        futures_util::future::join_all(checks).await;
    }
}

async fn check(what: &str, reply: Reply, method: &str, retry: &str) {
    let stalls = matches!(reply, Reply::Stall | Reply::RawThenStall(_) | Reply::Trickle(_));
    // Where nothing ends a stall, long enough for a slow machine to have asked.
    let timeout = if stalls { 3_000 } else { 20_000 };
    let tokens = Upstream::start(move |_| reply.clone()).await;
    let upstream = Upstream::start(|_| Reply::ok("{}")).await;
    let action = format!(
        "description: x\nmethod: {method}\nconnection: api\nauth: tokens\npath: /x\ntimeout_ms: {timeout}\n"
    );
    let auth = format!(
        "type: oauth2_client_credentials\ntoken_url: http://127.0.0.1:{}/token\nclient_id: me\nclient_secret: {{secret: key}}\n",
        tokens.port
    );
    let files = files(upstream.port, &[SECRETS, ("actions/x.yaml", &action), ("auth/tokens.yaml", &auth)]);
    let gateway = Gateway::start(&files).await;
    let call = json!({"name": "x", "conversation_id": "c", "tool_call_id": "call_1"});
    for _ in 0..2 {
        let result = gateway.call_with(call.clone()).await;
        assert_eq!(
            told(&result).0,
            ("exception", "auth_failed", "none", retry),
            "{what}, {method}: {result}"
        );
        assert_eq!((&result["attempts"], &result["replayed"]), (&json!(0), &json!(null)), "{what}, {method}");
    }
    assert_eq!(upstream.requests().len(), 0, "{what}, {method}");
}
