//! All compiled actions of all served environments: immutable, compiled whole
//! or not at all, replaced whole on reload.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value};

use crate::action::{self, Action, SecretUse, Surroundings, TlsSource};
use crate::definition::{Problems, ProjectFiles};

/// All compiled actions of all served environments.
#[derive(Debug, Default)]
pub struct Catalog {
    environments: Vec<Environment>,
}

/// The actions of one environment.
#[derive(Debug)]
pub struct Environment {
    /// Its name.
    pub name: String,
    /// Its actions, by name: the order in which models see them.
    pub actions: Vec<Action>,
    /// Its static variables.
    pub static_variables: Map<String, Value>,
    by_name: HashMap<String, usize>,
}

/// What the definitions need that stands in no definition.
#[derive(Debug, Default)]
pub struct Needs {
    /// Every secret that is sent, and where it is named.
    pub secrets: Vec<SecretUse>,
    /// Certificates of what no action uses, each with the index of its environment: nothing
    /// else would read them.
    pub unused_certificates: Vec<(usize, TlsSource)>,
}

impl Catalog {
    /// Compiles `files` for each of `environments`. Errors are added to
    /// `problems`; a catalog that comes with errors must not be served.
    pub fn compile(files: &ProjectFiles, environments: &[String], problems: &mut Problems) -> (Self, Needs) {
        let known = known_environments(files, environments);
        let none = Map::new();
        let mut needs = Needs::default();
        let compiled = environments
            .iter()
            .enumerate()
            .map(|(index, name)| {
                let static_variables = files.variables.environments.get(name).unwrap_or(&none);
                let around = Surroundings {
                    environment: name,
                    known_environments: &known,
                    actions: &files.actions,
                    connections: &files.connections,
                    auth: &files.auth,
                    static_variables,
                };
                let mut actions: Vec<Action> = files
                    .actions
                    .iter()
                    .filter_map(|located| action::compile(located, &around, problems, &mut needs.secrets))
                    .collect();
                let unused = action::check_unused(files, &around, problems);
                needs.unused_certificates.extend(unused.into_iter().map(|tls| (index, tls)));
                actions.sort_by(|a, b| a.name.cmp(&b.name));
                let by_name = actions
                    .iter()
                    .enumerate()
                    .map(|(at, action)| (action.name.as_str().to_owned(), at))
                    .collect();
                Environment {
                    name: name.clone(),
                    actions,
                    static_variables: static_variables.clone(),
                    by_name,
                }
            })
            .collect();
        (Self { environments: compiled }, needs)
    }

    /// The served environments, in the order of the settings.
    pub fn environments(&self) -> &[Environment] {
        &self.environments
    }

    /// The index of the environment called `name`.
    pub fn environment_index(&self, name: &str) -> Option<usize> {
        self.environments.iter().position(|environment| environment.name == name)
    }
}

impl Environment {
    /// The actions that a model is offered; those that run by themselves are not among them.
    pub fn offered(&self) -> impl Iterator<Item = &Action> {
        self.actions.iter().filter(|action| action.on.is_none())
    }

    /// Whether some action exists in some states only.
    pub fn has_states(&self) -> bool {
        self.offered().any(|action| action.guards.available_in.is_some())
    }

    /// Whether an action speaks of `state`.
    pub fn knows_state(&self, state: &str) -> bool {
        let mut states = self.offered().filter_map(|action| action.guards.available_in.as_ref()).flatten();
        states.any(|known| known == state)
    }

    /// The action called `name`, and its index.
    pub fn find(&self, name: &str) -> Option<(usize, &Action)> {
        let at = *self.by_name.get(name)?;
        Some((at, &self.actions[at]))
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
