//! `anyOf` and `oneOf`: kept, or merged into one schema with words for what that loses.

use serde_json::{Value, json};

use super::engine::Engine;
use super::gather::{Choice, Gathered, Part, is_null};
use super::node::Node;
use super::profile::Types;
use super::report::Fate;
use super::values::type_names;
use super::words::{IN_WORDS, is_annotation, join, value_text};

/// One branch of a choice, looked into.
struct Branch<'a> {
    part: Part<'a>,
    gathered: Gathered<'a>,
    required: Vec<&'a str>,
    /// Properties with their schemas.
    properties: Vec<(&'a str, Part<'a>)>,
}

impl Branch<'_> {
    fn is_object(&self) -> bool {
        let kind = self.gathered.get("type").map(|found| type_names(found[0].value));
        match kind {
            Some(kinds) => kinds == ["object"],
            None => !self.properties.is_empty() || !self.required.is_empty(),
        }
    }

    /// The one value that a property must have.
    fn constant(&self, name: &str) -> Option<&Value> {
        let (_, part) = self.properties.iter().find(|(known, _)| *known == name)?;
        match (part.schema.get("const"), part.schema.get("enum").and_then(Value::as_array)) {
            (Some(value), _) => Some(value),
            (None, Some(values)) if values.len() == 1 => values.first(),
            _ => None,
        }
    }
}

impl<'a> Engine<'a> {
    /// Merges a choice into `node`, unless it stays: then it comes back, to be written when all else
    /// is known.
    pub(super) fn choice(&mut self, choice: Choice<'a>, node: &mut Node<'a>) -> Option<Choice<'a>> {
        if self.profile.keeps(self.kept_as(&choice, node), node.at_root) {
            return Some(choice);
        }
        self.merge(choice, node);
        None
    }

    /// Writes the choices that stay as lists of forms, one for each keyword; the others are merged.
    pub(super) fn forms(
        &mut self,
        choices: Vec<Choice<'a>>,
        node: &mut Node<'a>,
    ) -> Vec<(Choice<'a>, &'static str)> {
        let mut stay: Vec<(Choice<'a>, &'static str)> = Vec::new();
        for choice in choices {
            let keyword = self.kept_as(&choice, node);
            let taken = node.out.contains_key(keyword) || stay.iter().any(|(_, known)| *known == keyword);
            // Beside properties or items, a choice would have to repeat them in each form.
            let crowded =
                self.profile.any_of_alone && (!node.members.is_empty() || node.out.contains_key("items"));
            if taken || crowded {
                self.merge(choice, node);
                continue;
            }
            let (fate, how) = match keyword == choice.keyword {
                true => (Fate::Kept, ""),
                false => (Fate::Lowered, "written as `anyOf`"),
            };
            self.report.note(&choice.pointer, fate, how);
            stay.push((choice, keyword));
        }
        stay
    }

    /// Writes one list of forms.
    pub(super) fn write_forms(&mut self, choice: Choice<'a>, keyword: &str, node: &mut Node<'a>) {
        let before = choice.branches.len();
        let branches = choice.branches.into_iter();
        let branches: Vec<_> =
            branches.filter(|part| self.profile.types == Types::Lists || !is_null(part.schema)).collect();
        let null = branches.len() < before;
        if null && self.profile.types == Types::Nullable {
            node.allow_null(Types::Nullable);
        }
        let mut forms: Vec<Value> = Vec::with_capacity(before);
        for part in branches {
            let form = self.lower(vec![part], false, node.depth + 1);
            if !forms.contains(&form) {
                forms.push(form);
            }
        }
        if null && self.profile.types == Types::OneOrNull {
            forms.push(json!({"type": "null"}));
        }
        node.out.insert(keyword.to_owned(), Value::Array(forms));
    }

    /// The keyword under which a choice stays, if the provider has it.
    fn kept_as(&self, choice: &Choice<'a>, node: &Node<'a>) -> &'static str {
        let own = self.profile.keeps(choice.keyword, node.at_root);
        if choice.keyword == "oneOf" && own { "oneOf" } else { "anyOf" }
    }

    /// One schema for all branches, with words for the rest.
    fn merge(&mut self, choice: Choice<'a>, node: &mut Node<'a>) {
        let Choice { keyword, pointer, branches } = choice;
        let entered = self.stack.len();
        let branches: Vec<Branch<'a>> = branches.into_iter().map(|part| self.look_into(part)).collect();
        if branches.iter().all(Branch::is_object) && !branches.is_empty() {
            self.report.note(
                &pointer,
                Fate::Lowered,
                "merged into one form; which goes with which is said in words",
            );
            self.merge_objects(keyword, &pointer, branches, node);
        } else {
            self.merge_values(&pointer, branches, node);
        }
        self.stack.truncate(entered);
    }

    fn look_into(&mut self, part: Part<'a>) -> Branch<'a> {
        // As at the root: no `$ref` stays.
        let gathered = self.gather(vec![part.clone()], true);
        let mut properties: Vec<(&'a str, Part<'a>)> = Vec::new();
        for found in gathered.get("properties").into_iter().flatten() {
            for (name, schema) in found.value.as_object().into_iter().flatten() {
                properties.push((name, Part::below(schema, &found.pointer, name)));
            }
        }
        let required = gathered.get("required").into_iter().flatten();
        let required = required.filter_map(|found| found.value.as_array()).flatten();
        let required = required.filter_map(Value::as_str).collect();
        Branch { part, gathered, required, properties }
    }

    fn merge_objects(
        &mut self,
        keyword: &str,
        pointer: &str,
        branches: Vec<Branch<'a>>,
        node: &mut Node<'a>,
    ) {
        let number = if keyword == "oneOf" { "exactly" } else { "at least" };
        // Branches that only name what they need are a choice of properties.
        if branches.iter().all(|branch| branch.properties.is_empty() && branch.gathered.choices.is_empty()) {
            let names: Vec<String> = branches
                .iter()
                .map(|branch| {
                    join(&branch.required.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), "with")
                })
                .collect();
            node.words.push(format!("Give {number} one of these: {}.", join(&names, "or")));
            return;
        }
        let tag = tag(&branches);
        let labels: Vec<String> = branches
            .iter()
            .enumerate()
            .map(|(at, branch)| match tag.and_then(|tag| Some((tag, branch.constant(tag)?))) {
                Some((tag, value)) => format!("{tag} is {}", value_text(value)),
                None => match branch.part.schema.get("title").and_then(Value::as_str) {
                    Some(title) => format!("the form is {title}"),
                    None => format!("form {} is used", at + 1),
                },
            })
            .collect();
        for (branch, label) in branches.iter().zip(&labels) {
            self.merged(branch);
            for (name, part) in &branch.properties {
                node.members.declare_when(name, &format!("When {label}"), part.clone());
            }
        }
        node.members.settle(branches.len());
        let mut forms: Vec<String> = Vec::new();
        for (branch, label) in branches.iter().zip(&labels) {
            let when = format!("when {label}");
            for name in &branch.required {
                if branches.iter().all(|other| other.required.contains(name)) {
                    node.members.require(name);
                } else if !node.members.is_required(name) {
                    node.members.say(name, format!("Required {when}."));
                }
            }
            let own: Vec<String> = branch
                .properties
                .iter()
                .filter(|(name, _)| Some(*name) != tag)
                .map(|(name, _)| (*name).to_owned())
                .collect();
            let with = if own.is_empty() { "nothing else".to_owned() } else { join(&own, "and") };
            forms.push(format!("{label}, with {with}"));
            if !branch.gathered.choices.is_empty() || !branch.gathered.conditions.is_empty() {
                self.report.note(pointer, Fate::Lost, "a choice or condition inside a branch is not told");
            }
        }
        node.words.push(format!("Use {number} one of these forms: {}.", forms.join("; ")));
    }

    /// Notes what became of the keywords of a branch that is merged.
    fn merged(&mut self, branch: &Branch<'a>) {
        for (keyword, found) in &branch.gathered.keywords {
            let (fate, how) = match *keyword {
                "properties" | "required" | "type" | "title" => (Fate::Lowered, "merged"),
                keyword if is_annotation(keyword) => (Fate::Lowered, "left out of the merged form"),
                "additionalProperties" | "unevaluatedProperties" if *found[0].value == json!(false) => {
                    (Fate::Lowered, "which properties go together is said in words")
                }
                _ => (Fate::Lost, "a rule of one form only"),
            };
            found.iter().for_each(|one| self.report.note(&one.pointer, fate, how));
        }
    }

    /// Branches that are no objects: one type, and words.
    fn merge_values(&mut self, pointer: &str, branches: Vec<Branch<'a>>, node: &mut Node<'a>) {
        let phrases: Option<Vec<String>> = branches
            .iter()
            .map(|branch| {
                let phrase = self.words.phrase(branch.part.schema, 0).filter(|phrase| !phrase.is_empty())?;
                Some(match branch.part.schema.get("description").and_then(Value::as_str) {
                    Some(description) => format!("{phrase} ({})", description.trim_end_matches('.')),
                    None => phrase,
                })
            })
            .collect();
        match phrases {
            Some(phrases) => {
                self.report.note(pointer, Fate::Lowered, IN_WORDS);
                node.words.push(format!("Either {}.", phrases.join(", or ")));
            }
            None => self.report.note(pointer, Fate::Lost, "too involved to say in words"),
        }
        let Some(first) = branches.into_iter().next().filter(|_| !node.at_root) else { return };
        // The type of the first branch is better than none.
        if let Some(kind) = first.gathered.get("type").filter(|_| !node.out.contains_key("type"))
            && let Some(name) = type_names(kind[0].value).first()
        {
            node.out.insert("type".to_owned(), json!(name));
        }
    }
}

/// The property whose value tells the branches apart.
fn tag<'a>(branches: &[Branch<'a>]) -> Option<&'a str> {
    let first = branches.first()?;
    first.properties.iter().map(|(name, _)| *name).find(|name| {
        let values: Vec<Option<&Value>> = branches.iter().map(|branch| branch.constant(name)).collect();
        let distinct = values.iter().enumerate().all(|(at, value)| !values[..at].contains(value));
        distinct && values.iter().all(Option::is_some)
    })
}
