//! The list form of ElevenLabs' tools, which its dashboard and its guides print:
//! `properties: [{id, …, required, value_type}]`, read as the form of its API.

use serde_json::{Map, Value, json};

use crate::json::{scalar, text};

/// `api` (an `api_schema`) with maps where it has lists.
pub(super) fn by_name(api: &Value) -> Value {
    let Value::Object(members) = api else { return api.clone() };
    let mut out = members.clone();
    for (key, value) in &mut out {
        *value = match (key.as_str(), value.take()) {
            ("path_params_schema", Value::Array(items)) => Value::Object(properties(&items)),
            ("path_params_schema", Value::Object(map)) => Value::Object(each(&map)),
            ("query_params_schema" | "request_body_schema", Value::Array(items)) => object(&items),
            ("query_params_schema" | "request_body_schema", value) => schema(&value),
            ("request_headers", Value::Array(items)) => Value::Object(headers(&items)),
            (_, value) => value,
        };
    }
    Value::Object(out)
}

/// The value that the author fixed, in the type that the schema says.
pub(super) fn constant(schema: &Value) -> Option<Value> {
    let is_fixed = text(schema, "value_type") == "constant";
    let value = schema.get("constant_value").filter(|value| !value.is_null())?;
    let Value::String(written) = value else { return Some(value.clone()) };
    if written.is_empty() && !is_fixed {
        return None;
    }
    // The dashboard keeps numbers as texts.
    let typed =
        serde_json::from_str::<Value>(written.trim()).ok().filter(|typed| match text(schema, "type") {
            "integer" => typed.is_i64() || typed.is_u64(),
            "number" => typed.is_number(),
            "boolean" => typed.is_boolean(),
            _ => false,
        });
    Some(typed.unwrap_or_else(|| value.clone()))
}

fn each(map: &Map<String, Value>) -> Map<String, Value> {
    map.iter().map(|(name, value)| (name.clone(), schema(value))).collect()
}

fn object(items: &[Value]) -> Value {
    json!({"type": "object", "properties": properties(items), "required": required(items)})
}

fn properties(items: &[Value]) -> Map<String, Value> {
    let named = items.iter().filter(|item| !id(item).is_empty());
    named.map(|item| (id(item).to_owned(), schema(item))).collect()
}

fn required(items: &[Value]) -> Vec<&str> {
    let needed = items.iter().filter(|item| item.get("required") == Some(&Value::Bool(true)));
    needed.map(id).filter(|id| !id.is_empty()).collect()
}

fn id(item: &Value) -> &str {
    crate::json::first_text(item, &["id", "name", "identifier"])
}

fn schema(value: &Value) -> Value {
    let Value::Object(members) = value else { return value.clone() };
    let mut out = members.clone();
    // Whether a property is needed is said by the object that it is one of.
    if out.get("required").is_some_and(|required| !required.is_array()) {
        out.shift_remove("required");
    }
    match members.get("properties") {
        Some(Value::Array(items)) => {
            out.insert("properties".to_owned(), Value::Object(properties(items)));
            out.insert("required".to_owned(), json!(required(items)));
        }
        Some(Value::Object(map)) => {
            out.insert("properties".to_owned(), Value::Object(each(map)));
        }
        _ => {}
    }
    if let Some(items) = members.get("items") {
        out.insert("items".to_owned(), schema(items));
    }
    // The form keeps a key for each way; one of them is meant.
    let others: &[&str] = match text(value, "value_type") {
        "llm_prompt" => &["dynamic_variable", "constant_value"],
        "dynamic_variable" => &["constant_value"],
        "constant" => &["dynamic_variable"],
        _ => &[],
    };
    for key in others {
        out.shift_remove(*key);
    }
    Value::Object(out)
}

fn headers(items: &[Value]) -> Map<String, Value> {
    let mut out = Map::new();
    for item in items {
        let name = text(item, "name");
        let value = match text(item, "type") {
            "secret" => json!({"secret_id": text(item, "secret_id")}),
            "value" => json!(scalar(item.get("value").unwrap_or(&Value::Null))),
            _ if item.get("value").is_some_and(|value| !value.is_null() && *value != json!("")) => {
                json!(scalar(&item["value"]))
            }
            _ => item.clone(),
        };
        if !name.is_empty() {
            out.entry(name).or_insert(value);
        }
    }
    out
}
