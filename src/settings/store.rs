//! `[store]`: where conversations are kept, and what has been done.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where conversations are kept, and what has been done.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSettings {
    /// The kind of store.
    pub backend: StoreBackend,
    /// `sqlite`: the file; relative to the project, and `.callgate/store.db` in it where left out.
    pub path: Option<PathBuf>,
    /// `sqlite`: the most conversations; those used longest ago give way.
    #[schemars(range(min = 1_000, max = 100_000_000))]
    pub max_conversations: u64,
    /// `sqlite`: the largest file.
    #[schemars(range(min = 16, max = 1_048_576))]
    pub max_file_mib: u64,
    /// `redis`: the server, such as `redis://127.0.0.1:6379/0`, or `rediss://…` for TLS. Where it holds a password, set it by
    /// `CALLGATE_STORE__URL`.
    pub url: Option<StoreUrl>,
    /// `redis`: whether the server at `url` is a node of a cluster. What else belongs to it is found out by it.
    pub cluster: bool,
    /// `redis`, `cluster`: more nodes to begin with, such as `10.0.0.2:6379`, for a start while the one at `url` is down. They have its user and password.
    pub nodes: Vec<String>,
    /// `redis`: Sentinels, such as `10.0.0.2:26379`. The host of `url` is then the name that they know the master by, such as
    /// `redis://mymaster`. `redis://:password@10.0.0.2:26379` where Sentinels have a password.
    pub sentinels: Vec<StoreUrl>,
    /// `redis`: the authorities that vouch for the servers, in place of the system's; a PEM file, relative to the project.
    pub ca_file: Option<PathBuf>,
    /// `redis`: the certificate that Callgate shows; a PEM file, relative to the project.
    pub client_cert_file: Option<PathBuf>,
    /// `redis`: the private key of `client_cert_file`; a PEM file, relative to the project.
    pub client_key_file: Option<PathBuf>,
    /// `redis`: begins the names of all keys.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_:.-]{1,64}$"))]
    pub prefix: String,
    /// `redis`: how long the server may take to answer before it is taken to be out of reach.
    #[schemars(range(min = 100, max = 60_000))]
    pub patience_ms: u64,
    /// Whether OAuth2 tokens are kept in the store, sealed by the keys of `[sealing]`, so that nodes that share it fetch one
    /// together, and a restart fetches none.
    pub share_tokens: bool,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            backend: StoreBackend::Sqlite,
            path: None,
            max_conversations: 1_000_000,
            max_file_mib: 4_096,
            url: None,
            cluster: false,
            nodes: Vec::new(),
            sentinels: Vec::new(),
            ca_file: None,
            client_cert_file: None,
            client_key_file: None,
            prefix: "callgate".to_owned(),
            patience_ms: 1_000,
            share_tokens: false,
        }
    }
}

/// A kind of store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StoreBackend {
    /// A file, for one node.
    #[default]
    Sqlite,
    /// Nothing outlives the process.
    Memory,
    /// A Redis or Valkey server that several nodes share.
    Redis,
}

/// The address of a Redis server. It may hold a password: `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct StoreUrl(String);

impl StoreUrl {
    /// The address as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for StoreUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("StoreUrl(***)")
    }
}
