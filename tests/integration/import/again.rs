//! `callgate import` into a project that has something already.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::callgate;

/// Runs `callgate import curl COMMAND --project DIR ARGS…`; everything it prints.
#[track_caller]
fn curl(dir: &Path, command: &str, args: &[&str]) -> String {
    let mut all = vec!["import", "curl", command, "--project", dir.to_str().unwrap()];
    all.extend(args);
    let output = callgate(&all).output().unwrap();
    let both = [output.stdout, output.stderr].concat();
    String::from_utf8(both).unwrap()
}

fn check(dir: &Path) -> String {
    let output = callgate(&["check", dir.to_str().unwrap()]).output().unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

fn read(dir: &Path, file: &str) -> String {
    fs::read_to_string(dir.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// A project of `files`.
fn project(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (file, text) in files {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

/// The secret that `connection` sends, by its connector.
#[track_caller]
fn secret_of(dir: &Path, connection: &str) -> String {
    let key = |text: &str, key: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(key).map(str::to_owned));
        line.unwrap_or_else(|| panic!("no {key} in {text}"))
    };
    let auth = key(&read(dir, &format!("connections/{connection}.yaml")), "auth: ");
    key(&read(dir, &format!("auth/{auth}.yaml")), "secret: ")
}

#[test]
fn a_service_gets_no_credential_of_another() {
    let dir = project(&[]);
    curl(dir.path(), "curl https://api.stripe.com/v1/charges/42 -H \"Authorization: Bearer $TOKEN\"", &[]);
    curl(dir.path(), "curl https://api.github.com/user -H \"Authorization: Bearer $TOKEN\"", &[]);
    assert_eq!(secret_of(dir.path(), "api_stripe_com"), "api_stripe_com_token");
    assert_eq!(secret_of(dir.path(), "api_github_com"), "api_github_com_token");
    // In one source as well, and where the name is too long to keep whole.
    let long = "a_very_long_name_of_a_variable_that_holds_the_key_of_some_service_or_other";
    let dir = project(&[]);
    for host in ["api.stripe.com", "api.github.com"] {
        curl(
            dir.path(),
            &format!("curl https://{host}/user -H \"Authorization: Bearer ${long}\""),
            &["--force"],
        );
    }
    let (stripe, github) = (secret_of(dir.path(), "api_stripe_com"), secret_of(dir.path(), "api_github_com"));
    assert_ne!(stripe, github);
    // A connector that the project has is used only where its host is.
    let dir = project(&[
        ("auth/theirs.yaml", "type: bearer\ntoken: {secret: api_github_com_token}\n"),
        ("connections/theirs.yaml", "base_url: https://api.stripe.com\nauth: theirs\n"),
    ]);
    curl(dir.path(), "curl https://api.github.com/user -H \"Authorization: Bearer $TOKEN\"", &[]);
    let connection = read(dir.path(), "connections/api_github_com.yaml");
    assert!(connection.contains("auth: api_github_com_bearer\n"), "{connection}");
}

#[test]
fn another_token_is_another_secret() {
    let dir = project(&[("callgate.toml", "environments = [\"development\"]\n")]);
    let import = |path: &str, token: &str, args: &[&str]| {
        curl(dir.path(), &format!("curl https://a.example/{path} -H 'Authorization: Bearer {token}'"), args)
    };
    import("one", "AAAA1111aaaa", &[]);
    let said = import("two", "BBBB2222bbbb", &[]);
    assert!(!said.contains("BBBB"), "{said}");
    import("three", "AAAA1111aaaa", &[]);
    let secrets = read(dir.path(), "secrets.toml");
    assert!(secrets.contains("a_example_token = \"AAAA1111aaaa\"\n"), "{secrets}");
    assert!(secrets.contains("a_example_token_2 = \"BBBB2222bbbb\"\n"), "{secrets}");
    assert!(!read(dir.path(), "actions/get_one.yaml").contains("auth:"));
    assert!(read(dir.path(), "actions/get_two.yaml").contains("auth: a_example_bearer_2\n"));
    assert!(!read(dir.path(), "actions/get_three.yaml").contains("auth:"));
    assert!(check(dir.path()).contains("no problems: 3 actions"), "{}", check(dir.path()));
}

#[test]
fn an_environment_after_the_other_fills_in_its_own_secrets() {
    let dir = project(&[("callgate.toml", "environments = [\"development\", \"production\"]\n")]);
    let import = |token: &str, environment: &str| {
        let command = format!("curl https://a.example/one -H 'Authorization: Bearer {token}'");
        curl(dir.path(), &command, &["--force", "-e", environment])
    };
    import("DEVtoken12345", "development");
    let said = check(dir.path());
    assert!(said.contains("secret_to_fill_in") && said.contains("`a_example_token` of production"), "{said}");
    assert!(!said.contains("DEVtoken"), "{said}");
    let said = import("PRODtoken12345", "production");
    assert!(!said.contains("has a value already"), "{said}");
    let secrets = read(dir.path(), "secrets.toml");
    assert!(secrets.contains("[development]\na_example_token = \"DEVtoken12345\"\n"), "{secrets}");
    assert!(secrets.contains("[production]\na_example_token = \"PRODtoken12345\"\n"), "{secrets}");
    assert!(check(dir.path()).contains("no problems: 1 action"), "{}", check(dir.path()));
}

const ORDERS: &str = "curl https://a.example/orders";
const CONNECTION: (&str, &str) = ("connections/mine.yaml", "base_url: https://mine.example\n");

#[test]
fn force_replaces_the_action_of_that_name_and_no_other() {
    let mine = "name: my_precious\ndescription: Mine.\nconnection: mine\npath: /mine\n";
    let dir = project(&[CONNECTION, ("actions/get_orders.yaml", mine)]);
    for args in [&[][..], &["--force"][..]] {
        let said = curl(dir.path(), ORDERS, args);
        assert!(said.contains("refused[exists]") && said.contains("my_precious"), "{said}");
        assert_eq!(read(dir.path(), "actions/get_orders.yaml"), mine);
        assert_eq!(fs::read_dir(dir.path().join("actions")).unwrap().count(), 1);
    }
    // A file that cannot be read is somebody's all the same.
    let dir = project(&[CONNECTION, ("actions/get_orders.yaml", "a: [\n")]);
    let said = curl(dir.path(), ORDERS, &["--force"]);
    assert!(said.contains("actions/get_orders.yaml is there already"), "{said}");
    assert_eq!(read(dir.path(), "actions/get_orders.yaml"), "a: [\n");
}

#[test]
fn force_writes_to_the_file_that_the_action_has() {
    for (file, text) in [
        ("actions/orders.yaml", "name: get_orders\ndescription: Mine.\nconnection: mine\npath: /mine\n"),
        ("actions/get_orders.yml", "description: Mine.\nconnection: mine\npath: /mine\n"),
        (
            "actions/get_orders.json",
            "{\"description\": \"Mine.\", \"connection\": \"mine\", \"path\": \"/mine\"}\n",
        ),
    ] {
        let dir = project(&[CONNECTION, (file, text)]);
        let said = curl(dir.path(), ORDERS, &["--force"]);
        assert!(said.contains("1 of 1 imported"), "{file}: {said}");
        assert_eq!(fs::read_dir(dir.path().join("actions")).unwrap().count(), 1, "{file}");
        let written = read(dir.path(), file);
        assert!(written.contains("/orders") && !written.contains("Mine."), "{written}");
        if file.ends_with(".json") {
            serde_json::from_str::<Value>(&written).unwrap();
        }
        let said = check(dir.path());
        assert!(!said.contains("error") && said.contains("1 action"), "{file}: {said}");
    }
}
