//! Wire forms, one file per provider or orchestrator: tool specs out, tool calls in, results out.
//!
//! ```text
//! ToolSpec ─► lower ─► specs            what the provider's `tools` field takes
//! bytes ─► decode ─► Turn ─► execute ─► Outcome ─► encode ─► what the caller appends
//! ```
//!
//! Pure: no I/O. One call of a turn that cannot be read is refused by itself; it never costs the
//! others their results.

mod fields;
mod turn;
mod text;
mod spec;
mod speech;
pub mod openai_chat;
pub mod openai_responses;
pub mod openai_realtime;
pub mod anthropic;
pub mod gemini;
pub mod vapi;
pub mod retell;
pub mod elevenlabs;
pub mod mcp;

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use crate::action::ActionName;
use crate::tool::ToolSpec;

use self::lower::{Fate, Profile, Report};
use self::spec::Prepared;

pub use callgate_schema::lower;

pub use self::spec::{NoSpecs, SpecOptions};
pub use self::turn::{IncomingCall, Malformed, Outcome, Turn};

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

    /// The array that the provider's `tools` field takes.
    ///
    /// # Errors
    ///
    /// `strict` where the provider has none, or no address for tools that call back.
    pub fn specs<'a>(
        self,
        tools: impl Iterator<Item = ToolSpec<'a>>,
        options: &SpecOptions<'_>,
    ) -> Result<Value, NoSpecs> {
        if options.strict && !self.has_strict() {
            return Err(NoSpecs::NotStrict(self));
        }
        let base = match options.base_url {
            Some(base) => base.trim_end_matches('/'),
            None if self.calls_back() => return Err(NoSpecs::NoAddress(self)),
            None => "",
        };
        let profile = self.profile(options.strict);
        let prepared = tools.map(|tool| Prepared::new(tool, profile));
        let specs = match self {
            Self::OpenAiChat => prepared.map(|tool| openai_chat::spec(tool, options.strict)).collect(),
            Self::OpenAiResponses => {
                prepared.map(|tool| openai_responses::spec(tool, options.strict)).collect()
            }
            Self::OpenAiRealtime => prepared.map(openai_realtime::spec).collect(),
            Self::Anthropic => prepared.map(anthropic::spec).collect(),
            Self::Gemini => gemini::specs(prepared, "parametersJsonSchema"),
            Self::GeminiSchema => gemini::specs(prepared, "parameters"),
            Self::Mcp => prepared.map(mcp::spec).collect(),
            Self::Vapi => prepared.map(|tool| vapi::spec(tool, base, options)).collect(),
            Self::Retell => prepared.map(|tool| retell::spec(tool, base, options)).collect(),
            Self::ElevenLabs => prepared.map(|tool| elevenlabs::spec(tool, base, options)).collect(),
        };
        Ok(specs)
    }

    /// What becomes of a tool in this dialect: of its schema, and of what is said while it runs.
    pub fn report(self, tool: ToolSpec<'_>, strict: bool) -> Report {
        let mut report = Prepared::new(tool, self.profile(strict && self.has_strict())).report;
        if matches!(self, Self::Gemini | Self::GeminiSchema) && ActionName::begins_with_digit(tool.name) {
            report.note("", Fate::Lowered, "a name begins with a letter here: `_` stands before it");
        }
        report.speech = speech::notes(self, tool.speech);
        report
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
