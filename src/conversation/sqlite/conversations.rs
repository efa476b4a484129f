//! Conversations, their variables and their events in tables.

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
use super::under_way::Held;

/// Begins a conversation if it is not there, and keeps it from expiring.
pub(super) fn open(
    desk: &Desk<'_>,
    key: &ConversationKey,
    opening: &Opening,
    now: u64,
) -> rusqlite::Result<Opened> {
    if let Some(mut live) = desk.copy(key, now)? {
        let conversation = Arc::make_mut(&mut live.conversation);
        conversation.expires_at_ms = now.saturating_add(conversation.ttl_ms);
        touch(desk.connection, live.number, conversation.expires_at_ms)?;
        let conversation = live.conversation.clone();
        desk.put(live);
        return Ok(Opened { conversation, is_new: false });
    }
    let begun = Conversation::new(key.clone(), millis(opening.ttl.min(MAX_TTL)), now);
    let number = insert(desk.connection, &begun)?;
    desk.put(Live::new(number, Arc::new(begun), Course::default(), 0));
    if let Some(first) = &opening.first {
        update(desk, key, &first.begun_at(now), now)?;
    }
    let live = desk.find(key, now)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    Ok(Opened { conversation: live.conversation.clone(), is_new: true })
}

/// Begins a conversation; gives its number.
pub(super) fn insert(connection: &Connection, conversation: &Conversation) -> rusqlite::Result<i64> {
    let key = &conversation.key;
    // An expired one of the same id may not have been swept yet.
    remove(connection, key)?;
    connection
        .prepare_cached(
            "INSERT INTO conversations (environment, id, started_at, expires_at, ttl) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .insert(params![
            key.scope().name(),
            key.id(),
            integer(conversation.started_at_ms),
            integer(conversation.expires_at_ms),
            integer(conversation.ttl_ms),
        ])
}

/// Keeps a conversation from expiring.
pub(super) fn touch(connection: &Connection, number: i64, expires: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE conversations SET expires_at = ?2 WHERE number = ?1")?
        .execute(params![number, integer(expires)])?;
    Ok(())
}

/// Removes a conversation, its variables, its events and its turns.
pub(super) fn remove(connection: &Connection, key: &ConversationKey) -> rusqlite::Result<()> {
    let number = connection
        .prepare_cached("SELECT number FROM conversations WHERE environment = ?1 AND id = ?2")?
        .query_row(params![key.scope().name(), key.id()], |row| row.get::<_, i64>(0))
        .optional()?;
    let Some(number) = number else { return Ok(()) };
    for sql in [
        "DELETE FROM entries WHERE conversation = ?1",
        "DELETE FROM variables WHERE conversation = ?1",
        "DELETE FROM turns WHERE conversation = ?1",
        "DELETE FROM conversations WHERE number = ?1",
    ] {
        connection.prepare_cached(sql)?.execute([number])?;
    }
    Ok(())
}

/// Makes a change to a conversation that is there.
pub(super) fn update(
    desk: &Desk<'_>,
    key: &ConversationKey,
    change: &Change,
    now: u64,
) -> rusqlite::Result<Applied> {
    let Some(live) = desk.copy(key, now)? else { return Ok(Applied::default()) };
    apply(desk, live, change, now)
}

/// Makes a change to `live`, and writes what has become of it.
fn apply(desk: &Desk<'_>, mut live: Live, change: &Change, now: u64) -> rusqlite::Result<Applied> {
    let concealed = live.conversation.concealed.clone();
    let applied = if change.has_only_events() {
        Applied { is_known: true, ..Applied::default() }
    } else {
        live.change(|conversation| conversation.apply(change, now))
    };
    let is_made = !applied.was_ended && (!change.all_or_nothing || applied.refused.is_empty());
    if is_made {
        append(desk.connection, &mut live, &change.entries())?;
        if let Some(expires) = live.conversation.later_expiry(now) {
            Arc::make_mut(&mut live.conversation).expires_at_ms = expires;
            touch(desk.connection, live.number, expires)?;
        }
        save_variables(desk.connection, &live, change)?;
        if live.conversation.concealed != concealed {
            desk.connection
                .prepare_cached("UPDATE conversations SET concealed = ?2 WHERE number = ?1")?
                .execute(params![live.number, json(&*live.conversation.concealed)?])?;
        }
    }
    save(desk, live)?;
    Ok(applied)
}

/// Writes what has become of the variables that a change names.
fn save_variables(connection: &Connection, live: &Live, change: &Change) -> rusqlite::Result<()> {
    let mut names: Vec<&String> =
        change.unset.iter().chain(change.set.iter().map(|(name, _)| name)).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        match live.conversation.variables.get(name) {
            Some(variable) => connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO variables (conversation, name, text) VALUES (?1, ?2, ?3)",
                )?
                .execute(params![live.number, name, json(variable)?])?,
            None => connection
                .prepare_cached("DELETE FROM variables WHERE conversation = ?1 AND name = ?2")?
                .execute(params![live.number, name])?,
        };
    }
    Ok(())
}

/// Writes what has become of a conversation, but for its variables.
fn save(desk: &Desk<'_>, live: Live) -> rusqlite::Result<()> {
    let conversation = &live.conversation;
    desk.connection
        .prepare_cached(
            "UPDATE conversations SET ended_at = ?2, state = ?3, calls = ?4, course = ?5, newest_event = ?6, bytes = ?7
             WHERE number = ?1",
        )?
        .execute(params![
            live.number,
            conversation.ended_at_ms.map(integer),
            conversation.state,
            json(&*live.written_calls())?,
            live.course.to_bytes(),
            integer(live.newest),
            i64::try_from(conversation.bytes).unwrap_or(i64::MAX),
        ])?;
    desk.put(live);
    Ok(())
}

/// Counts a call that begins, which the file does not know of yet; gives what tells it from earlier ones and when it began,
/// or `None` if as many have begun as may.
pub(super) fn begin(
    desk: &Desk<'_>,
    key: &ConversationKey,
    claim: &Claim,
    now: u64,
) -> rusqlite::Result<Option<(u64, u64)>> {
    let Some(live) = desk.find(key, now)? else { return Ok(Some((0, 0))) };
    let begun = live.conversation.calls.get(&claim.action).map_or(0, |calls| calls.begun);
    if claim.most_calls.is_some_and(|most| begun >= most) {
        return Ok(None);
    }
    let mut live = Arc::unwrap_or_clone(live);
    live.begin(&claim.action);
    let earlier = live.course.earlier(claim);
    let began = live.course.begin(claim);
    desk.put(live);
    Ok(Some((earlier, began)))
}

/// Changes what the file counts of the calls of a former process.
pub(super) fn recount(
    desk: &Desk<'_>,
    key: &ConversationKey,
    now: u64,
    change: impl FnOnce(&mut Live),
) -> rusqlite::Result<()> {
    let Some(mut live) = desk.copy(key, now)? else { return Ok(()) };
    change(&mut live);
    save(desk, live)
}

/// A call ends and makes `change`, and the file counts it from now on; gives the number of its conversation and when it
/// ended. One that only waited for its twin has not begun.
pub(super) fn end(
    desk: &Desk<'_>,
    key: &ConversationKey,
    claim: &Claim,
    held: &Held,
    change: &Change,
    now: u64,
) -> rusqlite::Result<(Option<i64>, u64, Applied)> {
    let Some(mut live) = desk.copy(key, now)? else { return Ok((None, 0, Applied::default())) };
    let number = live.number;
    if held.is_counted {
        live.end(&claim.action);
    }
    let ended = if held.began == 0 { live.course.now() } else { live.course.end(claim, held.began) };
    Ok((Some(number), ended, apply(desk, live, change, now)?))
}

/// A call has not begun after all.
pub(super) fn unbegin(
    desk: &Desk<'_>,
    key: &ConversationKey,
    action: &str,
    now: u64,
) -> rusqlite::Result<()> {
    let Some(mut live) = desk.copy(key, now)? else { return Ok(()) };
    live.unbegin(action);
    live.end(action);
    desk.put(live);
    Ok(())
}

/// Keeps entries of a conversation.
fn append(connection: &Connection, live: &mut Live, entries: &[Cow<'_, NewEntry>]) -> rusqlite::Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let mut insert = connection
        .prepare_cached("INSERT INTO entries (conversation, last, count, text) VALUES (?1, ?2, ?3, ?4)")?;
    for entry in entries {
        live.newest += u64::from(entry.count);
        insert.execute(params![live.number, integer(live.newest), entry.count, entry.text])?;
    }
    let given_up = live.newest.saturating_sub(MAX_EVENTS as u64);
    if given_up > 0 {
        connection
            .prepare_cached("DELETE FROM entries WHERE conversation = ?1 AND last <= ?2")?
            .execute(params![live.number, integer(given_up)])?;
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
            "SELECT number, newest_event FROM conversations WHERE environment = ?1 AND id = ?2 AND expires_at > ?3",
        )?
        .query_row(params![key.scope().name(), key.id(), integer(now)], |row| {
            Ok((row.get::<_, i64>(0)?, number(row.get(1)?)))
        })
        .optional()?;
    let Some((conversation, newest)) = newest else { return Ok(EventPage::default()) };
    let given_up = newest.saturating_sub(MAX_EVENTS as u64);
    let above = after.max(given_up);
    let mut select = connection.prepare_cached(
        "SELECT last, count, text FROM entries WHERE conversation = ?1 AND last > ?2 ORDER BY last LIMIT ?3",
    )?;
    // Each makes one event at least.
    let limit = limit.min(MAX_PAGE);
    let wanted = params![conversation, integer(above), integer(limit as u64)];
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
