//! The schemas inside a schema, in the order in which they are written.

use serde_json::{Map, Value};

use callgate_text::push_token;

use crate::keyword::{self, Applies, Keyword, Shape};

/// A schema inside another one.
#[derive(Clone, Copy, Debug)]
pub struct Subschema<'s> {
    /// The keyword that holds it.
    pub keyword: &'static Keyword,
    /// What its keyword applies to.
    pub applies: Applies,
    /// Its name or index below the keyword.
    pub step: Option<Step<'s>>,
    /// The schema.
    pub schema: &'s Value,
}

/// Where a schema stands below its keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'s> {
    /// In an object, under this name.
    Name(&'s str),
    /// In a list, at this index.
    Index(usize),
}

impl Subschema<'_> {
    /// The JSON Pointer to it, if `outer` is the one to the schema that holds it.
    pub fn pointer(&self, outer: &str) -> String {
        let mut pointer = outer.to_owned();
        push_token(&mut pointer, self.keyword.name);
        match self.step {
            Some(Step::Name(name)) => push_token(&mut pointer, name),
            Some(Step::Index(index)) => push_token(&mut pointer, &index.to_string()),
            None => {}
        }
        pointer
    }

    /// Whether it looks at the same value as the schema that holds it, and a value may have to fit it.
    pub fn describes_same_value(&self) -> bool {
        matches!(self.applies, Applies::Always | Applies::Sometimes)
    }

    /// The values that it looks at, if the schema that holds it looks at `value`.
    pub fn values<'v>(&self, value: &'v Value) -> impl Iterator<Item = &'v Value> + use<'v> {
        let (mut one, mut members, mut items) = (None, None, None);
        match (self.applies, self.keyword.name, self.step) {
            (applies, ..) if applies.to_same_value() => one = Some(value),
            (Applies::Members, "properties", Some(Step::Name(name))) => one = value.get(name),
            (Applies::Members, ..) => members = value.as_object(),
            (Applies::Items, _, Some(Step::Index(index))) => one = value.get(index),
            (Applies::Items, ..) => items = value.as_array(),
            _ => {}
        }
        let members = members.into_iter().flat_map(Map::values);
        one.into_iter().chain(members).chain(items.into_iter().flatten())
    }
}

/// The schemas directly inside `schema`.
pub fn subschemas(schema: &Map<String, Value>) -> Vec<Subschema<'_>> {
    schema.iter().flat_map(|(keyword, value)| below(keyword, value)).collect()
}

/// The schemas that a keyword with this value holds.
pub fn below<'s>(keyword: &str, value: &'s Value) -> Vec<Subschema<'s>> {
    let Some(keyword) = keyword::find(keyword) else { return Vec::new() };
    let Some((shape, applies)) = keyword.schemas else { return Vec::new() };
    let sub = |step, schema| Subschema { keyword, applies, step, schema };
    match (shape, value) {
        (Shape::Map, Value::Object(members)) => {
            // In `dependencies`, a list holds names.
            let schemas = members.iter().filter(|(_, schema)| !schema.is_array());
            schemas.map(|(name, schema)| sub(Some(Step::Name(name)), schema)).collect()
        }
        (Shape::List | Shape::OneOrList, Value::Array(items)) => {
            let items = items.iter().enumerate();
            items.map(|(index, schema)| sub(Some(Step::Index(index)), schema)).collect()
        }
        (Shape::One | Shape::OneOrList, Value::Object(_) | Value::Bool(_)) => vec![sub(None, value)],
        _ => Vec::new(),
    }
}

/// `schema` and every schema inside it, each with its JSON Pointer.
pub fn all(schema: &Value) -> impl Iterator<Item = (&Map<String, Value>, String)> {
    let mut todo = vec![(schema, String::new())];
    std::iter::from_fn(move || {
        while let Some((schema, pointer)) = todo.pop() {
            let Some(members) = schema.as_object() else { continue };
            todo.extend(subschemas(members).iter().map(|sub| (sub.schema, sub.pointer(&pointer))));
            return Some((members, pointer));
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn schemas_are_listed_in_their_order_and_with_their_places() {
        let schema = json!({
            "properties": {"a/b": {"type": "string"}, "not": true},
            "allOf": [{"minLength": 1}],
            "dependencies": {"a": ["b"], "c": {"required": ["d"]}},
            "items": [{}, {}], "additionalItems": false, "default": {"properties": {"no": {}}},
        });
        let found = subschemas(schema.as_object().unwrap());
        let pointers: Vec<String> = found.iter().map(|sub| sub.pointer("")).collect();
        assert_eq!(
            pointers,
            [
                "/properties/a~1b",
                "/properties/not",
                "/allOf/0",
                "/dependencies/c",
                "/items/0",
                "/items/1",
                "/additionalItems"
            ]
        );
        for sub in &found {
            assert_eq!(schema.pointer(&sub.pointer("")), Some(sub.schema));
        }
        assert_eq!(all(&schema).count(), 6, "booleans hold nothing");
    }

    #[test]
    fn a_schema_inside_looks_at_its_part_of_the_value() {
        let schema = json!({
            "properties": {"a": {}}, "additionalProperties": {}, "prefixItems": [{}, {}], "items": {},
            "not": {}, "propertyNames": {}, "$defs": {"d": {}},
        });
        let looks = |value: Value| -> Vec<usize> {
            subschemas(schema.as_object().unwrap()).iter().map(|sub| sub.values(&value).count()).collect()
        };
        assert_eq!(looks(json!({"a": 1, "b": 2})), [1, 2, 0, 0, 0, 1, 0, 0]);
        assert_eq!(looks(json!([1])), [0, 0, 1, 0, 1, 1, 0, 0]);
        assert_eq!(looks(json!("text")), [0, 0, 0, 0, 0, 1, 0, 0]);
    }
}
