//! Where a value stands in the arguments, as a pointer and as a model would say it.
use serde_json::Value;

use callgate_text::{push_token, unescape_token};

use super::text;

/// Names longer than this are cut when they are spoken.
const MAX_SPOKEN_NAME_CHARS: usize = 60;

/// One step into an object or a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    Name(String),
    Index(usize),
}

/// The steps from the arguments to one value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Path(pub(super) Vec<Segment>);

impl Path {
    /// Reads a JSON Pointer; `arguments` tell list positions from names that look like numbers.
    pub(super) fn from_pointer(pointer: &str, arguments: &Value) -> Self {
        let mut here = Some(arguments);
        let steps = pointer.split('/').skip(1).map(|step| {
            let name = unescape_token(step);
            match (here, name.parse::<usize>()) {
                (Some(Value::Array(items)), Ok(index)) => {
                    here = items.get(index);
                    Segment::Index(index)
                }
                (container, _) => {
                    here = container.and_then(|value| value.get(&name));
                    Segment::Name(name)
                }
            }
        });
        Self(steps.collect())
    }

    /// The path of the member `name` of the value at this path.
    pub(super) fn join(&self, name: &str) -> Self {
        let mut steps = self.0.clone();
        steps.push(Segment::Name(name.to_owned()));
        Self(steps)
    }

    /// The JSON Pointer (RFC 6901).
    pub(super) fn pointer(&self) -> String {
        let mut out = String::new();
        for step in &self.0 {
            match step {
                Segment::Name(name) => push_token(&mut out, name),
                Segment::Index(index) => push_token(&mut out, &index.to_string()),
            }
        }
        out
    }

    /// The path as a sentence says it, like `customer.items[2].name`; names for which `visible`
    /// is false become `*`.
    pub(super) fn spoken(&self, visible: impl Fn(&str) -> bool) -> String {
        let mut out = String::new();
        for step in &self.0 {
            match step {
                Segment::Index(index) => out.push_str(&format!("[{index}]")),
                Segment::Name(name) => {
                    if !out.is_empty() {
                        out.push('.');
                    }
                    match visible(name) {
                        true => out.push_str(&speakable(name)),
                        false => out.push('*'),
                    }
                }
            }
        }
        out
    }
}

/// A name without the characters that would end its backticks or break its line.
pub(super) fn speakable(name: &str) -> String {
    let clean: String = name
        .chars()
        .map(|c| match c {
            '`' => '\'',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect();
    text::cut(&clean, MAX_SPOKEN_NAME_CHARS)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pointer_is_spoken_with_dots_and_brackets() {
        let arguments = json!({"a": {"items": [{}, {"n/m": 1}], "2": 3}});
        let spoken = |pointer: &str| Path::from_pointer(pointer, &arguments).spoken(|_| true);
        assert_eq!(spoken("/a/items/1/n~1m"), "a.items[1].n/m");
        assert_eq!(spoken("/a/2"), "a.2");
        assert_eq!(spoken(""), "");
        let path = Path::from_pointer("/a/items/1/n~1m", &arguments);
        assert_eq!(path.pointer(), "/a/items/1/n~1m");
        assert_eq!(path.spoken(|name| name == "a"), "a.*[1].*");
    }

    #[test]
    fn a_hostile_name_cannot_leave_its_backticks() {
        assert_eq!(speakable("a`b\n"), "a'b ");
        assert_eq!(speakable(&"ä".repeat(100)).chars().count(), MAX_SPOKEN_NAME_CHARS);
    }
}
