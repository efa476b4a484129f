//! `auth/<name>.yaml`, as written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::connection::TlsDefinition;
use super::value::{Scalar, ValueDefinition};

/// The kind of an auth connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthKind {
    /// `Authorization: Bearer <token>` (RFC 6750).
    Bearer,
    /// A key in a header, a query parameter or a cookie.
    ApiKey,
    /// `Authorization: Basic <base64(username:password)>` (RFC 7617).
    Basic,
    /// A token fetched by the OAuth 2.0 client credentials grant (RFC 6749 section 4.4).
    Oauth2ClientCredentials,
}

/// Where an API key travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyLocation {
    /// In the request header called `key_name`.
    Header,
    /// In the query parameter called `key_name`.
    Query,
    /// In the cookie called `key_name`.
    Cookie,
}

/// How the client proves itself to the token endpoint (RFC 6749 section 2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    /// HTTP Basic, with id and secret form-encoded.
    #[default]
    Header,
    /// `client_id` and `client_secret` in the body.
    Body,
}

/// An auth connector: a rule for credentials.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Callgate auth connector")]
pub struct AuthDefinition {
    /// The name that connections and actions use; the file's name where it is left out.
    #[schemars(regex(pattern = r"^[a-zA-Z_][a-zA-Z0-9_-]{0,63}$"))]
    pub name: Option<String>,
    /// The kind of the connector; it decides which other keys apply.
    #[serde(rename = "type")]
    pub kind: AuthKind,
    /// bearer: the token.
    pub token: Option<ValueDefinition>,
    /// api_key: where the key travels.
    #[serde(rename = "in")]
    pub location: Option<KeyLocation>,
    /// api_key: name of the header, query parameter or cookie.
    pub key_name: Option<String>,
    /// api_key: the key.
    pub key: Option<ValueDefinition>,
    /// basic: the user name.
    pub username: Option<ValueDefinition>,
    /// basic: the password.
    pub password: Option<ValueDefinition>,
    /// oauth2_client_credentials: the token endpoint.
    pub token_url: Option<String>,
    /// oauth2_client_credentials: the client's id.
    pub client_id: Option<ValueDefinition>,
    /// oauth2_client_credentials: the client's secret.
    pub client_secret: Option<ValueDefinition>,
    /// oauth2_client_credentials: the scopes to ask for.
    pub scopes: Option<Vec<String>>,
    /// oauth2_client_credentials: the `audience` parameter that some servers want.
    pub audience: Option<String>,
    /// oauth2_client_credentials: more parameters of the token request.
    pub extra_params: Option<BTreeMap<String, Scalar>>,
    /// oauth2_client_credentials: how the client proves itself; `header` where left out.
    pub client_authentication: Option<ClientAuthentication>,
    /// oauth2_client_credentials: certificates for the token endpoint, as in a connection.
    pub tls: Option<TlsDefinition>,
    /// What differs in an environment.
    #[serde(default)]
    pub environments: BTreeMap<String, AuthOverride>,
}

/// What an auth connector says otherwise in one environment.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthOverride {
    /// Replaces `token`.
    pub token: Option<ValueDefinition>,
    /// Replaces `key`.
    pub key: Option<ValueDefinition>,
    /// Replaces `username`.
    pub username: Option<ValueDefinition>,
    /// Replaces `password`.
    pub password: Option<ValueDefinition>,
    /// Replaces `token_url`.
    pub token_url: Option<String>,
    /// Replaces `client_id`.
    pub client_id: Option<ValueDefinition>,
    /// Replaces `client_secret`.
    pub client_secret: Option<ValueDefinition>,
    /// Replaces `scopes`.
    pub scopes: Option<Vec<String>>,
    /// Replaces `audience`.
    pub audience: Option<String>,
    /// Replaces `extra_params`.
    pub extra_params: Option<BTreeMap<String, Scalar>>,
    /// Replaces `tls`.
    pub tls: Option<TlsDefinition>,
}
