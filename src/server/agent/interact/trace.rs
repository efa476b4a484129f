//! Traces: the parts of an answer.

use serde_json::{Value, json};

/// Types with a meaning of their own. No custom trace may have one.
const OWN: [&str; 20] = [
    "text",
    "speak",
    "choice",
    "visual",
    "cardV2",
    "carousel",
    "no-reply",
    "path",
    "flow",
    "block",
    "debug",
    "completion",
    "knowledgeBase",
    "log",
    "goto",
    "entity-filling",
    "stream",
    "channel-action",
    "audio",
    "launch",
];

/// Whether a type has a meaning of its own.
pub(super) fn is_own(kind: &str) -> bool {
    OWN.contains(&kind)
}

/// The type of a trace.
pub(super) fn kind(trace: &Value) -> &str {
    trace["type"].as_str().unwrap_or_default()
}

fn of(kind: &str, payload: Value) -> Value {
    json!({"type": kind, "payload": payload, "time": jiff::Timestamp::now().as_millisecond()})
}

/// Words of the agent, in rich form too: a block for each line.
pub(super) fn text(message: &str) -> Value {
    let lines = message.lines().map(|line| json!({"children": [{"text": line}]}));
    let slate = json!({"id": "dummy", "content": lines.collect::<Vec<_>>()});
    of("text", json!({"slate": slate, "message": message}))
}

/// Words while the person waits.
pub(super) fn speak(message: &str) -> Value {
    of("speak", json!({"type": "message", "message": message}))
}

/// Buttons.
pub(super) fn choice(buttons: &[Value]) -> Value {
    of("choice", json!({"buttons": buttons}))
}

/// The buttons in `choice` of a fixed answer: texts, or objects with a `name`.
pub(super) fn buttons(choice: &Value) -> Vec<Value> {
    let list = choice.as_array().or_else(|| choice.get("buttons")?.as_array());
    let button = |written: &Value| {
        let name =
            written.as_str().or_else(|| written.get("name")?.as_str()).filter(|name| !name.is_empty())?;
        let request = written.get("request").filter(|request| request["type"].is_string());
        let request = request.cloned().unwrap_or_else(|| json!({"type": "text", "payload": name}));
        Some(json!({"name": name, "request": request}))
    };
    list.into_iter().flatten().filter_map(button).collect()
}

/// A task for the client. It answers with a request whose type is that of one of the `paths`.
pub(super) fn custom(kind: &str, payload: Value, paths: Value) -> Value {
    let mut trace = of(kind, payload);
    trace["defaultPath"] = 0.into();
    trace["paths"] = paths;
    trace
}

/// Information for developers of the client.
pub(super) fn debug(kind: &str, message: &str) -> Value {
    of("debug", json!({"type": kind, "message": message}))
}

/// An entry of the log, with its level.
pub(super) fn log(kind: &str, level: &str, message: Value) -> Value {
    of("log", json!({"kind": kind, "level": level, "message": message}))
}

/// How long the client waits for the person before it sends `no-reply`.
pub(super) fn no_reply(seconds: f64) -> Value {
    of("no-reply", json!({"timeout": seconds}))
}

/// The end of the conversation.
pub(super) fn end() -> Value {
    of("end", Value::Null)
}

/// The start of an answer in pieces.
pub(super) fn completion_start() -> Value {
    of("completion", json!({"state": "start"}))
}

/// A piece of such an answer.
pub(super) fn completion_content(content: &str) -> Value {
    of("completion", json!({"state": "content", "content": content}))
}

/// The end of such an answer. If the turn ends too, it has the tokens of the whole turn.
pub(super) fn completion_end(tokens: Option<(u64, u64)>) -> Value {
    let mut payload = json!({"state": "end"});
    if let Some((query, answer)) = tokens {
        payload["tokens"] = json!({"query": query, "answer": answer, "total": query.saturating_add(answer)});
    }
    of("completion", payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_a_block_for_each_line() {
        let trace = text("One.\nTwo.");
        assert_eq!(trace["payload"]["message"], "One.\nTwo.");
        let blocks = json!([{"children": [{"text": "One."}]}, {"children": [{"text": "Two."}]}]);
        assert_eq!(trace["payload"]["slate"]["content"], blocks);
        assert!(trace["time"].as_i64().unwrap() > 1_700_000_000_000, "milliseconds");
    }

    #[test]
    fn buttons_are_texts_or_say_what_they_request() {
        let path = json!({"type": "path-1", "payload": {"label": "No"}});
        let expected = vec![
            json!({"name": "Yes", "request": {"type": "text", "payload": "Yes"}}),
            json!({"name": "No", "request": path}),
        ];
        let written = json!(["Yes", {"name": "No", "request": path}, 7, "", {"label": "?"}]);
        assert_eq!(buttons(&written), expected);
        assert_eq!(buttons(&json!({"buttons": written})), expected);
        for none in [json!(null), json!("Yes"), json!({}), json!({"buttons": 7})] {
            assert!(buttons(&none).is_empty(), "{none}");
        }
    }
}
