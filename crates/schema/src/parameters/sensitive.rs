//! `x-sensitive: true`: which arguments must not be written down.

use std::collections::HashSet;

use serde_json::{Map, Value};

use callgate_text::push_token;

use crate::keyword::{self, Applies, OTHER_MEMBERS};
use crate::reference;
use crate::walk::{self, Step};

/// The keyword; of no meaning to JSON Schema, which lets unknown ones be.
pub(super) const KEYWORD: &str = "x-sensitive";
/// What stands for a value that must not be written down.
pub(super) const MASKED: &str = "***";

/// Whether `schema` marks anything at all.
pub(super) fn marks_any(schema: &Value) -> bool {
    walk::all(schema).any(|(members, _)| is_marked(members))
}

fn is_marked(schema: &Map<String, Value>) -> bool {
    schema.get(KEYWORD) == Some(&Value::Bool(true))
}

/// A copy of `schema` without the keyword: it is none of a model's business,
/// and providers refuse keywords that they do not know.
pub(super) fn without_marks(schema: &Value) -> Value {
    let mut clean = schema.clone();
    for (members, pointer) in walk::all(schema) {
        if members.contains_key(KEYWORD)
            && let Some(Value::Object(clean)) = clean.pointer_mut(&pointer)
        {
            clean.shift_remove(KEYWORD);
        }
    }
    clean
}

/// The JSON Pointers to what `root` marks in `arguments`; nothing below them.
///
/// Marks count wherever they may hold for a value: in `$ref`, `allOf` and every
/// branch of a choice or a condition, whether that branch is the one that fits.
/// What stands in place of a list or an object with marks inside is taken for
/// what should be in it.
pub(super) fn places(root: &Value, arguments: &Value) -> Vec<String> {
    Search { root, strays: false, places: Vec::new() }.run(arguments)
}

/// The same, and the members beside marked ones that the schema does not know:
/// a misspelt name may well hold the value that another one was meant for.
pub(super) fn places_and_strays(root: &Value, arguments: &Value) -> Vec<String> {
    Search { root, strays: true, places: Vec::new() }.run(arguments)
}

struct Search<'s> {
    root: &'s Value,
    strays: bool,
    places: Vec<String>,
}

impl<'s> Search<'s> {
    fn run(mut self, arguments: &Value) -> Vec<String> {
        self.find(&[self.root], arguments, &mut String::new());
        self.places
    }

    /// Looks at `value`, for which `schemas` hold. As deep as the value is, which
    /// has been read within the bounds of `parse_arguments`.
    fn find(&mut self, schemas: &[&'s Value], value: &Value, pointer: &mut String) {
        let mut holding: Vec<&Map<String, Value>> = Vec::new();
        let mut seen = HashSet::new();
        for schema in schemas {
            hold(self.root, schema, &mut seen, &mut holding);
        }
        if holding.iter().any(|schema| is_marked(schema)) {
            self.places.push(pointer.clone());
            return;
        }
        let cut = pointer.len();
        match value {
            Value::Object(members) if holding.iter().any(|schema| holds(schema, Applies::Members)) => {
                for (name, member) in members {
                    let inner: Vec<&Value> =
                        holding.iter().flat_map(|schema| of_member(schema, name)).collect();
                    push_token(pointer, name);
                    if !inner.is_empty() {
                        self.find(&inner, member, pointer);
                    } else if self.strays && marks_inside(self.root, &holding) {
                        self.places.push(pointer.clone());
                    }
                    pointer.truncate(cut);
                }
            }
            Value::Array(items) if holding.iter().any(|schema| holds(schema, Applies::Items)) => {
                let inner: Vec<&Value> = holding.iter().flat_map(|schema| for_items(schema)).collect();
                for (index, item) in items.iter().enumerate() {
                    pointer.push_str(&format!("/{index}"));
                    self.find(&inner, item, pointer);
                    pointer.truncate(cut);
                }
            }
            Value::Null => {}
            // No list or object where one with marks belongs.
            _ if marks_inside(self.root, &holding) => self.places.push(pointer.clone()),
            _ => {}
        }
    }
}

/// Adds the schemas that hold for a value besides `schema`, and itself.
fn hold<'s>(
    root: &'s Value,
    schema: &'s Value,
    seen: &mut HashSet<*const Map<String, Value>>,
    holding: &mut Vec<&'s Map<String, Value>>,
) {
    reference::same_value(root, schema, true, &mut |members| {
        if seen.insert(std::ptr::from_ref(members)) {
            holding.push(members);
        }
    });
}

/// Whether schemas mark something inside of what they hold for.
fn marks_inside<'s>(root: &'s Value, holding: &[&'s Map<String, Value>]) -> bool {
    let mut todo = holding.to_vec();
    let mut seen: HashSet<_> = todo.iter().map(|schema| std::ptr::from_ref(*schema)).collect();
    while let Some(schema) = todo.pop() {
        if is_marked(schema) {
            return true;
        }
        for inner in walk::subschemas(schema).into_iter().filter(|sub| sub.applies.to_inner_value()) {
            hold(root, inner.schema, &mut seen, &mut todo);
        }
    }
    false
}

/// The schemas that may hold for the member `name`. A pattern counts for every
/// name: to mask too much is no harm.
fn of_member<'s>(schema: &'s Map<String, Value>, name: &str) -> Vec<&'s Value> {
    let subschemas = walk::subschemas(schema);
    let is_declared =
        |sub: &walk::Subschema<'_>| sub.keyword.name == "properties" && sub.step == Some(Step::Name(name));
    let declared = subschemas.iter().any(is_declared);
    let may_hold = |sub: &walk::Subschema<'_>| match sub.keyword.name {
        "patternProperties" => true,
        keyword if OTHER_MEMBERS.contains(&keyword) => !declared,
        _ => is_declared(sub),
    };
    subschemas.into_iter().filter(may_hold).map(|sub| sub.schema).collect()
}

/// Whether a schema holds others that apply to the members or the items of its value.
fn holds(schema: &Map<String, Value>, to: Applies) -> bool {
    schema.keys().any(|name| keyword::applies(name) == Some(to))
}

/// The schemas that may hold for an item, whichever it is.
fn for_items(schema: &Map<String, Value>) -> Vec<&Value> {
    let inner = walk::subschemas(schema).into_iter();
    inner.filter(|sub| sub.applies == Applies::Items).map(|sub| sub.schema).collect()
}

/// The texts and numbers in `values`.
pub fn texts(values: &[Value]) -> Vec<String> {
    let mut texts = Vec::new();
    values.iter().for_each(|value| collect(value, &mut texts));
    texts
}

fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Number(number) => texts.push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(members) => members.values().for_each(|member| collect(member, texts)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// The marked place that `pointer` is or stands below.
pub(super) fn above<'p>(places: &'p [String], pointer: &str) -> Option<&'p String> {
    places.iter().find(|place| is_within(pointer, place))
}

/// Whether the value at `pointer` is, or holds, or stands in a marked one.
pub(super) fn touches(places: &[String], pointer: &str) -> bool {
    places.iter().any(|place| is_within(pointer, place) || is_within(place, pointer))
}

fn is_within(inner: &str, outer: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(schema: Value, arguments: Value, expected: &[&str]) {
        assert_eq!(marks_any(&schema), !expected.is_empty());
        assert_eq!(places(&schema, &arguments), expected);
        assert!(!without_marks(&schema).to_string().contains(KEYWORD));
    }

    #[test]
    fn marks_are_found_wherever_they_stand() {
        let mark = json!({"type": "string", "x-sensitive": true});
        check(json!({"properties": {"pin": mark}}), json!({"pin": "1", "a": "2"}), &["/pin"]);
        check(
            json!({"properties": {"cards": {"type": "array", "items": {"properties": {"a/b": mark}}}}}),
            json!({"cards": [{"a/b": "1"}, {"c": "2"}, {"a/b": "3"}]}),
            &["/cards/0/a~1b", "/cards/2/a~1b"],
        );
        check(
            json!({"properties": {"pin": {"$ref": "#/$defs/pin"}}, "$defs": {"pin": mark}}),
            json!({"pin": "1"}),
            &["/pin"],
        );
        check(
            json!({"allOf": [{"properties": {"a": {"anyOf": [{"type": "null"}, mark]}}}, {"if": true, "then": {"properties": {"b": mark}}}]}),
            json!({"a": "1", "b": "2"}),
            &["/a", "/b"],
        );
        check(
            json!({"properties": {"a": {}}, "additionalProperties": mark, "patternProperties": {"^x": {"prefixItems": [mark]}}}),
            json!({"a": "1", "b": "2", "x": ["3"]}),
            // A pattern counts for every name: `a` may be meant to be a list of marked items.
            &["/a", "/b", "/x"],
        );
        check(json!({"x-sensitive": true}), json!({"a": "1"}), &[""]);
        check(
            json!({"$ref": "#/$defs/node", "$defs": {"node": {"properties": {"pin": mark, "next": {"$ref": "#/$defs/node"}}}}}),
            json!({"next": {"next": {"pin": "1"}, "pin": "2"}}),
            &["/next/next/pin", "/next/pin"],
        );
        check(json!({"properties": {"a": {"x-sensitive": false}}}), json!({"a": "1"}), &[]);
    }

    #[test]
    fn what_stands_where_marked_values_belong_may_be_one() {
        let mark = json!({"type": "string", "x-sensitive": true});
        let schema = json!({
            "properties": {
                "pin": mark,
                "codes": {"type": "array", "items": {"$ref": "#/$defs/code"}},
                "card": {"type": "object", "properties": {"number": mark}},
                "note": {"type": "string"},
                "free": {"type": "object"},
            },
            "$defs": {"code": mark},
        });
        check(schema.clone(), json!({"codes": "1", "card": "2", "note": "3"}), &["/codes", "/card"]);
        check(
            schema.clone(),
            json!({"codes": {"a": "1"}, "card": ["2"], "free": {"a": 1}}),
            &["/codes", "/card"],
        );
        let strays = |arguments: Value| places_and_strays(&schema, &arguments);
        assert_eq!(strays(json!({"Pin": "1", "note": "2"})), ["/Pin"]);
        assert_eq!(strays(json!({"card": {"numbr": "1"}, "free": {"a": 1}})), ["/card/numbr"]);
        assert_eq!(places(&schema, &json!({"Pin": "1"})), [""; 0]);
    }

    #[test]
    fn what_only_looks_like_the_keyword_stays() {
        let schema = json!({
            "properties": {"x-sensitive": {"type": "string", "default": {"x-sensitive": true}}},
            "enum": [{"x-sensitive": true}],
        });
        assert!(!marks_any(&schema));
        assert_eq!(without_marks(&schema), schema);
    }

    #[test]
    fn every_text_and_number_of_a_marked_value_is_one() {
        let card = json!({"number": 4111, "holder": ["Ann", true, null]});
        assert_eq!(texts(&[card]), ["4111", "Ann"].map(str::to_owned));
        let places = ["/card".to_owned()];
        assert!(touches(&places, "") && touches(&places, "/card") && touches(&places, "/card/number"));
        assert!(!touches(&places, "/cards") && above(&places, "").is_none());
    }
}
