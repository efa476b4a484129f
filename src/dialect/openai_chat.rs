//! OpenAI Chat Completions.

use serde_json::{Value, json};

use crate::tool::ToolSpec;

/// One entry of `tools`: `{"type": "function", "function": {name, description, parameters}}`.
pub(super) fn spec(tool: ToolSpec<'_>) -> Value {
    json!({
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
        }
    })
}
