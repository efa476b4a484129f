//! What the jobs of one transaction work on: the connection, and conversations as they have made them so far.
//!
//! A conversation that was used of late is not read from the file: [`Recent`] has it as it was last committed.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::Connection;

use super::super::ConversationKey;
use super::recent::{Live, Recent};
use super::rows;

/// What the jobs of one transaction work on.
pub(super) struct Desk<'c> {
    pub(super) connection: &'c Connection,
    recent: &'c Recent,
    /// What the transaction has read, and what it has made of it; `None` of what is gone.
    drafts: RefCell<HashMap<ConversationKey, Option<Arc<Live>>>>,
}

impl<'c> Desk<'c> {
    pub(super) fn new(connection: &'c Connection, recent: &'c Recent) -> Self {
        Self { connection, recent, drafts: RefCell::default() }
    }

    /// The conversation, unless it has expired at `now`.
    pub(super) fn find(&self, key: &ConversationKey, now: u64) -> rusqlite::Result<Option<Arc<Live>>> {
        if let Some(draft) = self.drafts.borrow().get(key) {
            return Ok(draft.clone().filter(|live| live.conversation.expires_at_ms > now));
        }
        if let Some(live) = self.recent.find(key, now) {
            return Ok(Some(live));
        }
        let found = rows::read(self.connection, key, now)?.map(Arc::new);
        if let Some(live) = &found {
            self.drafts.borrow_mut().insert(key.clone(), Some(live.clone()));
        }
        Ok(found)
    }

    /// A conversation has become this.
    pub(super) fn put(&self, live: Live) {
        let live = Arc::new(live);
        self.drafts.borrow_mut().insert(live.conversation.key.clone(), Some(live));
    }

    /// A conversation is gone.
    pub(super) fn remove(&self, key: &ConversationKey) {
        self.drafts.borrow_mut().insert(key.clone(), None);
    }

    /// The transaction is committed.
    pub(super) fn commit(self) {
        for (key, draft) in self.drafts.into_inner() {
            match draft {
                Some(live) => self.recent.put(&live),
                None => self.recent.remove(&key),
            }
        }
    }
}
