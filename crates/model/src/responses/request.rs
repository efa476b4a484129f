//! The request.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::assembler::list;
use crate::chat::Family;
use crate::cut::cut;
use crate::history::{Made, Spoken, Step, steps};
use crate::message::{Request, ToolChoice};
use crate::provider::Provider;

/// The body. Nothing is stored at the provider: the conversation is ours, so reasoning has to come with the
/// items, encrypted. Models that do not reason refuse to be asked for that. As in Chat Completions, nobody is
/// asked to leave out the padding of the stream.
#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<&'a str>,
    input: Vec<Item<'a>>,
    stream: bool,
    store: bool,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    include: &'static [&'static str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tools: &'a [Arc<RawValue>],
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u32>,
}

/// One of `input`. What is long is borrowed.
#[derive(Serialize)]
#[serde(untagged)]
enum Item<'a> {
    Said { role: &'static str, content: &'a str },
    Result { r#type: &'static str, call_id: String, output: &'a str },
    Own(Value),
}

/// Writes the body of a request.
pub(crate) fn body(request: &Request<'_>) -> String {
    let family = Family::of(request.model);
    let has_tools = !request.tools.is_empty();
    let mut input = Vec::new();
    for step in steps(request.messages, Provider::OpenAiResponses, request.origin) {
        match step {
            Step::System(content) => input.push(Item::Said { role: "system", content }),
            Step::User(content) => input.push(Item::Said { role: "user", content }),
            Step::Assistant(spoken) => input.extend(assistant(&spoken).into_iter().map(Item::Own)),
            Step::Results(answers) => input.extend(answers.into_iter().map(|answer| Item::Result {
                r#type: "function_call_output",
                call_id: answer.id,
                output: answer.content,
            })),
        }
    }
    let body = Body {
        model: request.model,
        instructions: Some(request.system).filter(|text| !text.trim().is_empty()),
        input,
        stream: true,
        store: false,
        include: if family.reasons() { &["reasoning.encrypted_content"] } else { &[] },
        tools: request.tools,
        tool_choice: (has_tools && request.tool_choice == ToolChoice::None).then_some("none"),
        parallel_tool_calls: request.parallel_tool_calls.filter(|_| has_tools && family.takes_parallel()),
        temperature: request.temperature.filter(|number| !family.reasons() && number.is_finite()),
        max_output_tokens: request.max_tokens,
    };
    serde_json::to_string(&body).unwrap_or_default()
}

/// The items of a message.
///
/// Those of the provider go back without their `id`: nothing is stored that an id could stand for, and Azure
/// and others refuse ids then. Reasoning goes back if it came encrypted or in the open, and if what it led to
/// goes back too.
fn assistant(spoken: &Spoken<'_>) -> Vec<Value> {
    let own = spoken.raw.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let texts = own.iter().filter(|item| item["type"] == "message").flat_map(|item| list(item, "content"));
    let texts: Vec<&str> = texts.filter_map(words).collect();
    let cut = cut(&texts, spoken.text);
    let (mut parts, rest) = match cut {
        Some(cut) => (Some(cut.parts.into_iter()), cut.rest),
        None => (None, String::new()),
    };
    let mut items = Vec::new();
    let mut sent: Vec<&str> = Vec::new();
    for item in own {
        let mut item = item.clone();
        if let Some(item) = item.as_object_mut() {
            item.shift_remove("id");
        }
        match item["type"].as_str() {
            Some("message") => {
                if let (Some(parts), Some(content)) = (&mut parts, item["content"].as_array_mut()) {
                    shorten(content, parts);
                }
                let text: String = list(&item, "content").iter().filter_map(words).collect();
                if let Some(item) = item.as_object_mut().filter(|_| !text.is_empty()) {
                    // A message of parts needs an id, and one of text needs none.
                    item.shift_remove("status");
                    item.insert("content".to_owned(), Value::String(text));
                    items.push(Value::Object(std::mem::take(item)));
                }
            }
            Some("function_call") => {
                let id = item["call_id"].as_str().unwrap_or_default();
                let mut unsent = spoken.calls.iter().filter(|made| !sent.contains(&made.id.as_str()));
                let Some(made) = unsent.find(|made| made.call.id == id) else { continue };
                sent.push(&made.id);
                item["call_id"] = Value::from(made.id.as_str());
                item["name"] = Value::from(&*made.name);
                if !item["arguments"].is_string() {
                    item["arguments"] = Value::from(made.arguments_text());
                }
                items.push(item);
            }
            Some("reasoning") => {
                let has = |name: &str| !item[name].is_null() && item[name] != json!([]);
                if has("encrypted_content") || has("content") {
                    items.push(item);
                }
            }
            Some(_) => items.push(item),
            None => {}
        }
    }
    // Reasoning that nothing follows any more is refused.
    while items.last().is_some_and(|item| item["type"] == "reasoning") {
        items.pop();
    }
    if !rest.trim().is_empty() {
        items.insert(0, json!({"role": "assistant", "content": rest}));
    }
    items.extend(spoken.calls.iter().filter(|made| !sent.contains(&made.id.as_str())).map(call));
    items
}

/// The words of a part of a message.
fn words(part: &Value) -> Option<&str> {
    part["text"].as_str().or_else(|| part["refusal"].as_str())
}

/// Gives the parts of a message the words that are left of them, and drops those that have none.
fn shorten(content: &mut Vec<Value>, parts: &mut impl Iterator<Item = String>) {
    content.retain_mut(|part| {
        if words(part).is_none() {
            return true;
        }
        let left = parts.next().unwrap_or_default();
        let is_left = !left.is_empty();
        let name = if part["text"].is_string() { "text" } else { "refusal" };
        // What is said about places in the text is true of the whole only.
        if words(part) != Some(left.as_str()) && part["annotations"].is_array() {
            part["annotations"] = json!([]);
        }
        part[name] = Value::from(left);
        is_left
    });
}

fn call(made: &Made<'_>) -> Value {
    json!({
        "type": "function_call",
        "call_id": made.id,
        "name": made.name,
        "arguments": made.arguments_text(),
    })
}
