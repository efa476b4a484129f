//! `expected_ms`: how long the calls of an action take.

use serde_json::{Value, json};

use super::{ALL, all_of, call, gateway};
use crate::harness::{Process, files, write_project};
use crate::upstream::{Reply, Upstream};
use crate::wait::until;

/// Answers 500 where the number is 500.
async fn upstream() -> Upstream {
    Upstream::start(|request| match request.line().ends_with("/500") {
        true => Reply::Json(500, "{}".to_owned()),
        false => Reply::ok("{}"),
    })
    .await
}

async fn look(gateway: &crate::harness::Gateway, number: &str) -> Value {
    let events = all_of(gateway, &call("look", json!({"number": number}))).await;
    events.into_iter().find(|(kind, _)| kind == "started").unwrap().1["expected_ms"].clone()
}

#[tokio::test]
async fn it_is_told_from_the_fifth_success_on() {
    let upstream = upstream().await;
    let gateway = gateway(upstream.port, &[]).await;
    let listed = async || {
        let (_, one) = gateway.get("/v1/actions/look").await;
        let (_, all) = gateway.get("/v1/actions").await;
        let (_, own) = gateway.get("/v1/tools?format=callgate").await;
        assert_eq!(all["actions"], own, "the neutral form");
        let of = |list: &Value| list.as_array().unwrap().iter().find(|one| one["name"] == "look").cloned();
        assert_eq!(of(&own), Some(one.clone()));
        assert!(
            own.as_array()
                .unwrap()
                .iter()
                .all(|one| one["name"] == "look" || one.get("expected_ms").is_none())
        );
        one.get("expected_ms").cloned()
    };
    let tag = async || {
        let answer = gateway.request("GET", "/v1/tools").send().await.unwrap();
        answer.headers()["etag"].clone()
    };
    let before = tag().await;
    for number in 0..5 {
        assert_eq!(listed().await, None, "after {number} calls");
        assert_eq!(look(&gateway, "500").await, Value::Null, "a failure says nothing of how long it takes");
        assert_eq!(look(&gateway, "1").await, Value::Null);
        gateway.call("hours", json!({})).await;
    }
    let expected = listed().await.unwrap();
    let (p50, p95) = (expected["p50"].as_u64().unwrap(), expected["p95"].as_u64().unwrap());
    assert!(p50 <= p95, "{expected}");
    assert_eq!(look(&gateway, "1").await, expected);
    assert_eq!(tag().await, before, "what a provider is sent does not change with it");
}

#[tokio::test]
async fn a_reload_forgets_nothing() {
    let upstream = upstream().await;
    let project = write_project(&files(upstream.port, &ALL));
    let process = Process::serve(project.path(), &[]);
    for _ in 0..5 {
        process.call("quiet", json!({})).await;
    }
    let listed = async || {
        let answer = crate::harness::client().get(format!("{}/v1/actions/quiet", process.url)).send().await;
        serde_json::from_str::<Value>(&answer.unwrap().text().await.unwrap()).unwrap()
    };
    let before = listed().await;
    assert!(before["expected_ms"].is_object(), "{before}");
    let path = project.path().join("actions/quiet.yaml");
    std::fs::write(&path, super::QUIET.1.replace("Asks.", "Asks again.")).unwrap();
    process.signal("HUP");
    process.wait_for("reload");
    let edited = async || Some(listed().await).filter(|action| action["description"] == "Asks again.");
    let after = until("the edited action", edited).await;
    assert_eq!(after["expected_ms"], before["expected_ms"]);
}
