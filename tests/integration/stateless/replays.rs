//! The same request with the same state has the same answer; an old state is a
//! fork; nothing is done twice.

use std::sync::Arc;

use callgate::conversation::MemoryStore;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{Setup, project, secrets, settings, state, upstream};
use crate::backend::on_every_store;
use crate::harness::Gateway;
use crate::upstream::{Reply, Upstream};

/// What has to be the same of an answer that comes again.
fn told(answer: &Value) -> (&Value, &Value, &Value) {
    (&answer["body"], &answer["variables"], &answer["state"])
}

#[tokio::test]
async fn the_same_request_with_the_same_state_has_the_same_answer() {
    let setup = Setup::new().await;
    let first = setup.call("verify", Some("call_1"), "").await;
    let cases = [
        ("book", Some("call_2")),
        ("count", Some("call_3")),
        ("book", None),
        ("count", None),
        ("large", None),
    ];
    for (number, (name, id)) in cases.into_iter().enumerate() {
        let once = setup.call(name, id, state(&first)).await;
        let again = setup.call(name, id, state(&first)).await;
        assert_eq!(told(&once), told(&again), "{name}");
        assert_eq!((&once["replayed"], &again["replayed"]), (&json!(null), &json!(true)), "{name}");
        assert_eq!(setup.sent(), number + 2, "{name}");
    }
    // Other arguments, or another state, are another request.
    let other = json!({"name": "book", "arguments": {"slot": 1}, "state": state(&first)});
    assert_eq!(setup.call_with(other).await["replayed"], json!(null));
    let second = setup.call("hours", None, state(&first)).await;
    assert_eq!(setup.call("book", None, state(&second)).await["replayed"], json!(null));
    // Which an action may not want.
    for _ in 0..2 {
        assert_eq!(setup.call("always", None, state(&first)).await["replayed"], json!(null));
    }
}

#[tokio::test]
async fn a_first_request_that_comes_again_begins_the_same_conversation() {
    let setup = Setup::new().await;
    for begin in [
        json!({"name": "verify", "tool_call_id": "call_1", "conversation_id": "c", "state": ""}),
        json!({"name": "verify", "tool_call_id": "call_7", "state": ""}),
    ] {
        let before = setup.sent();
        let once = setup.call_with(begin.clone()).await;
        let again = setup.call_with(begin).await;
        assert_eq!(told(&once), told(&again));
        assert_eq!(setup.sent(), before + 1);
    }
    // Nothing tells who begins with neither id.
    let before = setup.sent();
    for _ in 0..2 {
        assert_eq!(setup.call("verify", None, "").await["replayed"], json!(null));
    }
    assert_eq!(setup.sent(), before + 2);
}

#[tokio::test]
async fn an_old_state_with_another_call_is_a_fork() {
    let setup = Setup::new().await;
    let first = setup.call("verify", Some("call_1"), "").await;
    let one = setup.call("book", Some("call_2"), state(&first)).await;
    let other = setup.call("count", Some("call_3"), state(&first)).await;
    assert_eq!(other["status"], "success");
    let missing = |answer: &Value| answer["error"]["missing"].clone();
    // Each knows its own history.
    assert_eq!(missing(&setup.call("known", Some("call_4"), state(&one)).await), ".variables.number");
    assert_eq!(missing(&setup.call("known", Some("call_5"), state(&other)).await), ".variables.booking.id");
}

#[tokio::test]
async fn a_write_that_comes_again_with_another_state_is_not_done_again_and_told_there() {
    let setup = Setup::new().await;
    let first = setup.call("verify", Some("call_1"), "").await;
    let booked = setup.call("book", Some("call_2"), state(&first)).await;
    let counted = setup.call("count", Some("call_3"), state(&first)).await;
    let sent = setup.sent();
    // As an orchestrator does that has lost the answer: the call again, with the state it has now.
    let again = setup.call("book", Some("call_2"), state(&counted)).await;
    assert_eq!((&again["replayed"], &again["body"]), (&json!(true), &booked["body"]));
    assert_eq!(setup.sent(), sent);
    let known = setup.call("known", None, state(&again)).await;
    assert_eq!(known["status"], "success", "it has what both calls learned: {known}");
    // With a state that has it already, nothing is added.
    let late = setup.call("book", Some("call_2"), state(&again)).await;
    assert_eq!((&late["replayed"], &late["body"]), (&json!(true), &booked["body"]));
    assert_eq!(setup.call("known", None, state(&late)).await["status"], "success");
    // The same id with other arguments is another call.
    let other =
        json!({"name": "book", "tool_call_id": "call_2", "arguments": {"slot": 9}, "state": state(&late)});
    let other = setup.call_with(other).await;
    assert_eq!((&other["status"], &other["replayed"]), (&json!("success"), &json!(null)));
}

#[tokio::test]
async fn what_was_kept_of_a_stored_conversation_answers_too() {
    let setup = Setup::new().await;
    let stored = json!({"environment": "development", "name": "book", "conversation_id": "c", "tool_call_id": "call_1"});
    let done = setup.gateway.call_with(stored.clone()).await;
    assert_eq!(done.get("state"), None);
    let mut carried = stored.clone();
    carried["state"] = "".into();
    let again = setup.call_with(carried.clone()).await;
    assert_eq!((&again["replayed"], &again["body"]), (&json!(true), &done["body"]));
    carried["tool_call_id"] = "call_2".into();
    let other = setup.call_with(carried).await;
    assert_eq!(other["replayed"], json!(null));
    let mut back = stored;
    back["tool_call_id"] = "call_2".into();
    let back = setup.gateway.call_with(back).await;
    assert_eq!((&back["replayed"], back.get("state")), (&json!(true), None), "who brings none gets none");
    assert_eq!(setup.sent(), 2);
}

on_every_store! {
    async fn two_nodes_of_one_store_do_a_call_once(on) {
        let gate = Arc::new(Semaphore::new(0));
        let held = gate.clone();
        let upstream = Upstream::start(move |_| Reply::Held(held.clone(), Box::new(Reply::ok("{\"id\": 7}")))).await;
        let files = project(upstream.port, &settings(&["STATE_KEY_1"], ""), &secrets());
        let store = on.fresh();
        let (one, two) = (Gateway::start_on(&files, store.clone()).await, Gateway::start_on(&files, store).await);
        let call = json!({"environment": "development", "name": "book", "tool_call_id": "call_1", "conversation_id": "c", "state": ""});
        let (first, second, ()) = tokio::join!(one.call_with(call.clone()), two.call_with(call), async {
            upstream.received(1).await;
            gate.add_permits(10);
        });
        assert_eq!(told(&first), told(&second));
        assert_eq!(upstream.requests().len(), 1);
        // What one has sealed, the other opens.
        for node in [&one, &two] {
            let next = json!({"environment": "development", "name": "count", "tool_call_id": "call_2", "state": state(&first)});
            assert_eq!(node.call_with(next).await["status"], "success");
        }
        assert_eq!(upstream.requests().len(), 2);
    }
}

#[tokio::test]
async fn a_node_that_shares_no_store_goes_on_with_the_state_all_the_same() {
    let upstream = upstream().await;
    let files = project(upstream.port, &settings(&["STATE_KEY_1"], ""), &secrets());
    let one = Gateway::start_on(&files, Arc::new(MemoryStore::default())).await;
    let two = Gateway::start_on(&files, Arc::new(MemoryStore::default())).await;
    let first = json!({"environment": "development", "name": "verify", "state": ""});
    let first = one.call_with(first).await;
    let second = json!({"environment": "development", "name": "account", "state": state(&first)});
    let second = two.call_with(second).await;
    assert_eq!((&second["status"], &second["body"]["owner"]), (&json!("success"), &json!("Ann")));
    assert!(!second.to_string().contains(super::HIDDEN));
}
