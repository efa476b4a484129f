//! Random interleavings of duplicate, concurrent, cancelled and failing calls:
//! whatever happens, one intent has one effect, and all who ask for it are told
//! the same.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::{ACTIONS, call};
use crate::backend::Backend;
use crate::harness::{Gateway, client, files};
use crate::upstream::{Reply, Upstream};

/// What the upstream does with the first request for a slot.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Done,
    DoneLate,
    Refused,
    Broken,
    DoneAndLost,
    Overloaded,
}

/// One step of a caller.
#[derive(Clone, Debug)]
struct Step {
    conversation: u8,
    /// `None`: the orchestrator sends no id.
    id: Option<u8>,
    slot: u8,
    /// The caller hangs up after so many milliseconds.
    patience: Option<u8>,
    /// Milliseconds after the former step.
    pause: u8,
    cancel: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let patience = prop_oneof![3 => Just(None), 1 => (0_u8..30).prop_map(Some)];
    let id = prop_oneof![3 => (0_u8..4).prop_map(Some), 1 => Just(None)];
    (0_u8..2, id, patience, 0_u8..8, any::<u8>()).prop_map(|(conversation, id, patience, pause, die)| Step {
        conversation,
        id,
        // An id stands for one slot, but for a few that are misused.
        slot: id.map_or(die % 4, |id| if die % 8 == 0 { die % 4 } else { id }),
        patience,
        pause,
        cancel: die % 11 == 0,
    })
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        Just(Fate::Done),
        Just(Fate::DoneLate),
        Just(Fate::Refused),
        Just(Fate::Broken),
        Just(Fate::DoneAndLost),
        Just(Fate::Overloaded),
    ]
}

#[test]
fn one_intent_has_one_effect_in_memory() {
    one_intent_has_one_effect(&Backend::Memory, 60);
}

#[test]
fn one_intent_has_one_effect_in_sqlite() {
    one_intent_has_one_effect(&Backend::sqlite(), 30);
}

#[test]
fn one_intent_has_one_effect_in_redis() {
    if let Some(redis) = Backend::redis() {
        one_intent_has_one_effect(&redis, 30);
    }
}

fn one_intent_has_one_effect(on: &Backend, cases: u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let histories = (prop::collection::vec(step(), 1..40), prop::collection::vec(fate(), 4));
    runner
        .run(&histories, |(steps, fates)| {
            runtime.block_on(check(on, steps, fates));
            Ok(())
        })
        .unwrap();
}

async fn check(on: &Backend, steps: Vec<Step>, fates: Vec<Fate>) {
    let told = fates.clone();
    let number = AtomicUsize::new(0);
    let upstream = Upstream::start(move |request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let slot = usize::try_from(body["slot"].as_u64().unwrap()).unwrap();
        let done = Reply::ok(&format!("{{\"id\": {}}}", number.fetch_add(1, Ordering::SeqCst)));
        match told[slot] {
            Fate::Done => done,
            Fate::DoneLate => Reply::After(Duration::from_millis(20), Box::new(done)),
            Fate::Refused => Reply::Json(409, "{}".to_owned()),
            Fate::Broken => Reply::Json(500, "{}".to_owned()),
            Fate::DoneAndLost => Reply::Close,
            Fate::Overloaded => Reply::Json(503, "{}".to_owned()),
        }
    })
    .await;
    let gateway = Gateway::start_on(&files(upstream.port, ACTIONS), on.fresh()).await;
    let client = client();
    let mut waiting = Vec::new();
    for step in steps.clone() {
        tokio::time::sleep(Duration::from_millis(u64::from(step.pause))).await;
        let id = step.id.map(|id| format!("call_7Qa9Zk2Lm4Pw8Xb{id}"));
        let conversation = format!("c{}", step.conversation);
        if let (true, Some(id)) = (step.cancel, &id) {
            let url = format!("{}/v1/tool-calls/{id}?conversation_id={conversation}", gateway.url);
            client.delete(url).send().await.unwrap();
        }
        let body = call("book", Some(&conversation), id.as_deref(), json!({"slot": step.slot}));
        let request = client.post(format!("{}/v1/tool-calls", gateway.url)).body(body.to_string()).send();
        waiting.push(tokio::task::spawn(async move {
            let answer = async { request.await.unwrap().text().await.unwrap() };
            match step.patience {
                Some(patience) => {
                    tokio::time::timeout(Duration::from_millis(u64::from(patience)), answer).await.ok()
                }
                None => Some(answer.await),
            }
            .map(|text| (step, serde_json::from_str::<Value>(&text).unwrap()))
        }));
    }
    // Where an id came with two slots, ids tell nothing any more: another module looks at that.
    let is_misused = |step: &Step| {
        steps
            .iter()
            .any(|one| one.conversation == step.conversation && one.id.is_some_and(|id| id != one.slot))
    };
    let mut results: BTreeMap<(u8, u8), Vec<Value>> = BTreeMap::new();
    for waiting in waiting {
        let Some((step, result)) = waiting.await.unwrap() else { continue };
        if let Some(id) = step.id.filter(|_| !is_misused(&step)) {
            results.entry((step.conversation, id)).or_default().push(result);
        }
    }
    // An effect for each key at most: a key is one intent.
    let mut sent: HashMap<String, usize> = HashMap::new();
    for request in upstream.requests() {
        *sent.entry(request.header("idempotency-key").unwrap().to_owned()).or_default() += 1;
    }
    assert!(sent.values().all(|times| *times == 1), "sent twice: {sent:?}");
    // And all who asked for one are told the same.
    for (intent, results) in results {
        // A call that was not the intent's end says so: it waited in vain, or the breaker sent nothing and
        // left the id free.
        let is_an_end = |result: &&Value| {
            let code = &result["error"]["code"];
            code != "in_progress" && code != "upstream_unavailable"
        };
        let told: Vec<&Value> = results.iter().filter(is_an_end).collect();
        let same = |one: &&&Value, other: &&&Value| {
            one["status"] == other["status"] && one["body"] == other["body"] && one["error"] == other["error"]
        };
        let first = told.first();
        assert!(
            told.iter().all(|one| first.is_some_and(|first| same(&first, &one))),
            "{intent:?}: {told:#?}"
        );
        // Only one of them was the call itself.
        assert!(told.iter().filter(|one| one["replayed"] != true).count() <= 1, "{intent:?}: {told:#?}");
    }
}
