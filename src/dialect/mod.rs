//! Wire forms: one file per provider or orchestrator.

mod openai_chat;

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use crate::tool::ToolSpec;

/// A wire form of tool specs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI Chat Completions.
    OpenAiChat,
}

/// A name that is no dialect's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no format `{name}`; the formats are {}", Dialect::names())]
pub struct UnknownDialect {
    name: String,
}

impl Dialect {
    /// All dialects.
    pub const ALL: &'static [Self] = &[Self::OpenAiChat];

    /// The name used in `?format=` and `--format`.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAiChat => "openai-chat",
        }
    }

    /// The array that the provider's `tools` field takes.
    pub fn specs<'a>(self, tools: impl Iterator<Item = ToolSpec<'a>>) -> Value {
        match self {
            Self::OpenAiChat => tools.map(openai_chat::spec).collect(),
        }
    }

    fn names() -> String {
        Self::ALL.iter().map(|dialect| dialect.name()).collect::<Vec<_>>().join(", ")
    }
}

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|dialect| dialect.name() == name)
            .ok_or_else(|| UnknownDialect { name: name.chars().take(40).collect() })
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
