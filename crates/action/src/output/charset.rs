//! Bytes of an answer → text, by the charset that it is in.
//!
//! A byte order mark says it, else the header, else the document itself (an XML declaration, the `meta` of a page), else
//! it is UTF-8, as JSON always is (RFC 8259 section 8.1). Names of charsets mean what the WHATWG Encoding Standard says.

use encoding_rs::{Encoding, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// How far into a document it may name its charset (WHATWG HTML section 13.2.3.2).
const PRESCAN: usize = 1_024;
/// Longest name of a charset that is told.
const MAX_NAME: usize = 40;

/// What bytes say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// Text.
    Text(String),
    /// Text, with U+FFFD in place of each part that the charset does not have.
    Broken {
        /// As far as it could be decoded.
        text: String,
        /// Name of the charset that it is not all in.
        charset: &'static str,
        /// Whether the answer names this charset.
        is_declared: bool,
    },
    /// Text in a charset that is not known here.
    Unknown {
        /// Its name, as the answer says it.
        charset: String,
    },
}

impl Decoded {
    /// The text, where all of it could be decoded.
    pub fn whole(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Broken { .. } | Self::Unknown { .. } => None,
        }
    }
}

/// Decodes `body`, which came with this `Content-Type`.
pub fn decode(content_type: &str, body: &[u8]) -> Decoded {
    if body.starts_with(&[0xff, 0xfe, 0, 0]) || body.starts_with(&[0, 0, 0xfe, 0xff]) {
        return Decoded::Unknown { charset: "UTF-32".to_owned() };
    }
    if let Some((encoding, length)) = Encoding::for_bom(body) {
        return with(encoding, &body[length..], true);
    }
    // In every other charset, a zero in one of the first characters stands for nothing.
    if let Some(encoding) = utf16_by_its_zeros(body) {
        return with(encoding, body, false);
    }
    let named = charset_of(content_type).or_else(|| within(content_type, body));
    let Some(name) = named else { return with(UTF_8, body, false) };
    match Encoding::for_label(name.as_bytes()) {
        // The name is there for old charsets that are dangerous to read.
        None => unknown(&name, body),
        Some(encoding) if encoding == REPLACEMENT => unknown(&name, body),
        // Servers declare it without looking; what happens to be UTF-8 was never meant as anything else.
        Some(encoding) if encoding == WINDOWS_1252 && std::str::from_utf8(body).is_ok() => {
            with(UTF_8, body, true)
        }
        Some(encoding) => with(encoding, body, true),
    }
}

fn with(encoding: &'static Encoding, body: &[u8], is_declared: bool) -> Decoded {
    let (text, is_broken) = encoding.decode_without_bom_handling(body);
    match is_broken {
        false => Decoded::Text(text.into_owned()),
        true => Decoded::Broken { text: text.into_owned(), charset: encoding.name(), is_declared },
    }
}

/// A name that nobody knows: what is UTF-8 is hardly anything else.
fn unknown(name: &str, body: &[u8]) -> Decoded {
    match std::str::from_utf8(body) {
        // An escape begins another alphabet (ISO 2022), and a tilde does in HZ.
        Ok(text) if !text.contains(['\u{1b}', '\u{e}']) => Decoded::Text(text.to_owned()),
        _ => {
            let plain = name.chars().filter(|c| !c.is_control() && *c != '`');
            Decoded::Unknown { charset: plain.take(MAX_NAME).collect() }
        }
    }
}

/// UTF-16 without a mark, by the zeros in its first two characters (RFC 4627 section 3).
fn utf16_by_its_zeros(body: &[u8]) -> Option<&'static Encoding> {
    match body {
        [0, a, 0, b, ..] if *a != 0 && *b != 0 => Some(UTF_16BE),
        [a, 0, b, 0, ..] if *a != 0 && *b != 0 => Some(UTF_16LE),
        _ => None,
    }
}

/// The `charset` parameter of a media type.
fn charset_of(content_type: &str) -> Option<String> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches(['"', '\'']).trim();
        (name.trim().eq_ignore_ascii_case("charset") && !value.is_empty()).then(|| value.to_owned())
    })
}

/// The charset that a document of XML or HTML names itself.
fn within(content_type: &str, body: &[u8]) -> Option<String> {
    let start: String = body.iter().take(PRESCAN).map(|byte| char::from(byte.to_ascii_lowercase())).collect();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let name = match start.trim_start() {
        xml if xml.starts_with("<?xml") => value_after(xml.split("?>").next()?, "encoding"),
        page if page.starts_with('<') && (essence.is_empty() || essence.contains("html")) => {
            page.split("<meta").skip(1).find_map(|tag| value_after(tag.split('>').next()?, "charset"))
        }
        _ => None,
    }?;
    // It was found in bytes of ASCII, so that the document cannot be in UTF-16.
    if name.starts_with("utf-16") { Some("utf-8".to_owned()) } else { Some(name) }
}

/// The value of `name=value`, with or without quotes.
fn value_after(text: &str, name: &str) -> Option<String> {
    let rest = text.split_once(name)?.1.trim_start().strip_prefix('=')?.trim_start();
    let rest = rest.trim_start_matches(['"', '\'']);
    let value = rest.split(['"', '\'', ';', '/', ' ', '\t', '\r', '\n', '?']).next()?;
    (!value.is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(unit).collect()
    }

    #[track_caller]
    fn check(content_type: &str, body: &[u8], expected: &str) {
        assert_eq!(decode(content_type, body), Decoded::Text(expected.to_owned()), "{content_type}");
    }

    #[test]
    fn a_declared_charset_is_read_as_browsers_read_it() {
        check("application/json; charset=GBK", b"{\"a\":\"\xd6\xd0\xce\xc4\"}", "{\"a\":\"中文\"}");
        check("application/json; charset=gb2312", b"\xd6\xd0", "中");
        check("text/plain;charset=Shift_JIS", b"\x93\xfa\x96\x7b", "日本");
        check("text/plain; charset=EUC-KR", b"\xc7\xd1", "한");
        check("text/plain; charset=big5", b"\xa4\xa4", "中");
        check("text/plain; charset=windows-1251", b"\xcf\xf0\xe8", "При");
        check("text/plain; charset=KOI8-R", b"\xf0\xd2\xc9", "При");
        check("text/plain; charset=iso-8859-15", b"\xa4", "€");
        check("text/plain; format=flowed; charset=\"Windows-1252\"", b"\x80 \x93a\x94", "€ “a”");
        check("text/plain; charset=iso-8859-1", b"caf\xe9", "café");
        check("text/plain; CHARSET = utf-8", "é".as_bytes(), "é");
        check("text/plain; charset=utf-16le", b"a\0\xe9\0", "aé");
        check("text/plain; charset=utf-16be", b"\0a\0\xe9", "aé");
    }

    #[test]
    fn a_byte_order_mark_wins_over_what_is_declared() {
        check("text/plain; charset=windows-1252", b"\xef\xbb\xbf\xc3\xa9", "é");
        check("text/plain; charset=utf-8", b"\xff\xfea\0\xe9\0", "aé");
        check("application/json; charset=gbk", b"\xfe\xff\0a\0\xe9", "aé");
    }

    #[test]
    fn what_is_declared_wins_over_what_a_document_says() {
        let body = b"<?xml version=\"1.0\" encoding=\"utf-8\"?><a>\xcf\xf0</a>";
        let expected = "<?xml version=\"1.0\" encoding=\"utf-8\"?><a>Пр</a>";
        check("application/xml; charset=windows-1251", body, expected);
    }

    #[test]
    fn a_document_names_its_charset_itself() {
        for head in ["encoding=\"windows-1251\"", "encoding = 'windows-1251' standalone='yes'"] {
            let body = [format!("<?xml version=\"1.0\" {head}?><a>").as_bytes(), b"\xcf\xf0</a>"].concat();
            assert!(decode("application/xml", &body).whole().unwrap().ends_with("<a>Пр</a>"), "{head}");
        }
        for meta in [
            "<meta charset=windows-1251>",
            "<META charset='windows-1251'/>",
            "<meta http-equiv=\"Content-Type\" content=\"text/html; charset=windows-1251\">",
        ] {
            let body = [b"<!doctype html><html>", meta.as_bytes(), b"\xcf\xf0"].concat();
            assert!(decode("text/html", &body).whole().unwrap().ends_with("Пр"), "{meta}");
        }
        check("text/html", b"<meta charset=utf-16><p>a", "<meta charset=utf-16><p>a");
    }

    #[test]
    fn utf_16_is_read_without_a_mark_too() {
        for media in
            ["application/json", "application/json; charset=utf-8", "application/json; charset=utf-16", ""]
        {
            let text = "{\"name\": \"Zoë 😀\"}";
            check(media, &utf16(text, u16::to_le_bytes), text);
            check(media, &utf16(text, u16::to_be_bytes), text);
        }
    }

    #[test]
    fn what_cannot_be_decoded_is_told_apart() {
        let broken = |media: &str, body: &[u8]| match decode(media, body) {
            Decoded::Broken { text, charset, is_declared } => (text, charset, is_declared),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            broken("text/plain; charset=utf-8", b"caf\xe9"),
            ("caf\u{fffd}".to_owned(), "UTF-8", true)
        );
        assert_eq!(broken("text/plain", b"caf\xe9"), ("caf\u{fffd}".to_owned(), "UTF-8", false));
        assert_eq!(broken("text/plain; charset=gbk", b"a\xff").1, "GBK");
        assert_eq!(broken("text/plain; charset=utf-16le", b"\xe9\x20\x20").1, "UTF-16LE");
        for (name, body) in
            [("ibm037", b"\xc1\xc2".as_slice()), ("iso-2022-kr", b"\x1b$)C\x0e!!\x0f"), ("utf-7\n", b"\xff")]
        {
            let decoded = decode(&format!("text/plain; charset={name}"), body);
            assert_eq!(decoded, Decoded::Unknown { charset: name.trim().to_owned() });
        }
        let utf32: Vec<u8> = "\u{feff}ab".chars().flat_map(|c| (c as u32).to_le_bytes()).collect();
        assert_eq!(decode("text/plain", &utf32), Decoded::Unknown { charset: "UTF-32".to_owned() });
    }

    #[test]
    fn a_name_that_nobody_knows_spoils_no_utf_8() {
        check("text/plain; charset=klingon", b"abc", "abc");
        check("text/plain; charset=utf8mb4", "é".as_bytes(), "é");
        check("text/plain; charset=iso-8859-1", "é".as_bytes(), "é");
        check("text/plain; charset=", "é".as_bytes(), "é");
    }
}
