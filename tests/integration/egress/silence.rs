//! A service that falls silent: `read_timeout_ms`.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::harness::{Gateway, files};
use crate::upstream::{Reply, Upstream};

/// The call has ten minutes, the service a fifth of a second.
const ACTIONS: &[(&str, &str)] = &[
    (
        "actions/read.yaml",
        "description: d\nconnection: api\npath: /read\ntimeout_ms: 300000\nread_timeout_ms: 200\n",
    ),
    (
        "actions/again.yaml",
        "description: d\nconnection: api\npath: /again\ntimeout_ms: 300000\nread_timeout_ms: 200\nretry: {on: [read_timeout]}\n",
    ),
    (
        "actions/write.yaml",
        "description: d\nconnection: api\nmethod: POST\npath: /write\ntimeout_ms: 300000\nread_timeout_ms: 200\n",
    ),
];

fn told(result: &Value) -> Value {
    let error = &result["error"];
    json!([result["status"], error["code"], error["effect"], error["retry"], result["attempts"]])
}

#[tokio::test]
async fn a_service_that_says_nothing_is_left_long_before_the_deadline() {
    let upstream = Upstream::start(|_| Reply::Stall).await;
    let gateway = Gateway::start(&files(upstream.port, ACTIONS)).await;
    assert_eq!(
        told(&gateway.call("read", json!({})).await),
        json!(["failure", "timeout", "none", "later", 1])
    );
    assert_eq!(
        told(&gateway.call("write", json!({})).await),
        json!(["failure", "timeout", "unknown", "no", 1])
    );
}

#[tokio::test]
async fn a_service_that_stops_in_the_middle_of_its_answer_is_left_too() {
    let head =
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"a\":".to_vec();
    let upstream = Upstream::start(move |_| Reply::RawThenStall(head.clone())).await;
    let gateway = Gateway::start(&files(upstream.port, ACTIONS)).await;
    assert_eq!(
        told(&gateway.call("read", json!({})).await),
        json!(["failure", "timeout", "none", "later", 1])
    );
}

#[tokio::test]
async fn a_read_that_met_silence_is_sent_again_where_the_action_says_so() {
    let times = AtomicUsize::new(0);
    let upstream = Upstream::start(move |_| match times.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::Stall,
        _ => Reply::ok("{}"),
    })
    .await;
    let gateway = Gateway::start(&files(upstream.port, ACTIONS)).await;
    assert_eq!(told(&gateway.call("again", json!({})).await), json!(["success", null, null, null, 2]));
}

#[tokio::test]
async fn a_connection_sets_the_timeouts_of_actions_that_say_nothing() {
    let upstream = Upstream::start(|_| Reply::Stall).await;
    let connection = format!(
        "base_url: http://127.0.0.1:{}\ntimeout_ms: 300000\nread_timeout_ms: 200\n\
         environments: {{development: {{timeout_ms: 250000}}}}\n",
        upstream.port
    );
    let gateway = Gateway::start(&[
        ("connections/api.yaml", connection),
        ("actions/read.yaml", "description: d\nconnection: api\npath: /read\n".to_owned()),
        ("actions/own.yaml", "description: d\nconnection: api\npath: /own\ntimeout_ms: 120000\n".to_owned()),
        ("actions/fixed.yaml", "description: d\ntype: static\nresponse: x\n".to_owned()),
    ])
    .await;
    let (_, actions) = gateway.get("/v1/actions").await;
    let timeouts: Vec<(&Value, &Value)> = actions["actions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|action| (&action["name"], &action["timeout_ms"]))
        .collect();
    let expected =
        [(json!("fixed"), json!(5_000)), (json!("own"), json!(120_000)), (json!("read"), json!(250_000))];
    assert_eq!(timeouts, expected.iter().map(|(name, timeout)| (name, timeout)).collect::<Vec<_>>());
    assert_eq!(
        told(&gateway.call("read", json!({})).await),
        json!(["failure", "timeout", "none", "later", 1])
    );
}
