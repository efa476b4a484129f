//! A door for `fuzz/`: steps that have no public way in, because nobody else
//! needs one. No promise is made about anything here.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use secrecy::SecretString;
use serde_json::value::RawValue;

use crate::action::{Action, OAuth2Client, ValueSource};
use crate::definition::ClientAuthentication;
use crate::egress::Response;
use crate::executor::{StateLimits, States};
use crate::secrets::{Keyring, SealingKey};
use crate::{auth, executor};

pub use callgate_model as model;

fn response(status: u16, media_type: &str, body: &[u8]) -> Response {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(media_type) {
        headers.insert(CONTENT_TYPE, value);
    }
    let status = StatusCode::from_u16(status).unwrap_or_default();
    Response { status, headers, body: Bytes::copy_from_slice(body) }
}

/// What opens the states of an environment `production`, by a key that nobody knows.
pub fn states() -> States {
    let key = SealingKey::read(&SecretString::from("07".repeat(32)));
    let keyring = Keyring::new(key.into_iter().collect()).map(Arc::new);
    let keyrings = HashMap::from_iter(keyring.map(|keyring| ("production".to_owned(), keyring)));
    States::new(keyrings, StateLimits::default())
}

/// What a model is shown of an answer.
pub fn shown(
    action: &Action,
    status: u16,
    media_type: &str,
    body: &[u8],
    max_chars: usize,
) -> Option<Box<RawValue>> {
    executor::shown(action, response(status, media_type, body), max_chars)
}

/// How long the token of a token response can be used, or what the log says of
/// it; the client's secret is `secret`.
///
/// # Errors
///
/// As a call that needs the token would fail.
pub fn token_response(status: u16, media_type: &str, body: &[u8], secret: &str) -> Result<Duration, String> {
    let client = OAuth2Client {
        token_url: "https://tokens.test/token".to_owned(),
        client_id: ValueSource::Plain("id".to_owned()),
        client_secret: ValueSource::Plain(secret.to_owned()),
        scopes: Vec::new(),
        extra_params: Vec::new(),
        authentication: ClientAuthentication::Header,
    };
    auth::read_token_response(&client, &SecretString::from(secret), &response(status, media_type, body))
}
