//! Copies of a schema: one that refuses unknown arguments, one without hidden parameters.
use std::collections::HashSet;

use jsonschema::Draft;
use serde_json::{Map, Value, json};

use crate::keyword::{OTHER_MEMBERS, REFERENCES};
use crate::reference;
use crate::walk::{self, Subschema};

/// Keywords by which an author decides about unknown arguments.
const OPENING: &[&str] = &["additionalProperties", "unevaluatedProperties", "patternProperties"];
/// `$ref`s to hidden parameters are written out this far.
const MAX_INLINED: usize = 8;

/// How unknown top-level arguments are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    /// The schema decides itself.
    Author,
    /// A keyword added to the root.
    Keyword(&'static str),
    /// The draft has no keyword that sees through `allOf`, so the names are compared.
    Names,
}

/// Decides how the root of `schema` is closed.
pub(super) fn closing(schema: &Map<String, Value>, draft: Draft) -> Closing {
    let in_place = REFERENCES.iter().any(|keyword| schema.contains_key(*keyword))
        || walk::subschemas(schema).iter().any(Subschema::describes_same_value);
    if OPENING.iter().any(|keyword| schema.contains_key(*keyword)) {
        Closing::Author
    } else if !in_place {
        Closing::Keyword("additionalProperties")
    } else if draft < Draft::Draft201909 {
        Closing::Names
    } else {
        Closing::Keyword("unevaluatedProperties")
    }
}

/// A copy of `schema` that refuses unknown names, but for the `accepted` ones.
pub(super) fn close(schema: &Value, closing: Closing, accepted: &HashSet<String>) -> Value {
    let mut closed = schema.clone();
    if let (Closing::Keyword(keyword), Value::Object(members)) = (closing, &mut closed) {
        members.insert(keyword.to_owned(), Value::Bool(false));
        if !accepted.is_empty() {
            let properties = members.entry("properties").or_insert_with(|| json!({}));
            if let Value::Object(properties) = properties {
                properties.extend(accepted.iter().map(|name| (name.clone(), Value::Bool(true))));
            }
        }
    }
    closed
}

/// A copy of `schema` without the top-level properties `hidden`.
///
/// They leave `properties`, `required` and `dependentRequired`, also inside `allOf`. A condition
/// or a choice (`if`, `anyOf`, `oneOf`, `not`, `dependentSchemas`) that mentions one is left out
/// whole: without its property it would say something else, and the gateway checks it anyway.
pub(super) fn without(schema: &Value, hidden: &[&str]) -> Value {
    if hidden.is_empty() || !mentions(schema, schema, hidden) {
        return schema.clone();
    }
    strip(schema, schema, hidden, 0)
}

/// `schema` with one more top-level property, which comes first and is required.
///
/// Parts of it that look at the same value and are closed (`additionalProperties: false`) are opened for the name.
pub fn with_property(mut schema: Value, name: &str, property: Value) -> Value {
    for pointer in closed_parts(&schema) {
        if let Some(Value::Object(part)) = schema.pointer_mut(&pointer) {
            let properties = part.entry("properties").or_insert_with(|| json!({}));
            if let Value::Object(properties) = properties {
                properties.insert(name.to_owned(), Value::Bool(true));
            }
        }
    }
    let Value::Object(root) = &mut schema else {
        return json!({"type": "object", "properties": {name: property}, "required": [name]});
    };
    let mut properties = Map::from_iter([(name.to_owned(), property)]);
    if let Some(Value::Object(others)) = root.get_mut("properties") {
        properties.extend(std::mem::take(others).into_iter().filter(|(other, _)| other != name));
    }
    root.insert("properties".to_owned(), Value::Object(properties));
    if let Value::Array(required) = root.entry("required").or_insert_with(|| json!([])) {
        required.insert(0, Value::String(name.to_owned()));
    }
    schema
}

/// Pointers to what looks at the same value as `schema` and refuses names that it does not know.
fn closed_parts(schema: &Value) -> Vec<String> {
    let (mut closed, mut seen, mut todo) = (Vec::new(), HashSet::new(), vec![String::new()]);
    while let Some(pointer) = todo.pop() {
        let Some(members) = schema.pointer(&pointer).and_then(Value::as_object) else { continue };
        if !seen.insert(pointer.clone()) {
            continue;
        }
        let refuses = |keyword: &&str| members.get(*keyword) == Some(&Value::Bool(false));
        if !pointer.is_empty() && OTHER_MEMBERS.iter().any(refuses) {
            closed.push(pointer.clone());
        }
        let inner = walk::subschemas(members);
        let same = inner.iter().filter(|sub| sub.describes_same_value());
        todo.extend(same.map(|sub| sub.pointer(&pointer)));
        let targets = REFERENCES.iter().filter_map(|keyword| members.get(*keyword)?.as_str());
        todo.extend(targets.filter_map(|reference| Some(reference::resolve(schema, reference)?.1)));
    }
    closed
}

/// Whether `schema`, or anything that looks at the same value, names a hidden property.
fn mentions(root: &Value, schema: &Value, hidden: &[&str]) -> bool {
    let mut found = false;
    reference::same_value(root, schema, true, &mut |members| {
        let denied = members.get("not").and_then(Value::as_object);
        found |= names_one(members, hidden) || denied.is_some_and(|not| names_one(not, hidden));
    });
    found
}

fn names_one(schema: &Map<String, Value>, hidden: &[&str]) -> bool {
    let in_list = |names: &Value| {
        names
            .as_array()
            .is_some_and(|names| names.iter().filter_map(Value::as_str).any(|name| hidden.contains(&name)))
    };
    schema.iter().any(|(keyword, value)| match (keyword.as_str(), value) {
        ("required", names) => in_list(names),
        (
            "properties" | "dependentSchemas" | "dependentRequired" | "dependencies",
            Value::Object(members),
        ) => members.iter().any(|(name, names)| hidden.contains(&name.as_str()) || in_list(names)),
        _ => false,
    })
}

fn strip(root: &Value, schema: &Value, hidden: &[&str], depth: usize) -> Value {
    let Value::Object(members) = schema else { return schema.clone() };
    let is_hidden = |name: &Value| name.as_str().is_some_and(|name| hidden.contains(&name));
    let touches = |schema: &Value| mentions(root, schema, hidden);
    let mut out = members.clone();
    if let Some(Value::Object(properties)) = out.get_mut("properties") {
        properties.retain(|name, _| !hidden.contains(&name.as_str()));
    }
    if let Some(Value::Array(names)) = out.get_mut("required") {
        names.retain(|name| !is_hidden(name));
    }
    for keyword in ["dependentRequired", "dependentSchemas", "dependencies"] {
        if let Some(Value::Object(rules)) = out.get_mut(keyword) {
            rules.retain(|name, rule| !hidden.contains(&name.as_str()) && !touches(rule));
            for names in rules.values_mut().filter_map(Value::as_array_mut) {
                names.retain(|name| !is_hidden(name));
            }
        }
    }
    for keyword in ["anyOf", "oneOf"] {
        let branches = members.get(keyword).and_then(Value::as_array);
        if branches.is_some_and(|branches| branches.iter().any(touches)) {
            out.shift_remove(keyword);
        }
    }
    if members.get("not").is_some_and(touches) {
        out.shift_remove("not");
    }
    if members.get("if").is_some_and(touches) {
        for keyword in ["if", "then", "else"] {
            out.shift_remove(keyword);
        }
    }
    for keyword in ["then", "else"] {
        if let Some(branch) = out.get_mut(keyword) {
            *branch = strip(root, branch, hidden, depth);
        }
    }
    if let Some(Value::Array(parts)) = out.get_mut("allOf") {
        let stripped = parts.iter().map(|part| strip(root, part, hidden, depth));
        *parts = stripped.filter(|part| *part != json!({})).collect();
        if parts.is_empty() {
            out.shift_remove("allOf");
        }
    }
    let target = reference::target(root, members).filter(|target| touches(target));
    if let Some(target) = target {
        for keyword in REFERENCES {
            out.shift_remove(keyword);
        }
        if depth < MAX_INLINED {
            let part = strip(root, target, hidden, depth + 1);
            match out.get_mut("allOf") {
                Some(Value::Array(parts)) => parts.push(part),
                _ => {
                    out.insert("allOf".to_owned(), json!([part]));
                }
            }
        }
    }
    for keyword in ["required", "dependentRequired", "dependentSchemas", "dependencies"] {
        let emptied = match (out.get(keyword), members.get(keyword)) {
            (Some(Value::Array(now)), Some(then)) => now.is_empty() && *then != json!([]),
            (Some(Value::Object(now)), Some(then)) => now.is_empty() && *then != json!({}),
            _ => false,
        };
        if emptied {
            out.shift_remove(keyword);
        }
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(schema: Value, expected: Value) {
        assert_eq!(with_property(schema, "say", json!({"type": "string"})), expected);
    }

    #[test]
    fn a_property_is_added_first_and_required() {
        check(
            json!({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": false}),
            json!({"type": "object", "properties": {"say": {"type": "string"}, "a": {"type": "integer"}},
                   "required": ["say", "a"], "additionalProperties": false}),
        );
        check(json!({}), json!({"properties": {"say": {"type": "string"}}, "required": ["say"]}));
        check(
            json!(true),
            json!({"type": "object", "properties": {"say": {"type": "string"}}, "required": ["say"]}),
        );
    }

    #[test]
    fn closed_parts_are_opened_for_it() {
        let schema = json!({
            "$ref": "#/$defs/args",
            "oneOf": [{"properties": {"a": {}}, "additionalProperties": false}, {"additionalProperties": true}],
            "$defs": {"args": {"unevaluatedProperties": false, "allOf": [{"$ref": "#"}]},
                      "other": {"additionalProperties": false}},
        });
        let with = with_property(schema, "say", json!({}));
        assert_eq!(with["oneOf"][0]["properties"], json!({"a": {}, "say": true}));
        assert_eq!(with["oneOf"][1], json!({"additionalProperties": true}));
        assert_eq!(with["$defs"]["args"]["properties"], json!({"say": true}));
        assert_eq!(with["$defs"]["other"], json!({"additionalProperties": false}));
        assert_eq!(with["required"], json!(["say"]));
    }
}
