//! `GET /v1/tools`, `/v1/actions`, `/v1/environments`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::action::{Hook, Kind, NextStates};
use crate::dialect::Dialect;
use crate::executor::{Deployment, Expected, ServedAction, ServedEnvironment};
use crate::settings::public_url_problem;
use crate::tool::Scope;

use super::body::Segment;
use super::conversations;
use super::inbound::keys::Caller;
use super::inbound::whose;
use super::problem::{ProblemCode, ProblemDocument};
use super::query::{EnvironmentQuery, checked};
use super::specs::{Moment, SpecList};
use super::state::AppState;

/// The form that is no provider's: what `/v1/actions` says of each action.
pub const OWN_FORMAT: &str = "callgate";

/// Which tools, in which form.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ToolsQuery {
    /// The environment; may be left out where there is only one choice.
    environment: Option<String>,
    /// The provider's form; `openai-chat` where left out, `callgate` for what `/v1/actions` says of each.
    format: Option<String>,
    /// OpenAI's strict mode; off where left out.
    #[serde(default)]
    strict: bool,
    /// Only the tools that are available to this conversation now, by the state it is in.
    conversation_id: Option<String>,
    /// Only the tools that are available in this state.
    state: Option<String>,
    /// Where the tools of `vapi`, `retell` and `elevenlabs` call the gateway; `[server] public_url` where left out.
    base_url: Option<String>,
    /// The language of the texts that `retell` and `elevenlabs` say (BCP 47); the first one of each where left out.
    language: Option<String>,
}

/// The actions of an environment.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ActionList {
    /// The environment.
    environment: String,
    /// Its actions, by name.
    actions: Vec<ActionView>,
}

/// An action, as far as those who call it need to know it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ActionView {
    /// The name to call it by.
    name: String,
    /// What it does.
    description: String,
    /// `http`, `static` or `handover`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The HTTP method.
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    /// Whether a call may change something upstream.
    is_write: bool,
    /// JSON Schema of the arguments that a model may send.
    parameters: Value,
    /// Time for the whole call.
    timeout_ms: u64,
    /// How long a call takes, by the latest 200 that this process has seen succeed; not there before the fifth.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_ms: Option<Expected>,
    /// Output variables.
    output_variables: Vec<OutputView>,
    /// The most calls in one conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_calls: Option<u32>,
    /// The actions that must have succeeded in the conversation before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    only_after: Vec<String>,
    /// The states that it is available in; all where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    available_in: Option<Vec<String>>,
    /// The state of the conversation afterwards: after a success, or by outcome (`success`, `error`, `failure`).
    #[serde(skip_serializing_if = "Option::is_none")]
    next_state: Option<NextStateView>,
    /// Whether a condition besides the status says what is a success.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    has_success_condition: bool,
    /// `start` or `end`: it runs by itself, and no model is offered it.
    #[serde(skip_serializing_if = "Option::is_none")]
    on: Option<&'static str>,
    /// The file it is defined in.
    file: String,
}

/// The state of a conversation after a call.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum NextStateView {
    /// After a success.
    Success(String),
    /// By outcome.
    ByOutcome(BTreeMap<&'static str, String>),
}

impl NextStateView {
    fn of(states: &NextStates) -> Option<Self> {
        let NextStates { success, error, failure } = states;
        if let (Some(state), None, None) = (success, error, failure) {
            return Some(Self::Success(state.clone()));
        }
        let named = [("success", success), ("error", error), ("failure", failure)];
        let named: BTreeMap<_, _> =
            named.into_iter().filter_map(|(name, state)| Some((name, state.clone()?))).collect();
        (!named.is_empty()).then_some(Self::ByOutcome(named))
    }
}

/// An output variable.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OutputView {
    /// Its dotted name.
    name: String,
    /// Whether the model is shown it under `variables`.
    exposed: bool,
    /// Whether it is redacted in logs and events.
    sensitive: bool,
}

/// The environments that the caller may use.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EnvironmentList {
    /// Their names.
    environments: Vec<String>,
}

/// The tools of an environment: exactly the array that the provider's `tools` field takes.
#[utoipa::path(
    get, path = "/v1/tools", tag = "catalog", params(ToolsQuery),
    responses(
        (status = 200, description = "tool specs; `ETag` names this list", body = Vec<Value>),
        (status = 304, description = "the list that `If-None-Match` names"),
        (status = "4XX", description = "the request is broken", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(super) async fn tools(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    query: Result<Query<ToolsQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, ProblemDocument> {
    let query = checked(query)?;
    let deployment = state.gateway().deployment();
    let environment = caller.environment(query.environment.as_deref(), deployment.environment_names())?;
    let moment =
        moment(&state, &deployment, &caller.scope(&environment), query.conversation_id, query.state).await?;
    if query.format.as_deref() == Some(OWN_FORMAT) {
        let views = with_actions(&state, &caller, Some(&environment), |_, views| {
            views
                .filter(|view| view.on.is_none() && moment.is_among(view.available_in.as_deref()))
                .collect::<Vec<_>>()
        })?;
        return Ok(Json(views).into_response());
    }
    let dialect = match query.format.as_ref().filter(|name| !name.is_empty()) {
        Some(name) => name.parse().map_err(|error: crate::dialect::UnknownDialect| {
            ProblemDocument::new(ProblemCode::UnknownFormat, format!("{error}, {OWN_FORMAT}"))
        })?,
        None => Dialect::OpenAiChat,
    };
    let asked = query.base_url.filter(|url| !url.is_empty());
    if let Some(problem) = asked.as_deref().and_then(public_url_problem) {
        return Err(ProblemDocument::new(ProblemCode::InvalidRequest, format!("`base_url` {problem}")));
    }
    let base_url = asked.or_else(|| state.server().public_url.clone()).filter(|_| dialect.calls_back());
    let language = query.language.filter(|_| dialect.calls_back());
    let list = SpecList { environment, dialect, strict: query.strict, base_url, language, moment };
    let specs = state
        .specs()
        .get(&deployment, list)
        .map_err(|error| ProblemDocument::new(ProblemCode::InvalidRequest, error.to_string()))?;
    Ok(specs.answer(&headers))
}

/// The moment that a list of tools is asked for.
async fn moment(
    app: &AppState,
    deployment: &Deployment,
    scope: &Scope,
    conversation_id: Option<String>,
    state: Option<String>,
) -> Result<Moment, ProblemDocument> {
    let (conversation_id, state) =
        (conversation_id.filter(|id| !id.is_empty()), state.filter(|state| !state.is_empty()));
    let state = match (conversation_id, state) {
        (None, None) => return Ok(Moment::Any),
        (Some(_), Some(_)) => {
            let detail = "name `conversation_id` or `state`, not both: a conversation has a state of its own";
            return Err(ProblemDocument::new(ProblemCode::InvalidRequest, detail));
        }
        (Some(_), None) if !Moment::matters(deployment, scope.environment()) => None,
        (Some(id), None) => {
            let known = app.gateway().state_of(&whose::conversation(scope.clone(), &id)?).await;
            known.map_err(conversations::problem)?
        }
        (None, state) => state,
    };
    Ok(Moment::in_state(deployment, scope.environment(), state))
}

/// The actions of an environment.
#[utoipa::path(
    get, path = "/v1/actions", tag = "catalog", params(EnvironmentQuery),
    responses(
        (status = 200, description = "the actions", body = ActionList),
        (status = "4XX", description = "the request is broken", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(super) async fn actions(
    State(state): State<AppState>,
    caller: Caller,
    query: Result<Query<EnvironmentQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<ActionList>, ProblemDocument> {
    let query = checked(query)?;
    with_actions(&state, &caller, query.environment.as_deref(), |environment, views| ActionList {
        environment: environment.to_owned(),
        actions: views.collect(),
    })
    .map(Json)
}

/// One action.
#[utoipa::path(
    get, path = "/v1/actions/{name}", tag = "catalog",
    params(("name" = String, Path, description = "name of the action"), EnvironmentQuery),
    responses(
        (status = 200, description = "the action", body = ActionView),
        (status = "4XX", description = "the request is broken", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(super) async fn action(
    State(state): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Result<Query<EnvironmentQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<ActionView>, ProblemDocument> {
    let served = served_action(&state, &caller, &name, query)?;
    Ok(Json(view(&served)))
}

/// The action called `name`, in the environment of the query.
///
/// # Errors
///
/// There is none, or the caller may not use the environment.
pub(super) fn served_action(
    state: &AppState,
    caller: &Caller,
    name: &str,
    query: Result<Query<EnvironmentQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Arc<ServedAction>, ProblemDocument> {
    let query = checked(query)?;
    let deployment = state.gateway().deployment();
    let environment = caller.environment(query.environment.as_deref(), deployment.environment_names())?;
    let actions = deployment.environment(&environment).map(|environment| environment.actions.iter());
    let found = actions.into_iter().flatten().find(|served| served.action.name.as_str() == name);
    found.cloned().ok_or_else(|| {
        let name: String = name.chars().take(80).collect();
        let detail = format!("there is no action `{name}` in environment `{environment}`");
        ProblemDocument::new(ProblemCode::UnknownTool, detail)
    })
}

/// The environments that the caller may use.
#[utoipa::path(
    get, path = "/v1/environments", tag = "catalog",
    responses(
        (status = 200, description = "the environments", body = EnvironmentList),
        (status = "4XX", description = "the request is broken", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(super) async fn environments(State(state): State<AppState>, caller: Caller) -> Json<EnvironmentList> {
    let deployment = state.gateway().deployment();
    let environments =
        deployment.environment_names().iter().filter(|name| caller.may_use(name)).cloned().collect();
    Json(EnvironmentList { environments })
}

/// The actions that models are offered in `environment`, in the form that is no provider's (`format=callgate`).
pub fn own_specs(deployment: &Deployment, environment: &str) -> Value {
    let environment = deployment.environment(environment);
    let offered = environment.into_iter().flat_map(ServedEnvironment::offered);
    offered.map(|served| serde_json::json!(view(served))).collect()
}

fn with_actions<T>(
    state: &AppState,
    caller: &Caller,
    asked: Option<&str>,
    make: impl FnOnce(&str, &mut dyn Iterator<Item = ActionView>) -> T,
) -> Result<T, ProblemDocument> {
    let deployment = state.gateway().deployment();
    let name = caller.environment(asked, deployment.environment_names())?;
    let environment = deployment.environment(&name);
    let actions = environment.map_or(&[][..], |environment| environment.actions.as_slice());
    Ok(make(&name, &mut actions.iter().map(|served| view(served))))
}

fn view(served: &ServedAction) -> ActionView {
    let action = &served.action;
    let (kind, method) = match &action.kind {
        Kind::Http(http) => ("http", Some(http.method.to_string())),
        Kind::Static(_) => ("static", None),
        Kind::Handover(_) => ("handover", None),
    };
    let outputs = action.outputs.iter().map(|output| OutputView {
        name: output.name.clone(),
        exposed: output.shown,
        sensitive: output.sensitive,
    });
    ActionView {
        name: action.name.as_str().to_owned(),
        description: action.description.clone(),
        kind,
        method,
        is_write: !action.is_safe(),
        parameters: action.model_schema().clone(),
        timeout_ms: u64::try_from(action.timeout.as_millis()).unwrap_or(u64::MAX),
        expected_ms: served.expected(),
        output_variables: outputs.collect(),
        max_calls: action.guards.max_calls,
        only_after: action.guards.only_after.clone(),
        available_in: action.guards.available_in.clone(),
        next_state: NextStateView::of(&action.next_state),
        has_success_condition: action.success_when.is_some(),
        on: action.on.map(Hook::as_str),
        file: action.file.clone(),
    }
}
