//! What a model asks for.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// A model's request to execute an action: untrusted.
#[derive(Clone, Debug)]
pub struct ToolCall {
    /// The id that the result repeats.
    pub id: String,
    /// The environment it runs in: chosen by the caller's key, never by the model.
    pub environment: String,
    /// The phone call or chat it belongs to.
    pub conversation_id: Option<String>,
    /// Name of the action.
    pub name: String,
    /// The arguments as they came: an object, or a JSON text of one.
    pub arguments: Box<RawValue>,
    /// Variables that the caller brings: dotted names, nested objects, or both.
    pub variables: Map<String, Value>,
    /// Milliseconds from the receipt of the request by which the caller wants its answer.
    pub deadline_ms: Option<u64>,
}
