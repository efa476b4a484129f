//! Errors in the form of OpenAI's API. Its clients read `error.message` and decide by the status.

use axum::Json;
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::agent::TurnFailure;
use crate::server::problem::{ProblemCode, ProblemDocument};

/// An error as OpenAI's API writes it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelError {
    /// What is wrong.
    pub(crate) error: ModelErrorBody,
}

/// The error itself.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelErrorBody {
    /// What is wrong and what to do.
    pub(crate) message: String,
    /// `invalid_request_error`, `authentication_error`, `permission_error`, `rate_limit_error` or `server_error`.
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// The member of the request that is wrong, if it is one.
    pub(crate) param: Option<String>,
    /// A stable name.
    pub(crate) code: String,
}

/// An error of the agent endpoint.
#[derive(Debug)]
pub(crate) struct Refused {
    status: StatusCode,
    code: &'static str,
    param: Option<&'static str>,
    message: String,
}

impl Refused {
    /// The request is broken: status 400.
    pub(super) fn invalid(code: &'static str, param: &'static str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, param: Some(param), message: message.into() }
    }

    /// There is no such agent: status 404.
    pub(super) fn no_agent(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            code: "model_not_found",
            param: Some("model"),
            message: message.into(),
        }
    }

    /// The agent could not answer.
    pub(super) fn failed(failure: &TurnFailure) -> Self {
        let status = match failure.code {
            "model_timeout" => StatusCode::GATEWAY_TIMEOUT,
            "internal" => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_GATEWAY,
        };
        Self { status, code: failure.code, param: None, message: failure.sentence().to_owned() }
    }

    /// The turn has ended without its last event, which is a bug of ours.
    pub(super) fn unfinished() -> Self {
        Self::failed(&TurnFailure { code: "internal", message: String::new() })
    }

    /// The body of the answer.
    pub(super) fn body(&self) -> ModelError {
        error(self.status, &self.message, self.param.map(str::to_owned), self.code.to_owned())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.status, Json(self.body())).into_response()
    }
}

/// Why a request gets no answer: a problem of the gateway, or of the agent endpoint.
#[derive(Debug)]
pub(crate) enum NotAnswered {
    Problem(Box<ProblemDocument>),
    Refused(Refused),
}

impl From<ProblemDocument> for NotAnswered {
    fn from(problem: ProblemDocument) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl From<Refused> for NotAnswered {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl IntoResponse for NotAnswered {
    fn into_response(self) -> Response {
        match self {
            Self::Problem(problem) => problem.into_response(),
            Self::Refused(refused) => refused.into_response(),
        }
    }
}

fn error(status: StatusCode, message: &str, param: Option<String>, code: String) -> ModelError {
    let kind = match status {
        StatusCode::UNAUTHORIZED => "authentication_error",
        StatusCode::FORBIDDEN => "permission_error",
        StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
        status if status.is_server_error() => "server_error",
        _ => "invalid_request_error",
    };
    ModelError { error: ModelErrorBody { message: message.to_owned(), kind, param, code } }
}

/// Rewrites the problem documents of a route in OpenAI's form.
pub(crate) async fn as_openai(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let Some(problem) = response.extensions_mut().remove::<ProblemDocument>() else { return response };
    let status = response.status();
    let code = serde_json::to_value(problem.code).ok();
    let code = code.and_then(|code| code.as_str().map(str::to_owned)).unwrap_or_default();
    // SDKs know this name.
    let code = if problem.code == ProblemCode::Unauthorized { "invalid_api_key".to_owned() } else { code };
    let mut written = (status, Json(error(status, &problem.detail, None, code))).into_response();
    for (name, value) in response.headers() {
        if name != CONTENT_TYPE && name != axum::http::header::CONTENT_LENGTH {
            written.headers_mut().insert(name, value.clone());
        }
    }
    if status == StatusCode::SERVICE_UNAVAILABLE && !written.headers().contains_key(RETRY_AFTER) {
        written.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    written
}
