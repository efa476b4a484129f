//! All compiled actions and agents of all served environments: immutable, compiled
//! whole or not at all, replaced whole on reload.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::action::{
    self, Action, Agent, Connection, Connector, SecretUse, Surroundings, Upstreams, compile_agent,
};
use crate::definition::{Problems, ProjectFiles};

/// All compiled actions and agents of all served environments.
#[derive(Debug, Default)]
pub struct Catalog {
    environments: Vec<Environment>,
}

/// The actions and agents of one environment, and what they call.
#[derive(Debug)]
pub struct Environment {
    /// Its name.
    pub name: String,
    /// Its actions, by name.
    pub actions: Vec<Action>,
    /// Its agents, by name.
    pub agents: Vec<Agent>,
    /// All connections, used or not.
    pub connections: Vec<Arc<Connection>>,
    /// All auth connectors, used or not.
    pub connectors: Vec<Arc<Connector>>,
    /// Its static variables.
    pub static_variables: Map<String, Value>,
}

impl Catalog {
    /// Compiles `files` for each of `environments`. Errors are added to
    /// `problems`; a catalog that comes with errors must not be served. Gives every
    /// secret that is sent, and where it is named.
    pub fn compile(
        files: &ProjectFiles,
        environments: &[String],
        problems: &mut Problems,
    ) -> (Self, Vec<SecretUse>) {
        let known = known_environments(files, environments);
        let none = Map::new();
        let static_variables = |name| files.variables.environments.get(name).unwrap_or(&none);
        let upstreams =
            environments.iter().map(|name| Upstreams::compile(files, name, &known, static_variables(name)));
        let upstreams: Vec<Upstreams<'_>> = upstreams.collect();
        let mut secrets = Vec::new();
        let compiled = environments.iter().zip(&upstreams).map(|(name, upstreams)| {
            let around = Surroundings {
                environment: name,
                known_environments: &known,
                actions: &files.actions,
                upstreams,
                static_variables: static_variables(name),
            };
            let actions = files.actions.iter();
            let actions = actions.filter_map(|one| action::compile(one, &around, problems, &mut secrets));
            let mut actions: Vec<Action> = actions.collect();
            actions.sort_by(|a, b| a.name.cmp(&b.name));
            let agents = files.agents.iter();
            let agents = agents.filter_map(|one| compile_agent(one, &around, problems, &mut secrets));
            let mut agents: Vec<Agent> = agents.collect();
            agents.sort_by(|a, b| a.name.cmp(&b.name));
            Environment {
                name: name.clone(),
                actions,
                agents,
                connections: upstreams.connections(),
                connectors: upstreams.connectors(),
                static_variables: around.static_variables.clone(),
            }
        });
        let environments = compiled.collect();
        Upstreams::report(&upstreams, problems, &mut secrets);
        (Self { environments }, secrets)
    }

    /// The served environments, in the order of the settings.
    pub fn environments(&self) -> &[Environment] {
        &self.environments
    }

    /// The same, to be taken apart.
    pub fn into_environments(self) -> Vec<Environment> {
        self.environments
    }
}

/// Every environment that is served or has a table of its own, and the usual three.
pub fn known_environments(files: &ProjectFiles, served: &[String]) -> Vec<String> {
    let usual = ["development", "staging", "production"].map(str::to_owned);
    let all: BTreeSet<String> = served
        .iter()
        .chain(files.variables.environments.keys())
        .chain(files.secrets.environments.keys())
        .chain(usual.iter())
        .cloned()
        .collect();
    all.into_iter().collect()
}
