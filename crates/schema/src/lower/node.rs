//! A schema that is being written.

use serde_json::{Map, Value, json};

use super::gather::Part;
use super::profile::Types;

/// A schema that is being written.
#[derive(Debug, Default)]
pub(super) struct Node<'a> {
    pub(super) out: Map<String, Value>,
    /// Sentences for the description.
    pub(super) words: Vec<String>,
    pub(super) members: Members<'a>,
    pub(super) at_root: bool,
    pub(super) depth: usize,
}

impl Node<'_> {
    pub(super) fn is_whole(&self) -> bool {
        self.out.get("type").is_some_and(|kind| kind == "integer")
    }

    /// Says that null is allowed, in the provider's way.
    pub(super) fn allow_null(&mut self, types: Types) {
        match (types, self.out.get_mut("type")) {
            (Types::Nullable, _) => {
                self.out.insert("nullable".to_owned(), Value::Bool(true));
            }
            (Types::One, _) => self.words.push("May be null.".to_owned()),
            (_, Some(kind @ Value::String(_))) => *kind = json!([kind.clone(), "null"]),
            (_, Some(Value::Array(kinds))) if !kinds.contains(&json!("null")) => kinds.push(json!("null")),
            _ => {}
        }
    }
}

/// The properties of an object.
#[derive(Debug, Default)]
pub(super) struct Members<'a> {
    pub(super) all: Vec<Member<'a>>,
    pub(super) required: Vec<&'a str>,
}

/// One property.
#[derive(Debug)]
pub(super) struct Member<'a> {
    pub(super) name: &'a str,
    /// What is always said of it.
    pub(super) always: Vec<Part<'a>>,
    /// What is said of it when something holds: `When category is billing`.
    pub(super) sometimes: Vec<(String, Part<'a>)>,
    pub(super) words: Vec<String>,
}

impl<'a> Members<'a> {
    /// The property of this name, which is there from now on.
    pub(super) fn member(&mut self, name: &'a str) -> &mut Member<'a> {
        let at = match self.all.iter().position(|member| member.name == name) {
            Some(at) => at,
            None => {
                let member = Member { name, always: vec![], sometimes: vec![], words: vec![] };
                self.all.push(member);
                self.all.len() - 1
            }
        };
        &mut self.all[at]
    }

    /// Adds what is always said of a property.
    pub(super) fn declare(&mut self, name: &'a str, part: Part<'a>) {
        self.member(name).always.push(part);
    }

    /// Adds what is said of a property when `when` holds.
    pub(super) fn declare_when(&mut self, name: &'a str, when: &str, part: Part<'a>) {
        self.member(name).sometimes.push((when.to_owned(), part));
    }

    /// Makes a property required.
    pub(super) fn require(&mut self, name: &'a str) {
        if !self.required.contains(&name) {
            self.required.push(name);
        }
    }

    /// Adds a sentence to the description of a property.
    pub(super) fn say(&mut self, name: &'a str, words: String) {
        self.member(name).words.push(words);
    }

    pub(super) fn is_required(&self, name: &str) -> bool {
        self.required.contains(&name)
    }

    /// Takes what all of `branches` branches say alike of a property for said always.
    pub(super) fn settle(&mut self, branches: usize) {
        for member in &mut self.all {
            let alike = member.sometimes.len() == branches
                && member.sometimes.windows(2).all(|pair| pair[0].1.schema == pair[1].1.schema);
            if alike && branches > 1 {
                member.always.extend(member.sometimes.drain(..).next().map(|(_, part)| part));
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty() && self.required.is_empty()
    }
}
