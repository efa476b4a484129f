//! Clients that open a connection and keep the gateway waiting. The clock is
//! tokio's stopped one: it jumps ahead whenever everybody waits.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{Gateway, files};

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
    stream.write_all(b"GET /healthz HTTP/1.1\r\nx-a: ").await.unwrap();
    let rest = trickle(&mut stream).await.expect("still connected");
    assert!(!rest.contains("HTTP/1.1 200"), "{rest}");
}
