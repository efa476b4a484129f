//! A request for a turn in one of OpenAI's forms, from its arrival until the turn begins. The forms differ in how the body is
//! read and in how the turn is written.

use axum::extract::{FromRequest, FromRequestParts as _, Request};
use axum::http::{HeaderMap, HeaderName};
use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt as _};
use serde_json::Map;

use crate::agent::{AgentEvent, History, TextSource, TurnRequest};
use crate::executor::Seat;
use crate::server::body::RawBody;
use crate::server::dialects::header;
use crate::server::inbound::keys::Caller;
use crate::server::inbound::limit::Room;
use crate::server::problem::ProblemDocument;
use crate::server::state::AppState;

use super::errors::{NotAnswered, Refused};
use super::open::Head;
use super::request::Asked;

/// How the caller wants to hear of a failure: `error`, or `speech`, which is the default.
const ON_FAILURE: HeaderName = HeaderName::from_static("callgate-on-failure");

/// A request that has room, with its whole body.
pub(crate) struct Incoming {
    state: AppState,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
    /// Where a long body is read.
    seat: Option<Seat>,
}

impl FromRequest<AppState> for Incoming {
    type Rejection = ProblemDocument;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Self::Rejection> {
        let (mut parts, body) = request.into_parts();
        let caller = Caller::from_request_parts(&mut parts, state).await?;
        Room::from_request_parts(&mut parts, state).await?;
        let headers = parts.headers.clone();
        let RawBody(body, seat) = RawBody::from_request(Request::from_parts(parts, body), state).await?;
        Ok(Self { state: state.clone(), caller, headers, body, seat })
    }
}

/// A turn that has begun, and how its caller wants it to be written.
pub(super) struct Begun {
    /// Its events. If the caller wants errors, the words of `on_failure` are left out.
    pub(super) events: BoxStream<'static, AgentEvent>,
    /// The model, as the caller named it.
    pub(super) model: String,
    /// Whether the caller wants a failure as an error, and not in words.
    pub(super) raises: bool,
    pub(super) is_streamed: bool,
    pub(super) include_usage: bool,
}

impl Incoming {
    /// Begins the turn that the request asks for: `environment` is the one in its path, and `read` reads its body.
    ///
    /// # Errors
    ///
    /// The request is broken, there is no such agent, or there is no room for a turn.
    pub(super) fn begin(
        self,
        environment: Option<String>,
        read: impl FnOnce(&[u8]) -> Result<Asked, Refused>,
    ) -> Result<Begun, NotAnswered> {
        let Self { state, caller, headers, body, seat } = self;
        let head = Head::read(&state, caller, environment, &headers)?;
        let asked = read(&body)?;
        let agent = head.agent(&state, asked.model.as_deref())?;
        let conversation = head.conversation(asked.conversation_id)?;
        let raises = header(&headers, &ON_FAILURE).is_some_and(|wanted| wanted == "error");
        let model = asked.model.unwrap_or_else(|| agent.agent.name.clone());
        let request = TurnRequest {
            deadline: head.deadline(&agent),
            idempotency_key: head.idempotency_key.clone(),
            agent,
            conversation,
            history: History::Told(asked.messages),
            is_silent: false,
            tools: asked.tools,
            without_tools: asked.without_tools,
            product: asked.product,
            language: asked.language,
            variables: Map::new(),
            temperature: asked.temperature,
            max_tokens: asked.max_tokens,
        };
        // The turn looks through its history as it begins. Its calls take seats of their own later.
        let turn = head.begin(&state, request, None)?;
        drop(seat);
        let events = match raises {
            true => turn.filter(|event| std::future::ready(!is_apology(event))).boxed(),
            false => turn.boxed(),
        };
        let (is_streamed, include_usage) = (asked.is_streamed, asked.include_usage);
        Ok(Begun { events, model, raises, is_streamed, include_usage })
    }
}

fn is_apology(event: &AgentEvent) -> bool {
    matches!(event, AgentEvent::Text { source: TextSource::Failure, .. })
}
