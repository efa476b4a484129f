//! A value that is right by the schema, and none of those that are known.
use serde_json::Value;

use super::path::{Path, Segment};
use super::violation::{InvalidArguments, Violation};
use super::{sensitive, text};

impl InvalidArguments {
    /// `parameter` holds none of the values that earlier calls have returned. `sent` is what it
    /// holds, `None` where it must not be told; `named` are the allowed values that may be told
    /// out of `known` ones in all, and `sources` the tools that return them.
    pub fn not_allowed(
        parameter: &str,
        sent: Option<&Value>,
        named: &[&Value],
        known: usize,
        sources: &[String],
    ) -> Self {
        let path = Path(vec![Segment::Name(parameter.to_owned())]);
        let subject = path.spoken(|_| true);
        let source = match sources {
            [] => "an earlier tool call".to_owned(),
            names => text::join(names, "or"),
        };
        let (expected, sentence) = match (named, known, sources) {
            ([], 0, []) => (
                "a value that an earlier call returned".to_owned(),
                format!(
                    "`{subject}` must be a value that {source} returned in this conversation, and none has yet; find it out first."
                ),
            ),
            ([], 0, _) => (
                "a value that an earlier call returned".to_owned(),
                format!(
                    "`{subject}` must be a value that {source} returned in this conversation; call {source} first."
                ),
            ),
            ([], _, _) => (
                "a value that an earlier call returned".to_owned(),
                format!("`{subject}` must be a value that {source} returned in this conversation."),
            ),
            (named, _, _) => {
                let one_of = text::one_of(named.iter().copied());
                (one_of.clone(), format!("`{subject}` must be {one_of}."))
            }
        };
        let masked = format!("`{subject}` must be one of {}.", text::count(known as u64, "known value"));
        let got = sent.map_or_else(|| sensitive::MASKED.to_owned(), text::short);
        let keyword = "allowed_values_from";
        vec![Violation::new(&path, keyword, expected, got, sentence, masked)].into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(named: &[Value], known: usize, sources: &[&str], expected: &str) {
        let named: Vec<&Value> = named.iter().collect();
        let sources: Vec<String> = sources.iter().map(|name| (*name).to_owned()).collect();
        let invalid = InvalidArguments::not_allowed("slot_id", Some(&json!("x9")), &named, known, &sources);
        assert_eq!(invalid.message(), expected);
        assert_eq!(invalid.violations[0].pointer, "/slot_id");
        for word in ["x9", "a1"] {
            assert!(!invalid.masked().contains(word), "{}", invalid.masked());
        }
    }

    #[test]
    fn a_model_hears_what_to_send_or_what_to_do_first() {
        check(&[json!("a1"), json!(2)], 2, &[], "`slot_id` must be one of a1, 2.");
        check(&[json!("a1")], 3, &["find"], "`slot_id` must be a1.");
        check(
            &[],
            0,
            &["find_slots", "find_days"],
            "`slot_id` must be a value that find_slots or find_days returned in this conversation; call find_slots or find_days first.",
        );
        check(&[], 2, &["find"], "`slot_id` must be a value that find returned in this conversation.");
        check(
            &[],
            0,
            &[],
            "`slot_id` must be a value that an earlier tool call returned in this conversation, and none has yet; find it out first.",
        );
    }
}
