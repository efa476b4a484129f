//! What the feed of a conversation is told: views of calls that have ended, and of changes by callers.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::json;

use crate::conversation::call_entry::{
    CallEntry, ErrorEntry, MAX_HEADERS, MAX_PART_BYTES, MAX_VARIABLES, Part, RequestEntry, ResponseEntry,
    RetryEntry, SetEntry, Source,
};
use crate::conversation::change::{Change, Refused, Variable};
use crate::conversation::entry::NewEntry;
use crate::conversation::event::{EventKind, NewEvent};
use crate::conversation::{Conversation, millis, now_ms};
use crate::egress::Credentials;
use crate::executor::call::record::{CallRecord, Moment, SentRequest};
use crate::executor::call::request::Masked;
use crate::executor::served::Deployment;
use crate::secrets::MASK;
use crate::tool::{ToolCall, ToolError, ToolResult};

use super::masks::Masks;
use super::variables::brought_under_marks;

/// Longest name of an action that is shown: it may be the model's own text.
const MAX_NAME_BYTES: usize = 100;

/// A call that has ended, as the feed of the conversation `known` keeps it, with the `change` that it makes there.
pub(in crate::executor) fn entry(
    record: &CallRecord,
    deployment: &Deployment,
    known: &Conversation,
    result: &ToolResult,
    change: &Change,
) -> NewEntry {
    let brought = brought_under_marks(&record.call.variables, Some(known));
    let masks = &Masks::of(deployment, known, &change.set)
        .and_token(record.token.as_deref())
        .and_values(record.sensitive.iter().flatten().chain(&brought))
        .ready();
    let end = now_ms();
    let answered = record.moments.iter().rev().find_map(|moment| match moment {
        Moment::Answered { at_ms, took } => Some((*at_ms, millis(*took))),
        Moment::Again { .. } => None,
    });
    let headers = result.headers.as_ref().map(to_text);
    let set: Vec<(&String, Option<String>, &Variable)> = change
        .set
        .iter()
        .take(MAX_VARIABLES)
        .map(|(name, variable)| {
            let is_masked = variable.sensitive || variable.hidden;
            (name, (!is_masked).then(|| variable.value.to_string()), variable)
        })
        .collect();
    // What was there and is gone; what is set anew is told.
    let is_set = |name: &String| change.set.iter().any(|(known, _)| known == name);
    let gone = change.unset.iter().filter(|name| known.variables.contains_key(*name) && !is_set(name));
    NewEntry::of_call(CallEntry {
        id: masks.text(&result.tool_call_id),
        name: masks.cut(&result.name, MAX_NAME_BYTES).into(),
        at: record.received.ms(),
        end,
        arguments: arguments(record, masks),
        decoded: record.decoded.iter().map(|place| masks.cut(place, MAX_NAME_BYTES)).collect(),
        request: record.request.as_deref().map(|sent| request(record, sent, masks)),
        source: record.call.source.as_deref().map(Cow::Borrowed),
        phases: record.phases.entries(),
        retries: record.moments.iter().filter_map(|moment| retry(moment, masks)).collect(),
        response: (result.status_code.is_some() || result.body.is_some()).then(|| ResponseEntry {
            at: answered.map_or(end, |(at, _)| at),
            took: answered.map(|(_, took)| took),
            status: result.status_code,
            headers: headers.as_deref().map(|headers| Part::of(masks.shown(headers))),
            body: result.body.as_deref().map(|body| Part::of(masks.shown(body.get()))),
        }),
        set: set
            .iter()
            .map(|(name, value, variable)| set_entry(name, value.as_deref(), variable, masks))
            .collect(),
        more: change.set.len().saturating_sub(MAX_VARIABLES),
        unset: gone.take(MAX_VARIABLES).map(|name| masks.text(name)).collect(),
        error: result.error.as_ref().map(|error| failure(error, masks)),
        state: change.state.as_deref().map(Cow::Borrowed),
    })
}

/// The arguments as the model sent them: an object, where they are one or the text of one.
fn arguments<'r>(record: &'r CallRecord, masks: &Masks<'_>) -> Part<'r> {
    if record.sensitive.is_none() {
        return Part::of(MASK);
    }
    let text = record.call.arguments.get();
    match serde_json::from_str::<String>(text) {
        Ok(inner) => Part::of(masks.shown(&inner).into_owned()),
        Err(_) => Part::of(masks.shown(text)),
    }
}

fn request<'r>(record: &CallRecord, sent: &'r SentRequest, masks: &Masks<'_>) -> RequestEntry<'r> {
    let SentRequest { at_ms, spec } = sent;
    let none = Credentials::default();
    let credentials = record.action.as_ref().and_then(|served| served.masked_credentials()).unwrap_or(&none);
    let Masked { url, headers, body } = Masked::of(spec, credentials, &|text| masks.content(text));
    let header = |(name, value): (http::HeaderName, String)| {
        (Cow::Owned(name.as_str().to_owned()), Part::cut(value, MAX_PART_BYTES / 4))
    };
    RequestEntry {
        at: *at_ms,
        method: spec.method.as_str().into(),
        url: Part::of(url),
        headers: headers.into_iter().take(MAX_HEADERS).map(header).collect(),
        body: body.map(Part::of),
    }
}

fn retry(moment: &Moment, masks: &Masks<'_>) -> Option<RetryEntry> {
    match moment {
        // What was answered before another attempt is that one's cause.
        Moment::Answered { .. } => None,
        Moment::Again { at_ms, attempt, wait, cause } => Some(RetryEntry {
            at: *at_ms,
            attempt: *attempt,
            wait: millis(*wait),
            cause: Part::of(masks.text(cause).into_owned()),
        }),
    }
}

fn set_entry<'v>(
    name: &'v str,
    value: Option<&'v str>,
    variable: &Variable,
    masks: &Masks<'_>,
) -> SetEntry<'v> {
    SetEntry {
        name: masks.text(name),
        value: value.map_or(Part::of(MASK), |value| Part::of(masks.shown(value))),
        sensitive: variable.sensitive,
        exposed: variable.shown.is_some(),
    }
}

fn failure<'r>(error: &'r ToolError, masks: &Masks<'_>) -> ErrorEntry<'r> {
    ErrorEntry {
        message: Part::of(masks.text(&error.message)),
        code: error.code.as_str().into(),
        effect: error.effect,
        retry: error.retry,
        missing: error.missing.as_deref().map(Cow::Borrowed),
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
    NewEvent::at(EventKind::Replay, now_ms(), to_text(&replay))
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

/// One event for each variable that a caller sets.
pub(super) fn variables_set(masks: &Masks<'_>, set: &[(String, Variable)]) -> Vec<NewEvent> {
    let at_ms = now_ms();
    let shown = set.iter().take(MAX_VARIABLES).map(|(name, variable)| {
        let is_masked = variable.sensitive || variable.hidden;
        let value = (!is_masked).then(|| variable.value.to_string());
        set_entry(name, value.as_deref(), variable, masks).event(at_ms, &Source::CALLER)
    });
    let more = set.len().saturating_sub(MAX_VARIABLES);
    let rest = (more > 0).then(|| NewEvent::now(EventKind::VariableSet, &json!({"more": more})));
    shown.chain(rest).collect()
}

fn to_text(data: &impl Serialize) -> String {
    serde_json::to_string(data).unwrap_or_default()
}

#[derive(Serialize)]
struct Replayed {
    tool_call_id: String,
    name: String,
    first_tool_call_id: String,
}
