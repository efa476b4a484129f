//! `[log]` and `[traces]`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
