//! The guards of an action, asked about the conversation that a call belongs to.

use std::cell::OnceCell;

use serde_json::Value;

use crate::action::output::Concealed;
use crate::action::{Action, GuardError, KnownConversation};
use crate::conversation::Conversation;
use crate::conversation::change::Variable;

use super::record::Values;

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
pub(super) fn check(
    action: &Action,
    conversation: Option<&Conversation>,
    initial_state: Option<&str>,
    values: &Values,
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
    action.check_guards(known, values.root(), &values.parameters)
}

/// Where the variable of a dotted name stands.
fn place(name: &str) -> String {
    let mut pointer = "/variables".to_owned();
    for part in name.split('.') {
        callgate_text::push_token(&mut pointer, part);
    }
    pointer
}
