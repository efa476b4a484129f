//! The name of an action.

use std::fmt;

/// The name under which a model calls an action: `^[a-zA-Z0-9_][a-zA-Z0-9_-]{0,63}$`. Every provider
/// accepts it, but for a digit at the beginning, which Gemini does not take.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionName(String);

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid name `{0}`: must match ^[a-zA-Z0-9_][a-zA-Z0-9_-]{{0,63}}$")]
pub struct InvalidActionName(String);

impl ActionName {
    /// Longest name that Vapi takes; longer ones get a warning.
    pub const PORTABLE_LENGTH: usize = 40;

    /// Whether `text` is refused by Gemini, whose names begin with a letter or an underscore.
    pub fn begins_with_digit(text: &str) -> bool {
        text.bytes().next().is_some_and(|b| b.is_ascii_digit())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for ActionName {
    type Error = InvalidActionName;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
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
        for good in ["a", "_x", "get_order-status", "2fa", "0", &"a".repeat(64)] {
            assert!(ActionName::try_from(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a b", "a.b", "é", &"a".repeat(65)] {
            assert!(ActionName::try_from(bad).is_err(), "{bad}");
        }
    }
}
