//! The sections of `callgate.toml`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::definition::Document;
use crate::definition::schema::generate;

use super::agents::AgentSettings;
use super::keys::{KeySettings, RateSettings};
use super::store::StoreSettings;
use super::webhooks::WebhookSettings;

/// Settings of a deployment. Every one can be set by an environment variable
/// too: `CALLGATE_SERVER__LISTEN` for `listen` of `[server]`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Callgate settings")]
pub struct Settings {
    /// The environments this deployment serves. Left out: every one that a
    /// definition, `variables.toml` or `secrets.toml` speaks of, else `development`.
    #[schemars(length(min = 1), inner(regex(pattern = r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$")))]
    pub environments: Option<Vec<String>>,
    /// The HTTP server.
    pub server: ServerSettings,
    /// Limits of every call.
    pub limits: LimitSettings,
    /// Where conversations are kept, and what has been done.
    pub store: StoreSettings,
    /// Secrets besides `secrets.toml`.
    pub secrets: SecretSettings,
    /// The keys of what leaves the gateway sealed.
    pub sealing: SealingSettings,
    /// What is logged.
    pub log: LogSettings,
    /// Traces of calls.
    pub traces: TraceSettings,
    /// Keys of those who may call. Made by `callgate keygen`.
    pub keys: Vec<KeySettings>,
    /// What the webhooks of orchestrators must show; one that is left out wants a key, as all routes do.
    pub webhooks: WebhookSettings,
    /// Agents that products reach in other ways than by a key.
    pub agents: AgentSettings,
    /// Conversations: phone calls and chats.
    pub conversations: ConversationSettings,
    /// The MCP server at `/mcp/{environment}`.
    pub mcp: McpSettings,
    /// What requests may reach, by environment.
    #[schemars(extend("propertyNames" = {"pattern": r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$"}))]
    pub egress: BTreeMap<String, EgressSettings>,
    /// The file, for places.
    #[serde(skip)]
    pub(super) document: Option<Arc<Document>>,
    /// What variables set, and their names, for places.
    #[serde(skip)]
    pub(super) variables: Vec<(String, String)>,
}

/// The HTTP server.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSettings {
    /// Address to listen on. Anything but loopback needs at least one key.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// Threads that serve calls; left out: one for each processor.
    pub workers: Option<NonZeroUsize>,
    /// Largest request body.
    #[schemars(range(min = 1_024, max = 67_108_864))]
    pub max_request_bytes: usize,
    /// Most calls in one request.
    #[schemars(range(min = 1, max = 1_000))]
    pub max_calls_per_request: usize,
    /// Most calls under way at a time, in the whole process; beyond it calls are turned away (503).
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_calls_in_flight: usize,
    /// The rate of every key that has none of its own. Left out: as many calls as come.
    pub rate: Option<RateSettings>,
    /// How long a client may take nothing of its answer before it is hung up on.
    #[schemars(range(min = 100, max = 3_600_000))]
    pub write_timeout_ms: u64,
    /// How long calls under way may take to finish at shutdown.
    pub shutdown_grace_ms: u64,
    /// Whether edits of the project's files are taken as soon as they are saved, as by SIGHUP.
    pub watch: bool,
    /// Where the gateway is reached from outside, such as `https://gate.example.com`: the address in
    /// tool definitions that call back.
    pub public_url: Option<String>,
    /// Whether the page at `/console/` is served. Left out: where the address is loopback.
    pub console: Option<bool>,
}

impl ServerSettings {
    /// Whether the page at `/console/` is served.
    pub fn has_console(&self) -> bool {
        self.console.unwrap_or_else(|| self.listen.ip().is_loopback())
    }
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            workers: None,
            max_request_bytes: 1024 * 1024,
            max_calls_per_request: 32,
            max_calls_in_flight: 1_024,
            rate: None,
            write_timeout_ms: 30_000,
            shutdown_grace_ms: 10_000,
            watch: true,
            public_url: None,
            console: None,
        }
    }
}

/// Limits of every call.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// Largest answer of an upstream, decoded.
    #[schemars(range(min = 1_024, max = 268_435_456))]
    pub max_response_bytes: usize,
    /// Longest body that a model is shown.
    #[schemars(range(min = 100))]
    pub max_body_chars: usize,
    /// Longest URL of a request, and longest value of a header that a template fills.
    #[schemars(range(min = 1_000, max = 60_000))]
    pub max_url_bytes: usize,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self { max_response_bytes: 2 * 1024 * 1024, max_body_chars: 15_000, max_url_bytes: 8_000 }
    }
}

/// What the requests of one environment may reach, and through what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EgressSettings {
    /// What may be reached besides public addresses: addresses, CIDR ranges, host names, `*.name` for all names below
    /// one. Left out: loopback, while the gateway listens on loopback and has no keys; else nothing.
    pub allow: Option<Vec<String>>,
    /// A proxy that all requests go through: `http://host:port`. Left out: none, whatever the process's environment says.
    pub proxy: Option<String>,
}

/// Secrets besides `secrets.toml`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SecretSettings {
    /// A directory of files, as Docker and Kubernetes mount secrets:
    /// `<environment>/<name>`, or `<name>` for every environment.
    pub directory: Option<PathBuf>,
}

/// What is logged.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// What is written: `error`, `warn`, `info`, `debug`, `trace`, `off`, or a filter such as `warn,callgate=debug`.
    pub level: String,
    /// How a line looks.
    pub format: LogFormat,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text }
    }
}

/// Traces of calls, over OTLP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TraceSettings {
    /// The collector's endpoint for traces over HTTP, such as `http://127.0.0.1:4318/v1/traces`. Left out: no traces.
    #[schemars(regex(pattern = r"^https?://"))]
    pub endpoint: Option<String>,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The keys of what leaves the gateway sealed: the `state` that stateless callers carry, and tokens that nodes share.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SealingSettings {
    /// Names of secrets, each 32 random bytes in base64 or hexadecimal, as `callgate keygen --sealing` makes them. The first
    /// that an environment has seals; all open. Left out: nothing is sealed, and a `state` is refused.
    #[schemars(inner(length(min = 1)), length(max = 16))]
    pub keys: Vec<String>,
    /// How long a `state` can be used after it was given out.
    #[schemars(range(min = 1_000, max = 2_592_000_000_u64))]
    pub state_ttl_ms: u64,
    /// The longest `state`, in characters.
    #[schemars(range(min = 4_096, max = 1_048_576))]
    pub max_state_bytes: usize,
}

impl Default for SealingSettings {
    fn default() -> Self {
        Self { keys: Vec::new(), state_ttl_ms: 2 * 60 * 60 * 1_000, max_state_bytes: 64 * 1024 }
    }
}

/// Conversations: phone calls and chats.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ConversationSettings {
    /// The state of a conversation that was never given one by `current_state` or by an action's `next_state`. Left out:
    /// none, in which no action with `available_in` is available.
    #[schemars(length(min = 1, max = 64))]
    pub initial_state: Option<String>,
    /// States that only callers set, by `current_state`, for `callgate check`: it warns of states that nothing leads to.
    #[schemars(inner(length(min = 1, max = 64)))]
    pub states: Vec<String>,
    /// Milliseconds for which the creation of a conversation waits for its actions with `on: start`; what is not over
    /// then goes on in the background.
    #[schemars(range(min = 0, max = 60_000))]
    pub start_budget_ms: u64,
    /// By environment: connections that are made ready when a conversation is created.
    #[schemars(extend("propertyNames" = {"pattern": r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$"}))]
    pub warm: BTreeMap<String, Vec<String>>,
}

impl Default for ConversationSettings {
    fn default() -> Self {
        Self { initial_state: None, states: Vec::new(), start_budget_ms: 1_500, warm: BTreeMap::new() }
    }
}

/// The MCP server at `/mcp/{environment}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct McpSettings {
    /// Milliseconds in which a call is answered, where `Callgate-Deadline-Ms` does not say otherwise; the action's own
    /// timeout holds all the same. LiveKit gives up after 5 seconds.
    #[schemars(range(min = 1, max = 300_000))]
    pub deadline_ms: u64,
    /// Most sessions at a time, in the whole process; beyond it the one that has been idle longest gives way, of the same
    /// key first.
    #[schemars(range(min = 1, max = 100_000))]
    pub max_sessions: usize,
    /// How long a session may be idle, in milliseconds.
    #[schemars(range(min = 1_000, max = 86_400_000))]
    pub session_idle_ms: u64,
}

impl Default for McpSettings {
    fn default() -> Self {
        Self { deadline_ms: 4_500, max_sessions: 1_000, session_idle_ms: 60 * 60 * 1_000 }
    }
}

/// The JSON Schema of `callgate.toml`.
pub fn schema() -> Value {
    generate::<Settings>()
}
