//! Actions and agents, as meant: an [`Action`] or an [`Agent`] that exists is valid.
//!
//! Pure: no async, no I/O. [`compile()`] turns a definition into an action for
//! one environment, [`HttpAction::render`] turns checked arguments into the exact
//! request, [`output`] takes values out of the response.

mod name;
mod written;
mod failure;
pub mod secret_like;
mod template_at;
mod trace;
mod header;
mod url;
mod upstream;
mod bound;
mod fields;
mod multipart;
mod retry;
mod http_action;
mod request;
mod head;
pub mod output;
pub mod variables;
mod guards;
pub mod speech;
mod fixed;
mod action;
mod compile;
mod agent;

pub use self::action::{Action, Kind, ParametersFailure};
pub use self::agent::{Agent, AgentLimits, AgentModel, Fillers, Offered, OnFailure, compile_agent};
pub use self::bound::{Bound, BoundValue, Handover};
pub use self::compile::{Surroundings, check_states, compile};
pub use self::failure::{LongValue, RenderFailure, TooLong};
pub use self::fixed::FixedAnswer;
pub use self::guards::{GuardError, Guards, KnownConversation};
pub use self::header::is_transport_header;
pub use self::http_action::{Body, HttpAction, PlainHeader, SecretHeader};
pub use self::name::{ActionName, InvalidActionName};
pub use self::request::RequestSpec;
pub use self::retry::RetryPolicy;
pub use self::speech::{DelayedSpeech, Speech, SpeechText};
pub use self::trace::RequestTrace;
pub use self::upstream::{
    BreakerRules, ClientSource, Connection, Connector, Credential, FileSource, KeySource, LimitRules,
    OAuth2Client, RateRules, TlsSource, TokenEndpoint, Upstreams, ValueSource,
};
pub use self::variables::VariableReads;
pub use self::written::{SecretUse, WrittenAt};
pub use callgate_definition::{Hook, ModelProvider, NextStates, Writes};
pub use callgate_schema::parameters;
pub use callgate_template as template;
