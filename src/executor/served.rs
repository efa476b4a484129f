//! What is served: each environment with its actions and agents, and each of them with all that a call of it needs.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::action::{
    Action, ActionName, Agent, AgentModel, Connector, Credential, HttpAction, Kind, WrittenAt,
};
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
    /// Its agents, by name.
    agents: Vec<Arc<ServedAgent>>,
    connections: Vec<ServedConnection>,
    connectors: Vec<Arc<ConnectorCredentials>>,
    /// The upstreams whose connections and tokens are made ready when a conversation starts.
    pub(super) warm: Vec<Arc<Upstream>>,
}

/// What all actions and agents of an environment share.
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

/// An agent as it is served in one environment.
#[derive(Debug)]
pub struct ServedAgent {
    /// What it is.
    pub agent: Agent,
    /// Where it is served.
    pub environment: Arc<Environment>,
    /// How the requests to each of its models are sent, in their order.
    upstreams: Vec<Arc<Upstream>>,
}

/// How the requests of an action, or to a model of an agent, are sent.
#[derive(Debug)]
pub(crate) struct Upstream {
    /// What they are made of.
    pub(crate) http: Arc<HttpAction>,
    /// Where they go.
    pub(crate) route: Route,
    /// What they show there.
    pub(crate) credentials: Arc<ActionCredentials>,
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

    /// Its agents, by name.
    pub fn agents(&self) -> impl Iterator<Item = &Arc<ServedAgent>> {
        self.agents.iter()
    }

    /// The agent called `name`.
    pub fn agent(&self, name: &str) -> Option<&Arc<ServedAgent>> {
        self.agents.iter().find(|served| served.agent.name == name)
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

impl ServedAgent {
    /// Its models in the order in which they are asked, and how the requests to each of them are sent.
    pub(crate) fn models(&self) -> impl Iterator<Item = (&AgentModel, &Arc<Upstream>)> {
        self.agent.models.iter().zip(&self.upstreams)
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
        let catalog::Environment { name, actions, agents, connections, connectors, static_variables } =
            compiled;
        let routes = connections.iter().filter_map(|connection| {
            let former = self
                .former
                .and_then(|former| former.route_of(connection.name.as_deref(), &connection.base_url));
            let route = self.ways.to_connection(connection, former, self.problems)?;
            Some((Arc::as_ptr(connection), connection.name.clone(), route))
        });
        let routes: Vec<_> = routes.collect();
        let of_actions = actions.iter().filter_map(|action| match &action.kind {
            Kind::Http(http) => Some(http),
            Kind::Static(_) | Kind::Handover(_) => None,
        });
        let of_agents = agents.iter().flat_map(|agent| &agent.models).map(|model| &model.http);
        for http in of_actions.chain(of_agents) {
            warn_of_refusals(&name, http, &self.ways, self.problems);
        }
        let mut auth = AuthBuilder::new(&name, self.secrets, &mut self.ways, self.sharing, self.problems);
        let known = |of: &str| self.former?.connectors.iter().find(|one| one.name() == of);
        let connectors = connectors
            .iter()
            .map(|connector| auth.connector(connector, known(&connector.name).map(|one| &**one)));
        let connectors: Vec<_> = connectors.collect();
        let by_place: HashMap<_, _> = routes.iter().map(|(place, _, route)| (*place, route)).collect();
        // What is without a route has a problem by now.
        let mut upstream = |http: &Arc<HttpAction>, file: &str| {
            Some(Arc::new(Upstream {
                http: http.clone(),
                route: (*by_place.get(&Arc::as_ptr(&http.connection))?).clone(),
                credentials: auth.action(http, file),
            }))
        };
        let actions = actions.into_iter().filter_map(|action| {
            let upstream = match &action.kind {
                Kind::Http(http) => Some(upstream(http, &action.file)?),
                Kind::Static(_) | Kind::Handover(_) => None,
            };
            Some((action, upstream))
        });
        let actions: Vec<_> = actions.collect();
        let agents = agents.into_iter().filter_map(|agent| {
            let upstreams = agent.models.iter().map(|model| upstream(&model.http, &agent.file));
            let upstreams: Vec<Arc<Upstream>> = upstreams.collect::<Option<_>>()?;
            Some((agent, upstreams))
        });
        let agents: Vec<_> = agents.collect();
        let derived = auth.finish();
        let redactor = self.secrets.redactor(&name, &derived);
        let environment = Arc::new(Environment { name, static_variables, redactor });
        let actions = actions.into_iter().map(|(action, upstream)| {
            let former = self.former.and_then(|former| former.find(action.name.as_str()));
            let pace = former.map(|former| former.pace.clone()).unwrap_or_default();
            Arc::new(ServedAction { action, environment: environment.clone(), upstream, pace })
        });
        let actions: Vec<Arc<ServedAction>> = actions.collect();
        let names = actions.iter().enumerate();
        let by_name = names.map(|(at, served)| (served.action.name.as_str().to_owned(), at)).collect();
        let agents = agents.into_iter().map(|(agent, upstreams)| {
            Arc::new(ServedAgent { agent, environment: environment.clone(), upstreams })
        });
        let agents: Vec<Arc<ServedAgent>> = agents.collect();
        let is_warm = |upstream: &&Arc<Upstream>| {
            upstream.http.connection.name.as_ref().is_some_and(|name| self.warm.contains(name))
        };
        let of_actions = actions.iter().filter_map(|served| served.upstream.as_ref());
        let of_agents = agents.iter().flat_map(|served| served.models()).map(|(_, upstream)| upstream);
        ServedEnvironment {
            warm: of_actions.chain(of_agents).filter(is_warm).cloned().collect(),
            actions,
            by_name,
            agents,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::definition::ProjectFiles;
    use crate::secrets::Sources;

    const FILES: &[(&str, &str)] = &[
        (
            "actions/summary.yaml",
            "description: Writes a summary.\nconnection: llm\nmethod: POST\npath: /chat/completions\n",
        ),
        ("actions/models.yaml", "description: Lists models.\nurl: http://localhost:11434/api/tags\n"),
        ("connections/llm.yaml", "base_url: https://llm.test/v1\nauth: llm\n"),
        ("auth/llm.yaml", "type: bearer\ntoken: {secret: llm_key}\n"),
        (
            "agents/night.yaml",
            "instructions: i\nmodel: {provider: openai, base_url: 'http://localhost:11434/v1', model: m}\n",
        ),
        (
            "agents/day.yaml",
            "instructions: i\nmodel:\n  provider: openai\n  connection: llm\n  model: m\n  fallback:\n  \
             - {provider: anthropic, model: n, headers: {x-api-key: {secret: other_key}}}\n",
        ),
        ("secrets.toml", "[development]\nllm_key = \"key-of-the-llm\"\nother_key = \"key-of-the-other\"\n"),
    ];

    fn deployment(previous: Option<&Deployment>) -> Deployment {
        let mut problems = Problems::default();
        let files = ProjectFiles::from_texts(FILES.iter().copied(), &mut problems);
        let environments = ["development".to_owned()];
        let (catalog, uses) = Catalog::compile(&files, &environments, &mut problems);
        let secrets = Secrets::gather(&files.secrets, &Sources::default(), &environments, &mut problems);
        secrets.check(&uses, &mut problems);
        let mut outlet = Outlet::default();
        outlet.policy.allow("localhost").unwrap();
        let parts = Parts {
            catalog,
            secrets,
            outlets: vec![outlet],
            root: None,
            limits: ExecutorLimits::default(),
            states: States::default(),
            shares_tokens: false,
            conversations: ConversationRules {
                warm: [("development".to_owned(), vec!["llm".to_owned()])].into(),
                ..ConversationRules::default()
            },
        };
        let deployment = Deployment::build(parts, previous, &mut problems);
        assert_eq!(problems.as_slice(), []);
        deployment
    }

    #[track_caller]
    fn upstreams(environment: &ServedEnvironment, agent: &str) -> Vec<Arc<Upstream>> {
        environment.agent(agent).unwrap().models().map(|(_, upstream)| upstream.clone()).collect()
    }

    #[test]
    fn agents_are_found_by_name_and_their_secrets_are_masked() {
        let deployment = deployment(None);
        let environment = deployment.environment("development").unwrap();
        let names: Vec<&str> = environment.agents().map(|served| served.agent.name.as_str()).collect();
        assert_eq!(names, ["day", "night"]);
        assert!(environment.agent("summary").is_none());
        let day = environment.agent("day").unwrap();
        let masked = day.environment.redactor.redact("key-of-the-llm and key-of-the-other");
        assert_eq!(masked, "*** and ***");
        let secrets: Vec<_> =
            day.models().map(|(_, upstream)| upstream.credentials.secrets().to_vec()).collect();
        assert_eq!(secrets, [["llm_key"], ["other_key"]]);
        let models: Vec<&str> = day.models().map(|(model, _)| model.model.as_str()).collect();
        assert_eq!(models, ["m", "n"]);
    }

    #[test]
    fn an_agent_shares_lane_and_credentials_with_the_actions_of_its_connection() {
        let deployment = deployment(None);
        let environment = deployment.environment("development").unwrap();
        let [summary, models] =
            ["summary", "models"].map(|name| environment.find(name).unwrap().upstream.clone().unwrap());
        let [day, fallback] = upstreams(environment, "day").try_into().unwrap();
        assert!(day.route.shares_lane_with(&summary.route));
        assert!(Arc::ptr_eq(&day.credentials, &summary.credentials));
        assert!(!fallback.route.shares_lane_with(&day.route));
        let [night] = upstreams(environment, "night").try_into().unwrap();
        assert!(night.route.shares_lane_with(&models.route), "one service, whichever path is asked for");
        let connections: Vec<&str> = environment.connections().map(|(name, _)| name).collect();
        assert_eq!(connections.len(), 3, "{connections:?}");
    }

    #[test]
    fn a_reload_keeps_the_lanes_of_agents() {
        let former = deployment(None);
        let next = deployment(Some(&former));
        for agent in ["day", "night"] {
            let [before, after] = [&former, &next]
                .map(|deployment| upstreams(deployment.environment("development").unwrap(), agent));
            for (before, after) in before.iter().zip(&after) {
                assert!(before.route.shares_lane_with(&after.route), "{agent}");
            }
        }
    }

    #[test]
    fn what_agents_need_is_made_ready_where_the_settings_name_it() {
        let deployment = deployment(None);
        let environment = deployment.environment("development").unwrap();
        let day = &upstreams(environment, "day")[0];
        assert_eq!(environment.warm.len(), 2, "the action and the agent of the connection");
        assert!(environment.warm.iter().any(|warm| Arc::ptr_eq(warm, day)));
    }
}
