//! A JSON Schema, brought down to what a provider accepts, and a report of what became of it.
//!
//! ```text
//! schema as written ─► gather ─► emit ─► finish ─► schema for the provider
//!                      what is   what    strict    + sentences for the tool's description
//!                      said of   stays,  mode,     + report: kept, lowered, lost; counts
//!                      a value   words   counts
//! ```
//!
//! A keyword that the provider takes is kept. One that it does not take is lowered: written in
//! another form, or said in words in the description next to it ("When category is billing:
//! invoice_dispute, payment_failed."). What cannot be said is lost, and the report says so. The
//! gateway checks arguments against the whole schema all the same.
//!
//! The same schema gives the same result, byte for byte. Size and depth of what comes out are
//! bounded: a schema that contains itself, or definitions that multiply, cannot grow without end.

mod choices;
mod conditions;
mod emit;
mod engine;
mod finish;
mod gather;
mod items;
mod members;
mod names;
mod node;
mod profile;
mod report;
mod values;
mod words;

use serde_json::Value;

pub use self::profile::Profile;
pub use self::report::{Count, Fate, Note, Report};

pub use self::values::type_names;

use crate::parameters::Aliases;
use crate::walk::subschemas;
use callgate_text::push_token;

use self::engine::Engine;
use self::gather::Part;
use self::words::Words;

/// Most schemas that are written out.
const MAX_SCHEMAS: usize = 5_000;
/// A schema as a provider gets it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lowered {
    /// The schema.
    pub schema: Value,
    /// What belongs into the description of the tool: rules about its arguments as a whole.
    pub sentences: Vec<String>,
    /// What became of each keyword; the counts of the tool are added by [`count`].
    pub report: Report,
}

/// Brings `schema` down to what `profile` accepts.
pub fn lower(schema: &Value, profile: &Profile) -> Lowered {
    let mut engine = Engine {
        root: schema,
        profile,
        words: Words { root: schema },
        report: Report::default(),
        stack: vec![schema],
        left: MAX_SCHEMAS,
        needed: Vec::new(),
        sentences: Vec::new(),
    };
    if profile.whole {
        engine.note_all(schema, "", Fate::Kept, "");
        let mut lowered = schema.clone();
        engine.add_all_items(&mut lowered);
        engine.rename(&mut lowered);
        return Lowered { schema: lowered, sentences: Vec::new(), report: engine.report };
    }
    let mut lowered = engine.lower(vec![Part::new(schema, String::new())], true, 0);
    engine.define(&mut lowered);
    finish::root(&mut lowered);
    engine.rename(&mut lowered);
    if profile.strict {
        finish::strict(&mut lowered);
    }
    if profile.any_of_alone {
        finish::alone(&mut lowered);
    }
    if profile.capitals {
        finish::capitals(&mut lowered);
    }
    Lowered { schema: lowered, sentences: engine.sentences, report: engine.report }
}

/// Counts what the provider limits of a tool called `name` with this `description`.
pub fn count(name: &str, description: &str, lowered: &mut Lowered, profile: &Profile) {
    lowered.report.counts = finish::counts(name, description, &lowered.schema, &profile.limits);
    let refused = if profile.plain_names { names::refused(&lowered.schema) } else { 0 };
    if refused > 0 {
        let what = "properties whose names it refuses";
        lowered.report.counts.push(Count { what, found: refused, limit: Some(0) });
    }
}

/// The longest description that a provider takes, in characters.
pub fn description_limit(profile: &Profile) -> Option<usize> {
    profile.limits.description
}

impl<'a> Engine<'a> {
    /// Adds `$defs`, with what the definitions themselves refer to.
    fn define(&mut self, lowered: &mut Value) {
        let mut definitions = serde_json::Map::new();
        let mut at = 0;
        while let Some((name, schema, pointer)) = self.needed.get(at).cloned() {
            self.stack = vec![schema];
            let definition = self.lower(vec![Part::new(schema, pointer)], false, 1);
            definitions.insert(name.to_owned(), definition);
            at += 1;
        }
        if let (false, Value::Object(members)) = (definitions.is_empty(), lowered) {
            members.insert("$defs".to_owned(), Value::Object(definitions));
        }
    }

    /// Gives properties names that the provider takes.
    fn rename(&mut self, lowered: &mut Value) {
        if self.profile.plain_names && names::rename(lowered, &Aliases::of(self.root)) {
            let how = "a name that the provider refuses is written otherwise";
            self.report.note("/properties", Fate::Lowered, how);
        }
    }

    /// Notes the same of every keyword inside `schema`, which stands at `pointer`.
    fn note_all(&mut self, schema: &Value, pointer: &str, fate: Fate, how: &'static str) {
        let Value::Object(members) = schema else { return };
        for keyword in members.keys() {
            let mut at = pointer.to_owned();
            push_token(&mut at, keyword);
            self.report.note(&at, fate, how);
        }
        for inner in subschemas(members) {
            self.note_all(inner.schema, &inner.pointer(pointer), fate, how);
        }
    }
}
