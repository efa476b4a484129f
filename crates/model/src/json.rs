//! JSON as servers write it.

use serde_json::Value;

/// Reads JSON. Half of a surrogate pair, which a server sends that cuts its text within a character, is U+FFFD.
///
/// # Errors
///
/// The text is no JSON otherwise.
pub(crate) fn read(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(text).or_else(|error| match without_halves(text) {
        Some(mended) => serde_json::from_str(&mended),
        None => Err(error),
    })
}

/// The text with `\ufffd` for each escape of a surrogate that stands alone (RFC 8259, section 8.2); `None` where there is none.
fn without_halves(text: &str) -> Option<String> {
    let mut mended = String::with_capacity(text.len());
    let (mut rest, mut has_halves) = (text, false);
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        mended.push_str(before);
        let unit = unit_of(escape);
        let is_pair = matches!(unit, Some(0xd800..=0xdbff))
            && matches!(escape.get(6..).and_then(unit_of), Some(0xdc00..=0xdfff));
        let taken = match unit {
            Some(_) if is_pair => 12,
            Some(0xd800..=0xdfff) => {
                has_halves = true;
                mended.push_str("\\ufffd");
                rest = &escape[6..];
                continue;
            }
            Some(_) => 6,
            // The character behind it may be a backslash too, or of several bytes.
            None => 1 + escape[1..].chars().next().map_or(0, char::len_utf8),
        };
        mended.push_str(&escape[..taken]);
        rest = &escape[taken..];
    }
    mended.push_str(rest);
    has_halves.then_some(mended)
}

/// The code unit of `\uXXXX` at the beginning of a text.
fn unit_of(text: &str) -> Option<u16> {
    u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn half_a_character_costs_only_itself() {
        for (text, expected) in [
            (r#"{"a": "b\ud83d"}"#, json!({"a": "b\u{fffd}"})),
            (r#"{"a": "\ude00b"}"#, json!({"a": "\u{fffd}b"})),
            (r#"["\ud83d\ude00\ud83d"]"#, json!(["\u{1f600}\u{fffd}"])),
            (r#"["\ud83d\ud83d\ude00"]"#, json!(["\u{fffd}\u{1f600}"])),
            (r#"["\ud83d\n\\ud83d"]"#, json!(["\u{fffd}\n\\ud83d"])),
            (r#"["\ude00\ud83dgr\u00fcn"]"#, json!(["\u{fffd}\u{fffd}gr\u{fc}n"])),
        ] {
            assert_eq!(read(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_json_stays_an_error() {
        for text in ["", "{", r#"{"a": "\ud83d"#, r#"["\ud8"]"#, r#"["\u+d83"]"#, "[\"\\\u{fc}\"]", r#"["\"#]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
