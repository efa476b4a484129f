//! A JSON value → block YAML that people read and our own parser reads back.
//!
//! Small on purpose: what it writes is the subset that `definition::Document`
//! reads, and a property test holds the two together.

use serde_json::{Map, Value};

/// Longest list that is written on one line, in characters.
const MAX_FLOW: usize = 90;
/// Longer texts are folded over several lines.
const MAX_LINE: usize = 100;

/// `value` as a YAML document; `comments` stand above it, a line each.
pub(super) fn document(comments: &[String], value: &Map<String, Value>) -> String {
    let mut out = String::new();
    for comment in comments {
        out.push_str("# ");
        out.extend(comment.chars().map(|c| if is_printable(c) && c != '\t' { c } else { ' ' }));
        out.push('\n');
    }
    if value.is_empty() {
        out.push_str("{}\n");
    } else {
        members(value, 0, &mut out);
    }
    out
}

fn members(map: &Map<String, Value>, indent: usize, out: &mut String) {
    for (key, value) in map {
        pad(indent, out);
        out.push_str(&scalar(key));
        out.push(':');
        after_colon(value, indent, out);
    }
}

/// What follows `key:` or, for a list, `-`; ends the line.
fn after_colon(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            members(map, indent + 2, out);
        }
        Value::Array(items) if !items.is_empty() => match flow(items) {
            Some(line) => {
                out.push(' ');
                out.push_str(&line);
                out.push('\n');
            }
            None => {
                out.push('\n');
                list(items, indent + 2, out);
            }
        },
        Value::String(text) => string(text, indent + 2, out),
        other => {
            out.push(' ');
            out.push_str(&other.to_string());
            out.push('\n');
        }
    }
}

fn list(items: &[Value], indent: usize, out: &mut String) {
    for item in items {
        pad(indent, out);
        out.push('-');
        match item {
            // The first member stands on the line of the dash.
            Value::Object(map) if !map.is_empty() => {
                let mut inner = String::new();
                members(map, indent + 2, &mut inner);
                out.push(' ');
                out.push_str(inner.trim_start_matches(' '));
            }
            other => after_colon(other, indent, out),
        }
    }
}

/// A list of scalars on one line, where it is short.
fn flow(items: &[Value]) -> Option<String> {
    let mut line = String::from("[");
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            line.push_str(", ");
        }
        match item {
            Value::String(text) => line.push_str(&scalar(text)),
            Value::Array(_) | Value::Object(_) => return None,
            other => line.push_str(&other.to_string()),
        }
        if line.len() > MAX_FLOW {
            return None;
        }
    }
    line.push(']');
    Some(line)
}

/// A text after `key:`: a literal block where it has lines, a folded one where
/// it is long, else on the same line.
fn string(text: &str, indent: usize, out: &mut String) {
    if is_block(text) {
        let body = text.trim_end_matches('\n');
        let chomp = match text.len() - body.len() {
            0 => "-",
            1 => "",
            _ => "+",
        };
        let indicator = if body.starts_with([' ', '\n']) { "2" } else { "" };
        out.push_str(&format!(" |{indicator}{chomp}\n"));
        for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            if !line.is_empty() {
                pad(indent, out);
                out.push_str(line);
            }
            out.push('\n');
        }
    } else if is_foldable(text) {
        out.push_str(" >-\n");
        let mut line = String::new();
        for word in text.split(' ') {
            if !line.is_empty() && indent + line.chars().count() + 1 + word.chars().count() > MAX_LINE {
                pad(indent, out);
                out.push_str(&line);
                out.push('\n');
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        pad(indent, out);
        out.push_str(&line);
        out.push('\n');
    } else {
        out.push(' ');
        out.push_str(&scalar(text));
        out.push('\n');
    }
}

fn is_block(text: &str) -> bool {
    let body = text.trim_end_matches('\n');
    body.contains('\n')
        && text.chars().all(|c| c == '\n' || is_printable(c))
        && body.lines().all(|line| !line.starts_with('\t') && line.trim_end() == line)
}

fn is_foldable(text: &str) -> bool {
    text.chars().count() > MAX_LINE
        && text.chars().all(|c| is_printable(c) && c != '\t')
        && text.split(' ').all(|word| !word.is_empty())
}

/// A text on one line: plain where nothing in it could be taken for syntax.
fn scalar(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text) }
}

fn is_plain(text: &str) -> bool {
    let first =
        text.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '_' | '/' | '$' | '.'));
    let inner = text.chars().all(|c| {
        c.is_ascii_alphanumeric()
            || matches!(c, '_' | '-' | '.' | '/' | ' ' | '$' | '(' | ')' | '+' | '\'' | '=' | ';')
            || c == ':'
    });
    // `a: b` and `a:` are keys, `a #b` a comment, and some words are not texts.
    let is_syntax = text.contains(": ") || text.ends_with([':', ' ']) || text.starts_with("...");
    let is_word = matches!(
        text.to_ascii_lowercase().as_str(),
        "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n" | ".inf" | ".nan"
    );
    first && inner && !is_syntax && !is_word && text.len() <= 4 * MAX_LINE
}

/// A double-quoted scalar (YAML 1.2 section 7.3.1).
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_printable(c) => out.push(c),
            c if u32::from(c) <= 0xff => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if u32::from(c) <= 0xffff => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

/// What may stand unescaped on a line of a YAML stream (section 5.1); line
/// breaks of YAML 1.1 and the byte order mark are left out.
fn is_printable(c: char) -> bool {
    matches!(c, '\t' | ' '..='~' | '\u{a0}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}

fn pad(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use callgate_definition::{Document, Format};

    use super::*;

    #[track_caller]
    fn round_trip(value: &Value) {
        let text = document(&["from a test".to_owned()], value.as_object().unwrap());
        let read = Document::parse("a.yaml", &text, Format::Yaml)
            .unwrap_or_else(|problems| panic!("{problems:?}\n{text}"));
        assert_eq!(read.value, *value, "{text}");
    }

    #[test]
    fn files_look_as_a_person_would_write_them() {
        let value = json!({
            "description": "Looks up one order. Use it when the caller asks where an order is, and only after the number is known.",
            "path": "/orders/{{.parameters.id}}",
            "parameters": {"type": "object", "properties": {"id": {"type": "string", "enum": ["a", "b c"]}}, "required": ["id"]},
            "body": "{\"a\":\n  {{.parameters.id}}}\n",
            "output_variables": [{"name": "a", "path": "$.a"}],
            "timeout_ms": 5000, "empty": {}, "none": [], "version": "1.0",
        });
        let text = document(&["Imported.".to_owned()], value.as_object().unwrap());
        let expected = r#"# Imported.
description: >-
  Looks up one order. Use it when the caller asks where an order is, and only after the number is
  known.
path: "/orders/{{.parameters.id}}"
parameters:
  type: object
  properties:
    id:
      type: string
      enum: [a, b c]
  required: [id]
body: |
  {"a":
    {{.parameters.id}}}
output_variables:
  - name: a
    path: $.a
timeout_ms: 5000
empty: {}
none: []
version: "1.0"
"#;
        assert_eq!(text, expected);
        round_trip(&value);
    }

    #[test]
    fn awkward_texts_come_back() {
        for text in [
            "",
            " ",
            "a: b",
            "a #b",
            "- a",
            "null",
            "~",
            "True",
            "1e3",
            "007",
            "a\nb",
            "a\n",
            "\na",
            " a\nb",
            "a \nb",
            "a\n\n\nb\n\n",
            "\t",
            "a\tb\nc",
            "\r\n",
            "\u{85}",
            "\u{2028}",
            "\u{feff}",
            "\u{7f}",
            "\u{0}",
            "é😀",
            "---",
            "...",
            "--- a\n... b",
            "{a}",
            "[a]",
            "*a",
            "&a",
            "!a",
            "|",
            ">",
            "%a",
            "@a",
            "`a`",
            "a:",
            "'",
            "\"",
            "a, b",
            "?",
            "? a",
            ": a",
            "#",
            "=",
            "<<",
            "a:b",
            "http://a.test/b?c=d#e",
            ".a",
            "$.a",
            "{{.x}}\n{{.y}}",
        ] {
            round_trip(&json!({"k": text, text: [text, {"k": text, "l": [text, [text]]}, [[text]]]}));
        }
        round_trip(
            &json!({"k": "word ".repeat(60).trim(), "l": "# ".repeat(90).trim(), "m": "- a: b ".repeat(40).trim()}),
        );
    }

    fn values() -> impl Strategy<Value = Value> {
        let text = prop_oneof![any::<String>(), "[ a-z:#\n\t'\"{}|>-]{0,140}", "([a-z#-]{1,9} ){20,40}[a-z]"];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                prop::collection::vec((text.clone(), inner), 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_back(value in values()) {
            round_trip(&json!({"value": value}));
        }
    }
}
