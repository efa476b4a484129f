//! YAML of any origin → its JSON value, without places.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::{Map, Value};

use super::problem::Problem;
use super::yaml::{MAX_DEPTH, resolve, start};

/// Parses YAML of any origin to its JSON value, without places; `max_values`
/// bounds it, aliases expanded.
///
/// # Errors
///
/// The first thing that is wrong, with its place. A repeated key is none: the
/// last one holds, as in most readers.
pub fn read_value(text: &str, max_values: usize) -> Result<Value, Problem> {
    let mut stack: Vec<(Value, Option<String>, usize, usize)> = Vec::new();
    // Anchored values, each with how many values it is.
    let mut anchors: HashMap<usize, (Value, usize)> = HashMap::new();
    let (mut values, mut copied) = (0_usize, 0_usize);
    let refuse =
        |span: Span, code: &'static str, message: String| Problem::error("", start(span), code, message);
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let mark = error.marker();
            Problem::error("", (mark.line().max(1), mark.col() + 1), "yaml_syntax", error.info().to_owned())
        })?;
        let before = values;
        let (value, anchor, from) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                (if plain { resolve(&text) } else { Value::String(text.into_owned()) }, anchor, before)
            }
            Event::Alias(id) => {
                let Some((value, size)) = anchors.get(&id) else {
                    return Err(refuse(
                        span,
                        "yaml_syntax",
                        "this alias names an anchor that is not complete here".to_owned(),
                    ));
                };
                values += size;
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
                stack.push((value, None, anchor, values));
                continue;
            }
            Event::MappingEnd | Event::SequenceEnd => match stack.pop() {
                Some((value, _, anchor, from)) => (value, anchor, from),
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
            anchors.insert(anchor, (value.clone(), values - from));
        }
        match stack.last_mut() {
            None => return Ok(value),
            Some((Value::Array(items), ..)) => items.push(value),
            Some((Value::Object(map), key, ..)) => match (key.take(), value) {
                (Some(key), value) => {
                    map.insert(key, value);
                }
                (None, Value::String(text)) => *key = Some(text),
                (None, Value::Number(number)) => *key = Some(number.to_string()),
                (None, Value::Bool(flag)) => *key = Some(flag.to_string()),
                (None, Value::Null) => *key = Some("null".to_owned()),
                (None, Value::Array(_) | Value::Object(_)) => {
                    return Err(refuse(span, "yaml_syntax", "a key must be a plain text".to_owned()));
                }
            },
            Some(_) => {}
        }
    }
    Ok(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::super::document::{Document, Format};
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
    fn an_alias_bomb_is_refused() {
        let mut text = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for n in 1..9 {
            let refs = vec![format!("*a{}", n - 1); 10].join(",");
            text.push_str(&format!("a{n}: &a{n} [{refs}]\n"));
        }
        assert_eq!(read_value(&text, 100_000).expect_err("refused").code, "too_large");
    }
}
