//! What a model is offered.

use serde_json::Value;

use crate::action::Action;

/// A tool as a model is offered it, before a dialect gives it a provider's form.
#[derive(Clone, Copy, Debug)]
pub struct ToolSpec<'a> {
    /// The name to call it by.
    pub name: &'a str,
    /// What it does and when to use it.
    pub description: &'a str,
    /// JSON Schema of the arguments.
    pub parameters: &'a Value,
}

impl<'a> From<&'a Action> for ToolSpec<'a> {
    fn from(action: &'a Action) -> Self {
        Self {
            name: action.name.as_str(),
            description: &action.description,
            parameters: action.model_schema(),
        }
    }
}
