//! A conversation that its caller carries: nothing of it is stored, all of it
//! comes with each request, sealed, and goes back with the answer.
//!
//! It is a value. Each says what the call before it did ([`Step`]), so that the
//! outputs of a call can be put into another state of the same conversation too:
//! of calls that ran at the same time, or where a call is repeated late.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::tool::Scope;

use super::change::{Change, Refusal, Refused, Variable};
use super::key::ConversationKey;
use super::record::{Calls, Conversation, Variables};

/// Calls of which a carried conversation knows that they are part of it; of the
/// oldest it forgets that.
const MAX_RECENT: usize = 64;

/// A conversation as one sealed text shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Carried {
    conversation: Arc<Conversation>,
    /// The text it was read from; empty where the conversation begins.
    text: String,
    /// Whether the conversation has an id that its caller can come back with.
    is_named: bool,
    /// The calls that are part of it, the latest last.
    recent: Vec<u64>,
    step: Step,
}

/// What one call did to a carried conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// A digest of the text that the call came with.
    from: u64,
    /// A digest of the call: its id, then its action and arguments.
    call: u64,
    action: String,
    /// Whether it counts as begun.
    #[serde(default, skip_serializing_if = "is_false")]
    is_begun: bool,
    /// Whether it counts as succeeded.
    #[serde(default, skip_serializing_if = "is_false")]
    is_success: bool,
    /// Whether it set the state that the conversation is in.
    #[serde(default, skip_serializing_if = "is_false")]
    sets_state: bool,
    /// The variables that it took away, before it set others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unset: Vec<String>,
    /// The variables that it set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    set: Vec<String>,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// What is sealed. A later Callgate may add members; an older one leaves them out.
#[derive(Serialize, Deserialize)]
struct Record<'a> {
    id: Cow<'a, str>,
    started_at_ms: u64,
    expires_at_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended_at_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current_state: Option<Cow<'a, str>>,
    variables: Cow<'a, Variables>,
    calls: Cow<'a, BTreeMap<String, Calls>>,
    concealed: Cow<'a, [String]>,
    recent: Cow<'a, [u64]>,
    step: Cow<'a, Step>,
}

impl Carried {
    /// A conversation that begins; `is_named` where its caller chose its id.
    pub fn begin(key: ConversationKey, is_named: bool, ttl_ms: u64, now_ms: u64) -> Self {
        Self {
            conversation: Arc::new(Conversation::new(key, ttl_ms, now_ms)),
            text: String::new(),
            is_named,
            recent: Vec::new(),
            step: Step::default(),
        }
    }

    /// Reads what [`Self::to_bytes`] wrote; `text` is what it was sealed into.
    pub fn read(scope: &Scope, bytes: &[u8], text: String, ttl_ms: u64) -> Option<Self> {
        let record: Record<'_> = serde_json::from_slice(bytes).ok()?;
        let key = ConversationKey::of(scope.clone(), &record.id);
        let variables = record.variables.into_owned();
        let conversation = Conversation {
            started_at_ms: record.started_at_ms,
            expires_at_ms: record.expires_at_ms,
            ended_at_ms: record.ended_at_ms,
            state: record.current_state.map(Cow::into_owned),
            bytes: variables.iter().map(|(name, variable)| variable.bytes(name)).sum(),
            variables: Arc::new(variables),
            calls: record.calls.into_owned(),
            concealed: Arc::new(record.concealed.into_owned()),
            ..Conversation::new(key, ttl_ms, 0)
        };
        let (recent, step) = (record.recent.into_owned(), record.step.into_owned());
        Some(Self { conversation: Arc::new(conversation), text, is_named: true, recent, step })
    }

    /// All of it but for the scope, which it is sealed for.
    pub fn to_bytes(&self) -> Vec<u8> {
        let known = &*self.conversation;
        let record = Record {
            id: Cow::Borrowed(known.key.id()),
            started_at_ms: known.started_at_ms,
            expires_at_ms: known.expires_at_ms,
            ended_at_ms: known.ended_at_ms,
            current_state: known.state.as_deref().map(Cow::Borrowed),
            variables: Cow::Borrowed(&known.variables),
            calls: Cow::Borrowed(&known.calls),
            concealed: Cow::Borrowed(&known.concealed),
            recent: Cow::Borrowed(&self.recent),
            step: Cow::Borrowed(&self.step),
        };
        // Names, numbers and JSON values: nothing that JSON cannot hold.
        serde_json::to_vec(&record).unwrap_or_default()
    }

    /// What is known of the conversation.
    pub fn conversation(&self) -> &Arc<Conversation> {
        &self.conversation
    }

    /// The text it was read from; empty where the conversation begins.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether its id tells the conversation from others: its caller chose it,
    /// or has been given it.
    pub fn is_named(&self) -> bool {
        self.is_named
    }

    /// What the call before it did.
    pub fn step(&self) -> &Step {
        &self.step
    }

    /// Whether it is what a call made of `former`.
    pub fn follows(&self, former: &Self) -> bool {
        let is_same = self.conversation.key == former.conversation.key;
        // A conversation that its caller cannot name has another id at each attempt to begin it.
        self.step.from == digest(&former.text) && (is_same || !former.is_named)
    }

    /// Whether the call of `step` is part of it.
    pub fn includes(&self, step: &Step) -> bool {
        self.recent.contains(&step.call)
    }

    /// How many calls that look like this one are part of it and were followed by another call. Their answers were
    /// delivered, so a call that comes now is not a repeat of one of them. None where the id is `trusted` to name one
    /// call, unless it stands for another call too.
    pub fn earlier(&self, id: &str, action: &str, arguments: &str, trusted: bool) -> usize {
        let looked_for = digest_of_call(id, action, arguments);
        let has_same_id = |other: u64| other >> ID_SHIFT == looked_for >> ID_SHIFT;
        let repeats = self.recent.iter().any(|other| has_same_id(*other) && *other != looked_for);
        if trusted && !repeats {
            return 0;
        }
        let pairs = self.recent.windows(2);
        pairs.filter(|pair| pair[0] == looked_for && pair[1] != looked_for).count()
    }

    /// What the call before it did, to do it to another state of the conversation.
    pub fn last_change(&self) -> Change {
        let known = &self.conversation;
        let variable = |name: &String| Some((name.clone(), (**known.variables.get(name)?).clone()));
        Change {
            unset: self.step.unset.clone(),
            set: self.step.set.iter().filter_map(variable).collect(),
            state: known.state.clone().filter(|_| self.step.sets_state),
            succeeded: self.step.is_success.then(|| self.step.action.clone()),
            ..Change::default()
        }
    }

    /// The step of a call that came with this state and made `change`.
    pub fn step_of(&self, id: &str, action: &str, arguments: &str, is_begun: bool, change: &Change) -> Step {
        Step {
            from: digest(&self.text),
            call: digest_of_call(id, action, arguments),
            action: action.to_owned(),
            is_begun,
            is_success: change.succeeded.is_some(),
            sets_state: change.state.is_some(),
            unset: change.unset.clone(),
            set: Vec::new(),
        }
    }

    /// What comes after it: `change` is made, `step` is part of it, and it is
    /// kept until `expires_at_ms`. Variables that do not fit are left out: those
    /// that no conversation could take, and those with which `fits` says no.
    pub fn next(
        &self,
        step: Step,
        change: &Change,
        expires_at_ms: u64,
        fits: impl Fn(&Self) -> bool,
    ) -> (Self, Vec<Refused>) {
        let mut next = Self {
            conversation: self.conversation.clone(),
            text: String::new(),
            is_named: true,
            recent: self.recent.clone(),
            step,
        };
        // A call of which nothing was sent may come again and do something.
        if next.step.is_begun || !change.is_empty() {
            next.recent.push(next.step.call);
        }
        let too_many = next.recent.len().saturating_sub(MAX_RECENT);
        next.recent.drain(..too_many);
        let conversation = Arc::make_mut(&mut next.conversation);
        conversation.expires_at_ms = conversation.expires_at_ms.max(expires_at_ms);
        if next.step.is_begun {
            let calls = conversation.calls.entry(next.step.action.clone()).or_default();
            calls.begun = calls.begun.saturating_add(1);
        }
        let counted = Change {
            unset: change.unset.clone(),
            state: change.state.clone(),
            succeeded: change.succeeded.clone(),
            ..Change::default()
        };
        conversation.apply(&counted, 0);
        let mut whole = next.clone();
        let refused = whole.set(&change.set);
        if change.set.is_empty() || fits(&whole) {
            return (whole, refused);
        }
        let mut refused = Vec::new();
        for variable in &change.set {
            let mut with = next.clone();
            let not_set = with.set(std::slice::from_ref(variable));
            if not_set.is_empty() && !fits(&with) {
                refused.push(Refused { name: variable.0.clone(), reason: Refusal::StateTooLarge });
            } else {
                next = with;
                refused.extend(not_set);
            }
        }
        (next, refused)
    }

    /// The same, with what its caller changes about it between two requests: all of it, or nothing where a variable is
    /// refused. It expires when it did.
    pub fn changed(&self, change: &Change, now_ms: u64) -> (Self, Vec<Refused>) {
        let mut changed = Self { text: String::new(), ..self.clone() };
        let refused = Arc::make_mut(&mut changed.conversation).apply(change, now_ms).refused;
        (changed, refused)
    }

    /// The same, kept until `expires_at_ms`.
    #[must_use]
    pub fn renewed(&self, expires_at_ms: u64) -> Self {
        let mut renewed = Self { text: String::new(), is_named: true, ..self.clone() };
        let conversation = Arc::make_mut(&mut renewed.conversation);
        conversation.expires_at_ms = conversation.expires_at_ms.max(expires_at_ms);
        renewed
    }

    fn set(&mut self, variables: &[(String, Variable)]) -> Vec<Refused> {
        let change = Change { set: variables.to_vec(), ..Change::default() };
        let refused = Arc::make_mut(&mut self.conversation).apply(&change, 0).refused;
        let is_set = |name: &&String| !refused.iter().any(|refused| refused.name == **name);
        self.step.set.extend(change.set.iter().map(|(name, _)| name).filter(is_set).cloned());
        refused
    }
}

/// The upper half of a digest of a call is its id's.
const ID_SHIFT: u32 = 32;

fn digest_of_call(id: &str, action: &str, arguments: &str) -> u64 {
    let content = digest(&format!("{}:{action}{arguments}", action.len()));
    digest(id) >> ID_SHIFT << ID_SHIFT | content >> ID_SHIFT
}

fn digest(text: &str) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&Sha256::digest(text)[..8]);
    u64::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::change::Source;
    use super::*;

    fn begun() -> Carried {
        Carried::begin(ConversationKey::new("development", "c"), true, 1_000, 5)
    }

    fn change(values: &[(&str, Value)]) -> Change {
        let variable = |value: &Value| Variable {
            value: value.clone(),
            shown: None,
            source: Source::Call { id: "call_1".to_owned(), action: "look".to_owned() },
            sensitive: false,
            hidden: value.is_string(),
            set_at_ms: 7,
        };
        let set = values.iter().map(|(name, value)| ((*name).to_owned(), variable(value))).collect();
        Change { set, succeeded: Some("look".to_owned()), ..Change::default() }
    }

    /// After the call `id`, which came with `before`, as the text `text` shows it.
    fn after(before: &Carried, id: &str, text: &str, change: &Change) -> Carried {
        let step = before.step_of(id, "look", "{}", true, change);
        let (next, refused) = before.next(step, change, 2_000, |_| true);
        assert_eq!(refused, []);
        let read =
            Carried::read(&Scope::shared("development"), &next.to_bytes(), text.to_owned(), 1_000).unwrap();
        assert_eq!(Carried { text: String::new(), ..read.clone() }, next);
        read
    }

    #[test]
    fn a_state_holds_all_that_a_conversation_is() {
        let number: Value = serde_json::from_str("12345678901234567890.10").unwrap();
        let change = Change {
            state: Some("verified".to_owned()),
            ..change(&[("a.b", number.clone()), ("pin", json!("0815-4711"))])
        };
        let one = after(&begun(), "call_1", "one", &change);
        let known = one.conversation();
        assert_eq!(known.variables["a.b"].value, number);
        assert_eq!(known.state.as_deref(), Some("verified"));
        assert_eq!(known.calls["look"], Calls { begun: 1, succeeded: 1 });
        assert_eq!((known.started_at_ms, known.expires_at_ms), (5, 2_000));
        assert!(known.concealed.contains(&"0815-4711".to_owned()), "{:?}", known.concealed);
        assert_eq!(known.bytes, change.set.iter().map(|(name, one)| one.bytes(name)).sum::<usize>());
    }

    #[test]
    fn what_a_call_did_can_be_done_to_another_state() {
        let base = begun();
        let one = after(&base, "call_1", "one", &change(&[("a", json!(1)), ("same", json!(1))]));
        let two = after(&base, "call_2", "two", &change(&[("b", json!(2)), ("same", json!(2))]));
        assert!(one.follows(&base) && two.follows(&base) && !two.follows(&one));
        assert!(!one.includes(two.step()));
        let (both, _) = one.next(two.step().clone(), &two.last_change(), 3_000, |_| true);
        let values: Vec<_> =
            both.conversation().variables.iter().map(|(name, one)| (name.as_str(), &one.value)).collect();
        assert_eq!(values, [("a", &json!(1)), ("b", &json!(2)), ("same", &json!(2))]);
        assert_eq!(both.conversation().calls["look"], Calls { begun: 2, succeeded: 2 });
        assert!(both.includes(one.step()) && both.includes(two.step()));
    }

    #[test]
    fn a_call_that_did_nothing_may_still_do_something() {
        let base = begun();
        let step = base.step_of("call_1", "look", "{}", false, &Change::default());
        let (failed, _) = base.next(step, &Change::default(), 1, |_| true);
        let done = after(&base, "call_1", "done", &change(&[("a", json!(1))]));
        assert!(!failed.includes(done.step()) && done.includes(done.step()));
        assert_eq!(failed.conversation().calls.get("look"), None);
        let renewed = done.renewed(9_000);
        assert_eq!(renewed.conversation().expires_at_ms, 9_000);
        assert_eq!(renewed.conversation().calls, done.conversation().calls);
    }

    #[test]
    fn a_beginning_without_a_name_is_the_same_as_any_other() {
        let begin =
            |id, is_named| Carried::begin(ConversationKey::new("development", id), is_named, 1_000, 1);
        let one = after(&begin("made-up-1", false), "call_1", "one", &Change::default());
        assert!(one.follows(&begin("made-up-2", false)));
        assert!(!one.follows(&begin("made-up-2", true)));
    }

    #[test]
    fn what_does_not_fit_is_left_out_by_name() {
        let base = begun();
        let long = json!("x".repeat(500));
        let change = change(&[("a", json!(1)), ("long", long), ("b", json!(2)), ("b.c", json!(3))]);
        let step = base.step_of("call_1", "look", "{}", true, &change);
        let (next, refused) = base.next(step, &change, 1, |next| next.to_bytes().len() < 800);
        let refused: Vec<_> = refused.iter().map(|one| (one.name.as_str(), &one.reason)).collect();
        assert_eq!(refused, [("long", &Refusal::StateTooLarge), ("b.c", &Refusal::Conflict("b".to_owned()))]);
        assert_eq!(next.conversation().variables.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(next.step().set, ["a", "b"]);
        assert!(next.conversation().concealed.is_empty());
    }

    #[test]
    fn it_remembers_the_latest_calls_and_no_more() {
        let mut one = begun();
        for number in 0..200 {
            one = after(&one, &format!("call_{number}"), "text", &Change::default());
        }
        assert_eq!(one.recent.len(), MAX_RECENT);
        assert!(one.includes(one.step()));
        assert_eq!(one.conversation().calls["look"].begun, 200);
    }
}
