//! Texts found again in disguise: escaped as JSON, percent-encoded, as HTML
//! entities, or several of these on top of each other.
//!
//! A text is undone layer by layer, and each layer knows where its bytes stand
//! in the one before, so that what is found can be replaced where it stands
//! and every other byte stays as it is.

use std::ops::Range;

/// Layers that are undone: JSON in JSON in a query is three.
const MAX_LAYERS: usize = 3;
/// What escapes begin with: JSON's, those of URLs and forms, HTML's.
const SIGNS: [u8; 3] = [b'\\', b'%', b'&'];
/// Longest entity that is looked for, with `&` and `;`.
const MAX_ENTITY: usize = 12;

/// The named entities (WHATWG HTML section 13.5) of characters that encoders
/// write so, and of those that make a sentence.
const ENTITIES: &[(&str, char)] = &[
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", ' '),
    ("plus", '+'),
    ("equals", '='),
    ("sol", '/'),
    ("bsol", '\\'),
    ("colon", ':'),
    ("commat", '@'),
    ("num", '#'),
    ("percnt", '%'),
    ("dollar", '$'),
    ("excl", '!'),
    ("lowbar", '_'),
    ("period", '.'),
    ("comma", ','),
    ("semi", ';'),
    ("hyphen", '-'),
    ("ndash", '–'),
    ("mdash", '—'),
    ("lsquo", '‘'),
    ("rsquo", '’'),
    ("ldquo", '“'),
    ("rdquo", '”'),
    ("hellip", '…'),
    ("copy", '©'),
    ("euro", '€'),
    ("auml", 'ä'),
    ("ouml", 'ö'),
    ("uuml", 'ü'),
    ("Auml", 'Ä'),
    ("Ouml", 'Ö'),
    ("Uuml", 'Ü'),
    ("szlig", 'ß'),
    ("eacute", 'é'),
    ("egrave", 'è'),
    ("agrave", 'à'),
    ("ccedil", 'ç'),
    ("ntilde", 'ñ'),
];

/// Whether something in `text` may be an escape.
pub fn has_escapes(text: &str) -> bool {
    next_sign(text.as_bytes(), 0, &SIGNS).is_some()
}

/// `text` with `with` in place of everything that `search` finds in it, as it
/// stands or in disguise; `None` where it finds nothing.
///
/// `search` is given bytes to look at and calls back with each place it finds.
pub fn replace(
    text: &str,
    with: &str,
    mut search: impl FnMut(&[u8], &mut dyn FnMut(Range<usize>)),
) -> Option<String> {
    let mut found: Vec<Range<usize>> = Vec::new();
    search(text.as_bytes(), &mut |place| found.push(place));
    let signs: Vec<u8> = match has_escapes(text) {
        true => SIGNS.into_iter().filter(|sign| memchr::memchr(*sign, text.as_bytes()).is_some()).collect(),
        false => Vec::new(),
    };
    // Each kind for itself too: what is sought may hold escapes of another kind.
    let each = if signs.len() > 1 { signs.as_slice() } else { &[] };
    let all = (!signs.is_empty()).then_some(SIGNS.as_slice());
    let kinds = each.iter().map(std::slice::from_ref).chain(all);
    for kinds in kinds {
        let mut layers: Vec<Layer> = Vec::new();
        while layers.len() < MAX_LAYERS {
            let outer = layers.last().map_or(text.as_bytes(), |layer| layer.bytes.as_slice());
            let Some(layer) = Layer::undo(outer, kinds) else { break };
            search(&layer.bytes, &mut |place| {
                let place =
                    layers.iter().rev().fold(layer.outside(place), |place, outer| outer.outside(place));
                found.push(place);
            });
            layers.push(layer);
        }
        if let Some(first) = layers.first() {
            // What was found in the text as it stands may begin inside an escape.
            found.iter_mut().for_each(|place| *place = first.whole_escapes(place));
        }
    }
    found.retain(|place| !place.is_empty());
    if found.is_empty() {
        return None;
    }
    found.sort_unstable_by_key(|place| (place.start, place.end));
    let mut clean = String::with_capacity(text.len());
    let mut copied = 0;
    let mut found = found.into_iter().peekable();
    while let Some(mut place) = found.next() {
        while let Some(next) = found.next_if(|next| next.start < place.end) {
            place.end = place.end.max(next.end);
        }
        // A place that cuts a character up was found in bytes that are no text.
        let (start, end) = (text.floor_char_boundary(place.start), text.ceil_char_boundary(place.end));
        clean.push_str(text.get(copied..start).unwrap_or_default());
        clean.push_str(with);
        copied = end.max(copied);
    }
    clean.push_str(text.get(copied..).unwrap_or_default());
    Some(clean)
}

/// A text with one layer of escapes undone.
struct Layer {
    bytes: Vec<u8>,
    /// Every escape, in order; what lies between two is copied.
    escapes: Vec<Escape>,
}

/// An escape: what it became, and where it stood.
struct Escape {
    inside: Range<usize>,
    outside: Range<usize>,
}

impl Layer {
    /// Undoes the escapes that begin with one of `signs`; `None` where `outer` holds none.
    fn undo(outer: &[u8], signs: &[u8]) -> Option<Self> {
        let mut layer = Self { bytes: Vec::new(), escapes: Vec::new() };
        let (mut at, mut copied) = (0, 0);
        while let Some(start) = next_sign(outer, at, signs) {
            let Some((decoded, length)) = unescape(&outer[start..]) else {
                at = start + 1;
                continue;
            };
            layer.bytes.extend_from_slice(&outer[copied..start]);
            let inside = layer.bytes.len();
            decoded.push_to(&mut layer.bytes);
            at = start + length;
            copied = at;
            layer.escapes.push(Escape { inside: inside..layer.bytes.len(), outside: start..at });
        }
        if layer.escapes.is_empty() {
            return None;
        }
        layer.bytes.extend_from_slice(&outer[copied..]);
        Some(layer)
    }

    /// A place outside, widened so that it cuts no escape up.
    fn whole_escapes(&self, place: &Range<usize>) -> Range<usize> {
        let around = |byte: usize| {
            let before = self.escapes.partition_point(|escape| escape.outside.start <= byte);
            let escape = self.escapes.get(before.checked_sub(1)?)?;
            escape.outside.contains(&byte).then_some(&escape.outside)
        };
        let start = around(place.start).map_or(place.start, |escape| escape.start);
        let end = place.end.checked_sub(1).and_then(around).map_or(place.end, |escape| escape.end);
        start..end
    }

    /// Where a place of this layer stands in the one outside of it; escapes are
    /// never cut up.
    fn outside(&self, place: Range<usize>) -> Range<usize> {
        let at = |byte: usize| {
            let before = self.escapes.partition_point(|escape| escape.inside.start <= byte);
            match before.checked_sub(1).and_then(|index| self.escapes.get(index)) {
                None => byte..byte + 1,
                Some(escape) if escape.inside.contains(&byte) => escape.outside.clone(),
                Some(escape) => {
                    let start = escape.outside.end + (byte - escape.inside.end);
                    start..start + 1
                }
            }
        };
        match place.end.checked_sub(1) {
            Some(last) if !place.is_empty() => at(place.start).start..at(last).end,
            _ => 0..0,
        }
    }
}

/// What an escape stands for.
enum Decoded {
    Byte(u8),
    Char(char),
}

impl Decoded {
    fn push_to(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Byte(byte) => bytes.push(*byte),
            Self::Char(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// The next byte that may begin an escape, from `at` on.
fn next_sign(bytes: &[u8], at: usize, signs: &[u8]) -> Option<usize> {
    let rest = bytes.get(at..)?;
    let next = match signs {
        [one] => memchr::memchr(*one, rest),
        [one, two] => memchr::memchr2(*one, *two, rest),
        [one, two, three] => memchr::memchr3(*one, *two, *three, rest),
        _ => None,
    };
    Some(at + next?)
}

/// The escape that `bytes` begins with, and its length.
fn unescape(bytes: &[u8]) -> Option<(Decoded, usize)> {
    match bytes {
        [b'\\', b'u', ..] => {
            let (c, length) = unicode_escape(bytes)?;
            Some((Decoded::Char(c), length))
        }
        [b'\\', b'x', high, low, ..] | [b'%', high, low, ..] => {
            let byte = hex(&[*high, *low]).and_then(|byte| u8::try_from(byte).ok())?;
            Some((Decoded::Byte(byte), if bytes[0] == b'%' { 3 } else { 4 }))
        }
        [b'\\', c, ..] => {
            let c = match c {
                b'"' | b'\\' | b'/' | b'\'' => *c,
                b'n' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                b'b' => 0x08,
                b'f' => 0x0c,
                _ => return None,
            };
            Some((Decoded::Byte(c), 2))
        }
        [b'&', ..] => {
            let (c, length) = entity(bytes)?;
            Some((Decoded::Char(c), length))
        }
        _ => None,
    }
}

/// `\uXXXX`, or two of them that are a surrogate pair (RFC 8259 section 7).
fn unicode_escape(bytes: &[u8]) -> Option<(char, usize)> {
    let unit = |at: usize| match bytes.get(at..at + 6)? {
        [b'\\', b'u', digits @ ..] => hex(digits),
        _ => None,
    };
    let first = unit(0)?;
    if let Some(c) = char::from_u32(first) {
        return Some((c, 6));
    }
    let second = unit(6).filter(|second| (0xdc00..0xe000).contains(second))?;
    let code = 0x10000 + (first.checked_sub(0xd800)? << 10) + (second - 0xdc00);
    Some((char::from_u32(code)?, 12))
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0_u32, |value, digit| Some(value << 4 | char::from(*digit).to_digit(16)?))
}

/// The character that an HTML entity at the start of `bytes` stands for, and
/// the entity's length: `&amp;`, `&#39;`, `&#x27;`.
pub fn entity(bytes: &[u8]) -> Option<(char, usize)> {
    let end = bytes.iter().take(MAX_ENTITY).position(|byte| *byte == b';')?;
    let name = std::str::from_utf8(bytes.get(1..end)?).ok()?;
    let c = match name.strip_prefix('#') {
        Some(number) => {
            let digits = number.strip_prefix(['x', 'X']);
            let (digits, radix) = digits.map_or((number, 10), |digits| (digits, 16));
            let code = u32::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with('+'))?;
            char::from_u32(code).filter(|c| *c != '\0')?
        }
        None => ENTITIES.iter().find(|(known, _)| *known == name)?.1,
    };
    Some((c, end + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(needle: &str, text: &str, expected: &str) {
        let clean = replace(text, "[]", |bytes, found| {
            for at in memchr::memmem::find_iter(bytes, needle) {
                found(at..at + needle.len());
            }
        });
        assert_eq!(clean.as_deref().unwrap_or(text), expected, "{text}");
    }

    #[test]
    fn a_text_is_found_in_every_disguise() {
        for text in [
            r#"p"/ü😀"#,
            r#"p\"\/\u00fc\ud83d\ude00"#,
            r"\u0070\u0022\u002F\u00FC\uD83D\uDE00",
            "p%22%2F%C3%BC%F0%9F%98%80",
            "%70%22/%c3%bc%f0%9f%98%80",
            "p&quot;/&uuml;&#128512;",
            "p&#34;&#x2F;&#xFC;&#x1F600;",
            // JSON in JSON, in JSON again, and percent-encoded JSON.
            r#"p\\\"\\/\\u00fc\\ud83d\\ude00"#,
            r"p%5C%22%2F%5Cu00fc%5Cud83d%5Cude00",
            r#"p\\\\\\\"/ü😀"#,
            "p%2522%252F%25C3%25BC%25F0%259F%2598%2580",
        ] {
            check("p\"/ü😀", &format!("<{text}>"), "<[]>");
        }
    }

    #[test]
    fn what_is_not_found_stays_byte_for_byte() {
        check("b", r"a\u0061%61&#97;b\n", r"a\u0061%61&#97;[]\n");
        check("b", r"\ud83d\u0041 %zz &nope; \q & % \", r"\ud83d\u0041 %zz &nope; \q & % \");
        check("ab", "ababa", "[][]a");
        // An escaped backslash is no escape of what follows it.
        check("é", r"\\u00e9", "[]");
        check("\u{e9}", r"\u00e", r"\u00e");
        // An escape that is touched is taken whole: what is left stays readable.
        check("nab", r"x\nabc", "x[]c");
        check(r"c\", r#"abc\"d"#, "ab[]d");
    }

    #[test]
    fn a_byte_of_a_character_that_is_found_takes_the_whole_character() {
        let clean = replace("aüb", "[]", |bytes, found| {
            if let Some(at) = memchr::memchr(0xbc, bytes) {
                found(at..at + 1);
            }
        });
        assert_eq!(clean.as_deref(), Some("a[]b"));
    }

    proptest! {
        #[test]
        fn nothing_panics_and_what_finds_nothing_changes_nothing(text in r#"[\\%&;#xu0-9a-f"é]{0,60}"#) {
            prop_assert_eq!(replace(&text, "[]", |_, _| {}), None);
            let all = replace(&text, "[]", |bytes, found| found(0..bytes.len()));
            prop_assert_eq!(all.as_deref(), (!text.is_empty()).then_some("[]"));
            for at in 0..text.len() {
                let _ = replace(&text, "", |bytes, found| if at < bytes.len() { found(at..at + 1) });
            }
        }
    }
}
