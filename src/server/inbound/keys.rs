//! Keys of those who may call.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::http::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::settings::{
    IdRule, KeySettings, Product, RateSettings, Settings, Sharing, WebhookConversations, WebhookRule,
};
use crate::tool::{Owner, Scope, ToolCallIds};

use super::rate::{Charge, KeyRate};
use crate::server::problem::{ProblemCode, ProblemDocument};

/// A key may come in this header too, for callers that cannot set `Authorization`.
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Where a browser says whether a page of another site asks (W3C Fetch Metadata).
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Where a browser says what a request is for (W3C Fetch Metadata): `document` where a person opens a page.
const FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

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
        let key = format!("{PREFIX}{}", HEXLOWER.encode(&bytes));
        let hash = format!("sha256:{}", HEXLOWER.encode(&digest(&key)));
        Ok(Self { key, hash })
    }
}

/// The keys of a deployment. None at all means that everybody may call, which
/// only a loopback address allows.
#[derive(Clone, Debug)]
pub(in crate::server) struct Keys {
    keys: Vec<Key>,
    /// Whose conversations the calls of a product's webhook belong to, where no key lets it in.
    webhooks: Vec<(Product, Owner)>,
    /// What the webhook of a product must show.
    rules: Vec<(Product, WebhookRule)>,
    /// The agents that answer Retell's phone calls.
    retell_agents: Vec<RetellAgent>,
}

/// An agent that answers Retell's phone calls.
#[derive(Clone, Debug)]
pub(in crate::server) struct RetellAgent {
    /// Its name.
    pub(in crate::server) name: String,
    /// The name of the secret that Retell knows.
    pub(in crate::server) secret: String,
    /// Whether its model may end a call.
    pub(in crate::server) may_end_call: bool,
    /// Whose conversations its calls belong to; `None`: those that are shared.
    pub(in crate::server) owner: Option<Owner>,
}

#[derive(Clone, Debug)]
struct Key {
    name: String,
    digest: [u8; 32],
    environments: Option<Vec<String>>,
    admin: bool,
    rate: Option<Arc<KeyRate>>,
    /// Whose conversations its calls belong to; `None`: those that are shared.
    owner: Option<Owner>,
    tool_call_ids: ToolCallIds,
}

impl Keys {
    /// Takes the keys of `settings`; `common` is the rate of those that have none. A rate that is the same as in
    /// `previous` goes on where it stands.
    pub(in crate::server) fn new(
        settings: &Settings,
        common: Option<&RateSettings>,
        previous: Option<&Self>,
    ) -> Self {
        let keys = settings.keys.iter().filter_map(|key| {
            let digest = key.hash.strip_prefix("sha256:")?;
            let digest: [u8; 32] = HEXLOWER_PERMISSIVE.decode(digest.as_bytes()).ok()?.try_into().ok()?;
            let rate = key.rate.as_ref().or(common).map(|rate| {
                let former =
                    previous.into_iter().flat_map(|keys| &keys.keys).find(|key| key.digest == digest);
                let former = former.and_then(|key| key.rate.as_ref()).filter(|former| former.is_for(rate));
                former.cloned().unwrap_or_else(|| Arc::new(KeyRate::new(rate)))
            });
            Some(Key {
                name: key.name.clone(),
                digest,
                environments: key.environments.clone(),
                admin: key.admin,
                rate,
                owner: owner(key),
                tool_call_ids: match key.tool_call_ids {
                    IdRule::Auto => ToolCallIds::Auto,
                    IdRule::Unique => ToolCallIds::Unique,
                    IdRule::PerTurn => ToolCallIds::PerTurn,
                },
            })
        });
        let owner_of = |product: Product, of: &WebhookConversations| match &of.conversations_of {
            Some(name) => settings.keys.iter().find(|key| key.name == *name).and_then(owner),
            None => (of.conversations == Sharing::Own).then(|| Owner::webhook(product.name())),
        };
        let webhooks = settings.webhooks.conversations().into_iter();
        let webhooks = webhooks.filter_map(|(product, of)| Some((product, owner_of(product, &of)?)));
        let retell_agents = settings.agents.retell.iter().map(|(name, agent)| RetellAgent {
            name: name.clone(),
            secret: agent.secret.clone(),
            may_end_call: agent.end_call,
            owner: owner_of(Product::Retell, &agent.conversations()),
        });
        Self {
            keys: keys.collect(),
            webhooks: webhooks.collect(),
            rules: settings.webhooks.rules(),
            retell_agents: retell_agents.collect(),
        }
    }

    pub(in crate::server) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// What the webhook of a product must show; where that is nothing, the keys guard it.
    pub(in crate::server) fn rules_of(&self, product: Product) -> impl Iterator<Item = &WebhookRule> {
        self.rules.iter().filter(move |(one, _)| *one == product).map(|(_, rule)| rule)
    }

    /// Whether the webhook of a product must show anything but a key.
    pub(in crate::server) fn has_rules_of(&self, product: Product) -> bool {
        self.rules_of(product).next().is_some()
    }

    /// Whose conversations the calls of a product's webhook belong to, where no key lets it in; `None`: those that are
    /// shared.
    pub(in crate::server) fn webhook_owner(&self, product: Product) -> Option<&Owner> {
        self.webhooks.iter().find(|(one, _)| *one == product).map(|(_, owner)| owner)
    }

    /// The agents that answer Retell's phone calls.
    pub(in crate::server) fn retell_agents(&self) -> &[RetellAgent] {
        &self.retell_agents
    }

    /// Who `key` is. Every key is compared, each in constant time.
    fn find(&self, key: &str) -> Option<Caller> {
        let digest = digest(key);
        let mut found = None;
        for known in &self.keys {
            let same: Choice = known.digest.as_slice().ct_eq(digest.as_slice());
            if bool::from(same) {
                let charge = known.rate.clone().map(Charge::new);
                let name = Some(known.name.clone());
                found = Some(Caller {
                    name,
                    environments: known.environments.clone(),
                    admin: known.admin,
                    charge,
                    owner: known.owner.clone(),
                    tool_call_ids: known.tool_call_ids,
                });
            }
        }
        found
    }
}

/// Whose conversations the calls of a key belong to.
fn owner(key: &KeySettings) -> Option<Owner> {
    (key.conversations == Sharing::Own).then(|| Owner::key(&key.name))
}

/// Somebody who may call.
#[derive(Clone, Debug, Default)]
pub(in crate::server) struct Caller {
    /// The name of the key; `None` where no keys guard the gateway.
    name: Option<String>,
    /// The environments allowed; `None` for all.
    environments: Option<Vec<String>>,
    admin: bool,
    /// What the request takes of the key's rate, if it has one.
    charge: Option<Charge>,
    /// Whose conversations its calls belong to; `None`: those that are shared.
    owner: Option<Owner>,
    tool_call_ids: ToolCallIds,
}

impl Caller {
    /// What the ids of its calls stand for.
    pub(in crate::server) fn tool_call_ids(&self) -> ToolCallIds {
        self.tool_call_ids
    }

    /// The name of the key.
    pub(in crate::server) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whose conversations its calls belong to; `None`: those that are shared.
    pub(in crate::server) fn owner(&self) -> Option<&Owner> {
        self.owner.as_ref()
    }

    /// The conversations of `environment` that the caller sees.
    pub(in crate::server) fn scope(&self, environment: &str) -> Scope {
        Scope::of(environment, self.owner())
    }

    /// Whether the caller may act on the whole deployment.
    pub(in crate::server) fn is_admin(&self) -> bool {
        self.admin
    }

    /// Accepts only a caller that may act on the whole deployment.
    ///
    /// # Errors
    ///
    /// The key has no `admin = true`.
    pub(in crate::server) fn must_be_admin(&self) -> Result<(), ProblemDocument> {
        if self.admin {
            return Ok(());
        }
        let detail = "this key may not: give it `admin = true` in callgate.toml";
        Err(ProblemDocument::new(ProblemCode::AdminOnly, detail))
    }

    /// The same, for a key that is for all environments.
    ///
    /// # Errors
    ///
    /// The key has no `admin = true`, or is limited to some environments: definitions belong to all of them.
    pub(in crate::server) fn must_be_admin_of_all(&self) -> Result<(), ProblemDocument> {
        self.must_be_admin()?;
        if self.environments.is_none() {
            return Ok(());
        }
        let detail = "this key is for some environments only, and definitions are of all; use one without `environments`";
        Err(ProblemDocument::new(ProblemCode::AdminOnly, detail))
    }

    pub(in crate::server) fn charge(&self) -> Option<Charge> {
        self.charge.clone()
    }

    /// Takes `calls` of the key's rate besides the one that every request takes.
    ///
    /// # Errors
    ///
    /// The key calls too often.
    pub(in crate::server) fn charge_more(&self, calls: usize) -> Result<(), ProblemDocument> {
        self.charge.as_ref().map_or(Ok(()), |charge| charge.take(calls))
    }

    /// The environment of a request: the one it names, else the only one there is.
    pub(in crate::server) fn environment(
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
    pub(in crate::server) fn may_use(&self, environment: &str) -> bool {
        self.environments.as_ref().is_none_or(|own| own.iter().any(|name| name == environment))
    }
}

/// Who sends a request with these headers to this target.
///
/// # Errors
///
/// Nobody who may.
pub(in crate::server) fn identify(
    keys: &Keys,
    headers: &HeaderMap,
    target: &Uri,
) -> Result<Caller, ProblemDocument> {
    if keys.is_empty() {
        return from_this_machine(headers, target).map(|()| Caller { admin: true, ..Caller::default() });
    }
    let Some(key) = sent_key(headers) else {
        return Err(ProblemDocument::new(
            ProblemCode::Unauthorized,
            "a key is needed: `Authorization: Bearer cg_…` or `X-API-Key: cg_…`; `callgate keygen` makes one",
        ));
    };
    keys.find(key)
        .ok_or_else(|| ProblemDocument::new(ProblemCode::Unauthorized, "this key is not known here"))
}

fn sent_key(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|text| {
        let (scheme, key) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    bearer.or_else(|| headers.get(API_KEY)?.to_str().ok())
}

/// Whether a browser may be shown the page at `/console/`, which holds nothing of the project. A link on another page
/// may lead to it; what the page asks of the API is judged as any other request.
///
/// # Errors
///
/// No keys guard the gateway, and the request names it by a name that is not this machine's own.
pub(in crate::server) fn may_see_the_page(
    keys: &Keys,
    headers: &HeaderMap,
    target: &Uri,
) -> Result<(), ProblemDocument> {
    let is_opened = headers.get(FETCH_DEST).is_some_and(|kind| kind == "document");
    match keys.is_empty() {
        true if is_opened => named_as_this_machine(headers, target).map(drop),
        true => from_this_machine(headers, target),
        false => Ok(()),
    }
}

/// Without keys, any web page that a developer has open could call a gateway on
/// loopback. A browser says which page asks (`Origin`, `Sec-Fetch-Site`) and under which name it
/// knows the gateway (`Host`, or the target of the request where that names one, as in HTTP/2): pages of other origins
/// are refused, and so are names that somebody has pointed at this machine (DNS rebinding).
fn from_this_machine(headers: &HeaderMap, target: &Uri) -> Result<(), ProblemDocument> {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = named_as_this_machine(headers, target)?;
    let is_own = text(ORIGIN).is_none_or(|origin| host_of(origin) == Some(host));
    // A GET for an image or a link has no origin, but says what it comes from.
    let is_near = text(FETCH_SITE).is_none_or(|site| ["same-origin", "none"].contains(&site));
    if is_own && is_near {
        return Ok(());
    }
    Err(ProblemDocument::new(
        ProblemCode::ForeignOrigin,
        "a page of another origin may not call a gateway without keys; add a key with `callgate keygen`",
    ))
}

/// The name that a request calls the gateway by, if it can only be this machine's.
fn named_as_this_machine<'a>(headers: &'a HeaderMap, target: &'a Uri) -> Result<&'a str, ProblemDocument> {
    let Some(host) = host(headers, target) else {
        return Err(ProblemDocument::new(
            ProblemCode::ForeignOrigin,
            "the request names no host; a gateway without keys is called as localhost or 127.0.0.1 (`Host`)",
        ));
    };
    if let Some(host) = hosts(headers, target).find(|host| !is_loopback(host)) {
        return Err(ProblemDocument::new(
            ProblemCode::ForeignOrigin,
            format!(
                "`{}` is not this machine's own name; a gateway without keys is called as localhost or 127.0.0.1, or add a key with `callgate keygen`",
                excerpt(host)
            ),
        ));
    }
    Ok(host)
}

/// The names that a request calls the gateway by: the authority of its target, and each `Host`.
fn hosts<'a>(headers: &'a HeaderMap, target: &'a Uri) -> impl Iterator<Item = &'a str> {
    let named = headers.get_all(HOST).into_iter().map(|value| value.to_str().unwrap_or("?"));
    target.authority().map(Authority::as_str).into_iter().chain(named)
}

/// The name that a request calls the gateway by.
pub(in crate::server) fn host<'a>(headers: &'a HeaderMap, target: &'a Uri) -> Option<&'a str> {
    hosts(headers, target).next()
}

/// The host of an origin, with its port where it has one.
pub(in crate::server) fn host_of(origin: &str) -> Option<&str> {
    origin.split_once("://").map(|(_, host)| host)
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

pub(in crate::server) fn excerpt(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_keeps_the_count_of_a_key_whose_rate_stays() {
        let key = |rate: Option<f64>| KeySettings {
            name: "one".to_owned(),
            hash: format!("sha256:{}", HEXLOWER.encode(&digest("cg_one"))),
            environments: None,
            tool_call_ids: IdRule::Auto,
            rate: rate.map(|per_second| RateSettings { per_second, burst: Some(2) }),
            ..KeySettings::default()
        };
        let settings = |rate: Option<f64>| {
            let mut settings = Settings::default();
            settings.keys = vec![key(rate)];
            settings
        };
        let left = |keys: &Keys| keys.find("cg_one").unwrap().charge().map(|charge| charge.take(2).is_ok());
        let before = Keys::new(&settings(Some(0.001)), None, None);
        assert_eq!((left(&before), left(&before)), (Some(true), Some(false)));
        let same = Keys::new(&settings(Some(0.001)), None, Some(&before));
        assert_eq!(left(&same), Some(false));
        let common = RateSettings { per_second: 0.001, burst: Some(2) };
        assert_eq!(left(&Keys::new(&settings(None), Some(&common), Some(&before))), Some(false));
        assert_eq!(left(&Keys::new(&settings(Some(0.002)), None, Some(&before))), Some(true));
        assert_eq!(left(&Keys::new(&settings(None), None, Some(&before))), None);
        assert!(before.find("cg_two").is_none());
    }
}
