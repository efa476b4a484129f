//! What the person on the line hears while a call runs, and when it has failed.

use crate::action::output::Concealed;
use crate::action::speech::spoken;
use crate::action::{self, RenderFailure, SpeechText};
use crate::conversation::Conversation;
use crate::executor::control::Started;
use crate::executor::served::ServedAction;
use crate::tool::{Handover, ToolCall};

use super::body::mask;
use super::failure::Failure;
use super::outcome::Outcome;
use super::record::Values;

/// What is said around one call.
pub(super) struct Voice<'a> {
    pub(super) call: &'a ToolCall,
    pub(super) served: &'a ServedAction,
    pub(super) values: &'a Values,
    pub(super) conversation: Option<&'a Conversation>,
}

impl Voice<'_> {
    /// What is heard where the call goes ahead: the model's own words (`say`) before those of the action.
    pub(super) fn started(&self, say: Option<&str>) -> Started {
        let speech = &self.served.action.speech;
        let own = say.and_then(|text| self.cleaned(text.to_owned()));
        let text = own.or_else(|| self.text("start", speech.start.as_ref()?));
        let delayed = speech.delayed.as_ref();
        let delayed = delayed.and_then(|one| Some((one.after, self.text("delayed", &one.text)?)));
        Started { text, delayed, expected: self.served.expected() }
    }

    /// What is heard where the call has failed; nothing where somebody wanted it stopped.
    pub(super) fn failed(&self, outcome: &Result<Outcome, Failure>) -> Option<String> {
        let text = self.served.action.speech.failed.as_ref()?;
        match outcome {
            Ok(outcome) if outcome.is_success() => None,
            Err(Failure::Cancelled) => None,
            Ok(_) | Err(_) => self.text("failed", text),
        }
    }

    /// Where the caller is to be transferred, and what is said first.
    pub(super) fn handover(&self, handover: &action::Handover) -> Result<Handover, RenderFailure> {
        let message = handover.message(&self.values.data(self.served))?;
        let message = message.and_then(|text| self.cleaned(text));
        Ok(Handover { phone_number: handover.phone_number.clone(), queue: handover.queue.clone(), message })
    }

    fn text(&self, which: &'static str, text: &SpeechText) -> Option<String> {
        match text.render(self.language(), &self.values.data(self.served)) {
            Ok(text) => self.cleaned(text),
            Err(error) => {
                tracing::warn!(
                    tool.name = self.call.name.as_str(),
                    call.id = self.call.id.as_str(),
                    speech = which,
                    cause = error.reference.as_deref().unwrap_or(error.code.as_str()),
                    "a text to say is left out: it cannot be rendered"
                );
                None
            }
        }
    }

    /// Without secrets, without what the conversation hides, in one line of bounded length.
    fn cleaned(&self, text: String) -> Option<String> {
        let mut text = mask(text, Some(&self.served.environment.redactor), None);
        if let Some(known) = self.conversation.filter(|known| !known.concealed.is_empty())
            && let Some(clean) = Concealed::new(known.concealed.to_vec()).out_of_text(&text)
        {
            text = clean;
        }
        spoken(&text)
    }

    fn language(&self) -> Option<&str> {
        let known = || self.values.variables().get("conversation")?.get("language")?.as_str();
        self.call.language.as_deref().or_else(known)
    }
}
