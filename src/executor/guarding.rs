//! The guards of an action, asked about the conversation that a call belongs to.

use std::cell::OnceCell;
use std::mem;

use serde_json::{Map, Value};

use crate::action::output::Concealed;
use crate::action::{Action, GuardError, KnownConversation};
use crate::conversation::change::Variable;
use crate::conversation::{Conversation, ConversationKey};
use crate::tool::{FailureCode, Retry};

use super::conversations::ConversationError;
use super::{Admitted, Deployment, Gateway, Values};

impl Gateway {
    /// The state of a conversation, whether it has begun or not.
    ///
    /// # Errors
    ///
    /// The store's own.
    pub async fn state_of(&self, key: &ConversationKey) -> Result<Option<String>, ConversationError> {
        let found = self.shared.store.find(key).await?;
        let state = found.and_then(|conversation| conversation.state.clone());
        Ok(state.or_else(|| self.deployment().conversations().initial_state.clone()))
    }
}

impl Admitted<'_> {
    /// Asks the guards of the action.
    pub(super) fn check_guards(&mut self, deployment: &Deployment) -> Result<(), GuardError> {
        let initial_state = deployment.conversations().initial_state.as_deref();
        check(&self.target.action, self.conversation.as_deref(), initial_state, &mut self.values)
    }
}

/// A conversation, as guards ask about it.
struct Known<'a> {
    conversation: &'a Conversation,
    /// The state of a conversation that was never given one.
    initial_state: Option<&'a str>,
    /// The places of variables that a model must not be told, as JSON Pointers.
    untold: Vec<String>,
    /// What a model must not be told wherever it stands.
    concealed: OnceCell<Concealed>,
}

impl KnownConversation for Known<'_> {
    fn state(&self) -> Option<&str> {
        self.conversation.state.as_deref().or(self.initial_state)
    }

    fn has_succeeded(&self, action: &str) -> bool {
        self.conversation.calls.get(action).is_some_and(|calls| calls.succeeded > 0)
    }

    fn may_be_told(&self, place: &str, value: &Value) -> bool {
        let below = |untold: &String| {
            place.strip_prefix(untold.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if self.untold.iter().any(below) {
            return false;
        }
        // What is hidden under one name may stand under another.
        let texts = || Concealed::new(self.conversation.concealed.to_vec());
        self.concealed.get_or_init(texts).out_of_json(&value.to_string()).is_none()
    }
}

/// Asks the guards of `action`, but for `max_calls`, which the claim counts. An
/// action without guards costs a look.
///
/// # Errors
///
/// What stands in the way.
fn check(
    action: &Action,
    conversation: Option<&Conversation>,
    initial_state: Option<&str>,
    values: &mut Values,
) -> Result<(), GuardError> {
    if !action.guards.need_conversation() {
        return Ok(());
    }
    let known = conversation.map(|conversation| {
        let is_untold = |variable: &Variable| variable.hidden || variable.sensitive;
        let untold = conversation.variables.iter().filter(|(_, variable)| is_untold(variable));
        let untold = untold.map(|(name, _)| place(name)).collect();
        Known { conversation, initial_state, untold, concealed: OnceCell::new() }
    });
    let known = known.as_ref().map(|known| known as &dyn KnownConversation);
    // Paths of `allowed_values_from` begin with `$.variables`.
    let variables = Value::Object(mem::take(&mut values.variables));
    let mut root = Value::Object(Map::from_iter([("variables".to_owned(), variables)]));
    let checked = action.check_guards(known, &root, &values.parameters);
    if let Some(Value::Object(variables)) = root.get_mut("variables").map(Value::take) {
        values.variables = variables;
    }
    checked
}

/// Where the variable of a dotted name stands.
fn place(name: &str) -> String {
    let mut pointer = "/variables".to_owned();
    for part in name.split('.') {
        callgate_text::push_token(&mut pointer, part);
    }
    pointer
}

/// What the model hears of a refusal; of [`GuardError::Arguments`] without the violations.
pub(super) fn in_words(refused: &GuardError) -> (FailureCode, String, Retry) {
    match refused {
        GuardError::NoConversation => {
            let message =
                "This works only within a conversation, and this call names none; nothing was done.";
            (FailureCode::ConversationRequired, message.to_owned(), Retry::No)
        }
        GuardError::NotAvailable { leads, .. } => {
            let instead = match leads.as_slice() {
                [] => "Use another tool, or tell the caller that it cannot be done now.".to_owned(),
                leads => format!("It becomes available after {}.", either(leads)),
            };
            let message = format!(
                "This is not available at this point of the conversation; nothing was done. {instead}"
            );
            (FailureCode::NotAvailable, message, Retry::No)
        }
        GuardError::TooEarly { first } => {
            let message = format!("This comes after {0}; nothing was done. Call {0} first.", all(first));
            (FailureCode::TooEarly, message, Retry::Later)
        }
        GuardError::Arguments(invalid) => {
            (FailureCode::InvalidArguments, invalid.message(), Retry::WithChanges)
        }
    }
}

fn either(names: &[String]) -> String {
    joined(names, "or")
}

fn all(names: &[String]) -> String {
    joined(names, "and")
}

fn joined(names: &[String], last: &str) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [head @ .., tail] if !head.is_empty() => format!("{} {last} {tail}", head.join(", ")),
        names => names.concat(),
    }
}
