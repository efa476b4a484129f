//! An example value → the schema of a parameter.

use serde_json::{Map, Value, json};

use callgate_action::secret_like;

/// Deepest example that is described; below it anything goes.
const MAX_DEPTH: usize = 12;
/// Most members of one object and longest example kept.
const MAX_MEMBERS: usize = 200;
const MAX_EXAMPLE_CHARS: usize = 200;

/// The schema of values like `example`, called `name`.
///
/// Every member of an object is required, as the example has it; what looks
/// like a secret is no example.
pub(super) fn schema(name: &str, example: &Value) -> Value {
    let Value::Object(members) = described(name, example, 0) else { return json!({}) };
    let mut schema = Map::new();
    schema.extend(members.get_key_value("type").map(|(key, value)| (key.clone(), value.clone())));
    schema.insert("description".to_owned(), json!(sentence(name)));
    schema.extend(members.into_iter().filter(|(key, _)| key != "type"));
    Value::Object(schema)
}

fn described(name: &str, example: &Value, depth: usize) -> Value {
    let kind = match example {
        Value::Null => return json!({}),
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(text) if is_stand_in(text) => return of_stand_in(text),
        Value::String(_) => "string",
        Value::Array(items) => {
            let inner = match items.first() {
                Some(first) if depth < MAX_DEPTH => described(name, first, depth + 1),
                _ => return json!({"type": "array"}),
            };
            return json!({"type": "array", "items": inner});
        }
        Value::Object(members) => {
            if depth == MAX_DEPTH || members.is_empty() {
                return json!({"type": "object"});
            }
            let properties: Map<String, Value> = members
                .iter()
                .take(MAX_MEMBERS)
                .map(|(name, value)| (name.clone(), described(name, value, depth + 1)))
                .collect();
            let required: Vec<&String> = properties.keys().collect();
            return json!({"type": "object", "required": required, "properties": properties});
        }
    };
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!(kind));
    if is_example(name, example) {
        schema.insert("examples".to_owned(), json!([example]));
    }
    Value::Object(schema)
}

/// Whether `text` stands for a value, as generators and people write it: `<long>`, `<order id>`,
/// `<string>,<string>`.
pub(super) fn is_stand_in(text: &str) -> bool {
    let is_one = |part: &str| {
        let inner = part.trim().strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
        inner.is_some_and(|inner| {
            inner.starts_with(char::is_alphabetic)
                && inner.len() <= 60
                && inner.chars().all(|c| c.is_alphanumeric() || matches!(c, ' ' | '_' | '-'))
        })
    };
    text.split(',').all(is_one)
}

/// The type that a stand-in names; a text where it names none.
fn of_stand_in(text: &str) -> Value {
    let word = text.trim().trim_matches(['<', '>']).to_ascii_lowercase().replace(['-', '_', ' '], "");
    match word.as_str() {
        "long" | "int" | "integer" | "int32" | "int64" => json!({"type": "integer"}),
        "number" | "double" | "float" | "decimal" => json!({"type": "number"}),
        "boolean" | "bool" => json!({"type": "boolean"}),
        "date" => json!({"type": "string", "format": "date"}),
        "datetime" => json!({"type": "string", "format": "date-time"}),
        "uuid" | "guid" => json!({"type": "string", "format": "uuid"}),
        "email" => json!({"type": "string", "format": "email"}),
        "uri" | "url" => json!({"type": "string", "format": "uri"}),
        _ => json!({"type": "string"}),
    }
}

/// Whether `value` may stand in a definition as an example.
fn is_example(name: &str, value: &Value) -> bool {
    match value {
        Value::String(text) => {
            !text.is_empty()
                && text.chars().count() <= MAX_EXAMPLE_CHARS
                && !secret_like::is_secret_member(name, text)
                && !secret_like::holds_secret_value(text)
        }
        _ => !secret_like::is_secret_member(name, ""),
    }
}

/// The names of members, at any depth, whose values look like secrets.
pub(super) fn secrets(name: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            let named = secret_like::is_secret_member(name, text) && !text.is_empty();
            let is_stand_in = secret_like::is_stand_in(text);
            let is_secret = (named || secret_like::holds_secret_value(text)) && !is_stand_in;
            if is_secret && !found.iter().any(|known| known == name) {
                found.push(name.to_owned());
            }
        }
        Value::Array(items) => items.iter().for_each(|item| secrets(name, item, found)),
        Value::Object(members) => members.iter().for_each(|(name, value)| secrets(name, value, found)),
        _ => {}
    }
}

/// A text of a URL or a form as the value it most likely is: digits that a
/// number would change (`007`, a phone number) stay a text.
pub(super) fn value(text: &str) -> Value {
    match serde_json::from_str::<serde_json::Number>(text) {
        Ok(number) if number.as_i64().is_some_and(|n| n.to_string() == text && n.abs() < 1_000_000_000) => {
            Value::Number(number)
        }
        _ if text == "true" || text == "false" => Value::Bool(text == "true"),
        _ => Value::String(text.to_owned()),
    }
}

/// `customerEmail` → `Customer email.`
pub(super) fn sentence(name: &str) -> String {
    let mut sentence = String::new();
    let mut before = ' ';
    for c in name.chars().take(100) {
        let is_word = c.is_alphanumeric();
        if (!is_word || (c.is_uppercase() && before.is_lowercase()))
            && !sentence.ends_with(' ')
            && !sentence.is_empty()
        {
            sentence.push(' ');
        }
        if is_word {
            match sentence.is_empty() {
                true => sentence.extend(c.to_uppercase()),
                false => sentence.extend(c.to_lowercase()),
            }
        }
        before = c;
    }
    let sentence = sentence.trim();
    if sentence.is_empty() { "A value.".to_owned() } else { format!("{sentence}.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_follow_the_example_and_secrets_are_no_examples() {
        let example = json!({"name": "Ann", "n": 2, "x": 1.5, "ok": true, "tags": ["a"], "none": null, "password": "hunter2"});
        let schema = schema("customerData", &example);
        assert_eq!(schema["description"], "Customer data.");
        assert_eq!(schema["properties"]["name"], json!({"type": "string", "examples": ["Ann"]}));
        assert_eq!(schema["properties"]["n"]["type"], "integer");
        assert_eq!(schema["properties"]["x"]["type"], "number");
        assert_eq!(schema["properties"]["tags"]["items"]["type"], "string");
        assert_eq!(schema["properties"]["none"], json!({}));
        assert_eq!(schema["properties"]["password"], json!({"type": "string"}));
        let mut found = Vec::new();
        secrets("", &example, &mut found);
        assert_eq!(found, ["password"]);
    }

    #[test]
    fn a_stand_in_says_the_type_and_is_no_example() {
        for (text, expected) in [
            ("<long>", json!({"type": "integer"})),
            ("<double>", json!({"type": "number"})),
            ("<boolean>", json!({"type": "boolean"})),
            ("<dateTime>", json!({"type": "string", "format": "date-time"})),
            ("<uuid>", json!({"type": "string", "format": "uuid"})),
            ("<order id>", json!({"type": "string"})),
            ("<string>,<string>", json!({"type": "string"})),
        ] {
            assert_eq!(described("a", &json!(text), 0), expected, "{text}");
        }
        for text in ["<a><b/></a>", "<", "<>", "a < b > c", "<long> x", "</b>", ""] {
            assert!(!is_stand_in(text), "{text}");
        }
        let listed = schema("ids", &json!(["<long>", "<long>"]));
        assert_eq!(listed, json!({"type": "array", "description": "Ids.", "items": {"type": "integer"}}));
    }

    #[test]
    fn numbers_of_a_url_stay_texts_where_a_number_would_change_them() {
        for (text, expected) in [
            ("5", json!(5)),
            ("007", json!("007")),
            ("4915112345678", json!("4915112345678")),
            ("true", json!(true)),
            ("1.0", json!("1.0")),
            ("", json!("")),
        ] {
            assert_eq!(value(text), expected);
        }
    }
}
