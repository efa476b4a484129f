//! Cancelling: what is not sent yet can be stopped, what is sent cannot be called back.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use crate::conversation::ClaimKey;
use crate::tool::{Cancellation, Scope, ToolCall};

use super::call::inspection::Inspection;
use super::pace::Expected;

/// Locks, so that calls do not wait for each other.
const SHARDS: usize = 16;

const WAITING: u8 = 0;
const SENT: u8 = 1;
const CANCELLED: u8 = 2;

/// A call goes ahead. Texts are one line each, with nothing in them that must not be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Started {
    /// What the caller is to hear now.
    pub text: Option<String>,
    /// What the caller is to hear if the call is still under way after this time.
    pub delayed: Option<(Duration, String)>,
    /// How long it takes, most likely.
    pub expected: Option<Expected>,
}

/// How far a call is, and who still waits for it.
#[derive(Debug)]
pub struct CallControl {
    phase: AtomicU8,
    /// Whether somebody wanted it cancelled, or nobody waits for it any more.
    asked: AtomicBool,
    /// Whether somebody wanted it cancelled by its id: it is not to be done, also when it comes again. A caller that
    /// hangs up decides nothing.
    withdrawn: AtomicBool,
    /// Callers who wait for the result or have it, its own and those who joined: all who have not hung up.
    waiting: AtomicUsize,
    cancelled: Notify,
    claim: OnceLock<ClaimKey>,
    /// The call of the same intent that this one waits for.
    joined: Mutex<Option<Arc<CallControl>>>,
    /// The earlier call whose result this one gives.
    pub(super) told: OnceLock<ClaimKey>,
    /// Who wants to hear that the call goes ahead.
    listener: Mutex<Option<oneshot::Sender<Started>>>,
    /// Whether a person inspects the call.
    is_inspected: bool,
    /// The details for that person.
    inspection: OnceLock<Arc<Inspection>>,
}

impl Default for CallControl {
    fn default() -> Self {
        Self {
            phase: AtomicU8::new(WAITING),
            asked: AtomicBool::new(false),
            withdrawn: AtomicBool::new(false),
            waiting: AtomicUsize::new(1),
            cancelled: Notify::new(),
            claim: OnceLock::new(),
            joined: Mutex::new(None),
            told: OnceLock::new(),
            listener: Mutex::new(None),
            is_inspected: false,
            inspection: OnceLock::new(),
        }
    }
}

impl CallControl {
    /// The control of a call, and where it is heard that the call goes ahead. A call that is refused, replayed or
    /// joins another one does not.
    /// `is_inspected`: a person inspects it.
    pub fn heard(is_inspected: bool) -> (Arc<Self>, oneshot::Receiver<Started>) {
        let (listener, started) = oneshot::channel();
        let control = Self { listener: Mutex::new(Some(listener)), is_inspected, ..Self::default() };
        (Arc::new(control), started)
    }

    /// The control of a call that a person inspects.
    pub fn of_inspected() -> Arc<Self> {
        Arc::new(Self { is_inspected: true, ..Self::default() })
    }

    /// Whether a person inspects the call.
    pub(super) fn is_inspected(&self) -> bool {
        self.is_inspected
    }

    /// Keeps the details for that person.
    pub(super) fn inspected(&self, inspection: Inspection) {
        // A call ends once.
        let _ = self.inspection.set(Arc::new(inspection));
    }

    /// The details of the call, for the person who inspects it; `None` before its end, and for a call that was refused,
    /// replayed or not inspected.
    pub fn inspection(&self) -> Option<&Arc<Inspection>> {
        self.inspection.get()
    }

    /// The call goes ahead; `tell` is asked only where somebody listens.
    pub(super) fn started(&self, tell: impl FnOnce() -> Started) {
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(listener) = listener {
            // Who has gone meanwhile hangs up by another way.
            drop(listener.send(tell()));
        }
    }

    /// The request is about to be sent; false where the call was cancelled before.
    pub(super) fn begin_sending(&self) -> bool {
        let exchanged = self.phase.compare_exchange(WAITING, SENT, Ordering::AcqRel, Ordering::Acquire);
        exchanged.is_ok_and(|_| true) || exchanged == Err(SENT)
    }

    /// Nothing was sent after all, and another attempt may follow: until then the call can be cancelled again. Who was
    /// told that it is too late stays with that.
    pub(super) fn nothing_sent(&self) {
        if !self.asked.load(Ordering::Acquire) {
            // Fails where it was cancelled before, which stays so.
            let _ = self.phase.compare_exchange(SENT, WAITING, Ordering::AcqRel, Ordering::Acquire);
        }
    }

    /// Withdraws the call: stops it if it is not sent yet, and keeps its intent from being done later.
    pub(super) fn withdraw(&self) -> Cancellation {
        self.withdrawn.store(true, Ordering::Release);
        self.cancel()
    }

    /// Whether the call was withdrawn before it was sent.
    pub(super) fn is_withdrawn(&self) -> bool {
        self.withdrawn.load(Ordering::Acquire) && self.phase.load(Ordering::Acquire) == CANCELLED
    }

    /// Stops the call if it is not sent yet.
    fn cancel(&self) -> Cancellation {
        self.asked.store(true, Ordering::Release);
        match self.phase.compare_exchange(WAITING, CANCELLED, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => {
                self.cancelled.notify_waiters();
                Cancellation::NotSent
            }
            Err(CANCELLED) => Cancellation::NotSent,
            Err(_) => Cancellation::AlreadySent,
        }
    }

    /// Done when the call has been cancelled before it was sent; else never.
    pub(super) async fn cancelled(&self) {
        loop {
            // Asked for before the look, so that no cancellation falls between the two.
            let notified = self.cancelled.notified();
            if self.phase.load(Ordering::Acquire) == CANCELLED {
                return;
            }
            notified.await;
        }
    }

    /// What a cancellation met, where one came.
    pub(super) fn cancellation(&self) -> Option<Cancellation> {
        self.asked.load(Ordering::Acquire).then(|| match self.phase.load(Ordering::Acquire) {
            CANCELLED => Cancellation::NotSent,
            _ => Cancellation::AlreadySent,
        })
    }

    /// One caller fewer waits. The last one who goes cancels the call; gives
    /// the claim of a call that was sent all the same, so that its result is
    /// kept for whoever comes with the same intent.
    pub(super) fn hang_up(&self) -> Option<ClaimKey> {
        let of_first = self.give_up();
        if self.waiting.fetch_sub(1, Ordering::AcqRel) != 1 {
            return of_first;
        }
        match self.cancel() {
            Cancellation::NotSent => of_first,
            Cancellation::AlreadySent => self.claim.get().copied(),
        }
    }

    /// This call waits for `first` from now on, which one caller more waits for. It does so until its own caller has
    /// the result: who hangs up on this call hangs up on both.
    pub(super) fn join(&self, first: Arc<Self>) {
        first.waiting.fetch_add(1, Ordering::AcqRel);
        *self.joined() = Some(first);
    }

    /// This call gives the result of an earlier one.
    pub(super) fn tell_of(&self, earlier: ClaimKey) {
        // A call that is told of two has been told of the same result twice.
        let _ = self.told.set(earlier);
    }

    /// This call waits for no other any more: the one that it joined came to nothing.
    pub(super) fn leave(&self) {
        if let Some(first) = self.joined().take() {
            first.waiting.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// This call cannot wait any longer for the one that it joined: for that one, its caller has hung up. Gives what
    /// [`Self::hang_up`] gives.
    pub(super) fn give_up(&self) -> Option<ClaimKey> {
        // Bound first: a lock in a condition is held for the whole statement.
        let first = self.joined().take();
        first.and_then(|first| first.hang_up())
    }

    fn joined(&self) -> MutexGuard<'_, Option<Arc<Self>>> {
        self.joined.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The calls under way in this process.
#[derive(Debug)]
pub(super) struct UnderWay {
    by_id: Vec<Mutex<HashMap<Name, Vec<Known>>>>,
    by_claim: Vec<Mutex<HashMap<ClaimKey, Arc<CallControl>>>>,
    hasher: RandomState,
}

/// The id of a call within a scope.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Name {
    scope: Scope,
    id: String,
}

/// A call of a name.
#[derive(Debug)]
struct Known {
    conversation: Option<String>,
    control: Arc<CallControl>,
}

/// Why a call cannot be cancelled by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CancelError {
    /// No call of this id is under way in this process.
    #[error(
        "no call of this id is under way at this node, which knows its own only; it may have ended, or be at another"
    )]
    NotUnderWay,
    /// Calls of several conversations have this id.
    #[error("calls of several conversations have this id: name the `conversation_id`")]
    Ambiguous,
}

/// An entry among the calls under way; it leaves when this is dropped.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    under_way: &'a UnderWay,
    name: Option<Name>,
    control: Arc<CallControl>,
}

impl Default for UnderWay {
    fn default() -> Self {
        Self {
            by_id: (0..SHARDS).map(|_| Mutex::default()).collect(),
            by_claim: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
        }
    }
}

impl UnderWay {
    /// Enters a call that goes ahead.
    pub(super) fn enter(
        &self,
        call: &ToolCall,
        claim: Option<ClaimKey>,
        control: &Arc<CallControl>,
    ) -> Entry<'_> {
        if let Some(claim) = claim {
            let _ = control.claim.set(claim);
            self.claims(&claim).insert(claim, control.clone());
        }
        // Nobody knows an id that was made up here.
        let name = call.id_is_given.then(|| Name { scope: call.scope(), id: call.id.clone() });
        if let Some(name) = &name {
            let known = Known { conversation: call.conversation_id.clone(), control: control.clone() };
            self.ids(name).entry(name.clone()).or_default().push(known);
        }
        Entry { under_way: self, name, control: control.clone() }
    }

    /// The call that has this claim, if it is under way in this process.
    pub(super) fn of_claim(&self, claim: &ClaimKey) -> Option<Arc<CallControl>> {
        self.claims(claim).get(claim).cloned()
    }

    /// Cancels the calls of this id; without a conversation those of the only one there is.
    pub(super) fn cancel(
        &self,
        scope: &Scope,
        id: &str,
        conversation: Option<&str>,
    ) -> Result<Cancellation, CancelError> {
        let name = Name { scope: scope.clone(), id: id.to_owned() };
        let ids = self.ids(&name);
        let known = ids.get(&name).map_or(&[][..], Vec::as_slice);
        let meant = || {
            known
                .iter()
                .filter(|known| conversation.is_none() || known.conversation.as_deref() == conversation)
        };
        let first = meant().next().ok_or(CancelError::NotUnderWay)?;
        if meant().any(|known| known.conversation != first.conversation) {
            return Err(CancelError::Ambiguous);
        }
        let all: Vec<Cancellation> = meant().map(|known| known.control.withdraw()).collect();
        Ok(all.into_iter().find(|one| *one == Cancellation::AlreadySent).unwrap_or(Cancellation::NotSent))
    }

    fn ids(&self, name: &Name) -> MutexGuard<'_, HashMap<Name, Vec<Known>>> {
        let at = usize::try_from(self.hasher.hash_one(name) % SHARDS as u64).unwrap_or(0);
        self.by_id[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claims(&self, claim: &ClaimKey) -> MutexGuard<'_, HashMap<ClaimKey, Arc<CallControl>>> {
        let at = usize::from(claim.0[0]) % SHARDS;
        self.by_claim[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        if let Some(claim) = self.control.claim.get() {
            let mut claims = self.under_way.claims(claim);
            // Where the claim was given back, another call may have it by now.
            if claims.get(claim).is_some_and(|known| Arc::ptr_eq(known, &self.control)) {
                claims.remove(claim);
            }
        }
        let Some(name) = &self.name else { return };
        let mut ids = self.under_way.ids(name);
        if let Some(known) = ids.get_mut(name) {
            known.retain(|known| !Arc::ptr_eq(&known.control, &self.control));
            if known.is_empty() {
                ids.remove(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    #[test]
    fn what_is_sent_is_not_called_back() {
        let control = CallControl::default();
        assert_eq!(control.cancellation(), None);
        assert!(control.begin_sending());
        assert!(control.begin_sending(), "a second attempt");
        assert_eq!(control.cancel(), Cancellation::AlreadySent);
        assert_eq!(control.cancellation(), Some(Cancellation::AlreadySent));
    }

    #[test]
    fn what_is_cancelled_is_not_sent() {
        let control = CallControl::default();
        assert_eq!(control.cancel(), Cancellation::NotSent);
        assert_eq!(control.cancel(), Cancellation::NotSent);
        assert!(!control.begin_sending());
    }

    #[test]
    fn a_call_that_ends_takes_no_other_call_of_its_claim_along() {
        let (under_way, claim) = (UnderWay::default(), ClaimKey::new(None, [7; 32]));
        let arguments = RawValue::from_string("{}".to_owned()).unwrap();
        let call = ToolCall::new("call_1", "development", "book", arguments);
        let controls: [Arc<CallControl>; 2] = Default::default();
        // The first one has given its claim back, and the second one has taken it.
        let [first, second] = controls.each_ref().map(|control| under_way.enter(&call, Some(claim), control));
        drop(first);
        assert!(Arc::ptr_eq(&under_way.of_claim(&claim).unwrap(), &controls[1]));
        drop(second);
        assert!(under_way.of_claim(&claim).is_none());
    }

    #[test]
    fn only_the_last_caller_who_hangs_up_cancels() {
        let first = Arc::new(CallControl::default());
        let second = CallControl::default();
        second.join(first.clone());
        assert_eq!(first.hang_up(), None);
        assert_eq!(first.cancellation(), None, "somebody still waits");
        second.hang_up();
        assert_eq!(first.cancellation(), Some(Cancellation::NotSent));
    }

    #[test]
    fn who_cannot_wait_any_longer_has_hung_up_on_the_first_call() {
        let (first, second) = (Arc::new(CallControl::default()), CallControl::default());
        let claim = ClaimKey::new(None, [7; 32]);
        first.claim.set(claim).unwrap();
        second.join(first.clone());
        assert!(first.begin_sending());
        assert_eq!(first.hang_up(), None, "somebody still waits");
        assert_eq!(second.give_up(), Some(claim));
        assert_eq!(second.hang_up(), None, "only once");
    }
}
