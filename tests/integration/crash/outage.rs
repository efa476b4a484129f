//! Redis is gone for ten seconds under load, and comes back.

use std::time::Duration;

use serde_json::json;

use super::{Effects, Load, bookings, code, is_success, is_unavailable, project, replay, serve};
use crate::backend::RedisServer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_nothing_is_done_twice_and_with_it_all_goes_on() {
    let Some(mut redis) = RedisServer::start(&[]) else { return };
    let upstream = bookings().await;
    let dir = project(&upstream);
    let url = redis.url();
    let variables = [("CALLGATE_STORE__BACKEND", "redis"), ("CALLGATE_STORE__URL", url.as_str())];
    let nodes = [serve(dir.path(), &variables), serve(dir.path(), &variables)];
    let urls: Vec<String> = nodes.iter().map(|node| node.url.clone()).collect();
    let load = Load::start("c", 16, &urls);
    load.goes_on(30, is_success).await;
    redis.kill();
    tokio::time::sleep(Duration::from_millis(700)).await;
    // What needs no store goes on meanwhile, and the process says that it lives.
    let read = nodes[0].call("look", json!({})).await;
    assert_eq!(read["status"], "success", "{read}");
    let write = json!({"name": "book", "conversation_id": "d", "arguments": {"slot": "never"}});
    let (_, refused) = nodes[1].post("/v1/tool-calls", &write).await;
    assert_eq!(
        (code(&refused), &refused["status"], &refused["error"]["effect"], &refused["error"]["retry"]),
        ("store_unavailable", &json!("exception"), &json!("none"), &json!("later")),
    );
    tokio::time::sleep(Duration::from_millis(9_300)).await;
    load.goes_on(1, is_unavailable).await;
    redis.restart();
    // Nobody restarts a gateway: new conversations go on.
    let mut went_on = false;
    for _ in 0..1_200 {
        let (_, told) = nodes[0]
            .post(
                "/v1/tool-calls",
                &json!({"name": "book", "conversation_id": "e", "arguments": {"slot": "after"}}),
            )
            .await;
        went_on = told["status"] == "success";
        if went_on {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(went_on, "no call went through after the restart of Redis");
    load.goes_on(30, is_success).await;
    let calls = load.stop().await;
    assert!(calls.iter().all(|call| call.told.is_some()), "every call was answered");
    let effects = Effects::of(&upstream);
    effects.check_once();
    for call in &calls {
        let told = call.told.as_ref().unwrap();
        if told["error"]["effect"] == "none" {
            assert_eq!(effects.times(call), 0, "it was said that nothing was done: {call:?}");
        }
    }
    // And every orchestrator that asks again gets what was done, or has it done now.
    let unknown = replay(&calls, &urls[1], &upstream).await;
    assert_eq!(unknown, 0, "both nodes live: they know what they have done");
}
