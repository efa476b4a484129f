//! When an action may be called: what its definition asks of the conversation.
//!
//! Guards are pure: they are asked with what is known of the conversation, and
//! say what stands in the way. `compile/guards.rs` compiles them.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::output::Path;
use callgate_schema::parameters::InvalidArguments;
use callgate_template::compare_numbers;

/// Most values that a refusal names; one more tells that there are more.
const MAX_NAMED: usize = 12;

/// What an action asks of its conversation.
#[derive(Debug, Default)]
pub struct Guards {
    /// The most calls of the action in one conversation.
    pub max_calls: Option<u32>,
    /// The actions that must have succeeded before.
    pub only_after: Vec<String>,
    /// The states that the action exists in; `None` for all.
    pub available_in: Option<Vec<String>>,
    /// The actions that lead to one of these states.
    pub(crate) leads: Vec<String>,
    /// Parameters whose values must be known.
    pub(crate) allowed: Vec<AllowedValues>,
}

/// A parameter whose values an earlier call must have returned.
#[derive(Debug)]
pub(crate) struct AllowedValues {
    /// Name of the parameter.
    pub(crate) parameter: String,
    /// Where the allowed values stand, in an object with the member `variables`.
    pub(crate) path: Path,
    /// The actions that learn them.
    pub(crate) sources: Vec<String>,
}

/// What guards ask about a conversation.
pub trait KnownConversation {
    /// The state it is in.
    fn state(&self) -> Option<&str>;
    /// Whether `action` has succeeded in it.
    fn has_succeeded(&self, action: &str) -> bool;
    /// Whether a model may be told `value`, which stands at `place`, a JSON
    /// Pointer such as `/variables/slots/0/id`.
    fn may_be_told(&self, place: &str, value: &Value) -> bool;
}

/// What stands in the way of a call. Nothing of it was sent.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// The call names no conversation, and the action depends on one.
    #[error("the call names no conversation, and the action has guards: send its `conversation_id`")]
    NoConversation,
    /// The action does not exist in the state of the conversation.
    #[error("the action is available in {}, and the conversation is in {}", quoted(available_in), state.as_ref().map_or("no state: set one by `current_state` or `initial_state`".to_owned(), |state| format!("`{state}`")))]
    NotAvailable {
        /// The state of the conversation.
        state: Option<String>,
        /// The states that the action exists in.
        available_in: Vec<String>,
        /// The actions that lead there.
        leads: Vec<String>,
    },
    /// Other actions have to succeed before.
    #[error("the action comes after {}", quoted(first))]
    TooEarly {
        /// Those that have not succeeded yet.
        first: Vec<String>,
    },
    /// A value that no earlier call has returned.
    #[error("invalid arguments: {}", .0.masked())]
    Arguments(InvalidArguments),
}

fn quoted(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

impl Guards {
    /// Whether a call must belong to a conversation.
    pub fn need_conversation(&self) -> bool {
        self.max_calls.is_some()
            || !self.only_after.is_empty()
            || self.available_in.is_some()
            || !self.allowed.is_empty()
    }

    /// Whether the variables are asked for.
    pub fn read_variables(&self) -> bool {
        !self.allowed.is_empty()
    }

    /// Whether the action exists in a conversation that is in `state`.
    pub(crate) fn are_open_in(&self, state: Option<&str>) -> bool {
        let Some(states) = &self.available_in else { return true };
        state.is_some_and(|state| states.iter().any(|known| known == state))
    }
}

impl Guards {
    /// Asks the guards, but for `max_calls`, which only the store can count. `known` is an object with
    /// the member `variables`; `is_sensitive` says whether an argument must not be told.
    ///
    /// # Errors
    ///
    /// The first thing that stands in the way.
    pub(crate) fn check(
        &self,
        conversation: Option<&dyn KnownConversation>,
        known: &Value,
        parameters: &Map<String, Value>,
        is_sensitive: &dyn Fn(&Map<String, Value>) -> bool,
    ) -> Result<(), GuardError> {
        if !self.need_conversation() {
            return Ok(());
        }
        let Some(conversation) = conversation else { return Err(GuardError::NoConversation) };
        if let Some(available_in) = &self.available_in
            && !self.are_open_in(conversation.state())
        {
            return Err(GuardError::NotAvailable {
                state: conversation.state().map(str::to_owned),
                available_in: available_in.clone(),
                leads: self.leads.clone(),
            });
        }
        let first = self.only_after.iter().filter(|name| !conversation.has_succeeded(name));
        let first: Vec<String> = first.cloned().collect();
        if !first.is_empty() {
            return Err(GuardError::TooEarly { first });
        }
        for allowed in &self.allowed {
            let Some(sent) = parameters.get(&allowed.parameter).filter(|sent| !sent.is_null()) else {
                continue;
            };
            if let Some(unknown) = allowed.unknown(sent, known) {
                let sent = Map::from_iter([(allowed.parameter.clone(), unknown.clone())]);
                let refusal = allowed.refusal(unknown, is_sensitive(&sent), conversation, known);
                return Err(GuardError::Arguments(refusal));
            }
        }
        Ok(())
    }
}

impl AllowedValues {
    /// Tells which values are allowed, as far as the model may know them.
    fn refusal(
        &self,
        unknown: &Value,
        is_sensitive: bool,
        conversation: &dyn KnownConversation,
        known: &Value,
    ) -> InvalidArguments {
        let mut named: Vec<&Value> = Vec::new();
        let mut count = 0_usize;
        self.path.locate(known, |place, value| {
            for value in values_of(value) {
                count += 1;
                let is_plain = value.is_string() || value.is_number() || value.is_boolean();
                let is_wanted = named.len() <= MAX_NAMED && is_plain && !is_sensitive;
                if is_wanted && !named.contains(&value) && conversation.may_be_told(&place, value) {
                    named.push(value);
                }
            }
        });
        let sent = if is_sensitive { None } else { Some(unknown) };
        InvalidArguments::not_allowed(&self.parameter, sent, &named, count, &self.sources)
    }

    /// What of `sent` is none of the allowed values: itself, or one of its items.
    fn unknown<'s>(&self, sent: &'s Value, known: &Value) -> Option<&'s Value> {
        let known = Known::of(self.path.select(known).into_iter().flat_map(values_of));
        match sent {
            Value::Array(items) => items.iter().find(|item| !known.has(item)),
            one => (!known.has(one)).then_some(one),
        }
    }
}

/// Values by what they mean. A long list may be asked for each item of another one.
#[derive(Default)]
struct Known<'a> {
    /// Texts, and numbers as they are written.
    texts: HashSet<&'a str>,
    /// Numbers, in their order.
    numbers: Vec<&'a str>,
    others: Vec<&'a Value>,
}

impl<'a> Known<'a> {
    fn of(values: impl Iterator<Item = &'a Value>) -> Self {
        let mut known = Self::default();
        for value in values {
            match value {
                Value::String(text) => _ = known.texts.insert(text),
                Value::Number(number) => {
                    known.texts.insert(number.as_str());
                    known.numbers.push(number.as_str());
                }
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => known.others.push(value),
            }
        }
        known.numbers.sort_unstable_by(|one, other| compare_numbers(one, other));
        known
    }

    /// Whether a model that sends `sent` means one of them: numbers by their value, and a number written as a text is
    /// the number.
    fn has(&self, sent: &Value) -> bool {
        match sent {
            Value::String(text) => self.texts.contains(text.as_str()),
            Value::Number(number) => {
                let number = number.as_str();
                let is_same = |one: &&str| compare_numbers(one, number);
                self.texts.contains(number) || self.numbers.binary_search_by(is_same).is_ok()
            }
            other => self.others.contains(&other),
        }
    }
}

/// A list that was found stands for its items.
fn values_of(found: &Value) -> Vec<&Value> {
    match found {
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn allowed(path: &str) -> AllowedValues {
        AllowedValues { parameter: "slot_id".to_owned(), path: Path::compile(path).unwrap(), sources: vec![] }
    }

    #[test]
    fn a_value_is_known_by_what_it_means() {
        let known =
            json!({"variables": {"slots": [{"id": 12}, {"id": 9_007_199_254_740_993_u64}, {"id": "a"}]}});
        let slots = allowed("$.variables.slots[*].id");
        for (sent, is_known) in [
            (json!(12), true),
            (serde_json::from_str("12.0").unwrap(), true),
            (json!("12"), true),
            (json!("a"), true),
            (json!(["a", 12]), true),
            (json!([]), true),
            (json!("A"), false),
            (json!(9_007_199_254_740_992_u64), false),
            (json!(["a", "b"]), false),
            (json!({"id": "a"}), false),
            (json!(true), false),
        ] {
            assert_eq!(slots.unknown(&sent, &known).is_none(), is_known, "{sent}");
        }
    }

    #[test]
    fn a_list_that_is_found_stands_for_its_items() {
        let known = json!({"variables": {"slot_ids": ["a", "b"], "one": "c"}});
        assert!(allowed("$.variables.slot_ids").unknown(&json!("b"), &known).is_none());
        assert!(allowed("$.variables.slot_ids[*]").unknown(&json!("b"), &known).is_none());
        assert!(allowed("$.variables.one").unknown(&json!("c"), &known).is_none());
        assert!(allowed("$.variables.none").unknown(&json!("c"), &known).is_some());
    }
}
