//! The vendors' own packages as judges of the wire forms: `openai`, `anthropic`, `google-genai`,
//! `retell-sdk`, `elevenlabs` and `vapi_server_sdk` from PyPI.

use std::process::Stdio;

use crate::dialect::{gateway, upstream};
use crate::judge::Judge;
use crate::speech::products::{FULL, NAMES};

const SETTINGS: (&str, &str) =
    ("callgate.toml", "environments = [\"development\"]\n[webhooks.retell]\napi_key = \"retell_key\"\n");
const SECRETS: (&str, &str) = ("secrets.toml", "[development]\nretell_key = \"key_retell_1\"\n");

/// Runs one check of `dialects.py` against a gateway.
async fn judge(check: &str) {
    let Some(dir) = Judge::Dialects.find() else { return };
    let upstream = upstream().await;
    let gateway = gateway(upstream.port, &[SETTINGS, SECRETS, FULL, NAMES]).await;
    let root = env!("CARGO_MANIFEST_DIR");
    let run = tokio::process::Command::new(dir.join("venv/bin/python"))
        .args([&format!("{root}/tests/external/dialects.py"), &gateway.url, root, check])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(std::time::Duration::from_secs(120), run);
    let output = output.await.expect("no verdict in two minutes").unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.starts_with(&format!("{check}: ")) && said.trim_end().ends_with(" held"), "{said}");
}

#[tokio::test]
async fn openai_takes_the_specs_and_results_of_chat_completions() {
    judge("openai_chat").await;
}

#[tokio::test]
async fn openai_takes_the_specs_and_results_of_responses() {
    judge("openai_responses").await;
}

#[tokio::test]
async fn openai_takes_the_specs_and_events_of_realtime() {
    judge("openai_realtime").await;
}

#[tokio::test]
async fn anthropic_takes_the_specs_and_results() {
    judge("anthropic").await;
}

#[tokio::test]
async fn google_takes_the_specs_and_results_of_gemini() {
    judge("gemini").await;
}

#[tokio::test]
async fn retell_signs_what_we_verify_and_takes_the_specs() {
    judge("retell").await;
}

#[tokio::test]
async fn elevenlabs_takes_the_specs() {
    judge("elevenlabs").await;
}

#[tokio::test]
async fn vapi_takes_the_specs_and_results() {
    judge("vapi").await;
}
