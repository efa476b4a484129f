//! One intent, one effect: claims, retries, cancelling.

mod before;
mod cancel;
mod claims;
mod dropped;
mod gone;
mod interleavings;
mod mixed;
mod panics;
mod repeats;
mod retries;

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::backend::Backend;
use crate::harness::{Gateway, files};
use crate::upstream::{Captured, Reply, Upstream};
use crate::watched::Watched;

const ACTIONS: &[(&str, &str)] = &[
    (
        "actions/book.yaml",
        "description: books\nconnection: api\nmethod: POST\npath: /book\ntimeout_ms: 20000\nparameters: {type: object, properties: {slot: {type: integer}, note: {}}}\noutput_variables:\n  - {name: booking.id, path: $.id, expose: true}\n",
    ),
    (
        "actions/look.yaml",
        "description: looks\nconnection: api\npath: /look\nparameters: {type: object, properties: {slot: {type: integer}}}\n",
    ),
    (
        "actions/book_soon.yaml",
        "description: books\nconnection: api\nmethod: POST\npath: /soon\ntimeout_ms: 200\nparameters: {type: object, properties: {slot: {type: integer}}}\n",
    ),
    (
        "actions/cancel_it.yaml",
        "description: cancels what was booked last\nconnection: api\nmethod: DELETE\npath: /bookings/{{.variables.booking.id}}\n",
    ),
    (
        "actions/order.yaml",
        "description: orders\nconnection: api\nmethod: POST\npath: /order\ntimeout_ms: 20000\nbody: '{\"again\": {{if .variables.order}}{{.variables.order.id}}{{else}}null{{end}}}'\noutput_variables: [{name: order.id, path: $.id, expose: true}]\n",
    ),
    (
        "actions/always.yaml",
        "description: books each time\nconnection: api\nmethod: POST\npath: /always\ndedupe_window_ms: 0\n",
    ),
    (
        "actions/briefly.yaml",
        "description: books once in a while\nconnection: api\nmethod: POST\npath: /briefly\ndedupe_window_ms: 40\n",
    ),
];

struct Setup {
    gateway: Arc<Gateway>,
    upstream: Upstream,
    store: Arc<Watched>,
}

impl Setup {
    async fn new(on: &Backend, reply: impl Fn(&Captured) -> Reply + Send + Sync + 'static) -> Self {
        let upstream = Upstream::start(reply).await;
        Self::of(on, &files(upstream.port, ACTIONS), upstream).await
    }

    /// With a project of its own.
    async fn of(on: &Backend, files: &[(&str, String)], upstream: Upstream) -> Self {
        let store = Watched::new(on.fresh());
        let gateway = Arc::new(Gateway::start_on(files, store.clone()).await);
        Self { gateway, upstream, store }
    }

    /// An upstream that answers with the number of its requests, once there is a permit.
    async fn held(on: &Backend) -> (Self, Arc<Semaphore>) {
        let gate = Arc::new(Semaphore::new(0));
        let held = gate.clone();
        let count = numbered();
        let setup = Self::new(on, move |request| Reply::Held(held.clone(), Box::new(count(request)))).await;
        (setup, gate)
    }

    fn sent(&self) -> usize {
        self.upstream.requests().len()
    }
}

/// Answers `{"id": n}` for the n-th request.
fn numbered() -> impl Fn(&Captured) -> Reply + Send + Sync + 'static {
    let count = std::sync::atomic::AtomicUsize::new(0);
    move |_| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
        Reply::ok(&format!("{{\"id\": {number}}}"))
    }
}

fn call(name: &str, conversation: Option<&str>, id: Option<&str>, arguments: Value) -> Value {
    json!({"name": name, "conversation_id": conversation, "tool_call_id": id, "arguments": arguments})
}

/// A call of conversation `c`.
fn book(id: &str, slot: u32) -> Value {
    call("book", Some("c"), Some(id), json!({"slot": slot}))
}

fn spawn(gateway: &Arc<Gateway>, call: Value) -> JoinHandle<Value> {
    let gateway = gateway.clone();
    tokio::task::spawn(async move { gateway.call_with(call).await })
}

/// Calls with little time, so that it is over while another call is waited for. Where it was over before the store had
/// answered, which does nothing, there is more.
async fn hurried(gateway: &Gateway, mut call: Value) -> Value {
    for deadline_ms in [200, 2_000, 10_000] {
        call["deadline_ms"] = json!(deadline_ms);
        let result = gateway.call_with(call.clone()).await;
        if result["error"]["code"] != "timeout" {
            return result;
        }
    }
    panic!("the store does not answer in ten seconds");
}

async fn cancel(gateway: &Gateway, path: &str) -> (u16, Value) {
    let answer = gateway.request("DELETE", path).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap())
}

/// Posts `body` to a path, for an answer of a media type, and hangs up once `sent` is there.
async fn hang_up(
    gateway: &Gateway,
    (path, media): (&str, &str),
    body: &Value,
    sent: impl Future<Output = ()>,
) {
    let body = body.to_string();
    let address = gateway.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\naccept: {media}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await.unwrap();
    sent.await;
    drop(stream);
}
