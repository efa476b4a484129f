//! A client's request: `action`, or `request`, its older name.

use serde_json::{Map, Value};

use crate::server::problem::{ProblemCode, ProblemDocument};

/// Longest text of a request for the model, in bytes.
const MAX_SAID: usize = 64 * 1024;
/// The text for the model if the person was silent for the time of a `no-reply` trace.
const SILENCE: &str = "[The person has said nothing.]";

/// A request, read leniently: if its type is unknown or its payload unusual, the model reads it as it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Action {
    /// Its type; `None` if the request is null.
    kind: Option<String>,
    payload: Value,
}

/// The answer to a custom trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// The text for the model.
    pub(super) content: String,
    pub(super) is_error: bool,
}

impl Action {
    /// Reads `action`.
    ///
    /// # Errors
    ///
    /// It is neither an object nor null.
    pub(super) fn read(written: &Value) -> Result<Self, ProblemDocument> {
        match written {
            Value::Null => Ok(Self { kind: None, payload: Value::Null }),
            Value::Object(members) => {
                let kind = members.get("type").and_then(Value::as_str).map(str::to_owned);
                let payload = members.get("payload").cloned().unwrap_or_default();
                Ok(Self { kind: kind.filter(|kind| !kind.is_empty()), payload })
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                let detail = "`action` must be an object such as {\"type\": \"text\", \"payload\": \"Hello\"}, or null";
                Err(ProblemDocument::new(ProblemCode::InvalidRequest, detail))
            }
        }
    }

    /// Whether it begins the conversation, or begins it anew.
    pub(super) fn is_launch(&self) -> bool {
        self.kind.as_deref() == Some("launch")
    }

    /// Whether it lets the agent go on by itself.
    pub(super) fn is_null(&self) -> bool {
        self.kind.is_none()
    }

    /// Whether the person has said and done nothing.
    pub(super) fn is_silence(&self) -> bool {
        match self.kind.as_deref() {
            None | Some("no-reply") => true,
            Some("text") => self.text().is_none(),
            Some(_) => false,
        }
    }

    /// What a request of the type `text` says.
    fn text(&self) -> Option<String> {
        let digits = |number: &Value| number.as_number().map(ToString::to_string);
        let payload = &self.payload;
        text_of(payload).or_else(|| payload.get("message").and_then(text_of)).or_else(|| digits(payload))
    }

    /// The answer to a custom trace that waits; `None` if the type of this request has a meaning of its own.
    ///
    /// # Errors
    ///
    /// The payload is too long.
    pub(super) fn answer(&self) -> Result<Option<Answer>, ProblemDocument> {
        const OTHERS: [&str; 7] = ["launch", "text", "intent", "event", "action", "no-reply", "end"];
        let Some(kind) = self.kind.as_deref() else { return Ok(None) };
        if OTHERS.contains(&kind) || kind.starts_with("path-") {
            return Ok(None);
        }
        let payload = match &self.payload {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        let (content, is_error) = match (kind, payload) {
            ("done", Some(payload)) => (payload, false),
            ("done", None) => (r#"{"status":"done"}"#.to_owned(), false),
            ("failed", Some(payload)) => (payload, true),
            ("failed", None) => (r#"{"status":"failed"}"#.to_owned(), true),
            (kind, _) => {
                let mut told = Map::from_iter([("path".to_owned(), Value::from(kind))]);
                if !self.payload.is_null() {
                    told.insert("payload".to_owned(), self.payload.clone());
                }
                (Value::Object(told).to_string(), false)
            }
        };
        bounded(content).map(|content| Some(Answer { content, is_error }))
    }

    /// What the person says or does, for the model; `None` if the agent goes on by itself.
    ///
    /// # Errors
    ///
    /// It is too long.
    pub(super) fn said(&self) -> Result<Option<String>, ProblemDocument> {
        let Some(kind) = self.kind.as_deref() else { return Ok(None) };
        let payload = &self.payload;
        let text = |name: &str| payload.get(name).and_then(text_of);
        let said = match kind {
            "launch" => return Ok(None),
            "no-reply" => SILENCE.to_owned(),
            "text" => self.text().unwrap_or_else(|| SILENCE.to_owned()),
            "intent" => self.intent(),
            "event" => self.event(),
            // A button: the person says its label.
            _ => match text("label").or_else(|| text("query")).or_else(|| text_of(payload)) {
                Some(said) => said,
                None => self.in_brackets(),
            },
        };
        bounded(said).map(Some)
    }

    /// An intent that the client's own NLU has found.
    fn intent(&self) -> String {
        let payload = &self.payload;
        let entities =
            payload.get("entities").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let told = entities.iter().filter_map(|entity| {
            let value = entity.get("value").or_else(|| entity.get("verboseValue"))?;
            let value = text_of(value).or_else(|| (!value.is_null()).then(|| value.to_string()))?;
            Some(format!("{}: {value}", text_of(entity.get("name")?)?))
        });
        let told: Vec<String> = told.collect();
        let query = ["query", "label"].iter().find_map(|name| payload.get(*name).and_then(text_of));
        let name = payload.pointer("/intent/name").and_then(text_of);
        match (query, name) {
            (Some(query), _) if told.is_empty() => query,
            (Some(query), _) => format!("{query} [{}]", told.join("; ")),
            (None, Some(name)) if told.is_empty() => format!("[intent: {name}]"),
            (None, Some(name)) => format!("[intent: {name}; {}]", told.join("; ")),
            (None, None) => self.in_brackets(),
        }
    }

    /// An event that is not speech.
    fn event(&self) -> String {
        let event = self.payload.get("event").and_then(Value::as_object);
        let Some(name) = event.and_then(|event| text_of(event.get("name")?)) else {
            return self.in_brackets();
        };
        let rest = event.into_iter().flatten().filter(|(key, _)| *key != "name");
        let rest: Map<String, Value> = rest.map(|(key, value)| (key.clone(), value.clone())).collect();
        match rest.is_empty() {
            true => format!("[event: {name}]"),
            false => format!("[event: {name} {}]", Value::Object(rest)),
        }
    }

    fn in_brackets(&self) -> String {
        let kind = self.kind.as_deref().unwrap_or_default();
        match &self.payload {
            Value::Null => format!("[{kind}]"),
            payload => format!("[{kind}: {payload}]"),
        }
    }
}

/// A text that is not blank.
fn text_of(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.trim().is_empty()).map(str::to_owned)
}

fn bounded(text: String) -> Result<String, ProblemDocument> {
    if text.len() <= MAX_SAID {
        return Ok(text);
    }
    let detail = format!("`payload` has {} bytes; {MAX_SAID} are allowed", text.len());
    Err(ProblemDocument::new(ProblemCode::InvalidRequest, detail))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn action(written: Value) -> Action {
        Action::read(&written).unwrap()
    }

    #[test]
    fn each_type_of_request_has_words_for_the_model() {
        for (written, expected) in [
            (json!(null), None),
            (json!({}), None),
            (json!({"type": "launch"}), None),
            (json!({"type": "launch", "payload": null}), None),
            (json!({"type": "text", "payload": "A large pizza"}), Some("A large pizza")),
            (json!({"type": "text", "payload": " "}), Some(SILENCE)),
            (json!({"type": "text"}), Some(SILENCE)),
            (json!({"type": "text", "payload": {"message": "Hi"}}), Some("Hi")),
            (json!({"type": "text", "payload": 5}), Some("5")),
            (json!({"type": "no-reply"}), Some(SILENCE)),
            (json!({"type": "path-1", "payload": {"label": "Yes"}}), Some("Yes")),
            (json!({"type": "path-cjl53", "payload": null}), Some("[path-cjl53]")),
            (json!({"type": "action", "payload": {"label": "Pay", "actions": []}}), Some("Pay")),
            (json!({"type": "action", "payload": {"to": 7}}), Some(r#"[action: {"to":7}]"#)),
            (json!({"type": "event", "payload": {"event": {"name": "paid"}}}), Some("[event: paid]")),
            (
                json!({"type": "event", "payload": {"event": {"name": "paid", "sum": 7}}}),
                Some(r#"[event: paid {"sum":7}]"#),
            ),
            (json!({"type": "event", "payload": "paid"}), Some(r#"[event: "paid"]"#)),
            (
                json!({"type": "intent", "payload": {"intent": {"name": "order"}, "query": "A pizza", "entities": []}}),
                Some("A pizza"),
            ),
            (
                json!({"type": "intent", "payload": {"intent": {"name": "order"}, "query": "", "entities": [{"name": "size", "value": "large"}, {"name": "count", "value": 2}]}}),
                Some("[intent: order; size: large; count: 2]"),
            ),
            (
                json!({"type": "intent", "payload": {"intent": {"name": "order"}, "query": "Large", "entities": [{"name": "size", "value": "large"}, {"name": "none"}]}}),
                Some("Large [size: large]"),
            ),
            (json!({"type": "intent", "payload": {"intent": {"name": "order"}}}), Some("[intent: order]")),
            (json!({"type": "intent", "payload": 7}), Some("[intent: 7]")),
            (json!({"type": "telepathy", "payload": {"label": "Hm"}}), Some("Hm")),
            (json!({"type": "telepathy"}), Some("[telepathy]")),
            (json!({"type": "done"}), Some("[done]")),
        ] {
            let action = action(written.clone());
            let said = action.said().unwrap();
            assert_eq!(said.as_deref(), expected, "{written}");
            let is_silence = !action.is_launch() && said.is_none_or(|said| said == SILENCE);
            assert_eq!(action.is_silence(), is_silence, "{written}");
        }
    }

    #[test]
    fn a_custom_trace_is_answered_by_any_type_that_means_nothing_else() {
        for (written, expected) in [
            (json!({"type": "done"}), Some((r#"{"status":"done"}"#, false))),
            (json!({"type": "done", "payload": {"paid": 7}}), Some((r#"{"paid":7}"#, false))),
            (json!({"type": "done", "payload": "Paid."}), Some(("Paid.", false))),
            (json!({"type": "failed", "payload": "No money."}), Some(("No money.", true))),
            (json!({"type": "failed"}), Some((r#"{"status":"failed"}"#, true))),
            (json!({"type": "declined"}), Some((r#"{"path":"declined"}"#, false))),
            (json!({"type": "declined", "payload": 7}), Some((r#"{"path":"declined","payload":7}"#, false))),
            (json!({"type": "text", "payload": "done"}), None),
            (json!({"type": "path-1"}), None),
            (json!({"type": "launch"}), None),
            (json!(null), None),
        ] {
            let answer = action(written.clone()).answer().unwrap();
            let expected =
                expected.map(|(content, is_error)| Answer { content: content.to_owned(), is_error });
            assert_eq!(answer, expected, "{written}");
        }
    }

    #[test]
    fn what_is_no_request_and_what_is_too_long_is_refused() {
        for wrong in [json!("text"), json!(7), json!([]), json!(true)] {
            assert_eq!(Action::read(&wrong).unwrap_err().code, ProblemCode::InvalidRequest, "{wrong}");
        }
        let long = "x".repeat(MAX_SAID + 1);
        assert!(action(json!({"type": "text", "payload": long})).said().is_err());
        assert!(action(json!({"type": "done", "payload": long})).answer().is_err());
        assert!(action(json!({"type": "text", "payload": "x".repeat(MAX_SAID)})).said().is_ok());
    }
}
