//! `POST /v1/<provider>/…/tool-calls`: what a model asked for, in its provider's form, and the
//! results in the same.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts as _, Query, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::Map;
use utoipa::IntoParams;

use crate::conversation::ConversationKey;
use crate::dialect::{
    IncomingCall, Malformed, Outcome, Turn, anthropic, gemini, openai_chat, openai_realtime, openai_responses,
};
use crate::executor::CallControl;
use crate::tool::{Owner, Scope, ToolCall, ToolCallIds};

use super::body::RawBody;
use super::execution::{CallHeaders, Waiting, execute};
use super::inbound::batch::{Batch, Incoming, Refusal};
use super::inbound::keys::Caller;
use super::inbound::limit::Room;
use super::inbound::whose;
use super::problem::{ProblemCode, ProblemDocument};
use super::query::checked;
use super::state::{AppState, RunningCall};

/// Names the environment, where the query does not.
pub(super) const ENVIRONMENT: HeaderName = HeaderName::from_static("callgate-environment");
/// Names the conversation, where the query or the body does not.
pub(super) const CONVERSATION: HeaderName = HeaderName::from_static("callgate-conversation-id");

/// Where calls belong; each may come as a header instead: `Callgate-Environment`, `Callgate-Conversation-Id`.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PlaceQuery {
    /// The environment; may be left out where there is only one choice.
    environment: Option<String>,
    /// The phone call or chat this belongs to.
    conversation_id: Option<String>,
}

/// Where calls belong.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) environment: String,
    /// Whose conversations it names; `None`: those that are shared.
    pub(super) owner: Option<Owner>,
    pub(super) conversation_id: Option<String>,
    /// Who calls, for the audit: a key's name, or a product.
    pub(super) caller: Option<String>,
    /// What its headers say.
    pub(super) headers: CallHeaders,
    /// What the ids of its calls stand for.
    pub(super) ids: ToolCallIds,
}

impl Place {
    /// Where the calls of a request belong that has these headers.
    pub(super) fn new(
        (environment, owner): (String, Option<Owner>),
        conversation_id: Option<String>,
        caller: Option<String>,
        headers: CallHeaders,
    ) -> Result<Self, ProblemDocument> {
        let conversation_id = whose::checked(conversation_id)?;
        Ok(Self { environment, owner, conversation_id, caller, headers, ids: ToolCallIds::Auto })
    }

    /// The same, for a caller whose ids stand for this.
    pub(super) fn with_ids(self, ids: ToolCallIds) -> Self {
        Self { ids, ..self }
    }

    /// A call of it, as it is to be judged.
    pub(super) fn incoming(&self, call: &IncomingCall) -> Incoming {
        Incoming {
            id: call.id.clone(),
            environment: self.environment.clone(),
            owner: self.owner.clone(),
            conversation_id: self.conversation_id.clone(),
            name: call.name.clone(),
            arguments: call.arguments.clone(),
            variables: Map::new(),
            caller: self.caller.clone(),
            deadline_ms: self.headers.deadline_ms,
            language: None,
            refused: call.refused,
        }
    }

    /// The conversation that its calls belong to, if they name one.
    pub(super) fn conversation(&self) -> Result<Option<ConversationKey>, ProblemDocument> {
        let scope = || Scope::of(&self.environment, self.owner.as_ref());
        self.conversation_id.as_deref().map(|id| whose::conversation(scope(), id)).transpose()
    }
}

/// A header as text.
pub(super) fn header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned()).filter(|text| !text.is_empty())
}

/// A turn that was posted, and where its calls belong.
pub(super) struct Posted {
    caller: Caller,
    place: Place,
    body: RawBody,
}

impl FromRequest<AppState> for Posted {
    type Rejection = ProblemDocument;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Self::Rejection> {
        let (mut parts, body) = request.into_parts();
        let caller = Caller::from_request_parts(&mut parts, state).await?;
        Room::from_request_parts(&mut parts, state).await?;
        let asked = Query::<PlaceQuery>::from_request_parts(&mut parts, state).await;
        let place = place(state, &caller, &parts.headers, checked(asked)?)?;
        let body = RawBody::from_request(Request::from_parts(parts, body), state).await?;
        Ok(Self { caller, place, body })
    }
}

/// Executes the calls of an assistant message of Chat Completions.
///
/// Takes the message, its `tool_calls` or the whole completion, and answers the messages of role
/// `tool` to append.
#[utoipa::path(
    post, path = "/v1/openai/chat/tool-calls", tag = "dialects", params(PlaceQuery),
    request_body(content = Value, description = "an assistant message, or the list of its `tool_calls`"),
    responses(
        (status = 200, description = "the messages of role `tool`, in the order of the calls", body = Vec<Value>),
        (status = "4XX", description = "the request is broken", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(super) async fn openai_chat(
    State(state): State<AppState>,
    posted: Posted,
) -> Result<Response, ProblemDocument> {
    answer(&state, posted, openai_chat::decode, openai_chat::encode).await
}

/// Executes the `function_call` items of a response of the Responses API.
#[utoipa::path(
    post, path = "/v1/openai/responses/tool-calls", tag = "dialects", params(PlaceQuery),
    request_body(content = Value, description = "a response, or the list of its `output` items"),
    responses(
        (status = 200, description = "the `function_call_output` items to append to `input`", body = Vec<Value>),
        (status = "4XX", description = "the request is broken", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(super) async fn openai_responses(
    State(state): State<AppState>,
    posted: Posted,
) -> Result<Response, ProblemDocument> {
    answer(&state, posted, openai_responses::decode, openai_responses::encode).await
}

/// Executes the completed calls of a `response.done` event of the Realtime API.
#[utoipa::path(
    post, path = "/v1/openai/realtime/tool-calls", tag = "dialects", params(PlaceQuery),
    request_body(content = Value, description = "a `response.done` or `response.output_item.done` event"),
    responses(
        (status = 200, description = "the events to send; none where nothing was called", body = Vec<Value>),
        (status = "4XX", description = "the request is broken", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(super) async fn openai_realtime(
    State(state): State<AppState>,
    posted: Posted,
) -> Result<Response, ProblemDocument> {
    answer(&state, posted, openai_realtime::decode, openai_realtime::encode).await
}

/// Executes the `tool_use` blocks of a message of Anthropic.
#[utoipa::path(
    post, path = "/v1/anthropic/tool-calls", tag = "dialects", params(PlaceQuery),
    request_body(content = Value, description = "a message, or the list of its `content` blocks"),
    responses(
        (status = 200, description = "the user message with the `tool_result` blocks", body = Object),
        (status = "4XX", description = "the request is broken", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(super) async fn anthropic(
    State(state): State<AppState>,
    posted: Posted,
) -> Result<Response, ProblemDocument> {
    answer(&state, posted, anthropic::decode, anthropic::encode).await
}

/// Executes the `functionCall` parts of a content of Gemini, or a `toolCall` of Gemini Live.
#[utoipa::path(
    post, path = "/v1/gemini/tool-calls", tag = "dialects", params(PlaceQuery),
    request_body(content = Value, description = "a content, the list of its `parts`, or a Live message"),
    responses(
        (status = 200, description = "the content with the `functionResponse` parts, or the Live message `toolResponse`", body = Object),
        (status = "4XX", description = "the request is broken", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(super) async fn gemini(
    State(state): State<AppState>,
    posted: Posted,
) -> Result<Response, ProblemDocument> {
    answer(&state, posted, gemini::decode, gemini::encode).await
}

fn place(
    state: &AppState,
    caller: &Caller,
    headers: &HeaderMap,
    query: PlaceQuery,
) -> Result<Place, ProblemDocument> {
    let deployment = state.gateway().deployment();
    let environment = whose::agreed(
        ("the header `Callgate-Environment`", header(headers, &ENVIRONMENT)),
        ("`environment` of the query", query.environment),
    )?;
    let environment = caller.environment(environment.as_deref(), deployment.environment_names())?;
    let conversation_id = whose::agreed(
        ("the header `Callgate-Conversation-Id`", header(headers, &CONVERSATION)),
        ("`conversation_id` of the query", query.conversation_id),
    )?;
    let place = (environment, caller.owner().cloned());
    let place =
        Place::new(place, conversation_id, caller.name().map(str::to_owned), CallHeaders::of(headers)?)?;
    Ok(place.with_ids(caller.tool_call_ids()))
}

async fn answer<F>(
    state: &AppState,
    Posted { caller, place, body: RawBody(body, seat) }: Posted,
    decode: fn(&[u8]) -> Result<Turn<F>, Malformed>,
    encode: fn(&Turn<F>, &[Outcome]) -> String,
) -> Result<Response, ProblemDocument> {
    let turn = decode(&body)
        .and_then(Turn::bounded)
        .map_err(|malformed| ProblemDocument::new(ProblemCode::InvalidRequest, malformed.to_string()))?;
    drop(seat);
    caller.charge_more(turn.calls.len().saturating_sub(1))?;
    Ok(run(state, &turn.calls, &place, |outcomes| encode(&turn, outcomes)).await)
}

/// JSON that is written already.
pub(super) fn json(text: String) -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], text).into_response()
}

/// Executes the calls of a turn in parallel and tells what came of each, in their order, as `encode` says. Who hangs up
/// before has got nothing of it.
pub(super) async fn run(
    state: &AppState,
    calls: &[IncomingCall],
    place: &Place,
    encode: impl FnOnce(&[Outcome]) -> String,
) -> Response {
    let incoming = calls.iter().map(|call| place.incoming(call)).collect();
    let Ok(batch) = Batch::judge(state, place.ids, incoming) else {
        let outcomes: Vec<Outcome> = calls.iter().map(|_| Outcome::Broken).collect();
        return json(encode(&outcomes));
    };
    let work = batch.admit_each(state).map(|admitted| run_one(state, place, admitted, Arc::default()));
    let work: Vec<_> = work.collect();
    let (outcomes, waiting): (Vec<_>, Vec<_>) = join_all(work).await.into_iter().unzip();
    let reply = json(encode(&outcomes));
    join_all(waiting.into_iter().flatten().map(Waiting::answered)).await;
    reply
}

/// Executes one call that is let in; what came of it, and the caller who has yet to be told.
pub(super) async fn run_one(
    state: &AppState,
    place: &Place,
    admitted: Result<(ToolCall, RunningCall), Refusal>,
    control: Arc<CallControl>,
) -> (Outcome, Option<Waiting>) {
    let (mut call, running) = match admitted {
        Ok(admitted) => admitted,
        Err(refusal) => return (Outcome::Refused(refusal.in_words()), None),
    };
    call.trace = place.headers.trace(state);
    match execute(state, call, None, running, control).await {
        Ok((result, waiting)) => (Outcome::Done(result), Some(waiting)),
        Err(_) => (Outcome::Broken, None),
    }
}
