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
use crate::executor::{CallControl, Inspection, Preview};
use crate::tool::{FailureCode, ToolCall, ToolError, ToolResult};

use super::body::{JsonBody, Object, Segment};
use super::execution::{CallHeaders, Waiting, check_running, execute};
use super::inbound::batch::{Batch, Incoming};
use super::inbound::keys::Caller;
use super::inbound::limit::Room;
use super::inbound::whose;
use super::problem::{ProblemCode, ProblemDocument};
use super::state::{AppState, RunningCall, no_room};
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
    /// What makes the call, for the log and the feed: `console`; at most 32 letters, digits, `-` and `_`.
    source: Option<String>,
    /// Whether the answer has an `inspection`: what was sent and answered, masked, and where the time went. With keys,
    /// only for one with `admin = true`.
    #[serde(default)]
    inspect: bool,
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

/// The answer to a call.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answered {
    /// The result.
    #[serde(flatten)]
    #[schema(inline, value_type = ToolResult)]
    result: Arc<ToolResult>,
    /// The details of the call; only if the request says `inspect`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Inspection>)]
    inspection: Option<Arc<Inspection>>,
}

impl Answered {
    fn new(result: Arc<ToolResult>, control: &CallControl) -> Self {
        Self { result, inspection: control.inspection().cloned() }
    }
}

/// The answers to several calls, in their order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Results {
    /// One result for each call.
    results: Vec<Answered>,
    /// The conversation after all of them, sealed: for the next request. Only where the request brought a `state`.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
}

/// The answer to one call, or to several.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "says in the OpenAPI document what the handler gives in two forms")]
pub(super) enum CallReply {
    /// Of one call.
    One(Answered),
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
    let look = Look::of(&caller, &request)?;
    let Some(calls) = request.calls else {
        let (call, carried) = to_call_and_state(&state, &caller, request)?;
        let mut admitted = Batch::admit(&state, &caller, traced(&state, &headers, &look, vec![call]))?;
        if as_stream {
            return Ok(stream::answer(&state, admitted, carried.as_ref(), look.inspect));
        }
        let (call, running) = admitted.pop().ok_or_else(no_room)?;
        let (answered, waiting) = look.executed(&state, call, carried, running).await?;
        let reply = Json(answered).into_response();
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
    let calls = Batch::admit(&state, &caller, traced(&state, &headers, &look, calls))?;
    if as_stream {
        return Ok(stream::answer(&state, calls, None, look.inspect));
    }
    let executed =
        calls.into_iter().map(|(call, running)| look.executed(&state, call, carried.clone(), running));
    let (mut answers, waiting): (Vec<_>, Vec<_>) = try_join_all(executed).await?.into_iter().unzip();
    let next = carried.as_ref().map(|carried| {
        let results = answers.iter().map(|answered| answered.result.clone()).collect();
        let (results, next) = stateless::joined(&state, carried, results);
        for (answered, result) in answers.iter_mut().zip(results) {
            answered.result = result;
        }
        next
    });
    let reply = Json(Results { results: answers, state: next }).into_response();
    // Not before: who hangs up while one of the calls is under way has the result of none.
    join_all(waiting.into_iter().map(Waiting::answered)).await;
    Ok(reply)
}

/// How the calls of a request are looked at by people.
struct Look {
    source: Option<String>,
    inspect: bool,
}

impl Look {
    fn of(caller: &Caller, request: &CallRequest) -> Result<Self, ProblemDocument> {
        let inspect = request.inspect;
        if inspect {
            caller.must_be_admin()?;
        }
        if inspect && request.calls.is_some() {
            let detail = "`inspect` is for one call; send each of `calls` by itself";
            return Err(ProblemDocument::new(ProblemCode::InvalidRequest, detail));
        }
        let source = request.source.clone().filter(|source| !source.is_empty());
        let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if source.as_ref().is_some_and(|source| source.len() > 32 || !source.bytes().all(is_sign)) {
            let detail = "`source` has at most 32 letters, digits, `-` and `_`";
            return Err(ProblemDocument::new(ProblemCode::InvalidRequest, detail));
        }
        Ok(Self { source, inspect })
    }

    async fn executed(
        &self,
        state: &AppState,
        call: ToolCall,
        carried: Option<Arc<Carried>>,
        running: RunningCall,
    ) -> Result<(Answered, Waiting), ProblemDocument> {
        let control = if self.inspect { CallControl::of_inspected() } else { Arc::default() };
        let (result, waiting) = execute(state, call, carried, running, control.clone()).await?;
        Ok((Answered::new(result, &control), waiting))
    }
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
        Ok(mut preview) => {
            // Conditions are of the definition, and whether one holds may tell a value that is kept back.
            if !caller.is_admin() {
                preview.branches.clear();
            }
            Ok(Json(preview).into_response())
        }
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

/// The calls, each with its place in the trace of the request, and with what made them.
fn traced(state: &AppState, headers: &CallHeaders, look: &Look, mut calls: Vec<ToolCall>) -> Vec<ToolCall> {
    for call in &mut calls {
        call.trace = headers.trace(state);
        call.source.clone_from(&look.source);
    }
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
        if call.source.is_some() || call.inspect {
            let detail =
                format!("{}`source` stands beside `calls`, and `inspect` is for one call", at(index));
            return Err(ProblemDocument::new(ProblemCode::InvalidRequest, detail));
        }
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
