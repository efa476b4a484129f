//! A phone call: the frames from Retell over one connection, and the answers to them.

use std::future::pending;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::agent::{
    APOLOGY, AgentEvent, AgentStream, CallerTool, History, Origin, Product, Speaker, TurnRequest,
};
use crate::conversation::ConversationKey;
use crate::egress::Deadline;
use crate::executor::ServedAgent;
use crate::server::agent::open::{begin_turn, is_taken};
use crate::server::problem::ProblemDocument;
use crate::server::state::AppState;
use crate::server::websocket::{Closing, Received, Socket};
use crate::tool::TraceContext;

use super::answer::{Answer, END_CALL};
use super::details::Details;
use super::frames::{self, Asked, Piece, Told};
use super::transcript::{history, is_unintelligible};

/// How long the first words wait for the facts of the call. Retell sends them at once.
const FOR_DETAILS: Duration = Duration::from_secs(1);
/// A connection that brings nothing for so long is closed. Retell sends a ping every 2 seconds, and connects again after 5.
const SILENCE: Duration = Duration::from_secs(60);
/// How long a long frame waits for a seat. Pings wait with it.
const FOR_A_SEAT: Duration = Duration::from_secs(1);

/// A phone call that was let in.
#[derive(Clone)]
pub(super) struct PhoneCall {
    pub(super) state: AppState,
    /// The environment.
    pub(super) environment: String,
    /// The agent that answers.
    pub(super) agent: String,
    /// The conversation; its id is that of the call.
    pub(super) conversation: ConversationKey,
    /// Whether the model may end the call.
    pub(super) may_end_call: bool,
}

/// Speaks with Retell until the connection ends.
pub(super) async fn talk<S: AsyncRead + AsyncWrite + Unpin>(call: PhoneCall, mut socket: Socket<S>) {
    let mut session = Session::new(call);
    let closing = session.run(&mut socket).await;
    // Nobody waits any more for what is still under way.
    drop(session);
    tracing::debug!(?closing, "a connection of Retell's ends");
    socket.close(closing).await;
}

struct Session {
    call: PhoneCall,
    details: Details,
    /// Whether Retell has the first words, the answer to request 0. It waits for them.
    has_begun: bool,
    /// The latest request.
    latest: Option<u64>,
    /// The turn that answers it. To drop it is to hang up on it.
    turn: Option<(Answer, AgentStream)>,
    words: Option<Words>,
    /// Whether new turns are refused.
    is_stopping: bool,
}

/// Words on their way that belong to no turn.
struct Words {
    /// The request that they answer.
    id: u64,
    making: Pin<Box<dyn Future<Output = String> + Send>>,
}

/// The cases in which an agent speaks without its model.
#[derive(Clone, Copy)]
enum Occasion {
    Greeting,
    Apology,
}

impl Session {
    fn new(call: PhoneCall) -> Self {
        Self {
            call,
            details: Details::default(),
            has_begun: false,
            latest: None,
            turn: None,
            words: None,
            is_stopping: false,
        }
    }

    /// Runs until one side ends the connection; returns how.
    async fn run<S: AsyncRead + AsyncWrite + Unpin>(&mut self, socket: &mut Socket<S>) -> Closing {
        let mut stopped = pin!(self.call.state.stopped());
        let mut for_details = pin!(sleep(FOR_DETAILS));
        let mut silence = pin!(sleep(SILENCE));
        socket.send(frames::config());
        loop {
            if self.is_stopping && self.turn.is_none() && self.words.is_none() {
                // A code would make Retell end the call: 1000 hangs up, any other one is an error. If the line is cut, Retell
                // connects again, to another gateway.
                return Closing::Cut;
            }
            let has_room = socket.has_room();
            let waits = !self.has_begun && self.words.is_none();
            tokio::select! {
                // A new frame may make the current answer stale.
                biased;
                received = socket.receive() => {
                    silence.as_mut().reset(Instant::now() + SILENCE);
                    match received {
                        Received::Text(text) => self.told(&text, socket).await,
                        Received::Room => {}
                        Received::Gone => return Closing::Answered,
                        Received::Binary => return Closing::Code(CloseCode::Invalid),
                        Received::Broken(code) => return Closing::Code(code),
                    }
                }
                () = &mut stopped, if !self.is_stopping => self.is_stopping = true,
                event = next_event(&mut self.turn), if has_room => self.happened(event, socket),
                (id, words) = made(&mut self.words), if has_room => {
                    self.words = None;
                    self.has_begun |= id == 0;
                    socket.send(Piece { id, content: &words, is_last: true, ..Piece::default() }.frame());
                }
                () = &mut for_details, if waits => self.greet(),
                () = &mut silence => return Closing::Cut,
            }
        }
    }

    /// Takes a frame from Retell.
    async fn told<S: AsyncRead + AsyncWrite + Unpin>(&mut self, text: &str, socket: &mut Socket<S>) {
        // It is read even without a seat: a transcript is as long as the call.
        let seat = self.call.state.gateway().seat(text.len(), Deadline::after(FOR_A_SEAT)).await;
        let told = Told::read(text);
        drop(seat);
        match told {
            Ok(Told::Ping(timestamp)) => socket.send_first(frames::pong(&timestamp)),
            Ok(Told::Details(call)) => {
                self.details = Details::read(&call);
                if !self.has_begun && self.words.is_none() {
                    self.greet();
                }
            }
            Ok(Told::Asked(asked)) => self.asked(asked, socket),
            Ok(Told::Update) => {}
            Ok(Told::Other) => tracing::debug!("a frame of Retell's is of a kind that is not known here"),
            Err(cause) => tracing::warn!(cause, "a frame of Retell's was passed over: it cannot be read"),
        }
    }

    /// Answers a request of Retell's. The request before it no longer counts.
    fn asked<S: AsyncRead + AsyncWrite + Unpin>(&mut self, asked: Asked, socket: &mut Socket<S>) {
        if self.latest.is_some_and(|latest| asked.id <= latest) {
            tracing::debug!(asked.id, "a request of Retell's was passed over: a later one came before it");
            return;
        }
        self.latest = Some(asked.id);
        self.turn = None;
        self.words = None;
        if !std::mem::replace(&mut self.has_begun, true) && asked.id != 0 {
            // The conversation has begun without the first words.
            socket.send(Piece { id: 0, is_last: true, ..Piece::default() }.frame());
        }
        if self.is_stopping {
            return;
        }
        let id = asked.id;
        let Some(agent) = self.agent() else {
            let agent = self.call.agent.as_str();
            tracing::warn!(
                agent,
                "a phone call goes on without its agent: there is none of this name any more"
            );
            self.words = Some(Words { id, making: Box::pin(std::future::ready(APOLOGY.to_owned())) });
            return;
        };
        match self.begin(agent.clone(), asked) {
            Ok(stream) => self.turn = Some((Answer::new(id), stream)),
            Err(problem) => {
                tracing::warn!(cause = problem.detail, "an agent could not begin to answer");
                self.say(id, agent, Occasion::Apology);
            }
        }
    }

    fn begin(&self, agent: Arc<ServedAgent>, asked: Asked) -> Result<AgentStream, ProblemDocument> {
        let Asked { transcript, is_reminder, .. } = asked;
        let is_silent = is_reminder || is_unintelligible(&transcript);
        let keeps_system = agent.agent.keeps_system_messages;
        let ends = self.call.may_end_call && !is_taken(&self.call.state, &agent, END_CALL);
        let request = TurnRequest {
            conversation: Some(self.call.conversation.clone()),
            history: History::Told(history(transcript, keeps_system, is_reminder)),
            is_silent,
            tools: ends.then(end_call).into_iter().collect(),
            without_tools: false,
            product: Product::Retell,
            language: self.details.language.clone(),
            variables: self.details.variables.clone(),
            temperature: None,
            max_tokens: None,
            deadline: Deadline::after(agent.agent.limits.timeout),
            idempotency_key: None,
            agent,
        };
        let state = &self.call.state;
        // Without random numbers there is no id, and no trace.
        let trace = state.is_tracing().then(|| TraceContext::begin(None, None).ok()).flatten();
        let origin = Origin { caller: Some("retell".to_owned()), owner: None, trace, source: None };
        begin_turn(state, request, origin)
    }

    /// Takes an event of the turn.
    fn happened<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        event: Option<AgentEvent>,
        socket: &mut Socket<S>,
    ) {
        let Some((answer, _)) = &mut self.turn else { return };
        let is_over = matches!(event, None | Some(AgentEvent::Done { .. }));
        let frames = event.map(|event| answer.frames(event)).unwrap_or_default();
        let last = is_over.then(|| answer.close()).flatten();
        frames.into_iter().chain(last).for_each(|frame| socket.send(frame));
        if is_over {
            self.turn = None;
        }
    }

    /// Starts to make the first words.
    fn greet(&mut self) {
        match self.agent() {
            Some(agent) => self.say(0, agent, Occasion::Greeting),
            None => self.words = Some(Words { id: 0, making: Box::pin(std::future::ready(String::new())) }),
        }
    }

    fn say(&mut self, id: u64, agent: Arc<ServedAgent>, occasion: Occasion) {
        let (call, details) = (self.call.clone(), self.details.clone());
        let making = async move {
            let speaker = Speaker {
                gateway: call.state.gateway(),
                agent: &agent,
                conversation: &call.conversation,
                variables: &details.variables,
                language: details.language.as_deref(),
            };
            match occasion {
                Occasion::Greeting => speaker.greeting().await.unwrap_or_default(),
                Occasion::Apology => speaker.apology().await,
            }
        };
        self.words = Some(Words { id, making: Box::pin(making) });
    }

    /// The agent of the current deployment.
    fn agent(&self) -> Option<Arc<ServedAgent>> {
        let deployment = self.call.state.gateway().deployment();
        deployment.environment(&self.call.environment)?.agent(&self.call.agent).cloned()
    }
}

/// The next event of the turn. If there is no turn, this never resolves.
async fn next_event(turn: &mut Option<(Answer, AgentStream)>) -> Option<AgentEvent> {
    match turn {
        Some((_, stream)) => stream.next().await,
        None => pending().await,
    }
}

/// The words on their way. If there are none, this never resolves.
async fn made(words: &mut Option<Words>) -> (u64, String) {
    match words {
        Some(Words { id, making }) => (*id, making.as_mut().await),
        None => pending().await,
    }
}

/// The tool by which the model ends the call. Most models give either words or a call, so the tool takes words of its own
/// (Retell, "Add function calling").
fn end_call() -> CallerTool {
    let description =
        "Ends the phone call. Only when the caller has clearly said goodbye, or has asked to hang up.";
    let parameters = json!({
        "type": "object",
        "properties": {"message": {"type": "string", "description": "What to say before the call ends."}},
        "required": ["message"],
        "additionalProperties": false,
    });
    let written = json!({
        "type": "function",
        "function": {"name": END_CALL, "description": description, "parameters": parameters},
    });
    let written = RawValue::from_string(written.to_string()).unwrap_or_default();
    CallerTool {
        name: END_CALL.to_owned(),
        description: description.to_owned(),
        parameters,
        written: Arc::from(written),
    }
}
