//! Reading of JSON and YAML that products export: one text, many shapes.

use serde_json::{Map, Value, json};

use callgate_definition::read_value;
use callgate_text::push_token;

use super::MAX_SOURCE_BYTES;
use super::report::ImportError;
use super::{names, placeholder};

/// Most values of a YAML source, aliases expanded.
const MAX_VALUES: usize = 2_000_000;

/// Parses JSON, or YAML where the text is none.
pub(super) fn parse(text: &str) -> Result<Value, ImportError> {
    if text.len() > MAX_SOURCE_BYTES {
        let message = format!("the source has {} bytes, more than {MAX_SOURCE_BYTES}", text.len());
        return Err(ImportError::new("too_large", message, "split it"));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let broken = match serde_json::from_str::<Value>(text) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    if text.trim_start().starts_with(['{', '[']) && !broken.to_string().starts_with("key must be a string") {
        return Err(ImportError::new("json_syntax", format!("not JSON: {broken}"), "export the file again"));
    }
    read_value(text, MAX_VALUES).map_err(|problem| {
        let message = format!(
            "neither JSON nor YAML: line {}, column {}: {}",
            problem.line, problem.column, problem.message
        );
        ImportError::new("yaml_syntax", message, problem.hint.unwrap_or_default())
    })
}

/// The text of `key`, trimmed; empty where there is none.
pub(super) fn text<'v>(map: &'v Value, key: &str) -> &'v str {
    map.get(key).and_then(Value::as_str).unwrap_or_default().trim()
}

/// The first text that one of `keys` has.
pub(super) fn first_text<'v>(map: &'v Value, keys: &[&str]) -> &'v str {
    keys.iter().map(|key| text(map, key)).find(|text| !text.is_empty()).unwrap_or_default()
}

/// The texts in the list under `key`; none where there is no list.
pub(super) fn texts<'v>(map: &'v Value, key: &str) -> impl Iterator<Item = &'v str> {
    map.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// The names of the members of the object under `key`.
pub(super) fn member_names(map: &Value, key: &str) -> Vec<String> {
    map.get(key).and_then(Value::as_object).into_iter().flat_map(Map::keys).cloned().collect()
}

/// A scalar as text; empty for anything else.
pub(super) fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        _ => String::new(),
    }
}

/// Pairs, written as a map or as a list of `{key, value}`; disabled and
/// nameless ones are left out.
pub(super) fn pairs(value: Option<&Value>) -> Vec<(String, String)> {
    match value {
        Some(Value::Object(map)) => map.iter().map(|(key, value)| (key.clone(), scalar(value))).collect(),
        Some(Value::Array(items)) => items
            .iter()
            .filter(|item| {
                item.get("disabled") != Some(&Value::Bool(true))
                    && item.get("enabled") != Some(&Value::Bool(false))
            })
            .filter_map(|item| {
                let key = first_text(item, &["key", "name"]);
                let value = item.get("value").or_else(|| item.get("val")).map(scalar).unwrap_or_default();
                (!key.is_empty()).then(|| (key.to_owned(), value))
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// Every object that `is_tool` takes, outermost first, with its JSON Pointer.
pub(super) fn tools<'v>(
    root: &'v Value,
    is_tool: &dyn Fn(&Map<String, Value>) -> bool,
) -> Vec<(String, &'v Value)> {
    let mut found = Vec::new();
    let mut todo = vec![("#".to_owned(), root)];
    while let Some((pointer, value)) = todo.pop() {
        match value {
            Value::Object(map) if is_tool(map) => found.push((pointer, value)),
            Value::Object(map) => {
                for (key, value) in map.iter().rev() {
                    if value.is_object() || value.is_array() {
                        let mut pointer = pointer.clone();
                        push_token(&mut pointer, key);
                        todo.push((pointer, value));
                    }
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate().rev() {
                    todo.push((format!("{pointer}/{index}"), item));
                }
            }
            _ => {}
        }
    }
    found
}

/// An output variable for the value at `path`, written as products do
/// (`response.a.b`, `$.a[0]`, `a.b`); `None` where it is none of these.
pub(super) fn output(name: &str, path: &str) -> Option<Value> {
    let is_ours =
        name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'.');
    let parts = name.split('.').map(|part| if is_ours { part.to_owned() } else { names::variable(part) });
    let name = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".");
    let path = path.trim().trim_start_matches("{{").trim_end_matches("}}").trim();
    let is_deep = path.contains("..");
    let path = path.strip_prefix("$.").or_else(|| path.strip_prefix('$')).unwrap_or(path);
    let path = path.strip_prefix("response.").unwrap_or(path).trim_start_matches('.');
    // `..` of JSONPath looks everywhere, which no path of steps does.
    if name.is_empty() || is_deep {
        return None;
    }
    if path.is_empty() || path == "response" {
        return Some(json!({"name": name, "path": "$"}));
    }
    // A list at the root: `[0].id`.
    let rooted = if path.starts_with('[') { format!("root{path}") } else { path.to_owned() };
    let steps = placeholder::path(&rooted)?;
    let mut out = String::from("$");
    for step in steps.iter().skip(usize::from(path.starts_with('['))) {
        match step {
            super::placeholder::Step::Index(index) => out.push_str(&format!("[{index}]")),
            super::placeholder::Step::Key(key) if super::names::is_field(key) => {
                out.push_str(&format!(".{key}"));
            }
            super::placeholder::Step::Key(key) => out.push_str(&format!("[{}]", json!(key))),
        }
    }
    Some(json!({"name": name, "path": out}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_products_become_jsonpath() {
        for (path, expected) in [
            ("customer.name", "$.customer.name"),
            ("response.films[0].id", "$.films[0].id"),
            ("$.a.b", "$.a.b"),
            ("{{$.a}}", "$.a"),
            ("response", "$"),
            ("[0].id", "$[0].id"),
            ("a-b.c", "$[\"a-b\"].c"),
            ("$", "$"),
            ("items.0.id", "$.items[0].id"),
        ] {
            assert_eq!(output("x", path).unwrap()["path"], expected, "{path}");
        }
        assert_eq!(output("orderID.x", "a").unwrap()["name"], "order_id.x");
        assert_eq!(output("_a.2", "a").unwrap()["name"], "_a.2");
        for path in ["a[*].b", "a | b", "..", "$..a"] {
            assert_eq!(output("x", path), None, "{path}");
        }
        assert_eq!(output("", "a"), None);
    }
}
