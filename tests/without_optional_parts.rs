//! What a build without the optional parts says where one is asked for. A separate binary, because it builds faster than the
//! integration tests: `cargo test --no-default-features --test without_optional_parts`.

#![cfg(not(any(feature = "import", feature = "mcp", feature = "otlp", feature = "redis")))]
#![expect(clippy::disallowed_methods, reason = "a test's tasks end with its runtime")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so and stops")]

use std::fs;
use std::future::pending;
use std::process::{Command, Stdio};
use std::time::Duration;

use callgate::executor::Gateway;
use callgate::project;
use callgate::server::{self, AppState};
use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;

/// The real program, which knows nothing of this process's settings.
fn callgate(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callgate"));
    command.args(args).env_clear().stdin(Stdio::null());
    command
}

/// A project of these settings.
fn project_of(settings: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("callgate.toml"), settings).unwrap();
    dir
}

/// `callgate` refuses the command with these words.
#[track_caller]
fn check(command: &[&str], expected: &str) {
    let output = callgate(command).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{command:?}: {told}");
    assert!(told.contains(expected), "{command:?}: {told}");
}

fn hint(feature: &str) -> String {
    format!(
        "build it with `cargo build --release --features {feature}`, or use a build with the default features"
    )
}

#[test]
fn settings_that_ask_for_a_part_are_errors_with_their_place() {
    for (settings, place, feature) in [
        ("[store]\nbackend = \"redis\"\nurl = \"redis://127.0.0.1:6379\"\n", "2:11", "redis"),
        ("[traces]\nendpoint = \"http://127.0.0.1:4318/v1/traces\"\n", "2:12", "otlp"),
    ] {
        let dir = project_of(settings);
        let said =
            format!("this build of callgate lacks the feature `{feature}`\n    hint: {}", hint(feature));
        for command in ["check", "serve"] {
            check(
                &[command, dir.path().to_str().unwrap()],
                &format!("callgate.toml:{place}: error[invalid_setting]: {said}\n"),
            );
        }
    }
}

#[test]
fn settings_of_the_mcp_server_are_warned_of() {
    let dir = project_of("[mcp]\ndeadline_ms = 1000\n");
    let output = callgate(&["check", dir.path().to_str().unwrap()]).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    let said =
        "warning[lacks_feature]: this section sets nothing: this build of callgate lacks the feature `mcp`";
    assert!(
        output.status.success() && told.contains(&format!("{said}\n    hint: {}\n", hint("mcp"))),
        "{told}"
    );
}

#[test]
fn commands_of_a_part_are_refused() {
    let dir = project_of("environments = [\"development\"]\n");
    let project = dir.path().to_str().unwrap();
    let import = format!("this build of callgate lacks the feature `import`: {}", hint("import"));
    check(&["import", "openapi", "openapi.yaml", "--project", project, "--dry-run"], &import);
    check(&["import", "curl", "curl https://api.example.com", "-p", project], &import);
    check(&["import"], &import);
    let mcp = format!("this build of callgate lacks the feature `mcp`: {}", hint("mcp"));
    check(&["mcp", "--project", project], &mcp);
}

#[tokio::test]
async fn an_mcp_client_is_told_that_there_is_no_server() {
    let dir = project_of("environments = [\"development\"]\n");
    let project = project::load(dir.path(), None);
    let state = AppState::new(Gateway::new(project.deployment), &project.settings);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp/development", listener.local_addr().unwrap());
    tokio::spawn(server::serve(listener, state, pending(), Duration::from_secs(1)));
    // Fails only where a provider is set already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    for method in [Method::POST, Method::GET, Method::DELETE] {
        let answer = client.request(method.clone(), &url).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{method}");
        let problem: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        let detail = format!("this build of callgate lacks the feature `mcp`: {}", hint("mcp"));
        assert_eq!((&problem["code"], &problem["detail"]), (&"not_found".into(), &detail.into()), "{method}");
    }
}
