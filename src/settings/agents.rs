//! Agents that products reach in other ways than by a key.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::keys::Sharing;
use super::webhooks::WebhookConversations;

/// Agents that products reach in other ways than by a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AgentSettings {
    /// Agents that answer Retell's phone calls (`/retell/llm/…`), by their names.
    #[schemars(extend("propertyNames" = {"pattern": r"^[a-zA-Z0-9_][a-zA-Z0-9_-]{0,63}$"}))]
    pub retell: BTreeMap<String, RetellAgentSettings>,
}

/// An agent that answers Retell's phone calls.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetellAgentSettings {
    /// Name of the secret that stands in the address which Retell calls; an environment that lacks it takes no calls.
    pub secret: String,
    /// Whether the model gets a tool, `end_call`, to hang up with.
    #[serde(default = "yes")]
    pub end_call: bool,
    /// Whose conversations its calls belong to: `own`, which no key sees, or those that are shared.
    #[serde(default)]
    pub conversations: Sharing,
    /// Name of a key: the calls belong to the conversations that this key sees, `own` or shared.
    #[serde(default)]
    pub conversations_of: Option<String>,
}

fn yes() -> bool {
    true
}

impl RetellAgentSettings {
    /// Whose conversations its calls belong to.
    pub fn conversations(&self) -> WebhookConversations {
        WebhookConversations {
            conversations: self.conversations,
            conversations_of: self.conversations_of.clone(),
        }
    }
}
