//! Secrets: where they come from, and the net that keeps them in.
//!
//! Everything above holds the *names* of secrets. Values are [`SecretString`]s
//! from the moment they are read; they leave only as credentials of a request
//! (`auth`, `egress`), and the [`Redactor`] masks them in whatever else leaves.

mod lines;
mod redactor;
mod seal;
mod source;

use self::redactor::MIN_MASKED;
pub use self::redactor::{MASK, Redactor};
pub use self::seal::{Keyring, SealError, SealingKey};
pub use self::source::Sources;

use std::collections::{BTreeMap, HashMap};

use secrecy::{ExposeSecret, SecretString};

use crate::action::SecretUse;
use crate::definition::{Problem, Problems, SecretsFile};

/// The secrets of all served environments.
#[derive(Debug, Default)]
pub struct Secrets {
    environments: HashMap<String, Values>,
}

/// The secrets of one environment.
#[derive(Debug, Default)]
struct Values {
    /// From the secrets file and the directory, by name.
    files: BTreeMap<String, SecretString>,
    /// From environment variables, by name in capitals; they win.
    variables: BTreeMap<String, SecretString>,
}

impl Secrets {
    /// Gathers the secrets of `environments` from the secrets file and the
    /// other `sources`, which win over it: an environment variable, else a
    /// file of the directory, else the secrets file.
    pub fn gather(
        file: &SecretsFile,
        sources: &Sources,
        environments: &[String],
        problems: &mut Problems,
    ) -> Self {
        let mut gathered = HashMap::new();
        for environment in environments {
            let mut files = file.environments.get(environment).cloned().unwrap_or_default();
            files.extend(sources.files(environment, problems));
            let values = Values { files, variables: sources.variables(environment) };
            for (name, value) in values.files.iter().chain(&values.variables) {
                let length = value.expose_secret().chars().count();
                if length < MIN_MASKED {
                    let message = format!(
                        "the secret `{name}` of environment `{environment}` has {length} characters, too few to be masked where an upstream repeats it"
                    );
                    let file = file.file.as_deref().unwrap_or("secrets");
                    problems.push(
                        Problem::warning(file, (0, 0), "short_secret", message).hint("use a longer one"),
                    );
                }
            }
            gathered.insert(environment.clone(), values);
        }
        Self { environments: gathered }
    }

    /// The secret `name` of `environment`; an empty one is none.
    pub fn get(&self, environment: &str, name: &str) -> Option<&SecretString> {
        let values = self.environments.get(environment)?;
        let found = values.variables.get(&source::shout(name)).or_else(|| values.files.get(name));
        found.filter(|secret| !secret.expose_secret().is_empty())
    }

    /// How many characters a secret has; `None` where its environment lacks it.
    pub fn length(&self, environment: &str, name: &str) -> Option<usize> {
        self.get(environment, name).map(|secret| secret.expose_secret().chars().count())
    }

    /// An error for every use of a secret that its environment lacks.
    pub fn check(&self, uses: &[SecretUse], problems: &mut Problems) {
        for needed in uses {
            if self.get(&needed.environment, &needed.name).is_some() {
                continue;
            }
            let SecretUse { name, environment, file, place } = needed;
            let names: Vec<&String> = self
                .environments
                .get(environment)
                .into_iter()
                .flat_map(|values| values.files.keys())
                .collect();
            let near = callgate_text::closest(name, &names)
                .map(|near| format!("did you mean `{near}`? else "))
                .unwrap_or_default();
            problems.push(
                Problem::error(
                    file,
                    *place,
                    "missing_secret",
                    format!("the secret `{name}` is not set in environment `{environment}`"),
                )
                .hint(format!(
                    "{near}add `{name}` under [{environment}] in secrets.toml, or set {}",
                    Sources::variable_name(environment, name)
                )),
            );
        }
    }

    /// A redactor for every secret of `environment`, and for what connectors
    /// make of them (`more`).
    pub fn redactor<'a>(
        &'a self,
        environment: &str,
        more: impl IntoIterator<Item = &'a SecretString>,
    ) -> Redactor {
        let values = self.environments.get(environment).into_iter();
        let own = values.flat_map(|values| values.files.values().chain(values.variables.values()));
        Redactor::new(own.chain(more))
    }
}
