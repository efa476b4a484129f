//! What of an answer the model is shown, as the definition says.

use std::collections::HashMap;
use std::ops::Range;

use http::HeaderName;
use serde_json::Value;

use callgate_definition::{NamedPickDefinition, PickDefinition, ResponseDefinition};
use callgate_text::push_token;

use super::cursor::Cursor;
use super::cut::{ASK_FOR_LESS, cut_lists};
use super::hide::Hidden;
use super::path::{MAX_LOCATED, Path, Shape};
use super::source::{ResponseProblem, chosen_headers};
use super::variable::Output;

/// Most bytes of picked parts: parts of parts, which `$..*` picks, may be many
/// times the whole.
const MAX_PICKED_BYTES: usize = 8 * 1024 * 1024;

/// How an answer is shaped for the model.
#[derive(Debug, Default)]
pub struct Response {
    /// Longest body, in characters; that of the deployment where left out.
    pub max_chars: Option<usize>,
    max_items: Option<usize>,
    pick: Pick,
    /// The headers that the model is shown, by the names that they are shown under.
    pub headers: Vec<(String, HeaderName)>,
}

/// The only parts that are shown.
#[derive(Debug, Default)]
enum Pick {
    /// All of it.
    #[default]
    Everything,
    /// The value of one path.
    Value(Path),
    /// A list of objects: of each value that the path finds, these members.
    List(Path, Vec<Member>),
    /// An object.
    Members(Vec<Member>),
}

/// A member of an object that is shown.
#[derive(Debug)]
struct Member {
    name: String,
    pick: Pick,
}

impl Response {
    /// Compiles a definition.
    ///
    /// # Errors
    ///
    /// Every problem of its paths and names.
    pub(crate) fn compile(definition: &ResponseDefinition) -> Result<Self, Vec<ResponseProblem>> {
        let mut problems = Vec::new();
        let picked = definition.pick.as_deref().unwrap_or_default();
        let pick = match picked {
            [] => Pick::Everything,
            [PickDefinition::Path(path)] => match parse(path, "/pick/0") {
                Ok(path) => Pick::Value(path),
                Err(problem) => {
                    problems.extend(problem);
                    Pick::Everything
                }
            },
            several => {
                let parts = several.iter().enumerate().map(|(index, definition)| match definition {
                    PickDefinition::Path(path) => {
                        Part { name: None, path: path.clone(), pointer: format!("/pick/{index}") }
                    }
                    PickDefinition::Named(NamedPickDefinition { name, path }) => Part {
                        name: Some(name.clone()),
                        path: path.clone(),
                        pointer: format!("/pick/{index}/path"),
                    },
                });
                picked_parts(parts.collect(), &mut problems)
            }
        };
        let headers = chosen_headers(definition.headers.as_deref().unwrap_or_default(), &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self { max_chars: definition.max_chars, max_items: definition.max_items, pick, headers })
    }

    /// Whether bodies are shown as they are, but for their length.
    pub fn is_plain(&self) -> bool {
        matches!(self.pick, Pick::Everything) && self.max_items.is_none()
    }

    /// The JSON `text` of `body` as the model is shown it: without what
    /// `outputs` hide; of a successful answer (`picks`) the picked parts only;
    /// its long lists cut. `None` where that is the text as it is. What is shown
    /// is shown byte for byte.
    pub fn shape(&self, outputs: &[Output], body: &Value, text: &str, picks: bool) -> Option<String> {
        let hidden = Hidden::find(outputs, body);
        let picked = if picks { self.pick.text(&hidden, body, text) } else { None };
        let shown = picked.or_else(|| (!hidden.is_empty()).then(|| hidden.clean(text, "")));
        let cut = self.max_items.and_then(|most| cut_lists(shown.as_deref().unwrap_or(text), most));
        cut.or(shown)
    }
}

fn parse(path: &str, pointer: &str) -> Result<Path, Option<ResponseProblem>> {
    Path::compile(path).map_err(|message| {
        // A path that does not start with `$` is reported already.
        path.starts_with('$').then(|| ResponseProblem {
            pointer: pointer.to_owned(),
            code: "invalid_jsonpath",
            message,
            hint: "a path looks like `$.ticket.id` or `$.slots[*].id` (RFC 9535)",
        })
    })
}

/// A part to pick, as written.
struct Part {
    name: Option<String>,
    path: String,
    pointer: String,
}

/// Compiles several parts. Those without a name that stand in the items of one list, such as `$.slots[*].id` and
/// `$.slots[*].at`, are shown as a list of objects.
fn picked_parts(parts: Vec<Part>, problems: &mut Vec<ResponseProblem>) -> Pick {
    let mut members: Vec<Member> = Vec::new();
    let mut parts = parts;
    while !parts.is_empty() {
        let first = parts.remove(0);
        let list = first.split().map(|(list, _)| list.to_owned());
        let (items, others): (Vec<Part>, Vec<Part>) = match &list {
            Some(list) => parts.into_iter().partition(|part| part.split().is_some_and(|(of, _)| of == list)),
            None => (Vec::new(), parts),
        };
        parts = others;
        let is_whole = members.is_empty() && parts.is_empty();
        let (part, pick) = match (list, last_name_of_list(&first)) {
            // A list that is the whole answer has no name, and needs none.
            (Some(list), name) if !items.is_empty() && (name.is_some() || is_whole) => {
                let pointer = first.pointer.clone();
                let items = std::iter::once(first).chain(items).map(Part::in_item).collect();
                let Pick::Members(members) = picked_parts(items, problems) else { continue };
                let Ok(path) = parse(&list, &pointer) else { continue };
                let pick = Pick::List(path, members);
                let Some(name) = name else { return pick };
                (Part { name: Some(name), path: list, pointer }, pick)
            }
            _ => {
                // Without a name for their list they are shown each for itself.
                parts.splice(0..0, items);
                match parse(&first.path, &first.pointer) {
                    Ok(path) => (first, Pick::Value(path)),
                    Err(problem) => {
                        problems.extend(problem);
                        continue;
                    }
                }
            }
        };
        let Part { name, path, pointer } = part;
        let problem = |code, message, hint| ResponseProblem { pointer, code, message, hint };
        match name.or_else(|| last_name(&path)) {
            None => problems.push(problem(
                "unnamed_pick",
                format!("`{path}` ends in no name under which its value could be shown"),
                "write `{name: …, path: …}`",
            )),
            Some(name) if members.iter().any(|known| known.name == name) => problems.push(problem(
                "duplicate_pick",
                format!("two picked parts would be shown as `{name}`"),
                "give one of them another name: `{name: …, path: …}`",
            )),
            Some(name) => members.push(Member { name, pick }),
        }
    }
    Pick::Members(members)
}

impl Part {
    /// The path of the list that the part stands in the items of, and the rest of its path: `$.slots[*]` and `.id` of
    /// `$.slots[*].id`.
    fn split(&self) -> Option<(&str, &str)> {
        let path = self.path.as_str();
        let at = end_of_list(path).filter(|at| self.name.is_none() && *at < path.len())?;
        let (list, rest) = path.split_at(at);
        // What has no name of its own, such as `[*][0]`, is no member.
        last_name(&format!("$${rest}")[1..]).is_some().then_some((list, rest))
    }

    /// The same part as seen from an item of its list.
    fn in_item(self) -> Self {
        let path = self.split().map(|(_, rest)| format!("${rest}"));
        Self { path: path.unwrap_or_default(), ..self }
    }
}

fn last_name_of_list(part: &Part) -> Option<String> {
    last_name(part.split()?.0)
}

/// Where the first wildcard, slice or filter of a path ends.
fn end_of_list(path: &str) -> Option<usize> {
    let mut at = 0;
    while let Some(found) = path[at..].find(['[', '*']) {
        let here = at + found;
        if path[here..].starts_with('*') {
            return Some(here + 1);
        }
        let end = here + bracket_end(&path[here..])? + 1;
        let inside = path[here + 1..end - 1].trim();
        let is_index = inside.parse::<i64>().is_ok();
        if inside == "*" || inside.starts_with('?') || !is_index && !inside.contains([',', '\'', '"']) {
            return Some(end);
        }
        at = end;
    }
    None
}

/// The name that a path ends in, but for wildcards, indexes, slices and
/// filters: `id` of `$.slots[*].id`, `slots` of `$['slots'][0:3]`.
fn last_name(path: &str) -> Option<String> {
    let mut name = None;
    let mut chars = path.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '[' => {
                let end = bracket_end(&path[at..])?;
                let inside = path[at + 1..at + end].trim();
                // Without quotes it is one item, or several, of what was named before.
                if let Some(quote @ ('\'' | '"')) = inside.chars().next() {
                    // One name in quotes; a list of them is no name.
                    let inner = inside.strip_prefix(quote)?.strip_suffix(quote)?;
                    name = (!inner.contains([quote, '\\'])).then(|| inner.to_owned());
                }
                while chars.next_if(|(next, _)| *next <= at + end).is_some() {}
            }
            c if c.is_alphanumeric() || c == '_' => {
                let rest = &path[at..];
                let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                name = Some(rest[..length].to_owned());
                while chars.next_if(|(next, _)| *next < at + length).is_some() {}
            }
            _ => {}
        }
    }
    name
}

/// Where the bracket that `text` begins with is closed.
fn bracket_end(text: &str) -> Option<usize> {
    let (mut depth, mut quote, mut escaped) = (0_usize, None, false);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '[') => depth += 1,
            (None, ']') if depth == 1 => return Some(at),
            (None, ']') => depth -= 1,
            (None, _) => {}
        }
    }
    None
}

impl Pick {
    /// `None` where everything is shown.
    fn text(&self, hidden: &Hidden<'_>, body: &Value, text: &str) -> Option<String> {
        if matches!(self, Self::Everything) {
            return None;
        }
        let mut left = MAX_LOCATED;
        let Some(found) = self.find(body, "", &mut left) else { return Some(too_much()) };
        let mut places = Vec::new();
        found.places(&mut places);
        let spans = spans(text, places.iter().copied());
        if places.iter().filter_map(|place| spans.get(place)).map(Range::len).sum::<usize>()
            > MAX_PICKED_BYTES
        {
            return Some(too_much());
        }
        let mut out = String::new();
        let clean = |place: &str| Some(hidden.clean(text.get(spans.get(place)?.clone())?, place));
        if !found.write(&clean, &mut out) {
            out.push_str("null");
        }
        Some(out)
    }

    /// Finds what is shown of `body`, which stands at `base`; `None` where that is more than `left` values.
    fn find<'p>(&'p self, body: &Value, base: &str, left: &mut usize) -> Option<Found<'p>> {
        Some(match self {
            Self::Everything => Found::Values { places: vec![base.to_owned()], is_list: false },
            Self::Value(path) => {
                let places: Vec<String> = places(path, body, left)?
                    .into_iter()
                    .map(|(place, _)| base.to_owned() + &place)
                    .collect();
                Found::Values { is_list: path.shape() == Shape::List || places.len() > 1, places }
            }
            Self::List(path, members) => {
                let items = places(path, body, left)?;
                let items = items
                    .into_iter()
                    .map(|(place, item)| object(members, item, &(base.to_owned() + &place), left));
                Found::List(items.collect::<Option<_>>()?)
            }
            Self::Members(members) => object(members, body, base, left)?,
        })
    }
}

fn object<'p>(members: &'p [Member], body: &Value, base: &str, left: &mut usize) -> Option<Found<'p>> {
    let found =
        members.iter().map(|Member { name, pick }| Some((name.as_str(), pick.find(body, base, left)?)));
    found.collect::<Option<_>>().map(Found::Object)
}

/// What is shown, by where it stands in the answer.
enum Found<'p> {
    Values { places: Vec<String>, is_list: bool },
    List(Vec<Found<'p>>),
    Object(Vec<(&'p str, Found<'p>)>),
}

impl Found<'_> {
    fn places<'f>(&'f self, all: &mut Vec<&'f str>) {
        match self {
            Self::Values { places, .. } => all.extend(places.iter().map(String::as_str)),
            Self::List(items) => items.iter().for_each(|item| item.places(all)),
            Self::Object(members) => members.iter().for_each(|(_, found)| found.places(all)),
        }
    }

    /// Writes what is shown; false, and nothing, where that is no value at all.
    fn write(&self, clean: &impl Fn(&str) -> Option<String>, out: &mut String) -> bool {
        match self {
            Self::Values { places, is_list } => {
                let values: Vec<String> = places.iter().filter_map(|place| clean(place)).collect();
                match values.as_slice() {
                    _ if *is_list => {
                        out.push('[');
                        out.push_str(&values.join(","));
                        out.push(']');
                    }
                    [only] => out.push_str(only),
                    _ => return false,
                }
            }
            Self::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    item.write(clean, out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                let mut separator = "";
                for (name, found) in members {
                    let before = out.len();
                    out.push_str(separator);
                    out.push_str(&Value::from(*name).to_string());
                    out.push(':');
                    // A member that is not there is not shown.
                    match found.write(clean, out) {
                        true => separator = ",",
                        false => out.truncate(before),
                    }
                }
                out.push('}');
            }
        }
        true
    }
}

/// What is shown of parts that would be more than the whole.
fn too_much() -> String {
    format!("\"[cut: the picked parts are too many to be shown; {ASK_FOR_LESS}]\"")
}

/// Where the values of `path` stand in `body`; `None` where they are more than `left`, from which they are counted off.
fn places<'b>(path: &'b Path, body: &'b Value, left: &mut usize) -> Option<Vec<(String, &'b Value)>> {
    let mut places = Vec::new();
    let located = path.locate(body, |place, value| places.push((place.into_owned(), value)));
    *left = left.checked_sub(places.len())?;
    located.then_some(places)
}

/// Where the values at `places` stand in the JSON `text`; of a name that is
/// given twice, the last one, as everywhere.
fn spans<'p>(text: &str, places: impl Iterator<Item = &'p str>) -> HashMap<&'p str, Range<usize>> {
    let mut spans: HashMap<&str, Range<usize>> = places.map(|place| (place, 0..0)).collect();
    find(&mut Cursor::new(text), &mut String::new(), &mut spans);
    spans
}

fn find(cursor: &mut Cursor<'_>, pointer: &mut String, spans: &mut HashMap<&str, Range<usize>>) {
    cursor.skip_space();
    let start = cursor.at;
    let cut = pointer.len();
    match cursor.peek() {
        b'{' => {
            cursor.at += 1;
            while cursor.next_in() {
                let name = cursor.skip_name();
                push_token(pointer, &cursor.content(name));
                find(cursor, pointer, spans);
                pointer.truncate(cut);
            }
        }
        b'[' => {
            cursor.at += 1;
            let mut index = 0_usize;
            while cursor.next_in() {
                pointer.push('/');
                pointer.push_str(&index.to_string());
                find(cursor, pointer, spans);
                pointer.truncate(cut);
                index += 1;
            }
        }
        _ => cursor.skip_value(),
    }
    if let Some(span) = spans.get_mut(pointer.as_str()) {
        *span = start..cursor.at;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::output;
    use super::*;

    fn response(definition: Value) -> Response {
        let definition = serde_json::from_value(definition).expect("a definition");
        Response::compile(&definition).expect("valid")
    }

    #[track_caller]
    fn check(definition: Value, text: &str, expected: &str) {
        let body = serde_json::from_str(text).expect("valid");
        let shown = response(definition).shape(&[], &body, text, true);
        assert_eq!(shown.as_deref().unwrap_or(text), expected);
        assert!(serde_json::from_str::<Value>(expected).is_ok(), "{expected}");
    }

    const SLOTS: &str =
        r#"{ "slots" : [ {"id":1.50, "at":"9\u0020am"}, {"id":2e1} ], "next": null, "a/b": {"c": []} }"#;

    #[test]
    fn one_path_is_its_value_and_several_are_an_object() {
        check(json!({"pick": ["$.slots[0]"]}), SLOTS, r#"{"id":1.50, "at":"9\u0020am"}"#);
        check(json!({"pick": ["$.slots[*].id"]}), SLOTS, "[1.50,2e1]");
        check(json!({"pick": ["$..id"]}), SLOTS, "[1.50,2e1]");
        check(json!({"pick": ["$.slots[?@.at].id"]}), SLOTS, "1.50");
        check(json!({"pick": ["$"]}), SLOTS, SLOTS.trim());
        check(
            json!({"pick": ["$.slots[*].id", "$.next", "$['a/b'].c", "$.nothing", {"name": "first \"one\"", "path": "$.slots[0].at"}]}),
            SLOTS,
            r#"{"id":[1.50,2e1],"next":null,"c":[],"first \"one\"":"9\u0020am"}"#,
        );
        check(json!({"pick": [{"name": "n", "path": "$.next"}]}), SLOTS, r#"{"n":null}"#);
    }

    #[test]
    fn parts_of_the_items_of_one_list_stay_together() {
        check(
            json!({"pick": ["$.slots[*].id", "$.next", "$.slots[*].at"]}),
            SLOTS,
            r#"{"slots":[{"id":1.50,"at":"9\u0020am"},{"id":2e1}],"next":null}"#,
        );
        let days = r#"{"days":[{"on":"Mo","slots":[{"at":9,"x":1},{"at":10}]},{"on":"Tu","slots":[]},{}]}"#;
        check(
            json!({"pick": ["$.days[*].on", "$.days[*].slots[*].at"]}),
            days,
            r#"{"days":[{"on":"Mo","at":[9,10]},{"on":"Tu","at":[]},{"at":[]}]}"#,
        );
        check(
            json!({"pick": ["$.days[*].slots[*].at", "$.days[*].slots[*].x", "$.days[*].on"]}),
            days,
            r#"{"days":[{"slots":[{"at":9,"x":1},{"at":10}],"on":"Mo"},{"slots":[],"on":"Tu"},{"slots":[]}]}"#,
        );
        check(
            json!({"pick": ["$.slots[?@.id > 2].id", "$.slots[?@.id > 2].at"]}),
            SLOTS,
            r#"{"slots":[{"id":2e1}]}"#,
        );
        check(
            json!({"pick": ["$['slots'][0:1]['id']", "$['slots'][0:1].at"]}),
            SLOTS,
            r#"{"slots":[{"id":1.50,"at":"9\u0020am"}]}"#,
        );
    }

    #[test]
    fn parts_of_other_lists_and_parts_with_names_stay_apart() {
        check(
            json!({"pick": ["$.slots[*].id", "$.slots[0:1].at"]}),
            SLOTS,
            r#"{"id":[1.50,2e1],"at":["9\u0020am"]}"#,
        );
        check(
            json!({"pick": ["$.slots[*].id", {"name": "times", "path": "$.slots[*].at"}]}),
            SLOTS,
            r#"{"id":[1.50,2e1],"times":["9\u0020am"]}"#,
        );
        check(
            json!({"pick": ["$.slots[*]", "$.slots[*].id"]}),
            SLOTS,
            r#"{"slots":[{"id":1.50, "at":"9\u0020am"},{"id":2e1}],"id":[1.50,2e1]}"#,
        );
        check(json!({"pick": ["$.a[0].b", "$.a[0].c"]}), r#"{"a":[{"b":1,"c":2}]}"#, r#"{"b":1,"c":2}"#);
    }

    #[test]
    fn an_answer_that_is_a_list_stays_one() {
        let text = r#"[{"id":1,"n":"a","x":0},{"id":2}]"#;
        check(json!({"pick": ["$[*].id", "$[*].n"]}), text, r#"[{"id":1,"n":"a"},{"id":2}]"#);
        check(json!({"pick": ["$[*].id", "$[*].n", "$[0].x"]}), text, r#"{"id":[1,2],"n":["a"],"x":0}"#);
    }

    #[test]
    fn what_is_hidden_stays_so_in_a_list_of_objects() {
        let text = r#"{"all":[{"k":"tok-1234","n":7},{"k":"tok-5678","n":8}]}"#;
        let body = serde_json::from_str(text).expect("valid");
        let outputs = [output("$.all[*].k", Some(false), false)];
        let shown =
            response(json!({"pick": ["$.all[*].k", "$.all[*].n"]})).shape(&outputs, &body, text, true);
        assert_eq!(shown.as_deref(), Some(r#"{"all":[{"k":"[hidden]","n":7},{"k":"[hidden]","n":8}]}"#));
    }

    #[test]
    fn a_path_that_finds_nothing_shows_nothing() {
        check(json!({"pick": ["$.nothing"]}), SLOTS, "null");
        check(json!({"pick": ["$.nothing[*]"]}), SLOTS, "[]");
        check(json!({"pick": ["$.nothing", "$.more"]}), SLOTS, "{}");
    }

    #[test]
    fn lists_are_cut_after_they_are_picked() {
        let shown = response(json!({"pick": ["$.slots[*].id"], "max_items": 1})).shape(
            &[],
            &serde_json::from_str(SLOTS).expect("valid"),
            SLOTS,
            true,
        );
        let marker = "[cut: the first 1 of 2 items; ask for less, for example with a narrower query]";
        assert_eq!(shown, Some(format!("[1.50,\"{marker}\"]")));
    }

    #[test]
    fn a_name_given_twice_is_the_last_one() {
        check(json!({"pick": ["$.a"]}), r#"{"a":1,"a":[2]}"#, "[2]");
    }

    #[test]
    fn an_error_is_shown_whole() {
        let (text, body) = (r#"{"error":"no such order"}"#, json!({"error": "no such order"}));
        assert_eq!(response(json!({"pick": ["$.status"]})).shape(&[], &body, text, false), None);
    }

    #[test]
    fn what_is_hidden_cannot_be_picked() {
        let text = r#"{"t":{"k":"tok-1234","n":7},"link":"/?t=tok-1234","u":7}"#;
        let body = serde_json::from_str(text).expect("valid");
        let outputs = [output("$.t", Some(false), false)];
        let shown = response(json!({"pick": ["$.t.k", "$.t.n", "$.t", "$.link", "$.u"]}));
        assert_eq!(
            shown.shape(&outputs, &body, text, true).as_deref(),
            Some(r#"{"k":"[hidden]","n":"[hidden]","t":"[hidden]","link":"/?t=[hidden]","u":7}"#)
        );
    }

    #[test]
    fn parts_that_are_more_than_the_whole_are_not_shown() {
        let text = format!("{}\"{}\"{}", "[".repeat(100), "x".repeat(100_000), "]".repeat(100));
        check(json!({"pick": ["$..*"]}), &text, &too_much());
    }

    #[test]
    fn names_come_from_paths() {
        for (path, name) in [
            ("$.data.status", Some("status")),
            ("$.slots[*].id", Some("id")),
            ("$.slots[0:3]", Some("slots")),
            ("$['a b']", Some("a b")),
            ("$[\"x\"][?@.y == 'z[']", Some("x")),
            ("$..größe", Some("größe")),
            ("$.a.*", Some("a")),
            ("$['a','b']", None),
            ("$", None),
            ("$[0]", None),
            ("$..*", None),
        ] {
            assert_eq!(last_name(path).as_deref(), name, "{path}");
        }
    }

    #[test]
    fn every_problem_comes_with_its_place() {
        let definition = json!({"pick": [
            "$.a", "$.b.a", "$.c[", "$[0]", {"name": "x", "path": "$.."}, "$.l[*].m", "$.l[*].n.m", "$.l[*].o["
        ]});
        let definition = serde_json::from_value(definition).expect("a definition");
        let problems = Response::compile(&definition).expect_err("refused");
        let found: Vec<_> = problems.iter().map(|problem| (problem.pointer.as_str(), problem.code)).collect();
        assert_eq!(
            found,
            [
                ("/pick/1", "duplicate_pick"),
                ("/pick/2", "invalid_jsonpath"),
                ("/pick/3", "unnamed_pick"),
                ("/pick/4/path", "invalid_jsonpath"),
                ("/pick/6", "duplicate_pick"),
                ("/pick/7", "invalid_jsonpath"),
            ]
        );
    }
}
