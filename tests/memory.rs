//! What is kept in memory takes what is counted for it: measured with the allocator of `callgate serve`, in a process of its
//! own, by what the system says of it.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so and stops")]

use std::fs;
use std::time::Duration;

use callgate::conversation::change::{Change, Source, Variable};
use callgate::conversation::{
    ConversationKey, MemoryLimits, MemoryStore, Opening, SqliteLimits, SqliteStore, Store, heap_bytes,
};
use serde_json::Value;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MIB: usize = 1024 * 1024;

/// Bytes of memory of this process.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()).unwrap();
    kib.parse::<usize>().unwrap() * 1024
}

/// Answers as upstreams give them.
fn texts() -> [(&'static str, String); 6] {
    let object = r#"{"id":17,"start":"2026-11-29T09:00:00Z","room":{"name":"Blue","floor":2},"free":true}"#;
    [
        ("many small objects", format!("[{}]", vec![r#"{"a":1}"#; 20_000].join(","))),
        ("a list of 15 objects", format!("[{}]", vec![object; 15].join(","))),
        (
            "an object of many members",
            format!("{{{}}}", (0..700).map(|n| format!("\"member_{n}\":{n}")).collect::<Vec<_>>().join(",")),
        ),
        (
            "numbers",
            format!("[{}]", (0..3_000).map(|n| (n * 7_919).to_string()).collect::<Vec<_>>().join(",")),
        ),
        ("empty objects", format!("[{}]", vec!["{}"; 20_000].join(","))),
        ("a text", format!("\"{}\"", "x".repeat(50_000))),
    ]
}

/// One test, since tests of one process share its memory.
#[tokio::test]
async fn what_is_kept_takes_what_is_counted_for_it() {
    let (start, mut total, mut kept) = (resident(), 0, Vec::new());
    for (name, text) in texts() {
        for is_copy in [false, true] {
            let original: Value = serde_json::from_str(&text).unwrap();
            let (mut counted, mut values) = (heap_bytes(&original), Vec::new());
            while counted < 24 * MIB {
                let value = if is_copy { original.clone() } else { serde_json::from_str(&text).unwrap() };
                counted += heap_bytes(&value);
                values.push(value);
            }
            total += counted;
            kept.extend([vec![original], values]);
            // Of all until now: what reading one has left free, the next one uses.
            let taken = resident() - start;
            // What the process takes besides counts for little in the end.
            let is_right = taken > total / 5 * 4 && taken < total / 5 * 6 + 16 * MIB;
            assert!(is_right, "{name}, copied: {is_copy}: {taken} of {total}");
        }
    }
    drop(kept);

    // Begun after all of that has been freed: what it left counts against the stores.
    for (name, text) in texts() {
        let value: Value = serde_json::from_str(&text).unwrap();
        let before = resident();
        let limits = MemoryLimits { conversation_bytes: 32 * MIB, ..MemoryLimits::default() };
        let taken = filled(&MemoryStore::new(limits), &value, 64 * MIB).await.saturating_sub(before);
        assert!(taken < 32 * MIB * 6 / 5 + 4 * MIB, "memory, {name}: {} MiB", taken / MIB);

        let folder = tempfile::tempdir().unwrap();
        let before = resident();
        let store = SqliteStore::open(&folder.path().join("store.db"), SqliteLimits::default()).unwrap();
        let taken = filled(&store, &value, 64 * MIB).await.saturating_sub(before);
        // Twice 16 MiB of conversations, and as many pages of the file; changes on their way to it, and what the allocator
        // has not given back yet.
        assert!(taken < (32 + 16) * MIB * 6 / 5 + 16 * MIB, "sqlite, {name}: {} MiB", taken / MIB);
    }
}

/// Puts a value into as many conversations as would take `bytes`; gives what the process takes then.
async fn filled(store: &dyn Store, value: &Value, bytes: usize) -> usize {
    let mut most = 0;
    for number in 0..bytes / heap_bytes(value).max(value.to_string().len()) {
        let key = ConversationKey::new("development", &format!("c{number}"));
        store.open(&key, Opening { ttl: Duration::from_secs(3_600), first: None }).await.unwrap();
        let source = Source::Call { id: format!("call_{number}"), action: "look".to_owned() };
        let variable = Variable {
            value: value.clone(),
            shown: None,
            source,
            sensitive: false,
            hidden: false,
            set_at_ms: 0,
        };
        let change = Change { set: vec![("answer".to_owned(), variable)], ..Change::default() };
        assert!(store.update(&key, change).await.unwrap().refused.is_empty());
        if number % 16 == 0 {
            most = most.max(resident());
            assert_eq!(store.find(&key).await.unwrap().unwrap().variables["answer"].value, *value);
        }
    }
    most.max(resident())
}
