//! What the webhooks of orchestrators must show before anything of them is read.
//!
//! Rules name secrets of the environment; they are resolved at load. A rule whose secret an
//! environment lacks refuses everything there.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use data_encoding::HEXLOWER_PERMISSIVE;
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::secrets::Secrets;

/// How old, or how far ahead, a signature of Vapi or Retell may be.
const TOLERANCE_MS: u64 = 5 * 60 * 1_000;
/// The same for ElevenLabs, as its documentation has it.
const ELEVENLABS_TOLERANCE_MS: u64 = 30 * 60 * 1_000;

/// A product that calls webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Product {
    /// Vapi.
    Vapi,
    /// Retell.
    Retell,
    /// ElevenLabs.
    ElevenLabs,
}

impl Product {
    /// Its name, for the audit.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vapi => "vapi",
            Self::Retell => "retell",
            Self::ElevenLabs => "elevenlabs",
        }
    }
}

/// What a webhook must show, with the names of its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookRule {
    /// The secret itself, in the header `header`, or as `Authorization: Bearer`.
    Shared {
        /// Name of the secret.
        secret: String,
        /// Name of the header, in lowercase.
        header: &'static str,
    },
    /// A signature as Vapi's HMAC credentials make it.
    Hmac(HmacRule),
    /// `X-Retell-Signature: v=<unix ms>,d=<hex>`: HMAC-SHA256 of the body and the time.
    Retell {
        /// Name of the secret that holds the API key.
        api_key: String,
    },
    /// `ElevenLabs-Signature: t=<unix s>,v0=<hex>`: HMAC-SHA256 of `<t>.<body>`.
    ElevenLabs {
        /// Name of the secret.
        secret: String,
    },
}

/// A signature as Vapi's HMAC credentials make it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HmacRule {
    /// Name of the secret.
    pub secret: String,
    /// The hash.
    pub algorithm: HmacAlgorithm,
    /// The header with the signature.
    pub signature_header: String,
    /// The header with the time, in seconds or milliseconds.
    pub timestamp_header: String,
    /// What is signed: text with `{timestamp}`, `{body}`, `{method}`, `{url}`, `{svix-id}`.
    pub payload_format: String,
    /// Whether the signature is base64, not hexadecimal.
    pub is_base64: bool,
    /// What stands before the signature in its header.
    pub prefix: String,
    /// Whether the secret is base64 of the key.
    pub secret_is_base64: bool,
}

/// A hash for HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HmacAlgorithm {
    /// SHA-1, for old receivers.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// A request to a webhook, before anything of it is read.
#[derive(Clone, Copy)]
pub struct WebhookRequest<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// The URL as the caller sees it.
    pub url: &'a str,
    /// The value of a header, by its name in lowercase.
    pub header: &'a dyn Fn(&str) -> Option<&'a str>,
    /// The body, byte for byte.
    pub body: &'a [u8],
    /// Milliseconds since 1970.
    pub now_ms: u64,
}

/// Why a webhook is refused. Says what was looked for, never what would have fitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookRefusal {
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

/// The rules of all environments.
#[derive(Debug, Default)]
pub struct Webhooks {
    rules: Vec<(Product, Vec<Check>)>,
}

/// A rule with its secret in each environment that has it.
#[derive(Debug)]
struct Check {
    rule: WebhookRule,
    secrets: Vec<(String, SecretString)>,
}

impl WebhookRule {
    /// Name of the secret.
    pub fn secret(&self) -> &str {
        match self {
            Self::Shared { secret, .. } | Self::ElevenLabs { secret } => secret,
            Self::Hmac(rule) => &rule.secret,
            Self::Retell { api_key } => api_key,
        }
    }
}

impl Webhooks {
    /// Resolves the secrets of `rules`; all rules of a product must be met.
    pub fn build(
        rules: impl IntoIterator<Item = (Product, WebhookRule)>,
        environments: &[String],
        secrets: &Secrets,
    ) -> Self {
        let mut all: Vec<(Product, Vec<Check>)> = Vec::new();
        for (product, rule) in rules {
            let found = environments.iter().filter_map(|environment| {
                Some((environment.clone(), secrets.get(environment, rule.secret())?.clone()))
            });
            let check = Check { secrets: found.collect(), rule };
            match all.iter_mut().find(|(known, _)| *known == product) {
                Some((_, checks)) => checks.push(check),
                None => all.push((product, vec![check])),
            }
        }
        Self { rules: all }
    }

    /// Whether there are rules for `product`; without them, the keys of the gateway guard it.
    pub fn guards(&self, product: Product) -> bool {
        self.rules.iter().any(|(known, _)| *known == product)
    }

    /// Checks a request against every rule of `product`.
    ///
    /// # Errors
    ///
    /// The first rule that it does not meet. An environment that is not served, or lacks the
    /// secret, is not told apart from a wrong signature.
    ///
    /// Gives what tells the delivery from every other where a signature covers its body and its time: a digest of what
    /// was signed.
    pub fn check(
        &self,
        product: Product,
        environment: &str,
        request: &WebhookRequest<'_>,
    ) -> Result<Option<[u8; 32]>, WebhookRefusal> {
        let mut signed = None;
        let checks = self.rules.iter().filter(|(known, _)| *known == product).flat_map(|(_, checks)| checks);
        for check in checks {
            let secret = check.secrets.iter().find(|(known, _)| known == environment);
            let one = check.rule.check(secret.map(|(_, secret)| secret), request)?;
            signed = signed.or(one);
        }
        Ok(signed)
    }
}

impl WebhookRule {
    fn check(
        &self,
        secret: Option<&SecretString>,
        request: &WebhookRequest<'_>,
    ) -> Result<Option<[u8; 32]>, WebhookRefusal> {
        let get = |name: &str| (request.header)(name).ok_or_else(|| WebhookRefusal::Missing(name.to_owned()));
        let wrong = |name: &str| WebhookRefusal::Wrong(name.to_owned());
        match self {
            Self::Shared { header, .. } => {
                let bearer = || (request.header)("authorization").and_then(bearer);
                let sent = (request.header)(header)
                    .or_else(bearer)
                    .ok_or_else(|| WebhookRefusal::Missing((*header).to_owned()))?;
                let secret = secret.ok_or_else(|| wrong(header))?;
                if same(sent, secret.expose_secret()) { Ok(None) } else { Err(wrong(header)) }
            }
            Self::Hmac(rule) => {
                let name = rule.signature_header.as_str();
                let sent = get(name)?;
                let timestamp = match rule.payload_format.contains("{timestamp}") {
                    true => get(&rule.timestamp_header)?,
                    false => "",
                };
                let secret = secret.ok_or_else(|| wrong(name))?;
                let key = rule.key(secret).ok_or_else(|| wrong(name))?;
                let signature = rule.signature(sent).ok_or_else(|| wrong(name))?;
                let payload = rule.payload(request, timestamp);
                hmac::verify(&key, &payload, &signature).map_err(|_| wrong(name))?;
                if timestamp.is_empty() {
                    return Ok(None);
                }
                fresh(name, timestamp, TOLERANCE_MS, request.now_ms)?;
                // Where the body is not signed, two deliveries may have one signature.
                Ok(rule.payload_format.contains("{body}").then(|| Sha256::digest(&payload).into()))
            }
            Self::Retell { .. } => {
                let name = "x-retell-signature";
                let (timestamp, signature) = pair(get(name)?, "v=", "d=").ok_or_else(|| wrong(name))?;
                let secret = secret.ok_or_else(|| wrong(name))?;
                let payload = [request.body, timestamp.as_bytes()].concat();
                verify(secret, &payload, signature).ok_or_else(|| wrong(name))?;
                fresh(name, timestamp, TOLERANCE_MS, request.now_ms)?;
                Ok(Some(Sha256::digest(&payload).into()))
            }
            Self::ElevenLabs { .. } => {
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
}

impl HmacRule {
    fn key(&self, secret: &SecretString) -> Option<hmac::Key> {
        let algorithm = match self.algorithm {
            HmacAlgorithm::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            HmacAlgorithm::Sha256 => hmac::HMAC_SHA256,
            HmacAlgorithm::Sha512 => hmac::HMAC_SHA512,
        };
        let secret = secret.expose_secret();
        Some(match self.secret_is_base64 {
            true => hmac::Key::new(algorithm, &STANDARD.decode(secret).ok()?),
            false => hmac::Key::new(algorithm, secret.as_bytes()),
        })
    }

    fn signature(&self, sent: &str) -> Option<Vec<u8>> {
        let sent = sent.trim().strip_prefix(self.prefix.as_str())?.trim();
        if self.is_base64 {
            STANDARD.decode(sent).ok()
        } else {
            HEXLOWER_PERMISSIVE.decode(sent.as_bytes()).ok()
        }
    }

    /// The signed text: one pass, so that what a value brings in is not read as a placeholder.
    fn payload(&self, request: &WebhookRequest<'_>, timestamp: &str) -> Vec<u8> {
        let mut payload = Vec::with_capacity(self.payload_format.len() + request.body.len());
        let mut rest = self.payload_format.as_str();
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
fn same(a: &str, b: &str) -> bool {
    Sha256::digest(a).as_slice().ct_eq(Sha256::digest(b).as_slice()).into()
}
