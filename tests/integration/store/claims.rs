//! Claims: one holder for one intent.

use std::time::Duration;

use callgate::conversation::change::Change;
use callgate::conversation::{Claim, ClaimKey, Claimed, Ended, StoreError};
use serde_json::json;

use super::{AnyStore, again, claim, key, kind, open, result, set, suite, text, try_claim, until};

suite!(
    an_intent_has_one_holder,
    what_is_given_back_is_free,
    who_waits_hears_the_end,
    a_result_is_kept_for_its_time,
    a_twin_is_found_where_its_caller_is_gone,
    a_twin_that_is_given_back_leaves_the_one_before,
    only_the_holder_sends_and_ends,
    to_settle_again_does_nothing,
    calls_are_counted_and_bounded,
    one_of_many_holds_it,
    an_intent_without_a_conversation_is_one_too,
);

async fn an_intent_has_one_holder(store: AnyStore) {
    open(&store).await;
    let first = claim(1);
    assert_eq!(try_claim(&store, &first).await, "fresh");
    let second = again(&first);
    assert_eq!(try_claim(&store, &second).await, "under way");
    store.sending(&first).await.unwrap();
    assert_eq!(try_claim(&store, &second).await, "under way");
    store.settle(&first, &result("call_1"), Change::default()).await.unwrap();
    let Claimed::Settled(settled) = store.claim(&second).await.unwrap() else { panic!("not settled") };
    assert_eq!(text(&settled), text(&result("call_1")), "every digit of it");
    let other = Claim { arguments: [8; 32], ..again(&first) };
    assert_eq!(try_claim(&store, &other).await, "other arguments");
    assert_eq!(try_claim(&store, &claim(2)).await, "fresh");
}

async fn what_is_given_back_is_free(store: AnyStore) {
    open(&store).await;
    let first = claim(1);
    store.claim(&first).await.unwrap();
    store.release(&first).await.unwrap();
    let second = Claim { arguments: [8; 32], ..again(&first) };
    assert_eq!(try_claim(&store, &second).await, "fresh", "also with other arguments");
    // Also after it was marked: no connection could be made.
    store.sending(&second).await.unwrap();
    store.release(&second).await.unwrap();
    assert_eq!(try_claim(&store, &again(&second)).await, "fresh");
}

async fn who_waits_hears_the_end(store: AnyStore) {
    open(&store).await;
    let (settled, released) = (claim(1), claim(2));
    for one in [&settled, &released] {
        store.claim(one).await.unwrap();
    }
    let wait = |claim: &Claim| {
        let (store, key) = (store.clone(), claim.key);
        tokio::task::spawn(async move { store.ended(key).await.unwrap() })
    };
    let waiting: Vec<_> = (0..8).map(|_| wait(&settled)).collect();
    let freed = wait(&released);
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert!(waiting.iter().all(|waiting| !waiting.is_finished()));
    store.settle(&settled, &result("call_1"), Change::default()).await.unwrap();
    store.release(&released).await.unwrap();
    for waiting in waiting {
        assert!(matches!(waiting.await.unwrap(), Ended::Settled(_)));
    }
    assert!(matches!(freed.await.unwrap(), Ended::Free));
    assert!(matches!(store.ended(claim(3).key).await.unwrap(), Ended::Free), "never claimed");
    assert!(matches!(store.ended(settled.key).await.unwrap(), Ended::Settled(_)), "ended before");
}

async fn a_result_is_kept_for_its_time(store: AnyStore) {
    open(&store).await;
    let brief = Claim { keep: Duration::from_millis(300), ..claim(1) };
    store.claim(&brief).await.unwrap();
    store.settle(&brief, &result("call_1"), Change::default()).await.unwrap();
    let long = claim(2);
    store.claim(&long).await.unwrap();
    store.settle(&long, &result("call_2"), Change::default()).await.unwrap();
    until(|| async { try_claim(&store, &again(&brief)).await != "settled" }, true).await;
    assert_eq!(try_claim(&store, &again(&long)).await, "settled");
}

async fn a_twin_is_found_where_its_caller_is_gone(store: AnyStore) {
    open(&store).await;
    let twin = ClaimKey::new(Some(&key("c")), [99; 32]);
    let with_twin =
        |intent| Claim { twin: Some(twin), twin_window: Duration::from_millis(700), ..claim(intent) };
    let first = with_twin(1);
    store.claim(&first).await.unwrap();
    // Its caller waits: the same write under another id is another one.
    let second = with_twin(2);
    assert_eq!(try_claim(&store, &second).await, "fresh");
    store.orphan(first.key).await.unwrap();
    assert_eq!(try_claim(&store, &with_twin(3)).await, "fresh", "the latest one counts");
    store.release(&second).await.unwrap();

    let (orphan, twin) = (with_twin(4), with_twin(5));
    assert_eq!(try_claim(&store, &orphan).await, "fresh");
    store.orphan(orphan.key).await.unwrap();
    let Claimed::Twin(found) = store.claim(&twin).await.unwrap() else { panic!("no twin") };
    assert_eq!(found, orphan.key);
    assert_eq!(try_claim(&store, &again(&twin)).await, "under way", "the twin holds its own intent");
    store.settle(&orphan, &result("call_4"), Change::default()).await.unwrap();
    let Ended::Settled(of_twin) = store.ended(found).await.unwrap() else { panic!("not settled") };
    store.settle(&twin, &of_twin, Change::default()).await.unwrap();
    assert_eq!(try_claim(&store, &again(&twin)).await, "settled");
    // For as long after its end as its window says.
    let late = with_twin(6);
    let look = || async {
        let found = kind(&store.claim(&late).await.unwrap());
        store.release(&late).await.unwrap();
        found
    };
    until(look, "fresh").await;
}

async fn a_twin_that_is_given_back_leaves_the_one_before(store: AnyStore) {
    open(&store).await;
    let twin = ClaimKey::new(Some(&key("c")), [99; 32]);
    let with_twin = |intent| Claim { twin: Some(twin), ..claim(intent) };
    let [first, second, third] = [1, 2, 3].map(with_twin);
    for one in [&first, &second, &third] {
        assert_eq!(try_claim(&store, one).await, "fresh", "the caller of the one before waits");
    }
    // Neither was sent, and they are not given back in their order.
    store.release(&second).await.unwrap();
    store.release(&third).await.unwrap();
    let bounded = Claim { most_calls: Some(1), ..with_twin(4) };
    assert_eq!(try_claim(&store, &bounded).await, "too many calls", "nor was one that was not taken");
    store.orphan(first.key).await.unwrap();
    let Claimed::Twin(found) = store.claim(&with_twin(5)).await.unwrap() else { panic!("no twin") };
    assert_eq!(found, first.key);
}

async fn only_the_holder_sends_and_ends(store: AnyStore) {
    open(&store).await;
    let first = claim(1);
    store.claim(&first).await.unwrap();
    let stranger = again(&first);
    assert!(matches!(store.sending(&stranger).await, Err(StoreError::Fenced)));
    store.release(&stranger).await.unwrap();
    store.settle(&stranger, &result("stranger"), Change::default()).await.unwrap();
    assert_eq!(try_claim(&store, &again(&first)).await, "under way");
    store.sending(&first).await.unwrap();
    store.settle(&first, &result("call_1"), Change::default()).await.unwrap();
    assert!(matches!(store.sending(&first).await, Err(StoreError::Fenced)), "it has ended");
    store.release(&first).await.unwrap();
    assert_eq!(try_claim(&store, &again(&first)).await, "settled", "what has ended is not given back");
    assert!(matches!(store.sending(&claim(9)).await, Err(StoreError::Fenced)), "never claimed");
}

async fn to_settle_again_does_nothing(store: AnyStore) {
    open(&store).await;
    let first = claim(1);
    store.claim(&first).await.unwrap();
    for value in [1, 2] {
        let change = Change { succeeded: Some("book".to_owned()), ..set("x", json!(value)) };
        let applied = store.settle(&first, &result(&format!("call_{value}")), change).await.unwrap();
        assert!(applied.is_known && applied.refused.is_empty());
    }
    let conversation = store.find(&key("c")).await.unwrap().unwrap();
    assert_eq!(conversation.variables["x"].value, json!(1));
    assert_eq!(conversation.calls["book"].succeeded, 1);
    let Claimed::Settled(settled) = store.claim(&again(&first)).await.unwrap() else { panic!("not settled") };
    assert_eq!(settled.tool_call_id, "call_1");
}

async fn calls_are_counted_and_bounded(store: AnyStore) {
    open(&store).await;
    let bounded = |intent| Claim { most_calls: Some(2), ..claim(intent) };
    let claims: Vec<Claim> = (1..=3).map(bounded).collect();
    let mut found = Vec::new();
    for one in &claims {
        found.push(try_claim(&store, one).await);
    }
    assert_eq!(found, ["fresh", "fresh", "too many calls"]);
    assert!(matches!(store.ended(claims[2].key).await.unwrap(), Ended::Free), "it was not taken");
    // What never began does not count, what succeeded does.
    store.release(&claims[0]).await.unwrap();
    assert_eq!(try_claim(&store, &bounded(4)).await, "fresh");
    let succeeded = Change { succeeded: Some("book".to_owned()), ..Change::default() };
    store.settle(&claims[1], &result("call_2"), succeeded).await.unwrap();
    assert_eq!(try_claim(&store, &bounded(5)).await, "too many calls");
    assert_eq!(try_claim(&store, &again(&claims[1])).await, "settled", "a replay is no call");
    let other = Claim { action: "look".to_owned(), ..bounded(6) };
    assert_eq!(try_claim(&store, &other).await, "fresh");
    let calls = store.find(&key("c")).await.unwrap().unwrap().calls.clone();
    assert_eq!((calls["book"].begun, calls["book"].succeeded, calls["look"].begun), (2, 1, 1));

    let all = (10..30).map(|intent| Claim { most_calls: Some(7), ..claim(intent) });
    let all: Vec<Claim> = all.map(|claim| Claim { action: "many".to_owned(), ..claim }).collect();
    let found = futures_util::future::join_all(all.iter().map(|claim| try_claim(&store, claim))).await;
    assert_eq!(found.iter().filter(|found| **found == "fresh").count(), 7);
}

async fn one_of_many_holds_it(store: AnyStore) {
    open(&store).await;
    let tasks = (0..60_u8).map(|number| {
        let (store, claim) = (store.clone(), again(&claim(number % 3)));
        tokio::task::spawn(async move { try_claim(&store, &claim).await })
    });
    let found = futures_util::future::join_all(tasks).await;
    let fresh = found.iter().filter(|found| *found.as_ref().unwrap() == "fresh").count();
    assert_eq!(fresh, 3, "one for each intent");
}

async fn an_intent_without_a_conversation_is_one_too(store: AnyStore) {
    let alone = Claim { key: ClaimKey::new(None, [5; 32]), conversation: None, ..claim(1) };
    assert_eq!(try_claim(&store, &alone).await, "fresh");
    assert_eq!(try_claim(&store, &again(&alone)).await, "under way");
    store.sending(&alone).await.unwrap();
    let applied = store.settle(&alone, &result("call_1"), Change::default()).await.unwrap();
    assert!(!applied.is_known, "there is no conversation to change");
    assert_eq!(try_claim(&store, &again(&alone)).await, "settled");
    let released = Claim { key: ClaimKey::new(None, [6; 32]), ..alone };
    store.claim(&released).await.unwrap();
    store.release(&released).await.unwrap();
    assert_eq!(try_claim(&store, &again(&released)).await, "fresh");
}
