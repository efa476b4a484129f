//! When an action may be called, and what it does to its conversation.

use schemars::JsonSchema;
use serde::Deserialize;

/// The state of a conversation after a call.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum NextStateDefinition {
    /// After a success.
    Success(#[schemars(length(min = 1, max = 64))] String),
    /// By what came of the call.
    ByOutcome(NextStates),
}

/// A state for each outcome; where none is named, the conversation stays in the state that it is in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct NextStates {
    /// After a success.
    #[schemars(length(min = 1, max = 64))]
    pub success: Option<String>,
    /// After an answer that is no success: another status than 2xx, or one for which `success_when` does not hold.
    #[schemars(length(min = 1, max = 64))]
    pub error: Option<String>,
    /// After a request that got no usable answer, such as a timeout.
    #[schemars(length(min = 1, max = 64))]
    pub failure: Option<String>,
}

impl NextStates {
    /// Every state that is named.
    pub fn all(&self) -> impl Iterator<Item = &String> {
        [&self.success, &self.error, &self.failure].into_iter().flatten()
    }
}

impl From<NextStateDefinition> for NextStates {
    fn from(definition: NextStateDefinition) -> Self {
        match definition {
            NextStateDefinition::Success(state) => Self { success: Some(state), ..Self::default() },
            NextStateDefinition::ByOutcome(states) => states,
        }
    }
}

/// When an action runs by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Hook {
    /// When a conversation is created by `POST /v1/conversations`.
    Start,
    /// When a conversation ends.
    End,
}

impl Hook {
    /// The word as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::End => "end",
        }
    }
}
