//! One node on SQLite, killed at random under a load of writes, and started again.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::{
    Call, Load, bookings, code, is_success, is_unknown, project, random, replay, rounds, serve,
    stopped_under_load,
};
use crate::harness::Process;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_gateway_does_nothing_twice_and_forgets_nothing() {
    let upstream = bookings().await;
    let dir = project(&upstream);
    let (mut unknown, mut acknowledged) = (0, 0);
    // Once more where no kill came while a call was being sent.
    for round in 0.. {
        if round >= rounds(5) && unknown > 0 {
            break;
        }
        assert!(round < 20, "no kill came while a call was being sent");
        let mut process = serve(dir.path(), &[]);
        let load = Load::start(&format!("r{round}"), 16, &[process.url.clone()]);
        load.goes_on(15, is_success).await;
        tokio::time::sleep(Duration::from_millis(random(350))).await;
        process.signal("KILL");
        process.wait();
        let calls = load.stop().await;
        let process = serve(dir.path(), &[]);
        acknowledged += check_variables(&process, &calls).await;
        unknown += replay(&calls, &process.url, &upstream).await;
        // Told once more, it is the same.
        let again = replay(&calls, &process.url, &upstream).await;
        assert!(again <= unknown);
    }
    assert!(acknowledged > 50, "only {acknowledged} calls were acknowledged");
}

/// What was acknowledged is known after the restart, before anything is replayed.
async fn check_variables(process: &Process, calls: &[Call]) -> usize {
    let mut last: HashMap<&str, u64> = HashMap::new();
    let mut acknowledged = 0;
    for call in calls {
        let Some(told) = call.told.as_ref().filter(|told| told["status"] == "success") else { continue };
        let number = told["variables"]["booking.id"].as_u64().unwrap();
        let known = last.entry(&call.conversation).or_default();
        *known = number.max(*known);
        acknowledged += 1;
    }
    for (conversation, number) in last {
        let body = json!({"conversation_id": conversation});
        let (status, preview) = process.post("/v1/actions/undo/preview", &body).await;
        let url = preview["request"]["url"].as_str().unwrap_or_else(|| panic!("{status} {preview}"));
        let kept: u64 = url.rsplit('/').next().unwrap().parse().unwrap();
        // A call that was done and not acknowledged may have come after it.
        assert!(kept >= number, "{conversation}: {number} was acknowledged, {kept} is known");
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_being_sent_is_not_done_again_under_any_id() {
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let held = gate.clone();
    let upstream = crate::upstream::Upstream::start(move |_| {
        crate::upstream::Reply::Held(held.clone(), Box::new(crate::upstream::Reply::ok("{\"id\": 1}")))
    })
    .await;
    let dir = project(&upstream);
    let mut process = serve(dir.path(), &[]);
    let (url, client) = (process.url.clone(), crate::harness::client());
    let call = Call::new("book", "c", 1);
    let sent = tokio::task::spawn({
        let call = call.clone();
        async move { call.send(&client, &url).await }
    });
    upstream.received(1).await;
    process.signal("KILL");
    process.wait();
    assert_eq!(sent.await.unwrap(), None);
    let process = serve(dir.path(), &[]);
    let client = crate::harness::client();
    for id in ["call_1", "call_1", "call_2"] {
        let again = Call { id: id.to_owned(), ..call.clone() };
        let told: Value = again.send(&client, &process.url).await.unwrap();
        assert_eq!((code(&told), is_unknown(&told)), ("interrupted", true), "{told}");
        let message = told["error"]["message"].as_str().unwrap();
        assert!(message.contains("do not repeat it"), "{message}");
    }
    assert_eq!(upstream.requests().len(), 1);
    // Another write is another one.
    gate.add_permits(10);
    let other = Call::new("book", "c", 9).send(&client, &process.url).await.unwrap();
    assert_eq!(other["status"], "success");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_stops_in_order_leaves_nothing_unknown() {
    let (upstream, dir, calls) = stopped_under_load().await;
    let process = serve(dir.path(), &[]);
    assert_eq!(replay(&calls, &process.url, &upstream).await, 0);
    let database = dir.path().join(".callgate/store.db");
    let wal = dir.path().join(".callgate/store.db-wal");
    assert!(database.is_file() && wal.is_file(), "where the documentation says");
}
