//! Which kinds of values a schema takes, as far as its types and values say.
use serde_json::{Map, Value};

use crate::reference;

/// Schemas that one question looks at, at most. Past that, the answer is yes.
const MAX_LOOKS: u32 = 1_000;
/// How deep a question follows choices and references.
const MAX_DEPTH: u32 = 32;

/// The kind of a JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Boolean,
    Number,
    Text,
    List,
    Object,
}

impl Kind {
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Boolean,
            Value::Number(_) => Self::Number,
            Value::String(_) => Self::Text,
            Value::Array(_) => Self::List,
            Value::Object(_) => Self::Object,
        }
    }

    /// Whether the type `name` of JSON Schema means this kind.
    fn is_named(self, name: &str) -> bool {
        match name {
            "null" => self == Self::Null,
            "boolean" => self == Self::Boolean,
            "number" | "integer" => self == Self::Number,
            "string" => self == Self::Text,
            "array" => self == Self::List,
            "object" => self == Self::Object,
            _ => true,
        }
    }
}

/// Whether `schema` takes some value of this kind. In doubt it does.
pub(super) fn takes(root: &Value, schema: &Value, kind: Kind) -> bool {
    Question { root, kind, looks: 0 }.ask(schema, 0)
}

struct Question<'s> {
    root: &'s Value,
    kind: Kind,
    looks: u32,
}

impl<'s> Question<'s> {
    fn ask(&mut self, schema: &'s Value, depth: u32) -> bool {
        self.looks += 1;
        let members = match schema {
            Value::Bool(takes) => return *takes,
            Value::Object(members) if depth < MAX_DEPTH && self.looks < MAX_LOOKS => members,
            _ => return true,
        };
        self.fits_words(members)
            && reference::target(self.root, members).is_none_or(|target| self.ask(target, depth + 1))
            && forms(members, "allOf").is_none_or(|mut all| all.all(|form| self.ask(form, depth + 1)))
            && ["anyOf", "oneOf"].iter().all(|keyword| {
                forms(members, keyword).is_none_or(|mut all| all.any(|form| self.ask(form, depth + 1)))
            })
    }

    /// Whether the schema's own `type`, `const` and `enum` take the kind.
    fn fits_words(&self, members: &Map<String, Value>) -> bool {
        let by_type = match members.get("type") {
            Some(Value::String(name)) => self.kind.is_named(name),
            Some(Value::Array(names)) => {
                names.iter().filter_map(Value::as_str).any(|name| self.kind.is_named(name))
            }
            _ => true,
        };
        let is_kind = |value: &Value| Kind::of(value) == self.kind;
        let by_enum = members.get("enum").and_then(Value::as_array).is_none_or(|all| all.iter().any(is_kind));
        by_type && by_enum && members.get("const").is_none_or(is_kind)
    }
}

fn forms<'s>(members: &'s Map<String, Value>, keyword: &str) -> Option<std::slice::Iter<'s, Value>> {
    members.get(keyword)?.as_array().map(|forms| forms.iter())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(schema: Value, kinds: &[Kind]) {
        let all = [Kind::Null, Kind::Boolean, Kind::Number, Kind::Text, Kind::List, Kind::Object];
        let taken: Vec<Kind> = all.into_iter().filter(|kind| takes(&schema, &schema, *kind)).collect();
        assert_eq!(taken, kinds, "{schema}");
    }

    #[test]
    fn types_values_choices_and_references_say_which_kinds_fit() {
        check(json!({"type": "integer"}), &[Kind::Number]);
        check(json!({"type": ["array", "null"]}), &[Kind::Null, Kind::List]);
        check(json!({"enum": [1, 2]}), &[Kind::Number]);
        check(json!({"const": true}), &[Kind::Boolean]);
        check(json!({"anyOf": [{"type": "number"}, {"type": "null"}]}), &[Kind::Null, Kind::Number]);
        check(
            json!({"$defs": {"n": {"type": "number"}}, "oneOf": [{"$ref": "#/$defs/n"}, {"type": "object"}]}),
            &[Kind::Number, Kind::Object],
        );
        check(json!({"allOf": [{"type": ["string", "number"]}, {"type": "number"}]}), &[Kind::Number]);
        check(json!(false), &[]);
    }

    #[test]
    fn a_schema_that_refers_to_itself_gets_an_answer() {
        let forms: Vec<Value> = (0..20).map(|_| json!({"allOf": [{"$ref": "#"}]})).collect();
        let schema = json!({"type": "integer", "anyOf": forms});
        assert!(takes(&schema, &schema, Kind::Number) && !takes(&schema, &schema, Kind::Text));
    }
}
