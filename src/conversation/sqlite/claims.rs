//! Claims in a table.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::tool::{Scope, ToolResult};

use super::super::change::{Applied, Change};
use super::super::course::Delivered;
use super::super::{Claim, ClaimKey, Claimed, ConversationKey, Ended, millis};
use super::conversations;
use super::desk::Desk;
use super::rows::{integer, number};

/// How long a claim under way is kept besides its result's time: nobody knows
/// how its call ended, which is itself worth knowing.
const UNDER_WAY_MS: u64 = 10 * 60 * 1_000;

/// A number of the holder as SQLite holds it.
fn holder(claim: &Claim) -> i64 {
    claim.holder.cast_signed()
}

/// Makes what a former process left under way into what it means: nothing was
/// sent, or nobody knows.
pub(super) fn recover(desk: &Desk<'_>, now: u64) -> rusqlite::Result<(usize, usize)> {
    let connection = desk.connection;
    let given_back = {
        let mut select = connection.prepare(
            "DELETE FROM claims WHERE phase = 'claimed' OR phase = 'sending' AND NOT is_write
             RETURNING environment, conversation, action, is_counted",
        )?;
        let rows = select.query_map([], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?, row.get::<_, bool>(3)?))
        })?;
        rows.collect::<rusqlite::Result<Vec<(Option<String>, Option<String>, String, bool)>>>()?
    };
    for (environment, conversation, action, is_counted) in &given_back {
        if let (Some(environment), Some(conversation), true) = (environment, conversation, is_counted) {
            let key = ConversationKey::of(Scope::named(environment), conversation);
            conversations::unbegin(desk, &key, action, now)?;
        }
    }
    // Whoever called has had no answer: the same write under another id is not done either.
    let lost = connection.execute(
        "UPDATE claims SET phase = 'lost', is_orphan = 1, ended_at = ?1, expires_at = ?1 + keep
         WHERE phase = 'sending'",
        [integer(now)],
    )?;
    Ok((given_back.len(), lost))
}

/// A claim's row.
struct Known {
    phase: String,
    result: Option<String>,
    arguments: Vec<u8>,
    is_write: bool,
    is_orphan: bool,
    ended_at: Option<u64>,
    ended: u64,
    request: u64,
}

fn find(connection: &Connection, key: &ClaimKey, now: u64) -> rusqlite::Result<Option<Known>> {
    connection
        .prepare_cached(
            "SELECT phase, result, arguments, is_write, is_orphan, ended_at, ended, request FROM claims
             WHERE key = ?1 AND expires_at > ?2",
        )?
        .query_row(params![key.0, integer(now)], |row| {
            Ok(Known {
                phase: row.get(0)?,
                result: row.get(1)?,
                arguments: row.get(2)?,
                is_write: row.get(3)?,
                is_orphan: row.get(4)?,
                ended_at: row.get::<_, Option<i64>>(5)?.map(number),
                ended: number(row.get(6)?),
                request: row.get::<_, i64>(7)?.cast_unsigned(),
            })
        })
        .optional()
}

impl Known {
    /// The call, if it has ended and its caller has the answer. A write that nothing is known of is never a new one.
    fn delivered(&self, window: u64, now: u64) -> Option<Delivered> {
        let has_answer = self.phase == "ended" && self.result.is_some() && !self.is_orphan;
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
    let connection = desk.connection;
    if let Some(known) = known(connection, claim, now)?
        && !is_new(desk, claim, &known, now)?
    {
        match (known.phase.as_str(), known.result()) {
            ("claimed" | "sending", _) => return Ok(Claimed::UnderWay),
            (_, Some(result)) => return Ok(Claimed::Settled(result)),
            // What cannot be read of a read is done anew.
            (_, None) if known.is_write => return Ok(Claimed::Lost),
            (_, None) => {}
        }
    }
    if claim.only_looks {
        return Ok(Claimed::Fresh { earlier: 0 });
    }
    let twin = twin(connection, claim, now)?;
    let (mut earlier, mut began) = (0, 0);
    if let (None, Some(conversation)) = (twin, &claim.conversation) {
        match conversations::begin(desk, conversation, claim, now)? {
            Some(begun) => (earlier, began) = begun,
            None => return Ok(Claimed::TooManyCalls(claim.most_calls.unwrap_or_default())),
        }
    }
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO claims (key, holder, environment, conversation, action, arguments, twin, is_write,
             is_counted, phase, claimed_at, keep, twin_window, expires_at, request, began)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'claimed', ?10, ?11, ?12, ?13, ?14, ?15)",
        )?
        .execute(params![
            claim.key.0,
            holder(claim),
            claim.conversation.as_ref().map(|key| key.scope().name()),
            claim.conversation.as_ref().map(ConversationKey::id),
            claim.action,
            claim.former.map_or([0; 32], |(_, arguments)| arguments),
            // What only waits for its twin stands for no write of its own.
            claim.twin.filter(|_| twin.is_none()).map(|twin| twin.0),
            claim.is_write,
            twin.is_none(),
            integer(now),
            integer(millis(claim.keep)),
            integer(millis(claim.twin_window)),
            integer(now.saturating_add(millis(claim.keep)).saturating_add(UNDER_WAY_MS)),
            claim.request.cast_signed(),
            integer(began),
        ])?;
    Ok(twin.map_or(Claimed::Fresh { earlier }, Claimed::Twin))
}

/// The call that has the intent.
fn known(connection: &Connection, claim: &Claim, now: u64) -> rusqlite::Result<Option<Known>> {
    if let Some(known) = find(connection, &claim.key, now)? {
        return Ok(Some(known));
    }
    let Some((key, arguments)) = &claim.former else { return Ok(None) };
    Ok(find(connection, key, now)?.filter(|known| known.arguments == arguments))
}

/// Whether a claim of an ended call is a new call; see [`course`](super::super::course).
fn is_new(desk: &Desk<'_>, claim: &Claim, known: &Known, now: u64) -> rusqlite::Result<bool> {
    let Some(delivered) = known.delivered(millis(claim.twin_window), now) else { return Ok(false) };
    let Some(conversation) = &claim.conversation else { return Ok(false) };
    let live = desk.find(conversation, now)?;
    Ok(live.is_some_and(|live| live.course.is_new(claim, delivered)))
}

/// The latest write of the same twin, if it is under way for another request, or if its caller is gone and its end is
/// not long ago.
fn twin(connection: &Connection, claim: &Claim, now: u64) -> rusqlite::Result<Option<ClaimKey>> {
    let Some(twin) = claim.twin else { return Ok(None) };
    let latest = connection
        .prepare_cached(
            "SELECT key, is_orphan AND (phase <> 'ended' OR ended_at + twin_window >= ?2)
             OR phase IN ('claimed', 'sending') AND request <> ?4 FROM claims
             WHERE twin = ?1 AND expires_at > ?2 AND key <> ?3 ORDER BY number DESC LIMIT 1",
        )?
        .query_row(params![twin.0, integer(now), claim.key.0, claim.request.cast_signed()], |row| {
            Ok((row.get::<_, [u8; 32]>(0)?, row.get::<_, bool>(1)?))
        })
        .optional()?;
    Ok(latest.and_then(|(key, is_unanswered)| is_unanswered.then_some(ClaimKey(key))))
}

/// Marks that the call is about to be sent; false where it is not this call's any more.
pub(super) fn sending(connection: &Connection, claim: &Claim) -> rusqlite::Result<bool> {
    let changed = connection
        .prepare_cached(
            "UPDATE claims SET phase = 'sending' WHERE key = ?1 AND holder = ?2 AND phase IN ('claimed', 'sending')",
        )?
        .execute(params![claim.key.0, holder(claim)])?;
    Ok(changed > 0)
}

/// What became of a call; `None` while it is under way.
pub(super) fn ended(connection: &Connection, key: &ClaimKey, now: u64) -> rusqlite::Result<Option<Ended>> {
    let Some(known) = find(connection, key, now)? else { return Ok(Some(Ended::Free)) };
    Ok(match (known.phase.as_str(), known.result()) {
        ("claimed" | "sending", _) => None,
        (_, Some(result)) => Some(Ended::Settled(result)),
        (_, None) if known.is_write => Some(Ended::Lost),
        (_, None) => Some(Ended::Free),
    })
}

/// The row of a claim that is under way for this call, when it began, and whether it counts.
fn held(connection: &Connection, claim: &Claim) -> rusqlite::Result<Option<(i64, u64, bool)>> {
    connection
        .prepare_cached(
            "SELECT number, began, is_counted FROM claims
             WHERE key = ?1 AND holder = ?2 AND phase IN ('claimed', 'sending')",
        )?
        .query_row(params![claim.key.0, holder(claim)], |row| {
            Ok((row.get(0)?, number(row.get(1)?), row.get(2)?))
        })
        .optional()
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
    let Some((row, began, _)) = held(connection, claim)? else {
        if has_ended(connection, claim)? {
            return Ok(Applied { is_known: true, ..Applied::default() });
        }
        return match &claim.conversation {
            Some(conversation) => conversations::update(desk, conversation, change, now),
            None => Ok(Applied::default()),
        };
    };
    let (ended, applied) = match &claim.conversation {
        Some(conversation) => conversations::end(desk, conversation, claim, began, change, now)?,
        None => (0, Applied::default()),
    };
    connection
        .prepare_cached(
            "UPDATE claims SET phase = 'ended', result = ?2, ended_at = ?3, expires_at = ?3 + keep, ended = ?4
             WHERE number = ?1",
        )?
        .execute(params![row, result, integer(now), integer(ended)])?;
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
    let Some((row, _, is_counted)) = held(desk.connection, claim)? else { return Ok(()) };
    desk.connection.prepare_cached("DELETE FROM claims WHERE number = ?1")?.execute([row])?;
    match &claim.conversation {
        Some(conversation) if is_counted => conversations::unbegin(desk, conversation, &claim.action, now),
        Some(_) | None => Ok(()),
    }
}

/// Nobody was told the result.
pub(super) fn orphan(connection: &Connection, key: &ClaimKey) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE claims SET is_orphan = 1 WHERE key = ?1")?.execute([key.0])?;
    Ok(())
}

/// Somebody was told the result that nobody was told before.
pub(super) fn adopt(desk: &Desk<'_>, key: &ClaimKey) -> rusqlite::Result<()> {
    let of = desk
        .connection
        .prepare_cached(
            "SELECT number, environment, conversation, ended FROM claims
             WHERE key = ?1 AND is_orphan AND phase = 'ended'",
        )?
        .query_row([key.0], |row| {
            let of: (Option<String>, Option<String>) = (row.get(1)?, row.get(2)?);
            Ok((row.get::<_, i64>(0)?, of.0.zip(of.1), number(row.get(3)?)))
        })
        .optional()?;
    let Some((row, conversation, ended)) = of else { return Ok(()) };
    let now = match conversation {
        Some((environment, id)) => {
            let key = ConversationKey::of(Scope::named(&environment), &id);
            desk.find(&key, 0)?.map_or(0, |live| live.course.now())
        }
        None => ended,
    };
    desk.connection
        .prepare_cached("UPDATE claims SET is_orphan = 0, ended = ?2 WHERE number = ?1")?
        .execute(params![row, integer(now)])?;
    Ok(())
}

/// Frees what up to `limit` ended calls hold that expire until `until`, the
/// first first: reads go, and of writes the results, so that nothing is done
/// again; whoever asks for one is told that it is not known how it ended. Says
/// how many it were.
pub(super) fn lighten(connection: &Connection, until: i64, limit: usize) -> rusqlite::Result<usize> {
    let mut select = connection.prepare_cached(
        "SELECT number, is_write FROM claims WHERE result IS NOT NULL AND expires_at <= ?1
         ORDER BY expires_at LIMIT ?2",
    )?;
    let rows =
        select.query_map(params![until, integer(limit as u64)], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let ended = rows.collect::<rusqlite::Result<Vec<(i64, bool)>>>()?;
    for (number, is_write) in &ended {
        let sql = match is_write {
            true => "UPDATE claims SET result = NULL WHERE number = ?1",
            false => "DELETE FROM claims WHERE number = ?1",
        };
        connection.prepare_cached(sql)?.execute([number])?;
    }
    Ok(ended.len())
}

/// Forgets the ended calls that expire first. By the index: any other order
/// reads the whole file, and every call waits.
pub(super) fn forget(connection: &Connection, limit: usize) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "DELETE FROM claims WHERE number IN (SELECT number FROM claims WHERE phase IN ('ended', 'lost')
             ORDER BY expires_at LIMIT ?1)",
        )?
        .execute([integer(limit as u64)])
}
