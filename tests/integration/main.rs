//! Everything over real sockets, in one binary.
//!
//! What needs another program (Redis, httpbin) is skipped with a printed reason where that is not installed. `.ci/run`
//! installs it; see [`judge`].

#![expect(
    clippy::disallowed_methods,
    reason = "a test's tasks end with its runtime; its settings are its own"
)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so and stops")]

mod harness;
mod judge;
mod log;
mod wait;
mod backend;
mod watched;
mod shaky;
mod upstream;
mod relay;
mod golden;
#[cfg(feature = "import")]
mod import;
mod leaks;
mod api;
mod answers;
mod aside;
mod bad_input;
mod conversations;
mod check;
mod dialect;
#[cfg(feature = "mcp")]
mod mcp;
mod oauth;
mod speech;
mod agent;
mod faults;
mod once;
mod intents;
mod store;
mod stateless;
mod crash;
mod egress;
mod guards;
mod mangled;
mod owners;
mod chat;
mod command_line;
mod console;
mod demo;
mod observe;
#[cfg(feature = "otlp")]
mod views;
mod reload;
mod schemas;
#[cfg(feature = "import")]
#[path = "../external/openapi.rs"]
mod openapi;
#[path = "../external/agent.rs"]
mod agent_clients;
#[path = "../external/httpbin.rs"]
mod httpbin;
#[path = "../external/oidc.rs"]
mod oidc;
#[path = "../external/dialects.rs"]
mod dialects;
#[cfg(feature = "mcp")]
#[path = "../external/mcp.rs"]
mod mcp_clients;
