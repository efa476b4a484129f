//! A conversation that a tool call begins.

use crate::conversation::change::Change;
use crate::conversation::event::{EventKind, NewEvent};

/// The event of a conversation that a tool call begins, in this state.
pub(in crate::executor) fn begun_by_a_call(initial_state: Option<&str>) -> Change {
    let data = serde_json::json!({"by": "tool_call", "current_state": initial_state});
    Change {
        events: vec![NewEvent::now(EventKind::ConversationStarted, &data)],
        all_or_nothing: true,
        ..Change::default()
    }
}
