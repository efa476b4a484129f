//! Conversations as they were last committed: most calls ask for one that the
//! call before has changed, and need neither the file nor another thread for it.
//!
//! Only the thread that writes puts something in or takes it out, after each
//! commit and in the order of the changes, before anybody is told of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::size::{frame_bytes, variables_bytes};
use super::super::{Conversation, ConversationKey};

/// Most bytes of memory of either half, within a fifth.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Most bytes of a conversation: reading a larger one from the file is worth it.
const MAX_ONE: usize = 1024 * 1024;

/// Conversations that were used of late.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<Halves>);

/// What is in `old` when `young` is full goes.
#[derive(Debug, Default)]
struct Halves {
    young: HashMap<ConversationKey, Counted>,
    young_bytes: usize,
    old: HashMap<ConversationKey, Counted>,
}

#[derive(Debug)]
struct Counted {
    conversation: Arc<Conversation>,
    bytes: usize,
}

impl Recent {
    /// The conversation, where it is here and has not expired at `now`.
    pub(super) fn find(&self, key: &ConversationKey, now: u64) -> Option<Arc<Conversation>> {
        let halves = self.lock();
        let found = &halves.young.get(key).or_else(|| halves.old.get(key))?.conversation;
        (found.expires_at_ms > now).then(|| found.clone())
    }

    /// A conversation has become this.
    pub(super) fn put(&self, conversation: &Arc<Conversation>) {
        let bytes = frame_bytes(conversation) + variables_bytes(&conversation.variables);
        let mut halves = self.lock();
        halves.remove(&conversation.key);
        if bytes > MAX_ONE {
            return;
        }
        if halves.young_bytes + bytes > MAX_BYTES {
            halves.old = std::mem::take(&mut halves.young);
            halves.young_bytes = 0;
        }
        halves.young_bytes += bytes;
        let counted = Counted { conversation: conversation.clone(), bytes };
        halves.young.insert(conversation.key.clone(), counted);
    }

    /// A conversation has become something else, or nothing.
    pub(super) fn remove(&self, key: &ConversationKey) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, Halves> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Halves {
    fn remove(&mut self, key: &ConversationKey) {
        if let Some(removed) = self.young.remove(key) {
            self.young_bytes -= removed.bytes;
        }
        self.old.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::change::{Source, Variable};
    use super::*;

    fn conversation(number: usize, bytes: usize) -> Arc<Conversation> {
        let key = ConversationKey::new("development", &format!("c{number}"));
        let mut conversation = Conversation::new(key, 100, 1_000);
        let value = serde_json::Value::String("x".repeat(bytes));
        let source = Source::Caller;
        let variable = Variable { value, shown: None, source, sensitive: false, hidden: false, set_at_ms: 0 };
        conversation.variables.insert("x".to_owned(), variable);
        Arc::new(conversation)
    }

    #[test]
    fn what_has_expired_or_is_gone_is_not_found() {
        let recent = Recent::default();
        let (one, two) = (conversation(1, 0), conversation(2, 0));
        recent.put(&one);
        recent.put(&two);
        assert_eq!(recent.find(&one.key, 1_099), Some(one.clone()));
        assert_eq!(recent.find(&one.key, 1_100), None);
        recent.remove(&one.key);
        assert_eq!((recent.find(&one.key, 0), recent.find(&two.key, 0)), (None, Some(two.clone())));
    }

    #[test]
    fn what_was_used_of_late_is_here_and_all_of_it_is_bounded() {
        let recent = Recent::default();
        let kept = conversation(0, 0);
        for number in 1..1_000 {
            // The latest state of it counts once.
            recent.put(&kept);
            recent.put(&conversation(number, 100_000));
        }
        assert_eq!(recent.find(&kept.key, 0), Some(kept));
        assert!(recent.find(&conversation(999, 0).key, 0).is_some());
        assert!(recent.find(&conversation(1, 0).key, 0).is_none());
        let halves = recent.lock();
        let bytes = |half: &HashMap<_, Counted>| half.values().map(|one| one.bytes).sum::<usize>();
        assert_eq!(bytes(&halves.young), halves.young_bytes);
        assert!(bytes(&halves.young) <= MAX_BYTES && bytes(&halves.old) <= MAX_BYTES);
    }

    #[test]
    fn a_conversation_that_would_take_the_place_of_many_is_not_remembered() {
        let recent = Recent::default();
        recent.put(&conversation(1, 10));
        recent.put(&conversation(2, 10));
        recent.put(&conversation(1, 2 * MAX_ONE));
        let find = |number| recent.find(&conversation(number, 0).key, 0).is_some();
        assert_eq!((find(1), find(2)), (false, true), "nor is what it was before");
    }
}
