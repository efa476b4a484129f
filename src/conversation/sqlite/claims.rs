//! Claims: in memory while they are under way, and in a table from when a write is about to be sent.
//!
//! A call's row is written once with its claim, if it is a write, and once with its end.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params};

use crate::tool::{Scope, ToolResult};

use super::super::change::{Applied, Change};
use super::super::course::Delivered;
use super::super::{Claim, ClaimKey, Claimed, ConversationKey, Ended, millis};
use super::conversations;
use super::desk::Desk;
use super::rows::{integer, number};
use super::under_way::Held;

/// How long a write that was sent is kept besides its result's time: nobody knows
/// how its call ended, which is itself worth knowing.
const UNDER_WAY_MS: u64 = 10 * 60 * 1_000;

/// A number of the holder as SQLite holds it.
fn holder(claim: &Claim) -> i64 {
    claim.holder.cast_signed()
}

/// Makes what a former process left under way into what it means: nothing was
/// sent, or nobody knows.
pub(super) fn recover(desk: &Desk<'_>, now: u64) -> rusqlite::Result<(usize, usize)> {
    // An older Callgate has written claims before they were sent, and reads.
    let given_back = changed(
        desk.connection,
        "DELETE FROM claims WHERE phase = 'claimed' OR phase = 'sending' AND NOT is_write
         RETURNING conversation, action, is_counted",
        params![],
    )?;
    for (conversation, action, is_counted) in &given_back {
        if let Some(key) = conversation_key(desk.connection, *conversation)?.filter(|_| *is_counted) {
            conversations::recount(desk, &key, now, |live| live.unbegin(action))?;
        }
    }
    // Whoever called has had no answer: the same write under another id is not done either.
    let lost = changed(
        desk.connection,
        "UPDATE claims SET phase = 'lost', is_orphan = 1, ended_at = ?1, expires_at = ?1 + keep
         WHERE phase = 'sending' RETURNING conversation, action, is_counted",
        params![integer(now)],
    )?;
    for (conversation, action, is_counted) in &lost {
        if let Some(key) = conversation_key(desk.connection, *conversation)?.filter(|_| !is_counted) {
            conversations::recount(desk, &key, now, |live| {
                live.begin(action);
                live.end(action);
            })?;
        }
    }
    Ok((given_back.len(), lost.len()))
}

/// Changes claims; gives the conversation of each, its action, and whether the conversation counts it.
fn changed(
    connection: &Connection,
    sql: &str,
    with: &[&dyn ToSql],
) -> rusqlite::Result<Vec<(Option<i64>, String, bool)>> {
    let mut change = connection.prepare(sql)?;
    let rows = change.query_map(with, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    rows.collect()
}

/// The number of the claim that was taken last, of those in the file.
pub(super) fn last(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT coalesce(max(number), 0) FROM claims", [], |row| row.get(0))
}

/// Which conversation has a number.
fn conversation_key(
    connection: &Connection,
    number: Option<i64>,
) -> rusqlite::Result<Option<ConversationKey>> {
    let Some(number) = number else { return Ok(None) };
    connection
        .prepare_cached("SELECT environment, id FROM conversations WHERE number = ?1")?
        .query_row([number], |row| {
            let (environment, id): (String, String) = (row.get(0)?, row.get(1)?);
            Ok(ConversationKey::of(Scope::named(&environment), &id))
        })
        .optional()
}

/// A claim's row.
struct Known {
    number: i64,
    is_sending: bool,
    is_ended: bool,
    result: Option<String>,
    arguments: Vec<u8>,
    is_write: bool,
    is_orphan: bool,
    ended_at: Option<u64>,
    ended: u64,
    request: u64,
    expires_at: u64,
}

/// The row of a key, also where its time is over.
fn find(connection: &Connection, key: &ClaimKey) -> rusqlite::Result<Option<Known>> {
    let known = |row: &Row<'_>| {
        let phase = row.get_ref(1)?.as_str()?;
        Ok(Known {
            number: row.get(0)?,
            is_sending: phase == "sending",
            is_ended: phase == "ended",
            result: row.get(2)?,
            arguments: row.get(3)?,
            is_write: row.get(4)?,
            is_orphan: row.get(5)?,
            ended_at: row.get::<_, Option<i64>>(6)?.map(number),
            ended: number(row.get(7)?),
            request: row.get::<_, i64>(8)?.cast_unsigned(),
            expires_at: number(row.get(9)?),
        })
    };
    connection
        .prepare_cached(
            "SELECT number, phase, (SELECT text FROM results WHERE claim = number), arguments, is_write, is_orphan,
             ended_at, ended, request, expires_at FROM claims WHERE key = ?1",
        )?
        .query_row([key.0], known)
        .optional()
}

impl Known {
    /// The call, if it has ended and its caller has the answer. A write that nothing is known of is never a new one.
    fn delivered(&self, window: u64, now: u64) -> Option<Delivered> {
        let has_answer = self.is_ended && self.result.is_some() && !self.is_orphan;
        let is_past_window = self.ended_at.is_some_and(|ended| ended.saturating_add(window) < now);
        has_answer.then_some(Delivered {
            is_write: self.is_write,
            request: self.request,
            ended: self.ended,
            is_past_window,
        })
    }

    /// The stored result; `None` where it cannot be read.
    fn result(&self) -> Option<Arc<ToolResult>> {
        match serde_json::from_str(self.result.as_deref()?) {
            Ok(result) => Some(Arc::new(result)),
            Err(error) => {
                tracing::error!(%error, "a stored result cannot be read");
                None
            }
        }
    }
}

/// Takes the intent, or says who has it.
pub(super) fn claim(desk: &Desk<'_>, claim: &Claim, now: u64) -> rusqlite::Result<Claimed> {
    if desk.held(&claim.key).is_some() {
        return Ok(Claimed::UnderWay);
    }
    let connection = desk.connection;
    let of_key = find(connection, &claim.key)?;
    let replaces = of_key.as_ref().map(|known| known.number);
    if let Some(known) = known(connection, claim, of_key, now)?
        && !is_new(desk, claim, &known, now)?
    {
        match known.result() {
            Some(result) => return Ok(Claimed::Settled(result)),
            None if known.is_write => return Ok(Claimed::Lost),
            // What cannot be read of a read is done anew.
            None => {}
        }
    }
    if claim.only_looks {
        return Ok(Claimed::Fresh { earlier: 0 });
    }
    let twin = twin(desk, claim, now)?;
    let (mut earlier, mut began) = (0, 0);
    if let (None, Some(conversation)) = (twin, &claim.conversation) {
        match conversations::begin(desk, conversation, claim, now)? {
            Some(begun) => (earlier, began) = begun,
            None => return Ok(Claimed::TooManyCalls(claim.most_calls.unwrap_or_default())),
        }
    }
    let held = Held {
        holder: claim.holder,
        number: desk.next_number(),
        request: claim.request,
        // What only waits for its twin stands for no write of its own.
        twin: claim.twin.filter(|_| twin.is_none()),
        is_counted: twin.is_none(),
        began,
        is_orphan: false,
        is_written: false,
        replaces,
    };
    desk.hold(claim.key, held);
    Ok(twin.map_or(Claimed::Fresh { earlier }, Claimed::Twin))
}

/// The call that has the intent; `of_key` is the row of its key.
fn known(
    connection: &Connection,
    claim: &Claim,
    of_key: Option<Known>,
    now: u64,
) -> rusqlite::Result<Option<Known>> {
    if let Some(known) = of_key.filter(|known| known.expires_at > now) {
        return Ok(Some(known));
    }
    let Some((key, arguments)) = &claim.former else { return Ok(None) };
    let former = find(connection, key)?;
    Ok(former.filter(|known| known.expires_at > now && known.arguments == arguments))
}

/// Whether a claim of an ended call is a new call; see [`course`](super::super::course).
fn is_new(desk: &Desk<'_>, claim: &Claim, known: &Known, now: u64) -> rusqlite::Result<bool> {
    let Some(delivered) = known.delivered(millis(claim.twin_window), now) else { return Ok(false) };
    let Some(conversation) = &claim.conversation else { return Ok(false) };
    let live = desk.find(conversation, now)?;
    Ok(live.is_some_and(|live| live.course.is_new(claim, delivered)))
}

/// The latest write of the same twin, if it is under way for another request, or if its caller is gone and its end is
/// not long ago. Those before one that was answered stand for no twin any more, so the file has to be asked for orphans only.
fn twin(desk: &Desk<'_>, claim: &Claim, now: u64) -> rusqlite::Result<Option<ClaimKey>> {
    let Some(twin) = claim.twin else { return Ok(None) };
    let orphan = desk
        .connection
        .prepare_cached(
            "SELECT number, key, phase <> 'ended' OR ended_at + twin_window >= ?2 FROM claims
             WHERE is_orphan AND twin = ?1 AND expires_at > ?2 AND key <> ?3 ORDER BY number DESC LIMIT 1",
        )?
        .query_row(params![twin.0, integer(now), claim.key.0], |row| {
            Ok((row.get::<_, i64>(0)?, ClaimKey(row.get(1)?), row.get::<_, bool>(2)?))
        })
        .optional()?;
    let last_orphan = orphan.as_ref().map_or(0, |(number, ..)| *number);
    let under_way = desk.latest_of_twin(&twin, &claim.key).filter(|(_, held)| held.number > last_orphan);
    Ok(match (under_way, orphan) {
        (Some((key, held)), _) => (held.is_orphan || held.request != claim.request).then_some(key),
        (None, Some((_, key, is_recent))) => is_recent.then_some(key),
        (None, None) => None,
    })
}

/// A write was answered: those of its twin that were taken before it stand for no twin any more.
fn answer_twin(desk: &Desk<'_>, twin: &ClaimKey, number: i64) -> rusqlite::Result<()> {
    desk.connection
        .prepare_cached("UPDATE claims SET twin = NULL WHERE is_orphan AND twin = ?1 AND number < ?2")?
        .execute(params![twin.0, number])?;
    desk.forget_twin_before(twin, number);
    Ok(())
}

/// Whether a later write of a twin has ended. There are few rows behind that of a call that has just ended.
fn has_later_twin(connection: &Connection, number: i64) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT 1 FROM claims AS later JOIN claims AS one ON one.number = ?1
             WHERE later.number > ?1 AND later.twin = one.twin AND later.phase = 'ended' AND NOT later.is_orphan LIMIT 1",
        )?
        .exists([number])
}

/// Marks that the call is about to be sent, and writes its claim; false where it is not this call's any more.
pub(super) fn sending(desk: &Desk<'_>, claim: &Claim, now: u64) -> rusqlite::Result<bool> {
    let Some(mut held) = desk.held_by(claim) else { return Ok(false) };
    if held.is_written {
        return Ok(true);
    }
    let live = claim.conversation.as_ref().map(|key| desk.find(key, now)).transpose()?.flatten();
    let conversation = live.map(|live| live.number);
    let expires = now.saturating_add(millis(claim.keep)).saturating_add(UNDER_WAY_MS);
    insert(
        desk.connection,
        claim,
        &held,
        conversation,
        &Far { phase: "sending", ended_at: None, expires, ended: 0 },
    )?;
    held.is_written = true;
    desk.hold(claim.key, held);
    Ok(true)
}

/// How far the call of a new row is.
struct Far {
    phase: &'static str,
    ended_at: Option<u64>,
    expires: u64,
    ended: u64,
}

fn insert(
    connection: &Connection,
    claim: &Claim,
    held: &Held,
    conversation: Option<i64>,
    far: &Far,
) -> rusqlite::Result<()> {
    if let Some(replaced) = held.replaces {
        delete(connection, replaced)?;
    }
    connection
        .prepare_cached(
            "INSERT INTO claims (number, key, holder, conversation, action, arguments, twin, is_write, is_counted,
             is_orphan, phase, has_result, ended_at, keep, twin_window, expires_at, request, began, ended)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
        )?
        .execute(params![
            held.number,
            claim.key.0,
            holder(claim),
            conversation,
            claim.action,
            claim.former.as_ref().map_or(&[][..], |(_, arguments)| arguments),
            held.twin.map(|twin| twin.0),
            claim.is_write,
            // The row of the conversation is written when the call ends.
            held.is_counted && far.ended_at.is_some(),
            held.is_orphan,
            far.phase,
            far.ended_at.is_some(),
            far.ended_at.map(integer),
            integer(millis(claim.keep)),
            integer(millis(claim.twin_window)),
            integer(far.expires),
            claim.request.cast_signed(),
            integer(held.began),
            integer(far.ended),
        ])?;
    Ok(())
}

/// Removes a row and its result.
fn delete(connection: &Connection, number: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM claims WHERE number = ?1")?.execute([number])?;
    connection.prepare_cached("DELETE FROM results WHERE claim = ?1")?.execute([number])?;
    Ok(())
}

/// What became of a call, by the file; `None` where it says that the call is under way.
pub(super) fn ended(connection: &Connection, key: &ClaimKey, now: u64) -> rusqlite::Result<Option<Ended>> {
    let known = find(connection, key)?.filter(|known| known.expires_at > now);
    let Some(known) = known else { return Ok(Some(Ended::Free)) };
    if known.is_sending {
        return Ok(None);
    }
    Ok(Some(match known.result() {
        Some(result) => Ended::Settled(result),
        None if known.is_write => Ended::Lost,
        None => Ended::Free,
    }))
}

/// A claim of this call whose end could not be written before: the file has its row, and nobody holds it.
fn left(connection: &Connection, claim: &Claim) -> rusqlite::Result<Option<Held>> {
    connection
        .prepare_cached(
            "SELECT number, began, is_orphan FROM claims WHERE key = ?1 AND holder = ?2 AND phase = 'sending'",
        )?
        .query_row(params![claim.key.0, holder(claim)], |row| {
            Ok(Held {
                holder: claim.holder,
                number: row.get(0)?,
                request: claim.request,
                twin: claim.twin,
                is_counted: true,
                began: number(row.get(1)?),
                is_orphan: row.get(2)?,
                is_written: true,
                replaces: None,
            })
        })
        .optional()
}

/// The claim that is under way for this call.
fn own(desk: &Desk<'_>, claim: &Claim) -> rusqlite::Result<Option<Held>> {
    match desk.held_by(claim) {
        Some(held) => Ok(Some(held)),
        None => left(desk.connection, claim),
    }
}

/// Keeps a result, and makes the change that comes with it.
pub(super) fn settle(
    desk: &Desk<'_>,
    claim: &Claim,
    result: &str,
    change: &Change,
    now: u64,
) -> rusqlite::Result<Applied> {
    let connection = desk.connection;
    let Some(held) = own(desk, claim)? else {
        if has_ended(connection, claim)? {
            return Ok(Applied { is_known: true, ..Applied::default() });
        }
        return match &claim.conversation {
            Some(conversation) => conversations::update(desk, conversation, change, now),
            None => Ok(Applied::default()),
        };
    };
    let (conversation, ended, applied) = match &claim.conversation {
        Some(conversation) => conversations::end(desk, conversation, claim, &held, change, now)?,
        None => (None, 0, Applied::default()),
    };
    let expires = now.saturating_add(millis(claim.keep));
    if held.is_written {
        connection
            .prepare_cached(
                "UPDATE claims SET phase = 'ended', is_counted = 1, has_result = 1, is_orphan = ?2, ended_at = ?3,
                 expires_at = ?4, ended = ?5, twin = ?6 WHERE number = ?1",
            )?
            .execute(params![
                held.number,
                held.is_orphan,
                integer(now),
                integer(expires),
                integer(ended),
                held.twin.map(|twin| twin.0),
            ])?;
    } else {
        let far = Far { phase: "ended", ended_at: Some(now), expires, ended };
        insert(connection, claim, &held, conversation, &far)?;
    }
    connection
        .prepare_cached("INSERT INTO results (claim, text) VALUES (?1, ?2)")?
        .execute(params![held.number, result])?;
    desk.let_go(claim.key);
    if let Some(twin) = held.twin.filter(|_| !held.is_orphan) {
        answer_twin(desk, &twin, held.number)?;
    }
    Ok(applied)
}

/// Whether this call has settled its claim already.
fn has_ended(connection: &Connection, claim: &Claim) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM claims WHERE key = ?1 AND holder = ?2 AND phase = 'ended'")?
        .exists(params![claim.key.0, holder(claim)])
}

/// Gives the intent back.
pub(super) fn release(desk: &Desk<'_>, claim: &Claim, now: u64) -> rusqlite::Result<()> {
    let Some(held) = own(desk, claim)? else { return Ok(()) };
    if held.is_written {
        delete(desk.connection, held.number)?;
    }
    desk.let_go(claim.key);
    match &claim.conversation {
        Some(conversation) if held.is_counted => {
            conversations::unbegin(desk, conversation, &claim.action, now)
        }
        Some(_) | None => Ok(()),
    }
}

/// Nobody was told the result.
pub(super) fn orphan(desk: &Desk<'_>, key: &ClaimKey) -> rusqlite::Result<()> {
    if let Some(held) = desk.held(key) {
        desk.hold(*key, Held { is_orphan: true, ..held });
        return Ok(());
    }
    let connection = desk.connection;
    let number = connection
        .prepare_cached("SELECT number FROM claims WHERE key = ?1")?
        .query_row([key.0], |row| row.get::<_, i64>(0))
        .optional()?;
    let Some(number) = number else { return Ok(()) };
    let stands = !has_later_twin(connection, number)?;
    connection
        .prepare_cached(
            "UPDATE claims SET is_orphan = 1, twin = CASE WHEN ?2 THEN twin END WHERE number = ?1",
        )?
        .execute(params![number, stands])?;
    Ok(())
}

/// Somebody was told the result that nobody was told before.
pub(super) fn adopt(desk: &Desk<'_>, key: &ClaimKey) -> rusqlite::Result<()> {
    let of = desk
        .connection
        .prepare_cached(
            "SELECT number, conversation, ended, twin FROM claims WHERE key = ?1 AND is_orphan AND phase = 'ended'",
        )?
        .query_row([key.0], |row| {
            let twin = row.get::<_, Option<_>>(3)?.map(ClaimKey);
            Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?, number(row.get(2)?), twin))
        })
        .optional()?;
    let Some((row, conversation, ended, twin)) = of else { return Ok(()) };
    let now = match conversation_key(desk.connection, conversation)? {
        Some(key) => desk.find(&key, 0)?.map_or(0, |live| live.course.now()),
        None => ended,
    };
    desk.connection
        .prepare_cached("UPDATE claims SET is_orphan = 0, ended = ?2 WHERE number = ?1")?
        .execute(params![row, integer(now)])?;
    match twin {
        Some(twin) => answer_twin(desk, &twin, row),
        None => Ok(()),
    }
}

/// Removes up to `limit` ended calls whose time is over; says how many it were.
pub(super) fn expire(connection: &Connection, now: i64, limit: usize) -> rusqlite::Result<usize> {
    let mut select = connection.prepare_cached(
        "SELECT number FROM claims WHERE ended_at IS NOT NULL AND has_result IN (0, 1) AND expires_at <= ?1 LIMIT ?2",
    )?;
    let rows = select.query_map(params![now, integer(limit as u64)], |row| row.get(0))?;
    let expired = rows.collect::<rusqlite::Result<Vec<i64>>>()?;
    for number in &expired {
        delete(connection, *number)?;
    }
    Ok(expired.len())
}

/// Frees what up to `limit` ended calls hold that expire until `until`, the
/// first first: reads go, and of writes the results, so that nothing is done
/// again; whoever asks for one is told that it is not known how it ended. Says
/// how many it were.
pub(super) fn lighten(connection: &Connection, until: i64, limit: usize) -> rusqlite::Result<usize> {
    let mut select = connection.prepare_cached(
        "SELECT number, is_write FROM claims WHERE ended_at IS NOT NULL AND has_result = 1 AND expires_at <= ?1
         ORDER BY expires_at LIMIT ?2",
    )?;
    let rows =
        select.query_map(params![until, integer(limit as u64)], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let ended = rows.collect::<rusqlite::Result<Vec<(i64, bool)>>>()?;
    for (number, is_write) in &ended {
        let sql = match is_write {
            true => "UPDATE claims SET has_result = 0 WHERE number = ?1",
            false => "DELETE FROM claims WHERE number = ?1",
        };
        connection.prepare_cached(sql)?.execute([number])?;
        connection.prepare_cached("DELETE FROM results WHERE claim = ?1")?.execute([number])?;
    }
    Ok(ended.len())
}

/// Forgets the ended calls without results that expire first. By the index: any other order
/// reads the whole file, and every call waits.
pub(super) fn forget(connection: &Connection, limit: usize) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "DELETE FROM claims WHERE number IN (SELECT number FROM claims WHERE ended_at IS NOT NULL AND has_result = 0
             ORDER BY expires_at LIMIT ?1)",
        )?
        .execute([integer(limit as u64)])
}
