//! OAuth 2.0 client credentials (RFC 6749 section 4.4): one token per client
//! and environment, fetched once however many calls wait for it.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use data_encoding::HEXLOWER;
use futures_util::FutureExt as _;
use futures_util::future::Shared;
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use url::Url;

use crate::action::{OAuth2Client, ValueSource};
use crate::definition::ClientAuthentication;
use crate::egress::{Deadline, Egress, EgressError, Response, Route};
use crate::secrets::Redactor;

use super::door::{Door, DoorError, Purpose};
use super::reply::{self, Granted, MAX_LIFETIME, NoToken};
use super::request::TokenRequest;
use super::shared::{SharedToken, Shares, Slot, Turn, now_ms};

/// How long a token is used whose server does not say `expires_in`.
pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(300);
/// Longest wait for a token endpoint; a call's own deadline may be sooner.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
/// A token is not used in the last moments of its life: it has to travel.
const EXPIRY_MARGIN: Duration = Duration::from_secs(10);
/// How long before its expiry a token is replaced.
const REFRESH_AHEAD: Duration = Duration::from_secs(60);
/// How long a failed refresh keeps the next one waiting while the old token serves.
const REFRESH_RETRY: Duration = Duration::from_secs(2);

type Fetching = Shared<Pin<Box<dyn Future<Output = Result<Arc<Token>, TokenError>> + Send>>>;

/// Why no token could be had.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the auth connector `{connector}` got no token: {kind}")]
pub struct TokenError {
    /// Name of the connector.
    pub connector: String,
    /// What happened.
    pub kind: TokenErrorKind,
}

/// What happened at the token endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenErrorKind {
    /// The deadline passed.
    #[error("the token endpoint did not answer in time")]
    Deadline,
    /// Its address is not one that the environment allows.
    #[error("{0}")]
    AddressRefused(String),
    /// It cannot be reached.
    #[error("the token endpoint cannot be reached ({0})")]
    Unreachable(String),
    /// It asks to wait.
    #[error("the token endpoint cannot serve now: {0}")]
    Busy(String),
    /// It refused the client.
    #[error("the token endpoint refused: {0}")]
    Refused(String),
    /// Its answer makes no sense.
    #[error("the token endpoint's answer is not a token response ({0})")]
    Invalid(String),
}

/// A token in use.
#[derive(Debug)]
pub(super) struct Token {
    /// `Bearer …`, marked sensitive.
    pub(super) header: HeaderValue,
    /// Masks the token.
    pub(super) redactor: Arc<Redactor>,
    /// Which fetch brought it.
    pub(super) generation: u64,
    refresh_at: Instant,
    unusable_at: Instant,
}

/// The token of one client in one environment.
#[derive(Debug)]
pub(super) struct TokenSource {
    connector: String,
    environment: String,
    /// Scheme, host and port of the token endpoint.
    endpoint: String,
    /// Names of the secrets that go there.
    secrets: String,
    /// Of the environment, and of all that goes into the token request.
    digest: [u8; 32],
    request: Result<TokenRequest, String>,
    redactor: Redactor,
    /// Fetches that gave a token, and those that did not.
    fetches: [AtomicU64; 2],
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Arc<Token>>,
    fetching: Option<Fetching>,
    generation: u64,
    refresh_not_before: Option<Instant>,
    /// The last token that was had, in use or not.
    last: Option<SecretString>,
    /// A digest of the last token that an upstream refused: from another node it is not taken either.
    refused: Option<[u8; 32]>,
}

/// A client in one environment, with its id and secret.
pub(super) struct Identity<'a> {
    pub(super) environment: &'a str,
    /// Name of the connector.
    pub(super) connector: &'a str,
    pub(super) client: &'a OAuth2Client,
    pub(super) id: SecretString,
    pub(super) secret: SecretString,
}

/// Whether there is a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenState {
    /// None has been asked for, or the last one was refused.
    None,
    /// There is one, which can be used for so long.
    Valid(std::time::Duration),
    /// There is one that can be used no more.
    Expired,
    /// The last fetch failed, and another is put off.
    PutOff,
}

impl Identity<'_> {
    /// What tells this client from every other: a digest of the environment and of all that goes into the token
    /// request. Nodes that share tokens find each other's by it.
    fn digest(&self) -> [u8; 32] {
        let OAuth2Client { token_url, scopes, extra_params, authentication, .. } = self.client;
        let mut parts = vec![
            self.environment,
            token_url,
            self.id.expose_secret(),
            self.secret.expose_secret(),
            match authentication {
                ClientAuthentication::Header => "header",
                ClientAuthentication::Body => "body",
            },
        ];
        let mut hash = Sha256::new();
        // How many there are tells the lists apart.
        hash.update((scopes.len() as u64).to_be_bytes());
        parts.extend(scopes.iter().map(String::as_str));
        parts.extend(extra_params.iter().flat_map(|(name, value)| [name.as_str(), value]));
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }
}

impl TokenSource {
    pub(super) fn new(identity: Identity<'_>) -> Self {
        let digest = identity.digest();
        let Identity { environment, connector, client, id, secret } = identity;
        // An id that is a secret is one in the log too.
        let hidden_id = matches!(client.client_id, ValueSource::Secret { .. }).then_some(&id);
        let redactor = Redactor::new(hidden_id.into_iter().chain([&secret]));
        let named =
            [&client.client_id, &client.client_secret].into_iter().filter_map(ValueSource::secret_name);
        Self {
            connector: connector.to_owned(),
            environment: environment.to_owned(),
            endpoint: Url::parse(&client.token_url)
                .map(|url| url.origin().ascii_serialization())
                .unwrap_or_default(),
            secrets: named.collect::<Vec<_>>().join(","),
            digest,
            request: TokenRequest::new(client, id, secret),
            redactor,
            fetches: [const { AtomicU64::new(0) }; 2],
            state: Mutex::new(State::default()),
        }
    }

    /// Whether a source for `identity` would be the same.
    pub(super) fn is_of(&self, identity: &Identity<'_>) -> bool {
        self.digest == identity.digest() && self.connector == identity.connector
    }

    /// The token, fetched if need be.
    ///
    /// The fetch belongs to nobody: a caller that gives up does not take it
    /// away from the others. Where nodes share tokens (`shares`), another node's
    /// is taken if there is one. Where it is a call that waits, `purpose` says so.
    ///
    /// # Errors
    ///
    /// Fails where the token endpoint does, or when `deadline` passes first.
    pub(super) async fn token(
        self: &Arc<Self>,
        egress: &Egress,
        route: &Route,
        shares: Option<Shares<'_>>,
        purpose: Purpose,
        deadline: Deadline,
    ) -> Result<Arc<Token>, TokenError> {
        let fetching = {
            let mut state = self.state();
            let now = Instant::now();
            match state.token.clone() {
                Some(token) if now < token.unusable_at => {
                    let waits = state.refresh_not_before.is_some_and(|not_before| now < not_before);
                    if now >= token.refresh_at && state.fetching.is_none() && !waits {
                        drop(self.start(&mut state, egress, route, shares, Purpose::Background));
                    }
                    return Ok(token);
                }
                _ => match &state.fetching {
                    Some(fetching) => fetching.clone(),
                    None => self.start(&mut state, egress, route, shares, purpose),
                },
            }
        };
        deadline.within(fetching).await.unwrap_or_else(|_| Err(self.error(TokenErrorKind::Deadline)))
    }

    /// Throws a token away, unless it has been replaced already.
    pub(super) fn invalidate(&self, generation: u64) {
        let mut state = self.state();
        if let Some(token) = state.token.take_if(|token| token.generation == generation) {
            state.refused = Some(digest(token.header.as_bytes()));
        }
    }

    /// Whether there is a token.
    pub(super) fn token_state(&self) -> TokenState {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match &state.token {
            Some(token) if now < token.unusable_at => TokenState::Valid(token.unusable_at - now),
            _ if state.refresh_not_before.is_some_and(|not_before| now < not_before) => TokenState::PutOff,
            Some(_) => TokenState::Expired,
            None => TokenState::None,
        }
    }

    /// How many fetches gave a token, and how many did not.
    pub(super) fn fetches(&self) -> (u64, u64) {
        let [done, failed] = &self.fetches;
        (done.load(Ordering::Relaxed), failed.load(Ordering::Relaxed))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of the state is a single assignment: it is whole even
        // if somebody panicked while holding it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, kind: TokenErrorKind) -> TokenError {
        TokenError { connector: self.connector.clone(), kind }
    }

    #[expect(clippy::disallowed_methods, reason = "waited for through `fetching`; bounded by FETCH_TIMEOUT")]
    fn start(
        self: &Arc<Self>,
        state: &mut State,
        egress: &Egress,
        route: &Route,
        shares: Option<Shares<'_>>,
        purpose: Purpose,
    ) -> Fetching {
        let slot = shares.map(|shares| Slot::new(shares, &HEXLOWER.encode(&self.digest)));
        state.generation += 1;
        let (source, egress, route, generation) =
            (self.clone(), egress.clone(), route.clone(), state.generation);
        let task = tokio::spawn(async move {
            let door =
                Door { egress: &egress, route: &route, deadline: Deadline::after(FETCH_TIMEOUT), purpose };
            let fetched = source.obtain(&door, slot.as_ref(), generation).await;
            let mut state = source.state();
            state.fetching = None;
            match &fetched {
                Ok(token) => {
                    state.token = Some(token.clone());
                    state.refresh_not_before = None;
                }
                Err(error) => {
                    state.refresh_not_before = Some(Instant::now() + REFRESH_RETRY);
                    tracing::warn!(auth.connector = %error.connector, error = %error, "fetching a token failed");
                }
            }
            fetched
        });
        let source = self.clone();
        let fetching: Fetching = async move {
            task.await.unwrap_or_else(|_| {
                // The task cannot say any more that it is over.
                source.state().fetching = None;
                Err(source.error(TokenErrorKind::Unreachable("interrupted".to_owned())))
            })
        }
        .boxed()
        .shared();
        state.fetching = Some(fetching.clone());
        fetching
    }

    /// Takes the token of another node, where nodes share them and one has it;
    /// else fetches one.
    async fn obtain(
        &self,
        door: &Door<'_>,
        slot: Option<&Slot>,
        generation: u64,
    ) -> Result<Arc<Token>, TokenError> {
        let Some(slot) = slot else { return self.fetch(door, generation).await };
        let lease = match slot.turn(|shared| self.is_good(shared)).await {
            Turn::Take(shared) => match self.take(&shared, generation) {
                Ok(token) => return Ok(token),
                Err(_) => None,
            },
            Turn::Fetch(lease) => lease,
        };
        let Some(lease) = lease else { return self.fetch(door, generation).await };
        let fetched = slot.holding(&lease, self.fetch(door, generation)).await;
        if let Some(shared) = fetched.as_ref().ok().and_then(|token| token.shared()) {
            slot.keep(&shared).await;
        }
        slot.release(lease).await;
        fetched
    }

    async fn fetch(&self, door: &Door<'_>, generation: u64) -> Result<Arc<Token>, TokenError> {
        let started = Instant::now();
        self.audit(door.purpose);
        let asked = self.ask(door).await;
        let fetched = asked.and_then(|granted| self.read(&granted, started, generation));
        self.fetches[usize::from(fetched.is_err())].fetch_add(1, Ordering::Relaxed);
        fetched.map(Arc::new)
    }

    /// One line for each time that secrets go to the token endpoint, whatever comes of it.
    fn audit(&self, purpose: Purpose) {
        if !self.secrets.is_empty() {
            tracing::info!(
                target: "callgate::audit",
                secrets = self.secrets.as_str(),
                auth.connector = self.connector.as_str(),
                environment = self.environment.as_str(),
                upstream = self.endpoint.as_str(),
                purpose = match purpose {
                    Purpose::Call => "call",
                    Purpose::Background => "background",
                },
                "secret used"
            );
        }
    }

    /// Whether another node's token can be used here, and for longer than a moment.
    fn is_good(&self, shared: &SharedToken) -> bool {
        let is_refused =
            || self.state().refused == Some(digest(format!("Bearer {}", shared.token).as_bytes()));
        shared.refresh_at_ms > now_ms() && !is_refused()
    }

    /// Another node's token.
    fn take(&self, shared: &SharedToken, generation: u64) -> Result<Arc<Token>, TokenError> {
        let (now, now_ms) = (Instant::now(), now_ms());
        let at = |time_ms: u64| now + Duration::from_millis(time_ms.saturating_sub(now_ms)).min(MAX_LIFETIME);
        let (refresh_at, unusable_at) = (at(shared.refresh_at_ms), at(shared.unusable_at_ms));
        self.made(&shared.token, refresh_at, unusable_at, generation).map(Arc::new)
    }

    /// Asks for a token through `door`.
    async fn ask(&self, door: &Door<'_>) -> Result<Granted, TokenError> {
        let request =
            self.request.as_ref().map_err(|reason| self.error(TokenErrorKind::Invalid(reason.clone())))?;
        door.ask(request.spec()).await.map_err(|error| self.error(self.explain(error)))
    }

    /// The token that was granted upon a request of the time `started`.
    fn read(&self, granted: &Granted, started: Instant, generation: u64) -> Result<Token, TokenError> {
        let lifetime = granted.lifetime.unwrap_or(DEFAULT_LIFETIME).min(MAX_LIFETIME);
        let refresh_at = started + lifetime.saturating_sub(REFRESH_AHEAD.min(lifetime / 4));
        let unusable_at = started + lifetime.saturating_sub(EXPIRY_MARGIN.min(lifetime / 10));
        self.made(&granted.token, refresh_at, unusable_at, generation)
    }

    fn made(
        &self,
        secret: &str,
        refresh_at: Instant,
        unusable_at: Instant,
        generation: u64,
    ) -> Result<Token, TokenError> {
        if secret.is_empty() {
            return Err(self.error(TokenErrorKind::Invalid("the token is empty".to_owned())));
        }
        let token = SecretString::from(secret);
        // A call that was sent twice had both, and its upstream may repeat either.
        let former = self.state().last.replace(token.clone());
        let redactor = Arc::new(Redactor::new([&token].into_iter().chain(&former)));
        let mut header = HeaderValue::from_str(&format!("Bearer {secret}")).map_err(|_| {
            self.error(TokenErrorKind::Invalid("the token holds characters a header cannot carry".to_owned()))
        })?;
        header.set_sensitive(true);
        Ok(Token { header, redactor, generation, refresh_at, unusable_at })
    }

    /// What the failure of a token request means, without the client's secret.
    fn explain(&self, error: DoorError) -> TokenErrorKind {
        // Cut last: half a secret is not found any more.
        let clean = |text: String| excerpt(&self.redactor.redact(&text));
        match error {
            DoorError::Egress(error) => match error {
                EgressError::Deadline => TokenErrorKind::Deadline,
                EgressError::Connect(_) | EgressError::Unprocessed(_) | EgressError::Lost(_) => {
                    TokenErrorKind::Unreachable(clean(error.to_string()))
                }
                EgressError::Overloaded(_) => TokenErrorKind::Busy(clean(error.to_string())),
                EgressError::Refused(_) | EgressError::ForeignOrigin { .. } => {
                    TokenErrorKind::AddressRefused(error.to_string())
                }
                error => TokenErrorKind::Invalid(clean(error.to_string())),
            },
            DoorError::NoToken(no) => match no {
                NoToken::Busy(text) => TokenErrorKind::Busy(clean(text)),
                NoToken::Refused(text) => TokenErrorKind::Refused(clean(text)),
                NoToken::Invalid(text) => TokenErrorKind::Invalid(clean(text)),
            },
        }
    }
}

impl Token {
    /// The token as other nodes get it.
    fn shared(&self) -> Option<SharedToken> {
        let (now, now_ms) = (Instant::now(), now_ms());
        let at = |time: Instant| {
            now_ms + u64::try_from(time.saturating_duration_since(now).as_millis()).unwrap_or_default()
        };
        Some(SharedToken {
            token: self.header.to_str().ok()?.strip_prefix("Bearer ")?.to_owned(),
            refresh_at_ms: at(self.refresh_at),
            unusable_at_ms: at(self.unusable_at),
        })
    }
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Reads `response` as the answer of the token endpoint of `client`: how long
/// its token can be used, or what the log says.
///
/// # Errors
///
/// As a call that needs the token would fail.
pub(crate) fn read_token_response(
    client: &OAuth2Client,
    secret: &SecretString,
    response: &Response,
) -> Result<Duration, String> {
    let (id, secret) = (SecretString::from("id"), secret.clone());
    let source = TokenSource::new(Identity { environment: "fuzz", connector: "fuzz", client, id, secret });
    let started = Instant::now();
    let granted = reply::read(response).map_err(|no| source.error(source.explain(DoorError::NoToken(no))));
    let token = granted.and_then(|granted| source.read(&granted, started, 0));
    token.map(|token| token.unusable_at - started).map_err(|error| error.to_string())
}

/// The first 200 characters, each of which a line of the log can hold.
fn excerpt(text: &str) -> String {
    text.chars().take(200).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    /// What the log says of an answer of a token endpoint.
    #[track_caller]
    fn check(status: u16, body: &str, expected: &str) {
        let client = OAuth2Client {
            token_url: "https://login.test/token".to_owned(),
            client_id: ValueSource::Plain("id".to_owned()),
            client_secret: ValueSource::Plain("secret".to_owned()),
            scopes: Vec::new(),
            extra_params: Vec::new(),
            authentication: ClientAuthentication::Header,
        };
        let response = Response {
            status: StatusCode::from_u16(status).unwrap(),
            headers: http::HeaderMap::new(),
            body: body.to_owned().into(),
        };
        let told = read_token_response(&client, &SecretString::from("hunter2"), &response).unwrap_err();
        assert_eq!(told, format!("the auth connector `fuzz` got no token: {expected}"));
    }

    #[test]
    fn an_answer_that_is_no_token_says_what_it_is() {
        let invalid = |what: &str| format!("the token endpoint's answer is not a token response ({what})");
        check(
            302,
            "",
            &invalid("it answered 302 Found, a redirect that names no place, which is not followed"),
        );
        check(
            307,
            "<a>moved</a>",
            &invalid(
                "it answered 307 Temporary Redirect, a redirect that names no place, which is not followed",
            ),
        );
        check(500, "<html>", &invalid("it answered 500 Internal Server Error without an error of OAuth"));
        check(404, "{\"detail\": 1}", &invalid("it answered 404 Not Found without an error of OAuth"));
        check(401, "{\"error\": \"invalid_client\"}", "the token endpoint refused: invalid_client");
        check(
            400,
            "{\"errorCode\": \"E1\", \"errorSummary\": \"no hunter2 here\"}",
            "the token endpoint refused: 400 Bad Request, E1, no *** here",
        );
        check(
            401,
            &"x".repeat(1_000),
            &format!("the token endpoint refused: 401 Unauthorized, {}", "x".repeat(182)),
        );
        check(
            503,
            "{\"error\": \"temporarily_unavailable\"}",
            "the token endpoint cannot serve now: it answered 503 Service Unavailable: temporarily_unavailable",
        );
        check(200, "{\"token_type\": \"bearer\"}", &invalid("`access_token` is missing"));
        check(200, "{\"token_type\": \"bearer\", \"access_token\": 1}", &invalid("at `access_token`"));
    }
}
