//! A store that fails where a test wants it to, and of which a test knows who waits.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use callgate::conversation::change::{Applied, Change};
use callgate::conversation::{
    Answer, Claim, ClaimKey, Claimed, Claims, Conversation, ConversationKey, Conversations, Ended, Opened,
    Opening, Pending, Store, StoreError, Turns,
};
use callgate::tool::ToolResult;
use tokio::sync::watch;

use crate::backend::passed_on;
use crate::wait::until_so;

/// A step of a call or a turn in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// A conversation is opened or looked for.
    Open,
    /// It is looked for, and not opened.
    Find,
    Claim,
    Sending,
    Settle,
    /// The turns of a conversation are read.
    Turns,
    /// A turn is kept.
    Keep,
    /// All of them.
    Everything,
    /// What is noted of a call whose caller hangs up.
    HangUp,
}

/// How a store fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outage {
    /// It does nothing and says so.
    Refused,
    /// It does it, and the answer is lost.
    Unanswered,
    /// It does nothing and says so after half a second.
    Silent,
    /// It does nothing and never says so.
    Hung,
}

/// Stands in each of its failures: for operators only.
pub(crate) const CAUSE: &str = "redis://gate:h0rse-b4ttery@10.20.30.40:6379/0 says no";

/// Which calls may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Open,
    Closed,
    /// Those that come from this one on.
    From(usize),
}

/// Another store.
#[derive(Debug)]
pub(crate) struct Shaky {
    store: Arc<dyn Store>,
    outage: Mutex<Option<(At, Outage)>>,
    /// Which calls may be sent, by the order in which they are about to be.
    gate: watch::Sender<Gate>,
    /// Calls that are about to be sent.
    pub sending: AtomicUsize,
    /// Calls that wait for another's end.
    pub joined: AtomicUsize,
    /// Answers to claims, whatever they say.
    pub claimed: AtomicUsize,
    /// Requests that have no answer and never get one.
    pub hung: AtomicUsize,
}

impl Shaky {
    pub(crate) fn new(store: Arc<dyn Store>) -> Arc<Self> {
        let [sending, joined, claimed, hung] = [0; 4].map(AtomicUsize::new);
        Arc::new(Self {
            store,
            outage: Mutex::default(),
            gate: watch::Sender::new(Gate::Open),
            sending,
            joined,
            claimed,
            hung,
        })
    }

    /// Fails like this from now on.
    pub(crate) fn fail(&self, outage: Option<(At, Outage)>) {
        *self.outage.lock().unwrap_or_else(PoisonError::into_inner) = outage;
    }

    /// Whether calls may be sent.
    pub(crate) fn let_send(&self, open: bool) {
        self.gate.send_replace(if open { Gate::Open } else { Gate::Closed });
    }

    /// Calls may be sent again, but for those that wait.
    pub(crate) fn let_others_send(&self) {
        self.gate.send_replace(Gate::From(self.sending.load(Ordering::SeqCst)));
    }

    fn through<'a, T: Send + 'a>(&self, at: At, call: impl FnOnce() -> Answer<'a, T>) -> Answer<'a, T> {
        let outage = *self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        let fails = |failing: At| {
            failing == at
                || (failing == At::Everything && at != At::HangUp)
                || (failing == At::Open && at == At::Find)
        };
        let outage = outage.filter(|(failing, _)| fails(*failing));
        match outage.map(|(_, outage)| outage) {
            None => call(),
            Some(Outage::Refused) => Box::pin(async { Err(unavailable()) }),
            Some(Outage::Unanswered) => {
                let answer = call();
                Box::pin(async move { answer.await.and(Err(unavailable())) })
            }
            Some(Outage::Silent) => Box::pin(async {
                tokio::time::sleep(Duration::from_millis(500)).await;
                Err(unavailable())
            }),
            Some(Outage::Hung) => {
                self.hung.fetch_add(1, Ordering::SeqCst);
                Box::pin(std::future::pending())
            }
        }
    }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable { backend: "shaky", cause: CAUSE.to_owned() }
}

/// Waits until a counter is above `before`.
pub(crate) async fn rises(counter: &AtomicUsize, before: usize) {
    until_so(&format!("more than {before}"), || counter.load(Ordering::SeqCst) > before).await;
}

passed_on!(feed Shaky);
passed_on!(notes Shaky);
passed_on!(store Shaky);

impl Turns for Shaky {
    fn add_turn<'a>(&'a self, key: &'a ConversationKey, text: &'a str) -> Pending<'a, bool> {
        Pending::new(self.through(At::Keep, || Box::pin(self.store.add_turn(key, text))))
    }

    fn turns<'a>(&'a self, key: &'a ConversationKey) -> Answer<'a, Vec<Arc<str>>> {
        self.through(At::Turns, || self.store.turns(key))
    }
}

impl Claims for Shaky {
    fn claim<'a>(&'a self, claim: &'a Claim) -> Pending<'a, Claimed> {
        Pending::new(async move {
            let claimed = self.through(At::Claim, || Box::pin(self.store.claim(claim))).await;
            self.claimed.fetch_add(1, Ordering::SeqCst);
            claimed
        })
    }

    fn sending<'a>(&'a self, claim: &'a Claim) -> Pending<'a, ()> {
        let number = self.sending.fetch_add(1, Ordering::SeqCst);
        let mut gate = self.gate.subscribe();
        let may = move |gate: &Gate| match gate {
            Gate::Open => true,
            Gate::Closed => false,
            Gate::From(first) => number >= *first,
        };
        Pending::new(async move {
            let _ = gate.wait_for(may).await;
            self.through(At::Sending, || Box::pin(self.store.sending(claim))).await
        })
    }

    fn ended(&self, key: ClaimKey) -> Answer<'_, Ended> {
        self.joined.fetch_add(1, Ordering::SeqCst);
        self.store.ended(key)
    }

    fn settle<'a>(
        &'a self,
        claim: &'a Claim,
        result: &'a Arc<ToolResult>,
        change: Change,
    ) -> Pending<'a, Applied> {
        Pending::new(self.through(At::Settle, || Box::pin(self.store.settle(claim, result, change))))
    }

    fn release<'a>(&'a self, claim: &'a Claim) -> Pending<'a, ()> {
        self.store.release(claim)
    }

    fn orphan(&self, key: ClaimKey) -> Pending<'_, ()> {
        Pending::new(self.through(At::HangUp, || Box::pin(self.store.orphan(key))))
    }

    fn adopt(&self, key: ClaimKey) -> Pending<'_, ()> {
        Pending::new(self.through(At::HangUp, || Box::pin(self.store.adopt(key))))
    }
}

impl Conversations for Shaky {
    passed_on!(conversations);

    fn open<'a>(&'a self, key: &'a ConversationKey, opening: Opening) -> Answer<'a, Opened> {
        self.through(At::Open, || self.store.open(key, opening))
    }

    fn find<'a>(&'a self, key: &'a ConversationKey) -> Answer<'a, Option<Arc<Conversation>>> {
        self.through(At::Find, || self.store.find(key))
    }
}
