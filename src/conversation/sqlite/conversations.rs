//! Conversations and their events in tables.

use std::borrow::Cow;
use std::sync::Arc;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::tool::Scope;

use super::super::change::{Applied, Change};
use super::super::course::Course;
use super::super::entry::{Entry, NewEntry, events_of};
use super::super::event::{EventPage, MAX_EVENTS, MAX_PAGE};
use super::super::record::later_expiry;
use super::super::{
    Claim, Conversation, ConversationKey, ListPosition, MAX_LISTED, MAX_TTL, Opened, Opening, Summary, millis,
};

/// A time or a number of bytes as SQLite holds it.
pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn number(integer: i64) -> u64 {
    u64::try_from(integer).unwrap_or(0)
}

fn json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

fn parse<T: DeserializeOwned>(column: usize, text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into()))
}

/// The conversation, unless it has expired at `now`.
pub(super) fn find(
    connection: &Connection,
    key: &ConversationKey,
    now: u64,
) -> rusqlite::Result<Option<Conversation>> {
    connection
        .prepare_cached(
            "SELECT started_at, expires_at, ttl, ended_at, state, variables, bytes, calls, concealed
             FROM conversations WHERE environment = ?1 AND id = ?2 AND expires_at > ?3",
        )?
        .query_row(params![key.scope().name(), key.id(), integer(now)], |row| read(key, row))
        .optional()
}

fn read(key: &ConversationKey, row: &Row<'_>) -> rusqlite::Result<Conversation> {
    let text = |column| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
    Ok(Conversation {
        key: key.clone(),
        started_at_ms: number(row.get(0)?),
        expires_at_ms: number(row.get(1)?),
        ttl_ms: number(row.get(2)?),
        ended_at_ms: row.get::<_, Option<i64>>(3)?.map(number),
        state: row.get(4)?,
        variables: parse(5, text(5)?)?,
        bytes: usize::try_from(row.get::<_, i64>(6)?).unwrap_or(0),
        calls: parse(7, text(7)?)?,
        concealed: Arc::new(parse(8, text(8)?)?),
    })
}

/// What came of a change.
pub(super) struct Changed {
    pub(super) applied: Applied,
    /// What the conversation has become, where it has changed.
    pub(super) conversation: Option<Arc<Conversation>>,
}

impl From<Applied> for Changed {
    fn from(applied: Applied) -> Self {
        Self { applied, conversation: None }
    }
}

/// Begins a conversation if it is not there, and keeps it from expiring.
pub(super) fn open(
    connection: &Connection,
    key: &ConversationKey,
    opening: &Opening,
    now: u64,
) -> rusqlite::Result<Opened> {
    if let Some(mut conversation) = find(connection, key, now)? {
        conversation.expires_at_ms = now.saturating_add(conversation.ttl_ms);
        touch(connection, key, conversation.expires_at_ms)?;
        return Ok(Opened { conversation: Arc::new(conversation), is_new: false });
    }
    let begun = Conversation::new(key.clone(), millis(opening.ttl.min(MAX_TTL)), now);
    insert(connection, &begun)?;
    let changed = match &opening.first {
        Some(first) => update(connection, key, &first.begun_at(now), now)?.conversation,
        None => None,
    };
    Ok(Opened { conversation: changed.unwrap_or_else(|| Arc::new(begun)), is_new: true })
}

/// Begins a conversation.
pub(super) fn insert(connection: &Connection, conversation: &Conversation) -> rusqlite::Result<()> {
    let key = &conversation.key;
    // An expired one of the same id may not have been swept yet.
    remove(connection, key.scope().name(), key.id())?;
    connection
        .prepare_cached(
            "INSERT INTO conversations (environment, id, started_at, expires_at, ttl) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            key.scope().name(),
            key.id(),
            integer(conversation.started_at_ms),
            integer(conversation.expires_at_ms),
            integer(conversation.ttl_ms),
        ])?;
    Ok(())
}

/// Keeps a conversation from expiring.
pub(super) fn touch(connection: &Connection, key: &ConversationKey, expires: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE conversations SET expires_at = ?3 WHERE environment = ?1 AND id = ?2")?
        .execute(params![key.scope().name(), key.id(), integer(expires)])?;
    Ok(())
}

/// Removes a conversation and its events; says whether it was there.
pub(super) fn remove(connection: &Connection, scope: &str, id: &str) -> rusqlite::Result<bool> {
    let removed = connection
        .prepare_cached("DELETE FROM conversations WHERE environment = ?1 AND id = ?2")?
        .execute(params![scope, id])?;
    connection
        .prepare_cached("DELETE FROM entries WHERE environment = ?1 AND conversation = ?2")?
        .execute(params![scope, id])?;
    Ok(removed > 0)
}

/// Makes a change to a conversation that is there.
pub(super) fn update(
    connection: &Connection,
    key: &ConversationKey,
    change: &Change,
    now: u64,
) -> rusqlite::Result<Changed> {
    let entries = change.entries();
    if change.has_only_events() {
        return tell(connection, key, &entries, now).map(Changed::from);
    }
    let Some(mut conversation) = find(connection, key, now)? else { return Ok(Applied::default().into()) };
    let applied = conversation.apply(change, now);
    if applied.was_ended || change.all_or_nothing && !applied.refused.is_empty() {
        return Ok(applied.into());
    }
    let newest = write(connection, &conversation, change, &entries)?;
    append(connection, key, &entries, newest)?;
    if let Some(expires) = conversation.later_expiry(now) {
        conversation.expires_at_ms = expires;
        touch(connection, key, expires)?;
    }
    Ok(Changed { applied, conversation: Some(Arc::new(conversation)) })
}

/// Writes what a change has made of a conversation; gives the number of its newest event.
fn write(
    connection: &Connection,
    conversation: &Conversation,
    change: &Change,
    entries: &[Cow<'_, NewEntry>],
) -> rusqlite::Result<i64> {
    let ended = conversation.ended_at_ms.map(integer);
    let calls = json(&conversation.calls)?;
    let events = count(entries);
    let (environment, id) = (conversation.key.scope().name(), conversation.key.id());
    let newest = |row: &Row<'_>| row.get(0);
    if change.set.is_empty() && change.unset.is_empty() {
        // Variables are most of a conversation, and often stay as they are.
        return connection
            .prepare_cached(
                "UPDATE conversations SET ended_at = ?3, state = ?4, calls = ?5, newest_event = newest_event + ?6
                 WHERE environment = ?1 AND id = ?2 RETURNING newest_event",
            )?
            .query_row(params![environment, id, ended, conversation.state, calls, events], newest);
    }
    connection
        .prepare_cached(
            "UPDATE conversations SET ended_at = ?3, state = ?4, calls = ?5, newest_event = newest_event + ?6,
             variables = ?7, bytes = ?8, concealed = ?9 WHERE environment = ?1 AND id = ?2 RETURNING newest_event",
        )?
        .query_row(
            params![
                environment,
                id,
                ended,
                conversation.state,
                calls,
                events,
                json(&conversation.variables)?,
                i64::try_from(conversation.bytes).unwrap_or(i64::MAX),
                json(&*conversation.concealed)?,
            ],
            newest,
        )
}

/// Tells the feed, and changes nothing else.
fn tell(
    connection: &Connection,
    key: &ConversationKey,
    entries: &[Cow<'_, NewEntry>],
    now: u64,
) -> rusqlite::Result<Applied> {
    let told = connection
        .prepare_cached(
            "UPDATE conversations SET newest_event = newest_event + ?3
             WHERE environment = ?1 AND id = ?2 AND expires_at > ?4 RETURNING newest_event, ttl, expires_at",
        )?
        .query_row(params![key.scope().name(), key.id(), count(entries), integer(now)], |row| {
            Ok((row.get(0)?, number(row.get(1)?), number(row.get(2)?)))
        })
        .optional()?;
    let Some((newest, ttl, expires_at)) = told else { return Ok(Applied::default()) };
    append(connection, key, entries, newest)?;
    if let Some(expires) = later_expiry(ttl, expires_at, now) {
        touch(connection, key, expires)?;
    }
    Ok(Applied { is_known: true, ..Applied::default() })
}

/// Counts a call that begins; gives what tells it from earlier ones and when it began, or `None` if as many have begun as
/// may.
pub(super) fn begin(
    connection: &Connection,
    key: &ConversationKey,
    claim: &Claim,
    now: u64,
) -> rusqlite::Result<Option<(u64, u64)>> {
    let Some(mut calls) = calls(connection, key, now)? else { return Ok(Some((0, 0))) };
    let begun = &mut calls.entry(claim.action.clone()).or_default().begun;
    if claim.most_calls.is_some_and(|most| *begun >= most) {
        return Ok(None);
    }
    *begun = begun.saturating_add(1);
    let mut course = course(connection, key)?.unwrap_or_default();
    let earlier = course.earlier(claim);
    let began = course.begin(claim);
    connection
        .prepare_cached(
            "UPDATE conversations SET calls = ?3, course = ?4 WHERE environment = ?1 AND id = ?2",
        )?
        .execute(params![key.scope().name(), key.id(), json(&calls)?, course.to_bytes()])?;
    Ok(Some((earlier, began)))
}

/// A call that began at `began` ends; gives when.
pub(super) fn end(
    connection: &Connection,
    key: &ConversationKey,
    claim: &Claim,
    began: u64,
) -> rusqlite::Result<u64> {
    let Some(mut course) = course(connection, key)? else { return Ok(0) };
    let ended = course.end(claim, began);
    connection
        .prepare_cached("UPDATE conversations SET course = ?3 WHERE environment = ?1 AND id = ?2")?
        .execute(params![key.scope().name(), key.id(), course.to_bytes()])?;
    Ok(ended)
}

/// A call has not begun after all.
pub(super) fn unbegin(
    connection: &Connection,
    key: &ConversationKey,
    action: &str,
    now: u64,
) -> rusqlite::Result<()> {
    let Some(mut calls) = calls(connection, key, now)? else { return Ok(()) };
    let begun = &mut calls.entry(action.to_owned()).or_default().begun;
    *begun = begun.saturating_sub(1);
    connection
        .prepare_cached("UPDATE conversations SET calls = ?3 WHERE environment = ?1 AND id = ?2")?
        .execute(params![key.scope().name(), key.id(), json(&calls)?])?;
    Ok(())
}

type Calls = std::collections::BTreeMap<String, super::super::Calls>;

fn calls(connection: &Connection, key: &ConversationKey, now: u64) -> rusqlite::Result<Option<Calls>> {
    connection
        .prepare_cached(
            "SELECT calls FROM conversations WHERE environment = ?1 AND id = ?2 AND expires_at > ?3",
        )?
        .query_row(params![key.scope().name(), key.id(), integer(now)], |row| {
            parse(0, row.get_ref(0)?.as_str()?)
        })
        .optional()
}

/// The course of a conversation.
pub(super) fn course(connection: &Connection, key: &ConversationKey) -> rusqlite::Result<Option<Course>> {
    course_at(connection, key.scope().name(), key.id())
}

/// The same by what its row says.
pub(super) fn course_at(
    connection: &Connection,
    environment: &str,
    id: &str,
) -> rusqlite::Result<Option<Course>> {
    connection
        .prepare_cached("SELECT course FROM conversations WHERE environment = ?1 AND id = ?2")?
        .query_row(params![environment, id], |row| {
            Ok(Course::from_bytes(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?))
        })
        .optional()
}

/// How many events entries make.
fn count(entries: &[Cow<'_, NewEntry>]) -> i64 {
    entries.iter().map(|entry| i64::from(entry.count)).sum()
}

/// Keeps entries, the last event of which has the number `newest`.
fn append(
    connection: &Connection,
    key: &ConversationKey,
    entries: &[Cow<'_, NewEntry>],
    newest: i64,
) -> rusqlite::Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let mut last = newest - count(entries);
    let mut insert = connection.prepare_cached("INSERT INTO entries VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for entry in entries {
        last += i64::from(entry.count);
        insert.execute(params![key.scope().name(), key.id(), last, entry.count, entry.text])?;
    }
    let given_up = newest - integer(MAX_EVENTS as u64);
    if given_up > 0 {
        connection
            .prepare_cached(
                "DELETE FROM entries WHERE environment = ?1 AND conversation = ?2 AND last <= ?3",
            )?
            .execute(params![key.scope().name(), key.id(), given_up])?;
    }
    Ok(())
}

/// A page of the feed.
pub(super) fn events(
    connection: &Connection,
    key: &ConversationKey,
    after: u64,
    limit: usize,
    now: u64,
) -> rusqlite::Result<EventPage> {
    let newest = connection
        .prepare_cached(
            "SELECT newest_event FROM conversations WHERE environment = ?1 AND id = ?2 AND expires_at > ?3",
        )?
        .query_row(params![key.scope().name(), key.id(), integer(now)], |row| row.get(0))
        .optional()?;
    let Some(newest) = newest.map(number) else { return Ok(EventPage::default()) };
    let given_up = newest.saturating_sub(MAX_EVENTS as u64);
    let above = after.max(given_up);
    let mut select = connection.prepare_cached(
        "SELECT last, count, text FROM entries WHERE environment = ?1 AND conversation = ?2 AND last > ?3
         ORDER BY last LIMIT ?4",
    )?;
    // Each makes one event at least.
    let limit = limit.min(MAX_PAGE);
    let wanted = params![key.scope().name(), key.id(), integer(above), integer(limit as u64)];
    let rows = select.query_map(wanted, |row| {
        let text: String = row.get(2)?;
        Ok(Entry { last: number(row.get(0)?), count: row.get(1)?, text: text.into_boxed_str() })
    })?;
    let entries = rows.collect::<rusqlite::Result<Vec<Entry>>>()?;
    let events = events_of(entries, above, limit);
    Ok(EventPage { events, newest, has_gap: after < given_up, is_known: true })
}

/// A page of a listing.
pub(super) fn list(
    connection: &Connection,
    scope: &Scope,
    after: Option<&ListPosition>,
    limit: usize,
    now: u64,
) -> rusqlite::Result<Vec<Summary>> {
    let (started, id) =
        after.map_or((i64::MAX, ""), |after| (integer(after.started_at_ms), after.id.as_str()));
    let mut select = connection.prepare_cached(
        "SELECT id, started_at, expires_at, ended_at, state FROM conversations
         WHERE environment = ?1 AND (started_at, id) < (?2, ?3) AND expires_at > ?4
         ORDER BY started_at DESC, id DESC LIMIT ?5",
    )?;
    let rows = select.query_map(
        params![scope.name(), started, id, integer(now), integer(limit.min(MAX_LISTED) as u64)],
        |row| {
            Ok(Summary {
                id: row.get(0)?,
                started_at_ms: number(row.get(1)?),
                expires_at_ms: number(row.get(2)?),
                ended_at_ms: row.get::<_, Option<i64>>(3)?.map(number),
                state: row.get(4)?,
            })
        },
    )?;
    rows.collect()
}
