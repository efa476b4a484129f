//! Conversations as they were last committed: most calls ask for one that the
//! call before has changed, and need neither the file nor another thread for it.
//!
//! Only the thread that writes puts something in or takes it out, after each
//! commit and in the order of the changes, before anybody is told of them.

use std::sync::Arc;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::super::course::Course;
use super::super::size::{frame_bytes, variables_bytes};
use super::super::{Conversation, ConversationKey};

/// Most bytes of memory of all of them.
const MAX_BYTES: u64 = 32 * 1024 * 1024;
/// Most bytes of a conversation: reading a larger one from the file is worth it.
const MAX_ONE: usize = 1024 * 1024;

/// A conversation as the thread that writes knows it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Live {
    pub(super) conversation: Arc<Conversation>,
    pub(super) course: Course,
    /// The number of its newest event.
    pub(super) newest: u64,
}

/// Conversations that were used of late.
#[derive(Debug)]
pub(super) struct Recent(Cache<ConversationKey, Arc<Live>>);

impl Default for Recent {
    fn default() -> Self {
        let weight = |_: &ConversationKey, live: &Arc<Live>| {
            u32::try_from(bytes(&live.conversation)).unwrap_or(u32::MAX)
        };
        let cache = Cache::builder().weigher(weight).max_capacity(MAX_BYTES);
        Self(cache.eviction_policy(EvictionPolicy::lru()).build())
    }
}

fn bytes(conversation: &Conversation) -> usize {
    frame_bytes(conversation) + variables_bytes(&conversation.variables)
}

impl Recent {
    /// The conversation, where it is here and has not expired at `now`.
    pub(super) fn find(&self, key: &ConversationKey, now: u64) -> Option<Arc<Live>> {
        self.0.get(key).filter(|live| live.conversation.expires_at_ms > now)
    }

    /// A conversation has become this.
    pub(super) fn put(&self, live: &Arc<Live>) {
        let key = &live.conversation.key;
        if bytes(&live.conversation) > MAX_ONE {
            return self.remove(key);
        }
        self.0.insert(key.clone(), live.clone());
        // Otherwise what is too much goes some insertions later.
        self.0.run_pending_tasks();
    }

    /// A conversation has become something else, or nothing.
    pub(super) fn remove(&self, key: &ConversationKey) {
        self.0.invalidate(key);
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
        Arc::new(Live { conversation: Arc::new(conversation), course: Course::default(), newest: 0 })
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
        let all: usize = recent.0.iter().map(|(_, live)| bytes(&live.conversation)).sum();
        assert_eq!(all as u64, recent.0.weighted_size());
        assert!(recent.0.weighted_size() <= MAX_BYTES);
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
}
