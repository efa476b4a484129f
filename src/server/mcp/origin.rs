//! Which pages may speak MCP from a browser.

use axum::http::header::ORIGIN;
use axum::http::{HeaderMap, Uri};

use crate::server::inbound::keys::{excerpt, host, host_of};
use crate::server::problem::{ProblemCode, ProblemDocument};
use crate::server::state::AppState;

/// Refuses a page of another origin (`Origin`) where keys guard the gateway: a page of the gateway's own name, or of
/// `public_url`, may.
///
/// # Errors
///
/// The page stands elsewhere.
pub(super) fn check_origin(
    state: &AppState,
    headers: &HeaderMap,
    target: &Uri,
) -> Result<(), ProblemDocument> {
    let Some(origin) = headers.get(ORIGIN).map(|value| value.to_str().unwrap_or("?")) else { return Ok(()) };
    let public = state.server().public_url.as_deref().and_then(origin_of);
    let is_public = public.is_some_and(|public| public.eq_ignore_ascii_case(origin));
    if is_public || host_of(origin).is_some_and(|page| host(headers, target) == Some(page)) {
        return Ok(());
    }
    let detail = format!(
        "a page of the origin `{}` may not speak MCP to this gateway; `public_url` of [server] names the one that may",
        excerpt(origin)
    );
    Err(ProblemDocument::new(ProblemCode::ForeignOrigin, detail))
}

/// The origin of a URL: what stands before its path.
fn origin_of(url: &str) -> Option<&str> {
    let host = url.find("://")? + 3;
    let end = url[host..].find('/').map_or(url.len(), |at| host + at);
    Some(&url[..end])
}
