//! Gemini: `generateContent` and Live.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::action::ActionName;

use super::fields::{Fields, body, list};
use super::openai_chat::CUT_OFF;
use super::spec::Prepared;
use super::text::{outcome_json, text};
use super::turn::{IncomingCall, Malformed, Outcome, Turn};

/// `tools`: `[{functionDeclarations: [{name, description, <field>: schema}]}]`; empty where there are none.
///
/// A function without parameters has no schema: the older form refuses an object without properties.
pub(super) fn specs<'a>(prepared: impl Iterator<Item = Prepared<'a>>, field: &str) -> Value {
    let prepared: Vec<Prepared<'_>> = prepared.collect();
    let names: Vec<&str> = prepared.iter().map(|prepared| prepared.tool.name).collect();
    let declarations: Vec<Value> = prepared
        .into_iter()
        .map(|prepared| {
            let name = name(prepared.tool.name, &names);
            let mut declaration = json!({"name": name, "description": prepared.description});
            let empty = prepared.schema.get("properties").is_none_or(|all| *all == json!({}));
            if let (false, Value::Object(members)) = (empty, &mut declaration) {
                members.insert(field.to_owned(), prepared.schema);
            }
            declaration
        })
        .collect();
    if declarations.is_empty() { json!([]) } else { json!([{"functionDeclarations": declarations}]) }
}

/// What Gemini calls the tool `name`: a name begins with a letter or an underscore, or all tools of the
/// request are refused. A call by that name finds its way back.
fn name(name: &str, all: &[&str]) -> String {
    let mut offered = name.to_owned();
    while ActionName::begins_with_digit(name) && (offered == name || all.contains(&offered.as_str())) {
        offered.insert(0, '_');
    }
    offered
}

/// Whether the calls came over Live, which answers in a message of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// `generateContent`: parts of a content.
    #[default]
    Parts,
    /// Live: `toolCall` → `toolResponse`.
    Live,
}

/// Members of a response, which may have no content: a prompt that was blocked, a malformed call, the
/// last chunk of a stream.
const OF_A_RESPONSE: [&str; 5] =
    ["candidates", "promptFeedback", "prompt_feedback", "usageMetadata", "usage_metadata"];
/// Members of a Live message that calls nothing.
const OF_LIVE: [&str; 12] = [
    "setupComplete",
    "setup_complete",
    "serverContent",
    "server_content",
    "toolCallCancellation",
    "tool_call_cancellation",
    "goAway",
    "go_away",
    "sessionResumptionUpdate",
    "session_resumption_update",
    "voiceActivity",
    "voice_activity",
];

/// Reads a response, a content, its `parts`, or a Live message. Names may be written in camel case or,
/// as the SDKs print them, in snake case.
///
/// # Errors
///
/// The body is none of them.
pub fn decode(bytes: &[u8]) -> Result<Turn<Form>, Malformed> {
    let raw = body(bytes)?;
    let expected = "expected a response, a content with `parts`, the list of its parts, or a Live message";
    let mut cut_off = false;
    let parts = match list(raw) {
        Some(parts) => parts,
        None => {
            let fields = Fields::of(raw).ok_or_else(|| Malformed::new(expected))?;
            if let Some(call) = fields.object("toolCall").or_else(|| fields.object("tool_call")) {
                let calls = call.list("functionCalls").or_else(|| call.list("function_calls"));
                let calls = calls.unwrap_or_default().iter().map(|call| incoming(call)).collect();
                return Ok(Turn { calls, form: Form::Live, ..Turn::default() });
            }
            if OF_LIVE.iter().any(|name| fields.raw(name).is_some()) {
                return Ok(Turn { form: Form::Live, ..Turn::default() });
            }
            let candidate = fields.list("candidates").and_then(|all| Fields::of(all.first()?));
            cut_off = candidate.as_ref().is_some_and(is_cut_off);
            let calls_nothing =
                fields.text("role").is_some() || OF_A_RESPONSE.iter().any(|name| fields.raw(name).is_some());
            let content = candidate.and_then(|one| one.object("content")).unwrap_or(fields);
            match content.list("parts") {
                Some(parts) => parts,
                None if function_call(&content).is_some() => vec![raw],
                None if calls_nothing => Vec::new(),
                None => return Err(Malformed::new(expected)),
            }
        }
    };
    let call = |part: &&RawValue| Some(incoming(function_call(&Fields::of(part)?)?));
    let mut calls: Vec<IncomingCall> = parts.iter().filter_map(call).collect();
    let ends_with_call = parts.last().is_some_and(|last| call(last).is_some());
    if let (true, Some(last)) = (cut_off && ends_with_call, calls.last_mut()) {
        last.refused.get_or_insert(CUT_OFF);
    }
    Ok(Turn { calls, ..Turn::default() })
}

/// Whether a candidate ended in the middle of what it says.
fn is_cut_off(candidate: &Fields<'_>) -> bool {
    let why = candidate.text("finishReason").or_else(|| candidate.text("finish_reason"));
    why.is_some_and(|why| why == "MAX_TOKENS")
}

fn function_call<'a>(part: &Fields<'a>) -> Option<&'a RawValue> {
    part.raw("functionCall").or_else(|| part.raw("function_call"))
}

/// A call; its id may be missing, and the order tells which is which.
fn incoming(raw: &RawValue) -> IncomingCall {
    let fields = Fields::of(raw).unwrap_or_default();
    let id = fields.text("id").filter(|id| !id.is_empty());
    let placeholder = Some("unnamed".to_owned());
    let call = IncomingCall::new(id.clone().or(placeholder), fields.text("name"), fields.raw("args"));
    IncomingCall { id, ..call }
}

#[derive(Serialize)]
struct FunctionResponse<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    name: &'a str,
    response: Response,
}

/// What the function gave: `output` or `error`, as Gemini names them.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Response {
    Output(Box<RawValue>),
    Error(String),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    function_response: FunctionResponse<'a>,
}

#[derive(Serialize)]
struct Content<'a> {
    role: &'static str,
    parts: Vec<Part<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Live<'a> {
    tool_response: ToolResponse<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolResponse<'a> {
    function_responses: Vec<FunctionResponse<'a>>,
}

/// The content to append, `{role: user, parts: [{functionResponse}]}`, or for Live the message to
/// send, `{toolResponse: {functionResponses}}`; in the order of the calls.
pub fn encode(turn: &Turn<Form>, outcomes: &[Outcome]) -> String {
    let responses = turn.calls.iter().zip(outcomes).map(|(call, outcome)| {
        let output = RawValue::from_string(outcome_json(outcome).into_owned()).ok();
        FunctionResponse {
            id: call.id.as_deref(),
            name: &call.name,
            response: match output.filter(|_| !outcome.is_error()) {
                Some(output) => Response::Output(output),
                None => Response::Error(text(outcome)),
            },
        }
    });
    let written = match turn.form {
        Form::Live => {
            let function_responses = responses.collect();
            serde_json::to_string(&Live { tool_response: ToolResponse { function_responses } })
        }
        Form::Parts => {
            let parts = responses.map(|function_response| Part { function_response }).collect();
            serde_json::to_string(&Content { role: "user", parts })
        }
    };
    written.unwrap_or_default()
}
