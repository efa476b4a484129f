//! TOML text → [`Document`].

use std::collections::HashMap;

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::{Document, Place};
use super::problem::Problem;
use callgate_text::push_token;

/// Parses TOML; all syntax errors come at once.
pub(super) fn parse(file: &str, text: &str) -> Result<Document, Vec<Problem>> {
    let lines = Lines::new(text);
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(errors
            .iter()
            .map(|error| {
                let place = error.span().map_or((1, 1), |span| lines.at(span.start));
                let code =
                    if error.message().contains("duplicate key") { "duplicate_key" } else { "toml_syntax" };
                Problem::error(file, place, code, error.message().replace('\n', "; "))
            })
            .collect());
    }
    let mut places = HashMap::new();
    places.insert(String::new(), Place { value: (1, 1), ..Place::default() });
    let value = table(root.get_ref(), &mut String::new(), &lines, &mut places);
    Ok(Document { file: file.to_owned(), value, places })
}

/// What of `text` can be read although it has syntax errors.
pub fn salvage(text: &str) -> Value {
    let (root, _) = DeTable::parse_recoverable(text);
    table(root.get_ref(), &mut String::new(), &Lines::new(text), &mut HashMap::new())
}

fn table(
    table: &DeTable<'_>,
    pointer: &mut String,
    lines: &Lines<'_>,
    places: &mut HashMap<String, Place>,
) -> Value {
    let mut map = Map::new();
    for (key, item) in table {
        let cut = pointer.len();
        push_token(pointer, key.get_ref());
        let at = Some(lines.at(key.span().start));
        map.insert(key.get_ref().to_string(), value(item, at, pointer, lines, places));
        pointer.truncate(cut);
    }
    Value::Object(map)
}

fn value(
    item: &Spanned<DeValue<'_>>,
    key: Option<(usize, usize)>,
    pointer: &mut String,
    lines: &Lines<'_>,
    places: &mut HashMap<String, Place>,
) -> Value {
    let at = lines.at(item.span().start);
    places.insert(pointer.clone(), Place { key, value: at, text: None });
    match item.get_ref() {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => integer(number.as_str(), number.radix()),
        DeValue::Float(number) => {
            let text = number.as_str();
            serde_json::from_str(text).map_or_else(|_| Value::String(text.to_owned()), Value::Number)
        }
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(datetime) => Value::String(datetime.to_string()),
        DeValue::Array(items) => Value::Array(
            items
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    let cut = pointer.len();
                    push_token(pointer, &index.to_string());
                    let value = value(item, None, pointer, lines, places);
                    pointer.truncate(cut);
                    value
                })
                .collect(),
        ),
        DeValue::Table(inner) => table(inner, pointer, lines, places),
    }
}

/// An integer as TOML writes it, in any radix; a decimal keeps its digits.
fn integer(text: &str, radix: u32) -> Value {
    if radix == 10 {
        let text = text.trim_start_matches('+');
        if let Ok(number) = serde_json::from_str(text) {
            return Value::Number(number);
        }
    }
    i64::from_str_radix(text, radix).map_or_else(|_| Value::String(text.to_owned()), Value::from)
}

/// Byte offsets → lines and columns.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    fn at(&self, offset: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts[line - 1];
        let column = self.text.get(start..offset).map_or(0, |before| before.chars().count());
        (line, column + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_know_their_places() {
        let document = parse("v.toml", "[development]\nREGION = \"eu\"\n\n[production]\nlimit = 1_000\n")
            .expect("valid");
        assert_eq!(document.at_key("/development/REGION"), (2, 1));
        assert_eq!(document.at_value("/development/REGION"), (2, 10));
        assert_eq!(document.value["production"]["limit"].to_string(), "1000");
    }

    #[test]
    fn a_repeated_key_is_an_error_with_its_place() {
        let problems = parse("v.toml", "[a]\nx = 1\nx = 2\n").expect_err("refused");
        assert_eq!((problems[0].code, problems[0].line), ("duplicate_key", 3));
    }
}
