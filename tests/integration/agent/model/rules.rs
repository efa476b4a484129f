//! What the providers refuse: requests that a gateway may never make.

use std::collections::{BTreeMap, BTreeSet};

use async_openai::types::chat::CreateChatCompletionRequest;
use async_openai::types::responses::CreateResponse;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::asked::{Asked, Form, Role, list, tool_values};

/// Why the provider would answer 400, in its sense if not in its words.
pub(super) fn refusal(asked: &Asked) -> Option<String> {
    let form = match asked.form {
        Form::Chat => known::<CreateChatCompletionRequest>(&asked.body).or_else(|| chat(&asked.body)),
        Form::Responses => known::<CreateResponse>(&asked.body),
        Form::Anthropic => anthropic(asked),
        Form::Gemini => gemini(asked),
    };
    form.or_else(|| head(asked)).or_else(|| tools(asked)).or_else(|| rounds(asked))
}

/// The body is of the vendor's type, and has no member that the type does not have.
fn known<T: DeserializeOwned + Serialize>(body: &Value) -> Option<String> {
    let typed: T = match serde_json::from_value(body.clone()) {
        Ok(typed) => typed,
        Err(error) => return Some(error.to_string()),
    };
    let back = serde_json::to_value(&typed).unwrap();
    let members = body.as_object().into_iter().flatten();
    let mut unknown = members.filter(|(name, value)| !value.is_null() && back.get(name).is_none());
    unknown.next().map(|(name, _)| format!("Unrecognized request argument supplied: {name}"))
}

/// What stands in the head of every request.
fn head(asked: &Asked) -> Option<String> {
    let kind = asked.header("content-type").unwrap_or_default();
    if !kind.starts_with("application/json") {
        return Some(format!("the content type is {kind:?}"));
    }
    if asked.model.is_empty() {
        return Some("you must provide a model parameter".to_owned());
    }
    asked.messages.is_empty().then(|| "there is no message".to_owned())
}

fn chat(body: &Value) -> Option<String> {
    for name in ["tool_choice", "parallel_tool_calls"] {
        if body.get(name).is_some() && body.get("tools").is_none() {
            return Some(format!("'{name}' is only allowed when 'tools' are specified."));
        }
    }
    if body["stream_options"].is_object() && body["stream"] != true {
        return Some("'stream_options' is only allowed when 'stream' is enabled.".to_owned());
    }
    let calls = list(&body["messages"]).iter().flat_map(|message| list(&message["tool_calls"]));
    let mut broken = calls.filter(|call| {
        let text = call["function"]["arguments"].as_str().unwrap_or_default();
        !serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object())
    });
    broken.next().map(|call| format!("the arguments are no JSON object: {call}"))
}

fn anthropic(asked: &Asked) -> Option<String> {
    let body = &asked.body;
    if asked.header("anthropic-version") != Some("2023-06-01") {
        return Some("anthropic-version: header is required".to_owned());
    }
    if body["max_tokens"].as_u64().is_none_or(|tokens| tokens == 0) {
        return Some("max_tokens: Field required".to_owned());
    }
    if body.get("tools").is_none() {
        let has_calls = asked.messages.iter().any(|said| !said.calls.is_empty() || !said.results.is_empty());
        if has_calls {
            return Some(
                "Requests which include `tool_use` or `tool_result` blocks must define tools".to_owned(),
            );
        }
        if body.get("tool_choice").is_some() {
            return Some("tool_choice may only be specified while providing tools".to_owned());
        }
    }
    let messages = list(&body["messages"]);
    if messages.first().is_some_and(|message| message["role"] != "user") {
        return Some("messages: first message must use the \"user\" role".to_owned());
    }
    for pair in messages.windows(2) {
        if pair[0]["role"] == pair[1]["role"] {
            return Some("messages: roles must alternate between \"user\" and \"assistant\"".to_owned());
        }
    }
    for message in messages {
        if !["user", "assistant"].iter().any(|role| message["role"] == *role) {
            return Some(format!("messages: unexpected role {}", message["role"]));
        }
        if message["content"].as_str() == Some("") || message["content"] == json!([]) {
            return Some("messages: content must be non-empty".to_owned());
        }
        let blocks = list(&message["content"]);
        let is_empty = |block: &Value| block["text"].as_str().is_some_and(|text| text.trim().is_empty());
        if blocks.iter().any(|block| block["type"] == "text" && is_empty(block)) {
            return Some("messages: text content blocks must contain non-whitespace text".to_owned());
        }
        let is_result = |block: &Value| block["type"] == "tool_result";
        let first_other = blocks.iter().position(|block| !is_result(block)).unwrap_or(blocks.len());
        if blocks[first_other..].iter().any(is_result) {
            return Some("messages: `tool_result` blocks must come first".to_owned());
        }
    }
    None
}

fn gemini(asked: &Asked) -> Option<String> {
    if asked.stream && !asked.path.ends_with("alt=sse") {
        return Some("the answer would be one JSON list: ask with alt=sse".to_owned());
    }
    let contents = list(&asked.body["contents"]);
    for content in contents {
        if !["user", "model"].iter().any(|role| content["role"] == *role) {
            return Some(format!("Please use a valid role: user, model. It was {}", content["role"]));
        }
        if list(&content["parts"]).is_empty() {
            return Some("contents.parts must not be empty.".to_owned());
        }
    }
    if contents.first().is_some_and(|content| content["role"] != "user") {
        return Some("Please ensure that the first turn is a user turn.".to_owned());
    }
    // The current turn begins with what the user said last
    // (https://ai.google.dev/gemini-api/docs/thought-signatures).
    let has_text = |content: &&Value| {
        content["role"] == "user" && list(&content["parts"]).iter().any(|part| part.get("text").is_some())
    };
    let turn = contents.iter().rev().take_while(|content| !has_text(content));
    let calls = turn
        .filter_map(|content| list(&content["parts"]).iter().find(|part| part.get("functionCall").is_some()));
    let unsigned = calls.into_iter().find(|part| part["thoughtSignature"].as_str().is_none_or(str::is_empty));
    let asks_for_it = asked.model.starts_with("gemini-3");
    unsigned.filter(|_| asks_for_it).map(|part| {
        format!(
            "Function call is missing a thought_signature in functionCall parts: {}",
            part["functionCall"]
        )
    })
}

/// The tools have names that can be told apart and parameters that are an object.
fn tools(asked: &Asked) -> Option<String> {
    let mut names = BTreeSet::new();
    for tool in tool_values(asked.form, &asked.body) {
        let name = tool["name"].as_str().unwrap_or_default();
        let is_plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if !is_plain || !(1..=64).contains(&name.len()) {
            return Some(format!("the name of a tool must match ^[a-zA-Z0-9_-]{{1,64}}$: {name:?}"));
        }
        if !names.insert(name) {
            return Some(format!("tools: Tool names must be unique: {name}"));
        }
        let parameters = match asked.form {
            Form::Anthropic => tool.get("input_schema"),
            Form::Gemini => tool.get("parameters").or_else(|| tool.get("parametersJsonSchema")),
            Form::Chat | Form::Responses => tool.get("parameters"),
        };
        // Gemini writes the names of types in capitals as well.
        let is_object =
            |schema: &Value| schema["type"].as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("object"));
        let may_be_absent = asked.form == Form::Gemini;
        if !parameters.map_or(may_be_absent, is_object) {
            return Some(format!("the parameters of {name} must be of type object"));
        }
    }
    None
}

/// Every call is answered by the next message, and nothing else is.
fn rounds(asked: &Asked) -> Option<String> {
    let mut open: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for said in &asked.messages {
        if said.role == Role::Tool {
            for result in &said.results {
                // Gemini tells calls apart by their names, and by ids where they have some.
                let key = match asked.form {
                    Form::Gemini => (result.call_id.as_str(), result.name.as_str()),
                    _ => (result.call_id.as_str(), ""),
                };
                match open.get_mut(&key) {
                    Some(1) => _ = open.remove(&key),
                    Some(count) => *count -= 1,
                    None => return Some(format!("a result without its call: {key:?}")),
                }
            }
            if !open.is_empty() {
                return Some(format!("calls without a result: {:?}", open.keys()));
            }
            continue;
        }
        if !open.is_empty() {
            return Some(format!("calls without a result: {:?}", open.keys()));
        }
        for call in &said.calls {
            let key = match asked.form {
                Form::Gemini => (call.id.as_str(), call.name.as_str()),
                _ => (call.id.as_str(), ""),
            };
            let count = open.entry(key).or_default();
            *count += 1;
            if asked.form != Form::Gemini && (call.id.is_empty() || *count > 1) {
                return Some(format!("the ids of calls must be there and unique: {:?}", call.id));
            }
        }
    }
    (!open.is_empty()).then(|| format!("calls without a result: {:?}", open.keys()))
}
