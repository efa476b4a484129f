//! OpenAI Responses.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::fields::{Fields, body, list};
use super::spec::Prepared;
use super::text::text;
use super::turn::{IncomingCall, Malformed, Outcome, Turn};

/// Why an item that is not `completed` is not executed.
pub(super) const INCOMPLETE: &str = "This tool call was not completed, so it was not executed.";

/// One entry of `tools`: `{type: function, name, description, parameters, strict}`.
///
/// `strict` is always written: where it is left out, Responses tries it by itself.
pub(super) fn spec(prepared: Prepared<'_>, strict: bool) -> Value {
    json!({
        "type": "function",
        "name": prepared.tool.name,
        "description": prepared.description,
        "parameters": prepared.schema,
        "strict": strict,
    })
}

/// Reads a response, its `output`, or one `function_call` item. Items of other types are left alone.
///
/// # Errors
///
/// The body is none of them.
pub fn decode(bytes: &[u8]) -> Result<Turn<()>, Malformed> {
    let raw = body(bytes)?;
    let items = match list(raw) {
        Some(items) => items,
        None => {
            let expected =
                "expected a response with `output`, the list of its items, or one `function_call` item";
            let fields = Fields::of(raw).ok_or_else(|| Malformed::new(expected))?;
            match fields.list("output") {
                Some(items) => items,
                None if fields.text("type").is_some_and(|kind| kind == "function_call") => vec![raw],
                None => return Err(Malformed::new(expected)),
            }
        }
    };
    let calls = items.iter().filter_map(|item| incoming(item, "completed")).collect();
    Ok(Turn { calls, ..Turn::default() })
}

/// A `function_call` item; `None` for an item of another type.
///
/// `status` is `completed`, `incomplete` or `in_progress`; `absent` is what one without it is.
pub(super) fn incoming(raw: &RawValue, absent: &str) -> Option<IncomingCall> {
    let fields = Fields::of(raw)?;
    fields.text("type").filter(|kind| kind == "function_call")?;
    let (id, name) = (fields.text("call_id"), fields.text("name"));
    let status = fields.text("status").unwrap_or_else(|| absent.to_owned());
    Some(match status.as_str() {
        "completed" => IncomingCall::new(id, name, fields.raw("arguments")),
        _ => IncomingCall::refused(id, name, INCOMPLETE),
    })
}

/// A `function_call_output` item.
#[derive(Debug, Serialize)]
pub(super) struct Output<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    call_id: &'a str,
    output: String,
}

impl<'a> Output<'a> {
    pub(super) fn new(call: &'a IncomingCall, outcome: &Outcome) -> Self {
        Self {
            kind: "function_call_output",
            call_id: call.id.as_deref().unwrap_or_default(),
            output: text(outcome),
        }
    }
}

/// The items to append to `input`, in the order of the calls.
pub fn encode(turn: &Turn<()>, outcomes: &[Outcome]) -> String {
    let items: Vec<Output<'_>> =
        turn.calls.iter().zip(outcomes).map(|(call, outcome)| Output::new(call, outcome)).collect();
    serde_json::to_string(&items).unwrap_or_default()
}
