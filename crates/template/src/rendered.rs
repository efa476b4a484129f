//! What a rendered text is checked for.

use serde_json::Value;
use serde_json::value::RawValue;

/// Returns the part of a path template that is the path: what stands before `?` or `#`.
pub(super) fn path_of(text: &str) -> &str {
    text.split(['?', '#']).next().unwrap_or_default()
}

/// Returns what keeps `text` from being JSON, and the line and column; nothing of the text itself.
pub(super) fn json_problem(text: &str) -> Option<(String, usize, usize)> {
    // A raw value is checked without being built, and without a limit on nesting.
    let error = serde_json::from_str::<&RawValue>(text).err()?;
    // A built one knows better words, such as `trailing comma`.
    let error = match serde_json::from_str::<Value>(text) {
        Err(better) if (better.line(), better.column()) == (error.line(), error.column()) => better,
        _ => error,
    };
    let (line, column) = (error.line(), error.column());
    let message = error.to_string();
    let place = format!(" at line {line} column {column}");
    Some((message.strip_suffix(&place).unwrap_or(&message).to_owned(), line, column))
}
