//! `POST /v1/chat/completions`.

use axum::response::Response;

use crate::server::body::Segment;

use super::chunks::{self, Form};
use super::errors::{ModelError, NotAnswered};
use super::intake::Incoming;
use super::request;

/// Answers as an agent, in the form of Chat Completions.
///
/// `model` names the agent. The agent's actions run inside; calls of the request's own `tools` come back as `tool_calls`.
/// Unknown members are ignored.
#[utoipa::path(
    post, path = "/v1/chat/completions", tag = "agents",
    request_body(content = Object, description = "a request of Chat Completions: `model`, `messages`, `stream`, `tools`, …"),
    params(("Callgate-Conversation-Id" = Option<String>, Header, description = "the conversation, before any id in the body")),
    responses(
        (status = 200, description = "a completion; with `stream: true` its chunks", content((Object = "application/json"), (String = "text/event-stream"))),
        (status = "4XX", description = "the request is broken, there is no such agent, or the key calls too often", body = ModelError),
        (status = "5XX", description = "there is no room; `Retry-After` says when to come again", body = ModelError),
    ),
    security((), ("key" = []))
)]
pub(crate) async fn complete(incoming: Incoming) -> Result<Response, NotAnswered> {
    answer(None, incoming).await
}

/// The same, for the environment that the path names: for callers that can set a base URL and a key only.
#[utoipa::path(
    post, path = "/{environment}/v1/chat/completions", tag = "agents",
    request_body(content = Object, description = "a request of Chat Completions: `model`, `messages`, `stream`, `tools`, …"),
    params(
        ("environment" = String, Path, description = "the environment"),
        ("Callgate-Conversation-Id" = Option<String>, Header, description = "the conversation, before any id in the body"),
    ),
    responses(
        (status = 200, description = "a completion; with `stream: true` its chunks", content((Object = "application/json"), (String = "text/event-stream"))),
        (status = "4XX", description = "the request is broken, there is no such agent, or the key calls too often", body = ModelError),
        (status = "5XX", description = "there is no room; `Retry-After` says when to come again", body = ModelError),
    ),
    security((), ("key" = []))
)]
pub(crate) async fn complete_in(
    Segment(environment): Segment,
    incoming: Incoming,
) -> Result<Response, NotAnswered> {
    answer(Some(environment), incoming).await
}

async fn answer(environment: Option<String>, incoming: Incoming) -> Result<Response, NotAnswered> {
    let begun = incoming.begin(environment, request::read)?;
    let form = Form::new(begun.model, begun.include_usage, begun.raises);
    match begun.is_streamed {
        true => Ok(chunks::stream(form, begun.events)),
        false => chunks::whole(form, begun.events).await,
    }
}
