//! Percent-encoding (RFC 3986 section 2.1).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Percent-encoding of a query's names and values: only the unreserved
/// characters of RFC 3986 stay as they are.
pub const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The same for a path: its slashes stay too.
pub const PATH: &AsciiSet = &QUERY.remove(b'/');

/// Encodes the characters of `set`.
pub fn encode(text: &str, set: &'static AsciiSet) -> String {
    utf8_percent_encode(text, set).to_string()
}

/// Undoes percent-encoding; `None` where an escape is cut or the bytes are not UTF-8.
pub fn decode(text: &str) -> Option<String> {
    let mut rest = text.as_bytes();
    while let Some(at) = memchr::memchr(b'%', rest) {
        let [high, low, after @ ..] = &rest[at + 1..] else { return None };
        if !high.is_ascii_hexdigit() || !low.is_ascii_hexdigit() {
            return None;
        }
        rest = after;
    }
    percent_decode_str(text).decode_utf8().ok().map(Into::into)
}

/// Undoes percent-encoding where it can be undone; bytes that are not UTF-8 become U+FFFD.
pub fn decode_lossy(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_escape_and_bytes_that_are_no_text_do_not_decode() {
        assert_eq!(decode("a%20b%C3%A9%2f+").as_deref(), Some("a b\u{e9}/+"));
        for text in ["%", "%2", "%zz", "%ff", "a%2"] {
            assert_eq!(decode(text), None, "{text}");
        }
        assert_eq!(decode_lossy("%zz%ff"), "%zz\u{fffd}");
        assert_eq!(encode("a b/~é", QUERY), "a%20b%2F~%C3%A9");
        assert_eq!(encode("a b/~", PATH), "a%20b/~");
    }
}
