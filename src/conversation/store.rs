//! The store: five traits, three backends.
//!
//! What has been done ([`Claims`]), what calls learn ([`Conversations`]), what a person reads afterwards ([`Feed`]),
//! what nodes tell each other ([`Notes`]) and what agents do without a word to their callers ([`Turns`]) lie behind
//! [`Store`]. Every operation is atomic, and bounded in time by the backend itself; a caller with less time than that puts
//! a deadline around it.
//!
//! A *command* changes something and gives [`Pending`]: it begins when its method is called. A *query* gives an
//! [`Answer`], which does nothing until it is awaited.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::tool::{Scope, ToolResult};

use super::change::{Applied, Change};
use super::event::EventPage;
use super::key::{ClaimKey, ConversationKey};
use super::record::{Conversation, Summary};

/// How long a conversation is kept after its last use, where nobody says else.
pub const DEFAULT_TTL: Duration = Duration::from_secs(2 * 60 * 60);
/// The longest that a conversation may be kept after its last use.
pub const MAX_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Most conversations of one listing.
pub const MAX_LISTED: usize = 500;
/// Most turns that are kept of one conversation; the oldest give way.
pub const MAX_TURNS: usize = 400;
/// Most bytes of the turns that are kept of one conversation; the oldest give way.
pub const MAX_TURN_BYTES: usize = 1024 * 1024;
/// Most bytes of one turn.
pub const MAX_TURN_TEXT: usize = 256 * 1024;

/// Most writes of one twin that are remembered at a time: so many may be given
/// back, and the one before them is found.
pub(super) const MAX_TWINS: usize = 16;

/// A call that wants to be the only one of its intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The intent.
    pub key: ClaimKey,
    /// Tells this call from every other that wants the same key: what one holder
    /// has lost to another, it can neither send nor settle.
    pub holder: u64,
    /// The conversation that the call belongs to and changes.
    pub conversation: Option<ConversationKey>,
    /// The action, for the counters and for a person who reads the store.
    pub action: String,
    /// The most calls of the action that may begin in the conversation.
    pub most_calls: Option<u32>,
    /// Under which key an older Callgate kept the call, and the action and arguments that it compared: a call that was
    /// made before an upgrade is not made again after it.
    pub former: Option<(ClaimKey, [u8; 32])>,
    /// The same write in the same conversation, whatever its id. A call whose
    /// answer did not reach its caller is found by it.
    pub twin: Option<ClaimKey>,
    /// Whether the call may change something upstream.
    pub is_write: bool,
    /// How long the result is kept after the call has ended.
    pub keep: Duration,
    /// How long after its end an undelivered result answers a twin, and a delivered one a call without a trusted id.
    pub twin_window: Duration,
    /// What the id of the call is worth.
    pub trust: IdTrust,
    /// The request that brought the call. Calls of one request are not repeats of each other.
    pub request: u64,
    /// Stands for what all calls of the request are; 0 if it brought no other call. A turn that is repeated does not come
    /// between its own calls.
    pub turn: u64,
    /// Stands for the id of the call.
    pub id: u32,
    /// Stands for the action and the arguments. A call of other content between two equal ones tells them apart.
    pub content: u64,
    /// Whether only to look who has the intent, and not to take it.
    pub only_looks: bool,
}

/// How far the id of a call names one intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdTrust {
    /// It names one call of its conversation for good.
    Unique,
    /// It does, unless the conversation shows otherwise: an id of it has come with two contents.
    LooksUnique,
    /// It may name a later call too: it is made of the name of the tool.
    MayRepeat,
    /// It holds within one request, or there is none.
    PerRequest,
}

/// What came of a claim.
#[derive(Clone, Debug)]
pub enum Claimed {
    /// Nobody else has it: the call goes ahead, and must settle or release it.
    Fresh {
        /// Tells the call from earlier ones of the same key; 0 if the key does that.
        earlier: u64,
    },
    /// Nobody else has it, but the same write under this key is under way for
    /// another request, or did not reach its caller: its result, if it has one,
    /// is to settle this claim too.
    Twin(ClaimKey),
    /// A call of the same intent is under way.
    UnderWay,
    /// A call of the same intent has ended.
    Settled(Arc<ToolResult>),
    /// A write of the same intent was being sent when the process that sent it
    /// ended: it may have happened, and nobody will ever know.
    Lost,
    /// As many calls of the action have begun in the conversation as may.
    TooManyCalls(u32),
}

/// What became of another's call.
#[derive(Clone, Debug)]
pub enum Ended {
    /// It has a result.
    Settled(Arc<ToolResult>),
    /// It was given back before anything was sent, or is not known any more.
    Free,
    /// It was being sent when its process ended; see [`Claimed::Lost`].
    Lost,
}

/// What a store cannot do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// As many calls are under way as can be remembered.
    #[error("{0} calls are under way; no more claims are taken")]
    Full(usize),
    /// Another call has taken the intent: this one came to a halt for too long.
    #[error("the claim was lost to another call of the same intent")]
    Fenced,
    /// The backend is out of reach, or refuses to write.
    #[error("the {backend} store is not available: {cause}")]
    Unavailable {
        /// `sqlite` or `redis`.
        backend: &'static str,
        /// What it said, without credentials.
        cause: String,
    },
}

/// How a conversation is opened.
#[derive(Clone, Debug)]
pub struct Opening {
    /// How long it is kept after its last use, if it begins now; at most [`MAX_TTL`].
    pub ttl: Duration,
    /// The change that is made to it if it begins now, in the same step; its
    /// events get the time of the beginning. Who opens has made sure that none of
    /// its variables is refused.
    pub first: Option<Arc<Change>>,
}

impl Default for Opening {
    fn default() -> Self {
        Self { ttl: DEFAULT_TTL, first: None }
    }
}

/// A conversation that was opened.
#[derive(Clone, Debug)]
pub struct Opened {
    /// What is known of it.
    pub conversation: Arc<Conversation>,
    /// Whether it began just now.
    pub is_new: bool,
}

/// A place between two conversations of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListPosition {
    /// When the last one that was listed began.
    pub started_at_ms: u64,
    /// Its id.
    pub id: String,
}

/// What a backend gives back in its own time.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A command that a backend has begun. It is done in the order of the commands, whether or not somebody waits for it:
/// what is awaited is only what came of it.
#[must_use = "await what comes of it, or `detach` it"]
pub struct Pending<'a, T>(Answer<'a, T>);

impl<'a, T> Pending<'a, T> {
    /// A command that has begun; `answer` says what comes of it.
    pub fn new(answer: impl Future<Output = Result<T, StoreError>> + Send + 'a) -> Self {
        Self(Box::pin(answer))
    }

    /// A command that is done.
    pub fn done(answer: Result<T, StoreError>) -> Self
    where
        T: Send + 'a,
    {
        Self::new(std::future::ready(answer))
    }

    /// Nobody waits for it.
    pub fn detach(self) {}
}

impl<T> Future for Pending<'_, T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}

/// What is being done and what has been done: the same intent once.
pub trait Claims: Debug + Send + Sync {
    /// Takes the intent, or says who has it. Nothing may be sent without it. A
    /// claim that fails is not taken, or given back by the backend: it does not count.
    /// An ended call that [`Claim::trust`] does not make a repeat gives way.
    fn claim<'a>(&'a self, claim: &'a Claim) -> Pending<'a, Claimed>;

    /// Marks that the first byte is about to be sent. A backend that outlives the
    /// process has stored this durably when it answers: from here on, a write
    /// that never ends is [`Claimed::Lost`], before it is free again.
    fn sending<'a>(&'a self, claim: &'a Claim) -> Pending<'a, ()>;

    /// Waits for the end of another's call, for as long as it takes.
    fn ended(&self, key: ClaimKey) -> Answer<'_, Ended>;

    /// The call has ended: its result answers all who come with the same intent,
    /// and `change` is made to its conversation, both or neither. The result is
    /// stored although the conversation is gone, and the change is made although
    /// the claim was lost. To settle again does nothing.
    fn settle<'a>(
        &'a self,
        claim: &'a Claim,
        result: &'a Arc<ToolResult>,
        change: Change,
    ) -> Pending<'a, Applied>;

    /// Nothing was sent: the intent is free again, and does not count.
    fn release<'a>(&'a self, claim: &'a Claim) -> Pending<'a, ()>;

    /// The caller has hung up: what comes of the call answers a twin as well.
    fn orphan(&self, key: ClaimKey) -> Pending<'_, ()>;

    /// Another caller has got the result of an orphan, so it answers no twin any more.
    fn adopt(&self, key: ClaimKey) -> Pending<'_, ()>;
}

/// What calls and callers have left in conversations.
pub trait Conversations: Debug + Send + Sync {
    /// Begins the conversation if it is not there, and keeps it from expiring.
    fn open<'a>(&'a self, key: &'a ConversationKey, opening: Opening) -> Answer<'a, Opened>;

    /// What is known of a conversation; does not keep it from expiring.
    fn find<'a>(&'a self, key: &'a ConversationKey) -> Answer<'a, Option<Arc<Conversation>>>;

    /// Changes a conversation that is there, and keeps it from expiring.
    fn update<'a>(&'a self, key: &'a ConversationKey, change: Change) -> Pending<'a, Applied>;

    /// Forgets a conversation and its events; says whether it was there. What has
    /// been done in it is still not done again.
    fn forget<'a>(&'a self, key: &'a ConversationKey) -> Pending<'a, bool>;

    /// The conversations of a scope, the last begun first: `limit` of
    /// them (at most [`MAX_LISTED`]) that stand behind `after`.
    fn list<'a>(
        &'a self,
        scope: &'a Scope,
        after: Option<ListPosition>,
        limit: usize,
    ) -> Answer<'a, Vec<Summary>>;
}

/// What a person reads of a conversation afterwards.
pub trait Feed: Debug + Send + Sync {
    /// The events of a conversation with numbers above `after`, `limit` of them
    /// (at most [`MAX_PAGE`](super::event::MAX_PAGE)).
    fn events<'a>(&'a self, key: &'a ConversationKey, after: u64, limit: usize) -> Answer<'a, EventPage>;

    /// Done when there may be an event with a number above `after`, or the
    /// conversation is gone; it may be done early.
    fn follow<'a>(&'a self, key: &'a ConversationKey, after: u64) -> Answer<'a, ()>;
}

/// What nodes tell each other, for a while.
pub trait Notes: Debug + Send + Sync {
    /// The note under `name`, unless its time is over.
    fn note<'a>(&'a self, name: &'a str) -> Answer<'a, Option<String>>;

    /// Keeps a note for a while, whatever was there. It may be lost earlier: who
    /// reads notes does without them.
    fn put_note<'a>(&'a self, name: &'a str, text: &'a str, keep: Duration) -> Pending<'a, ()>;

    /// Keeps a note where there is none under the name; says whether it did.
    fn add_note<'a>(&'a self, name: &'a str, text: &'a str, keep: Duration) -> Pending<'a, bool>;

    /// Removes the note under `name` where it is `text`.
    fn remove_note<'a>(&'a self, name: &'a str, text: &'a str) -> Pending<'a, ()>;
}

/// What agents have done in a conversation that their callers do not know of.
///
/// A turn is one text, which the store does not read. Turns are only ever appended, so that requests that overlap lose
/// nothing of each other. They are kept as long as their conversation: at most [`MAX_TURNS`] and at most
/// [`MAX_TURN_BYTES`] of them, of which the latest stay.
pub trait Turns: Debug + Send + Sync {
    /// Appends a turn to a conversation that is there, and keeps that from expiring; says whether it is there. A backend
    /// that outlives the process has stored the turn durably when it answers.
    ///
    /// Who appends has made sure that `text` has at most [`MAX_TURN_TEXT`] bytes, and does not append it again where this
    /// fails: the turn may be stored all the same, or later.
    fn add_turn<'a>(&'a self, key: &'a ConversationKey, text: &'a str) -> Pending<'a, bool>;

    /// All turns that are kept of a conversation, the oldest first; does not keep it from expiring.
    fn turns<'a>(&'a self, key: &'a ConversationKey) -> Answer<'a, Vec<Arc<str>>>;
}

/// All of it, behind one backend.
///
/// All errors are [`StoreError`]; where an operation fails, it has not been
/// done, or (a connection broke before the answer came) it may have been done:
/// repeating it does no harm, except to [`Turns::add_turn`].
pub trait Store: Claims + Conversations + Feed + Notes + Turns {
    /// `memory`, `sqlite` or `redis`.
    fn backend(&self) -> &'static str;

    /// How long who can do without an answer waits for it.
    fn patience(&self) -> Duration {
        Duration::from_secs(1)
    }

    /// What may be lost by the way the backend is set up, in sentences.
    fn concerns(&self) -> Vec<String> {
        Vec::new()
    }
}
