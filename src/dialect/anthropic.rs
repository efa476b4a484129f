//! Anthropic Messages.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::fields::{Fields, body, list};
use super::openai_chat::CUT_OFF;
use super::spec::Prepared;
use super::text::text;
use super::turn::{IncomingCall, Malformed, Outcome, Turn};

/// The `stop_reason`s of a message that may end in the middle of a block.
const CUT_SHORT: [&str; 3] = ["max_tokens", "model_context_window_exceeded", "refusal"];

/// One entry of `tools`: `{name, description, input_schema}`.
pub(super) fn spec(prepared: Prepared<'_>) -> Value {
    json!({
        "name": prepared.tool.name,
        "description": prepared.description,
        "input_schema": prepared.schema,
    })
}

/// Reads a message, its `content`, or one `tool_use` block. Blocks of other types, among them tools
/// that Anthropic runs itself (`server_tool_use`, `mcp_tool_use`), are left alone.
///
/// # Errors
///
/// The body is none of them.
pub fn decode(bytes: &[u8]) -> Result<Turn<()>, Malformed> {
    let raw = body(bytes)?;
    let expected = "expected a message with `content`, the list of its blocks, or one `tool_use` block";
    let (blocks, cut_off) = match list(raw) {
        Some(blocks) => (blocks, false),
        None => {
            let fields = Fields::of(raw).ok_or_else(|| Malformed::new(expected))?;
            let cut_off = fields.text("stop_reason").is_some_and(|why| CUT_SHORT.contains(&why.as_str()));
            match fields.list("content") {
                Some(blocks) => (blocks, cut_off),
                // A message in words.
                None if fields.text("content").is_some() => (Vec::new(), cut_off),
                None if fields.text("type").is_some_and(|kind| kind == "tool_use") => (vec![raw], false),
                None => return Err(Malformed::new(expected)),
            }
        }
    };
    let mut calls: Vec<IncomingCall> = blocks.iter().filter_map(|block| incoming(block)).collect();
    let ends_with_call = blocks.last().is_some_and(|last| incoming(last).is_some());
    if let (true, Some(last)) = (cut_off && ends_with_call, calls.last_mut()) {
        last.refused.get_or_insert(CUT_OFF);
    }
    Ok(Turn { calls, ..Turn::default() })
}

fn incoming(raw: &RawValue) -> Option<IncomingCall> {
    let fields = Fields::of(raw)?;
    fields.text("type").filter(|kind| kind == "tool_use")?;
    Some(IncomingCall::new(fields.text("id"), fields.text("name"), fields.raw("input")))
}

/// A `tool_result` block.
#[derive(Debug, Serialize)]
struct Block<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    tool_use_id: &'a str,
    content: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_error: bool,
}

/// The message to append: `{role: user, content: [tool_result, …]}`, in the order of the calls.
///
/// Whatever else the user says in the turn belongs after these blocks.
pub fn encode(turn: &Turn<()>, outcomes: &[Outcome]) -> String {
    let blocks: Vec<Block<'_>> = turn
        .calls
        .iter()
        .zip(outcomes)
        .map(|(call, outcome)| Block {
            kind: "tool_result",
            tool_use_id: call.id.as_deref().unwrap_or_default(),
            content: text(outcome),
            is_error: outcome.is_error(),
        })
        .collect();
    json!({"role": "user", "content": blocks}).to_string()
}
