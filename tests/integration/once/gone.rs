//! Callers who are gone before they have their answer.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::{Semaphore, oneshot};

use super::cancel::Waiting;
use super::{ACTIONS, Setup, book, cancel, hang_up, numbered, spawn};
use crate::backend::{Backend, on_every_store};
use crate::bad_input::told;
use crate::harness::files;
use crate::upstream::{Reply, Upstream};

const JSON: &str = "application/json";

/// An upstream that answers by [`numbered`], slot 2 not before there is a permit.
async fn slow_second(on: &Backend) -> (Setup, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let (held, count) = (gate.clone(), numbered());
    let setup = Setup::new(on, move |request| match request.text().contains("\"slot\":2") {
        true => Reply::Held(held.clone(), Box::new(count(request))),
        false => count(request),
    });
    (setup.await, gate)
}

/// A connection that takes one call at a time; the upstream answers where there is a permit.
async fn narrow(on: &Backend) -> (Setup, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let (held, count) = (gate.clone(), numbered());
    let upstream = Upstream::start(move |request| Reply::Held(held.clone(), Box::new(count(request)))).await;
    let connection = "base_url: http://127.0.0.1:{port}\nlimits: {max_in_flight: 1}\n";
    let files = files(upstream.port, &[ACTIONS, &[("connections/api.yaml", connection)]].concat());
    (Setup::of(on, &files, upstream).await, gate)
}

/// One turn of conversation `c` that books two slots, in several forms: where it goes, and what.
fn turns(slots: [u32; 2]) -> [(&'static str, Value); 3] {
    let calls = |call: fn(&str, u32) -> Value| json!([call("call_1", slots[0]), call("call_2", slots[1])]);
    let openai = |id: &str, slot: u32| {
        let function = json!({"name": "book", "arguments": json!({"slot": slot}).to_string()});
        json!({"id": id, "type": "function", "function": function})
    };
    let vapi = |id: &str, slot: u32| json!({"id": id, "name": "book", "arguments": {"slot": slot}});
    let list = calls(vapi);
    [
        ("/v1/tool-calls", json!({"calls": calls(book)})),
        ("/v1/openai/chat/tool-calls?conversation_id=c", json!({"tool_calls": calls(openai)})),
        (
            "/webhooks/vapi/development",
            json!({"message": {"type": "tool-calls", "call": {"id": "c"}, "toolCallList": list}}),
        ),
    ]
}

on_every_store! {
async fn a_turn_that_reached_nobody_is_not_done_again(on) {
    for (path, turn) in turns([1, 2]) {
        let (setup, gate) = slow_second(on).await;
        let first_is_done = async {
            setup.upstream.received(2).await;
            setup.store.settled(1).await;
        };
        hang_up(&setup.gateway, (path, JSON), &turn, first_is_done).await;
        setup.gateway.hung_up(2).await;
        gate.add_permits(1);
        // The model starts over, with ids of its own.
        for (id, slot) in [("call_3", 1), ("call_4", 2)] {
            let again = setup.gateway.call_with(book(id, slot)).await;
            assert_eq!((&again["status"], &again["replayed"]), (&json!("success"), &json!(true)), "{path} {again}");
        }
        assert_eq!(setup.sent(), 2, "{path}");
    }
}
}

on_every_store! {
async fn a_turn_that_was_answered_is_done_again_under_other_ids(on) {
    for (path, turn) in turns([1, 3]) {
        let (setup, _) = slow_second(on).await;
        assert_eq!(setup.gateway.post(path, turn.to_string()).await.0, 200);
        for (id, slot) in [("call_3", 1), ("call_4", 3)] {
            assert_eq!(setup.gateway.call_with(book(id, slot)).await["replayed"], Value::Null, "{path}");
        }
        assert_eq!((setup.sent(), setup.gateway.hang_ups()), (4, 0), "{path}");
    }
}
}

on_every_store! {
async fn who_waits_for_a_place_can_be_cancelled(on) {
    let (setup, gate) = narrow(on).await;
    let first = spawn(&setup.gateway, book("call_1", 1));
    setup.upstream.received(1).await;
    let second = spawn(&setup.gateway, book("call_2", 2));
    // With its claim, it waits for its place.
    setup.store.claimed(2).await;
    let (status, reply) = cancel(&setup.gateway, "/v1/tool-calls/call_2").await;
    assert_eq!((status, &reply["cancellation"]), (200, &json!("not_sent")));
    assert_eq!(told(&second.await.unwrap()).0, ("exception", "cancelled", "none", "later"));
    // Whoever hangs up leaves the queue as well.
    hang_up(&setup.gateway, ("/v1/tool-calls", JSON), &book("call_3", 3), setup.store.claimed(3)).await;
    setup.gateway.hung_up(1).await;
    gate.add_permits(10);
    assert_eq!(first.await.unwrap()["status"], "success");
    // Who still waited for the place would have it before this one.
    assert_eq!(setup.gateway.call_with(book("call_4", 4)).await["status"], "success");
    let slots: Vec<Value> = setup
        .upstream
        .requests()
        .iter()
        .map(|request| serde_json::from_slice::<Value>(&request.body).unwrap()["slot"].clone())
        .collect();
    assert_eq!(slots, [1, 4]);
}
}

/// Sends `call_1`, joins it with a caller who has little time, and hangs up on it meanwhile; what the other one is told.
async fn outlive(setup: &Setup, sent: impl Future<Output = ()>) -> Value {
    let gateway = &setup.gateway;
    let (sender, receiver) = oneshot::channel();
    let joined = async {
        sent.await;
        for deadline_ms in [200, 900, 10_000] {
            let mut hurried = book("call_1", 9);
            hurried["deadline_ms"] = json!(deadline_ms);
            let mut second = spawn(gateway, hurried);
            tokio::select! {
                biased;
                () = setup.store.joined() => {
                    let _ = sender.send(second);
                    return;
                }
                // Its time was over before the store had answered, which does nothing.
                told = &mut second => assert_eq!(told.unwrap()["error"]["code"], "timeout"),
            }
        }
        panic!("the store does not answer in ten seconds");
    };
    hang_up(gateway, ("/v1/tool-calls", JSON), &book("call_1", 9), joined).await;
    receiver.await.unwrap().await.unwrap()
}

on_every_store! {
async fn the_last_who_runs_out_of_time_leaves_a_write_that_reached_nobody(on) {
    let (setup, gate) = Setup::held(on).await;
    let told = outlive(&setup, setup.upstream.received(1)).await;
    assert_eq!(told["error"]["code"], "in_progress", "{told}");
    gate.add_permits(10);
    let again = setup.gateway.call_with(book("call_2", 9)).await;
    assert_eq!((&again["replayed"], &again["body"]), (&json!(true), &json!({"id": 1})), "{again}");
    assert_eq!(setup.sent(), 1);
}
}

on_every_store! {
async fn what_the_last_one_gave_up_waiting_for_is_sent_when_it_comes_again(on) {
    let waiting = Waiting::new(on).await;
    let gateway = &waiting.setup.gateway;
    let told = outlive(&waiting.setup, waiting.tokens.received(1)).await;
    assert_eq!(told["error"]["code"], "in_progress", "{told}");
    waiting.gate.add_permits(10);
    let again = gateway.call_with(book("call_1", 9)).await;
    assert_eq!((&again["replayed"], &again["status"]), (&Value::Null, &json!("success")), "{again}");
    assert_eq!(waiting.setup.sent(), 1, "of the two only the one whose caller waits");
}
}

on_every_store! {
async fn a_result_that_was_joined_and_reached_nobody_is_not_forgotten(on) {
    let gate = Arc::new(Semaphore::new(0));
    let (held, count) = (gate.clone(), numbered());
    let setup = Setup::new(on, move |request| match request.text().contains("\"slot\":1") {
        true => Reply::Held(held.clone(), Box::new(count(request))),
        false => Reply::Stall,
    })
    .await;
    let gateway = &setup.gateway;
    let (first, [(path, turn), ..]) = (book("call_1", 1), turns([1, 2]));
    let ((joined, is_joined), (gone, is_gone)) = (oneshot::channel(), oneshot::channel());
    // Its caller hangs up while a turn waits for the same call.
    let alone = async {
        hang_up(gateway, ("/v1/tool-calls", JSON), &first, async { is_joined.await.unwrap() }).await;
        gone.send(()).unwrap();
    };
    // Then that of the turn does, which has the result and waits for another call.
    let turned = async {
        setup.upstream.received(1).await;
        hang_up(gateway, (path, JSON), &turn, async {
            setup.store.joined().await;
            setup.upstream.received(2).await;
            joined.send(()).unwrap();
            is_gone.await.unwrap();
            gateway.hung_up(1).await;
            gate.add_permits(1);
            setup.store.heard(1).await;
        })
        .await;
    };
    tokio::join!(alone, turned);
    gateway.hung_up(3).await;
    let again = gateway.call_with(book("call_3", 1)).await;
    assert_eq!((&again["status"], &again["replayed"]), (&json!("success"), &json!(true)), "{again}");
    assert_eq!(setup.sent(), 2);
}
}
