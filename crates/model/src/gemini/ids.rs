//! The ids of calls, which Gemini may leave out.

use serde_json::Value;

use crate::assembler::text;
use crate::closing;

/// The call of a part.
pub(super) fn call(part: &Value) -> Option<&Value> {
    part.get("functionCall").filter(|call| call.is_object())
}

/// Our ids of the calls among `parts`, in their order. The same parts have the same ids, so that parts that
/// go back are known by them.
pub(super) fn ids(parts: &[Value]) -> Vec<String> {
    closing::ids(parts.iter().filter_map(call).map(|call| text(call, "id").unwrap_or_default()))
}
