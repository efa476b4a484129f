//! What the feed of a conversation is told: views of calls that have ended, and of changes by callers.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::action::RequestSpec;
use crate::conversation::change::{Change, Refused, Source, Variable};
use crate::conversation::event::{EventKind, MAX_EVENT_BYTES, NewEvent};
use crate::conversation::{Conversation, millis, now_ms};
use crate::egress::Credentials;
use crate::executor::call::record::{CallRecord, Moment, SentRequest};
use crate::executor::call::request::Masked;
use crate::executor::served::Deployment;
use crate::tool::{Effect, Retry, ToolCall, ToolError, ToolResult};

use super::masks::{Masks, hidden, shortened};
use super::variables::brought_under_marks;

/// How much is shown of each part of an event, in bytes; less where the whole
/// would be longer than an event may be.
const SHOWN: [usize; 3] = [1_500, 400, 60];
/// Longest name of an action that is shown: it may be the model's own text.
const MAX_NAME_BYTES: usize = 100;
/// Most events of variables that one change makes; the rest is counted in a last one.
const MAX_VARIABLES: usize = 40;

/// The events of a call that has ended, in their order: what the feed of the conversation `known` is told of it, and of
/// the `change` that it makes there.
pub(in crate::executor) fn events(
    record: &CallRecord,
    deployment: &Deployment,
    known: &Conversation,
    result: &ToolResult,
    change: &Change,
) -> Vec<NewEvent> {
    let brought = brought_under_marks(&record.call.variables, Some(known));
    let masks = &Masks::of(deployment, known, &change.set)
        .and_token(record.token.as_deref())
        .and_values(record.sensitive.iter().flatten().chain(&brought))
        .ready();
    let set = &change.set;
    let id = masks.text(&result.tool_call_id);
    let name = masks.cut(&result.name, MAX_NAME_BYTES);
    let mut events = Vec::with_capacity(4 + set.len().min(MAX_VARIABLES));
    events.push(event(EventKind::ToolCalled, record.received.ms(), |limit| {
        let decoded = record.decoded.iter().map(|place| masks.cut(place, MAX_NAME_BYTES)).collect();
        let arguments = arguments(record, masks, limit);
        to_text(&Called { tool_call_id: &id, name: &name, arguments, decoded })
    }));
    let mut answered = None;
    if let Some(SentRequest { at_ms, spec }) = record.request.as_deref() {
        let none = Credentials::default();
        let credentials =
            record.action.as_ref().and_then(|served| served.masked_credentials()).unwrap_or(&none);
        events.push(event(EventKind::RequestSent, *at_ms, |limit| {
            to_text(&Sent::new(&id, spec, credentials, masks, limit))
        }));
    }
    for moment in &record.moments {
        match moment {
            Moment::Again { at_ms, attempt, wait, cause } => {
                events.push(event(EventKind::Retry, *at_ms, |limit| {
                    let cause = masks.cut(cause, limit);
                    let wait_ms = millis(*wait);
                    to_text(&Again { tool_call_id: &id, attempt: *attempt, wait_ms, cause })
                }));
            }
            // What was answered before another attempt is that one's cause.
            Moment::Answered { at_ms, took } => answered = Some((*at_ms, millis(*took))),
        }
    }
    if result.status_code.is_some() || result.body.is_some() {
        let at_ms = answered.map_or_else(now_ms, |(at_ms, _)| at_ms);
        events.push(event(EventKind::ResponseReceived, at_ms, |limit| {
            to_text(&Received {
                tool_call_id: &id,
                status_code: result.status_code,
                duration_ms: answered.map(|(_, took)| took),
                headers: result.headers.as_ref().map(|headers| masks.json(&to_text(headers), limit)),
                body: result.body.as_deref().map(|body| masks.json(body.get(), limit)),
            })
        }));
    }
    events.extend(variables_set(masks, set));
    // What was there and is gone; what is set anew has been told.
    let is_set = |name: &String| set.iter().any(|(known, _)| known == name);
    let gone = change.unset.iter().filter(|name| known.variables.contains_key(*name) && !is_set(name));
    events.extend(gone.take(MAX_VARIABLES).map(|variable| {
        event(EventKind::VariableSet, now_ms(), |_| {
            let source = SourceView::Call { tool_call_id: &id, action: &name };
            to_text(&Gone { name: masks.text(variable), unset: true, source })
        })
    }));
    if let Some(error) = &result.error {
        events.push(event(EventKind::Error, now_ms(), |limit| {
            let message = masks.cut(&error.message, limit);
            to_text(&Failed { tool_call_id: &id, name: &name, message, error: Short::of(error) })
        }));
    }
    events.extend(change.state.as_deref().map(state_set));
    events
}

/// The arguments as the model sent them: an object, where they are one or the text of one.
fn arguments(record: &CallRecord, masks: &Masks<'_>, limit: usize) -> Box<RawValue> {
    if record.sensitive.is_none() {
        return hidden();
    }
    let text = record.call.arguments.get();
    match serde_json::from_str::<String>(text) {
        Ok(inner) => masks.json(&inner, limit),
        Err(_) => masks.json(text, limit),
    }
}

/// A call was answered with the result of `first`.
pub(in crate::executor) fn replay(
    deployment: &Deployment,
    known: &Conversation,
    call: &ToolCall,
    first: &ToolResult,
) -> NewEvent {
    let masks = Masks::of(deployment, known, &[]).ready();
    let replay = Replayed {
        tool_call_id: masks.text(&call.id).into_owned(),
        name: masks.cut(&call.name, MAX_NAME_BYTES),
        first_tool_call_id: masks.text(&first.tool_call_id).into_owned(),
    };
    event(EventKind::Replay, now_ms(), |_| to_text(&replay))
}

/// Variables of a call that were not set after all.
pub(in crate::executor) fn refused(refused: &[Refused]) -> Vec<NewEvent> {
    let told = refused.iter().take(MAX_VARIABLES).map(|refused| {
        let reason = refused.reason.to_string();
        NewEvent::now(EventKind::VariableSet, &json!({"name": refused.name, "refused": reason}))
    });
    told.collect()
}

/// The event of a conversation that goes on to another state.
pub(super) fn state_set(state: &str) -> NewEvent {
    NewEvent::now(EventKind::VariableSet, &json!({"current_state": state}))
}

/// One event for each variable that is set.
pub(super) fn variables_set<'v>(
    masks: &'v Masks<'_>,
    set: &'v [(String, Variable)],
) -> impl Iterator<Item = NewEvent> + 'v {
    let at_ms = now_ms();
    let shown = set.iter().take(MAX_VARIABLES).map(move |(name, variable)| {
        event(EventKind::VariableSet, at_ms, |limit| {
            let is_masked = variable.sensitive || variable.hidden;
            let value = if is_masked { hidden() } else { masks.json(&variable.value.to_string(), limit) };
            to_text(&Set {
                name: masks.text(name).into_owned(),
                value,
                sensitive: variable.sensitive,
                exposed: variable.shown.is_some(),
                source: SourceView::of(&variable.source),
            })
        })
    });
    let more = set.len().saturating_sub(MAX_VARIABLES);
    let rest = (more > 0).then(|| NewEvent::now(EventKind::VariableSet, &serde_json::json!({"more": more})));
    shown.chain(rest)
}

fn to_text(data: &impl Serialize) -> String {
    serde_json::to_string(data).unwrap_or_default()
}

/// An event whose parts are shown as long as they may be.
fn event(kind: EventKind, at_ms: u64, data: impl Fn(usize) -> String) -> NewEvent {
    let mut text = String::new();
    for limit in SHOWN {
        text = data(limit);
        if text.len() <= MAX_EVENT_BYTES {
            break;
        }
    }
    NewEvent::at(kind, at_ms, text)
}

#[derive(Serialize)]
struct Called<'a> {
    tool_call_id: &'a str,
    name: &'a str,
    arguments: Box<RawValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    decoded: Vec<String>,
}

#[derive(Serialize)]
struct Sent<'a> {
    tool_call_id: &'a str,
    method: String,
    url: String,
    headers: Map<String, Value>,
    body: Option<String>,
}

impl<'a> Sent<'a> {
    fn new(
        id: &'a str,
        request: &RequestSpec,
        credentials: &Credentials,
        masks: &Masks<'_>,
        limit: usize,
    ) -> Self {
        /// Most headers that are shown.
        const HEADERS: usize = 30;
        let masked = Masked::of(request, credentials, &|text| masks.content(text));
        let header = |(name, value): (http::HeaderName, String)| {
            (name.as_str().to_owned(), Value::String(shortened(&value, limit / 4)))
        };
        Self {
            tool_call_id: id,
            method: request.method.to_string(),
            url: shortened(&masked.url, limit),
            headers: masked.headers.into_iter().take(HEADERS).map(header).collect(),
            body: masked.body.map(|body| shortened(&body, limit)),
        }
    }
}

#[derive(Serialize)]
struct Again<'a> {
    tool_call_id: &'a str,
    attempt: u32,
    wait_ms: u64,
    cause: String,
}

#[derive(Serialize)]
struct Received<'a> {
    tool_call_id: &'a str,
    status_code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Box<RawValue>>,
    body: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct Set<'a> {
    name: String,
    value: Box<RawValue>,
    sensitive: bool,
    exposed: bool,
    source: SourceView<'a>,
}

#[derive(Serialize)]
struct Gone<'a> {
    name: Cow<'a, str>,
    unset: bool,
    source: SourceView<'a>,
}

/// Who set a variable, as replies and events say it.
#[derive(Debug, Serialize)]
#[serde(tag = "by", rename_all = "snake_case")]
enum SourceView<'a> {
    Caller,
    Call { tool_call_id: &'a str, action: &'a str },
}

impl<'a> SourceView<'a> {
    fn of(source: &'a Source) -> Self {
        match source {
            Source::Caller => Self::Caller,
            Source::Call { id, action } => Self::Call { tool_call_id: id, action },
        }
    }
}

#[derive(Serialize)]
struct Failed<'a> {
    tool_call_id: &'a str,
    name: &'a str,
    message: String,
    #[serde(flatten)]
    error: Short<'a>,
}

#[derive(Serialize)]
struct Short<'a> {
    code: &'a str,
    effect: Effect,
    retry: Retry,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<&'a str>,
}

impl<'a> Short<'a> {
    fn of(error: &'a ToolError) -> Self {
        let ToolError { effect, retry, .. } = *error;
        Self { code: error.code.as_str(), effect, retry, missing: error.missing.as_deref() }
    }
}

#[derive(Serialize)]
struct Replayed {
    tool_call_id: String,
    name: String,
    first_tool_call_id: String,
}
