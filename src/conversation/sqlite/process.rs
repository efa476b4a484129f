//! What the process knows besides the file.
//!
//! Only the thread that writes changes it, after each commit and before anybody is told of it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::Claim;
use super::recent::Recent;
use super::under_way::UnderWay;

/// What the process knows besides the file.
#[derive(Debug, Default)]
pub(super) struct Process {
    /// Conversations that were used of late.
    pub(super) recent: Recent,
    under_way: Mutex<UnderWay>,
}

impl Process {
    /// Nothing yet; the file knows of claims up to `last`.
    pub(super) fn after(last: i64) -> Self {
        Self { recent: Recent::default(), under_way: Mutex::new(UnderWay::after(last)) }
    }

    /// The claims under way.
    pub(super) fn under_way(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a claim is under way for this call.
    pub(super) fn holds(&self, claim: &Claim) -> bool {
        self.under_way().get(&claim.key).is_some_and(|held| held.holder == claim.holder)
    }

    /// The end of a call could not be written, and nobody will try again.
    pub(super) fn abandon(&self, claim: &Claim) {
        let held = {
            let mut under_way = self.under_way();
            match under_way.get(&claim.key) {
                Some(held) if held.holder == claim.holder => under_way.remove(&claim.key),
                Some(_) | None => None,
            }
        };
        if let (Some(held), Some(conversation)) = (held, &claim.conversation)
            && held.is_counted
        {
            self.recent.abandon(conversation, &claim.action, held.is_written);
        }
    }
}
