//! The store in the memory of one process: for tests, demos and single calls.

mod claims;
mod conversations;
mod kept;
mod notes;
mod turns;

pub use self::claims::ClaimLimits;

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use crate::tool::{Scope, ToolResult};

use self::claims::MemoryClaims;
use self::conversations::MemoryConversations;
use self::notes::MemoryNotes;
use super::change::{Applied, Change};
use super::event::EventPage;
use super::{
    Answer, Claim, ClaimKey, Claimed, Claims, Conversation, ConversationKey, Conversations, Ended, Feed,
    ListPosition, Notes, Opened, Opening, Pending, Store, StoreError, Summary, Turns,
};

/// How much is remembered. Where it is not enough, what was used longest ago is
/// forgotten first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimits {
    /// Most conversations.
    pub conversations: usize,
    /// Most bytes of memory for all conversations with their events and turns, within a fifth.
    pub conversation_bytes: usize,
    /// Claims and results.
    pub claims: ClaimLimits,
}

impl Default for MemoryLimits {
    fn default() -> Self {
        Self { conversations: 100_000, conversation_bytes: 256 * 1024 * 1024, claims: ClaimLimits::default() }
    }
}

/// The store in the memory of one process.
#[derive(Debug)]
pub struct MemoryStore {
    claims: MemoryClaims,
    conversations: MemoryConversations,
    notes: MemoryNotes,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(MemoryLimits::default())
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new(limits: MemoryLimits) -> Self {
        Self {
            claims: MemoryClaims::new(limits.claims),
            conversations: MemoryConversations::new(limits.conversations, limits.conversation_bytes),
            notes: MemoryNotes::default(),
        }
    }
}

impl MemoryStore {
    fn take(&self, claim: &Claim) -> Result<Claimed, StoreError> {
        let conversation = claim.conversation.as_ref();
        let is_new =
            |delivered| conversation.is_some_and(|key| self.conversations.is_new(key, claim, delivered));
        if let Some(known) = self.claims.take(claim, is_new)? {
            return Ok(known);
        }
        let Some(conversation) = conversation.filter(|_| !claim.only_looks) else {
            return Ok(Claimed::Fresh { earlier: 0 });
        };
        let Some((earlier, began)) = self.conversations.begin(conversation, claim) else {
            self.claims.free(claim);
            return Ok(Claimed::TooManyCalls(claim.most_calls.unwrap_or_default()));
        };
        self.claims.begin(claim, began);
        Ok(Claimed::Fresh { earlier })
    }
}

/// An answer that is there already.
fn found<'a, T: Send + 'a>(answer: T) -> Answer<'a, T> {
    Box::pin(ready(Ok(answer)))
}

/// A command that is done.
fn done<'a, T: Send + 'a>(answer: T) -> Pending<'a, T> {
    Pending::done(Ok(answer))
}

impl Claims for MemoryStore {
    fn claim<'a>(&'a self, claim: &'a Claim) -> Pending<'a, Claimed> {
        Pending::done(self.take(claim))
    }

    fn sending<'a>(&'a self, claim: &'a Claim) -> Pending<'a, ()> {
        Pending::done(self.claims.holds(claim))
    }

    fn ended(&self, key: ClaimKey) -> Answer<'_, Ended> {
        Box::pin(async move { Ok(self.claims.ended(key).await) })
    }

    fn settle<'a>(
        &'a self,
        claim: &'a Claim,
        result: &'a Arc<ToolResult>,
        change: Change,
    ) -> Pending<'a, Applied> {
        // The change first: who is answered by the result finds it made.
        let applied = match &claim.conversation {
            Some(_) if self.claims.is_settled_by(claim) => Applied { is_known: true, ..Applied::default() },
            Some(conversation) => self.conversations.update(conversation, change),
            None => Applied::default(),
        };
        let began = claim.conversation.as_ref().zip(self.claims.began(claim));
        let ended = began.map_or(0, |(key, began)| self.conversations.end(key, claim, began));
        self.claims.end(claim, result, ended);
        done(applied)
    }

    fn release<'a>(&'a self, claim: &'a Claim) -> Pending<'a, ()> {
        if let (true, Some(conversation)) = (self.claims.free(claim), &claim.conversation) {
            self.conversations.unbegin(conversation, &claim.action);
        }
        done(())
    }

    fn orphan(&self, key: ClaimKey) -> Pending<'_, ()> {
        self.claims.orphan(&key);
        done(())
    }

    fn adopt(&self, key: ClaimKey) -> Pending<'_, ()> {
        self.claims.adopt(&key, |of| self.conversations.course_now(of));
        done(())
    }
}

impl Conversations for MemoryStore {
    fn open<'a>(&'a self, key: &'a ConversationKey, opening: Opening) -> Answer<'a, Opened> {
        found(self.conversations.open(key, &opening))
    }

    fn find<'a>(&'a self, key: &'a ConversationKey) -> Answer<'a, Option<Arc<Conversation>>> {
        found(self.conversations.find(key))
    }

    fn update<'a>(&'a self, key: &'a ConversationKey, change: Change) -> Pending<'a, Applied> {
        done(self.conversations.update(key, change))
    }

    fn forget<'a>(&'a self, key: &'a ConversationKey) -> Pending<'a, bool> {
        done(self.conversations.forget(key))
    }

    fn list<'a>(
        &'a self,
        scope: &'a Scope,
        after: Option<ListPosition>,
        limit: usize,
    ) -> Answer<'a, Vec<Summary>> {
        found(self.conversations.list(scope, after.as_ref(), limit))
    }
}

impl Feed for MemoryStore {
    fn events<'a>(&'a self, key: &'a ConversationKey, after: u64, limit: usize) -> Answer<'a, EventPage> {
        found(self.conversations.events(key, after, limit))
    }

    fn follow<'a>(&'a self, key: &'a ConversationKey, after: u64) -> Answer<'a, ()> {
        Box::pin(async move {
            self.conversations.follow(key, after).await;
            Ok(())
        })
    }
}

impl Notes for MemoryStore {
    fn note<'a>(&'a self, name: &'a str) -> Answer<'a, Option<String>> {
        found(self.notes.get(name))
    }

    fn put_note<'a>(&'a self, name: &'a str, text: &'a str, keep: Duration) -> Pending<'a, ()> {
        self.notes.put(name, text, keep);
        done(())
    }

    fn add_note<'a>(&'a self, name: &'a str, text: &'a str, keep: Duration) -> Pending<'a, bool> {
        done(self.notes.add(name, text, keep))
    }

    fn remove_note<'a>(&'a self, name: &'a str, text: &'a str) -> Pending<'a, ()> {
        self.notes.remove(name, text);
        done(())
    }
}

impl Turns for MemoryStore {
    fn add_turn<'a>(&'a self, key: &'a ConversationKey, text: &'a str) -> Pending<'a, bool> {
        done(self.conversations.add_turn(key, text))
    }

    fn turns<'a>(&'a self, key: &'a ConversationKey) -> Answer<'a, Vec<Arc<str>>> {
        found(self.conversations.turns(key))
    }
}

impl Store for MemoryStore {
    fn backend(&self) -> &'static str {
        "memory"
    }
}
