//! The words inside placeholders: paths, literals, conditions.

use super::meaning::{Step, Unsupported, go_text, operand};

/// Longest path of a placeholder.
const MAX_STEPS: usize = 16;
/// Deepest nesting of `(eq a (…))`.
const MAX_NESTED: usize = 8;

/// `a.b[0]['c d']` as steps; `None` for anything else, also for what other
/// languages compute (`this`, `$guid`, `@index`).
pub(crate) fn path(text: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = text.trim();
    loop {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        match name.parse::<usize>() {
            Ok(index) if !steps.is_empty() => steps.push(Step::Index(index)),
            _ => steps.push(Step::Key(key(name)?)),
        }
        rest = after;
        while let Some(bracket) = rest.strip_prefix('[') {
            let (inner, after) = bracket.split_once(']')?;
            steps.push(match inner.parse::<usize>() {
                Ok(index) => Step::Index(index),
                Err(_) => Step::Key(literal_text(inner).filter(|_| inner.starts_with(['"', '\'']))?),
            });
            rest = after;
        }
        if steps.len() > MAX_STEPS {
            return None;
        }
        match rest.strip_prefix('.') {
            Some(more) => rest = more,
            None if rest.is_empty() => return Some(steps),
            None => return None,
        }
    }
}

fn key(name: &str) -> Option<String> {
    let first = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    let rest = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    let computed = ["this", "true", "false", "nil", "null", "else", "blank", "empty"].contains(&name);
    (first && rest && !computed && name.len() <= 200).then(|| name.to_owned())
}

/// A quoted text, number or boolean as the text it stands for.
pub(crate) fn literal_text(word: &str) -> Option<String> {
    for quote in ['"', '\''] {
        if let Some(inner) = word.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote))
            && !inner.contains(quote)
        {
            return Some(inner.to_owned());
        }
    }
    let is_number = serde_json::from_str::<serde_json::Number>(word).is_ok();
    (is_number || matches!(word, "true" | "false" | "null")).then(|| word.to_owned())
}

/// The part of `text` that a message shows.
pub(crate) fn short(text: &str) -> String {
    let clean = text.trim().chars().map(|c| if c.is_control() || c == '`' { ' ' } else { c });
    let mut shown: String = clean.clone().take(40).collect();
    if clean.count() > 40 {
        shown.push('…');
    }
    shown
}

/// Where `end` stands outside quotes.
pub(crate) fn find_outside_quotes(text: &str, end: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if text[at..].starts_with(end) => return Some(at),
            None if c == '"' || c == '\'' => quote = Some(c),
            None => {}
        }
    }
    // A lone apostrophe is no quote.
    text.find(end)
}

/// `text` cut at every `separator` outside quotes.
pub(crate) fn split_outside_quotes(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut from, mut quote) = (0, None);
    for (at, c) in text.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == separator => {
                parts.push(&text[from..at]);
                from = at + c.len_utf8();
            }
            None if c == '"' || c == '\'' => quote = Some(c),
            None => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

/// A condition: a value, or a function of conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    node: Node,
    /// Whether a value alone decides, by its truth.
    pub(crate) has_bare: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Path(Vec<Step>),
    Literal(String),
    Call(&'static str, Vec<Node>),
}

/// How a path is written, and whether it may be absent.
pub(crate) type Name<'n> = dyn FnMut(&[Step]) -> (String, bool) + 'n;

impl Condition {
    /// The condition as Go writes it.
    pub(crate) fn code(&self, name: &mut Name<'_>) -> String {
        self.node.code(name).0
    }
}

impl Node {
    /// The code, and whether it is a path that may be absent.
    fn code(&self, name: &mut Name<'_>) -> (String, bool) {
        match self {
            Self::Path(steps) => name(steps),
            Self::Literal(code) => (code.clone(), false),
            Self::Call(function, arguments) => {
                let mut code = (*function).to_owned();
                let mut asked = String::new();
                for argument in arguments {
                    let (argument, may_be_absent) = argument.code(name);
                    let argument = operand(&argument);
                    // What is absent has no order, which is an error in a template.
                    if may_be_absent && matches!(*function, "lt" | "le" | "gt" | "ge") {
                        asked.push_str(&format!("(ne {argument} nil) "));
                    }
                    code.push(' ');
                    code.push_str(&argument);
                }
                (if asked.is_empty() { code } else { format!("and {asked}({code})") }, false)
            }
        }
    }
}

fn unsupported(text: &str) -> Unsupported {
    Unsupported { message: format!("the condition `{}` has no counterpart", short(text)) }
}

fn operand_node(word: &str) -> Option<Node> {
    let word = word.trim();
    if word.starts_with(['"', '\'']) {
        return literal_text(word).map(|text| Node::Literal(go_text(&text)));
    }
    match literal_text(word) {
        Some(text) if text != "null" => Some(Node::Literal(text)),
        _ => path(word).map(Node::Path),
    }
}

/// `a`, `(eq a "b")`, `(and a (not b))`: the helpers that everybody registers.
pub(crate) fn handlebars_condition(text: &str) -> Result<Condition, Unsupported> {
    let node = handlebars(text.trim(), 0).ok_or_else(|| unsupported(text))?;
    Ok(Condition { node, has_bare: false })
}

fn handlebars(text: &str, depth: usize) -> Option<Node> {
    let Some(inner) = text.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) else {
        return operand_node(text);
    };
    if depth == MAX_NESTED {
        return None;
    }
    let mut parts = arguments(inner)?.into_iter();
    let function = match parts.next()? {
        "eq" => "eq",
        "ne" | "neq" => "ne",
        "and" => "and",
        "or" => "or",
        "not" => "not",
        "lt" => "lt",
        "lte" => "le",
        "gt" => "gt",
        "gte" => "ge",
        _ => return None,
    };
    let arguments: Vec<Node> = parts.map(|part| handlebars(part, depth + 1)).collect::<Option<_>>()?;
    let fits = match function {
        "not" => arguments.len() == 1,
        "and" | "or" => arguments.len() >= 2,
        _ => arguments.len() == 2,
    };
    fits.then_some(Node::Call(function, arguments))
}

/// Words of a call, where quotes and parentheses hold together.
fn arguments(text: &str) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let (mut from, mut depth, mut quote) = (None, 0_usize, None);
    for (at, c) in text.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c == '(' => depth += 1,
            None if c == ')' => depth = depth.checked_sub(1)?,
            None => {}
        }
        let is_blank = c.is_whitespace() && depth == 0 && quote.is_none();
        match (from, is_blank) {
            (None, false) => from = Some(at),
            (Some(start), true) => {
                parts.push(&text[start..at]);
                from = None;
            }
            _ => {}
        }
    }
    parts.extend(from.map(|start| &text[start..]));
    (depth == 0 && quote.is_none()).then_some(parts)
}

/// `a`, `a == "b"`, joined by `and` or by `or`.
///
/// Liquid reads a mixture from the right, which nobody expects; it is refused.
pub(crate) fn liquid_condition(text: &str) -> Result<Condition, Unsupported> {
    let parts = arguments(text).filter(|parts| !parts.is_empty()).ok_or_else(|| unsupported(text))?;
    let joins: Vec<&str> = parts.iter().copied().filter(|part| matches!(*part, "and" | "or")).collect();
    let function = match joins.first() {
        Some(first) if joins.iter().any(|join| join != first) => return Err(unsupported(text)),
        Some(&"and") => "and",
        _ => "or",
    };
    let mut has_bare = false;
    let mut nodes = Vec::new();
    for term in parts.split(|part| matches!(*part, "and" | "or")) {
        let node = match term {
            [value] => {
                has_bare = true;
                operand_node(value)
            }
            [left, comparison, right] => {
                let function = match *comparison {
                    "==" => "eq",
                    "!=" | "<>" => "ne",
                    "<" => "lt",
                    "<=" => "le",
                    ">" => "gt",
                    ">=" => "ge",
                    _ => return Err(unsupported(text)),
                };
                match *right {
                    // Absent, or an empty text: both false here.
                    "nil" | "null" | "blank" | "empty" if function == "eq" => {
                        operand_node(left).map(|left| Node::Call("not", vec![left]))
                    }
                    "nil" | "null" | "blank" | "empty" if function == "ne" => operand_node(left),
                    _ => operand_node(left)
                        .zip(operand_node(right))
                        .map(|(left, right)| Node::Call(function, vec![left, right])),
                }
            }
            _ => None,
        };
        nodes.push(node.ok_or_else(|| unsupported(text))?);
    }
    let node = match nodes.len() {
        1 => nodes.remove(0),
        _ => Node::Call(function, nodes),
    };
    Ok(Condition { node, has_bare })
}
