//! Connections and auth connectors: compiled once for each environment, whether an action uses them or not.

mod connection;
mod connector;

pub use self::connection::{
    BreakerRules, ClientSource, Connection, FileSource, KeySource, LimitRules, RateRules, TlsSource,
};
pub(crate) use self::connection::{CompiledConnection, WrittenTimeouts};
pub use self::connector::{Connector, Credential, OAuth2Client, TokenEndpoint, ValueSource};

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use callgate_definition::{ActionDefinition, ActionOverride, Problem, Problems, ProjectFiles};
use serde_json::{Map, Value};

use crate::written::SecretUse;

use self::connection::ConnectionCompiler;

/// All connections and auth connectors, for one environment.
#[derive(Debug)]
pub struct Upstreams<'f> {
    connections: Vec<Compiled<CompiledConnection>>,
    connectors: Vec<Compiled<Option<Arc<Connector>>>>,
    connections_by_name: HashMap<&'f str, usize>,
    connectors_by_name: HashMap<&'f str, usize>,
    /// What the full URLs of actions and the base URLs of agents lead to, by origin.
    origins: RefCell<HashMap<String, Arc<Connection>>>,
}

/// What came of one file.
#[derive(Debug)]
struct Compiled<T> {
    made: T,
    problems: Problems,
    secrets: Vec<SecretUse>,
    /// Whether an action or an agent of the environment uses it.
    is_used: Cell<bool>,
    /// Whether it speaks of other environments only, and may be meant for those alone.
    is_for_others: bool,
}

impl<'f> Upstreams<'f> {
    /// Compiles the connections and connectors of `files` for `environment`.
    pub fn compile(
        files: &'f ProjectFiles,
        environment: &str,
        known_environments: &[String],
        static_variables: &Map<String, Value>,
    ) -> Self {
        let connectors = files.auth.iter().map(|located| {
            let (mut problems, mut secrets) = (Problems::default(), Vec::new());
            let made =
                connector::compile(located, environment, known_environments, &mut problems, &mut secrets);
            let is_for_others = is_for_others(environment, located.definition.environments.keys());
            Compiled { made: made.map(Arc::new), problems, secrets, is_used: Cell::new(false), is_for_others }
        });
        let connectors = connectors.collect();
        let connectors_by_name = by_name(files.auth.iter().map(|located| located.name.as_str()));
        let connections = files.connections.iter().map(|located| {
            let (mut problems, mut secrets) = (Problems::default(), Vec::new());
            let compiler = ConnectionCompiler {
                located,
                environment,
                known_environments,
                static_variables,
                problems: &mut problems,
                secrets: &mut secrets,
            };
            let made = compiler.compile();
            if let Some((name, written)) = &made.auth
                && name != "none"
                && !connectors_by_name.contains_key(name.as_str())
            {
                let unknown = Problem::error(&written.file, written.place, "unknown_auth", no_auth(name));
                problems.push(unknown.hint(hint(name, "auth", connectors_by_name.keys())));
            }
            let is_for_others = is_for_others(environment, located.definition.environments.keys());
            Compiled { made, problems, secrets, is_used: Cell::new(false), is_for_others }
        });
        Self {
            connections: connections.collect(),
            connections_by_name: by_name(files.connections.iter().map(|located| located.name.as_str())),
            connectors,
            connectors_by_name,
            origins: RefCell::default(),
        }
    }

    /// All connections, used or not.
    pub fn connections(&self) -> Vec<Arc<Connection>> {
        let named = self.connections.iter().filter_map(|one| one.made.connection.clone());
        named.chain(self.origins.borrow().values().cloned()).collect()
    }

    /// All connectors, used or not.
    pub fn connectors(&self) -> Vec<Arc<Connector>> {
        self.connectors.iter().filter_map(|one| one.made.clone()).collect()
    }

    /// Adds to `problems` what is wrong with connections and connectors in `all` environments, and to `secrets` those
    /// that are sent. Where nothing uses one, no secret is asked for; nor has it to be complete, if it is
    /// used in another environment or speaks of other ones only.
    pub fn report(all: &[Self], problems: &mut Problems, secrets: &mut Vec<SecretUse>) {
        report(all.iter().map(|one| one.connections.as_slice()), problems, secrets);
        report(all.iter().map(|one| one.connectors.as_slice()), problems, secrets);
    }

    /// What is wrong with the connection and the connector that an action names at its top level.
    pub fn problems_of(&self, action: &ActionDefinition) -> impl Iterator<Item = &Problem> {
        let none = ActionOverride::default();
        let connection =
            connection_name(action, &none).and_then(|name| self.connections_by_name.get(name.as_str()));
        let connection = connection.map(|at| &self.connections[*at]);
        let of_connection = || connection?.made.auth.as_ref().map(|(name, _)| name);
        let connector = action.auth.as_ref().or_else(of_connection);
        let connector = connector.and_then(|name| self.connectors_by_name.get(name.as_str()));
        let of_connector = connector.map(|at| &self.connectors[*at].problems);
        let all = connection.map(|one| &one.problems).into_iter().chain(of_connector);
        all.flat_map(Problems::as_slice)
    }

    /// The connection called `name`, to be used.
    pub(crate) fn connection(&self, name: &str) -> Option<&CompiledConnection> {
        let found = &self.connections[*self.connections_by_name.get(name)?];
        found.is_used.set(true);
        Some(&found.made)
    }

    /// The connector called `name`, to be used; within, `None` where something is wrong with it.
    pub(crate) fn connector(&self, name: &str) -> Option<Option<Arc<Connector>>> {
        let found = &self.connectors[*self.connectors_by_name.get(name)?];
        found.is_used.set(true);
        Some(found.made.clone())
    }

    /// What URLs of `origin` lead to.
    pub(crate) fn origin(&self, origin: &str) -> Arc<Connection> {
        let mut known = self.origins.borrow_mut();
        if let Some(known) = known.get(origin) {
            return known.clone();
        }
        let made = Arc::new(Connection::of_origin(origin));
        known.insert(origin.to_owned(), made.clone());
        made
    }

    /// What to do about a connection `name` that there is not.
    pub(crate) fn connection_hint(&self, name: &str) -> String {
        hint(name, "connections", self.connections_by_name.keys())
    }

    /// What to do about a connector `name` that there is not.
    pub(crate) fn connector_hint(&self, name: &str) -> String {
        hint(name, "auth", self.connectors_by_name.keys())
    }
}

/// The name of the connection that an action uses, where it uses one.
pub(crate) fn connection_name<'a>(
    definition: &'a ActionDefinition,
    over: &'a ActionOverride,
) -> Option<&'a String> {
    let written = definition.connection.as_ref().filter(|_| over.url.is_none());
    over.connection.as_ref().or(written)
}

/// There is no connector `name`.
pub(crate) fn no_auth(name: &str) -> String {
    format!("there is no auth connector `{name}`")
}

fn hint<'n>(name: &str, folder: &str, known: impl Iterator<Item = &'n &'n str>) -> String {
    let mut known: Vec<&str> = known.copied().collect();
    known.sort_unstable();
    callgate_text::closest(name, &known)
        .map_or_else(|| format!("add {folder}/{name}.yaml"), |near| format!("did you mean `{near}`?"))
}

/// Where two files have one name, the first counts; that they do is told elsewhere.
fn by_name<'f>(
    names: impl DoubleEndedIterator<Item = &'f str> + ExactSizeIterator,
) -> HashMap<&'f str, usize> {
    names.enumerate().rev().map(|(at, name)| (name, at)).collect()
}

fn is_for_others<'n>(environment: &str, mut named: impl ExactSizeIterator<Item = &'n String>) -> bool {
    named.len() > 0 && !named.any(|name| name == environment)
}

fn report<'u, T: 'u>(
    all: impl Iterator<Item = &'u [Compiled<T>]> + Clone,
    problems: &mut Problems,
    secrets: &mut Vec<SecretUse>,
) {
    let is_missing = |code: &str| ["missing_key", "missing_static_variable"].contains(&code);
    for environment in all.clone() {
        for (at, one) in environment.iter().enumerate() {
            if one.is_used.get() {
                problems.extend(one.problems.as_slice().iter().cloned());
                secrets.extend_from_slice(&one.secrets);
                continue;
            }
            let is_used_elsewhere = || all.clone().any(|other| other[at].is_used.get());
            let may_lack = one.is_for_others || is_used_elsewhere();
            let told =
                one.problems.as_slice().iter().filter(|problem| !(may_lack && is_missing(problem.code)));
            problems.extend(told.cloned());
        }
    }
}
