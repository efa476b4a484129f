//! What a file keeps when its process ends, however it ends.

use std::path::Path;
use std::time::Duration;

use callgate::conversation::change::Change;
use callgate::conversation::event::{EventKind, NewEvent};
use callgate::conversation::{
    Claim, ClaimKey, Ended, MAX_TURN_TEXT, Opening, SqliteError, SqliteLimits, SqliteStore, timestamp,
};
use serde_json::{Value, json};

use super::turns::{add, texts, turns};
use super::{AnyStore, again, claim, key, open, result, set, try_claim, until};
use crate::backend::{Backend, patient};

/// What is stored is there again, with what was under way as what it means.
#[tokio::test]
async fn what_was_under_way_is_free_where_nothing_was_sent_and_unknown_else() {
    let backend = Backend::sqlite();
    let twin = ClaimKey::new(Some(&key("c")), [77; 32]);
    let write = |intent| Claim { twin: Some(twin), ..claim(intent) };
    let (claimed, sending, settled) = (claim(1), write(2), claim(3));
    let read = Claim { is_write: false, ..claim(4) };
    {
        let store = backend.named("one");
        open(&store).await;
        for one in [&claimed, &settled, &read] {
            assert_eq!(try_claim(&store, one).await, "fresh");
        }
        store.sending(&settled).await.unwrap();
        let told = NewEvent::now(EventKind::ToolCalled, &json!({"n": 1}));
        let change = Change { events: vec![told], ..set("booking.id", json!("B-1")) };
        store.settle(&settled, &result("call_3"), change).await.unwrap();
        assert_eq!(try_claim(&store, &sending).await, "fresh");
        for one in [&sending, &read] {
            store.sending(one).await.unwrap();
        }
    }
    let store = backend.named("one");
    assert_eq!(try_claim(&store, &again(&sending)).await, "lost");
    assert!(matches!(store.ended(sending.key).await.unwrap(), Ended::Lost));
    assert_eq!(try_claim(&store, &write(5)).await, "twin", "nor is it done under another id");
    assert_eq!(try_claim(&store, &again(&claimed)).await, "fresh");
    assert_eq!(try_claim(&store, &again(&read)).await, "fresh", "a read does no harm");
    assert_eq!(try_claim(&store, &again(&settled)).await, "settled");
    let found = store.find(&key("c")).await.unwrap().unwrap();
    assert_eq!(found.variables["booking.id"].value, json!("B-1"));
    // The one settled, the lost one, and the two taken again.
    assert_eq!(found.calls["book"].begun, 4);
    assert_eq!(store.events(&key("c"), 0, 10).await.unwrap().events.len(), 1);
    // What the former process has lost, it can neither send nor settle.
    assert!(store.sending(&claimed).await.is_err());
}

/// A call under way is not in the row of its conversation, whatever else is written there.
#[tokio::test]
async fn a_call_that_was_not_sent_is_not_counted_although_another_one_ended_meanwhile() {
    let backend = Backend::sqlite();
    let of = |action: &str, intent| Claim { action: action.to_owned(), most_calls: Some(2), ..claim(intent) };
    let (unsent, sent, ended) = (of("a", 1), of("b", 2), of("c", 3));
    let read = Claim { is_write: false, ..of("d", 4) };
    {
        let store = backend.named("one");
        open(&store).await;
        for one in [&unsent, &sent, &ended, &read] {
            assert_eq!(try_claim(&store, one).await, "fresh");
        }
        store.sending(&sent).await.unwrap();
        store.sending(&read).await.unwrap();
        store.settle(&ended, &result("call_3"), set("x", json!(1))).await.unwrap();
        let calls = &store.find(&key("c")).await.unwrap().unwrap().calls;
        assert_eq!(["a", "b", "c", "d"].map(|action| calls[action].begun), [1; 4]);
    }
    let store = backend.named("one");
    let calls = &store.find(&key("c")).await.unwrap().unwrap().calls;
    let begun = ["a", "b", "c", "d"].map(|action| calls.get(action).map_or(0, |calls| calls.begun));
    assert_eq!(begun, [0, 1, 1, 0]);
    assert_eq!(try_claim(&store, &of("b", 5)).await, "fresh");
    assert_eq!(try_claim(&store, &of("b", 6)).await, "too many calls");
}

/// Its caller has its answer, and no other call may do it again.
#[tokio::test]
async fn a_write_whose_end_cannot_be_written_is_unknown() {
    let backend = Backend::sqlite();
    let store = backend.named("one");
    open(&store).await;
    let (write, read) = (claim(1), Claim { is_write: false, ..claim(2) });
    for one in [&write, &read] {
        assert_eq!(try_claim(&store, one).await, "fresh");
        store.sending(one).await.unwrap();
    }
    let waiting = {
        let (store, key) = (store.clone(), write.key);
        tokio::spawn(async move { store.ended(key).await.unwrap() })
    };
    let Backend::Sqlite(folder) = &backend else { panic!("SQLite") };
    let stall = rusqlite::Connection::open(folder.path().join("one")).unwrap();
    stall.execute_batch("BEGIN IMMEDIATE").unwrap();
    for one in [&write, &read] {
        store.settle(one, &result("call"), Change::default()).await.unwrap_err();
    }
    assert!(matches!(waiting.await.unwrap(), Ended::Lost));
    stall.execute_batch("ROLLBACK").unwrap();
    assert_eq!(try_claim(&store, &again(&write)).await, "lost");
    assert_eq!(try_claim(&store, &again(&read)).await, "fresh");
    // Who has it may still say how it ended.
    store.settle(&write, &result("call_1"), set("x", json!(1))).await.unwrap();
    assert_eq!(try_claim(&store, &again(&write)).await, "settled");
    assert_eq!(store.find(&key("c")).await.unwrap().unwrap().variables["x"].value, json!(1));
}

#[tokio::test]
async fn a_file_has_one_process() {
    let backend = Backend::sqlite();
    let first = backend.named("one");
    let Backend::Sqlite(folder) = &backend else { panic!("SQLite") };
    let impatient = SqliteLimits { patience: Duration::ZERO, ..patient() };
    let second = SqliteStore::open(&folder.path().join("one"), impatient);
    let Err(error @ SqliteError::InUse(_)) = second else { panic!("{second:?}") };
    assert!(error.to_string().contains("in use by another process: stop that one"), "{error}");
    drop(first);
    SqliteStore::open(&folder.path().join("one"), patient()).unwrap();
}

#[tokio::test]
async fn a_file_that_cannot_be_used_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/store.db");
    drop(SqliteStore::open(&path, patient()).unwrap());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600, "it holds what callers said");
    }
    let newer = changed_by_hand(&path, "INSERT INTO schema_version VALUES (1000, 'later')");
    assert!(newer.contains("was written by a newer Callgate (version 1000; this one knows 7)"), "{newer}");
    let text = folder.path().join("text.db");
    std::fs::write(&text, "this is no database, but a text that somebody has put here").unwrap();
    let error = SqliteStore::open(&text, patient()).unwrap_err().to_string();
    assert!(error.contains("not a database"), "{error}");
    let error = SqliteStore::open(&folder.path().join("text.db/store.db"), patient()).unwrap_err();
    assert!(matches!(error, SqliteError::Io { .. }), "{error}");
    assert!(error.to_string().contains("set `path` of [store]"), "{error}");
}

/// Changes a file by hand, and says why it cannot be opened then.
fn changed_by_hand(path: &Path, statement: &str) -> String {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.execute(statement, []).unwrap();
    drop(connection);
    SqliteStore::open(path, patient()).unwrap_err().to_string()
}

#[tokio::test]
async fn a_file_of_the_first_version_is_brought_up_to_date() {
    let backend = Backend::sqlite();
    let Backend::Sqlite(folder) = &backend else { panic!("SQLite") };
    let connection = rusqlite::Connection::open(folder.path().join("one")).unwrap();
    connection.execute_batch(include_str!("../../data/store/version-1.sql")).unwrap();
    drop(connection);
    let store = backend.named("one");
    store.put_note("a", "one", Duration::from_secs(60)).await.unwrap();
    assert_eq!(store.note("a").await.unwrap().as_deref(), Some("one"));
    let found = store.find(&key("c")).await.unwrap().unwrap();
    assert_eq!(found.variables["customer.name"].value, json!("Ann"));
    assert_eq!((found.state.as_deref(), found.bytes), (Some("greeting"), 18));
    assert_eq!(store.events(&key("c"), 0, 10).await.unwrap().events.len(), 2);
    // Of the four calls, one had not been sent, and one only read.
    assert_eq!((found.calls["book"].begun, found.calls["look"].begun), (2, 0));
    let of_key = |number| Claim { key: ClaimKey([number; 32]), ..claim(number) };
    let mut kinds = Vec::new();
    for number in 1..=4 {
        kinds.push(try_claim(&store, &of_key(number)).await);
    }
    assert_eq!(kinds, ["settled", "fresh", "fresh", "lost"]);
}

/// A file that the Callgate before feeds were kept by change left when it was killed; only the times of expiry are later.
#[tokio::test]
async fn a_file_with_an_event_in_each_row_is_brought_forward_with_nothing_lost() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/store");
    let backend = Backend::sqlite();
    let Backend::Sqlite(folder) = &backend else { panic!("SQLite") };
    std::fs::copy(data.join("version-4.db"), folder.path().join("one")).unwrap();
    let store = backend.named("one");
    let page = store.events(&key("c1"), 0, 500).await.unwrap();
    let found = page.events.iter().map(|event| {
        let data: Value = serde_json::from_str(event.data.get()).unwrap();
        json!({"id": event.id, "type": event.kind, "at": timestamp(event.at_ms), "data": data})
    });
    let text = std::fs::read_to_string(data.join("version-4-events.json")).unwrap();
    assert_eq!(Value::from_iter(found), serde_json::from_str::<Value>(&text).unwrap());
    let known = store.find(&key("c1")).await.unwrap().unwrap();
    let values: Vec<(&str, &Value)> =
        known.variables.iter().map(|(name, one)| (name.as_str(), &one.value)).collect();
    let kept = [
        ("booking.id", json!(4711)),
        ("booking.pin", json!("geheim-12")),
        ("customer.card", json!("4111-1111")),
        ("customer.name", json!("Ann Onym")),
    ];
    assert_eq!(values, kept.each_ref().map(|(name, value)| (*name, value)));
    assert_eq!(
        (known.state.as_deref(), known.calls["book"].begun, known.calls["book"].succeeded),
        (Some("greeting"), 2, 1)
    );
    let connection = rusqlite::Connection::open(folder.path().join("one")).unwrap();
    let sql = "SELECT phase, is_write, text IS NOT NULL FROM claims LEFT JOIN results ON claim = number ORDER BY number";
    let mut claims = connection.prepare(sql).unwrap();
    let claims = claims.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    let claims: Vec<(String, bool, bool)> = claims.map(Result::unwrap).collect();
    let ended = |is_write| ("ended".to_owned(), is_write, true);
    assert_eq!(claims, [ended(true), ended(false), ended(false), ("lost".to_owned(), true, false)]);
    // What is told now comes behind it.
    let event = NewEvent::now(EventKind::Ended, &json!({}));
    store.update(&key("c1"), Change { events: vec![event], ..Change::default() }).await.unwrap();
    let page = store.events(&key("c1"), 13, 500).await.unwrap();
    assert_eq!(page.events.iter().map(|event| event.id).collect::<Vec<_>>(), [14, 15]);
}

/// The same file, brought forward by the Callgate after that one, and with variables that its caller has added.
#[tokio::test]
async fn a_file_with_variables_in_one_row_is_brought_forward_with_every_digit() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/store");
    let backend = Backend::sqlite();
    let Backend::Sqlite(folder) = &backend else { panic!("SQLite") };
    std::fs::copy(data.join("version-5.db"), folder.path().join("one")).unwrap();
    let store = backend.named("one");
    let known = store.find(&key("c1")).await.unwrap().unwrap();
    let values = known.variables.iter().map(|(name, one)| format!("{name} {}", one.value));
    let expected = [
        "booking.id 4711",
        r#"booking.pin "geheim-12""#,
        r#"customer.card "4111-1111""#,
        r#"customer.name "Ann Onym""#,
        r#"order.key {"value":"sesame-7","sensitive":true}"#,
        r#"order.note {"a":["ü\n\"",1e+3,null]}"#,
        "order.total 123456789012345678901234567890.10",
    ];
    assert_eq!(values.collect::<Vec<_>>(), expected);
    assert!(known.variables["booking.pin"].sensitive && known.variables["booking.pin"].hidden);
    let page = store.events(&key("c1"), 0, 500).await.unwrap();
    assert_eq!(page.events.iter().map(|event| event.id).collect::<Vec<_>>(), (1..=17).collect::<Vec<_>>());
    assert_eq!(store.events(&key("c2"), 0, 500).await.unwrap().events.len(), 4);
}

/// A file that the Callgate before turns were kept left when it was killed; only the times of expiry are later.
#[tokio::test]
async fn a_file_without_turns_is_brought_forward_with_nothing_lost() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/store");
    let backend = Backend::sqlite();
    let Backend::Sqlite(folder) = &backend else { panic!("SQLite") };
    std::fs::copy(data.join("version-6.db"), folder.path().join("one")).unwrap();
    for former in [&[][..], &["one", "two"]] {
        // The second time, it is up to date.
        let store = backend.named("one");
        let known = store.find(&key("c1")).await.unwrap().unwrap();
        let values = known.variables.iter().map(|(name, one)| format!("{name} {}", one.value));
        assert_eq!(values.collect::<Vec<_>>(), ["booking.id 4711", r#"customer.name "Ann Onym""#]);
        assert_eq!(known.state.as_deref(), Some("greeting"));
        assert_eq!((known.calls["book"].begun, known.calls["book"].succeeded), (1, 1));
        let page = store.events(&key("c1"), 0, 500).await.unwrap();
        assert_eq!(page.events.iter().map(|event| event.id).collect::<Vec<_>>(), (1..=7).collect::<Vec<_>>());
        assert_eq!(turns(&store, &key("c1")).await, texts(former));
        if former.is_empty() {
            for text in ["one", "two"] {
                assert!(add(&store, &key("c1"), text).await);
            }
        }
    }
    let connection = rusqlite::Connection::open(folder.path().join("one")).unwrap();
    let ask = |question: &str| connection.query_row(question, [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(ask("SELECT group_concat(version) FROM schema_version"), "1,2,3,4,5,6,7");
    assert_eq!(
        ask("SELECT phase || json_extract(text, '$.status') FROM claims JOIN results ON claim = number"),
        "endedsuccess"
    );
    assert_eq!(ask("PRAGMA integrity_check"), "ok");
}

#[tokio::test]
async fn turns_outlive_their_process_and_stay_within_their_bounds() {
    let backend = Backend::sqlite();
    // Four are as many bytes as are kept.
    let long = |number: usize| format!("{number}{}", "x".repeat(MAX_TURN_TEXT - 1));
    {
        let store = backend.named("one");
        open(&store).await;
        store.open(&key("other"), Opening::default()).await.unwrap();
        assert!(add(&store, &key("other"), "one").await);
        for number in 0..3 {
            assert!(add(&store, &key("c"), &long(number)).await);
        }
        // Stopped before its answer is there.
        store.add_turn(&key("c"), &long(3)).detach();
    }
    let store = backend.named("one");
    assert_eq!(turns(&store, &key("c")).await, texts([0, 1, 2, 3].map(long)));
    assert_eq!(turns(&store, &key("other")).await, texts(["one"]));
    assert!(add(&store, &key("c"), &long(4)).await);
    assert_eq!(turns(&store, &key("c")).await, texts([1, 2, 3, 4].map(long)));
    // Nothing of what has given way, or of what is forgotten, stays in the file.
    assert!(store.forget(&key("other")).await.unwrap());
    let Backend::Sqlite(folder) = &backend else { panic!("SQLite") };
    let connection = rusqlite::Connection::open(folder.path().join("one")).unwrap();
    let count = connection.query_row("SELECT count(*) FROM turns", [], |row| row.get::<_, i64>(0));
    assert_eq!(count.unwrap(), 4);
}

#[tokio::test]
async fn a_person_can_read_the_file_while_it_is_used() {
    let backend = Backend::sqlite();
    let store = backend.named("one");
    open(&store).await;
    store.update(&key("c"), set("customer.name", json!("Ann"))).await.unwrap();
    let one = claim(1);
    store.claim(&one).await.unwrap();
    store.settle(&one, &result("call_1"), Change::default()).await.unwrap();
    let Backend::Sqlite(folder) = &backend else { panic!("SQLite") };
    let connection = rusqlite::Connection::open(folder.path().join("one")).unwrap();
    let ask = |question: &str| connection.query_row(question, [], |row| row.get::<_, String>(0)).unwrap();
    let name =
        "SELECT json_extract(text, '$.value') FROM variables JOIN conversations ON conversation = number
                WHERE id = 'c' AND name = 'customer.name'";
    assert_eq!(ask(name), "Ann");
    assert_eq!(
        ask("SELECT json_extract(text, '$.tool_call_id') FROM claims JOIN results ON claim = number"),
        "call_1"
    );
    assert_eq!(ask("PRAGMA integrity_check"), "ok");
}

#[tokio::test]
async fn many_changes_that_wait_are_one_commit() {
    let backend = Backend::sqlite();
    let store: AnyStore = backend.fresh();
    open(&store).await;
    // Begun before any is waited for: a change begins when its method is called.
    let changes: Vec<_> = (0..500).map(|number| set(&format!("n{number}"), json!(number))).collect();
    let c = key("c");
    let begun: Vec<_> = changes.into_iter().map(|change| store.update(&c, change)).collect();
    let (dropped, waited): (Vec<_>, Vec<_>) =
        begun.into_iter().enumerate().partition(|(index, _)| index % 2 == 0);
    drop(dropped);
    for (_, change) in waited {
        change.await.unwrap();
    }
    assert_eq!(store.find(&c).await.unwrap().unwrap().variables.len(), 500, "also those nobody waited for");
}

#[tokio::test]
async fn what_a_call_owes_is_written_however_much_waits() {
    let backend = Backend::sqlite();
    let store = backend.named("one");
    open(&store).await;
    let (released, settled) = (claim(1), claim(2));
    for one in [&released, &settled] {
        store.claim(one).await.unwrap();
    }
    let Backend::Sqlite(folder) = &backend else { panic!("SQLite") };
    let stall = rusqlite::Connection::open(folder.path().join("one")).unwrap();
    // Nothing else can be written meanwhile, as on a disk that has come to a halt.
    stall.execute_batch("BEGIN IMMEDIATE").unwrap();
    loop {
        // No longer waited for than it takes to be refused; what has waited for too long is refused as well.
        let update = store.put_note("a", "one", Duration::from_secs(60));
        let answer = tokio::time::timeout(Duration::from_millis(1), update).await;
        if answer
            .is_ok_and(|answer| answer.unwrap_err().to_string().contains("10000 changes wait to be written"))
        {
            break;
        }
        for _ in 0..1_000 {
            drop(store.put_note("a", "one", Duration::from_secs(60)));
        }
    }
    drop(store.release(&released));
    drop(store.settle(&settled, &result("call_2"), Change::default()));
    stall.execute_batch("ROLLBACK").unwrap();
    until(|| async { store.put_note("a", "two", Duration::from_secs(60)).await.is_ok() }, true).await;
    assert_eq!(try_claim(&store, &again(&released)).await, "fresh");
    assert_eq!(try_claim(&store, &again(&settled)).await, "settled");
}
