//! What is known of one conversation, and how a change of it is made.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::action::{output, variables};

use super::change::{Applied, Change, Refusal, Refused, Variable};
use super::key::{ConversationKey, MAX_NAME_BYTES};
use super::time::timestamp;

/// Most bytes of variables in one conversation: names, values as JSON and what is shown of them.
pub const MAX_BYTES: usize = 256 * 1024;
/// Deepest nesting of a variable's value: what is stored must be readable again.
pub const MAX_DEPTH: usize = 64;
/// Most variables of one conversation.
pub const MAX_VARIABLES: usize = 1_000;
/// Most hidden texts that are looked for in one conversation's answers.
pub const MAX_CONCEALED: usize = 200;

/// Variables by dotted name; no name is the parent of another. A copy shares the values.
pub type Variables = BTreeMap<String, Arc<Variable>>;

/// One conversation, as it was at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversation {
    /// Which one.
    pub key: ConversationKey,
    /// When it began, in milliseconds since 1970 (UTC).
    pub started_at_ms: u64,
    /// How long it is kept after its last use.
    pub ttl_ms: u64,
    /// When it will be forgotten, if nothing uses it before.
    pub expires_at_ms: u64,
    /// When it was ended.
    pub ended_at_ms: Option<u64>,
    /// The state it is in.
    pub state: Option<String>,
    /// Its variables.
    pub variables: Arc<Variables>,
    /// Bytes of all variables: names, values as JSON and what is shown of them.
    pub bytes: usize,
    /// Calls by action.
    pub calls: BTreeMap<String, Calls>,
    /// Texts that models must not see, the longest first.
    pub concealed: Arc<Vec<String>>,
}

/// A line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Its id.
    pub id: String,
    /// When it began, in milliseconds since 1970 (UTC).
    pub started_at_ms: u64,
    /// When it will be forgotten, if nothing uses it before.
    pub expires_at_ms: u64,
    /// When it was ended.
    pub ended_at_ms: Option<u64>,
    /// The state it is in.
    pub state: Option<String>,
}

/// How often an action was called in a conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    /// Calls that were claimed and not given back before they were sent.
    pub begun: u32,
    /// Calls that succeeded.
    pub succeeded: u32,
}

impl Conversation {
    /// A conversation that begins at `now_ms`.
    pub fn new(key: ConversationKey, ttl_ms: u64, now_ms: u64) -> Self {
        Self {
            key,
            started_at_ms: now_ms,
            ttl_ms,
            expires_at_ms: now_ms.saturating_add(ttl_ms),
            ended_at_ms: None,
            state: None,
            variables: Arc::default(),
            bytes: 0,
            calls: BTreeMap::new(),
            concealed: Arc::default(),
        }
    }

    /// When it began, as RFC 3339 in UTC, to the millisecond.
    pub fn started_at(&self) -> String {
        timestamp(self.started_at_ms)
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.ended_at_ms.is_some()
    }

    /// Those of its variables whose names begin with a part that is `wanted`, as templates see them.
    pub fn nested(&self, wanted: impl Fn(&str) -> bool) -> Map<String, Value> {
        self.nest(|name, variable| wanted(first_part(name)).then_some(&variable.value))
    }

    /// What the model may see of its variables, as templates see them.
    pub fn nested_shown(&self) -> Map<String, Value> {
        self.nest(|_, variable| variable.shown.as_ref())
    }

    fn nest<'v>(&'v self, of: impl Fn(&str, &'v Variable) -> Option<&'v Value>) -> Map<String, Value> {
        let mut nested = Map::new();
        for (name, variable) in &*self.variables {
            let Some(value) = of(name, variable) else { continue };
            let mut at = &mut nested;
            let mut parts = name.split('.').peekable();
            while let Some(part) = parts.next() {
                if parts.peek().is_none() {
                    at.insert(part.to_owned(), value.clone());
                    break;
                }
                // No name is the parent of another, so that nothing but objects stands on the way.
                let Value::Object(next) = at.entry(part).or_insert_with(|| Value::Object(Map::new())) else {
                    break;
                };
                at = next;
            }
        }
        nested
    }

    /// When it expires now that it is used again; see [`later_expiry`].
    pub(super) fn later_expiry(&self, now_ms: u64) -> Option<u64> {
        later_expiry(self.ttl_ms, self.expires_at_ms, now_ms)
    }

    /// Its line in a listing.
    pub fn summary(&self) -> Summary {
        Summary {
            id: self.key.id().to_owned(),
            started_at_ms: self.started_at_ms,
            expires_at_ms: self.expires_at_ms,
            ended_at_ms: self.ended_at_ms,
            state: self.state.clone(),
        }
    }

    /// Makes a change, but for its events; where it is all or nothing and a
    /// variable is refused, `self` is left as it is.
    ///
    /// The same rules hold in `redis/change.lua`; `tests/integration/store` compares the two.
    pub fn apply(&mut self, change: &Change, now_ms: u64) -> Applied {
        let mut applied = Applied { is_known: true, ..Applied::default() };
        if (change.end || change.while_open) && self.ended_at_ms.is_some() {
            return Applied { was_ended: true, ..applied };
        }
        let before = change.all_or_nothing.then(|| self.clone());
        for name in &change.unset {
            if let Some(old) = Arc::make_mut(&mut self.variables).remove(name) {
                self.bytes -= old.bytes(name);
            }
        }
        let mut concealed = Vec::new();
        for (name, variable) in &change.set {
            match self.place(name, variable) {
                Ok(bytes) => {
                    self.bytes = bytes;
                    if variable.hidden {
                        concealed.extend(output::sought_texts(&variable.value));
                    }
                    let variable = Arc::new(variable.clone());
                    Arc::make_mut(&mut self.variables).insert(name.clone(), variable);
                }
                Err(reason) => applied.refused.push(Refused { name: name.clone(), reason }),
            }
        }
        if let Some(before) = before.filter(|_| !applied.refused.is_empty()) {
            *self = before;
            return applied;
        }
        self.conceal(concealed);
        if let Some(state) = &change.state {
            self.state = Some(state.clone());
        }
        if let Some(action) = &change.succeeded {
            let calls = self.calls.entry(action.clone()).or_default();
            calls.succeeded = calls.succeeded.saturating_add(1);
        }
        if change.end {
            self.ended_at_ms.get_or_insert(now_ms);
        }
        applied
    }

    /// How many bytes there are once `variable` is set.
    fn place(&self, name: &str, variable: &Variable) -> Result<usize, Refusal> {
        variable.check(name)?;
        if let Some(other) = self.relative(name) {
            return Err(Refusal::Conflict(other.to_owned()));
        }
        let replaced = self.variables.get(name);
        if replaced.is_none() && self.variables.len() >= MAX_VARIABLES {
            return Err(Refusal::TooMany(MAX_VARIABLES));
        }
        let after = self.bytes - replaced.map_or(0, |old| old.bytes(name)) + variable.bytes(name);
        if after > MAX_BYTES { Err(Refusal::TooLarge(MAX_BYTES)) } else { Ok(after) }
    }

    /// A variable that is the parent of `name`, or has `name` for a parent.
    fn relative(&self, name: &str) -> Option<&str> {
        let parents = name.match_indices('.').map(|(at, _)| &name[..at]);
        let parent = parents.into_iter().find_map(|parent| self.variables.get_key_value(parent));
        if let Some((parent, _)) = parent {
            return Some(parent);
        }
        let below = format!("{name}.");
        let (first, _) = self.variables.range(below.clone()..).next()?;
        first.starts_with(&below).then_some(first)
    }

    fn conceal(&mut self, texts: Vec<String>) {
        if texts.is_empty() {
            return;
        }
        let concealed = Arc::make_mut(&mut self.concealed);
        concealed.extend(texts);
        // Longest first, so that no part of one is left standing.
        concealed.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| other.cmp(one)));
        concealed.dedup();
        concealed.truncate(MAX_CONCEALED);
    }
}

/// When a conversation expires that is used again; nothing where that is hardly
/// later than before, so that few uses have to be written.
pub(super) fn later_expiry(ttl_ms: u64, expires_at_ms: u64, now_ms: u64) -> Option<u64> {
    let expires = now_ms.saturating_add(ttl_ms);
    (expires > expires_at_ms.saturating_add(ttl_ms / 64)).then_some(expires)
}

impl Variable {
    /// What can be wrong with it whatever else the conversation holds.
    pub fn check(&self, name: &str) -> Result<(), Refusal> {
        if !is_name(name) {
            return Err(Refusal::Name(MAX_NAME_BYTES));
        }
        if variables::is_reserved(name) {
            return Err(Refusal::Reserved);
        }
        let is_deep =
            std::iter::once(&self.value).chain(&self.shown).any(|value| is_deeper(value, MAX_DEPTH));
        if is_deep { Err(Refusal::TooDeep(MAX_DEPTH)) } else { Ok(()) }
    }

    /// What it counts against [`MAX_BYTES`].
    pub fn bytes(&self, name: &str) -> usize {
        let length = |value: &Value| value.to_string().len();
        name.len() + length(&self.value) + self.shown.as_ref().map_or(0, length)
    }
}

/// Whether there are more than `levels` levels of lists and objects.
fn is_deeper(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels == 0 || items.iter().any(|item| is_deeper(item, levels - 1)),
        Value::Object(members) => levels == 0 || members.values().any(|item| is_deeper(item, levels - 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// The first part of a dotted name.
pub(crate) fn first_part(name: &str) -> &str {
    name.split_once('.').map_or(name, |(first, _)| first)
}

/// Whether `name` is a dotted name.
pub fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME_BYTES && name.split('.').all(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::change::Source;
    use super::*;

    fn variable(value: Value) -> Variable {
        Variable { value, shown: None, source: Source::Caller, sensitive: false, hidden: false, set_at_ms: 0 }
    }

    fn set(conversation: &mut Conversation, name: &str, value: Value) -> Vec<Refusal> {
        let change = Change { set: vec![(name.to_owned(), variable(value))], ..Change::default() };
        conversation.apply(&change, 7).refused.into_iter().map(|refused| refused.reason).collect()
    }

    fn conversation() -> Conversation {
        Conversation::new(ConversationKey::new("development", "c"), 1_000, 5)
    }

    #[test]
    fn dotted_names_are_nested_objects() {
        let mut one = conversation();
        for (name, value) in [("account.status", "gold"), ("account.owner.name", "Ann"), ("plan", "a")] {
            assert_eq!(set(&mut one, name, json!(value)), []);
        }
        let nested = json!({"account": {"owner": {"name": "Ann"}, "status": "gold"}, "plan": "a"});
        assert_eq!(Value::Object(one.nested(|_| true)), nested);
        assert_eq!(one.nested_shown(), Map::new());
    }

    #[test]
    fn a_name_is_a_value_or_a_parent() {
        let mut one = conversation();
        set(&mut one, "a.b", json!(1));
        set(&mut one, "ab", json!(1));
        assert_eq!(set(&mut one, "a", json!({"c": 1})), [Refusal::Conflict("a.b".to_owned())]);
        assert_eq!(set(&mut one, "a.b.c", json!(1)), [Refusal::Conflict("a.b".to_owned())]);
        assert_eq!(set(&mut one, "a.b", json!({"d": 2})), []);
        for name in ["", ".", "a.", ".a", "a..b", &"n".repeat(MAX_NAME_BYTES + 1)] {
            assert_eq!(set(&mut one, name, json!(1)), [Refusal::Name(MAX_NAME_BYTES)], "{name}");
        }
        assert_eq!(one.variables.len(), 2);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut one = conversation();
        let long = |bytes: usize| json!("x".repeat(bytes));
        assert_eq!(set(&mut one, "a", long(MAX_BYTES - 3)), []);
        assert_eq!(set(&mut one, "a", long(MAX_BYTES - 2)), [Refusal::TooLarge(MAX_BYTES)]);
        assert_eq!(set(&mut one, "b", json!(1)), [Refusal::TooLarge(MAX_BYTES)]);
        assert_eq!(set(&mut one, "a", json!(1)), []);
        for number in 1..MAX_VARIABLES {
            assert_eq!(set(&mut one, &format!("n{number}"), json!(1)), []);
        }
        assert_eq!(set(&mut one, "b", json!(1)), [Refusal::TooMany(MAX_VARIABLES)]);
        assert_eq!(set(&mut one, "a", json!(2)), []);
    }

    #[test]
    fn all_or_nothing_is_nothing() {
        let mut one = conversation();
        set(&mut one, "a.b", json!(1));
        let before = one.clone();
        let change = Change {
            unset: vec!["a.b".to_owned()],
            set: vec![("c".to_owned(), variable(json!(1))), ("c.d".to_owned(), variable(json!(1)))],
            end: true,
            all_or_nothing: true,
            ..Change::default()
        };
        let refused = one.apply(&change, 7).refused;
        assert_eq!(refused.len(), 1);
        assert_eq!(
            refused[0].to_string(),
            "the variable `c.d` cannot stand beside `c`: one of the two would be a value and the parent of the other"
        );
        assert_eq!(one, before);
        one.apply(&Change { all_or_nothing: false, ..change }, 7);
        assert_eq!(one.variables.keys().collect::<Vec<_>>(), ["c"]);
        assert_eq!(one.ended_at_ms, Some(7));
    }
}
