//! The MCP clients that teams use, as judges: the official ones of Python and TypeScript, `fastmcp`,
//! `langchain-mcp-adapters`, LiveKit's, Pipecat's, and the inspector.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::harness::{Gateway, files, write_project};
use crate::judge::Judge;
use crate::mcp::gateway;
use crate::upstream::{Reply, Upstream};

struct Stage {
    gateway: Gateway,
    url: String,
    key: String,
    project: tempfile::TempDir,
    _upstream: Upstream,
}

/// A guarded gateway, and a project of the same actions for a client that starts the server itself.
async fn stage() -> Stage {
    let upstream = Upstream::start(|_| Reply::ok("{\"customer\": \"c1\", \"usd\": 1.5}")).await;
    let key = callgate::server::NewKey::generate().unwrap();
    let settings = format!(
        "environments = [\"development\"]\n[egress.development]\nallow = [\"127.0.0.1\"]\n[[keys]]\nname = \"one\"\nhash = \"{}\"\n",
        key.hash
    );
    let gateway = gateway(upstream.port, &[("callgate.toml", &settings)]).await;
    let project = write_project(&files(upstream.port, &crate::mcp::ALL));
    let url = format!("{}/mcp/development", gateway.url);
    Stage { gateway, url, key: key.key, project, _upstream: upstream }
}

async fn run(program: &Path, args: &[&str]) -> String {
    let mut command = tokio::process::Command::new(program);
    let run = command.args(args).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(Duration::from_secs(120), run).await;
    let output = output.expect("no verdict in two minutes").unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[track_caller]
fn assert_held(check: &str, said: &str) {
    let last = said.trim_end().lines().last().unwrap_or_default();
    assert!(last.starts_with(&format!("{check}: ")) && last.ends_with(" held"), "{said}");
}

async fn python(venv: &str, check: &str) {
    let Some(dir) = Judge::Mcp.find() else { return };
    let stage = stage().await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/external/mcp_clients.py");
    let (program, project) = (env!("CARGO_BIN_EXE_callgate"), stage.project.path().to_str().unwrap());
    let args = [script, &stage.url, &stage.key, program, project, check];
    assert_held(check, &run(&dir.join(venv).join("bin/python"), &args).await);
}

async fn node(check: &str) {
    let Some(dir) = Judge::Mcp.find() else { return };
    let stage = stage().await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/external/mcp_client.mjs");
    let (program, project) = (env!("CARGO_BIN_EXE_callgate"), stage.project.path().to_str().unwrap());
    let modules = dir.join("node");
    let args = [script, modules.to_str().unwrap(), &stage.url, &stage.key, program, project, check];
    assert_held(check, &run(Path::new("node"), &args).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_client_speaks_sessions() {
    python("venv", "mcp_sessions").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_client_speaks_the_stateless_generation() {
    python("venv", "mcp_stateless").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_client_finds_a_generation_by_itself() {
    python("venv", "mcp_auto").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_client_starts_the_server_itself() {
    python("venv", "mcp_stdio").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fastmcp_lists_and_calls() {
    python("venv", "fastmcp").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn livekit_lists_and_calls() {
    python("venv", "livekit").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipecat_lists_and_calls() {
    python("venv", "pipecat").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn langchain_lists_and_calls() {
    python("venv1", "langchain").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_typescript_sdk_lists_and_calls() {
    node("sdk").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_typescript_client_speaks_both_generations() {
    node("client").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_inspector_lists_and_calls() {
    let Some(dir) = Judge::Mcp.find() else { return };
    let stage = stage().await;
    let inspector = dir.join("node/node_modules/.bin/mcp-inspector");
    let header = format!("Authorization: Bearer {}", stage.key);
    let common = ["--cli", &stage.url, "--transport", "http", "--header", &header];
    let listed = run(&inspector, &[&common[..], &["--method", "tools/list"]].concat()).await;
    assert!(listed.contains("\"outputSchema\"") && listed.contains("\"readOnlyHint\""), "{listed}");
    let call = ["--method", "tools/call", "--tool-name", "get_order", "--tool-arg", "number=\"7\""];
    let called = run(&inspector, &[&common[..], &call].concat()).await;
    assert!(called.contains("\"structuredContent\""), "{called}");
    stage.gateway.assert_untold(&called);
}

/// The tools by whose names the conformance suite calls, and time enough for the slow one.
const CONFORMANCE: [(&str, &str); 5] = [
    (
        "actions/test_simple_text.yaml",
        "description: Says a text.\ntype: static\nresponse: This is a simple text response for testing.\n",
    ),
    (
        "actions/test_error_handling.yaml",
        "description: Fails.\nconnection: api\nmethod: POST\npath: /fails\n",
    ),
    (
        "actions/test_tool_with_progress.yaml",
        "description: Takes its time.\nconnection: api\npath: /slow\ntimeout_ms: 60000\n",
    ),
    ("callgate.toml", "environments = [\"development\"]\n[mcp]\ndeadline_ms = 60000\n"),
    (
        "actions/json_schema_2020_12_tool.yaml",
        "description: Has a schema of the newest draft.\ntype: static\nresponse: ok\nparameters:\n  \
         $schema: https://json-schema.org/draft/2020-12/schema\n  type: object\n  $defs:\n    \
         address: {type: object, properties: {street: {type: string}, city: {type: string}}}\n  \
         properties:\n    name: {type: string}\n    address: {$ref: '#/$defs/address'}\n  additionalProperties: false\n",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_conformance_suite_of_the_protocol_passes() {
    let Some(dir) = Judge::Mcp.find() else { return };
    let upstream = Upstream::start(|request| match request.line() {
        // Long enough to be told of three times, also where the machine stands still meanwhile.
        "GET /slow" => Reply::After(Duration::from_secs(8), Box::new(Reply::ok("{}"))),
        _ => Reply::Json(500, "{}".to_owned()),
    })
    .await;
    let gateway = Gateway::start(&files(upstream.port, &CONFORMANCE)).await;
    let url = format!("{}/mcp/development", gateway.url);
    let modules = dir.join("conformance/node_modules");
    let suite = modules.join("@modelcontextprotocol/conformance/dist/index.js");
    let unlike_us = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/external/mcp_conformance.yaml");
    let suite = suite.to_str().unwrap();
    let kept = tempfile::tempdir().unwrap();
    let common = [suite, "server", "--url", &url, "--output-dir", kept.path().to_str().unwrap()];
    let node = dir.join("conformance/bin/node");
    let said = run(&node, &[&common[..], &["--expected-failures", unlike_us]].concat()).await;
    assert!(said.contains("tools-call-with-progress: 1 passed, 0 failed"), "{said}");
    assert!(said.contains("dns-rebinding-protection: 2 passed, 0 failed"), "{said}");
    // Beside the ones that are active.
    let said = run(&node, &[&common[..], &["--scenario", "json-schema-2020-12"]].concat()).await;
    assert!(said.contains("Passed: 4/4, 0 failed"), "{said}");
}
