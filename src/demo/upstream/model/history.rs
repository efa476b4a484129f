//! A conversation as the model sees it: what was said, which tools were called and what they returned.

use serde_json::Value;

/// A message of a conversation.
#[derive(Debug)]
pub(super) enum Line {
    User(String),
    Assistant(String),
    /// A call and its result.
    Done(Done),
}

/// A call of a tool that has been answered.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) name: String,
    pub(super) arguments: Value,
    /// What it returned: the body, where the gateway tells more than that.
    pub(super) body: Value,
    /// Why it failed, in the gateway's words.
    pub(super) error: Option<String>,
    /// What the service itself says of the failure.
    pub(super) reason: Option<String>,
}

/// The messages of a request in OpenAI's form. System messages are left out: a script has no character.
pub(super) fn lines(request: &Value) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut calls: Vec<(&str, &Value)> = Vec::new();
    for message in list(&request["messages"]) {
        match message["role"].as_str() {
            Some("user") => lines.push(Line::User(text(&message["content"]))),
            Some("assistant") => {
                let text = text(&message["content"]);
                if !text.is_empty() {
                    lines.push(Line::Assistant(text));
                }
                let made = list(&message["tool_calls"]).iter();
                calls.extend(made.filter_map(|call| Some((call["id"].as_str()?, &call["function"]))));
            }
            Some("tool") => {
                let id = message["tool_call_id"].as_str().unwrap_or_default();
                // Ids may come again in later rounds.
                if let Some((_, function)) = calls.iter().rev().find(|(known, _)| *known == id) {
                    lines.push(Line::Done(done(function, &text(&message["content"]))));
                }
            }
            _ => {}
        }
    }
    lines
}

fn done(function: &Value, content: &str) -> Done {
    let written = function["arguments"].as_str().unwrap_or_default();
    let result: Value = serde_json::from_str(content).unwrap_or_else(|_| Value::String(content.to_owned()));
    // The body alone, or what the gateway tells beside it.
    let is_told = ["error", "variables", "headers", "handover"].iter().any(|name| result.get(name).is_some());
    let error = result["error"]["message"].as_str().filter(|_| result["error"].get("effect").is_some());
    let body = if is_told { result["body"].clone() } else { result.clone() };
    Done {
        name: function["name"].as_str().unwrap_or_default().to_owned(),
        arguments: serde_json::from_str(written).unwrap_or_default(),
        reason: body["error"]["message"].as_str().map(str::to_owned),
        error: error.map(str::to_owned),
        body,
    }
}

/// The elements of a list; none where it is something else.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A text, or the texts of a list of parts.
fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        parts => list(parts).iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join(" "),
    }
}
