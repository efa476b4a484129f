//! One suite on all stores: whatever one of them does, the others do.

mod claims;
mod conversations;
mod events;
mod model;
mod notes;
mod outlives;
#[cfg(feature = "redis")]
mod recovery;
#[cfg(feature = "redis")]
mod servers;
mod settings;
mod turns;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use callgate::conversation::change::{Change, Source, Variable};
use callgate::conversation::{Claim, ClaimKey, Claimed, ConversationKey, IdTrust, Opening, Store};
use callgate::tool::{Status, ToolResult};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// Makes a test for every store of each function that takes an empty one.
macro_rules! suite {
    ($($name:ident),+ $(,)?) => {
        mod memory { $(
            #[tokio::test]
            async fn $name() {
                super::$name(crate::backend::Backend::Memory.fresh()).await;
            }
        )+ }
        mod sqlite { $(
            #[tokio::test]
            async fn $name() {
                let backend = crate::backend::Backend::sqlite();
                super::$name(backend.fresh()).await;
            }
        )+ }
        mod redis { $(
            #[tokio::test]
            async fn $name() {
                if let Some(backend) = crate::backend::Backend::redis() {
                    super::$name(backend.fresh()).await;
                }
            }
        )+ }
        mod cluster { $(
            #[tokio::test]
            async fn $name() {
                if let Some(backend) = crate::backend::Backend::cluster() {
                    super::$name(backend.fresh()).await;
                }
            }
        )+ }
    };
}
use suite;

type AnyStore = Arc<dyn Store>;

fn key(id: &str) -> ConversationKey {
    ConversationKey::new("development", id)
}

/// A claim of conversation `c` for the intent `intent`, by a holder of its own.
fn claim(intent: u8) -> Claim {
    static HOLDERS: AtomicU64 = AtomicU64::new(u64::MAX - 1_000);
    let conversation = key("c");
    let holder = HOLDERS.fetch_add(1, Ordering::Relaxed);
    Claim {
        key: ClaimKey::new(Some(&conversation), [intent; 32]),
        holder,
        conversation: Some(conversation),
        action: "book".to_owned(),
        most_calls: None,
        former: None,
        twin: None,
        is_write: true,
        keep: Duration::from_secs(60),
        twin_window: Duration::from_secs(30),
        trust: IdTrust::LooksUnique,
        request: holder,
        turn: 0,
        id: intent.into(),
        content: u64::from(intent) << 40,
        only_looks: false,
    }
}

/// The same intent, by another holder.
fn again(claim: &Claim) -> Claim {
    let holder = self::claim(0).holder;
    Claim { holder, request: holder, ..claim.clone() }
}

fn result(id: &str) -> Arc<ToolResult> {
    let body = RawValue::from_string(r#"{"b": 1.10, "a": [12345678901234567890]}"#.to_owned());
    Arc::new(ToolResult {
        tool_call_id: id.to_owned(),
        name: "book".to_owned(),
        status: Status::Success,
        status_code: Some(201),
        headers: Some(Map::from_iter([("X-Request-Id".to_owned(), "req-1".into())])),
        body: Some(body.unwrap()),
        variables: Map::from_iter([("booking.rate".to_owned(), serde_json::from_str("1.10").unwrap())]),
        handover: None,
        error: None,
        replayed: false,
        speech: None,
        cancellation: None,
        attempts: 1,
        duration_ms: 12,
        timestamp: "2026-01-06T10:30:00.000Z".to_owned(),
        state: None,
    })
}

fn text(result: &ToolResult) -> String {
    serde_json::to_string(result).unwrap()
}

fn variable(value: Value) -> Variable {
    Variable { value, shown: None, source: Source::Caller, sensitive: false, hidden: false, set_at_ms: 17 }
}

fn set(name: &str, value: Value) -> Change {
    Change { set: vec![(name.to_owned(), variable(value))], ..Change::default() }
}

/// Opens conversation `c`.
async fn open(store: &AnyStore) {
    store.open(&key("c"), Opening::default()).await.unwrap();
}

/// What a claim came to, without its details.
fn kind(claimed: &Claimed) -> &'static str {
    match claimed {
        Claimed::Fresh { .. } => "fresh",
        Claimed::Twin(_) => "twin",
        Claimed::UnderWay => "under way",
        Claimed::Settled(_) => "settled",
        Claimed::Lost => "lost",
        Claimed::TooManyCalls(_) => "too many calls",
    }
}

async fn try_claim(store: &AnyStore, claim: &Claim) -> &'static str {
    kind(&store.claim(claim).await.unwrap())
}

/// The same of a store that may be out of reach, which is no answer.
#[cfg(feature = "redis")]
async fn claim_there(store: &AnyStore, claim: &Claim) -> Option<&'static str> {
    store.claim(claim).await.ok().as_ref().map(kind)
}

/// Waits until a look at the store gives what is expected.
async fn until<T: PartialEq + std::fmt::Debug, F: Future<Output = T>>(look: impl Fn() -> F, expected: T) {
    let is_so = async || (look().await == expected).then_some(());
    crate::wait::until(&format!("{expected:?}"), is_so).await;
}

/// Waits until the clock on the wall says more than `time_ms`; what it says.
async fn later(time_ms: u64) -> u64 {
    crate::wait::until("a later time", async || {
        Some(callgate::conversation::now_ms()).filter(|now| *now > time_ms)
    })
    .await
}

/// A JSON text, in which numbers keep their digits.
fn exact(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// An object of many values.
fn many(count: usize) -> Value {
    json!((0..count).collect::<Vec<_>>())
}
