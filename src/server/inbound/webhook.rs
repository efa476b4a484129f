//! What the webhooks of orchestrators must show before anything of them is read.
//!
//! Rules name secrets, of which each environment has its own. A rule whose secret an
//! environment lacks refuses everything there.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use data_encoding::HEXLOWER_PERMISSIVE;
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::settings::{HmacAlgorithm, HmacRule, WebhookRule};

/// How old, or how far ahead, a signature of Vapi or Retell may be.
const TOLERANCE_MS: u64 = 5 * 60 * 1_000;
/// The same for ElevenLabs, as its documentation has it.
const ELEVENLABS_TOLERANCE_MS: u64 = 30 * 60 * 1_000;

/// A request to a webhook, before anything of it is read.
#[derive(Clone, Copy)]
pub(in crate::server) struct WebhookRequest<'a> {
    /// The HTTP method.
    pub(in crate::server) method: &'a str,
    /// The URL as the caller sees it.
    pub(in crate::server) url: &'a str,
    /// The value of a header, by its name in lowercase.
    pub(in crate::server) header: &'a dyn Fn(&str) -> Option<&'a str>,
    /// The body, byte for byte.
    pub(in crate::server) body: &'a [u8],
    /// Milliseconds since 1970.
    pub(in crate::server) now_ms: u64,
}

/// Why a webhook is refused. Says what was looked for, never what would have fitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::server) enum WebhookRefusal {
    /// The header is missing.
    #[error("the header `{0}` is missing")]
    Missing(String),
    /// It does not fit, or the environment has no secret, or is not served.
    #[error("`{0}` does not fit this body and environment")]
    Wrong(String),
    /// It is too old, or from the future.
    #[error("the signature in `{0}` is not of the last minutes: is the clock right?")]
    Stale(String),
}

/// Checks a request against every one of `rules`; `secret` knows the secrets of the environment that it names.
///
/// Gives what tells the delivery from every other where a signature covers its body and its time: a digest of what
/// was signed.
///
/// # Errors
///
/// The first rule that it does not meet. An environment that is not served, or lacks the
/// secret, is not told apart from a wrong signature.
pub(in crate::server) fn check<'s>(
    rules: impl Iterator<Item = &'s WebhookRule>,
    secret: impl Fn(&str) -> Option<&'s SecretString>,
    request: &WebhookRequest<'_>,
) -> Result<Option<[u8; 32]>, WebhookRefusal> {
    let mut signed = None;
    for rule in rules {
        let one = check_one(rule, secret(rule.secret()), request)?;
        signed = signed.or(one);
    }
    Ok(signed)
}

fn check_one(
    rule: &WebhookRule,
    secret: Option<&SecretString>,
    request: &WebhookRequest<'_>,
) -> Result<Option<[u8; 32]>, WebhookRefusal> {
    let get = |name: &str| (request.header)(name).ok_or_else(|| WebhookRefusal::Missing(name.to_owned()));
    let wrong = |name: &str| WebhookRefusal::Wrong(name.to_owned());
    match rule {
        WebhookRule::Shared { header, .. } => {
            let bearer = || (request.header)("authorization").and_then(bearer);
            let sent = (request.header)(header)
                .or_else(bearer)
                .ok_or_else(|| WebhookRefusal::Missing((*header).to_owned()))?;
            let secret = secret.ok_or_else(|| wrong(header))?;
            if same(sent, secret.expose_secret()) { Ok(None) } else { Err(wrong(header)) }
        }
        WebhookRule::Hmac(rule) => {
            let name = rule.signature_header.as_str();
            let sent = get(name)?;
            let timestamp = match rule.payload_format.contains("{timestamp}") {
                true => get(&rule.timestamp_header)?,
                false => "",
            };
            let secret = secret.ok_or_else(|| wrong(name))?;
            let key = key(rule, secret).ok_or_else(|| wrong(name))?;
            let signature = signature(rule, sent).ok_or_else(|| wrong(name))?;
            let payload = payload(rule, request, timestamp);
            hmac::verify(&key, &payload, &signature).map_err(|_| wrong(name))?;
            if timestamp.is_empty() {
                return Ok(None);
            }
            fresh(name, timestamp, TOLERANCE_MS, request.now_ms)?;
            // Where the body is not signed, two deliveries may have one signature.
            Ok(rule.payload_format.contains("{body}").then(|| Sha256::digest(&payload).into()))
        }
        WebhookRule::Retell { .. } => {
            let name = "x-retell-signature";
            let (timestamp, signature) = pair(get(name)?, "v=", "d=").ok_or_else(|| wrong(name))?;
            let secret = secret.ok_or_else(|| wrong(name))?;
            let payload = [request.body, timestamp.as_bytes()].concat();
            verify(secret, &payload, signature).ok_or_else(|| wrong(name))?;
            fresh(name, timestamp, TOLERANCE_MS, request.now_ms)?;
            Ok(Some(Sha256::digest(&payload).into()))
        }
        WebhookRule::ElevenLabs { .. } => {
            let name = "elevenlabs-signature";
            let (timestamp, signature) = pair(get(name)?, "t=", "v0=").ok_or_else(|| wrong(name))?;
            let secret = secret.ok_or_else(|| wrong(name))?;
            let payload = [timestamp.as_bytes(), b".", request.body].concat();
            verify(secret, &payload, signature).ok_or_else(|| wrong(name))?;
            fresh(name, timestamp, ELEVENLABS_TOLERANCE_MS, request.now_ms)?;
            Ok(Some(Sha256::digest(&payload).into()))
        }
    }
}

fn key(rule: &HmacRule, secret: &SecretString) -> Option<hmac::Key> {
    let algorithm = match rule.algorithm {
        HmacAlgorithm::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        HmacAlgorithm::Sha256 => hmac::HMAC_SHA256,
        HmacAlgorithm::Sha512 => hmac::HMAC_SHA512,
    };
    let secret = secret.expose_secret();
    Some(match rule.secret_is_base64 {
        true => hmac::Key::new(algorithm, &STANDARD.decode(secret).ok()?),
        false => hmac::Key::new(algorithm, secret.as_bytes()),
    })
}

fn signature(rule: &HmacRule, sent: &str) -> Option<Vec<u8>> {
    let sent = sent.trim().strip_prefix(rule.prefix.as_str())?.trim();
    if rule.is_base64 { STANDARD.decode(sent).ok() } else { HEXLOWER_PERMISSIVE.decode(sent.as_bytes()).ok() }
}

/// The signed text: one pass, so that what a value brings in is not read as a placeholder.
fn payload(rule: &HmacRule, request: &WebhookRequest<'_>, timestamp: &str) -> Vec<u8> {
    let mut payload = Vec::with_capacity(rule.payload_format.len() + request.body.len());
    let mut rest = rule.payload_format.as_str();
    while let Some(open) = rest.find('{') {
        payload.extend_from_slice(&rest.as_bytes()[..open]);
        let Some(close) = rest[open..].find('}').map(|at| open + at) else { break };
        match &rest[open + 1..close] {
            "timestamp" => payload.extend_from_slice(timestamp.as_bytes()),
            "body" => payload.extend_from_slice(request.body),
            "method" => payload.extend_from_slice(request.method.as_bytes()),
            "url" => payload.extend_from_slice(request.url.as_bytes()),
            "svix-id" => {
                payload.extend_from_slice((request.header)("svix-id").unwrap_or_default().as_bytes());
            }
            _ => payload.extend_from_slice(&rest.as_bytes()[open..=close]),
        }
        rest = &rest[close + 1..];
    }
    payload.extend_from_slice(rest.as_bytes());
    payload
}

/// The token of `Authorization: Bearer <token>`.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// `v=<digits>,d=<hex>`, as the product's own SDK reads it.
fn pair<'h>(value: &'h str, first: &str, second: &str) -> Option<(&'h str, &'h str)> {
    let (left, right) = value.trim().split_once(',')?;
    let strip = |text: &'h str, name: &str| {
        text.get(..name.len()).filter(|head| head.eq_ignore_ascii_case(name))?;
        text.get(name.len()..)
    };
    let (time, signature) = (strip(left, first)?, strip(right, second)?);
    (!time.is_empty() && time.bytes().all(|byte| byte.is_ascii_digit())).then_some((time, signature))
}

fn verify(secret: &SecretString, payload: &[u8], signature: &str) -> Option<()> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
    hmac::verify(&key, payload, &HEXLOWER_PERMISSIVE.decode(signature.as_bytes()).ok()?).ok()
}

/// Looked at after the signature, so that only who knows the secret is told about the clock.
fn fresh(name: &str, timestamp: &str, tolerance: u64, now_ms: u64) -> Result<(), WebhookRefusal> {
    let stale = || WebhookRefusal::Stale(name.to_owned());
    let time: u64 = timestamp.trim().parse().map_err(|_| stale())?;
    // Seconds until the year 5138, milliseconds from 1973 on.
    let time = if time < 100_000_000_000 { time * 1_000 } else { time };
    if time.abs_diff(now_ms) <= tolerance { Ok(()) } else { Err(stale()) }
}

/// Compares without telling by time where two texts differ, or how long they are.
pub(in crate::server) fn same(a: &str, b: &str) -> bool {
    Sha256::digest(a).as_slice().ct_eq(Sha256::digest(b).as_slice()).into()
}
