//! jsonschema's errors as sentences.
//!
//! A sentence starts with the path of the value and goes on with a predicate ("must be …"); the
//! masked sentence differs in the names the schema does not know.
use std::collections::HashSet;

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind as Kind;
use serde_json::{Map, Value};

use callgate_text::closest;

use super::path::{self, Path};
use super::violation::{MAX_VIOLATIONS, Violation};
use super::{sensitive, text};
use crate::{reference, walk};

/// Nested `anyOf` and `oneOf` are entered this far.
const MAX_BRANCH_DEPTH: usize = 8;

/// Turns the errors of one call into violations.
pub(super) struct Explainer<'a> {
    schema: &'a Value,
    pub(super) arguments: &'a Value,
    /// Every property name the schema mentions: these may be logged.
    known: &'a HashSet<String>,
    /// The keyword that Callgate added to the root, if any.
    closing: Option<&'static str>,
    /// Where `x-sensitive` values stand; `None` where the schema marks nothing.
    sensitive: Option<&'a [String]>,
    pub(super) found: Vec<Violation>,
    pub(super) depth: usize,
}

impl<'a> Explainer<'a> {
    pub(super) fn new(
        schema: &'a Value,
        arguments: &'a Value,
        known: &'a HashSet<String>,
        closing: Option<&'static str>,
        sensitive: Option<&'a [String]>,
    ) -> Self {
        Self { schema, arguments, known, closing, sensitive, found: Vec::new(), depth: 0 }
    }

    /// One that starts over for the errors of a branch.
    pub(super) fn for_branch(&self) -> Self {
        Self { found: Vec::new(), ..*self }
    }

    /// Explains `errors`, at most twenty violations of them.
    pub(super) fn explain<'e>(&mut self, errors: &'e [ValidationError<'_>]) {
        // An unknown name is often the misspelt form of a missing one, and a failed branch makes
        // its names unknown, so the rule about extra names is looked at last.
        let (extra, other) =
            errors.iter().partition::<Vec<&'e _>, _>(|error| self.is_closing(error.schema_path().as_str()));
        let missing: HashSet<&str> = other
            .iter()
            .filter_map(|error| match error.kind() {
                Kind::Required { property } => property.as_str(),
                _ => None,
            })
            .collect();
        for error in other.iter().copied() {
            if !self.depends_on_missing(error, &missing) {
                self.push(error);
            }
        }
        for error in extra {
            self.push_extra(error, !self.found.is_empty());
        }
    }

    /// Refuses top-level arguments that the schema does not declare.
    pub(super) fn push_unknown(&mut self, names: &[&str]) {
        let declared = match self.schema.as_object() {
            Some(schema) => declared(self.schema, schema),
            None => Vec::new(),
        };
        for name in names {
            self.push_name(&Path::default(), name, &declared, "additionalProperties");
        }
    }

    fn is_closing(&self, schema_path: &str) -> bool {
        self.closing.is_some_and(|keyword| schema_path.strip_prefix('/') == Some(keyword))
    }

    /// Whether `error` comes from a `then` or `else` whose `if` looks at a property that is
    /// missing: an absent property satisfies every `if`, and the sentences would contradict.
    fn depends_on_missing(&self, error: &ValidationError<'_>, missing: &HashSet<&str>) -> bool {
        let at = error.schema_path().as_str();
        if matches!(error.kind(), Kind::Required { .. }) {
            return false;
        }
        let Some(end) = at.find("/then/").or_else(|| at.find("/else/")) else { return false };
        self.schema
            .pointer(&format!("{}/if/properties", &at[..end]))
            .and_then(Value::as_object)
            .is_some_and(|names| names.keys().any(|name| missing.contains(name.as_str())))
    }

    /// Explains one error and everything inside it that says more.
    pub(super) fn push(&mut self, error: &ValidationError<'_>) {
        if self.found.len() >= MAX_VIOLATIONS {
            return;
        }
        let at = self.path(error);
        match error.kind() {
            Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
                if self.depth < MAX_BRANCH_DEPTH {
                    self.depth += 1;
                    self.push_branches(error, context);
                    self.depth -= 1;
                } else {
                    let forms = text::count(context.len() as u64, "allowed form");
                    let expected = format!("one of {forms}");
                    self.add(&at, error, "anyOf", expected.clone(), format!("must fit {expected}"));
                }
            }
            Kind::AdditionalProperties { .. } | Kind::UnevaluatedProperties { .. } => {
                self.push_extra(error, false);
            }
            Kind::FalseSchema if is_extra_keyword(error.schema_path().as_str()) => {
                self.push_extra(error, false);
            }
            Kind::Required { property } => self.push_required(error, property),
            Kind::PropertyNames { error: inner } => {
                let name = inner.instance().as_str().unwrap_or_default();
                let inner = self.finding(inner);
                let rule = format!("a name {}", inner.predicate);
                let sentence = |spoken: &str, masked: bool| match masked {
                    true => format!("{spoken} has a field with a wrong name: {rule}."),
                    false => {
                        format!("{spoken} must not have a field named `{}`: {rule}.", path::speakable(name))
                    }
                };
                self.add_sentence(&at, "propertyNames", inner.expected, short_text(name), sentence);
            }
            Kind::FalseSchema if error.schema_path().as_str().ends_with("/items") => {
                self.push_too_many_items(error);
            }
            _ => {
                let finding = self.finding(error);
                self.add(&at, error, finding.keyword, finding.expected, finding.predicate);
            }
        }
    }

    /// `items: false` after `prefixItems` fails once per item; the list is what is wrong.
    fn push_too_many_items(&mut self, error: &ValidationError<'_>) {
        let pointer = error.instance_path().as_str();
        let list = pointer.rsplit_once('/').map_or("", |(list, _)| list);
        let limit =
            self.owner(error).and_then(|schema| schema.get("prefixItems")?.as_array()).map_or(0, Vec::len)
                as u64;
        let expected = format!("at most {}", text::count(limit, "item"));
        let at = Path::from_pointer(list, self.arguments);
        let got = self.arguments.pointer(list).map(text::short).unwrap_or_default();
        let predicate = format!("must have {expected}");
        self.add_sentence(&at, "items", expected, got, |subject, _| format!("{subject} {predicate}."));
    }

    fn push_required(&mut self, error: &ValidationError<'_>, property: &Value) {
        let name = property.as_str().unwrap_or_default();
        let at = self.path(error).join(name);
        let (keyword, when) = match self.trigger(error, name) {
            Some(trigger) => {
                let trigger = self.path(error).join(trigger).spoken(|_| true);
                ("dependentRequired", format!(" when `{trigger}` is given"))
            }
            None => ("required", String::new()),
        };
        let sentence = |subject: &str, _| format!("{subject} is required{when}.");
        self.add_sentence(&at, keyword, "a value".to_owned(), "nothing".to_owned(), sentence);
    }

    /// The property whose presence makes `name` required.
    fn trigger<'s>(&'s self, error: &ValidationError<'_>, name: &str) -> Option<&'s str> {
        let schema_path = error.schema_path().as_str();
        let keyword = ["/dependentRequired", "/dependencies"]
            .into_iter()
            .find(|keyword| schema_path.ends_with(keyword))?;
        let rules = self.owner(error)?.get(&keyword[1..])?.as_object()?;
        let given = error.instance().as_object()?;
        let asks = |names: &Value| names.as_array().is_some_and(|n| n.iter().any(|n| n == name));
        rules
            .iter()
            .find(|(trigger, names)| given.contains_key(*trigger) && asks(names))
            .map(|(trigger, _)| trigger.as_str())
    }

    /// One violation per name that the schema does not know.
    fn push_extra(&mut self, error: &ValidationError<'_>, explained: bool) {
        let closing = self.is_closing(error.schema_path().as_str());
        let owner = if closing { self.schema.as_object() } else { self.owner(error) };
        let declared = owner.map(|owner| declared(self.schema, owner)).unwrap_or_default();
        // Without properties beside it, jsonschema reports the object and not the names.
        let here = self.arguments.pointer(error.instance_path().as_str());
        let given = here.and_then(Value::as_object);
        let unexpected: Vec<String> = match error.kind() {
            Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
                unexpected.clone()
            }
            _ => given.into_iter().flat_map(Map::keys).cloned().collect(),
        };
        let keyword = match error.kind().keyword() {
            "falseSchema" => "additionalProperties",
            _ if closing => "additionalProperties",
            keyword => keyword,
        };
        let at = self.path(error);
        for name in unexpected {
            // A failed branch does not vouch for its names; its own violation says enough.
            if !explained || !declared.contains(&name.as_str()) {
                self.push_name(&at, &name, &declared, keyword);
            }
        }
    }

    /// Refuses the member `name` of the object at `at`.
    fn push_name(&mut self, at: &Path, name: &str, declared: &[&str], keyword: &str) {
        if self.found.len() >= MAX_VIOLATIONS {
            return;
        }
        let members = self.arguments.pointer(&at.pointer()).and_then(Value::as_object);
        let free = declared
            .iter()
            .copied()
            .filter(|name| members.is_none_or(|members| !members.contains_key(*name)));
        let advice = match closest(name, free) {
            Some(meant) => format!("; did you mean `{}`?", at.join(meant).spoken(|_| true)),
            None => "; leave it out.".to_owned(),
        };
        let what = match (declared.contains(&name), at.0.is_empty()) {
            (true, _) => "does not go with the other values",
            (false, true) => "is not a parameter of this tool",
            (false, false) => "is not a known field",
        };
        // A misspelt name may well hold the value that another one was meant for.
        let got = match self.sensitive {
            Some(_) => Some(sensitive::MASKED.to_owned()),
            None => members.and_then(|members| members.get(name)).map(text::short),
        };
        let expected = "only declared names".to_owned();
        let sentence =
            |subject: &str, masked: bool| format!("{subject} {what}{}", if masked { "." } else { &advice });
        self.add_sentence(&at.join(name), keyword, expected, got.unwrap_or_default(), sentence);
    }

    /// Adds a violation whose sentence is its subject and `predicate`.
    pub(super) fn add(
        &mut self,
        at: &Path,
        error: &ValidationError<'_>,
        keyword: &str,
        expected: String,
        predicate: String,
    ) {
        let got = text::short(error.instance());
        let sentence = |subject: &str, _| format!("{subject} {predicate}.");
        self.add_sentence(at, keyword, expected, got, sentence);
    }

    /// Adds a violation unless the same was said before.
    pub(super) fn add_sentence(
        &mut self,
        at: &Path,
        keyword: &str,
        expected: String,
        got: String,
        sentence: impl Fn(&str, bool) -> String,
    ) {
        let subject = |spoken: String| match spoken.is_empty() {
            true => "The arguments".to_owned(),
            false => format!("`{spoken}`"),
        };
        let said = sentence(&subject(at.spoken(|_| true)), false);
        let masked = sentence(&subject(at.spoken(|name| self.known.contains(name))), true);
        let places = self.sensitive.unwrap_or_default();
        let pointer = at.pointer();
        let violation = match sensitive::above(places, &pointer) {
            // Below a sensitive value its names are a part of it.
            Some(place) => {
                let at = Path::from_pointer(place, self.arguments);
                Violation::new(&at, keyword, expected, sensitive::MASKED.to_owned(), masked.clone(), masked)
            }
            None if sensitive::touches(places, &pointer) => {
                Violation::new(at, keyword, expected, sensitive::MASKED.to_owned(), said, masked)
            }
            None => Violation::new(at, keyword, expected, got, said, masked),
        };
        let repeated =
            self.found.iter().any(|v| v.pointer == violation.pointer && v.sentence == violation.sentence);
        if !repeated && self.found.len() < MAX_VIOLATIONS {
            self.found.push(violation);
        }
    }

    pub(super) fn path(&self, error: &ValidationError<'_>) -> Path {
        Path::from_pointer(error.instance_path().as_str(), self.arguments)
    }

    /// The schema object that holds the broken keyword.
    pub(super) fn owner(&self, error: &ValidationError<'_>) -> Option<&'a Map<String, Value>> {
        let (owner, _) = error.schema_path().as_str().rsplit_once('/')?;
        self.schema.pointer(owner)?.as_object()
    }
}

fn short_text(name: &str) -> String {
    text::short(&Value::String(text::cut(name, text::MAX_VALUE_CHARS)))
}

fn is_extra_keyword(schema_path: &str) -> bool {
    schema_path.ends_with("/additionalProperties") || schema_path.ends_with("/unevaluatedProperties")
}

/// The names that `schema` declares, in any of its branches.
pub(super) fn declared<'s>(root: &'s Value, schema: &'s Map<String, Value>) -> Vec<&'s str> {
    let mut names = Vec::new();
    let mut add = |members: &'s Map<String, Value>| {
        let properties = members.get("properties").and_then(Value::as_object);
        for name in properties.into_iter().flat_map(Map::keys) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
    };
    add(schema);
    if let Some(target) = reference::target(root, schema) {
        reference::same_value(root, target, true, &mut add);
    }
    for sub in walk::subschemas(schema) {
        if sub.describes_same_value() {
            reference::same_value(root, sub.schema, true, &mut add);
        }
    }
    names
}
