//! What became of a call, for whoever counts, traces and audits.

use std::fmt::Debug;
use std::time::{Duration, SystemTime};

use http::Method;

use crate::tool::{ToolResult, TraceContext};

use super::call::request::PreviewedRequest;

/// Sees every call end. Called on the call's own way: must not block.
pub trait Observer: Debug + Send + Sync {
    /// A call has ended.
    fn call_ended(&self, report: &CallReport<'_>);

    /// A model has answered a round of an agent's turn, or has not.
    fn model_asked(&self, _: &ModelReport<'_>) {}

    /// A turn of an agent has ended.
    fn turn_ended(&self, _: &TurnReport<'_>) {}

    /// Whether reports are to hold the request and the head of the answer. That costs every call.
    fn wants_exchanges(&self) -> bool {
        false
    }
}

/// What became of a call.
#[derive(Debug)]
pub struct CallReport<'a> {
    /// The environment.
    pub environment: &'a str,
    /// The action, where there is one of the name that was asked for.
    pub action: Option<&'a str>,
    /// The conversation that the call names.
    pub conversation_id: Option<&'a str>,
    /// What the model gets.
    pub result: &'a ToolResult,
    /// When the call came.
    pub started: SystemTime,
    /// Where its time went.
    pub spent: Spent,
    /// The trace that it belongs to; `None` where nobody traces.
    pub trace: Option<&'a TraceContext>,
    /// What it did on its way, in this order.
    pub steps: &'a [Step],
    /// Why it failed, in the words of the log.
    pub cause: Option<&'a str>,
    /// What was sent and what came back; `None` where nothing was sent, or nobody wants it.
    pub exchange: Option<&'a Exchange>,
}

/// What became of a request to a model.
#[derive(Debug)]
pub struct ModelReport<'a> {
    /// The environment.
    pub environment: &'a str,
    /// The agent that asked.
    pub agent: &'a str,
    /// The model, as the agent's definition names it.
    pub model: &'a str,
    /// From the request to the first text or call of the answer; `None` where there was none.
    pub first_token: Option<Duration>,
    /// `ok`, or a stable name of what went wrong.
    pub outcome: &'static str,
}

/// What became of a turn of an agent.
#[derive(Debug)]
pub struct TurnReport<'a> {
    /// The environment.
    pub environment: &'a str,
    /// The agent.
    pub agent: &'a str,
    /// `ok`, `interrupted` where its caller hung up, or a stable name of why the agent could not answer.
    pub outcome: &'static str,
    /// Tokens that the models read and wrote.
    pub tokens: (u64, u64),
}

/// A request and the head of the answer to it, with all masked that must not be written down.
#[derive(Debug)]
pub struct Exchange {
    /// The request, as it was sent first.
    pub request: PreviewedRequest,
    /// The HTTP status and the headers of the last answer, where one came.
    pub answer: Option<(u16, Vec<(String, String)>)>,
}

/// Where the time of a call went; what is left is the gateway's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// From receipt to answer.
    pub total: Duration,
    /// From the first byte sent upstream to the last one received, all attempts together.
    pub upstream: Duration,
    /// Waiting: for a token, for a place at the service, between attempts, for another call of the same intent.
    pub waiting: Duration,
}

impl Spent {
    /// The gateway's own share.
    pub fn own(&self) -> Duration {
        self.total.saturating_sub(self.upstream + self.waiting)
    }
}

/// One attempt to send a request, as a trace tells it.
#[derive(Clone, Debug)]
pub struct Step {
    /// The id of its span.
    pub span: u64,
    /// When it began.
    pub started: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// The HTTP method.
    pub method: Method,
    /// The upstream's host and port.
    pub server: (String, Option<u16>),
    /// The upstream's HTTP status, or the name of what went wrong.
    pub outcome: Result<u16, &'static str>,
}
