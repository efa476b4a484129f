//! Auth connector + environment → credentials of a request.

mod door;
mod oauth;
mod reply;
mod request;
mod shared;
mod webhook;

pub use self::shared::{TokenAnswer, TokenStore};
pub use self::webhook::{
    HmacAlgorithm, HmacRule, Product, WebhookRefusal, WebhookRequest, WebhookRule, Webhooks,
};

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use crate::action::{Connector, Credential, HttpAction, Kind, OAuth2Client, ValueSource};
use crate::catalog::Catalog;
use crate::definition::{Problem, Problems};
use crate::egress::{Credentials, Deadline, Egress, Route, Target, WaysBuilder};
use crate::secrets::{Keyring, MASK, Redactor, Secrets};

use self::door::Purpose;
use self::oauth::TokenSource;
pub(crate) use self::oauth::read_token_response;
pub use self::oauth::{DEFAULT_LIFETIME, TokenError, TokenErrorKind};
use self::shared::Shares;

/// The credentials of every action of every environment, resolved at load.
#[derive(Debug, Default)]
pub struct Auth {
    /// By environment, then by action, as in the catalog.
    sources: Vec<Vec<Source>>,
    tokens: HashMap<TokenKey, Arc<TokenSource>>,
    /// Per environment: what connectors make of secrets, for the redactor.
    derived: Vec<Vec<SecretString>>,
    /// Per environment: the keys by which tokens are shared with other nodes; none where they are not.
    sharing: Vec<Option<Arc<Keyring>>>,
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
    token: Option<(Arc<TokenSource>, Route)>,
    /// The same with every value masked.
    masked: Credentials,
    /// Names of the secrets in it.
    secrets: Vec<String>,
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
    /// `previous` live on where client and secrets are the same. `ways` leads to
    /// the token endpoints.
    pub fn build(
        catalog: &Catalog,
        secrets: &Secrets,
        ways: &mut WaysBuilder<'_>,
        previous: Option<&Self>,
        problems: &mut Problems,
    ) -> Self {
        let mut auth = Self::default();
        for (index, environment) in catalog.environments().iter().enumerate() {
            let mut builder = Builder {
                index,
                ways,
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

    /// Shares tokens with other nodes from now on, in the environments (in the
    /// order of the catalog) that have keys.
    pub fn share_tokens(&mut self, keyrings: Vec<Option<Arc<Keyring>>>) {
        self.sharing = keyrings;
    }

    /// Whether tokens are shared, in environments that have keys.
    pub fn shares_tokens(&self) -> bool {
        !self.sharing.is_empty()
    }

    /// What connectors of the environment make of secrets, such as the text
    /// after `Basic`: material for its redactor.
    pub fn derived(&self, environment: usize) -> &[SecretString] {
        self.derived.get(environment).map_or(&[], Vec::as_slice)
    }

    /// The credentials of an action, by its place in the catalog. `store` is
    /// where nodes share tokens.
    ///
    /// # Errors
    ///
    /// Fails where a token is needed and none can be had in time.
    pub async fn resolve(
        &self,
        (environment, action): (usize, usize),
        egress: &Egress,
        store: &Arc<dyn TokenStore>,
        deadline: Deadline,
    ) -> Result<Resolved<'_>, TokenError> {
        let Some(source) = self.source(environment, action) else {
            return Ok(Resolved {
                credentials: Cow::Owned(Credentials::default()),
                redactor: None,
                token: None,
            });
        };
        let Some((tokens, route)) = &source.token else {
            return Ok(Resolved { credentials: Cow::Borrowed(&source.fixed), redactor: None, token: None });
        };
        let shares = self.shares(environment, store);
        let token = tokens.token(egress, route, shares, Purpose::Call, deadline).await?;
        let mut credentials = source.fixed.clone();
        credentials.headers.push((AUTHORIZATION, token.header.clone()));
        Ok(Resolved {
            credentials: Cow::Owned(credentials),
            redactor: Some(token.redactor.clone()),
            token: Some((tokens, token.generation)),
        })
    }

    /// Has the token of an action ready before a call needs it, where it needs one.
    ///
    /// # Errors
    ///
    /// Fails where none can be had in time.
    pub async fn prepare(
        &self,
        (environment, action): (usize, usize),
        egress: &Egress,
        store: &Arc<dyn TokenStore>,
        deadline: Deadline,
    ) -> Result<(), TokenError> {
        let source = self.source(environment, action);
        let Some((tokens, route)) = source.and_then(|source| source.token.as_ref()) else { return Ok(()) };
        let shares = self.shares(environment, store);
        tokens.token(egress, route, shares, Purpose::Background, deadline).await.map(drop)
    }

    /// Where the tokens of an environment are shared; `None` where they are not.
    fn shares<'a>(&'a self, environment: usize, store: &'a Arc<dyn TokenStore>) -> Option<Shares<'a>> {
        let keyring = self.sharing.get(environment)?.as_ref()?;
        Some(Shares { store, keyring })
    }

    /// Names of the secrets that an action's request carries, or that its token
    /// is fetched with; for the audit.
    pub fn secrets(&self, environment: usize, action: usize) -> &[String] {
        self.source(environment, action).map_or(&[], |source| &source.secrets)
    }

    /// Fetches of tokens so far: environment, connector, how many gave a token
    /// and how many did not.
    pub fn token_fetches(&self) -> Vec<(String, String, u64, u64)> {
        let count = |(key, source): (&TokenKey, &Arc<TokenSource>)| {
            let (done, failed) = source.fetches();
            (key.environment.clone(), key.connector.clone(), done, failed)
        };
        let mut all: Vec<_> = self.tokens.iter().map(count).collect();
        all.sort();
        all
    }

    /// The shape of an action's credentials, every value masked.
    pub fn masked(&self, environment: usize, action: usize) -> Option<&Credentials> {
        self.source(environment, action).map(|source| &source.masked)
    }

    fn source(&self, environment: usize, action: usize) -> Option<&Source> {
        self.sources.get(environment)?.get(action)
    }
}

struct Builder<'a, 'w> {
    index: usize,
    ways: &'a mut WaysBuilder<'w>,
    environment: &'a str,
    secrets: &'a Secrets,
    previous: Option<&'a Auth>,
    tokens: &'a mut HashMap<TokenKey, Arc<TokenSource>>,
    derived: Vec<SecretString>,
    problems: &'a mut Problems,
}

impl Builder<'_, '_> {
    fn source(&mut self, http: &HttpAction, file: &str) -> Source {
        let mut source = Source { secrets: secret_names(http), ..Source::default() };
        for header in &http.secret_headers {
            let value = ValueSource::Secret { name: header.secret.clone(), prefix: header.prefix.clone() };
            self.header(&mut source, &header.name, &value, "", &header.prefix, file);
        }
        if let Some(connector) = &http.connector {
            self.connector(&mut source, connector, file);
        }
        source
    }

    fn connector(&mut self, source: &mut Source, connector: &Connector, file: &str) {
        match &connector.credential {
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
                source.token = self.token_source(connector, client);
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

    fn token_source(
        &mut self,
        connector: &Connector,
        client: &OAuth2Client,
    ) -> Option<(Arc<TokenSource>, Route)> {
        let id = self.value(&client.client_id)?;
        let secret = self.value(&client.client_secret)?;
        let key = TokenKey {
            environment: self.environment.to_owned(),
            connector: connector.name.clone(),
            fingerprint: oauth::fingerprint(client, &id, &secret),
        };
        let known = self.tokens.get(&key).or_else(|| self.previous.and_then(|auth| auth.tokens.get(&key)));
        let source = match known {
            Some(source) => source.clone(),
            None => Arc::new(TokenSource::new(&connector.name, self.environment, client, id, secret)),
        };
        self.tokens.insert(key, source.clone());
        let secret = |name: &str| self.secrets.get(self.environment, name).cloned();
        let tls = connector.token_endpoint.as_ref().and_then(|endpoint| endpoint.tls.as_ref());
        let target =
            Target { environment: self.index, url: &client.token_url, tls, rules: None, secret: &secret };
        Some((source, self.ways.route(target, self.problems)?))
    }
}

/// Names of the secrets that go into a request, or into the fetch of its token.
fn secret_names(http: &HttpAction) -> Vec<String> {
    let values: Vec<&ValueSource> = match http.connector.as_ref().map(|connector| &connector.credential) {
        None => Vec::new(),
        Some(Credential::Bearer(value) | Credential::Header(_, value)) => vec![value],
        Some(Credential::Query(_, value) | Credential::Cookie(_, value)) => vec![value],
        Some(Credential::Basic { username, password }) => vec![username, password],
        Some(Credential::OAuth2(client)) => vec![&client.client_id, &client.client_secret],
    };
    let of_connector = values.into_iter().filter_map(|value| value.secret_name().map(str::to_owned));
    http.secret_headers.iter().map(|header| header.secret.clone()).chain(of_connector).collect()
}

fn prefix_of(value: &ValueSource) -> &str {
    match value {
        ValueSource::Plain(_) => "",
        ValueSource::Secret { prefix, .. } => prefix,
    }
}
