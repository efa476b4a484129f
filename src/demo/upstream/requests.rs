//! The last requests as they came in, for a newcomer to look at, with the
//! credentials masked.

use std::collections::VecDeque;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::credentials::SECRETS;
use super::shared::Shared;
use super::wire::{Answer, Reply, decode, read};

/// Most requests kept.
const MAX_REQUESTS: usize = 50;
/// Most characters kept of a header, of a path and of a body.
const MAX_HEADER_CHARS: usize = 200;
const MAX_PATH_CHARS: usize = 2_000;
const MAX_BODY_CHARS: usize = 8_000;
/// Most headers kept of a request.
const MAX_HEADERS: usize = 50;
/// Headers whose values are shown. All others may hold a credential.
const SHOWN: [&str; 10] = [
    "accept",
    "accept-encoding",
    "content-length",
    "content-type",
    "host",
    "idempotency-key",
    "traceparent",
    "user-agent",
    "x-api-version",
    "x-region",
];
/// Query and form parameters whose values are not shown.
const HIDDEN: [&str; 7] =
    ["access_token", "api_key", "client_secret", "key", "password", "token", "upload_token"];
/// What the random tokens of this upstream start with.
pub(super) const TOKEN_PREFIXES: [&str; 2] = ["oat_", "upt_"];
const MASK: &str = "***";

/// The last requests, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Requests {
    seen: u64,
    last: VecDeque<Value>,
}

/// `GET /_requests`
pub(super) async fn list(State(requests): State<Shared<Requests>>) -> Answer {
    let requests = requests.lock();
    Ok(Reply::new(StatusCode::OK, json!({"seen": requests.seen, "requests": requests.last})))
}

/// Keeps what came in and what status went out, and makes every error JSON.
pub(super) async fn record(
    State(requests): State<Shared<Requests>>,
    request: Request,
    next: Next,
) -> Response {
    if request.uri().path() == "/_requests" {
        return json_errors(next.run(request).await);
    }
    let (parts, body) = request.into_parts();
    let method = parts.method.to_string();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let path = cut(&mask_path(path), MAX_PATH_CHARS);
    let headers = headers(&parts.headers);
    let (response, shown) = match read(body).await {
        Ok(bytes) => {
            let shown = body_text(&bytes, &parts.headers);
            (json_errors(next.run(Request::from_parts(parts, Body::from(bytes))).await), shown)
        }
        Err(reply) => (reply.into_response(), "(too large)".to_owned()),
    };
    let mut requests = requests.lock();
    requests.seen += 1;
    let entry = json!({
        "number": requests.seen,
        "method": method,
        "path": path,
        "headers": headers,
        "body": shown,
        "status": response.status().as_u16(),
    });
    if requests.last.len() >= MAX_REQUESTS {
        requests.last.pop_front();
    }
    requests.last.push_back(entry);
    response
}

/// Unknown routes, wrong methods and undecodable paths are axum's own answers.
fn json_errors(response: Response) -> Response {
    let status = response.status();
    let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if is_json || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let message = match status {
        StatusCode::NOT_FOUND => "there is nothing at this path",
        StatusCode::METHOD_NOT_ALLOWED => "this path does not take this method",
        _ => "the request cannot be read",
    };
    let code = status.canonical_reason().unwrap_or("error").to_lowercase().replace(' ', "_");
    let mut reply = Reply::error(status, &code, message).into_response();
    if let Some(allow) = response.headers().get(header::ALLOW) {
        reply.headers_mut().insert(header::ALLOW, allow.clone());
    }
    reply
}

fn headers(headers: &HeaderMap) -> Vec<String> {
    let shown = headers.iter().take(MAX_HEADERS).map(|(name, value)| {
        let value = match value.to_str() {
            Ok(text) if SHOWN.contains(&name.as_str()) => mask(text),
            Ok(text) if name == header::AUTHORIZATION => match text.split_once(' ') {
                Some((scheme, _)) => format!("{scheme} {MASK}"),
                None => MASK.to_owned(),
            },
            _ => MASK.to_owned(),
        };
        cut(&format!("{name}: {value}"), MAX_HEADER_CHARS)
    });
    shown.collect()
}

fn body_text(bytes: &[u8], headers: &HeaderMap) -> String {
    let text = String::from_utf8_lossy(bytes);
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let text =
        if kind.starts_with("application/x-www-form-urlencoded") { mask_pairs(&text) } else { mask(&text) };
    cut(&text, MAX_BODY_CHARS)
}

fn mask_path(path: &str) -> String {
    match path.split_once('?') {
        Some((path, query)) => format!("{}?{}", mask(path), mask_pairs(query)),
        None => mask(path),
    }
}

fn mask_pairs(text: &str) -> String {
    let pairs = text.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if HIDDEN.contains(&decode(name).as_str()) => format!("{name}={MASK}"),
        _ => mask(pair),
    });
    pairs.collect::<Vec<_>>().join("&")
}

/// `text` without the credentials that this upstream knows.
pub(super) fn mask(text: &str) -> String {
    let mut text = text.to_owned();
    for secret in SECRETS {
        text = text.replace(secret, MASK);
    }
    for prefix in TOKEN_PREFIXES {
        let mut pieces = text.split(prefix);
        let mut masked = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let token =
                piece.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')).count();
            masked.push_str(MASK);
            masked.push_str(&piece[token..]);
        }
        text = masked;
    }
    text
}

fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_masked_wherever_they_stand() {
        assert_eq!(mask_path("/customers?email=a%40b&api_key=mine"), "/customers?email=a%40b&api_key=***");
        assert_eq!(
            mask_pairs("client_id=demo-client&client_secret=x"),
            "client_id=demo-client&client_secret=***"
        );
        assert_eq!(
            mask("{\"a\": \"upt_Ab-_9\", \"b\": \"demo-password\"}"),
            "{\"a\": \"***\", \"b\": \"***\"}"
        );
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(cut("äöü", 2), "äö…");
        assert_eq!(cut("äöü", 3), "äöü");
    }
}
