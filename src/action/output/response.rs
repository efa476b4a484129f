//! What of an answer the model is shown, as the definition says.

use std::collections::HashMap;
use std::ops::Range;

use serde_json::Value;

use crate::definition::{NamedPickDefinition, PickDefinition, ResponseDefinition, push_token};

use super::cursor::Cursor;
use super::hide::Hidden;
use super::{ASK_FOR_LESS, Output, Path, Shape, cut_lists};

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
}

/// The only parts that are shown.
#[derive(Debug, Default)]
enum Pick {
    /// All of it.
    #[default]
    Everything,
    /// The value of one path.
    Value(Path),
    /// An object of the values of paths.
    Members(Vec<(String, Path)>),
}

/// Why a [`Response`] cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseProblem {
    /// The JSON Pointer (RFC 6901) from `response`.
    pub pointer: String,
    /// A stable code.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: &'static str,
}

impl Response {
    /// Compiles a definition.
    ///
    /// # Errors
    ///
    /// Every problem of its paths and names.
    pub(in crate::action) fn compile(definition: &ResponseDefinition) -> Result<Self, Vec<ResponseProblem>> {
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
            several => Pick::Members(members(several, &mut problems)),
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self { max_chars: definition.max_chars, max_items: definition.max_items, pick })
    }

    /// Whether answers are shown as they are, but for their length.
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

fn members(definitions: &[PickDefinition], problems: &mut Vec<ResponseProblem>) -> Vec<(String, Path)> {
    let mut members: Vec<(String, Path)> = Vec::new();
    for (index, definition) in definitions.iter().enumerate() {
        let (name, path, pointer) = match definition {
            PickDefinition::Path(path) => (last_name(path), path, format!("/pick/{index}")),
            PickDefinition::Named(NamedPickDefinition { name, path }) => {
                (Some(name.clone()), path, format!("/pick/{index}/path"))
            }
        };
        let problem = |code, message, hint| ResponseProblem { pointer: pointer.clone(), code, message, hint };
        match (parse(path, &pointer), name) {
            (Err(found), _) => problems.extend(found),
            (Ok(_), None) => problems.push(problem(
                "unnamed_pick",
                format!("`{path}` ends in no name under which its value could be shown"),
                "write `{name: …, path: …}`",
            )),
            (Ok(_), Some(name)) if members.iter().any(|(known, _)| *known == name) => {
                problems.push(problem(
                    "duplicate_pick",
                    format!("two picked parts would be shown as `{name}`"),
                    "give one of them another name: `{name: …, path: …}`",
                ));
            }
            (Ok(path), Some(name)) => members.push((name, path)),
        }
    }
    members
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
        let paths: Vec<(Option<&str>, &Path)> = match self {
            Self::Everything => return None,
            Self::Value(path) => vec![(None, path)],
            Self::Members(members) => {
                members.iter().map(|(name, path)| (Some(name.as_str()), path)).collect()
            }
        };
        let places: Option<Vec<Vec<String>>> = paths.iter().map(|(_, path)| places(path, body)).collect();
        let Some(places) = places else { return Some(too_much()) };
        let spans = spans(text, places.iter().flatten());
        let picked = places.iter().flatten().filter_map(|place| spans.get(place.as_str()));
        if picked.map(Range::len).sum::<usize>() > MAX_PICKED_BYTES {
            return Some(too_much());
        }
        let mut out = String::new();
        for ((name, path), places) in paths.iter().zip(&places) {
            let found: Vec<String> = places
                .iter()
                .filter_map(|place| Some(hidden.clean(text.get(spans.get(place.as_str())?.clone())?, place)))
                .collect();
            let list = path.shape() == Shape::List || found.len() > 1;
            let value = match found.as_slice() {
                _ if list => format!("[{}]", found.join(",")),
                [only] => only.clone(),
                _ => match name {
                    // A member that is not there is not shown.
                    Some(_) => continue,
                    None => "null".to_owned(),
                },
            };
            match name {
                None => return Some(value),
                Some(name) => {
                    out.push(if out.is_empty() { '{' } else { ',' });
                    out.push_str(&Value::from(*name).to_string());
                    out.push(':');
                    out.push_str(&value);
                }
            }
        }
        out.push_str(if out.is_empty() { "{}" } else { "}" });
        Some(out)
    }
}

/// What is shown of parts that would be more than the whole.
fn too_much() -> String {
    format!("\"[cut: the picked parts are too many to be shown; {ASK_FOR_LESS}]\"")
}

/// `None` where there are too many.
fn places(path: &Path, body: &Value) -> Option<Vec<String>> {
    let mut places = Vec::new();
    path.locate(body, |place, _| places.push(place.into_owned())).then_some(places)
}

/// Where the values at `places` stand in the JSON `text`; of a name that is
/// given twice, the last one, as everywhere.
fn spans<'p>(text: &str, places: impl Iterator<Item = &'p String>) -> HashMap<&'p str, Range<usize>> {
    let mut spans: HashMap<&str, Range<usize>> = places.map(|place| (place.as_str(), 0..0)).collect();
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
        let definition = json!({"pick": ["$.a", "$.b.a", "$.c[", "$[0]", {"name": "x", "path": "$.."}]});
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
            ]
        );
    }
}
