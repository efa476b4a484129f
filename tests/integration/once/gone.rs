//! Callers who are gone before they have their answer.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::cancel::Waiting;
use super::{Setup, book, hang_up, spawn};
use crate::backend::on_every_store;
use crate::harness::Gateway;

/// What the server needs to notice that somebody has hung up, and more.
const NOTICED: Duration = Duration::from_millis(300);
const JSON: &str = "application/json";

/// Sends `call_1`, joins it with a caller who has little time, and hangs up on it meanwhile; what the other one is told.
async fn outlive(gateway: &Arc<Gateway>, sent: impl Future<Output = ()>) -> Value {
    let (sender, receiver) = oneshot::channel();
    let joined = async {
        sent.await;
        let mut hurried = book("call_1", 9);
        hurried["deadline_ms"] = json!(900);
        let _ = sender.send(spawn(gateway, hurried));
        sleep(NOTICED).await;
    };
    hang_up(gateway, ("/v1/tool-calls", JSON), &book("call_1", 9), joined).await;
    receiver.await.unwrap().await.unwrap()
}

on_every_store! {
async fn the_last_who_runs_out_of_time_leaves_a_write_that_reached_nobody(on) {
    let (setup, gate) = Setup::held(on).await;
    let told = outlive(&setup.gateway, setup.upstream.received(1)).await;
    assert_eq!(told["error"]["code"], "in_progress", "{told}");
    gate.add_permits(10);
    let again = setup.gateway.call_with(book("call_2", 9)).await;
    assert_eq!((&again["replayed"], &again["body"]), (&json!(true), &json!({"id": 1})), "{again}");
    assert_eq!(setup.sent(), 1);
}
}

on_every_store! {
async fn what_the_last_one_gave_up_waiting_for_is_not_sent(on) {
    let waiting = Waiting::new(on).await;
    let gateway = &waiting.setup.gateway;
    let told = outlive(gateway, waiting.tokens.received(1)).await;
    assert_eq!(told["error"]["code"], "in_progress", "{told}");
    waiting.gate.add_permits(1);
    let again = gateway.call_with(book("call_1", 9)).await;
    assert_eq!((&again["replayed"], &again["error"]["code"]), (&json!(true), &json!("cancelled")), "{again}");
    sleep(NOTICED).await;
    assert_eq!(waiting.setup.sent(), 0);
}
}
