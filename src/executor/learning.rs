//! What a call takes from its conversation, and what it leaves there.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::action::Action;
use crate::action::output;
use crate::action::variables::{self, InvalidVariables};
use crate::conversation::change::{Change, Refused, Source, Variable};
use crate::conversation::{Claim, Conversation, StoreError, now_ms};
use crate::egress::{Deadline, DeadlineExceeded};
use crate::tool::{Status, ToolCall, ToolResult};

use super::Gateway;
use super::failure::Failure;
use super::outcome::{Outcome, Receipt};

/// The least time there is for storing what was done, even past the deadline:
/// what is told and not stored would be forgotten.
pub(super) const STORING: Duration = Duration::from_millis(500);

/// A call that is over, before it is told.
pub(super) struct Done<'a> {
    pub(super) claim: Option<&'a Claim>,
    pub(super) conversation: Option<&'a Conversation>,
    pub(super) result: &'a Arc<ToolResult>,
    pub(super) change: Change,
}

impl Gateway {
    /// Keeps the result for whoever comes with the same intent, and what was
    /// learned; where nothing was sent, the intent is free again, unless it was
    /// withdrawn.
    pub(super) async fn keep(&self, done: Done<'_>, receipt: &Receipt, deadline: Deadline) {
        let Done { claim, conversation, result, change } = done;
        let store = &self.shared.store;
        let deadline = Deadline::after(deadline.left().max(STORING));
        let applied = match (claim, conversation) {
            // An answer that needs no request is one too: it counts, and is repeated.
            (Some(claim), _)
                if receipt.was_sent || receipt.is_withdrawn || result.status == Status::Success =>
            {
                deadline.within(store.settle(claim, result, change)).await
            }
            (Some(claim), _) => {
                match conversation.filter(|_| change.state.is_some()) {
                    Some(conversation) => {
                        note(deadline.within(store.update(&conversation.key, change)).await);
                    }
                    None => self.tell(conversation, change.events),
                }
                return note(deadline.within(store.release(claim)).await);
            }
            (None, Some(conversation)) if !change.is_empty() => {
                deadline.within(store.update(&conversation.key, change)).await
            }
            (None, _) => return,
        };
        if let Ok(Ok(applied)) = &applied {
            note_refused(&applied.refused);
            self.tell_refused(conversation, &applied.refused);
        }
        note(applied);
    }
}

/// Logs what the store could not do, where the call goes on all the same.
pub(super) fn note<T>(done: Result<Result<T, StoreError>, DeadlineExceeded>) {
    match done {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::error!(%error, "what a call has done may not be stored"),
        Err(_) => tracing::warn!("storing what a call has done takes longer than its caller waits"),
    }
}

/// Logs what is not remembered of a call, by name.
pub(super) fn note_refused(refused: &[Refused]) {
    for refused in refused {
        tracing::warn!(variable.name = %refused.name, error = %refused.reason, "variable not remembered");
    }
}

/// What a call leaves in its conversation, but for the state that it leads to. A variable that the answer
/// speaks of is never left as it was: it is set anew or taken away, also where the new value does not fit. The values
/// are taken out of `outcome`: they may be large.
pub(super) fn change(call: &ToolCall, outcome: &mut Result<Outcome, Failure>) -> Change {
    let Some(outcome) = outcome.as_mut().ok().filter(|_| call.conversation_id.is_some()) else {
        return Change::default();
    };
    let set_at_ms = now_ms();
    let variable = |one: output::Extracted| Variable {
        value: one.value,
        shown: one.shown,
        source: Source::Call { id: call.id.clone(), action: call.name.clone() },
        sensitive: one.sensitive,
        hidden: one.hidden,
        set_at_ms,
    };
    let extracted = std::mem::take(&mut outcome.extracted);
    let set: Vec<_> = extracted.into_iter().map(|one| (one.name.clone(), variable(one))).collect();
    let unset = set.iter().map(|(name, _)| name).chain(&outcome.cleared).cloned().collect();
    let succeeded = outcome.is_success().then(|| call.name.clone());
    Change { unset, set, succeeded, ..Change::default() }
}

/// The state that the conversation is in after a call with this result, where the call leads to one.
pub(super) fn next_state(action: &Action, result: &ToolResult) -> Option<String> {
    match result.status {
        Status::Success => action.next_state.success.clone(),
        Status::Error => action.next_state.error.clone(),
        // What was not tried leads nowhere.
        Status::Failure => action.next_state.failure.clone().filter(|_| result.attempts > 0),
        Status::Exception => None,
    }
}

/// What the conversation knows, what the caller brings, and what is always there.
pub(super) fn variables(
    call: &ToolCall,
    conversation: Option<&Conversation>,
) -> Result<Map<String, Value>, InvalidVariables> {
    let known = conversation.map(Conversation::nested).unwrap_or_default();
    let id = call.conversation_id.as_deref().unwrap_or(&call.id);
    merge(known, call.variables.clone(), always(id, &call.environment, conversation))
}

/// What a call brings under names that its conversation marks: as little to be
/// written down as what the conversation has there.
pub(super) fn brought_under_marks(
    brought: &Map<String, Value>,
    conversation: Option<&Conversation>,
) -> Vec<Value> {
    let known = conversation.iter().flat_map(|conversation| &conversation.variables);
    let mut marked = known.filter(|(_, variable)| variable.sensitive || variable.hidden).peekable();
    if brought.is_empty() || marked.peek().is_none() {
        return Vec::new();
    }
    // What cannot be nested makes no variables, and no name can be looked up in it.
    let Ok(nested) = variables::nest(brought.clone()) else { return brought.values().cloned().collect() };
    let found = marked.filter_map(|(name, variable)| {
        let mut steps = name.split('.');
        let value = steps.next().and_then(|first| nested.get(first))?;
        let value = steps.try_fold(value, |value, step| value.get(step))?;
        Some((value, variable))
    });
    let values = found.map(|(value, variable)| match variable.sensitive {
        true => value.clone(),
        false => output::sought_texts(value).into(),
    });
    values.collect()
}

/// What is always there under `.variables.conversation`.
pub(super) fn always(id: &str, environment: &str, conversation: Option<&Conversation>) -> Value {
    let mut always = json!({"id": id, "environment": environment});
    if let Some(conversation) = conversation {
        always["started_at"] = conversation.started_at().into();
    }
    always
}

/// What is known, what the caller brings, and what is always there: the later wins.
pub(super) fn merge(
    mut known: Map<String, Value>,
    brought: Map<String, Value>,
    always: Value,
) -> Result<Map<String, Value>, InvalidVariables> {
    for (name, value) in variables::nest(brought)? {
        variables::insert(&mut known, &name, value)?;
    }
    match (known.get_mut("conversation"), always) {
        (Some(Value::Object(there)), Value::Object(ours)) => there.extend(ours),
        (_, ours) => {
            known.insert("conversation".to_owned(), ours);
        }
    }
    Ok(known)
}
