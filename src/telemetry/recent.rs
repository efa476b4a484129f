//! The latest calls that failed, by environment, for the operator.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use crate::executor::CallReport;

/// How many are kept of each environment.
const KEPT: usize = 20;

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentError {
    /// When it came (RFC 3339, UTC).
    pub at: String,
    /// Its action; empty where there is none of that name.
    pub action: String,
    /// The stable code.
    pub code: &'static str,
    /// Why, in the words of the log, masked.
    pub cause: String,
    /// The id of the call.
    pub tool_call_id: String,
    /// The conversation that it names.
    pub conversation_id: Option<String>,
}

/// The latest ones of a process.
#[derive(Debug, Default)]
pub(super) struct RecentErrors(Mutex<HashMap<String, VecDeque<RecentError>>>);

impl RecentErrors {
    /// Notes a call that failed.
    pub(super) fn note(&self, report: &CallReport<'_>) {
        let Some(error) = &report.result.error else { return };
        let recent = RecentError {
            at: report.result.timestamp.clone(),
            action: report.action.unwrap_or_default().to_owned(),
            code: error.code.as_str(),
            // An answer of the upstream has no further cause.
            cause: report.cause.unwrap_or(&error.message).to_owned(),
            tool_call_id: report.result.tool_call_id.clone(),
            conversation_id: report.conversation_id.map(str::to_owned),
        };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_environment = known.entry(report.environment.to_owned()).or_default();
        of_environment.truncate(KEPT - 1);
        of_environment.push_front(recent);
    }

    /// Those of an environment, the latest first.
    pub(super) fn of(&self, environment: &str) -> Vec<RecentError> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(environment).into_iter().flatten().cloned().collect()
    }
}
