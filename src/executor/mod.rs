//! One call, start to end.
//!
//! [`Gateway::run`] reads as the data goes: call → arguments → claim → request →
//! credentials → response → outputs → result. [`Gateway::preview`] takes the
//! same way up to the request and stops there.

mod answer;
mod aside;
mod attempts;
mod background;
mod body;
mod claiming;
mod control;
mod conversations;
mod exchange;
mod failure;
mod feed;
mod guarding;
mod headers;
mod hooks;
mod intent;
mod learning;
mod masks;
mod missing;
mod outcome;
mod pace;
mod performing;
mod preview;
mod prompt;
mod repeats;
mod report;
mod served;
mod speech;
mod states;
mod tokens;
mod warming;

pub use self::aside::Movable;
pub(crate) use self::aside::{NoSeat, Seat};
pub(crate) use self::background::{Background, Going};
pub(crate) use self::body::shown;
pub use self::control::{CallControl, CancelError};
pub use self::conversations::{
    ConversationChange, ConversationError, ConversationStart, GivenVariable, StartedConversation,
};
pub use self::hooks::{HookReport, HookStatus};
pub use self::intent::{content_of, is_same_call};
pub use self::pace::Expected;
pub use self::preview::{Preview, PreviewedRequest};
pub use self::prompt::{IsKept, MAX_PROMPT_BYTES, Prompt, PromptError};
pub use self::report::{CallReport, Exchange, Observer, Spent, Step};
pub use self::served::{ConversationRules, Deployment, Environment, Parts, ServedAction, ServedEnvironment};
pub use self::speech::Started;
pub use self::states::{StateError, StateLimits, States};
pub use self::warming::Warming;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use serde_json::{Map, Value};

use crate::action::template::Data;
use crate::auth::TokenStore;
use crate::conversation::{
    Carried, Claim, Conversation, ConversationKey, MemoryStore, Opening, Store, heap_bytes, now_ms,
};
use crate::egress::{Deadline, Egress};
use crate::tool::{ToolCall, ToolResult, TraceContext};

use self::aside::Seats;
use self::control::UnderWay;
use self::failure::Failure;
use self::feed::Feed;
use self::outcome::{Outcome, Receipt};
use self::repeats::Repeats;
use self::tokens::SharedTokens;
use self::warming::Warmers;

/// Limits of the executor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecutorLimits {
    /// Largest response body, decoded.
    pub max_response_bytes: usize,
    /// Longest body that a model is shown, in characters.
    pub max_body_chars: usize,
    /// Longest URL of a request, and longest value of a header that a template fills.
    pub max_url_bytes: usize,
}

impl Default for ExecutorLimits {
    fn default() -> Self {
        Self { max_response_bytes: 2 * 1024 * 1024, max_body_chars: 15_000, max_url_bytes: 8_000 }
    }
}

/// Executes tool calls. A clone is two pointers.
#[derive(Clone, Debug)]
pub struct Gateway {
    shared: Arc<Shared>,
    /// The one door out; its connections are this gateway's and its clones'.
    egress: Egress,
    /// What goes on without anybody waiting, on the same thread.
    background: Arc<Background>,
}

#[derive(Debug)]
struct Shared {
    /// What is served; a call keeps the one it began with.
    deployment: ArcSwap<Deployment>,
    /// What calls have learned, and what has been done or is being done.
    store: Arc<dyn Store>,
    /// The same store, as far as tokens are shared in it.
    tokens: Arc<dyn TokenStore>,
    /// Tells the calls of this gateway from each other, and from those of other ones.
    next_holder: AtomicU64,
    /// The calls under way in this process.
    under_way: UnderWay,
    /// Calls that fail again and again.
    repeats: Repeats,
    /// The threads that make connections ready.
    warmers: Warmers,
    /// Where long work is done.
    seats: Seats,
    /// Who counts and traces.
    observers: Vec<Arc<dyn Observer>>,
}

/// Bytes of JSON above which work on them is done aside: it takes a millisecond, or a few.
const LONG: usize = 64 * 1024;
/// Looking at an argument takes so many times longer than at a part of an answer.
const WEIGHT_OF_ARGUMENTS: usize = 4;
/// The same of what has to be masked.
const WEIGHT_OF_MASKS: usize = 16;

/// How much work it is to read what a call brings and what its conversation knows, in bytes of JSON.
fn weight(call: &ToolCall, conversation: Option<&Conversation>) -> usize {
    let arguments = call.arguments.get().len().saturating_mul(WEIGHT_OF_ARGUMENTS);
    let brought: usize = call.variables.values().map(heap_bytes).sum();
    let known = conversation.map_or(0, |known| known.bytes);
    arguments.saturating_add(brought).saturating_add(known)
}

/// How much work it is to mask what a conversation keeps to itself.
fn weight_of_masks(conversation: Option<&Conversation>) -> usize {
    let Some(conversation) = conversation else { return 0 };
    let is_masked = conversation.variables.values().any(|one| one.sensitive || one.hidden);
    let concealed: usize = conversation.concealed.iter().map(String::len).sum();
    let bytes = if is_masked { conversation.bytes } else { 0 };
    bytes.saturating_add(concealed).saturating_mul(WEIGHT_OF_MASKS)
}

/// A call that passed every check, before anything of it is sent.
struct Admitted<'a> {
    target: &'a Arc<ServedAction>,
    values: Values,
    /// What the model wants the caller to hear meanwhile.
    say: Option<String>,
    conversation: Option<Arc<Conversation>>,
    /// Whether the caller carries the conversation.
    is_carried: bool,
    claim: Option<Claim>,
    /// What tells the call from earlier ones of its claim.
    earlier: u64,
    deadline: Deadline,
}

impl Admitted<'_> {
    /// What the templates of the action are rendered with.
    fn data(&self) -> Data<'_> {
        let Values { parameters, variables, .. } = &self.values;
        Data { parameters, variables, static_variables: &self.target.environment.static_variables }
    }
}

/// A call that goes no further.
struct Refused {
    failure: Failure,
    /// Whose feed is told of it.
    conversation: Option<Arc<Conversation>>,
    /// By what it is known, if it was done before, and how long that may be asked for.
    known: Option<Box<(Claim, Deadline)>>,
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self { failure, conversation: None, known: None }
    }
}

/// What a result is made with: the deployment of its call, and the conversation
/// where the caller carries it.
#[derive(Clone, Copy)]
struct Ending<'a> {
    deployment: &'a Arc<Deployment>,
    carried: Option<&'a Carried>,
}

/// What a look at a conversation does to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// It begins if it has not, and stays for longer.
    Use,
    /// The same, by the gateway itself: an action that runs by itself.
    Hook,
    /// Nothing.
    Look,
}

/// Everything that templates read.
#[derive(Default)]
struct Values {
    parameters: Map<String, Value>,
    variables: Map<String, Value>,
    /// The JSON Pointers of arguments that came as a JSON text too deep.
    decoded: Vec<String>,
}

impl Gateway {
    /// Serves `deployment`; what it learns is gone with the process.
    pub fn new(deployment: Deployment) -> Self {
        Self::observed(deployment, Vec::new())
    }

    /// The same; `observers` see every call end.
    pub fn observed(deployment: Deployment, observers: Vec<Arc<dyn Observer>>) -> Self {
        Self::with_store(deployment, Arc::new(MemoryStore::default()), observers)
    }

    /// Serves `deployment`; what it learns and does is kept in `store`.
    pub fn with_store(
        deployment: Deployment,
        store: Arc<dyn Store>,
        observers: Vec<Arc<dyn Observer>>,
    ) -> Self {
        let shared = Shared {
            deployment: ArcSwap::from_pointee(deployment),
            tokens: Arc::new(SharedTokens(store.clone())),
            store,
            // From a place of its own, so that holders of several processes differ.
            next_holder: AtomicU64::new(getrandom::u64().unwrap_or_default()),
            under_way: UnderWay::default(),
            repeats: Repeats::default(),
            warmers: Warmers::default(),
            seats: Seats::default(),
            observers,
        };
        Self { shared: Arc::new(shared), egress: Egress::new(), background: Arc::default() }
    }

    /// The same gateway with connections of its own: for a thread with its own runtime.
    #[must_use]
    pub fn for_worker(&self) -> Self {
        Self { shared: self.shared.clone(), egress: self.egress.for_worker(), background: Arc::default() }
    }

    /// What calls have learned and done.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.shared.store
    }

    /// What is served now.
    pub fn deployment(&self) -> Arc<Deployment> {
        self.shared.deployment.load_full()
    }

    /// Serves `deployment` from now on; calls under way keep the former one.
    pub fn replace(&self, deployment: Deployment) {
        self.shared.deployment.store(Arc::new(deployment));
    }

    /// Executes a call that nobody cancels. A call that fails has a result too.
    pub async fn execute(&self, call: ToolCall) -> Arc<ToolResult> {
        self.run(call, None, &Arc::default()).await
    }

    /// Executes a call once: whoever comes with the same intent gets its result.
    /// A call that fails has a result too. Where its caller carries the
    /// conversation (the call's `conversation_id` is the one in `carried`),
    /// nothing of it is stored, and the result has its next `state`.
    pub async fn run(
        &self,
        call: ToolCall,
        carried: Option<&Carried>,
        control: &Arc<CallControl>,
    ) -> Arc<ToolResult> {
        self.run_as(call, carried, control, Access::Use).await
    }

    async fn run_as(
        &self,
        call: ToolCall,
        carried: Option<&Carried>,
        control: &Arc<CallControl>,
        access: Access,
    ) -> Arc<ToolResult> {
        let deployment = self.deployment();
        let call = named(&deployment, call);
        let mut receipt = Receipt::new();
        // Of what a caller carries, there is no feed.
        receipt.feed = if carried.is_none() { Feed::of(&call) } else { None };
        let is_watched = self.shared.observers.iter().any(|observer| observer.wants_exchanges());
        receipt.seen = is_watched.then(Box::default);
        let ending = Ending { deployment: &deployment, carried };
        let mut admitted = match self.admit(&deployment, &call, carried, &receipt, access).await {
            Ok(admitted) => admitted,
            Err(Refused { failure, conversation, known }) => {
                let first = receipt.waiting(self.done_before(known, &call, control)).await;
                // To say what is wrong with long arguments takes long, too.
                let weight = weight(&call, conversation.as_deref());
                let _seat = self.seat_if_any(weight).await;
                // What was done is told, and not what is in its way by now.
                let first = first.and_then(|first| first.ok_or(failure));
                return self.end_unsent(call, first, conversation, &mut receipt, ending);
            }
        };
        match receipt.waiting(self.claim(&mut admitted, &call, control)).await.transpose() {
            None => self.go_ahead(call, admitted, &mut receipt, ending, control).await,
            Some(first) => {
                let Admitted { conversation, values, .. } = admitted;
                // To let go of many values takes long, too.
                let weight = weight(&call, conversation.as_deref());
                let _seat = self.seat_if_any(weight).await;
                drop(values);
                self.end_unsent(call, first, conversation, &mut receipt, ending)
            }
        }
    }

    /// Ends a call of which nothing is sent: by the result of another one, or by what is in its way.
    fn end_unsent(
        &self,
        call: ToolCall,
        first: Result<Arc<ToolResult>, Failure>,
        conversation: Option<Arc<Conversation>>,
        receipt: &mut Receipt,
        ending: Ending<'_>,
    ) -> Arc<ToolResult> {
        let conversation = conversation.as_deref();
        match first {
            Ok(first) => {
                let stored = conversation.filter(|_| ending.carried.is_none());
                self.tell_replay(ending.deployment, stored, &call, &first);
                self.replay(call, &first, receipt, ending)
            }
            Err(failure) => self.refuse(call, failure, conversation, receipt, ending),
        }
    }

    /// Finds the action and checks everything that the call brings. What is
    /// wrong with it is told to its conversation, which is opened before.
    async fn admit<'d>(
        &self,
        deployment: &'d Deployment,
        call: &ToolCall,
        carried: Option<&Carried>,
        receipt: &Receipt,
        access: Access,
    ) -> Result<Admitted<'d>, Refused> {
        let target = find(deployment, call, access);
        let timeout = target.as_ref().map_or(learning::STORING, |target| target.action.timeout);
        let deadline = deadline(timeout, call, receipt.started);
        let safe = !intent::may_be_a_repeat(call, target.as_ref().ok().map(|target| &target.action));
        let conversation = match carried {
            Some(carried) => Some(carried.conversation().clone()),
            None => self.conversation(deployment, call, deadline, access, safe).await?,
        };
        let seat = self.seat(weight(call, conversation.as_deref()), deadline).await;
        let _seat = seat.map_err(|none| Failure::no_seat(none, safe))?;
        let (action, mut digest) = (target.as_ref().ok().map(|target| &target.action), None);
        let checked = target.and_then(|target| {
            let (mut arguments, decoded) = target.action.parameters.read_and_tell(&call.arguments)?;
            let say = target.action.speech.take_say(&mut arguments);
            let digest = *digest.insert(intent::digest_of_arguments(&call.name, &arguments));
            let values = Values { decoded, ..values(target, call, arguments, conversation.as_deref())? };
            Ok((target, digest, values, say))
        });
        let holder = self.shared.next_holder.fetch_add(1, Ordering::Relaxed);
        let of = match (carried, &conversation) {
            (Some(carried), _) => intent::Of::Carried(carried),
            (None, Some(conversation)) => intent::Of::Stored(&conversation.key),
            (None, None) => intent::Of::Nothing,
        };
        match checked {
            Ok((target, digest, values, say)) => {
                let claim = intent::claim(call, of, &target.action, digest, &values, holder);
                let is_carried = carried.is_some();
                Ok(Admitted { target, values, say, conversation, is_carried, claim, earlier: 0, deadline })
            }
            Err(failure) => {
                let known = intent::known(call, of, action, digest, holder);
                let known = known.map(|claim| Box::new((claim, deadline)));
                let has_ended = conversation.as_ref().is_some_and(|known| known.has_ended());
                // To mend the arguments would be in vain.
                let is_over = access == Access::Use && has_ended;
                let failure = if is_over { Failure::ConversationEnded } else { failure };
                Err(Refused { failure, conversation, known })
            }
        }
    }

    /// Moves the call aside for work on so many bytes; not, where they are few.
    pub(crate) async fn seat(&self, bytes: usize, deadline: Deadline) -> Result<Option<Seat>, NoSeat> {
        if bytes < LONG { Ok(None) } else { self.shared.seats.take(deadline).await.map(Some) }
    }

    /// The same for work that is done in any case, at a seat or without: what it works on is bounded.
    async fn seat_if_any(&self, bytes: usize) -> Option<Seat> {
        self.seat(bytes, Deadline::after(learning::STORING)).await.unwrap_or_default()
    }

    /// Has `work` on so many bytes done aside, and ended by the deadline; where they are few, here, and told late rather
    /// than not. `work` may ask whether it is in time.
    pub(crate) async fn aside<T: Send + 'static>(
        &self,
        bytes: usize,
        deadline: Deadline,
        work: impl FnOnce(&dyn Fn() -> bool) -> T + Send + 'static,
    ) -> Result<(T, Option<Seat>), NoSeat> {
        if bytes < LONG {
            return Ok((work(&|| true), None));
        }
        let work = move || work(&|| !deadline.left().is_zero());
        let (done, seat) = self.shared.seats.run(deadline, work).await?;
        Ok((done, Some(seat)))
    }

    /// What is known of the call's conversation; nothing where it names none. `safe`: without the store it is known that
    /// the call has not been made before.
    async fn conversation(
        &self,
        deployment: &Deployment,
        call: &ToolCall,
        deadline: Deadline,
        access: Access,
        safe: bool,
    ) -> Result<Option<Arc<Conversation>>, Failure> {
        let is_served = deployment.environment(&call.environment).is_some();
        let Some(id) = call.conversation_id.as_deref().filter(|_| is_served) else { return Ok(None) };
        let (store, key) = (&self.shared.store, ConversationKey::of(call.scope(), id));
        let found = match access {
            Access::Use | Access::Hook => {
                let opening =
                    Opening { first: Some(deployment.begun_by_a_call().clone()), ..Opening::default() };
                let opened = deadline.within(store.open(&key, opening)).await;
                opened.map(|opened| opened.map(|opened| Some(opened.conversation)))
            }
            Access::Look => deadline.within(store.find(&key)).await,
        };
        let found = found.map_err(|_| Failure::StoreTooLate { safe })?;
        let found = found.map_err(|error| Failure::Store { error, safe })?;
        Ok(Some(found.unwrap_or_else(|| Arc::new(Conversation::new(key, 0, now_ms())))))
    }

    /// The result of another call of the same intent.
    fn replay(
        &self,
        call: ToolCall,
        first: &ToolResult,
        receipt: &Receipt,
        ending: Ending<'_>,
    ) -> Arc<ToolResult> {
        let Ending { deployment, carried } = ending;
        let state = carried.map(|carried| deployment.states.after_replay(carried, &call, first));
        let logged = receipt.replay(first, call.id, call.environment.clone(), state);
        outcome::log(&logged);
        let result: Arc<ToolResult> = Arc::new(logged.into());
        self.observe(&call.environment, Some(&call.name), call.trace.as_ref(), &result, receipt, None);
        result
    }

    fn observe(
        &self,
        environment: &str,
        action: Option<&str>,
        trace: Option<&TraceContext>,
        result: &ToolResult,
        receipt: &Receipt,
        cause: Option<&str>,
    ) {
        if self.shared.observers.is_empty() {
            return;
        }
        let report = receipt.report(environment, action, trace, result, cause);
        for observer in &self.shared.observers {
            observer.call_ended(&report);
        }
    }

    /// Shapes and logs the result.
    fn conclude(
        &self,
        call: ToolCall,
        mut outcome: Result<Outcome, Failure>,
        receipt: &Receipt,
        ending: Ending<'_>,
    ) -> Arc<ToolResult> {
        let Ending { deployment, carried } = ending;
        let next = carried.map(|carried| (carried, call.clone(), learning::change(&call, &mut outcome)));
        let is_hopeless = outcome.as_ref().is_err_and(Failure::is_by_the_values);
        let times = if is_hopeless { self.count(deployment, &call) } else { 1 };
        // A name that is no action's is the model's own text: no label for it.
        let is_known = !matches!(outcome, Err(Failure::UnknownTool { .. }));
        let (environment, trace) = (call.environment.clone(), call.trace.clone());
        let mut logged = outcome::result(call, outcome, receipt, deployment);
        if times >= repeats::TOO_OFTEN
            && let Some(error) = &mut logged.result.error
        {
            failure::tell_to_stop(error, times);
        }
        outcome::log(&logged);
        logged.result.state = next.map(|(carried, call, mut change)| {
            let target = find(deployment, &call, Access::Look).ok();
            change.state = target.and_then(|target| learning::next_state(&target.action, &logged.result));
            deployment.states.after(carried, &call, receipt.was_sent, &change)
        });
        let cause = logged.cause.take();
        let result: Arc<ToolResult> = Arc::new(logged.into());
        let action = is_known.then_some(result.name.as_str());
        self.observe(&environment, action, trace.as_ref(), &result, receipt, cause.as_deref());
        result
    }

    /// How often this call has failed in its conversation; what it wants said makes no other call of it.
    fn count(&self, deployment: &Deployment, call: &ToolCall) -> u32 {
        let action = find(deployment, call, Access::Look)
            .ok()
            .map(|target| &target.action)
            .filter(|one| one.speech.say);
        let arguments = action.and_then(|action| {
            let mut arguments = action.parameters.read(&call.arguments).ok()?;
            action.speech.take_say(&mut arguments);
            Some(Value::Object(arguments).to_string())
        });
        self.shared.repeats.count(call, arguments.as_deref().unwrap_or(call.arguments.get()))
    }
}

/// Arguments that passed their schema, bound values, variables.
fn values(
    target: &ServedAction,
    call: &ToolCall,
    arguments: Map<String, Value>,
    conversation: Option<&Conversation>,
) -> Result<Values, Failure> {
    let action = &target.action;
    let variables = match (action.reads.any || action.guards.read_variables(), action.speech.reads_variables)
    {
        (true, _) => learning::variables(call, conversation)?,
        // What is only said fails no call.
        (false, true) => learning::variables(call, conversation).unwrap_or_default(),
        (false, false) => Map::new(),
    };
    let parameters = action.parameters(arguments, &variables, &target.environment.static_variables)?;
    Ok(Values { parameters, variables, decoded: Vec::new() })
}

/// The call under the name of its action, where the model put something before or behind that name.
fn named(deployment: &Deployment, mut call: ToolCall) -> ToolCall {
    let environment = deployment.environment(&call.environment);
    if let Some(served) = environment.and_then(|environment| environment.meant_by(&call.name)) {
        let action = &served.action;
        tracing::debug!(tool.name = %action.name, "a call under a longer name is a call of this action");
        call.name = action.name.as_str().to_owned();
    }
    call
}

/// The action of a call. Who only looks may look at one that runs by itself.
fn find<'a>(
    deployment: &'a Deployment,
    call: &ToolCall,
    access: Access,
) -> Result<&'a Arc<ServedAction>, Failure> {
    let unknown = || Failure::unknown_tool(deployment, call);
    let environment = deployment.environment(&call.environment).ok_or_else(unknown)?;
    let found = environment.find(&call.name).ok_or_else(unknown)?;
    if found.action.on.is_some() && access == Access::Use { Err(unknown()) } else { Ok(found) }
}

/// The action's timeout, or what the caller can wait, counted from the receipt.
fn deadline(timeout: Duration, call: &ToolCall, received: Instant) -> Deadline {
    let asked = call.deadline_ms.map_or(Duration::MAX, Duration::from_millis);
    Deadline::after(timeout.min(asked).saturating_sub(received.elapsed()))
}
