//! A view of a call that has ended, for people who look into it: what was sent, what the upstream said before anything
//! was cut, what the call has set, and where its time went. Masked as a preview is.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::conversation::change::Change;
use crate::executor::conversation::masks::Masks;
use crate::executor::conversation::variables::brought_under_marks;
use crate::executor::served::Deployment;
use crate::secrets::MASK;
use crate::tool::ToolResult;
use callgate_text::push_token;

use super::body::masked_value;
use super::exchange::shown;
use super::parts::{RequestParts, ValueOrigin};
use super::phases::TimedPhase;
use super::record::CallRecord;
use super::request::PreviewedRequest;

/// Most places that are listed as masked.
const MAX_MASKED: usize = 10_000;

/// What a person sees of a call who looks into it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Inspection {
    /// The id of the call.
    pub tool_call_id: String,
    /// The request as it was sent first; null where nothing was sent.
    pub request: Option<PreviewedRequest>,
    /// The last answer; null where none came.
    pub response: Option<InspectedResponse>,
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
            response: response(record, &masks, result),
            variables: variables(change, &masks),
            attempts: record.attempts,
            total_ms: 0.0,
            phases: Vec::new(),
        }
    }
}

fn request(record: &CallRecord, masks: &Masks<'_>) -> Option<PreviewedRequest> {
    let (sent, served) = (record.request.as_ref()?, record.action.as_ref()?);
    let credentials = served.shown_credentials();
    let parts = RequestParts::of(&sent.spec, None, credentials, masks, &|_| ValueOrigin::Computed);
    let parts = parts.with_automatic_headers(&sent.spec.url);
    Some(PreviewedRequest::of(&sent.spec, &parts))
}

fn response(record: &CallRecord, masks: &Masks<'_>, result: &ToolResult) -> Option<InspectedResponse> {
    let ((status, headers), served) = (record.answer.as_ref()?, record.action.as_ref()?);
    let bytes = record.answered_body.as_deref().unwrap_or_default();
    let text = String::from_utf8_lossy(bytes);
    let (body, json, masked) = body(&text, masks);
    let headers = shown(headers, &served.action, masks);
    let headers = headers.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
    // The marker of what is cut out for the model.
    let cut = result.body.as_ref().is_some_and(|body| body.get().contains("[cut: "));
    Some(InspectedResponse { status: status.as_u16(), headers, body, bytes: bytes.len(), json, masked, cut })
}

/// The body with what must not be seen masked, whether it is JSON, and the places that are masked in it.
fn body(text: &str, masks: &Masks<'_>) -> (String, bool, Vec<String>) {
    let whole = masks.request(text);
    let Ok(value) = serde_json::from_str::<Value>(text) else { return (whole, false, Vec::new()) };
    if whole == text {
        return (whole, true, Vec::new());
    }
    if whole == MASK {
        return (Value::from(MASK).to_string(), true, vec![String::new()]);
    }
    // Masked value by value, so that it stays JSON.
    let clean = masked_value(value.clone(), &|text| masks.whole(text));
    let mut masked = Vec::new();
    compare(&value, &clean, &mut String::new(), &mut masked);
    (serde_json::to_string_pretty(&clean).unwrap_or_default(), true, masked)
}

/// Lists the places where `clean` is not what `value` was.
fn compare(value: &Value, clean: &Value, at: &mut String, masked: &mut Vec<String>) {
    let here = at.len();
    match (value, clean) {
        _ if masked.len() >= MAX_MASKED => {}
        (Value::Object(members), Value::Object(cleaned)) => {
            for ((_, value), (name, clean)) in members.iter().zip(cleaned) {
                push_token(at, name);
                compare(value, clean, at, masked);
                at.truncate(here);
            }
        }
        (Value::Array(items), Value::Array(cleaned)) => {
            for (index, (value, clean)) in items.iter().zip(cleaned).enumerate() {
                push_token(at, &index.to_string());
                compare(value, clean, at, masked);
                at.truncate(here);
            }
        }
        (value, clean) if value != clean => masked.push(at.clone()),
        _ => {}
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
