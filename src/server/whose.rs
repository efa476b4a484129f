//! Whose conversation an id names. Ids come in queries, paths, headers, bodies and sealed states; all of them become
//! the key of a conversation here.

use crate::conversation::ConversationKey;
use crate::tool::Scope;

use super::calls::{ID_RULE, is_id};
use super::problem::{ProblemCode, ProblemDocument};

/// The conversation that a caller of `scope` means by `id`.
///
/// # Errors
///
/// It can be no id.
pub(super) fn conversation(scope: Scope, id: &str) -> Result<ConversationKey, ProblemDocument> {
    check(id)?;
    Ok(ConversationKey::of(scope, id))
}

/// Checks the id of a conversation; an empty one is none.
///
/// # Errors
///
/// It can be no id.
pub(super) fn checked(id: Option<String>) -> Result<Option<String>, ProblemDocument> {
    let id = id.filter(|id| !id.is_empty());
    id.as_deref().map_or(Ok(()), check)?;
    Ok(id)
}

fn check(id: &str) -> Result<(), ProblemDocument> {
    if is_id(id) {
        return Ok(());
    }
    let detail = format!("the conversation id {ID_RULE}");
    Err(ProblemDocument::new(ProblemCode::InvalidRequest, detail))
}
