//! Golden cases: definition, call, the exact bytes sent, the result.
//!
//! Each folder of `tests/golden` is one case:
//!
//! - `project/…`: the files of the project; `http://upstream.test` stands for
//!   the upstream's address, and `callgate.toml` may be left out;
//! - `call.json`: the body of `POST /v1/tool-calls`;
//! - `response.json`: what the upstream answers (left out: `{}`), with status
//!   200 or the one in `response.status`, and `application/json` or the media
//!   type in `response.type` (`(none)` for an answer without a body), and the
//!   further headers in `response.headers`, a line each;
//! - `request.txt`: what the upstream was sent, byte for byte but for its
//!   address and multipart boundaries; `(none)` where nothing was sent, and how
//!   often where it was sent again;
//! - `result.json`: the result, but for times and made-up ids; `body` as it
//!   came, byte for byte.
//!
//! What a preview of the call shows is compared with what was sent as well.
//!
//! `UPDATE_GOLDEN=1 cargo test --test integration golden` rewrites the last two.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use serde_json::value::RawValue;

use crate::harness::Gateway;
use crate::upstream::{Captured, Reply, Upstream};

#[tokio::test]
async fn golden_cases_send_and_answer_what_is_written() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut cases: Vec<PathBuf> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 100, "only {} golden cases found in {}", cases.len(), root.display());
    let mut failed = Vec::new();
    for case in &cases {
        let (request, result) = run(case).await;
        compare(case, "request.txt", &request, &mut failed);
        compare(case, "result.json", &result, &mut failed);
    }
    assert!(failed.is_empty(), "{} golden files differ:\n{}", failed.len(), failed.join("\n"));
}

async fn run(case: &Path) -> (String, String) {
    let read = |name: &str| fs::read_to_string(case.join(name)).ok();
    let body = read("response.json").unwrap_or_else(|| "{}".to_owned());
    let status = read("response.status").map_or(200, |text| text.trim().parse().unwrap());
    let media = read("response.type").unwrap_or_else(|| "application/json".to_owned());
    let lines = read("response.headers").unwrap_or_default();
    let headers: String = lines.lines().map(|line| format!("\r\n{line}")).collect();
    let upstream =
        Upstream::start(move |request| answer(request, status, media.trim(), &headers, body.trim_end()))
            .await;
    let address = format!("http://127.0.0.1:{}", upstream.port);
    let mut files = Vec::new();
    collect(&case.join("project"), "", &mut files);
    let files: Vec<(&str, String)> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.replace("http://upstream.test", &address)))
        .collect();
    let gateway = Gateway::start(&files).await;
    let call = read("call.json").unwrap_or_else(|| panic!("{} has no call.json", case.display()));
    let response = gateway.request("POST", "/v1/tool-calls").header("content-type", "application/json");
    let response = response.body(call.clone()).send().await.unwrap();
    assert_eq!(response.status(), 200, "{}", case.display());
    let result = response.text().await.unwrap();
    gateway.assert_untold(&result);
    let result = layout(&result);
    let requests = upstream.requests();
    let Some(request) = requests.first() else { return ("(none)\n".to_owned(), result) };
    let again = requests.iter().skip(1);
    assert!(again.clone().all(|other| other == request), "{}: different attempts", case.display());
    let attempts = match again.count() {
        0 => String::new(),
        more => format!("(sent {} times)\n", more + 1),
    };
    let call: Value = serde_json::from_str(&call).unwrap();
    let path = format!("/v1/actions/{}/preview", call["name"].as_str().unwrap());
    let (_, preview) = gateway.post(&path, call.to_string()).await;
    compare_preview(&preview["request"], request);
    (attempts + &show(request, upstream.port), result)
}

fn answer(request: &Captured, status: u16, media: &str, headers: &str, body: &str) -> Reply {
    if media == "(none)" {
        return Reply::Raw(format!("HTTP/1.1 {status} X\r\ncontent-length: 0{headers}\r\n\r\n").into_bytes());
    }
    // The answer to HEAD has the length of a body and no body (RFC 9110 section 9.3.2).
    let sent = if request.line().starts_with("HEAD ") { "" } else { body };
    let head = format!("HTTP/1.1 {status} X\r\ncontent-type: {media}\r\ncontent-length: {}", body.len());
    Reply::Raw(format!("{head}{headers}\r\n\r\n{sent}").into_bytes())
}

/// The members of a result, each on a line of its own, without what differs
/// from run to run.
fn layout(result: &str) -> String {
    let result: BTreeMap<String, Box<RawValue>> = serde_json::from_str(result).unwrap();
    let known = ["tool_call_id", "name", "status", "status_code", "headers", "body", "variables"];
    let members = [&known[..], &["handover", "error"]].concat();
    let times = ["attempts", "duration_ms", "timestamp"];
    assert!(result.keys().all(|key| members.contains(&key.as_str()) || times.contains(&key.as_str())));
    let lines = members.iter().chain(&times).filter_map(|key| {
        let raw = result.get(*key)?.get();
        let value = match *key {
            "duration_ms" | "timestamp" => "\"(time)\"".to_owned(),
            "tool_call_id" if raw.starts_with("\"call_") => "\"(made up)\"".to_owned(),
            "error" | "handover" | "headers" | "variables" => pretty(raw),
            _ => raw.to_owned(),
        };
        Some(format!("  \"{key}\": {value}"))
    });
    format!("{{\n{}\n}}\n", lines.collect::<Vec<_>>().join(",\n"))
}

fn pretty(raw: &str) -> String {
    let value: Value = serde_json::from_str(raw).unwrap();
    serde_json::to_string_pretty(&value).unwrap().replace('\n', "\n  ")
}

/// A preview promises the exact request, with `***` for secrets.
fn compare_preview(preview: &Value, sent: &Captured) {
    let (method, target) = sent.line().split_once(' ').unwrap();
    assert_eq!(preview["method"], method);
    let url = preview["url"].as_str().unwrap();
    let path = url.splitn(4, '/').nth(3).map_or("/".to_owned(), |path| format!("/{path}"));
    assert!(is_masked(&path, target), "previewed {path}, sent {target}");
    let is_multipart = sent.header("content-type").is_some_and(|media| media.starts_with("multipart/"));
    let mut headers = preview["headers"].as_object().unwrap().clone();
    for line in sent.head.lines().skip(1) {
        let (name, value) = line.split_once(": ").unwrap();
        // The length follows from the body.
        if name == "content-length" {
            continue;
        }
        let shown = headers.remove(name).unwrap_or_else(|| panic!("{name} is not previewed"));
        let shown = shown.as_str().unwrap();
        let boundary = is_multipart && name == "content-type";
        assert!(boundary || is_masked(shown, value), "previewed {name}: {shown}, sent {value}");
    }
    assert!(headers.is_empty(), "previewed but not sent: {headers:?}");
    if !is_multipart {
        assert_eq!(preview["body"].as_str().unwrap_or_default(), sent.text());
    }
}

/// Whether `shown` is `sent` with `***` for parts of it.
fn is_masked(shown: &str, sent: &str) -> bool {
    let Some((before, after)) = shown.split_once("***") else { return shown == sent };
    let Some(rest) = sent.strip_prefix(before) else { return false };
    after.is_empty() || (0..rest.len()).any(|at| rest.get(at..).is_some_and(|rest| is_masked(after, rest)))
}

fn show(request: &Captured, port: u16) -> String {
    let head = request.head.replace("\r\n", "\n");
    let text = format!("{head}\n\n{}\n", request.text().replace("\r\n", "\n"));
    let text = text.replace(&format!("127.0.0.1:{port}"), "upstream.test");
    match request.header("content-type").and_then(|media| media.split_once("boundary=")) {
        Some((_, boundary)) => text.replace(boundary, "(boundary)"),
        None => text,
    }
}

fn collect(dir: &Path, prefix: &str, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            collect(&entry.path(), &format!("{name}/"), files);
        } else {
            files.push((name, fs::read_to_string(entry.path()).unwrap()));
        }
    }
}

fn compare(case: &Path, name: &str, got: &str, failed: &mut Vec<String>) {
    let path = case.join(name);
    #[expect(clippy::disallowed_methods, reason = "a test's own setting")]
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, got).unwrap();
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    if expected != got {
        failed.push(format!("--- {}\n{expected}+++ got\n{got}", path.display()));
    }
}
