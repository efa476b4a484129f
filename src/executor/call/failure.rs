//! Why a call failed, told twice: to the operator (`Display`) and to a model
//! that has a person on the line ([`Failure::into_error`]).
//!
//! Every match names every case, so that a new failure cannot reach a model
//! before somebody has chosen its words.

use http::StatusCode;

use crate::action::parameters::InvalidArguments;
use crate::action::template::{RenderError, RenderErrorCode, Root};
use crate::action::variables::InvalidVariables;
use crate::action::{Action, GuardError, LongValue, ParametersFailure, RenderFailure, TooLong};
use crate::auth::{TokenError, TokenErrorKind};
use crate::conversation::StoreError;
use crate::egress::EgressError;
use crate::tool::{Effect, FailureCode, Retry, Status, ToolCall, ToolError};
use callgate_text::closest;

use crate::executor::aside::NoSeat;
use crate::executor::served::{Deployment, ServedEnvironment};

use super::{guard_words, missing};

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub(in crate::executor) enum Failure {
    #[error("no action `{name}` in environment `{environment}`")]
    UnknownTool { name: String, environment: String, near: Option<String> },
    #[error("invalid arguments: {}", .0.masked())]
    Arguments(#[from] InvalidArguments),
    #[error("invalid variables: {0}")]
    Variables(#[from] InvalidVariables),
    #[error(transparent)]
    Render(#[from] RenderFailure),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Guard(GuardError),
    #[error("the deadline passed before the request was sent")]
    TooLate,
    #[error("too many calls wait for long work to be done")]
    Busy { safe: bool },
    #[error("the call was cancelled before it was sent")]
    Cancelled,
    #[error("the store did not answer before the deadline")]
    StoreTooLate { safe: bool },
    #[error("the same call was still under way at the deadline")]
    InProgress { safe: bool },
    #[error("the same call was being sent when the process that sent it ended")]
    Lost,
    #[error("`{action}` was called {most} times in this conversation")]
    TooManyCalls { action: String, most: u32 },
    #[error("the conversation has ended")]
    ConversationEnded,
    #[error("{error}")]
    Store { error: StoreError, safe: bool },
    #[error("the gateway failed to handle the call")]
    Internal { safe: bool },
    #[error("{}", chain(error))]
    Egress { error: EgressError, safe: bool },
}

impl From<ParametersFailure> for Failure {
    fn from(failure: ParametersFailure) -> Self {
        match failure {
            ParametersFailure::Arguments(invalid) => Self::Arguments(invalid),
            ParametersFailure::Bind(failure) => Self::Render(failure),
        }
    }
}

impl From<GuardError> for Failure {
    fn from(refused: GuardError) -> Self {
        match refused {
            GuardError::Arguments(invalid) => Self::Arguments(invalid),
            other => Self::Guard(other),
        }
    }
}

impl Failure {
    pub(in crate::executor) fn unknown_tool(deployment: &Deployment, call: &ToolCall) -> Self {
        let environment = deployment.environment(&call.environment);
        let offered = environment.into_iter().flat_map(ServedEnvironment::offered);
        let names: Vec<&str> = offered.map(|served| served.action.name.as_str()).collect();
        Self::UnknownTool {
            // The model's own text: it must not leave its backticks, nor the line.
            name: call
                .name
                .chars()
                .take(80)
                .map(|c| if c == '`' || c.is_control() { ' ' } else { c })
                .collect(),
            environment: call.environment.clone(),
            near: environment
                .and_then(|environment| environment.hinted_by(&call.name))
                .map(|served| served.action.name.as_str())
                .or_else(|| closest(&call.name, &names))
                .map(str::to_owned),
        }
    }

    /// There is no room for long work. `safe`: the call has not been made before, as far as anybody could know.
    pub(in crate::executor) fn no_seat(none: NoSeat, safe: bool) -> Self {
        match none {
            NoSeat::TooLate => Self::StoreTooLate { safe },
            NoSeat::Full => Self::Busy { safe },
        }
    }

    pub(in crate::executor) fn egress(error: EgressError, action: &Action) -> Self {
        Self::Egress { error, safe: action.is_safe() }
    }

    /// Whether the same call fails the same way again, whenever it comes.
    pub(in crate::executor) fn is_by_the_values(&self) -> bool {
        match self {
            Self::UnknownTool { .. }
            | Self::Arguments(_)
            | Self::Variables(_)
            | Self::Render(_)
            | Self::Egress { error: EgressError::InvalidUrl(_), .. } => true,
            Self::Guard(_)
            | Self::Token(_)
            | Self::TooLate
            | Self::Busy { .. }
            | Self::Cancelled
            | Self::StoreTooLate { .. }
            | Self::InProgress { .. }
            | Self::Lost
            | Self::TooManyCalls { .. }
            | Self::ConversationEnded
            | Self::Store { .. }
            | Self::Internal { .. }
            | Self::Egress { .. } => false,
        }
    }

    /// The HTTP status of an answer that could not be taken.
    pub(in crate::executor) fn status_code(&self) -> Option<u16> {
        match self {
            Self::Egress { error: EgressError::TooLarge { status, .. }, .. } => Some(*status),
            _ => None,
        }
    }

    /// What the model gets.
    pub(in crate::executor) fn into_error(self) -> (Status, ToolError) {
        match self {
            Self::UnknownTool { name, near, .. } => {
                let hint = near.map(|near| format!(" Did you mean `{near}`?")).unwrap_or_default();
                let message = format!("There is no tool named `{name}`.{hint}");
                exception(FailureCode::UnknownTool, message, Retry::WithChanges)
            }
            Self::Arguments(invalid) => {
                let (status, error) =
                    exception(FailureCode::InvalidArguments, invalid.message(), Retry::WithChanges);
                (status, ToolError { violations: invalid.violations, ..error })
            }
            Self::Variables(error) => exception(
                FailureCode::InvalidVariables,
                format!("The variables of this call cannot be used: {error}."),
                Retry::WithChanges,
            ),
            Self::Render(failure) => render_error(failure),
            Self::Token(TokenError { kind: TokenErrorKind::AddressRefused(_), .. }) => address_refused(),
            Self::Token(TokenError { connector, kind }) => {
                let (reason, retry) = match kind {
                    TokenErrorKind::Deadline => ("did not answer in time", Retry::Later),
                    TokenErrorKind::Unreachable(_) => ("cannot be reached", Retry::Later),
                    TokenErrorKind::Busy(_) => ("is too busy right now", Retry::Later),
                    TokenErrorKind::Refused(_) => ("was refused", Retry::No),
                    TokenErrorKind::Invalid(_) | TokenErrorKind::AddressRefused(_) => {
                        ("gave no usable answer", Retry::Later)
                    }
                };
                let message =
                    format!("The sign-in to the service (`{connector}`) {reason}; nothing was done.");
                exception(FailureCode::AuthFailed, message, retry)
            }
            Self::Guard(refused) => {
                let (code, message, retry) = guard_words::in_words(&refused);
                exception(code, message, retry)
            }
            Self::TooLate => {
                let message = "There was no time left for this; nothing was done.";
                exception(FailureCode::Timeout, message, Retry::Later)
            }
            Self::Cancelled => {
                let message = "This was cancelled before it was sent; nothing was done.";
                exception(FailureCode::Cancelled, message, Retry::Later)
            }
            Self::StoreTooLate { safe: true } => Self::TooLate.into_error(),
            Self::StoreTooLate { safe: false } => cannot_be_looked_up(FailureCode::Timeout),
            Self::InProgress { safe } => {
                let (end, effect, retry) = after(safe);
                let message = format!("The same call is still under way. {end}");
                (Status::Failure, error(FailureCode::InProgress, message, effect, retry))
            }
            Self::Lost => {
                let (end, effect, retry) = after(false);
                let message = format!("The same call was interrupted before its answer came. {end}");
                (Status::Failure, error(FailureCode::Interrupted, message, effect, retry))
            }
            Self::TooManyCalls { most, .. } => {
                let times = if most == 1 { "once".to_owned() } else { format!("{most} times") };
                let message = format!(
                    "This may be done {times} in a conversation, and has been; nothing was done now."
                );
                exception(FailureCode::TooManyCalls, message, Retry::No)
            }
            Self::ConversationEnded => {
                let message = "This conversation has ended; nothing was done.";
                exception(FailureCode::ConversationEnded, message, Retry::No)
            }
            Self::Busy { safe: false } => cannot_be_looked_up(FailureCode::Overloaded),
            Self::Busy { safe: true } | Self::Store { error: StoreError::Full(_), .. } => {
                let message = "Too much is going on right now; nothing was done.";
                exception(FailureCode::Overloaded, message, Retry::Later)
            }
            // Whoever has taken the intent may be sending it.
            Self::Store { error: StoreError::Fenced, safe } => Self::InProgress { safe }.into_error(),
            Self::Store { error: StoreError::Unavailable { .. }, safe: false } => {
                cannot_be_looked_up(FailureCode::StoreUnavailable)
            }
            Self::Store { error: StoreError::Unavailable { .. }, safe: true } => {
                let message = "This cannot be done safely right now, because what was done before cannot be looked up; nothing was done now.";
                exception(FailureCode::StoreUnavailable, message, Retry::Later)
            }
            Self::Internal { safe } => {
                let (end, effect, retry) = after(safe);
                let message = format!("Something went wrong here. {end}");
                (Status::Failure, error(FailureCode::InternalError, message, effect, retry))
            }
            Self::Egress { error, safe } => egress_error(&error, safe),
        }
    }
}

/// Tells a model that it sends the same impossible call again and again.
pub(in crate::executor) fn tell_to_stop(error: &mut ToolError, times: u32) {
    error.message.push_str(&format!(
        " The very same call has failed {times} times: do not send it again, ask the caller for what is missing or wrong."
    ));
}

/// Tells of a failure after an earlier attempt that may have done the thing:
/// whatever became of the last one, it is not certain that nothing was done.
pub(in crate::executor) fn after_earlier_attempt(error: ToolError) -> ToolError {
    let (end, effect, retry) = after(false);
    ToolError {
        message: format!("The service failed while this was being done. {end}"),
        effect,
        retry,
        ..error
    }
}

/// What an attempt without a complete answer may have done.
pub(in crate::executor) fn egress_effect(error: &EgressError, safe: bool) -> Effect {
    if safe || error.never_sent() { Effect::None } else { Effect::Unknown }
}

fn error(code: FailureCode, message: impl Into<String>, effect: Effect, retry: Retry) -> ToolError {
    ToolError {
        code,
        message: message.into(),
        effect,
        retry,
        violations: Vec::new(),
        missing: None,
        missing_all: Vec::new(),
    }
}

fn exception(code: FailureCode, message: impl Into<String>, retry: Retry) -> (Status, ToolError) {
    (Status::Exception, error(code, message, Effect::None, retry))
}

/// A write that may be a repeat, while the store cannot say whether it was done before.
fn cannot_be_looked_up(code: FailureCode) -> (Status, ToolError) {
    let message = "It cannot be looked up right now whether this was done before, so it was not sent. Do not repeat it; tell the caller that it is not certain.";
    (Status::Failure, error(code, message, Effect::Unknown, Retry::No))
}

fn render_error(failure: RenderFailure) -> (Status, ToolError) {
    let (place, failed, others) = match failure {
        RenderFailure::Template { place, error, others } => (place, error, others),
        RenderFailure::HeaderValue { place } => {
            let message = format!(
                "A value for `{place}` holds a line break or another control character; send it without."
            );
            return exception(FailureCode::TemplateError, message, Retry::WithChanges);
        }
        RenderFailure::TooLong(too_long) => return too_long_error(&too_long),
    };
    match failed.code {
        RenderErrorCode::MissingVariable => {
            let message = missing::in_words(&failed, &others);
            let (status, error) = exception(FailureCode::MissingVariable, message, Retry::WithChanges);
            let others: Vec<String> = others.into_iter().filter_map(|one| one.reference).collect();
            let several = failed.reference.iter().filter(|_| !others.is_empty()).cloned();
            let missing_all = several.chain(others.clone()).collect();
            (status, ToolError { missing: failed.reference, missing_all, ..error })
        }
        RenderErrorCode::TemplateError => {
            let message =
                format!("The request cannot be made with these values: {}.", in_the_models_words(&failed));
            exception(FailureCode::TemplateError, message, Retry::WithChanges)
        }
        RenderErrorCode::InvalidTemplateOutput => {
            let message =
                format!("This tool is not set up correctly: its {place} comes out broken with these values.");
            exception(FailureCode::InvalidTemplateOutput, message, Retry::No)
        }
    }
}

/// A URL or a header is longer than servers accept.
fn too_long_error(too_long: &TooLong) -> (Status, ToolError) {
    let (message, retry) = match &too_long.longest {
        Some(LongValue { root: Root::Parameters, path, is_bound: false }) => {
            let message = format!(
                "`{}` is too long for this request; nothing was done. Send a shorter value.",
                path.join(".")
            );
            (message, Retry::WithChanges)
        }
        Some(LongValue { root: Root::Parameters | Root::Variables, path, .. }) => {
            let message = format!(
                "`{}`, which this conversation holds, is too long for this request; nothing was done.",
                path.join(".")
            );
            (message, Retry::No)
        }
        Some(LongValue { root: Root::StaticVariables, .. }) | None => {
            let message =
                "This tool is not set up correctly: its request comes out too long; nothing was done.";
            (message.to_owned(), Retry::No)
        }
    };
    exception(FailureCode::TemplateError, message, retry)
}

/// A message about a parameter, under the name that the model knows it by.
fn in_the_models_words(failed: &RenderError) -> String {
    match (&failed.reference, &failed.root_and_path) {
        (Some(reference), Some((Root::Parameters, path))) if !path.is_empty() => {
            failed.message.replacen(&format!("`{reference}`"), &format!("`{}`", path.join(".")), 1)
        }
        _ => failed.message.clone(),
    }
}

/// How the end of a sentence tells what may have happened.
fn after(safe: bool) -> (&'static str, Effect, Retry) {
    if safe {
        ("You can try once more.", Effect::None, Retry::Later)
    } else {
        (
            "It is not known whether it was done, so do not repeat it; tell the caller that it is not certain.",
            Effect::Unknown,
            Retry::No,
        )
    }
}

/// Which address, and why, is for the operator.
fn address_refused() -> (Status, ToolError) {
    let message = "This tool is not allowed to reach its service from here; nothing was done.";
    exception(FailureCode::AddressRefused, message, Retry::No)
}

fn egress_error(failed: &EgressError, safe: bool) -> (Status, ToolError) {
    let (end, effect, retry) = after(safe);
    let failure = |code, start: &str| (Status::Failure, error(code, format!("{start} {end}"), effect, retry));
    match failed {
        EgressError::InvalidUrl(_) => exception(
            FailureCode::TemplateError,
            "These values make no valid address for the request.",
            Retry::WithChanges,
        ),
        EgressError::Unsendable(_) => exception(
            FailureCode::InternalError,
            "Something is wrong with the set-up of this tool; nothing was done.",
            Retry::No,
        ),
        EgressError::ForeignOrigin { .. } | EgressError::Refused(_) => address_refused(),
        EgressError::Overloaded(_) => exception(
            FailureCode::Overloaded,
            "Too many calls wait for the service right now; nothing was done.",
            Retry::Later,
        ),
        EgressError::Unavailable { .. } => exception(
            FailureCode::UpstreamUnavailable,
            "The service has been failing and is left alone for a moment; nothing was done.",
            Retry::Later,
        ),
        EgressError::Connect(_) | EgressError::Unprocessed(_) => {
            let message = "The service cannot be reached right now; nothing was done.";
            (Status::Failure, error(FailureCode::ConnectFailed, message, Effect::None, Retry::Later))
        }
        EgressError::Deadline | EgressError::Silent(_) => {
            failure(FailureCode::Timeout, "The service did not answer in time.")
        }
        EgressError::Lost(_) => failure(
            FailureCode::ConnectionLost,
            "The connection to the service broke before its answer was complete.",
        ),
        EgressError::Decode(_) => {
            failure(FailureCode::InvalidResponse, "The service's answer cannot be read.")
        }
        EgressError::TooLarge { .. } => {
            let retry = if safe { Retry::WithChanges } else { Retry::No };
            let end = if safe { "Ask for less." } else { end };
            let message = format!("The service's answer is too long. {end}");
            (Status::Failure, error(FailureCode::ResponseTooLarge, message, effect, retry))
        }
    }
}

/// The upstream answered 2xx with JSON that is none.
pub(in crate::executor) fn broken_json(action: &Action, problem: &str) -> ToolError {
    tracing::debug!(tool.name = %action.name, problem, "the upstream's JSON is broken");
    let (end, effect, retry) = after(action.is_safe());
    error(FailureCode::InvalidResponse, format!("The service's answer came broken. {end}"), effect, retry)
}

/// The upstream answered 2xx, and its answer is none that the action takes for a success.
pub(in crate::executor) fn declined(action: &Action) -> ToolError {
    let message = "The service answered that this did not succeed; its answer may say why.";
    // It has gone through the request: what a write did before the answer said no is not known.
    let (message, effect) = match action.is_safe() {
        true => (message.to_owned(), Effect::None),
        false => (format!("{message} Do not send the same again."), Effect::Unknown),
    };
    error(FailureCode::UpstreamDeclined, message, effect, Retry::WithChanges)
}

/// The upstream answered something else than 2xx.
pub(in crate::executor) fn upstream_status(status: StatusCode, action: &Action) -> ToolError {
    let number = status.as_u16();
    let (end, effect, retry) = after(action.is_safe());
    let (code, message, effect, retry) = match number {
        // RFC 9110: the request is to be sent elsewhere; it was not carried out here.
        307 | 308 if !action.is_safe() => (
            FailureCode::UpstreamRedirect,
            format!("The service wants this sent elsewhere ({number}), which is not done; nothing was done."),
            Effect::None,
            Retry::No,
        ),
        300..=399 => {
            let start = format!("The service answered with a redirect ({number}), which is not followed.");
            // A redirect after a write is often how its success is told.
            let message = if action.is_safe() { start } else { format!("{start} {end}") };
            (FailureCode::UpstreamRedirect, message, effect, Retry::No)
        }
        401 | 403 => (
            FailureCode::UpstreamUnauthorized,
            format!("The service refused access ({number}); nothing was done."),
            Effect::None,
            Retry::No,
        ),
        404 | 410 => (
            FailureCode::UpstreamNotFound,
            format!("The service found nothing under these values ({number})."),
            Effect::None,
            Retry::WithChanges,
        ),
        408 => {
            (FailureCode::UpstreamError, format!("The service gave up waiting (408). {end}"), effect, retry)
        }
        429 => (
            FailureCode::UpstreamRateLimited,
            "The service is asked too often right now (429); nothing was done.".to_owned(),
            Effect::None,
            Retry::Later,
        ),
        400..=499 => (
            FailureCode::UpstreamRejected,
            format!("The service rejected the request ({number}); its answer may say why."),
            Effect::None,
            Retry::WithChanges,
        ),
        _ => {
            (FailureCode::UpstreamError, format!("The service had an error ({number}). {end}"), effect, retry)
        }
    };
    error(code, message, effect, retry)
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}
