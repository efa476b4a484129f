//! `GET /v1/conversations/{id}/events`: the feed, in pages or followed live.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::Stream;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::{IntoParams, ToSchema};

use crate::conversation::event::{Event, EventPage, MAX_PAGE};
use crate::conversation::{ConversationKey, timestamp};
use crate::executor::ConversationError;

use super::super::body::Segment;
use super::super::inbound::keys::{Caller, identify};
use super::super::problem::{ProblemCode, ProblemDocument};
use super::super::query::checked;
use super::super::state::{AppState, MAX_FOLLOWERS};
use super::{invalid, page_size, problem};

/// Events of a page, where nothing else is asked for.
const PAGE: usize = 100;
/// Events that a follower's stream holds at a time: it may be read slowly.
const HELD: usize = 32;
/// How often a stream on which nothing happens says that it is there, so that nobody between takes it for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// The last event that an `EventSource` has seen (HTML Living Standard section 9.2.4).
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// The environment; may be left out where there is only one choice.
    environment: Option<String>,
    /// Events with numbers above this one; all that are kept where left out.
    after: Option<u64>,
    /// How many of a page, 500 at most; 100 where left out.
    limit: Option<usize>,
}

/// A page of the feed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventList {
    /// The events, the oldest first.
    events: Vec<EventView>,
    /// The number of the newest event there is; 0 where there is none.
    newest: u64,
    /// Whether events before these have been given up: the newest 500 are kept.
    gap: bool,
    /// `after` of the next page; null where this is the last one.
    next: Option<u64>,
}

/// An event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventView {
    /// Its number in the conversation, counted from 1 without gaps.
    id: u64,
    /// What happened: `conversation_started`, `tool_called`, `request_sent`, `response_received`, `variable_set`, `retry`,
    /// `replay`, `error` or `ended`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// When (RFC 3339, UTC).
    at: String,
    /// The details, with nothing sensitive in them.
    #[schema(value_type = Value)]
    data: Box<RawValue>,
}

impl From<Event> for EventView {
    fn from(event: Event) -> Self {
        let Event { id, kind, at_ms, data } = event;
        Self { id, kind: kind.as_str(), at: timestamp(at_ms), data }
    }
}

/// The feed of a conversation, in pages; as `text/event-stream`, followed live.
///
/// A stream begins behind `Last-Event-ID`, else behind `after`. `id` is the number of an event, `event` its type, `data`
/// the event as in a page. `event: gap` says that events before the next one have been given up, `event: forgotten` that
/// the conversation is gone: the stream ends.
#[utoipa::path(
    get, path = "/v1/conversations/{id}/events", tag = "conversations",
    params(
        ("id" = String, Path, description = "the conversation"), EventsQuery,
        ("Accept" = Option<String>, Header, description = "`text/event-stream` to follow the feed"),
        ("Last-Event-ID" = Option<u64>, Header, description = "the number of the last event that the follower has"),
    ),
    responses(
        (status = 200, description = "a page, or the feed as it goes on", content((EventList = "application/json"), (String = "text/event-stream"))),
        (status = "4XX", description = "no such conversation, or the request is broken", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "the store is out of reach, the gateway is stopping, or too many follow feeds", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(crate) async fn events(
    State(state): State<AppState>,
    caller: Caller,
    Segment(id): Segment,
    headers: HeaderMap,
    target: Uri,
    query: Result<Query<EventsQuery>, QueryRejection>,
) -> Result<Response, ProblemDocument> {
    let EventsQuery { environment, after, limit } = checked(query)?;
    let key = super::key(&state, &caller, environment.as_deref(), &id)?;
    let limit = page_size(limit, PAGE, MAX_PAGE)?;
    if !wants_stream(&headers) {
        let page = state.gateway().conversation_events(&key, after.unwrap_or(0), limit).await;
        return Ok(Json(EventList::of(page.map_err(problem)?)).into_response());
    }
    let after = last_event_id(&headers)?.or(after).unwrap_or(0);
    if state.is_stopping() {
        let detail = "the gateway is stopping; follow this at another one";
        return Err(ProblemDocument::new(ProblemCode::Stopping, detail));
    }
    let Some(place) = state.follow() else {
        let detail = format!("{MAX_FOLLOWERS} feeds are followed already; read this one in pages");
        return Err(ProblemDocument::new(ProblemCode::Overloaded, detail).retry_after(5));
    };
    let first = state.gateway().conversation_events(&key, after, HELD).await.map_err(problem)?;
    let mut follower = Follower {
        stopped: Box::pin(state.stopped()),
        state,
        headers,
        target,
        key,
        after,
        ready: VecDeque::new(),
        is_over: false,
        _place: place,
    };
    follower.take(first);
    let messages = futures_util::stream::unfold(follower, |mut follower| async move {
        let message = follower.next().await?;
        Some((Ok::<_, Infallible>(message), follower))
    });
    let cache = HeaderValue::from_static("no-cache");
    Ok(([(CACHE_CONTROL, cache)], stream(messages)).into_response())
}

fn stream(messages: impl Stream<Item = Result<Message, Infallible>> + Send + 'static) -> Response {
    Sse::new(messages).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response()
}

fn wants_stream(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut types = accepted.flat_map(|list| list.split(','));
    types
        .any(|one| one.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/event-stream"))
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, ProblemDocument> {
    let Some(value) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let text = value.to_str().unwrap_or("?").trim();
    if text.is_empty() {
        return Ok(None);
    }
    let id = text.parse();
    id.map(Some).map_err(|_| invalid("`Last-Event-ID` must be the number of an event, such as 17"))
}

impl EventList {
    fn of(page: EventPage) -> Self {
        let last = page.events.last().map(|event| event.id);
        Self {
            newest: page.newest,
            gap: page.has_gap,
            next: last.filter(|last| *last < page.newest),
            events: page.events.into_iter().map(EventView::from).collect(),
        }
    }
}

/// Somebody who follows a feed.
struct Follower {
    state: AppState,
    /// What was shown to be let in.
    headers: HeaderMap,
    /// Where it was shown.
    target: Uri,
    key: ConversationKey,
    /// The number of the last event that was taken.
    after: u64,
    ready: VecDeque<Message>,
    is_over: bool,
    /// Done when the server stops.
    stopped: Pin<Box<dyn Future<Output = ()> + Send>>,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    /// The next message; `None` where the stream ends.
    async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Some(message);
            }
            if self.is_over {
                return None;
            }
            let (gateway, key, after) = (self.state.gateway(), &self.key, self.after);
            let news = async {
                // Looked at now and then in any case: what expires tells nobody.
                let followed = tokio::time::timeout(HEARTBEAT, gateway.follow_conversation(key, after)).await;
                match followed {
                    Ok(Err(error)) => Err(error),
                    Ok(Ok(())) | Err(_) => gateway.conversation_events(key, after, HELD).await,
                }
            };
            let page = tokio::select! {
                biased;
                () = &mut self.stopped => return None,
                page = news => page,
            };
            if !self.may_follow() {
                return None;
            }
            match page {
                Ok(page) => self.take(page),
                Err(ConversationError::NotFound(_)) => {
                    self.ready.push_back(Message::default().event("forgotten").data("{}"));
                    self.is_over = true;
                }
                Err(error) => {
                    // The follower comes again, and resumes where it was.
                    tracing::warn!(%error, "a feed cannot be followed any more");
                    self.is_over = true;
                }
            }
        }
    }

    /// Whether who follows would still be let in: a reload may have taken the key away, or
    /// given it conversations of its own.
    fn may_follow(&self) -> bool {
        let caller = identify(&self.state.keys(), &self.headers, &self.target);
        caller.is_ok_and(|caller| {
            let environment = self.key.environment();
            caller.may_use(environment) && caller.scope(environment) == *self.key.scope()
        })
    }

    fn take(&mut self, page: EventPage) {
        // Begun anew under the same id: the numbers are another feed's.
        let is_another = page.newest < self.after;
        if is_another {
            self.after = 0;
        }
        if page.has_gap || is_another {
            let next = page.events.first().map(|event| event.id);
            let data = serde_json::json!({"after": self.after, "next": next});
            self.ready.push_back(Message::default().event("gap").data(data.to_string()));
        }
        for event in page.events {
            self.after = event.id;
            let (id, kind) = (event.id, event.kind.as_str());
            let Ok(data) = serde_json::to_string(&EventView::from(event)) else { continue };
            self.ready.push_back(Message::default().id(id.to_string()).event(kind).data(data));
        }
    }
}
