//! What a request carries besides its content, and what an upstream answers.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use secrecy::SecretString;

/// Credentials of a request: secret headers and what the auth connector adds.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// Headers; the values are marked sensitive, so that they have no printed form.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// A query parameter.
    pub query: Option<(String, SecretString)>,
    /// A cookie, `name=value`; joins cookies that the request has already.
    pub cookie: Option<HeaderValue>,
}

/// An upstream's answer, read whole.
#[derive(Clone, Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, decoded (gzip, brotli).
    pub body: Bytes,
}
