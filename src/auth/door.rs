//! The token endpoint, as the `oauth2` crate asks it: through our one way out.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use http::StatusCode;
use oauth2::AsyncHttpClient;
use serde_json::Value;

use crate::action::RequestSpec;
use crate::egress::{Credentials, Deadline, Egress, EgressError, Limits, Response, Route};

use super::oauth::{MAX_LIFETIME, Purpose};

/// Largest answer of a token endpoint.
const MAX_RESPONSE_BYTES: usize = 256 * 1024;

/// Why there is no answer that could be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum DoorError {
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// Neither a token nor an error of OAuth.
    #[error("{}", told(*.0))]
    Status(StatusCode),
}

fn told(status: StatusCode) -> String {
    if status.is_redirection() {
        return format!("it answered {status}, a redirect, which is not followed");
    }
    format!("it answered {status} without an error of OAuth")
}

/// Our one way out, as the `oauth2` crate wants to see it.
pub(super) struct Door<'a> {
    pub(super) egress: &'a Egress,
    pub(super) route: &'a Route,
    pub(super) deadline: Deadline,
    pub(super) purpose: Purpose,
}

impl<'c> AsyncHttpClient<'c> for Door<'_> {
    type Error = DoorError;
    type Future = Pin<Box<dyn Future<Output = Result<oauth2::HttpResponse, DoorError>> + Send + 'c>>;

    fn call(&'c self, request: oauth2::HttpRequest) -> Self::Future {
        Box::pin(exchange(self.egress, self.route, request, self.deadline))
    }
}

async fn exchange(
    egress: &Egress,
    route: &Route,
    request: oauth2::HttpRequest,
    deadline: Deadline,
) -> Result<oauth2::HttpResponse, DoorError> {
    let (parts, body) = request.into_parts();
    let spec = RequestSpec {
        method: parts.method,
        url: parts.uri.to_string(),
        headers: parts.headers.into_iter().filter_map(|(name, value)| Some((name?, value))).collect(),
        body: Some(body.into()),
    };
    let limits = Limits { connect_timeout: Duration::from_secs(2), max_response_bytes: MAX_RESPONSE_BYTES };
    let response = egress.send(spec, &Credentials::default(), route, limits, deadline).await?;
    answer(response).map_err(DoorError::Status)
}

/// What the `oauth2` crate can read; else the status.
pub(super) fn answer(response: Response) -> Result<oauth2::HttpResponse, StatusCode> {
    if response.status != StatusCode::OK && !is_oauth_error(&response.body) {
        return Err(response.status);
    }
    let body = with_plain_lifetime(&response.body).unwrap_or_else(|| response.body.to_vec());
    let mut answer = http::Response::new(body);
    *answer.status_mut() = response.status;
    *answer.headers_mut() = response.headers;
    Ok(answer)
}

/// Whether `body` is an error response (RFC 6749 section 5.2).
fn is_oauth_error(body: &[u8]) -> bool {
    let members: Option<serde_json::Map<String, Value>> = serde_json::from_slice(body).ok();
    members.is_some_and(|members| members.get("error").is_some_and(Value::is_string))
}

/// A token response whose `expires_in` is a text, a fraction, negative or
/// beyond all bounds, with what it means instead; RFC 6749 section 5.1 does
/// not say that it is an integer, and servers know.
fn with_plain_lifetime(body: &[u8]) -> Option<Vec<u8>> {
    let mut response: serde_json::Map<String, Value> = serde_json::from_slice(body).ok()?;
    let lifetime = response.get_mut("expires_in")?;
    if lifetime.as_u64().is_some() {
        return None;
    }
    let seconds = match &*lifetime {
        Value::Number(number) => number.as_str().parse::<f64>().ok(),
        Value::String(text) => text.trim().parse::<f64>().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    *lifetime = seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds.clamp(0.0, MAX_LIFETIME.as_secs_f64())).ok())
        .map_or(Value::Null, |lifetime| lifetime.as_secs().into());
    serde_json::to_vec(&response).ok()
}
