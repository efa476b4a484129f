//! Pipelines: names resolved, functions and argument counts checked, references noted.

use callgate_text::closest;

use gotmpl::parse::{CommandNode, Expr, PipeNode, SmolStr};

use super::error::{Place, TemplateErrorCode};
use super::literal::Literal;
use super::scan::TokenKind;
use super::scope::{Known, MAX_VARIABLES};
use super::syntax::Lowering;
use super::tree::{Base, Expression, Operator, Origin, OriginId, Reference, Root};

/// Where a secret goes, since no template can name one.
const NO_SECRETS: &str =
    "templates cannot read secrets: a header takes `{secret: name}` as its value, all else an auth connector";

/// A pipeline, lowered.
pub(super) struct Pipeline {
    pub(super) expression: Expression,
    pub(super) known: Known,
    /// The variable it sets.
    pub(super) bind: Option<usize>,
    pub(super) origin: OriginId,
}

/// An operand of a function: written behind it, or piped into it.
#[derive(Clone, Copy)]
enum Operand<'a> {
    Written(&'a Expr),
    Piped(&'a [CommandNode]),
}

type Lowered = Option<(Expression, Known)>;

impl Lowering<'_> {
    /// Lowers a pipeline; `guarded` says that an absent result is fine. `None` after an error.
    pub(super) fn pipeline(&mut self, pipe: &PipeNode, guarded: bool) -> Option<Pipeline> {
        let lowered = self.commands(&pipe.commands, guarded || !pipe.decl.is_empty());
        let declared = match (pipe.decl.first(), &lowered) {
            (None, _) => None,
            (Some(name), _) if pipe.is_assign => match self.scope.variable(name) {
                Some(variable) => Some(variable.slot),
                None => {
                    self.undeclared(name, self.place(pipe.pos));
                    return None;
                }
            },
            // Declared even after an error, so that its uses are not reported as well.
            (Some(name), lowered) => {
                let known = lowered.as_ref().map_or(Known::Unknown, |(_, known)| known.clone());
                let slot = self.scope.declare(name, known);
                if slot.is_none() {
                    let message = format!("more than {MAX_VARIABLES} variables at one place");
                    self.refuse(self.place(pipe.pos), message, name)?;
                }
                slot
            }
        };
        let (expression, known) = lowered?;
        let origin = self.origin(self.commands_span(&pipe.commands), known.clone().into_path());
        Some(Pipeline { expression, known, bind: declared, origin })
    }

    fn undeclared(&mut self, name: &str, place: Place) {
        let message = format!("the variable `{name}` is not declared here");
        let hint =
            format!("declare it before, outside of any `if` or `with` that has ended: `{{{{{name} := …}}}}`");
        self.error_with_hint(TemplateErrorCode::TemplateSyntax, place, message, Some(name), Some(hint));
    }

    /// Lowers commands joined by pipes: each becomes the last operand of the next.
    fn commands(&mut self, commands: &[CommandNode], guarded: bool) -> Lowered {
        let (last, piped) = commands.split_last()?;
        let (first, arguments) = last.args.split_first()?;
        if let Expr::Identifier(pos, name) = first {
            let mut operands: Vec<Operand<'_>> = arguments.iter().map(Operand::Written).collect();
            if !piped.is_empty() {
                operands.push(Operand::Piped(piped));
            }
            let span = self.commands_span(commands);
            return self.call(name, self.place(*pos), &operands, span, guarded);
        }
        let place = self.place(first.pos());
        let text = self.source_of(first).to_owned();
        if !piped.is_empty() {
            let message = format!("`{text}` is not a function, nothing can be piped into it");
            return self.refuse(place, message, &text);
        }
        if !arguments.is_empty() {
            let message = format!("`{text}` is not a function and takes no arguments");
            return self.refuse(place, message, &text);
        }
        if let Expr::Nil(_) = first {
            return self.refuse(place, "`nil` is no value of its own".to_owned(), "nil");
        }
        self.operand(first, guarded)
    }

    fn refuse(&mut self, place: Place, message: String, construct: &str) -> Lowered {
        self.error(TemplateErrorCode::TemplateSyntax, place, message, Some(construct));
        None
    }

    fn operand(&mut self, operand: &Expr, guarded: bool) -> Lowered {
        let place = self.place(operand.pos());
        let (base, known, fields): (Base, Known, &[SmolStr]) = match operand {
            Expr::Number(pos, _) => {
                let token = self.scan.token_at(pos.offset).map(|at| &self.scan.tokens[at].kind);
                let Some(TokenKind::Literal(literal)) = token else {
                    return self.refuse(place, "unexpected literal".to_owned(), "");
                };
                return Some((Expression::Literal(self.scan.literals[*literal].clone()), Known::Unknown));
            }
            Expr::Nil(_) => {
                let origin = self.origin(self.span(operand), None);
                return Some((Expression::Nil(origin), Known::Unknown));
            }
            Expr::Pipe(_, pipe) => return self.commands(&pipe.commands, guarded),
            Expr::Identifier(_, name) => {
                let message = format!("`{name}` needs arguments; put a call in parentheses");
                return self.refuse(place, message, name);
            }
            // Bools and strings reach the parser as numbers.
            Expr::Bool(..) | Expr::String(..) => {
                return self.refuse(place, "unexpected literal".to_owned(), "");
            }
            Expr::Dot(_) => (self.dot(), self.scope.dot.known.clone(), &[]),
            Expr::Field(_, fields) => (self.dot(), self.scope.dot.known.clone(), fields),
            Expr::Variable(_, name, fields) if name == "$" => (Base::Data, Known::Data, fields),
            Expr::Variable(_, name, fields) => match self.scope.variable(name) {
                Some(variable) => {
                    let base = Base::Slot { slot: variable.slot, declaration: variable.declaration };
                    (base, variable.known.clone(), fields)
                }
                None => {
                    self.undeclared(name, place);
                    return None;
                }
            },
            Expr::Chain(_, inner, fields) => {
                if let Expr::Identifier(_, name) = &**inner {
                    return self.refuse(place, format!("the function `{name}` has no fields"), name);
                }
                let mark = self.references.len();
                let (expression, known) = self.operand(inner, guarded)?;
                if known != Known::Unknown {
                    self.references.truncate(mark);
                }
                (Base::Computed(Box::new(expression)), known, fields)
            }
        };
        self.path(operand, base, known, fields, guarded)
    }

    fn dot(&self) -> Base {
        match self.scope.dot.arm {
            Some(arm) => Base::Dot { arm },
            None => Base::Data,
        }
    }

    /// Lowers a chain of fields and notes the reference it makes.
    fn path(&mut self, whole: &Expr, base: Base, known: Known, fields: &[SmolStr], guarded: bool) -> Lowered {
        let place = self.place(whole.pos());
        let from_data = known == Known::Data;
        let known = match known.follow(fields.iter().map(SmolStr::as_str)) {
            Ok(known) => known,
            Err(name) => return self.unknown_root(name, place),
        };
        let mut names = fields.iter().map(|name| name.as_str().into());
        let base = match &known {
            // The first field is the root, and now known as such.
            Known::Path(root, _) if from_data => {
                names.next();
                Base::Root(*root)
            }
            _ => base,
        };
        let origin = self.reference(self.span(whole), &known, guarded);
        Some((Expression::Path { base, fields: names.collect(), origin }, known))
    }

    fn unknown_root(&mut self, name: &str, place: Place) -> Lowered {
        let message = format!(
            "there is no `.{name}`: the data has `.parameters`, `.variables` and `.static_variables`"
        );
        let roots = [Root::Parameters, Root::Variables, Root::StaticVariables].map(Root::as_str);
        let hint = Some(match closest(name, &roots) {
            _ if ["secret", "secrets"].contains(&name.to_ascii_lowercase().as_str()) => NO_SECRETS.to_owned(),
            Some(near) => format!("did you mean `.{near}`?"),
            None => format!("write `.parameters.{name}`, `.variables.{name}` or `.static_variables.{name}`"),
        });
        self.error_with_hint(TemplateErrorCode::TemplateSyntax, place, message, Some(name), hint);
        None
    }

    /// Keeps the text of a span for errors.
    fn origin(&mut self, (start, end): (usize, usize), known: Option<(Root, Vec<String>)>) -> OriginId {
        let text = self.scan.source[start..end].into();
        let place = self.scan.token_at(start).map(|token| self.scan.tokens[token].place());
        let (line, column) = place.map_or((1, 1), |place| (place.line, place.column));
        self.origins.push(Origin { text, known, line, column });
        self.origins.len() - 1
    }

    /// Keeps the text of a span, and a reference if it leads to a known path.
    fn reference(&mut self, span: (usize, usize), known: &Known, guarded: bool) -> OriginId {
        let path = known.clone().into_path();
        let origin = self.origin(span, path.clone());
        if let Some((root, path)) = path {
            let guarded = guarded || self.scope.is_present(root, &path);
            let Origin { line, column, .. } = self.origins[origin];
            self.references.push(Reference { root, path, guarded, line, column });
        }
        origin
    }

    fn call(
        &mut self,
        name: &str,
        place: Place,
        operands: &[Operand<'_>],
        span: (usize, usize),
        guarded: bool,
    ) -> Lowered {
        let count = operands.len();
        let (fits, wanted) = match name {
            "not" => (count == 1, "one argument"),
            "eq" => (count >= 2, "two arguments or more"),
            "ne" | "lt" | "le" | "gt" | "ge" => (count == 2, "two arguments"),
            _ => (count >= 1, "one argument or more"),
        };
        if !fits {
            return self.refuse(place, format!("`{name}` takes {wanted}, not {count}"), name);
        }
        if name == "index" {
            return self.index(operands, place, span, guarded);
        }
        let mark = self.scope.mark();
        let mut lowered = Vec::with_capacity(count);
        for (at, operand) in operands.iter().enumerate() {
            let guarded = match name {
                "not" | "eq" | "ne" => true,
                // The last one is what remains when all others are absent.
                "or" => guarded || at + 1 < count,
                "and" => guarded,
                _ => false,
            };
            let operand = self.function_operand(*operand, guarded).map(|(expression, _)| expression);
            if let ("and" | "or", Some(operand)) = (name, &operand) {
                self.scope.learn(operand, name == "and", &self.origins);
            }
            lowered.push(operand);
        }
        self.scope.reset_presence(mark);
        let operands: Box<[Expression]> = lowered.into_iter().collect::<Option<_>>()?;
        let operator = match name {
            "and" => return Some((Expression::And(operands), Known::Unknown)),
            "or" => {
                let known = match &operands[0] {
                    Expression::Path { origin, .. } | Expression::Index { origin, .. } => {
                        self.origins[*origin].known.clone()
                    }
                    _ => None,
                };
                let origin = self.origin(span, known);
                return Some((Expression::Or(operands, origin), Known::Unknown));
            }
            "not" => {
                let operand = operands.into_iter().next()?;
                return Some((Expression::Not(Box::new(operand)), Known::Unknown));
            }
            "eq" => Operator::Eq,
            "ne" => Operator::Ne,
            "lt" => Operator::Lt,
            "le" => Operator::Le,
            "gt" => Operator::Gt,
            "ge" => Operator::Ge,
            _ => {
                self.error(
                    TemplateErrorCode::ForbiddenConstruct,
                    place,
                    format!("there is no function `{name}`"),
                    Some(name),
                );
                return None;
            }
        };
        let ordered = !matches!(operator, Operator::Eq | Operator::Ne);
        if ordered && operands.iter().any(|operand| matches!(operand, Expression::Nil(_))) {
            return self.refuse(place, format!("`{name}` cannot order `nil`"), name);
        }
        let origin = self.origin(span, None);
        Some((Expression::Compare { operator, operands, origin }, Known::Unknown))
    }

    fn function_operand(&mut self, operand: Operand<'_>, guarded: bool) -> Lowered {
        match operand {
            Operand::Written(operand) => self.operand(operand, guarded),
            Operand::Piped(commands) => self.commands(commands, guarded),
        }
    }

    fn index(
        &mut self,
        operands: &[Operand<'_>],
        place: Place,
        span: (usize, usize),
        guarded: bool,
    ) -> Lowered {
        let (item, keys) = operands.split_first()?;
        let mark = self.references.len();
        let (item, item_known) = self.function_operand(*item, guarded)?;
        let keys = keys
            .iter()
            .map(|key| self.function_operand(*key, false).map(|(expression, _)| expression))
            .collect::<Vec<_>>();
        let keys: Box<[Expression]> = keys.into_iter().collect::<Option<_>>()?;
        let is_nil = |expression: &Expression| matches!(expression, Expression::Nil(_));
        if is_nil(&item) || keys.iter().any(is_nil) {
            return self.refuse(place, "`index` cannot take `nil`".to_owned(), "index");
        }
        let names: Option<Vec<&str>> = keys
            .iter()
            .map(|key| match key {
                Expression::Literal(Literal::Text(text)) => Some(&**text),
                Expression::Literal(Literal::Number(number)) => Some(&*number.decimal),
                _ => None,
            })
            .collect();
        let known = match names {
            None => Known::Unknown,
            Some(names) => match item_known.follow(names) {
                Ok(known) => known,
                Err(name) => {
                    let name = name.to_owned();
                    return self.unknown_root(&name, place);
                }
            },
        };
        if known != Known::Unknown {
            self.references.truncate(mark);
        }
        let origin = self.reference(span, &known, guarded);
        Some((Expression::Index { item: Box::new(item), keys, origin }, known))
    }

    fn commands_span(&self, commands: &[CommandNode]) -> (usize, usize) {
        let first = commands.first().and_then(|command| command.args.first());
        let last = commands.last().and_then(|command| command.args.last());
        match (first, last) {
            (Some(first), Some(last)) => (self.span(first).0, self.span(last).1),
            _ => (0, 0),
        }
    }

    /// Returns the bytes that an operand takes in the source.
    fn span(&self, operand: &Expr) -> (usize, usize) {
        let start = operand.pos().offset;
        let Some(first) = self.scan.token_at(start) else { return (start, start) };
        let last = match (operand, &self.scan.tokens[first].kind) {
            (Expr::Field(_, fields), _) => first + fields.len().saturating_sub(1),
            (Expr::Variable(_, _, fields), _) => first + fields.len(),
            (Expr::Chain(_, _, fields), TokenKind::Open(close)) => close + fields.len(),
            (_, TokenKind::Open(close)) => *close,
            _ => first,
        };
        (start, self.scan.tokens.get(last).map_or(start, |token| token.bytes.end))
    }

    fn source_of(&self, operand: &Expr) -> &str {
        let (start, end) = self.span(operand);
        &self.scan.source[start..end]
    }
}
