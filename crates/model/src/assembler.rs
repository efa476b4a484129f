//! What each provider's reader of streams does.

use std::fmt::Debug;

use serde_json::Value;

use super::reply::{Delta, Reply, StreamError};

/// Puts an answer together from its events.
pub(crate) trait Assembler: Debug + Send + Sync {
    /// Takes an event: its data, which is an object, and how many bytes that has.
    fn event(&mut self, event: &Value, size: usize, out: &mut Vec<Delta>) -> Result<(), StreamError>;

    /// Takes the answer of a server that does not stream.
    fn whole(&mut self, answer: &Value, size: usize, out: &mut Vec<Delta>) -> Result<(), StreamError>;

    /// The server says `[DONE]`.
    fn done(&mut self, _out: &mut Vec<Delta>) {}

    /// Whether nothing more is to come.
    fn is_complete(&self) -> bool;

    /// What has been said so far.
    fn text(&self) -> &str;

    /// The answer, if it is whole.
    fn finish(self: Box<Self>) -> Result<Reply, StreamError>;
}

/// A member that is a text and not empty.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// A member that is a list; empty where it is none.
pub(crate) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A member that counts something.
pub(crate) fn count(value: &Value, name: &str) -> Option<u64> {
    value.get(name)?.as_u64()
}
