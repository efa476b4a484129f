//! Claims: one holder for one intent.

use std::time::Duration;

use callgate::conversation::change::Change;
use callgate::conversation::{Claim, ClaimKey, Claimed, Ended, IdTrust, StoreError};
use serde_json::json;

use super::{AnyStore, again, claim, key, kind, open, result, set, suite, text, try_claim, until};

suite!(
    an_intent_has_one_holder,
    what_is_given_back_is_free,
    who_waits_hears_the_end,
    a_result_is_kept_for_its_time,
    a_twin_is_found_where_its_caller_is_gone,
    a_twin_of_another_request_is_joined_while_it_is_under_way,
    an_id_that_may_repeat_names_a_new_call_once_another_one_has_come,
    a_call_that_began_before_the_answer_has_not_come_in_between,
    an_id_whose_answer_reached_nobody_names_the_same_call_until_somebody_has_it,
    a_turn_that_is_repeated_does_not_come_between_its_own_calls,
    the_answer_of_a_twin_counts_from_when_it_was_given,
    an_orphan_answers_no_twin_once_somebody_has_its_result,
    what_an_older_callgate_has_done_is_not_done_again,
    ids_of_a_conversation_are_not_trusted_once_one_has_come_with_two_contents,
    each_new_call_under_the_same_id_is_told_from_the_earlier_ones,
    a_look_at_a_claim_takes_nothing,
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
    assert_eq!(try_claim(&store, &claim(2)).await, "fresh");
}

async fn what_is_given_back_is_free(store: AnyStore) {
    open(&store).await;
    let first = claim(1);
    store.claim(&first).await.unwrap();
    store.release(&first).await.unwrap();
    let second = again(&first);
    assert_eq!(try_claim(&store, &second).await, "fresh");
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
    // What comes after them is answered before them.
    tokio::task::yield_now().await;
    assert!(matches!(store.ended(claim(3).key).await.unwrap(), Ended::Free), "never claimed");
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
    let with_twin = |intent| Claim {
        twin: Some(twin),
        twin_window: Duration::from_millis(700),
        request: 1,
        ..claim(intent)
    };
    let first = with_twin(1);
    store.claim(&first).await.unwrap();
    // Its caller waits: the same write under another id of the same request is another one.
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

async fn a_twin_of_another_request_is_joined_while_it_is_under_way(store: AnyStore) {
    open(&store).await;
    let twin = ClaimKey::new(Some(&key("c")), [99; 32]);
    let of_request = |intent, request| Claim { twin: Some(twin), request, ..claim(intent) };
    let (first, second) = (of_request(1, 1), of_request(2, 2));
    assert_eq!(try_claim(&store, &first).await, "fresh");
    let Claimed::Twin(found) = store.claim(&second).await.unwrap() else { panic!("no twin") };
    assert_eq!(found, first.key);
    store.release(&second).await.unwrap();
    store.sending(&first).await.unwrap();
    assert_eq!(try_claim(&store, &of_request(3, 3)).await, "twin");
    store.settle(&first, &result("call_1"), Change::default()).await.unwrap();
    // Its caller has the answer: the same write under another id is another one.
    assert_eq!(try_claim(&store, &of_request(4, 4)).await, "fresh");
}

/// Ends a claim, and says what became of it.
async fn done(store: &AnyStore, claim: &Claim) -> &'static str {
    let claimed = try_claim(store, claim).await;
    if claimed == "fresh" {
        store.settle(claim, &result("call_1"), Change::default()).await.unwrap();
    }
    claimed
}

/// A call of its own request, whose id is worth `trust`.
fn trusted(intent: u8, trust: IdTrust) -> Claim {
    Claim { trust, ..claim(intent) }
}

async fn an_id_that_may_repeat_names_a_new_call_once_another_one_has_come(store: AnyStore) {
    open(&store).await;
    for (trust, expected) in [
        (IdTrust::Unique, "settled"),
        (IdTrust::LooksUnique, "settled"),
        (IdTrust::MayRepeat, "fresh"),
        (IdTrust::PerRequest, "fresh"),
    ] {
        let first = trusted(10 + trust as u8, trust);
        assert_eq!(done(&store, &first).await, "fresh");
        assert_eq!(done(&store, &again(&first)).await, "settled", "{trust:?}: it comes at once");
        let other = trusted(20 + trust as u8, IdTrust::Unique);
        assert_eq!(try_claim(&store, &other).await, "fresh");
        assert_eq!(done(&store, &again(&first)).await, "settled", "{trust:?}: the other one has not ended");
        store.settle(&other, &result("call_1"), Change::default()).await.unwrap();
        // Of the same request as the one in between: nothing has come before it.
        let same_request = Claim { request: other.request, ..again(&first) };
        assert_eq!(done(&store, &same_request).await, "settled", "{trust:?}: of one request");
        assert_eq!(done(&store, &again(&first)).await, expected, "{trust:?}: another call has come");
    }
}

async fn a_call_that_began_before_the_answer_has_not_come_in_between(store: AnyStore) {
    open(&store).await;
    let (first, other) = (trusted(1, IdTrust::MayRepeat), trusted(2, IdTrust::MayRepeat));
    // As two calls of one turn that are posted by themselves.
    assert_eq!(try_claim(&store, &first).await, "fresh");
    assert_eq!(try_claim(&store, &other).await, "fresh");
    for one in [&first, &other] {
        store.settle(one, &result("call_1"), Change::default()).await.unwrap();
    }
    assert_eq!(try_claim(&store, &again(&first)).await, "settled");
    // Nor has one of its own request, though it began later.
    let same_turn = Claim { request: first.request, ..trusted(5, IdTrust::MayRepeat) };
    assert_eq!(done(&store, &same_turn).await, "fresh");
    assert_eq!(try_claim(&store, &again(&first)).await, "settled");
    // Nor has one of the same content, under whatever id.
    let equal = Claim { key: claim(3).key, ..again(&first) };
    assert_eq!(done(&store, &equal).await, "fresh");
    assert_eq!(try_claim(&store, &again(&first)).await, "settled");
    // Nor has one that was given back.
    let unsent = trusted(4, IdTrust::MayRepeat);
    assert_eq!(try_claim(&store, &unsent).await, "fresh");
    store.release(&unsent).await.unwrap();
    assert_eq!(try_claim(&store, &again(&first)).await, "settled");
}

async fn an_id_whose_answer_reached_nobody_names_the_same_call_until_somebody_has_it(store: AnyStore) {
    open(&store).await;
    let first = trusted(1, IdTrust::MayRepeat);
    assert_eq!(done(&store, &first).await, "fresh");
    store.orphan(first.key).await.unwrap();
    assert_eq!(done(&store, &trusted(2, IdTrust::Unique)).await, "fresh");
    assert_eq!(done(&store, &again(&first)).await, "settled");
    store.adopt(first.key).await.unwrap();
    // What came before the answer was had has not come in between.
    assert_eq!(done(&store, &again(&first)).await, "settled");
    assert_eq!(done(&store, &trusted(3, IdTrust::Unique)).await, "fresh");
    assert_eq!(done(&store, &again(&first)).await, "fresh");
}

async fn a_turn_that_is_repeated_does_not_come_between_its_own_calls(store: AnyStore) {
    open(&store).await;
    for (trust, turn) in [(IdTrust::MayRepeat, 7), (IdTrust::PerRequest, 8)] {
        let of_turn = |intent, request| Claim { request, turn, ..trusted(intent + turn as u8, trust) };
        assert_eq!(done(&store, &of_turn(10, 1)).await, "fresh");
        // The first delivery got no further; the second one does the rest.
        assert_eq!(done(&store, &of_turn(10, 2)).await, "settled");
        assert_eq!(done(&store, &of_turn(20, 2)).await, "fresh");
        for request in 3..6 {
            for intent in [10, 20] {
                assert_eq!(done(&store, &of_turn(intent, request)).await, "settled", "{trust:?} {request}");
            }
        }
        let alone = Claim { turn: 0, ..of_turn(10, 6) };
        assert_eq!(done(&store, &alone).await, "fresh", "{trust:?}: the turn has come since");
    }
}

async fn the_answer_of_a_twin_counts_from_when_it_was_given(store: AnyStore) {
    open(&store).await;
    let twin = Some(ClaimKey::new(Some(&key("c")), [99; 32]));
    assert_eq!(done(&store, &trusted(1, IdTrust::MayRepeat)).await, "fresh");
    let first = Claim { twin, ..trusted(2, IdTrust::MayRepeat) };
    assert_eq!(try_claim(&store, &first).await, "fresh");
    store.orphan(first.key).await.unwrap();
    let second = Claim { key: claim(3).key, ..again(&first) };
    assert_eq!(try_claim(&store, &second).await, "twin");
    store.settle(&first, &result("call_1"), Change::default()).await.unwrap();
    store.settle(&second, &result("call_1"), Change::default()).await.unwrap();
    store.adopt(first.key).await.unwrap();
    assert_eq!(done(&store, &again(&second)).await, "settled", "the other call came before both");
    assert_eq!(done(&store, &trusted(4, IdTrust::MayRepeat)).await, "fresh");
    assert_eq!(done(&store, &again(&second)).await, "fresh", "another call has come");
}

async fn an_orphan_answers_no_twin_once_somebody_has_its_result(store: AnyStore) {
    open(&store).await;
    let twin = ClaimKey::new(Some(&key("c")), [99; 32]);
    let with_twin = |intent| Claim { twin: Some(twin), ..claim(intent) };
    let first = with_twin(1);
    assert_eq!(done(&store, &first).await, "fresh");
    store.orphan(first.key).await.unwrap();
    assert_eq!(try_claim(&store, &with_twin(2)).await, "twin");
    store.adopt(first.key).await.unwrap();
    assert_eq!(try_claim(&store, &with_twin(3)).await, "fresh");
    // A call that is under way, and one that is not known, are left as they are.
    for other in [with_twin(3).key, claim(77).key] {
        store.adopt(other).await.unwrap();
    }
}

async fn ids_of_a_conversation_are_not_trusted_once_one_has_come_with_two_contents(store: AnyStore) {
    open(&store).await;
    let (first, second) = (trusted(1, IdTrust::LooksUnique), trusted(2, IdTrust::LooksUnique));
    assert_eq!(done(&store, &first).await, "fresh");
    assert_eq!(done(&store, &second).await, "fresh");
    assert_eq!(done(&store, &again(&first)).await, "settled");
    let other = Claim { id: second.id, ..trusted(3, IdTrust::LooksUnique) };
    assert_eq!(done(&store, &other).await, "fresh");
    assert_eq!(done(&store, &again(&first)).await, "fresh", "another call has come");
    assert_eq!(done(&store, &again(&first)).await, "settled", "it comes at once");
    let trusted = Claim { trust: IdTrust::Unique, ..again(&second) };
    assert_eq!(done(&store, &trusted).await, "settled", "its caller's ids are unique, as the settings say");
}

async fn each_new_call_under_the_same_id_is_told_from_the_earlier_ones(store: AnyStore) {
    open(&store).await;
    let (first, other) = (trusted(1, IdTrust::MayRepeat), trusted(2, IdTrust::MayRepeat));
    let mut numbers = Vec::new();
    for _ in 0..3 {
        for claim in [again(&first), again(&other)] {
            let Claimed::Fresh { earlier } = store.claim(&claim).await.unwrap() else { panic!("not new") };
            store.settle(&claim, &result("call_1"), Change::default()).await.unwrap();
            numbers.push(earlier);
        }
        // One that is given back takes no number from those to come.
        let unsent = again(&first);
        assert_eq!(try_claim(&store, &unsent).await, "fresh");
        store.release(&unsent).await.unwrap();
    }
    let mut each = numbers.clone();
    each.dedup();
    assert_eq!(each.len(), 6, "{numbers:?}");
}

async fn what_an_older_callgate_has_done_is_not_done_again(store: AnyStore) {
    open(&store).await;
    // Its key held the id only, and the arguments stood beside it.
    let arguments = [9; 32];
    let older = Claim { former: Some((claim(8).key, arguments)), ..claim(1) };
    assert_eq!(done(&store, &older).await, "fresh");
    let newer = Claim { former: Some((older.key, arguments)), ..claim(2) };
    assert_eq!(
        try_claim(&store, &newer).await,
        if store.backend() == "memory" { "fresh" } else { "settled" }
    );
    let other = Claim { former: Some((older.key, [7; 32])), ..claim(3) };
    assert_eq!(try_claim(&store, &other).await, "fresh", "with other arguments");
}

async fn a_look_at_a_claim_takes_nothing(store: AnyStore) {
    open(&store).await;
    let look = Claim { only_looks: true, ..claim(1) };
    assert_eq!(try_claim(&store, &look).await, "fresh");
    assert_eq!(done(&store, &claim(1)).await, "fresh");
    assert_eq!(try_claim(&store, &again(&look)).await, "settled");
}

async fn a_twin_that_is_given_back_leaves_the_one_before(store: AnyStore) {
    open(&store).await;
    let twin = ClaimKey::new(Some(&key("c")), [99; 32]);
    let with_twin = |intent| Claim { twin: Some(twin), request: 1, ..claim(intent) };
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
