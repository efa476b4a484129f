//! The tool calls of one turn, and what came of them.

use std::sync::Arc;

use serde_json::value::RawValue;

use crate::tool::ToolResult;

/// A tool call as a provider sent it: untrusted.
#[derive(Clone, Debug)]
pub struct IncomingCall {
    /// The provider's id, if it gives one.
    pub id: Option<String>,
    /// Name of the action.
    pub name: String,
    /// The arguments: an object, or a JSON text of one.
    pub arguments: Box<RawValue>,
    /// Why it is not to be executed, in words for the model.
    pub refused: Option<&'static str>,
}

/// The tool calls of one turn.
#[derive(Debug, Default)]
pub struct Turn<F> {
    /// The calls, in the order of the answer.
    pub calls: Vec<IncomingCall>,
    /// The phone call or chat, where the product names it.
    pub conversation_id: Option<String>,
    /// What the form of the answer depends on.
    pub form: F,
}

/// Most calls of one turn that are answered at all, each.
const MAX_CALLS: usize = 1_000;

impl<F> Turn<F> {
    /// The turn, unless it holds so many calls that even refusing each would be too much.
    ///
    /// # Errors
    ///
    /// More than 1,000 calls.
    pub fn bounded(self) -> Result<Self, Malformed> {
        match self.calls.len() {
            0..=MAX_CALLS => Ok(self),
            count => {
                Err(Malformed::new(format!("{count} calls in one turn; {MAX_CALLS} are answered at most")))
            }
        }
    }
}

/// A body that holds no turn: nothing of it can be answered in the provider's form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub(super) String);

impl Malformed {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// What came of a call.
#[derive(Debug)]
pub enum Outcome {
    /// It was executed, or failed before it was sent.
    Done(Arc<ToolResult>),
    /// It was not executed, and why, in words for the model.
    Refused(String),
    /// The gateway failed while it was executed.
    Broken,
}

impl Outcome {
    /// Whether the model is told of an error.
    pub fn is_error(&self) -> bool {
        match self {
            Self::Done(result) => result.status != crate::tool::Status::Success,
            Self::Refused(_) | Self::Broken => true,
        }
    }
}

impl IncomingCall {
    /// A call that is not executed.
    pub(super) fn refused(id: Option<String>, name: Option<String>, why: &'static str) -> Self {
        Self { id, name: name.unwrap_or_default(), arguments: no_arguments(), refused: Some(why) }
    }

    /// A call, unless it lacks its name, or the id by which its answer finds it.
    pub(super) fn new(id: Option<String>, name: Option<String>, arguments: Option<&RawValue>) -> Self {
        let id = id.filter(|id| !id.is_empty());
        let arguments = arguments.map_or_else(no_arguments, ToOwned::to_owned);
        let refused = match (&id, &name) {
            (None, _) => {
                Some("This tool call has no id, so its result could not be matched. It was not executed.")
            }
            (_, None) => Some("This tool call names no tool. It was not executed."),
            _ => None,
        };
        Self { id, name: name.unwrap_or_default(), arguments, refused }
    }
}

/// `{}`
pub(super) fn no_arguments() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).unwrap_or_default()
}
