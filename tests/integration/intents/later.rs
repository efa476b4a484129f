//! What comes after a hang-up, a refusal or an answer that was a replay: what the model wants next is told apart from what
//! it was told of already.

use serde_json::{Value, json};

use super::ids::{ALL, Ids, random_looking};
use super::products::hang_up_unsent_while;
use super::{Call, Setup, body, call, is_replay, results};
use crate::backend::on_every_store;

fn made(ids: Ids, action: &str, number: u64) -> Call {
    Call { id: ids.id(action, 0, number), ..call("", action, 9) }
}

on_every_store! {
async fn a_booking_that_was_told_on_the_second_try_can_be_cancelled_and_made_again(on) {
    for ids in ALL {
        let setup = Setup::new(on).await;
        let first = made(ids, "book", 1);
        setup.hang_up("/v1/tool-calls", "c", &body("c", std::slice::from_ref(&first))).await;
        let again = setup.one("c", first).await;
        assert!(is_replay(&again) && again["status"] == "success", "{ids:?}: {again}");
        for (number, action) in [(2, "cancel"), (3, "book")] {
            let told = setup.one("c", made(ids, action, number)).await;
            assert!(!is_replay(&told) && told["status"] == "success", "{ids:?} {action}: {told}");
        }
        assert_eq!((setup.desk.count("book"), setup.desk.count("cancel")), (2, 1), "{ids:?}");
    }
}
}

on_every_store! {
async fn a_second_booking_of_the_same_slot_is_made_after_the_first_was_told_under_another_id(on) {
    let setup = Setup::new(on).await;
    let first = made(Ids::Random, "book", 1);
    setup.hang_up("/v1/tool-calls", "c", &body("c", &[first])).await;
    let told = setup.one("c", made(Ids::Random, "book", 2)).await;
    assert!(is_replay(&told), "{told}");
    let second = setup.one("c", made(Ids::Random, "book", 3)).await;
    assert!(!is_replay(&second), "{second}");
    // Each id has its own answer from now on.
    for (number, booking) in [(1, 1), (2, 1), (3, 2)] {
        let again = setup.one("c", made(Ids::Random, "book", number)).await;
        assert!(is_replay(&again), "{again}");
        assert_eq!(again["body"], json!({"id": booking}), "{number}");
    }
    assert_eq!(setup.desk.count("book"), 2);
}
}

on_every_store! {
async fn calls_between_a_hang_up_and_its_answer_make_no_repeat_a_new_call(on) {
    for ids in ALL {
        let setup = Setup::new(on).await;
        let first = made(ids, "book", 1);
        setup.hang_up("/v1/tool-calls", "c", &body("c", std::slice::from_ref(&first))).await;
        let look = Call { slot: 8, ..made(ids, "look", 2) };
        assert!(!is_replay(&setup.one("c", look).await), "{ids:?}");
        for _ in 0..2 {
            let again = setup.one("c", first.clone()).await;
            assert!(is_replay(&again) && again["status"] == "success", "{ids:?}: {again}");
        }
        assert_eq!(setup.desk.count("book"), 1, "{ids:?}");
    }
}
}

on_every_store! {
async fn what_one_id_did_twice_is_not_done_again_when_its_first_content_is_free(on) {
    for id in ["call_0".to_owned(), "book".to_owned(), format!("call_{}", random_looking(3, 24))] {
        let setup = Setup::new(on).await;
        let [unsent, done] = [9, 10].map(|slot| call(&id, "book", slot));
        // The first one waits to be sent, the second one is done meanwhile; then the first one's caller hangs up.
        let meanwhile = setup.one("c", done.clone());
        let told = hang_up_unsent_while(&setup, &body("c", &[unsent]), meanwhile).await;
        assert!(!is_replay(&told) && told["status"] == "success", "{id}: {told}");
        let again = setup.one("c", done).await;
        assert!(is_replay(&again), "{id}: {again}");
        let slots: Vec<u64> = setup.desk.entries().iter().map(|entry| entry.slot).collect();
        assert_eq!(slots, [10], "{id}");
    }
}
}

on_every_store! {
async fn two_calls_of_one_turn_that_are_spelled_differently_are_two(on) {
    for ids in ["\"call_0\"", "null"] {
        let setup = Setup::new(on).await;
        let call = |arguments: &str| format!(r#"{{"tool_call_id": {ids}, "name": "book", "arguments": {arguments}}}"#);
        let calls = [r#"{"slot": 9}"#, r#"{"slot":9.0}"#, r#""{\"slot\":9}""#].map(call).join(",");
        let body: Value = serde_json::from_str(&format!(r#"{{"conversation_id": "c", "calls": [{calls}]}}"#)).unwrap();
        let text = setup.post("/v1/tool-calls", "", &body).await;
        assert_eq!(setup.desk.count("book"), 3, "{text}");
        let text = setup.post("/v1/tool-calls", "", &body).await;
        assert!(results(&text).iter().all(is_replay), "{text}");
        assert_eq!(setup.desk.count("book"), 3);
    }
}
}

on_every_store! {
async fn a_refused_call_in_between_makes_no_repeat_a_new_call(on) {
    for ids in ALL {
        let setup = Setup::new(on).await;
        setup.one("c", made(ids, "book", 1)).await;
        let wrong = json!({"conversation_id": "c", "tool_call_id": ids.id("cancel", 0, 2), "name": "cancel", "arguments": {"slot": "nine"}});
        let text = setup.post("/v1/tool-calls", "", &wrong).await;
        assert!(text.contains("invalid_arguments"), "{text}");
        let again = setup.one("c", made(ids, "book", 1)).await;
        assert!(is_replay(&again), "{ids:?}: {again}");
        assert_eq!(setup.desk.count("book"), 1, "{ids:?}");
    }
}
}

const SEALING: &[(&str, &str)] = &[
    ("callgate.toml", "environments = [\"development\"]\n[sealing]\nkeys = [\"STATE_KEY_1\"]\n"),
    (
        "secrets.toml",
        "[development]\nSTATE_KEY_1 = \"6b1f0c5ddc8a5e7e2f3d9c4b1a0f8e7d6c5b4a39281706f5e4d3c2b1a0998877\"\n",
    ),
];

on_every_store! {
async fn a_conversation_that_its_caller_carries_books_cancels_and_books(on) {
    for ids in ALL {
        let setup = Setup::of(vec![on.fresh()], SEALING).await;
        let mut state = String::new();
        for (number, action) in ["book", "cancel", "book"].into_iter().enumerate() {
            let mut body = body("c", &[made(ids, action, number as u64)]);
            body["state"] = json!(state);
            let done = results(&setup.post("/v1/tool-calls", "", &body).await).remove(0);
            assert!(!is_replay(&done), "{ids:?} {number}: {done}");
            // The same request gets the same answer.
            let again = results(&setup.post("/v1/tool-calls", "", &body).await).remove(0);
            assert!(is_replay(&again), "{ids:?} {number}: {again}");
            assert_eq!((&again["body"], &again["state"]), (&done["body"], &done["state"]), "{ids:?} {number}");
            done["state"].as_str().unwrap().clone_into(&mut state);
        }
        assert_eq!((setup.desk.count("book"), setup.desk.count("cancel")), (2, 1), "{ids:?}");
    }
}
}

#[tokio::test]
async fn a_conversation_of_two_nodes_books_cancels_and_books_back_to_back() {
    let Some(redis) = crate::backend::Backend::redis() else { return };
    for ids in ALL {
        let name = format!("{ids:?}");
        let setup = Setup::of(vec![redis.named(&name), redis.named(&name)], &[]).await;
        for turn in 0..6_u64 {
            let action = if turn % 2 == 0 { "book" } else { "cancel" };
            let body = body("c", &[made(ids, action, turn)]);
            let node = &setup.nodes[usize::from(turn % 3 == 1)];
            let (status, told) = node.gateway.post("/v1/tool-calls", body.to_string()).await;
            assert_eq!(
                (status, &told["status"], is_replay(&told)),
                (200, &json!("success"), false),
                "{ids:?} {turn}: {told}"
            );
        }
        assert_eq!(setup.desk.entries().len(), 6, "{ids:?}");
    }
}
