//! `if`, `then`, `else`, `dependentRequired` and `dependentSchemas`, in words.

use serde_json::Value;

use super::engine::Engine;
use super::gather::{Condition, Part, Test};
use super::node::Node;
use super::report::Fate;
use super::words::{IN_WORDS, bare, is_annotation, sentence};

/// Conditions inside conditions are told this deep.
const MAX_NESTED: usize = 3;

impl<'a> Engine<'a> {
    /// Tells a condition at the properties that it speaks of. `around` are the conditions that
    /// must hold as well, with an `and` at the end.
    pub(super) fn condition(&mut self, condition: Condition<'a>, around: &str, node: &mut Node<'a>) {
        let test = match condition.test {
            Test::Given(name) => Some(format!("{name} is given")),
            Test::Fits(schema) => self.words.condition(schema, 0),
        };
        let Some(test) = test.filter(|_| around.matches(" and ").count() < MAX_NESTED) else {
            for pointer in &condition.pointers {
                self.report.note(pointer, Fate::Lost, "the condition is too involved to say in words");
            }
            // What it would declare can be sent all the same.
            for part in [condition.then, condition.otherwise].into_iter().flatten() {
                self.offer(&part, "Sometimes", node);
            }
            return;
        };
        for pointer in &condition.pointers {
            self.report.note(pointer, Fate::Lowered, IN_WORDS);
        }
        if let (Test::Fits(schema), Some(pointer)) = (&condition.test, condition.pointers.first()) {
            self.note_all(schema, pointer, Fate::Lowered, IN_WORDS);
        }
        let all = format!("{around}{test}");
        for name in condition.required {
            self.require(name, &format!("when {all}"), node);
        }
        if let Some(then) = condition.then {
            self.effects(then, &format!("when {all}"), &all, node);
        }
        if let Some(otherwise) = condition.otherwise {
            let not = format!("not ({test})");
            self.effects(otherwise, &format!("unless {all}"), &format!("{around}{not}"), node);
        }
    }

    fn require(&mut self, name: &'a str, when: &str, node: &mut Node<'a>) {
        if !node.members.is_required(name) {
            node.members.say(name, format!("Required {when}."));
        }
    }

    /// Tells what a branch asks, `when` it asks it.
    fn effects(&mut self, part: Part<'a>, when: &str, all: &str, node: &mut Node<'a>) {
        let at = part.pointer.clone();
        if *part.schema == Value::Bool(false) {
            node.words.push(sentence(&format!("{when}, no arguments fit")));
            return;
        }
        let entered = self.stack.len();
        // As at the root: no `$ref` stays, because a branch is told, not sent.
        let gathered = self.gather(vec![part], true);
        for (keyword, found) in gathered.keywords {
            for one in found {
                self.report.note(&one.pointer, Fate::Lowered, IN_WORDS);
                match (keyword, one.value) {
                    ("properties", Value::Object(properties)) => {
                        for (name, schema) in properties {
                            let part = Part::below(schema, &one.pointer, name);
                            if *schema == Value::Bool(false) {
                                node.members.say(name, format!("Not allowed {when}."));
                            } else {
                                node.members.declare_when(name, &sentence_start(when), part);
                            }
                        }
                    }
                    ("required", Value::Array(names)) => {
                        for name in names.iter().filter_map(Value::as_str) {
                            self.require(name, when, node);
                        }
                    }
                    ("type", _) => {}
                    (annotation, _) if is_annotation(annotation) => {}
                    (_, _) => {
                        let words = super::words::constraint(keyword, one.value);
                        match words.filter(|words| !words.is_empty()) {
                            Some(words) => node.words.push(sentence(&format!("{when}: {}", bare(&words)))),
                            None => self.report.note(
                                &at,
                                Fate::Lost,
                                "part of it is too involved to say in words",
                            ),
                        }
                    }
                }
            }
        }
        for condition in gathered.conditions {
            self.condition(condition, &format!("{all} and "), node);
        }
        for choice in gathered.choices {
            self.report.note(&choice.pointer, Fate::Lost, "a choice inside a condition");
        }
        self.stack.truncate(entered);
    }

    fn offer(&mut self, part: &Part<'a>, when: &str, node: &mut Node<'a>) {
        let properties = part.schema.get("properties").and_then(Value::as_object);
        for (name, schema) in properties.into_iter().flatten().filter(|(_, schema)| schema.is_object()) {
            let at = format!("{}/properties", part.pointer);
            node.members.declare_when(name, when, Part::below(schema, &at, name));
        }
    }
}

fn sentence_start(when: &str) -> String {
    let text = sentence(when);
    text.trim_end_matches('.').to_owned()
}
