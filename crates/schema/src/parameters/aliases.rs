//! Other names for arguments whose own names a provider refuses.
//!
//! Anthropic refuses a whole request where a top-level property of one tool is called anything but
//! `[a-zA-Z0-9_.-]{1,64}`: `$filter`, `first name`. Such a property is offered under an alias, and what
//! comes under the alias gets its own name again. The same schema always gives the same aliases.
use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::reference::same_value;

/// The longest name that every provider takes.
const MAX_LENGTH: usize = 64;
/// What of a name an alias keeps, so that a number has room behind it.
const MAX_KEPT: usize = 56;

/// The names of a schema that are not plain, each with its alias.
#[derive(Clone, Debug, Default)]
pub struct Aliases(Vec<Alias>);

#[derive(Clone, Debug)]
struct Alias {
    name: String,
    alias: String,
}

impl Aliases {
    /// The aliases of the top-level properties of `schema`.
    pub fn of(schema: &Value) -> Self {
        let names = names(schema);
        let mut taken: HashSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut aliases = Vec::new();
        for name in names.into_iter().filter(|name| !is_plain(name)) {
            let alias = alias(name, &taken);
            taken.insert(alias.clone());
            aliases.push(Alias { name: name.to_owned(), alias });
        }
        Self(aliases)
    }

    /// Whether no argument has an alias.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The alias of a property, if it has one.
    pub fn alias_of(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|one| one.name == name).map(|one| one.alias.as_str())
    }

    /// The property that has this alias, if one has.
    pub fn name_of(&self, alias: &str) -> Option<&str> {
        self.0.iter().find(|one| one.alias == alias).map(|one| one.name.as_str())
    }

    /// Gives what came under an alias its own name again, in its place.
    pub(super) fn restore(&self, arguments: Map<String, Value>) -> Map<String, Value> {
        let is_free = |name: &&str| !arguments.contains_key(*name);
        if !arguments.keys().any(|given| self.name_of(given).filter(is_free).is_some()) {
            return arguments;
        }
        let free: HashSet<&str> =
            self.0.iter().map(|one| one.name.as_str()).filter(|name| is_free(name)).collect();
        let restored = |given: String| match self.name_of(&given).filter(|name| free.contains(name)) {
            Some(name) => name.to_owned(),
            None => given,
        };
        arguments.into_iter().map(|(given, value)| (restored(given), value)).collect()
    }
}

/// Whether every provider takes a property of this name.
pub fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    (1..=MAX_LENGTH).contains(&name.len()) && name.bytes().all(plain)
}

/// The top-level names that a schema speaks of, in any branch.
fn names(schema: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    let mut known = HashSet::new();
    same_value(schema, schema, true, &mut |members| {
        let objects = ["properties", "dependentRequired", "dependentSchemas", "dependencies"];
        let objects = objects.iter().filter_map(|keyword| members.get(*keyword)?.as_object());
        let keys = objects.clone().flat_map(Map::keys).map(String::as_str);
        let lists = objects.flat_map(Map::values).chain(members.get("required"));
        let listed = lists.filter_map(Value::as_array).flatten().filter_map(Value::as_str);
        names.extend(keys.chain(listed).filter(|name| known.insert(*name)));
    });
    names
}

/// What of `name` is plain, with a number where that is `taken`.
fn alias(name: &str, taken: &HashSet<String>) -> String {
    let mut plain = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            plain.push(c);
        } else if !plain.is_empty() && !plain.ends_with('_') {
            plain.push('_');
        }
    }
    plain.truncate(MAX_KEPT);
    let plain = match plain.trim_end_matches('_') {
        "" => "property",
        plain => plain,
    };
    let mut alias = plain.to_owned();
    let mut number = 2_u32;
    while taken.contains(&alias) {
        alias = format!("{plain}_{number}");
        number += 1;
    }
    alias
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(names: &[&str]) -> Vec<String> {
        let properties: Map<String, Value> =
            names.iter().map(|name| ((*name).to_owned(), json!({}))).collect();
        let aliases = Aliases::of(&json!({ "properties": properties }));
        names.iter().map(|name| aliases.alias_of(name).unwrap_or("").to_owned()).collect()
    }

    #[test]
    fn only_a_name_that_is_refused_has_an_alias_and_no_two_the_same() {
        let long = "a_name ".repeat(20);
        let names = [
            "plain",
            "a.b-c",
            "$filter",
            "filter",
            "first name",
            "first  name",
            "@odata.type",
            "名前",
            "$",
            &long,
        ];
        let aliases = of(&names);
        let expected =
            ["", "", "filter_2", "", "first_name", "first_name_2", "odata_type", "property", "property_2"];
        assert_eq!(aliases[..9], expected);
        assert!(is_plain(&aliases[9]) && aliases[9].starts_with("a_name_a_name"), "{}", aliases[9]);
        let (fits, over) = ("x".repeat(64), "x".repeat(65));
        assert_eq!(of(&[&fits, &over]), [String::new(), "x".repeat(56)]);
    }

    #[test]
    fn what_comes_under_an_alias_gets_its_name_unless_that_is_given() {
        let aliases = Aliases::of(&json!({"properties": {"$top": {}, "first name": {}, "z": {}}}));
        let restore = |given: Value| {
            let restored = aliases.restore(given.as_object().cloned().unwrap_or_default());
            serde_json::to_string(&restored).unwrap_or_default()
        };
        assert_eq!(
            restore(json!({"z": 1, "top": 2, "first_name": {"top": 3}})),
            r#"{"z":1,"$top":2,"first name":{"top":3}}"#
        );
        assert_eq!(restore(json!({"top": 1, "$top": 2})), r#"{"top":1,"$top":2}"#);
        assert_eq!(restore(json!({"new": 1})), r#"{"new":1}"#);
    }

    #[test]
    fn names_of_all_branches_count() {
        let schema = json!({"$defs": {"d": {"properties": {"in def": {}}}}, "allOf": [{"$ref": "#/$defs/d"}],
            "if": {"required": ["in if"]}, "dependentRequired": {"a b": ["c d"]},
            "properties": {"p": {"properties": {"in ner": {}}}}});
        let aliases = Aliases::of(&schema);
        for (name, alias) in [("in def", "in_def"), ("in if", "in_if"), ("a b", "a_b"), ("c d", "c_d")] {
            assert_eq!((aliases.alias_of(name), aliases.name_of(alias)), (Some(alias), Some(name)));
        }
        assert_eq!(aliases.alias_of("in ner"), None);
    }
}
