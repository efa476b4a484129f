//! Schemas that allow null, for places that have no way to say null: path, query, headers, forms.

use serde_json::{Map, Value, json};

use super::tidy::ordered;

/// Whether `schema` allows null and nothing else.
pub(super) fn is_null(schema: &Value) -> bool {
    let kind = schema.get("type");
    kind == Some(&json!("null"))
        || kind == Some(&json!(["null"]))
        || schema.get("const") == Some(&Value::Null)
        || schema.get("enum") == Some(&json!([null]))
}

/// `schema` without its null: X of `anyOf: [X, null]` and of `type: [X, "null"]`.
pub(super) fn without_null(schema: Value) -> Value {
    let Value::Object(mut map) = schema else { return schema };
    if let Some(Value::Array(kinds)) = map.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [only] = kinds.as_slice() {
            let only = only.clone();
            map.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(values)) = map.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    for keyword in ["anyOf", "oneOf"] {
        let Some(Value::Array(branches)) = map.get_mut(keyword) else { continue };
        branches.retain(|branch| !is_null(branch));
        if branches.len() > 1 {
            continue;
        }
        let only = branches.pop();
        map.shift_remove(keyword);
        if let Some(only) = only {
            map = with(map, without_null(only));
        }
    }
    map.retain(|keyword, value| !matches!(keyword.as_str(), "type" | "enum") || *value != json!([]));
    Value::Object(ordered(map))
}

/// `around` and the schema `inner` as one; what `around` says of the value in words wins.
fn with(mut around: Map<String, Value>, inner: Value) -> Map<String, Value> {
    let Value::Object(inner) = inner else { return around };
    let is_word = |keyword: &str| matches!(keyword, "description" | "examples");
    let agrees = |(keyword, value): (&String, &Value)| {
        is_word(keyword) || around.get(keyword).is_none_or(|own| own == value)
    };
    if !inner.iter().all(agrees) {
        around.insert("allOf".to_owned(), json!([inner]));
        return around;
    }
    for (keyword, value) in inner {
        around.entry(keyword).or_insert(value);
    }
    around
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_leaves_a_schema_and_nothing_else_does() {
        for (schema, expected) in [
            (json!({"type": "string"}), json!({"type": "string"})),
            (json!({"type": ["string", "null"]}), json!({"type": "string"})),
            (json!({"type": ["string", "integer", "null"]}), json!({"type": ["string", "integer"]})),
            (
                json!({"type": ["string", "null"], "enum": ["a", null]}),
                json!({"type": "string", "enum": ["a"]}),
            ),
            (
                json!({"description": "Day.", "anyOf": [{"type": "string", "description": "x"}, {"type": "null"}]}),
                json!({"type": "string", "description": "Day."}),
            ),
            (json!({"oneOf": [{"type": "null"}, {"type": ["array", "null"]}]}), json!({"type": "array"})),
            (
                json!({"anyOf": [{"type": "string"}, {"type": "integer"}, {"enum": [null]}]}),
                json!({"anyOf": [{"type": "string"}, {"type": "integer"}]}),
            ),
            (
                json!({"minimum": 1, "anyOf": [{"type": "integer", "minimum": 5}, {"const": null}]}),
                json!({"minimum": 1, "allOf": [{"type": "integer", "minimum": 5}]}),
            ),
            (json!({"anyOf": [{"$ref": "#/$defs/Kind"}, {"type": "null"}]}), json!({"$ref": "#/$defs/Kind"})),
            (json!({"type": ["null"]}), json!({})),
            (json!(true), json!(true)),
        ] {
            assert_eq!(without_null(schema.clone()), expected, "{schema}");
        }
    }
}
