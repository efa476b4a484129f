//! The turns of a conversation in memory.

use std::collections::VecDeque;
use std::sync::Arc;

use super::super::size::allocation;
use super::super::{MAX_TURN_BYTES, MAX_TURNS};

/// What a turn takes besides its text: its place, with the room that a queue keeps for more.
const PLACE_BYTES: usize = 2 * size_of::<Arc<str>>();

/// The latest turns of a conversation, the oldest first.
#[derive(Debug, Default)]
pub(super) struct KeptTurns {
    turns: VecDeque<Arc<str>>,
    /// Of their texts.
    text_bytes: usize,
    /// What they take in memory.
    bytes: usize,
}

impl KeptTurns {
    /// Appends a turn; the oldest ones give way.
    pub(super) fn add(&mut self, text: &str) {
        self.text_bytes += text.len();
        self.bytes += bytes(text);
        self.turns.push_back(text.into());
        while self.turns.len() > MAX_TURNS || self.text_bytes > MAX_TURN_BYTES {
            let Some(oldest) = self.turns.pop_front() else { break };
            self.text_bytes -= oldest.len();
            self.bytes -= bytes(&oldest);
        }
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<Arc<str>> {
        self.turns.iter().cloned().collect()
    }

    /// What they take in memory.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// What a turn takes in memory: its text stands behind the two counts of those who share it.
fn bytes(text: &str) -> usize {
    PLACE_BYTES + allocation(2 * size_of::<usize>() + text.len())
}
