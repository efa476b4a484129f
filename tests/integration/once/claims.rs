//! The same intent twice is done once.

use serde_json::{Value, json};

use super::{Setup, book, call, hurried, numbered};
use crate::backend::on_every_store;
use crate::bad_input::told;
use crate::upstream::Reply;
use crate::wait::until;

on_every_store! {
async fn the_same_id_of_a_conversation_gets_the_first_result(on) {
    let setup = Setup::new(on, numbered()).await;
    let first = setup.gateway.call_with(book("call_1", 9)).await;
    assert_eq!((&first["status"], &first["replayed"]), (&json!("success"), &Value::Null));
    for _ in 0..3 {
        let again = setup.gateway.call_with(book("call_1", 9)).await;
        assert_eq!(again["replayed"], true);
        for member in
            ["tool_call_id", "name", "status", "status_code", "body", "variables", "error", "attempts"]
        {
            assert_eq!(again[member], first[member], "{member}");
        }
    }
    assert_eq!(setup.sent(), 1);
    // A read is replayed too: what the model was told once stays so.
    let read = call("look", Some("c"), Some("call_2"), json!({"slot": 1}));
    setup.gateway.call_with(read.clone()).await;
    assert_eq!(setup.gateway.call_with(read).await["replayed"], true);
    assert_eq!(setup.sent(), 2);
}
}

on_every_store! {
async fn calls_that_come_while_the_first_is_under_way_join_it(on) {
    let (setup, gate) = Setup::held(on).await;
    let calls = futures_util::future::join_all((0..20).map(|_| setup.gateway.call_with(book("call_1", 9))));
    let release = async {
        setup.upstream.received(1).await;
        for _ in 0..19 {
            setup.store.joined().await;
        }
        gate.add_permits(20);
    };
    let (results, ()) = tokio::join!(calls, release);
    assert_eq!(setup.sent(), 1);
    assert_eq!(results.iter().filter(|result| result["replayed"] == true).count(), 19);
    assert!(results.iter().all(|result| result["body"] == json!({"id": 1})), "{results:?}");
}
}

on_every_store! {
async fn an_id_with_other_arguments_or_another_action_is_another_call(on) {
    let setup = Setup::new(on, numbered()).await;
    setup.gateway.call_with(book("call_1", 9)).await;
    for other in [book("call_1", 10), call("look", Some("c"), Some("call_1"), json!({"slot": 9}))] {
        let result = setup.gateway.call_with(other.clone()).await;
        assert_eq!((&result["status"], &result["replayed"]), (&json!("success"), &Value::Null));
    }
    assert_eq!(setup.sent(), 3);
    // The last write once more, with nothing in between but a read that it followed.
    assert_eq!(setup.gateway.call_with(book("call_1", 10)).await["replayed"], Value::Null, "the read came in between");
    assert_eq!(setup.gateway.call_with(book("call_1", 10)).await["replayed"], true, "at once");
    assert_eq!(setup.sent(), 4);
    // Another conversation may use the same id.
    let other = call("book", Some("d"), Some("call_1"), json!({"slot": 10}));
    assert_eq!(setup.gateway.call_with(other).await["replayed"], Value::Null);
    assert_eq!(setup.sent(), 5);
}
}

on_every_store! {
async fn arguments_are_the_same_however_they_are_written(on) {
    let setup = Setup::new(on, numbered()).await;
    let same = [
        r#"{"slot": 9, "note": {"a": 1, "b": [2]}}"#,
        r#"{"note":{"b":[2.0],"a":1},"slot":9}"#,
        "{\"slot\": 9e0, \"note\": {\"\\u0061\": 1, \"b\": [2]}}",
    ];
    for text in same {
        let body = format!(
            r#"{{"name": "book", "conversation_id": "c", "tool_call_id": "call_1", "arguments": {text}}}"#
        );
        let (status, result) = setup.gateway.post("/v1/tool-calls", body).await;
        assert_eq!((status, &result["status"]), (200, &json!("success")), "{result}");
        // As a JSON text, as models send them.
        let body = call("book", Some("c"), Some("call_1"), json!(text));
        assert_eq!(setup.gateway.call_with(body).await["replayed"], true);
    }
    assert_eq!(setup.sent(), 1);
}
}

on_every_store! {
async fn without_a_conversation_an_id_holds_for_the_same_write_only(on) {
    let setup = Setup::new(on, numbered()).await;
    let write = |slot: u32| call("book", None, Some("call_1"), json!({"slot": slot}));
    let first = setup.gateway.call_with(write(1)).await;
    let again = setup.gateway.call_with(write(1)).await;
    assert_eq!((&again["replayed"], &again["body"]), (&json!(true), &first["body"]));
    // Another caller's call may have the same id.
    assert_eq!(setup.gateway.call_with(write(2)).await["replayed"], Value::Null);
    assert_eq!(setup.sent(), 2);
    let read = call("look", None, Some("call_1"), json!({}));
    setup.gateway.call_with(read.clone()).await;
    setup.gateway.call_with(read).await;
    assert_eq!(setup.sent(), 4);
}
}

on_every_store! {
async fn without_an_id_the_same_write_of_a_conversation_is_one(on) {
    let setup = Setup::new(on, numbered()).await;
    let write = |conversation, slot: u32| call("book", conversation, None, json!({"slot": slot}));
    let first = setup.gateway.call_with(write(Some("c"), 1)).await;
    let again = setup.gateway.call_with(write(Some("c"), 1)).await;
    assert_eq!((&again["replayed"], &again["body"]), (&json!(true), &first["body"]));
    assert_ne!(again["tool_call_id"], first["tool_call_id"]);
    assert_eq!(setup.sent(), 1);
    // Other arguments, another conversation, no conversation: other intents.
    for other in [write(Some("c"), 2), write(Some("d"), 1), write(None, 1), write(None, 1)] {
        assert_eq!(setup.gateway.call_with(other).await["replayed"], Value::Null);
    }
    assert_eq!(setup.sent(), 5);
    // A read is done as often as it is asked for.
    for _ in 0..2 {
        setup.gateway.call_with(call("look", Some("c"), None, json!({"slot": 1}))).await;
    }
    assert_eq!(setup.sent(), 7);
}
}

on_every_store! {
async fn a_write_that_reads_other_variables_is_another_one(on) {
    let setup = Setup::new(on, numbered()).await;
    for slot in 1..=2 {
        setup.gateway.call_with(call("book", Some("c"), None, json!({"slot": slot}))).await;
        let cancelled = setup.gateway.call_with(call("cancel_it", Some("c"), None, json!({}))).await;
        assert_eq!((&cancelled["status"], &cancelled["replayed"]), (&json!("success"), &Value::Null));
        let again = setup.gateway.call_with(call("cancel_it", Some("c"), None, json!({}))).await;
        assert_eq!(again["replayed"], true, "the same booking");
    }
    let lines: Vec<String> =
        setup.upstream.requests().iter().map(|request| request.line().to_owned()).collect();
    assert_eq!(lines, ["POST /book", "DELETE /bookings/1", "POST /book", "DELETE /bookings/3"]);
}
}

on_every_store! {
async fn a_write_that_reads_what_it_sets_itself_is_the_same(on) {
    let setup = Setup::new(on, numbered()).await;
    for _ in 0..2 {
        let ordered = setup.gateway.call_with(call("order", Some("c"), None, json!({}))).await;
        assert_eq!(ordered["body"], json!({"id": 1}), "{ordered}");
    }
    assert_eq!(setup.sent(), 1);
}
}

on_every_store! {
async fn the_window_is_the_actions_own(on) {
    let setup = Setup::new(on, numbered()).await;
    for name in ["always", "briefly"] {
        let before = setup.sent();
        let again = call(name, Some("c"), None, json!({}));
        setup.gateway.call_with(again.clone()).await;
        until("the end of the window", async || {
            let result = setup.gateway.call_with(again.clone()).await;
            assert_eq!(result["status"], "success", "{name}: {result}");
            (result["replayed"] != true).then_some(())
        })
        .await;
        assert_eq!(setup.sent() - before, 2, "{name}");
    }
}
}

on_every_store! {
async fn what_was_never_sent_does_not_use_up_its_id(on) {
    let setup = Setup::new(on, numbered()).await;
    let wrong = call("book", Some("c"), Some("call_1"), json!({"slot": "nine"}));
    assert_eq!(told(&setup.gateway.call_with(wrong).await).0.1, "invalid_arguments");
    assert_eq!(setup.gateway.call_with(book("call_1", 9)).await["status"], "success");
    // A variable is missing at first, and known later.
    let cancel = call("cancel_it", Some("d"), Some("call_2"), json!({}));
    assert_eq!(told(&setup.gateway.call_with(cancel.clone()).await).0.1, "missing_variable");
    setup.gateway.call_with(call("book", Some("d"), Some("call_3"), json!({"slot": 1}))).await;
    assert_eq!(setup.gateway.call_with(cancel).await["status"], "success");
}
}

on_every_store! {
async fn what_may_have_been_done_is_told_again_and_not_done_again(on) {
    let setup = Setup::new(on, |_| Reply::Close).await;
    for id in [Some("call_1"), None] {
        let before = setup.sent();
        let write = call("book", Some("c"), id, json!({"slot": 1}));
        for replayed in [Value::Null, json!(true), json!(true)] {
            let result = setup.gateway.call_with(write.clone()).await;
            assert_eq!(told(&result).0, ("failure", "connection_lost", "unknown", "no"));
            assert_eq!(result["replayed"], replayed);
        }
        assert_eq!(setup.sent() - before, 1, "{id:?}");
    }
}
}

on_every_store! {
async fn a_caller_that_cannot_wait_for_the_first_is_told_so(on) {
    let (setup, gate) = Setup::held(on).await;
    let first = tokio::task::spawn({
        let gateway = setup.gateway.clone();
        async move { gateway.call_with(book("call_1", 9)).await }
    });
    setup.upstream.received(1).await;
    let result = hurried(&setup.gateway, book("call_1", 9)).await;
    let (told, message) = told(&result);
    assert_eq!(told, ("failure", "in_progress", "unknown", "no"));
    assert!(message.contains("do not repeat it"), "{message}");
    gate.add_permits(1);
    assert_eq!(first.await.unwrap()["status"], "success");
    assert_eq!(setup.sent(), 1);
}
}

on_every_store! {
async fn an_upstream_knows_a_write_by_its_key(on) {
    let setup = Setup::new(on, numbered()).await;
    let key = |at: usize| setup.upstream.requests()[at].header("idempotency-key").map(str::to_owned);
    setup.gateway.call_with(book("call_1", 1)).await;
    setup.gateway.call_with(book("call_2", 1)).await;
    setup.gateway.call_with(call("look", Some("c"), Some("call_3"), json!({}))).await;
    setup.gateway.call_with(call("book", None, None, json!({}))).await;
    setup.gateway.call_with(call("book", None, None, json!({}))).await;
    let keys: Vec<Option<String>> = (0..5).map(key).collect();
    assert_eq!(keys[2], None, "a read needs none");
    let mut written: Vec<&String> = keys.iter().flatten().collect();
    assert_eq!(written.len(), 4);
    assert!(written.iter().all(|key| key.len() == 36 && key.matches('-').count() == 4), "{written:?}");
    written.sort();
    written.dedup();
    assert_eq!(written.len(), 4, "each write has its own");

    // The same call through another gateway, as after a restart, has the same key.
    let other = Setup::new(on, numbered()).await;
    other.gateway.call_with(book("call_1", 1)).await;
    assert_eq!(other.upstream.request().header("idempotency-key").map(str::to_owned), keys[0]);
}
}

on_every_store! {
async fn the_third_identical_impossible_call_is_told_to_stop(on) {
    let setup = Setup::new(on, numbered()).await;
    let wrong = |conversation| call("book", Some(conversation), None, json!({"slot": "nine"}));
    let stop = "do not send it again";
    for time in 1..=5 {
        let result = setup.gateway.call_with(wrong("c")).await;
        let (told, message) = told(&result);
        assert_eq!(told, ("exception", "invalid_arguments", "none", "with_changes"));
        assert_eq!(message.contains(stop), time >= 3, "{time}: {message}");
    }
    let result = setup.gateway.call_with(wrong("d")).await;
    assert!(!told(&result).1.contains(stop), "another conversation");
    let result = setup.gateway.call_with(call("book", Some("c"), None, json!({"slot": "ten"}))).await;
    assert!(!told(&result).1.contains(stop), "another call");
    assert_eq!(setup.sent(), 0);
}
}
