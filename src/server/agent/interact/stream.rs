//! `POST /v2/project/{projectID}/user/{userID}/interact/stream`: traces as they come, as server-sent events.
//!
//! ```text
//! retry: 2000
//!
//! event: trace
//! id: 1
//! data: {"type": "text", …}
//!
//! event: end
//! id: 2
//! data: {}
//! ```

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{StreamExt as _, once, unfold};
use serde_json::{Value, json};

use crate::server::agent::event_stream::event_stream;
use crate::server::body::Segments;
use crate::server::inbound::limit::Room;
use crate::server::inbound::whose;
use crate::server::problem::ProblemDocument;
use crate::server::state::AppState;

use super::asked::{Asked, Members};
use super::errors::{Envelope, Verror};
use super::place::{InteractQuery, Place};
use super::session::{Memory, Session, Telling};

/// After how many milliseconds a client that lost the stream may connect again.
const RETRY: &[u8] = b"retry: 2000\n\n";

/// Answers a user, trace by trace.
///
/// Events: `trace`, then `state` with `state=true`, and `end` as the last. Their ids count up from 1.
#[utoipa::path(
    post, path = "/v2/project/{projectID}/user/{userID}/interact/stream", tag = "interact",
    request_body(content = Object, description = "`{action, variables, config}`"),
    params(
        ("projectID" = String, Path, description = "the agent; of any name where the environment has only one"),
        ("userID" = String, Path, description = "the user, whose id is the conversation's"),
        ("environment" = Option<String>, Query, description = "the environment; `development` where left out, if it is served"),
        ("completion_events" = Option<String>, Query, description = "`true` tells what the model says piece by piece, as `completion` traces"),
        ("state" = Option<String>, Query, description = "`true` tells the state at the end"),
        InteractQuery,
    ),
    responses(
        (status = 200, description = "the events", body = String, content_type = "text/event-stream"),
        (status = 400, description = "the request is wrong", body = Verror),
        (status = "4XX", description = "there is no such environment or agent, or the key is not known or calls too often", body = Envelope),
        (status = "5XX", description = "there is no room, or the store is out of reach", body = Envelope),
    ),
    security((), ("key" = []))
)]
pub(crate) async fn interact(
    State(app): State<AppState>,
    place: Place,
    _: Room,
    Segments(project, user): Segments,
    Members(members): Members,
) -> Result<Response, ProblemDocument> {
    let environment = place.environment_of_stream(&app)?;
    let agent = place.agent(&app, &environment, Some(&project))?;
    let key = whose::conversation(place.caller.scope(&environment), &user)?;
    let asked = Asked::read(members)?;
    let with_state = place.with_state;
    let session = Session { state: app, place, agent, memory: Memory::Stored(key) };
    let telling = session.begin(asked).await?;
    let events = Events { telling, with_state, id: 0, stage: Stage::Traces };
    let rest = unfold(events, |mut events| async move { Some((events.next().await?, events)) });
    Ok(event_stream(once(std::future::ready(Bytes::from_static(RETRY))).chain(rest)))
}

/// The events of a stream.
struct Events {
    telling: Telling,
    with_state: bool,
    /// The number of the last event.
    id: u64,
    stage: Stage,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Traces,
    End,
    Over,
}

impl Events {
    async fn next(&mut self) -> Option<Bytes> {
        if self.stage == Stage::Traces {
            if let Some(trace) = self.telling.next().await {
                return Some(self.event("trace", &trace));
            }
            self.stage = Stage::End;
            if self.with_state {
                let state = self.telling.session().shown_state().await;
                return Some(self.event("state", &state));
            }
        }
        if self.stage == Stage::Over {
            return None;
        }
        self.stage = Stage::Over;
        Some(self.event("end", &json!({})))
    }

    fn event(&mut self, kind: &str, data: &Value) -> Bytes {
        self.id += 1;
        format!("event: {kind}\nid: {}\ndata: {data}\n\n", self.id).into()
    }
}
