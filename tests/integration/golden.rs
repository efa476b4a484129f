//! Golden cases: definition, call, the exact bytes sent, the result.
//!
//! Each folder of `tests/golden` is one case:
//!
//! - `project/…`: the files of the project; `http://upstream.test` stands for
//!   the upstream's address, and `callgate.toml` may be left out;
//! - `call.json`: the body of `POST /v1/tool-calls`;
//! - `response.json`: what the upstream answers (left out: `{}`), with status
//!   200 or the one in `response.status`;
//! - `request.txt`: what the upstream was sent, byte for byte but for its
//!   address and multipart boundaries; `(none)` where nothing was sent;
//! - `result.json`: the result, but for times and made-up ids.
//!
//! `UPDATE_GOLDEN=1 cargo test --test integration golden` rewrites the last two.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::Gateway;
use crate::upstream::{Captured, Reply, Upstream};

#[tokio::test]
async fn golden_cases_send_and_answer_what_is_written() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut cases: Vec<PathBuf> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 20, "only {} golden cases found in {}", cases.len(), root.display());
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
    let upstream = Upstream::start(move |_| Reply::Json(status, body.trim_end().to_owned())).await;
    let address = format!("http://127.0.0.1:{}", upstream.port);
    let mut files = Vec::new();
    collect(&case.join("project"), "", &mut files);
    let files: Vec<(&str, String)> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.replace("http://upstream.test", &address)))
        .collect();
    let gateway = Gateway::start(&files).await;
    let call = read("call.json").unwrap_or_else(|| panic!("{} has no call.json", case.display()));
    let (http_status, mut result) = gateway.post("/v1/tool-calls", call).await;
    assert_eq!(http_status, 200, "{}: {result}", case.display());
    mask(&mut result);
    let requests = upstream.requests();
    let request = match requests.as_slice() {
        [] => "(none)\n".to_owned(),
        [request] => show(request, upstream.port),
        more => panic!("{}: {} requests", case.display(), more.len()),
    };
    (request, format!("{}\n", serde_json::to_string_pretty(&result).unwrap()))
}

/// What differs from run to run.
fn mask(result: &mut Value) {
    result["duration_ms"] = Value::from("(time)");
    result["timestamp"] = Value::from("(time)");
    if result["tool_call_id"].as_str().is_some_and(|id| id.starts_with("call_")) {
        result["tool_call_id"] = Value::from("(made up)");
    }
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
