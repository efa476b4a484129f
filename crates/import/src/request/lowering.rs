//! One request on its way to an action.

use std::collections::BTreeSet;

use crate::bundle::Bundle;
use crate::draft::ActionDraft;
use crate::names::Taken;

use super::plain::PlainRequest;

/// A request, and the action that is made of it.
pub(super) struct Lowering<'r, 'b, 'o> {
    pub(super) request: &'r PlainRequest,
    pub(super) bundle: &'b mut Bundle<'o>,
    pub(super) draft: ActionDraft,
    pub(super) taken: Taken,
    /// Variables of the conversation that it reads.
    pub(super) variables: BTreeSet<String>,
    pub(super) has_connector: bool,
    /// Names of the query: a flat body has no members of these names.
    pub(super) in_query: Vec<String>,
    /// Fixed values that travel in the query and are secrets.
    pub(super) query_secrets: Vec<(String, String)>,
    /// Whether what is converted is a fixed value, which is there before any other one.
    pub(super) binds: bool,
}
