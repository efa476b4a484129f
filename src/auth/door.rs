//! The token endpoint, asked through our one way out.

use std::time::Duration;

use crate::action::RequestSpec;
use crate::egress::{Credentials, Deadline, Egress, EgressError, Limits, Route};

use super::reply::{self, Granted, NoToken};

/// Largest answer of a token endpoint.
const MAX_RESPONSE_BYTES: usize = 256 * 1024;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(super) enum DoorError {
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// The answer holds no token.
    #[error("no token")]
    NoToken(NoToken),
}

/// What a token is fetched for, as the audit says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A call that waits for it.
    Call,
    /// Calls to come: the one in use grows old, or a conversation has begun.
    Background,
}

/// The way to the token endpoint.
pub(super) struct Door<'a> {
    pub(super) egress: &'a Egress,
    pub(super) route: &'a Route,
    pub(super) deadline: Deadline,
    pub(super) purpose: Purpose,
}

impl Door<'_> {
    /// Sends a token request and reads the answer.
    pub(super) async fn ask(&self, request: RequestSpec) -> Result<Granted, DoorError> {
        let limits = Limits {
            connect_timeout: Duration::from_secs(2),
            read_timeout: None,
            max_response_bytes: MAX_RESPONSE_BYTES,
        };
        let response =
            self.egress.send(&request, &Credentials::default(), self.route, limits, self.deadline).await?;
        reply::read(&response).map_err(DoorError::NoToken)
    }
}
