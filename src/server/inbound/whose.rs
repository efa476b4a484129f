//! Whose conversation an id names. Ids come in queries, paths, headers, bodies and sealed states; all of them become
//! the key of a conversation here.

use crate::conversation::ConversationKey;
use crate::tool::Scope;

use super::keys::excerpt;
use crate::server::problem::{ProblemCode, ProblemDocument};

/// Longest id of a call or a conversation.
const MAX_ID_BYTES: usize = 256;

/// What the id of a call or a conversation may be, in words.
pub(in crate::server) const ID_RULE: &str =
    "may have 256 bytes, no control characters, and no placeholder that was not filled in (`{{…}}`)";

/// Whether `id` can be the id of a call or a conversation. What a product was to fill in and did not
/// would be one conversation for all of its callers.
pub(in crate::server) fn is_id(id: &str) -> bool {
    let is_placeholder = || id.split_once("{{").is_some_and(|(_, rest)| rest.contains("}}"));
    id.len() <= MAX_ID_BYTES && !id.contains(char::is_control) && !is_placeholder()
}

/// The conversation that a caller of `scope` means by `id`.
///
/// # Errors
///
/// It can be no id.
pub(in crate::server) fn conversation(scope: Scope, id: &str) -> Result<ConversationKey, ProblemDocument> {
    check(id)?;
    Ok(ConversationKey::of(scope, id))
}

/// Checks the id of a conversation; an empty one is none.
///
/// # Errors
///
/// It can be no id.
pub(in crate::server) fn checked(id: Option<String>) -> Result<Option<String>, ProblemDocument> {
    let id = id.filter(|id| !id.is_empty());
    id.as_deref().map_or(Ok(()), check)?;
    Ok(id)
}

/// What a request says in two places, each named as its sender knows it; an empty text says nothing.
///
/// # Errors
///
/// The two contradict each other: which one is meant is for nobody to guess.
pub(in crate::server) fn agreed(
    (one_name, one): (&str, Option<String>),
    (other_name, other): (&str, Option<String>),
) -> Result<Option<String>, ProblemDocument> {
    let said = |text: Option<String>| text.filter(|text| !text.is_empty());
    match (said(one), said(other)) {
        (Some(one), Some(other)) if one != other => {
            let (one, other) = (excerpt(&one), excerpt(&other));
            let detail =
                format!("{one_name} says `{one}`, {other_name} says `{other}`: leave one of the two out");
            Err(ProblemDocument::new(ProblemCode::InvalidRequest, detail))
        }
        (one, other) => Ok(one.or(other)),
    }
}

/// The environment of a request that may name it in its query and in its body.
///
/// # Errors
///
/// The two contradict each other.
pub(in crate::server) fn environment(
    query: Option<String>,
    body: Option<String>,
) -> Result<Option<String>, ProblemDocument> {
    agreed(("`environment` of the query", query), ("`environment` of the body", body))
}

fn check(id: &str) -> Result<(), ProblemDocument> {
    if is_id(id) {
        return Ok(());
    }
    let detail = format!("the conversation id {ID_RULE}");
    Err(ProblemDocument::new(ProblemCode::InvalidRequest, detail))
}
