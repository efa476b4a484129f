//! Redis: nodes that die, servers that go and come back.

use std::time::{Duration, Instant};

use callgate::conversation::change::Change;
use callgate::conversation::{
    Claim, ClaimKey, Ended, MAX_TURN_TEXT, Opening, RedisServers, RedisStore, StoreError,
};
use serde_json::json;

use super::turns::{NONE, add, texts, turns};
use super::{AnyStore, again, claim, claim_there, key, open, result, set, try_claim, until};
use crate::backend::{Backend, RedisServer};

/// A server, and a node on it.
fn node() -> Option<(Backend, AnyStore)> {
    let backend = Backend::redis()?;
    let store = backend.named("shared");
    Some((backend, store))
}

#[tokio::test]
async fn nodes_share_what_is_done() {
    let Some((backend, one)) = node() else { return };
    let two = backend.named("shared");
    let first = claim(1);
    assert!(one.open(&key("c"), Opening::default()).await.unwrap().is_new);
    assert!(!two.open(&key("c"), Opening::default()).await.unwrap().is_new);
    assert_eq!(try_claim(&one, &first).await, "fresh");
    assert_eq!(try_claim(&two, &again(&first)).await, "under way");
    let waiting = tokio::task::spawn({
        let (two, key) = (two.clone(), first.key);
        async move { two.ended(key).await.unwrap() }
    });
    let following = tokio::task::spawn({
        let two = two.clone();
        async move { two.follow(&key("c"), 0).await.unwrap() }
    });
    one.sending(&first).await.unwrap();
    let event = callgate::conversation::event::NewEvent::now(
        callgate::conversation::event::EventKind::ToolCalled,
        &json!({}),
    );
    let change = Change { events: vec![event], ..set("booking.id", json!(1)) };
    one.settle(&first, &result("call_1"), change).await.unwrap();
    assert!(matches!(waiting.await.unwrap(), Ended::Settled(_)));
    following.await.unwrap();
    assert_eq!(two.find(&key("c")).await.unwrap().unwrap().variables["booking.id"].value, json!(1));
    let nodes = [&one, &two];
    let added = (0..100).map(async |number| add(nodes[number % 2], &key("c"), &number.to_string()).await);
    assert!(futures_util::future::join_all(added).await.into_iter().all(|is_known| is_known));
    let both = turns(&two, &key("c")).await;
    assert_eq!(turns(&one, &key("c")).await, both);
    let mut numbers: Vec<usize> = both.iter().map(|text| text.parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..100).collect::<Vec<_>>());
    let apart = backend.named("apart");
    assert_eq!(apart.find(&key("c")).await.unwrap(), None, "another prefix is another store");
}

#[tokio::test]
async fn a_claim_that_is_sent_twice_is_taken_once() {
    let Some((_backend, store)) = node() else { return };
    open(&store).await;
    let twin = ClaimKey::new(Some(&key("c")), [77; 32]);
    let first = Claim { twin: Some(twin), most_calls: Some(1), ..claim(1) };
    // The client of a cluster sends a command again whose answer was lost.
    for _ in 0..2 {
        assert_eq!(try_claim(&store, &first).await, "fresh");
    }
    assert_eq!(store.find(&key("c")).await.unwrap().unwrap().calls["book"].begun, 1);
    let second = Claim { twin: Some(twin), ..claim(2) };
    for _ in 0..2 {
        assert_eq!(try_claim(&store, &second).await, "twin");
    }
    store.sending(&first).await.unwrap();
    assert_eq!(try_claim(&store, &first).await, "under way", "it is on its way by now");
}

#[tokio::test]
async fn a_node_that_died_is_found_out_and_one_that_lives_is_not() {
    let Some((backend, living)) = node() else { return };
    open(&living).await;
    let dying = backend.named("shared");
    let twin = ClaimKey::new(Some(&key("c")), [77; 32]);
    let (kept, sending, claimed) = (claim(1), Claim { twin: Some(twin), ..claim(2) }, claim(3));
    let read = Claim { is_write: false, ..claim(4) };
    living.claim(&kept).await.unwrap();
    living.sending(&kept).await.unwrap();
    for one in [&sending, &claimed, &read] {
        assert_eq!(try_claim(&dying, one).await, "fresh");
    }
    dying.sending(&sending).await.unwrap();
    dying.sending(&read).await.unwrap();
    let waiting = tokio::task::spawn({
        let (living, key) = (living.clone(), sending.key);
        async move { living.ended(key).await.unwrap() }
    });
    // Nothing of it runs any more, as after a crash; its claims stand.
    drop(dying);
    assert_eq!(try_claim(&living, &again(&sending)).await, "under way", "it may be alive");
    until(|| async { claim_there(&living, &again(&sending)).await }, Some("lost")).await;
    assert!(matches!(waiting.await.unwrap(), Ended::Lost));
    let other_id = Claim { twin: Some(twin), ..claim(5) };
    assert_eq!(try_claim(&living, &other_id).await, "twin", "nor is it done under another id");
    assert_eq!(try_claim(&living, &again(&claimed)).await, "fresh", "nothing was sent");
    assert_eq!(try_claim(&living, &again(&read)).await, "fresh", "a read does no harm");
    assert_eq!(
        try_claim(&living, &again(&kept)).await,
        "under way",
        "its node lives, for as long as it takes"
    );
    // A node that was only slow has lost what another has taken, and keeps what nobody could take.
    let back = backend.named("shared");
    assert!(matches!(back.sending(&claimed).await, Err(StoreError::Fenced)));
    back.settle(&sending, &result("call_2"), Change::default()).await.unwrap();
    assert_eq!(try_claim(&living, &again(&sending)).await, "settled", "now it is known");
    // Taken over, not counted again: 1 and 2, 3 and 4 once each; the twin did not begin.
    assert_eq!(living.find(&key("c")).await.unwrap().unwrap().calls["book"].begun, 4);
}

#[tokio::test]
async fn what_a_dead_node_has_not_sent_does_not_count() {
    let Some((backend, living)) = node() else { return };
    open(&living).await;
    let dying = backend.named("shared");
    let bounded = |intent| Claim { most_calls: Some(2), ..claim(intent) };
    let (claimed, sent) = (bounded(1), bounded(2));
    for one in [&claimed, &sent] {
        assert_eq!(try_claim(&dying, one).await, "fresh");
    }
    dying.sending(&sent).await.unwrap();
    drop(dying);
    let other = bounded(3);
    assert_eq!(try_claim(&living, &other).await, "too many calls", "it may be alive");
    until(|| async { claim_there(&living, &other).await }, Some("fresh")).await;
    assert_eq!(try_claim(&living, &bounded(4)).await, "too many calls", "what was sent counts");
    assert_eq!(living.find(&key("c")).await.unwrap().unwrap().calls["book"].begun, 2);
    // A node that was only slow sends nothing that does not count.
    let back = backend.named("shared");
    assert!(matches!(back.sending(&claimed).await, Err(StoreError::Fenced)));
    // Nor does one count twice that goes on and is given back.
    living.sending(&other).await.unwrap();
    living.release(&other).await.unwrap();
    assert_eq!(try_claim(&living, &bounded(5)).await, "fresh");
    assert_eq!(try_claim(&living, &bounded(6)).await, "too many calls");
}

#[tokio::test]
async fn a_server_that_is_gone_is_said_at_once_and_found_again() {
    let Some(mut server) = RedisServer::start(&[]) else { return };
    let store: AnyStore = std::sync::Arc::new(server.store("shared"));
    open(&store).await;
    assert!(add(&store, &key("c"), "earlier").await);
    let (settled, released) = (claim(1), claim(2));
    for one in [&settled, &released] {
        store.claim(one).await.unwrap();
        store.sending(one).await.unwrap();
    }
    server.kill();
    let began = Instant::now();
    let error = store.claim(&claim(3)).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { backend: "redis", .. }), "{error}");
    assert!(error.to_string().starts_with("the redis store is not available: "), "{error}");
    assert!(store.open(&key("c"), Opening::default()).await.is_err());
    assert!(store.settle(&settled, &result("call_1"), set("booking.id", json!(1))).await.is_err());
    assert!(store.release(&released).await.is_err());
    let whole = Change { all_or_nothing: true, ..set("never", json!(1)) };
    assert!(store.update(&key("c"), whole).await.is_err());
    store.update(&key("c"), set("later", json!(1))).await.unwrap_err();
    store.add_turn(&key("c"), "later").await.unwrap_err();
    store.turns(&key("c")).await.unwrap_err();
    // Far more than it takes: what matters is that nothing waits for ever.
    assert!(began.elapsed() < Duration::from_secs(30));
    server.restart();
    until(|| async { store.find(&key("c")).await.is_ok() }, true).await;
    // What could not be written is, before anything is read.
    let found = store.find(&key("c")).await.unwrap().unwrap();
    assert_eq!(found.variables.keys().collect::<Vec<_>>(), ["booking.id", "later"]);
    assert_eq!(turns(&store, &key("c")).await, texts(["earlier", "later"]));
    assert_eq!(try_claim(&store, &again(&settled)).await, "settled");
    assert_eq!(try_claim(&store, &again(&released)).await, "fresh");
}

/// A connected store that soon gives up a server that does not answer.
async fn hasty(server: &RedisServer) -> AnyStore {
    let store: AnyStore = std::sync::Arc::new(server.store_for("shared", Duration::from_secs(1)));
    until(|| async { store.find(&key("c")).await.is_ok() }, true).await;
    store
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_and_found_again() {
    let Some(server) = RedisServer::start(&[]) else { return };
    let patient: AnyStore = std::sync::Arc::new(server.store("shared"));
    let store = hasty(&server).await;
    open(&patient).await;
    let settled = claim(1);
    patient.claim(&settled).await.unwrap();
    server.signal("STOP");
    let began = Instant::now();
    store.claim(&claim(2)).await.unwrap_err();
    store.settle(&settled, &result("call_1"), set("x", json!(1))).await.unwrap_err();
    // Far more than it takes: what matters is that nothing waits for ever.
    assert!(began.elapsed() < Duration::from_secs(30));
    server.signal("CONT");
    until(|| async { store.find(&key("c")).await.is_ok() }, true).await;
    assert_eq!(try_claim(&patient, &again(&settled)).await, "settled");
    assert_eq!(patient.find(&key("c")).await.unwrap().unwrap().variables["x"].value, json!(1));
}

#[tokio::test]
async fn a_claim_that_nobody_hears_of_is_given_back() {
    let Some(server) = RedisServer::start(&[]) else { return };
    let store: AnyStore = std::sync::Arc::new(server.store("shared"));
    open(&store).await;
    let unheard = Claim { most_calls: Some(1), ..claim(1) };
    server.signal("STOP");
    // It is answered when its caller has given up.
    drop(store.claim(&unheard));
    server.signal("CONT");
    until(|| async { claim_there(&store, &again(&unheard)).await }, Some("fresh")).await;
    assert_eq!(store.find(&key("c")).await.unwrap().unwrap().calls["book"].begun, 1);
}

#[tokio::test]
async fn a_claim_whose_answer_is_lost_does_not_count() {
    let Some(server) = RedisServer::start(&[]) else { return };
    let patient: AnyStore = std::sync::Arc::new(server.store("shared"));
    let store = hasty(&server).await;
    open(&patient).await;
    // The server has learned the script: it does what it reads although nobody is there to be told.
    assert_eq!(try_claim(&patient, &Claim { action: "look".to_owned(), ..claim(9) }).await, "fresh");
    let bounded = |intent| Claim { most_calls: Some(1), ..claim(intent) };
    server.signal("STOP");
    store.claim(&bounded(1)).await.unwrap_err();
    server.signal("CONT");
    until(|| async { store.find(&key("c")).await.is_ok() }, true).await;
    assert_eq!(try_claim(&patient, &bounded(2)).await, "fresh", "nothing has left");
    assert_eq!(try_claim(&patient, &bounded(1)).await, "too many calls");
}

#[tokio::test]
async fn a_turn_whose_answer_is_lost_is_appended_once() {
    let Some(server) = RedisServer::start(&[]) else { return };
    let patient: AnyStore = std::sync::Arc::new(server.store("shared"));
    let store = hasty(&server).await;
    open(&patient).await;
    // The server has learned the script: it does what it reads although nobody is there to be told.
    assert!(add(&patient, &key("c"), "same").await);
    server.signal("STOP");
    store.add_turn(&key("c"), "same").await.unwrap_err();
    server.signal("CONT");
    // What could not be written is written again before anything is read.
    until(|| async { store.find(&key("c")).await.is_ok() }, true).await;
    assert!(add(&patient, &key("c"), "last").await);
    // Two turns that say the same are two.
    assert_eq!(turns(&patient, &key("c")).await, texts(["same", "same", "last"]));
}

/// A node of an older Callgate, which does not know of turns, forgets the conversation and begins it anew.
#[tokio::test]
async fn turns_that_an_older_node_left_are_not_those_of_the_next_conversation() {
    let Some((backend, store)) = node() else { return };
    let Backend::Redis(server) = &backend else { panic!("Redis") };
    open(&store).await;
    assert!(add(&store, &key("c"), &"x".repeat(MAX_TURN_TEXT)).await);
    let name = format!("shared:{{{}}}:conversation", key("c").slot().hex());
    let anew =
        format!("HSET {name} @started {} @ttl 60000 @bytes 0 @events 0", callgate::conversation::now_ms());
    assert!(server.ask(&format!("DEL {name}")).starts_with(":1"));
    assert_eq!(turns(&store, &key("c")).await, NONE);
    assert!(server.ask(&anew).starts_with(":4"));
    assert_eq!(turns(&store, &key("c")).await, NONE);
    // Nor do they count: as much as is kept fits.
    let own = || (0..4).map(|number| format!("{number}{}", "y".repeat(MAX_TURN_TEXT - 1)));
    for text in own() {
        assert!(add(&store, &key("c"), &text).await);
    }
    assert_eq!(turns(&store, &key("c")).await, texts(own()));
    // Where such a node has used the conversation last, its turns expire first.
    assert!(server.ask(&format!("DEL {}", name.replace("}:conversation", "}:turns"))).starts_with(":1"));
    for text in own() {
        assert!(add(&store, &key("c"), &text).await);
    }
    assert_eq!(turns(&store, &key("c")).await, texts(own()));
}

#[tokio::test]
async fn what_the_server_will_never_take_stops_nothing_else() {
    let Some((backend, store)) = node() else { return };
    let Backend::Redis(server) = &backend else { panic!("Redis") };
    open(&store).await;
    let broken = key("broken");
    let name = format!("shared:{{{}}}:conversation", broken.slot().hex());
    assert!(server.ask(&format!("SET {name} nonsense")).contains("OK"));
    for _ in 0..3 {
        let error = store.update(&broken, set("x", json!(1))).await.unwrap_err();
        assert!(error.to_string().contains("WRONGTYPE"), "{error}");
        assert_eq!(store.update(&key("c"), set("x", json!(1))).await.unwrap().refused, []);
    }
}

#[tokio::test]
async fn a_conversation_is_forgotten_as_a_whole_or_not_at_all() {
    let Some((backend, store)) = node() else { return };
    let Backend::Redis(server) = &backend else { panic!("Redis") };
    open(&store).await;
    let event = callgate::conversation::event::NewEvent::now(
        callgate::conversation::event::EventKind::ToolCalled,
        &json!({}),
    );
    let hidden =
        callgate::conversation::change::Variable { hidden: true, ..super::variable(json!("a-hidden-text")) };
    let change = Change { set: vec![("x".to_owned(), hidden)], events: vec![event], ..Change::default() };
    store.update(&key("c"), change).await.unwrap();
    assert!(add(&store, &key("c"), "one").await);
    let before = store.find(&key("c")).await.unwrap().unwrap();
    // As a server that fails between one key and the next.
    assert!(server.ask("ACL SETUSER default resetkeys ~*:conversation ~*:conversations:*").contains("OK"));
    store.forget(&key("c")).await.unwrap_err();
    assert!(server.ask("ACL SETUSER default allkeys").contains("OK"));
    assert_eq!(store.find(&key("c")).await.unwrap().unwrap().concealed, before.concealed);
    assert_eq!(turns(&store, &key("c")).await, texts(["one"]));
    assert!(store.forget(&key("c")).await.unwrap(), "it can be finished");
    let left = server.ask("KEYS shared:*}:*");
    assert!(!left.contains("shared:"), "{left}");
}

#[tokio::test]
async fn a_server_that_is_not_there_yet_is_waited_for() {
    let Some(mut server) = RedisServer::start(&[]) else { return };
    server.kill();
    let store: AnyStore = std::sync::Arc::new(server.store_for("shared", Duration::from_secs(1)));
    assert!(store.claim(&claim(1)).await.is_err());
    server.restart();
    until(|| async { store.claim(&claim(1)).await.is_ok() }, true).await;
}

#[tokio::test]
async fn scripts_that_the_server_forgot_are_told_again() {
    let Some((backend, store)) = node() else { return };
    let Backend::Redis(server) = &backend else { panic!("Redis") };
    open(&store).await;
    for intent in 0..3 {
        assert!(server.ask("SCRIPT FLUSH").contains("OK"));
        let one = claim(intent);
        assert_eq!(try_claim(&store, &one).await, "fresh");
        store.settle(&one, &result("x"), set("x", json!(intent))).await.unwrap();
    }
    assert_eq!(store.find(&key("c")).await.unwrap().unwrap().variables["x"].value, json!(2));
}

#[tokio::test]
async fn every_key_of_the_server_expires() {
    let Some((backend, store)) = node() else { return };
    let Backend::Redis(server) = &backend else { panic!("Redis") };
    open(&store).await;
    let twin = Some(ClaimKey::new(Some(&key("c")), [77; 32]));
    let hidden =
        callgate::conversation::change::Variable { hidden: true, ..super::variable(json!("a-hidden-text")) };
    let event = callgate::conversation::event::NewEvent::now(
        callgate::conversation::event::EventKind::ToolCalled,
        &json!({}),
    );
    let change = Change { set: vec![("x".to_owned(), hidden)], events: vec![event], ..Change::default() };
    for intent in 0..3 {
        let one = Claim { twin, most_calls: Some(9), request: 1, ..claim(intent) };
        store.claim(&one).await.unwrap();
        if intent == 0 {
            store.settle(&one, &result("x"), change.clone()).await.unwrap();
        } else if intent == 1 {
            store.sending(&one).await.unwrap();
        }
    }
    assert!(add(&store, &key("c"), "one").await);
    let keys = server.ask("KEYS *");
    let names: Vec<&str> = keys.lines().filter(|line| line.starts_with("shared:")).collect();
    // Three claims, their twin and the one not sent, the conversation's four, and the listing.
    assert_eq!(names.len(), 10, "{names:?}");
    for name in names {
        let left = server.ask(&format!("PTTL {name}"));
        let left: i64 = left.lines().next().unwrap().trim_start_matches(':').parse().unwrap();
        assert!(left > 0, "{name} stays for ever");
    }
}

#[test]
fn an_address_that_is_none_is_refused_without_showing_it() {
    for url in ["", "localhost", "http://127.0.0.1:6379", "redis://:hunter2@127.0.0.1:port/0"] {
        let error =
            RedisStore::open(&RedisServers::one(url), "x", Duration::from_secs(1)).unwrap_err().to_string();
        assert!(error.contains("such as redis://127.0.0.1:6379/0"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
