//! What an answer means to its action, and what the model sees of it.

use std::sync::Arc;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::action::Action;
use crate::action::output::{self, Concealed, Extracted};
use crate::conversation::Conversation;
use crate::egress::redirect;
use crate::executor::conversation::masks::Masks;
use crate::executor::served::{Deployment, ServedAction};
use crate::secrets::Redactor;
use crate::tool::{Handover, Status, ToolError};

use super::answer::{Answer, Content};
use super::body::{self, Shaped, Verdict, mask, masked_value};
use super::failure;
use super::headers;

/// What an upstream answered, interpreted by the rules of its action.
#[derive(Debug)]
pub(in crate::executor) struct Outcome {
    pub(in crate::executor) status: Status,
    pub(in crate::executor) status_code: Option<u16>,
    /// What the model sees of the headers, where the action names some.
    pub(in crate::executor) headers: Option<Map<String, Value>>,
    /// What the model sees of the answer.
    pub(in crate::executor) body: Option<Box<RawValue>>,
    /// What it sees of the output variables.
    pub(in crate::executor) variables: Map<String, Value>,
    pub(in crate::executor) error: Option<ToolError>,
    pub(in crate::executor) extracted: Vec<Extracted>,
    /// Output variables for which an answer that speaks of them has nothing: what is known of them holds no more.
    pub(in crate::executor) cleared: Vec<String>,
    pub(in crate::executor) handover: Option<Handover>,
    /// What the log says of it, masked.
    pub(in crate::executor) cause: Option<String>,
}

/// All that an answer is looked at with. Owned, for another thread may have to do it.
#[derive(Debug)]
pub(super) struct Look {
    pub(in crate::executor) deployment: Arc<Deployment>,
    pub(in crate::executor) served: Arc<ServedAction>,
    pub(in crate::executor) conversation: Option<Arc<Conversation>>,
    /// Masks the token that was sent.
    pub(in crate::executor) token: Option<Arc<Redactor>>,
}

impl Look {
    fn action(&self) -> &Action {
        &self.served.action
    }

    fn redact(&self, text: String) -> String {
        mask(text, Some(&self.served.environment.redactor), self.token.as_deref())
    }

    /// What a log may say of an answer: nothing that is a secret, or that the conversation keeps to itself.
    fn for_the_log(&self, text: &str) -> String {
        let masks = match &self.conversation {
            Some(conversation) => Masks::of(&self.deployment, conversation, &[]),
            None => Masks::secrets(&self.deployment, &self.served.environment.name),
        };
        masks.and_token(self.token.as_deref()).ready().content(text)
    }

    /// What the model sees of `content`: without what the conversation hides, masked, and cut to fit.
    fn body(&self, content: Content, status: Status, concealed: &Concealed) -> Option<Box<RawValue>> {
        let most = self.action().response.max_chars.unwrap_or(self.deployment.limits.max_body_chars);
        body::body(content.without(concealed), status, most, &|text| self.redact(text))
    }
}

impl Outcome {
    /// Takes the action's output variables out of an answer, and shapes what the model sees of it. What an upstream
    /// repeats of a secret or of the call's token is masked in the variables too: they are kept, and what comes
    /// later may know neither. `None` where that was not done while it was `in_time`.
    pub(super) fn of(answer: Answer, look: &Look, in_time: &dyn Fn() -> bool) -> Option<Self> {
        let (mut answer, action, redact) = (answer, look.action(), |text| look.redact(text));
        let Shaped { verdict, mut extracted, headers } = body::shape(&mut answer, action, in_time)?;
        let Answer { status, content, headers: came } = answer;
        for one in &mut extracted {
            if !in_time() {
                return None;
            }
            one.value = masked_value(std::mem::take(&mut one.value), &redact);
            one.shown = one.shown.take().map(|shown| masked_value(shown, &redact));
        }
        let (ended, error) = match (verdict, &content) {
            (Verdict::OtherStatus, _) => (Status::Error, Some(failure::upstream_status(status, action))),
            (_, Content::BrokenJson { problem, .. }) => {
                (Status::Failure, Some(failure::broken_json(action, problem)))
            }
            (Verdict::Unreadable, _) => (
                Status::Failure,
                Some(failure::broken_json(
                    action,
                    "it cannot be judged: it is nested too deeply, or too large",
                )),
            ),
            (Verdict::Declined, _) => (Status::Error, Some(failure::declined(action))),
            (Verdict::Success, _) => (Status::Success, None),
        };
        // What refuses the request itself, or has no answer to it, says nothing of what was known before.
        let speaks = match ended {
            Status::Success => true,
            Status::Error => status.is_success() || matches!(status.as_u16(), 404 | 410),
            Status::Failure | Status::Exception => false,
        };
        let is_found = |name: &str| extracted.iter().any(|one| one.name == name);
        let lost = action.outputs.iter().filter(|one| speaks && !one.keeps && !is_found(&one.name));
        let cleared = lost.map(|one| one.name.clone()).collect();
        let concealed = concealed(look.conversation.as_deref(), &extracted);
        let shown = extracted.iter().filter_map(|one| Some((one.name.clone(), one.shown.clone()?)));
        let cleaned = shown.map(|(name, mut value)| {
            concealed.out_of_value(&mut value);
            (name, value)
        });
        let variables = cleaned.collect();
        if !in_time() {
            return None;
        }
        let headers = headers.map(|headers| headers::shown(headers, &concealed, &redact));
        let cause = match &content {
            Content::BrokenJson { problem, .. } if ended == Status::Failure => {
                Some(format!("the answer is no JSON: {problem}"))
            }
            _ => redirect(status, &came).map(|told| look.for_the_log(&told)),
        };
        let body = look.body(content, ended, &concealed);
        in_time().then_some(Self {
            status: ended,
            status_code: Some(status.as_u16()),
            headers,
            body,
            variables,
            error,
            extracted,
            cleared,
            handover: None,
            cause,
        })
    }

    /// The caller is to be transferred.
    pub(super) fn handover(handover: Handover, look: &Look) -> Self {
        let to = handover.phone_number.as_deref().or(handover.queue.as_deref()).unwrap_or_default();
        let text = handover.message.clone().unwrap_or_else(|| format!("Transferring the caller to {to}."));
        let concealed = concealed(look.conversation.as_deref(), &[]);
        Self {
            status: Status::Success,
            status_code: None,
            headers: None,
            body: look.body(Content::Text(text), Status::Success, &concealed),
            variables: Map::new(),
            error: None,
            extracted: Vec::new(),
            cleared: Vec::new(),
            handover: Some(handover),
            cause: None,
        }
    }

    pub(in crate::executor) fn is_success(&self) -> bool {
        self.status == Status::Success
    }
}

/// What the model must not see of an answer: what the conversation knew, and what was just `learned`.
fn concealed(conversation: Option<&Conversation>, learned: &[Extracted]) -> Concealed {
    let Some(conversation) = conversation else { return Concealed::default() };
    let hidden = learned.iter().filter(|one| one.hidden);
    let texts = hidden.flat_map(|one| output::sought_texts(&one.value));
    Concealed::new(conversation.concealed.iter().cloned().chain(texts).collect())
}
