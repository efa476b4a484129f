//! Conversations and their events in tables.

use std::borrow::Cow;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::tool::Scope;

use super::super::change::{Applied, Change};
use super::super::course::Course;
use super::super::entry::{Entry, NewEntry, events_of};
use super::super::event::{EventPage, MAX_EVENTS, MAX_PAGE};
use super::super::{
    Claim, Conversation, ConversationKey, ListPosition, MAX_LISTED, MAX_TTL, Opened, Opening, Summary, millis,
};
use super::desk::Desk;
use super::recent::Live;
use super::rows::{integer, json, number};

/// Begins a conversation if it is not there, and keeps it from expiring.
pub(super) fn open(
    desk: &Desk<'_>,
    key: &ConversationKey,
    opening: &Opening,
    now: u64,
) -> rusqlite::Result<Opened> {
    if let Some(live) = desk.find(key, now)? {
        let mut live = Arc::unwrap_or_clone(live);
        let conversation = Arc::make_mut(&mut live.conversation);
        conversation.expires_at_ms = now.saturating_add(conversation.ttl_ms);
        touch(desk.connection, key, conversation.expires_at_ms)?;
        let conversation = live.conversation.clone();
        desk.put(live);
        return Ok(Opened { conversation, is_new: false });
    }
    let begun = Conversation::new(key.clone(), millis(opening.ttl.min(MAX_TTL)), now);
    insert(desk.connection, &begun)?;
    desk.put(Live { conversation: Arc::new(begun), course: Course::default(), newest: 0 });
    if let Some(first) = &opening.first {
        update(desk, key, &first.begun_at(now), now)?;
    }
    let live = desk.find(key, now)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    Ok(Opened { conversation: live.conversation.clone(), is_new: true })
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
    desk: &Desk<'_>,
    key: &ConversationKey,
    change: &Change,
    now: u64,
) -> rusqlite::Result<Applied> {
    let Some(live) = desk.find(key, now)? else { return Ok(Applied::default()) };
    apply(desk, Arc::unwrap_or_clone(live), change, now)
}

/// Makes a change to `live`, and writes what has become of it.
fn apply(desk: &Desk<'_>, mut live: Live, change: &Change, now: u64) -> rusqlite::Result<Applied> {
    let applied = if change.has_only_events() {
        Applied { is_known: true, ..Applied::default() }
    } else {
        Arc::make_mut(&mut live.conversation).apply(change, now)
    };
    let is_made = !applied.was_ended && (!change.all_or_nothing || applied.refused.is_empty());
    if is_made {
        append(desk.connection, &mut live, &change.entries())?;
        if let Some(expires) = live.conversation.later_expiry(now) {
            Arc::make_mut(&mut live.conversation).expires_at_ms = expires;
            touch(desk.connection, &live.conversation.key, expires)?;
        }
    }
    // Variables are most of a conversation, and often stay as they are.
    let with_variables = is_made && !(change.set.is_empty() && change.unset.is_empty());
    save(desk, live, with_variables)?;
    Ok(applied)
}

/// Writes what has become of a conversation.
fn save(desk: &Desk<'_>, live: Live, with_variables: bool) -> rusqlite::Result<()> {
    let conversation = &live.conversation;
    let (environment, id) = (conversation.key.scope().name(), conversation.key.id());
    let (ended, newest) = (conversation.ended_at_ms.map(integer), integer(live.newest));
    let (calls, course) = (json(&conversation.calls)?, live.course.to_bytes());
    if with_variables {
        desk.connection
            .prepare_cached(
                "UPDATE conversations SET ended_at = ?3, state = ?4, calls = ?5, course = ?6, newest_event = ?7,
                 variables = ?8, bytes = ?9, concealed = ?10 WHERE environment = ?1 AND id = ?2",
            )?
            .execute(params![
                environment,
                id,
                ended,
                conversation.state,
                calls,
                course,
                newest,
                json(&*conversation.variables)?,
                i64::try_from(conversation.bytes).unwrap_or(i64::MAX),
                json(&*conversation.concealed)?,
            ])?;
    } else {
        desk.connection
            .prepare_cached(
                "UPDATE conversations SET ended_at = ?3, state = ?4, calls = ?5, course = ?6, newest_event = ?7
                 WHERE environment = ?1 AND id = ?2",
            )?
            .execute(params![environment, id, ended, conversation.state, calls, course, newest])?;
    }
    desk.put(live);
    Ok(())
}

/// Counts a call that begins; gives what tells it from earlier ones and when it began, or `None` if as many have begun as
/// may.
pub(super) fn begin(
    desk: &Desk<'_>,
    key: &ConversationKey,
    claim: &Claim,
    now: u64,
) -> rusqlite::Result<Option<(u64, u64)>> {
    let Some(live) = desk.find(key, now)? else { return Ok(Some((0, 0))) };
    let mut live = Arc::unwrap_or_clone(live);
    let begun =
        &mut Arc::make_mut(&mut live.conversation).calls.entry(claim.action.clone()).or_default().begun;
    if claim.most_calls.is_some_and(|most| *begun >= most) {
        return Ok(None);
    }
    *begun = begun.saturating_add(1);
    let earlier = live.course.earlier(claim);
    let began = live.course.begin(claim);
    save(desk, live, false)?;
    Ok(Some((earlier, began)))
}

/// A call that began at `began` ends, and makes `change`; gives when it ended. One that only waited for its twin has not
/// begun.
pub(super) fn end(
    desk: &Desk<'_>,
    key: &ConversationKey,
    claim: &Claim,
    began: u64,
    change: &Change,
    now: u64,
) -> rusqlite::Result<(u64, Applied)> {
    let Some(live) = desk.find(key, now)? else { return Ok((0, Applied::default())) };
    let mut live = Arc::unwrap_or_clone(live);
    let ended = if began == 0 { live.course.now() } else { live.course.end(claim, began) };
    Ok((ended, apply(desk, live, change, now)?))
}

/// A call has not begun after all.
pub(super) fn unbegin(
    desk: &Desk<'_>,
    key: &ConversationKey,
    action: &str,
    now: u64,
) -> rusqlite::Result<()> {
    let Some(live) = desk.find(key, now)? else { return Ok(()) };
    let mut live = Arc::unwrap_or_clone(live);
    let calls = &mut Arc::make_mut(&mut live.conversation).calls;
    let begun = &mut calls.entry(action.to_owned()).or_default().begun;
    *begun = begun.saturating_sub(1);
    save(desk, live, false)
}

/// Keeps entries of a conversation.
fn append(connection: &Connection, live: &mut Live, entries: &[Cow<'_, NewEntry>]) -> rusqlite::Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let (scope, id) = (live.conversation.key.scope().name(), live.conversation.key.id());
    let mut insert = connection.prepare_cached("INSERT INTO entries VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for entry in entries {
        live.newest += u64::from(entry.count);
        insert.execute(params![scope, id, integer(live.newest), entry.count, entry.text])?;
    }
    let given_up = live.newest.saturating_sub(MAX_EVENTS as u64);
    if given_up > 0 {
        connection
            .prepare_cached(
                "DELETE FROM entries WHERE environment = ?1 AND conversation = ?2 AND last <= ?3",
            )?
            .execute(params![scope, id, integer(given_up)])?;
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
