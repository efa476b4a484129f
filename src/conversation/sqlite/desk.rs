//! What the jobs of one transaction work on: the connection, and what they have made of conversations and claims so far.
//!
//! A conversation that was used of late is not read from the file: [`Recent`](super::recent::Recent) has it as it was last
//! committed.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::Connection;

use super::super::{Claim, ClaimKey, ConversationKey};
use super::process::Process;
use super::recent::Live;
use super::rows;
use super::under_way::Held;

/// What the jobs of one transaction work on.
pub(super) struct Desk<'c> {
    pub(super) connection: &'c Connection,
    process: &'c Process,
    /// What the transaction has read, and what it has made of it; `None` of what is gone.
    conversations: RefCell<HashMap<ConversationKey, Option<Arc<Live>>>>,
    /// The claims that it has taken or changed; `None` of those that are under way no more.
    claims: RefCell<HashMap<ClaimKey, Option<Held>>>,
}

impl<'c> Desk<'c> {
    pub(super) fn new(connection: &'c Connection, process: &'c Process) -> Self {
        Self { connection, process, conversations: RefCell::default(), claims: RefCell::default() }
    }

    /// The conversation, unless it has expired at `now`.
    pub(super) fn find(&self, key: &ConversationKey, now: u64) -> rusqlite::Result<Option<Arc<Live>>> {
        if let Some(draft) = self.conversations.borrow().get(key) {
            return Ok(draft.clone().filter(|live| live.conversation.expires_at_ms > now));
        }
        if let Some(live) = self.process.recent.find(key, now) {
            return Ok(Some(live));
        }
        let found = rows::read(self.connection, key, now)?.map(Arc::new);
        if let Some(live) = &found {
            self.conversations.borrow_mut().insert(key.clone(), Some(live.clone()));
        }
        Ok(found)
    }

    /// The same as a copy to change, and to [`put`](Self::put) back.
    pub(super) fn copy(&self, key: &ConversationKey, now: u64) -> rusqlite::Result<Option<Live>> {
        Ok(self.find(key, now)?.map(Arc::unwrap_or_clone))
    }

    /// A conversation has become this.
    pub(super) fn put(&self, live: Live) {
        let live = Arc::new(live);
        self.conversations.borrow_mut().insert(live.conversation.key.clone(), Some(live));
    }

    /// A conversation is gone.
    pub(super) fn remove(&self, key: &ConversationKey) {
        self.conversations.borrow_mut().insert(key.clone(), None);
    }

    /// The claim that is under way for this key.
    pub(super) fn held(&self, key: &ClaimKey) -> Option<Held> {
        match self.claims.borrow().get(key) {
            Some(draft) => draft.clone(),
            None => self.process.under_way().get(key).cloned(),
        }
    }

    /// The claim of this call, if it is under way.
    pub(super) fn held_by(&self, claim: &Claim) -> Option<Held> {
        self.held(&claim.key).filter(|held| held.holder == claim.holder)
    }

    /// The latest claim under way that stands for a twin, but for `except`.
    pub(super) fn latest_of_twin(&self, twin: &ClaimKey, except: &ClaimKey) -> Option<(ClaimKey, Held)> {
        let drafts = self.claims.borrow();
        let under_way = self.process.under_way();
        let unchanged = under_way.of_twin(twin).filter(|(key, _)| !drafts.contains_key(key));
        let drafted = drafts.iter().filter_map(|(key, held)| Some((*key, held.as_ref()?)));
        let of_twin = unchanged.chain(drafted.filter(|(_, held)| held.twin.as_ref() == Some(twin)));
        let others = of_twin.filter(|(key, _)| key != except);
        others.max_by_key(|(_, held)| held.number).map(|(key, held)| (key, held.clone()))
    }

    /// The claims under way that stand for a twin and were taken before `number` stand for it no more.
    pub(super) fn forget_twin_before(&self, twin: &ClaimKey, number: i64) {
        let mut drafts = self.claims.borrow_mut();
        let under_way = self.process.under_way();
        for (key, held) in under_way.of_twin(twin) {
            drafts.entry(key).or_insert_with(|| Some(held.clone()));
        }
        let of_twin = drafts.values_mut().flatten().filter(|held| held.twin.as_ref() == Some(twin));
        of_twin.filter(|held| held.number < number).for_each(|held| held.twin = None);
    }

    /// The number of a new claim.
    pub(super) fn next_number(&self) -> i64 {
        self.process.under_way().next_number()
    }

    /// A claim is under way, or has become this.
    pub(super) fn hold(&self, key: ClaimKey, held: Held) {
        self.claims.borrow_mut().insert(key, Some(held));
    }

    /// A claim is under way no more.
    pub(super) fn let_go(&self, key: ClaimKey) {
        self.claims.borrow_mut().insert(key, None);
    }

    /// The transaction is committed.
    pub(super) fn commit(self) {
        for (key, draft) in self.conversations.into_inner() {
            match draft {
                Some(live) => self.process.recent.put(&live),
                None => self.process.recent.remove(&key),
            }
        }
        let mut under_way = self.process.under_way();
        for (key, draft) in self.claims.into_inner() {
            match draft {
                Some(held) => under_way.put(key, held),
                None => drop(under_way.remove(&key)),
            }
        }
    }
}
