//! A turn: the model is asked, its calls are run, and it is asked again, until it has nothing left to call.
//!
//! ```text
//! recall ─► settle ─► instruct ─► ask ─► run ─► ask ─► … ─► end
//! history   writes    prompt      model  calls             kept, told
//! ```

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use callgate_model::{Assistant, Call, Finish, Message, Provider, Reply, ToolChoice, ToolOutput, Usage};
use data_encoding::HEXLOWER;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use crate::conversation::{Conversation, ConversationKey, DEFAULT_TTL, now_ms};
use crate::definition::Writes;
use crate::dialect::{Outcome, content};
use crate::egress::Deadline;
use crate::executor::{
    Deployment, Gateway, ServedAction, ServedAgent, ServedEnvironment, TurnReport, content_of,
    shown_arguments,
};
use crate::tool::{Delivery, Effect, FailureCode, Handover, Scope, ToolCall, ToolCallIds, random_bytes};

use super::ask::{Answered, NoAnswer, Question, ask};
use super::calls::{Fillers, InFlight, next_ended};
use super::greeting::APOLOGY;
use super::handover;
use super::history::{self, Spliced};
use super::record::{self, CallPlace, LateResult, PassedCall, TurnRecord};
use super::request::{
    AgentEvent, CallerTool, Carrier, History, Origin, Product, RoundReport, TextSource, TurnFailure,
    TurnFinish, TurnRequest,
};
use super::specs::AgentTools;
use super::stream::{AgentStream, BUFFERED};
use super::tools::Tools;
use super::voice::Voice;

/// What a caller hears if the model fails after a write was made: one who tries again may have the work done twice.
const MAY_BE_DONE: &str =
    "I am sorry, something went wrong before I could answer. What you asked for may be done already.";
/// What a caller hears if a tool has failed and the model has no words for it.
const TOOL_FAILED: &str = "I am sorry, that did not work. Please try again in a moment.";
/// What the caller hears instead where the call may have worked. A caller who tries again may have the work done twice.
const MAY_HAVE_WORKED: &str = "I am sorry, I cannot tell for certain whether that worked.";
/// Longest wait for the result of a write that an earlier try has sent.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// How often the store is asked for it.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
/// The least time there is for keeping a turn, even past its deadline.
const KEEPING: Duration = Duration::from_millis(500);
/// What the model is told of a write that waits for the next turn.
const PROPOSED: &str = r#"{"status":"pending","message":"This is not done yet. It is done as soon as the caller has heard you and goes on. Tell the caller in one sentence what you are about to do, and do not say that it is done."}"#;
/// What the model is told of a write that cannot be proposed for now.
const NOT_PROPOSED: &str = "This cannot be done right now; nothing was done. It may be tried again later.";
/// A call that fails so often with the same arguments is not made again.
const SAME_FAILURES: u32 = 2;
/// Most time that is kept for the model to say what came of its calls.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What all turns share.
#[derive(Clone)]
pub struct AgentDesk<T> {
    /// Executes calls and reaches models.
    pub gateway: Gateway,
    /// Executes the calls of turns.
    pub tools: T,
    /// The tools, as models take them.
    pub lists: Arc<AgentTools>,
}

/// Begins a turn. It runs while the stream is polled.
pub fn begin<T: Tools>(desk: AgentDesk<T>, request: TurnRequest, origin: Origin) -> AgentStream {
    let (sender, events) = mpsc::channel(BUFFERED);
    let turn = Turn::new(desk, request, origin, sender);
    AgentStream::new(events, turn.run())
}

/// A turn on its way. Dropped before its end, it keeps what it knows, and what comes of the calls that were sent.
struct Turn<T: Tools> {
    desk: AgentDesk<T>,
    request: TurnRequest,
    origin: Origin,
    /// What is served; the turn keeps it to its end.
    deployment: Arc<Deployment>,
    conversation: Option<Arc<Conversation>>,
    /// What the model may see of the variables.
    variables: Map<String, Value>,
    /// What was said before this turn, as the model has to see it.
    past: Vec<Message>,
    record: TurnRecord,
    /// What is said in the round that goes on.
    said: String,
    /// The calls of the round that are under way.
    in_flight: Vec<InFlight<T::Waiting>>,
    /// The calls of the round, and what the model is told of each.
    round: Vec<RoundCall>,
    /// The earlier turn whose calls are the round, while they are made up for.
    settling: Option<String>,
    /// How many times each call was made in this turn.
    made: Counts,
    /// Results that the caller has not heard of yet.
    waiting: Vec<T::Waiting>,
    voice: Voice,
    usage: Usage,
    /// The model that is asked.
    model: usize,
    /// How often a call has failed in this turn.
    failures: HashMap<[u8; 32], u32>,
    /// Whether the model gets no more tools.
    has_given_up: bool,
    /// Whether a failed call may have had its effect.
    is_uncertain: bool,
    /// Whether a write was made, or may have been.
    has_written: bool,
    is_ended: bool,
    /// Whether anything is kept of the conversation.
    has_past: bool,
}

/// How many times a call was made, by what it does. A write counts within its step: a later step that makes the same
/// write repeats it. A read counts over the whole turn: a later one asks again.
type Counts = HashMap<(Option<usize>, [u8; 32]), u32>;

/// A call of a round.
struct RoundCall {
    call: Call,
    /// The step of the turn that makes it.
    step: usize,
    /// What the model is told; `None` while it runs, and for a call that the caller answers.
    output: Option<ToolOutput>,
    handover: Option<Handover>,
}

/// What is to be done with a call.
enum Plan {
    Run(Box<ToolCall>),
    Pass,
    Propose,
    Refuse(String),
}

/// Why a turn ends without an answer.
struct Failed {
    code: &'static str,
    cause: String,
}

impl<T: Tools> Turn<T> {
    fn new(
        desk: AgentDesk<T>,
        mut request: TurnRequest,
        origin: Origin,
        events: mpsc::Sender<AgentEvent>,
    ) -> Self {
        let deployment = desk.gateway.deployment();
        if let History::Told(history) = &mut request.history {
            *history = history::joined(std::mem::take(history));
        }
        let (heard, after, intent) = match &request.history {
            History::Told(history) => {
                (history::heard(history), history::after(history), intent_of(history, &request))
            }
            History::Kept(heard) | History::Carried(_, heard) => (heard.clone(), Vec::new(), String::new()),
        };
        let record = TurnRecord {
            id: random_id(),
            agent: request.agent.agent.name.clone(),
            at_ms: now_ms(),
            heard,
            after,
            intent,
            ..TurnRecord::default()
        };
        let voice = Voice::new(events, request.product);
        Self {
            desk,
            request,
            origin,
            deployment,
            conversation: None,
            variables: Map::new(),
            past: Vec::new(),
            record,
            said: String::new(),
            in_flight: Vec::new(),
            round: Vec::new(),
            settling: None,
            made: Counts::new(),
            waiting: Vec::new(),
            voice,
            usage: Usage::default(),
            model: 0,
            failures: HashMap::new(),
            has_given_up: false,
            is_uncertain: false,
            has_written: false,
            is_ended: false,
            has_past: false,
        }
    }

    async fn run(mut self) {
        let answered = AssertUnwindSafe(self.answer()).catch_unwind().await;
        let answered = answered.unwrap_or_else(|_| {
            // A bug of ours; whoever waits must hear of it all the same.
            Err(Failed { code: "internal", cause: "the turn panicked".to_owned() })
        });
        self.end(answered).await;
    }

    async fn answer(&mut self) -> Result<TurnFinish, Failed> {
        self.recall().await?;
        let agent = self.request.agent.clone();
        let system = self.desk.gateway.instructions(&agent, &self.variables);
        let system = system.map_err(|error| Failed {
            code: "instructions",
            cause: format!("the instructions cannot be filled in: {}", error.message),
        })?;
        let most = agent.agent.limits.max_rounds;
        for round in 1..=most {
            let is_last = round == most || self.has_given_up || self.request.without_tools;
            let choice = if is_last { ToolChoice::None } else { ToolChoice::Auto };
            let answered = self
                .ask(&agent, &system, choice)
                .await
                .map_err(|no_answer| Failed { code: no_answer.code, cause: no_answer.cause })?;
            let Answered { reply, model, first_token_ms, took_ms } = answered;
            let Reply { assistant, refused, finish, usage } = reply;
            self.usage += usage.unwrap_or_default();
            let calls = if is_last { Vec::new() } else { assistant.calls.clone() };
            let names = calls.iter().map(|call| call.name.clone()).collect();
            let report = RoundReport { round, model, first_token_ms, took_ms, calls: names };
            self.voice.tell(AgentEvent::Round(report)).await;
            let refused = refused.into_iter().map(|refused| (refused.call.id, refused.why)).collect();
            if calls.is_empty() {
                // Silence after a tool: the model is asked once more, for words only.
                if self.said.trim().is_empty() && round > 1 && !is_last {
                    self.has_given_up = true;
                    continue;
                }
                return self.finish_with(assistant, finish);
            }
            if let Some(finish) = self.run_round(Assistant { calls, ..assistant }, refused).await? {
                return Ok(finish);
            }
        }
        Err(Failed { code: "no_answer", cause: format!("the model gave no answer in {most} rounds") })
    }

    /// What was said before: the history with its hidden rounds, and the writes that its turns proposed.
    async fn recall(&mut self) -> Result<(), Failed> {
        let mut turns = Vec::new();
        let mut is_recalled = true;
        if let Some(carrier) = self.carrier() {
            self.conversation = Some(carrier.carried().conversation().clone());
            turns = read(&self.desk.gateway, &carrier.turns()).await;
        } else if let Some(key) = self.request.conversation.clone() {
            let kept = self.kept(&key).await;
            is_recalled = kept.is_some();
            turns = kept.unwrap_or_default();
        } else if let History::Told(history) = &self.request.history {
            let history = history.clone();
            turns = self.noted(&history).await;
        }
        self.record.since = record::beginning(&turns).to_owned();
        self.has_past = !turns.is_empty();
        self.see_variables()?;
        let is_silent = self.request.is_silent;
        match &self.request.history {
            History::Told(history) => {
                let mut history = history.clone();
                // Retell sends none: what stands there is the gateway's own.
                let keeps = self.request.agent.agent.keeps_system_messages;
                if !keeps && self.request.product != Product::Retell {
                    history.retain(|message| !matches!(message, Message::System(_)));
                }
                let mut spliced = splice(&self.desk.gateway, &history, &turns, &self.record.intent).await;
                if self.wait_for(&mut turns, &spliced.broken_off).await {
                    spliced = splice(&self.desk.gateway, &history, &turns, &self.record.intent).await;
                }
                // Without new words, nothing shows that the caller goes on.
                if is_silent || history::is_silent(&history) {
                    spliced.standing.clear();
                }
                if self.settle(&mut turns, &spliced).await {
                    spliced = splice(&self.desk.gateway, &history, &turns, &self.record.intent).await;
                }
                self.record.retries = spliced.earlier_try.map(|turn| turns[turn].id.clone());
                self.past = spliced.messages;
            }
            History::Kept(heard) | History::Carried(_, heard) => {
                // Without its turns the conversation would look new, and its writes would be other ones.
                if !is_recalled {
                    let cause = "the store does not answer, and only it knows what was said".to_owned();
                    return Err(Failed { code: "store_unavailable", cause });
                }
                let heard = heard.clone();
                self.record.intent = record::after_turns(&turns);
                if self.carrier().is_some() {
                    // The same words to the same conversation are the same turn.
                    self.record.id = format!("turn{}", digest_of(&self.record.intent, &heard));
                }
                // A turn that was broken off was perhaps not heard.
                let stands = |turn: &usize| !is_silent && !turns[*turn].interrupted;
                let standing = (0..turns.len()).filter(stands).collect();
                self.settle(&mut turns, &Spliced { standing, ..Spliced::default() }).await;
                self.past = history::of_turns(&turns);
                self.past.extend(heard.into_iter().map(Message::User));
            }
        }
        Ok(())
    }

    /// Opens the conversation; gives its turns, or `None` where the store does not tell them.
    async fn kept(&mut self, key: &ConversationKey) -> Option<Vec<TurnRecord>> {
        let (gateway, deadline) = (self.desk.gateway.clone(), self.request.deadline);
        match deadline.within(gateway.open_for_turn(key)).await {
            Ok(Ok(conversation)) => self.conversation = Some(conversation),
            Ok(Err(error)) => {
                tracing::warn!(%error, "a turn is without its conversation");
                return None;
            }
            Err(_) => {
                tracing::warn!("a turn is without its conversation: the store does not answer");
                return None;
            }
        }
        match deadline.within(gateway.store().turns(key)).await {
            Ok(Ok(texts)) => Some(read(&gateway, &texts).await),
            Ok(Err(error)) => {
                tracing::warn!(%error, "a turn is without its hidden rounds");
                None
            }
            Err(_) => {
                tracing::warn!("a turn is without its hidden rounds: the store does not answer");
                None
            }
        }
    }

    /// Turns without a conversation are kept under the ids of the calls that they passed on.
    async fn noted(&mut self, history: &[Message]) -> Vec<TurnRecord> {
        /// As many calls are looked up.
        const MOST: usize = 8;
        let ids = history.iter().rev().flat_map(|message| match message {
            Message::Assistant(assistant) => assistant.calls.as_slice(),
            Message::System(_) | Message::User(_) | Message::Results(_) => &[],
        });
        let ids: Vec<String> = ids
            .filter(|call| record::round_of(&call.id).is_some())
            .take(MOST)
            .map(|call| self.note_of(&call.id))
            .collect();
        let store = self.desk.gateway.store();
        let found = join_all(ids.iter().map(|id| self.request.deadline.within(store.note(id)))).await;
        let mut texts: Vec<String> = found.into_iter().filter_map(|note| note.ok()?.ok()?).collect();
        texts.reverse();
        texts.dedup();
        read(&self.desk.gateway, &texts).await
    }

    /// Takes what the model may see of the variables.
    fn see_variables(&mut self) -> Result<(), Failed> {
        let agent = &self.request.agent;
        let brought = self.request.variables.clone();
        let known = self.conversation.as_deref();
        let variables = self.desk.gateway.turn_variables(&agent.environment, known, brought);
        self.variables =
            variables.map_err(|error| Failed { code: "invalid_variables", cause: error.to_string() })?;
        Ok(())
    }

    /// Makes the writes that standing turns have proposed, and waits for what an earlier try of this turn has sent; puts
    /// the results in their places. Says whether there was anything to do.
    async fn settle(&mut self, turns: &mut [TurnRecord], spliced: &Spliced) -> bool {
        let mut has_settled = false;
        let standing = spliced.standing.iter().map(|turn| (*turn, false));
        let tries: Vec<(usize, bool)> =
            standing.chain(spliced.earlier_try.map(|turn| (turn, true))).collect();
        for (at, is_try) in tries {
            let turn = &turns[at];
            let is_due = |step: usize, call: &Call| match is_try {
                true => turn.lacks(step, &call.id),
                false => turn.proposes(step, &call.id),
            };
            let due: Vec<(usize, Call)> = turn
                .calls()
                .filter(|(step, call)| is_due(*step, call))
                .map(|(step, call)| (step, call.clone()))
                .collect();
            if due.is_empty() {
                continue;
            }
            has_settled = true;
            let (id, intent) = (turn.id.clone(), turn.intent.clone());
            let calls = self.tool_calls(&due, &intent, &mut Counts::new());
            self.round = due.into_iter().map(|(step, call)| RoundCall::of(call, step)).collect();
            self.settling = Some(id.clone());
            let mut runs = Vec::with_capacity(calls.len());
            for (place, call) in calls.into_iter().enumerate() {
                match self.refusal(&self.round[place].call.name) {
                    Some(why) => self.round[place].set(content(&Outcome::Refused(why)), true),
                    None => runs.push((place, call)),
                }
            }
            self.begin_calls(runs).await;
            self.finish_calls().await;
            self.settling = None;
            let results: Vec<LateResult> = self.round.drain(..).filter_map(RoundCall::late).collect();
            turns[at].take(&results);
            self.keep_text(record::late(&id, &results)).await;
        }
        has_settled
    }

    /// Waits for the writes that these turns have sent and that may be under way: the caller says the same and more, so the
    /// model has to know what came of them. Says whether `turns` are read anew.
    async fn wait_for(&mut self, turns: &mut Vec<TurnRecord>, places: &[usize]) -> bool {
        let Some(key) = self.request.conversation.clone() else { return false };
        let waits_until = Deadline::after(LONGEST_WAIT.min(time_of_tools(self.request.deadline.left())));
        let ids: Vec<String> = places.iter().map(|turn| turns[*turn].id.clone()).collect();
        let longest_turn = self.request.agent.agent.limits.timeout;
        let mut is_read = false;
        loop {
            let is_recent =
                |turn: &TurnRecord| Duration::from_millis(now_ms().saturating_sub(turn.at_ms)) < longest_turn;
            let is_under_way =
                turns.iter().filter(|turn| ids.contains(&turn.id) && is_recent(turn)).any(|turn| {
                    turn.calls().any(|(step, call)| turn.lacks(step, &call.id) && self.is_write(&call.name))
                });
            if !is_under_way || waits_until.left().is_zero() {
                return is_read;
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
            let Ok(Ok(texts)) = waits_until.within(self.desk.gateway.store().turns(&key)).await else {
                return is_read;
            };
            *turns = read(&self.desk.gateway, &texts).await;
            is_read = true;
        }
    }

    /// Whether a model means a write by this name.
    fn is_write(&self, called: &str) -> bool {
        let environment = self.deployment.environment(&self.request.agent.environment.name);
        let served = environment.and_then(|environment| environment.called(called));
        served.is_some_and(|served| is_write(served))
    }

    /// Why a call of an action is not made, if the agent does not offer it now.
    fn refusal(&self, called: &str) -> Option<String> {
        let agent = &self.request.agent;
        let environment = self.deployment.environment(&agent.environment.name)?;
        // Of a name that is none, the executor suggests the nearest one.
        let served = environment.called(called)?;
        let is_known = is_offered(
            agent,
            environment,
            served.action.name.as_str(),
            state_of(self.conversation.as_ref(), &self.deployment),
        );
        (!is_known).then(|| format!("The tool `{called}` is not available now. It was not executed."))
    }

    async fn ask(
        &mut self,
        agent: &ServedAgent,
        system: &str,
        tool_choice: ToolChoice,
    ) -> Result<Answered, NoAnswer> {
        let past = self.past.len();
        self.past.extend(self.record.steps.iter().cloned());
        self.voice.next_round();
        let request = &self.request;
        let deployment = &self.deployment;
        let lists = &self.desk.lists;
        let environment = deployment.environment(&agent.environment.name);
        let state = state_of(self.conversation.as_ref(), deployment);
        let is_ours =
            |name: &str| environment.is_some_and(|environment| is_offered(agent, environment, name, state));
        let served = |tool: &CallerTool| environment?.called(&tool.name);
        // What the caller does itself, it does in place of ours; but a handover runs before the caller's tool is called.
        let callers: Vec<&CallerTool> = request
            .tools
            .iter()
            .filter(|tool| {
                served(tool)
                    .is_none_or(|served| !is_handover(served) || !is_ours(served.action.name.as_str()))
            })
            .collect();
        let replaced: HashSet<&str> =
            callers.iter().filter_map(|tool| Some(served(tool)?.action.name.as_str())).collect();
        let tools = |provider: Provider| -> Vec<Arc<RawValue>> {
            let own = environment.map(|environment| {
                let list = lists.of(deployment, environment, provider);
                list.offered(|name| is_ours(name) && !replaced.contains(name)).collect::<Vec<_>>()
            });
            let callers = callers.iter().filter_map(|tool| match provider {
                Provider::OpenAi => Some(tool.written.clone()),
                Provider::OpenAiResponses | Provider::Anthropic | Provider::Gemini => {
                    let spec = provider.tool(&tool.name, &tool.description, &tool.parameters);
                    serde_json::value::to_raw_value(&spec).ok().map(Arc::from)
                }
            });
            own.unwrap_or_default().into_iter().chain(callers).collect()
        };
        let question = Question {
            system,
            messages: &self.past,
            tool_choice,
            tools: &tools,
            variables: &self.variables,
            temperature: request.temperature,
            max_tokens: request.max_tokens,
            deadline: request.deadline,
        };
        let answered =
            ask(&self.desk.gateway, agent, &mut self.model, &question, &mut self.voice, &mut self.said).await;
        self.past.truncate(past);
        answered
    }

    /// The answer is whole.
    fn finish_with(&mut self, assistant: Assistant, finish: Finish) -> Result<TurnFinish, Failed> {
        let text = self.take_said();
        let is_silent = text.is_empty();
        if !is_silent {
            let raw = assistant.raw.filter(|_| assistant.calls.is_empty());
            self.record.steps.push(Message::Assistant(Assistant { text, calls: Vec::new(), raw }));
        }
        match finish {
            Finish::Length if !is_silent => Ok(TurnFinish::Length),
            _ if is_silent => {
                Err(Failed { code: "empty_answer", cause: "the model has said nothing".to_owned() })
            }
            Finish::Stop | Finish::ToolCalls | Finish::Length | Finish::ContentFilter => Ok(TurnFinish::Stop),
        }
    }

    fn has_failed_tool(&self) -> bool {
        self.record.steps.iter().any(|step| match step {
            Message::Results(outputs) => outputs.iter().any(|output| output.is_error),
            Message::System(_) | Message::User(_) | Message::Assistant(_) => false,
        })
    }

    /// Runs the calls of one answer; gives how the turn ends, if it ends with them.
    async fn run_round(
        &mut self,
        assistant: Assistant,
        refused: HashMap<String, String>,
    ) -> Result<Option<TurnFinish>, Failed> {
        // The model's own words before its calls are a filler.
        if self.said.split_whitespace().next().is_some() {
            self.voice.has_started = true;
        }
        let calls = assistant.calls.clone();
        let step = self.record.steps.len();
        self.round = calls.iter().cloned().map(|call| RoundCall::of(call, step)).collect();
        self.record.steps.push(Message::Assistant(Assistant { text: String::new(), ..assistant }));
        let plans = self.plan(step, &calls, &refused).await;
        let mut runs = Vec::new();
        let mut passes = Vec::new();
        for (at, plan) in plans.into_iter().enumerate() {
            let output = match plan {
                Plan::Run(call) => {
                    runs.push((at, *call));
                    continue;
                }
                Plan::Pass => {
                    passes.push(at);
                    continue;
                }
                Plan::Propose => {
                    self.record.proposed.push(CallPlace { step, id: calls[at].id.clone() });
                    (PROPOSED.to_owned(), false)
                }
                Plan::Refuse(why) => (content(&Outcome::Refused(why)), true),
            };
            self.round[at].set(output.0, output.1);
        }
        let has_runs = !runs.is_empty();
        self.begin_calls(runs).await;
        self.finish_calls().await;
        if has_runs {
            self.look_again().await;
        }
        let handover =
            self.round.iter().find_map(|call| Some((call.call.name.clone(), call.handover.clone()?)));
        if let Some((_, Handover { message: Some(message), .. })) = &handover
            && self.said.trim().is_empty()
        {
            self.voice.sentence(message, TextSource::Handover, &mut self.said).await;
        }
        self.close_round();
        let mut has_passed = false;
        for at in passes {
            let Call { id, name, arguments } = calls[at].clone();
            let name = self.callers_tool(&name).map_or(name.clone(), |tool| tool.name.clone());
            self.pass(CallPlace { step, id }, name, arguments).await;
            has_passed = true;
        }
        if let Some((action, handover)) = handover {
            let call = handover::call(&action, &handover, &self.request.tools, self.request.product);
            if let Some((name, arguments)) = call {
                let id = calls.iter().find(|call| call.name == action).map(|call| call.id.clone());
                let place = CallPlace { step, id: id.unwrap_or_default() };
                self.pass(place, name, arguments.to_string()).await;
                has_passed = true;
            }
            self.voice.tell(AgentEvent::Handover(handover)).await;
            return Ok(Some(if has_passed { TurnFinish::ToolCalls } else { TurnFinish::Stop }));
        }
        Ok(has_passed.then_some(TurnFinish::ToolCalls))
    }

    /// What is to be done with each call of step `step`.
    async fn plan(&mut self, step: usize, calls: &[Call], refused: &HashMap<String, String>) -> Vec<Plan> {
        let agent = self.request.agent.clone();
        let deployment = self.deployment.clone();
        let environment = deployment.environment(&agent.environment.name);
        let most = agent.agent.limits.max_calls_per_round;
        let placed: Vec<(usize, Call)> = calls.iter().map(|call| (step, call.clone())).collect();
        let mut counts = std::mem::take(&mut self.made);
        let tool_calls = self.tool_calls(&placed, &self.record.intent, &mut counts);
        self.made = counts;
        let mut plans = Vec::with_capacity(calls.len());
        for (at, (call, tool_call)) in calls.iter().zip(tool_calls).enumerate() {
            let served = environment.and_then(|environment| environment.called(&call.name));
            let refusal = self.refusal(&call.name);
            let hands_over = refusal.is_none() && served.is_some_and(|served| is_handover(served));
            let is_callers = !hands_over && self.callers_tool(&call.name).is_some();
            plans.push(match (refused.get(&call.id), refusal) {
                (Some(why), _) => Plan::Refuse(why.clone()),
                _ if at >= most => {
                    Plan::Refuse(format!("More than {most} calls in one answer. It was not executed."))
                }
                _ if is_callers => Plan::Pass,
                (None, Some(why)) => Plan::Refuse(why),
                (None, None) => match served.filter(|served| self.waits(served)) {
                    Some(_) => self.propose(tool_call).await,
                    None => Plan::Run(Box::new(tool_call)),
                },
            });
        }
        plans
    }

    /// Whether calls of the action are made only when the turn has stood.
    fn waits(&self, served: &ServedAction) -> bool {
        self.request.agent.agent.writes == Writes::NextTurn
            && self.request.conversation.is_some()
            && is_write(served)
    }

    /// Proposes a write, unless it cannot be made: then the model hears of that now.
    async fn propose(&mut self, call: ToolCall) -> Plan {
        if self.conversation.is_none() {
            // The store has failed. A proposal that is not kept is never made.
            return Plan::Refuse(NOT_PROPOSED.to_owned());
        }
        let carried = self.carrier().map(|carrier| carrier.carried());
        match self.desk.gateway.preview(&call, carried.as_deref()).await {
            Ok(_) => Plan::Propose,
            Err(error) => match error.code {
                // The store may be back by now: the write would be made before its turn stands.
                FailureCode::StoreUnavailable | FailureCode::Timeout | FailureCode::Overloaded => {
                    Plan::Refuse(NOT_PROPOSED.to_owned())
                }
                // It fails before anything is sent.
                _ => Plan::Run(Box::new(call)),
            },
        }
    }

    /// The calls as the executor takes them. The id of one follows from the turn and from what it does: the same turn, asked
    /// for again, makes no call twice.
    fn tool_calls(&self, calls: &[(usize, Call)], intent: &str, counts: &mut Counts) -> Vec<ToolCall> {
        let agent = &self.request.agent;
        let environment = self.deployment.environment(&agent.environment.name);
        let deadline_ms = u64::try_from(time_of_tools(self.request.deadline.left()).as_millis());
        let deadline_ms = deadline_ms.unwrap_or(u64::MAX);
        let mut made: Vec<ToolCall> = Vec::with_capacity(calls.len());
        for (step, call) in calls {
            let arguments = RawValue::from_string(call.arguments.clone()).unwrap_or_default();
            let name = self.name_of(&call.name);
            let content = content_of(&name, &arguments);
            let served = environment.and_then(|environment| environment.find(&name));
            let is_read = served.is_some_and(|served| served.action.is_safe());
            let ordinal = counts.entry(((!is_read).then_some(*step), content)).or_default();
            let digest = Sha256::new()
                .chain_update(intent)
                .chain_update(content)
                .chain_update(ordinal.to_le_bytes())
                .finalize();
            *ordinal += 1;
            let id = format!("call_{}", HEXLOWER.encode(&digest[..12]));
            let mut made_call = ToolCall::new(&id, &agent.environment.name, &name, arguments);
            let key = self.request.conversation.as_ref();
            made_call.id_is_given = !intent.is_empty();
            made_call.owner = match key {
                Some(key) => key.scope().owner(),
                None => self.origin.owner.clone(),
            };
            made_call.conversation_id = key.map(|key| key.id().to_owned());
            made_call.variables.clone_from(&self.request.variables);
            made_call.caller.clone_from(&self.origin.caller);
            made_call.trace.clone_from(&self.origin.trace);
            made_call.source.clone_from(&self.origin.source);
            made_call.language.clone_from(&self.request.language);
            made_call.deadline_ms = Some(deadline_ms);
            made.push(made_call);
        }
        let deliveries = Delivery::of_request(
            &made,
            ToolCallIds::Unique,
            |one, other| one.id == other.id,
            |call| content_of(&call.name, &call.arguments),
        );
        // Without random numbers, each is a request of its own.
        for (call, delivery) in made.iter_mut().zip(deliveries.into_iter().flatten()) {
            call.delivery = delivery;
        }
        made
    }

    /// The caller's tool that a model means; one that stands in the place of an action is meant as the action is.
    fn callers_tool(&self, called: &str) -> Option<&CallerTool> {
        let named = |name: &str| self.request.tools.iter().find(|tool| tool.name == name);
        named(called).or_else(|| named(&self.name_of(called)))
    }

    /// The name of the action that a model means.
    fn name_of(&self, called: &str) -> String {
        let environment = self.deployment.environment(&self.request.agent.environment.name);
        let served = environment.and_then(|environment| environment.called(called));
        served.map_or_else(|| called.to_owned(), |served| served.action.name.as_str().to_owned())
    }

    async fn begin_calls(&mut self, calls: Vec<(usize, ToolCall)>) {
        for (_, call) in &calls {
            let (id, name) = (call.id.clone(), call.name.clone());
            let arguments = self.shown_arguments(&name, &call.arguments);
            self.voice.tell(AgentEvent::ToolStarted { id, name, arguments }).await;
        }
        let (places, calls): (Vec<usize>, Vec<ToolCall>) = calls.into_iter().unzip();
        let begun = self.desk.tools.begin(calls);
        self.in_flight = places.into_iter().zip(begun).map(|(at, begun)| InFlight::new(at, begun)).collect();
    }

    /// The arguments, without those that must not be written down.
    fn shown_arguments(&self, name: &str, arguments: &RawValue) -> Box<RawValue> {
        let environment = self.deployment.environment(&self.request.agent.environment.name);
        let served = environment.and_then(|environment| environment.find(name));
        served.map_or_else(|| arguments.to_owned(), |served| shown_arguments(&served.action, arguments))
    }

    /// Waits for the calls that are under way, and says meanwhile what there is to say.
    async fn finish_calls(&mut self) {
        let agent = self.request.agent.clone();
        let written = &agent.agent.fillers;
        let language = self.language();
        let start = written.start.as_ref();
        let fillers = Fillers {
            enabled: written.enabled,
            start: start.and_then(|text| Gateway::words(&agent, text, language.as_deref(), &self.variables)),
            announce_after: written.announce_after,
        };
        loop {
            let ended = next_ended::<T>(&mut self.in_flight, &fillers, &mut self.voice, &mut self.said).await;
            let Some((at, outcome, waiting)) = ended else { return };
            self.waiting.extend(waiting);
            // What is made up for is told as what it is to the model: the one time that it was made.
            let outcome = if self.settling.is_some() { first_of(outcome) } else { outcome };
            let text = content(&outcome);
            let is_error = outcome.is_error();
            let result = match outcome {
                Outcome::Done(result) => Some(result),
                Outcome::Refused(_) | Outcome::Broken => None,
            };
            let error = result.as_ref().and_then(|result| result.error.as_ref());
            let may_be_made = result.is_some() && error.is_none_or(|error| error.effect == Effect::Unknown);
            self.is_uncertain |= may_be_made && is_error;
            self.has_written |= may_be_made && self.is_write(&self.round[at].call.name);
            let one = &mut self.round[at];
            one.handover = result.as_ref().and_then(|result| result.handover.clone());
            one.set(text.clone(), is_error);
            if is_error {
                let arguments = RawValue::from_string(one.call.arguments.clone()).unwrap_or_default();
                let count = self.failures.entry(content_of(&one.call.name, &arguments)).or_default();
                *count += 1;
                self.has_given_up |= *count >= SAME_FAILURES;
            }
            let (id, name) = (one.call.id.clone(), one.call.name.clone());
            let id = result.as_ref().map_or(id, |result| result.tool_call_id.clone());
            self.voice.tell(AgentEvent::ToolEnded { id, name, content: text, result }).await;
        }
    }

    /// Calls have changed what the conversation knows, and perhaps its state.
    async fn look_again(&mut self) {
        let known = match (self.carrier(), &self.request.conversation) {
            (Some(carrier), _) => Some(carrier.carried().conversation().clone()),
            (None, Some(key)) => {
                let found = self.request.deadline.within(self.desk.gateway.find_conversation(key)).await;
                found.ok().and_then(Result::ok)
            }
            (None, None) => None,
        };
        if let Some(conversation) = known {
            self.conversation = Some(conversation);
            // They fitted before.
            let _ = self.see_variables();
        }
    }

    /// What was said in the round, without the spaces that part it from what was said before and after.
    fn take_said(&mut self) -> String {
        std::mem::take(&mut self.said).trim().to_owned()
    }

    /// Puts what was said in the round, and its results, into the steps.
    fn close_round(&mut self) {
        let text = self.take_said();
        if let Some(Message::Assistant(assistant)) = self.record.steps.last_mut() {
            assistant.text = text;
        }
        let outputs: Vec<ToolOutput> = self.round.drain(..).filter_map(|call| call.output).collect();
        if !outputs.is_empty() {
            self.record.steps.push(Message::Results(outputs));
        }
    }

    /// Passes a call to the caller.
    async fn pass(&mut self, place: CallPlace, name: String, arguments: String) {
        let random: [u8; 8] = random_bytes().unwrap_or_default();
        let sent = record::passed_id(&self.record.id, &HEXLOWER.encode(&random));
        let passed =
            PassedCall { sent: sent.clone(), place, name: name.clone(), arguments: arguments.clone() };
        self.record.passed.push(passed);
        self.voice.tell(AgentEvent::CallerCall { id: sent, name, arguments }).await;
    }

    fn language(&self) -> Option<String> {
        let known = || self.variables.get("conversation")?.get("language")?.as_str().map(str::to_owned);
        self.request.language.clone().or_else(known)
    }

    /// Says why there is no answer, where there is none; keeps the turn, and tells its end.
    async fn end(&mut self, answered: Result<TurnFinish, Failed>) {
        let (finish, failure) = match answered {
            Ok(finish) => (finish, None),
            Err(Failed { code, cause }) => {
                let agent = self.request.agent.clone();
                let on_failure = &agent.agent.on_failure;
                let has_failed = self.has_failed_tool() || self.is_uncertain;
                let text = if has_failed { &on_failure.tool } else { &on_failure.model };
                let default = match has_failed {
                    _ if self.is_uncertain => MAY_HAVE_WORKED,
                    _ if self.has_written => MAY_BE_DONE,
                    true => TOOL_FAILED,
                    false => APOLOGY,
                };
                // The caller has heard that it failed: nothing that it only proposed is made.
                self.record.steps = self.record.made();
                self.record.proposed.clear();
                let language = self.language();
                let words = text
                    .as_ref()
                    .and_then(|text| Gateway::words(&agent, text, language.as_deref(), &self.variables));
                let words = words.unwrap_or_else(|| default.to_owned());
                self.voice.sentence(&words, TextSource::Failure, &mut self.said).await;
                let text = self.take_said();
                self.record.steps.push(Message::Assistant(Assistant { text, ..Assistant::default() }));
                tracing::warn!(
                    agent = agent.agent.name.as_str(),
                    environment = agent.environment.name.as_str(),
                    failure.code = code,
                    cause,
                    "an agent could not answer"
                );
                (TurnFinish::Stop, Some(TurnFailure { code, message: cause }))
            }
        };
        self.keep().await;
        for waiting in self.waiting.drain(..) {
            self.desk.tools.answered(waiting).await;
        }
        self.is_ended = true;
        let usage = self.usage;
        self.report(failure.as_ref().map_or("ok", |failure| failure.code));
        self.voice.tell(AgentEvent::Done { finish, usage, failure }).await;
    }

    fn report(&self, outcome: &'static str) {
        let agent = &self.request.agent;
        self.desk.gateway.turn_ended(&TurnReport {
            environment: &agent.environment.name,
            agent: &agent.agent.name,
            outcome,
            tokens: (self.usage.input, self.usage.output),
        });
    }

    /// Keeps what the next turn needs to know of this one.
    async fn keep(&mut self) {
        if self.request.conversation.is_some() {
            if self.is_worth_keeping() {
                self.keep_text(self.record.to_text()).await;
            }
            return;
        }
        // Without a conversation, only the calls that come back can be told from others.
        let text = self.record.to_text();
        let deadline = self.for_keeping();
        for passed in &self.record.passed {
            in_time(deadline, keep_note(&self.desk.gateway, &self.note_of(&passed.sent), &text)).await;
        }
    }

    /// Whether later turns need to know of this one. Where the caller tells the history, a turn without calls only shows
    /// which of the earlier turns did not stand.
    fn is_worth_keeping(&self) -> bool {
        !matches!(self.request.history, History::Told(_)) || self.record.has_calls() || self.has_past
    }

    /// The name under which the store keeps the turn that passed on the call `id`, for the one who asked for it.
    fn note_of(&self, id: &str) -> String {
        let environment = &self.request.agent.environment.name;
        format!("turn of {id} in {}", Scope::of(environment, self.origin.owner.as_ref()))
    }

    /// The conversation, where its caller carries it.
    fn carrier(&self) -> Option<Arc<dyn Carrier>> {
        match &self.request.history {
            History::Carried(carrier, _) => Some(carrier.clone()),
            History::Told(_) | History::Kept(_) => None,
        }
    }

    async fn keep_text(&mut self, text: String) {
        if let Some(carrier) = self.carrier() {
            carrier.add_turn(&text);
        } else if let Some(key) = &self.request.conversation {
            let deadline = self.for_keeping();
            in_time(deadline, keep_turn(&self.desk.gateway, key, &text)).await;
        }
    }

    /// How long the caller waits for the store to keep something.
    fn for_keeping(&self) -> Deadline {
        Deadline::after(self.request.deadline.left().max(KEEPING))
    }
}

impl<T: Tools> Drop for Turn<T> {
    fn drop(&mut self) {
        if self.is_ended {
            return;
        }
        // The caller has hung up. What it carries, it has as it was.
        self.report("interrupted");
        if self.carrier().is_some() {
            return;
        }
        let is_kept = self.is_worth_keeping();
        let said = self.take_said();
        let mut record = std::mem::take(&mut self.record);
        record.interrupted = true;
        let round = std::mem::take(&mut self.round);
        let calls: Vec<(usize, Call)> = round.iter().map(|call| (call.step, call.call.clone())).collect();
        let results: Vec<LateResult> = round.into_iter().filter_map(RoundCall::late).collect();
        let is_of_round = self.settling.is_none() && !calls.is_empty();
        match record.steps.last_mut() {
            Some(Message::Assistant(assistant)) if is_of_round => assistant.text = said,
            _ if said.is_empty() => {}
            _ => record.steps.push(Message::Assistant(Assistant { text: said, ..Assistant::default() })),
        }
        // The turn that the calls are of, where it is an earlier one.
        let settling = self.settling.take();
        if settling.is_none() {
            record.take(&results);
        }
        let Some(key) = self.request.conversation.clone().filter(|_| is_kept || settling.is_some()) else {
            // The calls are let go of by themselves.
            return;
        };
        let (gateway, tools) = (self.desk.gateway.clone(), self.desk.tools.clone());
        let (in_flight, waiting) = (std::mem::take(&mut self.in_flight), std::mem::take(&mut self.waiting));
        self.desk.gateway.go_on(async move {
            drop(waiting);
            if is_kept {
                keep_turn(&gateway, &key, &record.to_text()).await;
            }
            let work = in_flight.into_iter().map(|one| {
                let (call, tools) = (calls.get(one.at).cloned(), tools.clone());
                async move { (call, tools.abandoned(one.begun).await) }
            });
            let ended = join_all(work).await.into_iter().filter_map(|(call, outcome)| {
                let (step, call) = call?;
                let output = output_of(&call, content(&outcome), outcome.is_error());
                Some(LateResult { step, output })
            });
            let before = if settling.is_some() { results } else { Vec::new() };
            let late: Vec<LateResult> = before.into_iter().chain(ended).collect();
            if !late.is_empty() {
                keep_turn(&gateway, &key, &record::late(settling.as_ref().unwrap_or(&record.id), &late))
                    .await;
            }
        });
    }
}

impl RoundCall {
    fn of(call: Call, step: usize) -> Self {
        Self { call, step, output: None, handover: None }
    }

    /// Its result, if it is there.
    fn late(self) -> Option<LateResult> {
        Some(LateResult { step: self.step, output: self.output? })
    }

    fn set(&mut self, content: String, is_error: bool) {
        self.output = Some(output_of(&self.call, content, is_error));
    }
}

fn output_of(call: &Call, content: String, is_error: bool) -> ToolOutput {
    ToolOutput { call_id: call.id.clone(), name: call.name.clone(), content, is_error }
}

/// The turns that `texts` of the store hold.
async fn read(gateway: &Gateway, texts: &[impl AsRef<str>]) -> Vec<TurnRecord> {
    let _seat = gateway.seat_if_any(texts.iter().map(|text| text.as_ref().len()).sum()).await;
    record::read(texts)
}

/// The history with the hidden rounds of `turns`; see [`history::splice`].
async fn splice(gateway: &Gateway, history: &[Message], turns: &[TurnRecord], intent: &str) -> Spliced {
    let steps = turns.iter().flat_map(|turn| &turn.steps);
    let bytes = history.iter().chain(steps).map(Message::text_bytes).sum();
    let _seat = gateway.seat_if_any(bytes).await;
    history::splice(history, turns, intent)
}

async fn keep_turn(gateway: &Gateway, key: &ConversationKey, text: &str) {
    if text.is_empty() {
        tracing::warn!("a turn is too long to be kept");
        return;
    }
    match gateway.store().add_turn(key, text).await {
        Ok(true) => {}
        Ok(false) => tracing::warn!("a turn is not kept: its conversation is gone"),
        Err(error) => tracing::warn!(%error, "a turn is not kept"),
    }
}

async fn keep_note(gateway: &Gateway, name: &str, text: &str) {
    if let Err(error) = gateway.store().put_note(name, text, DEFAULT_TTL).await {
        tracing::warn!(%error, "a turn is not kept");
    }
}

/// Waits until something is kept, or until `deadline`: the store may keep it after that.
async fn in_time(deadline: Deadline, kept: impl Future<Output = ()>) {
    if deadline.within(kept).await.is_err() {
        tracing::warn!("keeping a turn takes longer than its caller waits");
    }
}

/// Whether the action changes something.
fn is_write(served: &ServedAction) -> bool {
    !served.action.is_safe()
}

fn is_handover(served: &ServedAction) -> bool {
    matches!(served.action.kind, crate::action::Kind::Handover(_))
}

/// The state of a conversation.
fn state_of<'t>(conversation: Option<&'t Arc<Conversation>>, deployment: &'t Deployment) -> Option<&'t str> {
    let known = conversation.and_then(|conversation| conversation.state.as_deref());
    known.or(deployment.conversations().initial_state.as_deref())
}

/// Whether `agent` offers the action called `name` in `state`.
fn is_offered(agent: &ServedAgent, environment: &ServedEnvironment, name: &str, state: Option<&str>) -> bool {
    let is_there = |served: &Arc<ServedAction>| {
        let states = served.action.guards.available_in.as_ref();
        let is_now =
            states.is_none_or(|states| state.is_some_and(|state| states.iter().any(|one| one == state)));
        served.action.on.is_none() && is_now
    };
    agent.agent.offered.offers(name, state) && environment.find(name).is_some_and(is_there)
}

/// Identifies a turn by what the caller said before it, so that each try of the turn has the same one. Empty where it would
/// be the same for other callers.
fn intent_of(history: &[Message], request: &TurnRequest) -> String {
    let mut digest = Sha256::new();
    match (&request.conversation, &request.idempotency_key) {
        (Some(_), _) => {
            let (before, after) = (history::said_before(history), history::after(history));
            // Where the agent has spoken by itself, nothing was said before it: that counts too.
            digest.update((before.len() as u64).to_le_bytes());
            for text in before.into_iter().flatten().chain(after.iter().map(String::as_str)) {
                digest.update((text.len() as u64).to_le_bytes());
                digest.update(text);
            }
        }
        (None, Some(key)) => {
            digest.update(request.agent.agent.name.as_str());
            digest.update([0]);
            digest.update(key);
        }
        (None, None) => return String::new(),
    }
    HEXLOWER.encode(&digest.finalize()[..16])
}

/// Stands for these words after what `intent` stands for.
fn digest_of(intent: &str, heard: &[String]) -> String {
    let mut digest = Sha256::new().chain_update(intent);
    for text in heard {
        digest.update((text.len() as u64).to_le_bytes());
        digest.update(text);
    }
    HEXLOWER.encode(&digest.finalize()[..16])
}

/// How long tools may take of the time that is left, so that the model can still say what came of them.
fn time_of_tools(left: Duration) -> Duration {
    left.saturating_sub(LAST_WORDS.min(left / 5))
}

/// An outcome as that of the one time that the call was made.
fn first_of(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Done(mut result) if result.replayed => {
            Arc::make_mut(&mut result).replayed = false;
            Outcome::Done(result)
        }
        other => other,
    }
}

/// An id that nobody can guess.
fn random_id() -> String {
    let random: [u8; 16] = random_bytes().unwrap_or_default();
    HEXLOWER.encode(&random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_has_time_for_its_last_words() {
        for (left, tools) in [(0, 0), (500, 400), (10_000, 8_000), (60_000, 58_000)] {
            assert_eq!(time_of_tools(Duration::from_millis(left)), Duration::from_millis(tools));
        }
    }
}
