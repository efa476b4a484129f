//! Turns: appended by requests that overlap, kept as long as their conversation, bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use callgate::conversation::change::Change;
use callgate::conversation::{
    Claim, ClaimKey, ConversationKey, MAX_TURN_BYTES, MAX_TURN_TEXT, MAX_TURNS, Opening, now_ms,
};
use serde_json::json;

use super::{AnyStore, claim, key, later, open, result, set, suite, until};
use crate::wait;

suite!(
    turns_are_read_as_they_were_written_and_in_their_order,
    requests_that_overlap_lose_no_turn_of_each_other,
    a_turn_of_no_conversation_is_not_kept,
    a_conversation_that_has_ended_takes_turns,
    turns_are_forgotten_with_their_conversation,
    turns_expire_with_their_conversation,
    turns_live_on_with_a_conversation_that_is_used,
    a_turn_keeps_its_conversation_from_expiring,
    of_too_many_turns_the_latest_stay,
    of_too_long_turns_the_latest_stay,
);

/// No turns.
pub(super) const NONE: [&str; 0] = [];

pub(super) async fn turns(store: &AnyStore, key: &ConversationKey) -> Vec<String> {
    store.turns(key).await.unwrap().iter().map(ToString::to_string).collect()
}

/// Appends a turn; says whether the conversation is there.
pub(super) async fn add(store: &AnyStore, key: &ConversationKey, text: &str) -> bool {
    store.add_turn(key, text).await.unwrap()
}

/// What a list of turns is compared with.
pub(super) fn texts<T: ToString>(texts: impl IntoIterator<Item = T>) -> Vec<String> {
    texts.into_iter().map(|text| text.to_string()).collect()
}

fn for_a_while(ttl: Duration) -> Opening {
    Opening { ttl, first: None }
}

async fn turns_are_read_as_they_were_written_and_in_their_order(store: AnyStore) {
    open(&store).await;
    store.open(&key("other"), Opening::default()).await.unwrap();
    store.update(&key("c"), set("x", json!(1))).await.unwrap();
    let before = store.find(&key("c")).await.unwrap().unwrap();
    assert_eq!(turns(&store, &key("c")).await, NONE);
    let long = "x".repeat(MAX_TURN_TEXT);
    let written = [
        r#"{"b": 1.10, "a": [12345678901234567890123, 1e400]}"#,
        "\u{0}\u{1f}\"\\é\u{1f600}\r\n:'; DROP TABLE turns; --",
        r#"{"b": 1.10, "a": [12345678901234567890123, 1e400]}"#,
        "",
        ":",
        &long,
    ];
    for (number, text) in written.iter().enumerate() {
        assert!(add(&store, &key("c"), text).await, "{number}");
        assert!(add(&store, &key("other"), &number.to_string()).await, "{number}");
    }
    // It is done although nobody waits for it.
    store.add_turn(&key("c"), "unheard").detach();
    assert!(add(&store, &key("c"), "last").await);
    let expected = texts(written.iter().chain(&["unheard", "last"]));
    assert_eq!(turns(&store, &key("c")).await, expected);
    assert_eq!(turns(&store, &key("other")).await, texts(["0", "1", "2", "3", "4", "5"]));
    assert_eq!(turns(&store, &ConversationKey::new("production", "c")).await, NONE);
    // Nothing else of the conversation is another one.
    let after = store.find(&key("c")).await.unwrap().unwrap();
    assert_eq!(
        (&after.variables, after.bytes, &after.state),
        (&before.variables, before.bytes, &before.state)
    );
    assert_eq!((&after.calls, &after.concealed), (&before.calls, &before.concealed));
    assert_eq!(store.events(&key("c"), 0, 10).await.unwrap().newest, 0);
}

async fn requests_that_overlap_lose_no_turn_of_each_other(store: AnyStore) {
    const REQUESTS: usize = 8;
    const TURNS: usize = 25;
    open(&store).await;
    // On threads of their own, which begin together.
    let start = Arc::new(std::sync::Barrier::new(REQUESTS));
    let requests = (0..REQUESTS).map(|request| {
        let (store, start) = (store.clone(), start.clone());
        let runtime = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || {
            start.wait();
            runtime.block_on(async {
                for turn in 0..TURNS {
                    assert!(add(&store, &key("c"), &format!("{request}-{turn}")).await);
                    // Other changes of the conversation come between.
                    store.update(&key("c"), set(&format!("t{request}"), json!(turn))).await.unwrap();
                }
            });
        })
    });
    for request in futures_util::future::join_all(requests).await {
        request.unwrap();
    }
    let all = turns(&store, &key("c")).await;
    assert_eq!(all.len(), REQUESTS * TURNS);
    // Those of one request in the order in which it appended them.
    for request in 0..REQUESTS {
        let begin = format!("{request}-");
        let own: Vec<&str> = all.iter().filter_map(|turn| turn.strip_prefix(&begin)).collect();
        assert_eq!(own, (0..TURNS).map(|turn| turn.to_string()).collect::<Vec<_>>());
    }
    assert_eq!(store.find(&key("c")).await.unwrap().unwrap().variables.len(), REQUESTS);
}

async fn a_turn_of_no_conversation_is_not_kept(store: AnyStore) {
    assert!(!add(&store, &key("c"), "one").await);
    assert_eq!(turns(&store, &key("c")).await, NONE);
    assert_eq!(store.find(&key("c")).await.unwrap(), None, "it does not begin by that");
    open(&store).await;
    assert_eq!(turns(&store, &key("c")).await, NONE);
    assert!(add(&store, &key("c"), "two").await);
    assert_eq!(turns(&store, &key("c")).await, texts(["two"]));
}

async fn a_conversation_that_has_ended_takes_turns(store: AnyStore) {
    open(&store).await;
    store.update(&key("c"), Change { end: true, ..Change::default() }).await.unwrap();
    assert!(add(&store, &key("c"), "one").await);
    assert_eq!(turns(&store, &key("c")).await, texts(["one"]));
}

async fn turns_are_forgotten_with_their_conversation(store: AnyStore) {
    open(&store).await;
    store.open(&key("other"), Opening::default()).await.unwrap();
    for text in ["one", "two"] {
        assert!(add(&store, &key("c"), text).await);
        assert!(add(&store, &key("other"), text).await);
    }
    assert!(store.forget(&key("c")).await.unwrap());
    assert_eq!(turns(&store, &key("c")).await, NONE);
    assert!(!add(&store, &key("c"), "three").await);
    assert!(store.open(&key("c"), Opening::default()).await.unwrap().is_new);
    assert_eq!(turns(&store, &key("c")).await, NONE, "another conversation has the name now");
    assert!(add(&store, &key("c"), "four").await);
    assert_eq!(turns(&store, &key("c")).await, texts(["four"]));
    assert_eq!(turns(&store, &key("other")).await, texts(["one", "two"]));
}

async fn turns_expire_with_their_conversation(store: AnyStore) {
    // A machine that stands still for a while takes no turn of the shorter ones.
    let ttls = [400, 2_000, 10_000, 50_000].map(Duration::from_millis);
    let mut brief = None;
    for (number, ttl) in ttls.into_iter().enumerate() {
        let key = key(&format!("c{number}"));
        store.open(&key, for_a_while(ttl)).await.unwrap();
        if add(&store, &key, "one").await {
            brief = Some(key);
            break;
        }
    }
    let brief = brief.expect("one takes it before it expires");
    // To read them does not keep it from expiring.
    until(|| turns(&store, &brief), Vec::new()).await;
    assert_eq!(store.find(&brief).await.unwrap(), None);
    assert!(!add(&store, &brief, "two").await);
    assert!(store.open(&brief, Opening::default()).await.unwrap().is_new);
    assert_eq!(turns(&store, &brief).await, NONE);
    assert!(add(&store, &brief, "three").await);
    assert_eq!(turns(&store, &brief).await, texts(["three"]));
}

/// What keeps a conversation from expiring.
#[derive(Clone, Copy, Debug)]
enum Use {
    Open,
    Change,
    Result,
}

impl Use {
    async fn of(self, store: &AnyStore, key: &ConversationKey) {
        static INTENTS: AtomicU64 = AtomicU64::new(0);
        match self {
            Self::Open => drop(store.open(key, Opening::default()).await.unwrap()),
            Self::Change => drop(store.update(key, set("x", json!(1))).await.unwrap()),
            Self::Result => {
                let mut intent = [0; 32];
                intent[16..24].copy_from_slice(&INTENTS.fetch_add(1, Ordering::Relaxed).to_le_bytes());
                let claim = Claim {
                    key: ClaimKey::new(Some(key), intent),
                    conversation: Some(key.clone()),
                    ..claim(0)
                };
                store.claim(&claim).await.unwrap();
                store.settle(&claim, &result("call"), set("x", json!(1))).await.unwrap();
            }
        }
    }
}

async fn turns_live_on_with_a_conversation_that_is_used(store: AnyStore) {
    let uses = [Use::Open, Use::Change, Use::Result];
    futures_util::future::join_all(uses.map(|one| turns_live_on(&store, one))).await;
}

/// A conversation is used until its first time is over. Where the machine stands still meanwhile, it expires: then another
/// one, which lives longer, shows it.
async fn turns_live_on(store: &AnyStore, one: Use) {
    for seconds in [1, 5, 25] {
        let key = key(&format!("{one:?}-{seconds}"));
        let start = store.open(&key, for_a_while(Duration::from_secs(seconds))).await.unwrap();
        let start = start.conversation.started_at_ms;
        // Appended at once: what comes later keeps it, and no further turn.
        if !add(store, &key, "one").await {
            continue;
        }
        let over = store.find(&key).await.unwrap().map_or(start, |found| found.expires_at_ms) + 100;
        wait::until("the first time is over", async || {
            one.of(store, &key).await;
            (now_ms() > over).then_some(())
        })
        .await;
        let kept = turns(store, &key).await;
        let found = store.find(&key).await.unwrap();
        if found.is_none_or(|found| found.started_at_ms != start) {
            continue;
        }
        assert_eq!(kept, texts(["one"]), "{one:?}");
        return;
    }
    panic!("no conversation lives until it is used again: {one:?}");
}

async fn a_turn_keeps_its_conversation_from_expiring(store: AnyStore) {
    const TTL_MS: u64 = 20_000;
    store.open(&key("c"), for_a_while(Duration::from_millis(TTL_MS))).await.unwrap();
    let before = later(now_ms() + TTL_MS / 50).await;
    assert!(add(&store, &key("c"), "one").await);
    let kept = store.find(&key("c")).await.unwrap().unwrap().expires_at_ms;
    assert!((before + TTL_MS..=now_ms() + TTL_MS).contains(&kept), "{kept}, {before}");
}

async fn of_too_many_turns_the_latest_stay(store: AnyStore) {
    const MORE: usize = 30;
    open(&store).await;
    let all: Vec<String> = (0..MAX_TURNS + MORE).map(|number| format!("turn {number}")).collect();
    let key = key("c");
    for text in &all[..MAX_TURNS] {
        assert!(add(&store, &key, text).await);
    }
    assert_eq!(turns(&store, &key).await, texts(&all[..MAX_TURNS]));
    for (more, text) in all[MAX_TURNS..].iter().enumerate() {
        assert!(add(&store, &key, text).await);
        assert_eq!(turns(&store, &key).await, texts(&all[more + 1..=MAX_TURNS + more]));
    }
}

async fn of_too_long_turns_the_latest_stay(store: AnyStore) {
    open(&store).await;
    let mut all: Vec<String> = Vec::new();
    let mut append = async |text: String, kept: usize| {
        assert!(add(&store, &key("c"), &text).await);
        all.push(text);
        let found = turns(&store, &key("c")).await;
        assert_eq!(found.len(), kept, "of {} turns", all.len());
        assert_eq!(found, texts(&all[all.len() - kept..]));
    };
    // 100,000 bytes, and half as many characters.
    let long = |number: usize| format!("{number:02}{}", "é".repeat(49_999));
    for number in 0..15 {
        append(long(number), (number + 1).min(10)).await;
    }
    // As much as three of them.
    append("y".repeat(MAX_TURN_TEXT), 8).await;
    let left = MAX_TURN_BYTES - 700_000 - MAX_TURN_TEXT;
    append("z".repeat(left), 9).await;
    // All that fits is there; a byte more is too much.
    append(String::new(), 10).await;
    append("a".to_owned(), 10).await;
    append("b".repeat(99_999), 11).await;
    append("c".to_owned(), 11).await;
    append("d".repeat(MAX_TURN_TEXT), 10).await;
}
