//! Turns in a table.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::super::{ConversationKey, MAX_TURN_BYTES, MAX_TURNS};
use super::conversations::touch;
use super::desk::Desk;
use super::rows::integer;

/// Appends a turn to a conversation that is there, and keeps that from expiring; says whether it is there.
pub(super) fn add(desk: &Desk<'_>, key: &ConversationKey, text: &str, now: u64) -> rusqlite::Result<bool> {
    let Some(live) = desk.find(key, now)? else { return Ok(false) };
    let bytes = integer(text.len() as u64);
    desk.connection
        .prepare_cached("INSERT INTO turns (conversation, bytes, text) VALUES (?1, ?2, ?3)")?
        .execute(params![live.number, bytes, text])?;
    // The index has all that is counted: no text is read.
    desk.connection
        .prepare_cached(
            "DELETE FROM turns WHERE number IN (
                 SELECT number FROM (
                     SELECT number, row_number() OVER latest AS turns, sum(bytes) OVER latest AS bytes
                     FROM turns WHERE conversation = ?1 WINDOW latest AS (ORDER BY number DESC)
                 ) WHERE turns > ?2 OR bytes > ?3
             )",
        )?
        .execute(params![live.number, integer(MAX_TURNS as u64), integer(MAX_TURN_BYTES as u64)])?;
    if let Some(expires) = live.conversation.later_expiry(now) {
        touch(desk.connection, live.number, expires)?;
        let mut live = Arc::unwrap_or_clone(live);
        Arc::make_mut(&mut live.conversation).expires_at_ms = expires;
        desk.put(live);
    }
    Ok(true)
}

/// The turns of a conversation, the oldest first.
pub(super) fn all(
    connection: &Connection,
    key: &ConversationKey,
    now: u64,
) -> rusqlite::Result<Vec<Arc<str>>> {
    let mut select = connection.prepare_cached(
        "SELECT text FROM conversations JOIN turns ON conversation = conversations.number
         WHERE environment = ?1 AND id = ?2 AND expires_at > ?3 ORDER BY turns.number",
    )?;
    let rows = select.query_map(params![key.scope().name(), key.id(), integer(now)], |row| {
        Ok(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?.into())
    })?;
    rows.collect()
}
