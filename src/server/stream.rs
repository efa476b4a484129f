//! `POST /v1/tool-calls` as a stream of events: what the person on the line hears while the calls run.
//!
//! ```text
//! event: started      {tool_call_id, name, text?, expected_ms?}    the call goes ahead
//! event: delayed      {tool_call_id, name, text, after_ms}         it is still under way
//! event: completed    the result                                   always, and last of its call
//! event: inspection   what was sent and answered, and when         behind it, where the request asks for it
//! event: problem      {tool_call_id, name, problem}                in its place where the gateway itself failed
//! ```
//!
//! The calls are run by the stream: who hangs up drops it, and hangs up on them.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::HeaderName;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream::{Stream, StreamExt as _, select_all, unfold};
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};

use crate::conversation::Carried;
use crate::executor::{CallControl, Expected, Started};
use crate::tool::{ToolCall, ToolResult};

use super::execution::execute;
use super::problem::ProblemDocument;
use super::state::{AppState, RunningCall};

/// How long nothing is sent at most: who stands between would take the connection for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A comment, which clients pass over (HTML, "Server-sent events").
const STILL_HERE: &[u8] = b": waiting\n\n";
/// Tells nginx, and those who do as it does, to hold nothing back.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");
/// The media type of the stream.
const EVENTS: &str = "text/event-stream";

/// Whether a request asks for a stream of events: `Accept` names that type, and no other before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct WantsStream(pub(super) bool);

impl FromRequestParts<AppState> for WantsStream {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Self::Rejection> {
        let accepted = parts.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        Ok(Self(wants_stream(accepted)))
    }
}

fn wants_stream<'a>(accepted: impl Iterator<Item = &'a str>) -> bool {
    let (mut stream, mut json) = (0.0, 0.0);
    for range in accepted.flat_map(|list| list.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let weight: f32 = weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
        if media.eq_ignore_ascii_case(EVENTS) {
            stream = weight;
        } else if media.eq_ignore_ascii_case("application/json") {
            json = weight;
        }
    }
    stream > 0.0 && stream >= json
}

/// Runs `calls` and tells of them as it goes; `carried` is the conversation, where their caller carries it.
pub(super) fn answer(
    state: &AppState,
    calls: Vec<(ToolCall, RunningCall)>,
    carried: Option<&Arc<Carried>>,
    inspect: bool,
) -> Response {
    let each = calls.into_iter().map(|(call, running)| {
        let heard = Heard::new(state.clone(), call, carried.cloned(), running, inspect);
        Box::pin(unfold(heard, Heard::next))
    });
    let body = Body::from_stream(kept_alive(select_all(each)).map(Ok::<_, Infallible>));
    let headers = [(CONTENT_TYPE, EVENTS), (CACHE_CONTROL, "no-store"), (UNBUFFERED, "no")];
    (headers, body).into_response()
}

/// The same events, and a comment where none comes for a while.
fn kept_alive(events: impl Stream<Item = Bytes> + Unpin) -> impl Stream<Item = Bytes> {
    unfold(events, |mut events| async move {
        match timeout(KEEP_ALIVE, events.next()).await {
            Ok(event) => Some((event?, events)),
            Err(_) => Some((Bytes::from_static(STILL_HERE), events)),
        }
    })
}

type Ended = Result<Arc<ToolResult>, ProblemDocument>;

/// A call that somebody listens to.
struct Heard {
    id: String,
    name: String,
    control: Arc<CallControl>,
    work: Pin<Box<dyn Future<Output = Ended> + Send>>,
    /// `None` once it is known whether the call goes ahead.
    started: Option<oneshot::Receiver<Started>>,
    delayed: Option<Delayed>,
    /// What is still to be told of a call that has ended at once.
    ended: Option<Ended>,
    is_over: bool,
}

/// What is said if the call takes longer.
struct Delayed {
    at: Instant,
    after: Duration,
    text: String,
}

#[derive(Serialize)]
struct StartedEvent<'a> {
    tool_call_id: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_ms: Option<Expected>,
}

#[derive(Serialize)]
struct DelayedEvent<'a> {
    tool_call_id: &'a str,
    name: &'a str,
    text: String,
    after_ms: u64,
}

#[derive(Serialize)]
struct ProblemEvent<'a> {
    tool_call_id: &'a str,
    name: &'a str,
    problem: ProblemDocument,
}

impl Heard {
    fn new(
        state: AppState,
        call: ToolCall,
        carried: Option<Arc<Carried>>,
        running: RunningCall,
        inspect: bool,
    ) -> Self {
        let (control, started) = CallControl::heard(inspect);
        let shared = control.clone();
        let (id, name) = (call.id.clone(), call.name.clone());
        let work = Box::pin(async move {
            let (result, waiting) = execute(&state, call, carried, running, shared).await?;
            // Each result is an event of its own, and leaves at once.
            waiting.answered().await;
            Ok(result)
        });
        Self { id, name, control, work, started: Some(started), delayed: None, ended: None, is_over: false }
    }

    /// The next event.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        if self.is_over {
            return None;
        }
        if let Some(ended) = self.ended.take() {
            return Some((self.ended(ended), self));
        }
        loop {
            let started = async {
                match &mut self.started {
                    Some(started) => started.await.ok(),
                    None => std::future::pending().await,
                }
            };
            let late = async {
                match &self.delayed {
                    Some(delayed) => sleep_until(delayed.at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                started = started => {
                    self.started = None;
                    // Nobody will say so any more: the call has been refused, or another one answers it.
                    let Some(started) = started else { continue };
                    let event = self.started(started);
                    return Some((event, self));
                }
                ended = &mut self.work => {
                    // It may have started and ended at once: told in this order.
                    let started = self.started.take().and_then(|mut started| started.try_recv().ok());
                    let event = match started {
                        Some(started) => {
                            self.ended = Some(ended);
                            self.started(started)
                        }
                        None => self.ended(ended),
                    };
                    return Some((event, self));
                }
                () = late => {
                    let Some(delayed) = self.delayed.take() else { continue };
                    let event = self.delayed(delayed);
                    return Some((event, self));
                }
            }
        }
    }

    fn started(&mut self, started: Started) -> Bytes {
        let Started { text, delayed, expected } = started;
        let now = Instant::now();
        self.delayed = delayed.map(|(after, text)| Delayed { at: now + after, after, text });
        let event = StartedEvent { tool_call_id: &self.id, name: &self.name, text, expected_ms: expected };
        written("started", &event)
    }

    fn delayed(&self, delayed: Delayed) -> Bytes {
        let Delayed { after, text, .. } = delayed;
        let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        let event = DelayedEvent { tool_call_id: &self.id, name: &self.name, text, after_ms };
        written("delayed", &event)
    }

    fn ended(&mut self, ended: Ended) -> Bytes {
        self.is_over = true;
        match ended {
            Ok(result) => {
                let completed = written("completed", &*result);
                match self.control.inspection() {
                    Some(seen) => [completed, written("inspection", &**seen)].concat().into(),
                    None => completed,
                }
            }
            Err(problem) => {
                let event = ProblemEvent { tool_call_id: &self.id, name: &self.name, problem };
                written("problem", &event)
            }
        }
    }
}

/// An event. JSON may hold line breaks between its tokens: a body is told as it was sent. Each line is a `data` of its own.
fn written(kind: &str, event: &impl Serialize) -> Bytes {
    let json = serde_json::to_string(event).unwrap_or_default();
    let mut text = String::with_capacity(json.len() + 32);
    text.push_str("event: ");
    text.push_str(kind);
    for line in json.split(['\n', '\r']) {
        text.push_str("\ndata: ");
        text.push_str(line);
    }
    text.push_str("\n\n");
    text.into()
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    #[test]
    fn a_stream_is_for_those_who_ask_for_one() {
        for (accept, expected) in [
            (&["text/event-stream"][..], true),
            (&["TEXT/Event-Stream; charset=utf-8"], true),
            (&["application/json, text/event-stream"], true),
            (&["text/html", "text/event-stream;q=0.5"], true),
            (&["application/json;q=0.4, text/event-stream; q=0.5"], true),
            (&["application/json, text/event-stream;q=0.9"], false),
            (&["text/event-stream;q=0"], false),
            (&["text/event-stream;q=x"], false),
            (&["application/json"], false),
            (&["*/*"], false),
            (&["text/*"], false),
            (&[""], false),
            (&[], false),
        ] {
            assert_eq!(wants_stream(accept.iter().copied()), expected, "{accept:?}");
        }
    }

    #[test]
    fn a_line_break_in_a_body_ends_no_event() {
        let body =
            RawValue::from_string("{\r\n\n  \"a\": \"x\\n\\nevent: completed\"\r}".to_owned()).unwrap();
        let text = String::from_utf8(written("completed", &body).to_vec()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let (first, data) = lines.split_first().unwrap();
        assert_eq!((*first, text.ends_with("\n\n"), text.contains('\r')), ("event: completed", true, false));
        let data = data.iter().filter(|line| !line.is_empty());
        let data: Vec<&str> = data.map(|line| line.strip_prefix("data: ").unwrap()).collect();
        let read: serde_json::Value = serde_json::from_str(&data.join("\n")).unwrap();
        assert_eq!(read["a"], "x\n\nevent: completed");
    }

    #[tokio::test(start_paused = true)]
    async fn a_comment_keeps_a_silent_stream_open() {
        let later = Box::pin(futures_util::stream::once(async {
            tokio::time::sleep(KEEP_ALIVE * 2 + KEEP_ALIVE / 2).await;
            Bytes::from_static(b"event")
        }));
        let sent: Vec<Bytes> = kept_alive(later).collect().await;
        assert_eq!(sent, [STILL_HERE, STILL_HERE, &b"event"[..]]);
    }

    #[tokio::test]
    async fn a_fault_of_the_gateway_ends_its_call() {
        let problem = ProblemDocument::new(super::super::problem::ProblemCode::Internal, "a bug");
        let heard = Heard {
            id: "call_1".to_owned(),
            name: "look".to_owned(),
            control: Arc::default(),
            work: Box::pin(std::future::ready(Err(problem))),
            started: None,
            delayed: None,
            ended: None,
            is_over: false,
        };
        let sent: Vec<Bytes> = unfold(heard, Heard::next).collect().await;
        let text = std::str::from_utf8(&sent[0]).unwrap();
        assert!(
            text.starts_with("event: problem\ndata: {\"tool_call_id\":\"call_1\",\"name\":\"look\""),
            "{text}"
        );
        assert!(text.contains("\"code\":\"internal\"") && sent.len() == 1, "{text}");
    }
}
