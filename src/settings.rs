//! Settings of the process: `callgate.toml`, then `CALLGATE_…` variables.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Serialized};
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::definition::schema::{Checker, generate};
use crate::definition::{Document, Problem, Problems, read_document};
use crate::secrets::Sources;

/// The file that holds the settings of a deployment.
pub const FILE: &str = "callgate.toml";

/// Settings of a deployment. Every one can be set by an environment variable
/// too: `CALLGATE_SERVER__LISTEN` for `listen` of `[server]`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Callgate settings")]
pub struct Settings {
    /// The environments this deployment serves. Left out: every one that a
    /// definition, `variables.toml` or `secrets.toml` speaks of, else `development`.
    pub environments: Option<Vec<String>>,
    /// The HTTP server.
    pub server: ServerSettings,
    /// Limits of every call.
    pub limits: LimitSettings,
    /// Secrets besides `secrets.toml`.
    pub secrets: SecretSettings,
    /// What is logged.
    pub log: LogSettings,
    /// Keys of those who may call. Made by `callgate keygen`.
    pub keys: Vec<KeySettings>,
}

/// The HTTP server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
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
    /// How long calls under way may take to finish at shutdown.
    pub shutdown_grace_ms: u64,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            workers: None,
            max_request_bytes: 1024 * 1024,
            max_calls_per_request: 32,
            shutdown_grace_ms: 10_000,
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
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self { max_response_bytes: 2 * 1024 * 1024, max_body_chars: 15_000 }
    }
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

/// A key of somebody who may call; only its hash is kept.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeySettings {
    /// Whose it is, for the log.
    pub name: String,
    /// `sha256:` and 64 hexadecimal digits.
    #[schemars(regex(pattern = r"^sha256:[0-9a-f]{64}$"))]
    pub hash: String,
    /// The environments it may use; left out: all that are served.
    #[serde(default)]
    pub environments: Option<Vec<String>>,
}

impl Settings {
    /// Reads `callgate.toml` of the project directory `dir`, if there is one,
    /// and the environment variables over it.
    pub fn load(dir: &Path, problems: &mut Problems) -> Self {
        let path = dir.join(FILE);
        let mut file = toml::Table::new();
        let mut known = None;
        if path.exists() {
            match read_document(&path, FILE) {
                Ok(document) => {
                    let checked = Checker::new(schema(), false).check(&document);
                    if checked.problems.is_empty() {
                        file = std::fs::read_to_string(&path)
                            .ok()
                            .and_then(|text| text.parse().ok())
                            .unwrap_or_default();
                    }
                    problems.extend(checked.problems);
                    known = Some(document);
                }
                Err(errors) => problems.extend(errors),
            }
        }
        Self::merge(file, known.as_ref(), problems)
    }

    /// Reads settings that are at hand already, and the environment variables over them.
    pub fn from_text(text: &str, problems: &mut Problems) -> Self {
        Self::merge(text.parse().unwrap_or_default(), None, problems)
    }

    fn merge(file: toml::Table, document: Option<&Document>, problems: &mut Problems) -> Self {
        let sections = ["environments", "server", "limits", "secrets", "log", "keys"];
        let variables = Env::prefixed("CALLGATE_")
            .filter(move |key| {
                let key = key.as_str().to_ascii_lowercase();
                sections.contains(&key.split("__").next().unwrap_or_default())
            })
            .split("__");
        let merged = Figment::from(Serialized::defaults(file)).merge(variables);
        match merged.extract::<Self>() {
            Ok(settings) => settings,
            Err(errors) => {
                for error in errors {
                    let source = error.metadata.as_ref().map(|metadata| metadata.name.to_string());
                    let name = error.path.join("__").to_uppercase();
                    let from_variable =
                        source.as_deref().is_some_and(|name| name.contains("environment variable"));
                    let (file, message) = if from_variable {
                        (format!("CALLGATE_{name}"), format!("invalid environment variable: {}", error.kind))
                    } else {
                        (FILE.to_owned(), format!("`{}`: {}", error.path.join("."), error.kind))
                    };
                    let place = document
                        .filter(|_| !from_variable)
                        .map_or((0, 0), |document| document.at_value(&format!("/{}", error.path.join("/"))));
                    problems.push(Problem::error(&file, place, "invalid_setting", message));
                }
                Self::default()
            }
        }
    }

    /// Where secrets come from besides `secrets.toml`.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the process's environment")]
    pub fn secret_sources(&self) -> Sources {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| {
                let name = name.into_string().ok()?.strip_prefix(Sources::PREFIX)?.to_owned();
                Some((name, SecretString::from(value.into_string().ok()?)))
            })
            .collect();
        Sources { directory: self.secrets.directory.clone(), variables }
    }
}

/// The JSON Schema of `callgate.toml`.
pub fn schema() -> serde_json::Value {
    generate::<Settings>()
}
