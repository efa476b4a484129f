//! Items of a list: all alike, or each with a schema of its own.

use serde_json::{Map, Value, json};

use super::engine::Engine;
use super::gather::{Found, Gathered, Part};
use super::node::Node;
use super::report::Fate;
use super::words::{IN_WORDS, add_words, bare, constraint, sentence};

impl<'a> Engine<'a> {
    /// Items of a list.
    pub(super) fn items(
        &mut self,
        keyword: &str,
        found: &[Found<'a>],
        all: &Gathered<'a>,
        node: &mut Node<'a>,
    ) {
        for one in found {
            let tuple = keyword == "prefixItems" || one.value.is_array();
            match (keyword, one.value) {
                ("items" | "prefixItems", Value::Array(forms)) => self.tuple(forms, one, all, node),
                ("items", schema) if *schema == Value::Bool(false) => {
                    self.report.note(&one.pointer, Fate::Lowered, "written as the most items there may be");
                    let most = all
                        .get("prefixItems")
                        .and_then(|tuple| tuple[0].value.as_array())
                        .map_or(0, Vec::len);
                    self.at_most(most, node);
                }
                ("items", _) if !node.out.contains_key("items") => {
                    self.report.note(&one.pointer, Fate::Kept, "");
                    let parts = found.iter().filter(|one| !one.value.is_array());
                    let parts = parts.map(|one| Part::new(one.value, one.pointer.clone())).collect();
                    let mut items = self.lower(parts, false, node.depth + 1);
                    if self.profile.needs_description && items.get("description").is_none() {
                        add_words(&mut items, &["One of the items.".to_owned()]);
                    }
                    node.out.insert("items".to_owned(), items);
                }
                ("items", _) if all.get("prefixItems").is_none() => {
                    self.report.note(&one.pointer, Fate::Kept, "");
                }
                ("contains", schema) => self.say(
                    one,
                    node,
                    self.words.phrase(schema, 0).map(|phrase| {
                        let number =
                            |keyword: &str| all.get(keyword).and_then(|found| found[0].value.as_u64());
                        let least = number("minContains").unwrap_or(1);
                        match number("maxContains") {
                            Some(most) => format!("Between {least} and {most} items are {phrase}."),
                            None => format!("At least {least} of the items is {phrase}."),
                        }
                    }),
                ),
                (_, Value::Bool(false)) if !tuple => {
                    self.say(one, node, Some("No further items.".to_owned()));
                }
                (_, schema) => {
                    let phrase = self.words.phrase(schema, 0);
                    self.say(one, node, phrase.map(|phrase| format!("Any further item is {phrase}.")));
                }
            }
        }
    }

    fn say(&mut self, one: &Found<'a>, node: &mut Node<'a>, words: Option<String>) {
        match words {
            Some(words) => {
                self.report.note(&one.pointer, Fate::Lowered, IN_WORDS);
                node.words.push(words);
            }
            None => self.report.note(&one.pointer, Fate::Lost, "too involved to say in words"),
        }
    }

    fn at_most(&mut self, most: usize, node: &mut Node<'a>) {
        if self.profile.keeps("maxItems", false) {
            node.out.entry("maxItems").or_insert_with(|| json!(most));
        } else {
            let words = constraint("maxItems", &json!(most)).unwrap_or_default();
            node.words.push(sentence(bare(&words)));
        }
    }

    /// A list whose first items each have a schema of their own.
    fn tuple(&mut self, forms: &'a [Value], one: &Found<'a>, all: &Gathered<'a>, node: &mut Node<'a>) {
        let parts = forms.iter().enumerate();
        let parts = parts.map(|(at, form)| Part::below(form, &one.pointer, &at.to_string()));
        let lowered: Vec<Value> = parts.map(|part| self.lower(vec![part], false, node.depth + 1)).collect();
        if self.profile.keeps("prefixItems", false) {
            self.report.note(&one.pointer, Fate::Kept, "");
            node.out.insert("prefixItems".to_owned(), Value::Array(lowered));
            return;
        }
        let phrases: Option<Vec<String>> = forms
            .iter()
            .enumerate()
            .map(|(at, form)| {
                let described = form.get("description").and_then(Value::as_str).map(str::to_owned);
                Some(format!("item {} is {}", at + 1, described.or_else(|| self.words.phrase(form, 0))?))
            })
            .collect();
        match phrases {
            Some(phrases) => {
                self.report.note(&one.pointer, Fate::Lowered, IN_WORDS);
                node.words.push(sentence(&phrases.join("; ")));
            }
            None => self.report.note(&one.pointer, Fate::Lost, "too involved to say in words"),
        }
        let mut distinct: Vec<Value> = Vec::new();
        for form in lowered {
            if !distinct.contains(&form) {
                distinct.push(form);
            }
        }
        let items = match distinct.len() {
            1 => distinct.remove(0),
            _ if self.profile.keeps("anyOf", false) && !distinct.is_empty() => json!({ "anyOf": distinct }),
            _ => match distinct.first().and_then(|first| first.get("type")) {
                Some(kind) if distinct.iter().all(|form| form.get("type") == Some(kind)) => {
                    let mut items = Map::from_iter([("type".to_owned(), kind.clone())]);
                    self.add_items(&mut items);
                    Value::Object(items)
                }
                _ => {
                    self.report.note(&one.pointer, Fate::Lost, "items of several types are offered as text");
                    self.anything()
                }
            },
        };
        let rest_is_said =
            all.get("items").is_some_and(|items| items.iter().any(|one| one.value.is_object()));
        if !rest_is_said || distinct.is_empty() {
            node.out.insert("items".to_owned(), items);
        }
    }
}
