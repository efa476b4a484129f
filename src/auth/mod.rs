//! Auth connector + environment → credentials of a request.

mod oauth;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use crate::action::{Credential, HttpAction, Kind, OAuth2Client, ValueSource};
use crate::catalog::Catalog;
use crate::definition::{Problem, Problems};
use crate::egress::{Credentials, Deadline, Egress};
use crate::secrets::{MASK, Redactor, Secrets};

use self::oauth::TokenSource;
pub use self::oauth::{DEFAULT_LIFETIME, TokenError, TokenErrorKind};

/// The credentials of every action of every environment, resolved at load.
#[derive(Debug, Default)]
pub struct Auth {
    /// By environment, then by action, as in the catalog.
    sources: Vec<Vec<Source>>,
    tokens: HashMap<TokenKey, Arc<TokenSource>>,
    /// Per environment: what connectors make of secrets, for the redactor.
    derived: Vec<Vec<SecretString>>,
}

/// What one token source is for: two actions with the same client share a token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct TokenKey {
    environment: String,
    connector: String,
    fingerprint: [u8; 32],
}

/// Where the credentials of one action come from.
#[derive(Debug, Default)]
struct Source {
    fixed: Credentials,
    token: Option<Arc<TokenSource>>,
    /// The same with every value masked.
    masked: Credentials,
}

/// The credentials of one call.
#[derive(Debug)]
pub struct Resolved<'a> {
    /// What to send.
    pub credentials: Cow<'a, Credentials>,
    /// Masks a token that the token endpoint gave out.
    pub redactor: Option<Arc<Redactor>>,
    token: Option<(&'a Arc<TokenSource>, u64)>,
}

impl Resolved<'_> {
    /// Throws the token away after the upstream refused it; true where there
    /// is a token that another fetch may mend.
    pub fn refuse(&self) -> bool {
        match &self.token {
            Some((source, generation)) => {
                source.invalidate(*generation);
                true
            }
            None => false,
        }
    }
}

impl Auth {
    /// Resolves the credentials of all actions of `catalog`. Tokens of
    /// `previous` live on where client and secrets are the same.
    pub fn build(
        catalog: &Catalog,
        secrets: &Secrets,
        previous: Option<&Self>,
        problems: &mut Problems,
    ) -> Self {
        let mut auth = Self::default();
        for environment in catalog.environments() {
            let mut builder = Builder {
                environment: &environment.name,
                secrets,
                previous,
                tokens: &mut auth.tokens,
                derived: Vec::new(),
                problems,
            };
            let sources = environment.actions.iter().map(|action| match &action.kind {
                Kind::Http(http) => builder.source(http, &action.file),
                Kind::Static(_) | Kind::Handover(_) => Source::default(),
            });
            auth.sources.push(sources.collect());
            auth.derived.push(builder.derived);
        }
        auth
    }

    /// What connectors of the environment make of secrets, such as the text
    /// after `Basic`: material for its redactor.
    pub fn derived(&self, environment: usize) -> &[SecretString] {
        self.derived.get(environment).map_or(&[], Vec::as_slice)
    }

    /// The credentials of an action, by its place in the catalog.
    ///
    /// # Errors
    ///
    /// Fails where a token is needed and none can be had in time.
    pub async fn resolve(
        &self,
        environment: usize,
        action: usize,
        egress: &Egress,
        deadline: Deadline,
    ) -> Result<Resolved<'_>, TokenError> {
        let Some(source) = self.source(environment, action) else {
            return Ok(Resolved {
                credentials: Cow::Owned(Credentials::default()),
                redactor: None,
                token: None,
            });
        };
        let Some(tokens) = &source.token else {
            return Ok(Resolved { credentials: Cow::Borrowed(&source.fixed), redactor: None, token: None });
        };
        let token = tokens.token(egress, deadline).await?;
        let mut credentials = source.fixed.clone();
        credentials.headers.push((AUTHORIZATION, token.header.clone()));
        Ok(Resolved {
            credentials: Cow::Owned(credentials),
            redactor: Some(token.redactor.clone()),
            token: Some((tokens, token.generation)),
        })
    }

    /// The shape of an action's credentials, every value masked.
    pub fn masked(&self, environment: usize, action: usize) -> Option<&Credentials> {
        self.source(environment, action).map(|source| &source.masked)
    }

    fn source(&self, environment: usize, action: usize) -> Option<&Source> {
        self.sources.get(environment)?.get(action)
    }
}

struct Builder<'a> {
    environment: &'a str,
    secrets: &'a Secrets,
    previous: Option<&'a Auth>,
    tokens: &'a mut HashMap<TokenKey, Arc<TokenSource>>,
    derived: Vec<SecretString>,
    problems: &'a mut Problems,
}

impl Builder<'_> {
    fn source(&mut self, http: &HttpAction, file: &str) -> Source {
        let mut source = Source::default();
        for header in &http.secret_headers {
            let value = ValueSource::Secret { name: header.secret.clone(), prefix: header.prefix.clone() };
            self.header(&mut source, &header.name, &value, "", &header.prefix, file);
        }
        if let Some(connector) = &http.connector {
            self.connector(&mut source, &connector.name, &connector.credential, file);
        }
        source
    }

    fn connector(&mut self, source: &mut Source, name: &str, credential: &Credential, file: &str) {
        match credential {
            Credential::Bearer(token) => {
                self.header(source, &AUTHORIZATION, token, "Bearer ", "Bearer ", file);
            }
            Credential::Header(name, key) => {
                self.header(source, name, key, "", prefix_of(key), file);
            }
            Credential::Query(name, key) => {
                if let Some(value) = self.value(key) {
                    source.fixed.query = Some((name.clone(), value));
                    source.masked.query = Some((name.clone(), SecretString::from(MASK)));
                }
            }
            Credential::Cookie(name, key) => {
                let Some(value) = self.value(key) else { return };
                let text = format!("{name}={}", value.expose_secret());
                source.fixed.cookie = self.sensitive(&text, key, file);
                source.masked.cookie = HeaderValue::try_from(format!("{name}={MASK}")).ok();
            }
            Credential::Basic { username, password } => {
                let secret = password;
                let (Some(username), Some(password)) = (self.value(username), self.value(password)) else {
                    return;
                };
                let pair = format!("{}:{}", username.expose_secret(), password.expose_secret());
                let encoded = STANDARD.encode(&pair);
                let text = format!("Basic {encoded}");
                self.derived.extend([SecretString::from(pair), SecretString::from(encoded)]);
                if let Some(value) = self.sensitive(&text, secret, file) {
                    source.fixed.headers.push((AUTHORIZATION, value));
                }
                source.masked.headers.push((AUTHORIZATION, HeaderValue::from_static("Basic ***")));
            }
            Credential::OAuth2(client) => {
                source.token = self.token_source(name, client);
                source.masked.headers.push((AUTHORIZATION, HeaderValue::from_static("Bearer ***")));
            }
        }
    }

    fn header(
        &mut self,
        source: &mut Source,
        name: &HeaderName,
        value: &ValueSource,
        before: &str,
        masked_before: &str,
        file: &str,
    ) {
        let Some(secret) = self.value(value) else { return };
        if let Some(value) = self.sensitive(&format!("{before}{}", secret.expose_secret()), value, file) {
            source.fixed.headers.push((name.clone(), value));
        }
        if let Ok(value) = HeaderValue::try_from(format!("{masked_before}{MASK}")) {
            source.masked.headers.push((name.clone(), value));
        }
    }

    /// The value of a source; `None` where the secret is missing, which the
    /// check of secrets has reported.
    fn value(&self, source: &ValueSource) -> Option<SecretString> {
        match source {
            ValueSource::Plain(text) => Some(SecretString::from(text.as_str())),
            ValueSource::Secret { name, prefix } => {
                let secret = self.secrets.get(self.environment, name)?;
                Some(SecretString::from(format!("{prefix}{}", secret.expose_secret())))
            }
        }
    }

    fn sensitive(&mut self, text: &str, source: &ValueSource, file: &str) -> Option<HeaderValue> {
        match HeaderValue::from_str(text).or_else(|_| HeaderValue::from_bytes(text.as_bytes())) {
            Ok(mut value) => {
                value.set_sensitive(true);
                Some(value)
            }
            Err(_) => {
                let what = match source {
                    ValueSource::Secret { name, .. } => format!("the secret `{name}`"),
                    ValueSource::Plain(_) => "a value".to_owned(),
                };
                let message = format!(
                    "{what} of environment `{}` holds control characters, which a header cannot carry",
                    self.environment
                );
                self.problems.push(
                    Problem::error(file, (0, 0), "invalid_secret", message)
                        .hint("look for a line end inside the value"),
                );
                None
            }
        }
    }

    fn token_source(&mut self, connector: &str, client: &OAuth2Client) -> Option<Arc<TokenSource>> {
        let id = self.value(&client.client_id)?;
        let secret = self.value(&client.client_secret)?;
        let key = TokenKey {
            environment: self.environment.to_owned(),
            connector: connector.to_owned(),
            fingerprint: oauth::fingerprint(client, &id, &secret),
        };
        let known = self.tokens.get(&key).or_else(|| self.previous.and_then(|auth| auth.tokens.get(&key)));
        let source = match known {
            Some(source) => source.clone(),
            None => Arc::new(TokenSource::new(connector, client, id, secret)),
        };
        self.tokens.insert(key, source.clone());
        Some(source)
    }
}

fn prefix_of(value: &ValueSource) -> &str {
    match value {
        ValueSource::Plain(_) => "",
        ValueSource::Secret { prefix, .. } => prefix,
    }
}
