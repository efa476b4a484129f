//! What is said of one value → the schema that the provider gets for it.

use serde_json::{Map, Value, json};

use crate::walk;

use super::engine::{Engine, MAX_DEPTH};
use super::gather::{Found, Gathered, Part};
use super::node::Node;
use super::profile::Types;
use super::report::Fate;
use super::values::{inferred_types, type_names};
use super::words::{IN_WORDS, add_words, bare, constraint, join, list, sentence, value_text};

/// What became of a list that does not say what it holds.
const ITEMS_ADDED: &str = "`items` added: the provider refuses a list without";

impl<'a> Engine<'a> {
    /// Writes what `parts` say of one value.
    pub(super) fn lower(&mut self, parts: Vec<Part<'a>>, at_root: bool, depth: usize) -> Value {
        if depth > MAX_DEPTH || self.left == 0 {
            for part in parts {
                self.report.note(
                    &part.pointer,
                    Fate::Lost,
                    "nested too deeply, or too large when written out",
                );
            }
            return self.anything();
        }
        let entered = self.stack.len();
        let gathered = self.gather(parts, at_root);
        let node = Node { at_root, depth, ..Node::default() };
        let value = self.emit(gathered, node);
        self.stack.truncate(entered);
        value
    }

    /// A schema that takes any value, as near as the provider has it.
    pub(super) fn anything(&self) -> Value {
        match (self.profile.needs_type, self.profile.strict) {
            (false, _) => json!({}),
            (true, true) => json!({"type": ["string", "number", "boolean", "null"]}),
            (true, false) => json!({"type": "string"}),
        }
    }

    fn emit(&mut self, gathered: Gathered<'a>, mut node: Node<'a>) -> Value {
        if let Some(name) = gathered.reference {
            let reference = if name.is_empty() { "#".to_owned() } else { format!("#/$defs/{name}") };
            node.out.insert("$ref".to_owned(), Value::String(reference));
        }
        if gathered.denied {
            node.words.push("Leave this out.".to_owned());
        }
        let cut = gathered.cut;
        if cut {
            node.words.push("May be nested further in the same form.".to_owned());
        }
        let kind: Option<Vec<String>> =
            gathered.get("type").map(|found| found.iter().map(|one| one.pointer.clone()).collect());
        let tuple = ["prefixItems", "items", "type"].iter().find_map(|keyword| gathered.get(keyword));
        let list: Vec<String> = tuple.into_iter().flatten().map(|one| one.pointer.clone()).collect();
        // Others depend on the type.
        let mut keywords: Vec<_> = gathered.keywords.iter().collect();
        keywords.sort_by_key(|(keyword, _)| *keyword != "type");
        for (keyword, found) in keywords {
            self.keyword(keyword, found, &gathered, &mut node);
        }
        for condition in gathered.conditions {
            self.condition(condition, "", &mut node);
        }
        let mut stay = Vec::new();
        for choice in gathered.choices {
            stay.extend(self.choice(choice, &mut node));
        }
        let forms = self.forms(stay, &mut node);
        self.members(&mut node);
        if gathered.null {
            node.allow_null(self.profile.types);
        }
        for (choice, keyword) in forms {
            self.write_forms(choice, keyword, &mut node);
        }
        self.complete(&mut node, &list);
        let free = !node.at_root && !node.out.contains_key("properties");
        if self.profile.strict && free && !cut && node.out.get("type").is_some_and(|kind| kind == "object") {
            for one in kind.iter().flatten() {
                self.report.note(
                    one,
                    Fate::Lost,
                    "strict mode has no properties but named ones: only {} can be sent",
                );
            }
        }
        self.describe(node)
    }

    /// A type where the provider wants one, items where it wants them; `list` says what is known of a list.
    fn complete(&mut self, node: &mut Node<'a>, list: &[String]) {
        let out = &mut node.out;
        let has_form = ["type", "anyOf", "$ref"].iter().any(|keyword| out.contains_key(*keyword));
        if self.profile.needs_type && !has_form && !node.at_root {
            let lists = self.profile.types == Types::Lists;
            let mut kinds = inferred_types(out);
            kinds.retain(|kind| *kind != "null" || lists);
            match kinds.as_slice() {
                [_, _, ..] if lists => {
                    out.insert("type".to_owned(), json!(kinds));
                }
                [kind, ..] => {
                    out.insert("type".to_owned(), json!(kind));
                }
                [] => {
                    if let Value::Object(anything) = self.anything() {
                        out.extend(anything);
                    }
                }
            }
        }
        if self.add_items(out) {
            list.iter().for_each(|pointer| self.report.note(pointer, Fate::Lowered, ITEMS_ADDED));
        }
    }

    /// The same for every list in a schema that is not lowered otherwise.
    pub(super) fn add_all_items(&mut self, whole: &mut Value) {
        for (members, at) in walk::all(self.root) {
            if let Some(Value::Object(list)) = whole.pointer_mut(&at)
                && self.add_items(list)
            {
                let said = if members.contains_key("prefixItems") { "prefixItems" } else { "type" };
                self.report.note(&format!("{at}/{said}"), Fate::Lowered, ITEMS_ADDED);
            }
        }
    }

    /// Gives a list `items` where the provider refuses it without; whether it got them.
    pub(super) fn add_items(&self, schema: &mut Map<String, Value>) -> bool {
        let is_list = schema.get("type").map(type_names).is_some_and(|kinds| kinds.contains(&"array"));
        let lacks = self.profile.needs_items && is_list && !schema.contains_key("items");
        if lacks {
            schema.insert("items".to_owned(), self.anything());
        }
        lacks
    }

    /// Puts the sentences into the description; those of the root belong to the tool.
    fn describe(&mut self, mut node: Node<'a>) -> Value {
        let words = std::mem::take(&mut node.words);
        if node.at_root {
            self.sentences.extend(words);
            return Value::Object(node.out);
        }
        let mut value = Value::Object(node.out);
        add_words(&mut value, &words);
        value
    }

    fn keyword(&mut self, keyword: &'a str, found: &[Found<'a>], all: &Gathered<'a>, node: &mut Node<'a>) {
        let Some(first) = found.first() else { return };
        let keeps = self.profile.keeps(keyword, node.at_root);
        match keyword {
            "$defs" | "definitions" => self.note(found, Fate::Lowered, "sent where it is used"),
            "$schema" | "$id" | "$anchor" | "$dynamicAnchor" | "$recursiveAnchor" => {
                self.note(found, Fate::Lowered, "says nothing to a model");
            }
            "type" => self.kind(found, node),
            "enum" | "const" => self.values(keyword, found, node),
            "properties" => {
                for one in found {
                    self.report.note(&one.pointer, Fate::Kept, "");
                    for (name, schema) in one.value.as_object().into_iter().flatten() {
                        node.members.declare(name, Part::below(schema, &one.pointer, name));
                    }
                }
                node.out.insert("properties".to_owned(), json!({}));
            }
            "required" => {
                self.note(found, Fate::Kept, "");
                let names = found.iter().filter_map(|one| one.value.as_array()).flatten();
                names.filter_map(Value::as_str).for_each(|name| node.members.require(name));
                node.out.insert("required".to_owned(), json!([]));
            }
            "items" | "prefixItems" | "additionalItems" | "unevaluatedItems" | "contains" => {
                self.items(keyword, found, all, node);
            }
            "minContains" | "maxContains" if all.get("contains").is_some() => {
                self.note(found, Fate::Lowered, IN_WORDS);
            }
            "additionalProperties" | "unevaluatedProperties" | "patternProperties" | "propertyNames" => {
                self.open_ended(keyword, found, node);
            }
            "description" if !keeps => {
                self.note(found, Fate::Lowered, "moved to the description of the tool");
                node.words.extend(first.value.as_str().map(sentence));
            }
            "description" => {
                self.report.note(&first.pointer, Fate::Kept, "");
                self.note(&found[1..], Fate::Lowered, "another description stands for it");
                node.out.insert("description".to_owned(), first.value.clone());
            }
            "format" => {
                let name = first.value.as_str().unwrap_or_default();
                let kept = keeps && self.profile.formats.is_none_or(|kept| kept.contains(&name));
                self.plain(keyword, found, kept, node);
            }
            // Strict mode compiles patterns to a grammar, which cannot look around.
            "pattern" => {
                let looks_around =
                    |one: &Found<'_>| one.value.as_str().is_some_and(|text| text.contains("(?"));
                let kept = keeps && !(self.profile.strict && found.iter().any(looks_around));
                self.plain(keyword, found, kept, node);
            }
            "not" if only_required(first.value).is_some() => {
                self.note(found, Fate::Lowered, IN_WORDS);
                let names = only_required(first.value).unwrap_or_default();
                let together = if names.len() > 1 { " together" } else { "" };
                node.words.push(format!("Do not give {}{together}.", join(&names, "and")));
            }
            "not" => match self.words.phrase(first.value, 0).filter(|phrase| !phrase.is_empty()) {
                Some(phrase) => {
                    self.note(found, Fate::Lowered, IN_WORDS);
                    self.note_all(first.value, &first.pointer, Fate::Lowered, IN_WORDS);
                    node.words.push(format!("Must not be {phrase}."));
                }
                None => self.note(found, Fate::Lost, "too involved to say in words"),
            },
            _ => self.plain(keyword, found, keeps, node),
        }
    }

    pub(super) fn note(&mut self, found: &[Found<'_>], fate: Fate, how: &'static str) {
        found.iter().for_each(|one| self.report.note(&one.pointer, fate, how));
    }

    /// Keywords whose value holds no schema.
    fn plain(&mut self, keyword: &str, found: &[Found<'a>], keeps: bool, node: &mut Node<'a>) {
        for (at, one) in found.iter().enumerate() {
            let tighter = node.out.get(keyword).and_then(|there| tighter(keyword, there, one.value));
            if keeps && (at == 0 || tighter.is_some()) {
                node.out.insert(keyword.to_owned(), tighter.unwrap_or_else(|| one.value.clone()));
                self.report.note(&one.pointer, Fate::Kept, "");
                continue;
            }
            if node.out.get(keyword) == Some(one.value) {
                self.report.note(&one.pointer, Fate::Kept, "");
                continue;
            }
            if let Some((instead, value)) = self.whole_bound(keyword, one.value, node) {
                self.report.note(&one.pointer, Fate::Lowered, "written as a bound that includes its value");
                node.out.insert(instead.to_owned(), value);
                continue;
            }
            match aside(keyword, one.value).or_else(|| Some(sentence(bare(&constraint(keyword, one.value)?))))
            {
                Some(words) => {
                    self.report.note(&one.pointer, Fate::Lowered, IN_WORDS);
                    if words.len() > 1 {
                        node.words.push(words);
                    }
                }
                None => self.report.note(&one.pointer, Fate::Lost, "not known to the provider"),
            }
        }
    }

    /// `exclusiveMinimum: 0` of a whole number is `minimum: 1`.
    fn whole_bound(&self, keyword: &str, value: &Value, node: &Node<'_>) -> Option<(&'static str, Value)> {
        let (instead, step) = match keyword {
            "exclusiveMinimum" => ("minimum", 1),
            "exclusiveMaximum" => ("maximum", -1),
            _ => return None,
        };
        let free = node.is_whole() && self.profile.keeps(instead, false) && !node.out.contains_key(instead);
        Some((instead, json!(value.as_i64().filter(|_| free)?.checked_add(step)?)))
    }
}

/// Annotations, as sentences of their own; empty where there is nothing to say.
fn aside(keyword: &str, value: &Value) -> Option<String> {
    Some(match (keyword, value) {
        ("title", Value::String(title)) => sentence(title),
        ("default", value) => format!("Default: {}.", value_text(value)),
        ("examples", Value::Array(examples)) => format!("Examples: {}.", list(examples)),
        ("deprecated", value) => if *value == json!(true) { "Deprecated." } else { "" }.to_owned(),
        ("readOnly", value) => if *value == json!(true) { "Not to be set." } else { "" }.to_owned(),
        ("writeOnly", _) => String::new(),
        _ => return None,
    })
}

/// The names that a schema requires, where it says nothing else.
fn only_required(schema: &Value) -> Option<Vec<String>> {
    let members = schema.as_object().filter(|members| members.len() == 1)?;
    let names = members.get("required")?.as_array().filter(|names| !names.is_empty())?;
    Some(names.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// The tighter of two bounds; `None` where `keyword` is no bound.
fn tighter(keyword: &str, there: &Value, other: &Value) -> Option<Value> {
    let larger = match keyword {
        "minimum" | "exclusiveMinimum" | "minLength" | "minItems" | "minProperties" => true,
        "maximum" | "exclusiveMaximum" | "maxLength" | "maxItems" | "maxProperties" => false,
        _ => return None,
    };
    let (a, b) = (there.as_f64()?, other.as_f64()?);
    Some(if (a >= b) == larger { there.clone() } else { other.clone() })
}
