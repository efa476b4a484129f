//! One call, start to end.
//!
//! [`Gateway::execute`] reads as the data goes: call → arguments → request →
//! credentials → response → outputs → result. [`Gateway::preview`] takes the
//! same way up to the request and stops there.

mod answer;
mod deployment;
mod failure;
mod outcome;
mod preview;

pub use self::deployment::Deployment;
pub use self::preview::{Preview, PreviewedRequest};

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::action::template::Data;
use crate::action::{Action, HttpAction, Kind, RequestSpec, parameters, variables};
use crate::catalog::Environment;
use crate::conversation::Conversations;
use crate::egress::{Deadline, Egress, Limits, Response};
use crate::tool::{ToolCall, ToolResult};

use self::answer::Answer;
use self::failure::Failure;
use self::outcome::{Outcome, Receipt};

/// Limits of the executor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecutorLimits {
    /// Largest response body, decoded.
    pub max_response_bytes: usize,
    /// Longest body that a model is shown, in characters.
    pub max_body_chars: usize,
}

impl Default for ExecutorLimits {
    fn default() -> Self {
        Self { max_response_bytes: 2 * 1024 * 1024, max_body_chars: 15_000 }
    }
}

/// Executes tool calls. A clone is two pointers.
#[derive(Clone, Debug)]
pub struct Gateway {
    shared: Arc<Shared>,
    /// The one door out; its connections are this gateway's and its clones'.
    egress: Egress,
}

#[derive(Debug)]
struct Shared {
    /// What is served; a call keeps the one it began with.
    deployment: ArcSwap<Deployment>,
    /// What calls have learned.
    conversations: Conversations,
}

/// An action that was asked for, and where it stands in the catalog.
#[derive(Clone, Copy)]
struct Target<'a> {
    environment: &'a Environment,
    action: &'a Action,
    environment_index: usize,
    action_index: usize,
}

/// Everything that templates read.
struct Values {
    parameters: Map<String, Value>,
    variables: Map<String, Value>,
}

impl Gateway {
    /// Serves `deployment`.
    pub fn new(deployment: Deployment) -> Self {
        let shared =
            Shared { deployment: ArcSwap::from_pointee(deployment), conversations: Conversations::default() };
        Self { shared: Arc::new(shared), egress: Egress::new() }
    }

    /// The same gateway with connections of its own: for a thread with its own runtime.
    #[must_use]
    pub fn for_worker(&self) -> Self {
        Self { shared: self.shared.clone(), egress: Egress::new() }
    }

    /// What is served now.
    pub fn deployment(&self) -> Arc<Deployment> {
        self.shared.deployment.load_full()
    }

    /// Serves `deployment` from now on; calls under way keep the former one.
    pub fn replace(&self, deployment: Deployment) {
        self.shared.deployment.store(Arc::new(deployment));
    }

    /// Executes a call. A call that fails has a result too.
    pub async fn execute(&self, call: ToolCall) -> ToolResult {
        let mut receipt = Receipt::new();
        let deployment = self.deployment();
        let outcome = self.attempt(&deployment, &call, &mut receipt).await;
        let concealed = match &call.conversation_id {
            Some(id) => self.shared.conversations.concealed(&call.environment, id),
            None => Arc::default(),
        };
        let result = outcome::result(call, outcome, receipt, &deployment, &concealed);
        outcome::log(&result);
        result.into()
    }

    async fn attempt(
        &self,
        deployment: &Deployment,
        call: &ToolCall,
        receipt: &mut Receipt,
    ) -> Result<Outcome, Failure> {
        let target = find(deployment, call)?;
        let deadline = deadline(target.action, call, receipt.started);
        let values = self.values(target, call)?;
        let answer = match &target.action.kind {
            Kind::Http(http) => {
                let request = render(http, target.environment, &values)?;
                if deadline.left().is_zero() {
                    return Err(Failure::TooLate);
                }
                let response = self.send(deployment, target, http, request, deadline, receipt).await?;
                Answer::read(response)
            }
            Kind::Static(body) => Answer::fixed(body),
            Kind::Handover(handover) => return Ok(Outcome::handover(handover)),
        };
        let outcome = Outcome::of(answer, target.action);
        if let (Some(id), true) = (&call.conversation_id, outcome.is_success()) {
            self.shared.conversations.remember(&target.environment.name, id, &outcome.extracted);
        }
        Ok(outcome)
    }

    /// Arguments that passed their schema, bound values, variables.
    fn values(&self, target: Target<'_>, call: &ToolCall) -> Result<Values, Failure> {
        let arguments = parameters::parse_arguments(&call.arguments)?;
        let action = target.action;
        let variables =
            if action.reads_variables { self.variables(&target.environment.name, call)? } else { Map::new() };
        let parameters = action.parameters(arguments, &variables, &target.environment.static_variables)?;
        Ok(Values { parameters, variables })
    }

    /// What the conversation knows, what the caller brings, and what is always there.
    fn variables(&self, environment: &str, call: &ToolCall) -> Result<Map<String, Value>, Failure> {
        let mut known = match &call.conversation_id {
            Some(id) => self.shared.conversations.variables(environment, id),
            None => Map::new(),
        };
        for (name, value) in variables::nest(call.variables.clone())? {
            variables::insert(&mut known, &name, value)?;
        }
        let conversation = json!({
            "id": call.conversation_id.as_deref().unwrap_or(&call.id),
            "environment": environment,
        });
        match (known.get_mut("conversation"), conversation) {
            (Some(Value::Object(there)), Value::Object(ours)) => there.extend(ours),
            (_, ours) => {
                known.insert("conversation".to_owned(), ours);
            }
        }
        Ok(known)
    }

    /// Sends the request; once more with a fresh token where the upstream
    /// refused the one that was cached: a refused request has had no effect.
    async fn send(
        &self,
        deployment: &Deployment,
        target: Target<'_>,
        http: &HttpAction,
        request: RequestSpec,
        deadline: Deadline,
        receipt: &mut Receipt,
    ) -> Result<Response, Failure> {
        let egress = &self.egress;
        let limits = Limits {
            connect_timeout: http.connect_timeout,
            max_response_bytes: deployment.limits.max_response_bytes,
        };
        let resolve =
            || deployment.auth.resolve(target.environment_index, target.action_index, egress, deadline);
        let resolved = resolve().await?;
        receipt.redactor.clone_from(&resolved.redactor);
        receipt.attempts += 1;
        let again = resolved.redactor.is_some().then(|| request.clone());
        let response = egress.send(request, &resolved.credentials, limits, deadline).await;
        let response = response.map_err(|error| Failure::egress(error, target.action))?;
        match again {
            Some(request) if response.status == StatusCode::UNAUTHORIZED && resolved.refuse() => {
                let resolved = resolve().await?;
                receipt.redactor.clone_from(&resolved.redactor);
                receipt.attempts += 1;
                let response = egress.send(request, &resolved.credentials, limits, deadline).await;
                response.map_err(|error| Failure::egress(error, target.action))
            }
            _ => Ok(response),
        }
    }
}

fn find<'a>(deployment: &'a Deployment, call: &ToolCall) -> Result<Target<'a>, Failure> {
    let unknown = || Failure::unknown_tool(deployment, call);
    let environment_index = deployment.catalog.environment_index(&call.environment).ok_or_else(unknown)?;
    let environment = &deployment.catalog.environments()[environment_index];
    let (action_index, action) = environment.find(&call.name).ok_or_else(unknown)?;
    Ok(Target { environment, action, environment_index, action_index })
}

/// The action's timeout, or what the caller can wait, counted from the receipt.
fn deadline(action: &Action, call: &ToolCall, received: Instant) -> Deadline {
    let asked = call.deadline_ms.map_or(Duration::MAX, Duration::from_millis);
    Deadline::after(action.timeout.min(asked).saturating_sub(received.elapsed()))
}

fn render(http: &HttpAction, environment: &Environment, values: &Values) -> Result<RequestSpec, Failure> {
    let data = Data {
        parameters: &values.parameters,
        variables: &values.variables,
        static_variables: &environment.static_variables,
    };
    Ok(http.render(&data)?)
}
