//! The token endpoint: OAuth 2.0 client credentials (RFC 6749 section 4.4).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::credentials::{self, CLIENT_ID, CLIENT_SECRET};
use super::shared::Shared;
use super::wire::{Answer, Call, Reply, first};

/// The scopes there are.
const SCOPES: [&str; 2] = ["appointments.read", "appointments.write"];
/// How long a token is good: short, so that a second one is seen to be fetched.
const EXPIRES_IN_SECONDS: u64 = 60;
/// Most tokens kept; the oldest goes first.
const MAX_TOKENS: usize = 1_000;

/// The tokens given out.
#[derive(Debug, Default)]
pub(super) struct Tokens(VecDeque<Token>);

#[derive(Debug)]
struct Token {
    value: String,
    scopes: Vec<&'static str>,
    good_until: Instant,
}

impl Tokens {
    fn keep(&mut self, token: Token) {
        let now = Instant::now();
        self.0.retain(|old| old.good_until > now);
        while self.0.len() >= MAX_TOKENS {
            self.0.pop_front();
        }
        self.0.push_back(token);
    }

    fn find(&self, value: &str) -> Option<&Token> {
        let now = Instant::now();
        self.0.iter().find(|token| token.good_until > now && token.value == value)
    }
}

/// Checks that the caller has a token with `scope`.
pub(super) fn require(tokens: &Shared<Tokens>, call: &Call, scope: &str) -> Result<(), Reply> {
    let value = credentials::bearer_token(call)?;
    let tokens = tokens.lock();
    let token = tokens.find(value).ok_or_else(credentials::invalid_token)?;
    if token.scopes.contains(&scope) {
        return Ok(());
    }
    let message = format!("the token lacks the scope {scope}");
    Err(Reply::error(StatusCode::FORBIDDEN, "insufficient_scope", message)
        .header(header::WWW_AUTHENTICATE, "Bearer realm=\"callgate demo\", error=\"insufficient_scope\""))
}

/// `POST /oauth/token`
pub(super) async fn token(State(tokens): State<Shared<Tokens>>, call: Call) -> Answer {
    let form =
        call.form().map_err(|_| invalid_request("the body must be application/x-www-form-urlencoded"))?;
    if form.iter().enumerate().any(|(at, (name, _))| form[..at].iter().any(|(earlier, _)| earlier == name)) {
        return Err(invalid_request("a parameter is given twice"));
    }
    authenticate(&call, &form)?;
    match first(&form, "grant_type") {
        Some("client_credentials") => {}
        Some(_) => return Err(refuse("unsupported_grant_type", "the grant type must be client_credentials")),
        None => return Err(invalid_request("grant_type is missing")),
    }
    let scopes = scopes(first(&form, "scope").unwrap_or_default())?;
    let token = Token {
        value: random_token("oat_")?,
        scopes,
        good_until: Instant::now() + Duration::from_secs(EXPIRES_IN_SECONDS),
    };
    let body = json!({
        "access_token": token.value,
        "token_type": "Bearer",
        "expires_in": EXPIRES_IN_SECONDS,
        "scope": token.scopes.join(" "),
    });
    tokens.lock().keep(token);
    Ok(uncached(Reply::new(StatusCode::OK, body)))
}

/// The client proves itself by Basic or in the body, not both (section 2.3).
fn authenticate(call: &Call, form: &[(String, String)]) -> Result<(), Reply> {
    let in_header = call.headers.contains_key(header::AUTHORIZATION);
    let secret = first(form, "client_secret");
    if in_header && secret.is_some() {
        return Err(invalid_request("the client proves itself in the header and in the body; choose one"));
    }
    let pair = if in_header {
        credentials::client_pair(call)
    } else {
        first(form, "client_id").zip(secret).map(|(id, secret)| (id.to_owned(), secret.to_owned()))
    };
    let known = pair.and_then(|(id, secret)| {
        let client = credentials::environment(CLIENT_ID, &id)?;
        (credentials::environment(CLIENT_SECRET, &secret)? == client).then_some(())
    });
    known.ok_or_else(|| {
        let body = json!({"error": "invalid_client", "error_description": "unknown client or wrong secret"});
        uncached(Reply::new(StatusCode::UNAUTHORIZED, body))
            .header(header::WWW_AUTHENTICATE, "Basic realm=\"callgate demo\"")
    })
}

/// The scopes asked for; all of them where none is named.
fn scopes(asked: &str) -> Result<Vec<&'static str>, Reply> {
    let mut scopes = Vec::new();
    for name in asked.split(' ').filter(|name| !name.is_empty()) {
        let known = SCOPES.into_iter().find(|scope| *scope == name);
        let scope = known.ok_or_else(|| {
            refuse("invalid_scope", "the scopes are appointments.read and appointments.write")
        })?;
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    Ok(if scopes.is_empty() { SCOPES.to_vec() } else { scopes })
}

/// `prefix` and 256 random bits.
pub(super) fn random_token(prefix: &str) -> Result<String, Reply> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| {
        Reply::error(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "the system gives no random numbers")
    })?;
    Ok(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

fn invalid_request(description: &str) -> Reply {
    refuse("invalid_request", description)
}

/// An error as section 5.2 writes it.
fn refuse(error: &str, description: &str) -> Reply {
    uncached(Reply::new(StatusCode::BAD_REQUEST, json!({"error": error, "error_description": description})))
}

fn uncached(reply: Reply) -> Reply {
    reply.header(header::CACHE_CONTROL, "no-store").header(header::PRAGMA, "no-cache")
}
