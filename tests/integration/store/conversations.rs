//! Conversations: begun once, changed as a whole, forgotten in time.

use std::collections::BTreeSet;
use std::time::Duration;

use callgate::conversation::change::{Change, Refusal, Source, Variable};
use callgate::conversation::event::{EventKind, NewEvent};
use callgate::conversation::{
    ConversationKey, ListPosition, MAX_BYTES, MAX_DEPTH, MAX_NAME_BYTES, MAX_VARIABLES, Opening, now_ms,
};
use callgate::tool::Scope;
use serde_json::{Value, json};

use super::{
    AnyStore, again, claim, exact, key, later, many, open, result, set, suite, try_claim, until, variable,
};

suite!(
    a_conversation_begins_once,
    a_conversation_expires_after_its_last_use,
    variables_keep_their_values_and_marks,
    a_change_is_made_whole_or_not_at_all,
    a_change_of_nothing_known_does_nothing,
    concurrent_changes_lose_nothing,
    what_does_not_fit_is_refused,
    hostile_names_are_only_names,
    what_is_hidden_stays_hidden,
    an_end_is_the_first_one,
    what_is_forgotten_was_done_all_the_same,
    conversations_are_listed_by_their_start,
    what_it_begins_with_is_there_at_once,
    a_conversation_ends_once,
);

fn brief() -> Opening {
    Opening { ttl: Duration::from_millis(400), first: None }
}

async fn a_conversation_begins_once(store: AnyStore) {
    assert_eq!(store.find(&key("c")).await.unwrap(), None);
    let all = (0..20).map(|_| async { store.open(&key("c"), Opening::default()).await.unwrap() });
    let opened = futures_util::future::join_all(all).await;
    assert_eq!(opened.iter().filter(|opened| opened.is_new).count(), 1);
    let starts: BTreeSet<u64> = opened.iter().map(|opened| opened.conversation.started_at_ms).collect();
    assert_eq!(starts.len(), 1);
    let found = store.find(&key("c")).await.unwrap().unwrap();
    assert_eq!((&found.key, starts.first()), (&key("c"), Some(&found.started_at_ms)));
    assert!(now_ms().abs_diff(found.started_at_ms) < 60_000);
    assert!(found.expires_at_ms > now_ms() + 60_000);
    let elsewhere = ConversationKey::new("production", "c");
    assert_eq!(store.find(&elsewhere).await.unwrap(), None, "an environment has its own");
    assert!(store.open(&elsewhere, Opening::default()).await.unwrap().is_new);
}

async fn a_conversation_expires_after_its_last_use(store: AnyStore) {
    const TTL_MS: u64 = 20_000;
    let opening = Opening { ttl: Duration::from_millis(TTL_MS), first: None };
    let start = store.open(&key("used"), opening).await.unwrap().conversation.started_at_ms;
    // Each use keeps it for its whole time again; what is less than a part of that is not written down.
    for is_change in [false, true] {
        let before = later(now_ms() + TTL_MS / 50).await;
        if is_change {
            store.update(&key("used"), set("x", json!(1))).await.unwrap();
        } else {
            let opened = store.open(&key("used"), Opening::default()).await.unwrap();
            assert_eq!((opened.is_new, opened.conversation.started_at_ms), (false, start));
        }
        let kept = store.find(&key("used")).await.unwrap().unwrap().expires_at_ms;
        assert!((before + TTL_MS..=now_ms() + TTL_MS).contains(&kept), "{kept}, {before}");
    }
    let start = store.open(&key("c"), brief()).await.unwrap().conversation.started_at_ms;
    store.update(&key("c"), set("x", json!(1))).await.unwrap();
    let event = callgate::conversation::event::NewEvent::now(
        callgate::conversation::event::EventKind::ToolCalled,
        &json!({}),
    );
    store.update(&key("c"), Change { events: vec![event], ..Change::default() }).await.unwrap();
    until(|| async { store.find(&key("c")).await.unwrap().is_none() }, true).await;
    assert!(!store.update(&key("c"), set("x", json!(2))).await.unwrap().is_known);
    assert!(!store.events(&key("c"), 0, 10).await.unwrap().is_known);
    let opened = store.open(&key("c"), Opening::default()).await.unwrap();
    assert!(opened.is_new && opened.conversation.started_at_ms > start);
    assert!(opened.conversation.variables.is_empty());
    assert_eq!(store.events(&key("c"), 0, 10).await.unwrap().newest, 0, "nor its events");
}

async fn variables_keep_their_values_and_marks(store: AnyStore) {
    open(&store).await;
    let values = [
        exact("1.10"),
        exact("12345678901234567890123"),
        exact("1e400"),
        json!(null),
        json!(""),
        json!("\u{0}\u{1f}\"\\é\u{1f600}{}[]"),
        json!({"b": 1, "a": {"": [true, null, {}]}, "a.b": []}),
        many(300),
    ];
    let full = Variable {
        value: values[6].clone(),
        shown: Some(json!({"b": 1})),
        source: Source::Call { id: "call_1".to_owned(), action: "book".to_owned() },
        sensitive: true,
        hidden: true,
        set_at_ms: 1_790_000_000_123,
    };
    let mut expected: Vec<(String, Variable)> = values
        .into_iter()
        .enumerate()
        .map(|(index, value)| (format!("v.n{index}"), variable(value)))
        .collect();
    expected.push(("w".to_owned(), full));
    let change = Change { set: expected.clone(), ..Change::default() };
    assert_eq!(store.update(&key("c"), change).await.unwrap().refused, []);
    let found = store.find(&key("c")).await.unwrap().unwrap();
    let found: Vec<(String, Variable)> =
        found.variables.iter().map(|(name, variable)| (name.clone(), (**variable).clone())).collect();
    assert_eq!(found, expected);
    // The order of an object's members too.
    assert_eq!(found[6].1.value.to_string(), r#"{"b":1,"a":{"":[true,null,{}]},"a.b":[]}"#);
}

async fn a_change_is_made_whole_or_not_at_all(store: AnyStore) {
    open(&store).await;
    store.update(&key("c"), set("a.b", json!(1))).await.unwrap();
    let change = Change {
        unset: vec!["a.b".to_owned(), "never".to_owned()],
        set: vec![
            ("a".to_owned(), variable(json!({"x": 1}))),
            ("a.c".to_owned(), variable(json!(2))),
            ("d".to_owned(), variable(json!(3))),
            ("d".to_owned(), variable(json!(4))),
        ],
        state: Some("billing".to_owned()),
        succeeded: Some("book".to_owned()),
        ..Change::default()
    };
    let whole = Change { all_or_nothing: true, ..change.clone() };
    let before = store.find(&key("c")).await.unwrap().unwrap();
    let refused = store.update(&key("c"), whole).await.unwrap().refused;
    assert_eq!(refused.len(), 1);
    assert_eq!((refused[0].name.as_str(), &refused[0].reason), ("a.c", &Refusal::Conflict("a".to_owned())));
    let after = store.find(&key("c")).await.unwrap().unwrap();
    assert_eq!((&after.variables, &after.state, &after.calls), (&before.variables, &None, &before.calls));

    assert_eq!(store.update(&key("c"), change).await.unwrap().refused, refused);
    let after = store.find(&key("c")).await.unwrap().unwrap();
    let values: Vec<(&str, &Value)> =
        after.variables.iter().map(|(name, variable)| (name.as_str(), &variable.value)).collect();
    assert_eq!(values, [("a", &json!({"x": 1})), ("d", &json!(4))]);
    assert_eq!((after.state.as_deref(), after.calls["book"].succeeded), (Some("billing"), 1));
}

async fn a_change_of_nothing_known_does_nothing(store: AnyStore) {
    assert!(!store.update(&key("c"), set("x", json!(1))).await.unwrap().is_known);
    assert_eq!(store.find(&key("c")).await.unwrap(), None, "it does not begin by that");
    let first = claim(1);
    store.claim(&first).await.unwrap();
    assert!(!store.settle(&first, &result("call_1"), set("x", json!(1))).await.unwrap().is_known);
    assert_eq!(try_claim(&store, &again(&first)).await, "settled", "the result is kept all the same");
}

async fn concurrent_changes_lose_nothing(store: AnyStore) {
    open(&store).await;
    let tasks = (0..20).map(|task| {
        let store = store.clone();
        tokio::task::spawn(async move {
            for number in 0..10 {
                let change = Change {
                    succeeded: Some("book".to_owned()),
                    ..set(&format!("t{task}.n{number}"), json!(task * number))
                };
                if number % 2 == 0 {
                    let claim = claim(100 + task);
                    store.claim(&claim).await.unwrap();
                    store.settle(&claim, &result("x"), change).await.unwrap();
                } else {
                    store.update(&key("c"), change).await.unwrap();
                }
            }
        })
    });
    for task in futures_util::future::join_all(tasks).await {
        task.unwrap();
    }
    let found = store.find(&key("c")).await.unwrap().unwrap();
    assert_eq!(found.variables.len(), 200);
    assert_eq!(found.calls["book"].succeeded, 200);
    let bytes: usize = found.variables.iter().map(|(name, variable)| variable.bytes(name)).sum();
    assert_eq!(found.bytes, bytes);
}

async fn what_does_not_fit_is_refused(store: AnyStore) {
    open(&store).await;
    let refused = async |change: Change| {
        let applied = store.update(&key("c"), change).await.unwrap();
        applied.refused.into_iter().map(|refused| refused.reason).collect::<Vec<_>>()
    };
    let long = |bytes: usize| json!("x".repeat(bytes));
    assert_eq!(refused(set("a", long(MAX_BYTES - 3))).await, []);
    assert_eq!(refused(set("a", long(MAX_BYTES - 2))).await, [Refusal::TooLarge(MAX_BYTES)]);
    assert_eq!(refused(set("b", json!(1))).await, [Refusal::TooLarge(MAX_BYTES)]);
    assert_eq!(refused(set("a", json!(1))).await, []);
    let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    assert_eq!(refused(set("b", nested(MAX_DEPTH))).await, []);
    assert_eq!(refused(set("b", nested(MAX_DEPTH + 1))).await, [Refusal::TooDeep(MAX_DEPTH)]);
    let more = (0..MAX_VARIABLES).map(|number| (format!("n{number}"), variable(json!(number))));
    let change = Change { set: more.collect(), ..Change::default() };
    assert_eq!(refused(change).await, [Refusal::TooMany(MAX_VARIABLES), Refusal::TooMany(MAX_VARIABLES)]);
    let found = store.find(&key("c")).await.unwrap().unwrap();
    assert_eq!(found.variables.len(), MAX_VARIABLES);
    assert_eq!(found.variables["b"].value, nested(MAX_DEPTH));
}

async fn hostile_names_are_only_names(store: AnyStore) {
    let ids =
        ["{}", "{a}", "}:c{", "*", "a'; DROP TABLE claims; --", "é\u{202e}", "a:b", "..", &"i".repeat(256)];
    let names =
        ["v:", "@started", "@ttl", "b:book", "__proto__", "' OR 1=1", "$", "\u{0}", "é", "{", "%s", "[0]"];
    for id in ids {
        assert!(store.open(&key(id), Opening::default()).await.unwrap().is_new, "{id}");
    }
    for (number, id) in ids.iter().enumerate() {
        let set = names.iter().map(|name| ((*name).to_owned(), variable(json!([number, name]))));
        let change = Change { set: set.collect(), succeeded: Some((*id).to_owned()), ..Change::default() };
        assert_eq!(store.update(&key(id), change).await.unwrap().refused, [], "{id}");
    }
    for (number, id) in ids.iter().enumerate() {
        let found = store.find(&key(id)).await.unwrap().unwrap();
        for name in names {
            assert_eq!(found.variables[name].value, json!([number, name]), "{id}");
        }
        assert_eq!(found.calls[*id].succeeded, 1, "{id}");
        assert!(now_ms().abs_diff(found.started_at_ms) < 60_000, "{id}");
    }
    for name in ["", ".", "a.", ".a", "a..b", &"n".repeat(MAX_NAME_BYTES + 1)] {
        let refused = store.update(&key("{}"), set(name, json!(1))).await.unwrap().refused;
        assert_eq!(refused[0].reason, Refusal::Name(MAX_NAME_BYTES), "{name}");
    }
}

async fn what_is_hidden_stays_hidden(store: AnyStore) {
    open(&store).await;
    let hidden = |value| Variable { hidden: true, ..variable(value) };
    let set = vec![
        ("token".to_owned(), hidden(json!("first-secret-token"))),
        ("more".to_owned(), hidden(json!({"a": ["short-secret"], "b": 12345678}))),
        ("plain".to_owned(), variable(json!("not-a-secret"))),
    ];
    store.update(&key("c"), Change { set, ..Change::default() }).await.unwrap();
    // What replaces it does not make it known.
    let set = vec![("token".to_owned(), hidden(json!("second-secret-token-é")))];
    store.update(&key("c"), Change { set, ..Change::default() }).await.unwrap();
    let concealed = store.find(&key("c")).await.unwrap().unwrap().concealed.clone();
    for text in ["first-secret-token", "second-secret-token-é", "short-secret"] {
        assert!(concealed.iter().any(|known| known == text), "{concealed:?}");
    }
    assert!(!concealed.iter().any(|known| known == "not-a-secret"));
    assert!(concealed.windows(2).all(|pair| pair[0].len() >= pair[1].len()), "{concealed:?}");
    for number in 0..30 {
        let values: Vec<String> =
            (0..10).map(|index| format!("secret-{number}-{index}-{}", "x".repeat(number))).collect();
        let set = vec![("token".to_owned(), hidden(json!(values)))];
        store.update(&key("c"), Change { set, ..Change::default() }).await.unwrap();
    }
    let concealed = store.find(&key("c")).await.unwrap().unwrap().concealed.clone();
    assert_eq!(concealed.len(), callgate::conversation::MAX_CONCEALED);
    assert!(concealed[0].starts_with("secret-29-"), "the longest are kept");
}

async fn an_end_is_the_first_one(store: AnyStore) {
    open(&store).await;
    let end = || Change { end: true, ..Change::default() };
    store.update(&key("c"), end()).await.unwrap();
    let first = store.find(&key("c")).await.unwrap().unwrap().ended_at_ms;
    assert!(first.is_some());
    later(first.unwrap()).await;
    store.update(&key("c"), end()).await.unwrap();
    assert_eq!(store.find(&key("c")).await.unwrap().unwrap().ended_at_ms, first);
}

async fn what_is_forgotten_was_done_all_the_same(store: AnyStore) {
    open(&store).await;
    let (ended, under_way) = (claim(1), claim(2));
    store.claim(&ended).await.unwrap();
    store.settle(&ended, &result("call_1"), set("x", json!(1))).await.unwrap();
    store.claim(&under_way).await.unwrap();
    assert!(store.forget(&key("c")).await.unwrap());
    assert!(!store.forget(&key("c")).await.unwrap());
    assert_eq!(store.find(&key("c")).await.unwrap(), None);
    assert_eq!(try_claim(&store, &again(&ended)).await, "settled");
    // A call that is under way meanwhile does not bring it back.
    store.settle(&under_way, &result("call_2"), set("x", json!(2))).await.unwrap();
    assert_eq!(store.find(&key("c")).await.unwrap(), None);
    let opened = store.open(&key("c"), Opening::default()).await.unwrap();
    assert!(
        opened.is_new && opened.conversation.variables.is_empty() && opened.conversation.calls.is_empty()
    );
}

async fn conversations_are_listed_by_their_start(store: AnyStore) {
    for number in 0..25 {
        store.open(&key(&format!("c{number:02}")), Opening::default()).await.unwrap();
        if number % 5 == 0 {
            later(now_ms()).await;
        }
    }
    store.open(&ConversationKey::new("production", "elsewhere"), Opening::default()).await.unwrap();
    store.open(&key("brief"), Opening { ttl: Duration::from_millis(50), first: None }).await.unwrap();
    store.open(&key("forgotten"), Opening::default()).await.unwrap();
    store.forget(&key("forgotten")).await.unwrap();
    let change = Change { end: true, state: Some("done".to_owned()), ..Change::default() };
    store.update(&key("c24"), change).await.unwrap();
    until(|| async { store.find(&key("brief")).await.unwrap().is_none() }, true).await;

    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = store.list(&Scope::shared("development"), after, 10).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(ListPosition { started_at_ms: last.started_at_ms, id: last.id.clone() });
        listed.extend(page);
    }
    let ids: Vec<&str> = listed.iter().map(|summary| summary.id.as_str()).collect();
    let expected: Vec<String> = (0..25).rev().map(|number| format!("c{number:02}")).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 25, "each once: {ids:?}");
    assert!(
        listed
            .windows(2)
            .all(|pair| { (pair[0].started_at_ms, &pair[0].id) > (pair[1].started_at_ms, &pair[1].id) })
    );
    assert_eq!(ids, expected);
    assert!(listed[0].ended_at_ms.is_some() && listed[0].state.as_deref() == Some("done"));
    assert!(listed[1].ended_at_ms.is_none() && listed[1].state.is_none());
    assert_eq!(store.list(&Scope::shared("nowhere"), None, 10).await.unwrap(), []);
}

async fn what_it_begins_with_is_there_at_once(store: AnyStore) {
    let events = vec![event(EventKind::ConversationStarted), event(EventKind::VariableSet)];
    let hidden = Variable { hidden: true, ..super::variable(json!("hidden-text")) };
    let first = Change {
        set: vec![("a.b".to_owned(), super::variable(json!(1))), ("c".to_owned(), hidden)],
        state: Some("greeting".to_owned()),
        events,
        all_or_nothing: true,
        ..Change::default()
    };
    let opening = || Opening { first: Some(std::sync::Arc::new(first.clone())), ..Opening::default() };
    let all = (0..10).map(|_| async { store.open(&key("c"), opening()).await.unwrap() });
    let opened = futures_util::future::join_all(all).await;
    assert_eq!(opened.iter().filter(|opened| opened.is_new).count(), 1);
    for opened in &opened {
        assert_eq!(opened.conversation.variables.keys().collect::<Vec<_>>(), ["a.b", "c"]);
        assert_eq!(opened.conversation.state.as_deref(), Some("greeting"));
        assert_eq!(*opened.conversation.concealed, ["hidden-text"]);
    }
    let page = store.events(&key("c"), 0, 10).await.unwrap();
    assert_eq!(page.events.iter().map(|event| event.id).collect::<Vec<_>>(), [1, 2]);
    // Its events are of the moment it began.
    let started = opened[0].conversation.started_at_ms;
    assert!(page.events.iter().all(|event| event.at_ms.abs_diff(started) < 1_000), "{page:?}");
    // Forgotten, it begins anew.
    store.forget(&key("c")).await.unwrap();
    assert!(store.open(&key("c"), opening()).await.unwrap().is_new);
    assert_eq!(store.events(&key("c"), 0, 10).await.unwrap().newest, 2);
}

async fn a_conversation_ends_once(store: AnyStore) {
    super::open(&store).await;
    let end = || Change { end: true, events: vec![event(EventKind::Ended)], ..set("x", json!(1)) };
    let all = (0..10).map(|_| async { store.update(&key("c"), end()).await.unwrap() });
    let applied = futures_util::future::join_all(all).await;
    assert_eq!(applied.iter().filter(|applied| applied.is_known && !applied.was_ended).count(), 1);
    assert_eq!(applied.iter().filter(|applied| applied.is_known && applied.was_ended).count(), 9);
    let found = store.find(&key("c")).await.unwrap().unwrap();
    assert!(found.ended_at_ms.is_some() && found.variables.contains_key("x"));
    assert_eq!(store.events(&key("c"), 0, 10).await.unwrap().newest, 1);
    let unknown = store.update(&key("unknown"), end()).await.unwrap();
    assert!(!unknown.is_known && !unknown.was_ended);
}

fn event(kind: EventKind) -> NewEvent {
    NewEvent::at(kind, 17, "{}".to_owned())
}
