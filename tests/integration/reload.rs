//! Edits are taken whole or not at all, and no call notices.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Process, client, files, replace, write_project};
use crate::upstream::{Reply, Upstream};
use crate::wait::{until_every, until_so};

fn ping(answer: &str) -> String {
    format!("description: d\ntype: static\nresponse: {answer}\n")
}

const BROKEN: &str = "description: d\ntype: sttic\nresponse: x\n";

async fn answer(process: &Process) -> Value {
    process.call("ping", json!({})).await["body"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_is_taken_as_soon_as_it_is_saved() {
    let project = write_project(&[("actions/ping.yaml", ping("first"))]);
    let level = ("CALLGATE_LOG__LEVEL", "info,callgate::project::watch=debug");
    let process = Process::serve(project.path(), &[level]);
    let path = project.path().join("actions/ping.yaml");
    assert_eq!(answer(&process).await, "first");
    fs::write(&path, ping("second")).unwrap();
    process.wait_for("reloaded");
    assert_eq!(answer(&process).await, "second");

    fs::write(&path, BROKEN).unwrap();
    process.wait_for("actions/ping.yaml:2:7: error[invalid_value]: `type` is `sttic`");
    process.wait_for("reload refused");
    assert_eq!(answer(&process).await, "second");

    // As editors save: a new file takes the place of the old one.
    replace(&path, &ping("third"));
    process.wait_for("reloaded");
    assert_eq!(answer(&process).await, "third");

    // A folder that was not there before.
    fs::create_dir(project.path().join("connections")).unwrap();
    fs::write(project.path().join("connections/api.yaml"), "base_url: http://127.0.0.1:1\n").unwrap();
    process.wait_for("reloaded");
    // What is beside the project is none of its business.
    fs::write(project.path().join("notes.txt"), "x").unwrap();
    // Edits are noticed in their order, and this one comes after it.
    fs::write(&path, ping("fourth")).unwrap();
    process.wait_for("reloaded");
    assert_eq!(answer(&process).await, "fourth");
    let log = process.log();
    assert!(log.contains("actions/ping.yaml has been edited") && !log.contains("notes.txt"), "{log}");
}

/// An agent whose model is asked at `base_url`.
fn agent(base_url: &str) -> String {
    format!("instructions: Be kind.\nmodel: {{provider: openai, base_url: '{base_url}', model: m}}\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_of_an_agent_is_taken_as_one_of_an_action_is() {
    let project = write_project(&[("agents/desk.yaml", agent("http://127.0.0.1:1/v1"))]);
    let process = Process::serve(project.path(), &[]);
    let services = async || {
        let (status, reply) = process.get("/v1/status").await;
        assert_eq!(status, 200, "{reply}");
        let connections = reply["environments"][0]["connections"].as_array().unwrap().clone();
        connections.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let path = project.path().join("agents/desk.yaml");
    assert_eq!(services().await, ["http://127.0.0.1:1"]);

    replace(&path, &agent("http://127.0.0.1:2/v1"));
    process.wait_for("reloaded");
    assert_eq!(services().await, ["http://127.0.0.1:2"]);

    replace(&path, &agent("127.0.0.1:3/v1"));
    process.wait_for("agents/desk.yaml:2:37: error[invalid_url]");
    process.wait_for("reload refused");
    assert_eq!(services().await, ["http://127.0.0.1:2"]);

    fs::remove_file(&path).unwrap();
    process.wait_for("reloaded");
    assert_eq!(services().await, Vec::<String>::new());
}

async fn reload(process: &Process, key: Option<&str>) -> (u16, Value) {
    let mut request = client().post(format!("{}/admin/reload", process.url));
    if let Some(key) = key {
        request = request.bearer_auth(key);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap())
}

#[cfg(feature = "otlp")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_collector_of_traces_is_warned_of_because_it_waits_for_the_next_start() {
    let project = write_project(&[("actions/ping.yaml", ping("first"))]);
    let process = Process::serve(project.path(), &[("CALLGATE_SERVER__WATCH", "false")]);
    let toml = "[traces]\nendpoint = \"http://127.0.0.1:1/v1/traces\"\n";
    fs::write(project.path().join("callgate.toml"), toml).unwrap();
    assert_eq!(reload(&process, None).await.0, 200);
    process.wait_for("[traces] and [mcp] takes effect at the next start");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_can_be_asked_for_and_says_what_is_wrong() {
    let project = write_project(&[("actions/ping.yaml", ping("first"))]);
    let process = Process::serve(project.path(), &[("CALLGATE_SERVER__WATCH", "false")]);
    let path = project.path().join("actions/ping.yaml");
    fs::write(&path, ping("second")).unwrap();
    assert_eq!(answer(&process).await, "first");
    let (status, reply) = reload(&process, None).await;
    assert_eq!((status, &reply), (200, &json!({"environments": ["development"], "warnings": []})));
    assert_eq!(answer(&process).await, "second");

    fs::write(&path, BROKEN).unwrap();
    let (status, problem) = reload(&process, None).await;
    assert_eq!((status, &problem["code"]), (422, &json!("reload_refused")));
    let found = &problem["problems"][0];
    assert_eq!(
        (&found["file"], &found["line"], &found["column"], &found["code"]),
        (&json!("actions/ping.yaml"), &json!(2), &json!(7), &json!("invalid_value"))
    );
    assert_eq!(answer(&process).await, "second");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_keys_only_an_admin_reloads() {
    let [user, admin] = [0, 1].map(|_| callgate::server::NewKey::generate().unwrap());
    let settings = format!(
        "environments = [\"development\"]\n[[keys]]\nname = \"user\"\nhash = \"{}\"\n[[keys]]\nname = \"admin\"\nhash = \"{}\"\nadmin = true\n",
        user.hash, admin.hash
    );
    let project = write_project(&[("callgate.toml", settings), ("actions/ping.yaml", ping("first"))]);
    let process = Process::serve(project.path(), &[]);
    assert_eq!(reload(&process, None).await.0, 401);
    let (status, problem) = reload(&process, Some(&user.key)).await;
    assert_eq!((status, &problem["code"]), (403, &json!("admin_only")));
    assert_eq!(reload(&process, Some(&admin.key)).await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_lost_its_keys_does_not_open_the_gateway() {
    let key = callgate::server::NewKey::generate().unwrap();
    let settings =
        format!("environments = [\"development\"]\n[[keys]]\nname = \"a\"\nhash = \"{}\"\n", key.hash);
    let project = write_project(&[("callgate.toml", settings), ("actions/ping.yaml", ping("first"))]);
    let process = Process::serve(project.path(), &[]);
    let status = || async {
        client().get(format!("{}/v1/environments", process.url)).send().await.unwrap().status().as_u16()
    };
    assert_eq!(status().await, 401);
    fs::write(project.path().join("callgate.toml"), "").unwrap();
    process.wait_for("reload refused: callgate.toml has no `[[keys]]` any more");
    assert_eq!(status().await, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_good_and_broken_edits_are_loaded() {
    let upstream = Upstream::start(|_| Reply::ok("{}")).await;
    let write = "description: d\nconnection: api\nmethod: POST\npath: /write\n";
    let project = write_project(&files(
        upstream.port,
        &[("actions/write.yaml", write), ("actions/ping.yaml", &ping("version 0"))],
    ));
    let process = Process::serve(project.path(), &[("CALLGATE_SERVER__WATCH", "false")]);
    let over = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..8)
        .map(|caller| {
            let (over, done, url) = (over.clone(), done.clone(), process.url.clone());
            tokio::task::spawn(async move {
                let client = client();
                let mut versions = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    let name = if caller % 2 == 0 { "ping" } else { "write" };
                    let request = client.post(format!("{url}/v1/tool-calls"));
                    let answer = request.body(json!({"name": name}).to_string()).send().await.unwrap();
                    assert_eq!(answer.status(), 200);
                    let result: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
                    assert_eq!(result["status"], "success", "{result}");
                    if let Some(version) = result["body"].as_str() {
                        versions.push(version.trim_start_matches("version ").parse::<u32>().unwrap());
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
                // What was served once is not served again after its successor.
                assert!(versions.is_sorted(), "{versions:?}");
                versions.last().copied()
            })
        })
        .collect();
    for version in 1..=15_u32 {
        edit(project.path(), &ping(&format!("version {version}")));
        process.signal("HUP");
        process.wait_for("reloaded");
        edit(project.path(), BROKEN);
        process.signal("HUP");
        process.wait_for("reload refused");
    }
    // Everybody sees the last one.
    let before = done.load(Ordering::Relaxed);
    until_so("calls that go on", || done.load(Ordering::Relaxed) >= before + 32).await;
    over.store(true, Ordering::Relaxed);
    for caller in callers {
        let last = caller.await.unwrap();
        assert!(last.is_none_or(|version| version == 15), "{last:?}");
    }
    assert!(done.load(Ordering::Relaxed) > 100);
}

fn edit(project: &Path, text: &str) {
    fs::write(project.join("actions/ping.yaml"), text).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_is_mounted_outside_the_project_is_taken_when_it_changes() {
    let mounted = tempfile::tempdir().unwrap();
    fs::write(mounted.path().join("key"), "first-secret-value").unwrap();
    let directory = mounted.path().display();
    let settings = format!("environments = [\"development\"]\n[secrets]\ndirectory = \"{directory}\"\n");
    let project = write_project(&[("callgate.toml", settings), ("actions/ping.yaml", ping("here"))]);
    let process = Process::serve(project.path(), &[]);
    edit_until_reloaded(&process, &mounted.path().join("key")).await;
}

/// Edits a file until that is noticed: the gateway may be about to begin watching.
async fn edit_until_reloaded(process: &Process, path: &Path) {
    let mut number = 0;
    // It is taken when nothing has changed for a moment.
    until_every(Duration::from_millis(500), "an edit that is noticed", async || {
        if process.written().contains("reloaded") {
            return Some(());
        }
        number += 1;
        replace(path, &format!("secret-value-{number}"));
        None
    })
    .await;
}
