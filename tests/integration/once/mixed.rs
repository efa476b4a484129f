//! Writes of which some have an id and some have none.

use serde_json::{Value, json};

use super::cancel::hang_up;
use super::{Setup, book, call};
use crate::backend::on_every_store;

fn without_id(slot: u32) -> Value {
    call("book", Some("c"), None, json!({"slot": slot}))
}

on_every_store! {
async fn a_write_whose_answer_reached_nobody_is_found_with_an_id_and_without(on) {
    let (setup, gate) = Setup::held(on).await;
    let pairs =
        [(book("call_1", 1), without_id(1)), (without_id(2), book("call_2", 2)), (without_id(3), without_id(3))];
    for (at, (first, second)) in pairs.iter().enumerate() {
        hang_up(&setup.gateway, first, setup.upstream.received(at + 1)).await;
        setup.gateway.hung_up(at + 1).await;
        gate.add_permits(1);
        let again = setup.gateway.call_with(second.clone()).await;
        assert_eq!((&again["replayed"], &again["body"]), (&json!(true), &json!({"id": at + 1})), "{second}");
    }
    assert_eq!(setup.sent(), 3);
}
}

on_every_store! {
async fn a_write_that_was_answered_is_another_one_under_another_id(on) {
    let (setup, gate) = Setup::held(on).await;
    gate.add_permits(3);
    for call in [without_id(1), book("call_1", 1), book("call_2", 1)] {
        assert_eq!(setup.gateway.call_with(call).await["replayed"], Value::Null);
    }
    // Without an id it is the one that came without before.
    assert_eq!(setup.gateway.call_with(without_id(1)).await["body"], json!({"id": 1}));
    assert_eq!(setup.sent(), 3);
}
}
