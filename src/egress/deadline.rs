//! The instant by which a call must have been answered.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

/// The instant by which a call must have been answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

/// The time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadlineExceeded;

impl Deadline {
    /// `timeout` from now.
    pub fn after(timeout: Duration) -> Self {
        let now = Instant::now();
        // A timeout beyond what the clock can say is as good as a day.
        Self(now.checked_add(timeout).unwrap_or(now + Duration::from_secs(86_400)))
    }

    /// What is left, zero when the time is over.
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Runs `work`, or gives up (and drops it) when the time is over.
    ///
    /// # Errors
    ///
    /// The time is over.
    pub async fn within<T>(self, work: impl Future<Output = T>) -> Result<T, DeadlineExceeded> {
        tokio::time::timeout_at(self.0, work).await.map_err(|_| DeadlineExceeded)
    }
}
