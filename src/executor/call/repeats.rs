//! A model that sends the same impossible call again and again is told to stop.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use crate::tool::ToolCall;

/// Failures of a call after which the model is told to stop.
pub(super) const TOO_OFTEN: u32 = 3;
/// Calls remembered before the older half is forgotten.
const MOST: usize = 20_000;

/// Counts identical failing calls by conversation.
#[derive(Debug, Default)]
pub(in crate::executor) struct Repeats {
    counts: Mutex<Counts>,
    hasher: RandomState,
}

/// Two generations: when the newer one is full, it becomes the older one.
#[derive(Debug, Default)]
struct Counts {
    newer: HashMap<u64, u32>,
    older: HashMap<u64, u32>,
}

impl Repeats {
    /// How often this call has failed in its conversation, this time included. Calls are the same where their
    /// arguments are, or the `digest` of those, where there is one.
    pub(in crate::executor) fn count(&self, call: &ToolCall, digest: Option<[u8; 32]>) -> u32 {
        let Some(conversation) = &call.conversation_id else { return 1 };
        let arguments = digest.as_ref().map_or(call.arguments.get().as_bytes(), |digest| digest);
        let call = self.hasher.hash_one((call.scope(), conversation, &call.name, arguments));
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let before = counts.newer.get(&call).or_else(|| counts.older.get(&call)).copied().unwrap_or(0);
        if counts.newer.len() >= MOST / 2 {
            counts.older = std::mem::take(&mut counts.newer);
        }
        counts.newer.insert(call, before.saturating_add(1));
        before.saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use serde_json::value::RawValue;

    use super::*;

    fn call(conversation: Option<&str>, arguments: &serde_json::Value) -> ToolCall {
        let arguments = RawValue::from_string(arguments.to_string()).unwrap();
        let call = ToolCall::new("x", "development", "book", arguments);
        ToolCall { id_is_given: false, conversation_id: conversation.map(str::to_owned), ..call }
    }

    #[test]
    fn the_same_call_is_counted_in_its_conversation() {
        let repeats = Repeats::default();
        let counts = [
            (Some("a"), json!({"x": 1}), 1),
            (Some("a"), json!({"x": 1}), 2),
            (Some("b"), json!({"x": 1}), 1),
            (Some("a"), json!({"x": 2}), 1),
            (Some("a"), json!({"x": 1}), 3),
            (None, json!({"x": 1}), 1),
            (None, json!({"x": 1}), 1),
        ];
        for (conversation, arguments, expected) in counts {
            let call = call(conversation, &arguments);
            let count = repeats.count(&call, None);
            assert_eq!(count, expected, "{conversation:?} {arguments}");
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let repeats = Repeats::default();
        for number in 0..3 * MOST {
            let call = call(Some("a"), &json!({"x": number}));
            repeats.count(&call, None);
        }
        let counts = repeats.counts.lock().unwrap();
        assert!(counts.newer.len() + counts.older.len() <= MOST);
    }
}
