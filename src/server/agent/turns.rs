//! `POST /v1/agents/{name}/turns`: one turn of a conversation that the gateway keeps, event by event.
//!
//! ```text
//! event: text          {text, source, at_ms}             something to say
//! event: round         {round, model, calls, …, at_ms}   a model has answered
//! event: tool_started  {tool_call_id, name, arguments}
//! event: tool_ended    {tool_call_id, name, status, …}
//! event: handover      {phone_number?, queue?, message?}
//! event: done          {finish, usage, error?}           always, and last
//! ```

use std::time::Instant;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::StreamExt as _;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::agent::{AgentEvent, History, Product, TurnRequest};
use crate::server::body::{JsonBody, Segment};
use crate::server::inbound::keys::Caller;
use crate::server::inbound::limit::Room;
use crate::server::problem::{ProblemCode, ProblemDocument};
use crate::server::state::AppState;

use super::errors::NotAnswered;
use super::event_stream::event_stream;
use super::open::{Head, agent_called};

/// A message to an agent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SaidToAgent {
    /// The environment; may be left out if there is only one choice.
    environment: Option<String>,
    /// The conversation; the gateway keeps its history.
    conversation_id: String,
    /// The message.
    text: String,
    /// Variables of this turn alone: dotted names, nested objects, or both.
    #[schema(value_type = Option<Object>)]
    variables: Option<Map<String, Value>>,
    /// The language that the person speaks (BCP 47).
    language: Option<String>,
    /// The source of the message, for the log and the feed: `console`.
    source: Option<String>,
}

/// Sends a message to an agent. The answer is a stream of what it does and says, event by event.
#[utoipa::path(
    post, path = "/v1/agents/{name}/turns", tag = "agents", request_body = SaidToAgent,
    params(("name" = String, Path, description = "the agent")),
    responses(
        (status = 200, description = "events: `text`, `round`, `tool_started`, `tool_ended`, `handover`, and `done` as the last", body = String, content_type = "text/event-stream"),
        (status = "4XX", description = "the request is broken, or there is no such agent", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "there is no room; `Retry-After` says when to come again", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(crate) async fn create(
    State(state): State<AppState>,
    caller: Caller,
    _: Room,
    Segment(name): Segment,
    headers: HeaderMap,
    JsonBody(said): JsonBody<SaidToAgent>,
) -> Result<Response, NotAnswered> {
    let SaidToAgent { environment, conversation_id, text, variables, language, source } = said;
    let head = Head::read(&state, caller, environment, &headers)?;
    let agent = agent_called(&state, &head.environment, &name)?;
    let Some(conversation) = head.conversation(Some(conversation_id))? else {
        let detail = "`conversation_id` is empty: the gateway keeps what is said by it";
        return Err(ProblemDocument::new(ProblemCode::InvalidRequest, detail).into());
    };
    let request = TurnRequest {
        deadline: head.deadline(&agent),
        agent,
        conversation: Some(conversation),
        is_silent: text.trim().is_empty(),
        history: History::Kept(Some(text).filter(|text| !text.trim().is_empty()).into_iter().collect()),
        tools: Vec::new(),
        without_tools: false,
        product: Product::Other,
        language,
        variables: variables.unwrap_or_default(),
        temperature: None,
        max_tokens: None,
        idempotency_key: None,
    };
    let began = Instant::now();
    let turn = head.begin(&state, request, source)?;
    let sees_causes = head.caller.is_admin();
    Ok(event_stream(turn.map(move |event| written(event, began, sees_causes))))
}

/// Writes an event; only an admin sees the cause of a failure.
fn written(event: AgentEvent, began: Instant, sees_causes: bool) -> Bytes {
    let (kind, mut data) = match event {
        AgentEvent::Text { text, source } => ("text", json!({"text": text, "source": source})),
        AgentEvent::Round(report) => ("round", json!(report)),
        AgentEvent::ToolStarted { id, name, arguments } => {
            ("tool_started", json!({"tool_call_id": id, "name": name, "arguments": arguments}))
        }
        AgentEvent::ToolEnded { id, name, content, result } => {
            let result = result.as_deref();
            let data = json!({
                "tool_call_id": id,
                "name": name,
                "status": result.map(|result| result.status),
                "duration_ms": result.map(|result| result.duration_ms),
                "replayed": result.is_some_and(|result| result.replayed),
                "content": content,
            });
            ("tool_ended", data)
        }
        AgentEvent::CallerCall { id, name, arguments } => {
            ("caller_call", json!({"tool_call_id": id, "name": name, "arguments": arguments}))
        }
        AgentEvent::Handover(handover) => ("handover", json!(handover)),
        AgentEvent::Done { finish, usage, failure } => {
            let error = failure.map(|failure| {
                let message = if sees_causes { failure.message.as_str() } else { failure.sentence() };
                json!({"code": failure.code, "message": message})
            });
            let usage = json!({"input_tokens": usage.input, "output_tokens": usage.output});
            ("done", json!({"finish": finish, "usage": usage, "error": error}))
        }
    };
    data["at_ms"] = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX).into();
    format!("event: {kind}\ndata: {data}\n\n").into()
}
