//! The text of a variable → the value that it stands for.
//!
//! `true`, `7`, `2.5`, `"a text"`, `[production, staging]` and `{per_second = 2}` are what they look like. A text that is
//! none of these stands for itself.

use std::collections::BTreeMap;

use serde_json::{Number, Value};

/// The value that `text` stands for.
pub(super) fn value_of(text: &str) -> Value {
    let mut reader = Reader { rest: text };
    match reader.value() {
        Some(value) if reader.rest.is_empty() => value,
        _ => Value::String(text.to_owned()),
    }
}

/// Reads from the front of what is left.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Option<Value> {
        self.space();
        let value = match self.rest.chars().next() {
            _ if self.takes("true") => Value::Bool(true),
            _ if self.takes("false") => Value::Bool(false),
            Some('{') => Value::Object(self.members()?.into_iter().collect()),
            Some('[') => Value::Array(self.items()?),
            Some('"') => Value::String(self.quoted()?),
            Some('\'') => Value::String(self.character()?.to_string()),
            _ => plain(self.take_while(|c| !matches!(c, ',' | '{' | '}' | '[' | ']'))),
        };
        self.space();
        Some(value)
    }

    fn items(&mut self) -> Option<Vec<Value>> {
        let mut items = Vec::new();
        self.list('[', ']', |reader| {
            items.push(reader.value()?);
            Some(())
        })?;
        Some(items)
    }

    fn members(&mut self) -> Option<BTreeMap<String, Value>> {
        let mut members = BTreeMap::new();
        self.list('{', '}', |reader| {
            reader.space();
            let key = reader.key()?;
            reader.space();
            reader.take('=')?;
            members.insert(key, reader.value()?);
            Some(())
        })?;
        Some(members)
    }

    /// What stands between `open` and `close`, with commas between; a last comma is allowed.
    fn list(&mut self, open: char, close: char, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take(open)?;
        while self.take(close).is_none() {
            item(self)?;
            if self.take(',').is_none() {
                return self.take(close);
            }
        }
        Some(())
    }

    fn key(&mut self) -> Option<String> {
        if self.rest.starts_with('"') {
            return self.quoted();
        }
        let key = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        (!key.is_empty()).then(|| key.to_owned())
    }

    fn character(&mut self) -> Option<char> {
        self.take('\'')?;
        let character = self.rest.chars().next()?;
        self.take(character)?;
        self.take('\'')?;
        Some(character)
    }

    /// A text in double quotes, with the escapes of TOML.
    fn quoted(&mut self) -> Option<String> {
        self.take('"')?;
        let mut text = String::new();
        let mut chars = self.rest.chars();
        loop {
            match chars.next()? {
                '"' => break,
                '\\' => text.push(match chars.next()? {
                    c @ ('"' | '\\') => c,
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'u' => code_point(&mut chars, 4)?,
                    'U' => code_point(&mut chars, 8)?,
                    _ => return None,
                }),
                c if c == '\t' || (c >= ' ' && c != '\u{7f}') => text.push(c),
                _ => return None,
            }
        }
        self.rest = chars.as_str();
        Some(text)
    }

    fn space(&mut self) {
        self.take_while(|c| c.is_ascii_whitespace());
    }

    fn take(&mut self, wanted: char) -> Option<()> {
        self.rest = self.rest.strip_prefix(wanted)?;
        Some(())
    }

    fn takes(&mut self, word: &str) -> bool {
        let rest = self.rest.strip_prefix(word);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }
}

/// A number, or a text without quotes.
fn plain(text: &str) -> Value {
    let text = text.trim();
    if text.contains('.')
        && let Ok(float) = text.parse::<f64>()
    {
        return Number::from_f64(float).map_or(Value::Null, Value::Number);
    }
    if let Ok(number) = text.parse::<usize>() {
        return Value::from(number);
    }
    text.parse::<isize>().map_or_else(|_| Value::String(text.to_owned()), Value::from)
}

/// The character of a number that is written with so many hexadecimal digits.
fn code_point(chars: &mut std::str::Chars<'_>, digits: usize) -> Option<char> {
    let mut code = 0;
    for _ in 0..digits {
        code = code * 16 + chars.next()?.to_digit(16)?;
    }
    char::from_u32(code)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Value) {
        assert_eq!(value_of(text), expected, "{text}");
    }

    #[test]
    fn a_word_a_number_or_a_text_is_what_it_looks_like() {
        check("true", json!(true));
        check("  false  ", json!(false));
        check("\"false\"", json!("false"));
        check(" 123 ", json!(123));
        check(" -2", json!(-2));
        check("+5", json!(5));
        check("007", json!(7));
        check("  1.2", json!(1.2));
        check(".5", json!(0.5));
        check("1e5", json!("1e5"));
        check("127.0.0.1:8080", json!("127.0.0.1:8080"));
        check("   a ", json!("a"));
        check("\" a  \"", json!(" a  "));
        check("'x'", json!("x"));
        check("", json!(""));
        check("18446744073709551615", json!(u64::MAX));
        check("-9223372036854775808", json!(i64::MIN));
        check("99999999999999999999", json!("99999999999999999999"));
        check("1.0e999", Value::Null);
    }

    #[test]
    fn a_text_in_quotes_has_the_escapes_of_toml() {
        check("\"abc\\td\\n\"", json!("abc\td\n"));
        check("\"\\n\\f\\b\\\\\\r\\\"\"", json!("\n\u{c}\u{8}\\\r\""));
        check("\"hi\\u1234there\"", json!("hi\u{1234}there"));
        check("\"\\U0001F600\"", json!("\u{1F600}"));
        for raw in
            ["\"\\\"", "\"\\x\"", "\"\\ud800\"", "\"\\u12\"", "\"\u{7f}\"", "\"\u{1}\"", "\"a\"b", "'ab'"]
        {
            check(raw, json!(raw));
        }
    }

    #[test]
    fn lists_and_tables_hold_values() {
        check("[1,2,3]", json!([1, 2, 3]));
        check("{a=b}", json!({"a": "b"}));
        check("{\"a.b.c\"=b}", json!({"a.b.c": "b"}));
        check("{b = 3, a=1}", json!({"a": 1, "b": 3}));
        check("{a=1,a=2}", json!({"a": 2}));
        check("{a=[[-2]],b=\" hi\"}", json!({"a": [[-2]], "b": " hi"}));
        check("[1,true,hi,\"a \"]", json!([1, true, "hi", "a "]));
        check("[[ -1], {a=[ b ]},  hi ]", json!([[-1], {"a": ["b"]}, "hi"]));
        check("[]", json!([]));
        check("{}", json!({}));
        check("[a,]", json!(["a"]));
        check("[ ]", json!([""]));
    }

    #[test]
    fn what_is_none_of_these_stands_for_itself() {
        for raw in [
            "trueish",
            "warn,callgate=debug",
            "http://[::1]:80",
            "[a",
            "[a]b",
            "[trueish]",
            "{a}",
            "{=1}",
            "{a b=1}",
            " a, b",
        ] {
            check(raw, json!(raw));
        }
    }
}
