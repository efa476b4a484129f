//! Everything that looks at the same value, brought together.

use std::collections::VecDeque;

use serde_json::{Map, Value, json};

use crate::reference::resolve;
use callgate_text::push_token;

use super::engine::Engine;
use super::profile::{References, Types};
use super::report::Fate;

/// A schema and where it was written.
#[derive(Clone, Debug)]
pub(super) struct Part<'a> {
    pub(super) schema: &'a Value,
    /// JSON Pointer from the root of the schema.
    pub(super) pointer: String,
}

impl<'a> Part<'a> {
    pub(super) fn new(schema: &'a Value, pointer: String) -> Self {
        Self { schema, pointer }
    }

    /// The schema below `keyword`, and below `name` or an index in it.
    pub(super) fn below(schema: &'a Value, pointer: &str, token: &str) -> Self {
        let mut pointer = pointer.to_owned();
        push_token(&mut pointer, token);
        Self { schema, pointer }
    }
}

/// A keyword's value and where the keyword was written.
#[derive(Clone, Debug)]
pub(super) struct Found<'a> {
    pub(super) value: &'a Value,
    pub(super) pointer: String,
}

/// `if`, `dependentSchemas` or `dependentRequired`.
#[derive(Clone, Debug)]
pub(super) struct Condition<'a> {
    pub(super) test: Test<'a>,
    pub(super) then: Option<Part<'a>>,
    pub(super) otherwise: Option<Part<'a>>,
    /// What `dependentRequired` requires.
    pub(super) required: Vec<&'a str>,
    /// The keywords that say so.
    pub(super) pointers: Vec<String>,
}

/// When a condition holds.
#[derive(Clone, Debug)]
pub(super) enum Test<'a> {
    /// The value fits a schema.
    Fits(&'a Value),
    /// A property is there.
    Given(&'a str),
}

/// `anyOf` or `oneOf`.
#[derive(Clone, Debug)]
pub(super) struct Choice<'a> {
    pub(super) keyword: &'a str,
    pub(super) pointer: String,
    pub(super) branches: Vec<Part<'a>>,
}

/// All that is said of one value.
#[derive(Debug, Default)]
pub(super) struct Gathered<'a> {
    /// Keywords in the order in which they were met, each with all its values.
    pub(super) keywords: Vec<(&'a str, Vec<Found<'a>>)>,
    pub(super) conditions: Vec<Condition<'a>>,
    pub(super) choices: Vec<Choice<'a>>,
    /// Name of a definition that is referred to and not written out; empty for the root.
    pub(super) reference: Option<&'a str>,
    /// Null is allowed as well.
    pub(super) null: bool,
    /// No value is allowed.
    pub(super) denied: bool,
    /// Where a schema that contains itself is not written out again.
    pub(super) cut: bool,
}

impl<'a> Gathered<'a> {
    pub(super) fn get(&self, keyword: &str) -> Option<&[Found<'a>]> {
        self.keywords.iter().find(|(name, _)| *name == keyword).map(|(_, found)| found.as_slice())
    }

    fn push(&mut self, keyword: &'a str, found: Found<'a>) {
        match self.keywords.iter_mut().find(|(name, _)| *name == keyword) {
            Some((_, all)) => all.push(found),
            None => self.keywords.push((keyword, vec![found])),
        }
    }
}

impl<'a> Engine<'a> {
    /// Brings together what `parts` say of one value, through `$ref` and `allOf`.
    ///
    /// What is entered by `$ref` stays on the stack; the caller takes it off.
    pub(super) fn gather(&mut self, parts: Vec<Part<'a>>, at_root: bool) -> Gathered<'a> {
        let mut gathered = Gathered::default();
        let alone = parts.len() == 1;
        let mut todo: VecDeque<Part<'a>> = parts.into();
        while let Some(part) = todo.pop_front() {
            let members = match part.schema {
                Value::Object(members) => members,
                other => {
                    gathered.denied |= *other == Value::Bool(false);
                    continue;
                }
            };
            if !self.spend() {
                self.report.note(&part.pointer, Fate::Lost, "the schema is too large when written out");
                continue;
            }
            for (keyword, value) in members {
                let mut pointer = part.pointer.clone();
                push_token(&mut pointer, keyword);
                match (keyword.as_str(), value) {
                    ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(reference)) => {
                        let bare = alone && !at_root && members.keys().all(|key| is_beside_reference(key));
                        self.follow(reference, pointer, bare, &mut gathered, &mut todo);
                    }
                    ("allOf", Value::Array(all)) => {
                        self.report.note(&pointer, Fate::Lowered, "merged into the schema around it");
                        for (at, part) in all.iter().enumerate() {
                            todo.push_back(Part::below(part, &pointer, &at.to_string()));
                        }
                    }
                    ("anyOf" | "oneOf", Value::Array(all)) => {
                        let branches = all.iter().enumerate();
                        let mut branches: Vec<Part<'a>> =
                            branches.map(|(at, part)| Part::below(part, &pointer, &at.to_string())).collect();
                        if self.profile.types != Types::Lists && branches.len() > 1 {
                            let others = branches.iter().filter(|part| !is_null(part.schema));
                            if let [only] = others.collect::<Vec<_>>().as_slice() {
                                branches = vec![(*only).clone()];
                                gathered.null = true;
                            }
                        }
                        if branches.len() == 1 {
                            self.report.note(&pointer, Fate::Lowered, "merged into the schema around it");
                            todo.extend(branches);
                            continue;
                        }
                        gathered.choices.push(Choice { keyword, pointer, branches });
                    }
                    ("if", test) => gathered.conditions.push(conditional(members, test, &part.pointer)),
                    ("then" | "else", _) if members.contains_key("if") => {}
                    ("then" | "else", _) => {
                        self.report.note(&pointer, Fate::Lost, "there is no `if` beside it");
                    }
                    ("dependentRequired" | "dependentSchemas" | "dependencies", Value::Object(rules)) => {
                        gathered.conditions.extend(dependent(rules, &pointer));
                    }
                    _ => gathered.push(keyword, Found { value, pointer }),
                }
            }
        }
        gathered
    }

    fn follow(
        &mut self,
        reference: &'a str,
        pointer: String,
        bare: bool,
        gathered: &mut Gathered<'a>,
        todo: &mut VecDeque<Part<'a>>,
    ) {
        let Some((target, at)) = resolve(self.root, reference) else {
            return self.report.note(&pointer, Fate::Lost, "it cannot be followed here");
        };
        let entered = self.stack.iter().filter(|there| std::ptr::eq(**there, target)).count();
        let name = definition_name(reference);
        let stays = match self.profile.references {
            References::Keep => bare || entered > 0,
            References::Recursive => entered > 0,
            References::WriteOut => false,
        };
        match name.filter(|_| stays && gathered.reference.is_none()) {
            Some(name) => {
                self.report.note(&pointer, Fate::Kept, "");
                if !name.is_empty() {
                    self.need(name, target, at);
                }
                gathered.reference = Some(name);
            }
            None if entered > MAX_UNROLLED => {
                let how = "a schema that contains itself is written out a few times only";
                self.report.note(&pointer, Fate::Lost, how);
                gathered.cut = true;
                // What kind of value it is can still be said.
                if let Some(kind) = target.get("type") {
                    gathered.push("type", Found { value: kind, pointer: format!("{at}/type") });
                }
            }
            None => {
                self.report.note(&pointer, Fate::Lowered, "written out");
                self.stack.push(target);
                todo.push_back(Part::new(target, at));
            }
        }
    }
}

/// How often a schema that contains itself is written out inside itself.
const MAX_UNROLLED: usize = 1;

/// Keywords beside a `$ref` that do not keep it from staying.
fn is_beside_reference(keyword: &str) -> bool {
    ["$ref", "description", "title", "$comment"].contains(&keyword)
}

/// The name that `#/$defs/name` or `#/definitions/name` leads to; empty for `#`, the root.
fn definition_name(reference: &str) -> Option<&str> {
    if reference == "#" {
        return Some("");
    }
    let name = reference.strip_prefix("#/$defs/").or_else(|| reference.strip_prefix("#/definitions/"))?;
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    (plain && !name.is_empty()).then_some(name)
}

fn conditional<'a>(members: &'a Map<String, Value>, test: &'a Value, at: &str) -> Condition<'a> {
    let branch = |keyword: &str| members.get(keyword).map(|schema| Part::below(schema, at, keyword));
    let (then, otherwise) = (branch("then"), branch("else"));
    let mut pointers = vec![format!("{at}/if")];
    pointers.extend([&then, &otherwise].into_iter().flatten().map(|part| part.pointer.clone()));
    Condition { test: Test::Fits(test), then, otherwise, required: Vec::new(), pointers }
}

fn dependent<'a>(rules: &'a Map<String, Value>, pointer: &str) -> Vec<Condition<'a>> {
    let rule = |(name, rule): (&'a String, &'a Value)| {
        let names = rule.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        Condition {
            test: Test::Given(name),
            then: (!rule.is_array()).then(|| Part::below(rule, pointer, name)),
            otherwise: None,
            required: names,
            pointers: vec![pointer.to_owned()],
        }
    };
    rules.iter().map(rule).collect()
}

/// Whether a schema takes null and nothing else.
pub(super) fn is_null(schema: &Value) -> bool {
    schema.get("type").is_some_and(|kind| kind == "null")
        || schema.get("const") == Some(&Value::Null)
        || schema.get("enum") == Some(&json!([null]))
}
