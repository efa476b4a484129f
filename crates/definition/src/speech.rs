//! `speech` of an action, as written.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value;

/// What a caller hears while the action runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpeechDefinition {
    /// Said when a call goes ahead.
    pub start: Option<SpeechTextDefinition>,
    /// Said when a call takes longer.
    pub delayed: Option<DelayedDefinition>,
    /// Said when a call that went ahead has failed.
    pub failed: Option<SpeechTextDefinition>,
}

/// What a caller hears when a call takes longer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DelayedDefinition {
    /// Milliseconds after the start of the call.
    #[schemars(range(min = 100, max = 120_000))]
    pub after_ms: u64,
    /// What is said.
    pub text: SpeechTextDefinition,
}

/// A text, or one for each language; in the order written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub struct SpeechTextDefinition(pub Vec<(Option<String>, String)>);

impl TryFrom<Value> for SpeechTextDefinition {
    type Error = &'static str;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        let expected = "expected a text, or texts by language";
        match value {
            Value::String(text) => Ok(Self(vec![(None, text)])),
            Value::Object(texts) if !texts.is_empty() => texts
                .into_iter()
                .map(|(language, text)| match text {
                    Value::String(text) => Ok((Some(language), text)),
                    _ => Err(expected),
                })
                .collect::<Result<Vec<_>, _>>()
                .map(Self),
            _ => Err(expected),
        }
    }
}

impl JsonSchema for SpeechTextDefinition {
    fn schema_name() -> Cow<'static, str> {
        "SpeechText".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A text, or texts by language (BCP 47: `en`, `de-CH`), of which the first is for all other languages. Each is a template.",
            "type": ["string", "object"],
            "minLength": 1,
            "maxLength": 1000,
            "minProperties": 1,
            "propertyNames": {"pattern": "^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$"},
            "additionalProperties": {"type": "string", "minLength": 1, "maxLength": 1000}
        })
    }
}
