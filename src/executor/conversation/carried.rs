//! Conversations that their callers carry, as the gateway opens and closes them.

use std::sync::Arc;

use crate::conversation::Carried;
use crate::executor::gateway::Gateway;
use crate::tool::{Scope, ToolResult};

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
}
