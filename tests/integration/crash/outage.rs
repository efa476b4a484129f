//! Redis is gone under load for longer than a node is believed to live without a sign, and comes back.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Effects, Load, bookings, code, is_success, is_unavailable, project, replay, serve};
use crate::backend::RedisServer;
use crate::wait::{until, until_so};

/// How long a node is believed to live, and a little more.
const LEASE: Duration = Duration::from_millis(5_500);

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
    let killed = Instant::now();
    load.goes_on(1, is_unavailable).await;
    // What needs no store goes on meanwhile, and the process says that it lives.
    let read = nodes[0].call("look", json!({})).await;
    assert_eq!(read["status"], "success", "{read}");
    let write = json!({"name": "book", "conversation_id": "d", "arguments": {"slot": "never"}});
    let (_, refused) = nodes[1].post("/v1/tool-calls", &write).await;
    assert_eq!(
        (code(&refused), &refused["status"], &refused["error"]["effect"], &refused["error"]["retry"]),
        ("store_unavailable", &json!("exception"), &json!("none"), &json!("later")),
    );
    until_so("the end of every lease", || killed.elapsed() > LEASE).await;
    load.goes_on(1, is_unavailable).await;
    redis.restart();
    // Nobody restarts a gateway: new conversations go on.
    let after = json!({"name": "book", "conversation_id": "e", "arguments": {"slot": "after"}});
    until("a call that goes through after the restart of Redis", async || {
        is_success(&nodes[0].post("/v1/tool-calls", &after).await.1).then_some(())
    })
    .await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_keeps_nothing_is_warned_of_once_and_in_the_health_page() {
    let options = ["--appendonly", "no", "--maxmemory-policy", "allkeys-lru"];
    let (Some(mut forgetful), Some(safe)) = (RedisServer::start(&options), RedisServer::start(&[])) else {
        return;
    };
    let upstream = bookings().await;
    let dir = project(&upstream);
    let start = |url: &str| {
        let patience = crate::backend::PATIENCE.as_millis().to_string();
        let variables = [
            ("CALLGATE_STORE__BACKEND", "redis"),
            ("CALLGATE_STORE__URL", url),
            ("CALLGATE_STORE__PATIENCE_MS", patience.as_str()),
        ];
        crate::harness::Process::serve(dir.path(), &variables)
    };
    let books = json!({"name": "book", "conversation_id": "c", "arguments": {"slot": "nine"}});
    let node = start(&forgetful.url());
    // Once something is stored there, the server has been asked.
    assert_eq!(node.post("/v1/tool-calls", &books).await.1["status"], "success");
    let (status, health) = node.get("/readyz").await;
    let warnings = health["warnings"].as_array().unwrap();
    assert_eq!((status, &health["store"], warnings.len()), (200, &json!("redis"), 2), "{health}");
    assert!(warnings[0].as_str().unwrap().starts_with("Redis keeps nothing on disk"), "{health}");
    assert!(warnings[1].as_str().unwrap().contains("`maxmemory-policy allkeys-lru`"), "{health}");
    forgetful.kill();
    // Whoever comes meanwhile is refused, so that the gateway knows that it is gone.
    node.post("/v1/tool-calls", &books).await;
    forgetful.restart();
    until("a Redis that is found again", async || {
        is_success(&node.post("/v1/tool-calls", &books).await.1).then_some(())
    })
    .await;
    let told = |node: &crate::harness::Process, what: &str| node.log().matches(what).count();
    let are_told = || told(&node, "Redis may forget") > 0 && told(&node, "Redis keeps nothing") > 0;
    until_so("both warnings", are_told).await;
    assert_eq!(
        (told(&node, "Redis keeps nothing"), told(&node, "Redis may forget")),
        (1, 1),
        "{}",
        node.log()
    );

    let node = start(&safe.url());
    assert_eq!(node.post("/v1/tool-calls", &books).await.1["status"], "success");
    assert_eq!(node.get("/readyz").await, (200, serde_json::Value::Null));
}
