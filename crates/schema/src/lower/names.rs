//! Names of properties that the provider refuses, written otherwise; calls bring the aliases back.

use serde_json::{Map, Value};

use crate::keyword::REFERENCES;
use crate::parameters::{Aliases, is_plain};
use crate::walk::subschemas;

use super::words::add_words;

/// Writes the top-level properties of `schema` under their aliases; whether it did. A schema that refers
/// to its own root stays as it is: inside, what comes under an alias does not get its name again.
pub(super) fn rename(schema: &mut Value, aliases: &Aliases) -> bool {
    if aliases.is_empty() || refers_to_itself(schema, true) {
        return false;
    }
    same(schema, aliases);
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    let mut written = false;
    for (name, property) in properties.into_iter().flatten() {
        if let Some(own) = aliases.name_of(name) {
            add_words(property, &[format!("Also called {own}.")]);
            written = true;
        }
    }
    written
}

/// How many top-level properties have names that are refused.
pub(super) fn refused(schema: &Value) -> usize {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.map_or(0, |all| all.keys().filter(|name| !is_plain(name)).count())
}

/// Whether a `$ref` leads to a part that looks at the arguments as a whole, or may.
fn refers_to_itself(schema: &Value, is_root: bool) -> bool {
    let Value::Object(members) = schema else { return false };
    let leads_back = |reference: &Value| {
        let definition = |text: &str| text.starts_with("#/$defs/") || text.starts_with("#/definitions/");
        is_root || !reference.as_str().is_some_and(definition)
    };
    REFERENCES.iter().filter_map(|keyword| members.get(*keyword)).any(leads_back)
        || subschemas(members)
            .iter()
            .any(|sub| refers_to_itself(sub.schema, is_root && sub.applies.to_same_value()))
}

/// Renames in all that looks at the arguments as a whole.
fn same(schema: &mut Value, aliases: &Aliases) {
    let Value::Object(members) = schema else { return };
    for (keyword, value) in members {
        match (keyword.as_str(), value) {
            ("properties", value) => keys(value, aliases),
            ("required", value) => texts(value, aliases),
            ("dependentRequired" | "dependentSchemas" | "dependencies", value) => {
                keys(value, aliases);
                for rule in value.as_object_mut().into_iter().flat_map(Map::values_mut) {
                    if rule.is_array() { texts(rule, aliases) } else { same(rule, aliases) }
                }
            }
            ("allOf" | "anyOf" | "oneOf", Value::Array(all)) => {
                all.iter_mut().for_each(|one| same(one, aliases));
            }
            ("not" | "if" | "then" | "else", one) => same(one, aliases),
            _ => {}
        }
    }
}

fn keys(value: &mut Value, aliases: &Aliases) {
    let Value::Object(members) = value else { return };
    let renamed = std::mem::take(members).into_iter();
    *members = renamed
        .map(|(name, value)| (aliases.alias_of(&name).map_or(name.clone(), str::to_owned), value))
        .collect();
}

fn texts(value: &mut Value, aliases: &Aliases) {
    for name in value.as_array_mut().into_iter().flatten() {
        if let Some(alias) = name.as_str().and_then(|name| aliases.alias_of(name)) {
            *name = Value::String(alias.to_owned());
        }
    }
}
