//! Clients that open a connection and keep the gateway waiting. The clock is
//! tokio's stopped one: it jumps ahead whenever everybody waits.

use std::time::Duration;

use callgate::executor::Gateway as Executor;
use callgate::project;
use callgate::server::AppState;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{Gateway, files, write_project};
use crate::wait::unhurried;

const HOURS: (&str, &str) = ("actions/hours.yaml", "description: d\ntype: static\nresponse: open\n");

/// Sends a byte each second until it is hung up on; gives what it was sent before.
async fn trickle(stream: &mut TcpStream) -> Option<String> {
    let mut answer = Vec::new();
    for _ in 0..1_000 {
        let read = tokio::time::timeout(Duration::from_secs(1), stream.read_buf(&mut answer)).await;
        if matches!(read, Ok(Ok(0) | Err(_))) || stream.write_all(b"a").await.is_err() {
            return Some(String::from_utf8_lossy(&answer).into_owned());
        }
    }
    None
}

#[tokio::test(start_paused = true)]
async fn who_sends_no_head_is_hung_up_on() {
    unhurried();
    let gateway = Gateway::start(&files(9, &[HOURS])).await;
    let address = gateway.url.trim_start_matches("http://").to_owned();
    for (what, start) in [
        ("half a request line", "GET /health"),
        ("half a head", "GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-a: "),
        ("half a head of a call", "POST /v1/tool-calls HTTP/1.1\r\nhost: localhost\r\nx-a: "),
        ("half a preface of HTTP/2", "PRI * HTTP/2.0\r\n"),
    ] {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(start.as_bytes()).await.unwrap();
        assert!(trickle(&mut stream).await.is_some(), "{what}: still connected");
    }
    for (what, start) in
        [("nothing", ""), ("a letter", "P"), ("a whole preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")]
    {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(start.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let over = tokio::time::timeout(Duration::from_secs(600), stream.read_to_end(&mut answer)).await;
        assert!(over.is_ok(), "{what}: still connected");
    }
}

#[tokio::test]
async fn a_second_request_must_have_a_head_too() {
    let gateway = Gateway::start(&files(9, &[HOURS])).await;
    let mut stream = TcpStream::connect(gateway.url.trim_start_matches("http://")).await.unwrap();
    let request = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 15];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 200 OK");
    tokio::time::pause();
    unhurried();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nx-a: ").await.unwrap();
    let rest = trickle(&mut stream).await.expect("still connected");
    assert!(!rest.contains("HTTP/1.1 200"), "{rest}");
}

/// A project with an answer of some size, under these settings.
fn large(settings: &str) -> Vec<(&'static str, String)> {
    let mut project = files(9, &[HOURS]);
    let action = format!("description: d\ntype: static\nresponse: {}\n", "x".repeat(14_000));
    project.push(("actions/large.yaml", action));
    project.push(("callgate.toml", format!("environments = [\"development\"]\n{settings}")));
    project
}

/// Sends calls, reads nothing, and comes back when it is hung up on.
async fn call_without_end(stream: &mut TcpStream) {
    let body = r#"{"name": "large"}"#;
    let request = format!(
        "POST /v1/tool-calls HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    while stream.write_all(request.as_bytes()).await.is_ok() {}
}

#[tokio::test(start_paused = true)]
async fn who_sends_calls_and_never_reads_is_hung_up_on() {
    unhurried();
    let gateway = Gateway::start(&large("[server]\nwrite_timeout_ms = 5000\n")).await;
    let mut stream = TcpStream::connect(gateway.url.trim_start_matches("http://")).await.unwrap();
    let over = tokio::time::timeout(Duration::from_secs(600), call_without_end(&mut stream)).await;
    assert!(over.is_ok(), "still connected");
    assert_eq!(gateway.call("hours", serde_json::json!({})).await["body"], "open");
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_who_never_reads() {
    unhurried();
    let dir = write_project(&large("[server]\nwrite_timeout_ms = 3600000\n"));
    let project = project::load(dir.path(), None);
    let state = AppState::new(Executor::new(project.deployment), &project.settings);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let stopping = async {
        let _ = stopped.await;
    };
    // Longer than the test waits: the grace is for calls under way, and there are none.
    let grace = Duration::from_secs(3_000);
    let mut served = tokio::task::spawn(callgate::server::serve(listener, state, stopping, grace));
    let stalled = tokio::time::timeout(Duration::from_secs(60), call_without_end(&mut stream)).await;
    assert!(stalled.is_err(), "hung up on before the stop");
    stop.send(()).unwrap();
    let over = tokio::time::timeout(Duration::from_secs(60), &mut served).await;
    assert!(over.is_ok(), "still serving");
}
