//! What the person on the line hears while a call runs, and when it has failed.

use std::time::Duration;

use crate::action::output::Concealed;
use crate::action::speech::spoken;
use crate::action::{self, RenderFailure, SpeechText};
use crate::tool::{Handover, ToolCall};

use super::Admitted;
use super::body::mask;
use super::failure::Failure;
use super::outcome::Outcome;
use super::pace::Expected;
use super::served::Deployment;

/// A call goes ahead. Texts are one line each, with nothing in them that must not be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Started {
    /// What the caller is to hear now.
    pub text: Option<String>,
    /// What the caller is to hear if the call is still under way after this time.
    pub delayed: Option<(Duration, String)>,
    /// How long it takes, most likely.
    pub expected: Option<Expected>,
}

/// What is said around one call.
pub(super) struct Voice<'a> {
    call: &'a ToolCall,
    admitted: &'a Admitted<'a>,
    deployment: &'a Deployment,
}

impl<'a> Voice<'a> {
    pub(super) fn new(call: &'a ToolCall, admitted: &'a Admitted<'a>, deployment: &'a Deployment) -> Self {
        Self { call, admitted, deployment }
    }

    /// What is heard where the call goes ahead: the model's own words before those of the action.
    pub(super) fn started(&self) -> Started {
        let (target, speech) = (self.admitted.target, &self.admitted.target.action.speech);
        let own = self.admitted.say.as_deref().and_then(|text| self.cleaned(text.to_owned()));
        let text = own.or_else(|| self.text("start", speech.start.as_ref()?));
        let delayed = speech.delayed.as_ref();
        let delayed = delayed.and_then(|one| Some((one.after, self.text("delayed", &one.text)?)));
        Started { text, delayed, expected: target.expected() }
    }

    /// What is heard where the call has failed; nothing where somebody wanted it stopped.
    pub(super) fn failed(&self, outcome: &Result<Outcome, Failure>) -> Option<String> {
        let text = self.admitted.target.action.speech.failed.as_ref()?;
        match outcome {
            Ok(outcome) if outcome.is_success() => None,
            Err(Failure::Cancelled) => None,
            Ok(_) | Err(_) => self.text("failed", text),
        }
    }

    /// Where the caller is to be transferred, and what is said first.
    pub(super) fn handover(&self, handover: &action::Handover) -> Result<Handover, RenderFailure> {
        let message = handover.message(&self.admitted.data())?.and_then(|text| self.cleaned(text));
        Ok(Handover { phone_number: handover.phone_number.clone(), queue: handover.queue.clone(), message })
    }

    fn text(&self, which: &'static str, text: &SpeechText) -> Option<String> {
        match text.render(self.language(), &self.admitted.data()) {
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
        let mut text = mask(text, self.deployment.redactor(&self.call.environment), None);
        if let Some(known) = self.admitted.conversation.as_deref().filter(|known| !known.concealed.is_empty())
            && let Some(clean) = Concealed::new(known.concealed.to_vec()).out_of_text(&text)
        {
            text = clean;
        }
        spoken(&text)
    }

    fn language(&self) -> Option<&str> {
        let known = || self.admitted.values.variables.get("conversation")?.get("language")?.as_str();
        self.call.language.as_deref().or_else(known)
    }
}
