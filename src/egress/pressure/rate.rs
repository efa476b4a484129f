//! How many calls per second, in the order of asking.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::action::RateRules;
use crate::egress::Deadline;
use crate::egress::error::{EgressError, Overload};

type Limiter = RateLimiter<NotKeyed, InMemoryState, Ticks, NoOpMiddleware<Duration>>;

/// A rate (GCRA, by `governor`) and those who wait for their turn.
#[derive(Debug)]
pub(super) struct Rate {
    limiter: Limiter,
    clock: Ticks,
    period: Duration,
    /// Only the first in line asks the limiter; the others wait for it.
    line: Semaphore,
    in_line: AtomicU32,
}

/// Time since the start, by tokio's clock, which tests can stop.
#[derive(Clone, Debug)]
struct Ticks(Instant);

impl Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

impl Rate {
    pub(super) fn new(rules: &RateRules) -> Self {
        let clock = Ticks(Instant::now());
        let period = rules.period();
        let quota =
            Quota::with_period(period).unwrap_or(Quota::per_second(rules.burst)).allow_burst(rules.burst);
        let limiter = RateLimiter::direct_with_clock(quota, clock.clone());
        Self { limiter, clock, period, line: Semaphore::new(1), in_line: AtomicU32::new(0) }
    }

    /// Takes a turn if there is one now and nobody waits.
    pub(super) fn is_free(&self) -> bool {
        self.in_line.load(Ordering::Acquire) == 0 && self.limiter.check().is_ok()
    }

    /// Waits for a turn.
    ///
    /// # Errors
    ///
    /// It would not come before `deadline`; told at once where that is known.
    pub(super) async fn turn(&self, deadline: Deadline) -> Result<(), EgressError> {
        let late = || EgressError::Overloaded(Overload::Rate);
        let before = InLine::join(&self.in_line);
        if self.period.saturating_mul(before.ahead) >= deadline.left() {
            return Err(late());
        }
        deadline.within(self.first()).await.map_err(|_| late())
    }

    async fn first(&self) {
        // It is never closed; without a place in line, calls would only go out of order.
        let _first = self.line.acquire().await;
        while let Err(not_yet) = self.limiter.check() {
            tokio::time::sleep(not_yet.wait_time_from(self.clock.now())).await;
        }
    }
}

/// A place in line, given back on drop.
struct InLine<'a> {
    count: &'a AtomicU32,
    ahead: u32,
}

impl<'a> InLine<'a> {
    fn join(count: &'a AtomicU32) -> Self {
        Self { count, ahead: count.fetch_add(1, Ordering::AcqRel) }
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::AcqRel);
    }
}
