//! When a request may be sent again, and after how long.

use std::time::Duration;

use http::{Method, StatusCode};

use callgate_definition::{ActionDefinition, RetryOn};

/// Attempts of an action that says nothing.
const MAX_ATTEMPTS: u32 = 2;
/// Wait before the second attempt.
const BACKOFF: Duration = Duration::from_millis(200);
/// Longest wait between two attempts.
const MAX_BACKOFF: Duration = Duration::from_secs(2);
/// Statuses by which an upstream says that the same request may work in a moment.
const STATUSES: [u16; 4] = [429, 502, 503, 504];

/// When a request may be sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often it is sent at most, the first time included.
    pub max_attempts: u32,
    /// Whether doing it twice is the same as doing it once: by its method (RFC
    /// 9110 section 9.2.2), or because the action says so.
    pub idempotent: bool,
    backoff: Duration,
    max_backoff: Duration,
    on_connect_failed: bool,
    on_connection_lost: bool,
    on_read_timeout: bool,
    statuses: Vec<u16>,
}

impl RetryPolicy {
    pub(crate) fn compile(definition: &ActionDefinition, method: &Method) -> Self {
        let written = definition.retry.clone().unwrap_or_default();
        let on = written.on.as_deref();
        let statuses = on.map_or(STATUSES.to_vec(), |on| {
            on.iter()
                .filter_map(|one| match one {
                    RetryOn::Status(status) => Some(*status),
                    RetryOn::ConnectFailed | RetryOn::ConnectionLost | RetryOn::ReadTimeout => None,
                })
                .collect()
        });
        Self {
            max_attempts: written.max_attempts.unwrap_or(MAX_ATTEMPTS),
            idempotent: definition.idempotent.unwrap_or(method.is_idempotent()),
            backoff: written.backoff_ms.map_or(BACKOFF, Duration::from_millis),
            max_backoff: written.max_backoff_ms.map_or(MAX_BACKOFF, Duration::from_millis),
            on_connect_failed: on.is_none_or(|on| on.contains(&RetryOn::ConnectFailed)),
            on_connection_lost: on.is_some_and(|on| on.contains(&RetryOn::ConnectionLost)),
            on_read_timeout: on.is_some_and(|on| on.contains(&RetryOn::ReadTimeout)),
            statuses,
        }
    }

    /// For a request that is sent once and never again.
    pub(crate) fn never() -> Self {
        Self {
            max_attempts: 1,
            idempotent: false,
            backoff: BACKOFF,
            max_backoff: MAX_BACKOFF,
            on_connect_failed: false,
            on_connection_lost: false,
            on_read_timeout: false,
            statuses: Vec::new(),
        }
    }

    /// Whether another attempt may follow where not one byte was written.
    pub fn after_no_connection(&self) -> bool {
        self.on_connect_failed
    }

    /// Whether another attempt may follow a connection that broke.
    pub fn after_lost_connection(&self) -> bool {
        self.idempotent && self.on_connection_lost
    }

    /// Whether another attempt may follow a service that was silent for `read_timeout_ms`.
    pub fn after_read_timeout(&self) -> bool {
        self.idempotent && self.on_read_timeout
    }

    /// Whether another attempt may follow an answer with this status.
    pub fn after_status(&self, status: StatusCode) -> bool {
        self.idempotent && self.statuses.contains(&status.as_u16())
    }

    /// How long to wait after `attempts`: doubled each time, at most the
    /// longest wait, and of that the half that is sure and the part of the
    /// other half that `jitter` (0 to 1) gives.
    pub fn wait(&self, attempts: u32, jitter: f64) -> Duration {
        let doubled =
            self.backoff.saturating_mul(1_u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX));
        let longest = doubled.min(self.max_backoff);
        longest.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
    }

    /// Whether this action asks for a retry on something that never leads to one, since that
    /// could do the same twice.
    pub(crate) fn idle_wishes(&self) -> bool {
        !self.idempotent && (self.on_connection_lost || self.on_read_timeout || !self.statuses.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(retry: &str, method: &Method) -> RetryPolicy {
        let definition = serde_json::json!({
            "description": "x",
            "retry": serde_json::from_str::<serde_json::Value>(retry).unwrap(),
        });
        RetryPolicy::compile(&serde_json::from_value(definition).unwrap(), method)
    }

    #[test]
    fn a_post_is_repeated_only_where_no_byte_was_written() {
        let policy = policy("null", &Method::POST);
        assert!(policy.after_no_connection());
        assert!(!policy.after_lost_connection());
        assert!(!policy.after_status(StatusCode::SERVICE_UNAVAILABLE));
    }

    #[test]
    fn a_put_is_repeated_on_the_statuses_that_pass() {
        let policy = policy("null", &Method::PUT);
        for (status, again) in
            [(429, true), (502, true), (503, true), (504, true), (500, false), (404, false)]
        {
            assert_eq!(policy.after_status(StatusCode::from_u16(status).unwrap()), again, "{status}");
        }
    }

    #[test]
    fn waits_double_up_to_the_longest_and_keep_half_of_it() {
        let policy = policy(r#"{"backoff_ms": 100, "max_backoff_ms": 300}"#, &Method::GET);
        let waits = |jitter| [1, 2, 3, 40].map(|attempts| policy.wait(attempts, jitter).as_millis());
        assert_eq!(waits(1.0), [100, 200, 300, 300]);
        assert_eq!(waits(0.0), [50, 100, 150, 150]);
    }
}
