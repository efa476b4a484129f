//! What is served: each environment with its actions, and each action with all that a call of it needs.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::action::{Action, ActionName, Connector, Credential, HttpAction, Kind, WrittenAt};
use crate::auth::{ActionCredentials, AuthBuilder, ConnectorCredentials, ShownCredential};
use crate::catalog::{self, Catalog};
use crate::conversation::change::Change;
use crate::definition::{Problem, Problems};
use crate::egress::{EnvironmentWays, Outlet, Route, Ways, WaysBuilder};
use crate::secrets::{Keyring, Redactor, Secrets};

use super::conversation::begun::begun_by_a_call;
use super::conversation::kept_masks::KeptMasks;
use super::conversation::states::States;
use super::pace::{Expected, Pace};

/// What stands between an action's name and what a model puts around it: no action's name holds one.
const AROUND_A_NAME: [char; 6] = ['.', '/', ':', '<', '>', '|'];
/// The longest name, in bytes, in which an action's name is looked for.
const MAX_MANGLED: usize = 256;

/// Limits of the executor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecutorLimits {
    /// Largest response body, decoded.
    pub max_response_bytes: usize,
    /// Longest body that a model is shown, in characters.
    pub max_body_chars: usize,
    /// Longest URL of a request, and longest value of a header that a template fills.
    pub max_url_bytes: usize,
}

impl Default for ExecutorLimits {
    fn default() -> Self {
        Self { max_response_bytes: 2 * 1024 * 1024, max_body_chars: 15_000, max_url_bytes: 8_000 }
    }
}

/// What holds for all conversations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConversationRules {
    /// The state of a conversation that was never given one.
    pub initial_state: Option<String>,
    /// How long the start of a conversation waits for its hooks.
    pub start_budget: Duration,
    /// Names of connections, by environment, that are made ready when a conversation starts.
    pub warm: BTreeMap<String, Vec<String>>,
}

/// What a deployment is built from.
#[derive(Debug)]
pub struct Parts<'a> {
    /// All actions.
    pub catalog: Catalog,
    /// The secrets of all environments.
    pub secrets: Secrets,
    /// What the requests of each environment go through, in the order of the catalog.
    pub outlets: Vec<Outlet>,
    /// The directory of the project, to which names of certificates are relative.
    pub root: Option<&'a Path>,
    /// Limits of every call.
    pub limits: ExecutorLimits,
    /// Conversations that callers carry.
    pub states: States,
    /// Whether nodes share tokens, in environments that have keys.
    pub shares_tokens: bool,
    /// What holds for all conversations.
    pub conversations: ConversationRules,
}

/// What is served: replaced whole on reload, so that a call never sees half of
/// two projects.
#[derive(Debug)]
pub struct Deployment {
    environments: Vec<ServedEnvironment>,
    environment_names: Vec<String>,
    secrets: Secrets,
    /// Conversations that callers carry.
    pub states: States,
    /// Limits of every call.
    pub limits: ExecutorLimits,
    /// Whether nodes share tokens.
    pub shares_tokens: bool,
    /// What holds for all conversations.
    conversations: ConversationRules,
    /// What is made of a conversation that a tool call begins.
    begun: Arc<Change>,
    /// Redactors of what conversations keep to themselves.
    pub(super) kept_masks: KeptMasks,
    ways: Ways,
}

/// One environment as it is served.
#[derive(Debug)]
pub struct ServedEnvironment {
    environment: Arc<Environment>,
    /// Its actions, by name: the order in which models see them.
    pub actions: Vec<Arc<ServedAction>>,
    by_name: HashMap<String, usize>,
    connections: Vec<ServedConnection>,
    connectors: Vec<Arc<ConnectorCredentials>>,
    /// The actions whose connections and tokens are made ready when a conversation starts.
    pub(super) warm: Vec<Arc<ServedAction>>,
}

/// What all actions of an environment share.
#[derive(Debug)]
pub struct Environment {
    /// Its name.
    pub name: String,
    /// Its static variables.
    pub static_variables: Map<String, Value>,
    /// Masks its secrets.
    pub redactor: Redactor,
}

/// An action as it is served in one environment.
#[derive(Debug)]
pub struct ServedAction {
    /// What it does.
    pub action: Action,
    /// Where it is served.
    pub environment: Arc<Environment>,
    /// How its requests are sent; an HTTP action has it, and no other does.
    pub(super) upstream: Option<Arc<Upstream>>,
    /// How long its calls take; a reload keeps what it has learned.
    pub(super) pace: Arc<Pace>,
}

/// How the requests of an action are sent.
#[derive(Debug)]
pub(super) struct Upstream {
    /// What they are made of.
    pub(super) http: Arc<HttpAction>,
    /// Where they go.
    pub(super) route: Route,
    /// What they show there.
    pub(super) credentials: Arc<ActionCredentials>,
}

/// A connection as it is served: its runtime twin.
#[derive(Debug)]
struct ServedConnection {
    /// Its name, or its origin where it has none.
    name: String,
    route: Route,
}

impl Deployment {
    /// Puts together what a project compiled to; what is wrong is added to `problems`, and a deployment with
    /// errors must not be served. Connections, queues, breakers and tokens of `previous` live on where nothing of
    /// theirs has changed.
    pub fn build(parts: Parts<'_>, previous: Option<&Self>, problems: &mut Problems) -> Self {
        let Parts { catalog, secrets, outlets, root, limits, states, shares_tokens, conversations } = parts;
        let mut ways = WaysBuilder::new(root, previous.map(|previous| &previous.ways));
        let compiled = catalog.into_environments().into_iter().zip(outlets);
        let environments: Vec<ServedEnvironment> = compiled
            .map(|(compiled, outlet)| {
                let name = compiled.name.clone();
                let secret = |of: &str| secrets.get(&name, of).cloned();
                let builder = EnvironmentBuilder {
                    ways: ways.environment(&name, &outlet, &secret),
                    secrets: &secrets,
                    sharing: states.keyring(&name).filter(|_| shares_tokens),
                    former: previous.and_then(|previous| previous.environment(&name)),
                    warm: conversations.warm.get(&name).map(Vec::as_slice).unwrap_or_default(),
                    problems,
                };
                builder.build(compiled)
            })
            .collect();
        Self {
            environment_names: environments.iter().map(|one| one.name().to_owned()).collect(),
            environments,
            secrets,
            states,
            limits,
            shares_tokens,
            begun: Arc::new(begun_by_a_call(conversations.initial_state.as_deref())),
            conversations,
            kept_masks: KeptMasks::default(),
            ways: ways.finish(),
        }
    }

    /// The served environments, in the order of the settings.
    pub fn environments(&self) -> &[ServedEnvironment] {
        &self.environments
    }

    /// The environment called `name`.
    pub fn environment(&self, name: &str) -> Option<&ServedEnvironment> {
        self.environments.iter().find(|environment| environment.name() == name)
    }

    /// The names of the served environments, in the order of the settings.
    pub fn environment_names(&self) -> &[String] {
        &self.environment_names
    }

    /// The secret `name` of an environment: what a webhook has to show is looked at when it comes.
    pub fn secret(&self, environment: &str, name: &str) -> Option<&SecretString> {
        self.secrets.get(environment, name)
    }

    /// What is made of a conversation that a tool call begins.
    pub(super) fn begun_by_a_call(&self) -> &Arc<Change> {
        &self.begun
    }

    /// What holds for all conversations.
    pub fn conversations(&self) -> &ConversationRules {
        &self.conversations
    }

    /// Masks of all environments, for texts that belong to none: the log.
    pub fn redactors(&self) -> Vec<Redactor> {
        self.environments.iter().map(|one| one.environment.redactor.clone()).collect()
    }

    /// `text` without the secrets of the environment called `name`.
    pub fn redacted(&self, name: &str, text: &str) -> String {
        self.redactor(name).map_or_else(|| text.to_owned(), |redactor| redactor.redact(text).into_owned())
    }

    /// Masks the secrets of the environment called `name`.
    pub(super) fn redactor(&self, name: &str) -> Option<&Redactor> {
        self.environment(name).map(|one| &one.environment.redactor)
    }

    /// The breakers: environment, connection (or origin), and 0 closed, 1 letting probes through, 2 open.
    pub fn breakers(&self) -> Vec<(String, String, u8)> {
        let of = |environment: &ServedEnvironment| {
            let phases = environment.connections.iter().filter_map(|connection| {
                let phase = connection.route.breaker_phase()?;
                Some((environment.name().to_owned(), connection.name.clone(), phase))
            });
            phases.collect::<Vec<_>>()
        };
        let mut all: Vec<_> = self.environments.iter().flat_map(of).collect();
        all.sort();
        all
    }

    /// Fetches of tokens so far: environment, connector, how many gave a token and how many did not.
    pub fn token_fetches(&self) -> Vec<(String, String, u64, u64)> {
        let of = |environment: &ServedEnvironment| {
            let fetches = environment.connectors.iter().filter_map(|connector| {
                let (done, failed) = connector.token_fetches()?;
                Some((environment.name().to_owned(), connector.name().to_owned(), done, failed))
            });
            fetches.collect::<Vec<_>>()
        };
        let mut all: Vec<_> = self.environments.iter().flat_map(of).collect();
        all.sort();
        all
    }
}

impl ServedEnvironment {
    /// Its connections, by name, and the ways to them.
    pub fn connections(&self) -> impl Iterator<Item = (&str, &Route)> {
        self.connections.iter().map(|connection| (connection.name.as_str(), &connection.route))
    }

    /// Its auth connectors.
    pub fn connectors(&self) -> impl Iterator<Item = &ConnectorCredentials> {
        self.connectors.iter().map(Arc::as_ref)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.environment.name
    }

    /// Its static variables.
    pub fn static_variables(&self) -> &Map<String, Value> {
        &self.environment.static_variables
    }

    /// The actions that a model is offered; those that run by themselves are not among them.
    pub fn offered(&self) -> impl Iterator<Item = &ServedAction> {
        self.actions.iter().map(|served| &**served).filter(|served| served.action.on.is_none())
    }

    /// Whether some action exists in some states only.
    pub fn has_states(&self) -> bool {
        self.offered().any(|served| served.action.guards.available_in.is_some())
    }

    /// Whether an action speaks of `state`.
    pub fn knows_state(&self, state: &str) -> bool {
        let states = self.offered().filter_map(|served| served.action.guards.available_in.as_ref());
        states.flatten().any(|known| known == state)
    }

    /// The action called `name`.
    pub fn find(&self, name: &str) -> Option<&Arc<ServedAction>> {
        self.by_name.get(name).map(|at| &self.actions[*at])
    }

    /// The action that a call of `name` is for.
    pub fn called(&self, name: &str) -> Option<&Arc<ServedAction>> {
        self.find(name).or_else(|| self.meant_by(name))
    }

    /// The offered action that a model means by `name`, where no action is called so: the only one whose
    /// whole name is a part of it. Models put such things around a name as `functions.`, `tools/`, `:0`
    /// and `<|channel|>commentary`. Parts are told by signs that no action's name may hold.
    pub fn meant_by(&self, name: &str) -> Option<&Arc<ServedAction>> {
        // Gemini is offered a name that begins with a digit behind `_`.
        let is_behind = |name: &str| name.starts_with('_') && digits_first(name) != name;
        let has_sign = |name: &str| name.contains(AROUND_A_NAME) || is_behind(name);
        if name.len() > MAX_MANGLED || !has_sign(name) || self.by_name.contains_key(name) {
            return None;
        }
        let mut meant: Vec<usize> = name
            .split(AROUND_A_NAME)
            .map(str::trim)
            .filter_map(|part| self.by_name.get(part).or_else(|| self.by_name.get(digits_first(part))))
            .copied()
            .filter(|at| self.actions[*at].action.on.is_none())
            .collect();
        meant.sort_unstable();
        meant.dedup();
        match meant.as_slice() {
            [only] => Some(&self.actions[*only]),
            _ => None,
        }
    }

    /// The offered action that a model may mean by `name`, though that is not certain: the name ends in
    /// the action's after `__`, as a name does that was put together from a server's and a tool's.
    pub fn hinted_by(&self, name: &str) -> Option<&Arc<ServedAction>> {
        let short = &name[..name.floor_char_boundary(MAX_MANGLED)];
        let mut ends = short.match_indices("__").map(|(at, sign)| &short[at + sign.len()..]);
        let found = ends.find_map(|end| self.find(end.split(AROUND_A_NAME).next()?.trim()))?;
        Some(found).filter(|served| served.action.on.is_none())
    }
}

impl ServedAction {
    /// How long a call takes, by the latest ones of this process; `None` while it has seen too few.
    pub fn expected(&self) -> Option<Expected> {
        self.pace.expected()
    }

    /// What its credentials are and where they stand.
    pub(super) fn shown_credentials(&self) -> &[ShownCredential] {
        self.upstream.as_ref().map_or(&[], |upstream| upstream.credentials.shown())
    }

    /// The shape of its credentials, every value masked.
    pub(super) fn masked_credentials(&self) -> Option<&crate::egress::Credentials> {
        self.upstream.as_ref().map(|upstream| upstream.credentials.masked())
    }
}

/// Puts one environment together.
struct EnvironmentBuilder<'b, 'e, 'w> {
    ways: EnvironmentWays<'e, 'w>,
    secrets: &'b Secrets,
    /// The keys by which tokens are shared with other nodes; `None` where they are not.
    sharing: Option<&'b Arc<Keyring>>,
    /// The same environment before a reload.
    former: Option<&'b ServedEnvironment>,
    /// Names of the connections that are made ready when a conversation starts.
    warm: &'b [String],
    problems: &'b mut Problems,
}

impl EnvironmentBuilder<'_, '_, '_> {
    fn build(mut self, compiled: catalog::Environment) -> ServedEnvironment {
        let catalog::Environment { name, actions, connections, connectors, static_variables } = compiled;
        let routes = connections.iter().filter_map(|connection| {
            let former = self
                .former
                .and_then(|former| former.route_of(connection.name.as_deref(), &connection.base_url));
            let route = self.ways.to_connection(connection, former, self.problems)?;
            Some((Arc::as_ptr(connection), connection.name.clone(), route))
        });
        let routes: Vec<_> = routes.collect();
        for action in &actions {
            if let Kind::Http(http) = &action.kind {
                warn_of_refusals(&name, http, &self.ways, self.problems);
            }
        }
        let mut auth = AuthBuilder::new(&name, self.secrets, &mut self.ways, self.sharing, self.problems);
        let known = |of: &str| self.former?.connectors.iter().find(|one| one.name() == of);
        let connectors = connectors
            .iter()
            .map(|connector| auth.connector(connector, known(&connector.name).map(|one| &**one)));
        let connectors: Vec<_> = connectors.collect();
        let by_place: HashMap<_, _> = routes.iter().map(|(place, _, route)| (*place, route)).collect();
        // An action without a route has a problem by now.
        let upstreams = actions.into_iter().filter_map(|action| {
            let upstream = match &action.kind {
                Kind::Http(http) => Some(Arc::new(Upstream {
                    http: http.clone(),
                    route: (*by_place.get(&Arc::as_ptr(&http.connection))?).clone(),
                    credentials: auth.action(http, &action.file),
                })),
                Kind::Static(_) | Kind::Handover(_) => None,
            };
            Some((action, upstream))
        });
        let upstreams: Vec<_> = upstreams.collect();
        let derived = auth.finish();
        let redactor = self.secrets.redactor(&name, &derived);
        let environment = Arc::new(Environment { name, static_variables, redactor });
        let actions = upstreams.into_iter().map(|(action, upstream)| {
            let former = self.former.and_then(|former| former.find(action.name.as_str()));
            let pace = former.map(|former| former.pace.clone()).unwrap_or_default();
            Arc::new(ServedAction { action, environment: environment.clone(), upstream, pace })
        });
        let actions: Vec<Arc<ServedAction>> = actions.collect();
        let names = actions.iter().enumerate();
        let by_name = names.map(|(at, served)| (served.action.name.as_str().to_owned(), at)).collect();
        let is_warm = |served: &&Arc<ServedAction>| match &served.action.kind {
            Kind::Http(http) => http.connection.name.as_ref().is_some_and(|name| self.warm.contains(name)),
            Kind::Static(_) | Kind::Handover(_) => false,
        };
        ServedEnvironment {
            warm: actions.iter().filter(is_warm).cloned().collect(),
            actions,
            by_name,
            connections: routes
                .into_iter()
                .map(|(_, name, route)| ServedConnection::new(name, route))
                .collect(),
            connectors,
            environment,
        }
    }
}

impl ServedConnection {
    fn new(name: Option<String>, route: Route) -> Self {
        Self { name: name.unwrap_or_else(|| route.origin()), route }
    }
}

impl ServedEnvironment {
    /// The way of the connection called `name`, or of the one without a name that leads to `base_url`.
    fn route_of(&self, name: Option<&str>, base_url: &str) -> Option<&Route> {
        let name = name.unwrap_or(base_url);
        self.connections.iter().find(|one| one.name == name).map(|one| &one.route)
    }
}

/// `name` without the `_` that stand before a digit at its beginning.
fn digits_first(name: &str) -> &str {
    let bare = name.trim_start_matches('_');
    if ActionName::begins_with_digit(bare) { bare } else { name }
}

/// Warns of URLs in the definitions to which every call would be refused.
fn warn_of_refusals(
    environment: &str,
    http: &HttpAction,
    ways: &EnvironmentWays<'_, '_>,
    problems: &mut Problems,
) {
    let mut judge = |target: &str, written: &WrittenAt| {
        let Err(refusal) = ways.judge(target) else { return };
        let kinds: Vec<&str> = refusal.addresses.iter().map(|(_, what)| what.as_str()).collect();
        let message = format!(
            "environment `{environment}` does not allow requests to `{}`, {}; every call will be refused",
            refusal.host,
            kinds.join(", ")
        );
        let host = refusal.host.trim_start_matches('[').trim_end_matches(']');
        problems.push(
            Problem::warning(&written.file, written.place, "address_refused", message)
                .hint(format!("in callgate.toml, under [egress.{environment}]: allow = [\"{host}\"]")),
        );
    };
    judge(&http.connection.base_url, &http.written);
    let Some(Connector { credential: Credential::OAuth2(client), token_endpoint: Some(endpoint), .. }) =
        http.connector.as_deref()
    else {
        return;
    };
    judge(&client.token_url, &endpoint.written);
}
