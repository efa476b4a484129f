//! `retry` of an action, as written.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value;

/// When and how often a request is sent again. What may have changed something
/// upstream is sent again only where it is the same to do it twice: GET, HEAD,
/// OPTIONS, PUT, DELETE, or an action that says `idempotent: true`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryDefinition {
    /// How often the request is sent at most, the first time included; 2 where left out, 1 turns retries off.
    #[schemars(range(min = 1, max = 10))]
    pub max_attempts: Option<u32>,
    /// Milliseconds to wait before the second attempt, doubled for each further one, less a random part of up to half; 200 where left out.
    #[schemars(range(min = 0, max = 60_000))]
    pub backoff_ms: Option<u64>,
    /// Longest wait between two attempts in milliseconds; 2000 where left out. A `Retry-After` of the upstream may be longer.
    #[schemars(range(min = 0, max = 60_000))]
    pub max_backoff_ms: Option<u64>,
    /// After what: `connect_failed`, `connection_lost`, `read_timeout`, or an HTTP status; `[connect_failed, 429, 502, 503, 504]` where left out.
    pub on: Option<Vec<RetryOn>>,
}

/// What a request is sent again after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub enum RetryOn {
    /// No connection: not one byte was written.
    ConnectFailed,
    /// The connection broke before the answer was complete.
    ConnectionLost,
    /// The service was silent for `read_timeout_ms`.
    ReadTimeout,
    /// The upstream answered with this status.
    Status(u16),
}

impl TryFrom<Value> for RetryOn {
    type Error = &'static str;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        match &value {
            Value::String(text) if text == "connect_failed" => Ok(Self::ConnectFailed),
            Value::String(text) if text == "connection_lost" => Ok(Self::ConnectionLost),
            Value::String(text) if text == "read_timeout" => Ok(Self::ReadTimeout),
            Value::Number(number) => match number.as_u64().and_then(|number| u16::try_from(number).ok()) {
                Some(status @ 400..=599) => Ok(Self::Status(status)),
                _ => Err("expected an HTTP status from 400 to 599"),
            },
            _ => Err("expected `connect_failed`, `connection_lost`, `read_timeout` or an HTTP status"),
        }
    }
}

impl JsonSchema for RetryOn {
    fn schema_name() -> Cow<'static, str> {
        "RetryOn".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "`connect_failed`, `connection_lost`, `read_timeout`, or an HTTP status from 400 to 599.",
            "type": ["string", "integer"],
            "pattern": "^(connect_failed|connection_lost|read_timeout)$",
            "minimum": 400,
            "maximum": 599
        })
    }
}
