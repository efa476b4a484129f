//! Too much: bodies, heads and archives without end, taken by a process of
//! its own so that its memory can be looked at.

use serde_json::{Value, json};

use super::told;
use crate::harness::{Process, files, write_project};
use crate::upstream::{Reply, Upstream};

const GIGABYTE: usize = 1024 * 1024 * 1024;

const READ: (&str, &str) =
    ("actions/read.yaml", "description: d\nconnection: api\npath: /read\ntimeout_ms: 60000\n");
const WRITE: (&str, &str) = (
    "actions/write.yaml",
    "description: d\nconnection: api\nmethod: POST\npath: /write\ntimeout_ms: 60000\n",
);

fn head(more: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{more}\r\n").into_bytes()
}

/// The start of a gzip file (RFC 1952) whose one block (RFC 1951, fixed codes)
/// is a zero, and the 13 bytes that say "258 more zeros" eight times.
fn zeros() -> (Vec<u8>, Vec<u8>) {
    let mut bits = Bits::default();
    bits.push(&[1, 1, 0]); // the last block; fixed codes
    bits.push(&[0, 0, 1, 1, 0, 0, 0, 0]); // a zero
    for _ in 0..8 {
        bits.push(&[1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0]); // 258 bytes from a distance of 1
    }
    // Eleven bits precede the pattern; it has come round after 13 bytes.
    let start = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255][..], &bits.bytes[..1]].concat();
    for _ in 0..8 {
        bits.push(&[1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0]);
    }
    (start, bits.bytes[1..14].to_vec())
}

/// Bits, the lowest of a byte first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: usize,
}

impl Bits {
    fn push(&mut self, bits: &[u8]) {
        for bit in bits {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().unwrap() |= bit << (self.used % 8);
            self.used += 1;
        }
    }
}

/// An answer that is far too long is given up, the connection dropped.
async fn check(what: &str, reply: Reply, taken_at_most: u64) {
    let code = if what.contains("head") { "connection_lost" } else { "response_too_large" };
    let later = if what.contains("head") { "later" } else { "with_changes" };
    let upstream = Upstream::start(move |_| reply.clone()).await;
    let project = write_project(&files(upstream.port, &[READ, WRITE]));
    let process = Process::serve(project.path(), &[]);
    let idle = process.peak_memory();
    for (name, effect, retry) in [("read", "none", later), ("write", "unknown", "no")] {
        let result = process.call(name, json!({})).await;
        assert_eq!(told(&result).0, ("failure", code, effect, retry), "{what}: {result}");
        assert_eq!(result["body"], Value::Null, "{what}");
        let taken = upstream.hung_up().await;
        assert!(taken <= taken_at_most, "{what}: {taken} bytes were taken before it hung up");
    }
    assert_flat(&process, idle, what);
}

/// Asserts that a process has not used much more memory than when it was `idle`, in kilobytes.
#[track_caller]
fn assert_flat(process: &Process, idle: Option<u64>, what: &str) {
    const MOST: u64 = 50_000;
    if let (Some(idle), Some(now)) = (idle, process.peak_memory()) {
        assert!(now < idle + MOST, "{what}: {now} kB of memory were used, {idle} kB by the start");
    }
}

#[tokio::test]
async fn an_answer_of_ten_gigabytes_is_given_up_in_flat_memory() {
    let length = format!("content-length: {}\r\n", 10 * GIGABYTE);
    let buffers = 64 * 1024 * 1024;
    check("announced", Reply::Endless(head(&length)), buffers).await;
    check("without a length", Reply::Endless(head("")), buffers).await;
    let chunk = [b"10000\r\n", &[b'0'; 0x10000][..], b"\r\n"].concat();
    let times = 10 * GIGABYTE / 0x10000;
    check("in chunks", Reply::Repeat(head("transfer-encoding: chunked\r\n"), chunk, times), buffers).await;
}

#[tokio::test]
async fn an_archive_bomb_is_given_up_in_flat_memory() {
    let (start, piece) = zeros();
    let head = [head("content-encoding: gzip\r\n"), start].concat();
    // A gigabyte of zeros; the limit is two megabytes of them.
    let pieces = piece.repeat(1_000);
    let times = GIGABYTE / (8 * 258 * 1_000);
    check("gzip", Reply::Repeat(head, pieces, times), 64 * 1024 * 1024).await;
}

#[tokio::test]
async fn a_head_of_a_hundred_megabytes_is_given_up_in_flat_memory() {
    let line = format!("x-flood: {}\r\n", "f".repeat(100_000)).into_bytes();
    let start = b"HTTP/1.1 200 OK\r\n".to_vec();
    check("a head of long lines", Reply::Repeat(start.clone(), line, 1_000), 64 * 1024 * 1024).await;
    let line = b"x-a: b\r\n".repeat(10_000);
    check("a head of many lines", Reply::Repeat(start, line, 1_250), 64 * 1024 * 1024).await;
}

#[tokio::test]
async fn requests_of_ten_megabytes_are_refused_in_flat_memory() {
    let project = write_project(&files(1, &[READ]));
    let process = Process::serve(project.path(), &[]);
    let idle = process.peak_memory();
    let body = json!({"name": "read", "arguments": {"a": "x".repeat(10_000_000)}});
    for answer in futures_util::future::join_all((0..8).map(|_| process.post("/v1/tool-calls", &body))).await
    {
        assert_eq!((answer.0, &answer.1["code"]), (413, &json!("body_too_large")));
    }
    let name = "x".repeat(1_000_000);
    let result = process.call(&name, json!({})).await;
    assert_eq!(told(&result).0.1, "unknown_tool");
    assert_flat(&process, idle, "large requests");
}
