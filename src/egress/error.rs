//! Why there is no answer.

use std::error::Error;
use std::io;
use std::time::Duration;

use super::guard::Refusal;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EgressError {
    /// The URL is none; nothing was sent.
    #[error("the rendered URL is invalid: {0}")]
    InvalidUrl(String),
    /// The request, or the client for it, cannot be made; nothing was sent.
    #[error("the request cannot be made")]
    Unsendable(#[source] Box<dyn Error + Send + Sync>),
    /// The rendered URL leads to another scheme, host or port than the
    /// definition's; nothing was sent. Credentials belong to one origin.
    #[error("the rendered URL leads to {rendered}, not to {defined}")]
    ForeignOrigin {
        /// Where the URL leads.
        rendered: String,
        /// Where the definition leads.
        defined: String,
    },
    /// The address is not allowed; nothing was sent.
    #[error(transparent)]
    Refused(Refusal),
    /// Too much is asked of the service already; nothing was sent.
    #[error("{0}")]
    Overloaded(Overload),
    /// The service has been failing, and is left alone for a while; nothing was sent.
    #[error("the breaker is open: the service has been failing; next try in {} ms", retry_after.as_millis())]
    Unavailable {
        /// When it may be asked again.
        retry_after: Duration,
    },
    /// No connection; nothing was sent.
    #[error("cannot connect to the upstream")]
    Connect(#[source] reqwest::Error),
    /// The upstream says over HTTP/2 that it has not processed the request: a
    /// stream refused, or beyond the last one of a connection that it ends (RFC
    /// 9113 sections 6.8 and 8.7).
    #[error("the upstream has refused the request unprocessed")]
    Unprocessed(#[source] reqwest::Error),
    /// The deadline passed.
    #[error("no complete answer before the deadline")]
    Deadline,
    /// The service sent nothing for longer than the action allows.
    #[error("the service sent nothing for {} ms (`read_timeout_ms`)", .0.as_millis())]
    Silent(Duration),
    /// The connection broke, or what came is not HTTP.
    #[error("the connection broke before the answer was complete")]
    Lost(#[source] reqwest::Error),
    /// The answer's encoding is broken.
    #[error("the answer cannot be decoded")]
    Decode(#[source] reqwest::Error),
    /// The answer is longer than the limit.
    #[error("the answer is longer than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
        /// The HTTP status that came with it.
        status: u16,
    },
}

/// What a call found no room in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Overload {
    /// The queue for a place among the calls in flight.
    #[error("the queue of the connection is full (`limits.max_in_flight`, `limits.max_queue`)")]
    InFlight,
    /// The time until the deadline, waiting in that queue.
    #[error("the deadline passed in the queue of the connection (`limits.max_in_flight`)")]
    Waited,
    /// The rate: the turn would not come in time, or the queue for it is full.
    #[error("the turn would not come in time (`limits.per_second`)")]
    Rate,
    /// The threads that look names up: all of them wait for answers.
    #[error("too many look-ups of names are under way, and the resolver does not answer them")]
    LookUps,
}

impl EgressError {
    /// Whether the gateway itself decided not to send the request: nobody was asked.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::InvalidUrl(_)
            | Self::Unsendable(_)
            | Self::ForeignOrigin { .. }
            | Self::Refused(_)
            | Self::Overloaded(_)
            | Self::Unavailable { .. } => true,
            Self::Connect(_)
            | Self::Unprocessed(_)
            | Self::Deadline
            | Self::Silent(_)
            | Self::Lost(_)
            | Self::Decode(_)
            | Self::TooLarge { .. } => false,
        }
    }

    /// A stable name of what went wrong, for traces.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::InvalidUrl(_) => "invalid_url",
            Self::Unsendable(_) => "unsendable",
            Self::ForeignOrigin { .. } => "foreign_origin",
            Self::Refused(_) => "address_refused",
            Self::Overloaded(_) => "overloaded",
            Self::Unavailable { .. } => "upstream_unavailable",
            Self::Connect(_) => "connect_failed",
            Self::Unprocessed(_) => "unprocessed",
            Self::Deadline => "timeout",
            Self::Silent(_) => "read_timeout",
            Self::Lost(_) => "connection_lost",
            Self::Decode(_) => "invalid_response",
            Self::TooLarge { .. } => "response_too_large",
        }
    }

    /// Whether it is certain that nobody has acted on the request: not one byte
    /// of it was written, or its receiver says that it has not looked at it.
    pub fn never_sent(&self) -> bool {
        // A deadline may have passed while connecting, but nobody can say.
        self.is_refusal() || matches!(self, Self::Connect(_) | Self::Unprocessed(_))
    }
}

/// What a client error means. The URL, which may hold a key, is taken out.
pub(super) fn classify(error: reqwest::Error) -> EgressError {
    let error = error.without_url();
    if let Some(refusal) = causes(&error).find_map(|cause| cause.downcast_ref::<Refusal>()) {
        EgressError::Refused(refusal.clone())
    } else if let Some(overload) = causes(&error).find_map(|cause| cause.downcast_ref::<Overload>()) {
        EgressError::Overloaded(*overload)
    } else if error.is_builder() || causes(&error).filter_map(|cause| cause.downcast_ref()).any(is_our_own) {
        EgressError::Unsendable(error.into())
    } else if error.is_connect() {
        EgressError::Connect(error)
    } else if causes(&error).filter_map(|cause| cause.downcast_ref()).any(is_unprocessed) {
        EgressError::Unprocessed(error)
    } else if error.is_decode() && !is_incomplete(&error) {
        EgressError::Decode(error)
    } else {
        EgressError::Lost(error)
    }
}

/// Whether HTTP/2 has refused to send the request: the error comes neither from the connection nor from its other end.
fn is_our_own(error: &h2::Error) -> bool {
    !error.is_io() && error.reason().is_none()
}

/// Whether the upstream says that it has not processed the request.
fn is_unprocessed(error: &h2::Error) -> bool {
    let says = |reason| error.is_remote() && error.reason() == Some(reason);
    error.is_reset() && says(h2::Reason::REFUSED_STREAM) || error.is_go_away() && says(h2::Reason::NO_ERROR)
}

/// Whether a decoding failed because its input ended early: by an end of the connection or by a reset.
fn is_incomplete(error: &reqwest::Error) -> bool {
    causes(error).any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| {
            matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::TimedOut
            )
        }) || cause.to_string().contains("end of file before message length")
    })
}

fn causes<'a>(error: &'a reqwest::Error) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause: &&'a (dyn Error + 'static)| (*cause).source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_the_client_library_refuses_was_never_sent_and_is_no_fault_of_the_service() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let long = format!("http://127.0.0.1:9/?q={}", "a".repeat(65_536));
        for url in ["ftp://127.0.0.1/", &long] {
            let refused = classify(client.get(url).send().await.unwrap_err());
            assert!(matches!(refused, EgressError::Unsendable(_)), "{refused:?}");
            assert!(refused.is_refusal() && refused.never_sent());
        }
    }
}
