//! What is wrong with the arguments, for the model that sent them and for the log.
use std::fmt;

use serde::{Deserialize, Serialize};

use super::path::Path;
use super::text;

/// More violations than this are not kept.
pub(super) const MAX_VIOLATIONS: usize = 20;
/// More violations than this are counted instead of spoken.
const MAX_SPOKEN: usize = 3;

/// One place where the arguments break their schema.
///
/// `Debug` shows neither the value nor names the model made up, so that it may be logged.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The JSON Pointer (RFC 6901) to the value, empty for the arguments as a whole.
    pub pointer: String,
    /// The keyword of JSON Schema that was broken, or `json`, `duplicateKey`, `reservedName`,
    /// `depth` for a text that could not be read.
    pub keyword: String,
    /// What the schema asks for.
    pub expected: String,
    /// What was sent, in at most 80 characters.
    pub got: String,
    /// One sentence that a voice agent can act on.
    pub sentence: String,
    /// The sentence without anything the model chose.
    #[serde(skip)]
    masked: String,
}

impl Violation {
    /// A violation of the arguments as a whole; the sentence must hold no value.
    pub(super) fn whole(
        keyword: &str,
        expected: impl Into<String>,
        got: impl Into<String>,
        sentence: String,
    ) -> Self {
        let (expected, got) = (expected.into(), text::cut(&got.into(), text::MAX_VALUE_CHARS));
        let masked = sentence.clone();
        Self { pointer: String::new(), keyword: keyword.to_owned(), expected, got, sentence, masked }
    }

    /// A violation whose sentence holds no name but the spoken path; every name is masked.
    pub(super) fn at(
        path: &Path,
        keyword: &str,
        expected: &str,
        got: &str,
        sentence: impl Fn(&str) -> String,
    ) -> Self {
        Self::new(
            path,
            keyword,
            expected.to_owned(),
            got.to_owned(),
            sentence(&path.spoken(|_| true)),
            sentence(&path.spoken(|_| false)),
        )
    }

    pub(super) fn new(
        path: &Path,
        keyword: &str,
        expected: String,
        got: String,
        sentence: String,
        masked: String,
    ) -> Self {
        let got = text::cut(&got, text::MAX_VALUE_CHARS);
        Self { pointer: path.pointer(), keyword: keyword.to_owned(), expected, got, sentence, masked }
    }

    /// The same with `change` made to each of its texts.
    #[must_use]
    pub fn map_texts(self, change: impl Fn(String) -> String) -> Self {
        Self {
            pointer: change(self.pointer),
            keyword: self.keyword,
            expected: change(self.expected),
            got: change(self.got),
            sentence: change(self.sentence),
            masked: change(self.masked),
        }
    }

    /// The sentence without values and without names that only the model knows.
    pub fn masked(&self) -> &str {
        &self.masked
    }
}

impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Violation")
            .field("keyword", &self.keyword)
            .field("expected", &self.expected)
            .field("sentence", &self.masked)
            .finish_non_exhaustive()
    }
}

/// The arguments of a tool call that the gateway refuses.
///
/// `Display` is masked: it may be logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InvalidArguments {
    /// What is wrong, in the order of the schema; never empty, at most 20.
    pub violations: Vec<Violation>,
}

impl InvalidArguments {
    /// A few sentences for the model: what to change so that the next call is accepted.
    pub fn message(&self) -> String {
        self.join(|violation| violation.sentence.as_str())
    }

    /// The same sentences without any value, for logs.
    pub fn masked(&self) -> String {
        self.join(Violation::masked)
    }

    fn join<'v>(&'v self, words: impl Fn(&'v Violation) -> &'v str) -> String {
        let mut sentences: Vec<String> =
            self.violations.iter().take(MAX_SPOKEN).map(|v| words(v).to_owned()).collect();
        match self.violations.len().saturating_sub(MAX_SPOKEN) {
            0 => {}
            more => sentences.push(format!("And {}.", text::count(more as u64, "more problem"))),
        }
        sentences.join(" ")
    }
}

impl From<Vec<Violation>> for InvalidArguments {
    fn from(violations: Vec<Violation>) -> Self {
        Self { violations }
    }
}

impl fmt::Display for InvalidArguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid arguments: {}", self.masked())
    }
}

impl std::error::Error for InvalidArguments {}
