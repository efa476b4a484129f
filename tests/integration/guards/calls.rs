//! What guards let pass, and what they refuse.

use futures_util::future::join_all;
use serde_json::json;

use super::*;
use crate::backend::on_every_store;

on_every_store! {
    async fn an_action_waits_for_the_success_of_another(on) {
        let setup = Setup::new(on).await;
        let message = "This comes after `find_customer`; nothing was done. Call `find_customer` first.";
        let early = setup.call("book", json!({})).await;
        setup.assert_refused(&early, "too_early", "later", message);
        assert_eq!(setup.call("find_customer", json!({"name": "nobody"})).await["status"], "error");
        let early = setup.call("book", json!({})).await;
        setup.assert_refused(&early, "too_early", "later", message);
        assert_eq!(setup.call("find_customer", json!({})).await["status"], "success");
        assert_eq!(setup.call("book", json!({})).await["status"], "success");
        let elsewhere = json!({"name": "book", "conversation_id": "another"});
        setup.assert_refused(&setup.gateway.call_with(elsewhere).await, "too_early", "later", message);
        assert_eq!(setup.sent("/book"), 1);
    }
}

on_every_store! {
    async fn only_values_that_a_call_returned_are_sent(on) {
        let setup = Setup::new(on).await;
        setup.call("find_customer", json!({})).await;
        let guess = setup.call("book", json!({"slot_id": "mon-9"})).await;
        setup.assert_refused(
            &guess,
            "invalid_arguments",
            "with_changes",
            "`slot_id` must be a value that find_slots returned in this conversation; call find_slots first.",
        );
        setup.call("find_slots", json!({})).await;
        let guess = setup.call("book", json!({"slot_id": "wed-1"})).await;
        setup.assert_refused(&guess, "invalid_arguments", "with_changes", "`slot_id` must be one of mon-9, tue-10.");
        let violation = &guess["error"]["violations"][0];
        assert_eq!(violation["pointer"], "/slot_id");
        assert_eq!(violation["got"], "\"wed-1\"");
        let guess = setup.call("book", json!({"slot_id": "mon-9", "also": ["tue-10", "wed-1"]})).await;
        setup.assert_refused(&guess, "invalid_arguments", "with_changes", "`also` must be one of mon-9, tue-10.");
        assert_eq!(setup.sent("/book"), 0);
        for arguments in [
            json!({"slot_id": "mon-9"}),
            json!({"slot_id": "tue-10", "also": ["mon-9", "tue-10"]}),
            json!({"slot_id": null}),
            json!({}),
        ] {
            assert_eq!(setup.call("book", arguments.clone()).await["status"], "success", "{arguments}");
        }
        assert_eq!(setup.sent("/book"), 4);
    }
}

#[tokio::test]
async fn what_a_model_must_not_see_is_not_named() {
    let setup = Setup::new(&Backend::Memory).await;
    setup.call("find_slots", json!({})).await;
    for (arguments, message, secrets) in [
        (
            json!({"token": "x"}),
            "`token` must be a value that find_slots returned in this conversation.",
            ["token-1", "-"],
        ),
        // Hidden by another output, which the path of this guard does not lead through.
        (
            json!({"pin": "x"}),
            "`pin` must be a value that find_slots returned in this conversation.",
            ["pin-1111", "pin-2222"],
        ),
        // A parameter that is sensitive itself.
        (
            json!({"card": "4111"}),
            "`card` must be a value that find_slots returned in this conversation.",
            ["4111", "mon-9"],
        ),
    ] {
        let guess = setup.call("use_token", arguments).await;
        setup.assert_refused(&guess, "invalid_arguments", "with_changes", message);
        for secret in secrets.iter().filter(|secret| secret.len() > 1) {
            assert!(!guess.to_string().contains(secret), "{secret}: {guess}");
        }
    }
    let right = json!({"token": "token-1", "pin": "pin-2222", "card": "mon-9"});
    assert_eq!(setup.call("use_token", right).await["status"], "success");
    // What the caller marks as sensitive.
    let marked = Variable { sensitive: true, ..variable(json!([{"id": "secret-slot"}])) };
    setup.change(Change { set: vec![("slots".to_owned(), marked)], ..Change::default() }).await;
    setup.call("find_customer", json!({})).await;
    let guess = setup.call("book", json!({"slot_id": "x"})).await;
    setup.assert_refused(
        &guess,
        "invalid_arguments",
        "with_changes",
        "`slot_id` must be a value that find_slots returned in this conversation.",
    );
}

#[tokio::test]
async fn a_long_list_of_allowed_values_is_cut() {
    let setup = Setup::new(&Backend::Memory).await;
    setup.call("find_customer", json!({})).await;
    let slots: Vec<Value> = (0..10_000).map(|number| json!({"id": format!("s{number}")})).collect();
    setup
        .change(Change { set: vec![("slots".to_owned(), variable(json!(slots)))], ..Change::default() })
        .await;
    let guess = setup.call("book", json!({"slot_id": "x"})).await;
    assert_eq!(
        guess["error"]["message"],
        "`slot_id` must be one of s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, …."
    );
    assert_eq!(setup.call("book", json!({"slot_id": "s9999"})).await["status"], "success");
}

#[tokio::test]
async fn values_may_come_with_the_call_and_from_its_caller() {
    let setup = Setup::new(&Backend::Memory).await;
    setup.call("find_customer", json!({})).await;
    let call = |slot: &str| json!({"name": "book", "conversation_id": "c", "arguments": {"slot_id": slot}, "variables": {"slots": [{"id": "own"}]}});
    assert_eq!(setup.gateway.call_with(call("own")).await["status"], "success");
    assert_eq!(setup.gateway.call_with(call("other")).await["error"]["message"], "`slot_id` must be own.");
}

on_every_store! {
    async fn an_action_is_called_as_often_as_it_may_be(on) {
        let setup = Setup::new(on).await;
        for _ in 0..2 {
            assert_eq!(setup.call("send_code", json!({})).await["status"], "success");
        }
        let message = "This may be done 2 times in a conversation, and has been; nothing was done now.";
        setup.assert_refused(&setup.call("send_code", json!({})).await, "too_many_calls", "no", message);
        assert_eq!(setup.sent("/code"), 2);
        let elsewhere = json!({"name": "send_code", "conversation_id": "another"});
        assert_eq!(setup.gateway.call_with(elsewhere).await["status"], "success");
        // A read without an id, and an answer that needs no request.
        for name in ["peek", "joke"] {
            assert_eq!(setup.call(name, json!({})).await["status"], "success", "{name}");
            let message = "This may be done once in a conversation, and has been; nothing was done now.";
            setup.assert_refused(&setup.call(name, json!({})).await, "too_many_calls", "no", message);
        }
        assert_eq!(setup.sent("/peek"), 1);
    }
}

on_every_store! {
    async fn calls_at_once_do_not_slip_through(on) {
        let setup = Setup::new(on).await;
        let calls = (0..8).map(|number| {
            let id = format!("at-once-{number}");
            let setup = &setup;
            async move { setup.call_as(&id, "send_code").await }
        });
        let results = join_all(calls).await;
        let done = results.iter().filter(|result| result["status"] == "success").count();
        assert_eq!((done, setup.sent("/code")), (2, 2));
        let refused = results.iter().filter(|result| result["error"]["code"] == "too_many_calls").count();
        assert_eq!(refused, 6);
        // One of them comes again: it has its result, and is not counted.
        let first = results.iter().position(|result| result["status"] == "success").unwrap();
        let again = setup.call_as(&format!("at-once-{first}"), "send_code").await;
        assert_eq!((&again["status"], &again["replayed"]), (&json!("success"), &json!(true)));
    }
}

#[tokio::test]
async fn what_a_guard_refuses_does_not_count() {
    let more = [
        SETTINGS,
        (
            "actions/book.yaml",
            "description: Books.\nconnection: api\nmethod: POST\npath: /book\nmax_calls: 1\nonly_after: [find_customer]\n",
        ),
    ];
    let setup = Setup::with(&Backend::Memory, &more, answer).await;
    for _ in 0..3 {
        assert_eq!(setup.call_as("1", "book").await["error"]["code"], "too_early");
    }
    setup.call("find_customer", json!({})).await;
    assert_eq!(setup.call_as("1", "book").await["status"], "success", "the id is free");
    assert_eq!(setup.call_as("2", "book").await["error"]["code"], "too_many_calls");
}

on_every_store! {
    async fn an_action_exists_in_its_states(on) {
        let setup = Setup::new(on).await;
        let refused = setup.call_as("r1", "process_refund").await;
        let message = "This is not available at this point of the conversation; nothing was done. It becomes available after `open_billing`.";
        setup.assert_refused(&refused, "not_available", "no", message);
        assert_eq!(setup.call("open_billing", json!({})).await["status"], "success");
        let refused = setup.call("open_billing", json!({})).await;
        let message = "This is not available at this point of the conversation; nothing was done. Use another tool, or tell the caller that it cannot be done now.";
        setup.assert_refused(&refused, "not_available", "no", message);
        assert_eq!(setup.call_as("r1", "process_refund").await["status"], "success");
        // The conversation has gone on; whoever asks again for what was done hears that it was.
        let again = setup.call_as("r1", "process_refund").await;
        assert_eq!((&again["status"], &again["replayed"]), (&json!("success"), &json!(true)));
        assert_eq!(setup.call_as("r2", "process_refund").await["error"]["code"], "not_available");
        assert_eq!(setup.sent("/refund"), 1);
        setup.set_state("billing").await;
        assert_eq!(setup.call_as("r3", "process_refund").await["status"], "success");
        assert_eq!(setup.sent("/refund"), 2);
    }
}

#[tokio::test]
async fn a_conversation_without_a_state_has_only_what_is_always_there() {
    let setup = Setup::with(&Backend::Memory, &[], answer).await;
    for name in ["open_billing", "process_refund"] {
        assert_eq!(setup.call(name, json!({})).await["error"]["code"], "not_available", "{name}");
    }
    assert_eq!(setup.call("find_customer", json!({})).await["status"], "success");
    setup.set_state("greeting").await;
    assert_eq!(setup.call("open_billing", json!({})).await["status"], "success");
}

#[tokio::test]
async fn a_failure_does_not_lead_on() {
    let setup = Setup::with(&Backend::Memory, &[SETTINGS], |_| Reply::Json(500, "{}".to_owned())).await;
    assert_eq!(setup.call("open_billing", json!({})).await["status"], "error");
    assert_eq!(setup.call("process_refund", json!({})).await["error"]["code"], "not_available");
}

#[tokio::test]
async fn guards_want_a_conversation() {
    let setup = Setup::new(&Backend::Memory).await;
    for name in ["book", "use_token", "send_code", "joke", "open_billing"] {
        let refused = setup.gateway.call_with(json!({"name": name, "tool_call_id": name})).await;
        let message = "This works only within a conversation, and this call names none; nothing was done.";
        setup.assert_refused(&refused, "conversation_required", "no", message);
    }
    assert!(setup.upstream.requests().is_empty());
}

#[tokio::test]
async fn a_preview_asks_the_guards_of_a_conversation_it_names() {
    let setup = Setup::new(&Backend::Memory).await;
    let preview = async |body: Value| {
        let (status, answer) = setup.gateway.post("/v1/actions/book/preview", body.to_string()).await;
        assert_eq!(status, 200);
        answer
    };
    assert_eq!(preview(json!({"conversation_id": "c"})).await["error"]["code"], "too_early");
    assert_eq!(preview(json!({})).await["request"]["method"], "POST");
}

#[tokio::test]
async fn a_conversation_that_a_call_begins_is_told_with_its_state() {
    let setup = Setup::new(&Backend::Memory).await;
    setup.call("find_slots", json!({})).await;
    let path = "/v1/conversations/c/events?environment=development";
    let response = setup.gateway.request("GET", path).send().await.unwrap();
    let events: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    let first = &events["events"][0];
    assert_eq!(first["data"], json!({"by": "tool_call", "current_state": "greeting"}));
}
