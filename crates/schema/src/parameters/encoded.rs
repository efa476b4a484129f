//! Values that are one JSON text too deep.
//!
//! Some clients and models encode a value once more than they should: `"[\"a\"]"` for a list, `"50"` for
//! a number, `"true"` for a boolean. Where the schema takes no text, such a text can mean nothing else
//! than the value that it spells. Nothing is decoded where a text is allowed, and the caller uses what
//! was decoded only if the arguments do not fit as they were sent and do fit afterwards.
use serde_json::{Map, Value};

use super::kinds::{Kind, takes};
use super::strict_json::parse_value;
use crate::keyword::OTHER_MEMBERS;
use crate::reference::same_value;

/// The nesting of arguments that is looked into; `serde_json` reads no deeper.
const MAX_DEPTH: usize = 128;
/// The places that are told, at most; what stands at others is read as well.
const MAX_TOLD: usize = 20;

/// Reads every text in `arguments` that stands where the schema takes none and that is JSON of a kind
/// that it takes. Gives the JSON Pointers of what was read, outermost first: the first twenty of them.
pub(super) fn decode(root: &Value, arguments: &mut Map<String, Value>) -> Vec<String> {
    let mut decoding = Decoding { root, decoded: Vec::new(), place: String::new() };
    decoding.members(&[root], arguments, 0);
    decoding.decoded
}

/// Whether a text begins as JSON that is no text does.
pub(super) fn may_be_encoded(arguments: &Map<String, Value>) -> bool {
    let mut todo: Vec<&Value> = arguments.values().collect();
    while let Some(value) = todo.pop() {
        match value {
            Value::String(text) if begins_as_json(text) => return true,
            Value::Array(items) => todo.extend(items),
            Value::Object(inner) => todo.extend(inner.values()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    false
}

fn begins_as_json(text: &str) -> bool {
    let first = text.trim_start().bytes().next();
    first.is_some_and(|byte| byte.is_ascii_digit() || b"[{-tfn".contains(&byte))
}

/// How deep lists and objects are nested; 0 for any other value.
fn depth_of(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth_of).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth_of).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

struct Decoding<'s> {
    root: &'s Value,
    decoded: Vec<String>,
    /// The JSON Pointer of the value that is looked at.
    place: String,
}

impl<'s> Decoding<'s> {
    fn value(&mut self, schemas: &[&'s Value], value: &mut Value, depth: usize) {
        if let Value::String(text) = value
            && let Some(meant) = self.meant(schemas, text, depth)
        {
            *value = meant;
            if self.decoded.len() < MAX_TOLD {
                self.decoded.push(self.place.clone());
            }
        }
        match value {
            Value::Object(members) => self.members(schemas, members, depth),
            Value::Array(items) => self.items(schemas, items, depth),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// The value that `text` spells, where every schema of its place takes that and none takes a text.
    fn meant(&self, schemas: &[&'s Value], text: &str, depth: usize) -> Option<Value> {
        let takes_text = |schema: &&Value| takes(self.root, schema, Kind::Text);
        if schemas.is_empty() || !begins_as_json(text) || schemas.iter().any(takes_text) {
            return None;
        }
        let meant = parse_value(text)?;
        let kind = Kind::of(&meant);
        // A null that a schema does not take may count as absent.
        let fits = kind == Kind::Null || schemas.iter().any(|schema| takes(self.root, schema, kind));
        (fits && depth + depth_of(&meant) <= MAX_DEPTH).then_some(meant)
    }

    fn members(&mut self, schemas: &[&'s Value], given: &mut Map<String, Value>, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        let (mut declared, mut others) = (Vec::new(), Vec::new());
        for schema in schemas {
            same_value(self.root, schema, true, &mut |map| {
                let of = |keyword: &str| map.get(keyword).and_then(Value::as_object).into_iter().flatten();
                declared.extend(of("properties"));
                others.extend(of("patternProperties").map(|(_, schema)| schema));
                others.extend(OTHER_MEMBERS.iter().filter_map(|keyword| map.get(*keyword)));
            });
        }
        // `false` says only that a name is not expected.
        others.retain(|schema| schema.is_object());
        for (name, value) in given.iter_mut() {
            let mut inner: Vec<&'s Value> =
                declared.iter().filter(|(known, _)| *known == name).map(|(_, schema)| *schema).collect();
            if inner.is_empty() {
                inner.clone_from(&others);
            }
            self.inside(&callgate_text::escape_token(name), &inner, value, depth);
        }
    }

    fn items(&mut self, schemas: &[&'s Value], items: &mut [Value], depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        let (mut first, mut rest): (Vec<(usize, &'s Value)>, Vec<&'s Value>) = (Vec::new(), Vec::new());
        for schema in schemas {
            same_value(self.root, schema, true, &mut |map| {
                for keyword in ["prefixItems", "items"] {
                    match map.get(keyword) {
                        Some(Value::Array(forms)) => first.extend(forms.iter().enumerate()),
                        Some(form) => rest.push(form),
                        None => {}
                    }
                }
                rest.extend(map.get("additionalItems"));
            });
        }
        rest.retain(|schema| schema.is_object());
        for (index, item) in items.iter_mut().enumerate() {
            let mut inner: Vec<&'s Value> =
                first.iter().filter(|(at, _)| *at == index).map(|(_, schema)| *schema).collect();
            if inner.is_empty() {
                inner.clone_from(&rest);
            }
            self.inside(&index.to_string(), &inner, item, depth);
        }
    }

    fn inside(&mut self, step: &str, schemas: &[&'s Value], value: &mut Value, depth: usize) {
        if matches!(value, Value::Null | Value::Bool(_) | Value::Number(_)) {
            return;
        }
        let outer = self.place.len();
        self.place.push('/');
        self.place.push_str(step);
        self.value(schemas, value, depth + 1);
        self.place.truncate(outer);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(schema: &Value, mut given: Value, expected: Value, places: &[&str]) {
        let decoded = decode(schema, given.as_object_mut().expect("an object"));
        assert_eq!(
            (given, decoded.iter().map(String::as_str).collect::<Vec<_>>()),
            (expected, places.into())
        );
    }

    #[test]
    fn a_text_becomes_the_value_that_it_spells_where_no_text_is_taken() {
        let schema = json!({"properties": {
            "list": {"type": "array", "items": {"type": "integer"}}, "object": {"type": "object"},
            "whole": {"type": "integer"}, "number": {"type": ["number", "null"]}, "flag": {"type": "boolean"},
            "choice": {"enum": [10, 20]}, "one": {"const": 1}, "text": {"type": "string"}, "any": {},
            "either": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        }});
        let given = json!({"list": r#"[1, "2"]"#, "object": r#"{"a": "1"}"#, "whole": "50", "number": "1.50",
            "flag": "true", "choice": "10", "one": "1", "text": "50", "any": "50", "either": "50", "new": "50"});
        let mut expected = given.clone();
        for (name, value) in [
            ("list", json!([1, 2])),
            ("object", json!({"a": "1"})),
            ("whole", json!(50)),
            ("flag", json!(true)),
            ("choice", json!(10)),
            ("one", json!(1)),
        ] {
            expected[name] = value;
        }
        expected["number"] = serde_json::from_str("1.50").expect("a number");
        let places = ["/list", "/list/1", "/object", "/whole", "/number", "/flag", "/choice", "/one"];
        check(&schema, given, expected, &places);
    }

    #[test]
    fn nested_places_are_reached_through_lists_maps_references_and_choices() {
        let schema = json!({
            "$defs": {"pair": {"type": "object", "properties": {"n": {"type": "number"}}, "required": ["n"]}},
            "properties": {
                "pairs": {"type": "array", "items": {"$ref": "#/$defs/pair"}},
                "either": {"anyOf": [{"$ref": "#/$defs/pair"}, {"type": "array"}]},
                "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
                "tuple": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]},
            },
        });
        let given = json!({"pairs": [{"n": "1"}, "{\"n\": 2}"], "either": "{\"n\": \"3\"}",
            "counts": {"a/b": "4"}, "tuple": ["5", "6"]});
        let expected = json!({"pairs": [{"n": 1}, {"n": 2}], "either": {"n": 3}, "counts": {"a/b": 4}, "tuple": ["5", 6]});
        let places = ["/pairs/0/n", "/pairs/1", "/either", "/either/n", "/counts/a~1b", "/tuple/1"];
        check(&schema, given, expected, &places);
    }

    #[test]
    fn what_is_no_json_of_a_kind_that_fits_stays_as_it_was_sent() {
        let schema = json!({"properties": {"n": {"type": "integer"}, "l": {"type": "array"}}});
        for text in
            ["", "fifty", "050", "1,5", "True", "NaN", "\"50\"", "50 60", "[1", "{\"a\": 1, \"a\": 2}"]
        {
            let given = json!({"n": text, "l": text});
            check(&schema, given.clone(), given, &[]);
        }
        check(&schema, json!({"n": "[1]", "l": "1"}), json!({"n": "[1]", "l": "1"}), &[]);
    }

    #[test]
    fn what_would_be_nested_too_deeply_is_not_read() {
        let schema = json!({"$defs": {"l": {"type": "array", "items": {"$ref": "#/$defs/l"}}},
            "properties": {"l": {"$ref": "#/$defs/l"}}});
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let mut deep = Value::from(nested(100));
        for _ in 0..100 {
            deep = json!([deep]);
        }
        check(&schema, json!({"l": deep.clone()}), json!({"l": deep}), &[]);
        let mut given = json!({"l": nested(100)});
        assert_eq!(decode(&schema, given.as_object_mut().expect("an object")), ["/l"]);
    }
}
