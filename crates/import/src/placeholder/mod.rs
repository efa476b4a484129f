//! Placeholders of other products → the restricted Go template.
//!
//! | Source | Becomes |
//! |---|---|
//! | `{{a.b}}`, `{{{a.b}}}`, `{a}` | `{{.parameters.a.b}}` or `{{.variables.a.b}}` |
//! | `{{a \| default: "x"}}` (Liquid) | `{{with …}}{{.}}{{else}}x{{end}}` |
//! | `{{#if a}}…{{else}}…{{/if}}`, `{{#unless a}}` (Handlebars) | `{{if …}}…{{else}}…{{end}}` |
//! | `{% if a == "x" and b %}…{% elsif … %}…{% endif %}` (Liquid) | the same |
//! | `{{! … }}`, `{% comment %}`, `{% raw %}` | nothing, nothing, its text |
//!
//! What has no exact counterpart is an error (loops, partials, computed values)
//! or a loss (a filter that is left out); nothing is carried as plain text.

mod meaning;
mod words;
mod liquid;
mod filters;
#[cfg(test)]
mod tests;

use self::meaning::unsupported;
pub(crate) use self::meaning::{Meaning, Optional, Spot, Step, Unsupported, operand, reference};
use self::words::Condition;
pub(crate) use self::words::{find_outside_quotes, path, short};

/// Most blocks inside each other; the template allows 32.
const MAX_OPEN: usize = 24;
/// Longest text that is converted, in bytes; the template allows as much.
const MAX_BYTES: usize = 256 * 1024;

/// Says what the placeholder with these steps means.
pub(crate) type Resolve<'r> = dyn FnMut(&[Step], Spot) -> Meaning + 'r;

/// Which notation the source has, besides `{{…}}` and `{%…%}`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Notation {
    /// `{name}` is a placeholder.
    pub(crate) single: bool,
    /// The text is a JSON body.
    pub(crate) json: bool,
}

/// A converted text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Converted {
    pub(crate) template: String,
    /// What was left out, a sentence each.
    pub(crate) losses: Vec<String>,
    /// Whether anything in it is filled in per call.
    pub(crate) is_template: bool,
    /// The parameters in it that may be absent. In text, nothing stands for an
    /// absent one; where a JSON value is expected, it is not provided for.
    pub(crate) optional: Vec<Optional>,
}

/// Converts `text`.
///
/// # Errors
///
/// The first construct that has no counterpart.
pub(crate) fn convert(
    text: &str,
    notation: Notation,
    resolve: &mut Resolve<'_>,
) -> Result<Converted, Unsupported> {
    if text.len() > MAX_BYTES {
        return Err(Unsupported {
            message: format!("a text of {} bytes is longer than a template may be", text.len()),
        });
    }
    let mut converter = Converter {
        rest: text,
        notation,
        resolve,
        out: Converted::default(),
        open: Vec::new(),
        asked: Vec::new(),
        in_string: false,
    };
    converter.run()?;
    Ok(converter.out)
}

/// A block that waits for its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    Handlebars(&'static str),
    Liquid(&'static str),
}

struct Converter<'t, 'r> {
    rest: &'t str,
    notation: Notation,
    resolve: &'t mut Resolve<'r>,
    out: Converted,
    /// The open blocks, each with whether it has its `else`, and how many `{{end}}` it needs.
    open: Vec<(Block, bool)>,
    /// What conditions of the open blocks ask for, each with the depth of its block.
    asked: Vec<(usize, String)>,
    /// Whether the text so far ends inside a JSON string.
    in_string: bool,
}

impl<'t> Converter<'t, '_> {
    fn run(&mut self) -> Result<(), Unsupported> {
        while !self.rest.is_empty() {
            let at = self.rest.find('{').unwrap_or(self.rest.len());
            self.literal(&self.rest[..at]);
            self.rest = &self.rest[at..];
            if self.rest.is_empty() {
                break;
            }
            if self.rest.starts_with("{%") {
                self.tag()?;
            } else if self.rest.starts_with("{{") {
                self.mustache()?;
            } else {
                self.single()?;
            }
        }
        match self.open.last() {
            Some((Block::Handlebars(name), _)) => {
                Err(unsupported(format!("`{{{{#{name}}}}}` is never closed")))
            }
            Some((Block::Liquid(name), _)) => Err(unsupported(format!("`{{% {name} %}}` is never closed"))),
            None => Ok(()),
        }
    }

    fn spot(&self) -> Spot {
        if self.notation.json && !self.in_string { Spot::JsonValue } else { Spot::Text }
    }

    /// Text as it is; follows the quotes of a JSON body.
    fn literal(&mut self, text: &str) {
        if self.notation.json {
            let mut escaped = false;
            for c in text.chars() {
                match c {
                    _ if escaped => escaped = false,
                    '\\' if self.in_string => escaped = true,
                    '"' => self.in_string = !self.in_string,
                    _ => {}
                }
            }
        }
        // Two braces of literal text in a row would open an action.
        for c in text.chars() {
            if c == '{' && self.out.template.ends_with('{') {
                self.out.template.pop();
                self.action("\"{{\"");
            } else {
                self.out.template.push(c);
            }
        }
    }

    /// Writes `{{code}}`.
    fn action(&mut self, code: &str) {
        if self.out.template.ends_with('{') {
            // `{` right before `{{` would be read as part of it.
            match self.spot() {
                Spot::JsonValue => self.out.template.push(' '),
                Spot::Text => {
                    self.out.template.pop();
                    self.out.template.push_str("{{\"{\"}}");
                }
            }
        }
        self.out.template.push_str("{{");
        self.out.template.push_str(code);
        self.out.template.push_str("}}");
    }

    /// A text that is known now, escaped for where it stands.
    fn known(&mut self, text: &str) {
        if self.notation.json && self.in_string {
            let quoted = serde_json::Value::from(text).to_string();
            let inner = &quoted[1..quoted.len() - 1];
            let inner = inner.to_owned();
            self.push_literal(&inner);
        } else {
            let text = text.to_owned();
            self.push_literal(&text);
        }
    }

    /// A literal whose quotes are not the body's.
    fn push_literal(&mut self, text: &str) {
        let (json, in_string) = (self.notation.json, self.in_string);
        self.notation.json = false;
        self.literal(text);
        self.notation.json = json;
        self.in_string = in_string;
    }

    /// `{name}` where that is a placeholder, else a brace.
    fn single(&mut self) -> Result<(), Unsupported> {
        if self.notation.single
            && let Some(end) = self.rest.find(['}', '\n', '"', ' '])
            && self.rest[end..].starts_with('}')
            && let Some(steps) = words::path(&self.rest[1..end])
        {
            self.rest = &self.rest[end + 1..];
            return self.output(&steps, "", "");
        }
        self.literal("{");
        self.rest = &self.rest[1..];
        Ok(())
    }

    fn output(&mut self, steps: &[Step], before: &str, after: &str) -> Result<(), Unsupported> {
        self.out.is_template = true;
        let spot = self.spot();
        match (self.resolve)(steps, spot) {
            Meaning::Text(text) => self.known(&text),
            Meaning::Optional(steps) => self.optional(steps, before, after),
            meaning => self.action(&format!("{before}{}{after}", reference(&meaning))),
        }
        Ok(())
    }

    /// A parameter that may be absent.
    fn optional(&mut self, steps: Vec<Step>, before: &str, after: &str) {
        let Some(Step::Key(name)) = steps.first().cloned() else { return };
        let optional = Optional { name, code: reference(&Meaning::Optional(steps)) };
        if self.asked.iter().any(|(_, code)| *code == optional.code) {
            self.action(&format!("{before}{}{after}", optional.code));
            return;
        }
        match self.spot() {
            Spot::JsonValue => self.action(&format!("{before}{}{after}", optional.code)),
            Spot::Text => {
                self.action(&format!("{before}if {}", optional.is_present()));
                self.action(&optional.code);
                self.action(&format!("end{after}"));
            }
        }
        if !self.out.optional.contains(&optional) {
            self.out.optional.push(optional);
        }
    }

    /// `{{…}}`: an output, a Handlebars block or a comment.
    fn mustache(&mut self) -> Result<(), Unsupported> {
        let is_triple = self.rest.starts_with("{{{");
        if is_triple && !self.triple_is_closed() {
            // A brace of the text before a placeholder.
            self.literal("{");
            self.rest = &self.rest[1..];
            return Ok(());
        }
        let (open, close) = if is_triple { (3, "}}}") } else { (2, "}}") };
        let comment = self.rest[open..].trim_start_matches(['~', '-']).starts_with("!--");
        let end = match comment {
            true => self.rest.find("--}}").map(|at| at + 2),
            false => words::find_outside_quotes(&self.rest[open..], close).map(|at| at + open),
        };
        let Some(end) = end else {
            // Never closed: two braces of text.
            self.literal("{{");
            self.rest = &self.rest[2..];
            return Ok(());
        };
        let whole = &self.rest[open..end];
        let construct = &self.rest[..end + close.len()];
        self.rest = &self.rest[construct.len()..];
        let inner = whole.trim_start_matches(['~', '-']);
        let before = if inner.len() < whole.len() { "- " } else { "" };
        let trimmed = inner.strip_suffix(['~', '-']).unwrap_or(inner);
        let after = if trimmed.len() < inner.len() { " -" } else { "" };
        let word = trimmed.trim();
        if word.starts_with('!') {
            self.out.is_template = true;
            return Ok(());
        }
        if word.is_empty() {
            // Names nothing: braces of the text.
            self.literal(construct);
            return Ok(());
        }
        self.expression(word, before, after)
    }

    /// Whether `{{{` ends in `}}}` before anything else opens.
    fn triple_is_closed(&self) -> bool {
        self.rest[3..]
            .find("}}")
            .is_some_and(|at| self.rest[3 + at..].starts_with("}}}") && !self.rest[3..3 + at].contains('{'))
    }

    fn expression(&mut self, word: &str, before: &str, after: &str) -> Result<(), Unsupported> {
        if let Some(head) = word.strip_prefix('#') {
            let (name, condition) = head.split_once(char::is_whitespace).unwrap_or((head, ""));
            let block = match name {
                "if" => "if",
                "unless" => "unless",
                other => {
                    return Err(unsupported(format!(
                        "`{{{{#{}}}}}` has no counterpart",
                        words::short(other)
                    )));
                }
            };
            let condition = words::handlebars_condition(condition)?;
            return self.begin(Block::Handlebars(block), &condition, block == "unless", before, after);
        }
        if let Some(name) = word.strip_prefix('/') {
            return match self.open.last() {
                Some((Block::Handlebars(open), _)) if *open == name.trim() => self.end(before, after),
                _ => Err(unsupported(format!("`{{{{/{}}}}}` closes nothing", words::short(name)))),
            };
        }
        if matches!(self.open.last(), Some((Block::Handlebars(_), _))) {
            if word == "else" || word == "^" {
                return self.otherwise(None, before, after);
            }
            if let Some(condition) = word.strip_prefix("else if ") {
                let condition = words::handlebars_condition(condition)?;
                return self.otherwise(Some(&condition), before, after);
            }
        }
        self.piped(word, before, after)
    }

    fn begin(
        &mut self,
        block: Block,
        condition: &Condition,
        negated: bool,
        before: &str,
        after: &str,
    ) -> Result<(), Unsupported> {
        if self.open.len() == MAX_OPEN {
            return Err(unsupported(format!("conditions are nested more than {MAX_OPEN} deep")));
        }
        self.out.is_template = true;
        let code = self.code(condition, self.open.len() + 1);
        let code = if negated { format!("not {}", operand(&code)) } else { code };
        self.action(&format!("{before}if {code}{after}"));
        self.open.push((block, false));
        Ok(())
    }

    fn otherwise(
        &mut self,
        condition: Option<&Condition>,
        before: &str,
        after: &str,
    ) -> Result<(), Unsupported> {
        match self.open.last_mut() {
            Some((_, closed)) if !*closed => *closed = condition.is_none(),
            _ => return Err(unsupported("a second `else` of one block".to_owned())),
        }
        let depth = self.open.len();
        let code =
            condition.map(|condition| format!(" if {}", self.code(condition, depth))).unwrap_or_default();
        self.action(&format!("{before}else{code}{after}"));
        Ok(())
    }

    fn end(&mut self, before: &str, after: &str) -> Result<(), Unsupported> {
        self.open.pop();
        let depth = self.open.len();
        self.asked.retain(|(of, _)| *of <= depth);
        self.action(&format!("{before}end{after}"));
        Ok(())
    }

    /// The condition of a block of this depth, as Go writes it.
    fn code(&mut self, condition: &Condition, depth: usize) -> String {
        condition.code(&mut |steps| {
            let meaning = (self.resolve)(steps, Spot::Text);
            let code = reference(&meaning);
            let is_optional = matches!(meaning, Meaning::Optional(_));
            if is_optional {
                self.asked.push((depth, code.clone()));
            }
            (code, is_optional)
        })
    }
}

/// `{{.parameters.name}}`, for a parameter of any name.
pub(crate) fn parameter(path: &[&str]) -> String {
    let steps = path.iter().map(|key| Step::Key((*key).to_owned())).collect();
    format!("{{{{{}}}}}", reference(&Meaning::Parameter(steps)))
}

/// `text` as a template that renders to it.
pub(crate) fn escaped(text: &str) -> String {
    let mut converter = Converter {
        rest: "",
        notation: Notation::default(),
        resolve: &mut |_, _| Meaning::Text(String::new()),
        out: Converted::default(),
        open: Vec::new(),
        asked: Vec::new(),
        in_string: false,
    };
    converter.literal(text);
    converter.out.template
}
