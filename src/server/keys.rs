//! Keys of those who may call.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN};
use axum::http::request::Parts;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::settings::KeySettings;

use super::problem::{ProblemCode, ProblemDocument};
use super::state::AppState;

/// A key may come in this header too, for callers that cannot set `Authorization`.
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// How a key starts, so that a leaked one is recognised.
const PREFIX: &str = "cg_";

/// A fresh key: shown once, kept as a hash.
#[derive(Debug)]
pub struct NewKey {
    /// What the caller sends: `cg_` and 256 random bits in hexadecimal.
    pub key: String,
    /// What the settings hold: `sha256:…`.
    pub hash: String,
}

impl NewKey {
    /// Makes a key from the system's random numbers.
    ///
    /// # Errors
    ///
    /// The system gives none.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes)?;
        let key = format!("{PREFIX}{}", hex(&bytes));
        let hash = format!("sha256:{}", hex(&digest(&key)));
        Ok(Self { key, hash })
    }
}

/// The keys of a deployment. None at all means that everybody may call, which
/// only a loopback address allows.
#[derive(Clone, Debug)]
pub(super) struct Keys(Vec<Key>);

#[derive(Clone, Debug)]
struct Key {
    digest: [u8; 32],
    environments: Option<Vec<String>>,
}

impl Keys {
    pub(super) fn new(settings: &[KeySettings]) -> Self {
        let keys = settings.iter().filter_map(|key| {
            let digest = unhex(key.hash.strip_prefix("sha256:")?)?;
            Some(Key { digest, environments: key.environments.clone() })
        });
        Self(keys.collect())
    }

    /// Who `key` is. Every key is compared, each in constant time.
    fn find(&self, key: &str) -> Option<Caller> {
        let digest = digest(key);
        let mut found = None;
        for known in &self.0 {
            let same: Choice = known.digest.as_slice().ct_eq(digest.as_slice());
            if bool::from(same) {
                found = Some(Caller { environments: known.environments.clone() });
            }
        }
        found
    }
}

/// Somebody who may call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Caller {
    /// The environments allowed; `None` for all.
    environments: Option<Vec<String>>,
}

impl Caller {
    /// The environment of a request: the one it names, else the only one there is.
    pub(super) fn environment(
        &self,
        asked: Option<&str>,
        served: &[String],
    ) -> Result<String, ProblemDocument> {
        let allowed: Vec<&String> = served
            .iter()
            .filter(|name| self.environments.as_ref().is_none_or(|own| own.contains(name)))
            .collect();
        let list = || allowed.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
        // `?environment=` and `""` name none.
        match asked.filter(|name| !name.is_empty()) {
            Some(name) if allowed.iter().any(|allowed| *allowed == name) => Ok(name.to_owned()),
            Some(name) if served.iter().any(|served| served == name) => Err(ProblemDocument::new(
                ProblemCode::EnvironmentNotAllowed,
                format!("this key is not for environment `{name}`; it is for: {}", list()),
            )),
            Some(name) => Err(ProblemDocument::new(
                ProblemCode::UnknownEnvironment,
                format!("no environment `{}` is served; there are: {}", excerpt(name), list()),
            )),
            None => match allowed.as_slice() {
                [only] => Ok((*only).clone()),
                _ => Err(ProblemDocument::new(
                    ProblemCode::EnvironmentRequired,
                    format!("name an `environment`; there are: {}", list()),
                )),
            },
        }
    }

    /// Whether the caller may use `environment`.
    pub(super) fn may_use(&self, environment: &str) -> bool {
        self.environments.as_ref().is_none_or(|own| own.iter().any(|name| name == environment))
    }
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = ProblemDocument;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Self::Rejection> {
        let keys = state.keys();
        if keys.0.is_empty() {
            return from_this_machine(&parts.headers).map(|()| Self::default());
        }
        let Some(key) = sent_key(&parts.headers) else {
            return Err(ProblemDocument::new(
                ProblemCode::Unauthorized,
                "a key is needed: `Authorization: Bearer cg_…` or `X-API-Key: cg_…`; `callgate keygen` makes one",
            ));
        };
        keys.find(key)
            .ok_or_else(|| ProblemDocument::new(ProblemCode::Unauthorized, "this key is not known here"))
    }
}

fn sent_key(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|text| {
        let (scheme, key) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    bearer.or_else(|| headers.get(API_KEY)?.to_str().ok())
}

/// Without keys, any web page that a developer has open could call a gateway on
/// loopback. A browser says which page asks (`Origin`) and under which name it
/// knows the gateway (`Host`): pages of other origins are refused, and so are
/// names that somebody has pointed at this machine (DNS rebinding).
fn from_this_machine(headers: &HeaderMap) -> Result<(), ProblemDocument> {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = text(HOST);
    if let Some(host) = host.filter(|host| !is_loopback(host)) {
        return Err(ProblemDocument::new(
            ProblemCode::ForeignOrigin,
            format!(
                "`{}` is not this machine's own name; a gateway without keys is called as localhost or 127.0.0.1, or add a key with `callgate keygen`",
                excerpt(host)
            ),
        ));
    }
    let Some(origin) = text(ORIGIN) else { return Ok(()) };
    if origin.split_once("://").map(|(_, origin)| origin) == host && host.is_some() {
        return Ok(());
    }
    Err(ProblemDocument::new(
        ProblemCode::ForeignOrigin,
        "a page of another origin may not call a gateway without keys; add a key with `callgate keygen`",
    ))
}

/// Whether `host` (with or without a port) can only be this machine.
fn is_loopback(host: &str) -> bool {
    if let Ok(address) = host.parse::<SocketAddr>() {
        return address.ip().is_loopback();
    }
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

fn excerpt(text: &str) -> String {
    text.chars().take(80).collect()
}
