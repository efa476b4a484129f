//! Wrong and hostile input: each a clear error, and nothing lost.

mod arguments;
mod requests;
mod upstream;
mod floods;
mod slow;
mod windows;

use serde_json::Value;

/// What has no place in a sentence that is read to a caller.
const INTERNALS: &[&str] = &[
    "reqwest",
    "hyper",
    "serde",
    "tokio",
    "rustls",
    "http://",
    "https://",
    "127.0.0.1",
    "::",
    "os error",
    "{:",
    " {",
    "(\"",
    "Some(",
    "None",
    "Err(",
    "panic",
    "unwrap",
    "std",
    "\\u",
];

/// The error of `result`: `(status, code, effect, retry)` and the message,
/// which must be speakable.
pub(crate) fn told(result: &Value) -> ((&str, &str, &str, &str), &str) {
    let text = |pointer: &str| result.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let message = text("/error/message");
    assert_speakable(message);
    let code = (text("/status"), text("/error/code"), text("/error/effect"), text("/error/retry"));
    (code, message)
}

/// Whether a voice agent can say `message` as it is.
#[track_caller]
pub(crate) fn assert_speakable(message: &str) {
    let found: Vec<_> = INTERNALS.iter().filter(|word| message.contains(**word)).collect();
    assert!(found.is_empty(), "{found:?} in {message:?}");
    assert!(message.ends_with(['.', '?']), "not a sentence: {message:?}");
    assert!(message.starts_with(|c: char| c.is_uppercase() || c == '`'), "not a sentence: {message:?}");
    assert!(!message.contains(char::is_control), "a control character in {message:?}");
    assert!(message.chars().count() <= 400, "too long to say: {message:?}");
}
