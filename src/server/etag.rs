//! Whether a client has an answer already (RFC 9110 section 13.1.2).

use axum::http::header::IF_NONE_MATCH;
use axum::http::{HeaderMap, HeaderValue};

/// Whether `If-None-Match` names `tag`.
pub(super) fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let own = tag.to_str().unwrap_or_default();
    let mut known = known.flat_map(|list| list.split(',')).map(str::trim);
    known.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == own)
}
