//! The webhooks that orchestrators call as they are.
//!
//! Who calls is settled by the raw bytes, before anything of them is read: by the rules of
//! `[webhooks]`, or, where a product has none, by the keys of the gateway as everywhere else.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{FromRequest as _, FromRequestParts as _, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, Method};
use axum::response::Response;
use bytes::Bytes;
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::dialect::{IncomingCall, Malformed, Outcome, Turn, elevenlabs, retell, vapi};
use crate::executor::{ConversationError, Seat};
use crate::settings::Product;
use crate::tool::Owner;

use super::body::{RawBody, Segment, Segments};
use super::conversations;
use super::dialects::{CONVERSATION, Place, header, json, run};
use super::execution::CallHeaders;
use super::inbound::keys::Caller;
use super::inbound::limit::Room;
use super::inbound::webhook::{self, WebhookRequest};
use super::problem::{ProblemCode, ProblemDocument};
use super::state::AppState;

/// Vapi sends the id of its call in this header too.
const VAPI_CALL: HeaderName = HeaderName::from_static("x-call-id");

/// A webhook whose caller is known.
struct Admitted {
    parts: Parts,
    body: Bytes,
    /// Where the body is read.
    seat: Option<Seat>,
    /// The environment that its path names.
    environment: String,
    /// Whose conversations its calls belong to; `None`: those that are shared.
    owner: Option<Owner>,
    /// Who calls: the key's name, or the product.
    caller: Option<String>,
    /// The key's owner, where a key lets the request in.
    by_key: Option<Caller>,
    /// What tells the delivery from every other, where it is signed.
    signed: Option<[u8; 32]>,
}

impl Admitted {
    fn header(&self, name: &HeaderName) -> Option<String> {
        header(&self.parts.headers, name)
    }

    /// Gives the calls that bring no id one that a repeat of the same signed delivery has again. What is signed does not
    /// hold the path, which may name the action.
    fn name_calls(&self, calls: &mut [IncomingCall]) {
        let Some(signed) = &self.signed else { return };
        for (at, call) in calls.iter_mut().enumerate().filter(|(_, call)| call.id.is_none()) {
            let mut digest = Sha256::new_with_prefix(signed);
            let target = self.parts.uri.path_and_query().map_or("", |target| target.as_str());
            digest.update(target.as_bytes());
            digest.update((at as u64).to_le_bytes());
            let digest = digest.finalize();
            call.id = Some(format!("signed_{}", HEXLOWER.encode(&digest[..16])));
        }
    }

    /// Where its calls belong.
    fn place(self, conversation_id: Option<String>) -> Result<Place, ProblemDocument> {
        let place = (self.environment, self.owner);
        let headers = CallHeaders::of(&self.parts.headers)?;
        let ids = self.by_key.as_ref().map(Caller::tool_call_ids).unwrap_or_default();
        Ok(Place::new(place, conversation_id, self.caller, headers)?.with_ids(ids))
    }
}

/// Vapi's server messages: tool calls are executed, the report at the end of a call ends its conversation,
/// everything else is acknowledged.
///
/// Status 200 whatever comes of the calls, because Vapi reads no other answer.
#[utoipa::path(
    post, path = "/webhooks/vapi/{environment}", tag = "webhooks",
    params(("environment" = String, Path, description = "the environment that the calls run in")),
    request_body(content = Value, description = "a server message of Vapi"),
    responses(
        (status = 200, description = "`{results: [{name, toolCallId, result | error}]}`", body = Object),
        (status = "4XX", description = "the caller is not known, or the request is broken", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(super) async fn vapi(
    State(state): State<AppState>,
    _: Room,
    Segment(environment): Segment,
    request: Request,
) -> Result<Response, ProblemDocument> {
    let mut admitted = admit(&state, Product::Vapi, environment, request).await?;
    let mut turn = match vapi::decode(&admitted.body).and_then(Turn::bounded) {
        Ok(turn) => turn,
        Err(malformed) => return Ok(json(vapi::encode_malformed(&malformed))),
    };
    drop(admitted.seat.take());
    if let Some(caller) = &admitted.by_key {
        caller.charge_more(turn.calls.len().saturating_sub(1))?;
    }
    admitted.name_calls(&mut turn.calls);
    let conversation = turn.conversation_id.clone().or_else(|| admitted.header(&CONVERSATION));
    let conversation = conversation.or_else(|| admitted.header(&VAPI_CALL));
    let place = admitted.place(conversation)?;
    if turn.form == vapi::Form::Ended {
        end(&state, &place).await?;
    }
    Ok(run(&state, &turn.calls, &place, |outcomes| vapi::encode(&turn, outcomes)).await)
}

/// Retell's custom functions, with the whole payload; and the events of the agent's webhook, of which `call_ended`
/// ends the conversation of its call.
#[utoipa::path(
    method(post, put, patch), path = "/webhooks/retell/{environment}", tag = "webhooks",
    params(("environment" = String, Path, description = "the environment that the call runs in")),
    request_body(content = Value, description = "`{name, args, call}`, or `{event, call}`"),
    responses(
        (status = 200, description = "the result, or `{error}`; 15,000 characters at most", body = Value),
        (status = "4XX", description = "the caller is not known, or the request is broken", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(super) async fn retell(
    State(state): State<AppState>,
    _: Room,
    Segment(environment): Segment,
    request: Request,
) -> Result<Response, ProblemDocument> {
    let admitted = admit(&state, Product::Retell, environment, request).await?;
    let turn = retell::decode(&admitted.body, None);
    answer_retell(&state, admitted, turn).await
}

/// Retell's custom functions, with the arguments only: in the body, or in the query of a GET or DELETE.
#[utoipa::path(
    method(get, post, put, patch, delete), path = "/webhooks/retell/{environment}/{action}", tag = "webhooks",
    params(
        ("environment" = String, Path, description = "the environment that the call runs in"),
        ("action" = String, Path, description = "the action"),
    ),
    request_body(content = Option<Value>, description = "the arguments, or `{name, args, call}`"),
    responses(
        (status = 200, description = "the result, or `{error}`; 15,000 characters at most", body = Value),
        (status = "4XX", description = "the caller is not known, or the request is broken", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(super) async fn retell_action(
    State(state): State<AppState>,
    _: Room,
    Segments(environment, action): Segments,
    request: Request,
) -> Result<Response, ProblemDocument> {
    let admitted = admit(&state, Product::Retell, environment, request).await?;
    let turn = if [Method::GET, Method::DELETE].contains(&admitted.parts.method) {
        let query = admitted.parts.uri.query().unwrap_or_default();
        let deployment = state.gateway().deployment();
        let known = deployment.environment(&admitted.environment).and_then(|one| one.find(&action));
        Ok(retell::from_query(&action, query, |name| known?.action.offered(name)))
    } else {
        retell::decode(&admitted.body, Some(&action))
    };
    answer_retell(&state, admitted, turn).await
}

async fn answer_retell(
    state: &AppState,
    mut admitted: Admitted,
    turn: Result<Turn<retell::Form>, Malformed>,
) -> Result<Response, ProblemDocument> {
    drop(admitted.seat.take());
    // Anything but 2xx would be sent again, and be as malformed.
    let mut turn = match turn {
        Ok(turn) => turn,
        Err(malformed) => return Ok(json(retell::encode(&[Outcome::Refused(malformed.to_string())]))),
    };
    admitted.name_calls(&mut turn.calls);
    let conversation = turn.conversation_id.clone().or_else(|| admitted.header(&CONVERSATION));
    let place = admitted.place(conversation)?;
    if turn.form == retell::Form::Ended {
        end(state, &place).await?;
    }
    Ok(run(state, &turn.calls, &place, retell::encode).await)
}

/// Ends the conversation of a call that is over, as `DELETE /v1/conversations/{id}` does; one that never began
/// needs no end.
async fn end(state: &AppState, place: &Place) -> Result<(), ProblemDocument> {
    let Some(key) = place.conversation()? else { return Ok(()) };
    match state.gateway().end_conversation(&key, place.caller.as_deref()).await {
        Ok(_) | Err(ConversationError::NotFound(_)) => Ok(()),
        Err(error) => Err(conversations::problem(error)),
    }
}

/// ElevenLabs' webhook tools: the arguments at the root of the body.
#[utoipa::path(
    post, path = "/webhooks/elevenlabs/{environment}/{action}", tag = "webhooks",
    params(
        ("environment" = String, Path, description = "the environment that the call runs in"),
        ("action" = String, Path, description = "the action"),
        ("Callgate-Conversation-Id" = Option<String>, Header, description = "`system__conversation_id`"),
    ),
    request_body(content = Value, description = "the arguments"),
    responses(
        (status = 200, description = "the result, or `{error}`", body = Value),
        (status = "4XX", description = "the caller is not known, or the request is broken", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(super) async fn elevenlabs(
    State(state): State<AppState>,
    _: Room,
    Segments(environment, action): Segments,
    request: Request,
) -> Result<Response, ProblemDocument> {
    let mut admitted = admit(&state, Product::ElevenLabs, environment, request).await?;
    let mut turn = match elevenlabs::decode(&admitted.body, &action) {
        Ok(turn) => turn,
        Err(malformed) => return Ok(json(elevenlabs::encode(&[Outcome::Refused(malformed.to_string())]))),
    };
    drop(admitted.seat.take());
    admitted.name_calls(&mut turn.calls);
    let conversation = admitted.header(&CONVERSATION).or(turn.conversation_id.clone());
    let place = admitted.place(conversation)?;
    Ok(run(&state, &turn.calls, &place, elevenlabs::encode).await)
}

/// Reads the body and settles who sent it.
async fn admit(
    state: &AppState,
    product: Product,
    environment: String,
    request: Request,
) -> Result<Admitted, ProblemDocument> {
    let deployment = state.gateway().deployment();
    let (mut parts, body) = request.into_parts();
    let keys = state.keys();
    if !keys.has_rules_of(product) {
        let caller = Caller::from_request_parts(&mut parts, state).await?;
        let environment = caller.environment(Some(&environment), deployment.environment_names())?;
        let RawBody(body, seat) =
            RawBody::from_request(Request::from_parts(parts.clone(), body), state).await?;
        let name = caller.name().map(str::to_owned);
        let owner = caller.owner().cloned();
        return Ok(Admitted {
            parts,
            body,
            seat,
            environment,
            owner,
            caller: name,
            by_key: Some(caller),
            signed: None,
        });
    }
    let RawBody(body, seat) = RawBody::from_request(Request::from_parts(parts.clone(), body), state).await?;
    let base = state.server().public_url.as_deref().unwrap_or_default().trim_end_matches('/');
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let seen = WebhookRequest {
        method: parts.method.as_str(),
        url: &format!("{base}{path}"),
        header: &|name| parts.headers.get(name)?.to_str().ok(),
        body: &body,
        now_ms: now_ms(),
    };
    let secret = |name: &str| deployment.secret(&environment, name);
    let signed = webhook::check(keys.rules_of(product), secret, &seen).map_err(|refusal| {
        tracing::warn!(product = ?product, cause = %refusal, "a webhook was refused");
        ProblemDocument::new(ProblemCode::Unauthorized, refusal.to_string())
    })?;
    let caller = Some(product.name().to_owned());
    let owner = keys.webhook_owner(product).cloned();
    Ok(Admitted { body, seat, parts, environment, owner, caller, by_key: None, signed })
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
