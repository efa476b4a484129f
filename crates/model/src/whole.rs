//! Where a JSON value ends, of which only pieces are there yet.

use super::limits::MAX_WHOLE;
use super::reply::StreamError;

/// Follows the brackets of an object or a list.
#[derive(Debug, Default)]
pub(crate) struct Brackets {
    depth: usize,
    in_text: bool,
    is_escaped: bool,
}

impl Brackets {
    /// How many bytes of `bytes` belong to the value; `None` where it goes on after them.
    pub(crate) fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        for (at, byte) in bytes.iter().enumerate() {
            if self.in_text {
                self.in_text = self.is_escaped || *byte != b'"';
                self.is_escaped = !self.is_escaped && *byte == b'\\';
                continue;
            }
            match byte {
                b'"' => self.in_text = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => continue,
            }
            if self.depth == 0 && !self.in_text {
                return Some(at + 1);
            }
        }
        None
    }

    /// Whether `bytes` end right where a value does. Whether it is a value, a parser has to tell.
    pub(crate) fn end_with(&mut self, mut bytes: &[u8]) -> bool {
        let mut ends = false;
        while let Some(end) = self.end(bytes) {
            bytes = &bytes[end..];
            ends = bytes.iter().all(u8::is_ascii_whitespace);
        }
        ends
    }
}

/// Collects an answer that is one JSON value: some servers do not heed `stream`.
#[derive(Debug, Default)]
pub(crate) struct Whole {
    bytes: Vec<u8>,
    brackets: Brackets,
}

impl Whole {
    /// The bytes of the value, once its last bracket is there. What comes after it is not looked at.
    ///
    /// # Errors
    ///
    /// It has more than 4 MiB.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Option<&[u8]>, StreamError> {
        let end = self.brackets.end(bytes);
        let bytes = &bytes[..end.unwrap_or(bytes.len())];
        if self.bytes.len() + bytes.len() > MAX_WHOLE {
            return Err(StreamError::TooLarge("the answer"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(end.map(|_| self.bytes.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ends_with_its_last_bracket_in_whatever_pieces() {
        let value = br#"{"a": ["}", "\"}\\"], "b": {}}"#;
        let text = [value, b"\n {".as_slice()].concat();
        for at in 0..value.len() {
            let mut whole = Whole::default();
            assert_eq!(whole.push(&text[..at]), Ok(None), "{at}");
            assert_eq!(whole.push(&text[at..]), Ok(Some(value.as_slice())), "{at}");
        }
    }

    #[test]
    fn a_value_has_a_largest_size() {
        let mut whole = Whole::default();
        assert_eq!(whole.push(b"{\""), Ok(None));
        let piece = vec![b'x'; MAX_WHOLE];
        assert_eq!(whole.push(&piece), Err(StreamError::TooLarge("the answer")));
    }

    #[test]
    fn pieces_tell_whether_a_value_ends_with_them() {
        for (pieces, ends) in [
            (&["{\"a\":", "1}"][..], true),
            (&["{\"a\":1}", " "], false),
            (&["{\"a\":1} "], true),
            (&["{\"a\":\"}"], false),
            (&["{}{}"], true),
            (&["{}{"], false),
            (&["{}", "{", "}"], true),
            (&[""], false),
        ] {
            let mut brackets = Brackets::default();
            let last = pieces.iter().map(|piece| brackets.end_with(piece.as_bytes())).last();
            assert_eq!(last, Some(ends), "{pieces:?}");
        }
    }
}
