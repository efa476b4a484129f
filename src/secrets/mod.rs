//! Secrets: where they come from, and the net that keeps them in.
//!
//! Everything above holds the *names* of secrets. Values are [`SecretString`]s
//! from the moment they are read; they leave only as credentials of a request
//! (`auth`, `egress`), and the [`Redactor`] masks them in whatever else leaves.

mod redactor;
mod source;

pub use self::redactor::{MASK, Redactor};
pub use self::source::Sources;

use std::collections::{BTreeMap, HashMap};

use secrecy::{ExposeSecret, SecretString};

use crate::action::SecretUse;
use crate::definition::{Problem, Problems, SecretsFile};

use self::source::shout;

/// Shortest secret that can be masked without masking ordinary words too.
const MIN_MASKED: usize = 4;

/// The secrets of all served environments.
#[derive(Debug, Default)]
pub struct Secrets {
    environments: HashMap<String, BTreeMap<String, SecretString>>,
    /// What environment variables say, by environment and the name in capitals.
    variables: HashMap<String, BTreeMap<String, SecretString>>,
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
        let mut gathered = Self::default();
        for environment in environments {
            let mut secrets = file.environments.get(environment).cloned().unwrap_or_default();
            secrets.extend(sources.files(environment, problems));
            let variables = sources.variables(environment);
            for (name, value) in secrets.iter().chain(&variables) {
                let length = value.expose_secret().chars().count();
                if length < MIN_MASKED {
                    let message = format!(
                        "the secret `{name}` of environment `{environment}` has {length} characters, too few to be masked where an upstream repeats it"
                    );
                    let file = file.file.as_deref().unwrap_or("secrets.toml");
                    problems.push(
                        Problem::warning(file, (0, 0), "short_secret", message).hint("use a longer one"),
                    );
                }
            }
            gathered.environments.insert(environment.clone(), secrets);
            gathered.variables.insert(environment.clone(), variables);
        }
        gathered
    }

    /// The secret `name` of `environment`.
    pub fn get(&self, environment: &str, name: &str) -> Option<&SecretString> {
        let variable = self.variables.get(environment).and_then(|secrets| secrets.get(&shout(name)));
        variable.or_else(|| self.environments.get(environment)?.get(name))
    }

    /// An error for every use of a secret that its environment lacks.
    pub fn check(&self, uses: &[SecretUse], problems: &mut Problems) {
        for needed in uses {
            if self.get(&needed.environment, &needed.name).is_some() {
                continue;
            }
            let SecretUse { name, environment, file, place } = needed;
            let names: Vec<&String> =
                self.environments.get(environment).into_iter().flat_map(BTreeMap::keys).collect();
            let near = crate::definition::schema::closest(name, &names)
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
        let both = [&self.environments, &self.variables];
        let own = both.into_iter().filter_map(|all| all.get(environment)).flat_map(BTreeMap::values);
        Redactor::new(own.chain(more))
    }
}
