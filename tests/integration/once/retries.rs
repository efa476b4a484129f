//! Retries that can do no harm, and no others.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::cancel;
use crate::bad_input::told;
use crate::harness::{Gateway, files};
use crate::upstream::{ClosedPort, Reply, Upstream};

const METHODS: [&str; 7] = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "POST", "PATCH"];

/// An action with time enough for every attempt, unless it says how much it has.
fn action(method: &str, more: &str) -> String {
    let time = if more.contains("timeout_ms") { "" } else { "timeout_ms: 60000\n" };
    format!("description: x\nconnection: api\npath: /x\nmethod: {method}\n{time}{more}\n")
}

/// Answers by `replies` in their order, and with the last one from then on.
async fn upstream(replies: Vec<Reply>) -> Upstream {
    let count = AtomicUsize::new(0);
    Upstream::start(move |_| {
        let at = count.fetch_add(1, Ordering::SeqCst);
        replies[at.min(replies.len() - 1)].clone()
    })
    .await
}

async fn one_call(port: u16, action: &str) -> Value {
    let gateway = Gateway::start(&files(port, &[("actions/x.yaml", action)])).await;
    gateway.call_with(json!({"name": "x", "conversation_id": "c", "tool_call_id": "call_1"})).await
}

/// Calls `action` on an upstream that answers so; the result and how often it was asked.
async fn run(action: &str, replies: Vec<Reply>) -> (Value, usize) {
    let upstream = upstream(replies).await;
    let result = one_call(upstream.port, action).await;
    let requests = upstream.requests();
    assert!(requests.windows(2).all(|pair| pair[0] == pair[1]), "attempts differ: {requests:?}");
    assert_eq!(result["attempts"], requests.len(), "{result}");
    (result, requests.len())
}

/// What is logged when a call was refused, and waits for its next attempt.
const SENT_AGAIN: &str = "the request is sent again";

fn status(status: u16) -> Reply {
    Reply::Json(status, "{}".to_owned())
}

/// An answer that asks to come back later.
fn later(retry_after: &str) -> Reply {
    Reply::whole(&format!("503 X\r\nretry-after: {retry_after}"), b"")
}

#[tokio::test]
async fn what_passes_is_tried_once_more_where_twice_is_as_once() {
    for method in METHODS {
        let again = !["POST", "PATCH"].contains(&method);
        for passing in [429, 502, 503, 504] {
            let (result, sent) = run(&action(method, ""), vec![status(passing), status(200)]).await;
            assert_eq!(sent, if again { 2 } else { 1 }, "{method} {passing}");
            assert_eq!(result["status"] == "success", again, "{method} {passing}: {result}");
        }
        for lasting in [400, 401, 404, 408, 409, 500, 501, 505] {
            let (_, sent) = run(&action(method, ""), vec![status(lasting), status(200)]).await;
            assert_eq!(sent, 1, "{method} {lasting}");
        }
        let (_, sent) = run(&action(method, ""), vec![Reply::Close, status(200)]).await;
        assert_eq!(sent, 1, "{method}: a connection that broke is not retried unless asked for");
    }
}

#[tokio::test]
async fn a_refused_connection_is_tried_once_more_by_every_method() {
    let closed = ClosedPort::new();
    for method in METHODS {
        let result = one_call(closed.port, &action(method, "retry: {backoff_ms: 1}")).await;
        assert_eq!(told(&result).0, ("failure", "connect_failed", "none", "later"), "{method}");
        assert_eq!(result["attempts"], 2, "{method}");
    }
    let result = one_call(closed.port, &action("POST", "retry: {max_attempts: 1}")).await;
    assert_eq!(result["attempts"], 1);
    let result = one_call(closed.port, &action("POST", "retry: {on: [503]}\nidempotent: true")).await;
    assert_eq!(result["attempts"], 1, "it is not among what to retry on");
}

#[tokio::test]
async fn a_write_gets_through_to_an_upstream_that_was_away_for_a_moment() {
    let closed = ClosedPort::new();
    let action = action("POST", "retry: {max_attempts: 10, backoff_ms: 50, max_backoff_ms: 200}");
    let gateway = Gateway::start(&files(closed.port, &[("actions/x.yaml", &action)])).await;
    let late = async {
        gateway.log.says(SENT_AGAIN).await;
        Upstream::on(closed.listen(), |_| Reply::ok("{}"))
    };
    let (result, upstream) = tokio::join!(gateway.call_with(json!({"name": "x"})), late);
    assert_eq!(result["status"], "success", "{result}");
    assert!(result["attempts"].as_u64().unwrap() > 1, "{result}");
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn a_call_can_be_cancelled_between_attempts_of_which_nothing_was_sent() {
    let closed = ClosedPort::new();
    let action = action("POST", "retry: {max_attempts: 2, backoff_ms: 30000, max_backoff_ms: 30000}");
    let gateway = Gateway::start(&files(closed.port, &[("actions/x.yaml", &action)])).await;
    let cancelled = async {
        gateway.log.says(SENT_AGAIN).await;
        cancel(&gateway, "/v1/tool-calls/call_1").await
    };
    let call = json!({"name": "x", "conversation_id": "c", "tool_call_id": "call_1"});
    let (result, (status, reply)) = tokio::join!(gateway.call_with(call), cancelled);
    assert_eq!((status, &reply["cancellation"]), (200, &json!("not_sent")), "{reply}");
    assert_eq!(told(&result).0.1, "cancelled", "{result}");
    assert_eq!(result["error"]["effect"], "none");
}

#[tokio::test]
async fn an_action_may_say_when_and_how_often() {
    let cases = [
        ("GET", "retry: {max_attempts: 4, backoff_ms: 1}", 503, 4),
        ("GET", "retry: {max_attempts: 1}", 503, 1),
        ("GET", "retry: {backoff_ms: 1, on: [500]}", 500, 2),
        ("GET", "retry: {backoff_ms: 1, on: [500]}", 503, 1),
        ("POST", "idempotent: true\nretry: {backoff_ms: 1}", 503, 2),
        ("POST", "retry: {max_attempts: 5, backoff_ms: 1, on: [503]}", 503, 1),
        ("PUT", "idempotent: false", 503, 1),
    ];
    for (method, more, passing, expected) in cases {
        let (_, sent) = run(&action(method, more), vec![status(passing)]).await;
        assert_eq!(sent, expected, "{method} {more} {passing}");
    }
    for (method, more, expected) in [
        ("GET", "retry: {backoff_ms: 1, on: [connection_lost]}", 2),
        ("POST", "retry: {backoff_ms: 1, on: [connection_lost]}", 1),
        ("POST", "idempotent: true\nretry: {backoff_ms: 1, on: [connection_lost]}", 2),
    ] {
        let (_, sent) = run(&action(method, more), vec![Reply::Close]).await;
        assert_eq!(sent, expected, "{method} {more}");
    }
}

#[tokio::test]
async fn retry_after_is_waited_for_where_there_is_time() {
    let long = action("GET", "timeout_ms: 30000\nretry: {backoff_ms: 1}");
    let started = Instant::now();
    let (result, sent) = run(&long, vec![later("1"), status(200)]).await;
    assert_eq!((&result["status"], sent), (&json!("success"), 2));
    assert!(started.elapsed() >= Duration::from_secs(1), "it came back too early");
    // A date that has passed asks for no wait.
    let (_, sent) = run(&long, vec![later("Sun, 06 Nov 1994 08:49:37 GMT"), status(200)]).await;
    assert_eq!(sent, 2);
    for too_long in ["60", "Fri, 31 Dec 2100 23:59:59 GMT", "99999999999999"] {
        let (result, sent) = run(&action("GET", ""), vec![later(too_long), status(200)]).await;
        assert_eq!(sent, 1, "{too_long}");
        assert_eq!(told(&result).0, ("error", "upstream_error", "none", "later"));
    }
    // The longest one, after an answer that took its time.
    let longest = Reply::After(Duration::from_millis(1_100), Box::new(later("18446744073709551615")));
    let (result, sent) = run(&action("GET", "timeout_ms: 30000"), vec![longest, status(200)]).await;
    assert_eq!((told(&result).0, sent), (("error", "upstream_error", "none", "later"), 1));
    for rubbish in ["soon", "-1", "1.5", ""] {
        let (_, sent) = run(&long, vec![later(rubbish), status(200)]).await;
        assert_eq!(sent, 2, "{rubbish:?}");
    }
}

#[tokio::test]
async fn no_attempt_begins_that_cannot_end_in_time() {
    // Where the time was over before the answer came, once more with more of it.
    for (late_ms, timeout_ms) in [(400, 700), (4_000, 7_500), (20_000, 37_500)] {
        let slow = Reply::After(Duration::from_millis(late_ms), Box::new(status(503)));
        let briefly = action("GET", &format!("timeout_ms: {timeout_ms}\nretry: {{backoff_ms: 1}}"));
        let upstream = upstream(vec![slow]).await;
        let result = one_call(upstream.port, &briefly).await;
        let sent = upstream.requests().len();
        assert!(sent <= 1, "a second attempt would take as long as the first");
        if result["error"]["code"] != "timeout" {
            assert_eq!((&result["error"]["code"], sent), (&json!("upstream_error"), 1), "{result}");
            return;
        }
    }
    panic!("the time is always over before the answer comes");
}

#[tokio::test]
async fn an_earlier_attempt_that_may_have_done_it_is_not_forgotten() {
    let put = action("PUT", "retry: {backoff_ms: 1}");
    for last in [status(404), status(429), status(401), status(409)] {
        let (result, sent) = run(&put, vec![status(503), last.clone()]).await;
        assert_eq!(sent, 2);
        assert_eq!(told(&result).0.2, "unknown", "{last:?}: {result}");
        assert_eq!(told(&result).0.3, "no", "{last:?}: {result}");
    }
    let (result, _) = run(&put, vec![status(429), status(404)]).await;
    assert_eq!(told(&result).0, ("error", "upstream_not_found", "none", "with_changes"));
    let (result, _) = run(&action("GET", "retry: {backoff_ms: 1}"), vec![status(503), status(404)]).await;
    assert_eq!(told(&result).0, ("error", "upstream_not_found", "none", "with_changes"));
}
