//! Conversations that their callers carry, as the gateway opens, changes and closes them.

use std::sync::Arc;

use crate::conversation::change::Change;
use crate::conversation::{Carried, ConversationKey};
use crate::executor::gateway::Gateway;
use crate::tool::{Scope, ToolResult};

use super::lifecycle::{ConversationChange, ConversationError};
use super::states::StateError;

impl Gateway {
    /// Opens the state that a request for `scope` came with; an empty one begins a
    /// conversation. The state of another scope is another's, and is not opened.
    ///
    /// # Errors
    ///
    /// The state is not to be used; nothing must be done with it.
    pub fn open_state(
        &self,
        scope: &Scope,
        conversation_id: Option<&str>,
        text: String,
    ) -> Result<Carried, StateError> {
        self.shared.deployment.load().states.open(scope, conversation_id, text)
    }

    /// The state after calls that ran at the same time and all came with
    /// `before`: what each of them did, in their order.
    pub fn state_after(&self, before: &Carried, results: &[Arc<ToolResult>]) -> String {
        self.shared.deployment.load().states.after_all(before, results.iter().map(|result| &**result))
    }

    /// A conversation that its caller carries, with what the caller changes about it: all of it or nothing. The same
    /// change to the same state gives the same state.
    ///
    /// # Errors
    ///
    /// Variables that cannot be set.
    pub fn change_state(
        &self,
        before: &Carried,
        change: ConversationChange,
    ) -> Result<Carried, ConversationError> {
        let states = &self.shared.deployment.load().states;
        let ConversationChange { unset, variables, current_state } = change;
        let set_at_ms = states.given_out_ms(before);
        let set = variables.into_iter().map(|given| given.into_variable(set_at_ms)).collect();
        let change = Change { unset, set, state: current_state, all_or_nothing: true, ..Change::default() };
        states.changed(before, &change).map_err(ConversationError::Refused)
    }

    /// The same conversation, ended; `None` where its state is too large.
    pub fn end_state(&self, before: &Carried) -> Option<Carried> {
        let change = Change { end: true, ..Change::default() };
        self.shared.deployment.load().states.changed(before, &change).ok()
    }

    /// The text of a conversation that its caller carries, as fresh as if it were given out just now; `None` where the
    /// environment has no key any more.
    pub fn renew_state(&self, carried: &Carried) -> Option<String> {
        self.shared.deployment.load().states.renewed(carried)
    }

    /// Seals what agents have done in a conversation that its caller carries: 192 KiB of it, the oldest left out.
    pub fn seal_turns(&self, key: &ConversationKey, texts: &[Arc<str>]) -> Option<String> {
        self.shared.deployment.load().states.seal_turns(key, texts)
    }

    /// Opens what [`Self::seal_turns`] has sealed for the same conversation.
    ///
    /// # Errors
    ///
    /// It was changed, or is of another conversation.
    pub fn open_turns(&self, key: &ConversationKey, text: &str) -> Result<Vec<Arc<str>>, StateError> {
        self.shared.deployment.load().states.open_turns(key, text)
    }
}
