//! A store file that is lost, emptied, replaced or older, with or without its
//! write-ahead log: the start says so, and goes on only where somebody accepts it.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use callgate::conversation::{
    ConversationKey, Conversations as _, Notes as _, Opening, SqliteError, SqliteStore, Turns as _,
};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::Semaphore;

use super::{Call, Load, bookings, code, is_success, is_unknown, project, replay, serve, stopped_under_load};
use crate::backend::patient;
use crate::harness::{callgate, client};
use crate::upstream::{Reply, Upstream};
use crate::wait::until_so;

const PARTS: [&str; 3] = ["store.db", "store.db-wal", "store.db.marker"];

fn open(folder: &Path) -> Result<SqliteStore, SqliteError> {
    SqliteStore::open(&folder.join("store.db"), patient())
}

/// Why a start refuses what is in a folder, which it leaves as it is.
#[track_caller]
fn refusal(folder: &Path) -> String {
    let before = PARTS.map(|part| fs::read(folder.join(part)).ok());
    let Err(error @ SqliteError::NotAsLeft { .. }) = open(folder) else { panic!("it starts") };
    let after = PARTS.map(|part| fs::read(folder.join(part)).ok());
    // A log of nothing may have been made by reading.
    let is_same = before
        .iter()
        .zip(&after)
        .all(|(one, other)| one.as_deref().unwrap_or(b"") == other.as_deref().unwrap_or(b""));
    assert!(is_same, "what is there may still be brought back");
    let told = error.to_string();
    assert!(told.contains("callgate serve --accept-new-store"), "{told}");
    told
}

/// Keeps something that the next start must find.
async fn keep(store: &SqliteStore, name: &str) {
    store.put_note(name, "kept", Duration::from_secs(3_600)).await.unwrap();
}

async fn is_kept(store: &SqliteStore, name: &str) -> bool {
    store.note(name).await.unwrap().is_some()
}

/// What a process that is killed now would leave, without the index of the log (`store.db-shm`), which can be made again.
fn left_by_kill(folder: &Path) -> TempDir {
    let left = tempfile::tempdir().unwrap();
    for part in PARTS {
        fs::copy(folder.join(part), left.path().join(part)).unwrap();
    }
    left
}

/// What a refusal says, and what was done to the files.
type Damage = (&'static str, fn(&Path));

#[tokio::test]
async fn a_file_that_was_emptied_deleted_or_lost_its_log_is_not_taken_for_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    keep(&store, "one").await;
    let damages: [Damage; 6] = [
        ("it is empty, and its marker `store.db.marker` is still there", |dir| {
            fs::write(dir.join("store.db"), "").unwrap();
        }),
        ("it is gone, and its marker `store.db.marker` is still there", |dir| {
            fs::remove_file(dir.join("store.db")).unwrap();
        }),
        ("its write-ahead log `store.db-wal` is gone or older", |dir| {
            fs::remove_file(dir.join("store.db-wal")).unwrap();
        }),
        ("its write-ahead log `store.db-wal` is gone or older", |dir| {
            fs::write(dir.join("store.db-wal"), "").unwrap();
        }),
        ("it is empty, and its write-ahead log `store.db-wal` is still there", |dir| {
            fs::remove_file(dir.join("store.db.marker")).unwrap();
            fs::write(dir.join("store.db"), "").unwrap();
        }),
        ("it is gone, and its marker `store.db.marker` is still there", |dir| {
            fs::remove_file(dir.join("store.db")).unwrap();
            fs::remove_file(dir.join("store.db-wal")).unwrap();
            // Not even where the marker cannot be read.
            fs::write(dir.join("store.db.marker"), "").unwrap();
        }),
    ];
    for (expected, damage) in damages {
        let left = left_by_kill(folder.path());
        damage(left.path());
        let told = refusal(left.path());
        assert!(told.contains(expected), "{expected}: {told}");
        // Once accepted, it is the store.
        let accepted = SqliteStore::accept(&left.path().join("store.db"), patient()).unwrap();
        assert!(!is_kept(&accepted, "one").await);
        keep(&accepted, "two").await;
        drop(accepted);
        assert!(is_kept(&open(left.path()).unwrap(), "two").await);
    }
}

#[tokio::test]
async fn a_file_that_is_older_or_of_another_store_is_not_taken_for_the_latest() {
    let folder = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    for one in [&folder, &other] {
        keep(&open(one.path()).unwrap(), "one").await;
    }
    let backup = fs::read(folder.path().join("store.db")).unwrap();
    // Stopped in order and killed.
    let store = open(folder.path()).unwrap();
    keep(&store, "two").await;
    let killed = left_by_kill(folder.path());
    drop(store);
    for dir in [folder.path(), killed.path()] {
        let right = fs::read(dir.join("store.db")).unwrap();
        let log = fs::read(dir.join("store.db-wal"));
        if log.is_err() {
            fs::write(dir.join("store.db"), &backup).unwrap();
            assert!(refusal(dir).contains("it is an older copy"));
        }
        fs::copy(other.path().join("store.db"), dir.join("store.db")).unwrap();
        assert!(refusal(dir).contains("it is the file of another store"));
        fs::write(dir.join("store.db"), right).unwrap();
        assert!(is_kept(&open(dir).unwrap(), "two").await, "it was left as it was");
    }
}

#[tokio::test]
async fn what_loses_nothing_starts() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    keep(&store, "one").await;
    let harmless: [fn(&Path); 3] = [
        |_| {},
        |dir| fs::remove_file(dir.join("store.db.marker")).unwrap(),
        |dir| fs::write(dir.join("store.db.marker"), "torn").unwrap(),
    ];
    for change in harmless {
        let left = left_by_kill(folder.path());
        change(left.path());
        assert!(is_kept(&open(left.path()).unwrap(), "one").await);
        // The next start has a marker again.
        fs::write(left.path().join("store.db"), "").unwrap();
        refusal(left.path());
    }
}

#[tokio::test]
async fn an_agent_still_knows_after_a_kill_what_it_has_done() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let key = ConversationKey::new("development", "c");
    store.open(&key, Opening::default()).await.unwrap();
    for number in 0..20 {
        assert!(store.add_turn(&key, &number.to_string()).await.unwrap());
        let left = left_by_kill(folder.path());
        let kept = open(left.path()).unwrap().turns(&key).await.unwrap();
        let kept: Vec<usize> = kept.iter().map(|turn| turn.parse().unwrap()).collect();
        assert_eq!(kept, (0..=number).collect::<Vec<_>>(), "what was told is there");
    }
}

#[tokio::test]
async fn a_store_of_a_callgate_without_markers_gets_one() {
    let folder = tempfile::tempdir().unwrap();
    keep(&open(folder.path()).unwrap(), "one").await;
    let path = folder.path().join("store.db");
    fs::remove_file(folder.path().join("store.db.marker")).unwrap();
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA application_id = 0; PRAGMA user_version = 0").unwrap();
    drop(connection);
    assert!(is_kept(&open(folder.path()).unwrap(), "one").await);
    fs::remove_file(&path).unwrap();
    assert!(refusal(folder.path()).contains("it is gone"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_whose_finished_bookings_are_gone_does_not_start_unless_it_is_told_to() {
    let upstream = bookings().await;
    let dir = project(&upstream);
    let mut process = serve(dir.path(), &[]);
    let load = Load::start("c", 8, &[process.url.clone()]);
    load.goes_on(15, is_success).await;
    process.signal("KILL");
    process.wait();
    let calls = load.stop().await;
    fs::remove_file(dir.path().join(".callgate/store.db-wal")).unwrap();
    let output = callgate(&["serve", dir.path().to_str().unwrap()])
        .env("CALLGATE_SERVER__LISTEN", "127.0.0.1:0")
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert_eq!(told.matches("is not as the last process left it").count(), 1, "{told}");
    assert!(told.contains("its write-ahead log `store.db-wal` is gone"), "{told}");
    assert!(!told.contains(" serves "), "{told}");

    let mut process = crate::harness::Process::serve_with(dir.path(), &["--accept-new-store"], &[]);
    // The log is written by a thread of its own: before or after the line that a start waits for.
    let told = "what has been done may be done again";
    until_so(told, || process.log().contains(told)).await;
    let again = calls[0].send(&client(), &process.url).await.unwrap();
    assert_eq!(
        (&again["status"], &again["replayed"]),
        (&json!("success"), &json!(null)),
        "it is a new store"
    );
    process.signal("KILL");
    process.wait();
    // What was accepted is the store from then on.
    let process = serve(dir.path(), &[]);
    let again = calls[0].send(&client(), &process.url).await.unwrap();
    assert_eq!(again["replayed"], true, "{again}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_stop_the_file_alone_can_be_copied() {
    let (upstream, dir, calls) = stopped_under_load().await;
    let copy = copy_of_the_file_alone(dir.path(), &upstream);
    let process = serve(copy.path(), &[]);
    assert_eq!(replay(&calls, &process.url, &upstream).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_stop_that_a_call_outlasted_the_file_alone_can_be_copied_too() {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let upstream =
        Upstream::start(move |_| Reply::Held(held.clone(), Box::new(Reply::ok("{\"id\": 1}")))).await;
    let dir = project(&upstream);
    let mut process = serve(dir.path(), &[("CALLGATE_SERVER__SHUTDOWN_GRACE_MS", "100")]);
    let (url, call) = (process.url.clone(), Call::new("book", "c", 1));
    let sent = tokio::task::spawn({
        let call = call.clone();
        async move { call.send(&client(), &url).await }
    });
    upstream.received(1).await;
    process.signal("TERM");
    assert_eq!(process.wait(), Some(0));
    drop(sent);
    let copy = copy_of_the_file_alone(dir.path(), &upstream);
    let process = serve(copy.path(), &[]);
    let told = call.send(&client(), &process.url).await.unwrap();
    assert_eq!((code(&told), is_unknown(&told)), ("interrupted", true), "{told}");
    assert_eq!(upstream.requests().len(), 1);
}

/// The same project with a copy of the store's file, and nothing else of the store.
fn copy_of_the_file_alone(dir: &Path, upstream: &Upstream) -> TempDir {
    let log = fs::metadata(dir.join(".callgate/store.db-wal")).map_or(0, |log| log.len());
    assert_eq!(log, 0, "all is in the file");
    let copy = project(upstream);
    fs::create_dir(copy.path().join(".callgate")).unwrap();
    fs::copy(dir.join(".callgate/store.db"), copy.path().join(".callgate/store.db")).unwrap();
    copy
}
