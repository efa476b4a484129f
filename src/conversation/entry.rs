//! The feed as backends keep it: one text for the events of one change, which are made when somebody reads them.

use std::borrow::Borrow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::call_entry::CallEntry;
use super::event::{Event, EventKind, MAX_PAGE, NewEvent};

/// What one change tells the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The number of its last event.
    pub last: u64,
    /// How many events it makes.
    pub count: u32,
    /// Of what they are made; see `Told`.
    pub text: Box<str>,
}

/// The text of an [`Entry`].
#[derive(Default, Serialize, Deserialize)]
struct Told<'a> {
    /// A call.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    call: Option<CallEntry<'a>>,
    /// Plain events: kind, time and data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    events: Vec<(EventKind, u64, Box<RawValue>)>,
}

/// An [`Entry`] that has no place in the feed yet.
#[derive(Clone, Debug)]
pub struct NewEntry {
    pub(super) count: u32,
    pub(super) text: String,
}

impl NewEntry {
    /// The entry of a call that has ended.
    pub fn of_call(call: CallEntry<'_>) -> Self {
        Self::new(call.count(), &Told { call: Some(call), events: Vec::new() })
    }

    pub(super) fn of_events(events: &[NewEvent]) -> Self {
        let events = events.iter().map(|event| (event.kind, event.at_ms, event.data.clone())).collect();
        Self::new(0, &Told { call: None, events })
    }

    fn new(of_call: usize, told: &Told<'_>) -> Self {
        let count = u32::try_from(of_call + told.events.len()).unwrap_or(u32::MAX);
        Self { count, text: serde_json::to_string(told).unwrap_or_default() }
    }
}

impl Entry {
    /// Its events with numbers above `after`.
    pub fn events(&self, after: u64) -> impl Iterator<Item = Event> {
        let told: Told<'_> = serde_json::from_str(&self.text).unwrap_or_else(|error| {
            tracing::error!(%error, "events of a conversation cannot be read");
            Told::default()
        });
        let plain = told.events.into_iter().map(|(kind, at_ms, data)| NewEvent { kind, at_ms, data });
        let all: Vec<NewEvent> =
            told.call.iter().flat_map(CallEntry::events).chain(plain).take(self.count as usize).collect();
        let first = self.last + 1 - u64::from(self.count);
        (first..).zip(all).filter(move |(id, _)| *id > after).map(|(id, event)| {
            let NewEvent { kind, at_ms, data } = event;
            Event { id, kind, at_ms, data }
        })
    }
}

/// The events with numbers above `after`, `limit` of them, that `entries` in their order make.
pub(super) fn events_of<E: Borrow<Entry>>(
    entries: impl IntoIterator<Item = E>,
    after: u64,
    limit: usize,
) -> Vec<Event> {
    let of = |entry: E| entry.borrow().events(after).collect::<Vec<_>>();
    entries.into_iter().flat_map(of).take(limit.min(MAX_PAGE)).collect()
}
