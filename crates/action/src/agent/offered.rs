//! Which actions an agent may use, and when.

use std::collections::BTreeMap;

use callgate_definition::{ANY_STATE, OfferedDefinition};

/// The actions that an agent may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offered {
    /// Every action that a model can be offered.
    All,
    /// Those of these names.
    Named(Vec<String>),
    /// Those of these names by the state of the conversation; `*` is for any state, and for none.
    ByState(BTreeMap<String, Vec<String>>),
}

impl Offered {
    /// Whether the agent may use `action` while its conversation is in `state`. What the action itself asks of the
    /// conversation, such as `available_in`, holds besides.
    pub fn offers(&self, action: &str, state: Option<&str>) -> bool {
        let has = |names: &Vec<String>| names.iter().any(|name| name == action);
        match self {
            Self::All => true,
            Self::Named(names) => has(names),
            Self::ByState(states) => {
                states.get(ANY_STATE).is_some_and(has)
                    || state.and_then(|state| states.get(state)).is_some_and(has)
            }
        }
    }

    /// Whether the agent may use `action` in some state.
    pub fn names(&self, action: &str) -> bool {
        let has = |names: &Vec<String>| names.iter().any(|name| name == action);
        match self {
            Self::All => true,
            Self::Named(names) => has(names),
            Self::ByState(states) => states.values().any(has),
        }
    }
}

impl From<&OfferedDefinition> for Offered {
    fn from(definition: &OfferedDefinition) -> Self {
        match definition {
            OfferedDefinition::All => Self::All,
            OfferedDefinition::Named(names) => Self::Named(names.clone()),
            OfferedDefinition::ByState(states) => Self::ByState(states.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn an_action_is_offered_in_its_states_and_in_any() {
        assert!(Offered::All.offers("refund", None) && Offered::All.offers("refund", Some("paying")));
        let named = Offered::Named(names(&["refund"]));
        assert!(named.offers("refund", Some("paying")) && !named.offers("lookup", None));
        let by_state = Offered::ByState(BTreeMap::from([
            ("*".to_owned(), names(&["lookup"])),
            ("paying".to_owned(), names(&["refund"])),
        ]));
        for (action, state, expected) in [
            ("lookup", None, true),
            ("lookup", Some("paying"), true),
            ("lookup", Some("browsing"), true),
            ("refund", Some("paying"), true),
            ("refund", Some("browsing"), false),
            ("refund", Some("*"), false),
            ("refund", None, false),
        ] {
            assert_eq!(by_state.offers(action, state), expected, "{action} in {state:?}");
        }
    }
}
