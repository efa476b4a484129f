//! The credentials of connectors and actions, resolved at load.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use crate::action::{Connector, Credential, HttpAction, OAuth2Client, SecretHeader, ValueSource};
use crate::definition::{Problem, Problems};
use crate::egress::{Credentials, Deadline, Egress, EnvironmentWays, Route};
use crate::secrets::{Keyring, MASK, Redactor, Secrets};

use super::door::Purpose;
use super::oauth::{Identity, TokenError, TokenSource, TokenState};
use super::shared::{Shares, TokenStore};

/// What a connector sends in one environment.
#[derive(Debug)]
pub struct ConnectorCredentials {
    name: String,
    sent: Sent,
    tokens: Option<Tokens>,
}

/// What an action sends: its secret headers, and the credentials of its connector.
#[derive(Debug)]
pub struct ActionCredentials {
    sent: Sent,
    connector: Option<Arc<ConnectorCredentials>>,
}

/// What is the same for every call.
#[derive(Clone, Debug, Default)]
struct Sent {
    fixed: Credentials,
    /// The same with every value masked, and with what a token will be.
    masked: Credentials,
    /// The same, as people are told of it.
    shown: Vec<ShownCredential>,
    /// Names of the secrets in it, and of those that a token is fetched with.
    secrets: Vec<String>,
}

/// A credential of a request, as people are told of it: where it stands and what it is, never its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownCredential {
    /// Where it stands.
    pub place: CredentialPlace,
    /// The text before it, such as `Bearer `.
    pub before: String,
    /// What stands there.
    pub what: CredentialValue,
}

/// Where a credential stands in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialPlace {
    /// A header.
    Header(HeaderName),
    /// A parameter of the query.
    Query(String),
    /// A cookie.
    Cookie(String),
}

/// What stands in the place of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialValue {
    /// A value of the definition, or a secret.
    Value(ValueSource),
    /// User and password, as `Basic` writes them.
    Basic {
        /// The user.
        username: ValueSource,
        /// The password.
        password: ValueSource,
    },
    /// A token of the connector of this name.
    Token {
        /// The connector.
        connector: String,
        /// Where it is fetched.
        url: String,
    },
}

/// Where the tokens of a connector come from.
#[derive(Debug)]
struct Tokens {
    source: Arc<TokenSource>,
    /// The way to the token endpoint.
    route: Route,
    /// The keys by which they are shared with other nodes; `None` where they are not.
    keyring: Option<Arc<Keyring>>,
}

impl Tokens {
    /// Where they are shared.
    fn shares<'a>(&'a self, store: &'a Arc<dyn TokenStore>) -> Option<Shares<'a>> {
        self.keyring.as_ref().map(|keyring| Shares { store, keyring })
    }
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

impl ConnectorCredentials {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether there is a token; `None` where it needs none.
    pub fn token_state(&self) -> Option<TokenState> {
        self.tokens.as_ref().map(|tokens| tokens.source.token_state())
    }

    /// Fetches of tokens so far: how many gave a token and how many did not; `None` where it needs none.
    pub fn token_fetches(&self) -> Option<(u64, u64)> {
        self.tokens.as_ref().map(|tokens| tokens.source.fetches())
    }
}

impl ActionCredentials {
    /// The credentials of a call. `store` is where nodes share tokens.
    ///
    /// # Errors
    ///
    /// Fails where a token is needed and none can be had in time.
    pub async fn resolve(
        &self,
        egress: &Egress,
        store: &Arc<dyn TokenStore>,
        deadline: Deadline,
    ) -> Result<Resolved<'_>, TokenError> {
        let Some(tokens) = self.tokens() else {
            return Ok(Resolved {
                credentials: Cow::Borrowed(&self.sent.fixed),
                redactor: None,
                token: None,
            });
        };
        let Tokens { source, route, .. } = tokens;
        let token = source.token(egress, route, tokens.shares(store), Purpose::Call, deadline).await?;
        let mut credentials = self.sent.fixed.clone();
        credentials.headers.push((AUTHORIZATION, token.header.clone()));
        Ok(Resolved {
            credentials: Cow::Owned(credentials),
            redactor: Some(token.redactor.clone()),
            token: Some((source, token.generation)),
        })
    }

    /// Has the token ready before a call needs it, where calls need one.
    ///
    /// # Errors
    ///
    /// Fails where none can be had in time.
    pub async fn prepare(
        &self,
        egress: &Egress,
        store: &Arc<dyn TokenStore>,
        deadline: Deadline,
    ) -> Result<(), TokenError> {
        let Some(tokens) = self.tokens() else { return Ok(()) };
        let shares = tokens.shares(store);
        tokens.source.token(egress, &tokens.route, shares, Purpose::Background, deadline).await.map(drop)
    }

    /// Names of the secrets that the request carries, or that its token is fetched with; for the audit.
    pub fn secrets(&self) -> &[String] {
        &self.sent.secrets
    }

    /// Where they stand and what they are.
    pub fn shown(&self) -> &[ShownCredential] {
        &self.sent.shown
    }

    /// Their shape, every value masked.
    pub fn masked(&self) -> &Credentials {
        &self.sent.masked
    }

    fn tokens(&self) -> Option<&Tokens> {
        self.connector.as_ref()?.tokens.as_ref()
    }
}

/// Resolves the credentials of one environment.
pub struct AuthBuilder<'a, 'e, 'w> {
    environment: &'a str,
    secrets: &'a Secrets,
    /// The ways to the token endpoints.
    ways: &'a mut EnvironmentWays<'e, 'w>,
    /// The keys by which tokens are shared with other nodes; `None` where they are not.
    sharing: Option<&'a Arc<Keyring>>,
    problems: &'a mut Problems,
    /// What connectors make of secrets, such as the text after `Basic`: material for a redactor.
    derived: Vec<SecretString>,
    /// By the connector's place in memory.
    connectors: HashMap<*const Connector, Arc<ConnectorCredentials>>,
    /// Actions with the same headers and the same connector share their credentials.
    actions: HashMap<(Option<*const Connector>, Vec<SecretHeader>), Arc<ActionCredentials>>,
}

impl<'a, 'e, 'w> AuthBuilder<'a, 'e, 'w> {
    /// For `environment`. Where tokens are shared with other nodes, `sharing` has the keys.
    pub fn new(
        environment: &'a str,
        secrets: &'a Secrets,
        ways: &'a mut EnvironmentWays<'e, 'w>,
        sharing: Option<&'a Arc<Keyring>>,
        problems: &'a mut Problems,
    ) -> Self {
        let (derived, connectors, actions) = Default::default();
        Self { environment, secrets, ways, sharing, problems, derived, connectors, actions }
    }

    /// Resolves a connector. The tokens of `former`, the same connector before a reload, live on where
    /// client and secrets are the same.
    pub fn connector(
        &mut self,
        connector: &Arc<Connector>,
        former: Option<&ConnectorCredentials>,
    ) -> Arc<ConnectorCredentials> {
        let (sent, tokens) = self.of_connector(connector, former);
        let made = Arc::new(ConnectorCredentials { name: connector.name.clone(), sent, tokens });
        self.connectors.insert(Arc::as_ptr(connector), made.clone());
        made
    }

    /// Resolves what an action of `file` sends. Its connector is resolved before.
    pub fn action(&mut self, http: &HttpAction, file: &str) -> Arc<ActionCredentials> {
        let key = (http.connector.as_ref().map(Arc::as_ptr), http.secret_headers.clone());
        if let Some(known) = self.actions.get(&key) {
            return known.clone();
        }
        let mut sent = Sent::default();
        for SecretHeader { name, secret, prefix } in &http.secret_headers {
            sent.secrets.push(secret.clone());
            let value = ValueSource::Secret { name: secret.clone(), prefix: prefix.clone() };
            self.header(&mut sent, name, &value, "", prefix, file);
        }
        let connector = key.0.and_then(|connector| self.connectors.get(&connector)).cloned();
        if let Some(connector) = &connector {
            let Sent { fixed, masked, shown, secrets } = connector.sent.clone();
            sent.secrets.extend(secrets);
            sent.shown.extend(shown);
            for (into, from) in [(&mut sent.fixed, fixed), (&mut sent.masked, masked)] {
                into.headers.extend(from.headers);
                into.query = from.query;
                into.cookie = from.cookie;
            }
        }
        let made = Arc::new(ActionCredentials { sent, connector });
        self.actions.insert(key, made.clone());
        made
    }

    /// What connectors made of secrets, such as the text after `Basic`: material for a redactor.
    pub fn finish(self) -> Vec<SecretString> {
        self.derived
    }

    fn of_connector(
        &mut self,
        connector: &Connector,
        former: Option<&ConnectorCredentials>,
    ) -> (Sent, Option<Tokens>) {
        let (mut sent, file) = (Sent::default(), connector.file.as_str());
        let named = secret_names(&connector.credential);
        sent.secrets.extend(named.into_iter().map(str::to_owned));
        let mut tokens = None;
        match &connector.credential {
            Credential::Bearer(token) => {
                self.header(&mut sent, &AUTHORIZATION, token, "Bearer ", "Bearer ", file);
            }
            Credential::Header(name, key) => {
                self.header(&mut sent, name, key, "", prefix_of(key), file);
            }
            Credential::Query(name, key) => {
                if let Some(value) = self.value(key) {
                    sent.fixed.query = Some((name.clone(), value));
                    sent.masked.query = Some((name.clone(), SecretString::from(MASK)));
                    sent.show(CredentialPlace::Query(name.clone()), prefix_of(key), key);
                }
            }
            Credential::Cookie(name, key) => {
                if let Some(value) = self.value(key) {
                    let text = format!("{name}={}", value.expose_secret());
                    sent.fixed.cookie = self.sensitive(&text, key, file);
                    sent.masked.cookie = HeaderValue::try_from(format!("{name}={MASK}")).ok();
                    sent.show(CredentialPlace::Cookie(name.clone()), prefix_of(key), key);
                }
            }
            Credential::Basic { username, password } => self.basic(&mut sent, username, password, file),
            Credential::OAuth2(client) => {
                tokens = self.tokens(connector, client, former);
                sent.masked.headers.push((AUTHORIZATION, HeaderValue::from_static("Bearer ***")));
                sent.shown.push(ShownCredential {
                    place: CredentialPlace::Header(AUTHORIZATION),
                    before: "Bearer ".to_owned(),
                    what: CredentialValue::Token {
                        connector: connector.name.clone(),
                        url: client.token_url.clone(),
                    },
                });
            }
        }
        (sent, tokens)
    }

    fn basic(&mut self, sent: &mut Sent, username: &ValueSource, password: &ValueSource, file: &str) {
        let (Some(name), Some(secret)) = (self.value(username), self.value(password)) else { return };
        let pair = format!("{}:{}", name.expose_secret(), secret.expose_secret());
        let encoded = STANDARD.encode(&pair);
        let text = format!("Basic {encoded}");
        self.derived.extend([SecretString::from(pair), SecretString::from(encoded)]);
        if let Some(value) = self.sensitive(&text, password, file) {
            sent.fixed.headers.push((AUTHORIZATION, value));
        }
        sent.masked.headers.push((AUTHORIZATION, HeaderValue::from_static("Basic ***")));
        sent.shown.push(ShownCredential {
            place: CredentialPlace::Header(AUTHORIZATION),
            before: "Basic ".to_owned(),
            what: CredentialValue::Basic { username: username.clone(), password: password.clone() },
        });
    }

    fn header(
        &mut self,
        sent: &mut Sent,
        name: &HeaderName,
        source: &ValueSource,
        before: &str,
        masked_before: &str,
        file: &str,
    ) {
        let Some(secret) = self.value(source) else { return };
        if let Some(value) = self.sensitive(&format!("{before}{}", secret.expose_secret()), source, file) {
            sent.fixed.headers.push((name.clone(), value));
        }
        if let Ok(value) = HeaderValue::try_from(format!("{masked_before}{MASK}")) {
            sent.masked.headers.push((name.clone(), value));
            sent.show(CredentialPlace::Header(name.clone()), masked_before, source);
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

    fn tokens(
        &mut self,
        connector: &Connector,
        client: &OAuth2Client,
        former: Option<&ConnectorCredentials>,
    ) -> Option<Tokens> {
        // Certificates are judged whether the secrets are there or not.
        let tls = connector.token_endpoint.as_ref().and_then(|endpoint| endpoint.tls.as_ref());
        let route = self.ways.to_url(&client.token_url, tls, self.problems)?;
        let identity = Identity {
            environment: self.environment,
            connector: &connector.name,
            client,
            id: self.value(&client.client_id)?,
            secret: self.value(&client.client_secret)?,
        };
        let former = former.and_then(|former| former.tokens.as_ref()).map(|tokens| &tokens.source);
        let source = match former.filter(|source| source.is_of(&identity)) {
            Some(source) => source.clone(),
            None => Arc::new(TokenSource::new(identity)),
        };
        Some(Tokens { source, route, keyring: self.sharing.cloned() })
    }
}

impl Sent {
    fn show(&mut self, place: CredentialPlace, before: &str, value: &ValueSource) {
        let (before, what) = (before.to_owned(), CredentialValue::Value(value.clone()));
        self.shown.push(ShownCredential { place, before, what });
    }
}

/// Names of the secrets that go into a request, or into the fetch of its token.
fn secret_names(credential: &Credential) -> Vec<&str> {
    let values = match credential {
        Credential::Bearer(value) | Credential::Header(_, value) => vec![value],
        Credential::Query(_, value) | Credential::Cookie(_, value) => vec![value],
        Credential::Basic { username, password } => vec![username, password],
        Credential::OAuth2(client) => vec![&client.client_id, &client.client_secret],
    };
    values.into_iter().filter_map(ValueSource::secret_name).collect()
}

fn prefix_of(value: &ValueSource) -> &str {
    match value {
        ValueSource::Plain(_) => "",
        ValueSource::Secret { prefix, .. } => prefix,
    }
}
