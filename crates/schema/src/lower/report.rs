//! What became of a schema on its way to a provider.

use std::collections::HashMap;

use serde::Serialize;

/// What became of a keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// The provider gets it as it was written.
    Kept,
    /// The provider gets its meaning in another form, mostly in words in a description.
    Lowered,
    /// The provider gets nothing of it. The gateway checks it all the same.
    Lost,
}

/// What became of one keyword of a schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// JSON Pointer to the keyword, from the root of the schema as written.
    pub pointer: String,
    /// What became of it.
    pub fate: Fate,
    /// How, where it was not kept.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub how: &'static str,
}

impl Note {
    /// The keyword that the note is about.
    ///
    /// The last token of the pointer; `properties` and the like are noted once, not for each name.
    pub fn keyword(&self) -> &str {
        self.pointer.rsplit('/').next().unwrap_or_default()
    }

    /// Whether the author of an action should hear of it: a comment says nothing to a model.
    pub fn matters(&self) -> bool {
        let keyword = self.keyword();
        self.fate == Fate::Lost
            && !keyword.starts_with("x-")
            && !["$comment", "$vocabulary", "$schema", "$id"].contains(&keyword)
    }
}

/// Something that a provider limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Count {
    /// What is counted.
    pub what: &'static str,
    /// How much of it there is.
    pub found: usize,
    /// The most that the provider takes, where it says.
    pub limit: Option<usize>,
}

impl Count {
    /// Whether there is more than the provider takes.
    pub fn is_over(&self) -> bool {
        self.limit.is_some_and(|limit| self.found > limit)
    }
}

/// What became of a tool on its way to a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Every keyword, in the order in which it was met.
    pub keywords: Vec<Note>,
    /// What the provider limits.
    pub counts: Vec<Count>,
    /// The texts that are said while it runs, by their place in the action; of products that speak.
    pub speech: Vec<Note>,
    #[serde(skip)]
    known: HashMap<String, usize>,
}

impl Report {
    /// Notes what became of the keyword at `pointer`. What is met twice, because a `$ref` leads to
    /// it twice, keeps the worst.
    pub fn note(&mut self, pointer: &str, fate: Fate, how: &'static str) {
        match self.known.get(pointer) {
            Some(&at) => {
                if self.keywords[at].fate < fate {
                    self.keywords[at] = Note { pointer: pointer.to_owned(), fate, how };
                }
            }
            None => {
                self.known.insert(pointer.to_owned(), self.keywords.len());
                self.keywords.push(Note { pointer: pointer.to_owned(), fate, how });
            }
        }
    }

    /// How many keywords met each fate: kept, lowered, lost.
    pub fn totals(&self) -> [usize; 3] {
        let count = |fate| self.keywords.iter().filter(|note| note.fate == fate).count();
        [count(Fate::Kept), count(Fate::Lowered), count(Fate::Lost)]
    }
}
