//! What a rendering tells of itself.

use std::ops::Range;

use super::site::SourcePlace;
use super::tree::Root;

/// What a rendering wrote, and which way it took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The values it wrote, in their order.
    pub values: Vec<TracedValue>,
    /// The conditions it came by, in their order.
    pub branches: Vec<TracedBranch>,
}

/// A value that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedValue {
    /// Where it stands in the text, in bytes.
    pub range: Range<usize>,
    /// What was written in its place, without the braces: `.parameters.email`.
    pub written: String,
    /// The value that is read, if it is one whose path is known at load.
    pub read: Option<(Root, Vec<String>)>,
    /// Where it is written.
    pub at: Option<SourcePlace>,
}

/// A condition that was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedBranch {
    /// The keyword and the condition, as written: `if .parameters.email`.
    pub condition: String,
    /// Whether it held.
    pub taken: bool,
    /// Where it is written.
    pub at: Option<SourcePlace>,
}
