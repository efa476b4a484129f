//! What a model must not see of an answer, taken out of its text.

use std::borrow::Cow;

use serde_json::Value;

use callgate_text::push_token;

use super::cursor::Cursor;
use super::sought::{HIDDEN, Sought};
use super::variable::Output;

/// The text of `body` without the values that hidden outputs extract, wherever
/// they stand in it; `None` where nothing had to be hidden. Every other byte
/// stays as the upstream sent it.
pub fn hide(outputs: &[Output], body: &Value, text: &str) -> Option<String> {
    let hidden = Hidden::find(outputs, body);
    (!hidden.is_empty()).then(|| hidden.clean(text, ""))
}

/// Texts that are to stay hidden, wherever they stand. Made once for an answer,
/// in whose parts they are looked for.
#[derive(Debug, Default)]
pub struct Concealed(Sought);

impl Concealed {
    /// Looks for `texts`.
    pub fn new(texts: Vec<String>) -> Self {
        Self(Sought::texts(texts))
    }

    /// The JSON `text` without them, in its strings and numbers; `None` where it
    /// holds none of them.
    ///
    /// Takes JSON of any depth, for it does not look at how things are nested.
    pub fn out_of_json(&self, text: &str) -> Option<String> {
        if self.0.is_empty() || !self.0.may_be_in(text) {
            return None;
        }
        let mut copy = Copy { cursor: Cursor::new(text), out: String::new(), copied: 0, sought: &self.0 };
        loop {
            match copy.cursor.peek() {
                0 => break,
                b'"' => drop(copy.string()),
                b'-' | b'0'..=b'9' => copy.word(),
                _ => copy.cursor.at += 1,
            }
        }
        (copy.copied > 0).then(|| copy.finish())
    }

    /// A plain text without them; `None` where it holds none of them.
    pub fn out_of_text(&self, text: &str) -> Option<String> {
        self.0.clean(text)
    }

    /// Takes them out of what an output variable shows: a value that is hidden
    /// as a whole was exposed on purpose.
    pub fn out_of_value(&self, value: &mut Value) {
        if !self.0.is_empty() {
            self.0.clean_inside(value);
        }
    }
}

/// A body with `[hidden]` in the places that hidden outputs find.
pub(super) struct Masked<'b> {
    pub(super) body: Value,
    pub(super) places: Vec<Cow<'b, str>>,
    /// Whether there is more to hide than could be located.
    pub(super) unknown: bool,
}

impl<'b> Masked<'b> {
    /// `None` where nothing is hidden.
    pub(super) fn of(outputs: &'b [Output], body: &'b Value) -> Option<Self> {
        let Hidden { places, unknown, .. } = Hidden::find(outputs, body);
        if places.is_empty() {
            return None;
        }
        let mut masked = body.clone();
        for place in &places {
            if let Some(value) = masked.pointer_mut(place) {
                *value = Value::from(HIDDEN);
            }
        }
        Some(Self { body: masked, places, unknown })
    }
}

/// What is hidden: where (sorted), and as what.
#[derive(Debug, Default)]
pub(super) struct Hidden<'b> {
    places: Vec<Cow<'b, str>>,
    sought: Sought,
    /// Whether there is more than could be located; then all is hidden.
    unknown: bool,
}

impl<'b> Hidden<'b> {
    pub(super) fn find(outputs: &'b [Output], body: &'b Value) -> Self {
        let (mut places, mut values) = (Vec::new(), Vec::new());
        for output in outputs.iter().filter(|output| output.hidden) {
            let located = output.locate(body, |place, value| {
                places.push(place);
                values.push(value);
            });
            if !located {
                // Where it is not known what to hide, all is hidden.
                return Self { places: vec![Cow::Borrowed("")], sought: Sought::default(), unknown: true };
            }
        }
        places.sort_unstable();
        Self { places, sought: Sought::of(values), unknown: false }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    fn hides(&self, pointer: &str) -> bool {
        self.places.binary_search_by(|place| place.as_ref().cmp(pointer)).is_ok()
    }

    /// The JSON `text` of the value at `pointer`, without what is hidden.
    pub(super) fn clean(&self, text: &str, pointer: &str) -> String {
        // Parts of what is hidden are hidden too.
        let mut above = pointer.match_indices('/').map(|(end, _)| &pointer[..end]);
        if above.any(|pointer| self.hides(pointer)) {
            return format!("\"{HIDDEN}\"");
        }
        let out = String::with_capacity(text.len());
        let copy = Copy { cursor: Cursor::new(text), out, copied: 0, sought: &self.sought };
        let mut scan = Scan { copy, hidden: self };
        scan.value(&mut pointer.to_owned());
        scan.copy.finish()
    }
}

/// Copies JSON text but for the strings and numbers that must not be seen.
struct Copy<'a> {
    cursor: Cursor<'a>,
    out: String,
    copied: usize,
    sought: &'a Sought,
}

impl<'a> Copy<'a> {
    /// Passes a string; what it says.
    fn string(&mut self) -> Cow<'a, str> {
        let start = self.cursor.at;
        self.cursor.skip_string();
        let place = start..self.cursor.at;
        let inner = self.cursor.text.get(start + 1..self.cursor.at - 1).unwrap_or_default();
        if let Some(clean) = self.sought.clean(inner) {
            self.replace(start, &format!("\"{clean}\""));
        }
        self.cursor.content(place)
    }

    /// Passes a number or another word.
    fn word(&mut self) {
        let start = self.cursor.at;
        self.cursor.skip_word();
        if self.sought.has_number(&self.cursor.text[start..self.cursor.at]) {
            self.replace(start, &format!("\"{HIDDEN}\""));
        }
    }

    fn replace(&mut self, start: usize, with: &str) {
        self.out.push_str(&self.cursor.text[self.copied..start]);
        self.out.push_str(with);
        self.copied = self.cursor.at;
    }

    fn finish(mut self) -> String {
        self.out.push_str(&self.cursor.text[self.copied..]);
        self.out
    }
}

/// Walks JSON text that is known to be no deeper than `serde_json` allows.
struct Scan<'a> {
    copy: Copy<'a>,
    hidden: &'a Hidden<'a>,
}

impl Scan<'_> {
    fn value(&mut self, pointer: &mut String) {
        self.copy.cursor.skip_space();
        if self.hidden.hides(pointer) {
            let start = self.copy.cursor.at;
            self.copy.cursor.skip_value();
            self.copy.replace(start, &format!("\"{HIDDEN}\""));
            return;
        }
        match self.copy.cursor.peek() {
            b'{' => self.members(pointer),
            b'[' => self.items(pointer),
            b'"' => drop(self.copy.string()),
            _ => self.copy.word(),
        }
    }

    fn members(&mut self, pointer: &mut String) {
        self.copy.cursor.at += 1;
        while self.copy.cursor.next_in() {
            let name = self.copy.string();
            self.copy.cursor.skip_space();
            self.copy.cursor.at += 1; // the colon
            let cut = pointer.len();
            push_token(pointer, &name);
            self.value(pointer);
            pointer.truncate(cut);
        }
    }

    fn items(&mut self, pointer: &mut String) {
        self.copy.cursor.at += 1;
        let mut index = 0_usize;
        while self.copy.cursor.next_in() {
            let cut = pointer.len();
            pointer.push('/');
            pointer.push_str(&index.to_string());
            self.value(pointer);
            pointer.truncate(cut);
            index += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
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
    fn a_hidden_value_is_hidden_however_it_is_written() {
        check_hide(
            "$.id",
            r#"{"id":90001,"a":90001.0,"b":9.0001e4,"c":900010,"d":"90001","e":-90001}"#,
            r#"{"id":"[hidden]","a":"[hidden]","b":"[hidden]","c":900010,"d":"[hidden]","e":-90001}"#,
        );
        check_hide("$.pin", r#"{"pin":"4929","n":4929}"#, r#"{"pin":"[hidden]","n":"[hidden]"}"#);
        check_hide(
            "$.key",
            r#"{"key":"a b/ü\"c","u":"https:\/\/x\/?k=a%20b%2F%C3%BC%22c&l=\u00e9","j":"{\"k\":\"a b\\/\\u00fc\\\"c\"}","h":"<i>a b/&uuml;&quot;c</i>"}"#,
            r#"{"key":"[hidden]","u":"https:\/\/x\/?k=[hidden]&l=\u00e9","j":"{\"k\":\"[hidden]\"}","h":"<i>[hidden]</i>"}"#,
        );
        // An escape that looks like a part of the value is not broken up.
        check_hide("$.a", r#"{"a":"nope","b":"\nope"}"#, r#"{"a":"[hidden]","b":"[hidden]"}"#);
    }

    #[test]
    fn the_parts_of_a_hidden_list_are_hidden_elsewhere_too() {
        check_hide(
            "$.all",
            r#"{"all":[{"token":"tok-1"},["tok-2"],1,true],"log":"tok-1, tok-2","n":1,"token":true}"#,
            r#"{"all":"[hidden]","log":"[hidden], [hidden]","n":1,"token":true}"#,
        );
    }

    #[test]
    fn a_name_given_twice_hides_both_values() {
        check_hide("$.t", r#"{"t":"old-1","t":"new-1"}"#, r#"{"t":"[hidden]","t":"[hidden]"}"#);
    }

    #[test]
    fn texts_of_former_calls_are_hidden_at_any_depth() {
        let hidden = Concealed::new(vec!["tok-1234".to_owned(), "90001".to_owned()]);
        let deep = format!("{}\"tok\\u002d1234\",90001.0{}", "[".repeat(200_000), "]".repeat(200_000));
        let clean = hidden.out_of_json(&deep).expect("hidden");
        assert!(clean.contains("[\"[hidden]\",\"[hidden]\"]") && !clean.contains("1234"));
        assert_eq!(hidden.out_of_json(r#"{"a":"tok-","b":9000}"#), None);
        assert_eq!(hidden.out_of_json(r#"{"tok-1234":true}"#).as_deref(), Some(r#"{"[hidden]":true}"#));
        assert_eq!(hidden.out_of_text("t=tok%2D1234;").as_deref(), Some("t=[hidden];"));
    }

    proptest! {
        #[test]
        fn what_is_left_is_json_and_does_not_hold_the_value(
            secret in r#"[a-z0-9"\\/ %&ü-]{4,12}"#, before in any::<String>(), escape in any::<bool>(),
        ) {
            let spelled = if escape {
                secret.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect()
            } else {
                let json = Value::from(secret.as_str()).to_string();
                json[1..json.len() - 1].to_owned()
            };
            let before = Value::from(before).to_string();
            let text = format!(r#"{{"s":"{spelled}","b":{before},"c":"x{spelled}y","{spelled}":1}}"#);
            let body: Value = serde_json::from_str(&text).expect("valid");
            let clean = hide(&[output("$.s", Some(false), false)], &body, &text).expect("hidden");
            let clean: Value = serde_json::from_str(&clean).expect("still JSON");
            prop_assert_eq!(&clean["s"], HIDDEN);
            prop_assert!(!clean["c"].as_str().expect("text").contains(&secret));
            prop_assert!(!clean.as_object().expect("object").contains_key(&secret));
        }
    }

    #[test]
    fn where_too_much_is_to_be_hidden_all_is() {
        let text = format!("{{\"a\":[{}0]}}", "1,".repeat(50_000));
        check_hide("$.a[*]", &text, r#""[hidden]""#);
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
        assert!(started.elapsed() < std::time::Duration::from_secs(60), "{:?}", started.elapsed());
    }
}
