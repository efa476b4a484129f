//! The credentials that the example upstream knows, and how it checks them.
//!
//! Each is written once here; staging and production have their own, with the
//! environment's name at the end: `demo-bearer-token`, `demo-bearer-token-staging`.
//! They are public, so nothing here compares in constant time.

use axum::http::{StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::wire::{Call, Reply, decode};

pub(super) const ORDERS_TOKEN: &str = "demo-bearer-token";
pub(super) const HELPDESK_TOKEN: &str = "demo-helpdesk-token";
pub(super) const HELPDESK_KEY: &str = "demo-internal-key";
pub(super) const CLIENT_ID: &str = "demo-client";
pub(super) const CLIENT_SECRET: &str = "demo-client-secret";
pub(super) const CRM_KEY: &str = "demo-query-key";
pub(super) const LOYALTY_KEY: &str = "demo-cookie-key";
pub(super) const BILLING_KEY: &str = "demo-header-key";
pub(super) const ACCOUNTS_USER: &str = "demo-user";
pub(super) const ACCOUNTS_PASSWORD: &str = "demo-password";
pub(super) const MODEL_KEY: &str = "demo-model-key";

/// Everything that must not be shown.
pub(super) const SECRETS: [&str; 9] = [
    ORDERS_TOKEN,
    HELPDESK_TOKEN,
    HELPDESK_KEY,
    CLIENT_SECRET,
    CRM_KEY,
    LOYALTY_KEY,
    BILLING_KEY,
    ACCOUNTS_PASSWORD,
    MODEL_KEY,
];

/// Whose credentials a caller has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Environment {
    Development,
    Staging,
    Production,
}

/// The environment for which `given` is the credential `known`.
pub(super) fn environment(known: &str, given: &str) -> Option<Environment> {
    match given.strip_prefix(known)? {
        "" => Some(Environment::Development),
        "-staging" => Some(Environment::Staging),
        "-production" => Some(Environment::Production),
        _ => None,
    }
}

/// `Authorization: Bearer <token>`; the token as sent.
pub(super) fn bearer_token(call: &Call) -> Result<&str, Reply> {
    authorization(call, "bearer").ok_or_else(|| {
        unauthorized("send `Authorization: Bearer <token>`")
            .header(header::WWW_AUTHENTICATE, "Bearer realm=\"callgate demo\"")
    })
}

/// `Authorization: Bearer` with the token `known`.
pub(super) fn bearer(call: &Call, known: &str) -> Result<Environment, Reply> {
    environment(known, bearer_token(call)?).ok_or_else(invalid_token)
}

/// The answer to a token that is not (or no longer) good (RFC 6750 section 3.1).
pub(super) fn invalid_token() -> Reply {
    unauthorized("this token is wrong or has expired")
        .header(header::WWW_AUTHENTICATE, "Bearer realm=\"callgate demo\", error=\"invalid_token\"")
}

/// `Authorization: Basic` with `user` and the password `known` (RFC 7617).
pub(super) fn basic(call: &Call, user: &str, known: &str) -> Result<Environment, Reply> {
    let good = basic_pair(call)
        .and_then(|(name, password)| (name == user).then(|| environment(known, &password))?);
    good.ok_or_else(|| {
        unauthorized("send `Authorization: Basic` with the right user name and password")
            .header(header::WWW_AUTHENTICATE, "Basic realm=\"callgate demo\"")
    })
}

/// User name and password of `Authorization: Basic`, as sent.
pub(super) fn basic_pair(call: &Call) -> Option<(String, String)> {
    let bytes = STANDARD.decode(authorization(call, "basic")?).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

/// Client id and secret of `Authorization: Basic`, form-decoded (RFC 6749 section 2.3.1).
pub(super) fn client_pair(call: &Call) -> Option<(String, String)> {
    basic_pair(call).map(|(id, secret)| (decode(&id), decode(&secret)))
}

/// The key `known` in the header `name`.
pub(super) fn header_key(call: &Call, name: &str, known: &str) -> Result<Environment, Reply> {
    let good = call.header(name).and_then(|given| environment(known, given));
    good.ok_or_else(|| unauthorized(format!("the header {name} is missing or holds a wrong key")))
}

/// The key `known` in the query parameter `name`.
pub(super) fn query_key(call: &Call, name: &str, known: &str) -> Result<Environment, Reply> {
    let good = call.query(name).and_then(|given| environment(known, given));
    good.ok_or_else(|| unauthorized(format!("the query parameter {name} is missing or holds a wrong key")))
}

/// The key `known` in the cookie `name` (RFC 6265 section 4.2).
pub(super) fn cookie_key(call: &Call, name: &str, known: &str) -> Result<Environment, Reply> {
    let cookies = call.headers.get_all(header::COOKIE);
    let good = cookies
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .filter(|(key, _)| *key == name)
        .find_map(|(_, given)| environment(known, given.trim_matches('"')));
    good.ok_or_else(|| unauthorized(format!("the cookie {name} is missing or holds a wrong key")))
}

fn unauthorized(message: impl Into<String>) -> Reply {
    Reply::error(StatusCode::UNAUTHORIZED, "unauthorized", message)
}

/// What follows the scheme in `Authorization`.
fn authorization<'a>(call: &'a Call, scheme: &str) -> Option<&'a str> {
    let (found, rest) = call.header("authorization")?.split_once(' ')?;
    found.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}
