//! What a product and the model server behind it mean, and what becomes of it: scenarios of real products and servers,
//! and a model of true intents against which random histories are judged.
//!
//! A *true intent* is one wish of a model to have something done. The gateway sees requests only, so the model has to
//! assume something of whoever sends them. An honest product
//!
//! - repeats a request, whole, with the same ids and values, where it got no answer; or at once, before its
//!   conversation goes on. With ids that are unique it may repeat it at any time;
//! - may give up a request that never got an answer and have the model start over, under new ids. What the model then asks
//!   for with the same values is the same wish: it never learned what became of the first. What was given up is not sent
//!   any more;
//! - has an answer where it has read all of it. That an answer was written by the gateway and lost behind it, in a proxy,
//!   is outside: where ids are not unique nothing tells that from a new wish.
//!
//! An honest model wants the same thing a second time
//!
//! - in one turn, as two calls of one request; or
//! - after it has the answer to the first. Where its server's ids are not unique, another call of the conversation lies
//!   between the two, and was answered too. Without one, the second is taken for a repeat, and is told so.
//!
//! What must hold then, whatever fails: a true intent has one effect at most; a success that is not marked as a replay
//! stands for an effect of that very intent; effect `none` is not told of an intent that has had its effect.

mod batches;
mod desk;
mod ids;
mod later;
mod model;
mod outages;
mod processes;
mod products;
mod servers;
mod world;

use std::sync::Arc;

use serde_json::{Value, json};

use self::desk::{ACTIONS, Desk};
use self::world::Fault;
use crate::backend::Backend;
use crate::harness::{Gateway, client, files};
use crate::shaky::Shaky;

/// A desk, and nodes of one deployment in front of it.
struct Setup {
    desk: Desk,
    nodes: Vec<Node>,
    client: reqwest::Client,
}

struct Node {
    gateway: Gateway,
    store: Arc<Shaky>,
}

impl Setup {
    async fn new(on: &Backend) -> Self {
        Self::of(vec![on.fresh()], &[]).await
    }

    /// With more files, and a node for each store.
    async fn of(stores: Vec<Arc<dyn callgate::conversation::Store>>, more: &[(&str, &str)]) -> Self {
        let desk = Desk::open().await;
        let files = files(desk.upstream.port, &[ACTIONS, more].concat());
        let mut nodes = Vec::new();
        for store in stores {
            let store = Shaky::new(store);
            nodes.push(Node { gateway: Gateway::start_on(&files, store.clone()).await, store });
        }
        Self { desk, nodes, client: client() }
    }

    fn gateway(&self) -> &Gateway {
        &self.nodes[0].gateway
    }

    fn store(&self) -> &Shaky {
        &self.nodes[0].store
    }

    /// Posts to a path of a conversation; the text of the answer.
    async fn post(&self, path: &str, conversation: &str, body: &Value) -> String {
        let url = format!("{}{path}", self.gateway().url);
        let request = self.client.post(url).header("callgate-conversation-id", conversation);
        let answer = request.body(body.to_string()).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert_eq!(status, 200, "{text}");
        text
    }

    /// Posts the calls of a turn; their results.
    async fn turn(&self, conversation: &str, calls: &[Call]) -> Vec<Value> {
        results(&self.post("/v1/tool-calls", "", &body(conversation, calls)).await)
    }

    /// Posts one call; its result.
    async fn one(&self, conversation: &str, call: Call) -> Value {
        self.turn(conversation, &[call]).await.remove(0)
    }

    /// Posts to a path, and hangs up once the desk has got a request; what it did is answered after that.
    async fn hang_up(&self, path: &str, conversation: &str, body: &Value) {
        self.desk.hold(conversation);
        self.hang_up_and_leave_running(path, conversation, body).await;
        self.desk.release(conversation);
    }

    /// The same, but what was hung up on goes on until it is released.
    async fn hang_up_and_leave_running(&self, path: &str, conversation: &str, body: &Value) {
        let (arrived, hang_ups) = (self.desk.arrived(conversation), self.gateway().hang_ups());
        let request = self.client.post(format!("{}{path}", self.gateway().url)).body(body.to_string());
        let request = request.header("callgate-conversation-id", conversation).send();
        tokio::select! {
            answer = request => panic!("it is answered: {answer:?}"),
            () = self.desk.arrives(conversation, arrived) => {}
        }
        self.gateway().hung_up(hang_ups + calls_in(body)).await;
    }
}

/// How many calls a request has, whatever product it comes from.
fn calls_in(body: &Value) -> usize {
    let lists = ["/calls", "/tool_calls", "/message/toolCallList"].map(|path| body.pointer(path));
    lists.into_iter().flatten().find_map(Value::as_array).map_or(1, Vec::len)
}

/// A call as a model makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Call {
    id: Option<String>,
    action: String,
    slot: u64,
}

fn call(id: &str, action: &str, slot: u64) -> Call {
    Call { id: Some(id.to_owned()), action: action.to_owned(), slot }
}

impl Call {
    fn json(&self) -> Value {
        json!({"tool_call_id": self.id, "name": self.action, "arguments": {"slot": self.slot}})
    }
}

/// The request of a turn.
fn body(conversation: &str, calls: &[Call]) -> Value {
    match calls {
        [one] => {
            let mut body = one.json();
            body["conversation_id"] = json!(conversation);
            body
        }
        all => {
            let calls: Vec<Value> = all.iter().map(Call::json).collect();
            json!({"conversation_id": conversation, "calls": calls})
        }
    }
}

/// The results of an answer, of one call or of several.
fn results(text: &str) -> Vec<Value> {
    let mut answer: Value = serde_json::from_str(text).unwrap();
    match answer["results"].take() {
        Value::Array(results) => results,
        _ => vec![answer],
    }
}

fn is_replay(result: &Value) -> bool {
    result["replayed"] == true
}

/// Whether the text that a model reads says that it is a replay.
fn says_replay(text: &str) -> bool {
    text.contains("not done again")
        || text.contains("\\\"replayed\\\":true")
        || text.contains("\"replayed\":true")
}

/// Plays a conversation. Each line is a request: calls, `id action slot = what`, with commas between them. `-` is a call
/// without an id. `done` is done now; `again` is told as a replay of what was done before and not done again.
async fn play(on: &Backend, says: &str, lines: &[&str]) {
    let setup = Setup::new(on).await;
    play_on(&setup, says, lines).await;
}

async fn play_on(setup: &Setup, says: &str, lines: &[&str]) {
    for (at, line) in lines.iter().enumerate() {
        let (calls, wanted): (Vec<Call>, Vec<&str>) = line.split(',').map(parse).unzip();
        let before = setup.desk.entries();
        let told = setup.turn("c", &calls).await;
        let fresh = setup.desk.entries().split_off(before.len());
        let place =
            format!("{says}, request {at} ({line})\ntold: {told:#?}\nbefore: {before:?}\nnow: {fresh:?}");
        for ((call, wanted), told) in calls.iter().zip(&wanted).zip(&told) {
            assert_eq!(told["status"], "success", "{place}");
            assert_eq!(is_replay(told), *wanted == "again", "{place}");
            let number = told["body"]["id"].as_u64().unwrap();
            let among = if *wanted == "again" { &before } else { &fresh };
            let stands = among.iter().find(|entry| entry.number == number);
            let stands = stands.unwrap_or_else(|| panic!("it is told of something else: {place}"));
            assert_eq!((&stands.action, stands.slot), (&call.action, call.slot), "{place}");
        }
        let done = wanted.iter().filter(|wanted| **wanted == "done").count();
        assert_eq!(fresh.len(), done, "{place}");
        let mut numbers: Vec<u64> = told.iter().map(|told| told["body"]["id"].as_u64().unwrap()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), told.len(), "two calls of one turn are told of the same: {place}");
    }
}

fn parse(text: &str) -> (Call, &str) {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [id, action, slot, "=", what] = words[..] else { panic!("no call: {text}") };
    assert!(["done", "again"].contains(&what), "{text}");
    let id = (id != "-").then(|| id.to_owned());
    (Call { id, action: action.to_owned(), slot: slot.parse().unwrap() }, what)
}
