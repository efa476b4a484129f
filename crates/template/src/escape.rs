//! How a value is written into the place it stands in.

/// The way one output is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escape {
    /// As a JSON value: strings get their quotes.
    JsonValue,
    /// As the content of a JSON string.
    JsonString,
    /// Percent-encoded, a space as `+`.
    Form,
    /// With entities for markup.
    Xml,
    /// As it is.
    Raw,
    /// As it is, without control characters.
    Header,
    /// Percent-encoded as a part of one segment.
    PathSegment,
}

/// Why a value cannot be written; completes "`.parameters.x` …".
pub(super) type Refusal = &'static str;

/// Writes `text` to `out`.
pub(super) fn write_text(escape: Escape, text: &str, out: &mut String) -> Result<(), Refusal> {
    match escape {
        Escape::JsonValue => {
            out.push('"');
            json_string(text, out);
            out.push('"');
        }
        Escape::JsonString => json_string(text, out),
        Escape::Form => percent_encode(text, out, |byte| matches!(byte, b'*' | b'-' | b'.' | b'_'), true),
        Escape::Xml => return xml(text, out),
        Escape::Raw => out.push_str(text),
        Escape::Header => {
            if text.bytes().any(|byte| byte < b' ' && byte != b'\t' || byte == 0x7f) {
                return Err("may not hold a line break or control character in a header");
            }
            out.push_str(text);
        }
        Escape::PathSegment => {
            if text.is_empty() {
                return Err("may not be empty in the path");
            }
            if text.split(['/', '\\']).any(is_dot_segment) {
                return Err("may not hold the path segment `.` or `..`");
            }
            percent_encode(text, out, |byte| matches!(byte, b'-' | b'.' | b'_' | b'~'), false);
        }
    }
    Ok(())
}

/// Returns whether a path segment is `.` or `..`, plain or percent-encoded.
pub(super) fn is_dot_segment(segment: &str) -> bool {
    let mut rest = segment;
    let mut dots = 0;
    while !rest.is_empty() {
        let encoded = rest.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("%2e"));
        match rest.as_bytes() {
            [b'.', ..] => rest = &rest[1..],
            _ if encoded => rest = &rest[3..],
            _ => return false,
        }
        dots += 1;
        if dots > 2 {
            return false;
        }
    }
    dots > 0
}

/// Writes the content of a JSON string, clean runs at once.
pub(super) fn json_string(text: &str, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut clean = 0;
    for (at, byte) in text.bytes().enumerate() {
        let short = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            0..=0x1f => "",
            _ => continue,
        };
        out.push_str(&text[clean..at]);
        clean = at + 1;
        out.push_str(short);
        if short.is_empty() {
            out.push_str("\\u00");
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    out.push_str(&text[clean..]);
}

fn percent_encode(text: &str, out: &mut String, unreserved: fn(u8) -> bool, plus: bool) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut clean = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte.is_ascii_alphanumeric() || unreserved(byte) {
            continue;
        }
        // Bytes of a character beyond ASCII follow each other, so no cut falls inside one.
        if clean < at {
            out.push_str(&text[clean..at]);
        }
        clean = at + 1;
        if plus && byte == b' ' {
            out.push('+');
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    if clean < text.len() {
        out.push_str(&text[clean..]);
    }
}

fn xml(text: &str, out: &mut String) -> Result<(), Refusal> {
    let mut clean = 0;
    for (at, c) in text.char_indices() {
        let entity = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '"' => "&quot;",
            '\'' => "&apos;",
            '\t' | '\n' | '\r' => continue,
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                return Err("holds a character that XML does not allow");
            }
            _ => continue,
        };
        out.push_str(&text[clean..at]);
        out.push_str(entity);
        clean = at + c.len_utf8();
    }
    out.push_str(&text[clean..]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Escape, is_dot_segment, write_text};

    #[track_caller]
    fn check(escape: Escape, text: &str, expected: &str) {
        let mut out = String::new();
        let written = write_text(escape, text, &mut out);
        let written = written.map_or_else(|refusal| format!("error: {refusal}"), |()| out);
        assert_eq!(written, expected, "{escape:?} of {text:?}");
    }

    #[test]
    fn a_json_string_keeps_its_quotes_and_breaks() {
        check(
            Escape::JsonString,
            "a\"b\\c\n\r\t\u{8}\u{c}\u{1}é🚕\u{7f}",
            "a\\\"b\\\\c\\n\\r\\t\\b\\f\\u0001é🚕\u{7f}",
        );
        check(Escape::JsonValue, "x\",\"y", "\"x\\\",\\\"y\"");
    }

    #[test]
    fn forms_and_paths_are_percent_encoded() {
        check(Escape::Form, "a b+c/é~*-._", "a+b%2Bc%2F%C3%A9%7E*-._");
        check(Escape::PathSegment, "a b/é~*-._", "a%20b%2F%C3%A9~%2A-._");
        check(Escape::PathSegment, "?#%", "%3F%23%25");
    }

    #[test]
    fn a_path_value_cannot_change_the_path() {
        check(Escape::PathSegment, "", "error: may not be empty in the path");
        for text in ["..", ".", "../admin", "a/../b", "a\\..", "%2e%2E/x", ".%2e"] {
            check(Escape::PathSegment, text, "error: may not hold the path segment `.` or `..`");
        }
        check(Escape::PathSegment, "...", "...");
        check(Escape::PathSegment, "a..b", "a..b");
    }

    #[test]
    fn xml_takes_entities_and_no_control_characters() {
        check(Escape::Xml, "<a b='c'>\"&\"\n", "&lt;a b=&apos;c&apos;&gt;&quot;&amp;&quot;\n");
        check(Escape::Xml, "a\u{b}", "error: holds a character that XML does not allow");
        check(Escape::Xml, "\u{ffff}", "error: holds a character that XML does not allow");
    }

    #[test]
    fn a_header_value_stays_on_its_line() {
        check(Escape::Header, "a\tb é", "a\tb é");
        for text in ["a\r\nX-Admin: 1", "\0", "\u{7f}"] {
            check(Escape::Header, text, "error: may not hold a line break or control character in a header");
        }
    }

    #[test]
    fn dot_segments_are_known_in_every_form() {
        for segment in [".", "..", "%2e", "%2E%2e", ".%2e"] {
            assert!(is_dot_segment(segment), "{segment}");
        }
        for segment in ["", "...", "a", ".a", "%2f", "%2", "%é"] {
            assert!(!is_dot_segment(segment), "{segment}");
        }
    }
}
