//! What a model gets.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::action::parameters::Violation;

/// The answer to a tool call. A call that failed has one too.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ToolResult {
    /// The id of the call.
    pub tool_call_id: String,
    /// Name of the action.
    pub name: String,
    /// How the call ended.
    pub status: Status,
    /// The upstream's HTTP status, if it answered.
    pub status_code: Option<u16>,
    /// The response headers that the action's `response.headers` names, as far as they came, under the names that are
    /// written there. Not there where it names none, or where the upstream gave no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub headers: Option<Map<String, Value>>,
    /// What the model may see of the upstream's answer: JSON as it was sent, or a text as a JSON string.
    #[schema(value_type = Option<Value>)]
    pub body: Option<Box<RawValue>>,
    /// Output variables with `expose: true`, by dotted name.
    #[schema(value_type = Object)]
    pub variables: Map<String, Value>,
    /// Where the caller is to be transferred; only for actions of type `handover`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handover: Option<Handover>,
    /// What went wrong, if anything did.
    pub error: Option<ToolError>,
    /// Whether this is the result of an earlier call, or of one under way, that stands for the same intent: nothing
    /// was sent for this one.
    #[serde(default, skip_serializing_if = "is_false")]
    pub replayed: bool,
    /// What the person on the line is to hear, where the action has words for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speech: Option<Spoken>,
    /// What a cancellation met, where one came: by `DELETE /v1/tool-calls/{id}` or by a caller that hung up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancellation: Option<Cancellation>,
    /// How often the request was sent upstream.
    pub attempts: u32,
    /// Time from receipt to answer.
    pub duration_ms: u64,
    /// When the call was received (RFC 3339, UTC).
    pub timestamp: String,
    /// The conversation after this call, sealed: for the next request. Only where the request brought a `state`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// What the person on the line is to hear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Spoken {
    /// Why there is no answer: `speech.failed` of the action, for a call that went ahead and failed.
    pub failed: String,
}

/// What a cancellation met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cancellation {
    /// The call had not been sent, and will not be.
    NotSent,
    /// The call had been sent; it ran to its end, and this is its result.
    AlreadySent,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The upstream answered 2xx, and as the action's `success_when` wants it.
    Success,
    /// The upstream answered something else; its body is there.
    Error,
    /// No usable answer: connect, timeout, reset.
    Failure,
    /// Never sent: arguments, template, secret, policy.
    Exception,
}

/// What went wrong, for a model that has a person on the line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ToolError {
    /// Stable name of the failure.
    pub code: FailureCode,
    /// What to know or to say: speakable, without internals.
    pub message: String,
    /// Whether anything may have happened upstream.
    pub effect: Effect,
    /// Whether calling again makes sense.
    pub retry: Retry,
    /// `invalid_arguments`: each violation, with its JSON Pointer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub violations: Vec<Violation>,
    /// `missing_variable`: the reference that had no value, such as `.parameters.email`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
    /// `missing_variable`: all references that had no value, where there are several; the first one is `missing`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_all: Vec<String>,
}

/// Whether anything may have happened upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Nothing happened upstream.
    None,
    /// It may have happened.
    Unknown,
}

/// Whether calling again makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// No: it would fail again, or happen twice.
    No,
    /// With other arguments.
    WithChanges,
    /// The same call, after a moment.
    Later,
}

/// Why a call failed. Stable: clients and prompts rely on these names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// No action of this name in this environment.
    UnknownTool,
    /// The arguments break the action's schema.
    InvalidArguments,
    /// The call stands in a model's turn as none that can be executed: cut off, without an id or a
    /// name, or one too many.
    NotExecuted,
    /// The caller's variables cannot be used.
    InvalidVariables,
    /// A template needs a value that is absent.
    MissingVariable,
    /// A template cannot be computed with these values.
    TemplateError,
    /// The rendered body is not JSON.
    InvalidTemplateOutput,
    /// The same call is under way and did not end in the time that this one had.
    InProgress,
    /// The call was cancelled before it was sent.
    Cancelled,
    /// A call of the same intent was being sent when the gateway that sent it was killed; it may have been done.
    Interrupted,
    /// The action depends on a conversation, and the call names none.
    ConversationRequired,
    /// The action does not exist in the state that the conversation is in.
    NotAvailable,
    /// Other actions have to succeed in the conversation before.
    TooEarly,
    /// The action has been called as often in this conversation as it may be.
    TooManyCalls,
    /// The conversation has ended.
    ConversationEnded,
    /// What was done before cannot be looked up: the store is out of reach.
    StoreUnavailable,
    /// The gateway failed to handle the call: a bug of ours.
    InternalError,
    /// No credentials could be had from the auth connector.
    AuthFailed,
    /// The address of the service is not one that this environment allows.
    AddressRefused,
    /// Too much is asked of the service already; the call was not sent.
    Overloaded,
    /// The service has been failing and is left alone for a moment; the call was not sent.
    UpstreamUnavailable,
    /// No connection to the upstream.
    ConnectFailed,
    /// No answer in time.
    Timeout,
    /// The connection broke before the answer was complete.
    ConnectionLost,
    /// The answer is longer than the limit.
    ResponseTooLarge,
    /// The answer cannot be read: broken encoding, broken JSON.
    InvalidResponse,
    /// The upstream answered 2xx, but `success_when` of the action does not hold for its answer.
    UpstreamDeclined,
    /// The upstream answered 3xx, which is not followed.
    UpstreamRedirect,
    /// The upstream answered 401 or 403.
    UpstreamUnauthorized,
    /// The upstream answered 404 or 410.
    UpstreamNotFound,
    /// The upstream answered 429.
    UpstreamRateLimited,
    /// The upstream answered another 4xx.
    UpstreamRejected,
    /// The upstream answered 5xx.
    UpstreamError,
}

impl FailureCode {
    /// The name as it is written in results and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownTool => "unknown_tool",
            Self::InvalidArguments => "invalid_arguments",
            Self::NotExecuted => "not_executed",
            Self::InvalidVariables => "invalid_variables",
            Self::MissingVariable => "missing_variable",
            Self::TemplateError => "template_error",
            Self::InvalidTemplateOutput => "invalid_template_output",
            Self::InProgress => "in_progress",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
            Self::ConversationRequired => "conversation_required",
            Self::NotAvailable => "not_available",
            Self::TooEarly => "too_early",
            Self::TooManyCalls => "too_many_calls",
            Self::ConversationEnded => "conversation_ended",
            Self::StoreUnavailable => "store_unavailable",
            Self::InternalError => "internal_error",
            Self::AuthFailed => "auth_failed",
            Self::AddressRefused => "address_refused",
            Self::Overloaded => "overloaded",
            Self::UpstreamUnavailable => "upstream_unavailable",
            Self::ConnectFailed => "connect_failed",
            Self::Timeout => "timeout",
            Self::ConnectionLost => "connection_lost",
            Self::ResponseTooLarge => "response_too_large",
            Self::InvalidResponse => "invalid_response",
            Self::UpstreamDeclined => "upstream_declined",
            Self::UpstreamRedirect => "upstream_redirect",
            Self::UpstreamUnauthorized => "upstream_unauthorized",
            Self::UpstreamNotFound => "upstream_not_found",
            Self::UpstreamRateLimited => "upstream_rate_limited",
            Self::UpstreamRejected => "upstream_rejected",
            Self::UpstreamError => "upstream_error",
        }
    }
}

/// Where the caller is to be transferred.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Handover {
    /// E.164 number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    /// Name of a queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// What to say first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
