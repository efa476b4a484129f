//! What is served: catalog, credentials and redactors that belong together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::action::{Action, Connector, Credential, Kind, WrittenAt};
use crate::auth::{Auth, Webhooks};
use crate::catalog::Catalog;
use crate::conversation::change::Change;
use crate::definition::{Problem, Problems};
use crate::egress::{Route, Target, Ways, WaysBuilder};
use crate::secrets::{Redactor, Secrets};

use super::feed::begun_by_a_call;
use super::masks::KeptMasks;
use super::pace::{Expected, Pace};
use super::{ExecutorLimits, States};

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

/// What is served: replaced whole on reload, so that a call never sees half of
/// two projects.
#[derive(Debug, Default)]
pub struct Deployment {
    /// All actions.
    pub catalog: Catalog,
    /// Their credentials.
    pub auth: Auth,
    /// What the webhooks of orchestrators must show.
    pub webhooks: Webhooks,
    /// Conversations that callers carry.
    pub states: States,
    /// Limits of every call.
    pub limits: ExecutorLimits,
    /// What holds for all conversations.
    conversations: ConversationRules,
    /// What is made of a conversation that a tool call begins.
    begun: Arc<Change>,
    redactors: Vec<Redactor>,
    /// Redactors of what conversations keep to themselves.
    pub(super) kept_masks: KeptMasks,
    ways: Ways,
    /// By environment, then by action, as in the catalog; of those that call an upstream.
    routes: Vec<Vec<Option<Route>>>,
    environment_names: Vec<String>,
    /// By environment, then by action, as in the catalog; a reload keeps what it has learned.
    paces: Vec<Vec<Arc<Pace>>>,
    /// By environment: the actions whose connections and tokens are made ready when a conversation starts.
    warm: Vec<Vec<usize>>,
}

impl Deployment {
    /// Puts together what a project compiled to; `ways` is for its environments.
    pub fn build(
        catalog: Catalog,
        secrets: &Secrets,
        limits: ExecutorLimits,
        mut ways: WaysBuilder<'_>,
        previous: Option<&Self>,
        problems: &mut Problems,
    ) -> Self {
        let former = previous.map(|deployment| &deployment.auth);
        let auth = Auth::build(&catalog, secrets, &mut ways, former, problems);
        let routes = catalog.environments().iter().enumerate().map(|(index, environment)| {
            let secret = |name: &str| secrets.get(&environment.name, name).cloned();
            let mut of_action = |action: &Action| match &action.kind {
                Kind::Http(http) => {
                    let rules = &http.connection;
                    let target = Target {
                        environment: index,
                        url: &http.prefix,
                        tls: rules.tls.as_ref(),
                        rules: Some(rules),
                        secret: &secret,
                    };
                    ways.route(target, problems)
                }
                Kind::Static(_) | Kind::Handover(_) => None,
            };
            environment.actions.iter().map(&mut of_action).collect()
        });
        let routes = routes.collect();
        warn_of_refusals(&catalog, &ways, problems);
        let redactors = catalog
            .environments()
            .iter()
            .enumerate()
            .map(|(index, environment)| secrets.redactor(&environment.name, auth.derived(index)))
            .collect();
        let environment_names = catalog.environments().iter().map(|one| one.name.clone()).collect();
        let known = |environment: &str, action: &Action| {
            previous.and_then(|previous| previous.pace_of(environment, action.name.as_str()).cloned())
        };
        let paces = catalog.environments().iter().map(|environment| {
            let of_action = |action| known(&environment.name, action).unwrap_or_default();
            environment.actions.iter().map(of_action).collect()
        });
        let paces = paces.collect();
        Self {
            catalog,
            auth,
            webhooks: Webhooks::default(),
            states: States::default(),
            limits,
            conversations: ConversationRules::default(),
            begun: Arc::new(begun_by_a_call(None)),
            redactors,
            kept_masks: KeptMasks::default(),
            ways: ways.finish(),
            routes,
            environment_names,
            paces,
            warm: Vec::new(),
        }
    }

    /// The same with rules for its conversations.
    #[must_use]
    pub fn with_conversations(mut self, rules: ConversationRules) -> Self {
        let warm = self.catalog.environments().iter().map(|environment| {
            let named = rules.warm.get(&environment.name).map(Vec::as_slice).unwrap_or_default();
            let is_named = |action: &Action| match &action.kind {
                Kind::Http(http) => http.connection.name.as_ref().is_some_and(|name| named.contains(name)),
                Kind::Static(_) | Kind::Handover(_) => false,
            };
            environment
                .actions
                .iter()
                .enumerate()
                .filter(|(_, one)| is_named(one))
                .map(|(at, _)| at)
                .collect()
        });
        self.warm = warm.collect();
        self.begun = Arc::new(begun_by_a_call(rules.initial_state.as_deref()));
        self.conversations = rules;
        self
    }

    /// What is made of a conversation that a tool call begins.
    pub(super) fn begun_by_a_call(&self) -> &Arc<Change> {
        &self.begun
    }

    /// What holds for all conversations.
    pub fn conversations(&self) -> &ConversationRules {
        &self.conversations
    }

    /// The actions of an environment whose connections are made ready when a conversation starts.
    pub(super) fn warm(&self, environment: usize) -> &[usize] {
        self.warm.get(environment).map_or(&[], Vec::as_slice)
    }

    /// The served environments, in the order of the settings.
    pub fn environment_names(&self) -> &[String] {
        &self.environment_names
    }

    /// The ways out.
    pub fn ways(&self) -> &Ways {
        &self.ways
    }

    /// The way out of an action, by its place in the catalog; `None` where it calls no upstream.
    pub(super) fn route(&self, environment: usize, action: usize) -> Option<&Route> {
        self.routes.get(environment)?.get(action)?.as_ref()
    }

    /// How long a call takes, by the latest ones of this process; `None` while it has seen too few.
    pub fn expected(&self, environment: &str, action: &str) -> Option<Expected> {
        self.pace_of(environment, action)?.expected()
    }

    fn pace_of(&self, environment: &str, action: &str) -> Option<&Arc<Pace>> {
        let index = self.catalog.environment_index(environment)?;
        let (action, _) = self.catalog.environments()[index].find(action)?;
        self.pace(index, action)
    }

    /// How long calls of an action take, by its place in the catalog.
    pub(super) fn pace(&self, environment: usize, action: usize) -> Option<&Arc<Pace>> {
        self.paces.get(environment)?.get(action)
    }

    /// Masks of all environments, for texts that belong to none: the log.
    pub fn redactors(&self) -> &[Redactor] {
        &self.redactors
    }

    /// Masks the secrets of the environment called `name`.
    pub(super) fn redactor(&self, name: &str) -> Option<&Redactor> {
        self.redactors.get(self.catalog.environment_index(name)?)
    }
}

/// Warns of URLs in the definitions to which every call would be refused.
fn warn_of_refusals(catalog: &Catalog, ways: &WaysBuilder<'_>, problems: &mut Problems) {
    for (index, environment) in catalog.environments().iter().enumerate() {
        let name = &environment.name;
        let mut judge = |target: &str, written: &WrittenAt| {
            let Err(refusal) = ways.judge(index, target) else { return };
            let kinds: Vec<&str> = refusal.addresses.iter().map(|(_, what)| what.as_str()).collect();
            let message = format!(
                "environment `{name}` does not allow requests to `{}`, {}; every call will be refused",
                refusal.host,
                kinds.join(", ")
            );
            let host = refusal.host.trim_start_matches('[').trim_end_matches(']');
            problems.push(
                Problem::warning(&written.file, written.place, "address_refused", message)
                    .hint(format!("in callgate.toml, under [egress.{name}]: allow = [\"{host}\"]")),
            );
        };
        for action in &environment.actions {
            let Kind::Http(http) = &action.kind else { continue };
            judge(&http.prefix, &http.written);
            if let Some(Connector { credential: Credential::OAuth2(client), token_endpoint, .. }) =
                &http.connector
                && let Some(endpoint) = token_endpoint
            {
                judge(&client.token_url, &endpoint.written);
            }
        }
    }
}
