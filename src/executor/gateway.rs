//! The gateway: what all its calls and conversations share.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arc_swap::ArcSwap;

use crate::action::Action;
use crate::auth::TokenStore;
use crate::conversation::{Conversation, MemoryStore, Store, first_part, heap_bytes};
use crate::egress::{Deadline, Egress};
use crate::tool::ToolCall;

use super::aside::{NoSeat, Seat, Seats};
use super::background::Background;
use super::call::repeats::Repeats;
use super::control::UnderWay;
use super::conversation::warmers::Warmers;
use super::observe::Observer;
use super::served::Deployment;
use super::storing::STORING;
use super::tokens::SharedTokens;

/// Executes tool calls. A clone is two pointers.
#[derive(Clone, Debug)]
pub struct Gateway {
    pub(super) shared: Arc<Shared>,
    /// The one door out; its connections are this gateway's and its clones'.
    pub(super) egress: Egress,
    /// What goes on without anybody waiting, on the same thread.
    pub(super) background: Arc<Background>,
}

#[derive(Debug)]
pub(super) struct Shared {
    /// What is served; a call keeps the one it began with.
    pub(super) deployment: ArcSwap<Deployment>,
    /// What calls have learned, and what has been done or is being done.
    pub(super) store: Arc<dyn Store>,
    /// The same store, as far as tokens are shared in it.
    pub(super) tokens: Arc<dyn TokenStore>,
    /// Tells the calls of this gateway from each other, and from those of other ones.
    pub(super) next_holder: AtomicU64,
    /// The calls under way in this process.
    pub(super) under_way: UnderWay,
    /// Calls that fail again and again.
    pub(super) repeats: Repeats,
    /// The threads that make connections ready.
    pub(super) warmers: Warmers,
    /// Where long work is done.
    pub(super) seats: Seats,
    /// Who counts and traces.
    pub(super) observers: Vec<Arc<dyn Observer>>,
}

/// Bytes of JSON above which work on them is done aside: it takes a millisecond, or a few.
const LONG: usize = 64 * 1024;
/// Looking at an argument takes so many times longer than at a part of an answer.
pub(super) const WEIGHT_OF_ARGUMENTS: usize = 4;
/// The same of what has to be masked.
pub(super) const WEIGHT_OF_MASKS: usize = 16;

/// How much work it is to read what a call brings, and what its action may read of what its conversation knows, in bytes of
/// JSON.
pub(super) fn weight(call: &ToolCall, action: Option<&Action>, conversation: Option<&Conversation>) -> usize {
    let arguments = call.arguments.get().len().saturating_mul(WEIGHT_OF_ARGUMENTS);
    let brought: usize = call.variables.values().map(heap_bytes).sum();
    let reader = action.filter(|action| action.reads_variables());
    let known = reader.zip(conversation).map_or(0, |(action, conversation)| {
        let read = conversation.variables.iter().filter(|(name, _)| action.may_read(first_part(name)));
        read.map(|(name, one)| name.len() + heap_bytes(&one.value)).sum()
    });
    arguments.saturating_add(brought).saturating_add(known)
}

/// How much work it is to mask what a conversation keeps to itself.
pub(super) fn weight_of_masks(conversation: Option<&Conversation>) -> usize {
    let Some(conversation) = conversation else { return 0 };
    let masked = conversation.variables.values().filter(|one| one.sensitive || one.hidden);
    let masked: usize = masked.map(|one| heap_bytes(&one.value)).sum();
    let concealed: usize = conversation.concealed.iter().map(String::len).sum();
    masked.saturating_add(concealed).saturating_mul(WEIGHT_OF_MASKS)
}

impl Gateway {
    /// Serves `deployment`; what it learns is gone with the process.
    pub fn new(deployment: Deployment) -> Self {
        Self::observed(deployment, Vec::new())
    }

    /// The same; `observers` see every call end.
    pub fn observed(deployment: Deployment, observers: Vec<Arc<dyn Observer>>) -> Self {
        Self::with_store(deployment, Arc::new(MemoryStore::default()), observers)
    }

    /// Serves `deployment`; what it learns and does is kept in `store`.
    pub fn with_store(
        deployment: Deployment,
        store: Arc<dyn Store>,
        observers: Vec<Arc<dyn Observer>>,
    ) -> Self {
        let shared = Shared {
            deployment: ArcSwap::from_pointee(deployment),
            tokens: Arc::new(SharedTokens(store.clone())),
            store,
            // From a place of its own, so that holders of several processes differ.
            next_holder: AtomicU64::new(getrandom::u64().unwrap_or_default()),
            under_way: UnderWay::default(),
            repeats: Repeats::default(),
            warmers: Warmers::default(),
            seats: Seats::default(),
            observers,
        };
        Self { shared: Arc::new(shared), egress: Egress::new(), background: Arc::default() }
    }

    /// The same gateway with connections of its own: for a thread with its own runtime.
    #[must_use]
    pub fn for_worker(&self) -> Self {
        Self { shared: self.shared.clone(), egress: self.egress.for_worker(), background: Arc::default() }
    }

    /// What calls have learned and done.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.shared.store
    }

    /// What is served now.
    pub fn deployment(&self) -> Arc<Deployment> {
        self.shared.deployment.load_full()
    }

    /// Serves `deployment` from now on; calls under way keep the former one.
    pub fn replace(&self, deployment: Deployment) {
        self.shared.deployment.store(Arc::new(deployment));
    }

    /// Moves the call aside for work on so many bytes; not, where they are few.
    pub(crate) async fn seat(&self, bytes: usize, deadline: Deadline) -> Result<Option<Seat>, NoSeat> {
        if bytes < LONG { Ok(None) } else { self.shared.seats.take(deadline).await.map(Some) }
    }

    /// The same for work that is done in any case, at a seat or without: what it works on is bounded.
    pub(crate) async fn seat_if_any(&self, bytes: usize) -> Option<Seat> {
        self.seat(bytes, Deadline::after(STORING)).await.unwrap_or_default()
    }

    /// Has `work` on so many bytes done aside, and ended by the deadline; where they are few, here, and told late rather
    /// than not. `work` may ask whether it is in time.
    pub(crate) async fn aside<T: Send + 'static>(
        &self,
        bytes: usize,
        deadline: Deadline,
        work: impl FnOnce(&dyn Fn() -> bool) -> T + Send + 'static,
    ) -> Result<(T, Option<Seat>), NoSeat> {
        if bytes < LONG {
            return Ok((work(&|| true), None));
        }
        let work = move || work(&|| !deadline.left().is_zero());
        let (done, seat) = self.shared.seats.run(deadline, work).await?;
        Ok((done, Some(seat)))
    }
}
