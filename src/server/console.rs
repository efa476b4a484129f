//! `/console/`: the page for people who write and try actions.
//!
//! Its files are built from `console/` and are in the binary. They hold nothing of a project, so no key guards them;
//! the page asks the API with the key that its user gives it. Where no keys guard the gateway, the files follow the
//! same `Host` rule as the API.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::{LazyLock, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, LOCATION,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::RustEmbed;

use super::body::Segment;
use super::etag;
use super::inbound::keys::may_see_the_page;
use super::problem::{ProblemCode, ProblemDocument};
use super::state::AppState;

/// What the page may load and where it may send something: its own origin, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
    font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
/// The page itself.
const INDEX: &str = "index.html";

/// The built page.
#[derive(RustEmbed)]
#[folder = "console/dist/"]
struct Files;

/// `/` and `/console` lead to the page. The address is relative, so that a proxy may serve the gateway below a path.
pub(super) async fn redirect(State(state): State<AppState>, headers: HeaderMap, uri: Uri) -> Response {
    match check(&state, &headers, &uri) {
        Ok(()) => {
            let to = [(LOCATION, HeaderValue::from_static("console/"))];
            (StatusCode::TEMPORARY_REDIRECT, to).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

/// `/console/`.
pub(super) async fn index(State(state): State<AppState>, request: Request) -> Response {
    serve(&state, INDEX, &request)
}

/// `/console/{file}`.
pub(super) async fn file(
    State(state): State<AppState>,
    Segment(name): Segment,
    request: Request,
) -> Response {
    serve(&state, &name, &request)
}

fn check(state: &AppState, headers: &HeaderMap, uri: &Uri) -> Result<(), ProblemDocument> {
    if state.has_console() {
        return may_see_the_page(&state.keys(), headers, uri);
    }
    let detail = "this gateway serves no console; set `console = true` under [server] to have it";
    Err(ProblemDocument::new(ProblemCode::NotFound, detail))
}

fn serve(state: &AppState, name: &str, request: &Request) -> Response {
    if let Err(problem) = check(state, request.headers(), request.uri()) {
        return problem.into_response();
    }
    let Some(file) = Files::get(name) else {
        // Not the page: a script that is missing must not be answered with HTML.
        let detail = format!("the console has no file `{}`", name.chars().take(80).collect::<String>());
        return ProblemDocument::new(ProblemCode::NotFound, detail).into_response();
    };
    let digest = file.metadata.sha256_hash();
    let tag = format!("\"{}\"", HEXLOWER.encode(&digest[..16]));
    let tag = HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("\"\""));
    // The names of all other files change with what is in them.
    let cache = if name == INDEX { "no-cache" } else { "public, max-age=31536000, immutable" };
    let common = [
        (ETAG, tag.clone()),
        (CACHE_CONTROL, HeaderValue::from_static(cache)),
        (VARY, HeaderValue::from_static("accept-encoding")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (OPENER_POLICY, HeaderValue::from_static("same-origin")),
    ];
    if etag::is_known(request.headers(), &tag) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let kind = [(CONTENT_TYPE, HeaderValue::from_static(media_type(name)))];
    if takes_gzip(request.headers())
        && let Some(packed) = packed(digest, &file.data)
    {
        let encoding = [(CONTENT_ENCODING, HeaderValue::from_static("gzip"))];
        return (common, kind, encoding, packed).into_response();
    }
    (common, kind, Bytes::from(file.data.into_owned())).into_response()
}

/// Whether the answer may be packed as gzip (RFC 9110 section 12.5.3).
fn takes_gzip(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|coding| coding.eq_ignore_ascii_case("gzip"));
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse::<f32>);
        is_gzip && weight.is_ok_and(|weight| weight > 0.0)
    })
}

/// The media type of a file of the page.
fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        _ => "application/octet-stream",
    }
}

/// The file as gzip (RFC 1952): packed once, when it is first asked for.
fn packed(digest: [u8; 32], data: &[u8]) -> Option<Bytes> {
    static PACKED: LazyLock<Mutex<HashMap<[u8; 32], Bytes>>> = LazyLock::new(Mutex::default);
    let known = || PACKED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(packed) = known().get(&digest) {
        return Some(packed.clone());
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).ok()?;
    let packed = Bytes::from(encoder.finish().ok()?);
    known().insert(digest, packed.clone());
    Some(packed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_only_files_that_are_embedded() {
        let index = Files::get(INDEX).unwrap();
        let index = String::from_utf8(index.data.into_owned()).unwrap();
        let values =
            index.split(['=', '>', ' ']).filter_map(|part| part.strip_prefix('"')?.strip_suffix('"'));
        let named: Vec<&str> =
            values.filter(|value| [".js", ".css"].iter().any(|ending| value.ends_with(ending))).collect();
        assert!(named.len() >= 2, "{index}");
        for name in named {
            assert!(Files::get(name.trim_start_matches("./")).is_some(), "`{name}` is not in console/dist");
        }
        // Nothing comes from elsewhere.
        assert!(!index.contains("=\"http") && !index.contains("=\"//"), "{index}");
    }
}
