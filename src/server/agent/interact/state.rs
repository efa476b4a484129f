//! The state as clients know it: `{stack, storage, variables}`.
//!
//! `variables` has those variables of the conversation that the model may see, by dotted name, and no sensitive one.
//! The one frame of `stack` names the agent (`diagramID`) and the conversation's current state (`nodeID`). `storage` holds
//! the sealed part that a client carries, else nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::conversation::Conversation;
use crate::executor::{ConversationChange, Gateway, GivenVariable};
use crate::server::problem::ProblemDocument;

use super::asked::invalid;

/// The only program.
const PROGRAM: &str = "callgate";
/// Longest name of a state.
const MAX_STATE_BYTES: usize = 64;

/// A state that a client sends.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Sent {
    /// Whether there is an empty stack: the conversation begins anew.
    pub(super) is_empty: bool,
    /// The conversation's current state.
    pub(super) node: Option<String>,
    /// The agent.
    pub(super) diagram: Option<String>,
    /// The variables; `None` if the member is missing.
    pub(super) variables: Option<Map<String, Value>>,
}

/// A conversation as a client sees it.
pub(super) async fn shown(gateway: &Gateway, conversation: &Conversation, agent: &str) -> Value {
    let seen = gateway.seen_variables(conversation).await;
    // Names of states come from the project. They are masked too, in case one is a secret.
    let node = gateway.shown(&without_variables(conversation)).await.state.clone();
    written(seen, node.as_deref(), conversation.has_ended(), agent)
}

fn without_variables(conversation: &Conversation) -> Conversation {
    Conversation { variables: Arc::default(), ..conversation.clone() }
}

fn written(variables: BTreeMap<String, Value>, node: Option<&str>, has_ended: bool, agent: &str) -> Value {
    let frame = json!({
        "programID": PROGRAM,
        "diagramID": agent,
        "nodeID": node,
        "variables": {},
        "storage": {},
        "commands": [],
    });
    let stack = if has_ended { Vec::new() } else { vec![frame] };
    json!({"stack": stack, "storage": {}, "variables": variables})
}

impl Sent {
    /// Reads a whole state, which replaces the current one.
    ///
    /// # Errors
    ///
    /// A part is missing, has a wrong type, or is unknown.
    pub(super) fn whole(state: &Map<String, Value>) -> Result<Self, ProblemDocument> {
        const PARTS: [&str; 3] = ["stack", "storage", "variables"];
        if let Some(unknown) = state.keys().find(|key| !PARTS.contains(&key.as_str())) {
            let unknown: String = unknown.chars().take(80).collect();
            return Err(invalid(format!(
                "a state has `stack`, `storage` and `variables`, and no `{unknown}`"
            )));
        }
        if let Some(missing) = PARTS.iter().find(|part| state.get(**part).is_none_or(Value::is_null)) {
            return Err(invalid(format!(
                "a state has `stack`, `storage` and `variables`: `{missing}` is missing"
            )));
        }
        let frames = state["stack"].as_array().into_iter().flatten();
        if frames.clone().any(|frame| !frame["diagramID"].is_string()) {
            return Err(invalid("each element of `stack` must be an object with a `diagramID`"));
        }
        Self::read(state)
    }

    /// Reads a state; any part may be missing.
    ///
    /// # Errors
    ///
    /// A part has a wrong type.
    pub(super) fn read(state: &Map<String, Value>) -> Result<Self, ProblemDocument> {
        let given = |name: &str| state.get(name).filter(|value| !value.is_null());
        let stack = match given("stack") {
            None => None,
            Some(Value::Array(stack)) => Some(stack),
            Some(_) => return Err(invalid("`stack` must be a list")),
        };
        if given("storage").is_some_and(|storage| !storage.is_object()) {
            return Err(invalid("`storage` must be an object"));
        }
        let variables = match given("variables") {
            None => None,
            Some(Value::Object(variables)) => Some(variables.clone()),
            Some(_) => return Err(invalid("`variables` must be an object, by the names of the variables")),
        };
        // The last frame is the active one.
        let frame = stack.and_then(|stack| stack.last());
        let text = |name: &str| frame?.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let node = text("nodeID");
        let is_name =
            |name: &String| name.len() <= MAX_STATE_BYTES && !name.contains(|sign: char| sign.is_control());
        if node.as_ref().is_some_and(|node| !is_name(node)) {
            return Err(invalid(format!(
                "`nodeID` is the state that the conversation is in: {MAX_STATE_BYTES} bytes at most, no control characters"
            )));
        }
        Ok(Self { is_empty: stack.is_some_and(Vec::is_empty), node, diagram: text("diagramID"), variables })
    }
}

/// The change that sets `variables`: null removes one, an equal value is no change, and a sensitive or hidden variable
/// stays sensitive or hidden.
pub(super) fn change(
    variables: Map<String, Value>,
    known: Option<&Conversation>,
    seen: &BTreeMap<String, Value>,
) -> ConversationChange {
    let mut change = ConversationChange::default();
    for (name, value) in variables {
        if value.is_null() {
            if known.is_none_or(|known| known.variables.contains_key(&name)) {
                change.unset.push(name);
            }
            continue;
        }
        if seen.get(&name) == Some(&value) {
            continue;
        }
        let marked = known.and_then(|known| known.variables.get(&name));
        let sensitive = marked.is_some_and(|variable| variable.sensitive);
        let hidden = marked.is_some_and(|variable| variable.hidden || sensitive && variable.shown.is_none());
        change.variables.push(GivenVariable { name, value, sensitive, hidden });
    }
    change
}

/// The same, if the variables replace all that the client sees.
pub(super) fn replacement(
    variables: Map<String, Value>,
    known: &Conversation,
    seen: &BTreeMap<String, Value>,
) -> ConversationChange {
    let gone: Vec<String> = seen.keys().filter(|name| !variables.contains_key(*name)).cloned().collect();
    let mut change = change(variables, Some(known), seen);
    change.unset.extend(gone);
    change
}

/// Whether a change is empty.
pub(super) fn is_nothing(change: &ConversationChange) -> bool {
    change.unset.is_empty() && change.variables.is_empty() && change.current_state.is_none()
}

#[cfg(test)]
mod tests {
    use crate::conversation::ConversationKey;
    use crate::conversation::change::{Change, Source, Variable};

    use super::*;

    fn members(value: Value) -> Map<String, Value> {
        let Value::Object(members) = value else { panic!("object") };
        members
    }

    #[test]
    fn a_whole_state_has_its_three_parts_and_no_other() {
        let whole = || json!({"stack": [{"diagramID": "desk", "nodeID": "paying"}], "storage": {}, "variables": {"a": 1}});
        let sent = Sent::whole(&members(whole())).unwrap();
        let expected = Sent {
            is_empty: false,
            node: Some("paying".to_owned()),
            diagram: Some("desk".to_owned()),
            variables: Some(members(json!({"a": 1}))),
        };
        assert_eq!(sent, expected);
        let wrong = |part: &str, value: Value| {
            let mut state = whole();
            state[part] = value;
            Sent::whole(&members(state)).unwrap_err().detail
        };
        for (part, value, says) in [
            ("extra", json!(1), "no `extra`"),
            ("storage", json!(null), "`storage` is missing"),
            ("storage", json!([]), "`storage` must be an object"),
            ("stack", json!({}), "`stack` must be a list"),
            ("stack", json!([{}]), "with a `diagramID`"),
            ("stack", json!([7]), "with a `diagramID`"),
            ("stack", json!([{"diagramID": "d", "nodeID": "x".repeat(65)}]), "64 bytes"),
            ("variables", json!([]), "`variables` must be an object"),
        ] {
            let detail = wrong(part, value);
            assert!(detail.contains(says), "{detail}");
        }
    }

    #[test]
    fn marks_stay_and_what_is_as_it_was_is_not_set() {
        let mut known = Conversation::new(ConversationKey::new("development", "c"), 1, 1);
        let variable = |value: Value, sensitive: bool, hidden: bool| Variable {
            shown: (!hidden).then(|| value.clone()),
            value,
            source: Source::Caller,
            sensitive,
            hidden,
            set_at_ms: 1,
        };
        let set = vec![
            ("name".to_owned(), variable(json!("Ann"), false, false)),
            ("size".to_owned(), variable(json!("large"), false, false)),
            ("pin".to_owned(), variable(json!("0815"), true, true)),
            ("phone".to_owned(), variable(json!("+4930"), true, false)),
        ];
        assert!(known.apply(&Change { set, ..Change::default() }, 1).refused.is_empty());
        let seen = BTreeMap::from([("name".to_owned(), json!("Ann")), ("size".to_owned(), json!("large"))]);
        let given =
            json!({"name": "Ann", "size": null, "none": null, "pin": "4711", "phone": "+49", "new": [1]});
        let changed = change(members(given.clone()), Some(&known), &seen);
        let told = |change: &ConversationChange| -> Vec<(String, bool, bool)> {
            change.variables.iter().map(|one| (one.name.clone(), one.sensitive, one.hidden)).collect()
        };
        let expected = [("pin", true, true), ("phone", true, false), ("new", false, false)];
        assert_eq!(
            told(&changed),
            expected.map(|(name, sensitive, hidden)| (name.to_owned(), sensitive, hidden))
        );
        assert_eq!(changed.unset, ["size"]);
        // The client does not see it, so its absence does not remove it.
        let replaced = replacement(members(json!({"size": "large"})), &known, &seen);
        assert_eq!((replaced.unset.as_slice(), told(&replaced).len()), (&["name".to_owned()][..], 0));
        assert!(is_nothing(&change(members(json!({"name": "Ann"})), Some(&known), &seen)));
    }

    #[test]
    fn a_conversation_that_has_ended_has_nothing_on_its_stack() {
        let seen = || BTreeMap::from([("a.b".to_owned(), json!(1))]);
        let state = written(seen(), Some("paying"), false, "desk");
        assert_eq!(
            (&state["stack"][0]["diagramID"], &state["stack"][0]["nodeID"]),
            (&json!("desk"), &json!("paying"))
        );
        assert_eq!(state["variables"], json!({"a.b": 1}));
        assert_eq!(written(seen(), None, true, "desk")["stack"], json!([]));
    }
}
