//! `[mcp]`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The MCP server at `/mcp/{environment}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct McpSettings {
    /// Milliseconds in which a call is answered, where `Callgate-Deadline-Ms` does not say otherwise; the action's own
    /// timeout holds all the same. LiveKit gives up after 5 seconds.
    #[schemars(range(min = 1, max = 300_000))]
    pub deadline_ms: u64,
    /// Most sessions at a time, in the whole process; beyond it the one that has been idle longest gives way, of the same
    /// key first.
    #[schemars(range(min = 1, max = 100_000))]
    pub max_sessions: usize,
    /// How long a session may be idle, in milliseconds.
    #[schemars(range(min = 1_000, max = 86_400_000))]
    pub session_idle_ms: u64,
}

impl Default for McpSettings {
    fn default() -> Self {
        Self { deadline_ms: 4_500, max_sessions: 1_000, session_idle_ms: 60 * 60 * 1_000 }
    }
}
