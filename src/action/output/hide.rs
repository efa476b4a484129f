//! What a model must not see of an answer, taken out of its text.

use std::borrow::Cow;

use aho_corasick::{AhoCorasick, MatchKind};
use serde_json::Value;

use crate::definition::push_token;

use super::Output;

/// What stands in the body where a value was taken away.
pub const HIDDEN: &str = "[hidden]";

/// Shortest text that is looked for all over the body; shorter ones are hidden
/// only where the path finds them, or half the body would vanish.
const MIN_SOUGHT: usize = 4;

/// Up to so many hidden texts are looked for one after the other: faster than
/// building a finder for all of them.
const FEW: usize = 8;

/// The text of `body` without the values that hidden outputs extract, wherever
/// they stand in it; `None` where nothing had to be hidden. Every other byte
/// stays as the upstream sent it.
pub fn hide(outputs: &[Output], body: &Value, text: &str) -> Option<String> {
    let hidden = Hidden::find(outputs, body);
    if hidden.places.is_empty() {
        return None;
    }
    Some(Scan::clean(text, &hidden))
}

/// The JSON `text` without the texts that are to stay hidden, wherever they
/// stand in its strings and numbers; `None` where none of them does.
pub fn hide_texts(texts: &[String], text: &str) -> Option<String> {
    // An escape can spell any character, so that only a scan can tell.
    if !text.contains('\\') && !texts.iter().any(|hidden| text.contains(hidden)) {
        return None;
    }
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let hidden = Hidden { places: Vec::new(), numbers: texts.clone(), texts };
    Some(Scan::clean(text, &hidden.sorted()))
}

/// What a hidden value must not be seen as, anywhere: its texts and numbers
/// that are long enough to be looked for.
pub fn sought_texts(value: &Value) -> Vec<String> {
    let mut hidden = Hidden::default();
    hidden.collect(value);
    hidden.texts.into_iter().map(str::to_owned).collect()
}

/// A body with `[hidden]` in the places that hidden outputs find.
pub(super) struct Masked<'b> {
    pub(super) body: Value,
    pub(super) places: Vec<Cow<'b, str>>,
}

impl<'b> Masked<'b> {
    /// `None` where nothing is hidden.
    pub(super) fn of(outputs: &'b [Output], body: &'b Value) -> Option<Self> {
        let places = Hidden::find(outputs, body).places;
        if places.is_empty() {
            return None;
        }
        let mut masked = body.clone();
        for place in &places {
            if let Some(value) = masked.pointer_mut(place) {
                *value = Value::from(HIDDEN);
            }
        }
        Some(Self { body: masked, places })
    }
}

/// What is hidden, and as what; each list is sorted.
#[derive(Default)]
struct Hidden<'b> {
    places: Vec<Cow<'b, str>>,
    texts: Vec<&'b str>,
    numbers: Vec<&'b str>,
}

impl<'b> Hidden<'b> {
    fn find(outputs: &'b [Output], body: &'b Value) -> Self {
        let mut hidden = Self::default();
        for output in outputs.iter().filter(|output| output.hidden) {
            output.locate(body, |place, value| {
                hidden.places.push(place);
                hidden.collect(value);
            });
        }
        hidden.sorted()
    }

    fn sorted(mut self) -> Self {
        self.places.sort_unstable();
        self.numbers.sort_unstable();
        // The longest first: a text that is a part of another must not break it up.
        self.texts.sort_unstable_by_key(|text| (std::cmp::Reverse(text.len()), *text));
        self.texts.dedup();
        self
    }

    fn collect(&mut self, value: &'b Value) {
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
struct Scan<'a> {
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
    fn clean(text: &'a str, hidden: &'a Hidden<'a>) -> String {
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
            push_token(pointer, &key);
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::output;
    use super::*;

    #[track_caller]
    fn check_hide(path: &str, text: &str, expected: &str) {
        let body = serde_json::from_str(text).expect("valid");
        assert_eq!(
            hide(&[output(path, Some(false), false)], &body, text).as_deref().unwrap_or(text),
            expected
        );
    }

    #[test]
    fn a_hidden_value_leaves_every_other_byte() {
        check_hide(
            "$.t",
            r#"{ "a" :1.50, "t": "tok-1234" ,"z":[ 1,2 ]}"#,
            r#"{ "a" :1.50, "t": "[hidden]" ,"z":[ 1,2 ]}"#,
        );
        check_hide("$.t", r#"{"t":{"a":[1,{"b":"}"}]},"u":1}"#, r#"{"t":"[hidden]","u":1}"#);
        check_hide(
            "$.items[*].id",
            r#"{"items":[{"id":1},{"id":2,"n":"x"}]}"#,
            r#"{"items":[{"id":"[hidden]"},{"id":"[hidden]","n":"x"}]}"#,
        );
        check_hide("$.other", r#"{"x":1}"#, r#"{"x":1}"#);
        check_hide("$", r#"{"x":1}"#, r#""[hidden]""#);
    }

    #[test]
    fn a_hidden_value_is_hidden_wherever_it_stands() {
        check_hide(
            "$.token",
            r#"{"token":"tok\u002d1234","link":"https://x/?t=tok-1234&b=1","n":5,"tok-1234":1}"#,
            r#"{"token":"[hidden]","link":"https://x/?t=[hidden]&b=1","n":5,"[hidden]":1}"#,
        );
        check_hide(
            "$.id",
            r#"{"id":90001,"ids":[90001,9000],"s":"n90001"}"#,
            r#"{"id":"[hidden]","ids":["[hidden]",9000],"s":"n[hidden]"}"#,
        );
    }

    #[test]
    fn a_hidden_text_that_is_part_of_another_does_not_break_it_up() {
        let text = r#"{"short":"tok-12","long":"tok-1234","both":"tok-1234 tok-12"}"#;
        let body = serde_json::from_str(text).expect("valid");
        let outputs = [output("$.short", Some(false), false), output("$.long", Some(false), false)];
        let expected = r#"{"short":"[hidden]","long":"[hidden]","both":"[hidden] [hidden]"}"#;
        assert_eq!(hide(&outputs, &body, text).as_deref(), Some(expected));
    }

    #[test]
    fn hiding_much_takes_time_in_proportion() {
        let items: Vec<Value> = (10_000..30_000)
            .map(|n| json!({"id": format!("cust_{n}"), "number": n, "note": format!("as cust_{n}")}))
            .collect();
        let body = json!({"items": items});
        let text = body.to_string();
        let outputs = ["$.items[*].id", "$.items[*].number"].map(|path| output(path, Some(false), false));
        let started = std::time::Instant::now();
        let hidden = hide(&outputs, &body, &text).expect("hidden");
        assert!(!hidden.contains("cust_") && !hidden.contains("10000"));
        assert!(started.elapsed() < std::time::Duration::from_secs(10), "{:?}", started.elapsed());
    }
}
