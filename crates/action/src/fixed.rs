//! What an action says without asking a service: the answer of `static`, the message of `handover`.

use std::borrow::Cow;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::bound::{Bound, Handover};
use super::compile::Compiler;
use super::failure::{MAX_MISSING, RenderFailure};
use super::fields::native;
use super::written::pointer_to;

use callgate_schema::parameters::Parameters;
use callgate_template::{Data, RenderError, Target, Template};

/// The answer of an action of type `static`: a JSON value in which each text is a template.
#[derive(Debug)]
pub struct FixedAnswer(Answer);

#[derive(Debug)]
enum Answer {
    /// The same in every call.
    Same(Box<RawValue>),
    /// Rendered for each call.
    Rendered(Part),
}

/// A value in an answer that is rendered.
#[derive(Debug)]
enum Part {
    Constant(Value),
    /// A text, and where it stands, such as `response.order.id`.
    Text(Template, String),
    List(Vec<Part>),
    Object(Vec<(String, Part)>),
}

impl FixedAnswer {
    /// The answer for one call. A text is a JSON string. A template that is a sole reference keeps the JSON type of its
    /// value.
    ///
    /// # Errors
    ///
    /// A value that a template needs is absent. The error names every such value.
    pub fn render(&self, data: &Data<'_>) -> Result<Cow<'_, RawValue>, RenderFailure> {
        let part = match &self.0 {
            Answer::Same(value) => return Ok(Cow::Borrowed(value)),
            Answer::Rendered(part) => part,
        };
        let value = part.render(data).map_err(|failure| {
            let mut missing = Vec::new();
            part.collect_missing(data, &mut missing);
            failure.and_missing(missing)
        })?;
        // A JSON value is valid JSON.
        Ok(Cow::Owned(RawValue::from_string(value.to_string()).unwrap_or_default()))
    }
}

impl Handover {
    /// What the agent says first in one call.
    ///
    /// # Errors
    ///
    /// A value that the template needs is absent. The error names every such value.
    pub fn message(&self, data: &Data<'_>) -> Result<Option<String>, RenderFailure> {
        let Some(template) = &self.message else { return Ok(None) };
        let rendered = template.render(data).map_err(|error| {
            RenderFailure::template("handover.message", error)
                .and_missing(template.missing(data, MAX_MISSING))
        });
        rendered.map(Some)
    }
}

impl Part {
    fn render(&self, data: &Data<'_>) -> Result<Value, RenderFailure> {
        Ok(match self {
            Self::Constant(value) => value.clone(),
            Self::Text(template, place) => native(template, data, place)?,
            Self::List(items) => items.iter().map(|item| item.render(data)).collect::<Result<_, _>>()?,
            Self::Object(members) => {
                let rendered = members.iter().map(|(name, part)| Ok((name.clone(), part.render(data)?)));
                Value::Object(rendered.collect::<Result<Map<_, _>, RenderFailure>>()?)
            }
        })
    }

    fn collect_missing(&self, data: &Data<'_>, found: &mut Vec<RenderError>) {
        match self {
            Self::Constant(_) => {}
            Self::Text(template, _) => found.extend(template.missing(data, MAX_MISSING)),
            Self::List(items) => items.iter().for_each(|item| item.collect_missing(data, found)),
            Self::Object(members) => members.iter().for_each(|(_, part)| part.collect_missing(data, found)),
        }
    }
}

impl Compiler<'_> {
    /// Compiles `response` of an action of type `static`.
    pub(crate) fn fixed_answer(&mut self, parameters: &Parameters, bind: &[Bound]) -> Option<FixedAnswer> {
        let Some(value) = self.over.response.as_ref().or(self.definition.response.as_ref()) else {
            if !self.was_set_aside(&["response"]) {
                let message = "an action of type `static` needs `response`";
                let problem = self.error("/type", "missing_key", message);
                self.problems.push(problem);
            }
            return None;
        };
        Some(FixedAnswer(if has_template(value) {
            let pointer = self.pointer("response");
            Answer::Rendered(self.part(value, &pointer, "response", parameters, bind)?)
        } else {
            Answer::Same(RawValue::from_string(value.to_string()).ok()?)
        }))
    }

    /// `None` if one of its templates is wrong; all of them are compiled, so that every problem is told.
    fn part(
        &mut self,
        value: &Value,
        pointer: &str,
        place: &str,
        parameters: &Parameters,
        bind: &[Bound],
    ) -> Option<Part> {
        let mut below = |token: &str, value: &Value| {
            self.part(value, &pointer_to(pointer, token), &format!("{place}.{token}"), parameters, bind)
        };
        Some(match value {
            Value::String(text) => {
                let document = self.located.document.clone();
                let template = self.template(&document, pointer, text, Target::Text, parameters, bind)?;
                Part::Text(template, place.to_owned())
            }
            Value::Array(items) => {
                let parts = items.iter().enumerate().map(|(at, item)| below(&at.to_string(), item));
                let parts: Vec<Option<Part>> = parts.collect();
                Part::List(parts.into_iter().collect::<Option<_>>()?)
            }
            Value::Object(members) => {
                let parts = members.iter().map(|(name, member)| Some((name.clone(), below(name, member)?)));
                let parts: Vec<Option<(String, Part)>> = parts.collect();
                Part::Object(parts.into_iter().collect::<Option<_>>()?)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => Part::Constant(value.clone()),
        })
    }
}

/// Whether a text in `value` has an action of a template.
fn has_template(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("{{"),
        Value::Array(items) => items.iter().any(has_template),
        Value::Object(members) => members.values().any(has_template),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
