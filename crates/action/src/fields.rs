//! Templates that fill one field: a query parameter, a header, a form field.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

use super::failure::RenderFailure;
use callgate_schema::parameters::Parameters;
use callgate_template::{Data, RenderError, Root, Template, Trace};

/// The value of one field.
#[derive(Debug)]
pub struct Field {
    pub(crate) template: Arc<Template>,
    /// The template is nothing but a parameter that may be absent: then the
    /// whole field is left out.
    pub(crate) optional: bool,
}

impl Field {
    pub(crate) fn new(template: impl Into<Arc<Template>>, parameters: &Parameters) -> Self {
        let template = template.into();
        let optional = template.sole_reference().is_some_and(|reference| {
            reference.root == Root::Parameters
                && reference.path.first().is_some_and(|name| !parameters.is_required(name))
        });
        Self { template, optional }
    }

    /// A field of a request that has no parameters.
    pub(crate) fn without_parameters(template: impl Into<Arc<Template>>) -> Self {
        let template = template.into();
        let optional = template.sole_reference().is_some_and(|reference| reference.root == Root::Parameters);
        Self { template, optional }
    }

    /// The field's value; `None` leaves the field out.
    ///
    /// # Errors
    ///
    /// Fails where a value that is needed is absent.
    pub(crate) fn value<'d>(
        &self,
        data: &Data<'d>,
        place: &str,
    ) -> Result<Option<Cow<'d, Value>>, RenderFailure> {
        match self.template.value(data) {
            Some(value) => match value.map_err(|error| RenderFailure::template(place, error))? {
                Some(value) => Ok(Some(value)),
                None if self.optional => Ok(None),
                // The text form knows how to name what is missing.
                None => self.text(data, place).map(|text| Some(Cow::Owned(Value::String(text)))),
            },
            None => self.text(data, place).map(|text| Some(Cow::Owned(Value::String(text)))),
        }
    }

    /// The field's value as text; `None` leaves the field out.
    ///
    /// # Errors
    ///
    /// Fails where a value that is needed is absent or not allowed in this place.
    pub(crate) fn optional_text(
        &self,
        data: &Data<'_>,
        place: &str,
        trace: Option<&mut Trace>,
    ) -> Result<Option<String>, RenderFailure> {
        if self.optional && matches!(self.template.value(data), Some(Ok(None))) {
            return Ok(None);
        }
        let Some(trace) = trace else { return self.text(data, place).map(Some) };
        let mut text = String::new();
        let rendered = self.template.render_traced(data, &mut text, trace);
        rendered.map_err(|error| RenderFailure::template(place, error)).map(|()| Some(text))
    }

    /// One error for each value that the field needs and that is absent, up to `most`.
    pub(crate) fn missing(&self, data: &Data<'_>, most: usize) -> Vec<RenderError> {
        match self.template.value(data) {
            Some(Ok(None)) if self.optional => Vec::new(),
            _ => self.template.missing(data, most),
        }
    }

    fn text(&self, data: &Data<'_>, place: &str) -> Result<String, RenderFailure> {
        self.template.render(data).map_err(|error| RenderFailure::template(place, error))
    }
}

/// The JSON value of a template: of a sole reference the value itself, else the
/// rendered text.
pub(crate) fn native(template: &Template, data: &Data<'_>, place: &str) -> Result<Value, RenderFailure> {
    if let Some(value) = template.value(data)
        && let Some(value) = value.map_err(|error| RenderFailure::template(place, error))?
    {
        return Ok(value.into_owned());
    }
    let text = template.render(data).map_err(|error| RenderFailure::template(place, error))?;
    Ok(Value::String(text))
}

/// Calls `put` for each text that `value` becomes in a query or form: a list
/// repeats the key, an object is JSON, null is left out.
pub(crate) fn each_text(value: &Value, put: &mut dyn FnMut(&str)) {
    match value {
        Value::Null => {}
        Value::String(text) => put(text),
        Value::Array(items) => {
            for item in items {
                match item {
                    Value::Array(_) => put(&item.to_string()),
                    _ => each_text(item, put),
                }
            }
        }
        Value::Bool(flag) => put(if *flag { "true" } else { "false" }),
        Value::Number(number) => put(number.as_str()),
        Value::Object(_) => put(&value.to_string()),
    }
}
