//! Settings of the process: `callgate.toml`, then `CALLGATE_…` variables.

mod agents;
mod extract;
mod feature;
mod keys;
mod sections;
mod store;
mod text;
mod variables;
mod webhooks;

pub use self::agents::{AgentSettings, RetellAgentSettings};
pub use self::feature::{Feature, LacksFeature};
pub use self::keys::{IdRule, KeySettings, RateSettings, Sharing};
pub use self::sections::{
    ConversationSettings, EgressSettings, LimitSettings, LogFormat, LogSettings, McpSettings,
    SealingSettings, SecretSettings, ServerSettings, Settings, TraceSettings, schema,
};
pub use self::store::{StoreBackend, StoreSettings, StoreUrl};
pub use self::webhooks::{
    ElevenLabsSettings, HashName, HmacAlgorithm, HmacRule, HmacSettings, Product, RetellSettings,
    SignatureEncoding, VapiSettings, WebhookConversations, WebhookRule, WebhookSettings,
};

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;
use serde_json::{Map, Value};
use url::Url;

use crate::definition::schema::Checker;
use crate::definition::{Document, Format, Problem, Problems, read_document, salvage_toml};
use crate::egress::{InvalidRule, Outlet, Policy};
use crate::secrets::Sources;
use callgate_text::closest;

use self::extract::extract;
use self::variables::{Variable, lay_over};

/// The file that holds the settings of a deployment.
pub const FILE: &str = "callgate.toml";

impl Settings {
    /// Reads `callgate.toml` of the project directory `dir`, if there is one,
    /// and the environment variables over it.
    pub fn load(dir: &Path, problems: &mut Problems) -> Self {
        let path = dir.join(FILE);
        if !path.exists() {
            return Self::merge(Map::new(), None, problems);
        }
        match read_document(&path, FILE) {
            Ok(document) => {
                let checked = Checker::new(schema(), false).check(&document);
                let mut table = table_of(&document);
                // What is wrong is set aside; the rest still holds for what is judged after it.
                table.retain(|key, _| checked.value.get(key).is_some());
                problems.extend(checked.problems);
                Self::merge(table, Some(Arc::new(document)), problems)
            }
            Err(errors) => {
                // Which environments there are decides what else is judged.
                let is_text = !errors.iter().any(|error| error.code == "unreadable");
                let text = is_text.then(|| std::fs::read_to_string(&path).ok()).flatten().unwrap_or_default();
                let environments = salvage_toml(&text).get("environments").cloned();
                problems.extend(errors);
                let environments = environments.and_then(|names| serde_json::from_value(names).ok());
                let settings = Self::merge(Map::new(), None, problems);
                Self { environments: settings.environments.clone().or(environments), ..settings }
            }
        }
    }

    /// Reads settings that are at hand already, and the environment variables over them.
    pub fn from_text(text: &str, problems: &mut Problems) -> Self {
        let table = Document::parse(FILE, text, Format::Toml).map(|document| table_of(&document));
        Self::merge(table.unwrap_or_default(), None, problems)
    }

    fn merge(
        mut merged: Map<String, Value>,
        document: Option<Arc<Document>>,
        problems: &mut Problems,
    ) -> Self {
        let mut set = Vec::new();
        for Variable { name, pointer, settings } in variables::read(problems) {
            lay_over(&mut merged, settings);
            set.push((pointer, name));
        }
        let merged = Value::Object(merged);
        match extract::<Self>(&merged) {
            Ok(settings) => {
                let settings = Self { document, variables: set, ..settings };
                settings.check(problems);
                settings
            }
            Err(unfit) => {
                let environments = merged.get("environments").and_then(|names| extract(names).ok());
                let settings = Self { environments, document, variables: set, ..Self::default() };
                let message = format!("`{}` {}", unfit.path.join("."), unfit.reason);
                problems.push(settings.error(&format!("/{}", unfit.path.join("/")), message));
                settings
            }
        }
    }

    /// What types alone do not say: names, what belongs together.
    fn check(&self, problems: &mut Problems) {
        // What was wrong has been set aside: then nothing tells what is missing.
        let is_whole = !problems.has_errors();
        if is_whole && self.store.backend == StoreBackend::Redis && self.store.url.is_none() {
            let message = "the backend `redis` needs the `url` of its server";
            problems.push(
                self.error("/store/backend", message)
                    .hint("such as `url = \"redis://127.0.0.1:6379/0\"` in [store], or CALLGATE_STORE__URL"),
            );
        }
        if is_whole && self.store.share_tokens && self.sealing.keys.is_empty() {
            let message = "`share_tokens` needs a key, by which tokens are sealed";
            problems.push(
                self.error("/store/share_tokens", message)
                    .hint("name a secret in `keys` of [sealing]; `callgate keygen --sealing` makes one"),
            );
        }
        self.check_features(problems);
        let mut seen = BTreeSet::new();
        for name in self.environments.iter().flatten().filter(|name| !seen.insert(*name)) {
            let message = format!("the environment `{name}` is given twice");
            problems.push(self.error("/environments", message));
        }
        let mut seen = BTreeSet::new();
        for (index, key) in self.keys.iter().enumerate().filter(|(_, key)| !seen.insert(&key.name)) {
            let message = format!("two keys are called `{}`", key.name);
            problems.push(
                self.error(&format!("/keys/{index}/name"), message)
                    .hint("give each key the name of its holder, so that one can be taken away"),
            );
        }
        let vapi =
            self.webhooks.vapi.as_ref().is_some_and(|vapi| vapi.secret.is_none() && vapi.hmac.is_none());
        let elevenlabs = self.webhooks.elevenlabs.as_ref();
        let elevenlabs = elevenlabs.is_some_and(|one| one.secret.is_none() && one.signature_secret.is_none());
        for (name, keys, _) in [
            ("vapi", "`secret` or `hmac`", vapi),
            ("elevenlabs", "`secret` or `signature_secret`", elevenlabs),
        ]
        .into_iter()
        .filter(|(_, _, empty)| *empty)
        {
            let message = format!("`[webhooks.{name}]` names no secret, so it guards nothing");
            problems.push(
                self.error(&format!("/webhooks/{name}"), message)
                    .hint(format!("set {keys}, or take the section out: a key is wanted then")),
            );
        }
        let webhooks = self.webhooks.conversations().into_iter();
        let webhooks = webhooks.map(|(product, of)| (format!("/webhooks/{}", product.name()), of));
        let agents = self.agents.retell.iter();
        let agents = agents.map(|(name, agent)| (format!("/agents/retell/{name}"), agent.conversations()));
        for (section, of) in webhooks.chain(agents) {
            let Some(key) = &of.conversations_of else { continue };
            let at = format!("{section}/conversations_of");
            let names = self.keys.iter().map(|key| key.name.as_str());
            if !names.clone().any(|name| name == key) {
                let near = closest(key, names);
                let hint = near.map_or("give the `name` of one of [[keys]]".to_owned(), |near| {
                    format!("did you mean `{near}`?")
                });
                problems.push(self.error(&at, format!("there is no key `{key}`")).hint(hint));
            } else if of.conversations == Sharing::Own {
                let message = "`conversations = \"own\"` and `conversations_of` contradict each other";
                problems.push(self.error(&at, message).hint("keep one of the two"));
            }
        }
        let mut seen = BTreeMap::new();
        for (name, agent) in &self.agents.retell {
            if let Some(other) = seen.insert(&agent.secret, name) {
                let message = format!(
                    "the agents `{other}` and `{name}` have one secret: it tells which of the two is called"
                );
                let at = format!("/agents/retell/{name}/secret");
                problems.push(self.error(&at, message).hint("give each of them a secret of its own"));
            }
        }
        if let Some(problem) = self.server.public_url.as_deref().and_then(public_url_problem) {
            let message = format!("`public_url` {problem}");
            problems
                .push(self.error("/server/public_url", message).hint("such as `https://gate.example.com`"));
        }
        if let Err(message) = crate::telemetry::check(&self.log) {
            problems.push(self.error("/log/level", message).hint("such as `info`, or `warn,callgate=debug`"));
        }
        if is_whole && self.is_exposed() {
            let message = format!(
                "`{}` is not loopback, and no key guards it: `serve` refuses this",
                self.server.listen
            );
            problems.push(
                self.warning("/server/listen", "exposed", message)
                    .hint("run `callgate keygen` and add its [[keys]]"),
            );
        }
    }

    /// What the settings ask for and this build lacks.
    fn check_features(&self, problems: &mut Problems) {
        let wants_redis = self.store.backend == StoreBackend::Redis;
        for (feature, is_wanted, pointer) in [
            (Feature::Redis, wants_redis, "/store/backend"),
            (Feature::Otlp, self.traces.endpoint.is_some(), "/traces/endpoint"),
        ] {
            if is_wanted && !feature.is_built() {
                let message = format!("this build of callgate lacks the feature `{feature}`");
                problems.push(self.error(pointer, message).hint(feature.hint()));
            }
        }
        if self.mcp != McpSettings::default() && !Feature::Mcp.is_built() {
            let message = "this section sets nothing: this build of callgate lacks the feature `mcp`";
            problems.push(self.warning("/mcp", "lacks_feature", message).hint(Feature::Mcp.hint()));
        }
    }

    /// An error about the value at `pointer`: where it stands in `callgate.toml`, else by the
    /// variable that sets it.
    pub fn error(&self, pointer: &str, message: impl Into<String>) -> Problem {
        let (file, place) = self.written(pointer);
        Problem::error(file, place, "invalid_setting", message)
    }

    /// A warning about the value at `pointer`, as [`Settings::error`].
    pub fn warning(&self, pointer: &str, code: &'static str, message: impl Into<String>) -> Problem {
        let (file, place) = self.written(pointer);
        Problem::warning(file, place, code, message)
    }

    fn written(&self, pointer: &str) -> (&str, (usize, usize)) {
        // A variable wins over the file.
        let variable = self.variables.iter().find(|(set, _)| Variable::sets(set, pointer));
        if let Some((_, name)) = variable {
            return (name, (0, 0));
        }
        let is_written = self.document.as_ref().filter(|document| document.value.pointer(pointer).is_some());
        let below = self.variables.iter().find(|(set, _)| Variable::sets(pointer, set));
        match (is_written, below) {
            (None, Some((_, name))) => (name, (0, 0)),
            _ => (FILE, self.document.as_ref().map_or((0, 0), |document| document.at_value(pointer))),
        }
    }

    /// The way out of `environment`; what is wrong with it is added to `problems`.
    pub fn outlet(&self, environment: &str, problems: &mut Problems) -> Outlet {
        let settings = self.egress.get(environment);
        let proxy = settings.and_then(|settings| settings.proxy.as_deref());
        let proxy = proxy.and_then(|proxy| {
            let pointer = format!("/egress/{environment}/proxy");
            let invalid = |message: String| {
                problems.push(self.error(&pointer, message).hint("such as http://proxy.internal:3128"));
            };
            check_proxy(proxy).map_err(invalid).ok()
        });
        let Some(rules) = settings.and_then(|settings| settings.allow.as_ref()) else {
            // Only this machine can call, and nobody has said otherwise: a developer's.
            let own = self.keys.is_empty() && self.server.listen.ip().is_loopback();
            return Outlet { policy: if own { Policy::loopback() } else { Policy::default() }, proxy };
        };
        let mut policy = Policy::default();
        for (index, rule) in rules.iter().enumerate() {
            let pointer = format!("/egress/{environment}/allow/{index}");
            match policy.allow(rule) {
                Ok(None) => {}
                Ok(Some(odd)) => {
                    problems.push(
                        self.warning(&pointer, "host_bits_set", odd).hint("write the range as it is meant"),
                    );
                }
                Err(InvalidRule { message, hint }) => {
                    problems.push(self.error(&pointer, message).maybe_hint(hint));
                }
            }
        }
        Outlet { policy, proxy }
    }

    /// Whether the network can reach the gateway while no key guards it.
    pub fn is_exposed(&self) -> bool {
        self.keys.is_empty() && !self.server.listen.ip().is_loopback()
    }

    /// Where secrets come from besides `secrets.toml`.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the process's environment")]
    pub fn secret_sources(&self) -> Sources {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| {
                let name = name.into_string().ok()?.strip_prefix(Sources::PREFIX)?.to_owned();
                Some((name, SecretString::from(value.into_string().ok()?)))
            })
            .collect();
        Sources { directory: self.secrets.directory.clone(), variables }
    }
}

/// What `document` says: a TOML file is a table.
fn table_of(document: &Document) -> Map<String, Value> {
    document.value.as_object().cloned().unwrap_or_default()
}

/// The URL of a proxy.
fn check_proxy(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("the proxy `{text}` is no URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("the proxy `{text}` does not start with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("credentials of a proxy cannot be given in its URL".to_owned());
    }
    if url.host_str().is_none_or(str::is_empty) || url.path() != "/" || url.query().is_some() {
        return Err(format!("the proxy `{text}` is more or less than a scheme, a host and a port"));
    }
    Ok(url)
}

/// What keeps `url` from being the address of the gateway, if anything does.
pub fn public_url_problem(url: &str) -> Option<&'static str> {
    let Ok(parsed) = url::Url::parse(url) else { return Some("is not a URL") };
    if !["http", "https"].contains(&parsed.scheme()) || parsed.host().is_none() {
        return Some("must start with https:// (or http://) and a host");
    }
    if parsed.query().is_some() || parsed.fragment().is_some() {
        return Some("must end with the path: no `?` and no `#`");
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Some("must not hold a user or a password");
    }
    None
}
