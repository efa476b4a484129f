//! The course of a conversation, as far as it tells a repeat of a call from a new call that looks the same.
//!
//! Many model servers use one tool call id for several calls. A product repeats
//! a call whose answer it did not get, or repeats it at once. So a call that
//! looks like an earlier one is a new call if the answer of the earlier one was
//! delivered, and a call of other content has begun since, in another request
//! than either, and has ended. A request with the same calls is a repeat of the
//! whole turn, and no other request: it may have done what the first one left
//! undone. `redis/common.lua` holds the same rule; `tests/integration/store`
//! runs the same tests on both.

use super::store::{Claim, IdTrust};

/// Calls whose ids are remembered; an id that repeats does so soon.
pub(super) const MAX_RECENT: usize = 32;

/// Flags of a course as bytes: whether ids repeat, and whether turns follow, which an older Callgate did not keep.
const IDS_REPEAT: u64 = 1;
const HAS_TURNS: u64 = 2;

/// The calls of a conversation that were claimed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Course {
    /// Counts beginnings and ends.
    now: u64,
    /// The call that began last of those that have ended, and the last of those with another content.
    last: Past,
    other: Past,
    /// Whether a tool call id has come with two contents.
    ids_repeat: bool,
    /// The calls that began last: [`Claim::id`] and the first half of [`Claim::content`].
    recent: Vec<(u32, u32)>,
}

/// A call that has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Past {
    content: u64,
    request: u64,
    turn: u64,
    /// [`Course::now`] when it began.
    began: u64,
}

/// An ended call whose answer was delivered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delivered {
    pub(super) is_write: bool,
    pub(super) request: u64,
    /// When it ended, as [`Course::end`] gave it.
    pub(super) ended: u64,
    /// Whether its end is longer ago than the window of the action.
    pub(super) is_past_window: bool,
}

impl Course {
    /// A call begins; gives when.
    pub(super) fn begin(&mut self, claim: &Claim) -> u64 {
        let call = (claim.id, first_half(claim.content));
        if claim.trust != IdTrust::PerRequest {
            self.ids_repeat |= self.recent.iter().any(|one| one.0 == call.0 && one.1 != call.1);
            self.recent.retain(|one| *one != call);
            self.recent.push(call);
            let too_many = self.recent.len().saturating_sub(MAX_RECENT);
            self.recent.drain(..too_many);
        }
        self.now += 1;
        self.now
    }

    /// A call that began at `began` ends; gives when.
    pub(super) fn end(&mut self, claim: &Claim, began: u64) -> u64 {
        let past = Past { content: claim.content, request: claim.request, turn: claim.turn, began };
        if past.content == self.last.content || self.last.began == 0 {
            self.last = if began > self.last.began { past } else { self.last };
        } else if began > self.last.began {
            (self.last, self.other) = (past, self.last);
        } else if began > self.other.began {
            self.other = past;
        }
        self.now += 1;
        self.now
    }

    /// What tells a call that begins now from earlier ones of its key; 0 if its id does that.
    pub(super) fn earlier(&self, claim: &Claim) -> u64 {
        if self.is_trusted(claim.trust) { 0 } else { self.now }
    }

    /// Whether a call with the claim of a `delivered` one is a new call.
    pub(super) fn is_new(&self, claim: &Claim, delivered: Delivered) -> bool {
        if self.is_trusted(claim.trust) {
            return false;
        }
        let has_come_between = [self.last, self.other].iter().any(|one| {
            let is_of_same_turn = one.turn != 0 && one.turn == claim.turn;
            let is_of_another_request =
                one.request != claim.request && one.request != delivered.request && !is_of_same_turn;
            one.content != claim.content && is_of_another_request && one.began > delivered.ended
        });
        // A retry comes at once. For a write that is only believed where the ids tell nothing at all.
        let may_be_late = !delivered.is_write || claim.trust == IdTrust::PerRequest || self.ids_repeat;
        has_come_between || may_be_late && delivered.is_past_window
    }

    /// When the answer of a call is delivered that had reached nobody.
    pub(super) fn now(&self) -> u64 {
        self.now
    }

    fn is_trusted(&self, trust: IdTrust) -> bool {
        match trust {
            IdTrust::Unique => true,
            IdTrust::LooksUnique => !self.ids_repeat,
            IdTrust::MayRepeat | IdTrust::PerRequest => false,
        }
    }

    /// What [`Self::from_bytes`] reads.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let Self { now, last, other, ids_repeat, recent } = self;
        let numbers = [
            *now,
            last.content,
            last.request,
            last.began,
            other.content,
            other.request,
            other.began,
            (if *ids_repeat { IDS_REPEAT } else { 0 }) | HAS_TURNS,
            last.turn,
            other.turn,
        ];
        let recent = recent.iter().map(|(id, content)| u64::from(*id) << 32 | u64::from(*content));
        numbers.into_iter().chain(recent).flat_map(u64::to_le_bytes).collect()
    }

    /// The course of a conversation; that of one that begins, where the bytes hold none.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let number = |eight: &[u8]| eight.try_into().map(u64::from_le_bytes).unwrap_or_default();
        let mut numbers = bytes.chunks(8).map(number);
        let mut next = || numbers.next().unwrap_or_default();
        let now = next();
        let mut past = || Past { content: next(), request: next(), began: next(), turn: 0 };
        let (mut last, mut other) = (past(), past());
        let flags = next();
        if flags & HAS_TURNS != 0 {
            (last.turn, other.turn) = (next(), next());
        }
        let ids_repeat = flags & IDS_REPEAT != 0;
        #[expect(clippy::cast_possible_truncation, reason = "each half is one of the two")]
        let recent = numbers.map(|both| ((both >> 32) as u32, both as u32)).collect();
        Self { now, last, other, ids_repeat, recent }
    }
}

fn first_half(content: u64) -> u32 {
    (content >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_course_is_read_as_it_was_written() {
        let past =
            |number| Past { content: number, request: number + 1, turn: number + 2, began: number + 3 };
        let course = Course {
            now: 7,
            last: past(u64::MAX - 9),
            other: past(3),
            ids_repeat: true,
            recent: vec![(1, u32::MAX), (u32::MAX, 2)],
        };
        assert_eq!(Course::from_bytes(&course.to_bytes()), course);
        assert_eq!(Course::from_bytes(&Course::default().to_bytes()), Course::default());
        for bytes in [&[][..], &[1, 2, 3], &[0xff; 65]] {
            let _ = Course::from_bytes(bytes);
        }
        assert_eq!(Course::from_bytes(&[]), Course::default());
        // As an older Callgate wrote it, without turns.
        let older = [7, 1, 2, 3, 4, 5, 6, 1, 1 << 32 | 2].map(u64::to_le_bytes).concat();
        let course = Course::from_bytes(&older);
        assert_eq!((course.now, course.other.began, course.other.turn), (7, 6, 0));
        assert!(course.ids_repeat);
        assert_eq!(course.recent, [(1, 2)]);
    }
}
