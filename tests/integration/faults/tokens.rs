//! Token servers that fail: nothing is sent upstream without a token, and the
//! id of a call is not used up.

use serde_json::json;

use super::upstream::resetting;
use crate::bad_input::told;
use crate::egress::tls::{Authority, Identity, front};
use crate::harness::{Gateway, files};
use crate::upstream::{ClosedPort, Reply, Upstream};

const TOKEN: &str = r#"{"access_token": "t0ken-t0ken", "token_type": "bearer"}"#;
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
            raw(
                "HTTP/1.1 302 X\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            ),
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_connection_to_the_token_server_nothing_is_sent() {
    let closed = ClosedPort::new();
    let plain = tokens_of(Reply::ok(TOKEN)).await;
    let (authority, other) = (Authority::new(), Authority::new());
    let shown = |identity: Identity| {
        let plain = &plain;
        async move { front(plain, &identity, None).await }
    };
    let servers = [
        ("is not there", "http", closed.port, None),
        ("resets at once", "http", resetting(false).await, None),
        ("resets while it reads", "http", resetting(true).await, None),
        ("resets before TLS begins", "https", resetting(false).await, None),
        ("resets after the request", "http", tokens_of(Reply::Reset(Vec::new())).await.port, None),
        (
            "resets within the body",
            "http",
            tokens_of(Reply::Reset(b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{".to_vec())).await.port,
            None,
        ),
        ("speaks no TLS", "https", plain.port, None),
        ("is unknown", "https", shown(authority.server()).await, None),
        ("is of another authority", "https", shown(authority.server()).await, Some(other.pem())),
        (
            "has an expired certificate",
            "https",
            shown(authority.expired_server()).await,
            Some(authority.pem()),
        ),
        ("is another one", "https", shown(authority.other_server()).await, Some(authority.pem())),
    ];
    for method in ["GET", "PUT", "POST"] {
        let checks = servers.iter().map(|(what, scheme, port, authority)| {
            let url = format!("{scheme}://127.0.0.1:{port}/token");
            let server = TokenServer { url, authority: authority.clone() };
            async move { server.check(what, method, 20_000, "later").await }
        });
        futures_util::future::join_all(checks).await;
    }
    assert_eq!(plain.requests().len(), 0, "no secret goes to a stranger");
}

async fn tokens_of(reply: Reply) -> Upstream {
    Upstream::start(move |_| reply.clone()).await
}

async fn check(what: &str, reply: Reply, method: &str, retry: &str) {
    let stalls = matches!(reply, Reply::Stall | Reply::RawThenStall(_) | Reply::Trickle(_));
    // Where nothing ends a stall, long enough for a slow machine to have asked.
    let timeout = if stalls { 3_000 } else { 20_000 };
    let tokens = tokens_of(reply).await;
    let url = format!("http://127.0.0.1:{}/token", tokens.port);
    TokenServer { url, authority: None }.check(what, method, timeout, retry).await;
}

/// Where tokens are asked for, and the authority that the connector names for it.
struct TokenServer {
    url: String,
    authority: Option<String>,
}

impl TokenServer {
    /// Nothing is sent for a call with a token of this server, whether it comes once or again.
    async fn check(&self, what: &str, method: &str, timeout: u32, retry: &str) {
        let Self { url, authority } = self;
        let upstream = Upstream::start(|_| Reply::ok("{}")).await;
        let action = format!(
            "description: x\nmethod: {method}\nconnection: api\nauth: tokens\npath: /x\ntimeout_ms: {timeout}\n"
        );
        let tls = authority.as_ref().map_or("", |_| "tls: {ca_file: certs/ca.pem}\n");
        let auth = format!(
            "type: oauth2_client_credentials\ntoken_url: {url}\nclient_id: me\nclient_secret: {{secret: key}}\n{tls}"
        );
        let pem = ("certs/ca.pem", authority.as_deref().unwrap_or_default());
        let files =
            files(upstream.port, &[SECRETS, pem, ("actions/x.yaml", &action), ("auth/tokens.yaml", &auth)]);
        let gateway = Gateway::start(&files).await;
        let call = json!({"name": "x", "conversation_id": "c", "tool_call_id": "call_1"});
        for _ in 0..2 {
            let result = gateway.call_with(call.clone()).await;
            assert_eq!(
                told(&result).0,
                ("exception", "auth_failed", "none", retry),
                "{what}, {method}: {result}"
            );
            assert_eq!(
                (&result["attempts"], &result["replayed"]),
                (&json!(0), &json!(null)),
                "{what}, {method}"
            );
        }
        assert_eq!(upstream.requests().len(), 0, "{what}, {method}");
    }
}
