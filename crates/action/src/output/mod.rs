//! Output variables: values taken out of a response, and kept from the model
//! where the definition says so.

mod condition;
mod cursor;
mod charset;
mod cut;
mod headers;
mod hide;
mod html;
mod reach;
mod response;
mod sought;
mod source;

pub use self::charset::{Decoded, decode};
pub use self::condition::{Condition, ConditionProblem};
pub use self::cut::{ASK_FOR_LESS, cut_lists, cut_to_fit};
pub use self::headers::header_text;
pub use self::hide::{Concealed, HIDDEN, hide};
pub use self::html::{html_to_text, is_html};
pub use self::response::{Response, ResponseProblem};
pub use self::sought::sought_texts;
pub use self::source::{Answered, Said};

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};

use http::{HeaderMap, HeaderName, StatusCode};
use serde_json::Value;
use serde_json_path::JsonPath;

use callgate_definition::OutputVariableDefinition;

use self::hide::Masked;
use self::reach::Reach;
use self::sought::Sought;
use self::source::{Source, chosen_headers};

/// Most values, counted with those inside of others, that one variable takes.
const MAX_EXTRACTED: usize = 1_000_000;
/// Most matches of one path whose places are looked for.
const MAX_LOCATED: usize = 50_000;

/// Values after which the clock is looked at.
const LOOK_EVERY: usize = 1_024;

/// A value to take from a response.
#[derive(Debug)]
pub struct Output {
    /// Dotted name of the variable.
    pub name: String,
    source: Source,
    /// Whether the model is shown the value under `variables`.
    pub shown: bool,
    /// Whether the value is removed from the body that the model sees.
    pub hidden: bool,
    /// Whether the value is redacted in logs and events.
    pub sensitive: bool,
    /// Whether the variable keeps its value where an answer has none for it.
    pub keeps: bool,
}

/// A compiled JSONPath.
#[derive(Debug)]
pub(super) enum Path {
    /// Names only, as a JSON Pointer: at most one match.
    Single(String),
    /// Anything else.
    Query(JsonPath, Shape, Reach),
}

/// What several matches of a path become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A wildcard or slice asks for a list, however many there are.
    List,
    /// Any other path: one match is the value itself, several are a list.
    Value,
}

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

impl Output {
    /// Compiles a definition.
    ///
    /// # Errors
    ///
    /// Every key that its source does not take, and why a path or a name is refused.
    pub(super) fn compile(definition: &OutputVariableDefinition) -> Result<Self, Vec<ResponseProblem>> {
        Ok(Self {
            name: definition.name.clone(),
            source: Source::compile(definition)?,
            shown: definition.expose == Some(true),
            hidden: definition.expose == Some(false)
                || definition.sensitive && definition.expose != Some(true),
            sensitive: definition.sensitive,
            keeps: definition.keep,
        })
    }

    /// Whether its value is a part of the body.
    pub fn is_of_body(&self) -> bool {
        matches!(self.source, Source::Body(_))
    }

    /// Whether its value is the header of this name.
    pub fn is_of_header(&self, name: &HeaderName) -> bool {
        matches!(&self.source, Source::Header(of) if of == name)
    }

    /// Whether its value is all of the body, also where that is a text.
    pub fn is_all_of_body(&self) -> bool {
        matches!(&self.source, Source::Body(path) if path.is_root())
    }

    /// As [`Source::find`] in a body of JSON, but what is hidden inside the values found is taken
    /// from `masked`. A value that is hidden itself was exposed on purpose.
    fn find_masked(&self, body: &Value, masked: &Masked<'_>) -> Option<Value> {
        let Source::Body(path) = &self.source else { return None };
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

    /// What of the body is its value; see [`Path::locate`].
    fn locate<'b>(&'b self, body: &'b Value, found: impl FnMut(Cow<'b, str>, &'b Value)) -> bool {
        match &self.source {
            Source::Body(path) => path.locate(body, found),
            Source::Header(_) | Source::Status => true,
        }
    }
}

/// The time that there is for looking at an answer.
struct Time<'a> {
    is_left: &'a dyn Fn() -> bool,
    is_over: Cell<bool>,
}

impl Time<'_> {
    /// Looks at the clock.
    fn is_left(&self) -> bool {
        let is_over = self.is_over.get() || !(self.is_left)();
        self.is_over.set(is_over);
        !is_over
    }
}

/// Counts the values in `value` off `left`; false where there are more, or no time is left.
fn take_values(value: &Value, left: &mut usize, time: &Time<'_>) -> bool {
    let Some(less) = left.checked_sub(1) else { return false };
    *left = less;
    if less.is_multiple_of(LOOK_EVERY) && !time.is_left() {
        return false;
    }
    match value {
        Value::Array(items) => items.iter().all(|item| take_values(item, left, time)),
        Value::Object(map) => map.values().all(|item| take_values(item, left, time)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

impl Path {
    pub(super) fn compile(text: &str) -> Result<Self, String> {
        let path = JsonPath::parse(text).map_err(|error| format!("invalid JSONPath `{text}`: {error}"))?;
        Ok(match pointer(text) {
            Some(pointer) => Self::Single(pointer),
            None => Self::Query(path, shape(text), Reach::of(text)),
        })
    }

    fn shape(&self) -> Shape {
        match self {
            Self::Single(_) => Shape::Value,
            Self::Query(_, shape, _) => *shape,
        }
    }

    /// Whether it is `$`, and nothing else.
    fn is_root(&self) -> bool {
        matches!(self, Self::Single(pointer) if pointer.is_empty())
    }

    fn find(&self, body: &Value, time: &Time<'_>) -> Option<Value> {
        let (path, shape) = match self {
            Self::Single(pointer) => return body.pointer(pointer).cloned(),
            Self::Query(_, _, reach) if !reach.allows(body) => return None,
            Self::Query(path, shape, _) => (path, *shape),
        };
        let found = path.query(body).all();
        // What `$..x` finds may be many times the whole: parts of parts.
        let mut left = MAX_EXTRACTED;
        let mut copies = Vec::with_capacity(found.len());
        for value in found {
            if !take_values(value, &mut left, time) {
                return None;
            }
            copies.push(value.clone());
        }
        shape.of(copies.into_iter())
    }

    /// The value of every match; none where to look for them would take too long.
    pub(super) fn select<'b>(&self, body: &'b Value) -> Vec<&'b Value> {
        match self {
            Self::Single(pointer) => body.pointer(pointer).into_iter().collect(),
            Self::Query(path, _, reach) if reach.allows(body) => path.query(body).all(),
            Self::Query(..) => Vec::new(),
        }
    }

    /// Calls `found` with the place and the value of every match; false, and
    /// not at all, where there are too many to be told where they stand, or to look for them would take too long.
    pub(super) fn locate<'b>(
        &'b self,
        body: &'b Value,
        mut found: impl FnMut(Cow<'b, str>, &'b Value),
    ) -> bool {
        match self {
            Self::Single(pointer) => {
                if let Some(value) = body.pointer(pointer) {
                    found(Cow::Borrowed(pointer), value);
                }
            }
            Self::Query(_, _, reach) if !reach.allows(body) => return false,
            // A place takes a hundred times the memory of a match.
            Self::Query(path, _, _) if path.query(body).len() > MAX_LOCATED => return false,
            Self::Query(path, _, _) => {
                for node in path.query_located(body) {
                    found(Cow::Owned(node.location().to_json_pointer()), node.node());
                }
            }
        }
        true
    }
}

impl Shape {
    fn of(self, mut found: impl Iterator<Item = Value>) -> Option<Value> {
        match self {
            Self::List => Some(found.collect()),
            Self::Value => {
                let first = found.next()?;
                match found.next() {
                    None => Some(first),
                    Some(second) => Some([first, second].into_iter().chain(found).collect()),
                }
            }
        }
    }
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
    let time = Time { is_left: in_time, is_over: Cell::new(false) };
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
                        Some(masked) => output.find_masked(body, masked),
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
    let mut texts = Vec::new();
    for output in outputs.filter(|output| output.hidden) {
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

/// The JSON Pointer of a path of plain names, such as `$.ticket.id`. An index
/// is left to the query engine: to a pointer, `0` may be a member's name too.
fn pointer(path: &str) -> Option<String> {
    let mut pointer = String::new();
    let names = path.strip_prefix('$')?;
    if names.is_empty() {
        return Some(pointer);
    }
    for name in names.strip_prefix('.')?.split('.') {
        let plain = |c: char| c.is_alphanumeric() || c == '_';
        if name.is_empty() || name.starts_with(char::is_numeric) || !name.chars().all(plain) {
            return None;
        }
        pointer.push('/');
        pointer.push_str(name);
    }
    Some(pointer)
}

/// Whether a path asks for a list: a wildcard or a slice outside of quotes and filters.
fn shape(path: &str) -> Shape {
    let (mut quote, mut filter) = (None, 0_usize);
    let mut previous = ' ';
    let mut escaped = false;
    for c in path.chars() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(q) if c == q => quote = None,
            Some(_) => {}
            None => match c {
                '\'' | '"' => quote = Some(c),
                '?' if filter == 0 => filter = 1,
                '[' | '(' if filter > 0 => filter += 1,
                ']' | ')' if filter > 0 => filter -= 1,
                '*' | ':' if filter == 0 && (c == ':' || matches!(previous, '.' | '[' | ',' | ' ')) => {
                    return Shape::List;
                }
                _ => {}
            },
        }
        previous = c;
    }
    Shape::Value
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
