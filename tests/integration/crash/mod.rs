//! Gateways that are killed, and a Redis that goes and comes back: whatever
//! happens, one intent has one effect at most, what was acknowledged is kept, and
//! what cannot be known is said to be unknown.
//!
//! `CALLGATE_CRASH_ROUNDS=20` makes these tests longer.

mod lost;
mod nodes;
mod outage;
mod restart;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::backend::PATIENCE;
use crate::harness::{Process, client, files, write_project};
use crate::upstream::{Captured, Reply, Upstream};
use crate::wait::{until, until_so};

const ACTIONS: &[(&str, &str)] = &[
    (
        "actions/book.yaml",
        "description: books\nconnection: api\nmethod: POST\npath: /book\ntimeout_ms: 20000\nparameters: {type: object, properties: {slot: {type: string}}}\noutput_variables:\n  - {name: booking.id, path: $.id, expose: true}\n",
    ),
    (
        "actions/book_next.yaml",
        "description: books after what was booked last\nconnection: api\nmethod: POST\npath: /next\ntimeout_ms: 20000\nparameters: {type: object, properties: {slot: {type: string}}}\nbody: |\n  {\"slot\": \"{{.parameters.slot}}\", \"after\": {{if .variables.booking}}{{.variables.booking.id}}{{else}}0{{end}}}\noutput_variables:\n  - {name: booking.id, path: $.id}\n",
    ),
    (
        "actions/undo.yaml",
        "description: cancels what was booked last\nconnection: api\nmethod: DELETE\npath: /bookings/{{.variables.booking.id}}\n",
    ),
    ("actions/look.yaml", "description: looks\nconnection: api\npath: /look\ntimeout_ms: 20000\n"),
];

/// How many times, unless somebody wants more.
fn rounds(usual: usize) -> usize {
    #[expect(clippy::disallowed_methods, reason = "a test's own setting")]
    let wanted = std::env::var("CALLGATE_CRASH_ROUNDS").ok();
    wanted.and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// A number below `below`: where in its work a gateway is killed is left to chance.
fn random(below: u64) -> u64 {
    getrandom::u64().unwrap() % below
}

/// An upstream that answers each booking with its number, after a while.
async fn bookings() -> Upstream {
    let number = AtomicU64::new(0);
    Upstream::start(move |_| {
        let number = number.fetch_add(1, Ordering::SeqCst) + 1;
        let wait = Duration::from_millis(1 + number * 7 % 23);
        Reply::After(wait, Box::new(Reply::ok(&format!("{{\"id\": {number}}}"))))
    })
    .await
}

fn project(upstream: &Upstream) -> TempDir {
    write_project(&files(upstream.port, ACTIONS))
}

fn serve(dir: &Path, variables: &[(&str, &str)]) -> Process {
    let patience = PATIENCE.as_millis().to_string();
    let common = [("CALLGATE_LOG__LEVEL", "error"), ("CALLGATE_STORE__PATIENCE_MS", patience.as_str())];
    Process::serve(dir, &[variables, &common].concat())
}

/// A project whose gateway was stopped in order while it was called, and the calls that it answered.
async fn stopped_under_load() -> (Upstream, TempDir, Vec<Call>) {
    let upstream = bookings().await;
    let dir = project(&upstream);
    let mut process = serve(dir.path(), &[]);
    let load = Load::start("c", 8, &[process.url.clone()]);
    load.goes_on(15, is_success).await;
    process.signal("TERM");
    assert_eq!(process.wait(), Some(0));
    let calls = load.stop().await;
    (upstream, dir, calls)
}

/// A call of an orchestrator, which remembers what it was told.
#[derive(Clone, Debug)]
struct Call {
    name: &'static str,
    conversation: String,
    id: String,
    slot: String,
    told: Option<Value>,
}

impl Call {
    fn new(name: &'static str, conversation: &str, number: usize) -> Self {
        let id = format!("call_{number}");
        Self {
            name,
            conversation: conversation.to_owned(),
            slot: format!("{conversation}-{id}"),
            id,
            told: None,
        }
    }

    /// Sends it; `None` where nobody answers.
    async fn send(&self, client: &reqwest::Client, url: &str) -> Option<Value> {
        let body = json!({
            "name": self.name,
            "conversation_id": self.conversation,
            "tool_call_id": self.id,
            "arguments": {"slot": self.slot},
        });
        let sent = client.post(format!("{url}/v1/tool-calls")).body(body.to_string()).send().await.ok()?;
        let status = sent.status().as_u16();
        let told: Value = serde_json::from_str(&sent.text().await.ok()?).ok()?;
        // A gateway that stops takes no more calls over connections that are still open.
        if status == 503 && told["code"] == "stopping" {
            return None;
        }
        assert_eq!(status, 200, "{told}");
        Some(told)
    }

    /// Sends it as often as it takes for the store to be there.
    async fn send_until_stored(&self, client: &reqwest::Client, url: &str) -> Value {
        until("an answer of the store", async || {
            let told = self.send(client, url).await.expect("an answer");
            (!is_unavailable(&told)).then_some(told)
        })
        .await
    }
}

fn is_unavailable(told: &Value) -> bool {
    code(told) == "store_unavailable"
}

fn is_success(told: &Value) -> bool {
    told["status"] == "success"
}

fn code(result: &Value) -> &str {
    result["error"]["code"].as_str().unwrap_or("")
}

fn is_unknown(result: &Value) -> bool {
    result["error"]["effect"] == "unknown" && result["error"]["retry"] == "no"
}

/// What the upstream did: how often by key and by slot.
struct Effects {
    by_key: HashMap<String, usize>,
    by_slot: HashMap<String, usize>,
    bodies: Vec<Value>,
}

impl Effects {
    fn of(upstream: &Upstream) -> Self {
        let writes: Vec<Captured> =
            upstream.requests().into_iter().filter(|request| request.line().starts_with("POST")).collect();
        let (mut by_key, mut by_slot) = (HashMap::new(), HashMap::new());
        let mut bodies = Vec::new();
        for request in writes {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            *by_key.entry(request.header("idempotency-key").unwrap().to_owned()).or_default() += 1;
            *by_slot.entry(body["slot"].as_str().unwrap().to_owned()).or_default() += 1;
            bodies.push(body);
        }
        Self { by_key, by_slot, bodies }
    }

    /// Each intent at most once, by its key and by what it says.
    fn check_once(&self) {
        for (what, times) in self.by_key.iter().chain(&self.by_slot) {
            assert_eq!(*times, 1, "{what} was done more than once");
        }
    }

    fn times(&self, call: &Call) -> usize {
        self.by_slot.get(&call.slot).copied().unwrap_or(0)
    }
}

/// Callers who book one after the other, each in a conversation of its own,
/// until they are told to stop; a call that nobody answered is given up.
struct Load {
    calls: Arc<Mutex<Vec<Call>>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    stop: Arc<std::sync::atomic::AtomicBool>,
}

impl Load {
    /// Callers of conversations that begin with `prefix`; each call goes to the next of `urls`.
    fn start(prefix: &str, callers: usize, urls: &[String]) -> Self {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let client = client();
        let tasks = (0..callers).map(|caller| {
            let (calls, stop, urls) = (calls.clone(), stop.clone(), urls.to_vec());
            let client = client.clone();
            let conversation = format!("{prefix}-{caller}");
            tokio::task::spawn(async move {
                for number in 0.. {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let mut call = Call::new("book", &conversation, number);
                    call.told = call.send(&client, &urls[(caller + number) % urls.len()]).await;
                    let is_over = call.told.is_none();
                    if call.told.as_ref().is_some_and(|told| !is_success(told)) {
                        // An orchestrator does not ask in a tight loop.
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                    calls.lock().unwrap().push(call);
                    if is_over && urls.len() == 1 {
                        return;
                    }
                }
            })
        });
        Self { calls: calls.clone(), tasks: tasks.collect(), stop }
    }

    /// How many calls were told what `is_wanted`.
    fn count(&self, is_wanted: impl Fn(&Value) -> bool) -> usize {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|call| call.told.as_ref().is_some_and(&is_wanted)).count()
    }

    /// Waits until `more` further calls have been told what `is_wanted`.
    async fn goes_on(&self, more: usize, is_wanted: impl Fn(&Value) -> bool) {
        let before = self.count(&is_wanted);
        until_so(&format!("{more} further calls"), || self.count(&is_wanted) >= before + more).await;
    }

    /// Every call that was made, in the order of its conversation.
    async fn stop(self) -> Vec<Call> {
        self.stop.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.unwrap();
        }
        std::mem::take(&mut *self.calls.lock().unwrap())
    }
}

/// Sends every call again, as its orchestrator does, and checks what it is told.
/// Gives how many may or may not have been done.
async fn replay(calls: &[Call], url: &str, upstream: &Upstream) -> usize {
    let client = client();
    let mut told = Vec::new();
    for some in calls.chunks(32) {
        let again = some.iter().map(|call| call.send_until_stored(&client, url));
        told.extend(futures_util::future::join_all(again).await);
    }
    let effects = Effects::of(upstream);
    effects.check_once();
    let mut unknown = 0;
    for (call, again) in calls.iter().zip(&told) {
        let times = effects.times(call);
        match (&call.told, again["status"].as_str().unwrap()) {
            (Some(first), "success") if is_success(first) => {
                assert_eq!((&again["body"], &again["replayed"]), (&first["body"], &json!(true)), "{call:?}");
            }
            (_, "success") => assert_eq!(times, 1, "{call:?}: {again}"),
            (Some(first), _) if is_success(first) => panic!("{call:?} was acknowledged: {again}"),
            _ => {
                assert!(is_unknown(again), "{call:?}: {again}");
                unknown += 1;
            }
        }
    }
    unknown
}
