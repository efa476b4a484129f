//! From source to tree: scan, parse with `gotmpl`, restrict, work out contexts.

use gotmpl::TemplateError as ParserError;
use gotmpl::parse::{ActionNode, BranchNode, ListNode, Node as Parsed, Parser, Pos};

use super::error::{Place, TemplateError, TemplateErrorCode};
use super::escape::{Escape, is_dot_segment};
use super::json_context::JsonContext;
use super::rendered::{json_problem, path_of};
use super::scan::{MAX_ERRORS, MAX_SOURCE_BYTES, Scan};
use super::scope::{Known, Scope};
use super::tree::{Arm, Node, Origin, Reference, Target, Template};

/// The size expected of one value, in bytes.
const VALUE_BYTES: usize = 24;

impl Template {
    /// Compiles `source` for `target`.
    ///
    /// # Errors
    ///
    /// Returns every problem found: all forbidden words and block mistakes of the source, or, where it
    /// has none, all of its names, argument counts and JSON contexts that cannot be.
    pub fn parse(source: &str, target: Target) -> Result<Self, Vec<TemplateError>> {
        if source.len() > MAX_SOURCE_BYTES {
            let message = format!("the template is longer than {MAX_SOURCE_BYTES} bytes");
            return Err(vec![syntax_error(START, message)]);
        }
        let scan = Scan::run(source)?;
        let list = parse_masked(&scan).map_err(|error| vec![error])?;
        let mut lowering = Lowering {
            scope: Scope::new(&scan),
            scan,
            target,
            errors: Vec::new(),
            origins: Vec::new(),
            references: Vec::new(),
            context: JsonContext::new(),
            arms: 0,
            size_hint: 0,
        };
        let mut nodes = Vec::new();
        lowering.list(&list, &mut nodes);
        lowering.end();
        if !lowering.errors.is_empty() {
            return Err(lowering.errors);
        }
        let Lowering { origins, references, arms, size_hint, scope, .. } = lowering;
        let template =
            Self { target, nodes, origins, references, slots: scope.slots, arms, size_hint, site: None };
        template.check_static()?;
        Ok(template)
    }

    /// Checks the output of a template without actions, which is known now.
    fn check_static(&self) -> Result<(), Vec<TemplateError>> {
        let Some(text) = self.as_static() else { return Ok(()) };
        let found = match self.target {
            Target::Json => json_problem(text).map(|(message, line, column)| {
                (format!("the text is not JSON: {message}"), Place { offset: 0, line, column })
            }),
            Target::PathSegment if path_of(text).split('/').any(is_dot_segment) => {
                Some(("the path holds the segment `.` or `..`".to_owned(), START))
            }
            _ => None,
        };
        match found {
            Some((message, place)) => Err(vec![TemplateError::new(
                TemplateErrorCode::InvalidTemplateOutput,
                place,
                message,
                None,
                None,
            )]),
            None => Ok(()),
        }
    }
}

const START: Place = Place { offset: 0, line: 1, column: 1 };

fn syntax_error(place: Place, message: String) -> TemplateError {
    TemplateError::new(TemplateErrorCode::TemplateSyntax, place, message, None, None)
}

/// Runs `gotmpl`'s parser over the masked source.
///
/// A blank is added behind it and looked for as the end of the last top-level node: `gotmpl` drops
/// whatever follows an `{{end}}` too many. [`Scan`] has refused those, so this is the second lock.
fn parse_masked(scan: &Scan<'_>) -> Result<ListNode, TemplateError> {
    let masked = format!("{} ", scan.masked);
    let parsed = Parser::new(&masked, "{{", "}}").and_then(Parser::parse);
    let (list, defines) = parsed.map_err(|error| match error {
        ParserError::Parse { line, col, message, .. } | ParserError::Lex { line, col, message, .. } => {
            syntax_error(place_in(scan.source, offset_of(&masked, line, col)), message)
        }
        _ => syntax_error(START, "not a template".to_owned()),
    })?;
    let whole = match list.nodes.last() {
        Some(Parsed::Text(text)) => text.pos.offset + text.text.len() == masked.len(),
        _ => false,
    };
    if whole && defines.is_empty() {
        return Ok(list);
    }
    Err(syntax_error(START, "the blocks do not match".to_owned()))
}

/// The byte offset of a line and column as `gotmpl` counts them.
fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let start = match line.checked_sub(2) {
        Some(breaks) => text.match_indices('\n').nth(breaks).map_or(text.len(), |(at, _)| at + 1),
        None => 0,
    };
    let rest = &text[start..];
    start + rest.char_indices().nth(column.saturating_sub(1)).map_or(rest.len(), |(at, _)| at)
}

fn place_in(source: &str, offset: usize) -> Place {
    let before = &source[..source.floor_char_boundary(offset)];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.matches('\n').count() + 1;
    Place { offset, line, column: before[line_start..].chars().count() + 1 }
}

/// A template on its way from `gotmpl`'s tree to ours; expressions are lowered in `expression`.
pub(super) struct Lowering<'s> {
    pub(super) scan: Scan<'s>,
    pub(super) target: Target,
    pub(super) errors: Vec<TemplateError>,
    pub(super) origins: Vec<Origin>,
    pub(super) references: Vec<Reference>,
    pub(super) scope: Scope,
    context: JsonContext,
    arms: usize,
    size_hint: usize,
}

impl Lowering<'_> {
    /// Returns the place of a token, from where `gotmpl` says it is.
    pub(super) fn place(&self, pos: Pos) -> Place {
        match self.scan.token_at(pos.offset) {
            Some(token) => self.scan.tokens[token].place(),
            None => START,
        }
    }

    pub(super) fn error(
        &mut self,
        code: TemplateErrorCode,
        place: Place,
        message: String,
        construct: Option<&str>,
    ) {
        self.error_with_hint(code, place, message, construct, None);
    }

    pub(super) fn error_with_hint(
        &mut self,
        code: TemplateErrorCode,
        place: Place,
        message: String,
        construct: Option<&str>,
        hint: Option<String>,
    ) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(TemplateError::new(code, place, message, construct, hint));
        }
    }

    fn list(&mut self, list: &ListNode, out: &mut Vec<Node>) {
        for node in &list.nodes {
            match node {
                Parsed::Text(text) => {
                    let text = self.text(text.pos.offset);
                    if !text.is_empty() {
                        out.push(Node::Text(text.into()));
                    }
                }
                Parsed::Action(action) => self.action(action, out),
                Parsed::If(branch) => self.branch(branch, false, out),
                Parsed::With(branch) => self.branch(branch, true, out),
                Parsed::List(list) => self.list(list, out),
                Parsed::Range(BranchNode { pos, .. }) | Parsed::Break(pos) | Parsed::Continue(pos) => {
                    self.forbidden(*pos);
                }
                Parsed::Template(node) => self.forbidden(node.pos),
                Parsed::Define(node) => self.forbidden(node.pos),
            }
        }
    }

    /// Refuses what the scan should have refused.
    fn forbidden(&mut self, pos: Pos) {
        let message = "a construct that is not allowed in a template".to_owned();
        self.error(TemplateErrorCode::ForbiddenConstruct, self.place(pos), message, None);
    }

    /// Returns the trimmed text of the gap at `offset` and follows its JSON.
    fn text(&mut self, offset: usize) -> String {
        let mut text = String::new();
        for piece in self.scan.texts_at(offset) {
            self.context.feed(&self.scan.source[piece.clone()], piece.start);
            text.push_str(&self.scan.source[piece]);
        }
        self.size_hint += text.len();
        text
    }

    fn action(&mut self, action: &ActionNode, out: &mut Vec<Node>) {
        let Some(pipeline) = self.pipeline(&action.pipe, false) else { return };
        if let Some(slot) = pipeline.bind {
            out.push(Node::Set { slot, expression: pipeline.expression });
            return;
        }
        let place = self.place(action.pos);
        if pipeline.known == Known::Data {
            let message = "this would print the whole data".to_owned();
            let hint = "name a value, as in `{{.parameters.x}}`".to_owned();
            self.error_with_hint(TemplateErrorCode::TemplateSyntax, place, message, None, Some(hint));
            return;
        }
        let escape = match self.target {
            Target::Json => match self.context.escape() {
                Ok(escape) => escape,
                Err(state) => {
                    let message = format!("a value cannot stand {state}");
                    self.error(TemplateErrorCode::AmbiguousContext, place, message, None);
                    return;
                }
            },
            Target::Form => Escape::Form,
            Target::Xml => Escape::Xml,
            Target::Query | Target::Text => Escape::Raw,
            Target::Header => Escape::Header,
            Target::PathSegment => Escape::PathSegment,
        };
        self.size_hint += VALUE_BYTES;
        out.push(Node::Output { expression: pipeline.expression, escape, origin: pipeline.origin });
    }

    /// Lowers an `if` or `with` and the chain of its `else if`s to one node.
    fn branch(&mut self, first: &BranchNode, first_is_with: bool, out: &mut Vec<Node>) {
        let mark = self.scope.mark();
        let before = self.context;
        let mut ends: Vec<JsonContext> = Vec::new();
        let mut arms = Vec::new();
        let mut otherwise = Vec::new();
        let (mut branch, mut is_with) = (first, first_is_with);
        loop {
            self.context = before;
            if let Some(arm) = self.arm(branch, is_with) {
                arms.push(arm);
            }
            ends.push(self.context);
            self.context = before;
            match branch.else_body.as_ref().map(|list| (list, list.nodes.as_slice())) {
                Some((_, [Parsed::If(next)])) => (branch, is_with) = (next, false),
                Some((_, [Parsed::With(next)])) => (branch, is_with) = (next, true),
                Some((list, _)) => {
                    self.list(list, &mut otherwise);
                    break;
                }
                None => break,
            }
        }
        ends.push(self.context);
        self.scope.reset(mark);
        self.context = ends[0];
        if let Some(other) = ends.iter().find(|end| self.target == Target::Json && !end.same_as(&ends[0])) {
            let word = if first_is_with { "with" } else { "if" };
            let message = format!(
                "the branches of `{word}` end at different places of the JSON text: one {}, one {}",
                ends[0].describe(),
                other.describe()
            );
            let hint = "let every branch open and close its own quotes".to_owned();
            let place = self.place(first.pos);
            self.error_with_hint(TemplateErrorCode::AmbiguousContext, place, message, Some(word), Some(hint));
        }
        out.push(Node::Branch { arms, otherwise });
    }

    /// Lowers one condition and its body; leaves what a failed condition says about presence in scope.
    fn arm(&mut self, branch: &BranchNode, is_with: bool) -> Option<Arm> {
        let id = self.arms;
        self.arms += 1;
        let pipeline = self.pipeline(&branch.pipe, true);
        let known = pipeline.as_ref().map_or(Known::Unknown, |pipeline| pipeline.known.clone());
        let mark = self.scope.mark();
        if let Some(pipeline) = &pipeline {
            self.scope.learn(&pipeline.expression, true, &self.origins);
        }
        let outer = self.scope.dot.clone();
        if is_with {
            self.scope.dot = super::scope::Dot { arm: Some(id), known };
        }
        let mut body = Vec::new();
        self.list(&branch.body, &mut body);
        self.scope.dot = outer;
        self.scope.reset(mark);
        let pipeline = pipeline?;
        self.scope.learn(&pipeline.expression, false, &self.origins);
        let text = &self.origins[pipeline.origin].text;
        let text = format!("{} {text}", if is_with { "with" } else { "if" }).into();
        let Place { line, column, .. } = self.place(branch.pos);
        self.origins.push(Origin { text, known: None, line, column });
        let origin = self.origins.len() - 1;
        Some(Arm { id, is_with, bind: pipeline.bind, condition: pipeline.expression, origin, body })
    }

    /// Checks what the end of the text shows whatever branches were taken.
    fn end(&mut self) {
        if self.target != Target::Json || !self.errors.is_empty() {
            return;
        }
        if let Some(offset) = self.context.open_string() {
            let place = place_in(self.scan.source, offset);
            let message = "the text ends inside the JSON string that begins here".to_owned();
            self.error(TemplateErrorCode::InvalidTemplateOutput, place, message, None);
        }
    }
}
