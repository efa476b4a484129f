//! Long lists in JSON text, cut: what is left is JSON.

use super::cursor::Cursor;

/// Nested more deeply, text is not cut: whoever reads it would give up as well.
const MAX_DEPTH: usize = 128;
/// What a marker advises.
pub const ASK_FOR_LESS: &str = "ask for less, for example with a narrower query";

/// The JSON `text` with every list of more than `max_items` items cut to so
/// many, and a text that says so after them; `None` where no list is longer.
pub fn cut_lists(text: &str, max_items: usize) -> Option<String> {
    Cut::new(text, max_items, usize::MAX).run().filter(|cut| cut.copied > 0).map(Cut::finish)
}

/// The JSON `text` with its lists cut just so short that it has at most
/// `max_chars` characters; `None` where that cannot be done by cutting lists.
pub fn cut_to_fit(text: &str, max_chars: usize) -> Option<String> {
    // An item and its comma are two characters.
    let (mut fits, mut too_many) = (0, max_chars / 2 + 1);
    let mut best = None;
    while too_many - fits > 1 {
        let items = fits + (too_many - fits) / 2;
        // A character is at most four bytes: what is longer need not be counted.
        let cut = Cut::new(text, items, max_chars.saturating_mul(4)).run().map(Cut::finish);
        match cut.filter(|cut| cut.chars().nth(max_chars).is_none()) {
            Some(cut) => {
                best = Some(cut);
                fits = items;
            }
            None => too_many = items,
        }
    }
    best
}

/// Copies JSON text but for the items that are too many.
struct Cut<'a> {
    cursor: Cursor<'a>,
    max_items: usize,
    /// Most bytes to write.
    limit: usize,
    out: String,
    copied: usize,
}

impl<'a> Cut<'a> {
    fn new(text: &'a str, max_items: usize, limit: usize) -> Self {
        Self { cursor: Cursor::new(text), max_items, limit, out: String::new(), copied: 0 }
    }

    /// `None` where the text is too deep, or what is written becomes too long.
    fn run(mut self) -> Option<Self> {
        self.value(0)?;
        let rest = self.cursor.text.len() - self.copied;
        (self.out.len() + rest <= self.limit).then_some(self)
    }

    fn finish(mut self) -> String {
        self.out.push_str(&self.cursor.text[self.copied..]);
        self.out
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        self.cursor.skip_space();
        let written = self.out.len() + self.cursor.at.saturating_sub(self.copied);
        if depth > MAX_DEPTH || written > self.limit {
            return None;
        }
        match self.cursor.peek() {
            b'{' => {
                self.cursor.at += 1;
                while self.cursor.next_in() {
                    self.cursor.skip_name();
                    self.value(depth + 1)?;
                }
            }
            b'[' => self.items(depth)?,
            _ => self.cursor.skip_value(),
        }
        Some(())
    }

    fn items(&mut self, depth: usize) -> Option<()> {
        self.cursor.at += 1;
        let mut items = 0_usize;
        let mut end_of_last = self.cursor.at;
        while self.cursor.next_in() {
            items += 1;
            if items > self.max_items {
                self.cursor.skip_value();
            } else {
                self.value(depth + 1)?;
                end_of_last = self.cursor.at;
            }
        }
        if items > self.max_items {
            self.out.push_str(&self.cursor.text[self.copied..end_of_last]);
            let marker = format!(",\"[cut: the first {} of {items} items; {ASK_FOR_LESS}]\"", self.max_items);
            self.out.push_str(&marker);
            // The closing bracket, which the cursor has passed.
            self.copied = self.cursor.at - 1;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn long_lists_are_cut_and_the_rest_stays_byte_for_byte() {
        let text = r#"{ "a" : [1.50, "x]" , {"b":[ ]}, 4 , 5 ],"c":[[1,2,3],[1]] }"#;
        let marker = |shown, of| format!(r#""[cut: the first {shown} of {of} items; {ASK_FOR_LESS}]""#);
        let expected =
            format!(r#"{{ "a" : [1.50, "x]",{}],"c":[[1,2,{}],[1]] }}"#, marker(2, 5), marker(2, 3),);
        assert_eq!(cut_lists(text, 2).as_deref(), Some(expected.as_str()));
        assert_eq!(cut_lists(text, 5), None);
        assert_eq!(cut_lists("[]", 1), None);
    }

    #[test]
    fn what_is_too_long_loses_as_few_items_as_it_can() {
        let text = json!({"slots": (0..1000).collect::<Vec<_>>(), "total": 1000}).to_string();
        let cut = cut_to_fit(&text, 500).expect("cut");
        let body: Value = serde_json::from_str(&cut).expect("still JSON");
        let shown = body["slots"].as_array().expect("list").len() - 1;
        assert!(cut.len() <= 500 && cut.len() > 490, "{}", cut.len());
        let marker = format!("[cut: the first {shown} of 1000 items; {ASK_FOR_LESS}]");
        assert_eq!(body["slots"][shown], marker.as_str());
        assert_eq!(body["total"], 1000);
    }

    #[test]
    fn what_is_long_in_other_ways_is_not_cut_here() {
        assert_eq!(cut_to_fit(&json!({"text": "x".repeat(1000)}).to_string(), 500), None);
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(cut_to_fit(&deep, 500), None);
        assert_eq!(cut_lists(&deep, 1), None);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf =
            prop_oneof![any::<i32>().prop_map(Value::from), "[a\"\\\\\\]ü]{0,4}".prop_map(Value::from)];
        leaf.prop_recursive(4, 64, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::hash_map("[a-c]", inner, 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn longest(value: &Value) -> usize {
        match value {
            Value::Array(items) => items.len().max(items.iter().map(longest).max().unwrap_or(0)),
            Value::Object(map) => map.values().map(longest).max().unwrap_or(0),
            _ => 0,
        }
    }

    proptest! {
        #[test]
        fn what_is_left_is_json_with_short_lists(value in any_json(), max in 1_usize..4, pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
            match cut_lists(&text, max) {
                None => prop_assert!(longest(&value) <= max),
                Some(cut) => {
                    let cut: Value = serde_json::from_str(&cut).expect("still JSON");
                    prop_assert_eq!(longest(&cut), max + 1);
                }
            }
            if let Some(cut) = cut_to_fit(&text, 100) {
                prop_assert!(cut.chars().count() <= 100);
                prop_assert!(serde_json::from_str::<Value>(&cut).is_ok());
            }
        }
    }
}
