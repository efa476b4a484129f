//! What is imported, and into which project.

use std::collections::{BTreeMap, BTreeSet};

use callgate_definition::{Problems, ProjectFiles};
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::selection::Selection;

/// Largest source, in bytes: the largest published OpenAPI documents are below it.
pub const MAX_SOURCE_BYTES: usize = 32 * 1024 * 1024;

/// What is imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// An OpenAPI 3.0 or 3.1 document, JSON or YAML.
    Openapi,
    /// A curl command line.
    Curl,
    /// A Postman collection, format 2.0 or 2.1.
    Postman,
    /// A tool of Vapi.
    Vapi,
    /// A webhook tool of ElevenLabs Agents.
    Elevenlabs,
    /// A custom function of Retell.
    Retell,
    /// An API step or API tool of Voiceflow.
    Voiceflow,
    /// An API call of Smallest.ai Atoms.
    Atoms,
}

/// A connection that the project has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExistingConnection {
    /// Its name.
    pub name: String,
    /// Its base URL, where it has one for all environments.
    pub base_url: String,
    /// The connector it names.
    pub auth: Option<String>,
    /// The names of its headers, which every action over it sends.
    pub headers: Vec<String>,
    /// An example that nobody has made their own: no import uses it.
    pub is_sample: bool,
}

/// A connector that the project has.
#[derive(Clone, Debug, PartialEq)]
pub struct ExistingConnector {
    /// Its name.
    pub name: String,
    /// What its file says.
    pub keys: Map<String, Value>,
    /// Names of the connections that it is sent over.
    pub connections: BTreeSet<String>,
}

/// What the project has already, so that it is used and never overwritten.
#[derive(Clone, Debug, Default)]
pub struct Existing {
    /// The files of its actions, by the names of these.
    pub actions: BTreeMap<String, String>,
    /// Its connections.
    pub connections: Vec<ExistingConnection>,
    /// Its connectors.
    pub auth: Vec<ExistingConnector>,
    /// The values in its `secrets.toml`, by environment and name.
    pub secrets: BTreeMap<String, BTreeMap<String, SecretString>>,
}

impl Existing {
    /// What `files` define.
    pub fn of(files: &ProjectFiles) -> Self {
        let actions =
            files.actions.iter().map(|action| (action.name.clone(), action.document.file.clone())).collect();
        let connections = files.connections.iter().map(|connection| ExistingConnection {
            name: connection.name.clone(),
            base_url: connection.definition.base_url.clone().unwrap_or_default(),
            auth: connection.definition.auth.clone(),
            headers: connection.definition.headers.0.iter().map(|(name, _)| name.clone()).collect(),
            is_sample: false,
        });
        let auth = files.auth.iter().map(|auth| {
            let mut keys = auth.document.value.as_object().cloned().unwrap_or_default();
            keys.shift_remove("name");
            let of_connections = files.connections.iter().filter_map(|connection| {
                let own = connection.definition.auth.as_deref()?;
                (own == auth.name).then(|| connection.name.clone())
            });
            let of_actions = files.actions.iter().filter_map(|action| {
                let own = action.definition.auth.as_deref()?;
                (own == auth.name).then(|| action.definition.connection.clone())?
            });
            let connections = of_connections.chain(of_actions).collect();
            ExistingConnector { name: auth.name.clone(), keys, connections }
        });
        let secrets = files.secrets.environments.clone();
        Self { actions, connections: connections.collect(), auth: auth.collect(), secrets }
    }

    /// Leaves alone the connections of `sample`, a project to start from, that still have its base
    /// URL: what is imported has nothing to do with them.
    #[must_use]
    pub fn without_sample(mut self, sample: &[(&str, &str)]) -> Self {
        let files = ProjectFiles::from_texts(sample.iter().copied(), &mut Problems::default());
        for known in &mut self.connections {
            known.is_sample = files.connections.iter().any(|sample| {
                sample.name == known.name
                    && sample.definition.base_url.as_deref() == Some(known.base_url.as_str())
            });
        }
        self
    }
}

/// What an import is told besides the text.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What the source is called in files and report; no credentials in it.
    pub source: String,
    /// The URL the source was fetched from: what a relative server URL is relative to.
    pub source_url: Option<String>,
    /// What of it is imported.
    pub selection: Selection,
    /// The environment that the values of secrets are for; `None` for every one.
    pub environment: Option<String>,
    /// The environments that the project serves; `None` where it says nothing of them.
    pub environments: Option<Vec<String>>,
    /// The base URL, where the source has none or another is meant.
    pub base_url: Option<String>,
    /// URLs of the variables by which a Postman collection names its hosts.
    pub urls: BTreeMap<String, String>,
    /// Whether actions that the project has are replaced.
    pub replace: bool,
    /// What the project has.
    pub existing: Existing,
}
