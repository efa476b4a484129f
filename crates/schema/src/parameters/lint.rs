//! What can be wrong with a schema without any call: all of it at once, with pointers.
use std::collections::HashMap;

use jsonschema::Draft;
use serde_json::{Map, Value};

use callgate_text::closest;

use crate::keyword::{self, KEYWORDS, OTHER_MEMBERS};
use crate::{reference, walk};

use super::{explain, path, sensitive, text};

/// Deeper schemas are refused, to bound the stack of everything that walks one.
const MAX_DEPTH: usize = 64;
/// Longer chains of `$ref` and `allOf` on one value are refused, for the same reason.
const MAX_SAME_VALUE: usize = 32;
/// More values than this are refused.
const MAX_VALUES: usize = 50_000;
/// Keywords of other dialects that look like slips and are not.
const FOREIGN_KEYWORDS: &[&str] = &["id", "example", "note", "notes", "name", "nullable", "hint"];

/// Something an author of a schema should change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaProblem {
    /// The JSON Pointer into the schema, empty for its root.
    pub pointer: String,
    /// What is wrong, as a lowercase fragment.
    pub message: String,
    /// What to write instead, where that can be told.
    pub hint: Option<String>,
    /// Whether the schema works nevertheless.
    pub warning: bool,
}

impl SchemaProblem {
    pub(super) fn error(pointer: &str, message: impl Into<String>) -> Self {
        Self { pointer: pointer.to_owned(), message: message.into(), hint: None, warning: false }
    }

    fn warning(pointer: &str, message: impl Into<String>) -> Self {
        Self { warning: true, ..Self::error(pointer, message) }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// Whether `schema` is small enough to be walked; the problem if it is not.
pub(super) fn too_large(schema: &Value) -> Option<SchemaProblem> {
    let mut todo = vec![(schema, 0_usize)];
    let mut values = 0_usize;
    while let Some((value, depth)) = todo.pop() {
        values += 1;
        if depth > MAX_DEPTH {
            let message = format!("the schema is nested more than {MAX_DEPTH} levels deep");
            return Some(SchemaProblem::error("", message).hint("move inner schemas to `$defs`"));
        }
        if values > MAX_VALUES {
            let message = format!("the schema has more than {MAX_VALUES} values");
            return Some(SchemaProblem::error("", message));
        }
        match value {
            Value::Array(items) => todo.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Object(members) => todo.extend(members.values().map(|item| (item, depth + 1))),
            _ => {}
        }
    }
    None
}

/// Everything that can be said about a schema by reading it.
pub(super) struct Linter<'s> {
    pub(super) root: &'s Value,
    pub(super) draft: Draft,
    pub(super) problems: Vec<SchemaProblem>,
    /// Every `$id`, the root's first.
    ids: Vec<&'s str>,
    /// How many schemas look at the same value, from a schema on.
    heights: HashMap<*const Value, usize>,
    has_long_chain: bool,
    /// Pointers to schemas with a default, and to schemas with a list of values.
    pub(super) defaults: Vec<String>,
    pub(super) enums: Vec<String>,
    /// Patterns and where they stand.
    pub(super) patterns: Vec<(String, &'s str)>,
}

impl<'s> Linter<'s> {
    pub(super) fn new(root: &'s Value, draft: Draft) -> Self {
        let mut ids = Vec::new();
        for (members, _) in walk::all(root) {
            let id = members.get("$id").and_then(Value::as_str).unwrap_or_default();
            if !id.is_empty() && !id.starts_with('#') {
                ids.push(id);
            }
        }
        Self {
            root,
            draft,
            ids,
            problems: Vec::new(),
            heights: HashMap::new(),
            has_long_chain: false,
            defaults: Vec::new(),
            enums: Vec::new(),
            patterns: Vec::new(),
        }
    }

    /// Looks at `schema` at `pointer`; `around` are the names declared for the same value.
    pub(super) fn visit(&mut self, schema: &'s Value, pointer: &str, around: &[&'s str]) {
        let Some(members) = schema.as_object() else { return };
        // What follows would walk the chain again from each of its links.
        if self.has_long_chain || self.is_long_chain(schema, pointer) {
            return;
        }
        let options = jsonschema::options();
        for (keyword, value) in members {
            let at = || format!("{pointer}/{}", callgate_text::escape_token(keyword));
            match (keyword.as_str(), value) {
                ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(reference)) => {
                    self.reference(reference, &at());
                }
                ("$schema", Value::String(dialect))
                    if !pointer.is_empty() && Draft::from_schema_uri(dialect) != self.draft =>
                {
                    let message = "an inner schema cannot be of another draft";
                    self.problems.push(SchemaProblem::error(&at(), message));
                }
                ("enum", Value::Array(values)) => match values.is_empty() {
                    true => {
                        let problem = SchemaProblem::error(&at(), "no value is allowed");
                        self.problems.push(problem.hint("list at least one value"));
                    }
                    false => self.enums.push(pointer.to_owned()),
                },
                (sensitive::KEYWORD, value) if !value.is_boolean() => {
                    let problem = SchemaProblem::error(&at(), "`x-sensitive` must be true or false");
                    self.problems.push(problem.hint("write `x-sensitive: true`"));
                }
                ("default", _) => self.defaults.push(pointer.to_owned()),
                ("pattern", Value::String(pattern)) => self.patterns.push((at(), pattern)),
                ("patternProperties", Value::Object(patterns)) => {
                    for pattern in patterns.keys() {
                        self.patterns
                            .push((format!("{}/{}", at(), callgate_text::escape_token(pattern)), pattern));
                    }
                }
                ("format", Value::String(name)) if !options.is_known_format(self.draft, name) => {
                    let message = format!("the format `{}` is not checked", path::speakable(name));
                    let hint = match closest(name, text::FORMATS.iter().copied()) {
                        Some(meant) => format!("did you mean `{meant}`?"),
                        None => format!("formats that are: {}", text::FORMATS.join(", ")),
                    };
                    self.problems.push(SchemaProblem::warning(&at(), message).hint(hint));
                }
                _ => {}
            }
            self.keyword(keyword, value, pointer);
        }
        let mut names: Vec<&str> = around.to_vec();
        names.extend(explain::declared(self.root, members));
        self.required(members, pointer, &names);
        for sub in walk::subschemas(members) {
            let names = if sub.applies.to_same_value() { names.as_slice() } else { &[] };
            self.visit(sub.schema, &sub.pointer(pointer), names);
        }
    }

    fn keyword(&mut self, keyword: &str, value: &Value, pointer: &str) {
        // A slip here would be written down with everything that it was to protect.
        let slip = ["sensitive", "x-secret", "secret"].contains(&keyword)
            || (keyword != sensitive::KEYWORD && closest(keyword, [sensitive::KEYWORD]).is_some());
        if slip && *value == Value::Bool(true) {
            let at = format!("{pointer}/{}", callgate_text::escape_token(keyword));
            let message = format!("`{}` marks nothing as sensitive", path::speakable(keyword));
            self.problems
                .push(SchemaProblem::warning(&at, message).hint("did you mean `x-sensitive: true`?"));
            return;
        }
        let known = keyword::find(keyword).is_some() || FOREIGN_KEYWORDS.contains(&keyword);
        if known || keyword.starts_with("x-") {
            return;
        }
        if let Some(meant) = closest(keyword, KEYWORDS.iter().map(|keyword| keyword.name)) {
            let at = format!("{pointer}/{}", callgate_text::escape_token(keyword));
            let message = format!("unknown keyword `{}`", path::speakable(keyword));
            let hint = format!("did you mean `{meant}`?");
            self.problems.push(SchemaProblem::warning(&at, message).hint(hint));
        }
    }

    /// Warns of required names that no `properties` declares.
    fn required(&mut self, schema: &Map<String, Value>, pointer: &str, declared: &[&str]) {
        let open = OTHER_MEMBERS
            .iter()
            .chain(&["patternProperties"])
            .any(|keyword| schema.get(*keyword).is_some_and(|value| *value != Value::Bool(false)));
        let Some(Value::Array(required)) = schema.get("required") else { return };
        // A part that others refer to may leave the declaration to them.
        if open || (declared.is_empty() && !pointer.is_empty()) {
            return;
        }
        for (index, name) in required.iter().enumerate() {
            let Some(name) = name.as_str().filter(|name| !declared.contains(name)) else {
                continue;
            };
            let message = format!("`{}` is required and not declared in `properties`", path::speakable(name));
            let problem = SchemaProblem::warning(&format!("{pointer}/required/{index}"), message);
            let free = declared.iter().copied().filter(|name| !required.iter().any(|r| r == name));
            self.problems.push(match closest(name, free) {
                Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
                None => problem.hint("declare it, or leave it out of `required`"),
            });
        }
    }

    fn reference(&mut self, reference: &str, at: &str) {
        let spoken = path::speakable(reference);
        if !reference.starts_with('#') {
            let (address, _) = reference.split_once('#').unwrap_or((reference, ""));
            // Relative to each other, one is the tail of the other; the build decides in the end.
            let is_inside = self.ids.iter().any(|id| {
                let id = id.trim_end_matches('#');
                id == address || ends_in(address, id) || ends_in(id, address)
            });
            if !is_inside {
                let message = format!("`{spoken}` leads out of the schema");
                let hint = "copy the schema into `$defs` and write `#/$defs/<name>`";
                self.problems.push(SchemaProblem::error(at, message).hint(hint));
            }
            return;
        }
        // With an identifier below the root, only the build knows what `#` stands for.
        let own = self.root.get("$id").and_then(Value::as_str);
        let nested = self.ids.iter().any(|id| Some(*id) != own);
        if nested || reference::resolve(self.root, reference).is_some() {
            return;
        }
        let message = format!("`{spoken}` does not exist in this schema");
        let problem = SchemaProblem::error(at, message);
        let defined = ["$defs", "definitions"].iter().flat_map(|keyword| {
            let names = self.root.get(*keyword).and_then(Value::as_object);
            names.into_iter().flat_map(Map::keys).map(move |name| format!("#/{keyword}/{name}"))
        });
        let defined: Vec<String> = defined.collect();
        self.problems.push(match closest(reference, defined.iter().map(String::as_str)) {
            Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
            None if defined.is_empty() => problem.hint("define it in `$defs`"),
            None => problem.hint(format!("defined are: {}", defined.join(", "))),
        });
    }

    fn is_long_chain(&mut self, schema: &'s Value, pointer: &str) -> bool {
        if self.height(schema, 0).is_some() {
            return false;
        }
        self.has_long_chain = true;
        let message = "the schema refers to itself for the same value, or through too many references";
        let hint = format!("at most {MAX_SAME_VALUE} `$ref`, `allOf` and the like may follow");
        self.problems.push(SchemaProblem::error(pointer, message).hint(hint));
        true
    }

    /// How many schemas look at one value from `schema` on; `None` if they are too many.
    fn height(&mut self, schema: &'s Value, depth: usize) -> Option<usize> {
        let Some(members) = schema.as_object() else { return Some(0) };
        let known = self.heights.get(&std::ptr::from_ref(schema)).copied();
        if depth + known.unwrap_or(0) > MAX_SAME_VALUE {
            return None;
        }
        if known.is_some() {
            return known;
        }
        let same = walk::subschemas(members).into_iter().filter(|sub| sub.applies.to_same_value());
        let next = reference::target(self.root, members).into_iter().chain(same.map(|s| s.schema));
        let mut highest = 0;
        for next in next.filter(|next| !std::ptr::eq(*next, schema)) {
            highest = highest.max(1 + self.height(next, depth + 1)?);
        }
        self.heights.insert(std::ptr::from_ref(schema), highest);
        Some(highest)
    }
}

fn ends_in(address: &str, tail: &str) -> bool {
    !tail.is_empty()
        && address.strip_suffix(tail).is_some_and(|head| head.ends_with('/') || tail.starts_with('/'))
}
