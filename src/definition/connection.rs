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
