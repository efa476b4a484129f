//! What an upstream answered.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

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
