//! Notes: small texts that nodes leave for each other.

use std::time::Duration;

use super::{AnyStore, suite, until};

suite!(
    a_note_is_there_for_its_time,
    a_note_is_added_where_there_is_none,
    a_note_is_removed_by_what_it_says,
    one_of_many_adds_it,
);

const LONG: Duration = Duration::from_secs(60);

async fn note(store: &AnyStore, name: &str) -> Option<String> {
    store.note(name).await.unwrap()
}

async fn a_note_is_there_for_its_time(store: AnyStore) {
    assert_eq!(note(&store, "a").await, None);
    store.put_note("a", "one", LONG).await.unwrap();
    store.put_note("b", "other", LONG).await.unwrap();
    assert_eq!(note(&store, "a").await.as_deref(), Some("one"));
    let text = "two \u{1f600} \"\\\n".repeat(2_000);
    store.put_note("a", &text, LONG).await.unwrap();
    assert_eq!(note(&store, "a").await, Some(text));
    store.put_note("a", "three", Duration::from_millis(50)).await.unwrap();
    until(|| note(&store, "a"), None).await;
    assert_eq!(note(&store, "b").await.as_deref(), Some("other"));
}

async fn a_note_is_added_where_there_is_none(store: AnyStore) {
    assert!(store.add_note("a", "one", LONG).await.unwrap());
    assert!(!store.add_note("a", "two", LONG).await.unwrap());
    assert_eq!(note(&store, "a").await.as_deref(), Some("one"));
    // What is put is longer there, or shorter: the last word holds.
    store.put_note("a", "one", Duration::from_millis(50)).await.unwrap();
    until(async || store.add_note("a", "two", LONG).await.unwrap(), true).await;
    assert_eq!(note(&store, "a").await.as_deref(), Some("two"));
}

async fn a_note_is_removed_by_what_it_says(store: AnyStore) {
    store.put_note("a", "one", LONG).await.unwrap();
    store.remove_note("a", "two").await.unwrap();
    store.remove_note("b", "one").await.unwrap();
    assert_eq!(note(&store, "a").await.as_deref(), Some("one"));
    store.remove_note("a", "one").await.unwrap();
    assert_eq!(note(&store, "a").await, None);
    assert!(store.add_note("a", "two", LONG).await.unwrap());
}

async fn one_of_many_adds_it(store: AnyStore) {
    let adding = (0..50).map(|number| {
        let store = store.clone();
        async move { store.add_note("a", &number.to_string(), LONG).await.unwrap() }
    });
    let added = futures_util::future::join_all(adding).await;
    assert_eq!(added.into_iter().filter(|added| *added).count(), 1);
}
