//! The request.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use crate::cut::cut;
use crate::history::{Answer, Made, NEUTRAL, Spoken, Step, steps};
use crate::message::{Request, ToolChoice};
use crate::provider::Provider;

/// What is asked for where nobody says: the member is required.
const DEFAULT_MAX_TOKENS: u32 = 1024;

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    max_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<String>,
    messages: Vec<Message<'a>>,
    stream: bool,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tools: &'a [Arc<RawValue>],
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Vec<Block<'a>>,
}

/// One of `content`. What is long is borrowed.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block<'a> {
    Text {
        text: Cow<'a, str>,
    },
    ToolResult {
        tool_use_id: String,
        /// An empty text is refused; no content is none.
        #[serde(skip_serializing_if = "Option::is_none")]
        content: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        is_error: Option<bool>,
    },
    #[serde(untagged)]
    Own(Value),
}

/// Writes the body of a request.
///
/// Roles alternate and the caller begins. System messages before anybody has spoken belong to `system`; a later
/// one is a text of the user that says what it is, at the place where it was said: only there does it mean
/// what it was meant to.
pub(crate) fn body(request: &Request<'_>) -> String {
    let steps = steps(request.messages, Provider::Anthropic, request.origin);
    let tools = tools(request, &steps);
    let mut system = vec![request.system];
    let mut messages: Vec<Message<'_>> = Vec::new();
    for step in steps {
        match step {
            Step::System(text) if messages.is_empty() => system.push(text),
            Step::System(text) => {
                add(&mut messages, "user", [Block::Text { text: format!("[system] {text}").into() }]);
            }
            Step::User(text) => add(&mut messages, "user", [Block::Text { text: text.into() }]),
            Step::Assistant(spoken) => {
                if messages.is_empty() {
                    add(&mut messages, "user", [Block::Text { text: NEUTRAL.into() }]);
                }
                add(&mut messages, "assistant", assistant(&spoken).into_iter().map(Block::Own));
            }
            Step::Results(answers) => {
                add(&mut messages, "user", answers.into_iter().map(result));
            }
        }
    }
    system.retain(|text| !text.trim().is_empty());
    let tool_choice = match (request.tool_choice, request.parallel_tool_calls) {
        _ if tools.is_empty() => None,
        (ToolChoice::None, _) => Some(json!({"type": "none"})),
        // Tools that only the history needs.
        _ if request.tools.is_empty() => Some(json!({"type": "none"})),
        (ToolChoice::Auto, Some(false)) => Some(json!({"type": "auto", "disable_parallel_tool_use": true})),
        (ToolChoice::Auto, _) => None,
    };
    let body = Body {
        model: request.model,
        max_tokens: request.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS),
        system: Some(system.join("\n\n")).filter(|text| !text.is_empty()),
        messages,
        stream: true,
        tools: &tools,
        tool_choice,
        temperature: request.temperature.filter(|number| number.is_finite()),
    };
    serde_json::to_string(&body).unwrap_or_default()
}

/// What came of a call.
fn result(answer: Answer<'_>) -> Block<'_> {
    Block::ToolResult {
        tool_use_id: answer.id,
        content: Some(answer.content).filter(|content| !content.trim().is_empty()),
        is_error: answer.is_error.then_some(true),
    }
}

/// The tools. A history with calls is refused without any, so there are some that only bear the names then.
fn tools<'a>(request: &Request<'a>, steps: &[Step<'_>]) -> Cow<'a, [Arc<RawValue>]> {
    if !request.tools.is_empty() {
        return Cow::Borrowed(request.tools);
    }
    let calls = steps.iter().flat_map(|step| match step {
        Step::Assistant(spoken) => spoken.calls.as_slice(),
        Step::System(_) | Step::User(_) | Step::Results(_) => &[],
    });
    let names: BTreeSet<&str> = calls.map(|made| &*made.name).collect();
    let tool = |name| to_raw_value(&json!({"name": name, "input_schema": {"type": "object"}})).ok();
    Cow::Owned(names.into_iter().filter_map(tool).map(Arc::from).collect())
}

/// Appends to the last message if it has the same role, else as a new one.
fn add<'a>(messages: &mut Vec<Message<'a>>, role: &'static str, blocks: impl IntoIterator<Item = Block<'a>>) {
    let blocks: Vec<Block<'a>> = blocks.into_iter().collect();
    match messages.last_mut() {
        _ if blocks.is_empty() => {}
        Some(last) if last.role == role => last.content.extend(blocks),
        _ => messages.push(Message { role, content: blocks }),
    }
}

/// The blocks of a message.
fn assistant(spoken: &Spoken<'_>) -> Vec<Value> {
    let own = spoken.raw.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_text = |block: &Value| block["type"] == "text" && block["text"].is_string();
    let texts: Vec<&str> =
        own.iter().filter(|block| is_text(block)).filter_map(|block| block["text"].as_str()).collect();
    let (mut parts, rest) = match cut(&texts, spoken.text) {
        Some(cut) => (Some(cut.parts.into_iter()), cut.rest),
        None => (None, String::new()),
    };
    let mut blocks = Vec::new();
    let mut sent: Vec<&str> = Vec::new();
    for block in own.iter().filter(|block| block["type"].is_string()) {
        let mut block = block.clone();
        if is_text(&block) {
            if let Some(parts) = &mut parts {
                let left = parts.next().unwrap_or_default();
                // Citations are about the whole text.
                if block["text"] != left.as_str()
                    && let Some(block) = block.as_object_mut()
                {
                    block.shift_remove("citations");
                }
                block["text"] = Value::from(left);
            }
            if block["text"].as_str().is_some_and(|text| text.trim().is_empty()) {
                continue;
            }
        } else if block["type"] == "tool_use" {
            let id = block["id"].as_str().unwrap_or_default();
            let mut unsent = spoken.calls.iter().filter(|made| !sent.contains(&made.id.as_str()));
            let Some(made) = unsent.find(|made| made.call.id == id) else { continue };
            sent.push(&made.id);
            block["id"] = Value::from(made.id.as_str());
            block["name"] = Value::from(&*made.name);
            if !block["input"].is_object() {
                block["input"] = made.arguments();
            }
        }
        blocks.push(block);
    }
    if !rest.trim().is_empty() {
        blocks.push(json!({"type": "text", "text": rest}));
    }
    blocks.extend(spoken.calls.iter().filter(|made| !sent.contains(&made.id.as_str())).map(call));
    // A message may not end with thinking.
    let is_thinking = |block: &Value| block["type"] == "thinking" || block["type"] == "redacted_thinking";
    while blocks.last().is_some_and(is_thinking) {
        blocks.pop();
    }
    blocks
}

fn call(made: &Made<'_>) -> Value {
    json!({"type": "tool_use", "id": made.id, "name": made.name, "input": made.arguments()})
}
