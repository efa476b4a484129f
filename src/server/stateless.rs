//! Calls whose caller carries the conversation.

use std::sync::Arc;

use crate::conversation::Carried;
use crate::executor::StateError;
use crate::tool::{ToolCall, ToolResult};

use super::problem::{ProblemCode, ProblemDocument};
use super::state::AppState;

/// Opens the state that a request brought, for all of its calls: they are calls
/// of its conversation from now on.
///
/// # Errors
///
/// The state is not to be used, or the calls are not of one conversation.
pub(super) fn open(
    state: &AppState,
    text: Option<String>,
    calls: &mut [ToolCall],
) -> Result<Option<Arc<Carried>>, ProblemDocument> {
    let (Some(text), Some(first)) = (text, calls.first()) else { return Ok(None) };
    let scope = first.scope();
    let given = calls.iter().find_map(|call| call.conversation_id.as_deref());
    let carried = state.gateway().open_state(&scope, given, text)?;
    let id = carried.conversation().key.id();
    let is_of_it = |call: &ToolCall| {
        call.scope() == scope && call.conversation_id.as_deref().is_none_or(|given| given == id)
    };
    if !calls.iter().all(is_of_it) {
        let detail = "the `calls` beside a `state` must be of one environment and one conversation";
        return Err(ProblemDocument::new(ProblemCode::InvalidRequest, detail));
    }
    for call in calls {
        call.conversation_id = Some(id.to_owned());
    }
    Ok(Some(Arc::new(carried)))
}

/// The results of calls that all came with `carried`, and the one state after all of them.
pub(super) fn joined(
    state: &AppState,
    carried: &Carried,
    results: Vec<Arc<ToolResult>>,
) -> (Vec<Arc<ToolResult>>, String) {
    let next = state.gateway().state_after(carried, &results);
    // Each has what it alone did: to go on with that would be to forget the others.
    let without = |result: Arc<ToolResult>| {
        let mut result = Arc::unwrap_or_clone(result);
        result.state = None;
        Arc::new(result)
    };
    (results.into_iter().map(without).collect(), next)
}

impl From<StateError> for ProblemDocument {
    fn from(error: StateError) -> Self {
        let code = match &error {
            StateError::Off(_) => ProblemCode::StatelessOff,
            StateError::TooLarge { .. } | StateError::Invalid | StateError::OtherConversation => {
                ProblemCode::InvalidState
            }
            StateError::Expired => ProblemCode::StateExpired,
            StateError::NoRandomNumbers => ProblemCode::Internal,
        };
        Self::new(code, error.to_string())
    }
}
