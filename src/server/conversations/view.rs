//! Conversations as replies show them.

use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

use crate::conversation::change::{Source, Variable};
use crate::conversation::{Conversation, Summary, timestamp};

/// A conversation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConversationView {
    /// The id that calls name.
    id: String,
    /// The environment, the same from start to end.
    environment: String,
    /// The state that it is in.
    current_state: Option<String>,
    /// When it began (RFC 3339, UTC).
    started_at: String,
    /// When it will be forgotten, if nothing uses it before.
    expires_at: String,
    /// When it ended.
    ended_at: Option<String>,
    /// Its variables, by dotted name.
    variables: BTreeMap<String, VariableView>,
}

/// A variable.
#[derive(Debug, Serialize, ToSchema)]
struct VariableView {
    /// The value; `***` where it is sensitive.
    value: Value,
    /// Who set it.
    source: SourceView,
    /// Whether it is masked in replies, logs and events.
    sensitive: bool,
    /// Whether the model may see it: in results and prompts.
    exposed: bool,
    /// Whether its texts are kept from the model in every later answer.
    hidden: bool,
    /// When it was set (RFC 3339, UTC).
    set_at: String,
}

/// Who set a variable.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "by", rename_all = "snake_case")]
enum SourceView {
    /// The caller of the gateway.
    Caller,
    /// An output variable of a call.
    Call {
        /// The call.
        tool_call_id: String,
        /// Its action.
        action: String,
    },
}

/// A line of the listing.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SummaryView {
    /// The id that calls name.
    id: String,
    /// The environment.
    environment: String,
    /// The state that it is in.
    current_state: Option<String>,
    /// When it began (RFC 3339, UTC).
    started_at: String,
    /// When it will be forgotten, if nothing uses it before.
    expires_at: String,
    /// When it ended.
    ended_at: Option<String>,
}

impl ConversationView {
    /// What its caller may see of a conversation is for the executor to say.
    pub(super) fn of(shown: &Conversation) -> Self {
        let variables = shown.variables.iter();
        Self {
            id: shown.key.id().to_owned(),
            environment: shown.key.environment().to_owned(),
            current_state: shown.state.clone(),
            started_at: timestamp(shown.started_at_ms),
            expires_at: timestamp(shown.expires_at_ms),
            ended_at: shown.ended_at_ms.map(timestamp),
            variables: variables.map(|(name, variable)| (name.clone(), VariableView::of(variable))).collect(),
        }
    }
}

impl VariableView {
    fn of(variable: &Variable) -> Self {
        Self {
            value: variable.value.clone(),
            source: match &variable.source {
                Source::Caller => SourceView::Caller,
                Source::Call { id, action } => {
                    SourceView::Call { tool_call_id: id.clone(), action: action.clone() }
                }
            },
            sensitive: variable.sensitive,
            exposed: variable.shown.is_some(),
            hidden: variable.hidden,
            set_at: timestamp(variable.set_at_ms),
        }
    }
}

impl SummaryView {
    pub(super) fn of(summary: Summary, environment: &str) -> Self {
        Self {
            id: summary.id,
            environment: environment.to_owned(),
            current_state: summary.state,
            started_at: timestamp(summary.started_at_ms),
            expires_at: timestamp(summary.expires_at_ms),
            ended_at: summary.ended_at_ms.map(timestamp),
        }
    }
}
