//! Notes in a table.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::rows::integer;

/// The note under `name`, unless its time is over.
pub(super) fn get(connection: &Connection, name: &str, now: u64) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("SELECT text FROM notes WHERE name = ?1 AND expires_at > ?2")?
        .query_row(params![name, integer(now)], |row| row.get(0))
        .optional()
}

/// Keeps a note, whatever was there.
pub(super) fn put(
    connection: &Connection,
    name: &str,
    text: &str,
    keep_ms: u64,
    now: u64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO notes (name, text, expires_at) VALUES (?1, ?2, ?3)")?
        .execute(params![name, text, integer(now.saturating_add(keep_ms))])?;
    Ok(())
}

/// Keeps a note where there is none; says whether it did.
pub(super) fn add(
    connection: &Connection,
    name: &str,
    text: &str,
    keep_ms: u64,
    now: u64,
) -> rusqlite::Result<bool> {
    let is_free = get(connection, name, now)?.is_none();
    if is_free {
        put(connection, name, text, keep_ms, now)?;
    }
    Ok(is_free)
}

/// Removes the note under `name` where it is `text`.
pub(super) fn remove(connection: &Connection, name: &str, text: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM notes WHERE name = ?1 AND text = ?2")?
        .execute(params![name, text])?;
    Ok(())
}
