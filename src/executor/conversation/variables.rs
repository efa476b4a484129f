//! What a call takes from its conversation, and what it leaves there.

use serde_json::{Map, Value, json};

use crate::action::Action;
use crate::action::output;
use crate::action::variables::{self, InvalidVariables};
use crate::conversation::change::{Change, Source, Variable};
use crate::conversation::{Conversation, first_part, now_ms};
use crate::executor::call::outcome::Outcome;
use crate::tool::{Status, ToolCall, ToolResult};

/// What a call leaves in its conversation, but for the state that it leads to; nothing where it has no `outcome`, or
/// names no conversation. A variable that the answer speaks of is never left as it was: it is set anew or taken away,
/// also where the new value does not fit. The values are taken out of `outcome`: they may be large.
pub(in crate::executor) fn change(call: &ToolCall, outcome: Option<&mut Outcome>) -> Change {
    let Some(outcome) = outcome.filter(|_| call.conversation_id.is_some()) else {
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
pub(in crate::executor) fn next_state(action: &Action, result: &ToolResult) -> Option<String> {
    match result.status {
        Status::Success => action.next_state.success.clone(),
        Status::Error => action.next_state.error.clone(),
        // What was not tried leads nowhere.
        Status::Failure => action.next_state.failure.clone().filter(|_| result.attempts > 0),
        Status::Exception => None,
    }
}

/// What the conversation knows of what the action may read, what the caller brings, and what is always there.
pub(in crate::executor) fn variables(
    call: &ToolCall,
    action: &Action,
    conversation: Option<&Conversation>,
) -> Result<Map<String, Value>, InvalidVariables> {
    // What is brought must fit what is known there.
    let is_brought = |first: &str| call.variables.keys().any(|name| first_part(name) == first);
    let wanted = |first: &str| action.may_read(first) || is_brought(first);
    let known = conversation.map(|known| known.nested(wanted)).unwrap_or_default();
    let id = call.conversation_id.as_deref().unwrap_or(&call.id);
    merge(known, call.variables.clone(), always(id, &call.environment, conversation))
}

/// What a call brings under names that its conversation marks: as little to be
/// written down as what the conversation has there.
pub(in crate::executor) fn brought_under_marks(
    brought: &Map<String, Value>,
    conversation: Option<&Conversation>,
) -> Vec<Value> {
    let known = conversation.iter().flat_map(|conversation| &*conversation.variables);
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
pub(in crate::executor) fn always(id: &str, environment: &str, conversation: Option<&Conversation>) -> Value {
    let mut always = json!({"id": id, "environment": environment});
    if let Some(conversation) = conversation {
        always["started_at"] = conversation.started_at().into();
    }
    always
}

/// What is known, what the caller brings, and what is always there: the later wins.
pub(in crate::executor) fn merge(
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
