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

use super::conversations::ConversationSettings;
use super::keys::{KeySettings, RateSettings};
use super::log::{LogSettings, TraceSettings};
use super::mcp::McpSettings;
use super::sealing::SealingSettings;
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

/// The JSON Schema of `callgate.toml`.
pub fn schema() -> Value {
    generate::<Settings>()
}
