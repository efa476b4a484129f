//! Faults of an upstream and of a token server × methods × claims: what the
//! model is told, and what the upstream really received.
//!
//! The table in `docs/faults.md` is made from this suite:
//! `UPDATE_GOLDEN=1 cargo test --test integration faults`.

mod tokens;
mod upstream;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};

use self::upstream::{Fault, Kind, Target, faults};
use crate::bad_input::told;
use crate::harness::Gateway;

/// Methods, and by what they may be repeated.
const METHODS: [(&str, Class); 7] = [
    ("GET", Class::Read),
    ("HEAD", Class::Read),
    ("OPTIONS", Class::Read),
    ("PUT", Class::Idempotent),
    ("DELETE", Class::Idempotent),
    ("POST", Class::Write),
    ("PATCH", Class::Write),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Read,
    Idempotent,
    Write,
}

impl Class {
    fn name(self) -> &'static str {
        match self {
            Self::Read => "GET, HEAD, OPTIONS",
            Self::Idempotent => "PUT, DELETE",
            Self::Write => "POST, PATCH",
        }
    }
}

/// What a model is told of a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    status: String,
    code: String,
    effect: String,
    retry: String,
    attempts: u64,
    message: String,
}

impl Told {
    fn of(result: &Value) -> Self {
        let ((status, code, effect, retry), message) = match &result["error"] {
            Value::Null => (("success", "", "", ""), ""),
            _ => told(result),
        };
        let [status, code, effect, retry, message] =
            [status, code, effect, retry, message].map(str::to_owned);
        Self { status, code, effect, retry, attempts: result["attempts"].as_u64().unwrap(), message }
    }

    fn was_sent(&self) -> bool {
        !["connect_failed", "address_refused"].contains(&self.code.as_str())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_is_told_truly_and_no_write_arrives_twice() {
    let (mut cases, mut stalling) = (Vec::new(), Vec::new());
    for (number, fault) in faults().into_iter().enumerate() {
        for (method, class) in METHODS {
            // The answer to HEAD has no body (RFC 9110 section 9.3.2), so nothing can befall it.
            if method != "HEAD" || !fault.in_body {
                let of_its_kind = if fault.stalls { &mut stalling } else { &mut cases };
                of_its_kind.push(check(number, fault.clone(), method, class));
            }
        }
    }
    let count = cases.len() + stalling.len();
    assert!(count > 200, "only {count} cases");
    let mut told = BTreeMap::new();
    // Those that stall only wait, and so all of them do it at once.
    let stalling = stream::iter(stalling).buffer_unordered(usize::MAX);
    let mut cases = stream::select(stream::iter(cases).buffer_unordered(12), stalling);
    while let Some((number, name, class, row)) = cases.next().await {
        let known: &mut (&str, Told) = told.entry((number, class)).or_insert_with(|| (name, row.clone()));
        assert_eq!(known.1, row, "{name}: methods of one class are told different things");
    }
    compare(&table(&told));
}

/// Without TLS nobody can say whether a request was on its way when the reset came: both are told, each truly.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_at_once_is_told_as_no_connection_or_as_a_lost_one() {
    let fault =
        Fault { name: "reset at once", kind: Kind::ResetAtAccept("http"), in_body: false, stalls: false };
    let target = Target::start(&fault).await;
    for (method, class) in METHODS {
        let action = format!("description: x\nmethod: {method}\nconnection: api\npath: /x\n");
        let gateway = Gateway::start(&project(&target, &action)).await;
        for _ in 0..5 {
            let result = gateway.call("x", json!({})).await;
            let expected = match (told(&result).0.1, class) {
                ("connect_failed", _) => ("failure", "connect_failed", "none", "later"),
                (_, Class::Read) => ("failure", "connection_lost", "none", "later"),
                (_, Class::Idempotent | Class::Write) => ("failure", "connection_lost", "unknown", "no"),
            };
            assert_eq!(told(&result).0, expected, "{method}: {result}");
        }
    }
}

/// Runs one fault against one method through every state of a claim.
async fn check(
    number: usize,
    fault: Fault,
    method: &str,
    class: Class,
) -> (usize, &'static str, Class, Told) {
    let target = Target::start(&fault).await;
    // Where nothing ends a stall (a connection has a timeout of its own), long enough for a slow machine to have sent
    // the request.
    let timeout = if fault.stalls && !matches!(fault.kind, Kind::NeverShakesHands) { 5_000 } else { 20_000 };
    let action = format!(
        "description: x\nmethod: {method}\nconnection: api\npath: /x\ntimeout_ms: {timeout}\nretry: {{backoff_ms: 1}}\nparameters: {{type: object, properties: {{a: {{type: integer}}}}}}\n"
    );
    let gateway = Gateway::start(&project(&target, &action)).await;
    let call = |id: Option<&str>, a: u32| {
        gateway.call_with(
            json!({"name": "x", "conversation_id": "c", "tool_call_id": id, "arguments": {"a": a}}),
        )
    };
    let what = format!("{}, {method}", fault.name);

    // Three at once, and one more later: one intent.
    let results = futures_util::future::join_all([1, 1, 1].map(|a| call(Some("call_1"), a))).await;
    // Those who joined may run out of time a moment before the call itself does.
    let is_late = |result: &&Value| result["error"]["code"] == "in_progress";
    let first = results.iter().find(|result| result["replayed"].is_null() && !is_late(result)).unwrap();
    let row = Told::of(first);
    for result in results.iter().chain([&call(Some("call_1"), 1).await]) {
        let other = Told::of(result);
        let late = is_late(&result);
        assert!(late || other == row, "{what}: {other:?}, {row:?}");
        if row.was_sent() && !late {
            assert!(result["replayed"] == true || std::ptr::eq(result, first), "{what}: {result}");
        }
    }
    if row.was_sent() {
        // The same id for something else is another call, and told as such.
        let other = call(Some("call_1"), 2).await;
        assert_eq!((&Told::of(&other), &other["replayed"]), (&row, &Value::Null), "{what}: {other}");
    }
    // Without an id: a write is one, however often it comes in the window.
    let results = [call(None, 3).await, call(None, 3).await];
    assert!(results.iter().all(|result| Told::of(result) == row), "{what}: {results:?}");
    let again = results[1]["replayed"] == true;
    assert_eq!(again, class != Class::Read && row.was_sent(), "{what}: {}", results[1]);

    // What the upstream really received.
    if let Some(requests) = target.requests() {
        let mut by_key: HashMap<Option<String>, u64> = HashMap::new();
        for request in &requests {
            assert!(request.line().starts_with(method), "{what}: {}", request.head);
            *by_key.entry(request.header("idempotency-key").map(str::to_owned)).or_default() += 1;
        }
        if class == Class::Read {
            // Two intents by their id, and two calls without one.
            assert!(requests.len() as u64 <= 4 * row.attempts, "{what}: {by_key:?}");
        } else {
            assert!(by_key.len() <= 3 && !by_key.contains_key(&None), "{what}: {by_key:?}");
            let most = by_key.values().copied().max().unwrap_or(0);
            assert!(most <= row.attempts, "{what}: {by_key:?}");
            assert!(class != Class::Write || most <= 1, "{what}: a write arrived {most} times");
        }
        assert!(requests.is_empty() || row.was_sent() || row.effect == "none", "{what}");
        if !row.was_sent() {
            assert!(requests.is_empty(), "{what}: told that nothing was sent");
        }
    }
    // The one rule that must never break.
    if row.effect == "unknown" {
        assert_eq!(row.retry, "no", "{what}");
        assert_ne!(class, Class::Read, "{what}");
    }
    (number, fault.name, class, row)
}

/// An action before the target.
fn project(target: &Target, action: &str) -> Vec<(&'static str, String)> {
    let mut connection = format!("base_url: {}\n", target.url());
    let mut files = vec![("actions/x.yaml", action.to_owned())];
    if let Some(pem) = target.authority() {
        connection.push_str("tls: {ca_file: certs/ca.pem}\n");
        files.push(("certs/ca.pem", pem.to_owned()));
    }
    files.push(("connections/api.yaml", connection));
    files
}

fn table(told: &BTreeMap<(usize, Class), (&'static str, Told)>) -> String {
    let mut text = String::from(
        "| What happens | Method | `status` | `code` | `effect` | `retry` | Sent | What the model is told |\n|---|---|---|---|---|---|---|---|\n",
    );
    let mut rows: Vec<(usize, &str, Vec<Class>, &Told)> = Vec::new();
    for ((number, class), (name, row)) in told {
        match rows.last_mut() {
            Some((last, _, classes, known)) if last == number && *known == row => classes.push(*class),
            _ => rows.push((*number, name, vec![*class], row)),
        }
    }
    let mut last = "";
    for (_, name, classes, row) in rows {
        let methods = match classes.as_slice() {
            [_, _, _] => "all".to_owned(),
            some => some.iter().map(|class| class.name()).collect::<Vec<_>>().join(", "),
        };
        let code = |text: &str| if text.is_empty() { String::new() } else { format!("`{text}`") };
        text.push_str(&format!(
            "| {} | {methods} | {} | {} | {} | {} | {} | {} |\n",
            if name == last { "" } else { name },
            code(&row.status),
            code(&row.code),
            code(&row.effect),
            code(&row.retry),
            row.attempts,
            row.message
        ));
        last = name;
    }
    text
}

/// Compares the table with the one in `docs/faults.md`.
fn compare(table: &str) {
    const MARKS: (&str, &str) = ("<!-- faults:begin -->\n", "<!-- faults:end -->");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/faults.md");
    let text = fs::read_to_string(&path).unwrap();
    let start = text.find(MARKS.0).unwrap() + MARKS.0.len();
    let end = text.find(MARKS.1).unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test's own setting")]
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, format!("{}{table}{}", &text[..start], &text[end..])).unwrap();
        return;
    }
    assert_eq!(&text[start..end], table, "docs/faults.md differs; UPDATE_GOLDEN=1 rewrites its table");
}
