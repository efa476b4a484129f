//! Properties of an object: declared, declared under a condition, required, required under one.

use serde_json::{Map, Value, json};

use super::engine::Engine;
use super::gather::{Found, Part};
use super::node::{Member, Node};
use super::report::Fate;
use super::values::inferred_types;
use super::words::{IN_WORDS, add_words, bare, join, sentence};

impl<'a> Engine<'a> {
    /// Writes the properties into `properties` and `required`.
    pub(super) fn members(&mut self, node: &mut Node<'a>) {
        let mut members = std::mem::take(&mut node.members);
        if members.is_empty() {
            node.out.shift_remove("required");
            return;
        }
        // A required name that nothing declares has to be offered to be sent.
        let required = members.required.clone();
        for name in &required {
            members.member(name);
        }
        let mut properties = Map::new();
        for member in members.all {
            let name = member.name;
            let Some(mut schema) = self.member(member, node.depth) else { continue };
            if self.profile.needs_description && schema.get("description").is_none() {
                add_words(&mut schema, &[sentence(&name.replace(['_', '-'], " "))]);
            }
            properties.insert(name.to_owned(), schema);
        }
        let required: Vec<&str> =
            required.into_iter().filter(|name| properties.contains_key(*name)).collect();
        node.out.insert("properties".to_owned(), Value::Object(properties));
        match required.is_empty() {
            true => drop(node.out.shift_remove("required")),
            false => drop(node.out.insert("required".to_owned(), json!(required))),
        }
    }

    fn member(&mut self, member: Member<'a>, depth: usize) -> Option<Value> {
        let Member { always, sometimes, mut words, .. } = member;
        if always.iter().any(|part| *part.schema == Value::Bool(false)) {
            for part in &always {
                self.report.note(&part.pointer, Fate::Lowered, "left out: no value is allowed");
            }
            return None;
        }
        let mut schema = if !always.is_empty() || sometimes.is_empty() {
            for (when, part) in &sometimes {
                self.say_when(when, part, &mut words);
            }
            self.lower(always, false, depth + 1)
        } else {
            self.sometimes(sometimes, &mut words, depth)
        };
        if schema == Value::Bool(true) {
            schema = json!({});
        }
        add_words(&mut schema, &words);
        Some(schema)
    }

    /// A property that is declared under conditions only.
    fn sometimes(
        &mut self,
        sometimes: Vec<(String, Part<'a>)>,
        words: &mut Vec<String>,
        depth: usize,
    ) -> Value {
        let mut forms: Vec<(Vec<String>, Part<'a>)> = Vec::new();
        for (when, part) in sometimes {
            match forms.iter_mut().find(|(_, known)| known.schema == part.schema) {
                Some((all, _)) => all.push(when),
                None => forms.push((vec![when], part)),
            }
        }
        if let Some(values) = one_list(&forms) {
            let first = forms.remove(0).1;
            let mut schema = self.lower(vec![first.clone()], false, depth + 1);
            if let Value::Object(members) = &mut schema {
                members.shift_remove("const");
                members.shift_remove("enum");
                if self.profile.enums_of_anything || values.iter().all(Value::is_string) {
                    members.insert("enum".to_owned(), Value::Array(values));
                    if let ([kind], false) =
                        (inferred_types(members).as_slice(), members.contains_key("type"))
                    {
                        members.insert("type".to_owned(), json!(kind));
                        self.add_items(members);
                    }
                } else {
                    words.push(sentence(&format!("one of: {}", super::words::list(&values))));
                }
            }
            return schema;
        }
        if let [(whens, only)] = forms.as_slice() {
            let whens: Vec<String> = whens.iter().map(|when| lowercase(when)).collect();
            words.insert(0, format!("Only {}.", join(&whens, "or")));
            return self.lower(vec![only.clone()], false, depth + 1);
        }
        for (whens, part) in &forms {
            for when in whens {
                self.say_when(when, part, words);
            }
        }
        if self.profile.keeps("anyOf", false) && !self.profile.any_of_alone {
            let forms: Vec<Value> =
                forms.into_iter().map(|(_, part)| self.lower(vec![part], false, depth + 2)).collect();
            return json!({ "anyOf": forms });
        }
        self.lower(vec![forms.swap_remove(0).1], false, depth + 1)
    }

    /// `When category is billing: invoice_dispute, payment_failed.`
    fn say_when(&mut self, when: &str, part: &Part<'a>, words: &mut Vec<String>) {
        match self.words.phrase(part.schema, 0) {
            Some(phrase) if phrase.is_empty() || phrase == "anything" => {}
            Some(phrase) => {
                self.note_all(part.schema, &part.pointer, Fate::Lowered, IN_WORDS);
                words.push(sentence(&format!("{when}: {}", bare(&phrase))));
            }
            None => self.report.note(&part.pointer, Fate::Lost, "too involved to say in words"),
        }
    }

    /// What is said of properties by pattern, or of all others.
    pub(super) fn open_ended(&mut self, keyword: &str, found: &[Found<'a>], node: &mut Node<'a>) {
        for one in found {
            let closed = *one.value == Value::Bool(false);
            if closed && (self.profile.keeps(keyword, false) || node.at_root) {
                let kept = self.profile.keeps(keyword, false);
                let (fate, how) = match kept {
                    true => (Fate::Kept, ""),
                    false => {
                        (Fate::Lowered, "the gateway refuses other properties, and models know no others")
                    }
                };
                self.report.note(&one.pointer, fate, how);
                if kept {
                    node.out.insert(keyword.to_owned(), Value::Bool(false));
                }
                continue;
            }
            let keeps = self.profile.keeps(keyword, false)
                && !self.profile.strict
                && keyword == "additionalProperties";
            if keeps && !node.out.contains_key(keyword) {
                let value = match one.value {
                    Value::Bool(open) => Value::Bool(*open),
                    schema => {
                        let part = Part::new(schema, one.pointer.clone());
                        self.lower(vec![part], false, node.depth + 1)
                    }
                };
                node.out.insert(keyword.to_owned(), value);
                self.report.note(&one.pointer, Fate::Kept, "");
                continue;
            }
            // Strict mode knows only the properties that are named.
            let words =
                if self.profile.strict && !closed { None } else { self.open_words(keyword, one.value) };
            match words {
                Some(words) => {
                    self.report.note(&one.pointer, Fate::Lowered, IN_WORDS);
                    node.words.push(words);
                }
                None if self.profile.strict => {
                    self.report.note(
                        &one.pointer,
                        Fate::Lost,
                        "strict mode has no properties but named ones",
                    );
                }
                None => self.report.note(&one.pointer, Fate::Lost, "too involved to say in words"),
            }
        }
    }

    fn open_words(&self, keyword: &str, value: &'a Value) -> Option<String> {
        let phrase = |schema| match self.words.phrase(schema, 0)? {
            phrase if phrase.is_empty() => Some("anything".to_owned()),
            phrase => Some(phrase),
        };
        Some(match (keyword, value) {
            ("additionalProperties" | "unevaluatedProperties", Value::Bool(false)) => {
                "No other properties.".to_owned()
            }
            ("additionalProperties" | "unevaluatedProperties", Value::Bool(true)) => {
                "Other properties are allowed.".to_owned()
            }
            ("additionalProperties" | "unevaluatedProperties", schema) => {
                format!("Any other property is {}.", phrase(schema)?)
            }
            ("patternProperties", Value::Object(patterns)) => {
                let rules: Option<Vec<String>> = patterns
                    .iter()
                    .map(|(pattern, schema)| {
                        Some(format!("A property whose name matches {pattern} is {}.", phrase(schema)?))
                    })
                    .collect();
                rules?.join(" ")
            }
            ("propertyNames", schema) => format!("Each property name is {}.", phrase(schema)?),
            _ => return None,
        })
    }
}

/// All values, where every form is a list of values of its own: the tag of a choice.
fn one_list(forms: &[(Vec<String>, Part<'_>)]) -> Option<Vec<Value>> {
    let mut values: Vec<Value> = Vec::new();
    for (_, part) in forms {
        let these = match (part.schema.get("const"), part.schema.get("enum")) {
            (Some(value), _) => vec![value.clone()],
            (None, Some(Value::Array(values))) => values.clone(),
            _ => return None,
        };
        these.into_iter().for_each(|value| {
            if !values.contains(&value) {
                values.push(value);
            }
        });
    }
    (forms.len() > 1).then_some(values)
}

fn lowercase(when: &str) -> String {
    let mut letters = when.chars();
    let first = letters.next().map(|first| first.to_lowercase().to_string()).unwrap_or_default();
    first + letters.as_str()
}
