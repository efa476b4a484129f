//! Everything that one import makes, collected.

use std::collections::BTreeSet;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use super::Options;
use super::draft::{ActionDraft, AuthDraft, ConnectionDraft, SecretDraft};
use super::names::{self, Taken};
use super::report::{Note, NoteKind, Report};
use super::secrets_file::is_set;
use super::selection::{Candidate, Met};

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
    pub(super) secrets: Vec<SecretDraft>,
    /// Actions whose description is the beginning of a longer one.
    pub(super) cut: Vec<String>,
    /// What the selection has met.
    pub(super) met: Met,
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
            headers: known.headers.clone(),
            is_sample: known.is_sample,
        });
        let hosts_of = |names: &BTreeSet<String>| {
            let known = existing.connections.iter().filter(|known| names.contains(&known.name));
            let known = known.filter(|known| !known.is_sample);
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
            cut: Vec::new(),
            met: Met::default(),
        }
    }

    /// Whether the selection lets an operation through; counts it either way.
    pub(super) fn is_wanted(&mut self, candidate: Candidate<'_>) -> bool {
        self.report.operations += 1;
        let selection = &self.options.selection;
        let has_room = selection.limit.is_none_or(|limit| self.actions.len() < limit);
        let wanted = selection.takes(candidate, &mut self.met) && has_room;
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

    /// An operation, called `name`, that is not imported.
    pub(super) fn refuse_action(
        &mut self,
        place: &str,
        name: &str,
        code: &'static str,
        message: impl Into<String>,
        hint: &str,
    ) {
        let action = Some(name.to_owned());
        self.note(Note { action, ..Note::new(NoteKind::Refused, place, code, message, hint) });
    }

    /// A part of the source that is not imported.
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
        self.note(Note::new(NoteKind::Lossy, place, code, message, hint).of(action));
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
        self.note(Note::new(NoteKind::Todo, place, code, message, hint).of(action));
    }

    /// The connection for `base_url`, made where there is none; a new one is
    /// called after `title`, or after its host.
    pub(super) fn connection(&mut self, base_url: &str, title: &str) -> String {
        let base = base_url.trim_end_matches('/');
        let usable = self.connections.iter().filter(|known| !known.is_sample);
        let same = usable.into_iter().find(|known| known.base_url.trim_end_matches('/') == base);
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
            headers: Vec::new(),
            is_sample: false,
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
}

/// The host of `base_url`, with its port.
fn host(base_url: &str) -> Option<String> {
    let url = url::Url::parse(base_url).ok()?;
    Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?))
}
