//! Agents, as meant: an [`Agent`] that exists is valid.

mod compile;
mod model;
mod offered;

pub use self::compile::compile as compile_agent;
pub use self::offered::Offered;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};

use callgate_definition::{ModelProvider, Writes};
use callgate_template::{Data, Template};

use crate::failure::RenderFailure;
use crate::http_action::HttpAction;
use crate::request::RequestSpec;
use crate::speech::SpeechText;

/// Instructions, language models, and the actions that they may use, in one environment.
#[derive(Debug)]
pub struct Agent {
    /// The name by which it is asked for: `^[a-zA-Z0-9_][a-zA-Z0-9_-]{0,63}$`.
    pub name: String,
    /// What it is for, for people; may be empty.
    pub description: String,
    /// The system prompt. It reads no `.parameters`.
    pub instructions: Template,
    /// What is said first, where the voice product lets the agent begin.
    pub greeting: Option<SpeechText>,
    /// The models in the order in which they are asked; never empty.
    pub models: Vec<AgentModel>,
    /// The actions that it may use.
    pub offered: Offered,
    /// When its writes are done.
    pub writes: Writes,
    /// How much it may do in one turn.
    pub limits: AgentLimits,
    /// What the caller hears while actions run.
    pub fillers: Fillers,
    /// What the caller hears when something fails.
    pub on_failure: OnFailure,
    /// Whether the system messages of a request follow the instructions; else they are left out.
    pub keeps_system_messages: bool,
    /// The file it is defined in, for the operator.
    pub file: String,
}

/// A language model of an agent.
#[derive(Debug)]
pub struct AgentModel {
    /// The wire form.
    pub provider: ModelProvider,
    /// Where its requests go, and with which headers and credentials: a POST to the base URL, without a body.
    pub http: Arc<HttpAction>,
    /// Its name at the provider.
    pub model: String,
    /// Tells it from other models: its address and its name.
    pub origin: String,
    /// The sampling temperature, where one is asked for.
    pub temperature: Option<f64>,
    /// The most tokens of one answer, where they are limited.
    pub max_tokens: Option<u32>,
    /// The longest wait for the first token, after which the next model is asked.
    pub first_token: Duration,
}

/// How much an agent may do in one turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentLimits {
    /// How often a model is asked.
    pub max_rounds: u32,
    /// How many calls of one round are run.
    pub max_calls_per_round: usize,
    /// Time for the whole turn.
    pub timeout: Duration,
}

/// What the caller hears while actions run.
#[derive(Debug)]
pub struct Fillers {
    /// Whether anything is said.
    pub enabled: bool,
    /// Said at the start of an action that has no `speech.start` of its own.
    pub start: Option<SpeechText>,
    /// How long an action runs before the caller hears that it does.
    pub announce_after: Duration,
}

/// What the caller hears when something fails.
#[derive(Debug)]
pub struct OnFailure {
    /// Said when the turn ends without an answer of the model. What is said if neither is there depends on what was done.
    pub model: Option<SpeechText>,
    /// Said in place of `model` when an action has failed, or was refused, in the same turn.
    pub tool: Option<SpeechText>,
}

impl AgentModel {
    /// The request with `body`, a JSON text, to `path` below the base URL; `path` begins with `/` and may have a query.
    /// `data` has no parameters. Credentials are still to be added.
    ///
    /// # Errors
    ///
    /// A header needs a value that is absent, or not allowed where it stands.
    pub fn request(&self, data: &Data<'_>, path: &str, body: Bytes) -> Result<RequestSpec, RenderFailure> {
        let mut request = self.http.render(data)?;
        request.url.push_str(path);
        request.headers.push((CONTENT_TYPE, HeaderValue::from_static("application/json")));
        request.body = Some(body);
        Ok(request)
    }
}
