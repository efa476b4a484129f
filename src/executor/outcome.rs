//! What came of a call → the result that the model gets.

use std::sync::Arc;
use std::time::Instant;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::action::output::{self, Extracted};
use crate::action::{self, Action};
use crate::secrets::{MASK, Redactor};
use crate::tool::{Handover, Status, ToolCall, ToolError, ToolResult};

use super::Deployment;
use super::answer::{Answer, Content};
use super::failure::{self, Failure};

/// When a call came, and what is counted on its way.
#[derive(Debug)]
pub(super) struct Receipt {
    pub(super) started: Instant,
    pub(super) attempts: u32,
    /// Masks the token that was sent.
    pub(super) redactor: Option<Arc<Redactor>>,
    timestamp: jiff::Timestamp,
}

impl Receipt {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), attempts: 0, redactor: None, timestamp: jiff::Timestamp::now() }
    }
}

/// What an upstream answered, seen with the eyes of the action.
#[derive(Debug)]
pub(super) struct Outcome {
    status: Status,
    status_code: Option<u16>,
    content: Content,
    error: Option<ToolError>,
    pub(super) extracted: Vec<Extracted>,
    handover: Option<Handover>,
}

impl Outcome {
    /// Takes the action's output variables out of an answer, and what the
    /// model must not see.
    pub(super) fn of(answer: Answer, action: &Action) -> Self {
        let Answer { status, mut content } = answer;
        let mut extracted = Vec::new();
        let body = if action.outputs.is_empty() { None } else { content.json() };
        match body {
            Some(body) => {
                if status.is_success() {
                    extracted = output::extract(&action.outputs, &body);
                }
                if let Content::Json(text) = &content
                    && let Some(hidden) = output::hide(&action.outputs, &body, text)
                {
                    content = Content::Json(hidden);
                }
            }
            None if action.outputs.iter().any(|output| output.hidden) => content.withhold_unreadable(),
            None => {}
        }
        let (ended, error) = match &content {
            Content::BrokenJson { problem, .. } if status.is_success() => {
                (Status::Failure, Some(failure::broken_json(action, problem)))
            }
            _ if status.is_success() => (Status::Success, None),
            _ => (Status::Error, Some(failure::upstream_status(status, action))),
        };
        Self { status: ended, status_code: Some(status.as_u16()), content, error, extracted, handover: None }
    }

    /// The caller is to be transferred.
    pub(super) fn handover(handover: &action::Handover) -> Self {
        let to = handover.phone_number.as_deref().or(handover.queue.as_deref()).unwrap_or_default();
        let text = handover.message.clone().unwrap_or_else(|| format!("Transferring the caller to {to}."));
        Self {
            status: Status::Success,
            status_code: None,
            content: Content::Text(text),
            error: None,
            extracted: Vec::new(),
            handover: Some(Handover {
                phone_number: handover.phone_number.clone(),
                queue: handover.queue.clone(),
                message: handover.message.clone(),
            }),
        }
    }

    pub(super) fn is_success(&self) -> bool {
        self.status == Status::Success
    }
}

/// A result, and what the log says beyond it.
pub(super) struct Logged {
    result: ToolResult,
    environment: String,
    cause: Option<String>,
}

impl From<Logged> for ToolResult {
    fn from(logged: Logged) -> Self {
        logged.result
    }
}

/// Shapes the result: masked, cut, complete.
pub(super) fn result(
    call: ToolCall,
    outcome: Result<Outcome, Failure>,
    receipt: Receipt,
    deployment: &Deployment,
    concealed: &[String],
) -> Logged {
    let redact =
        |text: String| mask(text, deployment.redactor(&call.environment), receipt.redactor.as_deref());
    let mut cause = None;
    let outcome = outcome.unwrap_or_else(|failure| {
        cause = Some(redact(failure.to_string()));
        let status_code = failure.status_code();
        let (status, error) = failure.into_error();
        Outcome {
            status,
            status_code,
            content: Content::Empty,
            error: Some(error),
            extracted: Vec::new(),
            handover: None,
        }
    });
    let shown = outcome.extracted.into_iter().filter_map(|one| Some((one.name, one.shown?)));
    let variables: Map<String, Value> =
        shown.map(|(name, value)| (name, masked_value(value, &redact))).collect();
    let error = outcome.error.map(|error| ToolError { message: redact(error.message), ..error });
    let result = ToolResult {
        tool_call_id: call.id,
        name: call.name,
        status: outcome.status,
        status_code: outcome.status_code,
        body: body(outcome.content.without(concealed), deployment.limits.max_body_chars, &redact),
        variables,
        handover: outcome.handover,
        error,
        attempts: receipt.attempts,
        duration_ms: u64::try_from(receipt.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        timestamp: format!("{:.3}", receipt.timestamp),
    };
    Logged { result, environment: call.environment, cause }
}

/// One line for each call: readable alone, and by its fields. Texts that the
/// caller chose are recorded as values, which the log writes quoted and escaped.
pub(super) fn log(logged: &Logged) {
    let Logged { result, environment, cause } = logged;
    let status = match result.status {
        Status::Success => "success",
        Status::Error => "error",
        Status::Failure => "failure",
        Status::Exception => "exception",
    };
    match &result.error {
        None => tracing::info!(
            tool.name = result.name.as_str(),
            call.id = result.tool_call_id.as_str(),
            environment,
            status,
            http.status = result.status_code,
            attempts = result.attempts,
            duration_ms = result.duration_ms,
            "tool call done"
        ),
        Some(error) => tracing::warn!(
            tool.name = result.name.as_str(),
            call.id = result.tool_call_id.as_str(),
            environment,
            status,
            http.status = result.status_code,
            attempts = result.attempts,
            duration_ms = result.duration_ms,
            failure.code = error.code.as_str(),
            cause = cause.as_deref().unwrap_or_default(),
            "tool call failed"
        ),
    }
}

fn mask(text: String, environment: Option<&Redactor>, token: Option<&Redactor>) -> String {
    let mut text = text;
    for redactor in [environment, token].into_iter().flatten() {
        if let std::borrow::Cow::Owned(clean) = redactor.redact(&text) {
            text = clean;
        }
    }
    text
}

fn masked_value(value: Value, redact: &impl Fn(String) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(redact(text)),
        Value::Array(items) => items.into_iter().map(|item| masked_value(item, redact)).collect(),
        Value::Object(map) => Value::Object(
            map.into_iter().map(|(key, item)| (redact(key), masked_value(item, redact))).collect(),
        ),
        Value::Number(number) => {
            let text = redact(number.to_string());
            if text == number.as_str() { Value::Number(number) } else { Value::String(text) }
        }
        Value::Null | Value::Bool(_) => value,
    }
}

/// The body that the model sees: JSON as it is, anything else as a JSON string.
fn body(content: Content, max_chars: usize, redact: &impl Fn(String) -> String) -> Option<Box<RawValue>> {
    let text = match content {
        Content::Empty => return None,
        Content::Json(text) => {
            let text = redact(text);
            // A byte is at least as long as a character is.
            let fits = text.len() <= max_chars || text.chars().count() <= max_chars;
            // Where a number was masked, the rest is shown as the text it has become.
            let is_json = !text.contains(MASK) || serde_json::from_str::<&RawValue>(&text).is_ok();
            if fits && is_json {
                return RawValue::from_string(text).ok();
            }
            text
        }
        Content::Text(text) | Content::BrokenJson { text, .. } => redact(text),
        Content::Binary { media_type, bytes } => format!("[{media_type}, {bytes} bytes, not shown]"),
    };
    RawValue::from_string(Value::String(cut(text, max_chars)).to_string()).ok()
}

/// The first `max_chars` characters, and a marker that says so.
fn cut(text: String, max_chars: usize) -> String {
    match text.char_indices().nth(max_chars) {
        None => text,
        Some((at, _)) => {
            let all = text.chars().count();
            format!("{}\n[cut: the first {max_chars} of {all} characters]", &text[..at])
        }
    }
}
