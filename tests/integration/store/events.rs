//! The event feed: in order, in pages, followed live.

use callgate::conversation::Opening;
use callgate::conversation::change::Change;
use callgate::conversation::event::{EventKind, MAX_EVENT_BYTES, MAX_EVENTS, NewEvent};
use serde_json::{Value, json};

use super::{AnyStore, claim, key, open, result, suite};

suite!(
    events_are_numbered_in_their_order,
    a_reader_resumes_after_the_last_it_has,
    old_events_give_way,
    who_follows_hears_of_the_next,
    events_of_a_result_come_with_it,
);

fn event(number: usize) -> NewEvent {
    NewEvent::now(EventKind::ToolCalled, &json!({"number": number}))
}

fn told(events: Vec<NewEvent>) -> Change {
    Change { events, ..Change::default() }
}

fn number(data: &str) -> u64 {
    serde_json::from_str::<Value>(data).unwrap()["number"].as_u64().unwrap()
}

async fn events_are_numbered_in_their_order(store: AnyStore) {
    open(&store).await;
    let page = store.events(&key("c"), 0, 10).await.unwrap();
    assert_eq!((page.events.len(), page.newest, page.has_gap, page.is_known), (0, 0, false, true));
    let tasks = (0..10).map(|task| {
        let store = store.clone();
        tokio::task::spawn(async move {
            for turn in 0..10 {
                let both = vec![event(task * 100 + turn * 10), event(task * 100 + turn * 10 + 1)];
                store.update(&key("c"), told(both)).await.unwrap();
            }
        })
    });
    for task in futures_util::future::join_all(tasks).await {
        task.unwrap();
    }
    let page = store.events(&key("c"), 0, MAX_EVENTS).await.unwrap();
    let ids: Vec<u64> = page.events.iter().map(|event| event.id).collect();
    assert_eq!(ids, (1..=200).collect::<Vec<u64>>());
    // Two that came together stand together.
    for pair in page.events.chunks(2) {
        assert_eq!(number(pair[0].data.get()) + 1, number(pair[1].data.get()));
    }
    // And those of one task in the order of its turns.
    for task in 0..10_u64 {
        let of_task: Vec<u64> = page
            .events
            .iter()
            .map(|event| number(event.data.get()))
            .filter(|number| number / 100 == task)
            .collect();
        assert!(of_task.is_sorted(), "{of_task:?}");
    }
}

async fn a_reader_resumes_after_the_last_it_has(store: AnyStore) {
    open(&store).await;
    let kinds = [
        EventKind::ConversationStarted,
        EventKind::RequestSent,
        EventKind::ResponseReceived,
        EventKind::VariableSet,
        EventKind::Retry,
        EventKind::Replay,
        EventKind::Error,
        EventKind::Ended,
    ];
    let events = kinds.map(|kind| NewEvent::now(kind, &json!({"kind": kind, "text": "é\u{0}\""})));
    let at: Vec<u64> = events.iter().map(|event| event.at_ms).collect();
    store.update(&key("c"), told(events.to_vec())).await.unwrap();
    let (mut after, mut found) = (0, Vec::new());
    loop {
        let page = store.events(&key("c"), after, 3).await.unwrap();
        assert!(page.newest == 8 && !page.has_gap && page.events.len() <= 3);
        let Some(last) = page.events.last() else { break };
        after = last.id;
        found.extend(page.events);
    }
    assert_eq!(found.iter().map(|event| event.kind).collect::<Vec<_>>(), kinds);
    assert_eq!(found.iter().map(|event| event.at_ms).collect::<Vec<_>>(), at);
    assert_eq!(found[1].data.get(), r#"{"kind":"request_sent","text":"é\u0000\""}"#);
    assert_eq!(store.events(&key("c"), 1_000, 3).await.unwrap().events.len(), 0);
    let unknown = store.events(&key("unknown"), 0, 3).await.unwrap();
    assert_eq!((unknown.is_known, unknown.newest), (false, 0));
    let long = NewEvent::now(EventKind::Error, &json!("x".repeat(MAX_EVENT_BYTES)));
    assert_eq!(long.data.get(), format!("{{\"omitted_bytes\":{}}}", MAX_EVENT_BYTES + 2));
}

async fn old_events_give_way(store: AnyStore) {
    open(&store).await;
    let most = MAX_EVENTS as u64;
    for start in (0..MAX_EVENTS + 100).step_by(100) {
        store.update(&key("c"), told((start..start + 100).map(event).collect())).await.unwrap();
    }
    let page = store.events(&key("c"), 0, 1).await.unwrap();
    assert_eq!((page.newest, page.has_gap, page.events[0].id), (most + 100, true, 101));
    assert_eq!(number(page.events[0].data.get()), 100);
    let page = store.events(&key("c"), 100, 1).await.unwrap();
    assert_eq!((page.has_gap, page.events[0].id), (false, 101));
    assert!(store.events(&key("c"), 99, 1).await.unwrap().has_gap);
}

async fn who_follows_hears_of_the_next(store: AnyStore) {
    open(&store).await;
    store.update(&key("c"), told(vec![event(1)])).await.unwrap();
    let follow = |after| {
        let store = store.clone();
        tokio::task::spawn(async move { store.follow(&key("c"), after).await.unwrap() })
    };
    follow(0).await.unwrap();
    let waiting: Vec<_> = (0..5).map(|_| follow(1)).collect();
    // What comes after them is answered before them.
    tokio::task::yield_now().await;
    assert_eq!(store.events(&key("c"), 0, 10).await.unwrap().newest, 1);
    assert!(waiting.iter().all(|waiting| !waiting.is_finished()));
    store.update(&key("c"), told(vec![event(2)])).await.unwrap();
    for waiting in waiting {
        waiting.await.unwrap();
    }
    let forgotten = follow(2);
    tokio::task::yield_now().await;
    assert_eq!(store.events(&key("c"), 0, 10).await.unwrap().newest, 2);
    assert!(!forgotten.is_finished());
    store.forget(&key("c")).await.unwrap();
    forgotten.await.unwrap();
    store.follow(&key("unknown"), 0).await.unwrap();
}

async fn events_of_a_result_come_with_it(store: AnyStore) {
    store.open(&key("c"), Opening::default()).await.unwrap();
    let one = claim(1);
    store.claim(&one).await.unwrap();
    store.settle(&one, &result("call_1"), told(vec![event(1), event(2)])).await.unwrap();
    let page = store.events(&key("c"), 0, 10).await.unwrap();
    assert_eq!(page.events.iter().map(|event| event.id).collect::<Vec<_>>(), [1, 2]);
    // Nothing is told of a change that is not made.
    let refused = Change { all_or_nothing: true, ..super::set("a..b", json!(1)) };
    store.update(&key("c"), Change { events: vec![event(3)], ..refused }).await.unwrap();
    assert_eq!(store.events(&key("c"), 0, 10).await.unwrap().newest, 2);
}
