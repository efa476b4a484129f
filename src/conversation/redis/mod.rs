//! The store that several nodes share: Redis or Valkey.
//!
//! What must be atomic is a script on the server. A claim is held by a lease that
//! its process renews: a process that has died is found out by it, and what it
//! was sending is [`Claimed::Lost`]. See `docs/store.md`.

mod claims;
mod conversations;
mod durability;
mod error;
mod link;
mod scripts;
mod servers;

use std::sync::Arc;
use std::time::Duration;

use redis::Value;

use crate::tool::{Scope, ToolResult, random_u64};

pub use self::error::RedisError;
use self::link::{Worker, unavailable};
use self::scripts::{Scripts, Write, encode};
pub use self::servers::RedisServers;
use super::bells::Bells;
use super::change::{Applied, Change};
use super::event::EventPage;
use super::{
    Answer, Claim, ClaimKey, Claimed, Claims, Conversation, ConversationKey, Conversations, Ended, Feed,
    ListPosition, Notes, Opened, Opening, Pending, Store, StoreError, Summary, Turns, millis,
};

/// The first and the longest pause between two looks at another's call.
const PAUSES: (Duration, Duration) = (Duration::from_millis(4), Duration::from_millis(100));
/// The pause between two looks at a feed.
const FEED_PAUSE: Duration = Duration::from_millis(250);

/// The store that several nodes share.
#[derive(Debug)]
pub struct RedisStore {
    worker: Worker,
    patience: Duration,
    /// Who waits in this process for a call of this process.
    waiting: Arc<Bells<ClaimKey>>,
    /// Who follows a feed in this process.
    followers: Arc<Bells<ConversationKey>>,
}

impl RedisStore {
    /// Uses these servers; all keys begin with `prefix`. They need not be there
    /// yet; one that does not answer for `patience` is given up.
    ///
    /// # Errors
    ///
    /// As [`RedisServers::check`].
    pub fn open(servers: &RedisServers, prefix: &str, patience: Duration) -> Result<Self, RedisError> {
        let worker =
            Worker::start(servers.client()?, Scripts::new(prefix), patience).map_err(RedisError::Thread)?;
        Ok(Self { worker, patience, waiting: Arc::default(), followers: Arc::default() })
    }

    /// Keeps a note; says whether it did, where it was to do so only if there is none.
    fn set_note(&self, name: &str, text: &str, keep: Duration, only_new: bool) -> Pending<'_, bool> {
        let (name, text) = (name.to_owned(), text.to_owned());
        Pending::new(self.worker.run(move |link| async move {
            let mut set = redis::cmd("SET");
            // A time of zero is no time to a server.
            set.arg(link.scripts.note_name(&name)).arg(&text).arg("PX").arg(millis(keep).max(1));
            if only_new {
                set.arg("NX");
            }
            let done: Option<String> =
                link.with(async |connection| set.query_async(connection).await).await?;
            Ok(done.is_some())
        }))
    }

    /// Opens a conversation; without an `opening`, only looks.
    fn enter<'a>(&'a self, key: &'a ConversationKey, opening: Option<Opening>) -> Answer<'a, Option<Opened>> {
        let key = key.clone();
        Box::pin(self.worker.run(move |link| async move {
            let opened: Vec<Value> = link.invoke(link.scripts.open(&key, opening.as_ref())).await?;
            if opened.is_empty() {
                return Ok(None);
            }
            let opened: conversations::Opened = redis::from_redis_value(Value::Array(opened))
                .map_err(|error| unavailable(error.to_string()))?;
            let is_new = opened.0 == 1;
            let conversation = conversations::read(&key, opened);
            if is_new {
                conversations::index(&link, &key, conversation.started_at_ms).await?;
            }
            Ok(Some(Opened { conversation: Arc::new(conversation), is_new }))
        }))
    }
}

impl Claims for RedisStore {
    fn claim<'a>(&'a self, claim: &'a Claim) -> Pending<'a, Claimed> {
        let claim = claim.clone();
        Pending::new(self.worker.run_to_end(false, |link, answer| claims::take(link, claim, answer)))
    }

    fn sending<'a>(&'a self, claim: &'a Claim) -> Pending<'a, ()> {
        let claim = claim.clone();
        Pending::new(self.worker.run(move |link| async move {
            let is_held: i64 = link.invoke(link.scripts.sending(&claim)).await?;
            if is_held == 1 { Ok(()) } else { Err(StoreError::Fenced) }
        }))
    }

    fn ended(&self, key: ClaimKey) -> Answer<'_, Ended> {
        Box::pin(async move {
            let mut pause = PAUSES.0;
            loop {
                let mut listening = self.waiting.listen(&key);
                let look = move |link: Arc<link::Link>| async move {
                    link.invoke::<Vec<String>>(link.scripts.ended(&key)).await
                };
                let answer = self.worker.run(look).await?;
                match answer.first().map(String::as_str).unwrap_or_default() {
                    "settled" => {
                        let text = answer.get(1).map(String::as_str).unwrap_or_default();
                        return Ok(claims::result(text).map_or(Ended::Lost, Ended::Settled));
                    }
                    "lost" => return Ok(Ended::Lost),
                    "free" => return Ok(Ended::Free),
                    _ => {}
                }
                // Rung where it ends in this process; another node's end is looked for.
                let _ = tokio::time::timeout(pause, listening.rung.as_mut()).await;
                pause = (2 * pause).min(PAUSES.1);
            }
        })
    }

    fn settle<'a>(
        &'a self,
        claim: &'a Claim,
        result: &'a Arc<ToolResult>,
        change: Change,
    ) -> Pending<'a, Applied> {
        let text = match serde_json::to_string(&**result) {
            Ok(text) => text,
            Err(error) => return Pending::done(Err(unavailable(error.to_string()))),
        };
        let (claim, waiting, followers) = (claim.clone(), self.waiting.clone(), self.followers.clone());
        Pending::new(self.worker.run_owed(move |link| async move {
            let (change, refused) = encode(&change);
            let write = Write::Settle { claim: claim.clone(), result: text, change };
            let done = link.write::<Vec<Value>>(write).await;
            link.let_go(&claim);
            waiting.ring(&claim.key);
            if let Some(conversation) = &claim.conversation {
                followers.ring(conversation);
            }
            conversations::applied(&done?, refused)
        }))
    }

    fn release<'a>(&'a self, claim: &'a Claim) -> Pending<'a, ()> {
        let (claim, waiting) = (claim.clone(), self.waiting.clone());
        Pending::new(self.worker.run_owed(move |link| async move {
            link.let_go(&claim);
            let done = link.write::<i64>(Write::Release { claim: claim.clone() }).await;
            waiting.ring(&claim.key);
            done.map(|_| ())
        }))
    }

    fn orphan(&self, key: ClaimKey) -> Pending<'_, ()> {
        Pending::new(
            self.worker.run_owed(move |link| async move {
                link.write::<i64>(Write::Orphan { key }).await.map(|_| ())
            }),
        )
    }

    fn adopt(&self, key: ClaimKey) -> Pending<'_, ()> {
        Pending::new(
            self.worker
                .run(move |link| async move { link.write::<i64>(Write::Adopt { key }).await.map(|_| ()) }),
        )
    }
}

impl Conversations for RedisStore {
    fn open<'a>(&'a self, key: &'a ConversationKey, opening: Opening) -> Answer<'a, Opened> {
        let opened = self.enter(key, Some(opening));
        Box::pin(async move { opened.await?.ok_or_else(|| unavailable("it opened nothing".to_owned())) })
    }

    fn find<'a>(&'a self, key: &'a ConversationKey) -> Answer<'a, Option<Arc<Conversation>>> {
        let found = self.enter(key, None);
        Box::pin(async move { Ok(found.await?.map(|opened| opened.conversation)) })
    }

    fn update<'a>(&'a self, key: &'a ConversationKey, change: Change) -> Pending<'a, Applied> {
        let (key, followers) = (key.clone(), self.followers.clone());
        Pending::new(self.worker.run(move |link| async move {
            let (encoded, refused) = encode(&change);
            let write = Write::Update { key: key.clone(), change: encoded };
            // Who wants all or nothing is told that it failed; what a call has learned is kept until it can be written.
            let done = if change.all_or_nothing {
                link.invoke::<Vec<Value>>(write.invocation(&link.scripts)).await
            } else {
                link.write::<Vec<Value>>(write).await
            };
            followers.ring(&key);
            conversations::applied(&done?, refused)
        }))
    }

    fn forget<'a>(&'a self, key: &'a ConversationKey) -> Pending<'a, bool> {
        let (key, followers) = (key.clone(), self.followers.clone());
        Pending::new(self.worker.run(move |link| async move {
            let is_known = conversations::forget(&link, &key).await?;
            followers.ring(&key);
            Ok(is_known)
        }))
    }

    fn list<'a>(
        &'a self,
        scope: &'a Scope,
        after: Option<ListPosition>,
        limit: usize,
    ) -> Answer<'a, Vec<Summary>> {
        let scope = scope.clone();
        Box::pin(
            self.worker.run(move |link| async move {
                conversations::list(&link, &scope, after.as_ref(), limit).await
            }),
        )
    }
}

impl Feed for RedisStore {
    fn events<'a>(&'a self, key: &'a ConversationKey, after: u64, limit: usize) -> Answer<'a, EventPage> {
        let key = key.clone();
        Box::pin(
            self.worker
                .run(move |link| async move { conversations::events(&link, &key, after, limit).await }),
        )
    }

    fn follow<'a>(&'a self, key: &'a ConversationKey, after: u64) -> Answer<'a, ()> {
        Box::pin(async move {
            loop {
                let mut listening = self.followers.listen(key);
                let page = self.events(key, after, 0).await?;
                if !page.is_known || page.newest > after {
                    return Ok(());
                }
                // Rung where it happens in this process; what another node does is looked for.
                let _ = tokio::time::timeout(FEED_PAUSE, listening.rung.as_mut()).await;
            }
        })
    }
}

impl Notes for RedisStore {
    fn note<'a>(&'a self, name: &'a str) -> Answer<'a, Option<String>> {
        let name = name.to_owned();
        Box::pin(self.worker.run(move |link| async move {
            let mut get = redis::cmd("GET");
            get.arg(link.scripts.note_name(&name));
            link.with(async |connection| get.query_async(connection).await).await
        }))
    }

    fn put_note<'a>(&'a self, name: &'a str, text: &'a str, keep: Duration) -> Pending<'a, ()> {
        let set = self.set_note(name, text, keep, false);
        Pending::new(async move { set.await.map(|_| ()) })
    }

    fn add_note<'a>(&'a self, name: &'a str, text: &'a str, keep: Duration) -> Pending<'a, bool> {
        self.set_note(name, text, keep, true)
    }

    fn remove_note<'a>(&'a self, name: &'a str, text: &'a str) -> Pending<'a, ()> {
        let (name, text) = (name.to_owned(), text.to_owned());
        Pending::new(self.worker.run(move |link| async move {
            link.invoke::<i64>(link.scripts.remove_note(&name, &text)).await.map(|_| ())
        }))
    }
}

impl Turns for RedisStore {
    fn add_turn<'a>(&'a self, key: &'a ConversationKey, text: &'a str) -> Pending<'a, bool> {
        let id = match random_u64() {
            Ok(id) => id,
            Err(error) => return Pending::done(Err(unavailable(error.to_string()))),
        };
        let write = Write::AddTurn { key: key.clone(), id, text: text.to_owned() };
        Pending::new(
            self.worker
                .run(move |link| async move { link.write::<i64>(write).await.map(|known| known == 1) }),
        )
    }

    fn turns<'a>(&'a self, key: &'a ConversationKey) -> Answer<'a, Vec<Arc<str>>> {
        let key = key.clone();
        Box::pin(self.worker.run(move |link| async move { conversations::turns(&link, &key).await }))
    }
}

impl Store for RedisStore {
    fn backend(&self) -> &'static str {
        "redis"
    }

    fn patience(&self) -> Duration {
        self.patience
    }

    fn concerns(&self) -> Vec<String> {
        self.worker.concerns()
    }
}
