//! When an action may be called, and what it does to its conversation.

use schemars::JsonSchema;
use serde::Deserialize;

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
