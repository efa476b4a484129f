//! How many calls per second, in the order of asking.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::action::RateRules;
use crate::egress::error::{EgressError, Overload};
use crate::egress::{Bucket, Deadline};

/// A rate and those who wait for their turn.
#[derive(Debug)]
pub(super) struct Rate {
    bucket: Bucket,
    /// By tokio's clock, which tests can stop.
    start: Instant,
    /// Only the first in line asks the bucket; the others wait for it.
    line: Semaphore,
    in_line: AtomicU32,
}

impl Rate {
    pub(super) fn new(rules: &RateRules) -> Self {
        let bucket = Bucket::new(rules.period(), rules.burst);
        Self { bucket, start: Instant::now(), line: Semaphore::new(1), in_line: AtomicU32::new(0) }
    }

    fn take(&self) -> Result<u32, Duration> {
        self.bucket.take(NonZeroU32::MIN, self.start.elapsed())
    }

    /// Takes a turn if there is one now and nobody waits.
    pub(super) fn is_free(&self) -> bool {
        self.in_line.load(Ordering::Acquire) == 0 && self.take().is_ok()
    }

    /// Waits for a turn.
    ///
    /// # Errors
    ///
    /// It would not come before `deadline`; told at once where that is known.
    pub(super) async fn turn(&self, deadline: Deadline) -> Result<(), EgressError> {
        let late = || EgressError::Overloaded(Overload::Rate);
        let before = InLine::join(&self.in_line);
        if self.bucket.time_of(before.ahead) >= deadline.left() {
            return Err(late());
        }
        deadline.within(self.first()).await.map_err(|_| late())
    }

    async fn first(&self) {
        // It is never closed; without a place in line, calls would only go out of order.
        let _first = self.line.acquire().await;
        while let Err(wait) = self.take() {
            tokio::time::sleep(wait).await;
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
