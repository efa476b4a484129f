//! `POST /v1/tool-calls` and `POST /v1/actions/{name}/preview`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::future::{join_all, try_join_all};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::conversation::Carried;
use crate::executor::Preview;
use crate::tool::{FailureCode, ToolCall, ToolError, ToolResult};

use super::body::{JsonBody, Object, Segment};
use super::execution::{CallHeaders, Waiting, check_running, execute};
use super::inbound::batch::{Batch, Incoming};
use super::inbound::keys::Caller;
use super::inbound::limit::Room;
use super::inbound::whose;
use super::problem::{ProblemCode, ProblemDocument};
use super::state::{AppState, no_room};
use super::stateless;
use super::stream::{self, WantsStream};

/// One call.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CallRequest {
    /// The environment; may be left out where there is only one choice.
    environment: Option<String>,
    /// The phone call or chat this belongs to.
    conversation_id: Option<String>,
    /// The id that the result repeats; made up where left out.
    tool_call_id: Option<String>,
    /// Name of the action.
    name: Option<String>,
    /// The arguments: an object, or a JSON text of one.
    #[schema(schema_with = arguments)]
    arguments: Option<Box<RawValue>>,
    /// Variables for templates: dotted names, nested objects, or both.
    #[schema(value_type = Option<Object>)]
    variables: Option<Map<String, Value>>,
    /// Milliseconds from now by which the answer is wanted; the action's own timeout holds all the same.
    deadline_ms: Option<u64>,
    /// The language that the person on the line speaks (BCP 47), for what is said to them; else the variable
    /// `conversation.language` tells it.
    language: Option<String>,
    /// Carries the conversation, instead of keeping it in the store: `""` begins one, then the `state` of the last reply.
    state: Option<String>,
    /// Several calls, run in parallel and answered in order; what stands beside them holds for those that leave it out.
    #[schema(value_type = Option<Vec<CallRequest>>, no_recursion)]
    calls: Option<Vec<Object<CallRequest>>>,
}

fn arguments() -> utoipa::openapi::schema::Object {
    use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Object, Type::String, Type::Null]))
        .description(Some("The arguments: an object, or a JSON text of one."))
        .build()
}

/// The answers to several calls, in their order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Results {
    /// One result for each call.
    #[schema(value_type = Vec<ToolResult>)]
    results: Vec<Arc<ToolResult>>,
    /// The conversation after all of them, sealed: for the next request. Only where the request brought a `state`.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
}

/// The answer to one call, or to several.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "says in the OpenAPI document what the handler gives in two forms")]
#[expect(clippy::large_enum_variant, reason = "never made")]
pub(super) enum CallReply {
    /// Of one call.
    One(ToolResult),
    /// Of `{calls}`.
    Several(Results),
}

/// The request of a call, or why there is none.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "says in the OpenAPI document what the handler gives in two forms")]
pub(super) enum PreviewReply {
    /// What would be sent.
    Request(Preview),
    /// What the call would fail with before it is sent.
    Failure(PreviewFailure),
}

/// Why a call cannot be previewed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PreviewFailure {
    /// What the call would fail with before it is sent.
    error: ToolError,
}

/// Executes one call, or several in parallel.
///
/// A call that fails has a result too, with HTTP status 200. With `Accept: text/event-stream` the answer is a stream of
/// events: `started`, `delayed` and `completed` for each call.
#[utoipa::path(
    post, path = "/v1/tool-calls", tag = "calls", request_body = CallRequest,
    params(("Callgate-Deadline-Ms" = Option<u64>, Header, description = "milliseconds from now by which the answer is wanted; the sooner of this and `deadline_ms` holds")),
    responses(
        (status = 200, description = "the result of one call, or `{results}` of several; or the events of each", content(
            (CallReply = "application/json"), (String = "text/event-stream"),
        )),
        (status = "4XX", description = "the request is broken, or its key calls too often", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "no room for the call; `Retry-After` says when to come again", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(super) async fn create(
    State(state): State<AppState>,
    caller: Caller,
    _: Room,
    headers: CallHeaders,
    WantsStream(as_stream): WantsStream,
    JsonBody(request): JsonBody<CallRequest>,
) -> Result<Response, ProblemDocument> {
    if as_stream {
        check_running(&state)?;
    }
    let request = CallRequest { deadline_ms: sooner(request.deadline_ms, headers.deadline_ms), ..request };
    let Some(calls) = request.calls else {
        let (call, carried) = to_call_and_state(&state, &caller, request)?;
        let mut admitted = Batch::admit(&state, &caller, traced(&state, &headers, vec![call]))?;
        if as_stream {
            return Ok(stream::answer(&state, admitted, carried.as_ref()));
        }
        let (call, running) = admitted.pop().ok_or_else(no_room)?;
        let (result, waiting) = execute(&state, call, carried, running, Arc::default()).await?;
        let reply = Json(result).into_response();
        waiting.answered().await;
        return Ok(reply);
    };
    let sealed = request.state;
    if as_stream && sealed.is_some() {
        let detail = "several `calls` with a `state` are not told as a stream, which has no place for the one state after all of them: ask for application/json, or for one call";
        return Err(ProblemDocument::new(ProblemCode::InvalidRequest, detail));
    }
    let mut calls = to_calls(&state, &caller, calls, CallRequest { calls: None, state: None, ..request })?;
    if calls.is_empty() && !as_stream {
        return Ok(Json(Results { results: Vec::new(), state: sealed }).into_response());
    }
    let carried = stateless::open(&state, sealed, &mut calls)?;
    let calls = Batch::admit(&state, &caller, traced(&state, &headers, calls))?;
    if as_stream {
        return Ok(stream::answer(&state, calls, None));
    }
    let executed = calls
        .into_iter()
        .map(|(call, running)| execute(&state, call, carried.clone(), running, Arc::default()));
    let (results, waiting): (Vec<_>, Vec<_>) = try_join_all(executed).await?.into_iter().unzip();
    let (results, next) = match &carried {
        Some(carried) => {
            let (results, next) = stateless::joined(&state, carried, results);
            (results, Some(next))
        }
        None => (results, None),
    };
    let reply = Json(Results { results, state: next }).into_response();
    // Not before: who hangs up while one of the calls is under way has the result of none.
    join_all(waiting.into_iter().map(Waiting::answered)).await;
    Ok(reply)
}

/// Shows the exact request of a call, secrets masked, without sending it.
#[utoipa::path(
    post, path = "/v1/actions/{name}/preview", tag = "calls", request_body = CallRequest,
    params(("name" = String, Path, description = "name of the action")),
    responses(
        (status = 200, description = "the request, or `{error}` as in a result", body = PreviewReply),
        (status = "4XX", description = "the request is broken", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(super) async fn preview(
    State(state): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    JsonBody(request): JsonBody<CallRequest>,
) -> Result<Response, ProblemDocument> {
    let name = whose::agreed(("the path", Some(name)), ("`name` of the body", request.name))?;
    let request = CallRequest { name, ..request };
    let (call, carried) = to_call_and_state(&state, &caller, request)?;
    match state.gateway().preview(&call, carried.as_deref()).await {
        Ok(preview) => Ok(Json(preview).into_response()),
        Err(error) if error.code == FailureCode::UnknownTool => {
            let document = ProblemDocument::new(ProblemCode::UnknownTool, error.message.clone());
            Err(ProblemDocument { error: Some(Box::new(error)), ..document })
        }
        Err(error) => Ok(Json(PreviewFailure { error }).into_response()),
    }
}

/// The sooner of two deadlines.
fn sooner(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// The calls, each with its place in the trace of the request.
fn traced(state: &AppState, headers: &CallHeaders, mut calls: Vec<ToolCall>) -> Vec<ToolCall> {
    calls.iter_mut().for_each(|call| call.trace = headers.trace(state));
    calls
}

/// The call of a request that has one, and the conversation that it brings.
fn to_call_and_state(
    state: &AppState,
    caller: &Caller,
    mut request: CallRequest,
) -> Result<(ToolCall, Option<Arc<Carried>>), ProblemDocument> {
    let sealed = request.state.take();
    let incoming = incoming(state, caller, request, "")?;
    let mut calls = Batch::judge(state, caller.tool_call_ids(), vec![incoming])?.whole(|_| String::new())?;
    let carried = stateless::open(state, sealed, &mut calls)?;
    Ok((calls.pop().ok_or_else(no_room)?, carried))
}

fn to_calls(
    state: &AppState,
    caller: &Caller,
    calls: Vec<Object<CallRequest>>,
    common: CallRequest,
) -> Result<Vec<ToolCall>, ProblemDocument> {
    if common.name.is_some() || common.arguments.is_some() || common.tool_call_id.is_some() {
        let detail = "`name`, `arguments` and `tool_call_id` belong to each of `calls`, not beside it";
        return Err(ProblemDocument::new(ProblemCode::InvalidRequest, detail));
    }
    let at = |index: usize| format!("calls[{index}]: ");
    let calls = calls.into_iter().enumerate().map(|(index, Object(call))| {
        let call = CallRequest {
            environment: call.environment.or_else(|| common.environment.clone()),
            conversation_id: call.conversation_id.or_else(|| common.conversation_id.clone()),
            variables: call.variables.or_else(|| common.variables.clone()),
            deadline_ms: sooner(call.deadline_ms, common.deadline_ms),
            language: call.language.or_else(|| common.language.clone()),
            ..call
        };
        incoming(state, caller, call, &at(index))
    });
    let calls = calls.collect::<Result<Vec<Incoming>, _>>()?;
    Batch::judge(state, caller.tool_call_ids(), calls)?.whole(at)
}

/// A call of a request, as it is to be judged.
fn incoming(
    state: &AppState,
    caller: &Caller,
    request: CallRequest,
    at: &str,
) -> Result<Incoming, ProblemDocument> {
    let invalid = |detail: &str| ProblemDocument::new(ProblemCode::InvalidRequest, format!("{at}{detail}"));
    if request.calls.is_some() {
        return Err(invalid("`calls` cannot stand inside `calls`, nor in a preview"));
    }
    if request.state.is_some() {
        return Err(invalid("`state` stands beside `calls`: all of them begin with the same one"));
    }
    let name = request.name.ok_or_else(|| invalid("`name`, the action to call, is missing"))?;
    let deployment = state.gateway().deployment();
    let environment = caller.environment(request.environment.as_deref(), deployment.environment_names())?;
    let no_arguments = || RawValue::from_string("{}".to_owned());
    let arguments = match request.arguments {
        Some(arguments) => arguments,
        None => no_arguments().map_err(|error| invalid(&error.to_string()))?,
    };
    Ok(Incoming {
        // A product that has no id to fill in sends an empty one.
        id: request.tool_call_id.filter(|id| !id.is_empty()),
        environment,
        owner: caller.owner().cloned(),
        conversation_id: request.conversation_id.filter(|id| !id.is_empty()),
        name,
        arguments,
        variables: request.variables.unwrap_or_default(),
        caller: caller.name().map(str::to_owned),
        deadline_ms: request.deadline_ms,
        language: request.language.filter(|language| !language.is_empty()),
        refused: None,
    })
}
