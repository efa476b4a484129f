//! HTTP/2: what an upstream has not processed is sent again by the action's policy, and by nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::Reason;
use h2::server::{Connection, SendResponse};
use http::Response;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::server::TlsStream;

use super::tls::{Authority, acceptor};
use crate::bad_input::told;
use crate::harness::Gateway;

/// What becomes of a request whose body has been read: reset for a reason, or answered.
type Fate = Option<Reason>;

/// An upstream that speaks HTTP/2.
struct Upstream {
    port: u16,
    authority: Authority,
    seen: Arc<AtomicUsize>,
}

impl Upstream {
    /// The n-th request meets the n-th fate, and those after the last one are answered.
    async fn start(fates: &'static [Fate]) -> Self {
        let authority = Authority::new();
        let acceptor = acceptor(&authority.server(), None, &["h2"]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, seen) = (listener.local_addr().unwrap().port(), Arc::<AtomicUsize>::default());
        let count = seen.clone();
        tokio::task::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, count) = (acceptor.clone(), count.clone());
                tokio::task::spawn(async move {
                    let stream = acceptor.accept(stream).await.unwrap();
                    serve(h2::server::handshake(stream).await.unwrap(), fates, &count).await;
                });
            }
        });
        Self { port, authority, seen }
    }

    /// The result of an action with this in it, and how many requests came for it.
    async fn call(&self, action: &str) -> (Value, usize) {
        let files = [
            (
                "connections/api.yaml",
                format!("base_url: https://127.0.0.1:{}\ntls: {{ca_file: certs/ca.pem}}\n", self.port),
            ),
            ("certs/ca.pem", self.authority.pem()),
            (
                "actions/do.yaml",
                format!("description: does\nconnection: api\npath: /do\ntimeout_ms: 20000\n{action}"),
            ),
        ];
        let gateway = Gateway::start(&files).await;
        let call = json!({"name": "do", "conversation_id": "c", "tool_call_id": "call_1", "arguments": {}});
        let result = gateway.call_with(call.clone()).await;
        (result, self.seen.load(Ordering::SeqCst))
    }
}

async fn serve(mut connection: Connection<TlsStream<TcpStream>, Bytes>, fates: &[Fate], count: &AtomicUsize) {
    while let Some(Ok((request, respond))) = connection.accept().await {
        let number = count.fetch_add(1, Ordering::SeqCst);
        let fate = fates.get(number).copied().flatten();
        tokio::task::spawn(end(request.into_body(), respond, fate));
    }
}

async fn end(mut body: h2::RecvStream, mut respond: SendResponse<Bytes>, fate: Fate) {
    while body.data().await.is_some() {}
    if let Some(reason) = fate {
        return respond.send_reset(reason);
    }
    let head = Response::builder().header("content-type", "application/json").body(()).unwrap();
    let mut sending = respond.send_response(head, false).unwrap();
    sending.send_data(Bytes::from_static(b"{\"id\": 1}"), true).unwrap();
}

const POST: &str = "method: POST\nbody: \"{}\"\n";

#[tokio::test]
async fn what_was_refused_unprocessed_is_sent_again_as_the_action_says_and_counted() {
    const REFUSED: Fate = Some(Reason::REFUSED_STREAM);
    let (result, seen) =
        Upstream::start(&[REFUSED]).await.call(&format!("{POST}retry: {{backoff_ms: 1}}\n")).await;
    assert_eq!((&result["status"], &result["attempts"], seen), (&json!("success"), &json!(2), 2), "{result}");

    let upstream = Upstream::start(&[REFUSED; 9]).await;
    let (result, seen) = upstream.call(&format!("{POST}retry: {{max_attempts: 1}}\n")).await;
    assert_eq!(told(&result).0, ("failure", "connect_failed", "none", "later"));
    assert_eq!((&result["attempts"], seen), (&json!(1), 1));
}

#[tokio::test]
async fn any_other_reset_of_a_write_leaves_it_unknown() {
    let upstream = Upstream::start(&[Some(Reason::INTERNAL_ERROR); 9]).await;
    let (result, seen) = upstream.call(POST).await;
    assert_eq!(told(&result).0, ("failure", "connection_lost", "unknown", "no"));
    assert_eq!((&result["attempts"], seen), (&json!(1), 1));
}
