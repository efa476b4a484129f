//! Opens a turn for a request of any form: finds its agent and its conversation, and takes a place for it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};

use crate::action::Kind;
use crate::agent::{AgentDesk, AgentStream, CallerTool, Origin, TurnRequest, begin};
use crate::conversation::ConversationKey;
use crate::egress::Deadline;
use crate::executor::{ServedAgent, ServedEnvironment};
use crate::server::dialects::{CONVERSATION, ENVIRONMENT, header};
use crate::server::execution::{CallHeaders, check_running};
use crate::server::inbound::keys::Caller;
use crate::server::inbound::whose;
use crate::server::problem::{ProblemCode, ProblemDocument};
use crate::server::state::{AppState, no_room};

use super::errors::{NotAnswered, Refused};
use super::hands::Hands;

/// Stands before the name of an agent in `model`.
const PREFIX: &str = "callgate/";
/// Identifies a request that is sent again.
const IDEMPOTENCY: HeaderName = HeaderName::from_static("idempotency-key");

/// The headers of a request, its key and its environment.
pub(crate) struct Head {
    pub(super) caller: Caller,
    pub(super) environment: String,
    headers: CallHeaders,
    conversation_id: Option<String>,
    pub(super) idempotency_key: Option<String>,
}

impl Head {
    /// Reads the head of a request; `path` is the environment in its path.
    ///
    /// # Errors
    ///
    /// Its key is not for the environment, or the request names two environments.
    pub(super) fn read(
        state: &AppState,
        caller: Caller,
        path: Option<String>,
        headers: &HeaderMap,
    ) -> Result<Self, ProblemDocument> {
        check_running(state)?;
        let named = whose::agreed(
            ("the path", path),
            ("the header `Callgate-Environment`", header(headers, &ENVIRONMENT)),
        )?;
        let deployment = state.gateway().deployment();
        let environment = caller.environment(named.as_deref(), deployment.environment_names())?;
        Ok(Self {
            caller,
            environment,
            headers: CallHeaders::of(headers)?,
            conversation_id: whose::checked(text(headers, &CONVERSATION)?)?,
            idempotency_key: text(headers, &IDEMPOTENCY)?,
        })
    }

    /// The conversation: the one of the header, else the one of the body.
    ///
    /// # Errors
    ///
    /// The id that counts is not valid.
    pub(super) fn conversation(
        &self,
        body: Option<String>,
    ) -> Result<Option<ConversationKey>, ProblemDocument> {
        let id = match &self.conversation_id {
            Some(id) => Some(id.clone()),
            None => whose::checked(body)?,
        };
        id.map(|id| whose::conversation(self.caller.scope(&self.environment), &id)).transpose()
    }

    /// The deadline for an answer of `agent`.
    pub(super) fn deadline(&self, agent: &ServedAgent) -> Deadline {
        let asked = self.headers.deadline_ms.map_or(Duration::MAX, Duration::from_millis);
        Deadline::after(agent.agent.limits.timeout.min(asked))
    }

    /// The agent that `model` names: `callgate/<agent>` or `<agent>`. If there is only one agent, any name means it: some
    /// products accept only names of models.
    ///
    /// # Errors
    ///
    /// There is no agent of that name.
    pub(super) fn agent(&self, state: &AppState, model: Option<&str>) -> Result<Arc<ServedAgent>, Refused> {
        let deployment = state.gateway().deployment();
        let environment = deployment.environment(&self.environment);
        let agents: Vec<&Arc<ServedAgent>> =
            environment.into_iter().flat_map(ServedEnvironment::agents).collect();
        let name = model.map(|model| model.strip_prefix(PREFIX).unwrap_or(model));
        let named = agents.iter().find(|agent| Some(agent.agent.name.as_str()) == name);
        match (named, agents.as_slice()) {
            (Some(agent), _) | (None, [agent]) => Ok(Arc::clone(agent)),
            (None, []) => Err(Refused::no_agent(format!(
                "environment `{}` has no agents: add agents/<name>.yaml",
                self.environment
            ))),
            (None, several) => {
                let names: Vec<&str> = several.iter().map(|agent| agent.agent.name.as_str()).collect();
                let names = names.join(", ");
                Err(Refused::no_agent(match name {
                    Some(name) => format!("there is no agent `{}`; `model` may be: {names}", excerpt(name)),
                    None => format!("name an agent as `model`: {names}"),
                }))
            }
        }
    }

    /// Begins a turn.
    ///
    /// # Errors
    ///
    /// There is no room for it, or a tool of the caller's has the name of another one or of an action.
    pub(super) fn begin(
        &self,
        state: &AppState,
        request: TurnRequest,
        source: Option<String>,
    ) -> Result<AgentStream, NotAnswered> {
        check_names(state, &request.agent, &request.tools)?;
        let origin = Origin {
            caller: self.caller.name().map(str::to_owned),
            owner: self.caller.owner().cloned(),
            trace: self.headers.trace(state),
            source,
        };
        Ok(begin_turn(state, request, origin)?)
    }
}

/// A header that names something. One that cannot be read is refused: without it, a write could be made twice.
fn text(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, ProblemDocument> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| {
        let detail = format!("the header `{name}` is not UTF-8");
        ProblemDocument::new(ProblemCode::InvalidRequest, detail)
    })?;
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

/// Begins a turn. Its tools must have names of their own.
///
/// # Errors
///
/// There is no room for it.
pub(super) fn begin_turn(
    state: &AppState,
    request: TurnRequest,
    origin: Origin,
) -> Result<AgentStream, ProblemDocument> {
    let place = state.begin_calls(1)?.pop().ok_or_else(no_room)?;
    let desk = AgentDesk {
        gateway: state.gateway().clone(),
        tools: Hands::new(state.clone(), place),
        lists: state.agent_tools().clone(),
    };
    Ok(begin(desk, request, origin))
}

/// Checks that each tool of the caller's has a name of its own. Only a handover may share its name: the tool then does it.
fn check_names(state: &AppState, agent: &ServedAgent, tools: &[CallerTool]) -> Result<(), Refused> {
    let mut names = HashSet::new();
    if let Some(twice) = tools.iter().find(|tool| !names.insert(tool.name.as_str())) {
        let message = format!("there are two tools called `{}`", excerpt(&twice.name));
        return Err(Refused::invalid("invalid_tool", "tools", message));
    }
    match tools.iter().find(|tool| is_taken(state, agent, &tool.name)) {
        None => Ok(()),
        Some(tool) => {
            let name = excerpt(&tool.name);
            let message =
                format!("the tool `{name}` has the name of an action of this agent: rename one of the two");
            Err(Refused::invalid("tool_name_conflict", "tools", message))
        }
    }
}

/// Whether `agent` has an action of this name, other than a handover: no tool of the caller's may share it.
pub(super) fn is_taken(state: &AppState, agent: &ServedAgent, name: &str) -> bool {
    let deployment = state.gateway().deployment();
    let environment = deployment.environment(&agent.environment.name);
    environment.and_then(|environment| environment.find(name)).is_some_and(|served| {
        let action = &served.action;
        action.on.is_none()
            && !matches!(action.kind, Kind::Handover(_))
            && agent.agent.offered.names(action.name.as_str())
    })
}

/// The beginning of a text that a caller sent, for a message.
pub(super) fn excerpt(text: &str) -> String {
    crate::server::inbound::keys::excerpt(text)
}

/// The agent in a path.
///
/// # Errors
///
/// There is no agent of that name.
pub(super) fn agent_called(
    state: &AppState,
    environment: &str,
    name: &str,
) -> Result<Arc<ServedAgent>, ProblemDocument> {
    let deployment = state.gateway().deployment();
    let environment = deployment.environment(environment);
    environment.and_then(|environment| environment.agent(name)).cloned().ok_or_else(|| {
        let detail = format!("there is no agent `{}`; GET /v1/agents lists them", excerpt(name));
        ProblemDocument::new(ProblemCode::UnknownAgent, detail)
    })
}
