//! A converted schema, as a person would have written it: null said by types,
//! plain `allOf` merged, descriptions short, keywords in a readable order.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::describe;

/// Longest description of one property, and longest example, in characters.
const MAX_DESCRIPTION: usize = 300;
const MAX_EXAMPLE: usize = 120;

/// What needs more than one keyword to be said: null, required, descriptions.
pub(super) fn tidy(
    out: &mut Map<String, Value>,
    members: &Map<String, Value>,
    dropped: &[&String],
    is_30: bool,
) {
    if let Some(Value::Array(required)) = out.get_mut("required") {
        required
            .retain(|name| name.as_str().is_some_and(|name| !dropped.iter().any(|dropped| *dropped == name)));
        if required.is_empty() {
            out.shift_remove("required");
        }
    }
    if out.get("enum").and_then(Value::as_array).is_some_and(Vec::is_empty) {
        out.shift_remove("enum");
    }
    if is_30 && members.get("nullable") == Some(&Value::Bool(true)) {
        if let Some(Value::String(kind)) = out.get("type") {
            let kinds = json!([kind, "null"]);
            out.insert("type".to_owned(), kinds);
        }
        if let Some(Value::Array(values)) = out.get_mut("enum")
            && !values.contains(&Value::Null)
        {
            values.push(Value::Null);
        }
    }
    if let Some(description) = description(&Value::Object(members.clone())) {
        out.insert("description".to_owned(), description);
    }
    let example = members.get("example").or_else(|| members.get("examples")?.as_array()?.first());
    let is_short = |example: &Value| {
        let length = match example {
            Value::String(text) => text.chars().count(),
            Value::Array(_) | Value::Object(_) | Value::Null => usize::MAX,
            other => other.to_string().len(),
        };
        length <= MAX_EXAMPLE
    };
    let is_secret =
        |example: &Value| example.as_str().is_some_and(callgate_action::secret_like::is_secret_value);
    if let Some(example) = example.filter(|example| is_short(example) && !is_secret(example)) {
        out.insert("examples".to_owned(), json!([example]));
    }
}

/// The description of `schema`, with the default told in it: what the upstream
/// assumes must not be sent by us, or an update would reset what nobody named.
pub(super) fn description(schema: &Value) -> Option<Value> {
    let text =
        schema.get("description").or_else(|| schema.get("title")).and_then(Value::as_str).unwrap_or_default();
    let mut text = describe::bounded(text, MAX_DESCRIPTION);
    let default = match schema.get("default") {
        Some(Value::String(default)) if default.chars().count() <= 40 => default.clone(),
        Some(default @ (Value::Number(_) | Value::Bool(_))) => default.to_string(),
        _ => String::new(),
    };
    if !default.is_empty() && !text.to_lowercase().contains("default") {
        if !text.is_empty() && !text.ends_with(['.', '!', '?', '…']) {
            text.push('.');
        }
        text = format!("{text} Default: {default}.").trim().to_owned();
    }
    (!text.is_empty()).then(|| json!(text))
}

/// What a reader looks for first comes first.
pub(super) fn ordered(mut members: Map<String, Value>) -> Map<String, Value> {
    let mut out = Map::new();
    for keyword in ["type", "description", "format", "enum", "properties", "required", "items"] {
        if let Some(value) = members.shift_remove(keyword) {
            out.insert(keyword.to_owned(), value);
        }
    }
    out.extend(members);
    out
}

/// `allOf` of plain objects as one object, where no property is said twice.
pub(super) fn merged(mut out: Map<String, Value>) -> Map<String, Value> {
    const PLAIN: &[&str] = &["type", "properties", "required", "description", "examples"];
    let Some(Value::Array(parts)) = out.get("allOf") else { return out };
    let is_single = parts.len() == 1;
    let own: BTreeSet<&String> =
        out.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::keys).collect();
    let mut seen = own;
    for part in parts {
        let Some(map) = part.as_object() else { return out };
        let fits = if is_single {
            map.keys().all(|key| {
                !out.contains_key(key)
                    || matches!(key.as_str(), "description" | "examples" | "properties" | "required")
                    || out.get(key) == map.get(key)
            })
        } else {
            map.keys().all(|key| PLAIN.contains(&key.as_str()))
                && map.get("type").is_none_or(|kind| kind == "object")
                && (map.contains_key("properties")
                    || map.keys().all(|key| key == "description" || key == "examples"))
        };
        let properties = map.get("properties").and_then(Value::as_object);
        if !fits || properties.into_iter().flat_map(Map::keys).any(|name| !seen.insert(name)) {
            return out;
        }
    }
    let Some(Value::Array(parts)) = out.shift_remove("allOf") else { return out };
    let mut required = out.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut properties = Map::new();
    for part in parts {
        let Value::Object(part) = part else { continue };
        for (key, value) in part {
            match (key.as_str(), value) {
                ("properties", Value::Object(inner)) => properties.extend(inner),
                ("required", Value::Array(names)) => {
                    required.extend(
                        names.into_iter().filter(|name| !required.contains(name)).collect::<Vec<_>>(),
                    );
                }
                ("description" | "examples", value) => {
                    if is_single {
                        out.entry(key).or_insert(value);
                    }
                }
                (_, value) => {
                    out.insert(key, value);
                }
            }
        }
    }
    if let Some(Value::Object(own)) = out.shift_remove("properties") {
        properties.extend(own);
    }
    if !properties.is_empty() {
        out.entry("type").or_insert_with(|| json!("object"));
        out.insert("properties".to_owned(), Value::Object(properties));
    }
    if !required.is_empty() {
        out.insert("required".to_owned(), Value::Array(required));
    }
    out
}
