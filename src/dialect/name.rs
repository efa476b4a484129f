//! Which wire forms there are, and what is known of each by its name.

use std::fmt;
use std::str::FromStr;

use super::lower::Profile;

/// A wire form of tool specs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI Chat Completions.
    OpenAiChat,
    /// OpenAI Responses.
    OpenAiResponses,
    /// OpenAI Realtime.
    OpenAiRealtime,
    /// Anthropic Messages.
    Anthropic,
    /// Gemini, by `parametersJsonSchema`.
    Gemini,
    /// Gemini, by the older `parameters`.
    GeminiSchema,
    /// The Model Context Protocol.
    Mcp,
    /// Vapi's function tools.
    Vapi,
    /// Retell's custom functions.
    Retell,
    /// ElevenLabs' webhook tools.
    ElevenLabs,
}

/// A name that is no dialect's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no format `{name}`; the formats are {}", Dialect::names())]
pub struct UnknownDialect {
    name: String,
}

impl Dialect {
    /// All dialects.
    pub const ALL: &'static [Self] = &[
        Self::OpenAiChat,
        Self::OpenAiResponses,
        Self::OpenAiRealtime,
        Self::Anthropic,
        Self::Gemini,
        Self::GeminiSchema,
        Self::Mcp,
        Self::Vapi,
        Self::Retell,
        Self::ElevenLabs,
    ];

    /// The name used in `?format=` and `--format`.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAiChat => "openai-chat",
            Self::OpenAiResponses => "openai-responses",
            Self::OpenAiRealtime => "openai-realtime",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::GeminiSchema => "gemini-schema",
            Self::Mcp => "mcp",
            Self::Vapi => "vapi",
            Self::Retell => "retell",
            Self::ElevenLabs => "elevenlabs",
        }
    }

    /// Whether `strict` means something to it.
    pub fn has_strict(self) -> bool {
        matches!(self, Self::OpenAiChat | Self::OpenAiResponses | Self::OpenAiRealtime)
    }

    /// Whether its tools are called at an address of the gateway.
    pub fn calls_back(self) -> bool {
        matches!(self, Self::Vapi | Self::Retell | Self::ElevenLabs)
    }

    /// What the provider accepts of JSON Schema.
    pub fn profile(self, strict: bool) -> &'static Profile {
        match self {
            Self::OpenAiChat | Self::OpenAiResponses | Self::OpenAiRealtime if strict => {
                &Profile::OPENAI_STRICT
            }
            Self::OpenAiChat | Self::OpenAiResponses => &Profile::OPENAI,
            Self::OpenAiRealtime => &Profile::OPENAI_REALTIME,
            Self::Anthropic => &Profile::ANTHROPIC,
            Self::Gemini => &Profile::GEMINI,
            Self::GeminiSchema => &Profile::GEMINI_SCHEMA,
            Self::Mcp => &Profile::MCP,
            Self::Vapi => &Profile::VAPI,
            Self::Retell => &Profile::RETELL,
            Self::ElevenLabs => &Profile::ELEVENLABS,
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
