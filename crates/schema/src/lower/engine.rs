//! One schema on its way to one provider: what it has to go by, and what it has gathered so far.

use serde_json::Value;

use super::profile::Profile;
use super::report::Report;
use super::words::Words;

/// Deepest nesting that is written out.
pub(super) const MAX_DEPTH: usize = 40;

/// One schema on its way to one provider.
pub(super) struct Engine<'a> {
    pub(super) root: &'a Value,
    pub(super) profile: &'a Profile,
    pub(super) words: Words<'a>,
    pub(super) report: Report,
    /// The schemas that are being written out, outermost first.
    pub(super) stack: Vec<&'a Value>,
    /// How many schemas may still be written out.
    pub(super) left: usize,
    /// Definitions that are referred to: name, schema, place.
    pub(super) needed: Vec<(&'a str, &'a Value, String)>,
    /// Rules about the arguments as a whole.
    pub(super) sentences: Vec<String>,
}

impl<'a> Engine<'a> {
    /// Takes one schema from what may still be written out.
    pub(super) fn spend(&mut self) -> bool {
        self.left = self.left.saturating_sub(1);
        self.left > 0
    }

    /// Remembers a definition that is referred to.
    pub(super) fn need(&mut self, name: &'a str, schema: &'a Value, pointer: String) {
        if !self.needed.iter().any(|(known, _, _)| *known == name) {
            self.needed.push((name, schema, pointer));
        }
    }
}
