//! What a model answered.

use std::ops::AddAssign;

use super::failure::ProviderFailure;
use super::message::{Assistant, Call};

/// A piece of an answer, as soon as it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delta {
    /// Words to be said. Reasoning is not among them.
    Text(String),
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The message for the history. Each of its calls has an id that is unique in it, a name and an object
    /// as arguments; those that `refused` names have `{}`, and everything in it can be sent back.
    pub assistant: Assistant,
    /// The calls that must not run, with what the model is to be told as their results.
    pub refused: Vec<RefusedCall>,
    /// Why the answer ended.
    pub finish: Finish,
    /// What it took, if the provider says so.
    pub usage: Option<Usage>,
}

/// A call that must not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedCall {
    /// The call as it came; its id is the one in `Reply::assistant`.
    pub call: Call,
    /// Why, in words for the model.
    pub why: String,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Finish {
    /// Everything was said.
    Stop,
    /// The model waits for the results of its calls.
    ToolCalls,
    /// A limit cut it off. There are no calls then: nothing of such a round may run.
    Length,
    /// The provider held it back. There are no calls then.
    ContentFilter,
}

/// Tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of the request, those of a cache among them.
    pub input: u64,
    /// Of the answer, those of reasoning among them.
    pub output: u64,
    /// Of the request, those that were read from a cache.
    pub cached: u64,
    /// Of the answer, those of reasoning. Anthropic does not tell them apart.
    pub reasoning: u64,
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.input = self.input.saturating_add(other.input);
        self.output = self.output.saturating_add(other.output);
        self.cached = self.cached.saturating_add(other.cached);
        self.reasoning = self.reasoning.saturating_add(other.reasoning);
    }
}

/// Why there is no answer. No call of such an answer may run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The stream ended before the answer did.
    #[error("the answer broke off")]
    BrokenOff {
        /// What had been said until then.
        text: String,
    },
    /// A limit was passed; which one.
    #[error("{0} is too large")]
    TooLarge(&'static str),
    /// The provider says that it failed.
    #[error("{0}")]
    Provider(ProviderFailure),
    /// It is not what the provider's stream looks like.
    #[error("{0}")]
    Malformed(String),
}
