//! JSON Pointers (RFC 6901).

use std::borrow::Cow;

/// Appends one reference token to a JSON Pointer, escaped.
pub fn push_token(pointer: &mut String, token: &str) {
    pointer.push('/');
    pointer.push_str(&escape_token(token));
}

/// Escapes one reference token (RFC 6901 section 3).
pub fn escape_token(token: &str) -> Cow<'_, str> {
    match token.contains(['~', '/']) {
        true => Cow::Owned(token.replace('~', "~0").replace('/', "~1")),
        false => Cow::Borrowed(token),
    }
}

/// Undoes the escapes of one reference token.
pub fn unescape_token(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}
