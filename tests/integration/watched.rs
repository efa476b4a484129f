//! A store that is waited for, and of which a test knows when somebody waits for another's call.

use std::sync::Arc;
use std::time::Duration;

use callgate::conversation::change::{Applied, Change};
use callgate::conversation::event::EventPage;
use callgate::conversation::{
    Answer, Claim, ClaimKey, Claimed, Conversation, ConversationKey, Ended, ListPosition, Opened, Opening,
    Store, Summary,
};
use callgate::tool::{Scope, ToolResult};
use tokio::sync::Semaphore;

use crate::backend::PATIENCE;

/// Another store, and a permit for each call that has joined another one.
#[derive(Debug)]
pub(crate) struct Watched {
    store: Arc<dyn Store>,
    joined: Semaphore,
}

impl Watched {
    pub(crate) fn new(store: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self { store, joined: Semaphore::new(0) })
    }

    /// Waits until one more call has joined another one.
    pub(crate) async fn joined(&self) {
        let joined = tokio::time::timeout(Duration::from_secs(60), self.joined.acquire()).await;
        joined.expect("no call has joined another one in a minute").unwrap().forget();
    }
}

impl Store for Watched {
    fn ended(&self, key: ClaimKey) -> Answer<'_, Ended> {
        // Who waits has said before that it does.
        self.joined.add_permits(1);
        self.store.ended(key)
    }

    fn backend(&self) -> &'static str {
        self.store.backend()
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }

    fn claim<'a>(&'a self, claim: &'a Claim) -> Answer<'a, Claimed> {
        self.store.claim(claim)
    }

    fn sending<'a>(&'a self, claim: &'a Claim) -> Answer<'a, ()> {
        self.store.sending(claim)
    }

    fn settle<'a>(
        &'a self,
        claim: &'a Claim,
        result: &'a Arc<ToolResult>,
        change: Change,
    ) -> Answer<'a, Applied> {
        self.store.settle(claim, result, change)
    }

    fn release<'a>(&'a self, claim: &'a Claim) -> Answer<'a, ()> {
        self.store.release(claim)
    }

    fn adopt(&self, key: ClaimKey) -> Answer<'_, ()> {
        self.store.adopt(key)
    }

    fn orphan(&self, key: ClaimKey) -> Answer<'_, ()> {
        self.store.orphan(key)
    }

    fn open<'a>(&'a self, key: &'a ConversationKey, opening: Opening) -> Answer<'a, Opened> {
        self.store.open(key, opening)
    }

    fn find<'a>(&'a self, key: &'a ConversationKey) -> Answer<'a, Option<Arc<Conversation>>> {
        self.store.find(key)
    }

    fn update<'a>(&'a self, key: &'a ConversationKey, change: Change) -> Answer<'a, Applied> {
        self.store.update(key, change)
    }

    fn forget<'a>(&'a self, key: &'a ConversationKey) -> Answer<'a, bool> {
        self.store.forget(key)
    }

    fn list<'a>(
        &'a self,
        scope: &'a Scope,
        after: Option<ListPosition>,
        limit: usize,
    ) -> Answer<'a, Vec<Summary>> {
        self.store.list(scope, after, limit)
    }

    fn events<'a>(&'a self, key: &'a ConversationKey, after: u64, limit: usize) -> Answer<'a, EventPage> {
        self.store.events(key, after, limit)
    }

    fn follow<'a>(&'a self, key: &'a ConversationKey, after: u64) -> Answer<'a, ()> {
        self.store.follow(key, after)
    }

    fn note<'a>(&'a self, name: &'a str) -> Answer<'a, Option<String>> {
        self.store.note(name)
    }

    fn put_note<'a>(&'a self, name: &'a str, text: &'a str, keep: Duration) -> Answer<'a, ()> {
        self.store.put_note(name, text, keep)
    }

    fn add_note<'a>(&'a self, name: &'a str, text: &'a str, keep: Duration) -> Answer<'a, bool> {
        self.store.add_note(name, text, keep)
    }

    fn remove_note<'a>(&'a self, name: &'a str, text: &'a str) -> Answer<'a, ()> {
        self.store.remove_note(name, text)
    }
}
