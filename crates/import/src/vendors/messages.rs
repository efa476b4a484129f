//! Vapi's `messages`: what a caller hears while a tool runs.

use serde_json::Value;

use crate::json::text;
use crate::placeholder::short;
use crate::request::{PlainRequest, PlainTexts};

/// Longest text that an action says.
const MAX_CHARS: usize = 1_000;
/// What has been left out for good.
const STAYS: &str = "these stay with the product that speaks";

/// Reads the messages of `tool`; what an action has no place for is a loss.
pub(super) fn read(tool: &Value, request: &mut PlainRequest) {
    for message in tool.get("messages").and_then(Value::as_array).into_iter().flatten() {
        if let Err(reason) = take(message, request) {
            let kind = short(text(message, "type"));
            lose(request, format!("the message `{kind}` is left out: {reason}"));
        }
    }
}

fn lose(request: &mut PlainRequest, message: String) {
    request.losses.push(("messages", message, STAYS));
}

/// Puts `message` into its place of `request`, or says why there is none.
fn take(message: &Value, request: &mut PlainRequest) -> Result<(), &'static str> {
    let kind = text(message, "type");
    let speech = &request.speech;
    let is_taken = match kind {
        "request-start" => speech.start.is_some(),
        "request-response-delayed" => speech.delayed.is_some(),
        "request-failed" => speech.failed.is_some(),
        "request-complete" => return Err("after a success the model speaks"),
        _ => return Err("an action has nothing for it"),
    };
    if message.get("conditions").and_then(Value::as_array).is_some_and(|list| !list.is_empty()) {
        return Err("it has `conditions`");
    }
    if text(message, "role") == "system" {
        return Err("it is for the model, not for the caller");
    }
    if is_taken {
        return Err("there is one before it, and an action has one of each");
    }
    let texts = texts(message, request)?;
    match kind {
        "request-start" => request.speech.start = Some(texts),
        "request-failed" => request.speech.failed = Some(texts),
        _ => {
            let after = message.get("timingMilliseconds").and_then(Value::as_f64);
            let after = after.filter(|after| (100.0..=120_000.0).contains(after));
            let after = after.ok_or("`timingMilliseconds` is not there, or not from 100 to 120000")?;
            request.speech.delayed = Some((after as u64, texts));
        }
    }
    for (key, what) in [
        ("blocking", "the call does not wait for the text to be spoken"),
        ("endCallAfterSpokenEnabled", "an action does not end the phone call"),
    ] {
        if message.get(key) == Some(&Value::Bool(true)) {
            lose(request, format!("`{key}` of the message `{kind}` is left out: {what}"));
        }
    }
    Ok(())
}

/// `contents`, one for each language, which win over `content`.
fn texts(message: &Value, request: &mut PlainRequest) -> Result<PlainTexts, &'static str> {
    let contents = message.get("contents").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if contents.is_empty() {
        return match text(message, "content") {
            content if is_sayable(content) => Ok(vec![(None, content.to_owned())]),
            "" => Err("it says no text of its own"),
            _ => Err("its text is longer than 1000 characters"),
        };
    }
    let mut texts: PlainTexts = Vec::new();
    for content in contents {
        let (language, said) = (text(content, "language"), text(content, "text"));
        let is_known = texts.iter().any(|(known, _)| known.as_deref() == Some(language));
        if is_known || !is_tag(language) || !is_sayable(said) {
            let (kind, language) = (short(text(message, "type")), short(language));
            lose(request, format!("a text of the message `{kind}` is left out (language `{language}`)"));
            continue;
        }
        texts.push((Some(language.to_owned()), said.to_owned()));
    }
    if texts.is_empty() { Err("none of its texts can be said") } else { Ok(texts) }
}

pub(super) fn is_sayable(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= MAX_CHARS
}

/// Whether `text` is a language tag as `speech` takes it.
fn is_tag(text: &str) -> bool {
    let mut parts = text.split('-');
    let is_language = parts
        .next()
        .is_some_and(|part| (2..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphabetic()));
    is_language
        && parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}
