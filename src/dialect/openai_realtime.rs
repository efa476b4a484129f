//! OpenAI Realtime.

use serde_json::{Value, json};

use super::fields::{Fields, body};
use super::openai_responses::{INCOMPLETE, Output, incoming};
use super::spec::Prepared;
use super::turn::{Malformed, Outcome, Turn};

/// One entry of `session.tools`: `{type: function, name, description, parameters}`. There is no
/// `strict` here, so nothing but the gateway promises that arguments fit.
pub(super) fn spec(prepared: Prepared<'_>) -> Value {
    json!({
        "type": "function",
        "name": prepared.tool.name,
        "description": prepared.description,
        "parameters": prepared.schema,
    })
}

/// Reads a `response.done` or a `response.output_item.done` event.
///
/// Calls that are not `completed` are left out: they are not executed, and not answered either,
/// because the model did not finish asking.
///
/// # Errors
///
/// Another event. `response.function_call_arguments.done` among them, which comes also for a
/// response that was interrupted.
pub fn decode(bytes: &[u8]) -> Result<Turn<()>, Malformed> {
    let fields = Fields::of(body(bytes)?).ok_or_else(|| Malformed::new("expected a server event"))?;
    let kind = fields.text("type").unwrap_or_default();
    let items = match kind.as_str() {
        "response.done" => fields
            .object("response")
            .ok_or_else(|| Malformed::new("`response.done` holds no `response`"))?
            .list("output")
            .unwrap_or_default(),
        "response.output_item.done" => fields.raw("item").into_iter().collect(),
        "response.function_call_arguments.done" => {
            return Err(Malformed::new(
                "`response.function_call_arguments.done` comes for interrupted responses too; post `response.done`",
            ));
        }
        _ => return Err(Malformed::new("expected a `response.done` or `response.output_item.done` event")),
    };
    let calls = items.iter().filter_map(|item| incoming(item, "incomplete"));
    Ok(Turn { calls: calls.filter(|call| call.refused != Some(INCOMPLETE)).collect(), ..Turn::default() })
}

/// The events to send: one `conversation.item.create` for each call, then one `response.create`;
/// none where there was nothing to call.
pub fn encode(turn: &Turn<()>, outcomes: &[Outcome]) -> String {
    let mut events: Vec<Value> = turn
        .calls
        .iter()
        .zip(outcomes)
        .map(
            |(call, outcome)| json!({"type": "conversation.item.create", "item": Output::new(call, outcome)}),
        )
        .collect();
    if !events.is_empty() {
        // Once, after all of them: a second one while a response is under way is an error there.
        events.push(json!({"type": "response.create"}));
    }
    Value::Array(events).to_string()
}
