//! The tools of an environment, as `rmcp` asks for them.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::request::Parts;
use data_encoding::HEXLOWER;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, CustomRequest, CustomResult,
    ErrorCode, Implementation, InitializeResult, JsonObject, ListToolsResult, MetaObject,
    PaginatedRequestParams, ProgressNotificationParam, RequestId, ServerCapabilities, ServerConfig,
    SubscriptionFilter, Tool,
};
use rmcp::service::{NotificationContext, RequestContext, RoleServer, SubscriptionContext};
use rmcp::{ErrorData, Peer, ServerHandler};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::action::Action;
use crate::conversation::heap_bytes;
use crate::dialect::{Dialect, IncomingCall, Outcome, mcp};
use crate::egress::Deadline;
use crate::executor::{CallControl, Deployment, Started};
use crate::server::AppState;
use crate::server::dialects::{CONVERSATION, Place, header, run_one};
use crate::server::execution::CallHeaders;
use crate::server::inbound::batch::{Batch, Refusal};
use crate::server::inbound::keys::Caller;
use crate::server::specs::{Moment, SpecList, Specs};
use crate::tool::{Owner, ToolCallIds};

use super::sessions::{OwnedSessions, SESSION};

/// How often a client that asked for it hears that a call is still under way.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);
/// Longest id of a request that is taken into the id of a call as it is.
const MAX_PLAIN_ID: usize = 64;

/// Who sits at the other end.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    environment: String,
    /// The name of the key, for the audit.
    key: Option<String>,
    /// Whose conversations it names; `None`: those that are shared.
    owner: Option<Owner>,
    session: Session,
}

#[derive(Clone, Debug)]
enum Session {
    /// By header, if the caller has one.
    Http(Arc<OwnedSessions>),
    /// The life of this process.
    Process { id: String, conversation_id: Option<String> },
}

impl Seat {
    /// A caller over HTTP.
    pub(super) fn of_http(environment: String, caller: &Caller, sessions: Arc<OwnedSessions>) -> Self {
        let (key, owner) = (caller.name().map(str::to_owned), caller.owner().cloned());
        Self { environment, key, owner, session: Session::Http(sessions) }
    }

    /// The one who started this process.
    pub(super) fn of_process(environment: String, id: String, conversation_id: Option<String>) -> Self {
        Self { environment, key: None, owner: None, session: Session::Process { id, conversation_id } }
    }
}

/// The tools of an environment.
#[derive(Clone, Debug)]
pub(super) struct Tools {
    state: AppState,
    seat: Seat,
    /// Ends the task that tells of changed tools, together with the session.
    _alive: Arc<watch::Sender<()>>,
    alive: watch::Receiver<()>,
}

impl Tools {
    pub(super) fn new(state: AppState, seat: Seat) -> Self {
        let (sender, alive) = watch::channel(());
        Self { state, seat, _alive: Arc::new(sender), alive }
    }

    /// All tools: those that a client may be offered at any time.
    fn list(&self) -> Result<Specs, ErrorData> {
        list(&self.state, &self.seat.environment, Moment::Any)
    }

    /// The tools that are available to the conversation of a request now.
    async fn list_now(&self, place: &Place) -> Result<Specs, ErrorData> {
        let (gateway, environment) = (self.state.gateway(), &self.seat.environment);
        let key = place.conversation().map_err(|problem| ErrorData::invalid_params(problem.detail, None))?;
        let Some(key) = key.filter(|_| Moment::matters(&gateway.deployment(), environment)) else {
            return self.list();
        };
        let state = gateway.state_of(&key).await;
        let state = state.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        let moment = Moment::in_state(&gateway.deployment(), environment, state);
        list(&self.state, environment, moment)
    }

    /// Has `work` on so many bytes done aside, where they are many.
    async fn aside<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ErrorData> {
        let deadline = Deadline::after(self.state.mcp().deadline);
        let done = self.state.gateway().aside(bytes, deadline, move |_| work()).await;
        let too_late = |_| ErrorData::internal_error("too much is going on right now", None);
        done.map(|(done, _)| done).map_err(too_late)
    }

    /// Where a call belongs, and the id of the call: that of the request, which is unique in its session and nowhere
    /// else. A request without a session has none, so nothing is ever taken for another client's call.
    fn place(
        &self,
        request: &RequestId,
        parts: Option<&Parts>,
    ) -> Result<(Place, Option<String>), ErrorData> {
        let invalid = |detail: String| ErrorData::invalid_params(detail, None);
        let (session, conversation, said) = match &self.seat.session {
            Session::Process { id, conversation_id } => {
                (Some(id.clone()), conversation_id.clone(), CallHeaders::default())
            }
            Session::Http(sessions) => {
                let headers = parts.map(|parts| &parts.headers);
                let session = headers.and_then(|headers| headers.get(SESSION)).filter(|id| sessions.has(id));
                let session = session.and_then(|id| id.to_str().ok()).map(str::to_owned);
                let named = headers.and_then(|headers| header(headers, &CONVERSATION));
                let said = headers.map_or_else(|| Ok(CallHeaders::default()), CallHeaders::of);
                let said = said.map_err(|problem| invalid(problem.detail))?;
                let default = u64::try_from(self.state.mcp().deadline.as_millis()).unwrap_or(u64::MAX);
                let deadline_ms = Some(said.deadline_ms.unwrap_or(default));
                (session, named, CallHeaders { deadline_ms, ..said })
            }
        };
        let id = session.as_ref().map(|session| format!("{session}:{}", id_text(request)));
        let Seat { environment, key, owner, .. } = self.seat.clone();
        let place = Place::new((environment, owner), conversation.or(session), key, said)
            .map_err(|problem| invalid(problem.detail))?;
        // A client must not use an id again in its session (the specification's "Requests").
        Ok((place.with_ids(ToolCallIds::Unique), id))
    }
}

/// A request's id in JSON, so that `1` and `"1"` are two; a digest of it where it is long or cannot be shown.
fn id_text(id: &RequestId) -> String {
    let text = serde_json::to_string(id).unwrap_or_default();
    if text.len() <= MAX_PLAIN_ID && !text.contains(char::is_control) {
        return text;
    }
    HEXLOWER.encode(&Sha256::digest(&text))
}

fn list(state: &AppState, environment: &str, moment: Moment) -> Result<Specs, ErrorData> {
    let list = SpecList {
        environment: environment.to_owned(),
        dialect: Dialect::Mcp,
        strict: false,
        base_url: None,
        language: None,
        moment,
    };
    let specs = state.specs().get(&state.gateway().deployment(), list);
    specs.map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

/// Done when a reload has changed the tools since `last`, which becomes the new list.
async fn changed(
    state: &AppState,
    environment: &str,
    reloads: &mut watch::Receiver<u64>,
    last: &mut Option<Specs>,
) {
    loop {
        if reloads.changed().await.is_err() {
            // The server is gone; so is everybody who waits for it, soon.
            return std::future::pending().await;
        }
        let now = list(state, environment, Moment::Any).ok();
        let is_same = match (&now, &*last) {
            (Some(now), Some(last)) => now.etag == last.etag,
            (now, last) => now.is_none() && last.is_none(),
        };
        if !is_same {
            *last = now;
            return;
        }
    }
}

/// Waits for `call`; tells the client every second that it is under way, if it wants to know, in the words of the action
/// once it has some. `None`: it was cancelled.
async fn watched<T>(
    call: impl Future<Output = T>,
    mut started: oneshot::Receiver<Started>,
    context: &RequestContext<RoleServer>,
) -> Option<T> {
    let token = context.meta.get_progress_token();
    let begun = Instant::now();
    let mut ticks = interval_at(begun + PROGRESS_EVERY, PROGRESS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut call = pin!(call);
    let mut delayed = None;
    loop {
        tokio::select! {
            ended = &mut call => return Some(ended),
            () = context.ct.cancelled() => return None,
            _ = ticks.tick(), if token.is_some() => {
                let Some(token) = token.clone() else { continue };
                let seconds = begun.elapsed().as_secs_f64();
                if let Ok(Started { delayed: Some(told), .. }) = started.try_recv() {
                    delayed = Some(told);
                }
                let late = delayed.as_ref().filter(|(after, _)| begun.elapsed() >= *after);
                let message = late.map_or("waiting for the service", |(_, text)| text);
                let note = ProgressNotificationParam::new(token, seconds).with_message(message);
                // A client that cannot be told waits all the same.
                let _ = context.peer.notify_progress(note).await;
            }
        }
    }
}

fn arguments(arguments: Option<JsonObject>) -> Result<Box<RawValue>, ErrorData> {
    serde_json::value::to_raw_value(&arguments.unwrap_or_default())
        .map_err(|error| ErrorData::invalid_params(error.to_string(), None))
}

/// What came of a call, and what it is told by.
struct Told {
    deployment: Arc<Deployment>,
    environment: String,
    name: String,
    outcome: Outcome,
}

impl Told {
    fn action(&self) -> Option<&Action> {
        let environment = self.deployment.environment(&self.environment)?;
        environment.called(&self.name).map(|served| &served.action)
    }

    /// As an answer that meets the schema of the action, if it has one.
    fn encoded(&self) -> mcp::Answer {
        mcp::encode(&self.outcome, self.action().and_then(|action| action.output_schema.as_ref()))
    }

    /// How much there is to be told, in bytes.
    fn bytes(&self) -> usize {
        match &self.outcome {
            Outcome::Done(result) => {
                let body = result.body.as_ref().map_or(0, |body| body.get().len());
                body + result.variables.values().map(heap_bytes).sum::<usize>()
            }
            Outcome::Refused(_) | Outcome::Broken => 0,
        }
    }
}

impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_tool_list_changed().build();
        let mut info = InitializeResult::new(capabilities);
        info.server_info = Implementation::new("callgate", env!("CARGO_PKG_VERSION"));
        info
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let (place, _) = self.place(&context.id, context.extensions.get::<Parts>())?;
        let specs = self.list_now(&place).await?;
        let bytes = specs.json.len();
        let read = move || serde_json::from_slice::<Vec<Tool>>(&specs.json);
        let tools = self.aside(bytes, read).await?;
        Ok(ListToolsResult::with_all_items(
            tools.map_err(|error| ErrorData::internal_error(error.to_string(), None))?,
        ))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let (place, id) = self.place(&context.id, context.extensions.get::<Parts>())?;
        let arguments = arguments(request.arguments)?;
        let call = IncomingCall { id, name: request.name.into_owned(), arguments, refused: None };
        // Looked at before the call, for the list that the client knows.
        let deployment = self.state.gateway().deployment();
        let (control, started) = CallControl::heard(false);
        let batch = Batch::judge(&self.state, place.ids, vec![place.incoming(&call)]);
        let batch = batch.map_err(|problem| ErrorData::internal_error(problem.detail, None))?;
        let admitted = batch.admit_each(&self.state).next().unwrap_or(Err(Refusal::NoRoom));
        let running = run_one(&self.state, &place, admitted, control);
        let Some((outcome, waiting)) = watched(running, started, &context).await else {
            return Err(ErrorData::internal_error("the call was cancelled", None));
        };
        if let Some(why) = mcp::unknown_tool(&outcome) {
            return Err(ErrorData::invalid_params(why.to_owned(), None));
        }
        let told = Told { deployment, environment: place.environment, name: call.name, outcome };
        let told = Arc::new(told);
        let answer = {
            let (told, bytes) = (told.clone(), told.bytes());
            self.aside(bytes, move || told.encoded()).await
        };
        // What was done is told, if need be here.
        let answer = answer.unwrap_or_else(|_| told.encoded());
        let (action, outcome) = (told.action(), &told.outcome);
        let leads = action.is_some_and(|action| match outcome.is_error() {
            false => action.next_state.success.is_some(),
            true => action.next_state.error.is_some() || action.next_state.failure.is_some(),
        });
        if leads {
            // Other tools may be available now. A client that cannot be told asks again by itself, or never.
            let _ = context.peer.notify_tool_list_changed().await;
        }
        if answer.is_error && !outcome.is_error() {
            tracing::warn!(tool.name = told.name, "an answer breaks the action's `output_schema`");
        }
        let content = vec![ContentBlock::text(answer.text)];
        let mut result = match answer.is_error {
            true => CallToolResult::error(content),
            false => CallToolResult::success(content),
        };
        result.structured_content = answer.structured;
        if answer.is_replayed {
            let mut meta = MetaObject::default();
            meta.0.insert("callgate/replayed".to_owned(), true.into());
            result.meta = Some(meta);
        }
        if let Some(waiting) = waiting {
            waiting.answered().await;
        }
        Ok(result.into())
    }

    /// What is none of the requests that `rmcp` knows, or is one with other parameters than it has.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let expected = match request.method.as_str() {
            "tools/call" => "`tools/call` takes `{name, arguments}`: the name of a tool, and an object",
            "tools/list" => "`tools/list` takes `{cursor}` or nothing",
            _ => return Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, request.method, None)),
        };
        Err(ErrorData::invalid_params(expected, None))
    }

    #[expect(clippy::disallowed_methods, reason = "ends with its session; nobody waits for it")]
    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        let (state, environment) = (self.state.clone(), self.seat.environment.clone());
        let mut reloads = state.mcp().reloads.subscribe();
        let mut last = self.list().ok();
        let (mut alive, peer): (_, Peer<RoleServer>) = (self.alive.clone(), context.peer);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    // Never sends anything: this is its end.
                    _ = alive.changed() => return,
                    () = changed(&state, &environment, &mut reloads, &mut last) => {
                        if peer.notify_tool_list_changed().await.is_err() {
                            return;
                        }
                    }
                }
            }
        });
    }

    fn accepted_subscription_filter(&self, _: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(SubscriptionFilter::builder().tools_list_changed().build())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut reloads = self.state.mcp().reloads.subscribe();
        let mut last = self.list().ok();
        let mut stopped = pin!(self.state.mcp().stopped());
        loop {
            tokio::select! {
                () = context.cancelled() => return Ok(()),
                () = &mut stopped => return Ok(()),
                () = changed(&self.state, &self.seat.environment, &mut reloads, &mut last) => {
                    if context.sink().notify_tool_list_changed().await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_requests_stay_apart_and_short() {
        assert_eq!(id_text(&RequestId::Number(1)), "1");
        assert_eq!(id_text(&RequestId::String("1".into())), "\"1\"");
        let long = id_text(&RequestId::String("x".repeat(10_000).into()));
        assert_eq!(long.len(), 64);
        assert_ne!(long, id_text(&RequestId::String("y".repeat(10_000).into())));
    }
}
