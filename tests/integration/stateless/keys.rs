//! The keys of `[sealing]`: rotated, missing, wrong.

use serde_json::{Value, json};

use super::{KEY_1, KEY_2, project, refused, secrets, settings, state, upstream};
use crate::harness::{Gateway, Process, callgate, replace, write_project};

fn call(name: &str, state: &str) -> Value {
    json!({"environment": "development", "name": name, "state": state})
}

#[tokio::test]
async fn keys_are_rotated_without_losing_a_conversation() {
    let upstream = upstream().await;
    let gateway =
        async |keys: &[&str]| Gateway::start(&project(upstream.port, &settings(keys, ""), &secrets())).await;
    let old = gateway(&["STATE_KEY_1"]).await;
    let both = gateway(&["STATE_KEY_2", "STATE_KEY_1"]).await;
    let new = gateway(&["STATE_KEY_2"]).await;
    let first = old.call_with(call("verify", "")).await;
    assert_eq!(refused(&new, call("account", state(&first))).await.1, "invalid_state");
    let second = both.call_with(call("account", state(&first))).await;
    assert_eq!(second["status"], "success");
    let third = new.call_with(call("account", state(&second))).await;
    assert_eq!(third["status"], "success", "the first key seals");
    assert_eq!(refused(&old, call("account", state(&second))).await.1, "invalid_state");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_rotates_them() {
    let upstream = upstream().await;
    let dir = write_project(&project(upstream.port, &settings(&["STATE_KEY_1"], ""), &secrets()));
    let process = Process::serve(dir.path(), &[("CALLGATE_STORE__BACKEND", "memory")]);
    let (_, first) = process.post("/v1/tool-calls", &call("verify", "")).await;
    let rotated = settings(&["STATE_KEY_2", "STATE_KEY_1"], "");
    replace(&dir.path().join("callgate.toml"), &rotated);
    process.wait_for("reloaded");
    let (status, second) = process.post("/v1/tool-calls", &call("account", state(&first))).await;
    assert_eq!((status, &second["status"]), (200, &json!("success")));
    replace(&dir.path().join("callgate.toml"), &settings(&["STATE_KEY_2"], ""));
    process.wait_for("reloaded");
    let (status, third) = process.post("/v1/tool-calls", &call("account", state(&second))).await;
    assert_eq!((status, &third["status"]), (200, &json!("success")));
    let (status, gone) = process.post("/v1/tool-calls", &call("account", state(&first))).await;
    assert_eq!((status, &gone["code"]), (400, &json!("invalid_state")));
    process.wait_for("which is not configured");
    for key in [KEY_1, KEY_2, super::HIDDEN] {
        assert!(!process.log().contains(key));
    }
}

#[tokio::test]
async fn without_a_key_a_state_is_refused_and_all_else_works() {
    let upstream = upstream().await;
    let some = secrets().split("[staging]").next().unwrap().to_owned();
    let gateway = Gateway::start(&project(upstream.port, &settings(&["STATE_KEY_1"], ""), &some)).await;
    let mut off = call("count", "");
    off["environment"] = "staging".into();
    let (status, code, detail) = refused(&gateway, off.clone()).await;
    assert_eq!((status, code.as_str()), (400, "stateless_off"));
    assert!(
        detail.starts_with("environment `staging` takes no `state`, for it has no key of [sealing]"),
        "{detail}"
    );
    off.as_object_mut().unwrap().remove("state");
    assert_eq!(gateway.call_with(off).await["status"], "success");
    assert_eq!(gateway.call_with(call("count", "")).await["status"], "success");
}

fn checked(settings: &str, secrets: &str) -> (bool, String) {
    let dir = write_project(&project(1, settings, secrets));
    let output = callgate(&["check", dir.path().to_str().unwrap()]).output().unwrap();
    (
        output.status.success(),
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn what_is_wrong_with_keys_is_found_by_check() {
    let (passes, told) = checked(&settings(&["STATE_KEY_1", "STATE_KEY_3"], ""), &secrets());
    assert!(passes, "{told}");
    let missing = "callgate.toml:3:24: warning[missing_secret]: the secret `STATE_KEY_3` of `[sealing]` is not set in environment `development`";
    assert!(told.contains(missing) && told.contains("CALLGATE_SECRET__DEVELOPMENT__STATE_KEY_3"), "{told}");

    let (passes, told) =
        checked(&settings(&["STATE_KEY_1"], ""), &secrets().replace(KEY_1, "hunter2-hunter2"));
    assert!(!passes && told.contains("callgate.toml:3:9: error[invalid_secret]: the secret `STATE_KEY_1` of environment `development` is no key"), "{told}");
    assert!(told.contains("`callgate keygen --sealing` makes one") && !told.contains("hunter2"), "{told}");

    for (more, expected) in [
        ("state_ttl_ms = 1\n", "callgate.toml:4:16: error["),
        ("max_state_bytes = 100\n", "callgate.toml:4:19: error["),
        ("kyes = []\n", "callgate.toml:4:1: error["),
    ] {
        let (passes, told) = checked(&settings(&["STATE_KEY_1"], more), &secrets());
        assert!(!passes && told.contains(expected), "{more}: {told}");
    }
    let (passes, told) = checked(&settings(&[], "[store]\nshare_tokens = true\n"), &secrets());
    assert!(
        !passes && told.contains("callgate.toml:5:16: error[invalid_setting]: `share_tokens` needs a key"),
        "{told}"
    );
}

#[tokio::test]
async fn a_key_that_keygen_makes_is_one() {
    let make = || {
        let output = callgate(&["keygen", "--sealing"]).output().unwrap();
        assert!(output.status.success());
        // All of it belongs into the file: `keygen --sealing 2>> callgate.toml`.
        let told: toml::Table = String::from_utf8(output.stderr).unwrap().parse().unwrap();
        assert_eq!(told["sealing"]["keys"][0].as_str(), Some("STATE_KEY_1"));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let (key, other) = (make(), make());
    assert_ne!(key, other);
    let secrets = secrets().replace(KEY_1, &key).replace(KEY_2, &other);
    let (passes, told) = checked(&settings(&["STATE_KEY_1", "STATE_KEY_2"], ""), &secrets);
    assert!(passes, "{told}");
}
