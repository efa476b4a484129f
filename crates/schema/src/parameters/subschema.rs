//! Walking a schema: which values inside it are schemas, and where a local `$ref` leads.
use std::collections::HashSet;

use serde_json::{Map, Value};

use callgate_text::percent;

use super::path;

/// How a subschema relates to the schema that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Looks at the same value (`allOf`, `if`, …).
    Same,
    /// Looks at a member, an item or a name.
    Inner,
    /// Looks at nothing until a `$ref` names it.
    Definition,
}

/// A schema inside another one.
pub(crate) struct Subschema<'s> {
    pub(crate) keyword: &'s str,
    pub(crate) place: Place,
    /// The JSON Pointer from the holding schema.
    pub(crate) pointer: String,
    pub(crate) schema: &'s Value,
}

/// Every keyword, for recognising a slip.
pub(super) const KEYWORDS: &[&str] = &[
    "$schema",
    "$id",
    "$ref",
    "$anchor",
    "$dynamicRef",
    "$dynamicAnchor",
    "$recursiveRef",
    "$recursiveAnchor",
    "$vocabulary",
    "$comment",
    "$defs",
    "definitions",
    "dependencies",
    "additionalItems",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependentSchemas",
    "dependentRequired",
    "prefixItems",
    "items",
    "contains",
    "properties",
    "patternProperties",
    "additionalProperties",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "type",
    "enum",
    "const",
    "multipleOf",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "maxContains",
    "minContains",
    "maxProperties",
    "minProperties",
    "required",
    "title",
    "description",
    "default",
    "deprecated",
    "readOnly",
    "writeOnly",
    "examples",
    "format",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
];

/// Lists the schemas directly inside `schema`, in the order they are written.
pub(crate) fn subschemas(schema: &Map<String, Value>) -> Vec<Subschema<'_>> {
    let mut found = Vec::new();
    for (keyword, value) in schema {
        let place = match keyword.as_str() {
            "allOf" | "anyOf" | "oneOf" | "not" | "if" | "then" | "else" | "dependentSchemas"
            | "dependencies" => Place::Same,
            "properties"
            | "patternProperties"
            | "additionalProperties"
            | "unevaluatedProperties"
            | "propertyNames"
            | "items"
            | "prefixItems"
            | "contains"
            | "additionalItems"
            | "unevaluatedItems"
            | "contentSchema" => Place::Inner,
            "$defs" | "definitions" => Place::Definition,
            _ => continue,
        };
        let mut push = |pointer: String, schema| {
            found.push(Subschema { keyword, place, pointer, schema });
        };
        match (keyword.as_str(), value) {
            (
                "properties" | "patternProperties" | "dependentSchemas" | "dependencies" | "$defs"
                | "definitions",
                Value::Object(members),
            ) => {
                for (name, schema) in members {
                    if keyword != "dependencies" || !schema.is_array() {
                        push(format!("/{keyword}/{}", path::escape(name)), schema);
                    }
                }
            }
            ("allOf" | "anyOf" | "oneOf" | "prefixItems" | "items", Value::Array(items)) => {
                for (index, schema) in items.iter().enumerate() {
                    push(format!("/{keyword}/{index}"), schema);
                }
            }
            (_, Value::Object(_) | Value::Bool(_)) => push(format!("/{keyword}"), value),
            _ => {}
        }
    }
    found
}

/// Follows a `$ref` inside the document; gives the target and its JSON Pointer.
pub(crate) fn resolve<'s>(root: &'s Value, reference: &str) -> Option<(&'s Value, String)> {
    let fragment = percent::decode(reference.strip_prefix('#')?)?;
    if fragment.is_empty() || fragment.starts_with('/') {
        return Some((root.pointer(&fragment)?, fragment));
    }
    find_anchor(root, &fragment, "")
}

/// The target of a schema's own `$ref` or `$dynamicRef`, if it stays in the document.
pub(super) fn target<'s>(root: &'s Value, schema: &Map<String, Value>) -> Option<&'s Value> {
    let reference =
        ["$ref", "$dynamicRef", "$recursiveRef"].iter().find_map(|keyword| schema.get(*keyword)?.as_str())?;
    resolve(root, reference).map(|(target, _)| target)
}

fn find_anchor<'s>(schema: &'s Value, name: &str, pointer: &str) -> Option<(&'s Value, String)> {
    let members = schema.as_object()?;
    let named = ["$anchor", "$dynamicAnchor"]
        .iter()
        .any(|keyword| members.get(*keyword).and_then(Value::as_str) == Some(name));
    let legacy = members.get("$id").and_then(Value::as_str).and_then(|id| id.strip_prefix('#'));
    if named || legacy == Some(name) {
        return Some((schema, pointer.to_owned()));
    }
    subschemas(members)
        .into_iter()
        .find_map(|sub| find_anchor(sub.schema, name, &format!("{pointer}{}", sub.pointer)))
}

/// Calls `visit` for `schema` and every schema that looks at the same value whatever the value is
/// (`$ref`, `allOf`; with `branches` also the ones that only may), each once.
pub(crate) fn same_value<'s>(
    root: &'s Value,
    schema: &'s Value,
    branches: bool,
    visit: &mut impl FnMut(&'s Map<String, Value>),
) {
    let mut seen: HashSet<*const Value> = HashSet::new();
    let mut todo = vec![schema];
    while let Some(schema) = todo.pop() {
        let Some(members) = schema.as_object() else { continue };
        if !seen.insert(std::ptr::from_ref(schema)) {
            continue;
        }
        visit(members);
        let mut next: Vec<&'s Value> = target(root, members).into_iter().collect();
        next.extend(
            subschemas(members)
                .into_iter()
                .filter(|sub| sub.place == Place::Same && sub.keyword != "not")
                .filter(|sub| branches || sub.keyword == "allOf")
                .map(|sub| sub.schema),
        );
        todo.extend(next.into_iter().rev());
    }
}
