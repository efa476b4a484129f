//! Vapi: function tools and the server URL they call.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::fields::{Fields, body};
use super::spec::{Prepared, SpecOptions};
use super::speech::vapi_messages;
use super::text::line;
use super::turn::{IncomingCall, Malformed, Outcome, Turn};

/// One tool as `POST /tool` takes it, or `model.tools` of an assistant. Vapi waits 1 to 300 seconds.
pub(super) fn spec(prepared: Prepared<'_>, base: &str, options: &SpecOptions<'_>) -> Value {
    let patience = prepared.patience(1, 300);
    let environment = options.environment;
    let mut spec = json!({
        "type": "function",
        "function": {
            "name": prepared.tool.name,
            "description": prepared.description,
            "parameters": prepared.schema,
        },
        "server": {
            "url": format!("{base}/webhooks/vapi/{environment}"),
            "timeoutSeconds": patience,
        },
    });
    let messages = vapi_messages(prepared.tool.speech);
    if !messages.is_empty() {
        spec["messages"] = Value::Array(messages);
    }
    spec
}

/// What Vapi posted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// `tool-calls`, answered with `results`.
    ToolCalls,
    /// The older `function-call`, answered with `result`.
    FunctionCall,
    /// `end-of-call-report`: the call is over.
    Ended,
    /// A message that asks for no tool: a status, a transcript.
    #[default]
    Other,
}

/// Reads a server message: every shape of `toolCallList` that Vapi documents or has sent.
///
/// | | |
/// |---|---|
/// | `{id, name, arguments: {…}}` | custom tools page |
/// | `{id, name, parameters: {…}}` | server events page |
/// | `{id, type, function: {name, arguments: "…"}}` | OpenAPI file |
/// | `{id, type, function: {name, arguments: {…}}}` | seen in customers' servers |
///
/// and the lists `toolCalls` and `toolWithToolCallList` where `toolCallList` is missing.
///
/// # Errors
///
/// The body is no server message.
pub fn decode(bytes: &[u8]) -> Result<Turn<Form>, Malformed> {
    let expected = "expected `{message: {type, …}}`";
    let fields = Fields::of(body(bytes)?).ok_or_else(|| Malformed::new(expected))?;
    let message = fields.object("message").ok_or_else(|| Malformed::new(expected))?;
    let conversation_id = ["call", "chat", "session"]
        .iter()
        .find_map(|name| message.object(name)?.text("id").filter(|id| !id.is_empty()));
    let kind = message.text("type").unwrap_or_default();
    let (calls, form) = match kind.as_str() {
        "tool-calls" => {
            let plain = message.list("toolCallList").or_else(|| message.list("toolCalls"));
            let calls = match plain.filter(|calls| !calls.is_empty()) {
                Some(calls) => calls.into_iter().map(|call| incoming(Fields::of(call))).collect(),
                None => {
                    let with_tools = message.list("toolWithToolCallList").unwrap_or_default();
                    let calls = with_tools.into_iter().map(Fields::of);
                    calls.map(|tool| incoming(tool.and_then(|tool| tool.object("toolCall")))).collect()
                }
            };
            (calls, Form::ToolCalls)
        }
        "function-call" => {
            let call = message.object("functionCall").unwrap_or_default();
            let arguments = call.raw("parameters").or_else(|| call.raw("arguments"));
            // It came before tool calls had ids.
            let id = call.text("id").unwrap_or_else(|| "function-call".to_owned());
            let call_id = call.text("id");
            let incoming = IncomingCall::new(Some(id), call.text("name"), arguments);
            (vec![IncomingCall { id: call_id, ..incoming }], Form::FunctionCall)
        }
        "end-of-call-report" => (Vec::new(), Form::Ended),
        _ => (Vec::new(), Form::Other),
    };
    Ok(Turn { calls, conversation_id, form })
}

fn incoming(call: Option<Fields<'_>>) -> IncomingCall {
    let call = call.unwrap_or_default();
    let function = call.object("function");
    let member =
        |name: &str| -> Option<&RawValue> { call.raw(name).or_else(|| function.as_ref()?.raw(name)) };
    let name = call.text("name").or_else(|| function.as_ref()?.text("name"));
    let arguments = member("arguments").or_else(|| member("parameters"));
    IncomingCall::new(call.text("id"), name, arguments)
}

/// One of `results`; `name` and `toolCallId` are required by Vapi's OpenAPI file, and the texts are
/// read up to the first line break.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    name: &'a str,
    tool_call_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// The answer, for HTTP status 200: Vapi reads no other.
pub fn encode(turn: &Turn<Form>, outcomes: &[Outcome]) -> String {
    match turn.form {
        Form::Ended | Form::Other => "{}".to_owned(),
        Form::FunctionCall => {
            let result = outcomes.first().map(line).unwrap_or_default();
            json!({ "result": result }).to_string()
        }
        Form::ToolCalls => {
            let results: Vec<Entry<'_>> = turn
                .calls
                .iter()
                .zip(outcomes)
                .map(|(call, outcome)| {
                    let (text, failed) = (line(outcome), outcome.is_error());
                    Entry {
                        name: &call.name,
                        tool_call_id: call.id.as_deref().unwrap_or_default(),
                        result: (!failed).then(|| text.clone()),
                        error: failed.then_some(text),
                    }
                })
                .collect();
            json!({ "results": results }).to_string()
        }
    }
}

/// The answer to a body that is no server message; for status 200 as well.
pub fn encode_malformed(problem: &Malformed) -> String {
    json!({"results": [], "error": problem.to_string().replace(['\n', '\r'], " ")}).to_string()
}
