//! One round with a model: its answer is said as it comes. A model that fails before it has said anything gives way to the
//! next one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use callgate_model::{
    Delta, FailureKind, Message, Provider, ProviderFailure, Reader, Reply, Request, StreamError, ToolChoice,
};
use jiff::Timestamp;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::action::AgentModel;
use crate::definition::ModelProvider;
use crate::egress::{Deadline, EgressError, Streaming, retry_after};
use crate::executor::{Gateway, ModelReport, ModelRequest, ModelUnreached, ServedAgent, Upstream};

use super::voice::Voice;

/// Longest wait that a provider's `Retry-After` is followed for.
const LONGEST_WAIT: Duration = Duration::from_secs(3);
/// The wait where a provider fails and does not say when it wants to be asked again.
const USUAL_WAIT: Duration = Duration::from_millis(250);

/// What a model is asked.
pub(super) struct Question<'q> {
    pub(super) system: &'q str,
    pub(super) messages: &'q [Message],
    pub(super) tool_choice: ToolChoice,
    /// The tools in the form of a provider.
    pub(super) tools: &'q (dyn Fn(Provider) -> Vec<Arc<RawValue>> + Sync),
    pub(super) variables: &'q Map<String, Value>,
    pub(super) temperature: Option<f64>,
    pub(super) max_tokens: Option<u32>,
    pub(super) deadline: Deadline,
}

/// An answer.
pub(super) struct Answered {
    pub(super) reply: Reply,
    pub(super) model: String,
    pub(super) first_token_ms: u64,
    pub(super) took_ms: u64,
}

/// Why no model has answered.
#[derive(Debug)]
pub(super) struct NoAnswer {
    /// A stable name.
    pub(super) code: &'static str,
    /// For the operator, masked.
    pub(super) cause: String,
}

/// Why one model has not answered.
struct Failed {
    code: &'static str,
    cause: String,
    /// Whether another try may go better.
    is_passing: bool,
    /// How long to wait before another try.
    wait: Duration,
}

/// Why an answer has not been read to its end.
enum Unread {
    /// Its body does not come.
    Body(EgressError),
    /// What comes is no answer.
    Answer(StreamError),
}

/// The form of a provider.
pub(super) fn form(provider: ModelProvider) -> Provider {
    match provider {
        ModelProvider::OpenAi => Provider::OpenAi,
        ModelProvider::OpenAiResponses => Provider::OpenAiResponses,
        ModelProvider::Anthropic => Provider::Anthropic,
        ModelProvider::Gemini => Provider::Gemini,
    }
}

/// Asks the models of `agent` in turn, beginning with number `current`, which becomes the one that has answered. What it
/// says is added to `said`.
///
/// # Errors
///
/// No model has answered as a whole. What one has said before it broke off is said.
pub(super) async fn ask(
    gateway: &Gateway,
    agent: &ServedAgent,
    current: &mut usize,
    question: &Question<'_>,
    voice: &mut Voice,
    said: &mut String,
) -> Result<Answered, NoAnswer> {
    let before = said.len();
    let mut is_repeated = false;
    loop {
        let Some((model, upstream)) = agent.models().nth(*current) else {
            return Err(NoAnswer { code: "model_missing", cause: "the agent has no model".to_owned() });
        };
        let answered = ask_one(gateway, agent, (model, upstream), question, voice, said).await;
        let (first_token, outcome) = match &answered {
            Ok(answered) => (Some(Duration::from_millis(answered.first_token_ms)), "ok"),
            Err(failed) => (None, failed.code),
        };
        gateway.model_asked(&ModelReport {
            environment: &agent.environment.name,
            agent: &agent.agent.name,
            model: &model.model,
            first_token,
            outcome,
        });
        let failed = match answered {
            Ok(answered) => return Ok(answered),
            Err(failed) => failed,
        };
        let cause = agent.environment.redactor.redact(&failed.cause).into_owned();
        tracing::warn!(
            agent = agent.agent.name.as_str(),
            model = model.model.as_str(),
            failure.code = failed.code,
            cause,
            "a model has not answered"
        );
        // What was said cannot be taken back, and no other model can go on with it.
        let is_over = said.len() > before || question.deadline.left().is_zero();
        let has_next = *current + 1 < agent.agent.models.len();
        if is_over || (!has_next && (is_repeated || !failed.is_passing)) {
            return Err(NoAnswer { code: failed.code, cause });
        }
        if has_next {
            *current += 1;
            continue;
        }
        is_repeated = true;
        if failed.wait > LONGEST_WAIT || failed.wait >= question.deadline.left() {
            return Err(NoAnswer { code: failed.code, cause });
        }
        tokio::time::sleep(failed.wait).await;
    }
}

async fn ask_one(
    gateway: &Gateway,
    agent: &ServedAgent,
    (written, upstream): (&AgentModel, &Upstream),
    question: &Question<'_>,
    voice: &mut Voice,
    said: &mut String,
) -> Result<Answered, Failed> {
    let provider = form(written.provider);
    let tools = (question.tools)(provider);
    let seat = gateway.seat_if_any(question.messages.iter().map(Message::text_bytes).sum()).await;
    let body = provider.body(&Request {
        model: &written.model,
        origin: &written.origin,
        system: question.system,
        messages: question.messages,
        tools: &tools,
        tool_choice: question.tool_choice,
        parallel_tool_calls: None,
        temperature: written.temperature.or(question.temperature),
        max_tokens: written.max_tokens.or(question.max_tokens),
    });
    drop(seat);
    let request = ModelRequest {
        path: provider.path(&written.model),
        headers: provider.headers(),
        body: Bytes::from(body),
        variables: question.variables,
    };
    let asked = Instant::now();
    // The first token has to come sooner than the end.
    let first = question.deadline.min(Deadline::after(written.first_token));
    let mut answer =
        gateway.open_model(agent, (written, upstream), request, first).await.map_err(unreached)?;
    if !answer.status().is_success() {
        return Err(refused(provider, answer, first).await);
    }
    let listened = listen(&mut answer, provider.reader(), (asked, first), question, voice, said).await;
    let (mut reply, first_token_ms) = match listened {
        Ok(heard) => {
            answer.complete();
            heard
        }
        Err(Unread::Body(error)) => return Err(broken(&error)),
        Err(Unread::Answer(error)) => {
            if is_failure_of_service(&error) {
                answer.fail();
            } else {
                answer.complete();
            }
            return Err(stream_error(error));
        }
    };
    if let Some(raw) = &mut reply.assistant.raw {
        raw.origin.clone_from(&written.origin);
    }
    let took_ms = millis(asked);
    let first_token_ms = first_token_ms.unwrap_or(took_ms);
    Ok(Answered { reply, model: written.model.clone(), first_token_ms, took_ms })
}

/// Reads an answer and says its words as they come. Gives it, and after how many milliseconds since `asked` its first token
/// came, which has to come before `first`.
async fn listen(
    answer: &mut Streaming<'_>,
    mut reader: Reader,
    (asked, first): (Instant, Deadline),
    question: &Question<'_>,
    voice: &mut Voice,
    said: &mut String,
) -> Result<(Reply, Option<u64>), Unread> {
    let mut deltas = Vec::new();
    let mut first_token_ms = None;
    while !reader.is_complete() {
        let deadline = if first_token_ms.is_none() { first } else { question.deadline };
        let Some(piece) = answer.piece(deadline).await.map_err(Unread::Body)? else { break };
        let read = reader.push(&piece, &mut deltas);
        if first_token_ms.is_none() && (reader.has_begun() || !deltas.is_empty()) {
            first_token_ms = Some(millis(asked));
        }
        for Delta::Text(text) in deltas.drain(..) {
            voice.model(text, said).await;
        }
        read.map_err(Unread::Answer)?;
    }
    let finished = reader.finish(&mut deltas);
    for Delta::Text(text) in deltas {
        voice.model(text, said).await;
    }
    Ok((finished.map_err(Unread::Answer)?, first_token_ms))
}

/// Whether an answer that cannot be used is the service's own failure, as a status of 500 and above is. One that makes no sense
/// counts by its status, as that of any other service does.
fn is_failure_of_service(error: &StreamError) -> bool {
    match error {
        StreamError::BrokenOff { .. } => true,
        StreamError::Provider(failure) => match failure.kind {
            FailureKind::Overloaded | FailureKind::Other => true,
            FailureKind::Credentials
            | FailureKind::RateLimited
            | FailureKind::RefusedRequest
            | FailureKind::ContextTooLong
            | FailureKind::NotFound
            | FailureKind::Unusable => false,
        },
        StreamError::TooLarge(_) | StreamError::Malformed(_) => false,
    }
}

/// What a provider says that answers with an error.
async fn refused(provider: Provider, mut answer: Streaming<'_>, deadline: Deadline) -> Failed {
    /// As much of an error as is read.
    const LONGEST: usize = 64 * 1024;
    let status = answer.status().as_u16();
    let mut body = Vec::new();
    while let Ok(Some(piece)) = answer.piece(deadline).await {
        body.extend_from_slice(&piece);
        if body.len() > LONGEST {
            break;
        }
    }
    let failed = of_provider(provider.failure(status, &body), Some(status));
    let wait = retry_after(answer.headers(), Timestamp::now()).unwrap_or(failed.wait);
    answer.complete();
    Failed { wait, ..failed }
}

/// `status` is that of the answer; `None` where the failure came in the middle of it.
fn of_provider(failure: ProviderFailure, status: Option<u16>) -> Failed {
    let (code, is_passing) = match failure.kind {
        FailureKind::Credentials => ("model_credentials", false),
        FailureKind::RateLimited => ("model_rate_limited", true),
        FailureKind::Overloaded => ("model_overloaded", true),
        FailureKind::RefusedRequest => ("model_refused", false),
        FailureKind::ContextTooLong => ("model_context_too_long", false),
        FailureKind::NotFound => ("model_not_found", false),
        FailureKind::Unusable => ("model_failed", true),
        FailureKind::Other => ("model_failed", status.is_none_or(|status| status >= 500)),
    };
    let named = failure.code.map(|code| format!(" ({code})")).unwrap_or_default();
    let place = status
        .map_or_else(|| "in the middle of the answer".to_owned(), |status| format!("HTTP status {status}"));
    let cause = format!("{place}{named}: {}", failure.message);
    Failed { code, cause, is_passing, wait: USUAL_WAIT }
}

fn unreached(error: ModelUnreached) -> Failed {
    let cause = error.to_string();
    let (code, is_passing) = match &error {
        ModelUnreached::Token(_) => ("model_credentials", false),
        ModelUnreached::Headers(_) => ("model_headers", false),
        ModelUnreached::Egress(error) => return Failed { cause, ..broken(error) },
    };
    Failed { code, cause, is_passing, wait: Duration::ZERO }
}

fn broken(error: &EgressError) -> Failed {
    let (code, is_passing) = match error {
        EgressError::Deadline | EgressError::Silent(_) => ("model_timeout", true),
        EgressError::Overloaded(_) | EgressError::Unavailable { .. } => ("model_overloaded", false),
        EgressError::Refused(_)
        | EgressError::InvalidUrl(_)
        | EgressError::Unsendable(_)
        | EgressError::ForeignOrigin { .. } => ("model_address", false),
        EgressError::TooLarge { .. } => ("model_broken", false),
        EgressError::Connect(_)
        | EgressError::Unprocessed(_)
        | EgressError::Lost(_)
        | EgressError::Decode(_) => ("model_unreachable", true),
    };
    if let EgressError::Silent(pause) = error {
        let cause = format!("the model has paused for {} ms within its answer", pause.as_millis());
        return Failed { code, cause, is_passing, wait: Duration::ZERO };
    }
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |cause| cause.source());
    let cause = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
    Failed { code, cause, is_passing, wait: Duration::ZERO }
}

fn stream_error(error: StreamError) -> Failed {
    let cause = error.to_string();
    match error {
        // What broke off in the middle may go better the next time.
        StreamError::Provider(failure) => of_provider(failure, None),
        StreamError::BrokenOff { .. } => {
            Failed { code: "model_broken", cause, is_passing: true, wait: Duration::ZERO }
        }
        StreamError::TooLarge(_) | StreamError::Malformed(_) => {
            Failed { code: "model_broken", cause, is_passing: false, wait: Duration::ZERO }
        }
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_that_fails_is_not_asked_again_at_once() {
        for status in [None, Some(429), Some(503)] {
            let failed = of_provider(Provider::OpenAi.failure(status.unwrap_or(500), b""), status);
            assert!(failed.is_passing);
            assert_eq!(failed.wait, USUAL_WAIT, "{status:?}");
        }
    }
}
