//! A rendering that tells where its parts come from: for people who look at a request before it is sent.

use std::ops::Range;

use super::error::RenderError;
use super::render::Evaluator;
use super::trace::{Trace, TracedValue};
use super::tree::{Data, Reference, Template};
use super::value::Value;

impl Template {
    /// Renders the template behind what `out` holds already, as [`Template::render_into`] does, and adds to `trace`
    /// what it wrote where in `out`.
    ///
    /// # Errors
    ///
    /// As [`Template::render`].
    pub fn render_traced(
        &self,
        data: &Data<'_>,
        out: &mut String,
        trace: &mut Trace,
    ) -> Result<(), RenderError> {
        let start = out.len();
        let mut evaluator = Evaluator::new(self, data);
        evaluator.trace = Some(Trace::default());
        let rendered = evaluator.nodes(&self.nodes, Value::Data, out, start);
        rendered.and_then(|()| self.check_rendered(&out[start..])).map_err(|error| {
            out.truncate(start);
            *error
        })?;
        let Trace { values, branches } = evaluator.trace.unwrap_or_default();
        trace.values.extend(values);
        trace.branches.extend(branches);
        Ok(())
    }

    /// Tells of `range` of a text into which the whole template went as one value, in a form that is not the
    /// template's own.
    #[must_use]
    pub fn traced_whole(&self, range: Range<usize>) -> TracedValue {
        let mut named: Vec<String> = self.references.iter().map(Reference::to_string).collect();
        named.dedup();
        let (read, at) = match self.references.as_slice() {
            [one] => (Some((one.root, one.path.clone())), self.place(one.line, one.column)),
            _ => (None, self.place(1, 1)),
        };
        TracedValue { range, written: named.join(", "), read, at }
    }
}
