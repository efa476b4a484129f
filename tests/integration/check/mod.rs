//! `callgate check`: every problem, each with its place, its rule and a way out.

mod actions;
mod agents;
mod documents;
mod files;
mod guards;
mod literals;
mod outputs;
mod responses;
mod settings;
mod unused;
mod words;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::callgate;

/// A project without a problem.
const GOOD: &[(&str, &str)] = &[
    ("callgate.toml", "environments = [\"development\"]\n"),
    ("connections/api.yaml", "base_url: https://api.test\n"),
    (
        "actions/read.yaml",
        "description: Reads an order.\nconnection: api\npath: /orders/{{.parameters.id}}\nparameters:\n  type: object\n  \
         properties: {id: {type: string}}\n  required: [id]\n",
    ),
];

/// Writes `files` over those of [`GOOD`].
fn project(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in GOOD.iter().chain(files) {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        if *name == "secrets.toml" {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
    dir
}

fn run(dir: &Path, more: &[&str]) -> Output {
    callgate(&[&["check", dir.to_str().unwrap()], more].concat()).output().unwrap()
}

/// `callgate check` says exactly the lines of `expected` and, with `--json`,
/// the same; it fails where one of them is an error.
#[track_caller]
fn check(what: &str, files: &[(&str, &str)], expected: &[&str]) {
    let dir = project(files);
    check_dir(what, dir.path(), expected);
}

#[track_caller]
fn check_dir(what: &str, dir: &Path, expected: &[&str]) {
    let of = |kind: &str| expected.iter().filter(|line| line.contains(&format!(": {kind}["))).count();
    let plural = |number: usize| if number == 1 { "" } else { "s" };
    let (errors, warnings) = (of("error"), of("warning"));
    let count = format!("{errors} error{}, {warnings} warning{}", plural(errors), plural(warnings));
    let status = Some(i32::from(errors > 0));

    let output = run(dir, &[]);
    let text = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines, [expected, &[count.as_str()]].concat(), "{what}");
    assert_eq!((output.status.code(), output.stdout.len()), (status, 0), "{what}");

    let output = run(dir, &["--json"]);
    assert_eq!((output.status.code(), output.stderr.len()), (status, 0), "{what}");
    let problems: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let lines: Vec<String> = problems.iter().flat_map(as_lines).collect();
    assert_eq!(lines, expected, "{what}");
}

/// A problem of `--json` as the text says it; it has exactly the promised members.
fn as_lines(problem: &Value) -> Vec<String> {
    let members: Vec<&String> = problem.as_object().unwrap().keys().collect();
    assert_eq!(members, ["severity", "file", "line", "column", "code", "message", "hint"]);
    let text = |key: &str| problem[key].as_str().unwrap().to_owned();
    let place = match (problem["line"].as_u64().unwrap(), problem["column"].as_u64().unwrap()) {
        (0, 0) => String::new(),
        (line, column) => format!(":{line}:{column}"),
    };
    let line =
        format!("{}{place}: {}[{}]: {}", text("file"), text("severity"), text("code"), text("message"));
    let hint = problem["hint"].as_str().map(|hint| format!("    hint: {hint}"));
    std::iter::once(line).chain(hint).collect()
}

#[test]
fn a_project_without_problems_passes() {
    let dir = project(&[]);
    let output = run(dir.path(), &[]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "no problems: 1 action, environments development\n");
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
    let output = run(dir.path(), &["--json"]);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"[]\n"[..]));
}

#[test]
fn ten_different_mistakes_are_ten_problems() {
    check(
        "ten",
        &[
            ("actions/a_key.yaml", "description: d\nconection: api\npath: /x\n"),
            ("actions/b_type.yaml", "description: d\nconnection: api\npath: /x\ntimeout_ms: soon\n"),
            ("actions/c_connection.yaml", "description: d\nconnection: apii\npath: /x\n"),
            ("actions/d_auth.yaml", "description: d\nconnection: api\nauth: crm\npath: /x\n"),
            ("actions/e_method.yaml", "description: d\nconnection: api\nmethod: PSOT\npath: /x\n"),
            (
                "actions/f_construct.yaml",
                "description: d\nconnection: api\nmethod: POST\npath: /x\nbody: |\n  {\n    \"tags\": [{{range .parameters.tags}}{{end}}]\n  }\n",
            ),
            (
                "actions/g_path.yaml",
                "description: d\nconnection: api\npath: /x\noutput_variables:\n  - {name: a, path: \"$.a[\"}\n",
            ),
            (
                "actions/h_secret.yaml",
                "description: d\nconnection: api\npath: /x\nheaders:\n  X-Key: {secret: key}\n",
            ),
            (
                "actions/i_variable.yaml",
                "description: d\nconnection: api\npath: /x\nquery:\n  region: \"{{.static_variables.REGION}}\"\n",
            ),
            ("actions/j_name.yaml", "name: read\ndescription: d\nconnection: api\npath: /x\n"),
        ],
        &[
            "actions/a_key.yaml:2:1: error[unknown_key]: unknown key `conection`",
            "    hint: did you mean `connection`?",
            "actions/b_type.yaml:4:13: error[wrong_type]: `timeout_ms` must be a whole number, found a text",
            "actions/c_connection.yaml:2:13: error[unknown_connection]: there is no connection `apii`",
            "    hint: did you mean `api`?",
            "actions/d_auth.yaml:3:7: error[unknown_auth]: there is no auth connector `crm`",
            "    hint: add auth/crm.yaml",
            "actions/e_method.yaml:3:9: error[invalid_value]: `method` is `PSOT`, which is not one of GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS",
            "    hint: did you mean `POST`?",
            "actions/f_construct.yaml:7:16: error[forbidden_construct]: `range` is not allowed in a template",
            "    hint: a template may branch with `if` and `with`, not loop or include",
            "actions/g_path.yaml:5:21: error[invalid_jsonpath]: invalid JSONPath `$.a[`: at position 3, parser error",
            "    hint: a path looks like `$.ticket.id` or `$.slots[*].id` (RFC 9535)",
            "actions/h_secret.yaml:5:10: error[missing_secret]: the secret `key` is not set in environment `development`",
            "    hint: add `key` under [development] in secrets.toml, or set CALLGATE_SECRET__DEVELOPMENT__KEY",
            "actions/i_variable.yaml:5:14: error[missing_static_variable]: the static variable `REGION` is not set in environment `development`",
            "    hint: add `REGION` under [development] in variables.toml",
            "actions/read.yaml:1:1: error[duplicate_name]: the action `read` is defined in actions/j_name.yaml already",
            "    hint: rename one of the two",
        ],
    );
}

#[test]
fn a_file_that_is_no_text_says_from_where_on() {
    let dir = project(&[]);
    fs::write(dir.path().join("actions/x.yaml"), b"description: d\npath: caf\xe9\n").unwrap();
    check_dir(
        "invalid UTF-8",
        dir.path(),
        &[
            "actions/x.yaml:2:10: error[invalid_utf8]: not valid UTF-8 from here on",
            "    hint: save the file as UTF-8",
        ],
    );
    fs::write(dir.path().join("actions/x.yaml"), vec![b'#'; 1_100_000]).unwrap();
    check_dir(
        "too large",
        dir.path(),
        &[
            "actions/x.yaml: error[unreadable]: has 1100000 bytes, more than the 1048576 a definition may have",
        ],
    );
}

#[test]
fn secrets_that_others_can_read_are_a_warning() {
    let dir = project(&[("secrets.toml", "[development]\nkey = \"0123456789\"\n")]);
    let path = dir.path().join("secrets.toml");
    for (mode, warns) in [(0o600, false), (0o400, false), (0o640, true), (0o644, true), (0o604, true)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let line =
            format!("secrets.toml: warning[secrets_readable]: others can read this file (mode {mode:03o})");
        if warns {
            check_dir("mode", dir.path(), &[&line, "    hint: chmod 600 secrets.toml"]);
        } else {
            assert_eq!(run(dir.path(), &["--json"]).stdout, b"[]\n");
        }
    }
}

#[test]
fn an_empty_project_is_a_warning_and_a_missing_one_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let line = "actions: warning[no_actions]: the project has no actions";
    check_dir("empty", dir.path(), &[line, "    hint: add actions/<name>.yaml"]);
    let missing = dir.path().join("nowhere");
    let name = missing.display().to_string();
    let line = format!("{name}: error[unreadable]: `{name}` is not a directory");
    check_dir(
        "missing",
        &missing,
        &[&line, "    hint: name a project directory; `callgate init DIR` makes one"],
    );
    assert!(!missing.exists());
}

#[test]
fn a_mistake_is_told_once_however_many_environments_have_it() {
    check(
        "environments",
        &[
            ("callgate.toml", "environments = [\"development\", \"staging\", \"production\"]\n"),
            ("actions/x.yaml", "description: d\nconnection: apii\npath: /x\n"),
        ],
        &[
            "actions/x.yaml:2:13: error[unknown_connection]: there is no connection `apii`",
            "    hint: did you mean `api`?",
        ],
    );
}

#[test]
fn no_value_of_a_secret_is_ever_printed() {
    let dir = project(&[(
        "secrets.toml",
        "[development]\nkey = [\"hunter2-hunter2\"]\n\"a b\" = \"hunter2-hunter2\"\n",
    )]);
    for more in [&[][..], &["--json"]] {
        let output = run(dir.path(), more);
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(text.contains("secrets.toml") && !text.contains("hunter2"), "{text}");
    }
}
