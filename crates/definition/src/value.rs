//! Small values that more than one kind of file holds.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value;

/// A text, number or boolean, kept as the text that was written.
///
/// `limit: 10` and `version: 1.0` are texts to HTTP; quoting them must not be
/// the author's problem.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub struct Scalar(pub String);

impl TryFrom<Value> for Scalar {
    type Error = &'static str;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        match value {
            Value::String(text) => Ok(Self(text)),
            Value::Number(number) => Ok(Self(number.to_string())),
            Value::Bool(flag) => Ok(Self(flag.to_string())),
            Value::Null | Value::Array(_) | Value::Object(_) => Err("expected a text, a number or a boolean"),
        }
    }
}

impl JsonSchema for Scalar {
    fn schema_name() -> Cow<'static, str> {
        "Scalar".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A text, a number or a boolean. A text may be a template.",
            "type": ["string", "number", "boolean"]
        })
    }
}

/// A value written in place, or the name of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub enum ValueDefinition {
    /// The value itself; in headers a template.
    Plain(Scalar),
    /// The secret of this name in the call's environment.
    Secret {
        /// Name of the secret.
        secret: String,
        /// Text before the secret, such as `Token `.
        prefix: String,
    },
}

impl TryFrom<Value> for ValueDefinition {
    type Error = &'static str;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        let Value::Object(map) = value else { return Scalar::try_from(value).map(Self::Plain) };
        let text = |key: &str| map.get(key).and_then(Value::as_str).map(str::to_owned);
        match text("secret") {
            Some(secret) => Ok(Self::Secret { secret, prefix: text("prefix").unwrap_or_default() }),
            None => Err("expected a text or `{secret: name}`"),
        }
    }
}

impl JsonSchema for ValueDefinition {
    fn schema_name() -> Cow<'static, str> {
        "Value".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A text, or `{secret: name}` for the secret of that name in the call's environment.",
            "type": ["string", "number", "boolean", "object"],
            "properties": {
                "secret": {"type": "string", "description": "Name of the secret.", "pattern": "^[A-Za-z_][A-Za-z0-9_.-]*$"},
                "prefix": {"type": "string", "description": "Text before the secret, such as `Token `."}
            },
            "required": ["secret"],
            "additionalProperties": false
        })
    }
}
