//! Everything that one import makes, collected and then judged: what
//! `callgate check` would refuse is refused here, with its reason.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use crate::action::{Surroundings, compile};
use crate::definition::{Problems, ProjectFiles, SECRET_PLACEHOLDER, Severity};

use super::draft::{ActionDraft, AuthDraft, ConnectionDraft, SecretDraft};
use super::names::{self, Taken};
use super::report::{ImportedAction, NeededSecret, Note, NoteKind, Report};
use super::secrets_file::is_set;
use super::{Imported, ImportedFile, ImportedSecret, Options, emit, repair};

/// Largest file that a project may hold.
const MAX_FILE_BYTES: usize = 1024 * 1024;
/// Most notes of a report; what follows is counted, not kept.
const MAX_NOTES: usize = 20_000;

/// What an import has made so far.
pub(super) struct Bundle<'o> {
    pub(super) options: &'o Options,
    pub(super) report: Report,
    pub(super) tools: Taken,
    pub(super) actions: Vec<ActionDraft>,
    pub(super) connections: Vec<ConnectionDraft>,
    pub(super) auth: Vec<AuthDraft>,
    secrets: Vec<SecretDraft>,
}

impl<'o> Bundle<'o> {
    pub(super) fn new(options: &'o Options) -> Self {
        let existing = &options.existing;
        let connections = existing.connections.iter().map(|known| ConnectionDraft {
            name: known.name.clone(),
            base_url: known.base_url.clone(),
            environments: Vec::new(),
            is_there: true,
            auth: known.auth.clone(),
        });
        let hosts_of = |names: &BTreeSet<String>| {
            let known = existing.connections.iter().filter(|known| names.contains(&known.name));
            known.filter_map(|known| host(&known.base_url)).collect()
        };
        let auth = existing.auth.iter().map(|known| AuthDraft {
            name: known.name.clone(),
            keys: known.keys.clone(),
            hosts: hosts_of(&known.connections),
            is_there: true,
        });
        Self {
            options,
            report: Report { source: options.source.clone(), ..Report::default() },
            tools: Taken::default(),
            actions: Vec::new(),
            connections: connections.collect(),
            auth: auth.collect(),
            secrets: Vec::new(),
        }
    }

    /// Whether `--only` and `--tag` let an operation through; counts it either way.
    pub(super) fn is_wanted(&mut self, name: &str, tags: &[&str]) -> bool {
        self.report.operations += 1;
        let options = self.options;
        let by_name = options.only.as_ref().is_none_or(|only| only.matches(name));
        let by_tag =
            options.tag.as_ref().is_none_or(|tag| tags.iter().any(|own| own.eq_ignore_ascii_case(tag)));
        let wanted = by_name && by_tag;
        if !wanted {
            self.report.skipped += 1;
        }
        wanted
    }

    fn note(&mut self, note: Note) {
        if self.report.notes.len() < MAX_NOTES {
            self.report.notes.push(note);
        }
    }

    /// An operation that is not imported.
    pub(super) fn refuse(&mut self, place: &str, code: &'static str, message: impl Into<String>, hint: &str) {
        self.note(Note::new(NoteKind::Refused, place, code, message, hint));
    }

    /// Something of `action` (or of the whole, where that is empty) that is left out or changed.
    pub(super) fn lossy(
        &mut self,
        place: &str,
        action: &str,
        code: &'static str,
        message: impl Into<String>,
        hint: &str,
    ) {
        self.note(Note {
            action: (!action.is_empty()).then(|| action.to_owned()),
            ..Note::new(NoteKind::Lossy, place, code, message, hint)
        });
    }

    /// Something to fill in or decide.
    pub(super) fn todo(
        &mut self,
        place: &str,
        action: &str,
        code: &'static str,
        message: impl Into<String>,
        hint: &str,
    ) {
        self.note(Note {
            action: (!action.is_empty()).then(|| action.to_owned()),
            ..Note::new(NoteKind::Todo, place, code, message, hint)
        });
    }

    /// The connection for `base_url`, made where there is none; a new one is
    /// called after `title`, or after its host.
    pub(super) fn connection(&mut self, base_url: &str, title: &str) -> String {
        let base = base_url.trim_end_matches('/');
        let same = self.connections.iter().find(|known| known.base_url.trim_end_matches('/') == base);
        if let Some(known) = same {
            return known.name.clone();
        }
        let mut taken = Taken::default();
        for known in &self.connections {
            taken.insert(&known.name);
        }
        let host =
            url::Url::parse(base).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
        let name = taken.unique(&names::connection(title, host.trim_start_matches("www.")), 40);
        self.connections.push(ConnectionDraft {
            name: name.clone(),
            base_url: base.to_owned(),
            environments: Vec::new(),
            is_there: false,
            auth: None,
        });
        name
    }

    /// The connector with these keys, made where there is none; `wish` names a new one.
    pub(super) fn connector(&mut self, wish: &str, keys: Map<String, Value>) -> String {
        self.shared_connector(wish, keys, None)
    }

    /// [`Self::connector`] for `connection`: one that other hosts get is not
    /// shared, because the same keys may hold the secrets of another service.
    pub(super) fn connector_of(&mut self, connection: &str, wish: &str, keys: Map<String, Value>) -> String {
        let of_connection = self.connections.iter().find(|known| known.name == connection);
        let host = of_connection.and_then(|known| host(&known.base_url));
        self.shared_connector(wish, keys, host)
    }

    fn shared_connector(&mut self, wish: &str, keys: Map<String, Value>, host: Option<String>) -> String {
        let is_of_host = |known: &AuthDraft| host.as_ref().is_none_or(|host| known.hosts.contains(host));
        if let Some(known) = self.auth.iter().find(|known| known.keys == keys && is_of_host(known)) {
            return known.name.clone();
        }
        let mut taken = Taken::default();
        taken.insert("none");
        for known in &self.auth {
            taken.insert(&known.name);
        }
        let name = taken.unique(&names::part(wish, "auth"), 40);
        self.auth.push(AuthDraft {
            name: name.clone(),
            keys,
            hosts: host.into_iter().collect(),
            is_there: false,
        });
        name
    }

    /// Whether the project has another value for the secret `name`, where `value` is for.
    fn has_other(&self, name: &str, value: &str) -> bool {
        let Options { environment, existing, .. } = self.options;
        let is_meant = |known: &String| environment.as_ref().is_none_or(|only| only == known);
        let secrets = existing.secrets.iter().filter(|(environment, _)| is_meant(environment));
        secrets
            .filter_map(|(_, secrets)| secrets.get(name))
            .map(ExposeSecret::expose_secret)
            .any(|known| is_set(known) && known != value)
    }

    /// A secret, as definitions refer to it. One of the same name and value is the same secret.
    pub(super) fn secret(&mut self, wish: &str, value: Option<&str>, prefix: &str) -> Value {
        let wish = names::secret(wish);
        let value = value.filter(|value| !value.is_empty());
        let mut number = 1_usize;
        let name = loop {
            let name = if number == 1 { wish.clone() } else { format!("{wish}_{number}") };
            if value.is_some_and(|value| self.has_other(&name, value)) {
                number += 1;
                continue;
            }
            match self.secrets.iter_mut().find(|known| known.name == name) {
                None => {
                    self.secrets.push(SecretDraft {
                        name: name.clone(),
                        value: value.map(|value| SecretString::from(value.to_owned())),
                    });
                    break name;
                }
                Some(known) => match (&known.value, value) {
                    (Some(theirs), Some(ours)) if theirs.expose_secret() != ours => number += 1,
                    (None, Some(ours)) => {
                        known.value = Some(SecretString::from(ours.to_owned()));
                        break name;
                    }
                    _ => break name,
                },
            }
        };
        if prefix.is_empty() { json!({"secret": name}) } else { json!({"secret": name, "prefix": prefix}) }
    }

    /// Whether the value of a secret stands in `value`; short ones are words.
    pub(super) fn shows_secret(&self, value: &Value) -> bool {
        let text = value.to_string();
        let values =
            self.secrets.iter().filter_map(|draft| draft.value.as_ref()).map(ExposeSecret::expose_secret);
        values.filter(|secret| secret.len() >= 8).any(|secret| {
            let quoted = json!(secret).to_string();
            text.contains(&quoted[1..quoted.len() - 1])
        })
    }

    /// Judges everything and writes it down.
    pub(super) fn finish(mut self) -> Imported {
        self.refuse_taken();
        for index in 0..self.actions.len() {
            let mut parameters = std::mem::take(&mut self.actions[index].parameters);
            let dropped = repair::parameters(&mut parameters);
            let action = &mut self.actions[index];
            action.parameters = parameters;
            let (place, name) = (action.place.clone(), action.name.clone());
            for repair in dropped {
                self.lossy(
                    &place,
                    &name,
                    "invalid_schema",
                    repair,
                    "look at the parameter, and say the rule in its description",
                );
            }
        }
        self.choose_connectors();
        let texts = self.texts();
        let refused = self.judge(&texts);
        let is_refused = |note: &Note| {
            note.action.as_ref().is_some_and(|action| refused.iter().any(|(name, ..)| name == action))
        };
        self.report.notes.retain(|note| !is_refused(note));
        let place_of: HashMap<String, String> =
            self.actions.iter().map(|action| (action.name.clone(), action.place.clone())).collect();
        for (name, message, hint) in &refused {
            let place = place_of.get(name).cloned().unwrap_or_default();
            self.refuse(&place, "check", format!("`{name}`: {message}"), hint);
        }
        let refused: BTreeSet<String> = refused.into_iter().map(|(name, ..)| name).collect();
        self.actions.retain(|action| !refused.contains(&action.name));
        self.written()
    }

    /// Actions that the project has already, or whose file is another one's.
    fn refuse_taken(&mut self) {
        let existing = &self.options.existing.actions;
        for action in std::mem::take(&mut self.actions) {
            let file = self.file_of(&action.name);
            if existing.contains_key(&action.name) {
                if self.options.replace {
                    self.actions.push(action);
                    continue;
                }
                let message = format!("the project has an action `{}` already", action.name);
                let hint = "--force replaces it; or rename the one that is there";
                self.refuse(&action.place, "exists", message, hint);
            } else if let Some((owner, _)) = existing.iter().find(|(_, known)| **known == file) {
                let message = format!("`{}`: {file} is the file of the action `{owner}`", action.name);
                self.refuse(&action.place, "exists", message, "rename that file");
            } else {
                self.actions.push(action);
            }
        }
    }

    /// The file of the action `name`: the one it has, or a new one.
    fn file_of(&self, name: &str) -> String {
        let known = self.options.existing.actions.get(name);
        known.cloned().unwrap_or_else(|| format!("actions/{name}.yaml"))
    }

    /// The file and the text of `action`.
    fn text(&self, action: &ActionDraft, comments: &[String]) -> (String, String) {
        let file = self.file_of(&action.name);
        let stem = file.trim_start_matches("actions/").rsplit_once('.').map_or("", |(stem, _)| stem);
        let mut definition = Map::new();
        if stem != action.name {
            definition.insert("name".to_owned(), json!(action.name));
        }
        let of_connection = self.connections.iter().find(|known| known.name == action.connection);
        definition.extend(action.definition(of_connection.and_then(|known| known.auth.as_deref())));
        let text = if file.ends_with(".json") {
            format!("{:#}\n", Value::Object(definition))
        } else {
            emit::document(comments, &definition)
        };
        (file, text)
    }

    /// A new connection names the connector that most of its actions use.
    fn choose_connectors(&mut self) {
        for connection in self.connections.iter_mut().filter(|connection| !connection.is_there) {
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            for action in self.actions.iter().filter(|action| action.connection == connection.name) {
                if let Some(auth) = &action.auth {
                    *counts.entry(auth).or_default() += 1;
                }
            }
            // The first by name among equals, so that the same source gives the same files.
            let most = counts.into_iter().rev().max_by_key(|(_, count)| *count);
            connection.auth = most.map(|(name, _)| name.to_owned());
        }
    }

    /// `(file, text)` of everything, also of what is in the project already.
    fn texts(&self) -> Vec<(String, String)> {
        let source = format!("Imported from {}", self.options.source);
        let mut texts = Vec::new();
        for auth in &self.auth {
            texts.push((
                format!("auth/{}.yaml", auth.name),
                emit::document(std::slice::from_ref(&source), &auth.keys),
            ));
        }
        for connection in &self.connections {
            let mut map = Map::new();
            map.insert("base_url".to_owned(), json!(connection.base_url));
            if let Some(auth) = &connection.auth {
                map.insert("auth".to_owned(), json!(auth));
            }
            if !connection.environments.is_empty() {
                let environments: Map<String, Value> = connection
                    .environments
                    .iter()
                    .map(|(name, url)| (name.clone(), json!({"base_url": url})))
                    .collect();
                map.insert("environments".to_owned(), Value::Object(environments));
            }
            let text = emit::document(std::slice::from_ref(&source), &map);
            texts.push((format!("connections/{}.yaml", connection.name), text));
        }
        for action in &self.actions {
            let comments = [
                "yaml-language-server: $schema=../schemas/action.schema.json".to_owned(),
                format!("{source}, {}", action.place),
            ];
            texts.push(self.text(action, &comments));
        }
        texts
    }

    /// The actions that `callgate check` would refuse: name, reason and hint.
    fn judge(&self, texts: &[(String, String)]) -> Vec<(String, String, String)> {
        let mut refused: BTreeMap<String, (String, String)> = BTreeMap::new();
        let names: HashMap<String, &str> =
            self.actions.iter().map(|action| (self.file_of(&action.name), action.name.as_str())).collect();
        let action_of = |file: &str| names.get(file).map(|name| (*name).to_owned());
        for (file, text) in texts.iter().filter(|(_, text)| text.len() > MAX_FILE_BYTES) {
            if let Some(name) = action_of(file) {
                let message = format!("its file would have {} bytes, more than {MAX_FILE_BYTES}", text.len());
                refused.insert(name, (message, "cut its schema down by hand".to_owned()));
            }
        }
        let mut problems = Problems::default();
        let small = texts.iter().filter(|(_, text)| text.len() <= MAX_FILE_BYTES);
        let files =
            ProjectFiles::from_texts(small.map(|(name, text)| (name.as_str(), text.as_str())), &mut problems);
        let environments = self.environments();
        let none = Map::new();
        let mut whole = Problems::default();
        for (index, located) in files.actions.iter().enumerate() {
            // Environments differ in their base URLs only, which one action shows.
            for environment in environments.iter().take(if index == 0 { usize::MAX } else { 1 }) {
                let around = Surroundings {
                    environment,
                    known_environments: &environments,
                    actions: &files.actions,
                    connections: &files.connections,
                    auth: &files.auth,
                    static_variables: &none,
                };
                let mut found = Problems::default();
                compile(located, &around, &mut found, &mut Vec::new());
                whole.extend(found.into_iter().filter(|problem| problem.severity == Severity::Error).map(
                    |mut problem| {
                        // What is wrong with a connection is wrong with every action of it.
                        if action_of(&problem.file).is_none() {
                            problem.message = format!("{}: {}", problem.file, problem.message);
                            problem.file.clone_from(&located.document.file);
                        }
                        problem
                    },
                ));
            }
        }
        problems.extend(whole);
        for problem in problems.into_iter().filter(|problem| problem.severity == Severity::Error) {
            if let Some(name) = action_of(&problem.file) {
                let hint = problem.hint.unwrap_or_default();
                refused.entry(name).or_insert((format!("{} ({})", problem.message, problem.code), hint));
            }
        }
        refused.into_iter().map(|(name, (message, hint))| (name, message, hint)).collect()
    }

    /// The environments that the imported files are for.
    fn environments(&self) -> Vec<String> {
        if let Some(known) = self.options.environments.as_ref().filter(|known| !known.is_empty()) {
            return known.clone();
        }
        let mut named: Vec<String> = Vec::new();
        let of_connections =
            self.connections.iter().flat_map(|known| known.environments.iter().map(|(name, _)| name));
        for name in of_connections.chain(&self.options.environment) {
            if !named.contains(name) {
                named.push(name.clone());
            }
        }
        if named.is_empty() { vec!["development".to_owned()] } else { named }
    }

    /// The files and secrets that the remaining actions need.
    fn written(mut self) -> Imported {
        let used_connections: BTreeSet<&str> =
            self.actions.iter().map(|action| action.connection.as_str()).collect();
        let connections: Vec<&ConnectionDraft> =
            self.connections.iter().filter(|known| used_connections.contains(known.name.as_str())).collect();
        let used_auth: BTreeSet<&str> = connections
            .iter()
            .filter_map(|known| known.auth.as_deref())
            .chain(self.actions.iter().filter_map(|action| action.auth.as_deref()))
            .collect();
        let mut keep: BTreeSet<String> = BTreeSet::new();
        keep.extend(self.actions.iter().map(|action| self.file_of(&action.name)));
        keep.extend(
            connections
                .iter()
                .filter(|known| !known.is_there)
                .map(|known| format!("connections/{}.yaml", known.name)),
        );
        let auth: Vec<&AuthDraft> = self
            .auth
            .iter()
            .filter(|known| !known.is_there && used_auth.contains(known.name.as_str()))
            .collect();
        keep.extend(auth.iter().map(|known| format!("auth/{}.yaml", known.name)));
        let files: Vec<ImportedFile> = self
            .texts()
            .into_iter()
            .filter(|(path, _)| keep.contains(path))
            .map(|(path, text)| ImportedFile { path, text })
            .collect();
        let mut named = BTreeSet::new();
        for auth in self.auth.iter().filter(|known| used_auth.contains(known.name.as_str())) {
            secret_names(&Value::Object(auth.keys.clone()), &mut named);
        }
        for action in &self.actions {
            secret_names(&Value::Object(action.headers.clone()), &mut named);
        }
        let environments = self.environments();
        let of_values =
            |environment: &String| self.options.environment.as_ref().is_none_or(|only| only == environment);
        let mut secrets = Vec::new();
        for draft in self.secrets.iter().filter(|draft| named.contains(&draft.name)) {
            self.report.secrets.push(NeededSecret { name: draft.name.clone(), found: draft.value.is_some() });
            for environment in &environments {
                let value = draft.value.as_ref().filter(|_| of_values(environment));
                secrets.push(ImportedSecret {
                    environment: environment.clone(),
                    name: draft.name.clone(),
                    value: value.cloned().unwrap_or_else(|| SecretString::from(SECRET_PLACEHOLDER)),
                    is_placeholder: value.is_none(),
                });
            }
        }
        self.report.imported = self
            .actions
            .iter()
            .map(|action| ImportedAction {
                name: action.name.clone(),
                place: action.place.clone(),
                request: format!("{} {}", action.method, action.path),
            })
            .collect();
        Imported { files, secrets, report: self.report }
    }
}

/// The host of `base_url`, with its port.
fn host(base_url: &str) -> Option<String> {
    let url = url::Url::parse(base_url).ok()?;
    Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?))
}

/// Adds the names in every `{secret: name}` of `value`.
fn secret_names(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            if let Some(name) = map.get("secret").and_then(Value::as_str) {
                names.insert(name.to_owned());
            }
            map.values().for_each(|value| secret_names(value, names));
        }
        Value::Array(items) => items.iter().for_each(|value| secret_names(value, names)),
        _ => {}
    }
}
