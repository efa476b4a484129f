//! The head and the query of a request: its environment, its agent, and its options.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::egress::Deadline;
use crate::executor::{ServedAgent, ServedEnvironment};
use crate::server::agent::open::agent_called;
use crate::server::dialects::header;
use crate::server::execution::CallHeaders;
use crate::server::inbound::keys::{Caller, excerpt};
use crate::server::problem::{ProblemCode, ProblemDocument};
use crate::server::query::checked;
use crate::server::state::AppState;

use super::asked::invalid;
use super::logs::Level;

/// Names the environment.
const VERSION: HeaderName = HeaderName::from_static("versionid");
/// Names the agent if the query does not.
const AGENT: HeaderName = HeaderName::from_static("callgate-agent");
/// The default environment, if it is served.
const USUAL: &str = "development";

/// The query; other parameters are ignored.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct InteractQuery {
    /// The agent; may be left out if the environment has only one.
    agent: Option<String>,
    /// `true` answers with the state and the traces in place of the traces.
    verbose: Option<String>,
    /// The lowest level of `log` traces: `debug`, `info`, `warn` or `error`.
    logs: Option<String>,
    /// The language that the person speaks (BCP 47).
    locale: Option<String>,
    /// Of a stream: the environment.
    #[param(ignore)]
    environment: Option<String>,
    /// Of a stream: whether the model's words come piece by piece.
    #[param(ignore)]
    completion_events: Option<String>,
    /// Of a stream: whether it ends with the state.
    #[param(ignore)]
    state: Option<String>,
}

/// The head of a request.
#[derive(Debug)]
pub(crate) struct Place {
    pub(super) caller: Caller,
    pub(super) calls: CallHeaders,
    pub(super) language: Option<String>,
    pub(super) level: Option<Level>,
    pub(super) is_verbose: bool,
    pub(super) in_pieces: bool,
    pub(super) with_state: bool,
    agent: Option<String>,
    version: Option<String>,
    environment: Option<String>,
}

impl FromRequestParts<AppState> for Place {
    type Rejection = ProblemDocument;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Self::Rejection> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let query = checked(Query::<InteractQuery>::from_request_parts(parts, state).await)?;
        Self::read(caller, query, &parts.headers)
    }
}

impl Place {
    fn read(caller: Caller, query: InteractQuery, headers: &HeaderMap) -> Result<Self, ProblemDocument> {
        let said = |text: Option<String>| text.filter(|text| !text.is_empty());
        Ok(Self {
            caller,
            calls: CallHeaders::of(headers)?,
            language: said(query.locale),
            level: query.logs.as_deref().and_then(Level::read),
            is_verbose: is_true(query.verbose.as_deref()),
            in_pieces: is_true(query.completion_events.as_deref()),
            with_state: is_true(query.state.as_deref()),
            agent: said(query.agent).or_else(|| header(headers, &AGENT)),
            version: header(headers, &VERSION),
            environment: said(query.environment),
        })
    }

    /// The environment of a request. `path` may name it, in the place of Voiceflow's version alias.
    ///
    /// # Errors
    ///
    /// It names none that the key is for, or a version of a project at Voiceflow.
    pub(super) fn environment(
        &self,
        state: &AppState,
        path: Option<&str>,
    ) -> Result<String, ProblemDocument> {
        self.called(state, path.or(self.version.as_deref()))
    }

    /// The environment of a stream: its query names it.
    ///
    /// # Errors
    ///
    /// As [`Self::environment`]; if the environment is not served, the answer is 404.
    pub(super) fn environment_of_stream(&self, state: &AppState) -> Result<String, ProblemDocument> {
        let named = self.environment.as_deref().or(self.version.as_deref());
        self.called(state, named).map_err(|problem| match problem.code {
            ProblemCode::UnknownEnvironment => ProblemDocument { status: 404, ..problem },
            _ => problem,
        })
    }

    fn called(&self, state: &AppState, named: Option<&str>) -> Result<String, ProblemDocument> {
        let deployment = state.gateway().deployment();
        let served = deployment.environment_names();
        match named.filter(|name| !name.is_empty()) {
            Some(name) if is_object_id(name) => Err(invalid(format!(
                "Cannot resolve version alias: `{name}` is a version at Voiceflow; name an environment, such as `{USUAL}`"
            ))),
            None if self.caller.may_use(USUAL) && served.iter().any(|name| name == USUAL) => {
                Ok(USUAL.to_owned())
            }
            named => self.caller.environment(named, served),
        }
    }

    /// The agent that answers in `environment`: the named one, else the one that `hint` names, else the only one.
    ///
    /// # Errors
    ///
    /// There is no agent of that name, or several agents and no name.
    pub(super) fn agent(
        &self,
        state: &AppState,
        environment: &str,
        hint: Option<&str>,
    ) -> Result<Arc<ServedAgent>, ProblemDocument> {
        if let Some(name) = &self.agent {
            return agent_called(state, environment, name);
        }
        let deployment = state.gateway().deployment();
        let served = deployment.environment(environment);
        if let Some(agent) = hint.and_then(|hint| served?.agent(hint)) {
            return Ok(agent.clone());
        }
        let agents: Vec<&Arc<ServedAgent>> = served.into_iter().flat_map(ServedEnvironment::agents).collect();
        match agents.as_slice() {
            [only] => Ok(Arc::clone(only)),
            [] => {
                let detail =
                    format!("environment `{}` has no agents: add agents/<name>.yaml", excerpt(environment));
                Err(ProblemDocument::new(ProblemCode::UnknownAgent, detail))
            }
            several => {
                let names: Vec<&str> = several.iter().map(|agent| agent.agent.name.as_str()).collect();
                Err(invalid(format!(
                    "name an agent, by `?agent=` or the header `Callgate-Agent`; there are: {}",
                    names.join(", ")
                )))
            }
        }
    }

    /// The deadline for an answer of `agent`.
    pub(super) fn deadline(&self, agent: &ServedAgent) -> Deadline {
        let asked = self.calls.deadline_ms.map_or(Duration::MAX, Duration::from_millis);
        Deadline::after(agent.agent.limits.timeout.min(asked))
    }
}

/// Whether a switch of the query is on.
fn is_true(written: Option<&str>) -> bool {
    matches!(written, Some("" | "1" | "true" | "True" | "TRUE"))
}

/// Whether a name is the id of a version at Voiceflow: 24 hexadecimal digits.
fn is_object_id(name: &str) -> bool {
    name.len() == 24 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}
