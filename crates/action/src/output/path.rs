//! JSONPaths, and how long may be looked for what they name.

use std::borrow::Cow;
use std::cell::Cell;

use serde_json::Value;
use serde_json_path::JsonPath;

use super::nesting;
use super::reach::Reach;

/// Most values, counted with those inside of others, that one variable takes.
const MAX_EXTRACTED: usize = 1_000_000;
/// Most matches of one path whose places are looked for.
pub(super) const MAX_LOCATED: usize = 50_000;

/// Values after which the clock is looked at.
const LOOK_EVERY: usize = 1_024;

/// A compiled JSONPath.
#[derive(Debug)]
pub(crate) enum Path {
    /// Names only, as a JSON Pointer: at most one match.
    Single(String),
    /// Anything else.
    Query(JsonPath, Shape, Reach),
}

/// What several matches of a path become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A wildcard or slice asks for a list, however many there are.
    List,
    /// Any other path: one match is the value itself, several are a list.
    Value,
}

/// The time that there is for looking at an answer.
pub(super) struct Time<'a> {
    is_left: &'a dyn Fn() -> bool,
    is_over: Cell<bool>,
}

impl<'a> Time<'a> {
    /// As long as `is_left` says so.
    pub(super) fn new(is_left: &'a dyn Fn() -> bool) -> Self {
        Self { is_left, is_over: Cell::new(false) }
    }

    /// Looks at the clock.
    pub(super) fn is_left(&self) -> bool {
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
    pub(crate) fn compile(text: &str) -> Result<Self, String> {
        nesting::check(text).map_err(|error| format!("invalid JSONPath: {error}"))?;
        let path = JsonPath::parse(text).map_err(|error| format!("invalid JSONPath `{text}`: {error}"))?;
        Ok(match pointer(text) {
            Some(pointer) => Self::Single(pointer),
            None => Self::Query(path, shape(text), Reach::of(text)),
        })
    }

    pub(super) fn shape(&self) -> Shape {
        match self {
            Self::Single(_) => Shape::Value,
            Self::Query(_, shape, _) => *shape,
        }
    }

    /// Whether it is `$`, and nothing else.
    pub(super) fn is_root(&self) -> bool {
        matches!(self, Self::Single(pointer) if pointer.is_empty())
    }

    pub(super) fn find(&self, body: &Value, time: &Time<'_>) -> Option<Value> {
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
    pub(crate) fn select<'b>(&self, body: &'b Value) -> Vec<&'b Value> {
        match self {
            Self::Single(pointer) => body.pointer(pointer).into_iter().collect(),
            Self::Query(path, _, reach) if reach.allows(body) => path.query(body).all(),
            Self::Query(..) => Vec::new(),
        }
    }

    /// Calls `found` with the place and the value of every match; false, and
    /// not at all, where there are too many to be told where they stand, or to look for them would take too long.
    pub(crate) fn locate<'b>(
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
    pub(super) fn of(self, mut found: impl Iterator<Item = Value>) -> Option<Value> {
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
