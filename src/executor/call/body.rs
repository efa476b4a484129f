//! What a model is shown of an answer: masked, and cut to fit.

use serde_json::Value;
use serde_json::value::RawValue;

use crate::action::Action;
use crate::action::output::{self, Answered, Concealed, Extracted, Said};
use crate::egress::Response;
use crate::secrets::{MASK, Redactor};
use crate::tool::{Status, ToolError};

use super::answer::{Answer, Content};
use super::headers::{self, Headers};

/// How much is shown of what an HTML page says that came instead of an answer.
const MAX_ERROR_PAGE_CHARS: usize = 500;

/// `text` with the secrets of the environment and the token of the call masked.
pub(in crate::executor) fn mask(
    text: String,
    environment: Option<&Redactor>,
    token: Option<&Redactor>,
) -> String {
    let mut text = text;
    for redactor in [environment, token].into_iter().flatten() {
        if let std::borrow::Cow::Owned(clean) = redactor.redact(&text) {
            text = clean;
        }
    }
    text
}

/// `error` with the secrets in its texts masked: a model may repeat what a caller said.
pub(super) fn masked_error(error: ToolError, redact: &impl Fn(String) -> String) -> ToolError {
    let violations = error.violations.into_iter().map(|violation| violation.map_texts(redact)).collect();
    let missing_all = error.missing_all.into_iter().map(redact).collect();
    let missing = error.missing.map(redact);
    ToolError { message: redact(error.message), missing, missing_all, violations, ..error }
}

/// `value` with every text in it, and every number that spells a secret, masked.
pub(in crate::executor) fn masked_value(value: Value, redact: &impl Fn(String) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(redact(text)),
        Value::Array(items) => items.into_iter().map(|item| masked_value(item, redact)).collect(),
        Value::Object(map) => Value::Object(
            map.into_iter().map(|(key, item)| (redact(key), masked_value(item, redact))).collect(),
        ),
        Value::Number(number) => {
            let text = redact(number.to_string());
            if text == number.as_str() { Value::Number(number) } else { Value::String(text) }
        }
        Value::Null | Value::Bool(_) => value,
    }
}

/// Whether an answer is a success to its action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is.
    Success,
    /// The service answered 2xx, and its answer says no: `success_when` does not hold.
    Declined,
    /// It cannot be told, since the answer cannot be read, or not looked through in time.
    Unreadable,
    /// Another status than 2xx.
    OtherStatus,
}

/// Judges an answer by its status and by `success_when`; `body` is `None` where it is no JSON.
fn verdict(answer: &Answer, action: &Action, body: &mut Option<Value>) -> Verdict {
    if !answer.status.is_success() {
        return Verdict::OtherStatus;
    }
    let Some(condition) = &action.success_when else {
        let is_broken = matches!(answer.content, Content::BrokenJson { .. });
        return if is_broken { Verdict::Unreadable } else { Verdict::Success };
    };
    let holds = |body: &mut Option<Value>| condition.holds(answer.status, &answer.headers, body);
    let holds = match &answer.content {
        _ if body.is_some() => holds(body),
        // Nested too deeply: what is not seen must not count as absent.
        Content::Json(_) | Content::BrokenJson { .. } => None,
        Content::Text(text) | Content::Undecoded(text) | Content::Html { text, .. } => {
            holds(&mut Some(Value::from(text.as_str())))
        }
        Content::Empty | Content::Binary { .. } => holds(&mut None),
    };
    match holds {
        Some(true) => Verdict::Success,
        Some(false) => Verdict::Declined,
        None => Verdict::Unreadable,
    }
}

/// An answer, seen with the eyes of its action.
pub(super) struct Shaped {
    pub(super) verdict: Verdict,
    /// The values of output variables, where it is a success.
    pub(super) extracted: Vec<Extracted>,
    /// The headers that the model is shown, where the action names some.
    pub(super) headers: Option<Headers>,
}

/// Judges `answer`, takes the values of the action's output variables out of a
/// success, and shapes what the model is shown of it. `None` where that was not done while it was
/// `in_time`.
pub(super) fn shape(answer: &mut Answer, action: &Action, in_time: &dyn Fn() -> bool) -> Option<Shaped> {
    let outputs = &action.outputs;
    let untouched = outputs.is_empty() && action.response.is_plain() && action.success_when.is_none();
    let mut body = if untouched { None } else { answer.content.json() };
    let verdict = verdict(answer, action, &mut body);
    let success = verdict == Verdict::Success;
    let said = match (&body, answer.content.text()) {
        (Some(body), _) => Said::Json(body),
        (None, Some(text)) => Said::Text(text),
        (None, None) => Said::Nothing,
    };
    let answered = Answered { status: answer.status, headers: &answer.headers, body: said };
    let extracted = if success { output::extract_in_time(outputs, &answered, in_time)? } else { Vec::new() };
    let hidden = || output::hidden_texts(outputs.iter(), &answered).map(Concealed::new);
    let headers = headers::chosen(&answer.headers, action, hidden);
    let of_headers = output::hidden_texts(outputs.iter().filter(|output| !output.is_of_body()), &answered);
    if !in_time() {
        return None;
    }
    match (&mut answer.content, &body) {
        (Content::Json(text), Some(body)) => {
            if let Some(shaped) = action.response.shape(outputs, body, text, success) {
                *text = shaped;
            }
        }
        (content, _) if outputs.iter().any(|output| output.hidden && output.is_all_of_body()) => {
            content.withhold();
        }
        (content, _) if outputs.iter().any(|output| output.hidden && output.is_of_body()) => {
            content.withhold_unreadable();
        }
        _ => {}
    }
    if let Some(texts) = of_headers.filter(|texts| !texts.is_empty()) {
        let content = std::mem::replace(&mut answer.content, Content::Empty);
        answer.content = content.without(&Concealed::new(texts));
    }
    Some(Shaped { verdict, extracted, headers })
}

/// What the model is shown of `response`, of which nothing is a secret.
pub(crate) fn shown(action: &Action, response: Response, max_chars: usize) -> Option<Box<RawValue>> {
    let mut answer = Answer::read(response);
    let verdict = shape(&mut answer, action, &|| true).map(|shaped| shaped.verdict);
    let status = if verdict == Some(Verdict::Success) { Status::Success } else { Status::Error };
    body(answer.content, status, max_chars, &std::convert::identity)
}

/// The body that the model sees: JSON as it is, anything else as a JSON string.
pub(super) fn body(
    content: Content,
    status: Status,
    max_chars: usize,
    redact: &impl Fn(String) -> String,
) -> Option<Box<RawValue>> {
    let text = match content {
        Content::Empty => return None,
        Content::Json(text) => {
            let text = redact(text);
            // Where a number was masked, the rest is shown as the text it has become.
            let is_json = !text.contains(MASK) || serde_json::from_str::<&RawValue>(&text).is_ok();
            if is_json && fits(&text, max_chars) {
                return RawValue::from_string(text).ok();
            }
            if is_json && let Some(shorter) = output::cut_to_fit(&text, max_chars) {
                return RawValue::from_string(shorter).ok();
            }
            cut(text, max_chars)
        }
        // Who stands in front of an API may keep its media type and send a page.
        Content::BrokenJson { text, .. } if output::is_html(&text) => {
            page_text(redact(output::html_to_text(&text)), text.chars().count(), status, max_chars)
        }
        Content::Text(text) | Content::Undecoded(text) | Content::BrokenJson { text, .. } => {
            cut(redact(text), max_chars)
        }
        Content::Html { text, page } => page_text(redact(text), page, status, max_chars),
        Content::Binary { media_type, bytes } => format!("[{media_type}, {bytes} bytes, not shown]"),
    };
    RawValue::from_string(Value::String(text).to_string()).ok()
}

fn fits(text: &str, max_chars: usize) -> bool {
    // A byte is at least as long as a character is.
    text.len() <= max_chars || text.chars().nth(max_chars).is_none()
}

/// The first `max_chars` characters, and a marker that says so.
fn cut(text: String, max_chars: usize) -> String {
    match text.char_indices().nth(max_chars) {
        None => text,
        Some((at, _)) => {
            let all = text.chars().count();
            let start = &text[..at];
            format!("{start}\n[cut: the first {max_chars} of {all} characters; {}]", output::ASK_FOR_LESS)
        }
    }
}

/// What a page says, as far as it is shown, and what it was.
fn page_text(text: String, page: usize, status: Status, max_chars: usize) -> String {
    let max_chars = if status == Status::Success { max_chars } else { max_chars.min(MAX_ERROR_PAGE_CHARS) };
    match text.char_indices().nth(max_chars) {
        _ if text.is_empty() => format!("[an HTML page, {page} characters, without text]"),
        None => format!("{text}\n[an HTML page, {page} characters, shown as text]"),
        Some((at, _)) => {
            let start = text[..at].trim_end();
            format!("{start}\n[an HTML page, {page} characters, cut to the first {max_chars} of its text]")
        }
    }
}
