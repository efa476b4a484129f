//! A store that is waited for, and of which a test knows when somebody waits for another's call.

use std::sync::Arc;
use std::time::Duration;

use callgate::conversation::change::{Applied, Change};
use callgate::conversation::{
    Answer, Claim, ClaimKey, Claimed, Conversation, ConversationKey, Ended, Opened, Opening, Store,
};
use callgate::tool::ToolResult;
use tokio::sync::Semaphore;

use crate::backend::passed_on;

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
    passed_on!();

    fn ended(&self, key: ClaimKey) -> Answer<'_, Ended> {
        // Who waits has said before that it does.
        self.joined.add_permits(1);
        self.store.ended(key)
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

    fn orphan(&self, key: ClaimKey) -> Answer<'_, ()> {
        self.store.orphan(key)
    }

    fn open<'a>(&'a self, key: &'a ConversationKey, opening: Opening) -> Answer<'a, Opened> {
        self.store.open(key, opening)
    }

    fn find<'a>(&'a self, key: &'a ConversationKey) -> Answer<'a, Option<Arc<Conversation>>> {
        self.store.find(key)
    }
}
