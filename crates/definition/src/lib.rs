//! Definitions, as written: the files of a project directory.
//!
//! A file becomes a [`Document`] (its JSON value and where every part of it
//! stands), is checked against the JSON Schema of its kind ([`schema`]) so that
//! all problems of a file come at once, and is then mirrored by a plain serde
//! type. What the words mean is decided by the crate `callgate-action`, not here.

mod document;
mod format;
mod toml;
mod yaml;
mod yaml_value;
mod problem;
pub mod schema;
mod action;
mod auth;
mod connection;
mod guards;
mod retry;
mod speech;
mod value;
mod agent;
mod project;

pub use self::action::{
    ActionDefinition, ActionKind, ActionOverride, HandoverDefinition, Method, NamedPickDefinition,
    OutputSource, OutputVariableDefinition, PartDefinition, PickDefinition, ResponseDefinition,
};
pub use self::agent::{
    ANY_STATE, AgentDefinition, AgentLimitsDefinition, AgentModelDefinition, AgentOverride,
    FallbackModelDefinition, FillersDefinition, ModelProvider, OfferedDefinition, OnFailureDefinition,
    SystemMessages, Writes,
};
pub use self::auth::{AuthDefinition, AuthKind, AuthOverride, ClientAuthentication, KeyLocation};
pub use self::connection::{
    BreakerDefinition, ConnectionDefinition, ConnectionOverride, Headers, LimitsDefinition, TlsDefinition,
};
pub use self::document::{Document, Place};
pub use self::format::Format;
pub use self::guards::{Hook, NextStateDefinition, NextStates};
pub use self::problem::{Problem, Problems, Severity};
pub use self::project::{
    DEFINITION_FOLDERS, Draft, Located, MAX_FILE_BYTES, ProjectFiles, SECRET_PLACEHOLDER, SecretsFile,
    VariablesFile, read_document, read_project, read_secrets_text,
};
pub use self::retry::{RetryDefinition, RetryOn};
pub use self::speech::{DelayedDefinition, SpeechDefinition, SpeechTextDefinition};
pub use self::toml::salvage as salvage_toml;
pub use self::value::{Scalar, ValueDefinition};
pub use self::yaml_value::read_value;
