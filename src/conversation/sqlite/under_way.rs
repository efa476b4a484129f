//! Claims under way: they are in memory, and in the file from when a write is about to be sent.
//!
//! What this process has claimed and not sent is free again when it ends, so the file need not know of it.

use std::collections::HashMap;

use super::super::ClaimKey;

/// A claim that has neither ended nor been given back.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) holder: u64,
    /// Its place among all claims, in the order in which they were taken.
    pub(super) number: i64,
    pub(super) request: u64,
    /// The twin that it stands for.
    pub(super) twin: Option<ClaimKey>,
    /// Whether it is among the begun calls of its conversation.
    pub(super) is_counted: bool,
    /// When it began, by the course of its conversation.
    pub(super) began: u64,
    /// Whether its caller has hung up.
    pub(super) is_orphan: bool,
    /// Whether the file has a row of it.
    pub(super) is_written: bool,
    /// The row of an earlier call of the same key that it takes the place of.
    pub(super) replaces: Option<i64>,
}

/// All claims under way.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    claims: HashMap<ClaimKey, Held>,
    by_twin: HashMap<ClaimKey, Vec<ClaimKey>>,
    /// The number of the claim that was taken last.
    last: i64,
}

impl UnderWay {
    /// Nothing is under way yet; the file knows of claims up to `last`.
    pub(super) fn after(last: i64) -> Self {
        Self { last, ..Self::default() }
    }

    /// The number of a new claim.
    pub(super) fn next_number(&mut self) -> i64 {
        self.last += 1;
        self.last
    }

    pub(super) fn len(&self) -> usize {
        self.claims.len()
    }

    pub(super) fn get(&self, key: &ClaimKey) -> Option<&Held> {
        self.claims.get(key)
    }

    /// The claims that stand for a twin.
    pub(super) fn of_twin(&self, twin: &ClaimKey) -> impl Iterator<Item = (ClaimKey, &Held)> {
        let keys = self.by_twin.get(twin).into_iter().flatten();
        keys.filter_map(|key| Some((*key, self.claims.get(key)?)))
    }

    /// A claim has become this.
    pub(super) fn put(&mut self, key: ClaimKey, held: Held) {
        self.remove(&key);
        if let Some(twin) = held.twin {
            self.by_twin.entry(twin).or_default().push(key);
        }
        self.claims.insert(key, held);
    }

    /// A claim has ended, or was given back.
    pub(super) fn remove(&mut self, key: &ClaimKey) -> Option<Held> {
        let held = self.claims.remove(key)?;
        if let Some(twin) = &held.twin
            && let Some(keys) = self.by_twin.get_mut(twin)
        {
            keys.retain(|one| one != key);
            if keys.is_empty() {
                self.by_twin.remove(twin);
            }
        }
        Some(held)
    }
}
