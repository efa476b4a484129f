//! A result as the text or the JSON that a model reads.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::tool::{Effect, FailureCode, Handover, Retry, Status, ToolResult};

use super::turn::Outcome;

/// What a model is told where the body alone does not say it all.
#[derive(Default, Serialize)]
struct Told<'a> {
    #[serde(rename = "callgate_note", skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Error<'a>>,
    /// Before the body, which may be so long that a receiver cuts it.
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<&'a Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variables: Option<&'a Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    handover: Option<&'a Handover>,
}

#[derive(Serialize)]
struct Error<'a> {
    code: FailureCode,
    message: &'a str,
    effect: Effect,
    retry: Retry,
}

/// Tells a model that nothing was sent for this call. Without it, it would take an old answer for a new one.
const REPLAYED: &str = "This is the answer to an earlier, identical call; it was not done again.";

/// A result as JSON: the body alone where it says everything, else
/// `{callgate_note, error: {code, message, effect, retry}, headers, body, variables, handover}` with what there is. An object that is a body
/// keeps its members where products read them, and gets the note as one more.
fn json(result: &ToolResult) -> Cow<'_, str> {
    let note = result.replayed.then_some(REPLAYED);
    let body = result.body.as_ref().filter(|_| is_plain(result));
    match note.and_then(|note| with_note(body?.get(), note)) {
        Some(noted) => Cow::Owned(noted),
        None => told(result, note),
    }
}

/// An object with a note before its members; `None` where it is none, or has such a member.
fn with_note(body: &str, note: &str) -> Option<String> {
    let members: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(body).ok()?;
    let rest = body.trim_start().strip_prefix('{')?;
    let comma = if members.is_empty() { "" } else { "," };
    (!members.contains_key("callgate_note")).then(|| format!("{{\"callgate_note\":\"{note}\"{comma}{rest}"))
}

fn is_plain(result: &ToolResult) -> bool {
    let is_silent = headers(result).is_none() && result.variables.is_empty();
    result.error.is_none() && is_silent && result.handover.is_none()
}

/// The headers that there are to tell of.
fn headers(result: &ToolResult) -> Option<&Map<String, Value>> {
    result.headers.as_ref().filter(|headers| !headers.is_empty())
}

fn told<'a>(result: &'a ToolResult, note: Option<&'static str>) -> Cow<'a, str> {
    if is_plain(result) && note.is_none() {
        return match &result.body {
            Some(body) => Cow::Borrowed(body.get()),
            None => {
                Cow::Borrowed(if result.status == Status::Success { r#"{"status":"success"}"# } else { "{}" })
            }
        };
    }
    let told = Told {
        note,
        error: result.error.as_ref().map(|error| Error {
            code: error.code,
            message: &error.message,
            effect: error.effect,
            retry: error.retry,
        }),
        body: result.body.as_deref(),
        headers: headers(result),
        variables: (!result.variables.is_empty()).then_some(&result.variables),
        handover: result.handover.as_ref(),
    };
    Cow::Owned(serde_json::to_string(&told).unwrap_or_default())
}

/// The same of an outcome.
pub(super) fn outcome_json(outcome: &Outcome) -> Cow<'_, str> {
    match outcome {
        Outcome::Done(result) => json(result),
        Outcome::Refused(why) => {
            Cow::Owned(error(FailureCode::NotExecuted, why, Effect::None, Retry::WithChanges))
        }
        Outcome::Broken => {
            let why = "The gateway failed to handle this call. It may have been done.";
            Cow::Owned(error(FailureCode::InternalError, why, Effect::Unknown, Retry::No))
        }
    }
}

/// An error alone.
fn error(code: FailureCode, message: &str, effect: Effect, retry: Retry) -> String {
    let error = Some(Error { code, message, effect, retry });
    serde_json::to_string(&Told { error, ..Told::default() }).unwrap_or_default()
}

/// A success whose body is not what its action promises, as an error with what came beside it.
pub(super) fn broken_promise(outcome: &Outcome, message: &str) -> String {
    let result = match outcome {
        Outcome::Done(result) => Some(&**result),
        Outcome::Refused(_) | Outcome::Broken => None,
    };
    let body = result.and_then(|result| result.body.as_deref());
    let headers = result.and_then(headers);
    let (effect, retry) = (Effect::Unknown, Retry::No);
    let error = Some(Error { code: FailureCode::InvalidResponse, message, effect, retry });
    serde_json::to_string(&Told { error, body, headers, ..Told::default() }).unwrap_or_default()
}

/// An outcome as text: a body that is a text as it is, anything else as JSON.
pub fn text(outcome: &Outcome) -> String {
    body_text(outcome).unwrap_or_else(|| outcome_json(outcome).into_owned())
}

/// The body, if it is a text and says everything; with the note in front of it where there is one.
fn body_text(outcome: &Outcome) -> Option<String> {
    let Outcome::Done(result) = outcome else { return None };
    let body = result.body.as_ref().filter(|body| is_plain(result) && body.get().starts_with('"'))?;
    let text: String = serde_json::from_str(body.get()).ok()?;
    Some(if result.replayed { format!("{REPLAYED} {text}") } else { text })
}

/// An outcome as text without a line break: some receivers read no further.
pub(super) fn line(outcome: &Outcome) -> String {
    match body_text(outcome) {
        Some(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        None => one_line(&outcome_json(outcome)),
    }
}

/// JSON without the whitespace between its tokens. Line breaks inside a string are escaped in JSON.
fn one_line(json: &str) -> String {
    if !json.contains(['\n', '\r']) {
        return json.to_owned();
    }
    let mut out = String::with_capacity(json.len());
    let (mut in_text, mut escaped) = (false, false);
    for c in json.chars() {
        if in_text {
            out.push(c);
            in_text = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if !c.is_ascii_whitespace() {
            out.push(c);
            in_text = c == '"';
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_keeps_its_members_beside_the_note() {
        let noted = |body| with_note(body, "n");
        assert_eq!(noted(r#" {"a": 1.10}"#).unwrap(), r#"{"callgate_note":"n","a": 1.10}"#);
        assert_eq!(noted("{ }").unwrap(), r#"{"callgate_note":"n" }"#);
        for other in ["[1]", "1", r#""{}""#, r#"{"callgate_note": 1}"#, r#"{"callgate_n\u006fte": 1}"#] {
            assert_eq!(noted(other), None, "{other}");
        }
    }

    #[test]
    fn json_becomes_one_line_and_texts_inside_it_stay() {
        let pretty = "{\n  \"a\": \"x \\\" y\\n\",\r\n  \"b\": [1, 2]\n}";
        assert_eq!(one_line(pretty), r#"{"a":"x \" y\n","b":[1,2]}"#);
        assert_eq!(one_line(r#"{"a": 1}"#), r#"{"a": 1}"#);
    }
}
