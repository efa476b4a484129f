//! Clients of HTTP/2 that answer pings and open no window for an answer, and readers of streams who stop reading.
//! Where somebody has to be let go, the clock is tokio's stopped one: it jumps ahead whenever everybody waits.

use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::client::SendRequest;
use http::{Request, Response};
use serde_json::{Map, Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};

use crate::harness::{Gateway, files};
use crate::wait::unhurried;

const IMPATIENT: &str = "[server]\nwrite_timeout_ms = 5000\n";
const STREAM: (&str, &str) = ("accept", "text/event-stream");

async fn gateway(settings: &str) -> Gateway {
    let settings = format!("environments = [\"development\"]\n{settings}");
    let large = format!("description: d\ntype: static\nresponse: {}\n", "x".repeat(14_000));
    let hours = "description: d\ntype: static\nresponse: open\n";
    let more = [
        ("actions/large.yaml", large.as_str()),
        ("actions/hours.yaml", hours),
        ("callgate.toml", settings.as_str()),
    ];
    Gateway::start(&files(9, &more)).await
}

fn address(gateway: &Gateway) -> &str {
    gateway.url.trim_start_matches("http://")
}

/// A connection whose client answers pings and lets each answer begin with so many bytes.
async fn connect(gateway: &Gateway, window: u32) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(address(gateway)).await.unwrap();
    let (client, connection) =
        h2::client::Builder::new().initial_window_size(window).handshake(stream).await.unwrap();
    tokio::task::spawn(connection);
    client
}

async fn ask(
    client: &SendRequest<Bytes>,
    gateway: &Gateway,
    (method, path): (&str, &str),
    headers: &[(&str, &str)],
    body: &Value,
) -> Response<RecvStream> {
    let mut request = Request::builder().method(method).uri(format!("{}{path}", gateway.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut client = client.clone().ready().await.unwrap();
    let (answer, mut sending) = client.send_request(request.body(()).unwrap(), body.is_null()).unwrap();
    if !body.is_null() {
        sending.send_data(body.to_string().into(), true).unwrap();
    }
    let answer = answer.await.unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
    answer
}

async fn call(client: &SendRequest<Bytes>, gateway: &Gateway, name: &str) -> RecvStream {
    ask(client, gateway, ("POST", "/v1/tool-calls"), &[], &json!({"name": name})).await.into_body()
}

/// What comes of an answer without more window than there was; whether the rest was given up.
async fn what_comes(mut answer: RecvStream) -> (usize, bool) {
    let mut came = 0;
    loop {
        match answer.data().await {
            Some(Ok(part)) => came += part.len(),
            Some(Err(error)) => {
                assert!(error.is_reset(), "{error}");
                return (came, true);
            }
            None => return (came, false),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_opens_no_window_for_an_answer_does_not_keep_it_waiting() {
    unhurried();
    let gateway = gateway(IMPATIENT).await;
    for window in [0, 1, 100, 10_000] {
        let client = connect(&gateway, window).await;
        let (came, is_given_up) = what_comes(call(&client, &gateway, "large").await).await;
        assert!(is_given_up && came <= window as usize, "{window}: {came}");
    }
}

#[tokio::test(start_paused = true)]
async fn other_answers_of_the_same_connection_come_all_the_same() {
    unhurried();
    let gateway = gateway(IMPATIENT).await;
    let client = connect(&gateway, 10_000).await;
    let stalled = call(&client, &gateway, "large").await;
    let short = call(&client, &gateway, "hours").await;
    assert!(!what_comes(short).await.1);
    assert!(what_comes(stalled).await.1);
    assert!(!what_comes(call(&client, &gateway, "hours").await).await.1);
}

#[tokio::test]
async fn who_opens_the_window_bit_by_bit_has_the_whole_answer() {
    let gateway = gateway("").await;
    let client = connect(&gateway, 100).await;
    let mut answer = call(&client, &gateway, "large").await;
    let mut text = Vec::new();
    while let Some(part) = answer.data().await {
        let part = part.unwrap();
        text.extend_from_slice(&part);
        answer.flow_control().release_capacity(part.len()).unwrap();
    }
    let result: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(result["body"], "x".repeat(14_000));
}

#[tokio::test(start_paused = true)]
async fn who_follows_a_feed_or_an_mcp_session_and_opens_no_window_is_let_go() {
    unhurried();
    let gateway = gateway(IMPATIENT).await;
    let (status, _) = gateway.post("/v1/conversations", json!({"id": "c"}).to_string()).await;
    assert_eq!(status, 201);
    let (client, events) = (connect(&gateway, 0).await, ("GET", "/v1/conversations/c/events"));
    let feed = ask(&client, &gateway, events, &[STREAM], &Value::Null).await.into_body();
    assert_eq!(what_comes(feed).await, (0, true));

    if !cfg!(feature = "mcp") {
        return;
    }
    let info = json!({"name": "test", "version": "1"});
    let params = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": info});
    let begin = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
    let headers = [("accept", "application/json, text/event-stream"), ("content-type", "application/json")];
    let client = connect(&gateway, 1_000_000).await;
    let begun = ask(&client, &gateway, ("POST", "/mcp/development"), &headers, &begin).await;
    let session = begun.headers()["mcp-session-id"].to_str().unwrap();
    let headers = [STREAM, ("mcp-session-id", session)];
    let client = connect(&gateway, 0).await;
    let news = ask(&client, &gateway, ("GET", "/mcp/development"), &headers, &Value::Null).await.into_body();
    assert_eq!(what_comes(news).await, (0, true));
}

#[tokio::test(start_paused = true)]
async fn who_follows_a_feed_and_stops_reading_is_hung_up_on() {
    unhurried();
    let gateway = gateway(IMPATIENT).await;
    let (status, _) = gateway.post("/v1/conversations", json!({"id": "c"}).to_string()).await;
    assert_eq!(status, 201);
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut follower = socket.connect(address(&gateway).parse().unwrap()).await.unwrap();
    let request =
        "GET /v1/conversations/c/events HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n";
    follower.write_all(request.as_bytes()).await.unwrap();
    for round in 0.. {
        let text = format!("{round}{}", "x".repeat(1_400));
        let variables: Map<String, Value> = (0..40).map(|n| (format!("v{n}"), json!(text))).collect();
        let change =
            gateway.request("PATCH", "/v1/conversations/c").body(json!({"variables": variables}).to_string());
        assert_eq!(change.send().await.unwrap().status(), 200);
        tokio::time::sleep(Duration::from_secs(1)).await;
        // What is hung up on cannot be written to; to read would be to go on reading.
        if follower.write_all(b"x").await.is_err() {
            return;
        }
        assert!(round < 2_000, "still connected");
    }
}
