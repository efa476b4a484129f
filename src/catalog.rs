//! All compiled actions of all served environments: immutable, compiled whole
//! or not at all, replaced whole on reload.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value};

use crate::action::{self, Action, ActionName, SecretUse, Surroundings, TlsSource};
use crate::definition::{Problems, ProjectFiles};

/// What stands between an action's name and what a model puts around it: no action's name holds one.
const AROUND_A_NAME: [char; 6] = ['.', '/', ':', '<', '>', '|'];
/// The longest name, in bytes, in which an action's name is looked for.
const MAX_MANGLED: usize = 256;

/// `name` without the `_` that stand before a digit at its beginning.
fn digits_first(name: &str) -> &str {
    let bare = name.trim_start_matches('_');
    if ActionName::begins_with_digit(bare) { bare } else { name }
}

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

    /// The offered action that a model means by `name`, where no action is called so: the only one whose
    /// whole name is a part of it. Models put such things around a name as `functions.`, `tools/`, `:0`
    /// and `<|channel|>commentary`. Parts are told by signs that no action's name may hold.
    pub fn meant_by(&self, name: &str) -> Option<&Action> {
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
            .filter(|at| self.actions[*at].on.is_none())
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
    pub fn hinted_by(&self, name: &str) -> Option<&Action> {
        let short = &name[..name.floor_char_boundary(MAX_MANGLED)];
        let mut ends = short.match_indices("__").map(|(at, sign)| &short[at + sign.len()..]);
        let at = ends.find_map(|end| self.by_name.get(end.split(AROUND_A_NAME).next()?.trim()))?;
        Some(&self.actions[*at]).filter(|action| action.on.is_none())
    }

    /// The action that a call of `name` is for.
    pub fn called(&self, name: &str) -> Option<&Action> {
        self.find(name).map(|(_, action)| action).or_else(|| self.meant_by(name))
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
