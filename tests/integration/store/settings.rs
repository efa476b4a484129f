//! `[store]`: which store a project gets, and what is said where it cannot have it.

use std::fs;

use callgate::project::{self, open_store};
use callgate::settings::{Settings, StoreBackend, StoreSettings};
use serde_json::json;

use crate::harness::{Process, callgate, files, write_project};

fn checked(settings: &str) -> String {
    let dir = write_project(&[("callgate.toml", settings.to_owned())]);
    let output = callgate(&["check", dir.path().to_str().unwrap()]).output().unwrap();
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}

#[test]
fn settings_that_make_no_store_are_found_by_check() {
    let cases = [
        (
            "[store]\nbackend = \"redis\"\n",
            "callgate.toml:2:11: error[invalid_setting]: the backend `redis` needs the `url` of its server",
        ),
        ("[store]\nbackend = \"postgres\"\n", "callgate.toml:2:11: error["),
        ("[store]\nmax_file_mib = 1\n", "callgate.toml:2:16: error["),
        ("[store]\nprefix = \"a b\"\n", "callgate.toml:2:10: error["),
        ("[store]\nfile = \"x\"\n", "callgate.toml:2:1: error["),
    ];
    for (settings, expected) in cases {
        let told = checked(settings);
        assert!(told.contains(expected), "{settings}: {told}");
    }
}

#[cfg(feature = "redis")]
#[test]
fn servers_that_do_not_go_together_are_found_by_check() {
    let cases = [
        (
            "url = \"redis://h\"\nnodes = [\"h:1\"]",
            "`nodes` are the nodes of a cluster\n    hint: add `cluster = true`",
        ),
        (
            "url = \"redis://h\"\ncluster = true\nsentinels = [\"h:1\"]",
            "`cluster` and `sentinels` exclude each other",
        ),
        (
            "url = \"redis://h\"\ncluster = true\nnodes = [\"redis://h:1\"]",
            "the `nodes` of [store] is no address of a Redis server",
        ),
        (
            "url = \"redis://m\"\nsentinels = [\"redis://:hunter2@h:1\", \"h:2\"]",
            "the `sentinels` of [store] is no address of a Redis server (they do not all have the same user and password)",
        ),
        (
            "url = \"rediss://h\"\nca_file = \"ca.pem\"",
            "the `ca_file` of [store] cannot be used: `ca.pem` cannot be read: ",
        ),
        (
            "url = \"rediss://h\"\nca_file = \"callgate.toml\"",
            "the `ca_file` of [store] cannot be used: it holds no certificate in PEM",
        ),
        (
            "url = \"redis://h\"\nca_file = \"callgate.toml\"",
            "the `url` of [store] is no address of a Redis server (certificates need `rediss://`)",
        ),
        (
            "url = \"rediss://h\"\nclient_cert_file = \"c.pem\"",
            "the `client_cert_file` of [store] cannot be used: it needs `client_key_file`",
        ),
    ];
    for (settings, expected) in cases {
        let told = checked(&format!("[store]\nbackend = \"redis\"\n{settings}\n"));
        assert!(told.contains("error[invalid_setting]"), "{settings}: {told}");
        assert!(told.contains(expected), "{settings}: {told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[cfg(feature = "redis")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_the_settings_name_is_the_store() {
    let Some(cluster) = crate::backend::RedisCluster::start(&[], false) else { return };
    let upstream = crate::upstream::Upstream::start(|_| crate::upstream::Reply::ok("{\"id\": 7}")).await;
    let servers = cluster.servers();
    let settings = format!(
        "environments = [\"development\"]\n[store]\nbackend = \"redis\"\nurl = \"{}\"\ncluster = true\nnodes = [\"{}\"]\n",
        servers.url, servers.nodes[0],
    );
    let action = "description: books\nconnection: api\nmethod: POST\npath: /book\n";
    let dir = write_project(&files(upstream.port, &[("actions/book.yaml", action)]));
    fs::write(dir.path().join("callgate.toml"), settings).unwrap();
    let call = json!({"name": "book", "conversation_id": "c", "tool_call_id": "call_1"});
    for _ in 0..2 {
        let process = Process::serve(dir.path(), &[("CALLGATE_STORE__PATIENCE_MS", "20000")]);
        let (_, result) = process.post("/v1/tool-calls", &call).await;
        assert_eq!((&result["status"], &result["body"]), (&json!("success"), &json!({"id": 7})), "{result}");
    }
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn an_address_is_never_shown() {
    let mut problems = callgate::definition::Problems::default();
    let text = "[store]\nbackend = \"redis\"\nurl = \"redis://:hunter2@localhost\"\n";
    let settings = Settings::from_text(text, &mut problems);
    assert_eq!(problems.has_errors(), !cfg!(feature = "redis"));
    assert!(!format!("{settings:?}").contains("hunter2"));
}

#[test]
fn a_store_is_where_the_settings_say() {
    let dir = tempfile::tempdir().unwrap();
    let open =
        |settings: &StoreSettings| open_store(settings, dir.path(), false).map(|store| store.backend());
    assert_eq!(open(&StoreSettings::default()).unwrap(), "sqlite");
    assert!(dir.path().join(".callgate/store.db").is_file());
    let elsewhere = StoreSettings { path: Some("state/x.db".into()), ..StoreSettings::default() };
    assert_eq!(open(&elsewhere).unwrap(), "sqlite");
    assert!(dir.path().join("state/x.db").is_file());
    assert_eq!(open(&StoreSettings { backend: StoreBackend::Memory, ..elsewhere }).unwrap(), "memory");
    let nowhere = StoreSettings { backend: StoreBackend::Redis, ..StoreSettings::default() };
    let refused =
        if cfg!(feature = "redis") { "no address of a Redis server" } else { "lacks the feature `redis`" };
    assert!(open(&nowhere).unwrap_err().to_string().contains(refused));
    // `callgate check` and a reload look at nothing of it.
    let untouched = write_project(&[]);
    assert!(!project::load(untouched.path(), None).problems.has_errors());
    assert!(!untouched.path().join(".callgate").exists());
}

#[test]
fn a_place_that_cannot_be_written_refuses_the_start() {
    let dir = write_project(&[("in_the_way", String::new())]);
    let output = callgate(&["serve", dir.path().to_str().unwrap()])
        .env("CALLGATE_SERVER__LISTEN", "127.0.0.1:0")
        .env("CALLGATE_STORE__PATH", "in_the_way/store.db")
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(told.contains("in_the_way") && told.contains("set `path` of [store]"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_store_is_taken_at_the_next_start() {
    let upstream = crate::upstream::Upstream::start(|_| crate::upstream::Reply::ok("{\"id\": 7}")).await;
    let action = "description: books\nconnection: api\nmethod: POST\npath: /book\noutput_variables:\n  - {name: booking.id, path: $.id, expose: true}\n";
    let dir = write_project(&files(upstream.port, &[("actions/book.yaml", action)]));
    let call = json!({"name": "book", "conversation_id": "c", "tool_call_id": "call_1"});
    let mut process = Process::serve(dir.path(), &[]);
    let (_, first) = process.post("/v1/tool-calls", &call).await;
    assert_eq!(first["status"], "success", "{first}");
    fs::write(
        dir.path().join("callgate.toml"),
        "environments = [\"development\"]\n[store]\nbackend = \"memory\"\n",
    )
    .unwrap();
    process.signal("HUP");
    process.wait_for("what has changed under [server], [store], [log], [traces] and [mcp] takes effect");
    let (_, again) = process.post("/v1/tool-calls", &call).await;
    assert_eq!(again["replayed"], true);
    process.signal("TERM");
    assert_eq!(process.wait(), Some(0));

    let process = Process::serve(dir.path(), &[]);
    let (_, forgotten) = process.post("/v1/tool-calls", &call).await;
    assert_eq!(forgotten["replayed"], json!(null), "memory is empty at the start");
    drop(process);
    let process = Process::serve(dir.path(), &[("CALLGATE_STORE__BACKEND", "sqlite")]);
    let (_, known) = process.post("/v1/tool-calls", &call).await;
    assert_eq!((&known["replayed"], &known["body"]), (&json!(true), &json!({"id": 7})));
    assert_eq!(upstream.requests().len(), 2);
}
