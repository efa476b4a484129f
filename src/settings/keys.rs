//! `[[keys]]`, and how often they may call.

use std::num::NonZeroU32;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::action::RateRules;

/// Whose conversations calls belong to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sharing {
    /// The caller's own, which no other caller sees or changes.
    Own,
    /// Those that all callers of the environment share.
    #[default]
    Shared,
}

/// A key of somebody who may call; only its hash is kept.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeySettings {
    /// Whose it is, for the log.
    pub name: String,
    /// `sha256:` and 64 hexadecimal digits.
    #[schemars(regex(pattern = r"^sha256:[0-9a-f]{64}$"))]
    pub hash: String,
    /// The environments it may use; left out: all that are served.
    #[serde(default)]
    pub environments: Option<Vec<String>>,
    /// Whether it may reload the project by `POST /admin/reload`.
    #[serde(default)]
    pub admin: bool,
    /// How often it may call; left out: as `server.rate` says.
    #[serde(default)]
    pub rate: Option<RateSettings>,
    /// Whose conversations its calls belong to: `own`, which no other key sees, or those that it shares with every key
    /// that says `shared`. Left out: `shared`; `callgate keygen` writes `own`.
    #[serde(default)]
    pub conversations: Sharing,
    /// What the `tool_call_id` values of its calls stand for.
    #[serde(default)]
    pub tool_call_ids: IdRule,
}

/// What the `tool_call_id` values of a caller stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IdRule {
    /// An id stands for one call of its conversation, until an id of the conversation comes with two contents, or if it is
    /// made of the name of the tool (`book:0`). Then a call is new once the answer of the earlier one was delivered and
    /// another call has begun.
    #[default]
    Auto,
    /// An id stands for one call of its conversation, for as long as results are kept.
    Unique,
    /// An id holds within one request: the model server uses the same ids in each turn.
    PerTurn,
}

/// How often a key may call.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateSettings {
    /// Calls per second; a fraction for fewer than one.
    #[schemars(range(min = 0.001, max = 1_000_000))]
    pub per_second: f64,
    /// Calls at once after a pause; left out: one second's worth.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub burst: Option<u32>,
}

impl RateSettings {
    /// Calls at once after a pause.
    pub fn burst(&self) -> NonZeroU32 {
        self.rules().burst
    }

    /// Time from one call to the next at this rate.
    pub fn period(&self) -> Duration {
        self.rules().period()
    }

    fn rules(&self) -> RateRules {
        RateRules::new(self.per_second, self.burst)
    }
}
