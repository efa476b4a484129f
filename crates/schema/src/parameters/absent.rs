//! A null that means "not given".
//!
//! A model in a strict mode has to write every property of a tool, and writes null for the ones it
//! leaves out. So a null for a property that is not required, and whose schema does not take null,
//! counts as absent. It is looked for only in arguments that do not fit as they were sent, so that
//! a null which the schema takes stays what it is.
use std::collections::HashSet;

use serde_json::{Map, Value};

use super::kinds::{Kind, takes};
use crate::reference::same_value;
use crate::walk::subschemas;

/// The nesting of arguments that is looked into; `serde_json` reads no deeper.
const MAX_DEPTH: usize = 128;

/// Takes the nulls that mean nothing out of `arguments`; whether there were any.
pub(super) fn drop_nulls(root: &Value, arguments: &mut Map<String, Value>) -> bool {
    if !holds_null(arguments) {
        return false;
    }
    members(root, &[root], arguments, 0)
}

/// Whether there is a null anywhere in `arguments`.
pub(super) fn holds_null(arguments: &Map<String, Value>) -> bool {
    let mut todo: Vec<&Value> = arguments.values().collect();
    while let Some(value) = todo.pop() {
        match value {
            Value::Null => return true,
            Value::Array(items) => todo.extend(items),
            Value::Object(inner) => todo.extend(inner.values()),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    false
}

/// `schemas` are all that look at the object `given`.
fn members<'s>(root: &'s Value, schemas: &[&'s Value], given: &mut Map<String, Value>, depth: usize) -> bool {
    if depth > MAX_DEPTH {
        return false;
    }
    let mut required: HashSet<&str> = HashSet::new();
    let mut declared: Vec<(&'s str, &'s Value)> = Vec::new();
    for schema in schemas {
        same_value(root, schema, false, &mut |map| {
            let names = map.get("required").and_then(Value::as_array).into_iter().flatten();
            required.extend(names.filter_map(Value::as_str));
        });
        same_value(root, schema, true, &mut |map| {
            let properties = map.get("properties").and_then(Value::as_object).into_iter().flatten();
            declared.extend(properties.map(|(name, schema)| (name.as_str(), schema)));
        });
    }
    let before = given.len();
    given.retain(|name, value| {
        let mut known = declared.iter().filter(|(known, _)| known == name).peekable();
        let denied = known.peek().is_some() && known.any(|(_, schema)| !takes(root, schema, Kind::Null));
        !(value.is_null() && denied && !required.contains(name.as_str()))
    });
    let mut dropped = given.len() < before;
    for (name, value) in given.iter_mut().filter(|(_, value)| value.is_object() || value.is_array()) {
        let inner: Vec<&Value> =
            declared.iter().filter(|(known, _)| known == name).map(|(_, schema)| *schema).collect();
        dropped |= inside(root, &inner, value, depth + 1);
    }
    dropped
}

fn inside<'s>(root: &'s Value, schemas: &[&'s Value], value: &mut Value, depth: usize) -> bool {
    match value {
        Value::Object(given) => members(root, schemas, given, depth),
        Value::Array(items) if depth <= MAX_DEPTH => {
            let mut forms: Vec<&'s Value> = Vec::new();
            for schema in schemas {
                same_value(root, schema, true, &mut |map| {
                    let inner = subschemas(map).into_iter();
                    let inner = inner.filter(|sub| ["items", "prefixItems"].contains(&sub.keyword.name));
                    forms.extend(inner.map(|sub| sub.schema));
                });
            }
            items.iter_mut().fold(false, |dropped, item| inside(root, &forms, item, depth + 1) | dropped)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(schema: Value, mut given: Value, left: Value) {
        let dropped = drop_nulls(&schema, given.as_object_mut().expect("an object"));
        assert_eq!(given, left);
        assert!(dropped, "it says that it dropped some");
    }

    #[test]
    fn only_what_is_optional_and_takes_no_null_is_dropped() {
        let schema = json!({
            "properties": {
                "a": {"type": "string"}, "b": {"type": ["string", "null"]}, "c": {"type": "integer"},
                "d": {}, "e": {"enum": ["x"]}, "f": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                "g": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            },
            "required": ["c"],
        });
        let given =
            json!({"a": null, "b": null, "c": null, "d": null, "e": null, "f": null, "g": null, "z": null});
        check(schema, given, json!({"b": null, "c": null, "d": null, "g": null, "z": null}));
    }

    #[test]
    fn nulls_inside_objects_lists_references_and_branches_are_found() {
        let schema = json!({
            "$defs": {"leaf": {"type": "object", "properties": {"x": {"type": "string"}}}},
            "properties": {
                "one": {"$ref": "#/$defs/leaf"},
                "many": {"type": "array", "items": {"$ref": "#/$defs/leaf"}},
            },
            "anyOf": [{"properties": {"two": {"type": "boolean"}}}],
        });
        let given = json!({"one": {"x": null}, "many": [{"x": null}, {"x": "y"}], "two": null});
        check(schema, given, json!({"one": {}, "many": [{}, {"x": "y"}]}));
    }
}
