//! What a model is offered.

use std::time::Duration;

use serde_json::Value;

use crate::action::parameters::OutputSchema;
use crate::action::{Action, Kind, Speech};

/// A tool as a model is offered it, before a dialect gives it a provider's form.
#[derive(Clone, Copy, Debug)]
pub struct ToolSpec<'a> {
    /// The name to call it by.
    pub name: &'a str,
    /// What it does and when to use it.
    pub description: &'a str,
    /// JSON Schema of the arguments.
    pub parameters: &'a Value,
    /// JSON Schema of the body of a success, where the action declares one.
    pub output: Option<&'a Value>,
    /// The longest that a call takes.
    pub timeout: Duration,
    /// What a caller hears meanwhile.
    pub speech: &'a Speech,
    /// It cannot change anything (RFC 9110 section 9.2.1).
    pub is_safe: bool,
    /// Doing it twice is the same as doing it once (RFC 9110 section 9.2.2).
    pub is_idempotent: bool,
    /// It leaves the gateway: an upstream is called.
    pub goes_out: bool,
}

impl<'a> From<&'a Action> for ToolSpec<'a> {
    fn from(action: &'a Action) -> Self {
        Self {
            name: action.name.as_str(),
            description: &action.description,
            parameters: action.model_schema(),
            output: action.output_schema.as_ref().map(OutputSchema::schema),
            timeout: action.timeout,
            speech: &action.speech,
            is_safe: action.is_safe(),
            is_idempotent: action.is_idempotent(),
            goes_out: matches!(action.kind, Kind::Http(_)),
        }
    }
}
