//! What a build without the optional parts says where one is asked for.

use serde_json::Value;

use crate::harness::{Gateway, callgate, write_project};

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
        let dir = write_project(&[("callgate.toml", settings.to_owned())]);
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
    let dir = write_project(&[("callgate.toml", "[mcp]\ndeadline_ms = 1000\n".to_owned())]);
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
    let dir = write_project(&[]);
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
    let gateway = Gateway::start(&[]).await;
    for method in ["POST", "GET", "DELETE"] {
        let answer = gateway.request(method, "/mcp/development").send().await.unwrap();
        assert_eq!(answer.status(), 404, "{method}");
        let problem: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        let detail = format!("this build of callgate lacks the feature `mcp`: {}", hint("mcp"));
        assert_eq!((&problem["code"], &problem["detail"]), (&"not_found".into(), &detail.into()), "{method}");
    }
}
