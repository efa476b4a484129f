//! What an import did and what it could not do, each with its place in the source.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::Serialize;

/// Names of further actions that a line of text shows.
const SHOWN_NAMES: usize = 4;

/// How much of the source a [`Note`] costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NoteKind {
    /// An operation or tool that was not imported.
    Refused,
    /// Something that was left out or changed; the rest was imported.
    Lossy,
    /// Something a person has to fill in or decide.
    Todo,
}

/// One thing that a reader of the report should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// How much it costs.
    pub kind: NoteKind,
    /// Stable name of the reason, such as `external_ref`.
    pub code: &'static str,
    /// Where in the source: a JSON Pointer (RFC 6901) with `#` before it, or an
    /// option of a command line.
    pub place: String,
    /// The action it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Further actions of which the same is to be said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
    /// What it is: a fragment with the culprit in backticks; never a secret.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl Note {
    /// The same about `action`, or about no single one if that is empty.
    pub(super) fn of(self, action: &str) -> Self {
        Self { action: (!action.is_empty()).then(|| action.to_owned()), ..self }
    }

    /// A note about no single action.
    pub(super) fn new(
        kind: NoteKind,
        place: &str,
        code: &'static str,
        message: impl Into<String>,
        hint: &str,
    ) -> Self {
        Self {
            kind,
            code,
            place: place.to_owned(),
            action: None,
            also: Vec::new(),
            message: message.into(),
            hint: hint.to_owned(),
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            NoteKind::Refused => "refused",
            NoteKind::Lossy => "lossy",
            NoteKind::Todo => "to do",
        };
        write!(f, "{}: {kind}[{}]: ", self.place, self.code)?;
        if let Some(action) = &self.action {
            // The names of what is not there stand in backticks.
            let quote = if self.kind == NoteKind::Refused { "`" } else { "" };
            write!(f, "{quote}{action}{quote}")?;
            let shown = self.also.iter().take(SHOWN_NAMES);
            shown.into_iter().try_for_each(|name| write!(f, ", {quote}{name}{quote}"))?;
            if self.also.len() > SHOWN_NAMES {
                write!(f, " and {} more", self.also.len() - SHOWN_NAMES)?;
            }
            write!(f, ": ")?;
        }
        write!(f, "{}", self.message)?;
        if !self.hint.is_empty() {
            write!(f, "\n    hint: {}", self.hint)?;
        }
        Ok(())
    }
}

/// An action that was imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImportedAction {
    /// The name of the tool.
    pub name: String,
    /// Where in the source it comes from.
    pub place: String,
    /// The method and the path, for a reader who looks for an operation.
    pub request: String,
}

/// A secret that the imported files refer to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NeededSecret {
    /// Its name in `secrets.toml`.
    pub name: String,
    /// Whether the source held its value. If not, a placeholder is written.
    pub found: bool,
}

/// Everything that an import has to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What was read, without credentials.
    pub source: String,
    /// How many operations or tools the source holds.
    pub operations: usize,
    /// How many of them the selection left out.
    pub skipped: usize,
    /// What was imported, in the order of the source.
    pub imported: Vec<ImportedAction>,
    /// The secrets that the files refer to.
    pub secrets: Vec<NeededSecret>,
    /// Everything else, in the order of finding.
    pub notes: Vec<Note>,
}

impl Report {
    /// The notes of one kind.
    pub fn of_kind(&self, kind: NoteKind) -> impl Iterator<Item = &Note> {
        self.notes.iter().filter(move |note| note.kind == kind)
    }

    /// How often there is something of `kind` to say, by code, for a summary.
    pub fn counts(&self, kind: NoteKind) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for note in self.of_kind(kind) {
            *counts.entry(note.code).or_default() += 1 + note.also.len();
        }
        counts
    }

    /// Says once what is lost or to be done with several actions. What is refused stays as it is:
    /// each has a place to look at.
    pub(super) fn fold(&mut self) {
        let notes = std::mem::take(&mut self.notes);
        self.notes = folded_where(notes, |note| note.kind != NoteKind::Refused);
    }
}

/// `notes`, with those that say the same of several actions as one.
pub fn folded(notes: impl IntoIterator<Item = Note>) -> Vec<Note> {
    folded_where(notes, |_| true)
}

fn folded_where(notes: impl IntoIterator<Item = Note>, folds: impl Fn(&Note) -> bool) -> Vec<Note> {
    let mut known: HashMap<(NoteKind, &'static str, String, String), usize> = HashMap::new();
    let mut out: Vec<Note> = Vec::new();
    for note in notes {
        let key = (note.kind, note.code, note.message.clone(), note.hint.clone());
        let same = known.get(&key).and_then(|at| out.get_mut(*at));
        match (note.action.clone(), same) {
            // What is said twice of one action has two places.
            (Some(action), Some(same))
                if same.action.as_ref() != Some(&action) && same.also.last() != Some(&action) =>
            {
                same.also.push(action);
            }
            (action, _) => {
                if action.is_some() && folds(&note) {
                    known.entry(key).or_insert(out.len());
                }
                out.push(note);
            }
        }
    }
    out
}

/// Why a source as a whole cannot be imported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}{hint}", if hint.is_empty() { "" } else { "; " })]
pub struct ImportError {
    /// Stable name of the reason.
    pub code: &'static str,
    /// What is wrong, and where.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl ImportError {
    pub(super) fn new(code: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: hint.into() }
    }
}
