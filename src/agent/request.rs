//! What a turn is asked for, and what is told of it.

use std::fmt::Debug;
use std::sync::Arc;

use callgate_model::{Message, Usage};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::conversation::{Carried, ConversationKey};
use crate::egress::Deadline;
use crate::executor::ServedAgent;
use crate::tool::{Handover, Owner, ToolResult, TraceContext};

/// A turn that a caller asks for.
#[derive(Clone, Debug)]
pub struct TurnRequest {
    /// Who answers.
    pub agent: Arc<ServedAgent>,
    /// The conversation; without one, nothing of the turn is kept for the next.
    pub conversation: Option<ConversationKey>,
    /// What was said so far.
    pub history: History,
    /// Whether the person on the line has said nothing since, or nothing that can be understood: a timer asks for the turn.
    /// Writes that were proposed go on waiting.
    pub is_silent: bool,
    /// The caller's own tools.
    pub tools: Vec<CallerTool>,
    /// Whether the caller wants no tool to be called.
    pub without_tools: bool,
    /// The product that asks, which decides how fillers end and what a handover looks like.
    pub product: Product,
    /// The language that the person on the line speaks (BCP 47); else the variable `conversation.language` tells it.
    pub language: Option<String>,
    /// Variables of this turn alone.
    pub variables: Map<String, Value>,
    /// Where the agent's definition does not say it: how freely the model chooses its words.
    pub temperature: Option<f64>,
    /// The same: the most tokens of an answer.
    pub max_tokens: Option<u32>,
    /// By when the answer has to end.
    pub deadline: Deadline,
    /// Stands for the request where the caller sends it again (`Idempotency-Key`).
    pub idempotency_key: Option<String>,
}

/// What was said so far.
#[derive(Clone, Debug)]
pub enum History {
    /// As the caller tells it, with what is asked for now.
    Told(Vec<Message>),
    /// As the gateway has kept it; this is what the caller says now.
    Kept(Vec<String>),
    /// As the caller carries it with all else of the conversation; this is what the caller says now.
    Carried(Arc<dyn Carrier>, Vec<String>),
}

/// A conversation that its caller carries, as a turn finds it and leaves it. Nothing of it is stored.
pub trait Carrier: Debug + Send + Sync {
    /// What is known of it after the calls that have ended so far.
    fn carried(&self) -> Arc<Carried>;

    /// The texts of its turns, oldest first.
    fn turns(&self) -> Vec<Arc<str>>;

    /// Adds a text to them.
    fn add_turn(&self, text: &str);
}

/// A tool of the caller's: calls of it are passed on.
#[derive(Clone, Debug)]
pub struct CallerTool {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: Value,
    /// The entry of `tools` as it came, in the form of Chat Completions.
    pub written: Arc<RawValue>,
}

/// A product that asks for turns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Product {
    /// None that matters here.
    #[default]
    Other,
    /// A first text that does not end in `... ` runs into the next one, and distorts (ElevenLabs, "Custom LLM", buffer words).
    ElevenLabs,
    /// Transfers by a member of its response, and not by a tool.
    Retell,
}

/// What happens in a turn, in its order.
#[derive(Clone, Debug)]
pub enum AgentEvent {
    /// Something to say. It follows the text before it without a space between.
    Text {
        /// What is said.
        text: String,
        /// Who has chosen the words.
        source: TextSource,
    },
    /// A call of an action goes ahead.
    ToolStarted {
        /// Its id.
        id: String,
        /// The action.
        name: String,
        /// The arguments.
        arguments: Box<RawValue>,
    },
    /// A call of an action has ended.
    ToolEnded {
        /// Its id.
        id: String,
        /// The action.
        name: String,
        /// What the model is told of it.
        content: String,
        /// Its result; `None` where it was not executed.
        result: Option<Arc<ToolResult>>,
    },
    /// The model calls a tool of the caller's.
    CallerCall {
        /// The id by which the caller answers it.
        id: String,
        /// The tool.
        name: String,
        /// The arguments: the text of a JSON object.
        arguments: String,
    },
    /// The person on the line is to be transferred. The turn ends with it; the call of the caller's tool that does it, if
    /// the product has one, comes before.
    Handover(Handover),
    /// A model has answered a round.
    Round(RoundReport),
    /// The turn has ended: the last event.
    Done {
        /// How.
        finish: TurnFinish,
        /// The tokens of all rounds.
        usage: Usage,
        /// Why the agent could not answer, where it could not; the caller has been told so in words.
        failure: Option<TurnFailure>,
    },
}

/// Who has chosen the words of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TextSource {
    /// The model.
    Model,
    /// `speech.start` of an action, or the agent's own filler.
    Start,
    /// `speech.delayed` of an action.
    Delayed,
    /// `on_failure` of the agent.
    Failure,
    /// `message` of a handover.
    Handover,
    /// `greeting` of the agent.
    Greeting,
}

/// One answer of a model.
#[derive(Clone, Debug, Serialize)]
pub struct RoundReport {
    /// Counted from 1.
    pub round: u32,
    /// The model's name.
    pub model: String,
    /// Milliseconds from the request to the first text or call of the answer.
    pub first_token_ms: u64,
    /// Milliseconds from the request to the end of the answer.
    pub took_ms: u64,
    /// The tools that it calls.
    pub calls: Vec<String>,
}

/// How a turn has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnFinish {
    /// All is said.
    Stop,
    /// The caller is to answer calls of its own tools, or to transfer the person.
    ToolCalls,
    /// The model's answer was cut off at its limit of tokens.
    Length,
}

/// Why an agent could not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnFailure {
    /// A stable name.
    pub code: &'static str,
    /// The cause. It may name hosts and repeat a provider's words, so only those who run the gateway may see it.
    pub message: String,
}

impl TurnFailure {
    /// What a caller may know: a fixed sentence for each code.
    pub fn sentence(&self) -> &'static str {
        match self.code {
            "empty_answer" => "the model said nothing",
            "instructions" => "the agent's instructions cannot be filled in",
            "internal" => "the gateway has failed",
            "invalid_variables" => "a variable of this turn cannot be used",
            "model_address" => "the model's address is not allowed",
            "model_broken" => "the model's answer broke off or cannot be read",
            "model_context_too_long" => "the conversation is too long for the model",
            "model_credentials" => "the model's credentials were not accepted",
            "model_headers" => "the headers for the model cannot be filled in",
            "model_missing" => "the agent has no model",
            "model_not_found" => "the provider does not know the model",
            "model_overloaded" => "the model has too much to do",
            "model_rate_limited" => "the model takes no more requests for now",
            "model_refused" => "the provider refused the request",
            "model_timeout" => "the model did not answer in time",
            "model_unreachable" => "the model cannot be reached",
            "no_answer" => "the model only called tools, up to the limit of rounds",
            "store_unavailable" => "the store does not answer",
            _ => "the model failed",
        }
    }
}

/// Where a turn stands in a trace, and who asks: for the calls that it makes.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The name of the key it came with.
    pub caller: Option<String>,
    /// Whose calls they are, where the key has conversations of its own.
    pub owner: Option<Owner>,
    /// The trace it belongs to.
    pub trace: Option<TraceContext>,
    /// What asks, as it says: `console`.
    pub source: Option<String>,
}
