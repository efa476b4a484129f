//! Output variables: values taken out of a response, and kept from the model
//! where the definition says so.

mod condition;
mod cursor;
mod charset;
mod cut;
mod headers;
mod hide;
mod html;
mod nesting;
mod path;
mod reach;
mod response;
mod sought;
mod source;
mod variable;

pub use self::charset::{Decoded, decode};
pub use self::condition::{Condition, ConditionProblem};
pub use self::cut::{ASK_FOR_LESS, cut_lists, cut_to_fit};
pub use self::headers::header_text;
pub use self::hide::{Concealed, hide};
pub use self::html::{html_to_text, is_html};
pub(crate) use self::path::Path;
pub use self::response::Response;
pub use self::sought::{HIDDEN, sought_texts};
pub use self::source::{Answered, ResponseProblem, Said};
pub use self::variable::Output;

use std::cell::OnceCell;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use self::hide::Masked;
use self::path::Time;
use self::sought::Sought;
use self::source::Source;

/// A value that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extracted {
    /// Dotted name of the variable.
    pub name: String,
    /// The value.
    pub value: Value,
    /// What the model is shown of it under `variables`, if anything: the value
    /// without the parts that other outputs hide.
    pub shown: Option<Value>,
    /// Whether it is redacted in logs and events.
    pub sensitive: bool,
    /// Whether the model must not see it, wherever it turns up again.
    pub hidden: bool,
}

/// As [`Source::find`] in a body of JSON, but what is hidden inside the values found is taken
/// from `masked`. A value that is hidden itself was exposed on purpose.
fn find_masked(output: &Output, body: &Value, masked: &Masked<'_>) -> Option<Value> {
    let Source::Body(path) = &output.source else { return None };
    if masked.unknown {
        return Some(Value::from(HIDDEN));
    }
    let mut found = Vec::new();
    let located = path.locate(body, |place, value| {
        let seen = masked.body.pointer(&place).filter(|_| masked.places.binary_search(&place).is_err());
        found.push(seen.unwrap_or(value).clone());
    });
    if located { path.shape().of(found.into_iter()) } else { Some(Value::from(HIDDEN)) }
}

/// Takes the values of `outputs` out of the `body` of an answer; a path that finds nothing sets
/// no variable.
pub fn extract(outputs: &[Output], body: &Value) -> Vec<Extracted> {
    let (headers, body) = (&HeaderMap::new(), Said::Json(body));
    let answered = Answered { status: StatusCode::OK, headers, body };
    extract_in_time(outputs, &answered, &|| true).unwrap_or_default()
}

/// The same of a whole answer; `None` where that could not be done while it was `in_time`.
pub fn extract_in_time(
    outputs: &[Output],
    answered: &Answered<'_>,
    in_time: &dyn Fn() -> bool,
) -> Option<Vec<Extracted>> {
    let time = Time::new(in_time);
    let masked = OnceCell::new();
    let mut extracted: Vec<Extracted> = outputs
        .iter()
        .take_while(|_| time.is_left())
        .filter_map(|output| {
            let value = output.source.find(answered, &time)?;
            let shown = match (&value, answered.body) {
                _ if !output.shown => None,
                // Only what holds other values can hold a hidden one.
                (Value::Object(_) | Value::Array(_), Said::Json(body)) => {
                    match masked.get_or_init(|| Masked::of(outputs, body)) {
                        Some(masked) => find_masked(output, body, masked),
                        None => Some(value.clone()),
                    }
                }
                _ => Some(value.clone()),
            };
            Some(Extracted {
                name: output.name.clone(),
                value,
                shown,
                sensitive: output.sensitive,
                hidden: output.hidden,
            })
        })
        .collect();
    if !time.is_left() {
        return None;
    }
    let hidden = Sought::of(extracted.iter().filter(|one| one.hidden).map(|one| &one.value));
    if !hidden.is_empty() {
        for value in extracted.iter_mut().filter_map(|one| one.shown.as_mut()) {
            hidden.clean_inside(value);
        }
    }
    time.is_left().then_some(extracted)
}

/// What the hidden ones of `outputs` must not be seen as, wherever else it stands in the answer; `None` where there is
/// too much of it to be looked for.
pub fn hidden_texts<'o>(
    outputs: impl Iterator<Item = &'o Output>,
    answered: &Answered<'_>,
) -> Option<Vec<String>> {
    texts_of(outputs.filter(|output| output.hidden), answered)
}

/// What the values of `outputs` look like in the answer; `None` where there is too much of it to be looked for.
pub fn texts_of<'o>(
    outputs: impl Iterator<Item = &'o Output>,
    answered: &Answered<'_>,
) -> Option<Vec<String>> {
    let mut texts = Vec::new();
    for output in outputs {
        match (&output.source, answered.body) {
            (Source::Body(path), Said::Json(body)) => {
                if !path.locate(body, |_, value| texts.extend(sought_texts(value))) {
                    return None;
                }
            }
            (Source::Body(path), Said::Text(text)) if path.is_root() => {
                texts.extend(sought_texts(&Value::from(text)));
            }
            (Source::Header(name), _) => {
                let text = header_text(answered.headers, name).map(Value::from);
                texts.extend(text.iter().flat_map(sought_texts));
            }
            (Source::Body(_) | Source::Status, _) => {}
        }
    }
    Some(texts)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use std::cell::Cell;

    use callgate_definition::OutputVariableDefinition;

    use super::*;

    pub(super) fn output(path: &str, expose: Option<bool>, sensitive: bool) -> Output {
        Output::compile(&OutputVariableDefinition {
            name: "x".to_owned(),
            from: callgate_definition::OutputSource::Body,
            path: Some(path.to_owned()),
            header: None,
            expose,
            sensitive,
            keep: false,
        })
        .expect("valid")
    }

    #[track_caller]
    fn check_extract(path: &str, body: Value, expected: Option<Value>) {
        let found = extract(&[output(path, None, false)], &body).into_iter().next().map(|found| found.value);
        assert_eq!(found, expected, "{path}");
    }

    #[test]
    fn the_table_of_the_field_holds() {
        let body = json!({"data": {"id": "cust_123", "email": "user@example.com"}});
        check_extract("$.data.id", body.clone(), Some(json!("cust_123")));
        check_extract("$.data.email", body.clone(), Some(json!("user@example.com")));
        check_extract("$.data.phone", body, None);
    }

    #[test]
    fn several_matches_are_a_list_and_a_filter_finds_a_value() {
        let body = json!({"slots": [{"id": 1, "open": true}, {"id": 2, "open": false}]});
        check_extract("$.slots[*].id", body.clone(), Some(json!([1, 2])));
        check_extract("$.slots[?@.open == true].id", body.clone(), Some(json!(1)));
        check_extract("$.slots[0:1].id", body.clone(), Some(json!([1])));
        check_extract("$..id", body.clone(), Some(json!([1, 2])));
        check_extract("$['slots'][1]['id']", body, Some(json!(2)));
        check_extract("$['a*b']", json!({"a*b": 1}), Some(json!(1)));
        check_extract("$", json!(1), Some(json!(1)));
        // A pointer's `0` is a member's name too; JSONPath's index is not.
        check_extract("$.a[0]", json!({"a": {"0": 1}}), None);
        check_extract("$.a[0].b", json!({"a": [{"b": 1}]}), Some(json!(1)));
    }

    #[test]
    fn an_exposed_text_does_not_carry_a_hidden_one() {
        let outputs = [output("$.t", None, true), output("$.link", Some(true), false)];
        let body = json!({"t": "tok-1234", "link": "https://x/?t=tok-1234"});
        let shown: Vec<_> = extract(&outputs, &body).into_iter().map(|one| one.shown).collect();
        assert_eq!(shown, [None, Some(json!("https://x/?t=[hidden]"))]);
    }

    #[test]
    fn an_exposed_list_or_object_carries_no_hidden_one_anywhere() {
        let outputs = [
            output("$.t", None, true),
            output("$.n", None, true),
            output("$.meta", Some(true), false),
            output("$.copy", Some(true), false),
        ];
        let meta = json!({"copy": "tok-1234", "all": ["tok-1234", 90001, 9.0001e4, 7], "tok-1234": true});
        let body = json!({"t": "tok-1234", "n": 90001, "meta": meta, "copy": "tok-1234"});
        let shown: Vec<_> = extract(&outputs, &body).into_iter().map(|one| one.shown).collect();
        let meta = json!({"copy": HIDDEN, "all": [HIDDEN, HIDDEN, HIDDEN, 7], HIDDEN: true});
        assert_eq!(shown, [None, None, Some(meta), Some(json!("tok-1234"))]);
    }

    #[test]
    fn parts_that_are_more_than_the_whole_set_no_variable() {
        let mut body = json!((0..20_000).collect::<Vec<_>>());
        for _ in 0..100 {
            body = json!({"a": body});
        }
        check_extract("$..a", body, None);
    }

    #[test]
    fn looking_at_an_answer_stops_when_no_time_is_left() {
        let body = json!((0..100_000).collect::<Vec<_>>());
        let looks = Cell::new(0);
        let in_time = || {
            looks.set(looks.get() + 1);
            looks.get() < 10
        };
        let outputs = [output("$..*", None, false), output("$[0]", None, false)];
        let headers = HeaderMap::new();
        let answered = Answered { status: StatusCode::OK, headers: &headers, body: Said::Json(&body) };
        assert_eq!(extract_in_time(&outputs, &answered, &in_time), None);
        assert_eq!(looks.get(), 10, "nobody asks again");
        assert_eq!(extract_in_time(&outputs, &answered, &|| true).map(|all| all.len()), Some(2));
    }

    #[test]
    fn falsy_values_are_values() {
        for value in [json!(0), json!(false), json!(""), Value::Null] {
            check_extract("$.a", json!({"a": value}), Some(value));
        }
    }

    #[test]
    fn an_exposed_value_shows_nothing_that_is_hidden_inside_it() {
        let body = json!({"user": {"id": 1, "token": "tok-1234"}, "all": [{"k": "k-1"}, {"k": "k-2"}]});
        let outputs = [
            output("$.user", Some(true), false),
            output("$.all[*]", Some(true), false),
            output("$.user.token", Some(false), false),
            output("$.all[*].k", None, true),
            output("$.all[0].k", Some(true), false),
        ];
        let extracted = extract(&outputs, &body);
        let shown: Vec<_> = extracted.iter().map(|one| one.shown.clone()).collect();
        let expected = [
            Some(json!({"id": 1, "token": HIDDEN})),
            Some(json!([{"k": HIDDEN}, {"k": HIDDEN}])),
            None,
            None,
            Some(json!("k-1")),
        ];
        assert_eq!(shown, expected);
        assert_eq!(extracted[0].value, body["user"], "later calls have the whole value");
    }

    #[test]
    fn what_expose_and_sensitive_mean() {
        let of = |expose, sensitive| {
            let output = output("$.x", expose, sensitive);
            (output.shown, output.hidden)
        };
        assert_eq!(of(None, false), (false, false));
        assert_eq!(of(Some(true), false), (true, false));
        assert_eq!(of(Some(false), false), (false, true));
        assert_eq!(of(None, true), (false, true));
        assert_eq!(of(Some(true), true), (true, false));
    }
}
