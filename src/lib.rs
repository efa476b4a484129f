//! Callgate: a tool-calling gateway for voice agents.
//!
//! A team describes an HTTP *action* once; Callgate offers it to models as a
//! tool and, when a model calls the tool while a person waits on the phone,
//! checks the arguments, resolves the environment's credentials, renders the
//! request, sends it within a deadline and returns what the model may see.
//!
//! # The way of the data
//!
//! ```text
//! start   files ─► definition ─► action ─► catalog ─► tool specs ─► model
//! call    tool call ─► arguments ─► claim ─► request ─► credentials ─► response ─► outputs ─► tool result
//! ```
//!
//! At start: [`definition::read_project`] → [`action::compile`] →
//! [`catalog::Catalog`] → [`tool::ToolSpec`] → [`dialect::Dialect`].
//! Per call: [`tool::ToolCall`] → [`executor::Gateway::run`] →
//! [`tool::ToolResult`]; start reading there. ARCHITECTURE.md draws both, with the types between the steps.
//!
//! The first two steps are crates of their own. The modules below follow in order: a module uses
//! those before it, never those after it (`tests/tidy.rs` holds them to it).

pub use callgate_action as action;
pub use callgate_definition as definition;
#[cfg(feature = "import")]
pub use callgate_import as import;

pub mod catalog;
pub mod tool;
pub mod secrets;
pub mod egress;
pub mod auth;
pub mod conversation;
pub mod executor;
pub mod dialect;
pub mod agent;
pub mod settings;
pub mod telemetry;
pub mod project;
pub mod demo;
pub mod server;
#[doc(hidden)]
pub mod fuzzing;
