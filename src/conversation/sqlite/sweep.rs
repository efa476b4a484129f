//! Nothing stays for ever: what has expired goes, and the file shrinks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

use crate::tool::Scope;

use super::super::{ConversationKey, now_ms};
use super::claims;
use super::process::Process;
use super::rows::integer;
use super::transaction::atomically;

/// Rows of one step: what a call that comes meanwhile waits for.
const STEP: usize = 500;
/// Rows of one step where the file is nearly full: not many more than have to go.
const ROOM_STEP: usize = 50;
/// Pages given back to the system in one step.
const VACUUM_STEP: i64 = 500;
/// How often what has expired is removed.
const SWEEP_EVERY: Duration = Duration::from_secs(10);
/// How often a file that is written to is looked at, whether it is nearly full.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Removes what has expired, a step at a time.
#[derive(Debug)]
pub(super) struct Sweep {
    max_conversations: i64,
    max_pages: i64,
    process: Arc<Process>,
    is_done: bool,
    /// When the next step is due, however full the file is.
    due: Instant,
    /// When to look whether it is due at once.
    look: Instant,
    /// When it was last said that the store is full.
    warned: Option<Instant>,
}

impl Sweep {
    /// Keeps at most about `max_conversations`, and the file within `max_bytes`.
    /// What it forgets before it has expired, `process` knows no more either.
    pub(super) fn new(max_conversations: u64, max_bytes: u64, process: Arc<Process>) -> Self {
        let max_pages = i64::try_from(max_bytes / 4_096).unwrap_or(i64::MAX);
        let max_conversations = i64::try_from(max_conversations).unwrap_or(i64::MAX);
        let now = Instant::now();
        let (due, look) = (now + SWEEP_EVERY, now + LOOK_EVERY);
        Self { max_conversations, max_pages, process, is_done: true, due, look, warned: None }
    }

    /// How long nothing has to be done where nothing is written.
    pub(super) fn idle(&self) -> Duration {
        self.due.saturating_duration_since(Instant::now())
    }

    /// Has the next step done at once.
    pub(super) fn hasten(&mut self) {
        self.due = Instant::now();
    }

    /// Whether a step is to be done now: it is time, the last one has left
    /// something, or the file is nearly full.
    pub(super) fn is_due(&mut self, connection: &Connection) -> bool {
        let now = Instant::now();
        if now >= self.due {
            return true;
        }
        if now < self.look {
            return false;
        }
        self.look = now + LOOK_EVERY;
        self.is_full(connection).unwrap_or(false)
    }

    /// Does a step. Where it has left something, the next one comes at once, between the jobs; where it came before its
    /// time, because the file is nearly full, at the next look.
    pub(super) fn run(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let done = self.step(connection);
        let now = Instant::now();
        if done.is_err() || self.is_done {
            (self.due, self.look) = (now + SWEEP_EVERY, now + LOOK_EVERY);
            if self.is_full(connection).unwrap_or(false) {
                // Nothing more can go: looking sooner finds nothing.
                self.look = self.due;
            }
        }
        done
    }

    /// Makes room if there is too little of it; says whether there is enough now.
    pub(super) fn makes_room(&mut self, connection: &Connection) -> bool {
        if !self.is_full(connection).unwrap_or(false) {
            return false;
        }
        loop {
            self.is_done = true;
            if self.make_room(connection).is_err() {
                return false;
            }
            match self.is_full(connection) {
                Ok(true) if !self.is_done => {}
                is_full => return is_full.is_ok_and(|is_full| !is_full),
            }
        }
    }

    fn is_full(&self, connection: &Connection) -> rusqlite::Result<bool> {
        let pages: i64 = connection.prepare_cached("PRAGMA page_count")?.query_row([], |row| row.get(0))?;
        Ok(pages - free_pages(connection)? > self.max_pages / 10 * 9)
    }

    fn step(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.is_done = true;
        let now = i64::try_from(now_ms()).unwrap_or(i64::MAX);
        atomically(connection, |connection| {
            let claims = claims::expire(connection, now, STEP)?;
            let notes = connection
                .prepare_cached(
                    "DELETE FROM notes WHERE name IN (SELECT name FROM notes WHERE expires_at <= ?1 LIMIT ?2)",
                )?
                .execute(params![now, integer(STEP as u64)])?;
            let conversations = forget(connection, now, STEP)?.len();
            self.is_done = claims.max(conversations).max(notes) < STEP;
            Ok(())
        })?;
        if self.is_done {
            self.make_room(connection)?;
        }
        if free_pages(connection)? > VACUUM_STEP {
            let sql = format!("PRAGMA incremental_vacuum({VACUUM_STEP})");
            // It does its work as its rows are read.
            let mut vacuum = connection.prepare_cached(&sql)?;
            let mut rows = vacuum.query([])?;
            while rows.next()?.is_some() {}
        }
        Ok(())
    }

    /// Where there is too much that has not expired, what would expire first goes;
    /// of writes only the results, as long as there is anything else.
    fn make_room(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let is_full = self.is_full(connection)?;
        let limit = if is_full {
            ROOM_STEP
        } else {
            let mut count = connection.prepare_cached("SELECT count(*) FROM conversations")?;
            let over = count.query_row([], |row| row.get::<_, i64>(0))? - self.max_conversations;
            match usize::try_from(over) {
                Ok(over @ 1..) => over.min(STEP),
                _ => return Ok(()),
            }
        };
        if self.warned.is_none_or(|warned| warned.elapsed() >= SWEEP_EVERY) {
            self.warned = Some(Instant::now());
            tracing::warn!(
                "the store is full: what was used longest ago is forgotten, and results of writes"
            );
        }
        let (freed, forgotten) = atomically(connection, |connection| {
            if !is_full {
                return Ok((0, forget(connection, i64::MAX, limit)?));
            }
            // A conversation and a result are the same here: what would expire first goes first.
            let oldest = first_expiry(connection)?.unwrap_or(i64::MAX);
            let freed = claims::lighten(connection, oldest, limit)?;
            let forgotten = forget(connection, i64::MAX, limit - freed)?;
            let is_bare = freed == 0 && forgotten.is_empty();
            // All that is left is what keeps writes from being done again: it goes last.
            Ok((if is_bare { claims::forget(connection, limit)? } else { freed }, forgotten))
        })?;
        self.is_done = match is_full {
            true => freed == 0 && forgotten.is_empty() || !self.is_full(connection)?,
            false => forgotten.len() < STEP,
        };
        for key in &forgotten {
            self.process.recent.remove(key);
        }
        Ok(())
    }
}

fn free_pages(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("PRAGMA freelist_count")?.query_row([], |row| row.get(0))
}

/// When the first conversation expires.
fn first_expiry(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    connection.prepare_cached("SELECT min(expires_at) FROM conversations")?.query_row([], |row| row.get(0))
}

/// Forgets conversations that expire until `until`, the first first; says which.
fn forget(connection: &Connection, until: i64, limit: usize) -> rusqlite::Result<Vec<ConversationKey>> {
    let mut select = connection.prepare_cached(
        "SELECT environment, id FROM conversations WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2",
    )?;
    let key = |row: &rusqlite::Row<'_>| {
        let text = |column| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
        Ok(ConversationKey::of(Scope::named(text(0)?), text(1)?))
    };
    let expired = select
        .query_map(params![until, integer(limit as u64)], key)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for key in &expired {
        super::conversations::remove(connection, key)?;
    }
    Ok(expired)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::super::change::Change;
    use super::super::super::event::{EventKind, NewEvent};
    use futures_util::stream::{self, StreamExt as _};

    use super::super::super::{
        Claim, ClaimKey, Claimed, Conversation, ConversationKey, Conversations as _, IdTrust, Opening,
    };
    use super::super::desk::Desk;
    use super::super::rows;
    use super::super::{SqliteLimits, SqliteStore, conversations, schema, turns};
    use super::*;

    const MOST: u64 = 1_000;
    const MAX_BYTES: u64 = 16 * 1024 * 1024;

    fn count(connection: &Connection, table: &str) -> i64 {
        connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    }

    fn pages(connection: &Connection) -> i64 {
        connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap()
    }

    /// A conversation with an event, a turn and a claim.
    fn add(connection: &Connection, number: u64, ttl_ms: u64) -> rusqlite::Result<()> {
        let key = ConversationKey::new("development", &format!("c{number}"));
        let now = now_ms() + number;
        conversations::insert(connection, &Conversation::new(key.clone(), ttl_ms, now))?;
        let data = serde_json::json!({"text": "x".repeat(2_000)});
        let events = vec![NewEvent::now(EventKind::ToolCalled, &data)];
        let process = Process::after(claims::last(connection)?);
        let desk = Desk::new(connection, &process);
        conversations::update(&desk, &key, &Change { events, ..Change::default() }, now)?;
        turns::add(&desk, &key, "{}", now)?;
        let claim = claim(number, ttl_ms);
        claims::claim(&desk, &claim, now)?;
        claims::settle(&desk, &claim, "{}", &Change::default(), now)?;
        Ok(())
    }

    /// A write of that conversation.
    fn claim(number: u64, ttl_ms: u64) -> Claim {
        let key = ConversationKey::new("development", &format!("c{number}"));
        let mut digest = [0; 32];
        digest[16..24].copy_from_slice(&number.to_be_bytes());
        Claim {
            key: ClaimKey::new(Some(&key), digest),
            holder: number,
            conversation: Some(key),
            action: "book".to_owned(),
            most_calls: None,
            former: None,
            twin: None,
            is_write: true,
            keep: Duration::from_millis(ttl_ms),
            twin_window: Duration::ZERO,
            trust: IdTrust::LooksUnique,
            request: number,
            turn: 0,
            id: 0,
            content: number,
            only_looks: false,
        }
    }

    fn filled(folder: &tempfile::TempDir, rows: u64, ttl_ms: u64) -> Connection {
        let connection = schema::open(&folder.path().join("store.db"), MAX_BYTES).unwrap();
        connection.pragma_update(None, "synchronous", "OFF").unwrap();
        connection.execute_batch("BEGIN").unwrap();
        for number in 0..rows {
            add(&connection, number, ttl_ms).unwrap();
        }
        connection.execute_batch("COMMIT").unwrap();
        connection
    }

    fn sweep(connection: &Connection) {
        let mut sweep = Sweep::new(MOST, MAX_BYTES, Arc::default());
        for _ in 0..100 {
            sweep.run(connection).unwrap();
            if sweep.is_done {
                return;
            }
        }
        panic!("it does not come to an end");
    }

    #[test]
    fn what_has_expired_goes_and_the_file_shrinks() {
        let folder = tempfile::tempdir().unwrap();
        let connection = filled(&folder, 1_500, 1);
        let before = pages(&connection);
        std::thread::sleep(Duration::from_millis(1_600));
        // The vacuum follows over the next sweeps, a step at a time.
        for _ in 0..10 {
            sweep(&connection);
        }
        for table in ["conversations", "entries", "turns", "claims"] {
            assert_eq!(count(&connection, table), 0, "{table}");
        }
        assert!(pages(&connection) < before / 2, "{} of {before} pages", pages(&connection));
    }

    #[test]
    fn what_was_used_longest_ago_gives_way() {
        let folder = tempfile::tempdir().unwrap();
        let connection = filled(&folder, 2_200, 3_600_000);
        sweep(&connection);
        assert!(count(&connection, "conversations") <= MOST.cast_signed());
        for table in ["entries", "turns"] {
            assert_eq!(count(&connection, "conversations"), count(&connection, table), "{table}");
        }
        let newest = ConversationKey::new("development", "c2199");
        assert!(rows::read(&connection, &newest, now_ms()).unwrap().is_some());
    }

    #[tokio::test]
    async fn a_small_file_takes_many_times_its_size_and_keeps_the_latest() {
        const CALLS: u64 = 4_000;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let limits = SqliteLimits { file_bytes: 2 * 1024 * 1024, ..SqliteLimits::default() };
        let store = SqliteStore::open(&path, limits).unwrap();
        let key = |number| ConversationKey::new("development", &format!("c{number}"));
        let data = serde_json::json!({"text": "x".repeat(2_000)});
        let add = async |number| {
            let opening = Opening { ttl: Duration::from_secs(3_600), first: None };
            store.open(&key(number), opening).await?;
            let events = vec![NewEvent::now(EventKind::ToolCalled, &data)];
            store.update(&key(number), Change { events, ..Change::default() }).await
        };
        let added = stream::iter(0..CALLS).map(add).buffered(64).collect::<Vec<_>>().await;
        let failed = added.iter().find(|added| !added.as_ref().is_ok_and(|applied| applied.is_known));
        assert!(failed.is_none(), "{failed:?}");
        assert!(std::fs::metadata(&path).unwrap().len() <= limits.file_bytes);
        assert!(store.find(&key(0)).await.unwrap().is_none());
        for number in CALLS - 64..CALLS {
            assert!(store.find(&key(number)).await.unwrap().is_some(), "{number}");
        }
    }

    #[test]
    fn of_writes_the_results_go_long_before_what_keeps_them_from_being_done_again() {
        let folder = tempfile::tempdir().unwrap();
        let connection = filled(&folder, 1_200, 3_600_000);
        let results = |connection: &Connection| -> i64 {
            let sql = "SELECT count(*) FROM results";
            connection.query_row(sql, [], |row| row.get(0)).unwrap()
        };
        // A file in which that is far too much.
        let mut sweep = Sweep::new(MOST, 8_192, Arc::default());
        let mut steps = 0;
        while results(&connection) > 0 {
            assert_eq!(count(&connection, "claims"), 1_200);
            sweep.make_room(&connection).unwrap();
            assert!(!sweep.is_done);
            steps += 1;
        }
        assert!(steps > 20, "a step at a time: {steps}");
        let now = now_ms();
        let known =
            claims::claim(&Desk::new(&connection, &Process::default()), &claim(7, 3_600_000), now).unwrap();
        assert!(matches!(known, Claimed::Lost), "{known:?}");
        // Only when there is nothing else.
        while count(&connection, "claims") == 1_200 {
            sweep.make_room(&connection).unwrap();
        }
        assert_eq!(count(&connection, "conversations"), 0);
        let known =
            claims::claim(&Desk::new(&connection, &Process::default()), &claim(1_199, 3_600_000), now)
                .unwrap();
        assert!(matches!(known, Claimed::Lost), "the latest is there: {known:?}");
    }

    #[test]
    fn old_conversations_give_way_before_new_results() {
        let folder = tempfile::tempdir().unwrap();
        let connection = filled(&folder, 1_200, 3_600_000);
        for number in 5_000..5_100 {
            add(&connection, number, 3_600_000).unwrap();
        }
        let mut sweep = Sweep::new(MOST, 8_192, Arc::default());
        // Of the old ones, there are as many results again.
        for _ in 0..2 * 1_000 / ROOM_STEP {
            sweep.make_room(&connection).unwrap();
        }
        let results = |of: &str| -> i64 {
            let sql =
                format!("SELECT count(*) FROM claims JOIN results ON claim = number WHERE holder {of} 5000");
            connection.query_row(&sql, [], |row| row.get(0)).unwrap()
        };
        assert_eq!((count(&connection, "claims"), results(">=")), (1_300, 100));
        assert!(results("<") < 300, "{}", results("<"));
        assert!(count(&connection, "conversations") < 400);
    }

    #[test]
    fn a_full_file_is_made_room_in() {
        let folder = tempfile::tempdir().unwrap();
        let connection = filled(&folder, 0, 0);
        let mut added = 0;
        while added < 20_000 && add(&connection, added, 3_600_000).is_ok() {
            added += 1;
        }
        assert!(added < 20_000, "a file has a limit");
        let size = std::fs::metadata(folder.path().join("store.db")).unwrap().len();
        assert!(size <= MAX_BYTES, "{size}");
        sweep(&connection);
        add(&connection, 50_000, 3_600_000).unwrap();
    }
}
