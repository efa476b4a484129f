//! Headers of an answer as text.
//!
//! Several of one name are joined by `, ` (RFC 9110 section 5.3), and those of `Set-Cookie`, which may not be, by line breaks.
//! Bytes are UTF-8, else Latin-1, as HTTP once had it (section 5.5): none of them means nothing.

use encoding_rs::WINDOWS_1252;
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

/// Longest header that an output variable takes, in bytes: a longer one is no id, and half of it is none either.
pub(super) const MAX_TAKEN_BYTES: usize = 8 * 1024;

/// What the headers of this name say; `None` where there is none.
pub fn header_text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut values = headers.get_all(name).iter().map(text);
    let mut all = values.next()?;
    for value in values {
        all.push_str(if name == SET_COOKIE { "\n" } else { ", " });
        all.push_str(&value);
    }
    Some(all)
}

/// All headers by their names, which are in lower case.
pub(super) fn by_name(headers: &HeaderMap) -> Map<String, Value> {
    let named = |name: &HeaderName| (name.as_str().to_owned(), header_text(headers, name).into());
    headers.keys().map(named).collect()
}

fn text(value: &HeaderValue) -> String {
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => text.to_owned(),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(value.as_bytes()).0.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, values: &[&[u8]], expected: Option<&str>) {
        let name = HeaderName::try_from(name).expect("a name");
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&name, HeaderValue::from_bytes(value).expect("a value"));
        }
        assert_eq!(header_text(&headers, &name).as_deref(), expected);
        assert_eq!(by_name(&headers).get(name.as_str()).and_then(Value::as_str), expected);
    }

    #[test]
    fn headers_of_one_name_are_joined_and_cookies_stay_apart() {
        check("X-Request-Id", &[b"req-1"], Some("req-1"));
        check("X-Empty", &[b""], Some(""));
        check("Link", &[b"<a>", b"<b>; rel=next"], Some("<a>, <b>; rel=next"));
        let cookies: [&[u8]; 2] = [b"a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT", b"b=2"];
        check("Set-Cookie", &cookies, Some("a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT\nb=2"));
        check("X-Nothing", &[], None);
    }

    #[test]
    fn a_header_that_is_not_utf_8_is_latin_1() {
        check("X-City", &["Köln".as_bytes()], Some("Köln"));
        check("X-City", &[b"K\xf6ln", "Köln".as_bytes()], Some("Köln, Köln"));
        check("X-City", &[b"\xff\xfea"], Some("ÿþa"));
    }
}
