//! Words for types, values, counts and formats, shared by every sentence.
use serde_json::Value;

/// Values quoted in [`super::Violation::got`] are cut to this many characters.
pub(super) const MAX_VALUE_CHARS: usize = 80;
/// Longer lists of allowed values end in an ellipsis.
const MAX_LISTED_VALUES: usize = 12;

/// At most `limit` characters of `text`, with an ellipsis as the last one where it was longer.
pub(super) fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some(_) => text.chars().take(limit.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// A value as short JSON.
pub(super) fn short(value: &Value) -> String {
    match value {
        // A long text is cut before it is quoted, so that its size costs nothing.
        Value::String(text) => cut(&Value::String(cut(text, MAX_VALUE_CHARS)).to_string(), MAX_VALUE_CHARS),
        Value::Array(items) if items.len() > MAX_VALUE_CHARS => {
            format!("a list of {}", items.len())
        }
        Value::Object(members) if members.len() > MAX_VALUE_CHARS => {
            format!("an object of {}", members.len())
        }
        other => cut(&other.to_string(), MAX_VALUE_CHARS),
    }
}

/// A value of the schema as a sentence says it: text without quotes, the rest as JSON.
pub(super) fn spoken(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => "empty text".to_owned(),
        Value::String(text) => cut(text, MAX_VALUE_CHARS),
        other => short(other),
    }
}

/// The phrase after "must be" for a closed set of values.
pub(super) fn one_of<'v>(values: impl Iterator<Item = &'v Value>) -> String {
    let mut words: Vec<String> = values.take(MAX_LISTED_VALUES + 1).map(spoken).collect();
    if words.len() > MAX_LISTED_VALUES {
        words[MAX_LISTED_VALUES] = "…".to_owned();
    }
    match words.as_slice() {
        [only] => only.clone(),
        _ => format!("one of {}", words.join(", ")),
    }
}

/// Joins words as speech does: `a`, `a or b`, `a, b or c`.
pub(super) fn join(words: &[String], last: &str) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [head @ .., tail] => format!("{} {last} {tail}", head.join(", ")),
    }
}

/// `1 item`, `2 items`.
pub(super) fn count(number: u64, noun: &str) -> String {
    match (number, noun) {
        (1, noun) => format!("1 {noun}"),
        (number, "entry") => format!("{number} entries"),
        (number, noun) => format!("{number} {noun}s"),
    }
}

/// The phrase after "must be" for a type's name in JSON Schema; another name as it is.
pub(super) fn expected_type(name: &str) -> &str {
    type_phrase(name).unwrap_or(name)
}

/// What a sentence calls a type of JSON Schema.
pub(crate) fn type_phrase(name: &str) -> Option<&'static str> {
    Some(match name {
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "an object",
        "null" => "null",
        _ => return None,
    })
}

/// What a value is, for the words after "not"; `whole` says that a whole number was asked for.
pub(super) fn actual_type(value: &Value, whole: bool) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a true-or-false value",
        Value::Number(_) if whole => "a fraction",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The phrase after "must be" and an example, for each format that is checked.
pub(super) fn format(name: &str) -> Option<(&'static str, &'static str)> {
    Some(match name {
        "email" => ("an e-mail address", "ann@example.com"),
        "idn-email" => ("an e-mail address", "ann@example.com"),
        "date" => ("a date", "2026-01-31"),
        "time" => ("a time with its zone", "14:30:00Z"),
        "date-time" => ("a date and time with its zone", "2026-01-31T14:30:00Z"),
        "duration" => ("a duration", "PT30M"),
        "uri" => ("a full web address", "https://example.com/page"),
        "iri" => ("a full web address", "https://example.com/page"),
        "uri-reference" => ("a web address or a part of one", "/page"),
        "iri-reference" => ("a web address or a part of one", "/page"),
        "uri-template" => ("an address template", "https://example.com/{id}"),
        "hostname" => ("a host name", "example.com"),
        "idn-hostname" => ("a host name", "example.com"),
        "ipv4" => ("an IPv4 address", "192.0.2.1"),
        "ipv6" => ("an IPv6 address", "2001:db8::1"),
        "uuid" => ("a UUID", "123e4567-e89b-42d3-a456-426614174000"),
        "json-pointer" => ("a JSON Pointer", "/items/0"),
        "relative-json-pointer" => ("a relative JSON Pointer", "1/items"),
        "regex" => ("a regular expression", "^[a-z]+$"),
        _ => return None,
    })
}

/// The formats that are checked (JSON Schema 2020-12 Validation, section 7.3).
pub const FORMATS: &[&str] = &[
    "email",
    "idn-email",
    "date",
    "time",
    "date-time",
    "duration",
    "uri",
    "iri",
    "uri-reference",
    "iri-reference",
    "uri-template",
    "hostname",
    "idn-hostname",
    "ipv4",
    "ipv6",
    "uuid",
    "json-pointer",
    "relative-json-pointer",
    "regex",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cutting_respects_characters() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äö…");
        assert_eq!(short(&json!("ß".repeat(1000))).chars().count(), MAX_VALUE_CHARS);
    }

    #[test]
    fn lists_stop_after_twelve_values() {
        let values: Vec<Value> = (0..20).map(|n| json!(n)).collect();
        assert_eq!(one_of(values.iter()), "one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, …");
        assert_eq!(one_of(values[..12].iter()), "one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11");
        assert_eq!(one_of([json!("a")].iter()), "a");
    }

    #[test]
    fn every_known_format_has_words_and_an_example_that_passes() {
        for name in FORMATS {
            let (_, example) = format(name).expect(name);
            let schema = json!({"format": name});
            let options = jsonschema::options().should_validate_formats(true);
            assert!(options.is_known_format(jsonschema::Draft::Draft202012, name), "{name}");
            assert!(options.build(&schema).unwrap().is_valid(&json!(example)), "{name}");
        }
    }
}
