//! Nothing stays for ever: what has expired goes, and the file shrinks.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::super::now_ms;
use super::recent::Recent;
use super::worker::atomically;

/// Rows of one step: what a call that comes meanwhile waits for.
const STEP: u32 = 500;
/// Pages given back to the system in one step.
const VACUUM_STEP: i64 = 500;

/// Removes what has expired, a step at a time.
#[derive(Debug)]
pub(super) struct Sweep {
    max_conversations: i64,
    max_pages: i64,
    recent: Arc<Recent>,
    is_done: bool,
}

impl Sweep {
    /// Keeps at most about `max_conversations`, and the file within `max_bytes`.
    /// What it forgets before it has expired goes from `recent` too.
    pub(super) fn new(max_conversations: u64, max_bytes: u64, recent: Arc<Recent>) -> Self {
        let max_pages = i64::try_from(max_bytes / 4_096).unwrap_or(i64::MAX);
        let max_conversations = i64::try_from(max_conversations).unwrap_or(i64::MAX);
        Self { max_conversations, max_pages, recent, is_done: true }
    }

    /// Whether the last step found little to do.
    pub(super) fn is_done(&self) -> bool {
        self.is_done
    }

    /// Does a step.
    pub(super) fn run(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.is_done = true;
        let now = i64::try_from(now_ms()).unwrap_or(i64::MAX);
        atomically(connection, |connection| {
            let claims = connection
                .prepare_cached(
                    "DELETE FROM claims WHERE number IN
                     (SELECT number FROM claims WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
                )?
                .execute(params![now, STEP])?;
            let notes = connection
                .prepare_cached(
                    "DELETE FROM notes WHERE name IN (SELECT name FROM notes WHERE expires_at <= ?1 LIMIT ?2)",
                )?
                .execute(params![now, STEP])?;
            let conversations = forget(connection, now, STEP)?;
            self.is_done = claims.max(conversations).max(notes) < STEP as usize;
            Ok(())
        })?;
        if self.is_done {
            self.make_room(connection)?;
        }
        let free: i64 = connection.query_row("PRAGMA freelist_count", [], |row| row.get(0))?;
        if free > VACUUM_STEP {
            let sql = format!("PRAGMA incremental_vacuum({VACUUM_STEP})");
            // It does its work as its rows are read.
            let mut vacuum = connection.prepare_cached(&sql)?;
            let mut rows = vacuum.query([])?;
            while rows.next()?.is_some() {}
        }
        Ok(())
    }

    /// Where there is too much that has not expired, what would expire first goes.
    fn make_room(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let count: i64 = connection.query_row("SELECT count(*) FROM conversations", [], |row| row.get(0))?;
        let (pages, free): (i64, i64) = (
            connection.query_row("PRAGMA page_count", [], |row| row.get(0))?,
            connection.query_row("PRAGMA freelist_count", [], |row| row.get(0))?,
        );
        let is_full = pages - free > self.max_pages / 10 * 9;
        if count <= self.max_conversations && !is_full {
            return Ok(());
        }
        tracing::warn!(
            conversations = count,
            pages,
            "the store is full: what was used longest ago is forgotten"
        );
        atomically(connection, |connection| {
            let forgotten = forget(connection, i64::MAX, STEP)?;
            if is_full {
                // Results of reads expire after minutes, and so go first. By the index: any other order reads the
                // whole file, and every call waits.
                let sql = "DELETE FROM claims WHERE number IN (SELECT number FROM claims WHERE phase IN ('ended', 'lost')
                           ORDER BY expires_at LIMIT ?1)";
                connection.prepare_cached(sql)?.execute([STEP])?;
            }
            self.is_done = forgotten < STEP as usize;
            Ok(())
        })?;
        self.recent.clear();
        Ok(())
    }
}

/// Forgets conversations that expire until `until`, the first first.
fn forget(connection: &Connection, until: i64, limit: u32) -> rusqlite::Result<usize> {
    let mut select = connection.prepare_cached(
        "SELECT environment, id FROM conversations WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2",
    )?;
    let rows = select.query_map(params![until, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let expired = rows.collect::<rusqlite::Result<Vec<(String, String)>>>()?;
    for (environment, id) in &expired {
        super::conversations::remove(connection, environment, id)?;
    }
    Ok(expired.len())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::super::change::Change;
    use super::super::super::event::{EventKind, NewEvent};
    use super::super::super::{Claim, ClaimKey, Conversation, ConversationKey};
    use super::super::{claims, conversations, schema};
    use super::*;

    const MOST: u64 = 1_000;
    const MAX_BYTES: u64 = 16 * 1024 * 1024;

    fn count(connection: &Connection, table: &str) -> i64 {
        connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    }

    fn pages(connection: &Connection) -> i64 {
        connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap()
    }

    /// A conversation with an event and a claim.
    fn add(connection: &Connection, number: u64, ttl_ms: u64) -> rusqlite::Result<()> {
        let key = ConversationKey::new("development", &format!("c{number}"));
        let now = now_ms() + number;
        conversations::insert(connection, &Conversation::new(key.clone(), ttl_ms, now))?;
        let data = serde_json::json!({"text": "x".repeat(2_000)});
        let events = vec![NewEvent::now(EventKind::ToolCalled, &data)];
        conversations::update(connection, &key, &Change { events, ..Change::default() }, now)?;
        let mut digest = [0; 32];
        digest[16..24].copy_from_slice(&number.to_be_bytes());
        let claim = Claim {
            key: ClaimKey::new(Some(&key), digest),
            holder: number,
            conversation: Some(key),
            action: "book".to_owned(),
            most_calls: None,
            arguments: [0; 32],
            twin: None,
            is_write: true,
            keep: Duration::from_millis(ttl_ms),
            twin_window: Duration::ZERO,
        };
        claims::claim(connection, &claim, now)?;
        claims::settle(connection, &claim, "{}", &Change::default(), now)?;
        Ok(())
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
            if sweep.is_done() {
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
        for table in ["conversations", "events", "claims"] {
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
        assert_eq!(count(&connection, "conversations"), count(&connection, "events"));
        let newest = ConversationKey::new("development", "c2199");
        assert!(conversations::find(&connection, &newest, now_ms()).unwrap().is_some());
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
