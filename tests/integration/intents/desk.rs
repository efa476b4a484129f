//! The upstream of these tests: a desk that books, cancels and looks, and keeps a list of what it has done.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Semaphore;

use crate::upstream::{Captured, Reply, Upstream};
use crate::wait::until_so;

/// The actions of a project in front of a desk. The window is longer than any test, so that no test depends on its pace.
pub(super) const ACTIONS: &[(&str, &str)] = &[
    (
        "actions/book.yaml",
        "description: books\nconnection: api\nmethod: POST\npath: /book\ntimeout_ms: 30000\ndedupe_window_ms: 600000\n\
         bind: {conversation: '{{.variables.conversation.id}}'}\nparameters: {type: object, properties: {slot: {type: integer}}}\n",
    ),
    (
        "actions/cancel.yaml",
        "description: cancels\nconnection: api\nmethod: DELETE\npath: /cancel\ntimeout_ms: 30000\ndedupe_window_ms: 600000\n\
         bind: {conversation: '{{.variables.conversation.id}}'}\nparameters: {type: object, properties: {slot: {type: integer}}}\n",
    ),
    (
        "actions/look.yaml",
        "description: looks\nconnection: api\npath: /look\ntimeout_ms: 30000\n\
         bind: {conversation: '{{.variables.conversation.id}}'}\nparameters: {type: object, properties: {slot: {type: integer}}}\n",
    ),
    (
        "actions/tell.yaml",
        "description: books outside of a conversation\nconnection: api\nmethod: POST\npath: /tell\ntimeout_ms: 30000\n\
         parameters: {type: object, properties: {slot: {type: integer}}}\n",
    ),
];

/// What the desk does with a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Fate {
    /// Does it and says so.
    #[default]
    Done,
    /// The same after a while.
    Slow,
    /// Does nothing and says so.
    Refused,
    /// Does it and answers 500.
    Broken,
    /// Does it and cuts the connection.
    Cut,
}

/// Something that the desk has done: effects of writes, and answers to reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub number: u64,
    pub action: String,
    pub conversation: String,
    pub slot: u64,
}

#[derive(Debug, Default)]
struct Book {
    entries: Vec<Entry>,
    fates: HashMap<String, Fate>,
    held: HashMap<String, Arc<Semaphore>>,
    arrived: HashMap<String, usize>,
}

/// The desk.
pub(super) struct Desk {
    pub upstream: Upstream,
    book: Arc<Mutex<Book>>,
}

impl Desk {
    pub(super) async fn open() -> Self {
        let book: Arc<Mutex<Book>> = Arc::default();
        let kept = book.clone();
        let upstream = Upstream::start(move |request| answer(&kept, request)).await;
        Self { upstream, book }
    }

    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that was done, in its order.
    pub(super) fn entries(&self) -> Vec<Entry> {
        self.book().entries.clone()
    }

    /// How often `action` was done.
    pub(super) fn count(&self, action: &str) -> usize {
        self.book().entries.iter().filter(|entry| entry.action == action).count()
    }

    /// How often `action` was done in a conversation.
    pub(super) fn count_in(&self, conversation: &str, action: &str) -> usize {
        let is_it = |entry: &&Entry| entry.conversation == conversation && entry.action == action;
        self.book().entries.iter().filter(is_it).count()
    }

    /// What becomes of the requests of a conversation from now on.
    pub(super) fn set(&self, conversation: &str, fate: Fate) {
        self.book().fates.insert(conversation.to_owned(), fate);
    }

    /// Answers the requests of a conversation no more until [`Self::release`].
    pub(super) fn hold(&self, conversation: &str) {
        let mut book = self.book();
        book.held.entry(conversation.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(0)));
    }

    /// Answers what was held.
    pub(super) fn release(&self, conversation: &str) {
        if let Some(gate) = self.book().held.remove(conversation) {
            gate.add_permits(1_000);
        }
    }

    /// How many requests of a conversation have come.
    pub(super) fn arrived(&self, conversation: &str) -> usize {
        self.book().arrived.get(conversation).copied().unwrap_or(0)
    }

    /// Waits until more than `before` requests of a conversation have come.
    pub(super) async fn arrives(&self, conversation: &str, before: usize) {
        until_so("a request", || self.arrived(conversation) > before).await;
    }
}

fn answer(book: &Mutex<Book>, request: &Captured) -> Reply {
    let (action, query) = read(request.line());
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let slot = body["slot"].as_u64().or_else(|| query.get("slot")?.parse().ok()).unwrap_or(0);
    let conversation = body["conversation"].as_str().map(str::to_owned);
    let conversation = conversation.or_else(|| query.get("conversation").cloned()).unwrap_or_default();
    let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
    *book.arrived.entry(conversation.clone()).or_default() += 1;
    let fate = book.fates.get(&conversation).copied().unwrap_or_default();
    let number = book.entries.len() as u64 + 1;
    let held = book.held.get(&conversation).cloned();
    if fate != Fate::Refused {
        book.entries.push(Entry { number, action, conversation, slot });
    }
    drop(book);
    let done = Reply::ok(&format!("{{\"id\": {number}}}"));
    let reply = match fate {
        Fate::Done => done,
        Fate::Slow => Reply::After(Duration::from_millis(30), Box::new(done)),
        Fate::Refused => Reply::Json(409, "{}".to_owned()),
        Fate::Broken => Reply::Json(500, "{}".to_owned()),
        Fate::Cut => Reply::Close,
    };
    match held {
        Some(gate) => Reply::Held(gate, Box::new(reply)),
        None => reply,
    }
}

/// The last word of the path, and the query.
fn read(line: &str) -> (String, HashMap<String, String>) {
    let target = line.split(' ').nth(1).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    (path.trim_start_matches('/').to_owned(), query)
}
