//! `[conversations]`

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Conversations: phone calls and chats.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ConversationSettings {
    /// The state of a conversation that was never given one by `current_state` or by an action's `next_state`. Left out:
    /// none, in which no action with `available_in` is available.
    #[schemars(length(min = 1, max = 64))]
    pub initial_state: Option<String>,
    /// States that only callers set, by `current_state`, for `callgate check`: it warns of states that nothing leads to.
    #[schemars(inner(length(min = 1, max = 64)))]
    pub states: Vec<String>,
    /// Milliseconds for which the creation of a conversation waits for its actions with `on: start`; what is not over
    /// then goes on in the background.
    #[schemars(range(min = 0, max = 60_000))]
    pub start_budget_ms: u64,
    /// By environment: connections that are made ready when a conversation is created.
    #[schemars(extend("propertyNames" = {"pattern": r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$"}))]
    pub warm: BTreeMap<String, Vec<String>>,
}

impl Default for ConversationSettings {
    fn default() -> Self {
        Self { initial_state: None, states: Vec::new(), start_budget_ms: 1_500, warm: BTreeMap::new() }
    }
}
