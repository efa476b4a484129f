//! Claims in memory: bounded in number, size and time.

use std::collections::{HashMap, VecDeque, hash_map};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::tool::ToolResult;

use super::super::course::Delivered;
use super::super::{Claim, ClaimKey, Claimed, ConversationKey, Ended as CallEnded, MAX_TWINS, StoreError};

use super::kept::KeptResult;

/// Locks, so that calls do not wait for each other.
const SHARDS: usize = 16;
/// What an entry takes besides its result's texts, roughly.
const ENTRY_BYTES: usize = 384;

/// How much is remembered. Where it is not enough, results of reads are
/// forgotten before results of writes, and the oldest first. That a write was
/// done is remembered longest: of what is known of it, its result goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimLimits {
    /// Most calls under way at a time.
    pub max_under_way: usize,
    /// Most bytes of results.
    pub max_bytes: usize,
}

impl Default for ClaimLimits {
    fn default() -> Self {
        Self { max_under_way: 100_000, max_bytes: 256 * 1024 * 1024 }
    }
}

/// Claims in the memory of one process.
#[derive(Debug)]
pub(super) struct MemoryClaims {
    shards: Vec<Mutex<Shard>>,
    /// Held while a claim is taken that has a twin, so that of two equal writes one finds the other.
    twins: Vec<Mutex<()>>,
    limits: ClaimLimits,
}

#[derive(Debug, Default)]
struct Shard {
    /// Boxed, since a map has room for nearly twice as many as there are.
    entries: HashMap<ClaimKey, Box<Entry>>,
    /// Twin → the writes that have it.
    twins: HashMap<ClaimKey, Twins>,
    /// Ended reads and writes, each in the order of their end.
    reads: VecDeque<Ended>,
    writes: VecDeque<Ended>,
    /// Writes whose results are forgotten.
    light: VecDeque<Ended>,
    under_way: usize,
    bytes: usize,
    /// Tells entries of the same key apart.
    generation: u64,
}

/// The writes of a twin: where the latest one is given back, the one before counts.
#[derive(Debug)]
struct Twins {
    latest: ClaimKey,
    /// Those before it, the latest last; mostly none.
    before: Vec<ClaimKey>,
}

impl Twins {
    /// The latest one but for `except`.
    fn latest_but(&self, except: &ClaimKey) -> Option<ClaimKey> {
        std::iter::once(&self.latest).chain(self.before.iter().rev()).find(|one| *one != except).copied()
    }

    /// `key` is the latest one.
    fn push(&mut self, key: ClaimKey) {
        self.before.push(self.latest);
        self.before.retain(|one| *one != key);
        self.latest = key;
        if self.before.len() >= MAX_TWINS {
            self.before.remove(0);
        }
    }

    /// Forgets one; false where none is left.
    fn remove(&mut self, key: &ClaimKey) -> bool {
        self.before.retain(|one| one != key);
        if self.latest != *key {
            return true;
        }
        let next = self.before.pop();
        next.inspect(|next| self.latest = *next).is_some()
    }
}

#[derive(Debug)]
struct Entry {
    generation: u64,
    holder: u64,
    /// Whether it counts among the calls that its conversation has begun.
    is_counted: bool,
    request: u64,
    /// When it began, by the course of its conversation.
    began: u64,
    twin: Option<ClaimKey>,
    is_write: bool,
    keep: Duration,
    twin_window: Duration,
    is_orphan: bool,
    conversation: Option<ConversationKey>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Under way; whoever waits for the end is told by the bell, which is made for the first of them.
    UnderWay(Option<Arc<Notify>>),
    Ended {
        /// `None` of a write that nothing more is known of.
        result: Option<KeptResult>,
        at: Instant,
        /// The same of its end.
        ended: u64,
    },
}

/// An ended entry in its queue.
#[derive(Debug)]
struct Ended {
    key: ClaimKey,
    generation: u64,
    until: Instant,
    bytes: usize,
}

impl MemoryClaims {
    /// No claims yet.
    pub(super) fn new(limits: ClaimLimits) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, twins: (0..SHARDS).map(|_| Mutex::default()).collect(), limits }
    }

    fn shard(&self, key: &ClaimKey) -> MutexGuard<'_, Shard> {
        self.shards[usize::from(key.0[0]) % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the intent, or says who has it; `None` where it is this call's.
    /// `is_new` judges a delivered call of the same claim.
    pub(super) fn take(
        &self,
        claim: &Claim,
        is_new: impl Fn(Delivered) -> bool,
    ) -> Result<Option<Claimed>, StoreError> {
        let _alone = claim.twin.map(|twin| {
            let lock = &self.twins[usize::from(twin.0[0]) % SHARDS];
            lock.lock().unwrap_or_else(PoisonError::into_inner)
        });
        let twin = claim.twin.and_then(|twin| self.unanswered_twin(&twin, claim));
        let mut shard = self.shard(&claim.key);
        if let Some(known) = shard.find(claim, is_new) {
            return Ok(Some(known));
        }
        if claim.only_looks {
            return Ok(None);
        }
        if shard.under_way >= self.limits.max_under_way.div_ceil(SHARDS) {
            return Err(StoreError::Full(self.limits.max_under_way));
        }
        shard.insert(claim, twin.is_none());
        drop(shard);
        if let Some(first) = twin {
            return Ok(Some(Claimed::Twin(first)));
        }
        if let Some(twin) = claim.twin {
            self.shard(&twin).remember_twin(twin, claim.key);
        }
        Ok(None)
    }

    /// The latest other write of this twin, if it is under way for another request, or if its caller is gone and its end
    /// is not long ago.
    fn unanswered_twin(&self, twin: &ClaimKey, claim: &Claim) -> Option<ClaimKey> {
        // One lock at a time: the two may live in different shards.
        let first = self.shard(twin).twins.get(twin)?.latest_but(&claim.key)?;
        self.shard(&first).is_unanswered(&first, claim.request).then_some(first)
    }

    /// Forgets calls that a twin stood for.
    fn forget_twins(&self, forgotten: Vec<(ClaimKey, ClaimKey)>) {
        for (twin, key) in forgotten {
            let mut shard = self.shard(&twin);
            if let hash_map::Entry::Occupied(mut known) = shard.twins.entry(twin)
                && !known.get_mut().remove(&key)
            {
                known.remove();
            }
        }
    }

    /// Whether the claim is still this call's.
    pub(super) fn holds(&self, claim: &Claim) -> Result<(), StoreError> {
        let shard = self.shard(&claim.key);
        match shard.entries.get(&claim.key) {
            Some(entry) if entry.is_held_by(claim) => Ok(()),
            _ => Err(StoreError::Fenced),
        }
    }

    /// Whether this call has settled its claim already.
    pub(super) fn is_settled_by(&self, claim: &Claim) -> bool {
        let shard = self.shard(&claim.key);
        let is_ended = |entry: &Entry| matches!(entry.state, State::Ended { .. });
        shard.entries.get(&claim.key).is_some_and(|entry| entry.holder == claim.holder && is_ended(entry))
    }

    /// Waits for the end of a call under way.
    pub(super) async fn ended(&self, key: ClaimKey) -> CallEnded {
        loop {
            let bell = {
                let mut shard = self.shard(&key);
                match shard.entries.get_mut(&key).map(|entry| &mut entry.state) {
                    None => return CallEnded::Free,
                    Some(State::Ended { result, .. }) => {
                        let result = result.as_ref().and_then(KeptResult::get);
                        return result.map_or(CallEnded::Lost, CallEnded::Settled);
                    }
                    Some(State::UnderWay(bell)) => {
                        // Made while the lock is held, so that no end is missed.
                        bell.get_or_insert_default().clone().notified_owned()
                    }
                }
            };
            bell.await;
        }
    }

    /// The caller has hung up.
    pub(super) fn orphan(&self, key: &ClaimKey) {
        if let Some(entry) = self.shard(key).entries.get_mut(key) {
            entry.is_orphan = true;
        }
    }

    /// The result of an orphan has reached a caller, at `now` by the course of its conversation.
    pub(super) fn adopt(&self, key: &ClaimKey, now: impl FnOnce(&ConversationKey) -> u64) {
        let mut shard = self.shard(key);
        let Some(entry) = shard.entries.get_mut(key).filter(|entry| entry.is_orphan) else { return };
        if let State::Ended { result: Some(_), ended, .. } = &mut entry.state {
            *ended = entry.conversation.as_ref().map_or(0, now);
            entry.is_orphan = false;
        }
    }

    /// When the call that holds the claim began.
    pub(super) fn began(&self, claim: &Claim) -> Option<u64> {
        let shard = self.shard(&claim.key);
        shard.entries.get(&claim.key).filter(|entry| entry.is_held_by(claim)).map(|entry| entry.began)
    }

    /// A call of this claim has begun.
    pub(super) fn begin(&self, claim: &Claim, began: u64) {
        if let Some(entry) = self.shard(&claim.key).entries.get_mut(&claim.key) {
            entry.began = began;
        }
    }

    /// The call has ended, at `ended` by the course of its conversation.
    pub(super) fn end(&self, claim: &Claim, result: &Arc<ToolResult>, ended: u64) {
        let most = self.limits.max_bytes / SHARDS;
        let forgotten = {
            let mut shard = self.shard(&claim.key);
            shard.end(claim, result, ended);
            shard.forget(most)
        };
        self.forget_twins(forgotten);
    }

    /// Nothing was sent; says whether the call counted as begun.
    pub(super) fn free(&self, claim: &Claim) -> bool {
        let key = &claim.key;
        let removed = {
            let mut shard = self.shard(key);
            if !shard.entries.get(key).is_some_and(|entry| entry.is_held_by(claim)) {
                return false;
            }
            shard.under_way -= 1;
            shard.entries.remove(key)
        };
        if let Some(State::UnderWay(Some(bell))) = removed.as_ref().map(|entry| &entry.state) {
            bell.notify_waiters();
        }
        let Some(entry) = removed else { return false };
        self.forget_twins(entry.twin.map(|twin| (twin, *key)).into_iter().collect());
        entry.is_counted
    }
}

impl Shard {
    fn find(&self, claim: &Claim, is_new: impl Fn(Delivered) -> bool) -> Option<Claimed> {
        let entry = self.entries.get(&claim.key)?;
        if entry.is_over() {
            return None;
        }
        if entry.delivered(claim.twin_window).is_some_and(is_new) {
            return None;
        }
        Some(entry.claimed())
    }

    /// Whether a call is under way for another request, or its caller is gone and its end not long ago.
    fn is_unanswered(&self, key: &ClaimKey, request: u64) -> bool {
        self.entries.get(key).is_some_and(|entry| match &entry.state {
            State::Ended { at, .. } => entry.is_orphan && at.elapsed() <= entry.twin_window,
            State::UnderWay(_) => entry.is_orphan || entry.request != request,
        })
    }

    fn remember_twin(&mut self, twin: ClaimKey, key: ClaimKey) {
        match self.twins.entry(twin) {
            hash_map::Entry::Occupied(mut known) => known.get_mut().push(key),
            hash_map::Entry::Vacant(place) => {
                place.insert(Twins { latest: key, before: Vec::new() });
            }
        }
    }

    fn insert(&mut self, claim: &Claim, is_counted: bool) {
        self.generation += 1;
        self.under_way += 1;
        let entry = Entry {
            generation: self.generation,
            holder: claim.holder,
            is_counted,
            request: claim.request,
            began: 0,
            conversation: claim.conversation.clone(),
            twin: claim.twin,
            is_write: claim.is_write,
            keep: claim.keep,
            twin_window: claim.twin_window,
            is_orphan: false,
            state: State::UnderWay(None),
        };
        // What is replaced here is over, or a new call takes its place; the queue tells the two by their generations.
        self.entries.insert(claim.key, Box::new(entry));
    }

    fn end(&mut self, claim: &Claim, result: &Arc<ToolResult>, ended: u64) {
        let now = Instant::now();
        let key = &claim.key;
        let Some(entry) = self.entries.get_mut(key).filter(|entry| entry.is_held_by(claim)) else { return };
        let result = KeptResult::new(result);
        let bytes = ENTRY_BYTES + result.as_ref().map_or(0, KeptResult::bytes);
        let state = State::Ended { result, at: now, ended };
        let State::UnderWay(bell) = std::mem::replace(&mut entry.state, state) else { return };
        let ended = Ended {
            key: *key,
            generation: entry.generation,
            until: now.checked_add(entry.keep).unwrap_or(now + Duration::from_secs(86_400)),
            bytes,
        };
        self.under_way -= 1;
        self.bytes += ended.bytes;
        if entry.is_write {
            self.writes.push_back(ended);
        } else {
            self.reads.push_back(ended);
        }
        if let Some(bell) = bell {
            bell.notify_waiters();
        }
    }

    /// Forgets what is over, and where there is still too much what is oldest;
    /// says which twins are to be forgotten too.
    fn forget(&mut self, most: usize) -> Vec<(ClaimKey, ClaimKey)> {
        let now = Instant::now();
        let mut forgotten = Vec::new();
        let is_over = |ended: &mut Ended| ended.until <= now;
        while let Some(ended) = self
            .reads
            .pop_front_if(is_over)
            .or_else(|| self.writes.pop_front_if(is_over))
            .or_else(|| self.light.pop_front_if(is_over))
        {
            forgotten.extend(self.remove(&ended));
        }
        while self.bytes > most {
            if let Some(read) = self.reads.pop_front() {
                forgotten.extend(self.remove(&read));
            } else if let Some(write) = self.writes.pop_front() {
                self.lighten(write);
            } else if let Some(write) = self.light.pop_front() {
                forgotten.extend(self.remove(&write));
            } else {
                break;
            }
        }
        forgotten
    }

    /// The entry, unless it has been replaced since it ended.
    fn ended(&mut self, ended: &Ended) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(&ended.key)?;
        (entry.generation == ended.generation).then_some(entry)
    }

    /// Forgets an ended call; says which twin it stood for.
    fn remove(&mut self, ended: &Ended) -> Option<(ClaimKey, ClaimKey)> {
        self.bytes -= ended.bytes;
        self.ended(ended)?;
        let twin = self.entries.remove(&ended.key)?.twin?;
        Some((twin, ended.key))
    }

    /// Forgets the result of a write, and not that it was done.
    fn lighten(&mut self, mut write: Ended) {
        self.bytes -= write.bytes;
        let Some(entry) = self.ended(&write) else { return };
        if let State::Ended { result, .. } = &mut entry.state {
            *result = None;
        }
        write.bytes = ENTRY_BYTES;
        self.bytes += write.bytes;
        self.light.push_back(write);
    }
}

impl Entry {
    fn is_held_by(&self, claim: &Claim) -> bool {
        self.holder == claim.holder && matches!(self.state, State::UnderWay(_))
    }

    fn is_over(&self) -> bool {
        matches!(&self.state, State::Ended { at, .. } if at.elapsed() > self.keep)
    }

    /// The call, if it has ended and its caller has the answer. A write that nothing is known of is never a new one.
    fn delivered(&self, window: Duration) -> Option<Delivered> {
        let State::Ended { result: Some(_), at, ended } = &self.state else { return None };
        let delivered = Delivered {
            is_write: self.is_write,
            request: self.request,
            ended: *ended,
            is_past_window: at.elapsed() > window,
        };
        (!self.is_orphan).then_some(delivered)
    }

    fn claimed(&self) -> Claimed {
        match &self.state {
            State::UnderWay(_) => Claimed::UnderWay,
            State::Ended { result, .. } => {
                result.as_ref().and_then(KeptResult::get).map_or(Claimed::Lost, Claimed::Settled)
            }
        }
    }
}
