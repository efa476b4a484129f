//! One call from start to end, and the life of a conversation.
//!
//! `call` takes a tool call through its stages; [`Gateway::run`] lists them. `conversation` begins, changes and ends
//! conversations. The files beside them hold what both share.

mod agent;
mod aside;
mod background;
mod call;
mod control;
mod conversation;
mod gateway;
mod observe;
mod pace;
mod served;
mod storing;
mod tokens;

pub(crate) use self::agent::{ModelRequest, ModelUnreached, shown_arguments};
pub use self::aside::Movable;
pub(crate) use self::aside::Seat;
pub(crate) use self::background::{Background, Going};
pub(crate) use self::call::body::shown;
pub use self::call::cancel::CancelError;
pub use self::call::curl::ShellVariable;
pub use self::call::inspection::{InspectedResponse, InspectedVariable, Inspection};
pub use self::call::intent::{content_of, is_same_call};
pub use self::call::parts::{RequestParts, Segment, ValueOrigin};
pub use self::call::phases::{Phase, TimedPhase};
pub use self::call::request::{Branch, Preview, PreviewedRequest};
pub use self::control::{CallControl, Started};
pub use self::conversation::hooks::{HookReport, HookStatus};
pub use self::conversation::lifecycle::{
    ConversationChange, ConversationError, ConversationStart, GivenVariable, StartedConversation,
};
pub use self::conversation::prompt::{IsKept, MAX_PROMPT_BYTES, Prompt, PromptError};
pub use self::conversation::states::{StateError, StateLimits, States};
pub use self::conversation::warming::Warming;
pub use self::gateway::Gateway;
pub use self::observe::{CallReport, Exchange, ModelReport, Observer, Spent, Step, TurnReport};
pub use self::pace::Expected;
pub(crate) use self::served::Upstream;
pub use self::served::{
    ConversationRules, Deployment, Environment, ExecutorLimits, Parts, ServedAction, ServedAgent,
    ServedEnvironment,
};
