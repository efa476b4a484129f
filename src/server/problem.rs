//! Errors of the request itself, as problem documents (RFC 9457).

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::definition::Problem;
use crate::tool::ToolError;

/// Stable names of what can be wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProblemCode {
    /// The body is not JSON.
    InvalidJson,
    /// The body is JSON, but not a request.
    InvalidRequest,
    /// The body is larger than the limit.
    BodyTooLarge,
    /// The body did not come in time.
    RequestTimeout,
    /// No environment is named, and there are several.
    EnvironmentRequired,
    /// No such environment is served.
    UnknownEnvironment,
    /// The key is not for this environment.
    EnvironmentNotAllowed,
    /// No such format.
    UnknownFormat,
    /// No such action.
    UnknownTool,
    /// No such agent.
    UnknownAgent,
    /// No call of this id is under way.
    CallNotFound,
    /// Calls of several conversations have this id.
    ConversationRequired,
    /// No such conversation, or it has expired.
    ConversationNotFound,
    /// The conversation has ended.
    ConversationEnded,
    /// Variables that cannot be set, each in `variables`.
    InvalidVariables,
    /// The template is none; each place in `problems`.
    InvalidTemplate,
    /// A template needs a value that is not there, or kept from the model.
    MissingVariable,
    /// A template cannot be computed with these values.
    TemplateError,
    /// The store is out of reach.
    StoreUnavailable,
    /// The environment has no key to seal a `state` with.
    StatelessOff,
    /// The `state` was not given out here, was changed, or belongs to another conversation.
    InvalidState,
    /// The `state` is too old.
    StateExpired,
    /// No key, or a wrong one.
    Unauthorized,
    /// A web page of another origin asks, or one that calls this machine by another name, and no keys guard the gateway.
    ForeignOrigin,
    /// No such route.
    NotFound,
    /// Not with this method.
    MethodNotAllowed,
    /// Only for a key with `admin = true`.
    AdminOnly,
    /// Definitions cannot be edited here.
    ReadOnly,
    /// The request does not say which version of the file it replaces.
    VersionRequired,
    /// The file has changed since it was read.
    ChangedOnDisk,
    /// The text would add errors to the project; each in `problems`.
    InvalidDefinition,
    /// The project has errors; the former one serves on.
    ReloadRefused,
    /// The gateway is stopping and takes no more calls.
    Stopping,
    /// This key calls too often.
    RateLimited,
    /// Too many calls are in flight.
    Overloaded,
    /// The fault is the gateway's.
    Internal,
}

/// A problem document: `application/problem+json`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProblemDocument {
    /// Always `about:blank`: the code tells the kind.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The HTTP status in words.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// Stable name of the problem.
    pub code: ProblemCode,
    /// What is wrong and what to do.
    pub detail: String,
    /// The same in the form of a tool result's error, where a tool was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Box<ToolError>>,
    /// `reload_refused`: what is wrong with the project, as `callgate check --json` prints it. Of a prompt: what is wrong
    /// with its `template`, in the same form.
    #[serde(skip_serializing_if = "<[Problem]>::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub problems: Box<[Problem]>,
    /// `invalid_variables`: which ones cannot be set, and why.
    #[serde(rename = "variables", skip_serializing_if = "Option::is_none")]
    pub refused: Option<Box<RefusedVariables>>,
    /// `changed_on_disk`: what the file is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_disk: Option<Box<OnDisk>>,
    /// Seconds to wait, for the `Retry-After` header.
    #[serde(skip)]
    pub(super) retry_after: Option<u64>,
}

/// A file as it is on disk, which somebody else has changed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OnDisk {
    /// Its text; null where the file is gone.
    pub text: Option<String>,
    /// What `If-Match` names to replace it; null where the file is gone.
    pub version: Option<String>,
}

/// Variables that cannot be set.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RefusedVariables(pub Vec<RefusedVariable>);

/// A variable that cannot be set.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RefusedVariable {
    /// Its dotted name.
    pub name: String,
    /// Why, to be read behind the name.
    pub reason: String,
}

impl ProblemDocument {
    pub(super) fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        let status = match code {
            ProblemCode::InvalidJson
            | ProblemCode::InvalidRequest
            | ProblemCode::EnvironmentRequired
            | ProblemCode::UnknownEnvironment
            | ProblemCode::StatelessOff
            | ProblemCode::InvalidState
            | ProblemCode::UnknownFormat => StatusCode::BAD_REQUEST,
            ProblemCode::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ProblemCode::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            ProblemCode::EnvironmentNotAllowed
            | ProblemCode::ForeignOrigin
            | ProblemCode::AdminOnly
            | ProblemCode::ReadOnly => StatusCode::FORBIDDEN,
            ProblemCode::VersionRequired => StatusCode::PRECONDITION_REQUIRED,
            ProblemCode::ChangedOnDisk => StatusCode::PRECONDITION_FAILED,
            ProblemCode::ReloadRefused
            | ProblemCode::InvalidDefinition
            | ProblemCode::InvalidVariables
            | ProblemCode::InvalidTemplate
            | ProblemCode::MissingVariable
            | ProblemCode::TemplateError => StatusCode::UNPROCESSABLE_ENTITY,
            ProblemCode::Stopping | ProblemCode::StoreUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            ProblemCode::UnknownTool
            | ProblemCode::UnknownAgent
            | ProblemCode::NotFound
            | ProblemCode::CallNotFound
            | ProblemCode::ConversationNotFound => StatusCode::NOT_FOUND,
            ProblemCode::ConversationRequired | ProblemCode::ConversationEnded => StatusCode::CONFLICT,
            ProblemCode::StateExpired => StatusCode::GONE,
            ProblemCode::Unauthorized => StatusCode::UNAUTHORIZED,
            ProblemCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            ProblemCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            ProblemCode::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            ProblemCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code,
            detail: detail.into(),
            error: None,
            problems: Box::default(),
            refused: None,
            on_disk: None,
            retry_after: None,
        }
    }

    /// Says after how many seconds to come again.
    #[must_use]
    pub(super) fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }
}

impl IntoResponse for ProblemDocument {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after;
        let mut response = (status, Json(&self)).into_response();
        // For routes whose callers read errors in another form.
        response.extensions_mut().insert(self);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

pub(super) async fn not_found(method: Method, uri: Uri) -> ProblemDocument {
    let detail = format!("there is no {method} {}; /openapi.json lists the routes", uri.path());
    ProblemDocument::new(ProblemCode::NotFound, detail)
}

pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> ProblemDocument {
    let detail = format!("{} does not take {method}; /openapi.json lists the routes", uri.path());
    ProblemDocument::new(ProblemCode::MethodNotAllowed, detail)
}
