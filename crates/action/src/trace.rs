//! A request with where its parts come from: for people who look at it before it is sent.

use callgate_template::{Root, Trace, TracedBranch, TracedValue};
use http::HeaderName;
use std::ops::Range;

/// Where the values in a request come from. Ranges are of bytes.
#[derive(Clone, Debug, Default)]
pub struct RequestTrace {
    /// Values in the URL.
    pub url: Vec<TracedValue>,
    /// Values in headers.
    pub headers: Vec<(HeaderName, Vec<TracedValue>)>,
    /// Values in the body.
    pub body: Vec<TracedValue>,
    /// The conditions of its templates, and whether they held.
    pub branches: Vec<TracedBranch>,
}

/// Takes down where values come from, where somebody wants to know.
pub(crate) type Tracer<'a> = Option<&'a mut RequestTrace>;

/// What a template that was rendered into a part of the request says of it.
pub(crate) fn take(trace: Trace, values: &mut Vec<TracedValue>, branches: &mut Vec<TracedBranch>) {
    values.extend(trace.values);
    branches.extend(trace.branches);
}

/// A parameter that no template places.
pub(crate) fn parameter(name: &str, range: Range<usize>) -> TracedValue {
    let read = Some((Root::Parameters, vec![name.to_owned()]));
    TracedValue { range, written: format!(".parameters.{name}"), read, at: None }
}
