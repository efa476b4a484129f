//! `POST /interact` and `GET /interact/state`: conversations that their clients carry.
//!
//! The state has Voiceflow's form: `{stack, storage, variables}`. `storage.callgate` has the whole conversation, sealed:
//! `state`, as `POST /v1/tool-calls` takes and returns it, and `turns`, what agents have done in it. If a client changes
//! `variables` or `nodeID`, the conversation changes. Nothing is stored.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};

use crate::agent::Carrier as _;
use crate::conversation::Carried;
use crate::server::body::Segment;
use crate::server::conversations::problem;
use crate::server::inbound::limit::Room;
use crate::server::problem::{ProblemCode, ProblemDocument};
use crate::server::state::AppState;
use crate::tool::Scope;

use super::asked::{Asked, Members, invalid};
use super::carriage::Carriage;
use super::errors::{Envelope, Verror};
use super::place::{InteractQuery, Place};
use super::session::{Memory, Session};
use super::state::{self, Sent};

/// The member of `storage` that has the conversation.
const SEALED: &str = "callgate";

/// Answers in a conversation that the client carries.
///
/// Answers `{state, trace, request}`: the state goes into the next request. Without a state, a conversation begins.
#[utoipa::path(
    post, path = "/interact", tag = "interact",
    request_body(content = Object, description = "`{state, action, config}`"),
    params(
        InteractQuery,
        ("versionID" = Option<String>, Header, description = "the environment; `development` where left out, if it is served"),
        ("Callgate-Agent" = Option<String>, Header, description = "the agent, where the query names none"),
    ),
    responses(
        (status = 200, description = "the next state and the traces", body = Object),
        (status = 400, description = "the request is wrong, the state is not to be used, or the environment has no key to seal states with", body = Verror),
        (status = "4XX", description = "the state has expired, there is no such agent, or the key is not known or calls too often", body = Envelope),
        (status = "5XX", description = "there is no room", body = Envelope),
    ),
    security((), ("key" = []))
)]
pub(crate) async fn interact(
    app: State<AppState>,
    place: Place,
    _: Room,
    Members(members): Members,
) -> Result<Json<Value>, ProblemDocument> {
    answer(app, place, None, members).await
}

/// The same, for the environment that the path names.
#[utoipa::path(
    post, path = "/interact/{versionID}", tag = "interact",
    request_body(content = Object, description = "`{state, action, config}`"),
    params(
        ("versionID" = String, Path, description = "the environment"), InteractQuery,
        ("Callgate-Agent" = Option<String>, Header, description = "the agent, where the query names none"),
    ),
    responses(
        (status = 200, description = "the next state and the traces", body = Object),
        (status = 400, description = "the request is wrong, the state is not to be used, or the environment has no key to seal states with", body = Verror),
        (status = "4XX", description = "the state has expired, there is no such agent, or the key is not known or calls too often", body = Envelope),
        (status = "5XX", description = "there is no room", body = Envelope),
    ),
    security((), ("key" = []))
)]
pub(crate) async fn interact_in(
    app: State<AppState>,
    place: Place,
    _: Room,
    Segment(version): Segment,
    Members(members): Members,
) -> Result<Json<Value>, ProblemDocument> {
    answer(app, place, Some(&version), members).await
}

/// The first state of a conversation.
#[utoipa::path(
    get, path = "/interact/state", tag = "interact",
    params(
        InteractQuery,
        ("versionID" = Option<String>, Header, description = "the environment; `development` where left out, if it is served"),
        ("Callgate-Agent" = Option<String>, Header, description = "the agent, where the query names none"),
    ),
    responses(
        (status = 200, description = "`{stack, storage, variables}`", body = Object),
        (status = 400, description = "the request is wrong, or the environment has no key to seal states with", body = Verror),
        (status = "4XX", description = "there is no such agent, or the key is not known or calls too often", body = Envelope),
    ),
    security((), ("key" = []))
)]
pub(crate) async fn initial(app: State<AppState>, place: Place) -> Result<Json<Value>, ProblemDocument> {
    begun(app, place, None).await
}

/// The same, for the environment that the path names.
#[utoipa::path(
    get, path = "/interact/{versionID}/state", tag = "interact",
    params(
        ("versionID" = String, Path, description = "the environment"), InteractQuery,
        ("Callgate-Agent" = Option<String>, Header, description = "the agent, where the query names none"),
    ),
    responses(
        (status = 200, description = "`{stack, storage, variables}`", body = Object),
        (status = 400, description = "the request is wrong, or the environment has no key to seal states with", body = Verror),
        (status = "4XX", description = "there is no such agent, or the key is not known or calls too often", body = Envelope),
    ),
    security((), ("key" = []))
)]
pub(crate) async fn initial_in(
    app: State<AppState>,
    place: Place,
    Segment(version): Segment,
) -> Result<Json<Value>, ProblemDocument> {
    begun(app, place, Some(&version)).await
}

async fn answer(
    State(app): State<AppState>,
    place: Place,
    version: Option<&str>,
    members: Map<String, Value>,
) -> Result<Json<Value>, ProblemDocument> {
    let environment = place.environment(&app, version)?;
    let asked = Asked::read(members)?;
    let none = Map::new();
    let sent = Sent::read(asked.state.as_object().unwrap_or(&none))?;
    let agent = place.agent(&app, &environment, sent.diagram.as_deref())?;
    let scope = place.caller.scope(&environment);
    let is_launch = asked.action.is_launch();
    let sealed = asked.state.pointer("/storage/callgate").filter(|sealed| !sealed.is_null());
    let carriage = Arc::new(opened(&app, &scope, sealed, sent, asked.variables.as_ref(), is_launch).await?);
    let (written, name) = (asked.written.clone(), agent.agent.name.clone());
    let session = Session { state: app.clone(), place, agent, memory: Memory::Carried(carriage.clone()) };
    let mut telling = session.begin(asked).await?;
    let traces = telling.all().await;
    let state = sealed_state(&app, &carriage, &name).await?;
    Ok(Json(json!({"state": state, "trace": traces, "request": written})))
}

async fn begun(
    State(app): State<AppState>,
    place: Place,
    version: Option<&str>,
) -> Result<Json<Value>, ProblemDocument> {
    let environment = place.environment(&app, version)?;
    let agent = place.agent(&app, &environment, None)?;
    let carried = app.gateway().open_state(&place.caller.scope(&environment), None, String::new())?;
    let carriage = Carriage::new(app.gateway().clone(), carried, Vec::new());
    Ok(Json(sealed_state(&app, &carriage, &agent.agent.name).await?))
}

/// The conversation that a client sends, with the client's changes.
async fn opened(
    app: &AppState,
    scope: &Scope,
    sealed: Option<&Value>,
    sent: Sent,
    variables: Option<&Map<String, Value>>,
    is_launch: bool,
) -> Result<Carriage, ProblemDocument> {
    let gateway = app.gateway();
    let part = |name: &str| match sealed.map(|sealed| &sealed[name]) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(invalid(format!("`storage.{SEALED}.{name}` must be the text that was given out"))),
    };
    let mut carried = gateway.open_state(scope, None, part("state")?)?;
    let mut turns: Vec<Arc<str>> = match part("turns")? {
        text if text.is_empty() => Vec::new(),
        text => gateway.open_turns(&carried.conversation().key, &text)?,
    };
    if carried.conversation().has_ended() && is_launch {
        carried = gateway.open_state(scope, None, String::new())?;
        turns.clear();
    }
    if sent.is_empty {
        turns.clear();
    }
    // One that has ended stays as it is.
    if !carried.conversation().has_ended() {
        carried = changed(app, carried, sent, variables, is_launch).await?;
    }
    Ok(Carriage::new(gateway.clone(), carried, turns))
}

async fn changed(
    app: &AppState,
    carried: Carried,
    sent: Sent,
    variables: Option<&Map<String, Value>>,
    is_launch: bool,
) -> Result<Carried, ProblemDocument> {
    let gateway = app.gateway();
    let known = carried.conversation();
    let seen = gateway.seen_variables(known).await;
    let variables = variables.cloned().unwrap_or_default();
    let mut change = match sent.variables {
        // The client has all of them. It has removed those that are missing.
        Some(_) => state::replacement(variables, known, &seen),
        None => state::change(variables, Some(known), &seen),
    };
    let initial = gateway.deployment().conversations().initial_state.clone();
    let current = known.state.as_ref().or(initial.as_ref());
    let wanted = if is_launch { initial.clone() } else { sent.node };
    change.current_state = wanted.filter(|wanted| current != Some(wanted));
    if state::is_nothing(&change) {
        return Ok(carried);
    }
    gateway.change_state(&carried, change).map_err(problem)
}

/// The state that goes back.
async fn sealed_state(app: &AppState, carriage: &Carriage, agent: &str) -> Result<Value, ProblemDocument> {
    let carried = carriage.carried();
    let known = carried.conversation();
    let gateway = app.gateway();
    let mut written = state::shown(gateway, known, agent).await;
    let turns = carriage.turns();
    let (text, turns) = (gateway.renew_state(&carried), gateway.seal_turns(&known.key, &turns));
    let (Some(text), Some(turns)) = (text, turns) else {
        let detail = "the keys of this environment have changed meanwhile, or the state is too large; send the former state again";
        return Err(ProblemDocument::new(ProblemCode::Internal, detail));
    };
    written["storage"][SEALED] = json!({"state": text, "turns": turns});
    Ok(written)
}
