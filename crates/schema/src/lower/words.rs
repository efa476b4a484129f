//! Schemas in words, for models whose provider has no keyword for it.

use serde_json::{Map, Value};

use crate::parameters::type_phrase;
use crate::reference::same_value;

/// How a keyword went into words.
pub(super) const IN_WORDS: &str = "said in words in the description";

/// Longest list of values that is written out, in characters.
const MAX_LIST: usize = 600;
/// Longest text of one value.
const MAX_VALUE: usize = 80;
/// Most values that a condition names.
const MAX_ALTERNATIVES: usize = 12;
/// How deep a phrase describes what is inside what.
const MAX_DEPTH: usize = 3;

/// Speaks of one schema document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words<'a> {
    pub(super) root: &'a Value,
}

impl<'a> Words<'a> {
    /// When a schema holds: `category is billing`. `None` where that cannot be said in a few words.
    pub(super) fn condition(self, test: &'a Value, depth: usize) -> Option<String> {
        let mut clauses: Vec<String> = Vec::new();
        let mut named: Vec<&str> = Vec::new();
        let maps = self.maps(test, depth)?;
        for (name, schema) in maps.iter().filter_map(|map| map.get("properties")?.as_object()).flatten() {
            named.push(name);
            clauses.push(self.clause(name, schema, depth + 1)?);
        }
        for map in maps {
            for (keyword, value) in map {
                match (keyword.as_str(), value) {
                    ("required", Value::Array(names)) => {
                        let names = names.iter().filter_map(Value::as_str);
                        let absent = names.filter(|name| !named.contains(name));
                        clauses.extend(absent.map(|name| format!("{name} is given")));
                    }
                    ("not", inner) => clauses.push(self.negated(inner, depth + 1)?),
                    ("anyOf" | "oneOf", Value::Array(all)) => {
                        let all: Option<Vec<String>> =
                            all.iter().map(|test| self.condition(test, depth + 1)).collect();
                        clauses.push(join(&all?, "or"));
                    }
                    ("properties" | "$ref" | "allOf" | "type", _) => {}
                    (annotation, _) if is_annotation(annotation) => {}
                    _ => return None,
                }
            }
        }
        clauses.dedup();
        if clauses.is_empty() { None } else { Some(clauses.join(" and ")) }
    }

    /// `not` of a condition: `email is not given`.
    fn negated(self, test: &'a Value, depth: usize) -> Option<String> {
        let inner = self.condition(test, depth)?;
        let simple = !inner.contains(" and ") && !inner.contains(" or ");
        let (name, rest) = inner.split_once(" is ").filter(|_| simple)?;
        match rest.strip_prefix("not ") {
            Some(rest) => Some(format!("{name} is {rest}")),
            None => Some(format!("{name} is not {rest}")),
        }
    }

    fn clause(self, name: &str, schema: &'a Value, depth: usize) -> Option<String> {
        let inner: Vec<&Map<String, Value>> = self.maps(schema, depth)?;
        if inner.iter().any(|map| map.contains_key("properties")) {
            let condition = self.condition(schema, depth + 1)?;
            return Some(format!("{name}.{condition}"));
        }
        if let Some(Value::Array(values)) = inner.iter().find_map(|map| map.get("enum")) {
            let values: Vec<String> = values.iter().take(MAX_ALTERNATIVES + 1).map(value_text).collect();
            return (values.len() <= MAX_ALTERNATIVES).then(|| format!("{name} is {}", join(&values, "or")));
        }
        match self.phrase(schema, depth)?.as_str() {
            "" | "anything" => Some(format!("{name} is given")),
            phrase => Some(format!("{name} is {}", bare(phrase))),
        }
    }

    /// What a value has to be: `one of a, b`, `a whole number of at least 1`. Empty for anything;
    /// `None` where that cannot be said in a few words.
    pub(super) fn phrase(self, schema: &'a Value, depth: usize) -> Option<String> {
        match schema {
            Value::Bool(true) => return Some("anything".to_owned()),
            Value::Bool(false) => return Some("nothing".to_owned()),
            _ => {}
        }
        let maps = self.maps(schema, depth)?;
        let find = |keyword: &str| maps.iter().find_map(|map| map.get(keyword));
        if let Some(value) = find("const") {
            return Some(value_text(value));
        }
        if let Some(values) = find("enum").and_then(Value::as_array) {
            return Some(list(values));
        }
        let kind = match find("type") {
            Some(kind) => Some(types_phrase(kind)?),
            None => None,
        };
        let mut parts: Vec<String> = Vec::new();
        for (keyword, value) in maps.iter().copied().flatten() {
            let part = match (keyword.as_str(), value) {
                ("type" | "$ref" | "allOf" | "required" | "minContains" | "maxContains", _) => continue,
                (annotation, _) if is_annotation(annotation) => continue,
                ("properties", Value::Object(members)) => {
                    format!("with {}", join(&members.keys().cloned().collect::<Vec<_>>(), "and"))
                }
                ("items", items) => format!("of {}", self.plural(items, depth + 1)?),
                ("anyOf" | "oneOf", Value::Array(all)) => {
                    let all: Option<Vec<String>> =
                        all.iter().map(|one| self.phrase(one, depth + 1)).collect();
                    all?.join(" or ")
                }
                ("not", inner) => format!("not {}", self.phrase(inner, depth + 1)?),
                _ => constraint(keyword, value)?,
            };
            parts.push(part);
        }
        let required = maps.iter().filter_map(|map| map.get("required")?.as_array()).flatten();
        let required: Vec<String> = required.filter_map(Value::as_str).map(str::to_owned).collect();
        if !required.is_empty() && !maps.iter().any(|map| map.contains_key("properties")) {
            parts.push(format!("with {}", join(&required, "and")));
        }
        let text = kind.into_iter().chain(parts).collect::<Vec<_>>().join(" ");
        Some(text)
    }

    /// `text or a whole number`.
    pub(super) fn phrase_of_types(self, names: &[&str]) -> String {
        let names = Value::from(names.to_vec());
        types_phrase(&names).unwrap_or_default()
    }

    fn plural(self, schema: &'a Value, depth: usize) -> Option<String> {
        let phrase = self.phrase(schema, depth)?;
        let phrase = match phrase.as_str() {
            "" => "anything",
            "text" => "texts",
            "a number" => "numbers",
            "a whole number" => "whole numbers",
            "true or false" => "true or false values",
            other => other,
        };
        Some(phrase.to_owned())
    }

    /// The schemas that look at the same value.
    fn maps(self, schema: &'a Value, depth: usize) -> Option<Vec<&'a Map<String, Value>>> {
        if depth > MAX_DEPTH {
            return None;
        }
        let mut maps = Vec::new();
        same_value(self.root, schema, false, &mut |map| maps.push(map));
        Some(maps)
    }
}

/// Keywords that ask nothing of a value.
pub(super) fn is_annotation(keyword: &str) -> bool {
    matches!(
        keyword,
        "title"
            | "description"
            | "default"
            | "examples"
            | "example"
            | "deprecated"
            | "readOnly"
            | "writeOnly"
            | "$comment"
            | "$schema"
            | "$id"
            | "$anchor"
            | "$dynamicAnchor"
            | "$defs"
            | "definitions"
    ) || keyword.starts_with("x-")
}

/// What one keyword asks of a value, as the rest of a phrase: `of at least 1`.
pub(super) fn constraint(keyword: &str, value: &Value) -> Option<String> {
    let text = || value_text(value);
    let count = |one: &str, many: &str| {
        let n = value.to_string();
        if n == "1" { format!("1 {one}") } else { format!("{n} {many}") }
    };
    Some(match keyword {
        "minimum" => format!("of at least {}", text()),
        "maximum" => format!("of at most {}", text()),
        "exclusiveMinimum" => format!("greater than {}", text()),
        "exclusiveMaximum" => format!("less than {}", text()),
        "multipleOf" => format!("in steps of {}", text()),
        "minLength" => format!("of at least {}", count("character", "characters")),
        "maxLength" => format!("of at most {}", count("character", "characters")),
        "minItems" => format!("with at least {}", count("item", "items")),
        "maxItems" => format!("with at most {}", count("item", "items")),
        "minProperties" => format!("with at least {}", count("property", "properties")),
        "maxProperties" => format!("with at most {}", count("property", "properties")),
        "uniqueItems" if *value == Value::Bool(true) => "without repeats".to_owned(),
        "uniqueItems" => String::new(),
        "pattern" => format!("matching the pattern {}", value.as_str()?),
        "format" => format_phrase(value.as_str()?),
        "additionalProperties" | "unevaluatedProperties" if *value == Value::Bool(false) => {
            "without other properties".to_owned()
        }
        "contentEncoding" => format!("encoded as {}", value.as_str()?),
        "contentMediaType" => format!("holding {}", value.as_str()?),
        _ => return None,
    })
}

fn format_phrase(format: &str) -> String {
    match format {
        "date-time" => "that is a date and time such as 2026-01-31T09:30:00Z".to_owned(),
        "date" => "that is a date such as 2026-01-31".to_owned(),
        "time" => "that is a time such as 09:30:00Z".to_owned(),
        "duration" => "that is an ISO 8601 duration such as PT30M".to_owned(),
        "email" | "idn-email" => "that is an e-mail address".to_owned(),
        "uri" | "iri" => "that is a full URL".to_owned(),
        "uuid" => "that is a UUID".to_owned(),
        other => format!("in the format {other}"),
    }
}

fn types_phrase(kind: &Value) -> Option<String> {
    match kind {
        Value::String(name) => type_phrase(name).map(str::to_owned),
        Value::Array(names) => {
            let words: Option<Vec<String>> =
                names.iter().map(|name| type_phrase(name.as_str()?).map(str::to_owned)).collect();
            Some(join(&words?, "or"))
        }
        _ => None,
    }
}

/// A phrase that stands by itself: `at least 1` for `of at least 1`.
pub(super) fn bare(phrase: &str) -> &str {
    ["of ", "with ", "that is "].iter().find_map(|word| phrase.strip_prefix(word)).unwrap_or(phrase)
}

/// A value as people read it: a plain text without quotes, anything else as JSON.
pub(super) fn value_text(value: &Value) -> String {
    let text = match value {
        Value::String(text) if is_plain(text) => text.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(MAX_VALUE) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.trim() == text
        && !text.contains([',', '"', '\n'])
        && !["true", "false", "null"].contains(&text)
        && text.parse::<f64>().is_err()
}

/// Values, cut where they are too many.
pub(super) fn list(values: &[Value]) -> String {
    let mut text = String::new();
    for (at, value) in values.iter().enumerate() {
        let one = value_text(value);
        if text.len() + one.len() > MAX_LIST {
            return format!("{text} and {} more", values.len() - at);
        }
        if at > 0 {
            text.push_str(", ");
        }
        text.push_str(&one);
    }
    text
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn join(words: &[String], last: &str) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}

/// With a capital letter and a full stop.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let mut out: String = letters.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    out.push_str(letters.as_str());
    if !out.ends_with(['.', '!', '?', '…']) {
        out.push('.');
    }
    out
}

/// Adds sentences to the description of a schema.
pub(super) fn add_words(schema: &mut Value, words: &[String]) {
    let Value::Object(members) = schema else { return };
    let mut text =
        members.get("description").and_then(Value::as_str).unwrap_or_default().trim_end().to_owned();
    for words in words.iter().filter(|words| !words.is_empty()) {
        if text.contains(words.as_str()) {
            continue;
        }
        if !text.is_empty() {
            text = format!("{} ", sentence(&text));
        }
        text.push_str(words);
    }
    if !text.is_empty() {
        members.insert("description".to_owned(), Value::String(text));
    }
}
