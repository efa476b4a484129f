//! Conversations as they are after the last commit: most calls ask for one that the call before has changed, and need
//! neither the file nor another thread for it.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::super::course::Course;
use super::super::size::{frame_bytes, variables_bytes};
use super::super::{Calls, Conversation, ConversationKey};

/// Most bytes of memory of all of them.
const MAX_BYTES: u64 = 32 * 1024 * 1024;
/// Most bytes of a conversation: reading a larger one from the file is worth it.
const MAX_ONE: usize = 1024 * 1024;

/// A conversation as the thread that writes knows it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Live {
    /// Its number in the file.
    pub(super) number: i64,
    pub(super) conversation: Arc<Conversation>,
    pub(super) course: Course,
    /// The number of its newest event.
    pub(super) newest: u64,
    /// The actions of the calls under way: they have begun, and the file counts them when they end.
    pub(super) under_way: Vec<String>,
    /// The memory that its variables take.
    variables_bytes: usize,
}

impl Live {
    pub(super) fn new(number: i64, conversation: Arc<Conversation>, course: Course, newest: u64) -> Self {
        let variables_bytes = variables_bytes(&conversation.variables);
        Self { number, conversation, course, newest, under_way: Vec::new(), variables_bytes }
    }

    /// Changes the conversation.
    pub(super) fn change<T>(&mut self, change: impl FnOnce(&mut Conversation) -> T) -> T {
        let before = self.conversation.variables.clone();
        let changed = change(Arc::make_mut(&mut self.conversation));
        if !Arc::ptr_eq(&before, &self.conversation.variables) {
            self.variables_bytes = variables_bytes(&self.conversation.variables);
        }
        changed
    }

    /// The memory that it takes.
    fn bytes(&self) -> usize {
        frame_bytes(&self.conversation) + self.variables_bytes
    }

    /// A call of `action` begins.
    pub(super) fn begin(&mut self, action: &str) {
        self.count(action, |begun| begun.saturating_add(1));
        self.under_way.push(action.to_owned());
    }

    /// A call of `action` is under way no more.
    pub(super) fn end(&mut self, action: &str) {
        if let Some(at) = self.under_way.iter().position(|one| one == action) {
            self.under_way.swap_remove(at);
        }
    }

    /// A call of `action` has not begun after all.
    pub(super) fn unbegin(&mut self, action: &str) {
        self.count(action, |begun| begun.saturating_sub(1));
    }

    fn count(&mut self, action: &str, change: impl FnOnce(u32) -> u32) {
        let calls = &mut Arc::make_mut(&mut self.conversation).calls;
        match calls.get_mut(action) {
            Some(calls) => calls.begun = change(calls.begun),
            None => calls.entry(action.to_owned()).or_default().begun = change(0),
        }
    }

    /// The calls that the file counts.
    pub(super) fn written_calls(&self) -> Cow<'_, BTreeMap<String, Calls>> {
        let mut calls = Cow::Borrowed(&self.conversation.calls);
        for action in &self.under_way {
            if let Some(of_action) = calls.to_mut().get_mut(action) {
                of_action.begun = of_action.begun.saturating_sub(1);
            }
        }
        calls
    }
}

/// Conversations that were used of late.
#[derive(Debug)]
pub(super) struct Recent {
    cache: Cache<ConversationKey, Arc<Live>>,
    /// Those that the file does not know all of: they stay, and there are no more of them than calls under way.
    ahead: Mutex<HashMap<ConversationKey, Arc<Live>>>,
}

impl Default for Recent {
    fn default() -> Self {
        let weight = |_: &ConversationKey, live: &Arc<Live>| u32::try_from(live.bytes()).unwrap_or(u32::MAX);
        let cache = Cache::builder().weigher(weight).max_capacity(MAX_BYTES);
        Self { cache: cache.eviction_policy(EvictionPolicy::lru()).build(), ahead: Mutex::default() }
    }
}

impl Recent {
    /// The conversation, where it is here and has not expired at `now`.
    pub(super) fn find(&self, key: &ConversationKey, now: u64) -> Option<Arc<Live>> {
        let ahead = self.ahead().get(key).cloned();
        ahead.or_else(|| self.cache.get(key)).filter(|live| live.conversation.expires_at_ms > now)
    }

    /// A conversation has become this.
    pub(super) fn put(&self, live: &Arc<Live>) {
        let key = &live.conversation.key;
        if !live.under_way.is_empty() {
            self.ahead().insert(key.clone(), live.clone());
            return self.cache.invalidate(key);
        }
        if live.bytes() > MAX_ONE {
            self.cache.invalidate(key);
        } else {
            self.cache.insert(key.clone(), live.clone());
            // Otherwise what is too much goes some insertions later.
            self.cache.run_pending_tasks();
        }
        self.ahead().remove(key);
    }

    /// A conversation has become something else, or nothing.
    pub(super) fn remove(&self, key: &ConversationKey) {
        self.ahead().remove(key);
        self.cache.invalidate(key);
    }

    /// A call is under way no more, and its end is not in the file; `was_sent` where it counts all the same.
    pub(super) fn abandon(&self, key: &ConversationKey, action: &str, was_sent: bool) {
        let Some(live) = self.ahead().get(key).cloned() else { return };
        let mut live = Arc::unwrap_or_clone(live);
        if !was_sent {
            live.unbegin(action);
        }
        live.end(action);
        self.put(&Arc::new(live));
    }

    fn ahead(&self) -> MutexGuard<'_, HashMap<ConversationKey, Arc<Live>>> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::change::{Source, Variable};
    use super::*;

    fn live(number: usize, bytes: usize) -> Arc<Live> {
        let key = ConversationKey::new("development", &format!("c{number}"));
        let mut conversation = Conversation::new(key, 100, 1_000);
        let value = serde_json::Value::String("x".repeat(bytes));
        let source = Source::Caller;
        let variable = Variable { value, shown: None, source, sensitive: false, hidden: false, set_at_ms: 0 };
        conversation.variables = Arc::new([("x".to_owned(), Arc::new(variable))].into());
        Arc::new(Live::new(1, Arc::new(conversation), Course::default(), 0))
    }

    #[test]
    fn what_has_expired_or_is_gone_is_not_found() {
        let recent = Recent::default();
        let (one, two) = (live(1, 0), live(2, 0));
        recent.put(&one);
        recent.put(&two);
        assert_eq!(recent.find(&one.conversation.key, 1_099), Some(one.clone()));
        assert_eq!(recent.find(&one.conversation.key, 1_100), None);
        recent.remove(&one.conversation.key);
        assert_eq!(
            (recent.find(&one.conversation.key, 0), recent.find(&two.conversation.key, 0)),
            (None, Some(two.clone()))
        );
    }

    #[test]
    fn what_was_used_of_late_is_here_and_all_of_it_is_bounded() {
        let recent = Recent::default();
        let kept = live(0, 0);
        for number in 1..1_000 {
            // The latest state of it counts once.
            recent.put(&kept);
            recent.put(&live(number, 100_000));
        }
        assert_eq!(recent.find(&kept.conversation.key, 0), Some(kept));
        assert!(recent.find(&live(999, 0).conversation.key, 0).is_some());
        assert!(recent.find(&live(1, 0).conversation.key, 0).is_none());
        let all: usize = recent.cache.iter().map(|(_, live)| live.bytes()).sum();
        assert_eq!(all as u64, recent.cache.weighted_size());
        assert!(recent.cache.weighted_size() <= MAX_BYTES);
    }

    #[test]
    fn a_conversation_that_would_take_the_place_of_many_is_not_remembered() {
        let recent = Recent::default();
        recent.put(&live(1, 10));
        recent.put(&live(2, 10));
        recent.put(&live(1, 2 * MAX_ONE));
        let find = |number| recent.find(&live(number, 0).conversation.key, 0).is_some();
        assert_eq!((find(1), find(2)), (false, true), "nor is what it was before");
    }

    #[test]
    fn what_the_file_does_not_know_stays() {
        let recent = Recent::default();
        let mut ahead = Arc::unwrap_or_clone(live(0, 2 * MAX_ONE));
        ahead.begin("book");
        recent.put(&Arc::new(ahead.clone()));
        for number in 1..1_000 {
            recent.put(&live(number, 100_000));
        }
        let key = &ahead.conversation.key;
        let found = recent.find(key, 0).unwrap();
        assert_eq!((found.conversation.calls["book"].begun, found.written_calls()["book"].begun), (1, 0));
        recent.abandon(key, "book", false);
        assert!(recent.find(key, 0).is_none(), "it is read from the file again");
        assert!(recent.ahead().is_empty());
    }
}
