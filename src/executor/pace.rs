//! How long the calls of an action take.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use serde::Serialize;
use utoipa::ToSchema;

/// The latest calls that count.
const KEPT: usize = 200;
/// Fewer calls than these say nothing.
const ENOUGH: usize = 5;

/// How long a call of an action takes, by the latest ones that the upstream answered with success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Expected {
    /// Milliseconds within which half of them ended.
    pub p50: u32,
    /// Milliseconds within which 95 of 100 ended.
    pub p95: u32,
}

/// How long the latest calls of one action in one environment took. Nobody waits for anybody here.
#[derive(Debug)]
pub(super) struct Pace {
    /// Milliseconds and one; 0 where there is nothing yet.
    taken: [AtomicU32; KEPT],
    count: AtomicUsize,
}

impl Default for Pace {
    fn default() -> Self {
        Self { taken: std::array::from_fn(|_| AtomicU32::new(0)), count: AtomicUsize::new(0) }
    }
}

impl Pace {
    /// A call has ended.
    pub(super) fn note(&self, duration_ms: u64) {
        let at = self.count.fetch_add(1, Ordering::Relaxed) % KEPT;
        let taken = u32::try_from(duration_ms).unwrap_or(u32::MAX).saturating_add(1);
        self.taken[at].store(taken, Ordering::Relaxed);
    }

    /// How long the next one takes, most likely; `None` while too few have been seen.
    pub(super) fn expected(&self) -> Option<Expected> {
        let taken = self.taken.iter().map(|one| one.load(Ordering::Relaxed));
        let mut taken: Vec<u32> = taken.filter(|one| *one > 0).map(|one| one - 1).collect();
        if taken.len() < ENOUGH {
            return None;
        }
        taken.sort_unstable();
        // The nearest rank.
        let rank = |percent: usize| taken[(taken.len() * percent).div_ceil(100).saturating_sub(1)];
        Some(Expected { p50: rank(50), p95: rank(95) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_latest_calls() {
        let pace = Pace::default();
        for duration in [40, 10, 30, 20] {
            pace.note(duration);
            assert_eq!(pace.expected(), None);
        }
        pace.note(50);
        assert_eq!(pace.expected(), Some(Expected { p50: 30, p95: 50 }));
        for duration in 1..=200 {
            pace.note(duration);
        }
        assert_eq!(pace.expected(), Some(Expected { p50: 100, p95: 190 }));
        pace.note(u64::MAX);
        assert_eq!(pace.expected(), Some(Expected { p50: 101, p95: 191 }));
    }

    #[test]
    fn a_call_of_no_time_counts() {
        let pace = Pace::default();
        (0..5).for_each(|_| pace.note(0));
        assert_eq!(pace.expected(), Some(Expected { p50: 0, p95: 0 }));
    }
}
