//! Errors as Voiceflow's runtime writes them: `verror` for invalid requests, an envelope for all others.

use axum::Json;
use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::conversation::{now_ms, timestamp};
use crate::server::problem::{ProblemDocument, RefusedVariables};
use crate::tool::random_u64;

/// A request that is wrong: status 400.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Verror {
    /// Always `verror`.
    name: &'static str,
    /// What is wrong and what to do.
    message: String,
    /// Tells the answer from others.
    #[serde(rename = "requestID")]
    request_id: String,
    /// Variables that cannot be set, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    variables: Option<RefusedVariables>,
}

/// Any other reason why there is no answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Envelope {
    /// The HTTP status.
    code: u16,
    /// The same in words.
    status: &'static str,
    /// When it was written (RFC 3339, UTC).
    #[serde(rename = "dateTime")]
    date_time: String,
    /// The same in milliseconds since 1970.
    timestamp: u64,
    /// What is wrong and what to do.
    data: String,
}

/// Rewrites the problem documents of a route in Voiceflow's form.
pub(crate) async fn as_voiceflow(request: Request, next: Next) -> Response {
    let has_key =
        request.headers().contains_key(AUTHORIZATION) || request.headers().contains_key("x-api-key");
    let mut response = next.run(request).await;
    let Some(problem) = response.extensions_mut().remove::<ProblemDocument>() else { return response };
    let status = response.status();
    let mut written = match status {
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => verror(problem),
        StatusCode::UNAUTHORIZED if !has_key => envelope(status, "Auth Key Required".to_owned()),
        _ => envelope(status, problem.detail),
    };
    for (name, value) in response.headers() {
        if name != CONTENT_TYPE && name != CONTENT_LENGTH {
            written.headers_mut().insert(name, value.clone());
        }
    }
    written
}

fn verror(problem: ProblemDocument) -> Response {
    let part = || random_u64().unwrap_or_default();
    let request_id = format!("{:016x}{:016x}", part(), part());
    let variables = problem.refused.map(|refused| *refused);
    let body = Verror { name: "verror", message: problem.detail, request_id, variables };
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

fn envelope(status: StatusCode, data: String) -> Response {
    let now = now_ms();
    let body = Envelope {
        code: status.as_u16(),
        status: status.canonical_reason().unwrap_or("Error"),
        date_time: timestamp(now),
        timestamp: now,
        data,
    };
    (status, Json(body)).into_response()
}

/// Accepts a key in `Authorization` without `Bearer`, as Voiceflow's clients send it.
pub(crate) async fn take_plain_key(mut request: Request, next: Next) -> Response {
    let plain = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()).map(str::trim);
    let bearer = plain.filter(|key| !key.is_empty() && !key.contains(' ')).map(|key| format!("Bearer {key}"));
    if let Some(mut value) = bearer.and_then(|bearer| HeaderValue::try_from(bearer).ok()) {
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    next.run(request).await
}
