//! What a caller hears while a tool runs: the stream of a call, the model's own words, the forms of the products.

mod check;
mod language;
mod pace;
pub(crate) mod products;
mod say;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::harness::{Gateway, files};
use crate::upstream::{Reply, Upstream};

/// Says something at each step; its `delayed` comes as soon as may be.
const LOOK: (&str, &str) = (
    "actions/look.yaml",
    "description: Looks up an order.\nconnection: api\npath: /orders/{{.parameters.number}}\ntimeout_ms: 60000\n\
     parameters:\n  type: object\n  properties: {number: {type: string, pattern: '^[0-9]+$'}}\n  required: [number]\n\
     speech:\n  start: One moment, I am looking for order {{.parameters.number}}.\n  \
     delayed: {after_ms: 100, text: 'This takes a little longer, {{.variables.account.name}}.'}\n  \
     failed: I cannot reach the shop right now.\n",
);
/// The same for a write.
const BOOK: (&str, &str) = (
    "actions/book.yaml",
    "description: Books a slot.\nconnection: api\nmethod: POST\npath: /book\ntimeout_ms: 60000\n\
     parameters: {type: object, properties: {slot: {type: integer}}, required: [slot]}\nsay: true\n\
     speech: {start: 'I am booking slot {{.parameters.slot}}.', failed: The booking did not work.}\n",
);
/// Over before its `delayed`.
const HOURS: (&str, &str) = (
    "actions/hours.yaml",
    "description: Says when.\ntype: static\nresponse: {open: '9 to 5'}\n\
     speech: {start: Let me see., delayed: {after_ms: 100, text: Still looking.}}\n",
);
/// Says nothing.
const QUIET: (&str, &str) = (
    "actions/quiet.yaml",
    "description: Asks.\nconnection: api\npath: /quiet\nparameters: {type: object, properties: {n: {type: integer}}}\n",
);

const ALL: [(&str, &str); 4] = [LOOK, BOOK, HOURS, QUIET];

async fn gateway(port: u16, more: &[(&str, &str)]) -> Arc<Gateway> {
    Arc::new(Gateway::start(&files(port, &[&ALL[..], more].concat())).await)
}

/// An upstream that answers `reply` once for each permit of the gate.
async fn held(reply: Reply) -> (Upstream, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let at = gate.clone();
    (Upstream::start(move |_| Reply::Held(at.clone(), Box::new(reply.clone()))).await, gate)
}

/// An event: its kind and what it says.
type Event = (String, Value);

/// A stream of events, as it comes.
struct Events {
    response: reqwest::Response,
    /// What has come and is no whole event yet.
    rest: String,
}

impl Events {
    /// Posts to `/v1/tool-calls`; the answer must be a stream.
    async fn of(gateway: &Gateway, body: &Value) -> Self {
        let request = gateway.request("POST", "/v1/tool-calls").header("accept", "text/event-stream");
        Self::from(request.body(body.to_string()).send().await.unwrap()).await
    }

    async fn from(response: reqwest::Response) -> Self {
        assert_eq!(response.status(), 200);
        for (name, value) in [
            ("content-type", "text/event-stream"),
            ("cache-control", "no-store"),
            ("x-accel-buffering", "no"),
        ] {
            assert_eq!(response.headers()[name], value, "{name}");
        }
        Self { response, rest: String::new() }
    }

    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.rest.split_once("\n\n") {
                let event = parsed(event);
                self.rest = rest.to_owned();
                match event {
                    Some(event) => return Some(event),
                    None => continue,
                }
            }
            let chunk = tokio::time::timeout(Duration::from_secs(60), self.response.chunk()).await;
            match chunk.expect("no event in a minute").unwrap() {
                Some(chunk) => self.rest.push_str(std::str::from_utf8(&chunk).unwrap()),
                None => {
                    assert_eq!(self.rest, "", "the stream ends in an event");
                    return None;
                }
            }
        }
    }

    /// The next event, which is of this kind.
    async fn expect(&mut self, kind: &str) -> Value {
        let (found, event) =
            self.next().await.unwrap_or_else(|| panic!("the stream is over before `{kind}`"));
        assert_eq!(found, kind, "{event}");
        event
    }

    /// All that is left.
    async fn rest(mut self) -> Vec<Event> {
        let mut all = Vec::new();
        while let Some(event) = self.next().await {
            all.push(event);
        }
        all
    }
}

/// Reads an event as a client does (HTML, "Server-sent events"); `None` for a comment.
fn parsed(text: &str) -> Option<Event> {
    let field = |name: &str| {
        let lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        lines.collect::<Vec<_>>().join("\n")
    };
    let (kind, data) = (field("event"), field("data"));
    if kind.is_empty() && data.is_empty() {
        assert!(text.starts_with(':'), "{text:?}");
        return None;
    }
    Some((kind, serde_json::from_str(&data).unwrap_or_else(|error| panic!("{error}: {text}"))))
}

/// Every event of a call that runs by itself.
async fn all_of(gateway: &Gateway, body: &Value) -> Vec<Event> {
    Events::of(gateway, body).await.rest().await
}

fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(|(kind, _)| kind.as_str()).collect()
}

fn call(name: &str, arguments: Value) -> Value {
    json!({"name": name, "arguments": arguments})
}

/// `call` with more members.
fn with(mut call: Value, more: Value) -> Value {
    call.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    call
}
