//! Random changes: every store comes to what the rules themselves come to.

use callgate::conversation::change::{Change, Refused, Source, Variable};
use callgate::conversation::{Conversation, ConversationKey, Opening};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::{AnyStore, key, variable};
use crate::backend::Backend;

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(vec!["a", "b", "a.b", "a.b.c", "b.c", "a.c", "ab", "a-b", "a.b-", "c"])
            .prop_map(str::to_owned),
        1 => prop::sample::select(vec!["", "a.", ".b", "a..b"]).prop_map(str::to_owned),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i32>().prop_map(|number| json!(number)),
        "[a-z\u{e9}\"]{0,40}".prop_map(Value::String),
        (60_000_usize..140_000).prop_map(|bytes| json!("x".repeat(bytes))),
        Just(json!({"inner": ["one-of-these-texts", {"deep": "another-text"}]})),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let one = (name(), value(), any::<bool>(), any::<bool>()).prop_map(|(name, value, hidden, is_shown)| {
        let shown = is_shown.then(|| value.clone());
        let source = Source::Call { id: "call".to_owned(), action: "look".to_owned() };
        (name, Variable { shown, hidden, source, ..variable(value) })
    });
    let state = prop::option::of("[a-z]{1,5}");
    let set = prop::collection::vec(one, 0..4);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), prop::bool::weighted(0.05));
    (set, prop::collection::vec(name(), 0..3), state, flags).prop_map(
        |(set, unset, state, (all_or_nothing, has_succeeded, while_open, end))| Change {
            set,
            unset,
            state,
            all_or_nothing,
            while_open,
            end,
            succeeded: has_succeeded.then(|| "look".to_owned()),
            ..Change::default()
        },
    )
}

fn check(backend: &Backend, cases: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = backend.named("model");
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let models = std::cell::RefCell::new(Vec::new());
    runner
        .run(&prop::collection::vec(change(), 1..12), |changes| {
            let key = key(&format!("c{}", models.borrow().len()));
            let model = runtime.block_on(compare(&store, &key, changes));
            models.borrow_mut().push(model);
            Ok(())
        })
        .unwrap();
    if matches!(backend, Backend::Memory) {
        return;
    }
    // What is stored is what was told, whatever the process remembered.
    drop(store);
    let store = backend.named("model");
    for model in models.into_inner() {
        let found = runtime.block_on(store.find(&model.key)).unwrap().unwrap();
        assert_eq!((&found.variables, found.bytes), (&model.variables, model.bytes));
        assert_eq!((&found.state, &found.calls), (&model.state, &model.calls));
        assert_eq!(found.concealed, model.concealed);
    }
}

async fn compare(store: &AnyStore, key: &ConversationKey, changes: Vec<Change>) -> Conversation {
    let mut model = Conversation::new(key.clone(), 0, 0);
    store.open(key, Opening::default()).await.unwrap();
    let sorted = |mut refused: Vec<Refused>| {
        refused.sort_by_key(ToString::to_string);
        refused
    };
    for change in changes {
        let expected = model.apply(&change, 0);
        let applied = store.update(key, change.clone()).await.unwrap();
        // What is refused before the server sees it comes first: the same ones, in another order.
        assert_eq!(sorted(applied.refused), sorted(expected.refused), "{change:?}");
        assert_eq!(applied.was_ended, expected.was_ended, "{change:?}");
        let found = store.find(key).await.unwrap().unwrap();
        assert_eq!(found.has_ended(), model.has_ended(), "{change:?}");
        assert_eq!(found.variables, model.variables, "{change:?}");
        assert_eq!((found.bytes, &found.concealed), (model.bytes, &model.concealed), "{change:?}");
        assert_eq!((&found.state, &found.calls), (&model.state, &model.calls), "{change:?}");
    }
    model
}

#[test]
fn the_rules_hold_in_memory() {
    check(&Backend::Memory, 60);
}

#[test]
fn the_rules_hold_in_sqlite() {
    check(&Backend::sqlite(), 60);
}

#[test]
fn the_rules_hold_in_redis() {
    if let Some(redis) = Backend::redis() {
        check(&redis, 60);
    }
}
