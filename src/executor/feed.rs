//! What the feed of a conversation is told of a call: collected on its way,
//! masked and written together when it has ended.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::action::RequestSpec;
use crate::action::parameters::parse_arguments;
use crate::conversation::change::{Change, Refused, Source, Variable};
use crate::conversation::event::{EventKind, MAX_EVENT_BYTES, NewEvent};
use crate::conversation::{Conversation, millis, now_ms};
use crate::egress::Credentials;
use crate::tool::{Effect, Retry, ToolCall, ToolError, ToolResult};

use super::failure::Failure;
use super::masks::{Masks, hidden, shortened};
use super::outcome::Receipt;
use super::preview::Masked;
use super::{Deployment, Ending, Gateway, learning};

/// How much is shown of each part of an event, in bytes; less where the whole
/// would be longer than an event may be.
const SHOWN: [usize; 3] = [1_500, 400, 60];
/// Longest name of an action that is shown: it may be the model's own text.
const MAX_NAME_BYTES: usize = 100;
/// Most events of variables that one change makes; the rest is counted in a last one.
const MAX_VARIABLES: usize = 40;

/// A call that names a conversation, as its feed will tell it.
#[derive(Debug)]
pub(super) struct Feed {
    received_ms: u64,
    arguments: Box<RawValue>,
    /// What of the arguments must not be written down; `None` where that cannot be told.
    sensitive: Option<Vec<Value>>,
    /// What of the call's own variables must not be.
    brought: Vec<Value>,
    /// The JSON Pointers of arguments that were read as JSON, since they came as a text.
    decoded: Vec<String>,
    moments: Vec<Moment>,
}

/// What happened on the way of a call.
#[derive(Debug)]
enum Moment {
    Sent { at_ms: u64, request: Box<RequestSpec>, credentials: Credentials },
    Answered { at_ms: u64, took: Duration },
    Again { at_ms: u64, attempt: u32, wait: Duration, cause: String },
}

impl Feed {
    /// Nothing where the call names no conversation.
    pub(super) fn of(call: &ToolCall) -> Option<Box<Self>> {
        call.conversation_id.as_ref()?;
        Some(Box::new(Self {
            received_ms: now_ms(),
            arguments: call.arguments.clone(),
            sensitive: None,
            brought: Vec::new(),
            decoded: Vec::new(),
            moments: Vec::new(),
        }))
    }

    /// The arguments may be shown without these values; `None`: not at all. Nor is
    /// shown what was `brought` under marked names.
    pub(super) fn without(&mut self, sensitive: Option<Vec<Value>>, brought: Vec<Value>) {
        self.sensitive = sensitive;
        self.brought = brought;
    }

    /// The arguments at these places came as a text and were read as JSON.
    pub(super) fn decoded(&mut self, places: &[String]) {
        self.decoded = places.to_vec();
    }

    /// A request is sent for the first time; `credentials` are masked.
    pub(super) fn sending(&mut self, request: Box<RequestSpec>, credentials: Option<&Credentials>) {
        let credentials = credentials.cloned().unwrap_or_default();
        self.moments.push(Moment::Sent { at_ms: now_ms(), request, credentials });
    }

    /// The upstream has answered.
    pub(super) fn answered(&mut self, took: Duration) {
        self.moments.push(Moment::Answered { at_ms: now_ms(), took });
    }

    /// The request is sent again after `wait`.
    pub(super) fn again(&mut self, attempt: u32, wait: Duration, cause: String) {
        self.moments.push(Moment::Again { at_ms: now_ms(), attempt, wait, cause });
    }

    /// The events of the call, in their order.
    fn events(
        &self,
        masks: &Masks<'_>,
        result: &ToolResult,
        known: &Conversation,
        change: &Change,
    ) -> Vec<NewEvent> {
        let set = &change.set;
        let id = masks.text(&result.tool_call_id);
        let name = masks.cut(&result.name, MAX_NAME_BYTES);
        let mut events = Vec::with_capacity(4 + set.len().min(MAX_VARIABLES));
        events.push(event(EventKind::ToolCalled, self.received_ms, |limit| {
            let decoded = self.decoded.iter().map(|place| masks.cut(place, MAX_NAME_BYTES)).collect();
            let arguments = self.arguments(masks, limit);
            to_text(&Called { tool_call_id: &id, name: &name, arguments, decoded })
        }));
        let mut answered = None;
        for moment in &self.moments {
            match moment {
                Moment::Sent { at_ms, request, credentials } => {
                    events.push(event(EventKind::RequestSent, *at_ms, |limit| {
                        to_text(&Sent::new(&id, request, credentials, masks, limit))
                    }));
                }
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
        events
    }

    /// The arguments as the model sent them: an object, where they are one or the text of one.
    fn arguments(&self, masks: &Masks<'_>, limit: usize) -> Box<RawValue> {
        if self.sensitive.is_none() {
            return hidden();
        }
        let text = self.arguments.get();
        match serde_json::from_str::<String>(text) {
            Ok(inner) => masks.json(&inner, limit),
            Err(_) => masks.json(text, limit),
        }
    }
}

/// What of a call that was refused must not be written down: its arguments may
/// not have been read. `None` where it cannot be told.
pub(super) fn sensitive(deployment: &Deployment, call: &ToolCall) -> Option<Vec<Value>> {
    let parameters = &super::find(deployment, call, super::Access::Look).ok()?.action.parameters;
    let arguments = parse_arguments(&call.arguments).ok()?;
    Some(parameters.sensitive_values(&arguments))
}

impl Gateway {
    /// The result of a call that goes no further.
    pub(super) fn refuse(
        &self,
        call: ToolCall,
        failure: Failure,
        conversation: Option<&Conversation>,
        receipt: &mut Receipt,
        ending: Ending<'_>,
    ) -> Arc<ToolResult> {
        let deployment = ending.deployment;
        if let Some(feed) = &mut receipt.feed {
            let brought = learning::brought_under_marks(&call.variables, conversation);
            feed.without(sensitive(deployment, &call), brought);
        }
        let result = self.conclude(call, Err(failure), receipt, ending);
        self.tell(conversation, self.told(deployment, conversation, receipt, &result, &Change::default()));
        result
    }

    /// What the feed of the call's conversation is told; nothing where it names none.
    pub(super) fn told(
        &self,
        deployment: &Deployment,
        conversation: Option<&Conversation>,
        receipt: &Receipt,
        result: &ToolResult,
        change: &Change,
    ) -> Vec<NewEvent> {
        let (Some(conversation), Some(feed)) = (conversation, &receipt.feed) else { return Vec::new() };
        let masks = Masks::of(deployment, conversation, &change.set)
            .and_token(receipt.redactor.as_deref())
            .and_values(feed.sensitive.iter().flatten().chain(&feed.brought));
        feed.events(&masks.ready(), result, conversation, change)
    }

    /// Tells the feed of a conversation what nobody has to wait for.
    pub(super) fn tell(&self, conversation: Option<&Conversation>, events: Vec<NewEvent>) {
        let Some(conversation) = conversation.filter(|_| !events.is_empty()) else { return };
        let change = Change { events, ..Change::default() };
        // A change is under way once its method is called.
        drop(self.shared.store.update(&conversation.key, change));
    }

    /// Tells the feed that a call was answered with the result of `first`.
    pub(super) fn tell_replay(
        &self,
        deployment: &Deployment,
        conversation: Option<&Conversation>,
        call: &ToolCall,
        first: &ToolResult,
    ) {
        let Some(conversation) = conversation else { return };
        let masks = Masks::of(deployment, conversation, &[]).ready();
        let replay = Replayed {
            tool_call_id: masks.text(&call.id).into_owned(),
            name: masks.cut(&call.name, MAX_NAME_BYTES),
            first_tool_call_id: masks.text(&first.tool_call_id).into_owned(),
        };
        let replayed = event(EventKind::Replay, now_ms(), |_| to_text(&replay));
        self.tell(Some(conversation), vec![replayed]);
    }

    /// Tells the feed which variables of a call were not set after all.
    pub(super) fn tell_refused(&self, conversation: Option<&Conversation>, refused: &[Refused]) {
        let told = refused.iter().take(MAX_VARIABLES).map(|refused| {
            let reason = refused.reason.to_string();
            let data = serde_json::json!({"name": refused.name, "refused": reason});
            NewEvent::now(EventKind::VariableSet, &data)
        });
        self.tell(conversation, told.collect());
    }
}

/// The event of a conversation that a tool call begins, in this state.
pub(super) fn begun_by_a_call(initial_state: Option<&str>) -> Change {
    let data = serde_json::json!({"by": "tool_call", "current_state": initial_state});
    Change {
        events: vec![NewEvent::now(EventKind::ConversationStarted, &data)],
        all_or_nothing: true,
        ..Change::default()
    }
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
