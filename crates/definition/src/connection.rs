//! `connections/<name>.yaml`, as written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::value::ValueDefinition;

/// A connection: base URL, auth connector and headers that actions share.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Callgate connection")]
pub struct ConnectionDefinition {
    /// The name that actions use; the file's name where it is left out.
    #[schemars(regex(pattern = r"^[a-zA-Z_][a-zA-Z0-9_-]{0,63}$"))]
    pub name: Option<String>,
    /// What stands before each action's `path`: `https://host[:port][/base]`. Static: no template.
    pub base_url: Option<String>,
    /// Name of the auth connector.
    pub auth: Option<String>,
    /// Headers sent with every action of this connection: templates or secrets.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, ValueDefinition>")]
    pub headers: Headers,
    /// Certificates besides the system's.
    pub tls: Option<TlsDefinition>,
    /// `timeout_ms` of its actions that say nothing.
    #[schemars(range(min = 1, max = 300_000))]
    pub timeout_ms: Option<u64>,
    /// `connect_timeout_ms` of its actions that say nothing.
    #[schemars(range(min = 1, max = 60_000))]
    pub connect_timeout_ms: Option<u64>,
    /// `read_timeout_ms` of its actions that say nothing.
    #[schemars(range(min = 1, max = 300_000))]
    pub read_timeout_ms: Option<u64>,
    /// How much the service is asked at a time.
    pub limits: Option<LimitsDefinition>,
    /// When a failing service is left alone for a while.
    pub breaker: Option<BreakerDefinition>,
    /// What differs in an environment.
    #[serde(default)]
    pub environments: BTreeMap<String, ConnectionOverride>,
}

/// What a connection says otherwise in one environment.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectionOverride {
    /// Replaces `base_url`.
    pub base_url: Option<String>,
    /// Replaces `auth`.
    pub auth: Option<String>,
    /// Added to `headers`, replacing those of the same name.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, ValueDefinition>")]
    pub headers: Headers,
    /// Replaces `tls`.
    pub tls: Option<TlsDefinition>,
    /// Replaces `timeout_ms`.
    #[schemars(range(min = 1, max = 300_000))]
    pub timeout_ms: Option<u64>,
    /// Replaces `connect_timeout_ms`.
    #[schemars(range(min = 1, max = 60_000))]
    pub connect_timeout_ms: Option<u64>,
    /// Replaces `read_timeout_ms`.
    #[schemars(range(min = 1, max = 300_000))]
    pub read_timeout_ms: Option<u64>,
    /// Replaces `limits`.
    pub limits: Option<LimitsDefinition>,
    /// Replaces `breaker`.
    pub breaker: Option<BreakerDefinition>,
}

/// How much a service is asked at a time, by the whole process.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsDefinition {
    /// Calls in flight at a time; 256 where left out.
    #[schemars(range(min = 1, max = 100_000))]
    pub max_in_flight: Option<usize>,
    /// Calls that wait for a place or for their turn; 256 where left out, 0 for none. Beyond it a call fails at once.
    #[schemars(range(max = 100_000))]
    pub max_queue: Option<usize>,
    /// Calls per second; a fraction for fewer than one. Left out: as many as come.
    #[schemars(range(min = 0.001, max = 1_000_000))]
    pub per_second: Option<f64>,
    /// Calls that may come at once after a pause; one second's worth where left out.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub burst: Option<u32>,
}

/// When a failing service is left alone for a while.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BreakerDefinition {
    /// `false` turns it off.
    pub enabled: Option<bool>,
    /// The share of failed calls at which it opens; 0.5 where left out.
    #[schemars(range(min = 0.01, max = 1))]
    pub failure_share: Option<f64>,
    /// The time over which calls are counted; 10000 where left out.
    #[schemars(range(min = 100, max = 3_600_000))]
    pub window_ms: Option<u64>,
    /// The least calls in that time; with fewer it stays closed. 20 where left out.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub min_calls: Option<u32>,
    /// How long it stays open before calls are tried again; 5000 where left out.
    #[schemars(range(min = 1, max = 3_600_000))]
    pub open_ms: Option<u64>,
    /// How many calls are tried then; all of them must succeed. 3 where left out.
    #[schemars(range(min = 1, max = 1_000))]
    pub half_open_calls: Option<u32>,
}

/// Certificates of one service, besides the system's. Files are PEM; their names are relative to the project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsDefinition {
    /// Authorities that may vouch for the service. They replace the system's: no other one is believed.
    pub ca_file: Option<String>,
    /// The certificate that Callgate shows, and those between it and its authority.
    pub client_cert_file: Option<String>,
    /// The private key of `client_cert_file`: `{secret: name}`, a PEM text.
    pub client_key: Option<SecretReference>,
    /// The same, in a file. A secret is the better place.
    pub client_key_file: Option<String>,
}

/// The name of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretReference {
    /// Name of the secret.
    #[schemars(regex(pattern = r"^[A-Za-z_][A-Za-z0-9_.-]*$"))]
    pub secret: String,
}

/// Headers in the order written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "serde_json::Map<String, Value>")]
pub struct Headers(pub Vec<(String, ValueDefinition)>);

impl TryFrom<serde_json::Map<String, Value>> for Headers {
    type Error = &'static str;

    fn try_from(map: serde_json::Map<String, Value>) -> Result<Self, Self::Error> {
        map.into_iter()
            .map(|(name, value)| Ok((name, ValueDefinition::try_from(value)?)))
            .collect::<Result<Vec<_>, _>>()
            .map(Self)
    }
}
