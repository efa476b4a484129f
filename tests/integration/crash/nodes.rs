//! Two nodes on one Redis.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::Value;

use super::{Call, Effects, Load, bookings, is_success, project, random, replay, rounds, serve};
use crate::backend::RedisServer;
use crate::harness::{Process, client};
use crate::upstream::Upstream;
use crate::wait::until;

/// Two nodes of one project on one server.
struct Nodes {
    upstream: Upstream,
    project: tempfile::TempDir,
    redis: RedisServer,
}

impl Nodes {
    async fn new() -> Option<Self> {
        let redis = RedisServer::start(&[])?;
        let upstream = bookings().await;
        let project = project(&upstream);
        Some(Self { upstream, project, redis })
    }

    fn start(&self) -> Process {
        let url = self.redis.url();
        let variables = [("CALLGATE_STORE__BACKEND", "redis"), ("CALLGATE_STORE__URL", url.as_str())];
        serve(self.project.path(), &variables)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_one_of_two_nodes_dies_the_other_does_nothing_twice() {
    let Some(nodes) = Nodes::new().await else { return };
    let living = nodes.start();
    let mut unknown = 0;
    // Once more where no kill came while a call was being sent.
    for round in 0.. {
        if round >= rounds(2) && unknown > 0 {
            break;
        }
        assert!(round < 20, "no kill came while a call was being sent");
        let mut dying = nodes.start();
        let load = Load::start(&format!("r{round}"), 16, &[dying.url.clone(), living.url.clone()]);
        load.goes_on(15, is_success).await;
        tokio::time::sleep(Duration::from_millis(random(400))).await;
        dying.signal("KILL");
        dying.wait();
        // The load goes on for a moment, on the node that is left.
        load.goes_on(5, is_success).await;
        let calls = load.stop().await;
        unknown += replay(&calls, &living.url, &nodes.upstream).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_conversations_of_two_nodes_each_have_one_history() {
    const CONVERSATIONS: usize = 100;
    const CALLS: usize = 20;
    let Some(nodes) = Nodes::new().await else { return };
    let (one, two) = (nodes.start(), nodes.start());
    let urls = [one.url.clone(), two.url.clone()];
    let client = client();
    let conversations = (0..CONVERSATIONS).map(|number| {
        let (client, urls) = (client.clone(), &urls);
        async move {
            let conversation = format!("c{number}");
            let mut told = Vec::new();
            for call in 0..CALLS {
                let node = number + call;
                let call = Call::new("book_next", &conversation, call);
                // Every third one comes twice at a time, once to each node; every fifth one once more.
                let result = if node % 3 == 0 {
                    let (first, second) =
                        tokio::join!(call.send(&client, &urls[0]), call.send(&client, &urls[1]));
                    let (first, second) = (first.unwrap(), second.unwrap());
                    assert_eq!(first["body"], second["body"], "{call:?}");
                    assert!(first["replayed"] == true || second["replayed"] == true, "{call:?}");
                    first
                } else {
                    call.send(&client, &urls[node % 2]).await.unwrap()
                };
                assert_eq!(result["status"], "success", "{result}");
                if node % 5 == 0 {
                    let again = call.send(&client, &urls[(node + 1) % 2]).await.unwrap();
                    assert_eq!((&again["body"], &again["replayed"]), (&result["body"], &Value::Bool(true)));
                }
                told.push((call.slot, result["body"]["id"].as_u64().unwrap()));
            }
            told
        }
    });
    let told: Vec<Vec<(String, u64)>> =
        futures_util::stream::iter(conversations).buffer_unordered(24).collect().await;
    let effects = Effects::of(&nodes.upstream);
    effects.check_once();
    assert_eq!(effects.bodies.len(), CONVERSATIONS * CALLS);
    // Each call knew what the one before it had booked, whichever node that was on.
    let after: HashMap<&str, u64> = effects
        .bodies
        .iter()
        .map(|body| (body["slot"].as_str().unwrap(), body["after"].as_u64().unwrap()))
        .collect();
    for number in 0..CONVERSATIONS {
        check_feed(&client, &urls, number, CALLS).await;
    }
    for conversation in told {
        let mut last = 0;
        for (slot, number) in conversation {
            assert_eq!(after[slot.as_str()], last, "{slot}");
            last = number;
        }
    }
}

/// The feed of a conversation is one line of history, the same on both nodes.
async fn check_feed(client: &reqwest::Client, urls: &[String; 2], number: usize, calls: usize) {
    let nodes = number..number + calls;
    let replays =
        nodes.clone().filter(|node| node % 3 == 0).count() + nodes.filter(|node| node % 5 == 0).count();
    let feed = async |url: &String| {
        // A replay is told without its caller waiting for it.
        until(&format!("{replays} replays of c{number}"), async || {
            let asked = client.get(format!("{url}/v1/conversations/c{number}/events?limit=500"));
            let page: Value =
                serde_json::from_str(&asked.send().await.unwrap().text().await.unwrap()).unwrap();
            let events = page["events"].as_array().unwrap().clone();
            let told = events.iter().filter(|event| event["type"] == "replay").count();
            (told >= replays).then_some(events)
        })
        .await
    };
    let events = feed(&urls[0]).await;
    assert_eq!(events, feed(&urls[1]).await);
    let ids = events.iter().map(|event| event["id"].as_u64().unwrap());
    assert!(ids.eq(1..=events.len() as u64), "c{number}: {events:?}");
    let starts = events.iter().filter(|event| event["type"] == "conversation_started").count();
    assert_eq!((starts, &events[0]["type"]), (1, &Value::from("conversation_started")));
    for kind in ["tool_called", "request_sent", "response_received"] {
        let of_kind = events.iter().filter(|event| event["type"] == kind);
        let told: Vec<&str> = of_kind.map(|event| event["data"]["tool_call_id"].as_str().unwrap()).collect();
        let expected: Vec<String> = (0..calls).map(|call| format!("call_{call}")).collect();
        assert_eq!(told, expected, "c{number}: each call once, in its order: {kind}");
    }
    assert_eq!(events.iter().filter(|event| event["type"] == "replay").count(), replays, "c{number}");
    assert!(!events.iter().any(|event| event["type"] == "error"), "c{number}: {events:?}");
}
