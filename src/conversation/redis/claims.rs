//! Claims as the server keeps them.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use tokio::sync::oneshot;

use crate::tool::ToolResult;

use super::super::{Claim, ClaimKey, Claimed, StoreError};
use super::link::{Link, Trouble, unavailable};
use super::scripts::Write;

/// Takes a claim and answers. What nobody hears of is given back, whether its
/// caller has given up or the server's answer was lost: it would stand for a
/// call that is under way, and count.
pub(super) async fn take(
    link: Arc<Link>,
    claim: Claim,
    answer: oneshot::Sender<Result<Claimed, StoreError>>,
) {
    let invocation = link.scripts.claim(&claim);
    let said =
        link.attempt(async |connection| invocation.invoke_async::<Vec<String>>(connection).await).await;
    if !claim.only_looks && said.as_ref().is_err_and(Trouble::leaves_open) {
        link.write_later(Write::Release { claim: claim.clone() });
    }
    let claimed = said.map_err(|trouble| trouble.error).and_then(|said| read(&claim, &said));
    let is_taken = !claim.only_looks && matches!(claimed, Ok(Claimed::Fresh { .. } | Claimed::Twin(_)));
    if is_taken {
        link.hold(&claim);
    }
    let is_heard = answer.send(claimed).is_ok();
    if is_taken && !is_heard {
        link.let_go(&claim);
        if let Err(error) = link.write::<i64>(Write::Release { claim }).await {
            tracing::debug!(%error, "a claim that nobody heard of is given back later");
        }
    }
}

/// What the script says.
fn read(claim: &Claim, said: &[String]) -> Result<Claimed, StoreError> {
    let detail = said.get(1).map(String::as_str).unwrap_or_default();
    Ok(match said.first().map(String::as_str).unwrap_or_default() {
        "fresh" => Claimed::Fresh { earlier: detail.parse().unwrap_or_default() },
        "twin" => match digits(detail) {
            Some(first) => Claimed::Twin(first),
            None => return Err(unavailable(format!("`{detail}` is no claim"))),
        },
        "under_way" => Claimed::UnderWay,
        // A result that cannot be read: it may have been done.
        "settled" => result(detail).map_or(Claimed::Lost, Claimed::Settled),
        "lost" => Claimed::Lost,
        "many" => Claimed::TooManyCalls(claim.most_calls.unwrap_or_default()),
        other => return Err(unavailable(format!("it says `{other}` of a claim"))),
    })
}

/// A stored result; `None` where it cannot be read.
pub(super) fn result(text: &str) -> Option<Arc<ToolResult>> {
    match serde_json::from_str(text) {
        Ok(result) => Some(Arc::new(result)),
        Err(error) => {
            tracing::error!(%error, "a stored result cannot be read");
            None
        }
    }
}

fn digits(hex: &str) -> Option<ClaimKey> {
    let key = HEXLOWER.decode(hex.as_bytes()).ok()?;
    key.try_into().ok().map(ClaimKey)
}
