//! Conversations as the server keeps them.

use std::collections::BTreeMap;
use std::sync::Arc;

use redis::Value;

use crate::tool::Scope;

use super::super::change::{Applied, Refusal, Refused};
use super::super::entry::{Entry, events_of};
use super::super::event::{EventPage, MAX_EVENTS, MAX_PAGE};
use super::super::record::{MAX_BYTES, MAX_VARIABLES};
use super::super::{
    Calls, Conversation, ConversationKey, ListPosition, MAX_LISTED, MAX_TTL, StoreError, Summary, millis,
    now_ms,
};
use super::link::{Link, unavailable};

/// Most conversations that are listed of one environment; the first begun give way.
const MAX_INDEXED: isize = 1_000_000;
/// Entries of the listing that are looked at in one step.
const STEP: usize = 100;

/// What `open.lua` gives: whether it is new, its time to live, its fields, its texts.
pub(super) type Opened = (i64, i64, BTreeMap<String, Vec<u8>>, Vec<String>);

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn number(fields: &BTreeMap<String, Vec<u8>>, name: &str) -> Option<u64> {
    text(fields.get(name)?).parse().ok()
}

/// The conversation that a script gave.
pub(super) fn read(key: &ConversationKey, opened: Opened) -> Conversation {
    let (_, left_ms, fields, concealed) = opened;
    let mut calls: BTreeMap<String, Calls> = BTreeMap::new();
    let mut variables = BTreeMap::new();
    for (field, value) in &fields {
        let count = || text(value).parse().unwrap_or(0);
        match field.split_at_checked(2) {
            Some(("b:", action)) => calls.entry(action.to_owned()).or_default().begun = count(),
            Some(("s:", action)) => calls.entry(action.to_owned()).or_default().succeeded = count(),
            Some(("v:", name)) => {
                let record = value.iter().position(|byte| *byte == b':').map(|at| &value[at + 1..]);
                match serde_json::from_slice(record.unwrap_or_default()) {
                    Ok(variable) => {
                        variables.insert(name.to_owned(), variable);
                    }
                    Err(error) => {
                        tracing::error!(%error, variable.name = name, "a stored variable cannot be read");
                    }
                }
            }
            _ => {}
        }
    }
    Conversation {
        key: key.clone(),
        started_at_ms: number(&fields, "@started").unwrap_or_default(),
        ttl_ms: number(&fields, "@ttl").unwrap_or_default(),
        expires_at_ms: now_ms().saturating_add(u64::try_from(left_ms).unwrap_or_default()),
        ended_at_ms: number(&fields, "@ended"),
        state: fields.get("@state").map(|state| text(state)),
        variables: Arc::new(variables),
        bytes: number(&fields, "@bytes").and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or_default(),
        calls,
        concealed: Arc::new(concealed),
    }
}

/// What `change.lua` gives, and what was refused before.
pub(super) fn applied(answer: &[Value], mut refused: Vec<Refused>) -> Result<Applied, StoreError> {
    let parts = answer.iter().map(redis::from_redis_value_ref::<String>);
    let parts = parts.collect::<Result<Vec<_>, _>>().map_err(|error| unavailable(error.to_string()))?;
    let Some((is_known, parts)) = parts.split_first() else { return Ok(Applied::default()) };
    for part in parts.chunks_exact(3) {
        let reason = match part[1].as_str() {
            "many" => Refusal::TooMany(MAX_VARIABLES),
            "large" => Refusal::TooLarge(MAX_BYTES),
            _ => Refusal::Conflict(part[2].clone()),
        };
        refused.push(Refused { name: part[0].clone(), reason });
    }
    Ok(match is_known.as_str() {
        "1" => Applied { is_known: true, was_ended: false, refused },
        "2" => Applied { is_known: true, was_ended: true, refused: Vec::new() },
        _ => Applied::default(),
    })
}

/// Notes a conversation that has begun, for listings.
pub(super) async fn index(link: &Link, key: &ConversationKey, started_at_ms: u64) -> Result<(), StoreError> {
    let name = link.scripts.list_name(key.scope());
    let oldest = started_at_ms.saturating_sub(millis(MAX_TTL));
    let mut pipe = redis::pipe();
    pipe.cmd("ZADD").arg(&name).arg(started_at_ms).arg(key.id()).ignore();
    pipe.cmd("ZREMRANGEBYSCORE").arg(&name).arg("-inf").arg(oldest).ignore();
    pipe.cmd("ZREMRANGEBYRANK").arg(&name).arg(0).arg(-MAX_INDEXED - 1).ignore();
    pipe.cmd("PEXPIRE").arg(&name).arg(millis(MAX_TTL)).ignore();
    link.with(async |connection| pipe.exec_async(connection).await).await
}

/// Forgets a conversation; says whether it was there.
pub(super) async fn forget(link: &Link, key: &ConversationKey) -> Result<bool, StoreError> {
    let was_there: i64 = link.invoke(link.scripts.forget(key)).await?;
    let mut entry = redis::cmd("ZREM");
    entry.arg(link.scripts.list_name(key.scope())).arg(key.id());
    // It is forgotten all the same: a listing skips what is gone, and removes it.
    if let Err(error) = link.with(async |connection| entry.exec_async(connection).await).await {
        tracing::debug!(%error, "a forgotten conversation is taken out of the listing later");
    }
    Ok(was_there > 0)
}

/// A page of a listing. The index does not expire with what it names: what is
/// gone is skipped and removed from it.
pub(super) async fn list(
    link: &Link,
    scope: &Scope,
    after: Option<&ListPosition>,
    limit: usize,
) -> Result<Vec<Summary>, StoreError> {
    let (name, limit) = (link.scripts.list_name(scope), limit.min(MAX_LISTED));
    let from = after.map_or_else(|| "+inf".to_owned(), |after| after.started_at_ms.to_string());
    let (mut listed, mut gone, mut offset) = (Vec::new(), Vec::new(), 0);
    while listed.len() < limit {
        let mut range = redis::cmd("ZREVRANGEBYSCORE");
        range.arg(&name).arg(&from).arg("-inf").arg("WITHSCORES").arg("LIMIT").arg(offset).arg(STEP);
        let entries: Vec<(String, f64)> = link.with(async |c| range.query_async(c).await).await?;
        offset += entries.len();
        let is_last = entries.len() < STEP;
        let behind = entries.into_iter().filter(|(id, score)| {
            after.is_none_or(|after| {
                #[expect(clippy::cast_precision_loss, reason = "milliseconds stay below 2^53")]
                let started = after.started_at_ms as f64;
                *score < started || *score == started && *id < after.id
            })
        });
        let keys: Vec<ConversationKey> =
            behind.map(|(id, _)| ConversationKey::of(scope.clone(), &id)).collect();
        for (key, found) in keys.iter().zip(summaries(link, &keys).await?) {
            match found {
                Some(summary) if listed.len() < limit => listed.push(summary),
                Some(_) => {}
                None => gone.push(key.id().to_owned()),
            }
        }
        if is_last {
            break;
        }
    }
    if !gone.is_empty() {
        let mut removal = redis::cmd("ZREM");
        removal.arg(&name).arg(gone);
        link.with(async |connection| removal.exec_async(connection).await).await?;
    }
    Ok(listed)
}

type Line = (Vec<Option<String>>, i64);

async fn summaries(link: &Link, keys: &[ConversationKey]) -> Result<Vec<Option<Summary>>, StoreError> {
    let lines = keys.iter().map(|key| async move {
        let [name, ..] = link.scripts.conversation_names(key);
        let mut pipe = redis::pipe();
        pipe.cmd("HMGET").arg(&name).arg(&["@started", "@ended", "@state"]).cmd("PTTL").arg(&name);
        let (fields, left): Line = link.with(async |connection| pipe.query_async(connection).await).await?;
        let number = |index: usize| fields.get(index)?.as_ref()?.parse().ok();
        Ok(number(0).map(|started_at_ms| Summary {
            id: key.id().to_owned(),
            started_at_ms,
            expires_at_ms: now_ms().saturating_add(u64::try_from(left).unwrap_or_default()),
            ended_at_ms: number(1),
            state: fields.get(2).cloned().flatten(),
        }))
    });
    futures_util::future::try_join_all(lines).await
}

/// A page of the feed.
pub(super) async fn events(
    link: &Link,
    key: &ConversationKey,
    after: u64,
    limit: usize,
) -> Result<EventPage, StoreError> {
    let [conversation, _, stream, _] = link.scripts.conversation_names(key);
    let mut pipe = redis::pipe();
    pipe.cmd("HGET").arg(&conversation).arg("@events");
    // A count of 0 would be none at all.
    let count = limit.clamp(1, MAX_PAGE);
    pipe.cmd("XRANGE").arg(&stream).arg(format!("({after}")).arg("+").arg("COUNT").arg(count);
    type Line = (String, Vec<(String, String)>);
    let (newest, entries): (Option<u64>, Vec<Line>) =
        link.with(async |connection| pipe.query_async(connection).await).await?;
    let Some(newest) = newest else { return Ok(EventPage::default()) };
    let given_up = newest.saturating_sub(MAX_EVENTS as u64);
    let above = after.max(given_up);
    let entries = entries.into_iter().map(|(id, fields)| {
        let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let last = id.split('-').next().and_then(|id| id.parse().ok()).unwrap_or_default();
        let data = field("d").unwrap_or_default();
        match field("n").and_then(|count| count.parse().ok()) {
            Some(count) => Entry { last, count, text: data.into() },
            // As an older Callgate wrote it: one event each.
            None => {
                let (kind, at) = (field("k").unwrap_or_default(), field("t").unwrap_or_default());
                let text = format!("{{\"events\":[[\"{kind}\",{at},{data}]]}}");
                Entry { last, count: 1, text: text.into() }
            }
        }
    });
    let entries: Vec<Entry> = entries.collect();
    Ok(EventPage {
        events: events_of(entries, above, limit),
        newest,
        has_gap: after < given_up,
        is_known: true,
    })
}

/// The turns, the oldest first.
pub(super) async fn turns(link: &Link, key: &ConversationKey) -> Result<Vec<Arc<str>>, StoreError> {
    let [conversation, _, _, turns] = link.scripts.conversation_names(key);
    let mut pipe = redis::pipe();
    pipe.cmd("HEXISTS").arg(&conversation).arg("@turn_bytes");
    pipe.cmd("LRANGE").arg(&turns).arg(0).arg(-1);
    let (has_turns, turns): (bool, Vec<String>) =
        link.with(async |connection| pipe.query_async(connection).await).await?;
    if !has_turns {
        return Ok(Vec::new());
    }
    // What tells it from every other stands before its text.
    Ok(turns.iter().filter_map(|turn| turn.split_once(':')).map(|(_, text)| text.into()).collect())
}
