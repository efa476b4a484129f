//! The tables, and how older files become newer ones.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

/// Bytes of a page.
const PAGE_BYTES: i64 = 4_096;
/// Memory for pages that are written again and again, in KiB.
const CACHE_KIB: i64 = 16 * 1024;
/// What the write-ahead log is cut back to, in bytes.
const MAX_WAL_BYTES: i64 = 64 * 1024 * 1024;

/// One after the other, never changed once released: a file of an older
/// Callgate has passed some of them. Times are milliseconds since 1970 (UTC).
const MIGRATIONS: &[&str] = &["
CREATE TABLE conversations (
    environment  TEXT NOT NULL,
    id           TEXT NOT NULL,
    started_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    ttl          INTEGER NOT NULL,
    ended_at     INTEGER,
    state        TEXT,
    variables    TEXT NOT NULL DEFAULT '{}', -- JSON: name -> {value, shown, source, sensitive, hidden, set_at_ms}
    bytes        INTEGER NOT NULL DEFAULT 0, -- of the variables
    calls        TEXT NOT NULL DEFAULT '{}', -- JSON: action -> {begun, succeeded}
    concealed    TEXT NOT NULL DEFAULT '[]', -- JSON: texts that models must not see
    newest_event INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (environment, id)
) WITHOUT ROWID;
CREATE INDEX conversations_by_start ON conversations (environment, started_at, id);
CREATE INDEX conversations_by_expiry ON conversations (expires_at);

CREATE TABLE events (
    environment  TEXT NOT NULL,
    conversation TEXT NOT NULL,
    id           INTEGER NOT NULL,           -- counted from 1 in each conversation
    at           INTEGER NOT NULL,
    kind         TEXT NOT NULL,
    data         TEXT NOT NULL,              -- JSON
    PRIMARY KEY (environment, conversation, id)
) WITHOUT ROWID;

CREATE TABLE claims (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    key          BLOB NOT NULL UNIQUE,       -- SHA-256 of the intent
    holder       INTEGER NOT NULL,
    environment  TEXT,
    conversation TEXT,
    action       TEXT NOT NULL,
    arguments    BLOB NOT NULL,              -- SHA-256
    twin         BLOB,                       -- the same write, whatever its id
    is_write     INTEGER NOT NULL,
    is_counted   INTEGER NOT NULL,           -- among the begun calls of the conversation
    is_orphan    INTEGER NOT NULL DEFAULT 0, -- nobody was told the result
    phase        TEXT NOT NULL CHECK (phase IN ('claimed', 'sending', 'ended', 'lost')),
    result       TEXT,                       -- JSON
    claimed_at   INTEGER NOT NULL,
    ended_at     INTEGER,
    keep         INTEGER NOT NULL,
    twin_window  INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL
);
CREATE INDEX claims_by_twin ON claims (twin, number) WHERE twin IS NOT NULL;
CREATE INDEX claims_by_expiry ON claims (expires_at);
", "
CREATE TABLE notes (
    name         TEXT PRIMARY KEY,
    text         TEXT NOT NULL,              -- sealed
    expires_at   INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX notes_by_expiry ON notes (expires_at);
", "
CREATE INDEX claims_with_results ON claims (expires_at) WHERE result IS NOT NULL;
", "
-- What tells a repeat of a call from a new call that looks the same; see course.rs.
ALTER TABLE conversations ADD COLUMN course BLOB NOT NULL DEFAULT x'';
ALTER TABLE claims ADD COLUMN request INTEGER NOT NULL DEFAULT 0;
ALTER TABLE claims ADD COLUMN began   INTEGER NOT NULL DEFAULT 0;    -- by the course of its conversation
ALTER TABLE claims ADD COLUMN ended   INTEGER NOT NULL DEFAULT 0;
", "
-- What one change tells the feed; see `Entry`.
CREATE TABLE entries (
    environment  TEXT NOT NULL,
    conversation TEXT NOT NULL,
    last         INTEGER NOT NULL,           -- the number of its last event, counted from 1 in each conversation
    count        INTEGER NOT NULL,           -- of its events
    text         TEXT NOT NULL,              -- JSON
    PRIMARY KEY (environment, conversation, last)
) WITHOUT ROWID;
INSERT INTO entries SELECT environment, conversation, id, 1,
    '{\"events\":[[\"' || kind || '\",' || at || ',' || data || ']]}' FROM events;
DROP TABLE events;
", "
-- Tables that are appended to, and rows that keep their size: what a call writes fills few pages. What belongs to a
-- conversation has its number; a number is never used again.
DROP INDEX conversations_by_start;
DROP INDEX conversations_by_expiry;
DROP INDEX claims_by_twin;
DROP INDEX claims_by_expiry;
DROP INDEX claims_with_results;
ALTER TABLE conversations RENAME TO conversations_5;
ALTER TABLE entries RENAME TO entries_5;
ALTER TABLE claims RENAME TO claims_5;

CREATE TABLE conversations (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    environment  TEXT NOT NULL,
    id           TEXT NOT NULL,
    started_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    ttl          INTEGER NOT NULL,
    ended_at     INTEGER,
    state        TEXT,
    bytes        INTEGER NOT NULL DEFAULT 0, -- of the variables
    calls        TEXT NOT NULL DEFAULT '{}', -- JSON: action -> {begun, succeeded}
    concealed    TEXT NOT NULL DEFAULT '[]', -- JSON: texts that models must not see
    newest_event INTEGER NOT NULL DEFAULT 0,
    course       BLOB NOT NULL DEFAULT x''
);
INSERT INTO conversations
    (environment, id, started_at, expires_at, ttl, ended_at, state, bytes, calls, concealed, newest_event, course)
    SELECT environment, id, started_at, expires_at, ttl, ended_at, state, bytes, calls, concealed, newest_event, course
    FROM conversations_5 ORDER BY started_at;
CREATE UNIQUE INDEX conversations_by_id ON conversations (environment, id);
CREATE INDEX conversations_by_start ON conversations (environment, started_at, id);
CREATE INDEX conversations_by_expiry ON conversations (expires_at);

CREATE TABLE variables (
    conversation INTEGER NOT NULL,
    name         TEXT NOT NULL,              -- dotted
    text         TEXT NOT NULL,              -- JSON: {value, shown, source, sensitive, hidden, set_at_ms}
    PRIMARY KEY (conversation, name)
) WITHOUT ROWID;
INSERT INTO variables SELECT number, one.key, one.value
    FROM conversations_5 AS old JOIN conversations USING (environment, id), json_each(old.variables) AS one;

CREATE TABLE entries (
    number       INTEGER PRIMARY KEY,
    conversation INTEGER NOT NULL,
    last         INTEGER NOT NULL,           -- the number of its last event, counted from 1 in each conversation
    count        INTEGER NOT NULL,           -- of its events
    text         TEXT NOT NULL               -- JSON
);
INSERT INTO entries (conversation, last, count, text) SELECT conversations.number, last, count, text
    FROM entries_5 AS old JOIN conversations ON conversations.environment = old.environment AND id = conversation
    ORDER BY conversations.number, last;
CREATE INDEX entries_by_conversation ON entries (conversation, last);

CREATE TABLE claims (
    number       INTEGER PRIMARY KEY,        -- in the order in which they were taken
    key          BLOB NOT NULL UNIQUE,       -- SHA-256 of the intent
    holder       INTEGER NOT NULL,
    conversation INTEGER,                    -- its number
    action       TEXT NOT NULL,
    arguments    BLOB NOT NULL,              -- SHA-256, of a call with a key that an older Callgate gives it
    twin         BLOB,                       -- the same write, whatever its id, unless a later one of it was answered
    is_write     INTEGER NOT NULL,
    is_counted   INTEGER NOT NULL,           -- among the begun calls of the conversation
    is_orphan    INTEGER NOT NULL,           -- nobody was told the result
    phase        TEXT NOT NULL CHECK (phase IN ('claimed', 'sending', 'ended', 'lost')),
    has_result   INTEGER NOT NULL,
    ended_at     INTEGER,
    keep         INTEGER NOT NULL,
    twin_window  INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    request      INTEGER NOT NULL,
    began        INTEGER NOT NULL,           -- by the course of its conversation
    ended        INTEGER NOT NULL
);
INSERT INTO claims SELECT old.number, key, holder, conversations.number, action, arguments, twin, is_write, is_counted,
    is_orphan, phase, result IS NOT NULL, old.ended_at, keep, twin_window, old.expires_at, request, began, ended
    FROM claims_5 AS old LEFT JOIN conversations ON conversations.environment = old.environment AND id = conversation;
CREATE INDEX claims_by_expiry ON claims (has_result, expires_at) WHERE ended_at IS NOT NULL;
CREATE INDEX orphans_by_twin ON claims (twin, number) WHERE is_orphan AND twin IS NOT NULL;

CREATE TABLE results (
    claim        INTEGER PRIMARY KEY,        -- its number
    text         TEXT NOT NULL               -- JSON
);
INSERT INTO results SELECT number, result FROM claims_5 WHERE result IS NOT NULL;

DROP TABLE conversations_5;
DROP TABLE entries_5;
DROP TABLE claims_5;
", "
-- What agents have done that their callers do not know of.
CREATE TABLE turns (
    number       INTEGER PRIMARY KEY,        -- in the order in which they were appended
    conversation INTEGER NOT NULL,           -- its number
    bytes        INTEGER NOT NULL,           -- of the text
    text         TEXT NOT NULL               -- JSON
);
CREATE INDEX turns_by_conversation ON turns (conversation, number, bytes);
"];

/// Opens the file for writing, and makes it what this Callgate expects.
///
/// # Errors
///
/// Says what is wrong with the file.
pub(super) fn open(path: &Path, max_bytes: u64) -> Result<Connection, String> {
    let failed = |error: rusqlite::Error| error.to_string();
    let connection = Connection::open(path).map_err(failed)?;
    keep_plans(&connection).map_err(failed)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
    // Before the first table: later it takes a VACUUM of the whole file.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(failed)?;
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).map_err(failed)?;
    if mode != "wal" {
        return Err(format!("it cannot have a write-ahead log (journal mode `{mode}`); a network disk?"));
    }
    connection.pragma_update(None, "journal_size_limit", MAX_WAL_BYTES).map_err(failed)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB).map_err(failed)?;
    // What is moved takes room twice until it has been moved.
    migrate(&connection)?;
    let pages = i64::try_from(max_bytes).unwrap_or(i64::MAX) / PAGE_BYTES;
    connection.pragma_update(None, "max_page_count", pages).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Opens the file for reading.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, String> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| error.to_string())?;
    keep_plans(&connection).map_err(|error| error.to_string())?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(|error| error.to_string())?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Has SQLite keep the plan of a statement whatever is bound to it: else one whose bindings are cleared is prepared again.
fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(|_| ())
}

fn migrate(connection: &Connection) -> Result<(), String> {
    let failed = |error: rusqlite::Error| error.to_string();
    connection
        .execute_batch(
            "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, applied_at TEXT NOT NULL)",
        )
        .map_err(failed)?;
    let version: u32 = connection
        .query_row("SELECT coalesce(max(version), 0) FROM schema_version", [], |row| row.get(0))
        .map_err(failed)?;
    let newest = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    if version > newest {
        return Err(format!(
            "it was written by a newer Callgate (version {version}; this one knows {newest}): use that one, or another file"
        ));
    }
    for (number, migration) in (1_u32..).zip(MIGRATIONS).skip_while(|(number, _)| *number <= version) {
        let stamp = "INSERT INTO schema_version VALUES (?1, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))";
        let whole = || {
            connection.execute_batch("BEGIN IMMEDIATE")?;
            connection.execute_batch(migration)?;
            connection.execute(stamp, [number])?;
            connection.execute_batch("COMMIT")
        };
        whole().map_err(|error| format!("the step to version {number} failed: {error}"))?;
    }
    Ok(())
}
