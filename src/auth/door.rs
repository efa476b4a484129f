//! The token endpoint, as the `oauth2` crate asks it: through our one way out.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use oauth2::AsyncHttpClient;
use serde_json::json;

use crate::action::RequestSpec;
use crate::egress::{Credentials, Deadline, Egress, EgressError, Limits, Response, Route};

use super::oauth::Purpose;
use super::reply::{self, Granted, NoToken};

/// Largest answer of a token endpoint.
const MAX_RESPONSE_BYTES: usize = 256 * 1024;

/// Why there is no answer that could be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum DoorError {
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// The answer holds no token.
    #[error("no token")]
    NoToken(NoToken),
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
    let limits = Limits {
        connect_timeout: Duration::from_secs(2),
        read_timeout: None,
        max_response_bytes: MAX_RESPONSE_BYTES,
    };
    let response = egress.send(spec, &Credentials::default(), route, limits, deadline).await?;
    answer(&response).map_err(DoorError::NoToken)
}

/// The token in `response`, written so that the `oauth2` crate can read it.
///
/// # Errors
///
/// There is none.
pub(super) fn answer(response: &Response) -> Result<oauth2::HttpResponse, NoToken> {
    let Granted { token, lifetime } = reply::read(response)?;
    let lifetime = lifetime.map(|lifetime| lifetime.as_secs());
    let body = json!({"access_token": token, "token_type": "bearer", "expires_in": lifetime});
    Ok(http::Response::new(body.to_string().into_bytes()))
}
