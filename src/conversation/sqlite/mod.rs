//! The store in one file, for one process: SQLite with a write-ahead log.
//!
//! One thread writes, with all changes that wait in one commit; another reads.
//! What may be sent is on the disk before it is sent: see `docs/store.md`.

mod claims;
mod conversations;
mod desk;
mod file;
mod marker;
mod notes;
mod process;
mod recent;
mod rows;
mod schema;
mod sweep;
mod transaction;
mod turns;
mod under_way;
mod worker;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::tool::{Scope, ToolResult};

pub use self::file::SqliteError;

use self::desk::Desk;
use self::marker::Marker;
use self::process::Process;
use self::sweep::Sweep;
use self::transaction::atomically;
use self::worker::{Terms, Worker, unavailable};
use super::bells::Bells;
use super::change::{Applied, Change, Source};
use super::event::EventPage;
use super::{
    Answer, Claim, ClaimKey, Claimed, Claims, Conversation, ConversationKey, Conversations, Ended, Feed,
    ListPosition, Notes, Opened, Opening, Pending, Store, StoreError, Summary, Turns, millis, now_ms,
};

/// How long a start waits where nobody says else: as long as a former process may take to drain.
const PATIENCE: Duration = Duration::from_secs(15);
/// Most calls under way at a time.
const MAX_UNDER_WAY: usize = 100_000;

/// How much is kept. Where it is not enough, what was used longest ago goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SqliteLimits {
    /// Most conversations, roughly: what is over is removed every ten seconds.
    pub conversations: u64,
    /// Largest file in bytes, without the write-ahead log (64 MiB at most once it is cut back).
    pub file_bytes: u64,
    /// How long a start waits for a former process to let go of the file.
    pub patience: Duration,
}

impl Default for SqliteLimits {
    fn default() -> Self {
        Self { conversations: 1_000_000, file_bytes: 4 * 1024 * 1024 * 1024, patience: PATIENCE }
    }
}

/// The store in one file.
#[derive(Debug)]
pub struct SqliteStore {
    /// Ends before the writer, which leaves a single file where nobody else reads it.
    reader: Worker,
    writer: Worker,
    process: Arc<Process>,
    /// Who waits for another's call.
    waiting: Arc<Bells<ClaimKey>>,
    /// Who follows a feed.
    followers: Arc<Bells<ConversationKey>>,
    /// Held as long as the store, and by the system let go of when the process dies.
    _lock: File,
}

impl SqliteStore {
    /// Opens the file, or makes it. Waits a while for another process that is
    /// about to end.
    ///
    /// # Errors
    ///
    /// Another process has the file, it cannot be used, or it is not as the last process left it.
    pub fn open(path: &Path, limits: SqliteLimits) -> Result<Self, SqliteError> {
        Self::open_judged(path, limits, false)
    }

    /// The same for a file that need not be as the last process left it.
    ///
    /// # Errors
    ///
    /// Another process has the file, or it cannot be used.
    pub fn accept(path: &Path, limits: SqliteLimits) -> Result<Self, SqliteError> {
        Self::open_judged(path, limits, true)
    }

    fn open_judged(path: &Path, limits: SqliteLimits, accept: bool) -> Result<Self, SqliteError> {
        let lock = file::take(path, limits.patience)?;
        // Before SQLite looks at it: it throws away a log whose file is empty.
        let verdict = marker::judge(path, accept)?;
        file::make(path)?;
        let unusable = |cause: String| SqliteError::Unusable { path: path.to_owned(), cause };
        let mut connection = schema::open(path, limits.file_bytes).map_err(unusable)?;
        let recovered = atomically(&connection, |connection| {
            let recovered = claims::recover(&Desk::new(connection, &Process::default()), now_ms())?;
            Ok((recovered, claims::last(connection)?))
        });
        let ((given_back, lost), last) = recovered.map_err(|error| unusable(error.to_string()))?;
        let process = Arc::new(Process::after(last));
        if lost > 0 {
            tracing::warn!(
                lost,
                given_back,
                "the last process ended while calls were being sent: whether they were done is unknown"
            );
        }
        let marker = Marker::start(path, &mut connection, &verdict)?;
        let reading = schema::open_to_read(path).map_err(unusable)?;
        let sweep = Sweep::new(limits.conversations, limits.file_bytes, process.clone());
        let writer = Worker::writing(connection, process.clone(), sweep, marker)
            .map_err(|error| unusable(error.to_string()))?;
        let reader =
            Worker::reading(reading, process.clone()).map_err(|error| unusable(error.to_string()))?;
        Ok(Self { reader, writer, process, waiting: Arc::default(), followers: Arc::default(), _lock: lock })
    }

    /// Makes a change, all of it or nothing; `after` is told, also where nobody waits any more.
    fn write<T: Send + 'static>(
        &self,
        is_durable: bool,
        work: impl FnMut(&Desk<'_>) -> rusqlite::Result<T> + Send + 'static,
        after: impl FnOnce(Option<&T>) + Send + 'static,
    ) -> Pending<'static, T> {
        self.write_on(Terms { is_durable, is_owed: false }, work, after)
    }

    /// The same for what follows from a claim that was taken: it is never refused.
    fn write_owed<T: Send + 'static>(
        &self,
        is_durable: bool,
        work: impl FnMut(&Desk<'_>) -> rusqlite::Result<T> + Send + 'static,
        after: impl FnOnce(Option<&T>) + Send + 'static,
    ) -> Pending<'static, T> {
        self.write_on(Terms { is_durable, is_owed: true }, work, after)
    }

    fn write_on<T: Send + 'static>(
        &self,
        terms: Terms,
        work: impl FnMut(&Desk<'_>) -> rusqlite::Result<T> + Send + 'static,
        after: impl FnOnce(Option<&T>) + Send + 'static,
    ) -> Pending<'static, T> {
        Pending::new(self.writer.run(terms, work, after))
    }

    fn read<T: Send + 'static>(
        &self,
        work: impl FnMut(&Desk<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Answer<'static, T> {
        Box::pin(self.reader.run(Terms::default(), work, |_| {}))
    }

    /// Tells who follows a feed.
    fn tell<T>(&self, key: &ConversationKey, is_told: bool) -> impl FnOnce(Option<&T>) + Send + use<T> {
        let (followers, key) = (self.followers.clone(), key.clone());
        move |_| {
            if is_told {
                followers.ring(&key);
            }
        }
    }

    /// A call is under way no more; who waits for it is told.
    fn leave<T>(&self, claim: &Arc<Claim>) -> impl FnOnce(Option<&T>) + Send + use<T> {
        let (process, waiting, claim) = (self.process.clone(), self.waiting.clone(), claim.clone());
        move |done| {
            if done.is_none() {
                process.abandon(&claim);
            }
            waiting.ring(&claim.key);
        }
    }
}

/// Whether a power cut must not undo a change: what a caller has set, what was taken away, and an end.
fn is_durable(change: &Change) -> bool {
    let by_caller = change.set.iter().any(|(_, variable)| variable.source == Source::Caller);
    let is_set = |name: &String| change.set.iter().any(|(set, _)| set == name);
    by_caller || change.end || !change.unset.iter().all(is_set)
}

impl Claims for SqliteStore {
    fn claim<'a>(&'a self, claim: &'a Claim) -> Pending<'a, Claimed> {
        let is_full = self.process.under_way().len() >= MAX_UNDER_WAY;
        // Even then it is known what was done before.
        let wanted = Claim { only_looks: claim.only_looks || is_full, ..claim.clone() };
        // Nothing is written: a claim that is lost with the process was never sent.
        let claimed = self.write(false, move |desk| claims::claim(desk, &wanted, now_ms()), |_| {});
        if !is_full || claim.only_looks {
            return claimed;
        }
        Pending::new(async move {
            match claimed.await? {
                Claimed::Fresh { .. } => Err(StoreError::Full(MAX_UNDER_WAY)),
                known => Ok(known),
            }
        })
    }

    fn sending<'a>(&'a self, claim: &'a Claim) -> Pending<'a, ()> {
        let held = |is_held| if is_held { Ok(()) } else { Err(StoreError::Fenced) };
        if !claim.is_write {
            // It does no harm if it is done again.
            return Pending::done(held(self.process.holds(claim)));
        }
        let marked = claim.clone();
        let is_held = self.write(true, move |desk| claims::sending(desk, &marked, now_ms()), |_| {});
        Pending::new(async move { held(is_held.await?) })
    }

    fn ended(&self, key: ClaimKey) -> Answer<'_, Ended> {
        Box::pin(async move {
            // If the end of a write could not be written, nobody holds its claim, and its row still says `sending`.
            let mut unknown = 0;
            while unknown < 2 {
                let mut listening = self.waiting.listen(&key);
                if self.process.under_way().get(&key).is_some() {
                    listening.rung.as_mut().await;
                    continue;
                }
                match self.read(move |desk| claims::ended(desk.connection, &key, now_ms())).await? {
                    Some(ended) => return Ok(ended),
                    // It may have been taken, or have ended, while the file was read.
                    None => unknown += 1,
                }
            }
            Ok(Ended::Lost)
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
        let settled = Arc::new(claim.clone());
        let leave = self.leave(&settled);
        let tell = claim.conversation.as_ref().map(|key| self.tell(key, change.tells()));
        let is_durable = claim.is_write || is_durable(&change);
        let settle = move |desk: &Desk<'_>| claims::settle(desk, &settled, &text, &change, now_ms());
        self.write_owed(is_durable, settle, move |applied| {
            leave(applied);
            if let Some(tell) = tell {
                tell(applied);
            }
        })
    }

    fn release<'a>(&'a self, claim: &'a Claim) -> Pending<'a, ()> {
        let released = Arc::new(claim.clone());
        let leave = self.leave(&released);
        self.write_owed(false, move |desk| claims::release(desk, &released, now_ms()), leave)
    }

    fn orphan(&self, key: ClaimKey) -> Pending<'_, ()> {
        self.write_owed(false, move |desk| claims::orphan(desk, &key), |_| {})
    }

    fn adopt(&self, key: ClaimKey) -> Pending<'_, ()> {
        self.write(false, move |desk| claims::adopt(desk, &key), |_| {})
    }
}

impl Conversations for SqliteStore {
    fn open<'a>(&'a self, key: &'a ConversationKey, opening: Opening) -> Answer<'a, Opened> {
        Box::pin(async move {
            if let Some(conversation) = self.find(key).await?
                && conversation.later_expiry(now_ms()).is_none()
            {
                return Ok(Opened { conversation, is_new: false });
            }
            let wanted = key.clone();
            let is_durable = opening.first.as_deref().is_some_and(is_durable);
            let open = move |desk: &Desk<'_>| conversations::open(desk, &wanted, &opening, now_ms());
            self.write(is_durable, open, |_| {}).await
        })
    }

    fn find<'a>(&'a self, key: &'a ConversationKey) -> Answer<'a, Option<Arc<Conversation>>> {
        if let Some(recent) = self.process.recent.find(key, now_ms()) {
            return Box::pin(std::future::ready(Ok(Some(recent.conversation.clone()))));
        }
        let key = key.clone();
        self.read(move |desk| {
            // All statements see the same moment.
            let moment = desk.connection.unchecked_transaction()?;
            let found = rows::read(desk.connection, &key, now_ms())?;
            moment.commit()?;
            Ok(found.map(|live| live.conversation))
        })
    }

    fn update<'a>(&'a self, key: &'a ConversationKey, change: Change) -> Pending<'a, Applied> {
        let wanted = key.clone();
        let tell = self.tell(key, change.tells());
        let is_durable = is_durable(&change);
        let update = move |desk: &Desk<'_>| conversations::update(desk, &wanted, &change, now_ms());
        self.write(is_durable, update, tell)
    }

    fn forget<'a>(&'a self, key: &'a ConversationKey) -> Pending<'a, bool> {
        let wanted = key.clone();
        let forget = move |desk: &Desk<'_>| {
            let is_known = desk.find(&wanted, now_ms())?.is_some();
            conversations::remove(desk.connection, &wanted)?;
            desk.remove(&wanted);
            Ok(is_known)
        };
        self.write(true, forget, self.tell(key, true))
    }

    fn list<'a>(
        &'a self,
        scope: &'a Scope,
        after: Option<ListPosition>,
        limit: usize,
    ) -> Answer<'a, Vec<Summary>> {
        let scope = scope.clone();
        self.read(move |desk| conversations::list(desk.connection, &scope, after.as_ref(), limit, now_ms()))
    }
}

impl Feed for SqliteStore {
    fn events<'a>(&'a self, key: &'a ConversationKey, after: u64, limit: usize) -> Answer<'a, EventPage> {
        let key = key.clone();
        self.read(move |desk| {
            let connection = desk.connection;
            // Both statements see the same moment.
            let moment = connection.unchecked_transaction()?;
            let page = conversations::events(connection, &key, after, limit, now_ms())?;
            moment.commit()?;
            Ok(page)
        })
    }

    fn follow<'a>(&'a self, key: &'a ConversationKey, after: u64) -> Answer<'a, ()> {
        Box::pin(async move {
            let mut listening = self.followers.listen(key);
            let page = self.events(key, after, 0).await?;
            if page.is_known && page.newest <= after {
                listening.rung.as_mut().await;
            }
            Ok(())
        })
    }
}

impl Notes for SqliteStore {
    fn note<'a>(&'a self, name: &'a str) -> Answer<'a, Option<String>> {
        let name = name.to_owned();
        self.read(move |desk| notes::get(desk.connection, &name, now_ms()))
    }

    fn put_note<'a>(&'a self, name: &'a str, text: &'a str, keep: Duration) -> Pending<'a, ()> {
        let (name, text) = (name.to_owned(), text.to_owned());
        let put = move |desk: &Desk<'_>| notes::put(desk.connection, &name, &text, millis(keep), now_ms());
        self.write(false, put, |_| {})
    }

    fn add_note<'a>(&'a self, name: &'a str, text: &'a str, keep: Duration) -> Pending<'a, bool> {
        let (name, text) = (name.to_owned(), text.to_owned());
        let add = move |desk: &Desk<'_>| notes::add(desk.connection, &name, &text, millis(keep), now_ms());
        self.write(false, add, |_| {})
    }

    fn remove_note<'a>(&'a self, name: &'a str, text: &'a str) -> Pending<'a, ()> {
        let (name, text) = (name.to_owned(), text.to_owned());
        self.write(false, move |desk| notes::remove(desk.connection, &name, &text), |_| {})
    }
}

impl Turns for SqliteStore {
    fn add_turn<'a>(&'a self, key: &'a ConversationKey, text: &'a str) -> Pending<'a, bool> {
        let (key, text) = (key.clone(), text.to_owned());
        // It may tell of writes: an agent that had forgotten them would ask for them again.
        self.write(true, move |desk| turns::add(desk, &key, &text, now_ms()), |_| {})
    }

    fn turns<'a>(&'a self, key: &'a ConversationKey) -> Answer<'a, Vec<Arc<str>>> {
        let key = key.clone();
        self.read(move |desk| turns::all(desk.connection, &key, now_ms()))
    }
}

impl Store for SqliteStore {
    fn backend(&self) -> &'static str {
        "sqlite"
    }
}
