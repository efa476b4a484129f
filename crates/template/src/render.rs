//! The evaluator: walks the tree over one call's data and writes the text.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::Value as Json;

use super::error::{RenderError, RenderErrorCode, clip};
use super::escape::{Escape, is_dot_segment};
use super::literal::Literal;
use super::rendered::{json_problem, path_of};
use super::trace::{Trace, TracedBranch, TracedValue};
use super::tree::{Arm, Base, Data, Expression, Node, Operator, Origin, OriginId, Target, Template};
use super::value::Value;

/// The longest text a template may render to, in bytes.
const MAX_RENDERED_BYTES: usize = 16 * 1024 * 1024;

type Result<T> = std::result::Result<T, Box<RenderError>>;

impl Template {
    /// Renders the template with one call's data.
    ///
    /// # Errors
    ///
    /// `missing_variable` names a value that is printed or ordered but absent or null;
    /// `template_error` an operation that does not fit its value; `invalid_template_output` a text that
    /// is not what the target demands.
    pub fn render(&self, data: &Data<'_>) -> std::result::Result<String, RenderError> {
        let mut out = String::with_capacity(self.size_hint);
        self.render_into(data, &mut out)?;
        Ok(out)
    }

    /// Renders the template behind what `out` holds already; leaves `out` as it was on error.
    ///
    /// # Errors
    ///
    /// As [`Template::render`].
    pub fn render_into(&self, data: &Data<'_>, out: &mut String) -> std::result::Result<(), RenderError> {
        let start = out.len();
        let mut evaluator = Evaluator::new(self, data);
        let rendered = evaluator.nodes(&self.nodes, Value::Data, out, start);
        let checked = rendered.and_then(|()| self.check_rendered(&out[start..]));
        checked.map_err(|error| {
            out.truncate(start);
            *error
        })
    }

    /// Returns one error for each value that a rendering needs and that is absent or null, up to `most`.
    /// What stands behind a condition that cannot be decided is not looked at.
    #[must_use]
    pub fn missing(&self, data: &Data<'_>, most: usize) -> Vec<RenderError> {
        let mut found = Vec::new();
        Evaluator::new(self, data).collect_missing(&self.nodes, Value::Data, &mut found);
        found.retain(|error| error.code == RenderErrorCode::MissingVariable);
        found.truncate(most);
        found
    }

    /// Returns the value itself, if the template is exactly one output and no text.
    ///
    /// `None` for any other template; `Some(Ok(None))` where the value is absent or null, which is no
    /// error here. So `"{{.parameters.ids}}"` can stay a list.
    #[must_use]
    pub fn value<'d>(
        &self,
        data: &Data<'d>,
    ) -> Option<std::result::Result<Option<Cow<'d, Json>>, RenderError>> {
        let [Node::Output { expression, origin, .. }] = self.nodes.as_slice() else { return None };
        let evaluator = Evaluator::new(self, data);
        let value = evaluator.expression(expression, Value::Data);
        let native = value.and_then(|value| {
            Ok(match value {
                Value::Absent(_) | Value::Null(_) => None,
                Value::Json(json) => Some(Cow::Borrowed(json)),
                Value::Map(map) => Some(Cow::Owned(Json::Object(map.clone()))),
                Value::Bool(value) => Some(Cow::Owned(Json::Bool(value))),
                Value::Literal(literal) => Some(Cow::Owned(native(literal))),
                Value::Data | Value::MadeUp => {
                    return Err(evaluator.error(*origin, "is the whole data and cannot be printed"));
                }
            })
        });
        Some(native.map_err(|error| *error))
    }

    /// Checks a rendered text against what the target demands.
    pub(super) fn check_rendered(&self, text: &str) -> Result<()> {
        let (code, message, line, column) = match self.target {
            Target::Json => match json_problem(text) {
                None => return Ok(()),
                Some((problem, line, column)) => {
                    let message =
                        format!("the rendered text is not JSON: {problem} at line {line} column {column}");
                    (RenderErrorCode::InvalidTemplateOutput, message, line, column)
                }
            },
            Target::PathSegment if path_of(text).split('/').any(is_dot_segment) => {
                let message = "the rendered path holds the segment `.` or `..`".to_owned();
                (RenderErrorCode::TemplateError, message, 1, 1)
            }
            _ => return Ok(()),
        };
        Err(Box::new(RenderError { code, reference: None, root_and_path: None, line, column, message }))
    }
}

fn native(literal: &Literal) -> Json {
    match literal {
        Literal::Text(text) => Json::String(text.to_string()),
        Literal::Bool(value) => Json::Bool(*value),
        // What Go prints is a number of JSON.
        Literal::Number(number) => serde_json::from_str(&number.printed).unwrap_or(Json::Null),
    }
}

/// One rendering on its way.
pub(super) struct Evaluator<'t, 'd> {
    template: &'t Template,
    data: Data<'d>,
    slots: Vec<Value<'t, 'd>>,
    /// The values that were written, and where; `None` if nobody needs it.
    pub(super) trace: Option<Trace>,
}

impl<'t, 'd> Evaluator<'t, 'd> {
    pub(super) fn new(template: &'t Template, data: &Data<'d>) -> Self {
        Self { template, data: *data, slots: vec![Value::Data; template.slots], trace: None }
    }

    pub(super) fn set(&mut self, slot: usize, value: Value<'t, 'd>) {
        self.slots[slot] = value;
    }

    pub(super) fn nodes(
        &mut self,
        nodes: &'t [Node],
        dot: Value<'t, 'd>,
        out: &mut String,
        start: usize,
    ) -> Result<()> {
        for node in nodes {
            match node {
                Node::Text(text) => out.push_str(text),
                Node::Output { expression, escape, origin } => {
                    let value = self.expression(expression, dot)?;
                    let from = out.len();
                    self.output(value, *escape, *origin, out)?;
                    self.trace_value(*origin, from..out.len());
                    if out.len() - start > MAX_RENDERED_BYTES {
                        return Err(self.error_with(
                            *origin,
                            format!("the rendered text is longer than {MAX_RENDERED_BYTES} bytes"),
                        ));
                    }
                }
                Node::Set { slot, expression } => self.slots[*slot] = self.expression(expression, dot)?,
                Node::Branch { arms, otherwise } => {
                    let mut taken = None;
                    for arm in arms {
                        let value = self.expression(&arm.condition, dot)?;
                        if let Some(slot) = arm.bind {
                            self.slots[slot] = value;
                        }
                        self.trace_branch(arm.origin, value.truth());
                        if value.truth() {
                            taken = Some((&arm.body, if arm.is_with { value } else { dot }));
                            break;
                        }
                    }
                    let (body, dot) = taken.unwrap_or((otherwise, dot));
                    self.nodes(body, dot, out, start)?;
                }
            }
        }
        Ok(())
    }

    fn trace_value(&mut self, origin: OriginId, range: Range<usize>) {
        let Some(trace) = &mut self.trace else { return };
        let Origin { text, known, line, column } = &self.template.origins[origin];
        let at = self.template.place(*line, *column);
        trace.values.push(TracedValue { range, written: text.to_string(), read: known.clone(), at });
    }

    fn trace_branch(&mut self, origin: OriginId, taken: bool) {
        let Some(trace) = &mut self.trace else { return };
        let Origin { text, line, column, .. } = &self.template.origins[origin];
        let at = self.template.place(*line, *column);
        trace.branches.push(TracedBranch { condition: text.to_string(), taken, at });
    }

    /// Goes through `nodes` as [`Self::nodes`] does and goes on after an error; writes nothing.
    fn collect_missing(&mut self, nodes: &'t [Node], dot: Value<'t, 'd>, found: &mut Vec<RenderError>) {
        let mut out = String::new();
        for node in nodes {
            match node {
                Node::Text(_) => {}
                Node::Output { expression, escape, origin } => {
                    let value = self.expression(expression, dot);
                    let written = value.and_then(|value| self.output(value, *escape, *origin, &mut out));
                    found.extend(written.err().map(|error| *error));
                    out.clear();
                }
                Node::Set { slot, expression } => match self.expression(expression, dot) {
                    Ok(value) => self.slots[*slot] = value,
                    // What is read of it further on would be told under another name.
                    Err(error) => return found.push(*error),
                },
                Node::Branch { arms, otherwise } => {
                    if let Err(error) = self.collect_in_branch(arms, otherwise, dot, found) {
                        found.push(*error);
                    }
                }
            }
        }
    }

    fn collect_in_branch(
        &mut self,
        arms: &'t [Arm],
        otherwise: &'t [Node],
        dot: Value<'t, 'd>,
        found: &mut Vec<RenderError>,
    ) -> Result<()> {
        for arm in arms {
            let value = self.expression(&arm.condition, dot)?;
            if let Some(slot) = arm.bind {
                self.slots[slot] = value;
            }
            if value.truth() {
                self.collect_missing(&arm.body, if arm.is_with { value } else { dot }, found);
                return Ok(());
            }
        }
        self.collect_missing(otherwise, dot, found);
        Ok(())
    }

    /// Writes one value to its place; `origin` is the whole output as written.
    pub(super) fn output(
        &self,
        value: Value<'t, 'd>,
        escape: Escape,
        origin: OriginId,
        out: &mut String,
    ) -> Result<()> {
        match value {
            Value::Null(_) if escape == Escape::JsonValue => {
                out.push_str("null");
                Ok(())
            }
            Value::Absent(missing) | Value::Null(missing) => Err(self.missing(value, missing)),
            _ => value.write(escape, out).map_err(|refusal| self.error(origin, refusal)),
        }
    }

    pub(super) fn expression(&self, expression: &'t Expression, dot: Value<'t, 'd>) -> Result<Value<'t, 'd>> {
        match expression {
            Expression::Literal(literal) => Ok(Value::Literal(literal)),
            Expression::Nil(origin) => Ok(Value::Null(*origin)),
            Expression::Path { base, fields, origin } => {
                let mut value = match base {
                    Base::Data => Value::Data,
                    Base::Root(root) => Value::Map(self.data.root(*root)),
                    Base::Dot { .. } => dot,
                    Base::Slot { slot, .. } => self.slots[*slot],
                    Base::Computed(base) => self.expression(base, dot)?,
                };
                for field in fields {
                    value = match value.field(field, &self.data, *origin) {
                        Some(value) => value,
                        None => {
                            return Err(self.error_with(
                                *origin,
                                format!("needs the field `{field}` of {}", value.type_name()),
                            ));
                        }
                    };
                }
                Ok(value)
            }
            Expression::Index { item, keys, origin } => {
                let mut value = self.expression(item, dot)?;
                for key in keys {
                    let key = self.expression(key, dot)?;
                    value = self.element(value, key, *origin)?;
                }
                Ok(value)
            }
            Expression::And(operands) => self.decide(operands, dot, false),
            Expression::Or(operands, origin) => Ok(match self.decide(operands, dot, true)? {
                Value::Absent(_) => Value::Absent(*origin),
                Value::Null(_) => Value::Null(*origin),
                value => value,
            }),
            Expression::Not(operand) => Ok(Value::Bool(!self.expression(operand, dot)?.truth())),
            Expression::Compare { operator, operands, origin } => {
                self.compare(*operator, operands, *origin, dot).map(Value::Bool)
            }
        }
    }

    /// Returns the first operand that is as true as `truth`, or the last one.
    fn decide(&self, operands: &'t [Expression], dot: Value<'t, 'd>, truth: bool) -> Result<Value<'t, 'd>> {
        let mut value = Value::Bool(!truth);
        for operand in operands {
            value = self.expression(operand, dot)?;
            if value.truth() == truth {
                break;
            }
        }
        Ok(value)
    }

    fn element(&self, item: Value<'t, 'd>, key: Value<'t, 'd>, origin: OriginId) -> Result<Value<'t, 'd>> {
        if let Value::Absent(missing) | Value::Null(missing) = key {
            return Err(self.missing(key, missing));
        }
        match item {
            Value::Absent(_) | Value::Null(_) => Ok(Value::Absent(origin)),
            Value::MadeUp => Ok(Value::MadeUp),
            Value::Json(Json::Array(list)) => {
                let element = key.as_position().and_then(|position| list.get(position));
                let element = element.ok_or_else(|| {
                    let of = list.len();
                    let message = match key.type_name() {
                        "a number" => {
                            format!("needs an index from 0 and below the list's length of {of}")
                        }
                        other => format!("needs a number to index a list, not {other}"),
                    };
                    self.error_with(origin, message)
                })?;
                Ok(Value::of(element, origin))
            }
            Value::Data | Value::Map(_) | Value::Json(Json::Object(_)) => {
                let found = key.as_text().and_then(|name| item.field(name, &self.data, origin));
                found.ok_or_else(|| {
                    self.error_with(
                        origin,
                        format!("needs a string to index an object, not {}", key.type_name()),
                    )
                })
            }
            Value::Json(_) | Value::Literal(_) | Value::Bool(_) => Err(self
                .error_with(origin, format!("needs a list or an object to index, not {}", item.type_name()))),
        }
    }

    fn compare(
        &self,
        operator: Operator,
        operands: &'t [Expression],
        origin: OriginId,
        dot: Value<'t, 'd>,
    ) -> Result<bool> {
        let Some((first, others)) = operands.split_first() else { return Ok(false) };
        let is_nil = |operand: &Expression| matches!(operand, Expression::Nil(_));
        let left = self.expression(first, dot)?;
        for other in others {
            let right = self.expression(other, dot)?;
            let answer = match operator {
                Operator::Eq | Operator::Ne => {
                    let missing = |value| matches!(value, Value::Absent(_) | Value::Null(_));
                    let equal = match is_nil(first) || is_nil(other) {
                        true => Ok(missing(left) && missing(right)),
                        false => left.equals(right),
                    };
                    equal.map(|equal| equal == (operator == Operator::Eq))
                }
                Operator::Lt | Operator::Le | Operator::Gt | Operator::Ge => {
                    for value in [left, right] {
                        if let Value::Absent(missing) | Value::Null(missing) = value {
                            return Err(self.missing(value, missing));
                        }
                    }
                    left.ordered(operator, right)
                }
            };
            // Only `eq` has more than one right side, and any that is equal decides.
            if answer.map_err(|problem| self.error_with(origin, format!("fails: {problem}")))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn missing(&self, value: Value<'_, '_>, origin: OriginId) -> Box<RenderError> {
        let state = if matches!(value, Value::Null(_)) { "null" } else { "missing" };
        self.error_of(RenderErrorCode::MissingVariable, origin, format!("is {state}"))
    }

    fn error(&self, origin: OriginId, predicate: &str) -> Box<RenderError> {
        self.error_with(origin, predicate.to_owned())
    }

    fn error_with(&self, origin: OriginId, predicate: String) -> Box<RenderError> {
        self.error_of(RenderErrorCode::TemplateError, origin, predicate)
    }

    /// Builds an error about the source at `origin`; the message is "`source` predicate".
    #[cold]
    fn error_of(&self, code: RenderErrorCode, origin: OriginId, predicate: String) -> Box<RenderError> {
        let Origin { text, known, line, column } = &self.template.origins[origin];
        let text = clip(text.to_string());
        Box::new(RenderError {
            code,
            message: format!("`{text}` {predicate}"),
            reference: Some(text),
            root_and_path: known.clone(),
            line: *line,
            column: *column,
        })
    }
}
