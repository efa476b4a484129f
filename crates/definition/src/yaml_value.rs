//! YAML of any origin → its JSON value, without places.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::{Map, Value};

use super::problem::Problem;
use super::yaml::{MAX_COPIED, MAX_DEPTH, bytes_of, resolve, start};

/// A list or map that is still open.
struct Open {
    value: Value,
    key: Option<Key>,
    anchor: usize,
    /// How many values there were before it.
    from: usize,
    /// The maps that `<<` names, first one first.
    merged: Vec<Map<String, Value>>,
}

/// A key that waits for its value.
enum Key {
    Text(String),
    /// `<<` of YAML 1.1: the members of its maps are added, where the map has none of that name.
    Merge,
}

/// Parses YAML of any origin to its JSON value, without places; `max_values`
/// bounds it, aliases expanded. Merge keys (`<<`) of YAML 1.1 are followed.
///
/// # Errors
///
/// The first thing that is wrong, with its place. A repeated key is none: the
/// last one holds, as in most readers.
pub fn read_value(text: &str, max_values: usize) -> Result<Value, Problem> {
    let mut stack: Vec<Open> = Vec::new();
    // Anchored values, each with how many values it is, and how many bytes.
    let mut anchors: HashMap<usize, (Value, usize, usize)> = HashMap::new();
    let (mut values, mut copied, mut copied_bytes) = (0_usize, 0_usize, 0_usize);
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let mark = error.marker();
            Problem::error("", (mark.line().max(1), mark.col() + 1), "yaml_syntax", error.info().to_owned())
        })?;
        let before = values;
        let mut is_merge = false;
        let (value, anchor, from) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                is_merge = plain && text == "<<";
                (if plain { resolve(&text) } else { Value::String(text.into_owned()) }, anchor, before)
            }
            Event::Alias(id) => {
                let Some((value, size, bytes)) = anchors.get(&id) else {
                    return Err(syntax(span, "this alias names an anchor that is not complete here"));
                };
                values += size;
                copied_bytes += bytes;
                if copied_bytes > MAX_COPIED {
                    let message = format!("aliases name more than {MAX_COPIED} bytes");
                    return Err(refuse(span, "too_large", message));
                }
                // Before the copy, which is what would take the memory.
                if values > max_values {
                    return Err(refuse(span, "too_large", format!("more than {max_values} values")));
                }
                (value.clone(), 0, before)
            }
            Event::MappingStart(anchor, _) | Event::SequenceStart(anchor, _) => {
                if stack.len() >= MAX_DEPTH {
                    return Err(refuse(span, "too_deep", format!("nested deeper than {MAX_DEPTH} levels")));
                }
                let is_map = matches!(event, Event::MappingStart(..));
                let value = if is_map { Value::Object(Map::new()) } else { Value::Array(Vec::new()) };
                stack.push(Open { value, key: None, anchor, from: values, merged: Vec::new() });
                continue;
            }
            Event::MappingEnd | Event::SequenceEnd => match stack.pop() {
                Some(open) => (whole(open.value, open.merged), open.anchor, open.from),
                None => continue,
            },
            Event::DocumentEnd
            | Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_) => continue,
        };
        values += 1;
        if values > max_values {
            return Err(refuse(span, "too_large", format!("more than {max_values} values")));
        }
        if anchor > 0 {
            // A copy, which nested anchors multiply.
            copied += values - from;
            if copied > max_values {
                return Err(refuse(span, "too_large", format!("anchors hold more than {max_values} values")));
            }
            let bytes = bytes_of(&value);
            copied_bytes += bytes;
            if copied_bytes > MAX_COPIED {
                let message = format!("anchors hold more than {MAX_COPIED} bytes");
                return Err(refuse(span, "too_large", message));
            }
            anchors.insert(anchor, (value.clone(), values - from, bytes));
        }
        match stack.last_mut() {
            None => return Ok(value),
            Some(Open { value: Value::Array(items), .. }) => items.push(value),
            Some(Open { value: Value::Object(map), key, merged, .. }) => match (key.take(), value) {
                (Some(Key::Text(key)), value) => {
                    map.insert(key, value);
                }
                (Some(Key::Merge), Value::Object(inner)) => merged.push(inner),
                (Some(Key::Merge), Value::Array(items)) => {
                    for item in items {
                        let Value::Object(inner) = item else { return Err(no_map(span)) };
                        merged.push(inner);
                    }
                }
                (Some(Key::Merge), _) => return Err(no_map(span)),
                (None, _) if is_merge => *key = Some(Key::Merge),
                (None, Value::String(text)) => *key = Some(Key::Text(text)),
                (None, Value::Number(number)) => *key = Some(Key::Text(number.to_string())),
                (None, Value::Bool(flag)) => *key = Some(Key::Text(flag.to_string())),
                (None, Value::Null) => *key = Some(Key::Text("null".to_owned())),
                (None, Value::Array(_) | Value::Object(_)) => {
                    return Err(syntax(span, "a key must be a plain text"));
                }
            },
            Some(_) => {}
        }
    }
    Ok(Value::Null)
}

/// `value` with the members of `merged` that it has not itself.
fn whole(mut value: Value, merged: Vec<Map<String, Value>>) -> Value {
    if let Value::Object(map) = &mut value {
        for (key, value) in merged.into_iter().flatten() {
            map.entry(key).or_insert(value);
        }
    }
    value
}

fn refuse(span: Span, code: &'static str, message: String) -> Problem {
    Problem::error("", start(span), code, message)
}

fn syntax(span: Span, message: &str) -> Problem {
    refuse(span, "yaml_syntax", message.to_owned())
}

fn no_map(span: Span) -> Problem {
    syntax(span, "`<<` merges maps, and this is neither a map nor a list of maps")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::document::Document;
    use super::super::format::Format;
    use super::*;

    #[test]
    fn a_value_without_places_is_the_same_value() {
        let text = "a: &x [1, {b: null, 3: yes}]\nc: *x\nd: |\n  t\n\"e\": 2024-01-02\n200: {}\n";
        let document = Document::parse("a.yaml", text, Format::Yaml).expect("valid");
        assert_eq!(read_value(text, 100).expect("valid"), document.value);
        assert_eq!(read_value("a: 1\na: 2\n", 100).expect("valid")["a"], 2);
        assert_eq!(read_value("", 100).expect("valid"), Value::Null);
        assert_eq!(read_value("a: [", 100).expect_err("refused").code, "yaml_syntax");
        assert_eq!(read_value("a: *b", 100).expect_err("refused").code, "yaml_syntax");
        assert_eq!(read_value(&"[".repeat(100), 100).expect_err("refused").code, "too_deep");
        assert_eq!(read_value("[1, 2, 3]", 3).expect_err("refused").code, "too_large");
    }

    #[test]
    fn merge_keys_add_what_a_map_has_not_itself() {
        let text = "a: &a {x: 1, y: {z: 1}}\nb: &b {x: 2, w: 2}\none: {<<: *a, y: 3}\nbefore: {y: 3, <<: *a}\n\
            two:\n  <<: [*a, *b]\ntwice: {<<: *b, <<: *a}\nnested: {<<: {<<: *a, q: 4}}\nquoted: {\"<<\": *a}\n";
        let value = read_value(text, 1_000).expect("valid");
        for (key, expected) in [
            ("one", json!({"x": 1, "y": 3})),
            ("before", json!({"x": 1, "y": 3})),
            ("two", json!({"x": 1, "y": {"z": 1}, "w": 2})),
            ("twice", json!({"x": 2, "w": 2, "y": {"z": 1}})),
            ("nested", json!({"q": 4, "x": 1, "y": {"z": 1}})),
            ("quoted", json!({"<<": {"x": 1, "y": {"z": 1}}})),
        ] {
            assert_eq!(value[key], expected, "{key}");
        }
        for text in ["a: {<<: 1}", "a: {<<: [{}, 1]}", "<<:\n", "a: &a {<<: *a}"] {
            assert_eq!(read_value(text, 100).expect_err(text).code, "yaml_syntax", "{text}");
        }
    }

    #[test]
    fn merge_keys_are_counted_as_any_alias() {
        let mut text = String::from("a0: &a0 {x: 1}\n");
        for n in 1..40 {
            text.push_str(&format!("a{n}: &a{n} {{k{n}: *a{0}, <<: *a{0}}}\n", n - 1));
        }
        assert_eq!(read_value(&text, 100_000).expect_err("refused").code, "too_large");
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for n in 1..9 {
            let refs = vec![format!("*a{}", n - 1); 10].join(",");
            text.push_str(&format!("a{n}: &a{n} [{refs}]\n"));
        }
        assert_eq!(read_value(&text, 100_000).expect_err("refused").code, "too_large");
    }
}
