//! `callgate import` as a command: files, modes, what is kept, what is fetched.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::get;
use axum::{Router, response::Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::callgate;

async fn run(args: &[&str]) -> Output {
    let mut command = callgate(args);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

const COMMAND: &str =
    "curl https://api.example.com/orders/42 -H 'Authorization: Bearer sk_test_4eC39HqLyjWDarjtT1zdp7dc'";

#[tokio::test]
async fn a_command_becomes_a_project_that_passes_the_check() {
    let dir = tempfile::tempdir().unwrap();
    let project = dir.path().join("new");
    let at = project.to_str().unwrap();
    let output = run(&["import", "curl", COMMAND, "--project", at]).await;
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    assert!(out(&output).contains("1 of 1 imported"), "{}", out(&output));
    assert!(!out(&output).contains("sk_test"), "{}", out(&output));
    assert_eq!(mode(&project.join("secrets.toml")), 0o600);
    assert_eq!(fs::read_to_string(project.join(".gitignore")).unwrap(), "secrets.toml\n");
    let check = run(&["check", at]).await;
    assert!(out(&check).contains("no problems: 1 action"), "{}{}", out(&check), errors(&check));
    let preview = run(&["preview", "get_orders", "--project", at, "order_id=7"]).await;
    let preview: Value = serde_json::from_slice(&preview.stdout).unwrap();
    assert_eq!(preview["request"]["url"], "https://api.example.com/orders/7");
    assert!(!preview.to_string().contains("sk_test"));
}

#[tokio::test]
async fn nothing_that_is_there_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().to_str().unwrap();
    let secrets = "# mine\n[development]\napi_example_com_token = \"older\" # kept\n";
    fs::write(dir.path().join("secrets.toml"), secrets).unwrap();
    fs::set_permissions(dir.path().join("secrets.toml"), fs::Permissions::from_mode(0o640)).unwrap();
    fs::write(dir.path().join(".gitignore"), "target\n/secrets.toml\n").unwrap();
    let first = run(&["import", "curl", COMMAND, "--project", at]).await;
    assert_eq!(first.status.code(), Some(0), "{}", errors(&first));
    let added = "api_example_com_token_2 = \"sk_test_4eC39HqLyjWDarjtT1zdp7dc\"\n";
    assert_eq!(fs::read_to_string(dir.path().join("secrets.toml")).unwrap(), format!("{secrets}{added}"));
    assert_eq!(fs::read_to_string(dir.path().join(".gitignore")).unwrap(), "target\n/secrets.toml\n");
    assert_eq!(mode(&dir.path().join("secrets.toml")), 0o640);
    let action = dir.path().join("actions/get_orders.yaml");
    fs::write(&action, "description: Mine.\nconnection: api_example_com\npath: /mine\n").unwrap();
    let again = run(&["import", "curl", COMMAND, "--project", at]).await;
    assert_eq!(again.status.code(), Some(1));
    assert!(out(&again).contains("refused[exists]") && out(&again).contains("--force"), "{}", out(&again));
    assert!(fs::read_to_string(&action).unwrap().contains("Mine."));
    let forced = run(&["import", "curl", COMMAND, "--project", at, "--force"]).await;
    assert_eq!(forced.status.code(), Some(0), "{}", errors(&forced));
    assert!(!fs::read_to_string(&action).unwrap().contains("Mine."));
    let unknown = run(&["import", "curl", COMMAND, "--project", at, "--environment", "nowhere"]).await;
    assert!(errors(&unknown).contains("no environment `nowhere`"), "{}", errors(&unknown));
}

#[tokio::test]
async fn options_of_the_selection_may_be_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let tool = |name: &str, method: &str| json!({"type": "custom", "name": name, "description": "D.", "method": method, "url": format!("https://a.example/{name}")});
    let tools = json!([tool("a", "GET"), tool("b", "GET"), tool("c", "GET"), tool("d", "POST")]);
    let source = dir.path().join("tools.json");
    fs::write(&source, tools.to_string()).unwrap();
    let at = dir.path().join("project");
    let (source, at) = (source.to_str().unwrap(), at.to_str().unwrap());
    let selection = [
        "--only", "a", "--only", "[cd]", "--path", "/a", "--path", "/d", "--method", "get", "--method",
        "post", "--limit", "5",
    ];
    let output = run(&[&["import", "retell", source, "--project", at], &selection[..]].concat()).await;
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    assert!(out(&output).contains("2 of 4 imported, 0 refused, 2 not selected"), "{}", out(&output));
    let wrong = run(&["import", "retell", source, "--project", at, "--path", "a"]).await;
    assert!(errors(&wrong).contains("`a` is no path"), "{}", errors(&wrong));
}

#[tokio::test]
async fn a_dry_run_writes_nothing_and_json_says_everything() {
    let dir = tempfile::tempdir().unwrap();
    let project = dir.path().join("new");
    let output =
        run(&["import", "curl", COMMAND, "--project", project.to_str().unwrap(), "--dry-run", "--json"])
            .await;
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed["report"]["imported"][0]["name"], "get_orders");
    assert_eq!(printed["written"].as_array().unwrap().len(), 0);
    assert_eq!(printed["files"].as_array().unwrap().len(), 3);
    assert!(!printed.to_string().contains("sk_test"));
    assert!(!project.exists());
}

#[tokio::test]
async fn files_that_cannot_be_read_say_why() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().to_str().unwrap();
    let latin = dir.path().join("latin.yaml");
    fs::write(&latin, b"openapi: 3.0.0\ntitle: Gr\xfc\xdfe\n").unwrap();
    for (source, part) in [
        (latin.to_str().unwrap(), "not UTF-8 from byte 24"),
        ("/nowhere/openapi.yaml", "cannot read /nowhere/openapi.yaml"),
        ("file:///etc/passwd", "only http and https"),
        ("ftp://a.example/x", "only http and https"),
        ("http://127.0.0.1:1/openapi.json", "cannot fetch http://127.0.0.1:1/openapi.json"),
    ] {
        let output = run(&["import", "openapi", source, "--project", at]).await;
        assert_eq!(output.status.code(), Some(1), "{source}");
        assert!(errors(&output).contains(part), "{source}: {}", errors(&output));
    }
}

const DOCUMENT: &str = r#"{"openapi": "3.1.0", "info": {"title": "Fetched", "version": "1"}, "servers": [{"url": "/v2"}], "paths": {"/a": {"get": {"summary": "Gets a"}}}}"#;

fn large() -> Response {
    (StatusCode::OK, " ".repeat(callgate::import::MAX_SOURCE_BYTES + 1)).into_response()
}

#[tokio::test]
async fn a_document_is_fetched_once_and_redirects_are_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = Router::new()
        .route("/openapi.json", get(|| async { DOCUMENT }))
        .route(
            "/moved",
            get(|| async { (StatusCode::FOUND, [(header::LOCATION, "https://b.example/openapi.json")]) }),
        )
        .route("/missing", get(|| async { StatusCode::NOT_FOUND }))
        .route("/large", get(|| async { large() }));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().to_str().unwrap();
    let url = |path: &str| format!("http://127.0.0.1:{port}/{path}");
    for (path, part) in [
        ("moved", "redirects to https://b.example/openapi.json"),
        ("missing?key=s3cr3t", "answers 404"),
        ("large", "longer than"),
    ] {
        let output = run(&["import", "openapi", &url(path), "--project", at]).await;
        assert_eq!(output.status.code(), Some(1), "{path}");
        assert!(
            errors(&output).contains(part) && !errors(&output).contains("s3cr3t"),
            "{path}: {}",
            errors(&output)
        );
    }
    let output = run(&["import", "openapi", &url("openapi.json?key=s3cr3t"), "--project", at]).await;
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let connection = fs::read_to_string(dir.path().join("connections/fetched.yaml")).unwrap();
    assert_eq!(
        connection,
        format!(
            "# Imported from http://127.0.0.1:{port}/openapi.json\nbase_url: http://127.0.0.1:{port}/v2\n"
        )
    );
}
