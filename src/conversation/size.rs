//! What values take in memory: many times their text, where they are lists of
//! small objects. Bounds of memory count by this.

use std::sync::Arc;

use serde_json::Value;

use super::change::{Source, Variable};
use super::record::{Conversation, Variables};

/// Most entries of a node of a `BTreeMap`, and how many there are at least in nearly all.
const NODE_ENTRIES: (usize, usize) = (11, 6);

/// What an allocation takes: allocators have classes of sizes, four to each power of two.
pub(super) fn allocation(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        1..=8 => 8,
        9..=64 => bytes.next_multiple_of(16),
        _ => bytes.next_multiple_of(bytes.next_power_of_two() / 8),
    }
}

/// What a JSON value takes in memory besides its own place, within a fifth.
pub fn heap_bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 0,
        Value::Number(number) => allocation(number.as_str().len()),
        Value::String(text) => allocation(text.capacity()),
        Value::Array(items) => {
            allocation(items.capacity() * size_of::<Value>()) + items.iter().map(heap_bytes).sum::<usize>()
        }
        Value::Object(members) => {
            let members_bytes =
                |(name, value): (&String, &Value)| allocation(name.capacity()) + heap_bytes(value);
            map_bytes(members.len()) + members.iter().map(members_bytes).sum::<usize>()
        }
    }
}

/// What the tables of a map take: its entries in their order, and a hash table of their places.
pub(super) fn map_bytes(entries: usize) -> usize {
    let buckets = match entries {
        0 => return 0,
        1..4 => 4,
        4..8 => 8,
        _ => (entries * 8 / 7).next_power_of_two(),
    };
    let capacity = if buckets < 8 { buckets - 1 } else { buckets / 8 * 7 };
    let entry = size_of::<usize>() + size_of::<String>() + size_of::<Value>();
    allocation(capacity * entry) + allocation(buckets * (size_of::<usize>() + 1) + 16)
}

/// What the variables of a conversation take.
pub(super) fn variables_bytes(variables: &Variables) -> usize {
    let node = NODE_ENTRIES.0 * (size_of::<String>() + size_of::<usize>()) + 16;
    let nodes = variables.len().div_ceil(NODE_ENTRIES.1) * allocation(node);
    /// A variable, and how many share it.
    const SHARED: usize = size_of::<Variable>() + 2 * size_of::<usize>();
    let of_one = |(name, variable): (&String, &Arc<Variable>)| {
        let source = match &variable.source {
            Source::Caller => 0,
            Source::Call { id, action } => allocation(id.capacity()) + allocation(action.capacity()),
        };
        let shown = variable.shown.as_ref().map_or(0, heap_bytes);
        allocation(name.capacity()) + allocation(SHARED) + source + heap_bytes(&variable.value) + shown
    };
    nodes + variables.iter().map(of_one).sum::<usize>()
}

/// What a conversation takes besides its variables.
pub(super) fn frame_bytes(conversation: &Conversation) -> usize {
    /// Itself, its places in maps, and a few counted calls.
    const RECORD_BYTES: usize = 1_024;
    let concealed = conversation.concealed.iter();
    let concealed: usize = concealed.map(|text| size_of::<String>() + allocation(text.capacity())).sum();
    let key = allocation(conversation.key.id().len()) + allocation(conversation.key.environment().len());
    RECORD_BYTES + 2 * key + concealed
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_allocation_is_at_most_a_quarter_larger_than_what_was_asked_for() {
        for bytes in 65..10_000 {
            let taken = allocation(bytes);
            assert!(taken >= bytes && taken * 4 <= bytes * 5 + 4, "{bytes}: {taken}");
        }
        assert_eq!([1, 8, 9, 64, 65, 80, 81, 129, 336].map(allocation), [8, 8, 16, 64, 80, 80, 96, 160, 384]);
    }

    #[test]
    fn a_small_object_takes_many_times_its_text() {
        let list = Value::Array((0..1_000).map(|_| json!({"a": 1})).collect());
        let (taken, text) = (heap_bytes(&list), list.to_string().len());
        assert!(taken > 50 * text, "{taken} of {text}");
        let texts = json!(["x".repeat(100_000), "y".repeat(100_000)]);
        assert!(heap_bytes(&texts) < 260_000);
        assert_eq!(heap_bytes(&json!(true)) + heap_bytes(&json!([])) + heap_bytes(&json!({})), 0);
    }
}
