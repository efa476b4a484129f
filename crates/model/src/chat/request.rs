//! The request.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::Family;
use crate::history::{Answer, Made, Spoken, Step, steps};
use crate::message::{Request, ToolChoice};
use crate::provider::Provider;

/// The body. What is left out has OpenAI's default.
///
/// `stream_options` has no `include_obfuscation`: only OpenAI knows it, the form does not tell whose server
/// it is, and compatible servers that check their requests refuse a member they do not know. The padding that
/// OpenAI adds is skipped when it is read.
#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    stream: bool,
    stream_options: StreamOptions,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tools: &'a [Arc<RawValue>],
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
}

/// One of `messages`. What is long is borrowed.
#[derive(Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
enum Message<'a> {
    System {
        content: &'a str,
    },
    User {
        content: &'a str,
    },
    Tool {
        tool_call_id: String,
        content: &'a str,
    },
    #[serde(untagged)]
    Assistant(Value),
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

/// Writes the body of a request.
pub(crate) fn body(request: &Request<'_>) -> String {
    let family = Family::of(request.model);
    let reasons = family.reasons();
    let has_tools = !request.tools.is_empty();
    let mut messages = Vec::new();
    if !request.system.trim().is_empty() {
        messages.push(Message::System { content: request.system });
    }
    for step in steps(request.messages, Provider::OpenAi, request.origin) {
        match step {
            Step::System(content) => messages.push(Message::System { content }),
            Step::User(content) => messages.push(Message::User { content }),
            Step::Assistant(spoken) => messages.push(Message::Assistant(assistant(&spoken))),
            Step::Results(answers) => {
                let result = |Answer { id, content, .. }| Message::Tool { tool_call_id: id, content };
                messages.extend(answers.into_iter().map(result));
            }
        }
    }
    let body = Body {
        model: request.model,
        messages,
        stream: true,
        stream_options: StreamOptions { include_usage: true },
        tools: request.tools,
        tool_choice: (has_tools && request.tool_choice == ToolChoice::None).then_some("none"),
        parallel_tool_calls: request.parallel_tool_calls.filter(|_| has_tools && family.takes_parallel()),
        temperature: request.temperature.filter(|number| !reasons && number.is_finite()),
        max_tokens: request.max_tokens.filter(|_| !reasons),
        max_completion_tokens: request.max_tokens.filter(|_| reasons),
    };
    serde_json::to_string(&body).unwrap_or_default()
}

/// `{role: assistant, content, tool_calls}`, with the members that the provider added.
fn assistant(spoken: &Spoken<'_>) -> Value {
    let content = if spoken.text.trim().is_empty() { Value::Null } else { Value::from(spoken.text) };
    let mut message =
        Map::from_iter([("role".to_owned(), Value::from("assistant")), ("content".to_owned(), content)]);
    if spoken.calls.is_empty() {
        return Value::Object(message);
    }
    let raw = spoken.raw.and_then(|raw| raw.get("tool_calls")?.as_array()).map(Vec::as_slice);
    let calls = spoken.calls.iter().map(|made| {
        let own = raw.unwrap_or_default().iter().find(|call| call["id"] == made.call.id.as_str());
        call(own, made)
    });
    message.insert("tool_calls".to_owned(), calls.collect());
    for (name, value) in spoken.raw.and_then(Value::as_object).into_iter().flatten() {
        if !message.contains_key(name) {
            message.insert(name.clone(), value.clone());
        }
    }
    Value::Object(message)
}

/// One of `tool_calls`: as the provider sent it, or made of what is known.
fn call(own: Option<&Value>, made: &Made<'_>) -> Value {
    match own {
        Some(own) if own["function"]["arguments"].is_string() => {
            let mut call = own.clone();
            call["id"] = Value::from(made.id.as_str());
            call["function"]["name"] = Value::from(&*made.name);
            call
        }
        _ => json!({
            "id": made.id,
            "type": "function",
            "function": {"name": made.name, "arguments": made.arguments_text()},
        }),
    }
}
