//! `/v1/conversations`: beginning, looking at, changing, ending; their feeds; prompts filled in with their variables.

pub(super) mod events;
pub(super) mod prompt;
mod view;

pub(super) use self::view::ConversationView;

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::conversation::{ConversationKey, ListPosition, MAX_LISTED, MAX_TTL};
use crate::executor::{ConversationChange, ConversationError, ConversationStart, GivenVariable, HookReport};
use crate::tool::random_u64;
use callgate_text::percent::QUERY;
use callgate_text::{closest, percent};

use super::body::{JsonBody, Segment};
use super::inbound::keys::{Caller, excerpt};
use super::inbound::whose;
use super::problem::{ProblemCode, ProblemDocument, RefusedVariable, RefusedVariables};
use super::query::{EnvironmentQuery, checked};
use super::state::AppState;

use self::view::SummaryView;

/// Longest name of a state.
const MAX_STATE_BYTES: usize = 64;
/// Conversations of a page, where nothing else is asked for.
const LISTED: usize = 50;

/// How a conversation begins.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StartRequest {
    /// The id that calls name; made up where left out.
    id: Option<String>,
    /// The environment, from start to end; may be left out where there is only one choice.
    environment: Option<String>,
    /// Its first variables, by dotted name.
    #[schema(value_type = Option<Object>)]
    variables: Option<Map<String, Value>>,
    /// Names among `variables` that are masked in replies, logs and events, and kept from the model.
    sensitive: Option<Vec<String>>,
    /// Names among `variables` that are kept from the model.
    hidden: Option<Vec<String>>,
    /// Names among `sensitive` that the model may see all the same.
    exposed: Option<Vec<String>>,
    /// The state that it is in.
    current_state: Option<String>,
    /// Seconds that it is kept after its last use, 30 days at most; two hours where left out.
    ttl_seconds: Option<u64>,
}

/// What is to change: all of it or nothing.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeRequest {
    /// The environment, where the query names none.
    environment: Option<String>,
    /// Variables to set, by dotted name; null takes one away.
    #[schema(value_type = Option<Object>)]
    variables: Option<Map<String, Value>>,
    /// Variables to take away, before others are set.
    unset: Option<Vec<String>>,
    /// Names among `variables` that are masked in replies, logs and events, and kept from the model.
    sensitive: Option<Vec<String>>,
    /// Names among `variables` that are kept from the model.
    hidden: Option<Vec<String>>,
    /// Names among `sensitive` that the model may see all the same.
    exposed: Option<Vec<String>>,
    /// The state that it is in from now on.
    current_state: Option<String>,
}

/// A conversation that was asked to begin.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StartReply {
    /// Whether it began just now; else it is as it was, and nothing of the request was made.
    created: bool,
    #[serde(flatten)]
    conversation: ConversationView,
    /// What became of the actions that run at its start; not there where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    start: Vec<HookReport>,
}

/// What of the listing.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// The environment; may be left out where there is only one choice.
    environment: Option<String>,
    /// How many, 500 at most; 50 where left out.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Conversations of an environment, the last begun first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConversationList {
    /// The environment.
    environment: String,
    /// The conversations.
    conversations: Vec<SummaryView>,
    /// The `cursor` of the next page; null where this is the last one.
    next: Option<String>,
}

/// How a conversation is to end.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EndQuery {
    /// The environment; may be left out where there is only one choice.
    environment: Option<String>,
    /// Whether it is to be erased, with its variables and events; off where left out.
    #[serde(default)]
    forget: bool,
}

/// Begins a conversation.
///
/// One of the same id and environment stays as it is, so that the request may be repeated.
#[utoipa::path(
    post, path = "/v1/conversations", tag = "conversations", params(EnvironmentQuery), request_body = StartRequest,
    responses(
        (status = 201, description = "it began; `Location` names it", body = StartReply),
        (status = 200, description = "it was there already, and is as it was", body = StartReply),
        (status = "4XX", description = "the request is broken, or its variables cannot be set", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "the store is out of reach", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(super) async fn create(
    State(state): State<AppState>,
    caller: Caller,
    query: Result<Query<EnvironmentQuery>, QueryRejection>,
    JsonBody(request): JsonBody<StartRequest>,
) -> Result<Response, ProblemDocument> {
    let id = match request.id.filter(|id| !id.is_empty()) {
        Some(id) => id,
        None => new_id().map_err(|error| ProblemDocument::new(ProblemCode::Internal, error.to_string()))?,
    };
    let environment = whose::environment(checked(query)?.environment, request.environment)?;
    let key = key(&state, &caller, environment.as_deref(), &id)?;
    let marks = Marks::of(request.sensitive, request.hidden, request.exposed);
    let (variables, _) = given(request.variables, &marks)?;
    let start = ConversationStart {
        key,
        ttl: request.ttl_seconds.map(ttl).transpose()?,
        variables,
        current_state: request.current_state.map(checked_state).transpose()?,
        caller: caller.name().map(str::to_owned),
    };
    let started = state.gateway().start_conversation(start).await.map_err(problem)?;
    let conversation = ConversationView::of(&state.gateway().shown(&started.conversation).await);
    let reply = StartReply { created: started.is_new, conversation, start: started.start };
    if !reply.created {
        return Ok(Json(reply).into_response());
    }
    let location = location(&started.conversation.key);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(reply)).into_response())
}

/// The conversations of an environment, the last begun first.
#[utoipa::path(
    get, path = "/v1/conversations", tag = "conversations", params(ListQuery),
    responses(
        (status = 200, description = "a page of them", body = ConversationList),
        (status = "4XX", description = "the request is broken", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "the store is out of reach", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(super) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<ConversationList>, ProblemDocument> {
    let query = checked(query)?;
    let deployment = state.gateway().deployment();
    let environment = caller.environment(query.environment.as_deref(), deployment.environment_names())?;
    let limit = page_size(query.limit, LISTED, MAX_LISTED)?;
    let after = query.cursor.as_deref().filter(|cursor| !cursor.is_empty()).map(position).transpose()?;
    let found = state
        .gateway()
        .list_conversations(&caller.scope(&environment), after, limit)
        .await
        .map_err(problem)?;
    let next = found.last().filter(|_| found.len() == limit).map(|last| cursor(last.started_at_ms, &last.id));
    let conversations = found.into_iter().map(|one| SummaryView::of(one, &environment)).collect();
    Ok(Json(ConversationList { environment, conversations, next }))
}

/// One conversation. Looking at it does not keep it from expiring.
#[utoipa::path(
    get, path = "/v1/conversations/{id}", tag = "conversations",
    params(("id" = String, Path, description = "its id"), EnvironmentQuery),
    responses(
        (status = 200, description = "the conversation", body = ConversationView),
        (status = "4XX", description = "no such conversation, or the request is broken", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "the store is out of reach", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(super) async fn show(
    State(state): State<AppState>,
    caller: Caller,
    Segment(id): Segment,
    query: Result<Query<EnvironmentQuery>, QueryRejection>,
) -> Result<Json<ConversationView>, ProblemDocument> {
    let key = key(&state, &caller, checked(query)?.environment.as_deref(), &id)?;
    let found = state.gateway().find_conversation(&key).await.map_err(problem)?;
    Ok(Json(ConversationView::of(&state.gateway().shown(&found).await)))
}

/// Sets and takes away variables, and sets the state: all of it or nothing.
#[utoipa::path(
    patch, path = "/v1/conversations/{id}", tag = "conversations", request_body = ChangeRequest,
    params(("id" = String, Path, description = "its id"), EnvironmentQuery),
    responses(
        (status = 200, description = "the conversation as it is now", body = ConversationView),
        (status = "4XX", description = "no such conversation, it has ended, or variables cannot be set, each in `variables`", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "the store is out of reach", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(super) async fn change(
    State(state): State<AppState>,
    caller: Caller,
    Segment(id): Segment,
    query: Result<Query<EnvironmentQuery>, QueryRejection>,
    JsonBody(request): JsonBody<ChangeRequest>,
) -> Result<Json<ConversationView>, ProblemDocument> {
    let environment = whose::environment(checked(query)?.environment, request.environment)?;
    let key = key(&state, &caller, environment.as_deref(), &id)?;
    let marks = Marks::of(request.sensitive, request.hidden, request.exposed);
    let (variables, nulls) = given(request.variables, &marks)?;
    let change = ConversationChange {
        unset: request.unset.into_iter().flatten().chain(nulls).collect(),
        variables,
        current_state: request.current_state.map(checked_state).transpose()?,
    };
    let changed = state.gateway().change_conversation(&key, change).await.map_err(problem)?;
    Ok(Json(ConversationView::of(&state.gateway().shown(&changed).await)))
}

/// Ends a conversation; with `forget`, erases it.
///
/// One that has ended takes no more calls and no more changes. It can be looked at until it expires, and a call that was
/// done in it is answered with its result.
#[utoipa::path(
    delete, path = "/v1/conversations/{id}", tag = "conversations",
    params(("id" = String, Path, description = "its id"), EndQuery),
    responses(
        (status = 200, description = "the conversation as it ended", body = ConversationView),
        (status = 204, description = "it is erased"),
        (status = "4XX", description = "no such conversation, or the request is broken", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "the store is out of reach", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(super) async fn end(
    State(state): State<AppState>,
    caller: Caller,
    Segment(id): Segment,
    query: Result<Query<EndQuery>, QueryRejection>,
) -> Result<Response, ProblemDocument> {
    let EndQuery { environment, forget } = checked(query)?;
    let key = key(&state, &caller, environment.as_deref(), &id)?;
    if forget {
        state.gateway().forget_conversation(&key).await.map_err(problem)?;
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let ended = state.gateway().end_conversation(&key, caller.name()).await.map_err(problem)?;
    Ok(Json(ConversationView::of(&state.gateway().shown(&ended).await)).into_response())
}

/// Which conversation is meant.
fn key(
    state: &AppState,
    caller: &Caller,
    environment: Option<&str>,
    id: &str,
) -> Result<ConversationKey, ProblemDocument> {
    let deployment = state.gateway().deployment();
    let environment = caller.environment(environment, deployment.environment_names())?;
    whose::conversation(caller.scope(&environment), id)
}

fn new_id() -> Result<String, getrandom::Error> {
    Ok(format!("conv_{:016x}{:016x}", random_u64()?, random_u64()?))
}

fn location(key: &ConversationKey) -> HeaderValue {
    let encoded = |text| percent::encode(text, QUERY);
    let path = format!("/v1/conversations/{}?environment={}", encoded(key.id()), encoded(key.environment()));
    HeaderValue::try_from(path).unwrap_or(HeaderValue::from_static("/v1/conversations"))
}

fn invalid(detail: impl Into<String>) -> ProblemDocument {
    ProblemDocument::new(ProblemCode::InvalidRequest, detail)
}

/// A page's size: what is asked for, within bounds.
fn page_size(asked: Option<usize>, default: usize, most: usize) -> Result<usize, ProblemDocument> {
    match asked {
        None => Ok(default),
        Some(limit) if (1..=most).contains(&limit) => Ok(limit),
        Some(_) => Err(invalid(format!("`limit` must be from 1 to {most}"))),
    }
}

fn ttl(seconds: u64) -> Result<Duration, ProblemDocument> {
    let most = MAX_TTL.as_secs();
    if (1..=most).contains(&seconds) {
        return Ok(Duration::from_secs(seconds));
    }
    Err(invalid(format!("`ttl_seconds` must be from 1 to {most}, 30 days")))
}

fn checked_state(name: String) -> Result<String, ProblemDocument> {
    if !name.is_empty() && name.len() <= MAX_STATE_BYTES && !name.contains(char::is_control) {
        return Ok(name);
    }
    Err(invalid(format!("`current_state` must have 1 to {MAX_STATE_BYTES} bytes and no control characters")))
}

/// How a request marks its variables.
struct Marks {
    sensitive: BTreeSet<String>,
    hidden: BTreeSet<String>,
    exposed: BTreeSet<String>,
}

impl Marks {
    fn of(sensitive: Option<Vec<String>>, hidden: Option<Vec<String>>, exposed: Option<Vec<String>>) -> Self {
        let names = |list: Option<Vec<String>>| list.into_iter().flatten().collect();
        Self { sensitive: names(sensitive), hidden: names(hidden), exposed: names(exposed) }
    }

    /// Refuses marks that mark nothing: a slip would leave a value unmasked.
    fn check(&self, variables: &Map<String, Value>) -> Result<(), ProblemDocument> {
        let names: Vec<&str> = variables.keys().map(String::as_str).collect();
        for (list, marked) in
            [("sensitive", &self.sensitive), ("hidden", &self.hidden), ("exposed", &self.exposed)]
        {
            if let Some(unknown) = marked.iter().find(|name| !variables.contains_key(*name)) {
                let near = closest(unknown, names.iter().copied());
                let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                return Err(invalid(format!(
                    "`{list}` names `{}`, which is not among `variables`{hint}",
                    excerpt(unknown)
                )));
            }
        }
        let both = self.exposed.iter().find(|name| self.hidden.contains(*name));
        both.map_or(Ok(()), |name| {
            Err(invalid(format!("`{}` cannot be both `hidden` and `exposed`", excerpt(name))))
        })
    }
}

/// The variables of a request, and the names of those that are null.
fn given(
    variables: Option<Map<String, Value>>,
    marks: &Marks,
) -> Result<(Vec<GivenVariable>, Vec<String>), ProblemDocument> {
    let variables = variables.unwrap_or_default();
    marks.check(&variables)?;
    let (nulls, set): (Vec<_>, Vec<_>) = variables.into_iter().partition(|(_, value)| value.is_null());
    let given = set.into_iter().map(|(name, value)| {
        let sensitive = marks.sensitive.contains(&name);
        let hidden = marks.hidden.contains(&name) || sensitive && !marks.exposed.contains(&name);
        GivenVariable { name, value, sensitive, hidden }
    });
    Ok((given.collect(), nulls.into_iter().map(|(name, _)| name).collect()))
}

/// Where a page of a listing ends.
fn cursor(started_at_ms: u64, id: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{started_at_ms}:{id}"))
}

fn position(cursor: &str) -> Result<ListPosition, ProblemDocument> {
    let decoded = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let parts = decoded.as_deref().and_then(|text| text.split_once(':'));
    let position = parts.and_then(|(started, id)| {
        Some(ListPosition { started_at_ms: started.parse().ok()?, id: id.to_owned() })
    });
    position.ok_or_else(|| invalid("`cursor` is not the `next` of a page"))
}

/// What keeps something from being done with a conversation, as a reply.
pub(super) fn problem(error: ConversationError) -> ProblemDocument {
    let detail = match &error {
        // Where it is and what it said is for the operator.
        ConversationError::Store(cause) => {
            tracing::warn!(error = %cause, "the store could not do what a request asks for");
            "the store is out of reach; send this again in a moment".to_owned()
        }
        other => other.to_string(),
    };
    let code = match &error {
        ConversationError::NotFound(_) => ProblemCode::ConversationNotFound,
        ConversationError::Ended => ProblemCode::ConversationEnded,
        ConversationError::Refused(_) => ProblemCode::InvalidVariables,
        ConversationError::Store(_) => ProblemCode::StoreUnavailable,
        ConversationError::Broken => ProblemCode::Internal,
    };
    let mut document = ProblemDocument::new(code, detail);
    match error {
        ConversationError::Refused(refused) => {
            let named = refused
                .iter()
                .take(100)
                .map(|one| RefusedVariable { name: excerpt(&one.name), reason: one.reason.to_string() });
            document.refused = Some(Box::new(RefusedVariables(named.collect())));
            document
        }
        // Calls of the store are short, and so are its absences.
        ConversationError::Store(_) => document.retry_after(1),
        ConversationError::NotFound(_) | ConversationError::Ended | ConversationError::Broken => document,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_place() {
        for id in ["c", "a:b", "é", ""] {
            let position = position(&cursor(17, id)).unwrap();
            assert_eq!((position.started_at_ms, position.id.as_str()), (17, id));
        }
        for broken in ["", "%", "MTc", "eDp5"] {
            assert_eq!(position(broken).unwrap_err().code, ProblemCode::InvalidRequest, "{broken}");
        }
    }

    #[test]
    fn what_is_sensitive_is_kept_from_the_model_unless_exposed() {
        let list = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        let marks = Marks::of(list(&["pin", "phone"]), list(&["note"]), list(&["phone"]));
        let variables = json!({"pin": 1, "phone": 2, "note": 3, "name": 4, "gone": null});
        let Value::Object(variables) = variables else { panic!("object") };
        let (given, gone) = given(Some(variables), &marks).unwrap();
        let told: Vec<_> = given.iter().map(|one| (one.name.as_str(), one.sensitive, one.hidden)).collect();
        let expected =
            [("pin", true, true), ("phone", true, false), ("note", false, true), ("name", false, false)];
        assert_eq!((told.as_slice(), gone.as_slice()), (&expected[..], &["gone".to_owned()][..]));
    }
}
