//! Wire forms, one file per provider or orchestrator: tool specs out, tool calls in, results out.
//!
//! ```text
//! ToolSpec ─► lower ─► specs            what the provider's `tools` field takes
//! bytes ─► decode ─► Turn ─► execute ─► Outcome ─► encode ─► what the caller appends
//! ```
//!
//! Pure: no I/O. One call of a turn that cannot be read is refused by itself; it never costs the
//! others their results.

mod name;
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

use serde_json::Value;

use crate::action::ActionName;
use crate::tool::ToolSpec;

use self::lower::{Fate, Report};
use self::spec::Prepared;

pub use callgate_schema::lower;

pub use self::name::{Dialect, UnknownDialect};
pub use self::spec::{NoSpecs, SpecOptions};
pub use self::text::text as content;
pub use self::turn::{IncomingCall, Malformed, Outcome, Turn};

impl Dialect {
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
}
