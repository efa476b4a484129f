//! OpenAI Chat Completions.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::fields::{Fields, body, list};
use super::spec::Prepared;
use super::text::text;
use super::turn::{IncomingCall, Malformed, Outcome, Turn};

/// What the last call of an answer that was cut off may lack.
pub(super) const CUT_OFF: &str =
    "The model's answer was cut off, so the arguments may be incomplete. It was not executed; call it again.";

/// One entry of `tools`: `{type: function, function: {name, description, parameters, strict}}`.
///
/// `strict` is false where it is left out, and left out where it is false.
pub(super) fn spec(prepared: Prepared<'_>, strict: bool) -> Value {
    let mut function = json!({
        "name": prepared.tool.name,
        "description": prepared.description,
        "parameters": prepared.schema,
    });
    if strict {
        function["strict"] = json!(true);
    }
    json!({"type": "function", "function": function})
}

/// Reads an assistant message, its `tool_calls`, or a whole completion.
///
/// # Errors
///
/// The body is none of them.
pub fn decode(bytes: &[u8]) -> Result<Turn<()>, Malformed> {
    let raw = body(bytes)?;
    if let Some(calls) = list(raw) {
        return Ok(turn(&calls, false));
    }
    let expected = "expected an assistant message with `tool_calls`, or the list of `tool_calls`";
    let fields = Fields::of(raw).ok_or_else(|| Malformed::new(expected))?;
    let choice = fields.list("choices").and_then(|choices| Fields::of(choices.first()?));
    let cut_off =
        choice.as_ref().and_then(|choice| choice.text("finish_reason")).is_some_and(|why| why == "length");
    let message = choice.and_then(|choice| choice.object("message")).unwrap_or(fields);
    match message.list("tool_calls") {
        Some(calls) => Ok(turn(&calls, cut_off)),
        // An answer in words calls nothing.
        None if message.text("role").is_some() => Ok(Turn::default()),
        None => Err(Malformed::new(expected)),
    }
}

fn turn(calls: &[&RawValue], cut_off: bool) -> Turn<()> {
    let mut calls: Vec<IncomingCall> = calls.iter().map(|call| incoming(call)).collect();
    if let (true, Some(last)) = (cut_off, calls.last_mut()) {
        last.refused.get_or_insert(CUT_OFF);
    }
    Turn { calls, ..Turn::default() }
}

fn incoming(raw: &RawValue) -> IncomingCall {
    let fields = Fields::of(raw).unwrap_or_default();
    let id = fields.text("id");
    match fields.object("function") {
        Some(function) => IncomingCall::new(id, function.text("name"), function.raw("arguments")),
        None => IncomingCall::refused(id, None, "This is no function call. It was not executed."),
    }
}

/// A message of role `tool`.
#[derive(Debug, Serialize)]
struct Message<'a> {
    role: &'static str,
    tool_call_id: &'a str,
    content: String,
}

/// The messages to append, in the order of the calls: `[{role: tool, tool_call_id, content}]`.
pub fn encode(turn: &Turn<()>, outcomes: &[Outcome]) -> String {
    let messages: Vec<Message<'_>> = turn
        .calls
        .iter()
        .zip(outcomes)
        .map(|(call, outcome)| Message {
            role: "tool",
            tool_call_id: call.id.as_deref().unwrap_or_default(),
            content: text(outcome),
        })
        .collect();
    serde_json::to_string(&messages).unwrap_or_default()
}
