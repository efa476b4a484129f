//! Storing what was done, although its caller's time may be over.

use std::time::Duration;

use crate::conversation::StoreError;
use crate::conversation::change::Refused;
use crate::egress::DeadlineExceeded;

/// The least time there is for storing what was done, even past the deadline:
/// what is told and not stored would be forgotten.
pub(super) const STORING: Duration = Duration::from_millis(500);

/// Logs what the store could not do, where the call goes on all the same.
pub(super) fn note<T>(done: Result<Result<T, StoreError>, DeadlineExceeded>) {
    match done {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::error!(%error, "what a call has done may not be stored"),
        Err(_) => tracing::warn!("storing what a call has done takes longer than its caller waits"),
    }
}

/// Logs what is not remembered of a call, by name.
pub(super) fn note_refused(refused: &[Refused]) {
    for refused in refused {
        tracing::warn!(variable.name = %refused.name, error = %refused.reason, "variable not remembered");
    }
}
