//! A store of which a test knows what it has done.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use callgate::conversation::change::{Applied, Change};
use callgate::conversation::{
    Answer, Claim, ClaimKey, Claimed, Claims, Conversation, ConversationKey, Conversations, Ended, Opened,
    Opening, Pending, Store, StoreError,
};
use callgate::tool::ToolResult;
use tokio::sync::Semaphore;

use crate::backend::passed_on;
use crate::wait::until_so;

/// Another store.
#[derive(Debug)]
pub(crate) struct Watched {
    store: Arc<dyn Store>,
    /// A permit for each call that has joined another one.
    joined: Semaphore,
    /// Claims that were answered.
    claimed: AtomicUsize,
    /// Results that were stored.
    settled: AtomicUsize,
    /// Calls that have joined another one and know how that ended.
    heard: AtomicUsize,
}

impl Watched {
    pub(crate) fn new(store: Arc<dyn Store>) -> Arc<Self> {
        let [claimed, settled, heard] = [0; 3].map(AtomicUsize::new);
        Arc::new(Self { store, joined: Semaphore::new(0), claimed, settled, heard })
    }

    /// Waits until one more call has joined another one.
    pub(crate) async fn joined(&self) {
        let joined = tokio::time::timeout(std::time::Duration::from_secs(60), self.joined.acquire()).await;
        joined.expect("no call has joined another one in a minute").unwrap().forget();
    }

    /// Waits until so many claims have been answered in all.
    pub(crate) async fn claimed(&self, count: usize) {
        until_so(&format!("claim {count}"), || self.claimed.load(Ordering::SeqCst) >= count).await;
    }

    /// Waits until so many results have been stored in all.
    pub(crate) async fn settled(&self, count: usize) {
        until_so(&format!("result {count}"), || self.settled.load(Ordering::SeqCst) >= count).await;
    }

    /// Waits until so many calls that have joined another one know how that ended.
    pub(crate) async fn heard(&self, count: usize) {
        until_so(&format!("end {count}"), || self.heard.load(Ordering::SeqCst) >= count).await;
    }
}

/// An answer that is counted when it is there.
fn counted<'a, T: Send + 'a>(
    count: &'a AtomicUsize,
    answer: impl Future<Output = Result<T, StoreError>> + Send + 'a,
) -> Answer<'a, T> {
    Box::pin(async move {
        let answer = answer.await;
        count.fetch_add(1, Ordering::SeqCst);
        answer
    })
}

passed_on!(all Watched);

impl Claims for Watched {
    fn ended(&self, key: ClaimKey) -> Answer<'_, Ended> {
        // Who waits has said before that it does.
        self.joined.add_permits(1);
        counted(&self.heard, self.store.ended(key))
    }

    fn claim<'a>(&'a self, claim: &'a Claim) -> Pending<'a, Claimed> {
        Pending::new(counted(&self.claimed, self.store.claim(claim)))
    }

    fn sending<'a>(&'a self, claim: &'a Claim) -> Pending<'a, ()> {
        self.store.sending(claim)
    }

    fn settle<'a>(
        &'a self,
        claim: &'a Claim,
        result: &'a Arc<ToolResult>,
        change: Change,
    ) -> Pending<'a, Applied> {
        Pending::new(counted(&self.settled, self.store.settle(claim, result, change)))
    }

    fn release<'a>(&'a self, claim: &'a Claim) -> Pending<'a, ()> {
        self.store.release(claim)
    }

    fn orphan(&self, key: ClaimKey) -> Pending<'_, ()> {
        self.store.orphan(key)
    }

    fn adopt(&self, key: ClaimKey) -> Pending<'_, ()> {
        self.store.adopt(key)
    }
}

impl Conversations for Watched {
    passed_on!(conversations);

    fn open<'a>(&'a self, key: &'a ConversationKey, opening: Opening) -> Answer<'a, Opened> {
        self.store.open(key, opening)
    }

    fn find<'a>(&'a self, key: &'a ConversationKey) -> Answer<'a, Option<Arc<Conversation>>> {
        self.store.find(key)
    }
}
