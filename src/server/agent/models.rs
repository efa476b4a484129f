//! `GET /v1/models`: the agents in the form of OpenAI's list of models. `GET /v1/agents` says more.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;

use crate::executor::{ServedAgent, ServedEnvironment};
use crate::server::body::Segment;
use crate::server::inbound::keys::Caller;
use crate::server::problem::ProblemDocument;
use crate::server::query::{EnvironmentQuery, checked};
use crate::server::state::AppState;

use super::errors::{ModelError, NotAnswered};
use super::open::Head;

/// The agents of an environment, as OpenAI's API lists models.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelList {
    object: &'static str,
    data: Vec<Model>,
}

/// An agent, as OpenAI's API lists a model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Model {
    /// Its name.
    id: String,
    object: &'static str,
    /// When the gateway began to serve, in seconds since 1970.
    created: i64,
    owned_by: &'static str,
}

/// The agents of an environment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AgentList {
    /// The environment.
    environment: String,
    /// Its agents, by name.
    agents: Vec<AgentView>,
}

/// An agent.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AgentView {
    /// Its name: the `model` of `POST /v1/chat/completions`.
    name: String,
    /// What it is for.
    description: String,
    /// Its models, in the order in which it asks them.
    models: Vec<String>,
    /// The actions that it may call in some state.
    actions: Vec<String>,
    /// The file it is defined in.
    file: String,
}

/// Lists the agents as models.
#[utoipa::path(
    get, path = "/v1/models", tag = "agents",
    responses(
        (status = 200, description = "the agents", body = ModelList),
        (status = "4XX", description = "the request is broken", body = ModelError),
    ),
    security((), ("key" = []))
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Json<ModelList>, NotAnswered> {
    Ok(listed(&state, &Head::read(&state, caller, None, &headers)?))
}

/// The same, for the environment that the path names.
#[utoipa::path(
    get, path = "/{environment}/v1/models", tag = "agents",
    params(("environment" = String, Path, description = "the environment")),
    responses(
        (status = 200, description = "the agents", body = ModelList),
        (status = "4XX", description = "the request is broken", body = ModelError),
    ),
    security((), ("key" = []))
)]
pub(crate) async fn list_in(
    State(state): State<AppState>,
    caller: Caller,
    Segment(environment): Segment,
    headers: HeaderMap,
) -> Result<Json<ModelList>, NotAnswered> {
    Ok(listed(&state, &Head::read(&state, caller, Some(environment), &headers)?))
}

fn listed(state: &AppState, head: &Head) -> Json<ModelList> {
    let deployment = state.gateway().deployment();
    let agents = deployment.environment(&head.environment).into_iter().flat_map(ServedEnvironment::agents);
    let created = state.started_at().as_second();
    let model = |agent: &Arc<ServedAgent>| Model {
        id: agent.agent.name.clone(),
        object: "model",
        created,
        owned_by: "callgate",
    };
    Json(ModelList { object: "list", data: agents.map(model).collect() })
}

/// Lists the agents of an environment.
#[utoipa::path(
    get, path = "/v1/agents", tag = "agents", params(EnvironmentQuery),
    responses(
        (status = 200, description = "the agents", body = AgentList),
        (status = "4XX", description = "the request is broken", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(crate) async fn agents(
    State(state): State<AppState>,
    caller: Caller,
    query: Result<Query<EnvironmentQuery>, QueryRejection>,
) -> Result<Json<AgentList>, ProblemDocument> {
    let deployment = state.gateway().deployment();
    let named = checked(query)?.environment;
    let environment = caller.environment(named.as_deref(), deployment.environment_names())?;
    let served = deployment.environment(&environment);
    let view = |agent: &Arc<ServedAgent>| AgentView {
        name: agent.agent.name.clone(),
        description: agent.agent.description.clone(),
        models: agent.agent.models.iter().map(|model| model.model.clone()).collect(),
        actions: served
            .into_iter()
            .flat_map(ServedEnvironment::offered)
            .map(|served| served.action.name.as_str())
            .filter(|name| agent.agent.offered.names(name))
            .map(str::to_owned)
            .collect(),
        file: agent.agent.file.clone(),
    };
    let agents = served.into_iter().flat_map(ServedEnvironment::agents).map(view).collect();
    Ok(Json(AgentList { environment, agents }))
}
