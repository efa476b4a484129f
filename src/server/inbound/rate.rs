//! How often a key may call.
//!
//! Its rate is told in the fields of draft-ietf-httpapi-ratelimit-headers-10:
//! `RateLimit-Policy: "key";q=100;w=2` (100 calls at once, back after 2 seconds)
//! and `RateLimit: "key";r=99;t=1` (99 left, all back in a second).

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::egress::Bucket;
use crate::settings::RateSettings;

use crate::server::problem::{ProblemCode, ProblemDocument};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");

/// The rate of one key.
#[derive(Debug)]
pub(in crate::server) struct KeyRate {
    settings: RateSettings,
    bucket: Bucket,
    start: Instant,
    policy: HeaderValue,
}

impl KeyRate {
    pub(in crate::server) fn new(settings: &RateSettings) -> Self {
        let burst = settings.burst();
        let bucket = Bucket::new(settings.period(), burst);
        let window = whole_seconds(bucket.time_of(burst.get()));
        let policy = number_header(format!("\"key\";q={burst};w={window}"));
        Self { settings: settings.clone(), bucket, start: Instant::now(), policy }
    }

    /// Whether a rate with these settings would be the same.
    pub(in crate::server) fn is_for(&self, settings: &RateSettings) -> bool {
        self.settings == *settings
    }

    /// Takes `calls`, all or none; gives how many are left.
    fn take(&self, calls: NonZeroU32) -> Result<u32, ProblemDocument> {
        let burst = self.bucket.burst();
        if calls > burst {
            let detail = format!("{calls} calls in one request; this key may make {burst} at once");
            let window = whole_seconds(self.bucket.time_of(burst.get()));
            return Err(ProblemDocument::new(ProblemCode::RateLimited, detail).retry_after(window));
        }
        let taken = self.bucket.take(calls, self.start.elapsed());
        taken.map_err(|wait| too_often(self.settings.per_second, burst).retry_after(whole_seconds(wait)))
    }
}

fn too_often(per_second: f64, burst: NonZeroU32) -> ProblemDocument {
    let detail = format!("this key may make {per_second} calls a second, {burst} at once");
    ProblemDocument::new(ProblemCode::RateLimited, detail)
}

/// What one request has taken of its key's rate. A clone is the same.
#[derive(Clone, Debug)]
pub(in crate::server) struct Charge(Arc<Taken>);

#[derive(Debug)]
struct Taken {
    rate: Arc<KeyRate>,
    /// How many calls the key had left when this request last took some.
    left: AtomicU32,
}

impl Charge {
    pub(in crate::server) fn new(rate: Arc<KeyRate>) -> Self {
        Self(Arc::new(Taken { rate, left: AtomicU32::new(0) }))
    }

    /// Takes `calls` of the rate, all or none.
    ///
    /// # Errors
    ///
    /// [`ProblemCode::RateLimited`].
    pub(in crate::server) fn take(&self, calls: usize) -> Result<(), ProblemDocument> {
        let calls = u32::try_from(calls).unwrap_or(u32::MAX);
        if let Some(calls) = NonZeroU32::new(calls) {
            let taken = self.0.rate.take(calls);
            self.0.left.store(*taken.as_ref().unwrap_or(&0), Ordering::Relaxed);
            taken?;
        }
        Ok(())
    }

    /// Says in the headers of an answer how many calls are left.
    pub(in crate::server) fn tell(&self, headers: &mut HeaderMap) {
        let Taken { rate, left } = &*self.0;
        let left = left.load(Ordering::Relaxed);
        let missing = rate.bucket.burst().get().saturating_sub(left);
        let back = whole_seconds(rate.bucket.time_of(missing));
        headers.insert(POLICY, rate.policy.clone());
        headers.insert(LEFT, number_header(format!("\"key\";r={left};t={back}")));
    }
}

/// A text of our own making, which a header can always carry.
fn number_header(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("\"key\""))
}

/// Rounded up; what is over in less than a second takes one.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(charge: &Charge) -> (String, String) {
        let mut headers = HeaderMap::new();
        charge.tell(&mut headers);
        let text = |name| headers[name].to_str().unwrap().to_owned();
        (text(POLICY), text(LEFT))
    }

    #[test]
    fn a_rate_is_told_as_the_draft_says() {
        // So slow that nothing comes back while the test runs.
        let rate = Arc::new(KeyRate::new(&RateSettings { per_second: 0.01, burst: Some(3) }));
        let charge = Charge::new(rate.clone());
        charge.take(1).unwrap();
        assert_eq!(told(&charge), ("\"key\";q=3;w=300".to_owned(), "\"key\";r=2;t=100".to_owned()));
        charge.take(2).unwrap();
        assert_eq!(told(&charge).1, "\"key\";r=0;t=300");
        let problem = charge.take(1).unwrap_err();
        assert_eq!((problem.status, problem.code), (429, ProblemCode::RateLimited));
        assert_eq!(told(&charge).1, "\"key\";r=0;t=300");
        assert!(rate.is_for(&RateSettings { per_second: 0.01, burst: Some(3) }));
        let never = Charge::new(Arc::new(KeyRate::new(&RateSettings { per_second: 50.0, burst: None })));
        assert_eq!(
            never.take(51).unwrap_err().detail,
            "51 calls in one request; this key may make 50 at once"
        );
        assert!(never.take(50).is_ok() && never.take(0).is_ok());
    }
}
