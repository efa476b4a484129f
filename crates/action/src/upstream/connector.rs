//! Auth connectors, as meant for one environment.

use http::HeaderName;

use callgate_definition::{
    AuthDefinition, AuthKind, AuthOverride, ClientAuthentication, KeyLocation, Located, Problem, Problems,
    Scalar, ValueDefinition,
};

use crate::url;
use crate::written::{SecretUse, WrittenAt, check_known, pointer};

use super::connection::{self, TlsSource};

/// A rule for credentials: which, and where they travel. Holds names of
/// secrets, never their values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connector {
    /// Its name.
    pub name: String,
    /// The file it is defined in, for the operator.
    pub file: String,
    /// What it sends.
    pub credential: Credential,
    /// The way to its token endpoint, if it has one.
    pub token_endpoint: Option<TokenEndpoint>,
}

/// What decides the way to a token endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenEndpoint {
    /// Where its URL is written.
    pub written: WrittenAt,
    /// Certificates besides the system's.
    pub tls: Option<TlsSource>,
}

/// What a connector sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// `Authorization: Bearer <token>`.
    Bearer(ValueSource),
    /// A header of this name.
    Header(HeaderName, ValueSource),
    /// A query parameter of this name.
    Query(String, ValueSource),
    /// A cookie of this name.
    Cookie(String, ValueSource),
    /// `Authorization: Basic …`.
    Basic {
        /// User name.
        username: ValueSource,
        /// Password.
        password: ValueSource,
    },
    /// A bearer token from a token endpoint.
    OAuth2(Box<OAuth2Client>),
}

/// A client of an OAuth 2.0 token endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth2Client {
    /// The token endpoint.
    pub token_url: String,
    /// The client's id.
    pub client_id: ValueSource,
    /// The client's secret.
    pub client_secret: ValueSource,
    /// Scopes to ask for.
    pub scopes: Vec<String>,
    /// More parameters of the token request, `audience` among them.
    pub extra_params: Vec<(String, String)>,
    /// How the client proves itself.
    pub authentication: ClientAuthentication,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueSource {
    /// WrittenAt in the definition.
    Plain(String),
    /// A secret of the environment, after a prefix.
    Secret {
        /// Name of the secret.
        name: String,
        /// Text before it.
        prefix: String,
    },
}

impl ValueSource {
    /// Name of the secret, where it is one.
    pub fn secret_name(&self) -> Option<&str> {
        match self {
            Self::Plain(_) => None,
            Self::Secret { name, .. } => Some(name),
        }
    }
}

impl From<&ValueDefinition> for ValueSource {
    fn from(value: &ValueDefinition) -> Self {
        match value {
            ValueDefinition::Plain(Scalar(text)) => Self::Plain(text.clone()),
            ValueDefinition::Secret { secret, prefix } => {
                Self::Secret { name: secret.clone(), prefix: prefix.clone() }
            }
        }
    }
}

/// Compiles the connector `located` for `environment`.
pub(super) fn compile(
    located: &Located<AuthDefinition>,
    environment: &str,
    known_environments: &[String],
    problems: &mut Problems,
    secrets: &mut Vec<SecretUse>,
) -> Option<Connector> {
    let definition = &located.definition;
    check_known(&located.document, definition.environments.keys(), known_environments, problems);
    let fallback = AuthOverride::default();
    let mut reader = Fields {
        located,
        over: definition.environments.get(environment).unwrap_or(&fallback),
        environment,
        problems,
        secrets,
    };
    reader.refuse_strangers();
    let credential = reader.credential()?;
    let token_endpoint = match &credential {
        Credential::OAuth2(client) => Some(reader.token_endpoint(&client.token_url)?),
        Credential::Bearer(_)
        | Credential::Header(..)
        | Credential::Query(..)
        | Credential::Cookie(..)
        | Credential::Basic { .. } => None,
    };
    let (name, file) = (located.name.clone(), located.document.file.clone());
    Some(Connector { name, file, credential, token_endpoint })
}

struct Fields<'a> {
    located: &'a Located<AuthDefinition>,
    over: &'a AuthOverride,
    environment: &'a str,
    problems: &'a mut Problems,
    secrets: &'a mut Vec<SecretUse>,
}

impl Fields<'_> {
    fn credential(&mut self) -> Option<Credential> {
        let (definition, over) = (&self.located.definition, self.over);
        Some(match definition.kind {
            AuthKind::Bearer => Credential::Bearer(self.value("token", &over.token, &definition.token)?),
            AuthKind::Basic => {
                let username = self.value("username", &over.username, &definition.username);
                let password = self.value("password", &over.password, &definition.password);
                Credential::Basic { username: username?, password: password? }
            }
            AuthKind::ApiKey => {
                let key = self.value("key", &over.key, &definition.key);
                let name = self.required("key_name", definition.key_name.as_ref());
                let location = self.required("in", definition.location.as_ref());
                let (key, name) = (key?, name?);
                match location? {
                    KeyLocation::Header => Credential::Header(self.header_name(&name)?, key),
                    KeyLocation::Query => Credential::Query(name, key),
                    KeyLocation::Cookie => Credential::Cookie(self.cookie_name(name)?, key),
                }
            }
            AuthKind::Oauth2ClientCredentials => {
                let token_url =
                    self.required("token_url", over.token_url.as_ref().or(definition.token_url.as_ref()));
                let client_id = self.value("client_id", &over.client_id, &definition.client_id);
                let client_secret =
                    self.value("client_secret", &over.client_secret, &definition.client_secret);
                let token_url = self.token_url(token_url?)?;
                let audience = over.audience.as_ref().or(definition.audience.as_ref());
                let extra = over.extra_params.as_ref().or(definition.extra_params.as_ref());
                Credential::OAuth2(Box::new(OAuth2Client {
                    token_url,
                    client_id: client_id?,
                    client_secret: client_secret?,
                    scopes: over.scopes.clone().or_else(|| definition.scopes.clone()).unwrap_or_default(),
                    extra_params: audience
                        .map(|audience| ("audience".to_owned(), audience.clone()))
                        .into_iter()
                        .chain(extra.into_iter().flatten().map(|(key, value)| (key.clone(), value.0.clone())))
                        .collect(),
                    authentication: definition.client_authentication.unwrap_or_default(),
                }))
            }
        })
    }

    fn pointer(&self, key: &str) -> String {
        let over = format!("/environments/{}/{key}", self.environment);
        let found = self.located.document.value.pointer(&over).is_some();
        if found { over } else { format!("/{key}") }
    }

    fn value(
        &mut self,
        key: &str,
        over: &Option<ValueDefinition>,
        base: &Option<ValueDefinition>,
    ) -> Option<ValueSource> {
        let value = self.required(key, over.as_ref().or(base.as_ref()))?;
        if let ValueDefinition::Secret { secret, .. } = &value {
            let pointer = self.pointer(key);
            self.secrets.push(SecretUse::at(&self.located.document, &pointer, secret, self.environment));
        }
        Some(ValueSource::from(&value))
    }

    fn required<T: Clone>(&mut self, key: &str, value: Option<&T>) -> Option<T> {
        if value.is_none() {
            let document = &self.located.document;
            let kind = document.value.get("type").and_then(|kind| kind.as_str()).unwrap_or_default();
            self.problems.push(
                Problem::error(
                    &document.file,
                    document.at_value("/type"),
                    "missing_key",
                    format!(
                        "a connector of type `{kind}` needs `{key}` (environment `{}`)",
                        self.environment
                    ),
                )
                .hint(format!("add `{key}`, here or under `environments.{}`", self.environment)),
            );
        }
        value.cloned()
    }

    /// Keys that belong to another type of connector.
    fn refuse_strangers(&mut self) {
        let document = &self.located.document;
        let own: &[&str] = match self.located.definition.kind {
            AuthKind::Bearer => &["token"],
            AuthKind::ApiKey => &["in", "key_name", "key"],
            AuthKind::Basic => &["username", "password"],
            AuthKind::Oauth2ClientCredentials => &[
                "token_url",
                "client_id",
                "client_secret",
                "scopes",
                "audience",
                "extra_params",
                "client_authentication",
                "tls",
            ],
        };
        let kind = document.value.get("type").and_then(|kind| kind.as_str()).unwrap_or_default();
        for key in document.value.as_object().into_iter().flat_map(|map| map.keys()) {
            let common = ["name", "type", "environments"].contains(&key.as_str());
            if !common && !own.contains(&key.as_str()) {
                self.problems.push(
                    Problem::error(
                        &document.file,
                        document.at_key(&format!("/{key}")),
                        "key_not_for_type",
                        format!("`{key}` does not belong to a connector of type `{kind}`"),
                    )
                    .hint(format!("`{kind}` takes {}", own.join(", "))),
                );
            }
        }
    }

    fn header_name(&mut self, name: &str) -> Option<HeaderName> {
        let pointer = self.pointer("key_name");
        let parsed = HeaderName::try_from(name).ok();
        if parsed.is_none() {
            self.invalid(&pointer, format!("`{name}` is not a header name"));
        }
        parsed
    }

    fn cookie_name(&mut self, name: String) -> Option<String> {
        let pointer = self.pointer("key_name");
        if HeaderName::try_from(name.as_str()).is_err() {
            self.invalid(&pointer, format!("`{name}` is not a cookie name"));
            return None;
        }
        Some(name)
    }

    fn token_url(&mut self, url: String) -> Option<String> {
        let pointer = self.pointer("token_url");
        match url::check_absolute(&url) {
            Ok(_) => Some(url),
            Err(reason) => {
                self.invalid(&pointer, format!("invalid token_url `{url}`: {reason}"));
                None
            }
        }
    }

    fn token_endpoint(&mut self, url: &str) -> Option<TokenEndpoint> {
        let document = &self.located.document;
        let written = WrittenAt::at(document, &self.pointer("token_url"));
        let tls_pointer = pointer(self.over.tls.is_some(), self.environment, "tls");
        let tls = match self.over.tls.as_ref().or(self.located.definition.tls.as_ref()) {
            Some(tls) => {
                connection::warn_without_tls(url, document, &tls_pointer, self.problems);
                let mut compiler = connection::Tls {
                    document,
                    pointer: &tls_pointer,
                    environment: self.environment,
                    problems: self.problems,
                    secrets: self.secrets,
                };
                Some(compiler.source(tls)?)
            }
            None => None,
        };
        Some(TokenEndpoint { written, tls })
    }

    fn invalid(&mut self, pointer: &str, message: String) {
        let document = &self.located.document;
        self.problems.push(Problem::error(
            &document.file,
            document.at_value(pointer),
            "invalid_value",
            message,
        ));
    }
}
