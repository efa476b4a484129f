//! What a call or a caller changes about a conversation, and what came of it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::entry::NewEntry;
use super::event::NewEvent;

/// Who set a variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The caller of the gateway.
    Caller,
    /// An output variable of a call.
    Call {
        /// The call.
        id: String,
        /// Its action.
        action: String,
    },
}

/// A variable's value, and who may know it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variable {
    /// The value.
    pub value: Value,
    /// What the model may see of it: the value, or the value without the parts
    /// that are hidden; `None` where it may see nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<Value>,
    /// Who set it.
    pub source: Source,
    /// Whether it is redacted in logs and events.
    #[serde(default, skip_serializing_if = "is_false")]
    pub sensitive: bool,
    /// Whether its texts stay hidden from the model in all later answers.
    #[serde(default, skip_serializing_if = "is_false")]
    pub hidden: bool,
    /// When it was set, in milliseconds since 1970 (UTC).
    pub set_at_ms: u64,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// What is to change, all of it at once.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Variables to take away, before others are set.
    pub unset: Vec<String>,
    /// Variables to set, by dotted name, in this order.
    pub set: Vec<(String, Variable)>,
    /// The state that the conversation is in from now on.
    pub state: Option<String>,
    /// The action of which one more call has succeeded.
    pub succeeded: Option<String>,
    /// Whether the conversation is over. Where it is over already, nothing of the
    /// change is made, so that it ends once.
    pub end: bool,
    /// Whether it is for a conversation that goes on: of one that is over, nothing is changed.
    pub while_open: bool,
    /// What the feed is told of a call.
    pub call: Option<NewEntry>,
    /// What it is told besides, after that.
    pub events: Vec<NewEvent>,
    /// Whether nothing is to be done where a variable is refused; else the
    /// refused ones are left out.
    pub all_or_nothing: bool,
}

impl Change {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.has_only_events() && !self.tells()
    }

    /// Whether the feed is told anything.
    pub fn tells(&self) -> bool {
        self.call.is_some() || !self.events.is_empty()
    }

    /// What the feed is told, in its order.
    pub(super) fn entries(&self) -> Vec<Cow<'_, NewEntry>> {
        let plain = (!self.events.is_empty()).then(|| Cow::Owned(NewEntry::of_events(&self.events)));
        self.call.iter().map(Cow::Borrowed).chain(plain).collect()
    }

    /// Whether nothing changes but the feed.
    pub(super) fn has_only_events(&self) -> bool {
        self.unset.is_empty()
            && self.set.is_empty()
            && self.state.is_none()
            && self.succeeded.is_none()
            && !self.end
            && !self.while_open
    }

    /// The same as the first change of a conversation that begins at `now_ms`.
    pub(super) fn begun_at(&self, now_ms: u64) -> Self {
        let mut first = self.clone();
        first.events.iter_mut().for_each(|event| event.at_ms = now_ms);
        first
    }
}

/// What came of a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Whether the conversation was there to be changed.
    pub is_known: bool,
    /// Whether the conversation had ended before, and the change was to end it or for one that goes on.
    pub was_ended: bool,
    /// The variables that were not set.
    pub refused: Vec<Refused>,
}

/// A variable that was not set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the variable `{name}` {reason}")]
pub struct Refused {
    /// Its dotted name.
    pub name: String,
    /// Why.
    pub reason: Refusal,
}

/// Why a variable is not set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// What is always there cannot be set.
    #[error("cannot be set: `conversation.id`, `.environment` and `.started_at` are always there")]
    Reserved,
    /// A name cannot be both a value and the parent of other values.
    #[error("cannot stand beside `{0}`: one of the two would be a value and the parent of the other")]
    Conflict(String),
    /// The name is none.
    #[error(
        "has a name that cannot be used: parts between dots must not be empty, and {0} bytes are allowed"
    )]
    Name(usize),
    /// The value is nested too deeply.
    #[error("is nested deeper than {0} levels")]
    TooDeep(usize),
    /// The conversation holds too many bytes.
    #[error("does not fit: the variables of a conversation may have {0} bytes as JSON")]
    TooLarge(usize),
    /// The conversation holds too many variables.
    #[error("does not fit: a conversation may have {0} variables")]
    TooMany(usize),
    /// The caller carries the conversation, and it would become too large for that.
    #[error("does not fit into the sealed `state`: see `max_state_bytes` of [sealing]")]
    StateTooLarge,
}
