//! Where the values of a request come from.

use serde_json::{Map, Value};

use crate::action::template::{Root, TracedValue};
use crate::action::{Action, variables};
use crate::tool::ToolCall;

use super::parts::ValueOrigin;

/// What a call brings, to tell its values from those that the gateway adds.
pub(super) struct Origins<'a> {
    action: &'a Action,
    /// The arguments as the model sent them.
    arguments: Value,
    /// The variables of the request, nested.
    variables: Map<String, Value>,
}

impl<'a> Origins<'a> {
    /// What `call`, a call of `action`, brings.
    pub(super) fn of(call: &ToolCall, action: &'a Action) -> Self {
        Self {
            action,
            arguments: read(call.arguments.get()),
            variables: variables::nest(call.variables.clone()).unwrap_or_default(),
        }
    }

    /// Where this value comes from.
    pub(super) fn of_value(&self, value: &TracedValue) -> ValueOrigin {
        let Some((root, path)) = &value.read else { return ValueOrigin::Computed };
        match (root, path.split_first()) {
            (_, None) => ValueOrigin::Computed,
            (Root::StaticVariables, _) => ValueOrigin::StaticVariable,
            (Root::Variables, Some((first, rest))) => match self.variables.get(first) {
                Some(brought) if has(brought, rest) => ValueOrigin::CallVariable,
                _ => ValueOrigin::ConversationVariable,
            },
            (Root::Parameters, Some((first, _))) if self.is_bound(first) => ValueOrigin::Bound,
            (Root::Parameters, _) if has(&self.arguments, path) => ValueOrigin::Argument,
            (Root::Parameters, Some((first, rest))) => match self.under_an_alias(first) {
                Some(sent) if has(sent, rest) => ValueOrigin::Argument,
                _ => ValueOrigin::Default,
            },
        }
    }

    fn is_bound(&self, name: &str) -> bool {
        self.action.bind.iter().any(|bound| bound.name == name)
    }

    /// What the model sent under another name of this parameter.
    fn under_an_alias(&self, name: &str) -> Option<&Value> {
        let sent = self.arguments.as_object()?.iter();
        sent.filter(|(alias, _)| self.action.parameters.name_of(alias) == name).map(|(_, value)| value).next()
    }
}

/// Arguments: JSON, or a JSON text of it.
fn read(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(Value::String(inner)) => serde_json::from_str(&inner).unwrap_or_default(),
        Ok(value) => value,
        Err(_) => Value::Null,
    }
}

/// Whether there is a value at the end of `path`.
fn has(value: &Value, path: &[String]) -> bool {
    let found = path.iter().try_fold(value, |value, name| match value {
        // A nested value may have come as a JSON text; what is in it was sent.
        Value::String(_) => Some(value),
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        _ => value.get(name),
    });
    found.is_some()
}
