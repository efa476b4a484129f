//! Notes in memory: few, small and for a while.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Most notes; there is one for each token, and one while it is fetched.
const MOST: usize = 10_000;

/// Notes in the memory of one process.
#[derive(Debug, Default)]
pub(super) struct MemoryNotes(Mutex<HashMap<String, Note>>);

#[derive(Debug)]
struct Note {
    text: String,
    since: Instant,
    keep: Duration,
}

impl Note {
    fn is_over(&self) -> bool {
        self.since.elapsed() >= self.keep
    }
}

impl MemoryNotes {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Note>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The note under `name`, unless its time is over.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.lock().get(name).filter(|note| !note.is_over()).map(|note| note.text.clone())
    }

    /// Keeps a note, whatever was there.
    pub(super) fn put(&self, name: &str, text: &str, keep: Duration) {
        insert(&mut self.lock(), name, text, keep);
    }

    /// Keeps a note where there is none; says whether it did.
    pub(super) fn add(&self, name: &str, text: &str, keep: Duration) -> bool {
        let mut notes = self.lock();
        let is_free = notes.get(name).is_none_or(Note::is_over);
        if is_free {
            insert(&mut notes, name, text, keep);
        }
        is_free
    }

    /// Removes the note under `name` where it is `text`.
    pub(super) fn remove(&self, name: &str, text: &str) {
        let mut notes = self.lock();
        if notes.get(name).is_some_and(|note| note.text == text) {
            notes.remove(name);
        }
    }
}

fn insert(notes: &mut HashMap<String, Note>, name: &str, text: &str, keep: Duration) {
    if notes.len() >= MOST {
        notes.retain(|_, note| !note.is_over());
    }
    // Full of notes that are not over: this one is done without.
    if notes.len() < MOST || notes.contains_key(name) {
        notes.insert(name.to_owned(), Note { text: text.to_owned(), since: Instant::now(), keep });
    }
}
