//! What came of a call → the result that the model gets.

use std::sync::Arc;
use std::time::Instant;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::action::Action;
use crate::action::output::{self, Concealed, Extracted};
use crate::conversation::Conversation;
use crate::egress::redirect;
use crate::secrets::Redactor;
use crate::tool::{
    Cancellation, Effect, Handover, MAX_CHOSEN, Spoken, Status, ToolCall, ToolError, ToolResult,
    TraceContext, shortened,
};

use super::answer::{Answer, Content};
use super::aside::Seat;
use super::body::{self, Shaped, Verdict, mask, masked_error, masked_value};
use super::exchange::Seen;
use super::failure::{self, Failure};
use super::feed::Feed;
use super::headers;
use super::masks::Masks;
use super::report::{CallReport, Exchange, Spent, Step};
use super::{Deployment, ServedAction};

/// When a call came, and what is counted on its way.
#[derive(Debug)]
pub(super) struct Receipt {
    pub(super) started: Instant,
    pub(super) attempts: u32,
    /// Whether a byte of the request may have been written.
    pub(super) was_sent: bool,
    /// Whether an attempt may have changed something without saying so.
    pub(super) may_be_done: bool,
    /// What a cancellation met, where one came.
    pub(super) cancellation: Option<Cancellation>,
    /// Whether somebody withdrew the call by its id before it was sent.
    pub(super) is_withdrawn: bool,
    /// What the caller is to hear of a failure.
    pub(super) failed: Option<String>,
    /// Masks the token that was sent.
    pub(super) redactor: Option<Arc<Redactor>>,
    /// Held while long work is done on the answer.
    pub(super) seat: Option<Seat>,
    /// Where the time went, but for the total.
    pub(super) spent: Spent,
    /// The attempts, where the call is traced.
    pub(super) steps: Vec<Step>,
    /// What the feed of the call's conversation will be told, where it names one.
    pub(super) feed: Option<Box<Feed>>,
    /// What is sent and comes back, where an observer wants it.
    pub(super) seen: Option<Box<Seen>>,
    /// The same when the call has ended, masked.
    pub(super) exchange: Option<Exchange>,
    timestamp: jiff::Timestamp,
}

impl Receipt {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            attempts: 0,
            was_sent: false,
            may_be_done: false,
            cancellation: None,
            is_withdrawn: false,
            failed: None,
            redactor: None,
            seat: None,
            spent: Spent::default(),
            steps: Vec::new(),
            feed: None,
            seen: None,
            exchange: None,
            timestamp: jiff::Timestamp::now(),
        }
    }

    /// The result of another call of the same intent, as this call's.
    /// `state` is what the caller goes on with, where it carries its conversation.
    pub(super) fn replay(
        &self,
        first: &ToolResult,
        id: String,
        environment: String,
        state: Option<String>,
    ) -> Logged {
        let result = ToolResult { tool_call_id: id, replayed: true, state, ..first.clone() };
        let result = ToolResult { duration_ms: self.duration_ms(), timestamp: self.timestamp(), ..result };
        Logged { result, environment, cause: None, first: Some(first.tool_call_id.clone()) }
    }

    /// Waits, and notes how long it took.
    pub(super) async fn waiting<T>(&mut self, work: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let done = work.await;
        self.spent.waiting += started.elapsed();
        done
    }

    pub(super) fn report<'a>(
        &'a self,
        environment: &'a str,
        action: Option<&'a str>,
        trace: Option<&'a TraceContext>,
        result: &'a ToolResult,
        cause: Option<&'a str>,
    ) -> CallReport<'a> {
        let spent = Spent { total: self.started.elapsed(), ..self.spent };
        let started = self.timestamp.into();
        let (steps, exchange) = (self.steps.as_slice(), self.exchange.as_ref());
        CallReport { environment, action, result, started, spent, trace, steps, cause, exchange }
    }

    fn duration_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn timestamp(&self) -> String {
        format!("{:.3}", self.timestamp)
    }
}

/// What an upstream answered, seen with the eyes of the action.
#[derive(Debug)]
pub(super) struct Outcome {
    status: Status,
    status_code: Option<u16>,
    /// What the model sees of the headers, where the action names some.
    headers: Option<Map<String, Value>>,
    /// What the model sees of the answer.
    body: Option<Box<RawValue>>,
    /// What it sees of the output variables.
    variables: Map<String, Value>,
    error: Option<ToolError>,
    pub(super) extracted: Vec<Extracted>,
    /// Output variables for which an answer that speaks of them has nothing: what is known of them holds no more.
    pub(super) cleared: Vec<String>,
    handover: Option<Handover>,
    /// What the log says of it, masked.
    cause: Option<String>,
}

/// All that an answer is looked at with. Owned, for another thread may have to do it.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) deployment: Arc<Deployment>,
    pub(super) served: Arc<ServedAction>,
    pub(super) conversation: Option<Arc<Conversation>>,
    /// Masks the token that was sent.
    pub(super) token: Option<Arc<Redactor>>,
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

    pub(super) fn is_success(&self) -> bool {
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

/// A result, and what the log says beyond it.
pub(super) struct Logged {
    pub(super) result: ToolResult,
    environment: String,
    /// Why it failed, for the operator; masked.
    pub(super) cause: Option<String>,
    /// The id of the call whose result it is, where it was not done again.
    first: Option<String>,
}

impl From<Logged> for ToolResult {
    fn from(logged: Logged) -> Self {
        logged.result
    }
}

/// Makes the result complete, and masks what is new in it.
pub(super) fn result(
    call: ToolCall,
    outcome: Result<Outcome, Failure>,
    receipt: &Receipt,
    deployment: &Deployment,
) -> Logged {
    let redact =
        |text: String| mask(text, deployment.redactor(&call.environment), receipt.redactor.as_deref());
    let outcome = outcome.unwrap_or_else(|failure| {
        let cause = Some(redact(failure.to_string()));
        let status_code = failure.status_code();
        let (status, error) = failure.into_error();
        Outcome {
            status,
            status_code,
            headers: None,
            body: None,
            variables: Map::new(),
            error: Some(error),
            extracted: Vec::new(),
            cleared: Vec::new(),
            handover: None,
            cause,
        }
    });
    let cause = outcome.cause.map(|cause| sensitive(deployment, &call).redact(&cause).into_owned());
    let error = outcome.error.map(|error| {
        let earlier = receipt.may_be_done && error.effect == Effect::None;
        let error = if earlier { failure::after_earlier_attempt(error) } else { error };
        masked_error(error, &redact)
    });
    let result = ToolResult {
        tool_call_id: call.id,
        name: call.name,
        status: outcome.status,
        status_code: outcome.status_code,
        headers: outcome.headers,
        body: outcome.body,
        variables: outcome.variables,
        handover: outcome.handover,
        error,
        replayed: false,
        speech: receipt.failed.clone().map(|failed| Spoken { failed: redact(failed) }),
        cancellation: receipt.cancellation,
        attempts: receipt.attempts,
        duration_ms: receipt.duration_ms(),
        timestamp: receipt.timestamp(),
        state: None,
    };
    Logged { result, environment: call.environment, cause, first: None }
}

/// Masks what the log of a failed call must not say: causes hold no arguments,
/// and this makes sure of the sensitive ones.
fn sensitive(deployment: &Deployment, call: &ToolCall) -> Redactor {
    let Ok(target) = super::find(deployment, call, super::Access::Look) else { return Redactor::default() };
    let arguments = target.action.parameters.read(&call.arguments).unwrap_or_default();
    let texts = target.action.sensitive_texts(&arguments, &[]);
    Redactor::for_values(texts.iter().map(String::as_str))
}

/// One line for each call: readable alone, and by its fields. Texts that the
/// caller chose are recorded as values, which the log writes quoted and escaped.
pub(super) fn log(logged: &Logged) {
    let Logged { result, environment, cause, first } = logged;
    let (first, done) = (first.as_deref(), if first.is_some() { "replayed" } else { "done" });
    let status = match result.status {
        Status::Success => "success",
        Status::Error => "error",
        Status::Failure => "failure",
        Status::Exception => "exception",
    };
    // An unknown name is the model's own text, as long as a request may be.
    let name = shortened(&result.name, MAX_CHOSEN);
    match &result.error {
        None => tracing::info!(
            tool.name = &*name,
            call.id = result.tool_call_id.as_str(),
            environment,
            status,
            http.status = result.status_code,
            attempts = result.attempts,
            duration_ms = result.duration_ms,
            first.id = first,
            "tool call {done}"
        ),
        Some(error) => tracing::warn!(
            tool.name = &*name,
            call.id = result.tool_call_id.as_str(),
            environment,
            status,
            http.status = result.status_code,
            attempts = result.attempts,
            duration_ms = result.duration_ms,
            first.id = first,
            failure.code = error.code.as_str(),
            cause = cause.as_deref().unwrap_or_default(),
            "tool call failed"
        ),
    }
}
