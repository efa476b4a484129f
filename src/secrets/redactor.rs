//! The last net: masks known secrets in text, in every encoding they are known
//! to travel in.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};

use crate::action::QUERY;

use super::MIN_MASKED;

/// What stands where a secret stood.
pub const MASK: &str = "***";

/// Shortest piece of a base64 text that is taken for a secret's.
const MIN_BASE64: usize = 6;

/// Masks a fixed set of secrets.
#[derive(Clone, Default)]
pub struct Redactor {
    finder: Option<AhoCorasick>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let patterns = self.finder.as_ref().map_or(0, AhoCorasick::patterns_len);
        write!(f, "Redactor({patterns} patterns)")
    }
}

impl Redactor {
    /// Makes a redactor for `secrets`: as they are, JSON-escaped,
    /// percent-encoded, HTML-escaped, and base64 at any offset (which finds
    /// them inside `Basic` credentials too).
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a SecretString>) -> Self {
        let mut patterns = BTreeSet::new();
        for secret in secrets {
            let text = secret.expose_secret();
            if text.chars().count() >= MIN_MASKED {
                add_forms(text, &mut patterns);
            }
        }
        if patterns.is_empty() {
            return Self::default();
        }
        let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&patterns).ok();
        debug_assert!(finder.is_some(), "secrets are far below the automaton's limits");
        Self { finder }
    }

    /// `text` with every secret masked; borrowed where there is none.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let Some(finder) = &self.finder else { return Cow::Borrowed(text) };
        let mut found = finder.find_iter(text).peekable();
        if found.peek().is_none() {
            return Cow::Borrowed(text);
        }
        let mut clean = String::with_capacity(text.len());
        let mut copied = 0;
        for secret in found {
            clean.push_str(&text[copied..secret.start()]);
            clean.push_str(MASK);
            copied = secret.end();
        }
        clean.push_str(&text[copied..]);
        Cow::Owned(clean)
    }
}

fn add_forms(text: &str, patterns: &mut BTreeSet<String>) {
    patterns.insert(text.to_owned());
    let json = serde_json::Value::String(text.to_owned()).to_string();
    let json = json[1..json.len() - 1].to_owned();
    patterns.insert(json.replace('/', "\\/"));
    patterns.insert(json);
    let percent = utf8_percent_encode(text, QUERY).to_string();
    patterns.insert(percent.replace("%20", "+"));
    patterns.insert(lower_hex(&percent));
    patterns.insert(percent);
    patterns.insert(utf8_percent_encode(text, NON_ALPHANUMERIC).to_string());
    patterns.insert(
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;")
            .replace('\'', "&#39;"),
    );
    for offset in 0..3 {
        for core in [base64_core(&STANDARD_NO_PAD, text, offset), base64_core(&URL_SAFE_NO_PAD, text, offset)]
        {
            if core.len() >= MIN_BASE64 {
                patterns.insert(core);
            }
        }
    }
}

/// The characters of a base64 text that depend on `text` alone when `offset`
/// other bytes stand before it and any number after it.
fn base64_core(engine: &impl base64::Engine, text: &str, offset: usize) -> String {
    let mut bytes = vec![0; offset];
    bytes.extend_from_slice(text.as_bytes());
    let encoded = engine.encode(&bytes);
    let head = [0, 2, 3][offset];
    let tail = match bytes.len() % 3 {
        0 => encoded.len(),
        // The last character mixes in bits of what follows.
        _ => encoded.len() - 1,
    };
    encoded.get(head..tail).unwrap_or_default().to_owned()
}

fn lower_hex(percent: &str) -> String {
    let mut lower = String::with_capacity(percent.len());
    let mut hex = 0;
    for c in percent.chars() {
        lower.push(if hex > 0 { c.to_ascii_lowercase() } else { c });
        hex = if c == '%' {
            2
        } else if hex > 0 {
            hex - 1
        } else {
            0
        };
    }
    lower
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn redactor(secrets: &[&str]) -> Redactor {
        let secrets: Vec<SecretString> = secrets.iter().map(|text| SecretString::from(*text)).collect();
        Redactor::new(&secrets)
    }

    #[test]
    fn every_form_of_a_secret_is_masked() {
        let secret = "p/w \"ü\" & more+1";
        let net = redactor(&[secret]);
        let json = serde_json::to_string(secret).expect("string");
        for text in [
            secret.to_owned(),
            json,
            STANDARD.encode(secret),
            format!("Basic {}", STANDARD.encode(format!("user:{secret}"))),
            format!("Basic {}", STANDARD.encode(format!("u1:{secret}"))),
            format!("Basic {}", STANDARD.encode(format!("us1:{secret}:tail"))),
            format!("?k={}", utf8_percent_encode(secret, NON_ALPHANUMERIC)),
            url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        ] {
            let clean = net.redact(&text);
            assert!(clean.contains(MASK), "{text} → {clean}");
            assert!(!clean.contains("more"), "{clean}");
        }
    }

    #[test]
    fn text_without_a_secret_is_borrowed() {
        assert!(matches!(redactor(&["hunter2-hunter2"]).redact("nothing here"), Cow::Borrowed(_)));
        assert!(matches!(Redactor::default().redact("nothing here"), Cow::Borrowed(_)));
    }

    #[test]
    fn debug_output_holds_no_value() {
        assert!(!format!("{:?}", redactor(&["hunter2-hunter2"])).contains("hunter2"));
    }
}
