//! Which values a schema allows: `type`, `enum`, `const`.

use serde_json::{Map, Value, json};

use crate::keyword;

use super::engine::Engine;
use super::gather::Found;
use super::node::Node;
use super::profile::Types;
use super::report::Fate;
use super::words::{IN_WORDS, list, sentence, value_text};

impl<'a> Engine<'a> {
    /// `type`: what all of them allow, in a form that the provider has.
    pub(super) fn kind(&mut self, found: &[Found<'a>], node: &mut Node<'a>) {
        let mut names: Option<Vec<&str>> = None;
        for one in found {
            let these = type_names(one.value);
            names = Some(match names {
                None => these,
                Some(before) => {
                    let mut common = Vec::new();
                    for name in before.into_iter().filter_map(|name| narrower(name, &these)) {
                        // A number may be an integer that is there already.
                        if !common.contains(&name) {
                            common.push(name);
                        }
                    }
                    common
                }
            });
        }
        let names = names.unwrap_or_default();
        let null = names.contains(&"null");
        let others: Vec<&str> = names.iter().copied().filter(|name| *name != "null").collect();
        let (fate, how) = match (self.profile.types, others.as_slice(), null) {
            (_, [], false) => (Fate::Lost, "no type is left that all of them allow"),
            (_, [one], false) => {
                node.out.insert("type".to_owned(), json!(one));
                (Fate::Kept, "")
            }
            (Types::Lists, _, _) => {
                node.out
                    .insert("type".to_owned(), if names.len() == 1 { json!(names[0]) } else { json!(names) });
                (Fate::Kept, "")
            }
            (Types::OneOrNull, [one], true) => {
                node.out.insert("type".to_owned(), json!([one, "null"]));
                (Fate::Kept, "")
            }
            (Types::Nullable | Types::One, [one], true) => {
                node.out.insert("type".to_owned(), json!(one));
                node.allow_null(self.profile.types);
                (Fate::Lowered, "null is said beside the type")
            }
            (_, [], true) => {
                node.words.push("Always null.".to_owned());
                (Fate::Lowered, IN_WORDS)
            }
            (types, all, _) if self.profile.keeps("anyOf", node.at_root) && !self.profile.any_of_alone => {
                let mut forms: Vec<Value> = all.iter().map(|name| self.form(name)).collect();
                if null && types == Types::OneOrNull {
                    forms.push(json!({"type": "null"}));
                }
                node.out.insert("anyOf".to_owned(), Value::Array(forms));
                (Fate::Lowered, "written as `anyOf`")
            }
            (types, [first, ..], null) => {
                node.out.insert("type".to_owned(), json!(first));
                let phrase = self.words.phrase_of_types(&names);
                node.words.push(format!("May be {phrase}."));
                if null && types == Types::Nullable {
                    node.allow_null(types);
                }
                (Fate::Lowered, IN_WORDS)
            }
        };
        self.note(found, fate, how);
    }

    fn form(&self, name: &str) -> Value {
        let mut form = Map::from_iter([("type".to_owned(), json!(name))]);
        self.add_items(&mut form);
        Value::Object(form)
    }

    /// `enum` and `const`.
    pub(super) fn values(&mut self, keyword: &str, found: &[Found<'a>], node: &mut Node<'a>) {
        let mut allowed: Vec<Value> = Vec::new();
        for (at, one) in found.iter().enumerate() {
            let these = match (keyword, one.value) {
                ("enum", Value::Array(values)) => values.clone(),
                (_, value) => vec![value.clone()],
            };
            if at == 0 {
                allowed = these;
            } else {
                allowed.retain(|value| these.contains(value));
            }
        }
        if self.profile.keeps(keyword, node.at_root)
            && (self.profile.enums_of_anything || allowed.iter().all(Value::is_string))
        {
            let value = if keyword == "const" { allowed.into_iter().next() } else { Some(json!(allowed)) };
            if let Some(value) = value {
                node.out.insert(keyword.to_owned(), value);
            }
            return self.note(found, Fate::Kept, "");
        }
        let texts: Vec<&Value> = allowed.iter().filter(|value| !value.is_null()).collect();
        let listable = self.profile.keeps("enum", node.at_root)
            && (self.profile.enums_of_anything || texts.iter().all(|value| value.is_string()))
            && !texts.is_empty();
        if listable {
            node.out.insert("enum".to_owned(), json!(texts));
            if texts.len() < allowed.len() {
                node.allow_null(self.profile.types);
            }
            return self.note(found, Fate::Lowered, "written as a list of texts");
        }
        if !node.out.contains_key("type")
            && let Some(kind) =
                allowed.first().map(kind_of).filter(|kind| self.profile.needs_type && *kind != "null")
        {
            node.out.insert("type".to_owned(), json!(kind));
        }
        let listed = list(&allowed);
        match listed.ends_with(" more") {
            true => self.note(found, Fate::Lost, "too many values to name them all"),
            false => self.note(found, Fate::Lowered, IN_WORDS),
        }
        node.words.push(match allowed.as_slice() {
            [only] => format!("Always {}.", value_text(only)),
            _ => sentence(&format!("one of: {listed}")),
        });
    }
}

/// The names that `type` holds.
pub fn type_names(value: &Value) -> Vec<&str> {
    match value {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// What `name` and one of `others` have in common: a whole number is a number.
fn narrower<'t>(name: &'t str, others: &[&'t str]) -> Option<&'t str> {
    if others.contains(&name) || (name == "integer" && others.contains(&"number")) {
        return Some(name);
    }
    (name == "number" && others.contains(&"integer")).then_some("integer")
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::String(_) => "string",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The types that other keywords speak of.
pub(super) fn inferred_types(out: &Map<String, Value>) -> Vec<&'static str> {
    let listed = out.get("enum").and_then(Value::as_array).into_iter().flatten();
    let mut kinds: Vec<&str> = Vec::new();
    for kind in out.get("const").into_iter().chain(listed).map(kind_of) {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    if kinds.is_empty() {
        kinds.extend(out.keys().find_map(|name| keyword::judges(name)));
    }
    kinds
}
