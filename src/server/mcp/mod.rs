//! The MCP server: `/mcp/{environment}` over streamable HTTP, and standard input and output.
//!
//! ```text
//! POST ─► key, environment ─► body, bounded ─► rmcp ─► initialize ─► session ─┐
//!                                                └─► one request of 2026-07-28 ─┴─► Tools ─► execute
//! ```
//!
//! `rmcp` speaks both generations of the protocol: sessions that begin with `initialize`, and requests that stand for
//! themselves. Who may call, how often and with what body is decided before it sees anything.

mod origin;
mod sessions;
mod shared;
mod stdio;
mod tools;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use http_body_util::Full;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use serde::de::IgnoredAny;

use self::origin::check_origin;
use self::sessions::{OwnedSessions, Owner, SESSION};
use self::tools::{Seat, Tools};
use super::body::{Segment, read};
use super::inbound::keys::Caller;
use super::inbound::limit;
use super::problem::{ProblemCode, ProblemDocument};
use super::state::AppState;

pub(super) use self::shared::Mcp;
pub use self::stdio::{StdioError, serve_stdio};

/// The MCP server of an environment, over streamable HTTP.
///
/// Both generations: sessions (`initialize`, then `Mcp-Session-Id`) and the stateless requests of 2026-07-28. `GET` opens
/// the stream of a session, on which it is told that its tools have changed; `DELETE` ends a session.
#[utoipa::path(
    method(get, post, delete), path = "/mcp/{environment}", tag = "mcp", params(("environment" = String, Path, description = "whose tools")),
    request_body(content = Value, description = "a JSON-RPC message"),
    responses(
        (status = 200, description = "the JSON-RPC answer, as JSON or as a stream of events", body = Value, content_type = "application/json"),
        (status = 202, description = "a notification was taken"),
        (status = 204, description = "the session is over"),
        (status = "4XX", description = "the request is broken, or its key may not; JSON-RPC errors and texts are the protocol's own", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(super) async fn serve(
    State(state): State<AppState>,
    caller: Caller,
    Segment(environment): Segment,
    request: Request,
) -> Result<Response, ProblemDocument> {
    let environment =
        caller.environment(Some(&environment), state.gateway().deployment().environment_names())?;
    if state.has_keys() {
        check_origin(&state, request.headers(), request.uri())?;
    }
    let (mcp, method) = (state.mcp().clone(), request.method().clone());
    let owner = Owner { environment: environment.clone(), key: caller.name().map(str::to_owned) };
    let sessions = Arc::new(OwnedSessions::new(mcp.sessions.clone(), owner));
    if method == Method::DELETE && !request.headers().get(SESSION).is_some_and(|id| sessions.has(id)) {
        return Err(ProblemDocument::new(ProblemCode::NotFound, "there is no such session"));
    }
    let limit = state.server().max_request_bytes;
    let head = head_of(&request);
    let bytes = read(request, limit).await?;
    let reading = limit::seat(&state, bytes.len()).await?;
    if method == Method::POST && serde_json::from_slice::<IgnoredAny>(&bytes).is_err() {
        return Ok(unreadable());
    }
    drop(reading);
    let request = head.body(Full::new(bytes)).map_err(|error| {
        ProblemDocument::new(ProblemCode::InvalidRequest, format!("the request cannot be read: {error}"))
    })?;
    let seat = Seat::of_http(environment, &caller, sessions.clone());
    let tools = Tools::new(state, seat);
    // Host and Origin have been judged before; what is left to rmcp is the protocol.
    let config = StreamableHttpServerConfig::default()
        .disable_allowed_hosts()
        .with_json_response(true)
        .with_sse_retry(None)
        .with_max_request_body_bytes(limit);
    let service = StreamableHttpService::new(move || Ok(tools.clone()), sessions, config);
    let mut response = service.handle(request).await.map(Body::new);
    if method == Method::DELETE && response.status() == StatusCode::ACCEPTED {
        // Done, not only taken: the Python client takes 202 for a failure.
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    if method != Method::GET {
        return Ok(response);
    }
    // It would stay open for as long as the client does.
    let stopped = Box::pin(mcp.stopped());
    Ok(response.map(|body| Body::from_stream(body.into_data_stream().take_until(stopped))))
}

/// The answer to what is no JSON (JSON-RPC 2.0, section 5.1).
fn unreadable() -> Response {
    let error = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"the body is not JSON"}}"#;
    (StatusCode::BAD_REQUEST, [(CONTENT_TYPE, "application/json")], error).into_response()
}

/// The same method, address and headers, for another body.
fn head_of(request: &Request) -> http::request::Builder {
    let mut head =
        http::Request::builder().method(request.method()).uri(request.uri()).version(request.version());
    if let Some(headers) = head.headers_mut() {
        headers.clone_from(request.headers());
    }
    head
}
