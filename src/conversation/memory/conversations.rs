//! Conversations in memory: bounded in number, size and time.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::tool::Scope;

use super::super::bells::Bells;
use super::super::change::{Applied, Change};
use super::super::course::{Course, Delivered};
use super::super::entry::{Entry, NewEntry, events_of};
use super::super::event::{EventPage, MAX_EVENTS};
use super::super::size::allocation;
use super::super::{
    Claim, Conversation, ConversationKey, ListPosition, MAX_LISTED, MAX_TTL, Opened, Opening, Summary,
    millis, now_ms,
};

use super::kept::KeptConversation;
use super::turns::KeptTurns;

/// Locks, so that calls of different conversations do not wait for each other.
const SHARDS: usize = 16;
/// What an entry takes besides its text, with the room that a queue keeps for more.
const ENTRY_BYTES: usize = 2 * size_of::<Entry>();

/// Conversations in the memory of one process.
#[derive(Debug)]
pub(super) struct MemoryConversations {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    most: usize,
    most_bytes: usize,
    /// Who follows a feed.
    followers: Bells<ConversationKey>,
}

#[derive(Debug, Default)]
struct Shard {
    records: HashMap<ConversationKey, Record>,
    /// Of all records.
    bytes: usize,
}

#[derive(Debug)]
struct Record {
    conversation: KeptConversation,
    entries: VecDeque<Entry>,
    /// The number of the newest event.
    newest: u64,
    entry_bytes: usize,
    turns: KeptTurns,
    bytes: usize,
    course: Course,
}

impl MemoryConversations {
    /// At most `most` of them, with at most `most_bytes` in all.
    pub(super) fn new(most: usize, most_bytes: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            most: most.div_ceil(SHARDS),
            most_bytes: most_bytes / SHARDS,
            followers: Bells::default(),
        }
    }

    pub(super) fn open(&self, key: &ConversationKey, opening: &Opening) -> Opened {
        let now = now_ms();
        let mut shard = self.shard(key);
        if let Some(record) = shard.find(key, now) {
            record.touch(now);
            return Opened { conversation: record.conversation.get(), is_new: false };
        }
        let ttl = millis(opening.ttl.min(MAX_TTL));
        let mut record = Record::new(Conversation::new(key.clone(), ttl, now));
        if let Some(first) = &opening.first {
            record.change(first.begun_at(now), now);
        }
        let conversation = record.conversation.get();
        shard.bytes += record.bytes;
        shard.records.insert(key.clone(), record);
        shard.make_room(self.most, self.most_bytes, key, now);
        Opened { conversation, is_new: true }
    }

    pub(super) fn find(&self, key: &ConversationKey) -> Option<Arc<Conversation>> {
        self.shard(key).find(key, now_ms()).map(|record| record.conversation.get())
    }

    pub(super) fn update(&self, key: &ConversationKey, change: Change) -> Applied {
        let now = now_ms();
        let has_events = change.tells();
        let Some(applied) = self.alter(key, now, |record| record.change(change, now)) else {
            return Applied::default();
        };
        if has_events {
            self.followers.ring(key);
        }
        applied
    }

    /// Changes a record that is there, and makes room for what it has become.
    fn alter<T>(&self, key: &ConversationKey, now: u64, change: impl FnOnce(&mut Record) -> T) -> Option<T> {
        let mut shard = self.shard(key);
        let record = shard.find(key, now)?;
        let before = record.bytes;
        let changed = change(record);
        let after = record.bytes;
        shard.bytes = shard.bytes - before + after;
        if after > before {
            shard.make_room(self.most, self.most_bytes, key, now);
        }
        Some(changed)
    }

    /// Appends a turn to a conversation that is there, and keeps that from expiring; says whether it is there.
    pub(super) fn add_turn(&self, key: &ConversationKey, text: &str) -> bool {
        let now = now_ms();
        self.alter(key, now, |record| record.add_turn(text, now)).is_some()
    }

    /// The turns of a conversation, the oldest first.
    pub(super) fn turns(&self, key: &ConversationKey) -> Vec<Arc<str>> {
        self.shard(key).find(key, now_ms()).map(|record| record.turns.all()).unwrap_or_default()
    }

    /// Counts a call that begins; gives what tells it from earlier ones and when it began, or `None` if as many have begun
    /// as may.
    pub(super) fn begin(&self, key: &ConversationKey, claim: &Claim) -> Option<(u64, u64)> {
        let mut shard = self.shard(key);
        let Some(record) = shard.find(key, now_ms()) else { return Some((0, 0)) };
        let begun = record.conversation.frame().calls.get(&claim.action).map_or(0, |calls| calls.begun);
        if claim.most_calls.is_some_and(|most| begun >= most) {
            return None;
        }
        record.calls(&claim.action, begun.saturating_add(1));
        let earlier = record.course.earlier(claim);
        Some((earlier, record.course.begin(claim)))
    }

    /// A call that began at `began` ends; gives when.
    pub(super) fn end(&self, key: &ConversationKey, claim: &Claim, began: u64) -> u64 {
        self.shard(key).find(key, now_ms()).map_or(0, |record| record.course.end(claim, began))
    }

    /// Whether a call with the claim of a delivered one is a new call.
    pub(super) fn is_new(&self, key: &ConversationKey, claim: &Claim, delivered: Delivered) -> bool {
        self.shard(key).find(key, now_ms()).is_some_and(|record| record.course.is_new(claim, delivered))
    }

    /// The time by the course of a conversation.
    pub(super) fn course_now(&self, key: &ConversationKey) -> u64 {
        self.shard(key).find(key, now_ms()).map_or(0, |record| record.course.now())
    }

    /// The call has not begun after all.
    pub(super) fn unbegin(&self, key: &ConversationKey, action: &str) {
        let mut shard = self.shard(key);
        let Some(record) = shard.find(key, now_ms()) else { return };
        let begun = record.conversation.frame().calls.get(action).map_or(0, |calls| calls.begun);
        record.calls(action, begun.saturating_sub(1));
    }

    pub(super) fn forget(&self, key: &ConversationKey) -> bool {
        let now = now_ms();
        let known = {
            let mut shard = self.shard(key);
            let known = shard.find(key, now).is_some();
            shard.remove(key);
            known
        };
        self.followers.ring(key);
        known
    }

    pub(super) fn list(&self, scope: &Scope, after: Option<&ListPosition>, limit: usize) -> Vec<Summary> {
        let (now, limit) = (now_ms(), limit.min(MAX_LISTED));
        let mut listed: Vec<Summary> = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let there = shard.records.values().map(|record| record.conversation.frame());
            let of_scope = there.filter(|one| {
                one.key.scope() == scope
                    && one.expires_at_ms > now
                    && after.is_none_or(|after| {
                        (one.started_at_ms, one.key.id()) < (after.started_at_ms, after.id.as_str())
                    })
            });
            listed.extend(of_scope.map(Conversation::summary));
            drop(shard);
            listed.sort_unstable_by(|one, other| {
                (other.started_at_ms, &other.id).cmp(&(one.started_at_ms, &one.id))
            });
            listed.truncate(limit);
        }
        listed
    }

    pub(super) fn events(&self, key: &ConversationKey, after: u64, limit: usize) -> EventPage {
        let mut shard = self.shard(key);
        let Some(record) = shard.find(key, now_ms()) else { return EventPage::default() };
        let given_up = record.newest.saturating_sub(MAX_EVENTS as u64);
        let entries: Vec<Entry> = record.entries_after(after.max(given_up), limit);
        let newest = record.newest;
        // What is long to read is read without the lock.
        drop(shard);
        EventPage {
            events: events_of(entries, after.max(given_up), limit),
            newest,
            has_gap: after < given_up,
            is_known: true,
        }
    }

    pub(super) async fn follow(&self, key: &ConversationKey, after: u64) {
        let mut listening = self.followers.listen(key);
        // Bound first: a lock in a condition is held for the whole statement.
        let is_over = self.shard(key).find(key, now_ms()).is_none_or(|record| record.newest > after);
        if !is_over {
            listening.rung.as_mut().await;
        }
    }

    fn shard(&self, key: &ConversationKey) -> MutexGuard<'_, Shard> {
        let at = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or(0);
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    fn find(&mut self, key: &ConversationKey, now: u64) -> Option<&mut Record> {
        if self.records.get(key)?.conversation.frame().expires_at_ms <= now {
            self.remove(key);
        }
        self.records.get_mut(key)
    }

    fn remove(&mut self, key: &ConversationKey) {
        if let Some(record) = self.records.remove(key) {
            self.bytes -= record.bytes;
        }
    }

    /// Forgets what is over, and what was used longest ago where there is still
    /// too much; never `kept`.
    fn make_room(&mut self, most: usize, most_bytes: usize, kept: &ConversationKey, now: u64) {
        if self.records.len() <= most && self.bytes <= most_bytes {
            return;
        }
        let mut ages: Vec<(u64, usize)> = Vec::with_capacity(self.records.len());
        self.records.retain(|_, record| {
            let lives = record.conversation.frame().expires_at_ms > now;
            if lives {
                ages.push((record.used_at(), record.bytes));
            } else {
                self.bytes -= record.bytes;
            }
            lives
        });
        if self.records.len() <= most && self.bytes <= most_bytes {
            return;
        }
        // Forgets a tenth at once, so that the sort is paid rarely.
        ages.sort_unstable();
        let (mut count, mut bytes) = (self.records.len(), self.bytes);
        // Those used before `limit` go, and so many of those used just then.
        let (mut limit, mut at_limit) = (0, 0_usize);
        for (used_at, size) in ages {
            if count <= most - most / 10 && bytes <= most_bytes - most_bytes / 10 {
                break;
            }
            (count, bytes) = (count - 1, bytes - size);
            (limit, at_limit) = (used_at, if used_at == limit { at_limit + 1 } else { 1 });
        }
        self.records.retain(|key, record| {
            let used_at = record.used_at();
            let stays = used_at > limit || key == kept || used_at == limit && at_limit == 0;
            if !stays {
                self.bytes -= record.bytes;
                at_limit -= usize::from(used_at == limit);
            }
            stays
        });
    }
}

impl Record {
    fn new(conversation: Conversation) -> Self {
        let conversation = KeptConversation::new(Arc::new(conversation));
        let bytes = conversation.bytes();
        Self {
            conversation,
            entries: VecDeque::new(),
            newest: 0,
            entry_bytes: 0,
            turns: KeptTurns::default(),
            bytes,
            course: Course::default(),
        }
    }

    fn used_at(&self) -> u64 {
        let conversation = self.conversation.frame();
        conversation.expires_at_ms.saturating_sub(conversation.ttl_ms)
    }

    fn touch(&mut self, now: u64) {
        // Rarely enough that the record is seldom copied because somebody reads it.
        if let Some(expires) = self.conversation.frame().later_expiry(now) {
            self.conversation.frame_mut().expires_at_ms = expires;
        }
    }

    fn calls(&mut self, action: &str, begun: u32) {
        let calls = &mut self.conversation.frame_mut().calls;
        match calls.get_mut(action) {
            Some(calls) => calls.begun = begun,
            None => calls.entry(action.to_owned()).or_default().begun = begun,
        }
    }

    fn change(&mut self, mut change: Change, now: u64) -> Applied {
        self.touch(now);
        let entries: Vec<NewEntry> = change.entries().into_iter().map(Cow::into_owned).collect();
        (change.call, change.events) = (None, Vec::new());
        let applied = if change.is_empty() {
            Applied { is_known: true, ..Applied::default() }
        } else {
            self.conversation.change(|conversation| conversation.apply(&change, now))
        };
        if !applied.was_ended && (!change.all_or_nothing || applied.refused.is_empty()) {
            for entry in entries {
                self.append(entry);
            }
        }
        self.count();
        applied
    }

    fn add_turn(&mut self, text: &str, now: u64) {
        self.touch(now);
        self.turns.add(text);
        self.count();
    }

    fn count(&mut self) {
        self.bytes = self.conversation.bytes() + self.entry_bytes + self.turns.bytes();
    }

    fn append(&mut self, entry: NewEntry) {
        let NewEntry { count, text } = entry;
        self.newest += u64::from(count);
        self.entry_bytes += ENTRY_BYTES + allocation(text.len());
        self.entries.push_back(Entry { last: self.newest, count, text: text.into_boxed_str() });
        let given_up = self.newest.saturating_sub(MAX_EVENTS as u64);
        while let Some(oldest) = self.entries.pop_front_if(|oldest| oldest.last <= given_up) {
            self.entry_bytes -= ENTRY_BYTES + allocation(oldest.text.len());
        }
    }

    /// The entries that make the `limit` events with numbers above `after`.
    fn entries_after(&self, after: u64, limit: usize) -> Vec<Entry> {
        let first = self.entries.partition_point(|entry| entry.last <= after);
        let last = after.saturating_add(limit as u64);
        let wanted =
            self.entries.range(first..).take_while(|entry| entry.last - u64::from(entry.count) < last);
        wanted.cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::super::super::change::{Source, Variable};
    use super::super::super::event::{EventKind, NewEvent};
    use super::*;

    fn open(conversations: &MemoryConversations, number: usize) -> ConversationKey {
        let key = ConversationKey::new("development", &format!("c{number}"));
        assert!(conversations.open(&key, &Opening { ttl: Duration::from_secs(60), first: None }).is_new);
        key
    }

    fn held(conversations: &MemoryConversations) -> (usize, usize) {
        let shards = conversations.shards.iter().map(|shard| shard.lock().unwrap());
        shards
            .map(|shard| (shard.records.len(), shard.bytes))
            .fold((0, 0), |(count, bytes), (more, size)| (count + more, bytes + size))
    }

    #[test]
    fn many_conversations_are_a_thousand() {
        let conversations = MemoryConversations::new(1_000, usize::MAX / 2);
        for number in 0..200_000 {
            let key = open(&conversations, number);
            assert!(number % 1_000 != 0 || conversations.find(&key).is_some(), "the newest is there");
        }
        let (count, bytes) = held(&conversations);
        assert!((800..=1_000 + SHARDS).contains(&count), "{count}");
        let there: usize = conversations
            .shards
            .iter()
            .flat_map(|shard| {
                shard.lock().unwrap().records.values().map(|record| record.bytes).collect::<Vec<_>>()
            })
            .sum();
        assert_eq!(bytes, there, "what is counted is what is there");
    }

    #[test]
    fn turns_count_as_the_rest_of_their_conversation_does() {
        const MOST: usize = 16 * 1024 * 1024;
        let conversations = MemoryConversations::new(1_000_000, MOST);
        let text = "x".repeat(100_000);
        for number in 0..1_000 {
            let key = open(&conversations, number);
            // Twelve are more than are kept of one.
            for _ in 0..12 {
                assert!(conversations.add_turn(&key, &text));
            }
            assert_eq!(conversations.turns(&key).len(), 10, "the newest is there");
        }
        let (count, bytes) = held(&conversations);
        // One of each shard is kept whatever its size.
        assert!(bytes <= MOST + SHARDS * 1_250_000 && (8..=32).contains(&count), "{count}: {bytes}");
        for number in 0..1_000 {
            conversations.forget(&ConversationKey::new("development", &format!("c{number}")));
        }
        assert_eq!(held(&conversations), (0, 0), "what is counted is what is there");
    }

    #[test]
    fn large_conversations_are_fewer() {
        const MOST: usize = 16 * 1024 * 1024;
        let conversations = MemoryConversations::new(1_000_000, MOST);
        let value = Value::String("x".repeat(100_000));
        for number in 0..2_000 {
            let key = open(&conversations, number);
            let variable = Variable {
                value: value.clone(),
                shown: None,
                source: Source::Caller,
                sensitive: false,
                hidden: false,
                set_at_ms: 0,
            };
            let events = vec![NewEvent::now(EventKind::ToolCalled, &json!({}))];
            let change = Change { set: vec![("x".to_owned(), variable)], events, ..Change::default() };
            assert!(conversations.update(&key, change).is_known);
            assert!(conversations.find(&key).is_some(), "the newest is there");
        }
        let (count, bytes) = held(&conversations);
        // One of each shard is kept whatever its size.
        assert!(bytes <= MOST + SHARDS * 102_000 && (80..=200).contains(&count), "{count}: {bytes}");
    }
}
