//! `/state/user/{userID}`: conversations that the gateway keeps, by the id of their user.

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};

use crate::conversation::ConversationKey;
use crate::executor::ConversationError;
use crate::server::body::Segment;
use crate::server::conversations::problem;
use crate::server::inbound::limit::Room;
use crate::server::inbound::whose;
use crate::server::problem::ProblemDocument;
use crate::server::state::AppState;

use super::asked::{Asked, Members};
use super::errors::{Envelope, Verror};
use super::place::{InteractQuery, Place};
use super::session::{Memory, Session, begin_anew, forget, found, start};
use super::state::{self, Sent};

/// Answers a user, in a conversation that the gateway keeps.
///
/// The answer is a list of traces; with `verbose=true` an object with the state and the traces.
#[utoipa::path(
    post, path = "/state/user/{userID}/interact", tag = "interact",
    request_body(content = Object, description = "`{action, config, state: {variables}}`"),
    params(
        ("userID" = String, Path, description = "the user, whose id is the conversation's"), InteractQuery,
        ("versionID" = Option<String>, Header, description = "the environment; `development` where left out, if it is served"),
        ("Callgate-Agent" = Option<String>, Header, description = "the agent, where the query names none"),
    ),
    responses(
        (status = 200, description = "the traces", body = Value),
        (status = 400, description = "the request is wrong", body = Verror),
        (status = "4XX", description = "there is no such agent, or the key is not known or calls too often", body = Envelope),
        (status = "5XX", description = "there is no room, or the store is out of reach", body = Envelope),
    ),
    security((), ("key" = []))
)]
pub(crate) async fn interact(
    State(app): State<AppState>,
    place: Place,
    _: Room,
    Segment(user): Segment,
    Members(members): Members,
) -> Result<Json<Value>, ProblemDocument> {
    let environment = place.environment(&app, None)?;
    let agent = place.agent(&app, &environment, None)?;
    let key = whose::conversation(place.caller.scope(&environment), &user)?;
    let asked = Asked::read(members)?;
    let (is_verbose, written) = (place.is_verbose, asked.written.clone());
    let session = Session { state: app, place, agent, memory: Memory::Stored(key) };
    let mut telling = session.begin(asked).await?;
    let traces = telling.all().await;
    if !is_verbose {
        return Ok(Json(Value::Array(traces)));
    }
    let state = telling.session().shown_state().await;
    Ok(Json(json!({"state": state, "trace": traces, "request": written, "action": written})))
}

/// The state of a user; empty if the user is unknown.
#[utoipa::path(
    get, path = "/state/user/{userID}", tag = "interact",
    params(
        ("userID" = String, Path, description = "the user, whose id is the conversation's"), InteractQuery,
        ("versionID" = Option<String>, Header, description = "the environment; `development` where left out, if it is served"),
    ),
    responses(
        (status = 200, description = "`{stack, storage, variables}`, or `{}`", body = Object),
        (status = 400, description = "the request is wrong", body = Verror),
        (status = "4XX", description = "the key is not known or calls too often", body = Envelope),
        (status = "5XX", description = "the store is out of reach", body = Envelope),
    ),
    security((), ("key" = []))
)]
pub(crate) async fn show(
    State(app): State<AppState>,
    place: Place,
    Segment(user): Segment,
) -> Result<Json<Value>, ProblemDocument> {
    let user = User::of(&app, &place, &user)?;
    Ok(Json(user.state(&app).await?.unwrap_or_else(|| json!({}))))
}

/// Replaces the state of a user: the visible variables, and the current state of the conversation.
///
/// If `stack` is empty, what was said before is forgotten.
#[utoipa::path(
    put, path = "/state/user/{userID}", tag = "interact",
    request_body(content = Object, description = "`{stack, storage, variables}`, all of them and no more"),
    params(
        ("userID" = String, Path, description = "the user, whose id is the conversation's"), InteractQuery,
        ("versionID" = Option<String>, Header, description = "the environment; `development` where left out, if it is served"),
    ),
    responses(
        (status = 200, description = "the state as it is now", body = Object),
        (status = 400, description = "the state is not whole, or a variable cannot be set", body = Verror),
        (status = "4XX", description = "the conversation has ended, or the key is not known or calls too often", body = Envelope),
        (status = "5XX", description = "the store is out of reach", body = Envelope),
    ),
    security((), ("key" = []))
)]
pub(crate) async fn replace(
    State(app): State<AppState>,
    place: Place,
    Segment(user): Segment,
    Members(members): Members,
) -> Result<Json<Value>, ProblemDocument> {
    let user = User::of(&app, &place, &user)?;
    let sent = Sent::whole(&members)?;
    let gateway = app.gateway();
    let variables = sent.variables.unwrap_or_default();
    match found(gateway, &user.key).await.map_err(problem)? {
        None => {
            start(gateway, &user.key, variables, sent.node, place.caller.name()).await?;
        }
        Some(known) => {
            let seen = gateway.seen_variables(&known).await;
            let mut change = state::replacement(variables, &known, &seen);
            change.current_state = sent.node.filter(|node| known.state.as_ref() != Some(node));
            if known.has_ended() || !state::is_nothing(&change) {
                gateway.change_conversation(&user.key, change).await.map_err(problem)?;
            }
            if sent.is_empty {
                begin_anew(gateway, &user.key, &user.agent, None).await?;
            }
        }
    }
    user.state_now(&app).await
}

/// Erases the conversation of a user, if there is one.
#[utoipa::path(
    delete, path = "/state/user/{userID}", tag = "interact",
    params(
        ("userID" = String, Path, description = "the user, whose id is the conversation's"), InteractQuery,
        ("versionID" = Option<String>, Header, description = "the environment; `development` where left out, if it is served"),
    ),
    responses(
        (status = 200, description = "there is none any more", body = Object),
        (status = 400, description = "the request is wrong", body = Verror),
        (status = "4XX", description = "the key is not known or calls too often", body = Envelope),
        (status = "5XX", description = "the store is out of reach", body = Envelope),
    ),
    security((), ("key" = []))
)]
pub(crate) async fn forget_user(
    State(app): State<AppState>,
    place: Place,
    Segment(user): Segment,
) -> Result<Json<Value>, ProblemDocument> {
    let user = User::of(&app, &place, &user)?;
    forget(app.gateway(), &user.key).await?;
    Ok(Json(json!({})))
}

/// Erases the conversation of a user, if there is one, and begins another.
#[utoipa::path(
    post, path = "/state/user/{userID}", tag = "interact",
    params(
        ("userID" = String, Path, description = "the user, whose id is the conversation's"), InteractQuery,
        ("versionID" = Option<String>, Header, description = "the environment; `development` where left out, if it is served"),
    ),
    responses(
        (status = 200, description = "the state that it begins with", body = Object),
        (status = 400, description = "the request is wrong", body = Verror),
        (status = "4XX", description = "the key is not known or calls too often", body = Envelope),
        (status = "5XX", description = "the store is out of reach", body = Envelope),
    ),
    security((), ("key" = []))
)]
pub(crate) async fn reset(
    State(app): State<AppState>,
    place: Place,
    Segment(user): Segment,
) -> Result<Json<Value>, ProblemDocument> {
    let user = User::of(&app, &place, &user)?;
    forget(app.gateway(), &user.key).await?;
    start(app.gateway(), &user.key, Map::new(), None, place.caller.name()).await?;
    // A turn that is still under way belongs to what was erased.
    begin_anew(app.gateway(), &user.key, &user.agent, None).await?;
    user.state_now(&app).await
}

/// Sets variables of a user; null removes one. If there is no conversation, it begins.
#[utoipa::path(
    patch, path = "/state/user/{userID}/variables", tag = "interact",
    request_body(content = Object, description = "the variables, by dotted name"),
    params(
        ("userID" = String, Path, description = "the user, whose id is the conversation's"), InteractQuery,
        ("versionID" = Option<String>, Header, description = "the environment; `development` where left out, if it is served"),
    ),
    responses(
        (status = 200, description = "the state as it is now", body = Object),
        (status = 400, description = "a variable cannot be set; nothing was changed", body = Verror),
        (status = "4XX", description = "the conversation has ended, or the key is not known or calls too often", body = Envelope),
        (status = "5XX", description = "the store is out of reach", body = Envelope),
    ),
    security((), ("key" = []))
)]
pub(crate) async fn set_variables(
    State(app): State<AppState>,
    place: Place,
    Segment(user): Segment,
    Members(variables): Members,
) -> Result<Json<Value>, ProblemDocument> {
    let user = User::of(&app, &place, &user)?;
    let gateway = app.gateway();
    match found(gateway, &user.key).await.map_err(problem)? {
        None => {
            start(gateway, &user.key, variables, None, place.caller.name()).await?;
        }
        Some(known) => {
            let seen = gateway.seen_variables(&known).await;
            let change = state::change(variables, Some(&known), &seen);
            if known.has_ended() || !state::is_nothing(&change) {
                gateway.change_conversation(&user.key, change).await.map_err(problem)?;
            }
        }
    }
    user.state_now(&app).await
}

/// A user; the conversation may not exist.
struct User {
    key: ConversationKey,
    /// The agent that the user talks to, if it is known.
    agent: String,
}

impl User {
    fn of(app: &AppState, place: &Place, id: &str) -> Result<Self, ProblemDocument> {
        let environment = place.environment(app, None)?;
        let key = whose::conversation(place.caller.scope(&environment), id)?;
        let agent = place.agent(app, &environment, None).map(|agent| agent.agent.name.clone());
        Ok(Self { key, agent: agent.unwrap_or_default() })
    }

    async fn state(&self, app: &AppState) -> Result<Option<Value>, ProblemDocument> {
        let Some(known) = found(app.gateway(), &self.key).await.map_err(problem)? else { return Ok(None) };
        Ok(Some(state::shown(app.gateway(), &known, &self.agent).await))
    }

    async fn state_now(&self, app: &AppState) -> Result<Json<Value>, ProblemDocument> {
        let gone = || problem(ConversationError::NotFound(self.key.clone()));
        self.state(app).await?.map(Json).ok_or_else(gone)
    }
}
