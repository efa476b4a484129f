//! One tool, in the form of each provider.

use serde_json::{Map, Value, json};

use super::provider::Provider;

/// Writes a tool. A schema that is no object is that of a tool without parameters.
pub(crate) fn tool(provider: Provider, name: &str, description: &str, parameters: &Value) -> Value {
    let empty = json!({"type": "object", "properties": {}});
    let parameters = if parameters.is_object() { parameters } else { &empty };
    let mut tool = Map::from_iter([("name".to_owned(), Value::from(name))]);
    if !description.trim().is_empty() {
        tool.insert("description".to_owned(), Value::from(description));
    }
    let mut with = |name: &str| {
        tool.insert(name.to_owned(), parameters.clone());
    };
    match provider {
        Provider::OpenAi => {
            with("parameters");
            json!({"type": "function", "function": tool})
        }
        Provider::OpenAiResponses => {
            with("parameters");
            // Left out, it would be tried.
            tool.insert("strict".to_owned(), Value::from(false));
            tool.insert("type".to_owned(), Value::from("function"));
            Value::Object(tool)
        }
        Provider::Anthropic => {
            with("input_schema");
            Value::Object(tool)
        }
        Provider::Gemini => {
            // An object without properties is refused.
            if parameters.get("properties").is_some_and(|all| *all != json!({})) {
                with("parametersJsonSchema");
            }
            Value::Object(tool)
        }
    }
}
