//! `[sealing]`: the keys of what leaves the gateway sealed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The keys of what leaves the gateway sealed: the `state` that stateless callers carry, and tokens that nodes share.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SealingSettings {
    /// Names of secrets, each 32 random bytes in base64 or hexadecimal, as `callgate keygen --sealing` makes them. The first
    /// that an environment has seals; all open. Left out: nothing is sealed, and a `state` is refused.
    #[schemars(inner(length(min = 1)), length(max = 16))]
    pub keys: Vec<String>,
    /// How long a `state` can be used after it was given out.
    #[schemars(range(min = 1_000, max = 2_592_000_000_u64))]
    pub state_ttl_ms: u64,
    /// The longest `state`, in characters.
    #[schemars(range(min = 4_096, max = 1_048_576))]
    pub max_state_bytes: usize,
}

impl Default for SealingSettings {
    fn default() -> Self {
        Self { keys: Vec::new(), state_ttl_ms: 2 * 60 * 60 * 1_000, max_state_bytes: 64 * 1024 }
    }
}
