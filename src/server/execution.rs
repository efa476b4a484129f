//! A call in the hands of the server: run to its end, given up, cancelled.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::conversation::Carried;
use crate::executor::{CallControl, CancelError, Gateway, Movable};
use crate::tool::{Cancellation, ToolCall, ToolResult, TraceContext};

use super::body::Segment;
use super::inbound::keys::Caller;
use super::problem::{ProblemCode, ProblemDocument};
use super::query::checked;
use super::state::{AppState, RunningCall};
use super::unbroken::{Panicked, Unbroken};

/// The header of a deadline, for callers that cannot say it in the body.
const DEADLINE: HeaderName = HeaderName::from_static("callgate-deadline-ms");

/// The headers of a trace (W3C Trace Context).
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// What a caller says of its calls in headers.
#[derive(Clone, Debug, Default)]
pub(super) struct CallHeaders {
    /// `Callgate-Deadline-Ms`: milliseconds from now by which the answer is wanted.
    pub(super) deadline_ms: Option<u64>,
    /// `traceparent`, as it came.
    pub(super) traceparent: Option<String>,
    /// `tracestate`, which may have come in several headers.
    pub(super) tracestate: Option<String>,
}

impl CallHeaders {
    /// Reads the headers that are there.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, ProblemDocument> {
        let all = |name| -> Vec<&str> {
            headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect()
        };
        let traceparent = all(TRACEPARENT).first().map(|text| (*text).to_owned());
        let tracestate = Some(all(TRACESTATE).join(",")).filter(|state| !state.is_empty());
        let said = Self { deadline_ms: None, traceparent, tracestate };
        let Some(value) = headers.get(DEADLINE) else { return Ok(said) };
        let Some(milliseconds) = value.to_str().ok().and_then(|text| text.trim().parse().ok()) else {
            let detail = "`Callgate-Deadline-Ms` must be a whole number of milliseconds, such as 4000";
            return Err(ProblemDocument::new(ProblemCode::InvalidRequest, detail));
        };
        Ok(Self { deadline_ms: Some(milliseconds), ..said })
    }

    /// Where a call stands in a trace; `None` where nobody traces.
    pub(super) fn trace(&self, state: &AppState) -> Option<TraceContext> {
        // Without random numbers there is no id, and no trace.
        let begin = || TraceContext::begin(self.traceparent.as_deref(), self.tracestate.as_deref()).ok();
        state.is_tracing().then(begin).flatten()
    }
}

impl FromRequestParts<AppState> for CallHeaders {
    type Rejection = ProblemDocument;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Self::Rejection> {
        Self::of(&parts.headers)
    }
}

/// A caller who waits for the answer to a call: the result, and all else that goes back together with it. Dropped
/// before, it has hung up.
pub(super) struct Waiting {
    gateway: Gateway,
    control: Arc<CallControl>,
    is_answered: bool,
}

impl Waiting {
    /// The answer is made, and nothing is waited for any more.
    pub(super) async fn answered(mut self) {
        self.gateway.answered(&self.control).await;
        self.is_answered = true;
    }

    /// Whoever waited has hung up already, and that has been told.
    pub(super) fn forget(mut self) {
        self.is_answered = true;
    }
}

impl Drop for Waiting {
    #[expect(clippy::disallowed_methods, reason = "writes one mark, and waits for nothing but the store")]
    fn drop(&mut self) {
        // The server drops what it does for a caller when the caller hangs up.
        if !self.is_answered {
            let (gateway, control) = (self.gateway.clone(), self.control.clone());
            tokio::spawn(async move {
                gateway.hang_up(&control).await;
                tracing::debug!("a caller has hung up");
            });
        }
    }
}

/// Refuses calls while the server stops.
pub(super) fn check_running(state: &AppState) -> Result<(), ProblemDocument> {
    if state.is_stopping() {
        let detail = "the gateway is stopping and takes no more calls; send this to another one";
        return Err(ProblemDocument::new(ProblemCode::Stopping, detail));
    }
    Ok(())
}

/// Executes a call, whose caller may carry the conversation. A caller that hangs up cancels it where it is not sent yet;
/// what was sent upstream runs to its end, is logged and remembered. The call's
/// own deadline bounds it. A result comes with the caller who has yet to get it.
pub(super) async fn execute(
    state: &AppState,
    call: ToolCall,
    carried: Option<Arc<Carried>>,
    running: RunningCall,
    control: Arc<CallControl>,
) -> Result<(Arc<ToolResult>, Waiting), ProblemDocument> {
    check_running(state)?;
    execute_for(state, call, carried, running, control).await
}

/// The same, for work that was begun before the server was to stop; `place` is held until the call has ended.
pub(super) async fn execute_for(
    state: &AppState,
    call: ToolCall,
    carried: Option<Arc<Carried>>,
    place: impl Send + 'static,
    control: Arc<CallControl>,
) -> Result<(Arc<ToolResult>, Waiting), ProblemDocument> {
    let gateway = state.gateway().clone();
    let caller = Waiting { gateway: gateway.clone(), control: control.clone(), is_answered: false };
    let work = async move {
        let result = gateway.run(call, carried.as_deref(), &control).await;
        drop(place);
        result
    };
    match Unbroken::new(Movable::new(work)).await {
        Ok(result) => Ok((result, caller)),
        Err(Panicked) => {
            tracing::error!("a call did not come to its end");
            Err(ProblemDocument::new(ProblemCode::Internal, "the gateway failed to handle this call"))
        }
    }
}

/// Which call to cancel.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CancelQuery {
    /// The environment; may be left out where there is only one choice.
    environment: Option<String>,
    /// The conversation of the call; may be left out where only one has a call of this id.
    conversation_id: Option<String>,
}

/// What a cancellation met.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CancelReply {
    /// The id of the call.
    tool_call_id: String,
    /// `not_sent`: nothing was sent, nothing will be. `already_sent`: it runs to its end, and its result stays to be had
    /// under the same id.
    cancellation: Cancellation,
}

/// Cancels a call that is not sent yet.
///
/// What has been sent cannot be called back; the answer says which of the two it was.
#[utoipa::path(
    delete, path = "/v1/tool-calls/{id}", tag = "calls", params(("id" = String, Path, description = "the `tool_call_id`"), CancelQuery),
    responses(
        (status = 200, description = "what the cancellation met", body = CancelReply),
        (status = "4XX", description = "no such call is under way, or the request is broken", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(super) async fn cancel(
    State(state): State<AppState>,
    caller: Caller,
    Segment(id): Segment,
    asked: Result<Query<CancelQuery>, QueryRejection>,
) -> Result<Json<CancelReply>, ProblemDocument> {
    let CancelQuery { environment, conversation_id } = checked(asked)?;
    let deployment = state.gateway().deployment();
    let environment = caller.environment(environment.as_deref(), deployment.environment_names())?;
    match state.gateway().cancel(&caller.scope(&environment), &id, conversation_id.as_deref()) {
        Ok(cancellation) => Ok(Json(CancelReply { tool_call_id: id, cancellation })),
        Err(error) => {
            let code = match error {
                CancelError::NotUnderWay => ProblemCode::CallNotFound,
                CancelError::Ambiguous => ProblemCode::ConversationRequired,
            };
            Err(ProblemDocument::new(code, error.to_string()))
        }
    }
}
