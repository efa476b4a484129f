//! One interaction: what a request does in its conversation, and the traces that answer it.
//!
//! ```text
//! enter ─► launch ─► greeting, or a turn      variables are set; the conversation begins (anew)
//!       ─► answer ─► the next trace, or a turn   a custom trace waits and is answered
//!       ─► say    ─► a turn
//! ```

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use callgate_model::ToolOutput;
use futures_util::stream::StreamExt as _;
use serde_json::{Map, Value, json};

use crate::action::Kind;
use crate::agent::{
    AgentDesk, AgentStream, Carrier as _, History, LateResult, Origin, Product, Speaker, TurnRecord,
    TurnRequest, after_turns, begin, late_results, read_turns,
};
use crate::conversation::{Conversation, ConversationKey, StoreError};
use crate::executor::{
    ConversationChange, ConversationError, ConversationStart, Gateway, ServedAgent, ServedEnvironment,
};
use crate::server::agent::hands::Hands;
use crate::server::conversations::problem;
use crate::server::execution::check_running;
use crate::server::problem::{ProblemCode, ProblemDocument};
use crate::server::state::{AppState, no_room};
use crate::tool::random_u64;

use super::action::Action;
use super::asked::Asked;
use super::carriage::Carriage;
use super::place::Place;
use super::state;
use super::stops::Stops;
use super::teller::Teller;
use super::trace;

/// Where a conversation is kept.
#[derive(Clone, Debug)]
pub(super) enum Memory {
    /// In the store.
    Stored(ConversationKey),
    /// In the request.
    Carried(Arc<Carriage>),
}

/// The parties of an interaction and its place.
pub(super) struct Session {
    pub(super) state: AppState,
    pub(super) place: Place,
    pub(super) agent: Arc<ServedAgent>,
    pub(super) memory: Memory,
}

/// An interaction, trace by trace. If it is dropped before its end, the client has hung up.
pub(super) struct Telling {
    session: Session,
    teller: Teller,
    turn: Option<AgentStream>,
    ready: VecDeque<Value>,
    is_over: bool,
}

/// How an interaction goes on after it has entered its conversation.
enum Next {
    /// With these traces, and no turn.
    Told(Vec<Value>),
    /// With a turn of the agent.
    Turn(Vec<String>),
    /// With a call that the model has made before, which the client answers next: its tool and arguments.
    Called(String, String),
}

impl Session {
    /// Begins an interaction.
    ///
    /// # Errors
    ///
    /// A variable cannot be set, or there is no room; where the store fails, the answer to a custom trace is not taken.
    pub(super) async fn begin(self, asked: Asked) -> Result<Telling, ProblemDocument> {
        check_running(&self.state)?;
        let deployment = self.state.gateway().deployment();
        let served = deployment.environment(&self.agent.environment.name);
        let stops = Stops::new(&asked.config.stops, &self.agent, served);
        let tools = stops.tools.clone();
        let fixed = served.into_iter().flat_map(ServedEnvironment::offered);
        let fixed = fixed.filter(|served| matches!(served.action.kind, Kind::Static(_)));
        let fixed: BTreeSet<String> = fixed.map(|served| served.action.name.as_str().to_owned()).collect();
        drop(deployment);
        let in_pieces = self.place.in_pieces;
        let mut teller = Teller::new(asked.config, stops, self.place.level, in_pieces).with_fixed(fixed);
        let is_silent = asked.action.is_silence();
        let next = match self.entered(&asked.action, asked.variables).await {
            Ok(next) => next,
            // There is a person who waits. What the client answers, it can send again.
            Err(problem)
                if problem.code == ProblemCode::StoreUnavailable && asked.action.answer()?.is_none() =>
            {
                Next::Told(vec![trace::text(&self.apology().await)])
            }
            Err(problem) => return Err(problem),
        };
        let mut told = Vec::new();
        let mut turn = None;
        match next {
            Next::Told(traces) => told = traces,
            Next::Called(tool, arguments) => {
                teller.call(&tool, &arguments);
                teller.close(&mut told);
            }
            Next::Turn(said) => {
                let history = match &self.memory {
                    Memory::Stored(_) => History::Kept(said),
                    Memory::Carried(carriage) => History::Carried(carriage.clone(), said),
                };
                let request = TurnRequest {
                    agent: self.agent.clone(),
                    conversation: Some(self.key()),
                    history,
                    is_silent,
                    tools,
                    without_tools: false,
                    product: Product::Other,
                    language: self.place.language.clone(),
                    variables: Map::new(),
                    temperature: None,
                    max_tokens: None,
                    deadline: self.place.deadline(&self.agent),
                    idempotency_key: None,
                };
                turn = Some(self.turn(request)?);
            }
        }
        let ready = teller.shown(told).into();
        Ok(Telling { session: self, teller, turn, ready, is_over: false })
    }

    fn turn(&self, request: TurnRequest) -> Result<AgentStream, ProblemDocument> {
        let place = self.state.begin_calls(1)?.pop().ok_or_else(no_room)?;
        let hands = Hands::new(self.state.clone(), place);
        let desk = AgentDesk {
            gateway: self.gateway().clone(),
            tools: match &self.memory {
                Memory::Stored(_) => hands,
                Memory::Carried(carriage) => hands.carrying(carriage.clone()),
            },
            lists: self.state.agent_tools().clone(),
        };
        let origin = Origin {
            caller: self.place.caller.name().map(str::to_owned),
            owner: self.place.caller.owner().cloned(),
            trace: self.place.calls.trace(&self.state),
            source: None,
        };
        Ok(begin(desk, request, origin))
    }

    /// Enters the conversation, and returns how it goes on.
    async fn entered(
        &self,
        action: &Action,
        variables: Option<Map<String, Value>>,
    ) -> Result<Next, ProblemDocument> {
        match self.enter(action, variables).await? {
            true => self.next(action).await,
            false => Ok(Next::Told(Vec::new())),
        }
    }

    /// The words for a turn that nobody can answer.
    async fn apology(&self) -> String {
        let speaker = Speaker {
            gateway: self.gateway(),
            agent: &self.agent,
            conversation: &self.key(),
            variables: &Map::new(),
            language: self.place.language.as_deref(),
        };
        speaker.apology().await
    }

    /// Sets the variables, and begins the conversation if it has not begun. Returns whether the conversation goes on.
    async fn enter(
        &self,
        action: &Action,
        variables: Option<Map<String, Value>>,
    ) -> Result<bool, ProblemDocument> {
        let key = match &self.memory {
            Memory::Stored(key) => key,
            // They were set when the state was opened.
            Memory::Carried(carriage) => return Ok(!carriage.carried().conversation().has_ended()),
        };
        let variables = variables.unwrap_or_default();
        let known = match self.gateway().find_conversation(key).await {
            Ok(known) if known.has_ended() && action.is_launch() => {
                // A launch after the end begins anew, under the same id.
                forget(self.gateway(), key).await?;
                None
            }
            Ok(known) if known.has_ended() => return Ok(false),
            Ok(known) => Some(known),
            Err(ConversationError::NotFound(_)) => None,
            Err(error) => return Err(problem(error)),
        };
        let Some(known) = known else {
            start(self.gateway(), key, variables, None, self.place.caller.name()).await?;
            return Ok(true);
        };
        let seen = self.gateway().seen_variables(&known).await;
        let mut change = state::change(variables, Some(&known), &seen);
        let initial = self.initial_state();
        let is_there = known.state.is_none() || known.state == initial;
        change.current_state = initial.filter(|_| action.is_launch() && !is_there);
        if state::is_nothing(&change) {
            return Ok(true);
        }
        match self.gateway().change_conversation(key, change).await {
            Ok(_) => Ok(true),
            // The conversation has ended meanwhile.
            Err(ConversationError::Ended) => Ok(false),
            Err(error) => Err(problem(error)),
        }
    }

    async fn next(&self, action: &Action) -> Result<Next, ProblemDocument> {
        let turns = self.turns().await?;
        let has_begun = turns.iter().any(|turn| !turn.begins || !turn.steps.is_empty());
        if action.is_launch() || action.is_null() && !has_begun {
            return self.launch(&turns).await;
        }
        if let Some(turn) = turns.last()
            && let Some(waiting) = turn.waiting().next()
            && let Some(answer) = action.answer()?
        {
            let output = ToolOutput {
                call_id: waiting.place.id.clone(),
                name: waiting.name.clone(),
                content: answer.content,
                is_error: answer.is_error,
            };
            let late = LateResult { step: waiting.place.step, output };
            self.add_turn(&late_results(&turn.id, &[late])).await?;
            return Ok(match turn.waiting().nth(1) {
                Some(next) => Next::Called(next.name.clone(), next.arguments.clone()),
                None => Next::Turn(Vec::new()),
            });
        }
        let said = action.said()?;
        if turns.is_empty() {
            // Distinguishes later calls from earlier ones under the same id.
            self.begin_anew(&turns, None).await?;
        }
        Ok(Next::Turn(said.into_iter().collect()))
    }

    /// Begins the conversation, or begins it anew: with the agent's greeting, else with the model's words.
    async fn launch(&self, turns: &[TurnRecord]) -> Result<Next, ProblemDocument> {
        let known = self.conversation().await.map_err(problem)?;
        let greeting = self.greeting(known.as_deref());
        self.begin_anew(turns, greeting.as_deref()).await?;
        Ok(match greeting {
            Some(greeting) => Next::Told(vec![trace::text(&greeting)]),
            None => Next::Turn(Vec::new()),
        })
    }

    fn greeting(&self, known: Option<&Conversation>) -> Option<String> {
        let greeting = self.agent.agent.greeting.as_ref()?;
        let variables = self.gateway().turn_variables(&self.agent.environment, known, Map::new()).ok()?;
        let of_conversation = || variables.get("conversation")?.get("language")?.as_str();
        let language = self.place.language.as_deref().or_else(of_conversation);
        Gateway::words(&self.agent, greeting, language, &variables)
    }

    /// Forgets what was said before.
    async fn begin_anew(&self, turns: &[TurnRecord], greeting: Option<&str>) -> Result<(), ProblemDocument> {
        match &self.memory {
            Memory::Stored(key) => begin_anew(self.gateway(), key, &self.agent.agent.name, greeting).await,
            Memory::Carried(carriage) => {
                // The same request with the same state is the same beginning.
                let id = format!("begin{}", after_turns(turns));
                carriage.begin_anew();
                carriage.add_turn(&TurnRecord::beginning(id, &self.agent.agent.name, greeting).to_text());
                Ok(())
            }
        }
    }

    async fn turns(&self) -> Result<Vec<TurnRecord>, ProblemDocument> {
        let texts = match &self.memory {
            Memory::Stored(key) => self.gateway().store().turns(key).await.map_err(unavailable)?,
            Memory::Carried(carriage) => carriage.turns(),
        };
        Ok(read_turns(&texts))
    }

    async fn add_turn(&self, text: &str) -> Result<(), ProblemDocument> {
        match &self.memory {
            Memory::Stored(key) => add_turn(self.gateway(), key, text).await,
            Memory::Carried(carriage) => {
                carriage.add_turn(text);
                Ok(())
            }
        }
    }

    /// The conversation; `None` if it is gone.
    pub(super) async fn conversation(&self) -> Result<Option<Arc<Conversation>>, ConversationError> {
        match &self.memory {
            Memory::Stored(key) => found(self.gateway(), key).await,
            Memory::Carried(carriage) => Ok(Some(carriage.carried().conversation().clone())),
        }
    }

    /// The state that the client is told; empty where it is not known.
    pub(super) async fn shown_state(&self) -> Value {
        match self.conversation().await {
            Ok(Some(known)) => state::shown(self.gateway(), &known, &self.agent.agent.name).await,
            Ok(None) => json!({}),
            Err(error) => {
                tracing::warn!(%error, "a state is not told");
                json!({})
            }
        }
    }

    fn key(&self) -> ConversationKey {
        match &self.memory {
            Memory::Stored(key) => key.clone(),
            Memory::Carried(carriage) => carriage.key(),
        }
    }

    fn gateway(&self) -> &Gateway {
        self.state.gateway()
    }

    fn initial_state(&self) -> Option<String> {
        self.gateway().deployment().conversations().initial_state.clone()
    }

    /// The last trace: the end of the conversation, or how long the client waits for the person.
    async fn last(&self, teller: &Teller) -> Vec<Value> {
        if teller.has_ended() {
            match &self.memory {
                Memory::Stored(key) => {
                    let ended = self.gateway().end_conversation(key, self.place.caller.name()).await;
                    if let Err(error) = ended {
                        tracing::warn!(%error, "a conversation is not ended");
                    }
                }
                Memory::Carried(carriage) => carriage.end(),
            }
            return vec![trace::end()];
        }
        let known = match self.conversation().await {
            Ok(known) => known,
            Err(error) => {
                tracing::warn!(%error, "nobody knows whether a conversation is over");
                return Vec::new();
            }
        };
        match known {
            Some(known) if known.has_ended() => vec![trace::end()],
            // It was forgotten meanwhile.
            None => vec![trace::end()],
            Some(_) if teller.waits() => Vec::new(),
            Some(known) => patience(&known).map(trace::no_reply).into_iter().collect(),
        }
    }
}

/// How long the client waits for the person: the variable `conversation.no_reply_seconds`.
fn patience(known: &Conversation) -> Option<f64> {
    let variable = known.variables.get("conversation.no_reply_seconds")?;
    let seconds = match &variable.value {
        Value::String(text) => text.trim().parse().ok()?,
        value => value.as_f64()?,
    };
    Some(seconds).filter(|seconds: &f64| *seconds > 0.0 && seconds.is_finite())
}

/// A conversation; `None` if it does not exist.
///
/// # Errors
///
/// The store's own.
pub(super) async fn found(
    gateway: &Gateway,
    key: &ConversationKey,
) -> Result<Option<Arc<Conversation>>, ConversationError> {
    match gateway.find_conversation(key).await {
        Ok(known) => Ok(Some(known)),
        Err(ConversationError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Begins a conversation as `POST /v1/conversations` does.
///
/// # Errors
///
/// A variable cannot be set, or the store's own.
pub(super) async fn start(
    gateway: &Gateway,
    key: &ConversationKey,
    variables: Map<String, Value>,
    current_state: Option<String>,
    caller: Option<&str>,
) -> Result<Arc<Conversation>, ProblemDocument> {
    let ConversationChange { variables, .. } = state::change(variables, None, &Default::default());
    let start = ConversationStart {
        key: key.clone(),
        ttl: None,
        variables,
        current_state,
        caller: caller.map(str::to_owned),
    };
    let started = gateway.start_conversation(start).await.map_err(problem)?;
    Ok(started.conversation)
}

/// Erases a conversation, if it is there.
///
/// # Errors
///
/// The store's own.
pub(super) async fn forget(gateway: &Gateway, key: &ConversationKey) -> Result<(), ProblemDocument> {
    match gateway.forget_conversation(key).await {
        Ok(()) | Err(ConversationError::NotFound(_)) => Ok(()),
        Err(error) => Err(problem(error)),
    }
}

/// Forgets what was said in a conversation. If there is a `greeting`, the agent has said it.
///
/// # Errors
///
/// The conversation is not there, or the store's own.
pub(super) async fn begin_anew(
    gateway: &Gateway,
    key: &ConversationKey,
    agent: &str,
    greeting: Option<&str>,
) -> Result<(), ProblemDocument> {
    let part = || random_u64().unwrap_or_default();
    let id = format!("begin{:016x}{:016x}", part(), part());
    add_turn(gateway, key, &TurnRecord::beginning(id, agent, greeting).to_text()).await
}

async fn add_turn(gateway: &Gateway, key: &ConversationKey, text: &str) -> Result<(), ProblemDocument> {
    let is_there = gateway.store().add_turn(key, text).await.map_err(unavailable)?;
    match is_there {
        true => Ok(()),
        false => Err(problem(ConversationError::NotFound(key.clone()))),
    }
}

fn unavailable(error: StoreError) -> ProblemDocument {
    problem(ConversationError::Store(error))
}

impl Telling {
    /// The next trace; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(trace) = self.ready.pop_front() {
                return Some(trace);
            }
            if self.is_over {
                return None;
            }
            match &mut self.turn {
                Some(turn) => match turn.next().await {
                    Some(event) => self.ready.extend(self.teller.told(event)),
                    None => self.turn = None,
                },
                None => {
                    self.is_over = true;
                    let last = self.session.last(&self.teller).await;
                    self.ready.extend(self.teller.shown(last));
                }
            }
        }
    }

    /// All traces.
    pub(super) async fn all(&mut self) -> Vec<Value> {
        let mut traces = Vec::new();
        while let Some(trace) = self.next().await {
            traces.push(trace);
        }
        traces
    }

    /// The session.
    pub(super) fn session(&self) -> &Session {
        &self.session
    }
}
