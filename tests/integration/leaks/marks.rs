//! Texts that must not be seen, and every encoding in which they might be.

use std::ops::Range;

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What `encodeURIComponent` leaves as it is.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');
/// Shortest secret that is looked for; the gateway warns of shorter ones.
const MIN_SECRET: usize = 4;
/// Shortest piece that is looked for in a text without its line breaks: shorter ones stand anywhere.
const MIN_JOINED: usize = 12;

/// Secrets, and what they look like in disguise.
#[derive(Debug)]
pub(crate) struct Marks {
    forms: Vec<Form>,
    /// Seeks every form in a text as it is.
    all: AhoCorasick,
    /// Those of `forms` that may be broken up.
    breakable: Vec<usize>,
    /// Seeks `breakable` in a text without its line breaks.
    broken: AhoCorasick,
}

/// A secret in one encoding.
#[derive(Debug)]
struct Form {
    /// What the secret is called.
    name: String,
    way: &'static str,
    text: String,
}

impl Marks {
    /// Secrets by their names.
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let forms: Vec<Form> = secrets.into_iter().flat_map(|(name, value)| forms(name, value)).collect();
        let is_breakable = |form: &Form| form.way.starts_with("base64") && form.text.len() >= MIN_JOINED;
        let breakable: Vec<usize> = (0..forms.len()).filter(|at| is_breakable(&forms[*at])).collect();
        let all = AhoCorasick::new(forms.iter().map(|form| &form.text)).unwrap();
        let broken = AhoCorasick::new(breakable.iter().map(|at| &forms[*at].text)).unwrap();
        Self { forms, all, breakable, broken }
    }

    /// One secret.
    pub(crate) fn of(name: &str, value: &str) -> Self {
        Self::new([(name, value)])
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    /// Panics where `text` holds one of them in any encoding, in one line or in several.
    #[track_caller]
    pub(crate) fn assert_none_in(&self, place: &str, text: &str) {
        if let Some(found) = self.all.find(text) {
            self.leaks(found.pattern().as_usize(), place, text, found.range());
        }
        if !self.breakable.is_empty() {
            let joined = joined(text);
            if let Some(found) = self.broken.find(&joined) {
                self.leaks(self.breakable[found.pattern().as_usize()], place, &joined, found.range());
            }
        }
    }

    #[track_caller]
    fn leaks(&self, form: usize, place: &str, text: &str, found: Range<usize>) -> ! {
        let Form { name, way, .. } = &self.forms[form];
        let start = text.floor_char_boundary(found.start.saturating_sub(200));
        let end = text.ceil_char_boundary((found.end + 200).min(text.len()));
        panic!("{name} leaks ({way}) into {place}: …{}…", &text[start..end]);
    }
}

/// A secret in every encoding.
fn forms(name: &str, value: &str) -> Vec<Form> {
    let form = |way, text| Form { name: name.to_owned(), way, text };
    let mut forms: Vec<Form> = ENCODINGS.iter().map(|(way, encode)| form(way, encode(value))).collect();
    for offset in 0..3 {
        // What of it does not depend on what stands around.
        let padded = [vec![0; offset], value.as_bytes().to_vec()].concat();
        let start = [0, 2, 3][offset];
        let end = padded.len() * 4 / 3;
        forms.push(form("base64", STANDARD_NO_PAD.encode(&padded)[start..end].to_owned()));
        forms.push(form("base64url", URL_SAFE_NO_PAD.encode(&padded)[start..end].to_owned()));
    }
    forms.retain(|form| form.text.len() >= MIN_SECRET);
    forms
}

/// The text without its spaces and line breaks, escaped ones among them.
fn joined(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c == '\\' || c.is_ascii_whitespace()) {
        joined.push_str(&rest[..at]);
        let escape = rest[at..].trim_start_matches('\\');
        let length = rest.len() - at - escape.len();
        rest = match (length, escape.starts_with(['n', 'r'])) {
            (0, _) => &rest[at + 1..],
            (_, true) => &escape[1..],
            (_, false) => {
                joined.push_str(&rest[at..at + length]);
                escape
            }
        };
    }
    joined + rest
}

/// What a way to write a text is called, and the way.
pub(crate) type Encoding = (&'static str, fn(&str) -> String);

/// Ways to write a text; each stands alone.
pub(crate) const ENCODINGS: &[Encoding] = &[
    ("raw", str::to_owned),
    ("JSON", json),
    ("JSON in JSON", |text| json(&json(text))),
    ("JSON with escaped slashes", |text| json(text).replace('/', "\\/")),
    ("JSON in ASCII", |text| {
        let ascii = |c: char| if c.is_ascii() { json(&c.to_string()) } else { units(&c.to_string(), false) };
        text.chars().map(ascii).collect()
    }),
    ("JSON escapes", |text| units(text, false)),
    ("JSON escapes in capitals", |text| units(text, true)),
    ("percent", |text| utf8_percent_encode(text, COMPONENT).to_string()),
    ("percent in small letters", |text| {
        utf8_percent_encode(text, COMPONENT).to_string().replace("%C3%BC", "%c3%bc").replace("%2F", "%2f")
    }),
    ("percent in full", |text| text.bytes().map(|byte| format!("%{byte:02X}")).collect()),
    ("percent twice", |text| {
        let once = utf8_percent_encode(text, COMPONENT).to_string();
        utf8_percent_encode(&once, COMPONENT).to_string()
    }),
    ("form", |text| url::form_urlencoded::byte_serialize(text.as_bytes()).collect()),
    ("HTML", html),
    ("HTML numbers", |text| text.chars().map(|c| format!("&#{};", u32::from(c))).collect()),
    ("HTML hexadecimal numbers", |text| text.chars().map(|c| format!("&#x{:x};", u32::from(c))).collect()),
    ("hexadecimal", |text| text.bytes().map(|byte| format!("{byte:02x}")).collect()),
    ("hexadecimal in capitals", |text| text.bytes().map(|byte| format!("{byte:02X}")).collect()),
    ("Latin-1", |text| text.bytes().map(char::from).collect()),
    ("UTF-16", |text| text.chars().flat_map(|c| [c, '\0']).collect()),
    ("UTF-16 in hexadecimal", |text| utf16(text).iter().map(|byte| format!("{byte:02x}")).collect()),
    ("UTF-16 in base64", |text| STANDARD.encode(utf16(text))),
    ("base64 in lines", |text| lines(text, 76, "\n")),
    ("base64 in lines of PEM", |text| lines(text, 64, "\r\n")),
    ("base64 in lines as JSON", |text| lines(text, 76, "\\n")),
    ("base64 in pieces", |text| lines(text, 20, " ")),
];

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Base64 with a break after so many characters.
fn lines(text: &str, width: usize, end: &str) -> String {
    let encoded: Vec<char> = STANDARD.encode(text).chars().collect();
    encoded.chunks(width).map(|line| line.iter().collect::<String>() + end).collect()
}

/// The content of a JSON string.
fn json(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap();
    quoted[1..quoted.len() - 1].to_owned()
}

fn units(text: &str, capitals: bool) -> String {
    let unit = |unit| if capitals { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") };
    text.encode_utf16().map(unit).collect()
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// The secrets of a project, as its `secrets.toml` says them.
pub(crate) fn secrets(text: &str) -> Marks {
    let environments: toml::Table = text.parse().unwrap_or_default();
    let all = environments.values().filter_map(toml::Value::as_table).flatten();
    let texts = all.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
    Marks::new(texts.filter(|(_, value)| value.chars().count() >= MIN_SECRET))
}

#[test]
fn a_leak_is_found_in_every_encoding() {
    let marks = Marks::new([("another", "n0thing of this"), ("m", "s3/cr \"ü\" & t")]);
    let is_found = |text: &str| std::panic::catch_unwind(|| marks.assert_none_in("text", text)).is_err();
    for (way, encode) in ENCODINGS {
        let text = format!("before {} after", encode("s3/cr \"ü\" & t"));
        assert!(is_found(&text), "{way}");
    }
    for before in ["", "u", "us", "user:"] {
        let text = STANDARD_NO_PAD.encode(format!("{before}s3/cr \"ü\" & t:more"));
        assert!(is_found(&text), "{before}");
    }
    for (way, encode) in ENCODINGS.iter().filter(|(way, _)| way.starts_with("base64")) {
        for before in 0..80 {
            let text = encode(&format!("{}s3/cr \"ü\" & t and more", "x".repeat(before)));
            assert!(is_found(&text), "{way} {before}");
        }
    }
    marks.assert_none_in("text", "s3/cr");
}
