//! Upstreams that break off, lie, stall or answer rubbish.

use std::time::Duration;

use serde_json::{Value, json};

use super::told;
use crate::harness::{Gateway, files};
use crate::upstream::{ClosedPort, Reply, Upstream};

const ACTIONS: &[(&str, &str)] = &[
    (
        "actions/read.yaml",
        "description: reads\nconnection: api\npath: /read\ntimeout_ms: 30000\nretry: {max_attempts: 1}\n",
    ),
    (
        "actions/write.yaml",
        "description: writes\nconnection: api\nmethod: POST\npath: /write\ntimeout_ms: 30000\n",
    ),
    (
        "actions/read_soon.yaml",
        "description: reads\nconnection: api\npath: /read\ntimeout_ms: 250\nretry: {max_attempts: 1}\n",
    ),
    (
        "actions/write_soon.yaml",
        "description: writes\nconnection: api\nmethod: POST\npath: /write\ntimeout_ms: 250\n",
    ),
    (
        "actions/read_later.yaml",
        "description: reads\nconnection: api\npath: /read\ntimeout_ms: 6000\nretry: {max_attempts: 1}\n",
    ),
    (
        "actions/write_later.yaml",
        "description: writes\nconnection: api\nmethod: POST\npath: /write\ntimeout_ms: 6000\n",
    ),
];

/// `(status, code, effect, retry)`; all but the first are empty where the call succeeds.
type Told = (&'static str, &'static str, &'static str, &'static str);

const OK: Told = ("success", "", "", "");

fn raw(text: &str) -> Reply {
    Reply::Raw(text.as_bytes().to_vec())
}

/// What comes of an upstream that answers `reply`, for a read and for a write.
/// Exactly one request is sent: nothing here may be tried twice.
async fn check(what: &str, reply: Reply, soon: bool, read: Told, write: Told, body: Value) {
    let upstream = Upstream::start(move |_| reply.clone()).await;
    let gateway = Gateway::start(&files(upstream.port, ACTIONS)).await;
    let ending = if soon { "_soon" } else { "" };
    for (sent, (kind, expected)) in [("read", read), ("write", write)].into_iter().enumerate() {
        let mut result = gateway.call(&format!("{kind}{ending}"), json!({})).await;
        if soon && told(&result).0 != expected {
            // Its time was over before the request was sent.
            result = gateway.call(&format!("{kind}_later"), json!({})).await;
        }
        assert_eq!(result["body"], body, "{what}, {kind}");
        if expected == OK {
            assert_eq!((&result["status"], &result["error"]), (&json!("success"), &Value::Null), "{what}");
        } else {
            let (told, message) = told(&result);
            assert_eq!(told, expected, "{what}, {kind}: {message}");
            if told.2 == "unknown" {
                assert_eq!(told.3, "no", "{what}, {kind}: a write whose effect is unknown is not repeated");
                assert!(message.contains("do not repeat it"), "{what}, {kind}: {message}");
            }
        }
        // A short deadline may pass on a busy machine before the request is there.
        let (got, all) = (upstream.requests().len(), sent + 1);
        assert!(got == all || soon && got < all, "{what}, {kind}: {got} requests");
        assert_eq!(result["attempts"], 1, "{what}, {kind}");
    }
}

/// A failure that a read may repeat and a write may not.
fn broken(code: &'static str) -> (Told, Told) {
    (("failure", code, "none", "later"), ("failure", code, "unknown", "no"))
}

#[tokio::test]
async fn an_upstream_that_breaks_off_is_a_lost_connection() {
    let (read, write) = broken("connection_lost");
    let whole = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    for (what, reply) in [
        ("closes at once", Reply::Close),
        ("closes within the status line", raw("HTTP/1.1 2")),
        ("closes within the head", raw("HTTP/1.1 200 OK\r\ncontent-type: appl")),
        ("closes after the head", raw(&format!("{whole}content-length: 20\r\n\r\n"))),
        (
            "half a JSON, the length of the whole",
            raw(&format!("{whole}content-length: 20\r\n\r\n{{\"a\": \"bc")),
        ),
        (
            "a chunk that is cut off",
            raw(&format!("{whole}transfer-encoding: chunked\r\n\r\n14\r\n{{\"a\": 1")),
        ),
        (
            "chunks without an end",
            raw(&format!("{whole}transfer-encoding: chunked\r\n\r\n8\r\n{{\"a\": 1}}\r\n")),
        ),
        ("a length that is no number", raw(&format!("{whole}content-length: many\r\n\r\n{{}}"))),
        ("two lengths", raw(&format!("{whole}content-length: 2\r\ncontent-length: 3\r\n\r\n{{}}"))),
        ("rubbish", raw("<html>I speak no HTTP</html>\r\n\r\n")),
        ("rubbish in binary", Reply::Raw(vec![0, 255, 1, 254, 13, 10, 13, 10])),
        ("another protocol", raw("SSH-2.0-OpenSSH_9.6\r\n")),
        ("an endless head", Reply::Repeat(b"HTTP/1.1 200 OK\r\n".to_vec(), header_line(), 100_000)),
        ("an endless header", Reply::Endless(b"HTTP/1.1 200 OK\r\nx-long: ".to_vec())),
    ] {
        check(what, reply, false, read, write, Value::Null).await;
    }
}

/// A header line of a thousand bytes.
fn header_line() -> Vec<u8> {
    format!("x-flood: {}\r\n", "f".repeat(989)).into_bytes()
}

#[tokio::test]
async fn an_upstream_that_does_not_end_in_time_is_a_timeout() {
    let (read, write) = broken("timeout");
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let stall = |text: String| Reply::RawThenStall(text.into_bytes());
    let rows = [
        ("never answers", Reply::Stall),
        ("stops within the head", stall("HTTP/1.1 200 OK\r\ncontent-ty".to_owned())),
        ("stops after the head", stall(format!("{head}content-length: 20\r\n\r\n"))),
        ("announces more than it sends", stall(format!("{head}content-length: 20\r\n\r\n{{\"a\": 1}}"))),
        (
            "stops between chunks",
            stall(format!("{head}transfer-encoding: chunked\r\n\r\n8\r\n{{\"a\": 1}}\r\n")),
        ),
        ("goes on saying 100", Reply::Trickle(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec())),
        ("trickles its head", Reply::Trickle(b"HTTP/1.1 200 OK\r\nx-a: b".to_vec())),
        ("answers too late", Reply::After(Duration::from_secs(30), Box::new(Reply::ok("{}")))),
    ];
    // All at once: each waits for its own deadlines.
    let checks = rows.map(|(what, reply)| check(what, reply, true, read, write, Value::Null));
    futures_util::future::join_all(checks).await;
}

#[tokio::test]
async fn a_body_that_trickles_past_the_deadline_is_a_timeout_and_is_hung_up_on() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n[";
    let upstream = Upstream::start(move |_| Reply::Trickle(head.as_bytes().to_vec())).await;
    let gateway = Gateway::start(&files(upstream.port, ACTIONS)).await;
    for (before, (name, effect, retry)) in
        [("read", "none", "later"), ("write", "unknown", "no")].into_iter().enumerate()
    {
        // Long enough for a busy machine to get as far as the body; where it is not, the request is not sent.
        let mut result = gateway.call_with(json!({"name": name, "deadline_ms": 1000})).await;
        if upstream.requests().len() == before {
            result = gateway.call_with(json!({"name": name, "deadline_ms": 8000})).await;
        }
        assert_eq!(told(&result).0, ("failure", "timeout", effect, retry));
        upstream.hung_up().await;
    }
}

#[tokio::test]
async fn an_upstream_nobody_listens_at_was_sent_nothing() {
    let closed = ClosedPort::new();
    let gateway = Gateway::start(&files(closed.port, ACTIONS)).await;
    for name in ["read", "write"] {
        let result = gateway.call(name, json!({})).await;
        assert_eq!(told(&result).0, ("failure", "connect_failed", "none", "later"), "{result}");
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_said_to_be_so() {
    let (read, write) = broken("invalid_response");
    const JSON: &str = "200 OK\r\ncontent-type: application/json";
    let json = |body: &str| Reply::whole(JSON, body.as_bytes());
    let encoded = |how: &str, body: &[u8]| Reply::whole(&format!("{JSON}\r\ncontent-encoding: {how}"), body);
    for (what, reply, body) in [
        ("half a JSON, its own length", json("{\"a\": \"bc"), json!("{\"a\": \"bc")),
        (
            "a length below the body's",
            raw("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4\r\n\r\n{\"a\": 1}"),
            json!("{\"a\""),
        ),
        ("JSON with a tail", json("{} trailing"), json!("{} trailing")),
        (
            "HTML that is called JSON",
            json("<html>oops</html>"),
            json!("oops\n[an HTML page, 17 characters, shown as text]"),
        ),
        ("NUL bytes in JSON", json("{\"a\": \"b\0\"}"), json!("{\"a\": \"b\0\"}")),
        (
            "a chunk size that is none",
            raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n"),
            Value::Null,
        ),
        ("not gzip", encoded("gzip", b"{\"a\": 1}"), Value::Null),
        (
            "broken gzip",
            encoded("gzip", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255]),
            Value::Null,
        ),
        ("not brotli", encoded("br", b"\xff\xff\xff\xff{\"a\": 1}"), Value::Null),
    ] {
        check(what, reply, false, read, write, body).await;
    }
}

#[tokio::test]
async fn what_is_odd_but_readable_is_an_answer() {
    for (what, reply, body) in [
        ("204", raw("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"), Value::Null),
        (
            "204 with JSON's content type",
            raw("HTTP/1.1 204 X\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n"),
            Value::Null,
        ),
        ("nothing, called JSON", Reply::whole("200 OK\r\ncontent-type: application/json", b""), Value::Null),
        (
            "an empty gzip",
            Reply::whole("200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip", b""),
            Value::Null,
        ),
        (
            "white space, called JSON",
            Reply::whole("200 OK\r\ncontent-type: application/json", b" \r\n"),
            Value::Null,
        ),
        (
            "white space, called a kind of JSON",
            Reply::whole("200 OK\r\ncontent-type: application/hal+json; charset=utf-8", b"\n\n\t "),
            Value::Null,
        ),
        ("white space, called text", Reply::whole("200 OK\r\ncontent-type: text/plain", b"\n"), Value::Null),
        ("white space, called HTML", Reply::whole("200 OK\r\ncontent-type: text/html", b" \n "), Value::Null),
        (
            "white space, called XML",
            Reply::whole("200 OK\r\ncontent-type: application/xml", b"\r\n\r\n"),
            Value::Null,
        ),
        ("white space of no type", Reply::whole("200 OK", b"\n"), Value::Null),
        (
            "a byte order mark and white space",
            Reply::whole("200 OK\r\ncontent-type: application/json", b"\xef\xbb\xbf\r\n"),
            Value::Null,
        ),
        ("NUL bytes in text", Reply::whole("200 OK\r\ncontent-type: text/plain", b"a\0b"), json!("a\0b")),
        (
            "another charset",
            Reply::whole("200 OK\r\ncontent-type: text/plain; charset=iso-8859-1", b"caf\xe9"),
            json!("café"),
        ),
        (
            "not the charset it says",
            Reply::whole("200 OK\r\ncontent-type: text/plain; charset=utf-8", b"caf\xe9"),
            json!("caf\u{fffd}\n[not all of this text is UTF-8; \u{fffd} stands for what cannot be decoded]"),
        ),
        (
            "a charset nobody knows",
            Reply::whole("200 OK\r\ncontent-type: text/plain; charset=klingon", b"abc"),
            json!("abc"),
        ),
        (
            "a charset that cannot be decoded",
            Reply::whole("200 OK\r\ncontent-type: text/plain; charset=ibm037", b"\xc1\xc2"),
            json!("[text in the charset `ibm037`, 2 bytes, cannot be decoded]"),
        ),
        (
            "JSON in GBK",
            Reply::whole(
                "200 OK\r\ncontent-type: application/json; charset=GBK",
                b"{\"a\": \"\xd6\xd0\xce\xc4\"}",
            ),
            json!({"a": "中文"}),
        ),
        (
            "JSON in UTF-16 with a mark",
            Reply::whole(
                "200 OK\r\ncontent-type: application/json",
                b"\xff\xfe{\0\"\0a\0\"\0:\0\"\0\xe9\0\"\0}\0",
            ),
            json!({"a": "é"}),
        ),
        (
            "JSON in UTF-16 without a mark",
            Reply::whole("200 OK\r\ncontent-type: application/json", b"\0{\0\"\0a\0\"\0:\x001\0}"),
            json!({"a": 1}),
        ),
        (
            "JSON that is not all UTF-8",
            Reply::whole("200 OK\r\ncontent-type: application/json", b"{\"a\": \"caf\xe9\"}"),
            json!(
                "{\"a\": \"caf\u{fffd}\"}\n[not all of this text is UTF-8; \u{fffd} stands for what cannot be decoded]"
            ),
        ),
        (
            "windows-1252, which is not Latin-1",
            Reply::whole("200 OK\r\ncontent-type: text/plain; charset=windows-1252", b"\x80 5"),
            json!("€ 5"),
        ),
        (
            "XML that names its charset itself",
            Reply::whole(
                "200 OK\r\ncontent-type: application/xml",
                b"<?xml version=\"1.0\" encoding=\"windows-1251\"?><a>\xcf\xf0</a>",
            ),
            json!("<?xml version=\"1.0\" encoding=\"windows-1251\"?><a>Пр</a>"),
        ),
        (
            "JSON under a type that says nothing",
            Reply::whole("200 OK\r\ncontent-type: application/octet-stream", b" {\"a\": 1}"),
            json!({"a": 1}),
        ),
        (
            "bytes that only begin like JSON",
            Reply::whole("200 OK\r\ncontent-type: application/octet-stream", b"[\x01\x02"),
            json!("[application/octet-stream, 3 bytes, not shown]"),
        ),
        ("a content type that is none", Reply::whole("200 OK\r\ncontent-type: ;;;", b"abc"), json!("abc")),
        ("no content type, JSON", Reply::whole("200 OK", b"{\"a\": 1}"), json!({"a": 1})),
        (
            "no content type, bytes",
            Reply::whole("200 OK", b"\xff\xfe\x00\x01"),
            json!("[application/octet-stream, 4 bytes, not shown]"),
        ),
        (
            "a picture",
            Reply::whole("200 OK\r\ncontent-type: image/png", b"\x89PNG"),
            json!("[image/png, 4 bytes, not shown]"),
        ),
        (
            "no length, closed at the end",
            raw("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"a\": 1}"),
            json!({"a": 1}),
        ),
        (
            "HTTP/1.0",
            raw("HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{\"a\": 1}"),
            json!({"a": 1}),
        ),
        (
            "an early hint first",
            raw(
                "HTTP/1.1 103 X\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}",
            ),
            json!({}),
        ),
    ] {
        check(what, reply, false, OK, OK, body).await;
    }
}

#[tokio::test]
async fn a_status_that_is_no_success_says_what_may_have_happened() {
    let unknown = ("unknown", "no");
    let none = |retry| ("none", retry);
    for (status, code, read, write) in [
        ("301 Moved\r\nlocation: http://127.0.0.1:1/elsewhere", "upstream_redirect", none("no"), unknown),
        ("303 See Other\r\nlocation: /done", "upstream_redirect", none("no"), unknown),
        ("304 Not Modified", "upstream_redirect", none("no"), unknown),
        ("307 Temporary\r\nlocation: //evil.test/", "upstream_redirect", none("no"), none("no")),
        ("308 Permanent\r\nlocation: /v2", "upstream_redirect", none("no"), none("no")),
        ("400 Bad Request", "upstream_rejected", none("with_changes"), none("with_changes")),
        ("401 Unauthorized", "upstream_unauthorized", none("no"), none("no")),
        ("403 Forbidden", "upstream_unauthorized", none("no"), none("no")),
        ("404 Not Found", "upstream_not_found", none("with_changes"), none("with_changes")),
        ("408 Timeout", "upstream_error", none("later"), unknown),
        ("429 Slow Down", "upstream_rate_limited", none("later"), none("later")),
        ("500 Broken", "upstream_error", none("later"), unknown),
        ("503 Unavailable", "upstream_error", none("later"), unknown),
        ("599 Odd", "upstream_error", none("later"), unknown),
        ("101 Switching\r\nupgrade: x\r\nconnection: upgrade", "upstream_error", none("later"), unknown),
        ("999 Odder", "upstream_error", none("later"), unknown),
    ] {
        let more = match &status[..3] {
            "101" => "",
            "304" => "\r\nconnection: close",
            _ => "\r\nconnection: close\r\ncontent-length: 0",
        };
        let reply = raw(&format!("HTTP/1.1 {status}{more}\r\n\r\n"));
        let (read, write) = (("error", code, read.0, read.1), ("error", code, write.0, write.1));
        check(status, reply, false, read, write, Value::Null).await;
    }
}

#[tokio::test]
async fn what_must_stay_hidden_stays_hidden_in_json_that_cannot_be_read() {
    const HIDING: &str = "description: d\nconnection: api\npath: /read\n\
         output_variables:\n  - {name: token, path: $.token, expose: false}\n  - {name: id, path: $.id, expose: true}\n";
    let deep = format!("{{\"token\": \"hidden-value\", \"deep\": {}{}}}", "[".repeat(500), "]".repeat(500));
    let twice = "{\"token\": \"hidden-value-2\", \"id\": 7, \"token\": \"hidden-value\", \"copy\": \"a hidden-value\"}";
    for (what, media, body, status) in [
        ("whole", "application/json", "{\"token\": \"hidden-value\", \"id\": 7}", "success"),
        ("twice", "application/json", twice, "success"),
        ("too deep", "application/json", &deep, "success"),
        ("cut off", "application/json", "{\"token\": \"hidden-value\", \"id", "failure"),
        ("cut off, as text", "text/plain", "{\"token\": \"hidden-value\", \"id", "success"),
        ("lines", "application/json", "{\"id\": 1}\n{\"token\": \"hidden-value\"}", "success"),
    ] {
        for code in ["200 OK", "400 Bad"] {
            let answer = format!(
                "HTTP/1.1 {code}\r\ncontent-type: {media}\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let upstream = Upstream::start(move |_| raw(&answer)).await;
            let gateway = Gateway::start(&files(upstream.port, &[("actions/hiding.yaml", HIDING)])).await;
            let result = gateway.call("hiding", json!({})).await;
            assert!(!result.to_string().contains("hidden-value"), "{what}: {result}");
            assert_eq!(result["status"], if code == "200 OK" { status } else { "error" }, "{what}");
            assert_ne!(result["body"], Value::Null, "{what}");
        }
    }
}

#[tokio::test]
async fn the_answer_to_head_has_a_length_and_no_body() {
    let reply = |_: &_| {
        raw("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\n\r\n")
    };
    let upstream = Upstream::start(reply).await;
    let head = ("actions/look.yaml", "description: d\nconnection: api\nmethod: HEAD\npath: /look\n");
    let gateway = Gateway::start(&files(upstream.port, &[head])).await;
    let result = gateway.call("look", json!({})).await;
    assert_eq!((&result["status"], &result["body"]), (&json!("success"), &Value::Null), "{result}");
}
