//! Taking values out of JSON text and leaving every other byte as it was.

use std::borrow::Cow;

use aho_corasick::{AhoCorasick, MatchKind};
use serde_json::Value;

use super::output::Output;

/// What stands in the body where a value was taken away.
pub const HIDDEN: &str = "[hidden]";

/// Shortest text that is looked for all over the body; shorter ones are hidden
/// only where the path finds them, or half the body would vanish.
const MIN_SOUGHT: usize = 4;

/// Up to so many hidden texts are looked for one after the other: faster than
/// building a finder for all of them.
const FEW: usize = 8;

/// What is hidden, and as what; each list is sorted.
#[derive(Default)]
pub(super) struct Hidden<'b> {
    pub(super) places: Vec<Cow<'b, str>>,
    pub(super) texts: Vec<&'b str>,
    pub(super) numbers: Vec<&'b str>,
}

impl<'b> Hidden<'b> {
    pub(super) fn find(outputs: &'b [Output], body: &'b Value) -> Self {
        let mut hidden = Self::default();
        for output in outputs.iter().filter(|output| output.hidden) {
            output.locate(body, |place, value| {
                hidden.places.push(place);
                hidden.collect(value);
            });
        }
        hidden.sorted()
    }

    pub(super) fn sorted(mut self) -> Self {
        self.places.sort_unstable();
        self.numbers.sort_unstable();
        // The longest first: a text that is a part of another must not break it up.
        self.texts.sort_unstable_by_key(|text| (std::cmp::Reverse(text.len()), *text));
        self.texts.dedup();
        self
    }

    pub(super) fn collect(&mut self, value: &'b Value) {
        match value {
            Value::String(text) if text.chars().count() >= MIN_SOUGHT => self.texts.push(text),
            Value::Number(number) => {
                let text = number.as_str();
                if text.len() >= MIN_SOUGHT {
                    self.numbers.push(text);
                    self.texts.push(text);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.collect(item)),
            Value::Object(map) => map.values().for_each(|item| self.collect(item)),
            Value::Null | Value::Bool(_) | Value::String(_) => {}
        }
    }
}

/// Walks JSON text that is known to be valid (and so no deeper than
/// `serde_json` allows), copying it but for what is hidden.
pub(super) struct Scan<'a> {
    text: &'a str,
    at: usize,
    out: String,
    copied: usize,
    hidden: &'a Hidden<'a>,
    /// Finds all hidden texts at once, where they are many: a list may hold
    /// thousands, and each string is searched for each of them.
    finder: Option<AhoCorasick>,
}

impl<'a> Scan<'a> {
    pub(super) fn clean(text: &'a str, hidden: &'a Hidden<'a>) -> String {
        let finder = (hidden.texts.len() > FEW)
            .then(|| AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&hidden.texts).ok())
            .flatten();
        let out = String::with_capacity(text.len());
        let mut scan = Scan { text, at: 0, out, copied: 0, hidden, finder };
        scan.value(&mut String::new());
        scan.out.push_str(&text[scan.copied..]);
        scan.out
    }

    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
    }

    fn value(&mut self, pointer: &mut String) {
        self.skip_space();
        let start = self.at;
        if self.hidden.places.binary_search_by(|place| place.as_ref().cmp(pointer)).is_ok() {
            self.skip_value();
            self.replace(start, &format!("\"{HIDDEN}\""));
            return;
        }
        match self.peek() {
            b'{' => self.members(pointer),
            b'[' => self.items(pointer),
            b'"' => {
                self.string();
            }
            _ => {
                self.skip_value();
                if self.hidden.numbers.binary_search(&&self.text[start..self.at]).is_ok() {
                    self.replace(start, &format!("\"{HIDDEN}\""));
                }
            }
        }
    }

    fn members(&mut self, pointer: &mut String) {
        self.at += 1;
        loop {
            self.skip_space();
            match self.peek() {
                b'"' => {}
                b',' => {
                    self.at += 1;
                    continue;
                }
                _ => break,
            }
            let key = self.string();
            self.skip_space();
            self.at += 1; // the colon
            let cut = pointer.len();
            pointer.push('/');
            if key.contains(['~', '/']) {
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            } else {
                pointer.push_str(&key);
            }
            self.value(pointer);
            pointer.truncate(cut);
        }
        self.at += 1;
    }

    fn items(&mut self, pointer: &mut String) {
        self.at += 1;
        let mut index = 0_usize;
        loop {
            self.skip_space();
            match self.peek() {
                b']' | 0 => break,
                b',' => self.at += 1,
                _ => {
                    let cut = pointer.len();
                    pointer.push('/');
                    pointer.push_str(&index.to_string());
                    self.value(pointer);
                    pointer.truncate(cut);
                    index += 1;
                }
            }
        }
        self.at += 1;
    }

    /// Passes a string, hiding what it holds; returns its content.
    fn string(&mut self) -> Cow<'a, str> {
        let start = self.at;
        self.skip_string();
        let quoted: &'a str = &self.text[start..self.at];
        let content = if quoted.contains('\\') {
            Cow::Owned(serde_json::from_str(quoted).unwrap_or_default())
        } else {
            Cow::Borrowed(quoted.trim_matches('"'))
        };
        if let Some(cleaned) = self.cleaned(&content) {
            self.replace(start, &Value::String(cleaned).to_string());
        }
        content
    }

    /// `content` without hidden texts; `None` where it holds none.
    fn cleaned(&self, content: &str) -> Option<String> {
        if let Some(finder) = &self.finder {
            return finder.is_match(content).then(|| {
                let mut cleaned = String::with_capacity(content.len());
                finder.replace_all_with(content, &mut cleaned, |_, _, out| {
                    out.push_str(HIDDEN);
                    true
                });
                cleaned
            });
        }
        let texts = &self.hidden.texts;
        texts
            .iter()
            .any(|text| content.contains(text))
            .then(|| texts.iter().fold(content.to_owned(), |cleaned, text| cleaned.replace(text, HIDDEN)))
    }

    fn skip_string(&mut self) {
        self.at += 1;
        loop {
            match self.peek() {
                b'"' | 0 => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
    }

    fn skip_value(&mut self) {
        let mut depth = 0_usize;
        loop {
            match self.peek() {
                b'"' => {
                    self.skip_string();
                    if depth == 0 {
                        return;
                    }
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => {
                    if depth == 0 {
                        return;
                    }
                    depth -= 1;
                    if depth == 0 {
                        self.at += 1;
                        return;
                    }
                }
                b',' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => return,
                0 => return,
                _ => {}
            }
            self.at += 1;
        }
    }

    fn replace(&mut self, start: usize, with: &str) {
        self.out.push_str(&self.text[self.copied..start]);
        self.out.push_str(with);
        self.copied = self.at;
    }
}
