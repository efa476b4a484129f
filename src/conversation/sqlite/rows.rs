//! Rows of conversations, and the types that SQLite holds them in.

use std::sync::Arc;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::course::Course;
use super::super::{Conversation, ConversationKey, Variables};
use super::recent::Live;

/// A time or a number of bytes as SQLite holds it.
pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn number(integer: i64) -> u64 {
    u64::try_from(integer).unwrap_or(0)
}

pub(super) fn json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

fn parse<T: DeserializeOwned>(column: usize, text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into()))
}

/// The conversation, unless it has expired at `now`.
pub(super) fn read(
    connection: &Connection,
    key: &ConversationKey,
    now: u64,
) -> rusqlite::Result<Option<Live>> {
    let live = connection
        .prepare_cached(
            "SELECT started_at, expires_at, ttl, ended_at, state, bytes, calls, concealed, course, newest_event, number
             FROM conversations WHERE environment = ?1 AND id = ?2 AND expires_at > ?3",
        )?
        .query_row(params![key.scope().name(), key.id(), integer(now)], |row| {
            let text = |column| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
            let conversation = Conversation {
                key: key.clone(),
                started_at_ms: number(row.get(0)?),
                expires_at_ms: number(row.get(1)?),
                ttl_ms: number(row.get(2)?),
                ended_at_ms: row.get::<_, Option<i64>>(3)?.map(number),
                state: row.get(4)?,
                variables: Arc::default(),
                bytes: usize::try_from(row.get::<_, i64>(5)?).unwrap_or(0),
                calls: parse(6, text(6)?)?,
                concealed: Arc::new(parse(7, text(7)?)?),
            };
            let course = Course::from_bytes(row.get_ref(8)?.as_blob().map_err(rusqlite::Error::from)?);
            Ok((row.get(10)?, conversation, course, number(row.get(9)?)))
        })
        .optional()?;
    let Some((number, mut conversation, course, newest)) = live else { return Ok(None) };
    conversation.variables = Arc::new(variables(connection, number)?);
    Ok(Some(Live::new(number, Arc::new(conversation), course, newest)))
}

fn variables(connection: &Connection, conversation: i64) -> rusqlite::Result<Variables> {
    let mut select = connection.prepare_cached("SELECT name, text FROM variables WHERE conversation = ?1")?;
    let rows = select.query_map([conversation], |row| {
        let text = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
        Ok((row.get(0)?, Arc::new(parse(1, text)?)))
    })?;
    rows.collect()
}
