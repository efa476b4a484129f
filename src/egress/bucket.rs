//! So many turns at once after a pause, then one a period: the generic cell rate algorithm (GCRA).

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A bucket of turns. It has no clock: whoever asks says what time it is, counted from any moment that stays the same.
#[derive(Debug)]
pub(crate) struct Bucket {
    /// Nanoseconds in which one turn comes back.
    period: u64,
    burst: NonZeroU32,
    /// When all turns are back, in nanoseconds.
    full_at: AtomicU64,
}

impl Bucket {
    /// A full bucket of `burst` turns, of which one comes back each `period`.
    pub(crate) fn new(period: Duration, burst: NonZeroU32) -> Self {
        Self { period: nanos(period).max(1), burst, full_at: AtomicU64::new(0) }
    }

    /// How many turns it holds.
    pub(crate) fn burst(&self) -> NonZeroU32 {
        self.burst
    }

    /// How long so many turns take to come back.
    pub(crate) fn time_of(&self, turns: u32) -> Duration {
        Duration::from_nanos(self.period.saturating_mul(turns.into()))
    }

    /// Takes `turns` at the time `now`, all or none; gives how many are left.
    ///
    /// # Errors
    ///
    /// How long to wait until there are so many, if nobody else takes any. More than the burst never come together.
    pub(crate) fn take(&self, turns: NonZeroU32, now: Duration) -> Result<u32, Duration> {
        let now = nanos(now);
        let full = now.saturating_add(self.period.saturating_mul(self.burst.get().into()));
        let after =
            |full_at: u64| full_at.max(now).saturating_add(self.period.saturating_mul(turns.get().into()));
        let taken = self.full_at.fetch_update(Ordering::AcqRel, Ordering::Acquire, |full_at| {
            Some(after(full_at)).filter(|after| *after <= full)
        });
        match taken {
            Ok(before) => Ok(u32::try_from((full - after(before)) / self.period).unwrap_or(u32::MAX)),
            Err(before) => Err(Duration::from_nanos(after(before) - full)),
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(period_ms: u64, burst: u32) -> Bucket {
        Bucket::new(Duration::from_millis(period_ms), NonZeroU32::new(burst).unwrap())
    }

    /// What a bucket gives for so many turns at a time, in milliseconds.
    #[track_caller]
    fn check(bucket: &Bucket, turns: u32, at_ms: u64, expected: Result<u32, u64>) {
        let taken = bucket.take(NonZeroU32::new(turns).unwrap(), Duration::from_millis(at_ms));
        assert_eq!(taken, expected.map_err(Duration::from_millis), "{turns} at {at_ms}");
    }

    #[test]
    fn a_burst_is_there_at_once_and_one_turn_comes_back_each_period() {
        let bucket = bucket(100, 3);
        check(&bucket, 1, 1_000, Ok(2));
        check(&bucket, 1, 1_000, Ok(1));
        check(&bucket, 1, 1_000, Ok(0));
        check(&bucket, 1, 1_000, Err(100));
        check(&bucket, 1, 1_099, Err(1));
        check(&bucket, 1, 1_100, Ok(0));
        check(&bucket, 1, 1_250, Ok(0));
        check(&bucket, 1, 1_299, Err(1));
        check(&bucket, 1, 1_300, Ok(0));
    }

    #[test]
    fn a_long_pause_fills_it_and_no_more() {
        let bucket = bucket(10, 2);
        check(&bucket, 2, 0, Ok(0));
        check(&bucket, 1, 1_000_000, Ok(1));
        check(&bucket, 2, 1_000_000, Err(10));
    }

    #[test]
    fn several_turns_are_taken_together_or_not_at_all() {
        let bucket = bucket(100, 5);
        check(&bucket, 3, 0, Ok(2));
        check(&bucket, 3, 0, Err(100));
        check(&bucket, 2, 0, Ok(0));
        check(&bucket, 5, 0, Err(500));
        check(&bucket, 5, 500, Ok(0));
    }

    #[test]
    fn a_clock_that_stands_still_or_lags_gives_nothing_away() {
        let bucket = bucket(100, 1);
        check(&bucket, 1, 1_000, Ok(0));
        check(&bucket, 1, 900, Err(200));
        check(&bucket, 1, 1_000, Err(100));
    }

    #[test]
    fn the_shortest_period_and_the_largest_burst_do_not_overflow() {
        let all = Bucket::new(Duration::ZERO, NonZeroU32::MAX);
        assert_eq!(all.take(NonZeroU32::MAX, Duration::ZERO), Ok(0));
        assert!(all.take(NonZeroU32::MIN, Duration::ZERO).is_err());
        let slow = Bucket::new(Duration::MAX, NonZeroU32::MAX);
        assert!(slow.take(NonZeroU32::MIN, Duration::from_secs(1)).is_ok());
        assert_eq!(slow.time_of(u32::MAX), Duration::from_nanos(u64::MAX));
    }

    #[test]
    fn threads_take_no_more_than_there_is() {
        let bucket = bucket(1_000, 100);
        let taken = std::thread::scope(|scope| {
            let take = || (0..100).filter(|_| bucket.take(NonZeroU32::MIN, Duration::ZERO).is_ok()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        });
        assert_eq!(taken, 100);
    }
}
