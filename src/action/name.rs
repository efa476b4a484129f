//! The name of an action.

use std::fmt;

/// The name under which a model calls an action:
/// `^[a-zA-Z_][a-zA-Z0-9_-]{0,63}$`, which every provider accepts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionName(String);

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid name `{0}`: must match ^[a-zA-Z_][a-zA-Z0-9_-]{{0,63}}$")]
pub struct InvalidActionName(String);

impl ActionName {
    /// Longest name that Vapi takes; longer ones get a warning.
    pub const PORTABLE_LENGTH: usize = 40;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for ActionName {
    type Error = InvalidActionName;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
        let rest = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if first && rest && text.len() <= 64 {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidActionName(text.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for ActionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_portable_rule() {
        for good in ["a", "_x", "get_order-status", &"a".repeat(64)] {
            assert!(ActionName::try_from(good).is_ok(), "{good}");
        }
        for bad in ["", "1a", "-a", "a b", "a.b", "é", &"a".repeat(65)] {
            assert!(ActionName::try_from(bad).is_err(), "{bad}");
        }
    }
}
