//! Limits, queues and breakers of connections, seen from outside.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use callgate::executor::Gateway as Executor;
use callgate::project;
use callgate::tool::{Status, ToolCall};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::harness::{Gateway, Process, write_project};
use crate::upstream::{ClosedPort, Reply, Upstream};
use crate::wait::until;

const READ: &str = "description: reads\nconnection: api\npath: /read\ntimeout_ms: 60000\n";

fn project(port: u16, more: &str) -> Vec<(&'static str, String)> {
    vec![
        ("connections/api.yaml", format!("base_url: http://127.0.0.1:{port}\n{more}")),
        ("connections/other.yaml", format!("base_url: http://127.0.0.1:{port}\n")),
        ("actions/read.yaml", READ.to_owned()),
        (
            "actions/write.yaml",
            "description: writes\nconnection: api\nmethod: POST\npath: /write\n".to_owned(),
        ),
        ("actions/other.yaml", "description: reads\nconnection: other\npath: /other\n".to_owned()),
    ]
}

/// Status, code, effect, retry, attempts.
fn told(result: &Value) -> Value {
    let error = &result["error"];
    json!([result["status"], error["code"], error["effect"], error["retry"], result["attempts"]])
}

fn open() -> Value {
    json!(["exception", "upstream_unavailable", "none", "later", 0])
}

#[tokio::test]
async fn a_call_that_finds_no_room_fails_at_once_and_is_not_sent() {
    let held = Arc::new(Semaphore::new(0));
    let gate = held.clone();
    let upstream = Upstream::start(move |request| {
        let ok = Reply::ok("{}");
        if request.line().contains("other") { ok } else { Reply::Held(gate.clone(), Box::new(ok)) }
    })
    .await;
    let limits = "limits: {max_in_flight: 1, max_queue: 0}\n";
    let gateway = Arc::new(Gateway::start(&project(upstream.port, limits)).await);
    let first = tokio::task::spawn({
        let gateway = gateway.clone();
        async move { gateway.call("read", json!({})).await }
    });
    upstream.received(1).await;
    let result = gateway.call("write", json!({})).await;
    assert_eq!(told(&result), json!(["exception", "overloaded", "none", "later", 0]), "{result}");
    assert_eq!(
        result["error"]["message"],
        "Too many calls wait for the service right now; nothing was done."
    );
    assert_eq!(upstream.requests().len(), 1);
    assert_eq!(gateway.call("other", json!({})).await["status"], "success");
    held.add_permits(10);
    assert_eq!(first.await.unwrap()["status"], "success");
    assert_eq!(gateway.call("write", json!({})).await["status"], "success");
}

#[tokio::test]
async fn a_failing_service_is_left_alone_and_others_are_not() {
    let status = Arc::new(AtomicU16::new(500));
    let answered = status.clone();
    let upstream = Upstream::start(move |request| {
        let status = if request.line().contains("other") { 200 } else { answered.load(Ordering::SeqCst) };
        Reply::Json(status, "{}".to_owned())
    })
    .await;
    let breaker = "breaker: {min_calls: 4, open_ms: 3600000, half_open_calls: 1}\n";
    let gateway = Gateway::start(&project(upstream.port, breaker)).await;
    // Reads and writes of one connection count together.
    for name in ["read", "write", "read", "write"] {
        let result = gateway.call(name, json!({})).await;
        assert_eq!(result["status"], "error", "{result}");
    }
    let sent = upstream.requests().len();
    let result = gateway.call("read", json!({})).await;
    assert_eq!(told(&result), open(), "{result}");
    assert_eq!(
        result["error"]["message"],
        "The service has been failing and is left alone for a moment; nothing was done."
    );
    assert_eq!(upstream.requests().len(), sent);
    assert_eq!(gateway.call("other", json!({})).await["status"], "success");
    // One that is left alone for less.
    let brief = breaker.replace("3600000", "50");
    let gateway = Gateway::start(&project(upstream.port, &brief)).await;
    let is_open = async || (told(&gateway.call("read", json!({})).await) == open()).then_some(());
    until("a breaker that opens", is_open).await;
    status.store(200, Ordering::SeqCst);
    let is_closed = async || (told(&gateway.call("read", json!({})).await) != open()).then_some(());
    until("a breaker that closes again", is_closed).await;
    assert_eq!(gateway.call("write", json!({})).await["status"], "success");
}

#[tokio::test]
async fn an_unreachable_service_opens_the_breaker_too() {
    let closing = Upstream::start(|_| Reply::Close).await;
    let lost = Gateway::start(&project(closing.port, "breaker: {min_calls: 3, open_ms: 3600000}\n")).await;
    let gone = ClosedPort::new();
    // Each of these is tried twice.
    let refused = Gateway::start(&project(gone.port, "breaker: {min_calls: 6, open_ms: 3600000}\n")).await;
    for (gateway, code) in [(lost, "connection_lost"), (refused, "connect_failed")] {
        for _ in 0..3 {
            assert_eq!(gateway.call("read", json!({})).await["error"]["code"], code);
        }
        assert_eq!(told(&gateway.call("read", json!({})).await), open());
    }
}

#[tokio::test]
async fn all_workers_share_one_breaker() {
    let upstream = Upstream::start(|_| Reply::Json(500, "{}".to_owned())).await;
    let files = project(upstream.port, "breaker: {min_calls: 6, open_ms: 3600000}\n");
    let dir = write_project(&files);
    let process = Process::serve(dir.path(), &[("CALLGATE_SERVER__WORKERS", "3")]);
    // Each call comes over a connection of its own, and so to the next worker.
    for _ in 0..6 {
        assert_eq!(process.call("read", json!({})).await["status"], "error");
    }
    for _ in 0..6 {
        assert_eq!(told(&process.call("read", json!({})).await), open());
    }
    assert_eq!(upstream.requests().len(), 6);
}

#[tokio::test]
async fn a_reload_keeps_a_breaker_unless_its_rules_change() {
    let upstream = Upstream::start(|_| Reply::Json(500, "{}".to_owned())).await;
    let rules = "breaker: {min_calls: 2, open_ms: 3600000}\n";
    let dir = write_project(&project(upstream.port, rules));
    let gateway = Executor::new(project::load(dir.path(), None).deployment);
    let call = async || {
        let arguments = RawValue::from_string("{}".to_owned()).unwrap();
        let call = ToolCall::new("call_1", "development", "read", arguments);
        let call = ToolCall { id_is_given: false, ..call };
        gateway.execute(call).await.status
    };
    let reload = || gateway.replace(project::load(dir.path(), Some(&gateway.deployment())).deployment);
    assert_eq!((call().await, call().await, call().await), (Status::Error, Status::Error, Status::Exception));
    fs::write(dir.path().join("actions/read.yaml"), READ.replace("60000", "4000")).unwrap();
    reload();
    assert_eq!(call().await, Status::Exception, "another action, the same connection");
    let changed = format!("base_url: http://127.0.0.1:{}\nbreaker: {{min_calls: 3}}\n", upstream.port);
    fs::write(dir.path().join("connections/api.yaml"), changed).unwrap();
    reload();
    assert_eq!(call().await, Status::Error, "other rules start anew");
}

#[test]
fn limits_out_of_range_are_told_with_their_place() {
    let problems = |more: &str| -> Vec<String> {
        let dir = write_project(&project(9, more));
        project::load(dir.path(), None).problems.sorted().iter().map(ToString::to_string).collect()
    };
    for (more, place) in [
        ("limits: {max_in_flight: 0}\n", "2:25: error["),
        ("limits: {per_second: 0}\n", "2:22: error["),
        ("limits: {per_second: fast}\n", "2:22: error["),
        ("limits: {max_queue: -1}\n", "2:21: error["),
        ("limits: {rate: 5}\n", "2:10: error[unknown_key]"),
        ("breaker: {failure_share: 1.5}\n", "2:26: error["),
        ("breaker: {failure_share: 0}\n", "2:26: error["),
        ("breaker: off\n", "2:10: error["),
        ("limits: {burst: 3}\n", "2:10: warning[burst_unused]: `burst` changes nothing without `per_second`"),
        ("environments:\n  development:\n    limits: {burst: 3}\n", "4:14: warning[burst_unused]"),
    ] {
        let found = problems(more);
        let expected = format!("connections/api.yaml:{place}");
        assert!(found.len() == 1 && found[0].starts_with(&expected), "{more}: {found:#?}");
    }
    assert_eq!(
        problems("limits: {per_second: 0.5, burst: 3, max_queue: 0}\nbreaker: {enabled: false}\n"),
        [""; 0]
    );
}
