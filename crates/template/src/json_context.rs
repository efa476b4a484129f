//! Where in a JSON text a template stands: all that escaping has to know.
//!
//! Only strings are told from the rest; whether the text as a whole is JSON is asked after rendering.

use super::escape::Escape;

/// The state between two characters of a JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Outside,
    InString,
    AfterBackslash,
    /// In `\uXXXX`, with so many digits to come.
    InEscape(u8),
}

/// The state of the text so far, and where the last string began.
#[derive(Clone, Copy, Debug)]
pub(super) struct JsonContext {
    state: State,
    opened_at: usize,
}

impl JsonContext {
    /// The context at the start of a text.
    pub(super) fn new() -> Self {
        Self { state: State::Outside, opened_at: 0 }
    }

    /// Follows literal text that stands at `offset` of the source.
    pub(super) fn feed(&mut self, text: &str, offset: usize) {
        for (at, byte) in text.bytes().enumerate() {
            self.state = match (self.state, byte) {
                (State::Outside, b'"') => {
                    self.opened_at = offset + at;
                    State::InString
                }
                (State::Outside, _) | (State::InString | State::InEscape(_), b'"') => State::Outside,
                (State::InString | State::InEscape(_), b'\\') => State::AfterBackslash,
                (State::AfterBackslash, b'u') => State::InEscape(4),
                (State::InEscape(left @ 2..), _) => State::InEscape(left - 1),
                (State::InString | State::AfterBackslash | State::InEscape(_), _) => State::InString,
            };
        }
    }

    /// Returns how a value is written here, or where it stands if it cannot be.
    pub(super) fn escape(&self) -> Result<Escape, &'static str> {
        match self.state {
            State::Outside => Ok(Escape::JsonValue),
            State::InString => Ok(Escape::JsonString),
            State::AfterBackslash => Err("right after a backslash"),
            State::InEscape(_) => Err("inside a `\\u` escape"),
        }
    }

    /// Returns whether two texts end alike, as far as escaping goes.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        self.state == other.state
    }

    /// Returns the offset of the quote of the string that is still open.
    pub(super) fn open_string(&self) -> Option<usize> {
        (self.state != State::Outside).then_some(self.opened_at)
    }

    /// Names the state for messages.
    pub(super) fn describe(&self) -> &'static str {
        match self.state {
            State::Outside => "outside a string",
            State::InString => "inside a string",
            State::AfterBackslash => "after a backslash",
            State::InEscape(_) => "inside a `\\u` escape",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::JsonContext;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let mut context = JsonContext::new();
        context.feed(text, 0);
        assert_eq!(context.describe(), expected, "{text}");
    }

    #[test]
    fn quotes_open_and_close_strings() {
        check("", "outside a string");
        check(r#"{"a"#, "inside a string");
        check(r#"{"a""#, "outside a string");
        check(r#"{"a": "b"#, "inside a string");
    }

    #[test]
    fn escapes_do_not_end_strings() {
        check(r#""a\"#, "after a backslash");
        check(r#""a\""#, "inside a string");
        check(r#""a\\"#, "inside a string");
        check(r#""a\\""#, "outside a string");
        check(r#""\u00e"#, "inside a `\\u` escape");
        check(r#""\u00e9"#, "inside a string");
        check(r#""\u00""#, "outside a string");
    }

    #[test]
    fn text_split_between_pieces_is_one_text() {
        let mut context = JsonContext::new();
        for piece in ["\"a\\", "\" b", "\\u00", "e9"] {
            context.feed(piece, 0);
        }
        assert_eq!(context.describe(), "inside a string");
    }
}
