//! A view of a call that has ended, for a person who inspects it: the request, the answer before anything was cut, the
//! variables that the call has set, and where its time went. It is masked like a preview.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::action::output::{self, Answered, Output, Said};
use crate::conversation::change::Change;
use crate::executor::conversation::masks::Masks;
use crate::executor::conversation::variables::brought_under_marks;
use crate::executor::served::Deployment;
use crate::secrets::{MASK, Redactor};
use crate::tool::ToolResult;
use callgate_text::push_token;

use super::exchange::shown;
use super::phases::TimedPhase;
use super::record::CallRecord;
use super::request::PreviewedRequest;

/// Most places that are listed as masked.
const MAX_MASKED: usize = 10_000;

/// The details of a call, for a person who inspects it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Inspection {
    /// The id of the call.
    pub tool_call_id: String,
    /// The request as it was sent first; null where nothing was sent.
    pub request: Option<PreviewedRequest>,
    /// The last answer; null where none came.
    #[schema(value_type = Option<InspectedResponse>)]
    pub response: Option<Box<RawValue>>,
    /// The variables that the call has set or taken away.
    pub variables: Vec<InspectedVariable>,
    /// How often it was sent.
    pub attempts: u32,
    /// From its receipt to its end, in milliseconds.
    pub total_ms: f64,
    /// Where the time went.
    pub phases: Vec<TimedPhase>,
}

/// An answer of an upstream, before anything is cut.
#[derive(Debug, Serialize, ToSchema)]
pub struct InspectedResponse {
    /// The HTTP status.
    pub status: u16,
    /// The headers by name.
    #[schema(value_type = Object)]
    pub headers: Map<String, Value>,
    /// The body as text.
    pub body: String,
    /// How many bytes it has.
    pub bytes: usize,
    /// Whether it is JSON.
    pub json: bool,
    /// Places (JSON Pointers) whose values are masked: secrets, and what is sensitive or hidden.
    pub masked: Vec<String>,
    /// Whether the model gets less of it, because it is too long.
    pub cut: bool,
}

/// A variable that a call has set or taken away.
#[derive(Debug, Serialize, ToSchema)]
pub struct InspectedVariable {
    /// Its dotted name.
    pub name: String,
    /// Its value; `***` where it is sensitive or hidden. Not there where it was taken away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Whether it is masked in replies, logs and events.
    pub sensitive: bool,
    /// Whether the model may see it.
    pub exposed: bool,
    /// Whether its texts are kept from the model.
    pub hidden: bool,
    /// Whether it was taken away.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unset: bool,
}

impl Inspection {
    /// The view of a call with this result, which makes this `change`.
    pub(super) fn of(
        record: &CallRecord,
        deployment: &Deployment,
        result: &ToolResult,
        change: &Change,
    ) -> Self {
        let masks = match &record.conversation {
            Some(known) => Masks::of(deployment, known, &change.set),
            None => Masks::secrets(deployment, &record.call.environment),
        };
        let brought = brought_under_marks(&record.call.variables, record.conversation.as_deref());
        let masks = masks
            .and_token(record.token.as_deref())
            .and_values(record.sensitive.iter().flatten().chain(&brought))
            .ready();
        Self {
            tool_call_id: record.call.id.clone(),
            request: request(record, &masks),
            // It may be long, so it is written here, where long work is done.
            response: response(record, &masks, result).and_then(|seen| to_raw_value(&seen).ok()),
            variables: variables(change, &masks),
            attempts: record.attempts,
            total_ms: 0.0,
            phases: Vec::new(),
        }
    }
}

fn request(record: &CallRecord, masks: &Masks<'_>) -> Option<PreviewedRequest> {
    let (sent, served) = (record.request.as_ref()?, record.action.as_ref()?);
    Some(PreviewedRequest::sent(&sent.spec, served.shown_credentials(), masks))
}

fn response(record: &CallRecord, masks: &Masks<'_>, result: &ToolResult) -> Option<InspectedResponse> {
    let ((status, headers), served) = (record.answer.as_ref()?, record.action.as_ref()?);
    let bytes = record.answered_body.as_deref().unwrap_or_default();
    let text = String::from_utf8_lossy(bytes);
    let value = serde_json::from_str::<Value>(&text).ok();
    // Hidden and sensitive outputs are masked in every answer: in errors, and without a conversation.
    let kept = served.action.outputs.iter().filter(|output| output.hidden || output.sensitive);
    let said = value.as_ref().map_or(Said::Text(&text), Said::Json);
    let kept_texts = output::texts_of(kept.clone(), &Answered { status: *status, headers, body: said });
    let own = Redactor::for_values(kept_texts.iter().flatten().map(String::as_str));
    // If their values cannot be found, nothing is shown.
    let is_blind = kept_texts.is_none() || (value.is_none() && kept.clone().any(Output::is_of_body));
    let clean = |text: &str| own.redact(&masks.request(text)).into_owned();
    let (body, json, masked) = match is_blind {
        true => (Value::from(MASK).to_string(), true, vec![String::new()]),
        false => body(&text, value, &clean),
    };
    let headers = shown(headers, &served.action, masks);
    let headers =
        headers.into_iter().map(|(name, value)| (name, Value::String(own.redact(&value).into_owned())));
    // The marker of what is cut out for the model.
    let cut = result.body.as_ref().is_some_and(|body| body.get().contains("[cut: "));
    let headers = headers.collect();
    Some(InspectedResponse { status: status.as_u16(), headers, body, bytes: bytes.len(), json, masked, cut })
}

/// The body with what must not be seen masked, whether it is JSON, and the places that are masked in it.
fn body(text: &str, value: Option<Value>, clean: &dyn Fn(&str) -> String) -> (String, bool, Vec<String>) {
    let whole = clean(text);
    let Some(value) = value else { return (whole, false, Vec::new()) };
    if whole == text {
        return (whole, true, Vec::new());
    }
    if whole == MASK {
        return (Value::from(MASK).to_string(), true, vec![String::new()]);
    }
    // Masked value by value, so that it stays JSON.
    let mut masked = Vec::new();
    let shown = masked_json(value, clean, &mut String::new(), &mut masked);
    (serde_json::to_string_pretty(&shown).unwrap_or_default(), true, masked)
}

/// `value` without what must not be seen; `masked` gets the places where something was.
fn masked_json(
    value: Value,
    clean: &dyn Fn(&str) -> String,
    at: &mut String,
    masked: &mut Vec<String>,
) -> Value {
    let here = at.len();
    match value {
        Value::Object(members) => {
            let mut shown = Map::with_capacity(members.len());
            for (name, value) in members {
                let mut name_shown = clean(&name);
                // Two names may look the same when they are masked.
                for number in 2.. {
                    if !shown.contains_key(&name_shown) {
                        break;
                    }
                    name_shown = format!("{} ({number})", clean(&name));
                }
                push_token(at, &name_shown);
                if name_shown != name {
                    masked.push(at.clone());
                }
                let value = masked_json(value, clean, at, masked);
                at.truncate(here);
                shown.insert(name_shown, value);
            }
            Value::Object(shown)
        }
        Value::Array(items) => {
            let items = items.into_iter().enumerate().map(|(index, item)| {
                push_token(at, &index.to_string());
                let item = masked_json(item, clean, at, masked);
                at.truncate(here);
                item
            });
            Value::Array(items.collect())
        }
        Value::String(text) => {
            let shown = clean(&text);
            if shown != text {
                note(at, masked);
            }
            Value::String(shown)
        }
        Value::Number(number) => {
            let shown = clean(number.as_str());
            if shown == number.as_str() {
                return Value::Number(number);
            }
            note(at, masked);
            Value::String(shown)
        }
        Value::Null | Value::Bool(_) => value,
    }
}

fn note(at: &str, masked: &mut Vec<String>) {
    if masked.len() < MAX_MASKED {
        masked.push(at.to_owned());
    }
}

fn variables(change: &Change, masks: &Masks<'_>) -> Vec<InspectedVariable> {
    let set = change.set.iter().map(|(name, variable)| {
        let is_masked = variable.sensitive || variable.hidden;
        InspectedVariable {
            name: name.clone(),
            value: Some(if is_masked { Value::from(MASK) } else { masks.value(&variable.value) }),
            sensitive: variable.sensitive,
            exposed: variable.shown.is_some(),
            hidden: variable.hidden,
            unset: false,
        }
    });
    let is_set = |name: &String| change.set.iter().any(|(known, _)| known == name);
    let gone = change.unset.iter().filter(|name| !is_set(name)).map(|name| InspectedVariable {
        name: masks.text(name).into_owned(),
        value: None,
        sensitive: false,
        exposed: false,
        hidden: false,
        unset: true,
    });
    set.chain(gone).collect()
}

/// Bytes that are looked through for an inspection.
pub(super) fn weight(record: &CallRecord) -> usize {
    record.answered_body.as_ref().map_or(0, bytes::Bytes::len)
}
