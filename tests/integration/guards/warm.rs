//! Connections and tokens that are ready before the first call.

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::egress::tls::{Authority, front};
use crate::wait::until;

/// A service behind TLS, its token server, and the way to them: each piece takes `delay`, as over a long line.
struct Service {
    upstream: Upstream,
    tokens: Upstream,
    connections: Arc<AtomicUsize>,
    gateway: Gateway,
}

impl Service {
    async fn new(settings: &str, delay: Duration) -> Self {
        let upstream = Upstream::start(|request| match request.line().starts_with("HEAD") {
            true => Reply::Json(404, String::new()),
            false => Reply::ok("{}"),
        })
        .await;
        let tokens = Upstream::start(|_| {
            Reply::ok(r#"{"access_token": "tok-of-crm", "token_type": "Bearer", "expires_in": 3600}"#)
        })
        .await;
        let authority = Authority::new();
        let behind = front(&upstream, &authority.server(), None).await;
        let connections = Arc::new(AtomicUsize::new(0));
        let port = line(behind, delay, connections.clone()).await;
        let token_port = line(tokens.port, delay, Arc::default()).await;
        let files = [
            ("callgate.toml", format!("environments = [\"development\"]\n{settings}")),
            ("secrets.toml", "[development]\ncrm_secret = \"s3cr3t-of-the-crm\"\n".to_owned()),
            ("certs/ca.pem", authority.pem()),
            (
                "connections/crm.yaml",
                format!("base_url: https://127.0.0.1:{port}/v1\nauth: crm\ntls: {{ca_file: certs/ca.pem}}\n"),
            ),
            (
                "auth/crm.yaml",
                format!(
                    "type: oauth2_client_credentials\ntoken_url: http://127.0.0.1:{token_port}/token\nclient_id: callgate\nclient_secret: {{secret: crm_secret}}\n"
                ),
            ),
            ("actions/read.yaml", "description: Reads.\nconnection: crm\npath: /read\n".to_owned()),
            (
                "actions/write.yaml",
                "description: Writes.\nconnection: crm\nmethod: POST\npath: /write\n".to_owned(),
            ),
        ];
        let gateway = Gateway::start(&files).await;
        Self { upstream, tokens, connections, gateway }
    }

    async fn begin(&self, id: &str) {
        let (status, reply) = self.gateway.post("/v1/conversations", json!({"id": id}).to_string()).await;
        assert_eq!(status, 201, "{reply}");
    }

    /// Waits until the service was asked for a head, and the token server for a token.
    async fn ready(&self) {
        until("a connection and a token", async || {
            let is_warm = self.heads() > 0 && !self.tokens.requests().is_empty();
            is_warm.then_some(())
        })
        .await;
    }

    fn heads(&self) -> usize {
        self.upstream.requests().iter().filter(|request| request.line().starts_with("HEAD")).count()
    }

    async fn call(&self) -> Duration {
        let begun = Instant::now();
        let result = self.gateway.call_with(json!({"name": "read", "conversation_id": "c"})).await;
        assert_eq!(result["status"], "success", "{result}");
        begun.elapsed()
    }
}

/// A long line to `port`; counts its connections. Gives its own port.
async fn line(port: u16, delay: Duration, connections: Arc<AtomicUsize>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    tokio::task::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            connections.fetch_add(1, Ordering::SeqCst);
            tokio::task::spawn(async move {
                // The connection itself takes a way there and back.
                tokio::time::sleep(2 * delay).await;
                let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
                let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                tokio::join!(carry(near_in, far_out, delay), carry(far_in, near_out, delay));
            });
        }
    });
    own
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration) {
    let mut piece = vec![0; 64 * 1024];
    while let Ok(bytes @ 1..) = from.read(&mut piece).await {
        tokio::time::sleep(delay).await;
        if to.write_all(&piece[..bytes]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

const WARM: &str = "[conversations.warm]\ndevelopment = [\"crm\"]\n";

#[tokio::test]
async fn the_first_call_finds_a_connection_and_a_token() {
    // The connection is free a moment after the answer to the look, which nobody is told.
    for patience in 0..20 {
        let service = Service::new(WARM, Duration::ZERO).await;
        service.begin("c").await;
        service.ready().await;
        tokio::time::sleep(Duration::from_millis(20 * patience)).await;
        service.call().await;
        service.begin("d").await;
        service.call().await;
        let requests = service.upstream.requests();
        assert_eq!(requests[0].line(), "HEAD /v1");
        assert_eq!(requests[0].header("authorization"), None, "no credentials for a look");
        assert_eq!(requests[1].header("authorization"), Some("Bearer tok-of-crm"));
        assert_eq!(
            (service.tokens.requests().len(), service.heads()),
            (1, 1),
            "ready for both conversations"
        );
        if service.connections.load(Ordering::SeqCst) == 1 {
            return;
        }
    }
    panic!("no call used the connection that was ready");
}

#[tokio::test]
async fn nothing_is_made_ready_that_is_not_named_nor_for_a_conversation_that_was_there() {
    let service = Service::new("", Duration::ZERO).await;
    service.begin("c").await;
    service.call().await;
    assert_eq!(service.heads(), 0);
    let service = Service::new(WARM, Duration::ZERO).await;
    service.call().await;
    let (status, _) = service.gateway.post("/v1/conversations", json!({"id": "c"}).to_string()).await;
    assert_eq!(status, 200);
    service.call().await;
    assert_eq!(service.heads(), 0);
}

#[tokio::test]
async fn a_connection_that_only_an_agent_uses_is_made_ready() {
    let upstream = Upstream::start(|_| Reply::Json(404, String::new())).await;
    let agent = "instructions: Be kind.\nmodel: {provider: openai, connection: api, model: m}\n";
    let settings = "environments = [\"development\"]\n[conversations.warm]\ndevelopment = [\"api\"]\n";
    let files = files(upstream.port, &[("agents/desk.yaml", agent), ("callgate.toml", settings)]);
    let gateway = Gateway::start(&files).await;
    let (status, reply) = gateway.post("/v1/conversations", json!({"id": "c"}).to_string()).await;
    assert_eq!(status, 201, "{reply}");
    let first = until("a connection", async || upstream.requests().first().cloned()).await;
    assert_eq!(first.line(), "HEAD /");
}

/// Measures the first call with and without, where `CALLGATE_MEASURE` is set: the figures of docs/guards.md.
#[tokio::test]
async fn the_figures_of_the_docs() {
    if std::env::var_os("CALLGATE_MEASURE").is_none() {
        return;
    }
    let delay = Duration::from_millis(20);
    let mut took = [Vec::new(), Vec::new()];
    for _ in 0..9 {
        for (settings, took) in ["", WARM].into_iter().zip(&mut took) {
            let service = Service::new(settings, delay).await;
            service.begin("c").await;
            if !settings.is_empty() {
                service.ready().await;
                // As long as the first syllable of a greeting.
                tokio::time::sleep(8 * delay).await;
            }
            took.push(service.call().await);
        }
    }
    let [cold, warm] = took.map(|mut took| {
        took.sort();
        took[took.len() / 2].as_millis()
    });
    let line = 2 * delay.as_millis();
    let said = format!("first call over a line of {line} ms: {cold} ms, with all ready {warm} ms\n");
    std::io::stderr().write_all(said.as_bytes()).unwrap();
}
