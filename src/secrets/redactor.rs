//! The last net: masks known secrets in text, in every encoding they are known
//! to travel in.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use data_encoding::{HEXLOWER, HEXUPPER};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use secrecy::{ExposeSecret, SecretString};
use url::form_urlencoded;

use callgate_text::percent::{PATH, QUERY};
use callgate_text::{Finder, disguise, percent};

use super::lines;

/// What stands where a secret stood.
pub const MASK: &str = "***";

/// Shortest secret that can be masked without masking ordinary words too.
pub(super) const MIN_MASKED: usize = 4;
/// Shortest piece of a base64 text that is taken for a secret's.
const MIN_BASE64: usize = 4;
/// What JavaScript's `encodeURIComponent` encodes; Python's `quote` encodes what is not in a path.
const COMPONENT: &AsciiSet = &QUERY.remove(b'!').remove(b'\'').remove(b'(').remove(b')').remove(b'*');
/// Most patterns that are looked for one after the other: some four values.
const MAX_EACH: usize = 64;
/// Most bytes of patterns of which an automaton is made; of more, only of how they begin.
const MAX_ALL_BYTES: usize = 32 * 1024;
/// Shortest sensitive value of a call that is masked: a card's check number.
const MIN_SENSITIVE: usize = 3;

/// Masks a fixed set of secrets.
///
/// Built once, where the secrets become known: a call pays for one pass over
/// its text and a look for broken lines, and for as much over each layer of escapes
/// that the text has.
#[derive(Clone, Default)]
pub struct Redactor {
    finder: Finder,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} patterns)", self.finder.len())
    }
}

impl Redactor {
    /// Makes a redactor for `secrets`: as they are, escaped as JSON, HTML or by
    /// percent signs (also on top of each other), in hexadecimal digits, and in
    /// base64 at any offset, which finds them inside `Basic` credentials too, also
    /// where they were percent-encoded before; the latter two also where they are broken
    /// up into lines; and all of it in UTF-16.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a SecretString>) -> Self {
        Self::build(secrets.into_iter().map(SecretString::expose_secret), MIN_MASKED, 0)
    }

    /// Makes a redactor for the sensitive values of one call, such as
    /// `action::Action::sensitive_texts` finds them; for whoever writes
    /// down what a call said. Texts of less than three characters are left out:
    /// masking them would mask ordinary words.
    pub fn for_values<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        Self::build(values, MIN_SENSITIVE, MAX_EACH)
    }

    fn build<'a>(texts: impl IntoIterator<Item = &'a str>, shortest: usize, max_each: usize) -> Self {
        let mut patterns = BTreeSet::new();
        for text in texts {
            if text.chars().count() >= shortest {
                add_forms(text, &mut patterns);
                // Only secrets travel in what clients and systems make of credentials.
                if max_each == 0 {
                    add_rare_forms(text, &mut patterns);
                }
            }
        }
        if max_each > 0
            && patterns.iter().map(Vec::len).sum::<usize>() > MAX_ALL_BYTES
            && patterns.len() > max_each
        {
            return Self { finder: Finder::beginnings(patterns).unwrap_or_default() };
        }
        let patterns: Vec<Vec<u8>> = patterns.into_iter().collect();
        if patterns.len() <= max_each {
            return Self { finder: Finder::each(&patterns) };
        }
        let finder = Finder::all(&patterns);
        debug_assert!(finder.is_some(), "secrets are far below the automaton's limits");
        Self { finder: finder.unwrap_or_default() }
    }

    /// How much memory it takes, roughly, in bytes.
    pub fn size(&self) -> usize {
        self.finder.size()
    }

    /// Whether there is nothing to mask.
    pub fn is_empty(&self) -> bool {
        self.finder.is_empty()
    }

    /// `text` with every secret masked; borrowed where there is none.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.redact_beside(None, text)
    }

    /// The same with what `other` masks: at once, for a part that one of them masks would keep the other
    /// one from finding the whole.
    pub fn redact_beside<'t>(&self, other: Option<&Self>, text: &'t str) -> Cow<'t, str> {
        let is_of_use = |one: &&Self| !one.is_empty() && text.len() >= one.finder.shortest();
        let both = [Some(self).filter(is_of_use), other.filter(is_of_use)];
        if both.iter().all(Option::is_none) {
            return Cow::Borrowed(text);
        }
        let find = |bytes: &[u8], found: &mut dyn FnMut(Range<usize>)| {
            both.iter().flatten().for_each(|one| one.finder.find(bytes, found));
        };
        let clean = disguise::replace(text, MASK, |bytes, found| {
            find(bytes, found);
            lines::find(bytes, find, found);
        });
        clean.map_or(Cow::Borrowed(text), Cow::Owned)
    }
}

/// Bytes that are looked for.
type Patterns = BTreeSet<Vec<u8>>;

/// Adds the forms that undoing escapes does not lead back to the text itself.
fn add_forms(text: &str, patterns: &mut Patterns) {
    patterns.insert(text.into());
    // As forms write it, once the percent signs are undone.
    patterns.insert(text.replace(' ', "+").into());
    add_latin_1(text.as_bytes(), patterns);
    add_hex(text.as_bytes(), patterns);
    add_base64(text.as_bytes(), patterns);
    // In the `Basic` of an OAuth2 client, id and secret are form-encoded (RFC 6749 section 2.3.1).
    let form: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    add_base64(form.as_bytes(), patterns);
}

/// Adds what a secret is rarely written as: in UTF-16, and percent-encoded in the ways of common clients before it
/// stands in a `Basic`.
fn add_rare_forms(text: &str, patterns: &mut Patterns) {
    for set in [QUERY, COMPONENT, PATH, NON_ALPHANUMERIC] {
        let percent = percent::encode(text, set);
        for form in [small_digits(&percent), percent.replace("%20", "+"), percent] {
            add_base64(form.as_bytes(), patterns);
        }
    }
    for bytes in utf16(text) {
        add_latin_1(&bytes, patterns);
        add_hex(&bytes, patterns);
        add_base64(&bytes, patterns);
        patterns.insert(bytes);
    }
}

/// As a header's bytes are read as Latin-1 by whoever echoes them.
fn add_latin_1(bytes: &[u8], patterns: &mut Patterns) {
    patterns.insert(bytes.iter().map(|byte| char::from(*byte)).collect::<String>().into());
}

fn add_hex(bytes: &[u8], patterns: &mut Patterns) {
    patterns.insert(HEXLOWER.encode(bytes).into());
    patterns.insert(HEXUPPER.encode(bytes).into());
}

fn add_base64(bytes: &[u8], patterns: &mut Patterns) {
    for offset in 0..3 {
        for core in
            [base64_core(&STANDARD_NO_PAD, bytes, offset), base64_core(&URL_SAFE_NO_PAD, bytes, offset)]
        {
            if core.len() >= MIN_BASE64 {
                patterns.insert(core.into());
            }
        }
    }
}

/// The bytes of `text` in UTF-16, in either order; once, without the outermost zero, where both orders share them.
fn utf16(text: &str) -> Vec<Vec<u8>> {
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    match (little.split_last(), big.split_first()) {
        (Some((_, little)), Some((_, big))) if little == big => vec![little.to_vec()],
        _ => vec![little, big],
    }
}

/// Percent-encoding with its hexadecimal digits in small letters.
fn small_digits(percent: &str) -> String {
    let mut parts = percent.split('%');
    let mut small = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        small.push('%');
        small.push_str(&digits.to_ascii_lowercase());
        small.push_str(rest);
    }
    small
}

/// The characters of a base64 text that depend on `text` alone when `offset`
/// other bytes stand before it and any number after it.
fn base64_core(engine: &impl base64::Engine, text: &[u8], offset: usize) -> String {
    let mut bytes = vec![0; offset];
    bytes.extend_from_slice(text);
    let encoded = engine.encode(&bytes);
    let head = [0, 2, 3][offset];
    let tail = match bytes.len() % 3 {
        0 => encoded.len(),
        // The last character mixes in bits of what follows.
        _ => encoded.len() - 1,
    };
    encoded.get(head..tail).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};

    use super::*;

    fn redactor(secrets: &[&str]) -> Redactor {
        let secrets: Vec<SecretString> = secrets.iter().map(|text| SecretString::from(*text)).collect();
        Redactor::new(&secrets)
    }

    /// `text` in every encoding that a secret is known to travel in.
    fn encodings(text: &str) -> Vec<String> {
        let json = serde_json::to_string(text).expect("string");
        let percent = percent::encode(text, NON_ALPHANUMERIC);
        let form: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let each = |form: fn(char) -> String| text.chars().map(form).collect::<String>();
        let units = |upper: bool| {
            let hex = |unit| if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") };
            text.encode_utf16().map(hex).collect::<String>()
        };
        let mut all = vec![
            text.to_owned(),
            json.clone(),
            json.replace('/', "\\/"),
            serde_json::to_string(&json).expect("string"),
            units(false),
            units(true),
            text.bytes().map(|byte| format!("%{byte:02X}")).collect(),
            text.bytes().map(|byte| format!("%{byte:02x}")).collect(),
            percent.clone(),
            percent.to_lowercase(),
            percent.replace("%20", "+"),
            percent::encode(&percent, NON_ALPHANUMERIC),
            form.clone(),
            text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;").replace('\'', "&#39;"),
            each(|c| format!("&#{};", c as u32)),
            each(|c| format!("&#x{:X};", c as u32)),
            text.bytes().map(|byte| format!("{byte:02x}")).collect(),
            text.bytes().map(|byte| format!("{byte:02X}")).collect(),
        ];
        for bytes in [
            text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>(),
            text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        ] {
            let latin: String = bytes.iter().map(|byte| char::from(*byte)).collect();
            all.push(serde_json::to_string(&latin).expect("string"));
            all.push(latin);
            all.push(bytes.iter().map(|byte| format!("%{byte:02X}")).collect());
            all.push(bytes.iter().map(|byte| format!("{byte:02x}")).collect());
            all.push(bytes.iter().map(|byte| format!("{byte:02X}")).collect());
            for before in [&b""[..], &b"u\0"[..], &b"\0u\0:"[..]] {
                all.push(STANDARD.encode([before, bytes.as_slice(), &b"\0\0"[..]].concat()));
                all.push(URL_SAFE_NO_PAD.encode([before, bytes.as_slice()].concat()));
            }
        }
        let quoted = percent::encode(text, QUERY);
        for before in ["", "u", "us", "user%3A", "user:"] {
            for percent in
                [percent.clone(), quoted.replace("%20", "+"), small_digits(&quoted), quoted.clone()]
            {
                all.push(STANDARD.encode(format!("{before}{percent}")));
            }
        }
        for before in ["", "u", "us", "user:", "u1:", "us1:"] {
            for after in ["", ":", "ta", "tail"] {
                for text in [text, &form] {
                    let pair = format!("{before}{text}{after}");
                    all.extend([
                        STANDARD.encode(&pair),
                        STANDARD_NO_PAD.encode(&pair),
                        URL_SAFE.encode(&pair),
                        URL_SAFE_NO_PAD.encode(&pair),
                        percent::encode(&STANDARD.encode(&pair), NON_ALPHANUMERIC),
                        STANDARD.encode(&pair).replace('/', "\\/"),
                    ]);
                }
            }
        }
        all
    }

    #[test]
    fn every_encoding_of_a_secret_is_masked() {
        for secret in [
            "p/w \"ü\" & more+1",
            "hunter2-hunter2",
            "a+b c%d\\e/f?>~",
            "pass word",
            "日本語の秘密",
            "4929-1111",
            "%41&#65;\\u0041\\",
        ] {
            let net = redactor(&[secret]);
            for text in encodings(secret) {
                let clean = net.redact(&format!("<{text}>")).into_owned();
                assert!(clean.contains(MASK), "{secret}: {text} → {clean}");
                // Base64 shares its outermost characters with what stands around; no more may be left.
                assert!(clean.len() <= 40 && !clean.contains(secret), "{secret}: {text} → {clean}");
            }
        }
    }

    #[test]
    fn what_an_encoder_broke_up_into_lines_is_masked() {
        let secret = "a-secret/of?some~length>that/goes+over-more-than-one-line-of-any-width-there-is";
        let net = redactor(&[secret]);
        for before in 0..60 {
            let text = format!("{}Authorization: Bearer {secret}\r\nmore: of it", "x".repeat(before));
            let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
            for (width, end) in
                [(76, "\n"), (76, "\r\n"), (64, "\r\n "), (60, "\\n"), (20, "\\\\r\\\\n"), (16, " ")]
            {
                for encoded in [STANDARD.encode(&text), URL_SAFE.encode(&text), hex.clone()] {
                    let lines: Vec<&str> = encoded
                        .as_bytes()
                        .chunks(width)
                        .map(|line| std::str::from_utf8(line).unwrap())
                        .collect();
                    let shown = net.redact(&lines.join(end)).into_owned();
                    assert!(shown.contains(MASK), "{width} {end:?}: {shown}");
                    // What stood around it is left, and what it shares with that.
                    let left: usize = shown.split(MASK).map(|part| part.replace(end, "").len()).sum();
                    let around = encoded.len() * (text.len() - secret.len()) / text.len();
                    assert!(left <= around + 8, "{width} {end:?}: {shown}");
                }
            }
        }
    }

    #[test]
    fn a_secret_is_masked_where_escapes_break_it_up() {
        let net = redactor(&["hunter2-hunter2"]);
        assert_eq!(net.redact(r#"{"a":"hunt\u0065r2\u002dhunter2","b":1}"#), r#"{"a":"***","b":1}"#);
        assert_eq!(net.redact("?k=%68unter2%2Dhunter%32&l=1"), "?k=***&l=1");
        assert_eq!(net.redact("<b>hunter2&#45;hunter&#x32;</b>"), "<b>***</b>");
        assert_eq!(net.redact("hunter2-hunter2hunter2-hunter2"), "******");
    }

    #[test]
    fn a_secret_echoed_in_latin_1_is_masked() {
        let net = redactor(&["schlüssel"]);
        assert_eq!(net.redact("Authorization: Bearer schlÃ¼ssel"), "Authorization: Bearer ***");
    }

    #[test]
    fn short_values_are_masked_for_a_call_and_not_for_a_project() {
        assert_eq!(Redactor::for_values(["123", "ab"]).redact("cvc 123 ab"), "cvc *** ab");
        assert!(redactor(&["123"]).is_empty());
    }

    #[test]
    fn text_without_a_secret_is_borrowed() {
        let net = redactor(&["hunter2-hunter2"]);
        for text in ["nothing here", r#"{"a":"nothing\nhere"}"#, "100%25 &amp; more"] {
            assert!(matches!(net.redact(text), Cow::Borrowed(_)), "{text}");
        }
        assert!(matches!(Redactor::default().redact("nothing here"), Cow::Borrowed(_)));
    }

    #[test]
    fn debug_output_holds_no_value() {
        assert!(!format!("{:?}", redactor(&["hunter2-hunter2"])).contains("hunter2"));
    }
}
