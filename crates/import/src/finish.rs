//! What a bundle holds → files: judged by the compiler of actions, so that what
//! `callgate check` would refuse is refused here, with its reason.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use secrecy::SecretString;
use serde_json::{Map, Value, json};

use callgate_action::{Surroundings, Upstreams, compile};
use callgate_definition::{Problems, ProjectFiles, SECRET_PLACEHOLDER, Severity};

use super::bundle::Bundle;
use super::draft::{ActionDraft, AuthDraft, ConnectionDraft};
use super::placeholder::short;
use super::report::{ImportedAction, NeededSecret, Note, NoteKind};
use super::{Imported, ImportedFile, ImportedSecret, emit, repair, size};

/// Largest file that a project may hold.
const MAX_FILE_BYTES: usize = 1024 * 1024;

impl Bundle<'_> {
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
            self.refuse_action(&place, name, "check", message, hint);
        }
        let refused: BTreeSet<String> = refused.into_iter().map(|(name, ..)| name).collect();
        self.actions.retain(|action| !refused.contains(&action.name));
        self.tell_cut();
        self.written()
    }

    /// Says once which descriptions are not whole.
    fn tell_cut(&mut self) {
        let cut: Vec<String> = self
            .actions
            .iter()
            .map(|action| &action.name)
            .filter(|name| self.cut.contains(name))
            .cloned()
            .collect();
        let named: Vec<String> = cut.iter().take(5).map(|name| format!("`{name}`")).collect();
        let message = match cut.len() {
            0 => return,
            1 => format!("the description of {} is cut to two sentences", named[0]),
            several => format!(
                "the descriptions of {several} actions are cut to two sentences: {}{}",
                named.join(", "),
                if several > named.len() { ", …" } else { "" }
            ),
        };
        self.todo(
            "#",
            "",
            "description_cut",
            message,
            "read the rest in the source: a rule that the model must keep may stand there",
        );
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
        let upstreams: Vec<Upstreams<'_>> = environments
            .iter()
            .map(|environment| Upstreams::compile(&files, environment, &environments, &none))
            .collect();
        let mut whole = Problems::default();
        for (index, located) in files.actions.iter().enumerate() {
            // Environments differ in their base URLs only, which one action shows.
            let shown = if index == 0 { usize::MAX } else { 1 };
            for (environment, upstreams) in environments.iter().zip(&upstreams).take(shown) {
                let around = Surroundings {
                    environment,
                    known_environments: &environments,
                    actions: &files.actions,
                    upstreams,
                    static_variables: &none,
                };
                let mut found = Problems::default();
                compile(located, &around, &mut found, &mut Vec::new());
                // What is wrong with a connection is wrong with every action of it.
                let around = upstreams.problems_of(&located.definition).cloned().map(|mut problem| {
                    problem.message = format!("{}: {}", problem.file, problem.message);
                    problem.file.clone_from(&located.document.file);
                    problem
                });
                let all = found.into_iter().chain(around);
                whole.extend(all.filter(|problem| problem.severity == Severity::Error));
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
        let inherited: Vec<Note> = connections.iter().filter_map(|known| inherited(known)).collect();
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
        let mut notes = self.options.selection.unfulfilled(&self.met);
        let is_new = |name: &&String| self.actions.iter().all(|action| action.name != **name);
        notes.extend(size::notes(&self.actions, self.options.existing.actions.keys().filter(is_new).count()));
        self.report.fold();
        self.report.notes.extend(inherited);
        self.report.notes.extend(notes);
        Imported { files, secrets, report: self.report }
    }
}

/// What the actions over `connection` send besides what the source says.
fn inherited(connection: &ConnectionDraft) -> Option<Note> {
    if connection.headers.is_empty() {
        return None;
    }
    let ConnectionDraft { name, headers, .. } = connection;
    let headers: Vec<String> = headers.iter().map(|name| format!("`{}`", short(name))).collect();
    let message = format!(
        "the project has the connection `{name}` for this address, which sends {} as well",
        headers.join(", ")
    );
    let hint = "if these calls must not send them, give the actions a connection of their own";
    Some(Note::new(NoteKind::Todo, &format!("connections/{name}"), "connection_headers", message, hint))
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
