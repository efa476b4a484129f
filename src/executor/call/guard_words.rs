//! What the model hears where a guard refuses its call.

use crate::action::GuardError;
use crate::tool::{FailureCode, Retry};

/// What the model hears of a refusal; of [`GuardError::Arguments`] without the violations.
pub(super) fn in_words(refused: &GuardError) -> (FailureCode, String, Retry) {
    match refused {
        GuardError::NoConversation => {
            let message =
                "This works only within a conversation, and this call names none; nothing was done.";
            (FailureCode::ConversationRequired, message.to_owned(), Retry::No)
        }
        GuardError::NotAvailable { leads, .. } => {
            let instead = match leads.as_slice() {
                [] => "Use another tool, or tell the caller that it cannot be done now.".to_owned(),
                leads => format!("It becomes available after {}.", either(leads)),
            };
            let message = format!(
                "This is not available at this point of the conversation; nothing was done. {instead}"
            );
            (FailureCode::NotAvailable, message, Retry::No)
        }
        GuardError::TooEarly { first } => {
            let message = format!("This comes after {0}; nothing was done. Call {0} first.", all(first));
            (FailureCode::TooEarly, message, Retry::Later)
        }
        GuardError::Arguments(invalid) => {
            (FailureCode::InvalidArguments, invalid.message(), Retry::WithChanges)
        }
    }
}

fn either(names: &[String]) -> String {
    joined(names, "or")
}

fn all(names: &[String]) -> String {
    joined(names, "and")
}

fn joined(names: &[String], last: &str) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [head @ .., tail] if !head.is_empty() => format!("{} {last} {tail}", head.join(", ")),
        names => names.concat(),
    }
}
