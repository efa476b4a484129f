//! YAML text → [`Document`], by the events of `saphyr-parser`.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::{Map, Value};

use super::document::{Document, Place, TextPlace};
use super::problem::Problem;
use callgate_text::push_token;

/// Deepest nesting of a file.
pub(super) const MAX_DEPTH: usize = 64;
/// Most values in one file, aliases expanded: bounds what `*alias` can multiply to.
const MAX_NODES: usize = 100_000;
/// Most bytes of texts that anchors keep and aliases copy.
pub(super) const MAX_COPIED: usize = 4 * 1024 * 1024;

/// The bytes of the texts in a value.
pub(super) fn bytes_of(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(bytes_of).sum(),
        Value::Object(members) => members.iter().map(|(name, value)| name.len() + bytes_of(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// A value with the places of everything inside it, by relative pointer.
#[derive(Clone)]
struct Node {
    value: Value,
    place: Place,
    inner: Vec<(String, Place)>,
    anchor: usize,
}

/// A collection that is still open.
struct Open {
    node: Node,
    /// The key that waits for its value, and where it starts.
    key: Option<(String, (usize, usize))>,
    is_map: bool,
}

/// Parses YAML 1.2 with the core schema; texts such as `007` stay texts.
pub(super) fn parse(file: &str, text: &str) -> Result<Document, Vec<Problem>> {
    let mut reader = Reader {
        file,
        lines: text.lines().collect(),
        stack: Vec::new(),
        root: None,
        anchors: HashMap::new(),
        nodes: 0,
        copied: 0,
        problems: Vec::new(),
    };
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                let mark = error.marker();
                let place = (mark.line().max(1), mark.col() + 1);
                reader.problems.push(
                    Problem::error(file, place, "yaml_syntax", error.info().to_owned())
                        .hint("check indentation and quotes; a text with `: ` or a leading `{`, `[`, `*`, `&`, `!`, `%`, `@` needs quotes"),
                );
                return Err(reader.problems);
            }
        };
        if matches!(event, Event::DocumentStart(_)) {
            documents += 1;
            if documents > 1 {
                reader.problem(
                    span,
                    "yaml_syntax",
                    "a second document starts here; a definition is one document",
                );
                break;
            }
        }
        if !reader.take(event, span) {
            break;
        }
    }
    if !reader.problems.is_empty() {
        return Err(reader.problems);
    }
    let root = reader.root.unwrap_or(Node {
        value: Value::Null,
        place: Place { value: (1, 1), ..Place::default() },
        inner: Vec::new(),
        anchor: 0,
    });
    let mut places: HashMap<String, Place> = root.inner.into_iter().collect();
    places.insert(String::new(), root.place);
    Ok(Document { file: file.to_owned(), value: root.value, places })
}

struct Reader<'a> {
    file: &'a str,
    lines: Vec<&'a str>,
    stack: Vec<Open>,
    root: Option<Node>,
    /// What anchors name, each with its bytes.
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    /// Bytes that aliases have copied, and anchors have kept.
    copied: usize,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn problem(&mut self, span: Span, code: &'static str, message: impl Into<String>) {
        self.problems.push(Problem::error(self.file, start(span), code, message));
    }

    /// Takes one event; false when reading cannot go on.
    fn take(&mut self, event: Event<'_>, span: Span) -> bool {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                if plain && text == "<<" && self.waits_for_key() {
                    self.problems.push(
                        Problem::error(
                            self.file,
                            start(span),
                            "merge_key",
                            "`<<` merges maps in YAML 1.1; this is YAML 1.2, which has no merge keys",
                        )
                        .hint("write the members out, or name the whole map with `*alias`"),
                    );
                }
                let value = if plain { resolve(&text) } else { Value::String(text.into_owned()) };
                let place =
                    Place { key: None, value: start(span), text: self.text_place(style, span, &value) };
                self.put(Node { value, place, inner: Vec::new(), anchor }, span)
            }
            Event::Alias(id) => match self.anchors.get(&id) {
                Some((node, bytes)) => {
                    // Before the copy, which is what would take the memory.
                    self.nodes += node.inner.len();
                    self.copied += bytes;
                    if self.nodes > MAX_NODES || self.copied > MAX_COPIED {
                        let message =
                            format!("aliases name more than {MAX_NODES} values, or {MAX_COPIED} bytes");
                        self.problem(span, "too_large", message);
                        return false;
                    }
                    let node = Node { anchor: 0, ..node.clone() };
                    self.put(node, span)
                }
                None => {
                    self.problem(span, "yaml_syntax", "this alias names an anchor that is not complete here");
                    false
                }
            },
            Event::MappingStart(anchor, _) => self.open(span, anchor, true),
            Event::SequenceStart(anchor, _) => self.open(span, anchor, false),
            Event::MappingEnd | Event::SequenceEnd => match self.stack.pop() {
                Some(open) => self.put(open.node, span),
                None => false,
            },
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => true,
        }
    }

    fn open(&mut self, span: Span, anchor: usize, is_map: bool) -> bool {
        if self.stack.len() >= MAX_DEPTH {
            self.problem(span, "too_deep", format!("nested deeper than {MAX_DEPTH} levels"));
            return false;
        }
        if self.waits_for_key() {
            self.problem(span, "yaml_syntax", "a key must be a plain text");
            return false;
        }
        let value = if is_map { Value::Object(Map::new()) } else { Value::Array(Vec::new()) };
        let place = Place { value: start(span), ..Place::default() };
        self.stack.push(Open { node: Node { value, place, inner: Vec::new(), anchor }, key: None, is_map });
        true
    }

    fn waits_for_key(&self) -> bool {
        self.stack.last().is_some_and(|open| open.is_map && open.key.is_none())
    }

    /// Puts a finished value where it belongs.
    fn put(&mut self, node: Node, span: Span) -> bool {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            self.problem(span, "too_large", format!("more than {MAX_NODES} values"));
            return false;
        }
        if node.anchor > 0 {
            let bytes = bytes_of(&node.value);
            self.copied += bytes;
            if self.copied > MAX_COPIED {
                self.problem(span, "too_large", format!("anchors hold more than {MAX_COPIED} bytes"));
                return false;
            }
            self.anchors.insert(node.anchor, (node.clone(), bytes));
        }
        let waits_for_key = self.waits_for_key();
        let Some(open) = self.stack.last_mut() else {
            self.root = Some(node);
            return true;
        };
        if waits_for_key {
            let key = match node.value {
                Value::String(text) => text,
                Value::Number(number) => number.to_string(),
                Value::Bool(flag) => flag.to_string(),
                Value::Null => "null".to_owned(),
                Value::Array(_) | Value::Object(_) => {
                    self.problem(span, "yaml_syntax", "a key must be a plain text");
                    return false;
                }
            };
            open.key = Some((key, node.place.value));
            return true;
        }
        let mut pointer = String::new();
        let mut place = node.place;
        match &mut open.node.value {
            Value::Object(map) => {
                let Some((key, at)) = open.key.take() else { return false };
                push_token(&mut pointer, &key);
                place.key = Some(at);
                if map.contains_key(&key) {
                    self.problems.push(
                        Problem::error(
                            self.file,
                            at,
                            "duplicate_key",
                            format!("the key `{key}` is given twice"),
                        )
                        .hint("keep one of the two"),
                    );
                    return true;
                }
                map.insert(key, node.value);
            }
            Value::Array(items) => {
                push_token(&mut pointer, &items.len().to_string());
                items.push(node.value);
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return false,
        }
        let inner = &mut open.node.inner;
        inner.extend(node.inner.into_iter().map(|(below, place)| (format!("{pointer}{below}"), place)));
        inner.push((pointer, place));
        true
    }

    /// Where the characters of a text stand, if lines of the file and lines of
    /// the text go together.
    fn text_place(&self, style: ScalarStyle, span: Span, value: &Value) -> Option<TextPlace> {
        let (line, column) = start(span);
        let text = value.as_str()?;
        match style {
            ScalarStyle::Plain if span.start.line() == span.end.line() => {
                Some(TextPlace { line, column, block: false })
            }
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted
                if span.start.line() == span.end.line() && !text.contains('\n') =>
            {
                Some(TextPlace { line, column: column + 1, block: false })
            }
            ScalarStyle::Literal => {
                // The scanner reports either the `|` or the first line of content.
                let at_header =
                    self.lines.get(line - 1).is_some_and(|l| l.chars().nth(column - 1) == Some('|'));
                let first = if at_header { line + 1 } else { line };
                let indent = self
                    .lines
                    .iter()
                    .skip(first - 1)
                    .find(|l| !l.trim().is_empty())
                    .map_or(0, |l| l.chars().take_while(|c| *c == ' ').count());
                let leading = text.lines().next().map_or(0, |l| l.chars().take_while(|c| *c == ' ').count());
                Some(TextPlace { line: first, column: indent.saturating_sub(leading) + 1, block: true })
            }
            _ => None,
        }
    }
}

pub(super) fn start(span: Span) -> (usize, usize) {
    (span.start.line().max(1), span.start.col() + 1)
}

/// The core schema of YAML 1.2 (section 10.3.2), with two exceptions: numbers
/// that JSON cannot write (`007`, `+1`, `.inf`) stay texts.
pub(super) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
            match serde_json::from_str::<serde_json::Number>(text) {
                Ok(number) => Value::Number(number),
                Err(_) => Value::String(text.to_owned()),
            }
        }
        _ => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scalars_resolve_as_the_core_schema_says() {
        let document = parse(
            "a.yaml",
            "a: 1\nb: 1.0\nc: yes\nd: 'true'\ne: true\nf: 007\ng: ~\nh: 2024-01-02\ni: -3e2\n",
        )
        .expect("valid");
        let expected =
            json!({"a": 1, "c": "yes", "d": "true", "e": true, "f": "007", "g": null, "h": "2024-01-02"});
        for (key, value) in expected.as_object().expect("object") {
            assert_eq!(&document.value[key], value, "{key}");
        }
        assert_eq!(document.value["b"].to_string(), "1.0");
        assert_eq!(document.value["i"].to_string(), "-3e+2");
    }

    #[test]
    fn positions_inside_a_literal_block_are_those_of_the_file() {
        let text = "name: x\nbody: |\n  {\"a\":\n    {{.bad}}}\nafter: 1\n";
        let document = parse("a.yaml", text).expect("valid");
        assert_eq!(document.value["body"], "{\"a\":\n  {{.bad}}}\n");
        assert_eq!(document.at_text("/body", 1, 1), (3, 3));
        assert_eq!(document.at_text("/body", 2, 3), (4, 5));
        assert_eq!(document.at_key("/after"), (5, 1));
    }

    #[test]
    fn positions_inside_quoted_and_plain_texts_are_those_of_the_file() {
        let document = parse("a.yaml", "a: \"x {{.b}}\"\nc: plain {{.d}}\n").expect("valid");
        assert_eq!(document.at_text("/a", 1, 3), (1, 7));
        assert_eq!(document.at_text("/c", 1, 7), (2, 10));
    }

    #[test]
    fn every_repeated_key_is_reported_with_its_place() {
        let problems = parse("a.yaml", "a: 1\na: 2\nb: {c: 1, c: 2}\n").expect_err("refused");
        let places: Vec<_> = problems.iter().map(|p| (p.line, p.column, p.code)).collect();
        assert_eq!(places, [(2, 1, "duplicate_key"), (3, 11, "duplicate_key")]);
    }

    #[test]
    fn a_merge_key_is_refused_by_name() {
        let problems = parse("a.yaml", "a: &a {x: 1}\nb:\n  <<: *a\n  \"<<\": 1\n").expect_err("refused");
        let found: Vec<_> = problems.iter().map(|p| (p.line, p.column, p.code)).collect();
        assert_eq!(found, [(3, 3, "merge_key"), (4, 3, "duplicate_key")]);
        assert_eq!(parse("a.yaml", "a: <<\n\"<<\": 1\n").expect("valid").value["<<"], 1);
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for n in 1..9 {
            let refs = vec![format!("*a{}", n - 1); 10].join(",");
            text.push_str(&format!("a{n}: &a{n} [{refs}]\n"));
        }
        let problems = parse("a.yaml", &text).expect_err("refused");
        assert_eq!(problems[0].code, "too_large");
    }

    #[test]
    fn deep_nesting_is_refused() {
        let problems =
            parse("a.yaml", &format!("{}{}", "[".repeat(100), "]".repeat(100))).expect_err("refused");
        assert_eq!(problems[0].code, "too_deep");
    }
}
