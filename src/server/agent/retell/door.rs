//! `GET /retell/llm/{environment}/{secret}/{call_id}`: a caller that knows the secret is Retell.
//!
//! Retell sends no key and signs nothing here. Only the secret in the path proves that it is Retell, so the path is never
//! logged.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use secrecy::ExposeSecret as _;

use crate::server::execution::check_running;
use crate::server::inbound::keys::RetellAgent;
use crate::server::inbound::{webhook, whose};
use crate::server::problem::{ProblemCode, ProblemDocument, not_found};
use crate::server::state::AppState;
use crate::server::websocket::Upgrade;
use crate::tool::Scope;

use super::session::{PhoneCall, talk};

/// Takes a connection from Retell. Without the secret of an agent, the answer is 404.
pub(crate) async fn open(
    State(state): State<AppState>,
    path: Result<Path<(String, String, String)>, PathRejection>,
    request: Request,
) -> Response {
    let admitted = path.ok().and_then(|Path((environment, secret, call_id))| {
        let agent = admitted(&state, &environment, &secret)?;
        Some((environment, agent, call_id))
    });
    let Some((environment, agent, call_id)) = admitted else {
        return not_found(request.method().clone(), request.uri().clone()).await.into_response();
    };
    match begin(state, environment, agent, &call_id, request) {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

/// The agent with this secret. All secrets are compared, each in constant time.
fn admitted(state: &AppState, environment: &str, secret: &str) -> Option<RetellAgent> {
    let deployment = state.gateway().deployment();
    let keys = state.keys();
    let mut found = None;
    for agent in keys.retell_agents() {
        let known = deployment.secret(environment, &agent.secret);
        if known.is_some_and(|known| webhook::same(known.expose_secret(), secret)) {
            found = Some(agent);
        }
    }
    let found = found?;
    let is_served =
        deployment.environment(environment).is_some_and(|served| served.agent(&found.name).is_some());
    if !is_served {
        let agent = found.name.as_str();
        tracing::warn!(agent, environment, "Retell calls for an agent that this environment does not have");
        return None;
    }
    Some(found.clone())
}

fn begin(
    state: AppState,
    environment: String,
    agent: RetellAgent,
    call_id: &str,
    request: Request,
) -> Result<Response, ProblemDocument> {
    check_running(&state)?;
    let scope = Scope::of(&environment, agent.owner.as_ref());
    let conversation = whose::conversation(scope, call_id)?;
    let upgrade = Upgrade::of(request).map_err(|why| {
        let detail = format!("this is the address of a WebSocket: {why}");
        ProblemDocument::new(ProblemCode::InvalidRequest, detail)
    })?;
    let RetellAgent { name, may_end_call, .. } = agent;
    let call = PhoneCall { state: state.clone(), environment, agent: name, conversation, may_end_call };
    Ok(upgrade.answer(&state, move |socket| talk(call, socket)))
}
