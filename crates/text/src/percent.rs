//! Percent-encoding (RFC 3986 section 2.1).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str};

/// Percent-encoding of a query's names and values: only the unreserved
/// characters of RFC 3986 stay as they are.
pub const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

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
