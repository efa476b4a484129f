//! Rows of conversations, and the types that SQLite holds them in.

use std::sync::Arc;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::course::Course;
use super::super::{Conversation, ConversationKey};
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
    connection
        .prepare_cached(
            "SELECT started_at, expires_at, ttl, ended_at, state, variables, bytes, calls, concealed, course, newest_event
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
                variables: Arc::new(parse(5, text(5)?)?),
                bytes: usize::try_from(row.get::<_, i64>(6)?).unwrap_or(0),
                calls: parse(7, text(7)?)?,
                concealed: Arc::new(parse(8, text(8)?)?),
            };
            Ok(Live {
                conversation: Arc::new(conversation),
                course: Course::from_bytes(row.get_ref(9)?.as_blob().map_err(rusqlite::Error::from)?),
                newest: number(row.get(10)?),
            })
        })
        .optional()
}
