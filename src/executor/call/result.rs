//! Views of a call that has ended: the result that the model gets, and the line of the log.

use serde_json::Map;

use crate::action::parameters::texts_of;
use crate::executor::served::Deployment;
use crate::secrets::Redactor;
use crate::tool::{Effect, MAX_CHOSEN, Spoken, Status, ToolResult, shortened};

use super::body::{mask, masked_error};
use super::failure::{self, Failure};
use super::outcome::Outcome;
use super::record::{CallRecord, Received};

/// A result, and what the log says beyond it.
pub(super) struct Logged {
    pub(super) result: ToolResult,
    environment: String,
    /// What made the call, as its caller says.
    source: Option<String>,
    /// Why it failed, for the operator; masked.
    pub(super) cause: Option<String>,
    /// The id of the call whose result it is, where it was not done again.
    first: Option<String>,
}

/// The result of a call, complete, with what is new in it masked. `failed` is what its caller is to hear of a failure.
pub(super) fn of(
    record: &CallRecord,
    deployment: &Deployment,
    outcome: Result<Outcome, Failure>,
    failed: Option<String>,
) -> Logged {
    let call = &record.call;
    let environment = deployment.redactor(&call.environment);
    let redact = |text: String| mask(text, environment, record.token.as_deref());
    let outcome = outcome.unwrap_or_else(|failure| {
        let cause = Some(redact(failure.to_string()));
        let status_code = failure.status_code();
        let (status, error) = failure.into_error();
        Outcome {
            status,
            status_code,
            headers: None,
            body: None,
            variables: Map::new(),
            error: Some(error),
            extracted: Vec::new(),
            cleared: Vec::new(),
            handover: None,
            cause,
        }
    });
    let cause = outcome.cause.map(|cause| record.without_sensitive(&cause));
    let error = outcome.error.map(|error| {
        let earlier = record.may_be_done && error.effect == Effect::None;
        let error = if earlier { failure::after_earlier_attempt(error) } else { error };
        masked_error(error, &redact)
    });
    let result = ToolResult {
        tool_call_id: call.id.clone(),
        name: call.name.clone(),
        status: outcome.status,
        status_code: outcome.status_code,
        headers: outcome.headers,
        body: outcome.body,
        variables: outcome.variables,
        handover: outcome.handover,
        error,
        replayed: false,
        speech: failed.map(|failed| Spoken { failed: redact(failed) }),
        cancellation: record.cancellation,
        attempts: record.attempts,
        duration_ms: record.received.duration_ms(),
        timestamp: record.received.text(),
        state: None,
    };
    let (environment, source) = (call.environment.clone(), call.source.clone());
    Logged { result, environment, source, cause, first: None }
}

/// The result of another call of the same intent, as this call's.
/// `state` is what the caller goes on with, where it carries its conversation.
pub(super) fn replayed(record: &CallRecord, first: &ToolResult, state: Option<String>) -> Logged {
    let CallRecord { call, received, .. } = record;
    let result = ToolResult { tool_call_id: call.id.clone(), replayed: true, state, ..first.clone() };
    let result = ToolResult { duration_ms: received.duration_ms(), timestamp: received.text(), ..result };
    let first = Some(first.tool_call_id.clone());
    let (environment, source) = (call.environment.clone(), call.source.clone());
    Logged { result, environment, source, cause: None, first }
}

impl CallRecord {
    /// Masks what the log of a failed call must not say: causes hold no arguments,
    /// and this makes sure of the sensitive ones.
    fn without_sensitive(&self, cause: &str) -> String {
        let values = self.sensitive.as_deref().unwrap_or_default();
        let texts = texts_of(values);
        Redactor::for_values(texts.iter().map(String::as_str)).redact(cause).into_owned()
    }
}

impl Received {
    fn duration_ms(self) -> u64 {
        u64::try_from(self.at.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn text(self) -> String {
        format!("{:.3}", self.timestamp)
    }
}

/// One line for each call: readable alone, and by its fields. Texts that the
/// caller chose are recorded as values, which the log writes quoted and escaped.
pub(super) fn log(logged: &Logged) {
    let Logged { result, environment, source, cause, first } = logged;
    let (first, done) = (first.as_deref(), if first.is_some() { "replayed" } else { "done" });
    let status = match result.status {
        Status::Success => "success",
        Status::Error => "error",
        Status::Failure => "failure",
        Status::Exception => "exception",
    };
    // An unknown name is the model's own text, as long as a request may be.
    let name = shortened(&result.name, MAX_CHOSEN);
    match &result.error {
        None => tracing::info!(
            tool.name = &*name,
            call.id = result.tool_call_id.as_str(),
            environment,
            source = source.as_deref(),
            status,
            http.status = result.status_code,
            attempts = result.attempts,
            duration_ms = result.duration_ms,
            first.id = first,
            "tool call {done}"
        ),
        Some(error) => tracing::warn!(
            tool.name = &*name,
            call.id = result.tool_call_id.as_str(),
            environment,
            source = source.as_deref(),
            status,
            http.status = result.status_code,
            attempts = result.attempts,
            duration_ms = result.duration_ms,
            first.id = first,
            failure.code = error.code.as_str(),
            cause = cause.as_deref().unwrap_or_default(),
            "tool call failed"
        ),
    }
}
