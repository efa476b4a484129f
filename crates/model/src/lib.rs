//! The wire forms of language models, for a gateway that asks them itself.
//!
//! ```text
//! Request ─► Provider::body ─► bytes              one body for each round
//! bytes ─► Reader::push ─► Delta …                what can be said, as soon as it is there
//!          Reader::finish ─► Reply                the message for the history, and the calls to run
//! status, bytes ─► Provider::failure              what the provider says when it fails
//! ```
//!
//! Pure: no I/O, no clock, no randomness. Whatever a server sends is untrusted: sizes are bounded, nothing of an
//! answer that broke off or was cut is a call, and a call whose arguments are no object is refused by itself.
//!
//! Servers that are compatible with OpenAI send calls in many ways; `chat/stream.rs` has the repairs. A history
//! may have been cut or put together of several: `history.rs` makes it one that providers take.

mod provider;
mod message;
mod failure;
mod reply;
mod limits;
mod events;
mod json;
mod whole;
mod said;
mod closing;
mod cut;
mod history;
mod assembler;
mod tool;
mod chat;
mod responses;
mod anthropic;
mod gemini;
mod reader;

use serde_json::Value;

pub use self::failure::{FailureKind, ProviderFailure};
pub use self::message::{Assistant, Call, Message, Raw, Request, ToolChoice, ToolOutput};
pub use self::provider::Provider;
pub use self::reader::Reader;
pub use self::reply::{Delta, Finish, RefusedCall, Reply, StreamError, Usage};

impl Provider {
    /// Where requests go, behind a base URL such as `https://api.openai.com/v1`, `https://api.anthropic.com/v1` or
    /// `https://generativelanguage.googleapis.com/v1beta`.
    ///
    /// For Gemini, a name with a slash (`tunedModels/x`) is a whole resource name.
    pub fn path(self, model: &str) -> String {
        match self {
            Self::OpenAi => "/chat/completions".to_owned(),
            Self::OpenAiResponses => "/responses".to_owned(),
            Self::Anthropic => "/messages".to_owned(),
            Self::Gemini => {
                let folder = if model.contains('/') { "" } else { "models/" };
                let model = callgate_text::percent::encode(model, callgate_text::percent::PATH);
                format!("/{folder}{model}:streamGenerateContent?alt=sse")
            }
        }
    }

    /// Headers that belong to the form. Credentials are not among them.
    pub fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Anthropic => &[("anthropic-version", "2023-06-01")],
            Self::OpenAi | Self::OpenAiResponses | Self::Gemini => &[],
        }
    }

    /// The body of a request for a stream.
    pub fn body(self, request: &Request<'_>) -> String {
        match self {
            Self::OpenAi => chat::body(request),
            Self::OpenAiResponses => responses::body(request),
            Self::Anthropic => anthropic::body(request),
            Self::Gemini => gemini::body(request),
        }
    }

    /// A tool in this form: an element of `tools`, or one function declaration of Gemini's. `parameters` is a
    /// JSON Schema; it stays as it is.
    pub fn tool(self, name: &str, description: &str, parameters: &Value) -> Value {
        tool::tool(self, name, description, parameters)
    }

    /// What reads the answer to a request that was accepted.
    pub fn reader(self) -> Reader {
        Reader::new(match self {
            Self::OpenAi => Box::new(chat::Chat::new()),
            Self::OpenAiResponses => Box::new(responses::Responses::new()),
            Self::Anthropic => Box::new(anthropic::Anthropic::new()),
            Self::Gemini => Box::new(gemini::Gemini::new()),
        })
    }

    /// Reads the answer to a request that was not accepted, whatever it is: JSON, a page, nothing. What the
    /// forms have in common is enough to tell, so that a proxy may answer in the form of another.
    pub fn failure(self, status: u16, body: &[u8]) -> ProviderFailure {
        ProviderFailure::of_answer(status, body)
    }
}
