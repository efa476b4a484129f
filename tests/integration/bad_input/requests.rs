//! Requests that are none: problem documents, and a server that goes on.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::{Gateway, files, send_raw};

const ACTION: (&str, &str) = ("actions/ping.yaml", "description: d\ntype: static\nresponse: pong\n");

async fn check(gateway: &Gateway, body: &[u8], status: u16, code: &str, detail: &str) {
    let shown: String = String::from_utf8_lossy(body).chars().take(80).collect();
    let head = format!(
        "POST /v1/tool-calls HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let answer = send_raw(&gateway.url, &[head.as_bytes(), body].concat()).await;
    assert_eq!(answer.status, status, "{shown}: {answer:?}");
    assert!(answer.head.contains("content-type: application/problem+json"), "{shown}: {}", answer.head);
    let document = answer.json();
    assert_eq!((&document["code"], &document["status"]), (&json!(code), &json!(status)), "{shown}");
    assert_eq!(document["detail"], detail, "{shown}");
}

#[tokio::test]
async fn a_body_that_is_no_request_says_where_it_goes_wrong() {
    let gateway = Gateway::start(&files(1, &[ACTION])).await;
    let known = "expected one of `environment`, `conversation_id`, `tool_call_id`, `name`, `arguments`, \
                 `variables`, `deadline_ms`, `language`, `state`, `source`, `inspect`, `calls`";
    let deep = |open: &str| open.repeat(10_000);
    for (body, code, detail) in [
        ("", "invalid_json", "the body is empty; a JSON object is expected".to_owned()),
        (" \n", "invalid_json", "the body is empty; a JSON object is expected".to_owned()),
        ("{", "invalid_json", "the body is not JSON: EOF while parsing an object at line 1 column 1".to_owned()),
        ("name=ping", "invalid_json", "the body is not JSON: expected ident at line 1 column 2".to_owned()),
        (
            "{\"name\": \"ping\"} x",
            "invalid_json",
            "the body is not JSON: trailing characters at line 1 column 18".to_owned(),
        ),
        (
            "{\"name\": \"\\ud800\"}",
            "invalid_json",
            "the body is not JSON: unexpected end of hex escape at line 1 column 17".to_owned(),
        ),
        (
            "1",
            "invalid_request",
            "the body is not a valid request: invalid type: integer `1`, expected a JSON object at line 1 column 1"
                .to_owned(),
        ),
        (
            "[null, null, null, \"ping\", null, null, null, null]",
            "invalid_request",
            "the body is not a valid request: invalid type: sequence, expected a JSON object at line 1 column 0"
                .to_owned(),
        ),
        (
            "{\"calls\": [[null, null, null, \"ping\", null, null, null, null]]}",
            "invalid_request",
            "the body is not a valid request: invalid type: sequence, expected a JSON object at line 1 column 11"
                .to_owned(),
        ),
        (
            "{\"name\": 1}",
            "invalid_request",
            "the body is not a valid request: invalid type: integer `1`, expected a string at line 1 column 10"
                .to_owned(),
        ),
        (
            "{\"name\": \"ping\",\n \"argumets\": {}}",
            "invalid_request",
            format!("the body is not a valid request: unknown field `argumets`, {known} at line 2 column 11"),
        ),
        (
            "{\"name\": \"ping\", \"name\": \"pong\"}",
            "invalid_request",
            "the body is not a valid request: duplicate field `name` at line 1 column 23".to_owned(),
        ),
        (
            "{\"name\": \"ping\", \"arguments\": {}, \"arguments\": {}}",
            "invalid_request",
            "the body is not a valid request: duplicate field `arguments` at line 1 column 45".to_owned(),
        ),
        ("{\"arguments\": {}}", "invalid_request", "`name`, the action to call, is missing".to_owned()),
        (
            "{\"name\": \"ping\", \"deadline_ms\": -1}",
            "invalid_request",
            "the body is not a valid request: invalid value: integer `-1`, expected a whole number at line 1 column 34"
                .to_owned(),
        ),
        (
            "{\"name\": \"ping\", \"deadline_ms\": \"5\"}",
            "invalid_request",
            "the body is not a valid request: invalid type: string \"5\", expected a whole number at line 1 column 35"
                .to_owned(),
        ),
        (
            "{\"name\": \"ping\", \"variables\": []}",
            "invalid_request",
            "the body is not a valid request: invalid type: sequence, expected a map at line 1 column 30".to_owned(),
        ),
        (
            "{\"calls\": [{\"name\": \"ping\"}, {}]}",
            "invalid_request",
            "calls[1]: `name`, the action to call, is missing".to_owned(),
        ),
        (
            "{\"calls\": [{\"name\": \"ping\", \"calls\": []}]}",
            "invalid_request",
            "calls[0]: `calls` cannot stand inside `calls`, nor in a preview".to_owned(),
        ),
        (
            "{\"name\": \"ping\", \"calls\": []}",
            "invalid_request",
            "`name`, `arguments` and `tool_call_id` belong to each of `calls`, not beside it".to_owned(),
        ),
        (
            &format!("{{\"calls\": [{}]}}", vec!["{\"name\": \"ping\"}"; 33].join(",")),
            "invalid_request",
            "33 calls in one request; 32 are allowed".to_owned(),
        ),
        (
            &deep("["),
            "invalid_request",
            "the body is not a valid request: invalid type: sequence, expected a JSON object at line 1 column 0"
                .to_owned(),
        ),
        (
            &deep("{\"calls\": [") ,
            "invalid_json",
            "the body is not JSON: recursion limit exceeded at line 1 column 704".to_owned(),
        ),
        (
            &format!("{{\"name\": \"ping\", \"variables\": {}", deep("{\"a\":")),
            "invalid_json",
            "the body is not JSON: recursion limit exceeded at line 1 column 661".to_owned(),
        ),
    ] {
        check(&gateway, body.as_bytes(), 400, code, &detail).await;
    }
    for (body, at) in [(&b"\xff\xfe{\0"[..], 0), (b"{\"name\": \"caf\xe9\"}", 13), (b"{}\xc3", 2)] {
        let detail = format!("the body is not UTF-8 from byte {at} on");
        check(&gateway, body, 400, "invalid_json", &detail).await;
    }
}

#[tokio::test]
async fn a_body_of_ten_megabytes_is_refused_however_it_comes() {
    let gateway = Gateway::start(&files(1, &[ACTION])).await;
    let detail = "a request body may have 1048576 bytes at most";
    let body = format!("{{\"name\": \"ping\", \"arguments\": {{\"a\": \"{}\"}}}}", "x".repeat(10_000_000));
    check(&gateway, body.as_bytes(), 413, "body_too_large", detail).await;
    // Chunked: nobody says how long it is.
    let head = "POST /v1/tool-calls HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut chunked = head.as_bytes().to_vec();
    for chunk in body.as_bytes().chunks(65_536) {
        chunked.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        chunked.extend_from_slice(chunk);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let answer = send_raw(&gateway.url, &chunked).await;
    assert_eq!((answer.status, &answer.json()["code"]), (413, &json!("body_too_large")));
    // One byte more than allowed, and exactly what is allowed.
    let fill = |bytes: usize| {
        let start = "{\"name\": \"ping\", \"arguments\": {}}";
        format!("{start}{}", " ".repeat(bytes - start.len()))
    };
    check(&gateway, fill(1_048_577).as_bytes(), 413, "body_too_large", detail).await;
    let (status, result) = gateway.post("/v1/tool-calls", fill(1_048_576)).await;
    assert_eq!((status, &result["body"]), (200, &json!("pong")));
    // An ordinary client, which writes all before it reads, gets the answer too.
    for _ in 0..10 {
        let (status, answer) = gateway.post("/v1/tool-calls", body.clone()).await;
        assert_eq!((status, &answer["code"]), (413, &json!("body_too_large")));
    }
}

#[tokio::test]
async fn rubbish_on_the_socket_hurts_nobody() {
    let gateway = Gateway::start(&files(1, &[ACTION])).await;
    let long_line = format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "a".repeat(1_000_000));
    let many_headers =
        format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\n{}\r\n", "x-a: b\r\n".repeat(10_000));
    for (bytes, statuses) in [
        (&b"\0\x01\x02\r\n\r\n"[..], &[400][..]),
        (b"GET / HTTP/9.9\r\n\r\n", &[400, 505]),
        (b"GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n", &[200, 400]),
        (b"POST /v1/tool-calls HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n", &[400]),
        (b"POST /v1/tool-calls HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}", &[400]),
        (
            b"POST /v1/tool-calls HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            &[400],
        ),
        (long_line.as_bytes(), &[414, 431]),
        (many_headers.as_bytes(), &[431]),
    ] {
        let answer = send_raw(&gateway.url, bytes).await;
        assert!(statuses.contains(&answer.status), "{:?}: {answer:?}", String::from_utf8_lossy(&bytes[..30.min(bytes.len())]));
    }
    assert_eq!(gateway.get("/healthz").await.0, 200);
}

#[tokio::test]
async fn a_body_that_never_comes_is_given_up() {
    let gateway = Gateway::start(&files(1, &[ACTION])).await;
    let mut stream = tokio::net::TcpStream::connect(gateway.url.trim_start_matches("http://")).await.unwrap();
    let head = "POST /v1/tool-calls HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 20\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    // It asks for the body, and so waits for it.
    stream.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"{\"name\":").await.unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    tokio::time::resume();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut answer)).await;
    read.expect("no answer in a minute").unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"code\":\"request_timeout\""), "{answer}");
}
