//! Definitions over HTTP: read, judged and saved; problems of the project.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Process, replace, write_project};
use crate::wait::until;

const HOURS: &str = "# hours\ndescription: Says when.\ntype: static\nresponse: {open: '9 to 5'}\n";
const FILE: &str = "/v1/definitions/actions/hours.yaml";

fn project(more: &[(&str, String)]) -> tempfile::TempDir {
    write_project(&[&[("actions/hours.yaml", HOURS.to_owned())], more].concat())
}

async fn put(process: &Process, path: &str, text: &str, header: (&str, &str)) -> (u16, Value) {
    process.send(process.request("PUT", path).header(header.0, header.1).body(text.to_owned())).await
}

#[tokio::test]
async fn a_definition_is_edited_and_served_at_once() {
    let project = project(&[]);
    let process = Process::serve_with(project.path(), &["--edit"], &[]);
    let (status, list) = process.get("/v1/definitions").await;
    assert_eq!((status, &list["edit"]), (200, &json!(true)));
    assert_eq!(list["files"], json!([{"file": "actions/hours.yaml", "kind": "action"}]));
    let (_, shown) = process.get(FILE).await;
    assert_eq!((&shown["text"], &shown["file"]), (&json!(HOURS), &json!("actions/hours.yaml")));
    let version = format!("\"{}\"", shown["version"].as_str().unwrap());

    let edited = "# hours, kept\r\ndescription: Says when.\ntype: static\nresponse: {open: '8 to 4'}";
    let (status, saved) = put(&process, FILE, edited, ("if-match", &version)).await;
    assert_eq!((status, &saved["problems"]), (200, &json!([])), "{saved}");
    assert_eq!(fs::read(project.path().join("actions/hours.yaml")).unwrap(), edited.as_bytes());
    assert_eq!(process.call("hours", json!({})).await["body"], json!({"open": "8 to 4"}));

    // Somebody who saw the former text does not overwrite this one.
    let (status, refused) = put(&process, FILE, HOURS, ("if-match", &version)).await;
    assert_eq!((status, &refused["code"]), (412, &json!("changed_on_disk")));
    assert_eq!(refused["on_disk"], json!({"text": edited, "version": saved["version"]}));
    let (status, refused) = put(&process, FILE, HOURS, ("if-none-match", "*")).await;
    assert_eq!((status, &refused["code"]), (412, &json!("changed_on_disk")));
    let (status, refused) = put(&process, FILE, HOURS, ("x-none", "")).await;
    assert_eq!((status, &refused["code"]), (428, &json!("version_required")));

    let new = "/v1/definitions/actions/bye.yaml";
    let text = "description: Says goodbye.\ntype: static\nresponse: {text: Bye}\n";
    let (status, _) = put(&process, new, text, ("if-none-match", "*")).await;
    assert_eq!(status, 201);
    assert_eq!(process.call("bye", json!({})).await["body"], json!({"text": "Bye"}));
    fs::remove_file(project.path().join("actions/bye.yaml")).unwrap();
    let (status, refused) = put(&process, new, text, ("if-match", "\"0\"")).await;
    assert_eq!((status, &refused["on_disk"]), (412, &json!({"text": null, "version": null})));
}

#[tokio::test]
async fn a_text_with_new_errors_is_refused_and_names_them() {
    let project = project(&[]);
    let process = Process::serve_with(project.path(), &["--edit"], &[]);
    let broken = HOURS.replace("static", "statik");
    let (status, checked) =
        process.post("/v1/check", &json!({"file": "actions/hours.yaml", "text": broken})).await;
    assert_eq!((status, &checked["problems"][0]["line"]), (200, &json!(3)), "{checked}");
    let version = process.get(FILE).await.1["version"].clone();
    let tag = format!("\"{}\"", version.as_str().unwrap());
    let (status, refused) = put(&process, FILE, &broken, ("if-match", &tag)).await;
    assert_eq!((status, &refused["code"]), (422, &json!("invalid_definition")));
    assert_eq!(refused["problems"], checked["problems"]);
    assert_eq!(process.get(FILE).await.1["version"], version);
    let not_a_text = process.request("PUT", FILE).header("if-match", &tag).body(vec![0xFF, 0xFE]);
    let (status, refused) = process.send(not_a_text).await;
    assert_eq!((status, &refused["code"]), (400, &json!("invalid_request")));
}

#[tokio::test]
async fn without_edit_no_route_writes_and_no_secret_is_read() {
    let secrets = "[development]\nkey = \"hush-hush-hush\"\n".to_owned();
    let project = project(&[("secrets.toml", secrets)]);
    let link = project.path().join("actions/evil.yaml");
    for options in [&[][..], &["--edit"]] {
        let process = Process::serve_with(project.path(), options, &[]);
        std::os::unix::fs::symlink("../secrets.toml", &link).unwrap();
        let before = texts(project.path());
        for name in [
            "secrets.toml",
            "callgate.toml",
            "actions/evil.yaml",
            "actions/../secrets.toml",
            "actions/%2e%2e/secrets.toml",
            "actions%2f..%2fsecrets.toml",
            "..%2f..%2fetc%2fpasswd",
            "actions/x.yaml%00.toml",
        ] {
            let path = format!("/v1/definitions/{name}");
            let (status, read) = process.get(&path).await;
            assert!([400, 404].contains(&status), "{name}: {status} {read}");
            assert!(!read.to_string().contains("hush"), "{read}");
            for header in [("if-none-match", "*"), ("if-match", "\"0\"")] {
                let (status, _) = put(&process, &path, HOURS, header).await;
                assert!([400, 403, 404].contains(&status), "{name}: {status}");
            }
        }
        if options.is_empty() {
            let (status, refused) = put(&process, FILE, HOURS, ("if-none-match", "*")).await;
            assert_eq!((status, &refused["code"]), (403, &json!("read_only")));
            assert_eq!(process.get("/v1/definitions").await.1["edit"], json!(false));
        }
        assert_eq!(texts(project.path()), before);
        fs::remove_file(&link).unwrap();
    }
}

/// Every file of the project, with its bytes.
fn texts(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut texts = Vec::new();
    for folder in ["", "actions", "connections", "auth"] {
        let entries = fs::read_dir(dir.join(folder)).into_iter().flatten().map(|entry| entry.unwrap().path());
        texts.extend(
            entries.filter(|path| path.is_file()).map(|path| {
                (path.strip_prefix(dir).unwrap().display().to_string(), fs::read(&path).unwrap())
            }),
        );
    }
    texts.sort();
    texts
}

#[tokio::test]
async fn only_an_admin_sees_what_is_written() {
    let key = |name: &str, admin: bool| {
        let made = callgate::server::NewKey::generate().unwrap();
        (made.key, format!("[[keys]]\nname = \"{name}\"\nhash = \"{}\"\nadmin = {admin}\n", made.hash))
    };
    let ((admin, first), (other, second)) = (key("admin", true), key("other", false));
    let project = project(&[("callgate.toml", format!("{first}{second}"))]);
    let process = Process::serve_with(project.path(), &["--edit"], &[]);
    let ask = async |key: &str, method: &str, path: &str| {
        let request = process.request(method, path).bearer_auth(key).header("if-none-match", "*");
        process.send(request.body("{\"file\": \"actions/a.yaml\", \"text\": \"\"}")).await
    };
    for (method, path) in [
        ("GET", "/v1/definitions"),
        ("GET", FILE),
        ("PUT", "/v1/definitions/actions/a.yaml"),
        ("GET", "/v1/problems"),
        ("POST", "/v1/check"),
        ("GET", "/v1/actions/hours/definition"),
        ("GET", "/v1/actions/hours/branches"),
    ] {
        let (status, refused) = ask(&other, method, path).await;
        assert_eq!((status, &refused["code"]), (403, &json!("admin_only")), "{method} {path}");
        let (status, _) = ask(&admin, method, path).await;
        assert_ne!(status, 403, "{method} {path}");
    }
    let inspect = process.request("POST", "/v1/tool-calls").bearer_auth(&other);
    let (status, _) = process.send(inspect.body("{\"name\": \"hours\", \"inspect\": true}")).await;
    assert_eq!(status, 403);
    let status =
        async |key: &str| process.send(process.request("GET", "/v1/status").bearer_auth(key)).await.1;
    assert_eq!((&status(&other).await["edit"], &status(&admin).await["edit"]), (&json!(false), &json!(true)));
}

#[tokio::test]
async fn problems_follow_the_files_on_disk() {
    let project = project(&[]);
    let process = Process::serve(project.path(), &[]);
    let (_, first) = process.get("/v1/problems").await;
    assert_eq!((&first["problems"], &first["refused"]), (&json!([]), &Value::Null));
    replace(&project.path().join("actions/hours.yaml"), &HOURS.replace("static", "statik"));
    let refused = until("the reload is refused", async || {
        let (_, problems) = process.get("/v1/problems").await;
        Some(problems["refused"].clone()).filter(|refused| !refused.is_null())
    });
    let refused = refused.await;
    assert!(refused["reason"].as_str().unwrap().contains("the old one serves on"), "{refused}");
    let problem = &refused["problems"][0];
    assert_eq!((&problem["file"], &problem["line"]), (&json!("actions/hours.yaml"), &json!(3)), "{refused}");
    assert_eq!(process.get("/v1/status").await.1["reload"]["outcome"], "refused");
    replace(&project.path().join("actions/hours.yaml"), HOURS);
    let mended = until("the reload is taken", async || {
        let request = process.request("GET", "/v1/problems").send().await.unwrap();
        let tag = request.headers()["etag"].clone();
        let problems: Value = serde_json::from_str(&request.text().await.unwrap()).unwrap();
        Some((tag, problems)).filter(|(_, problems)| problems["refused"].is_null())
    });
    let (tag, _) = mended.await;
    let known = process.request("GET", "/v1/problems").header("if-none-match", tag).send().await.unwrap();
    assert_eq!(known.status().as_u16(), 304);
}

/// Two pages and an editor on disk change the same file, each adding lines to what it has read. Whoever saves over a text
/// that it has not seen is refused, so no line of the pages is lost, nor any that the editor has written.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pages_and_an_editor_at_once_lose_nothing() {
    let project = project(&[]);
    let process = Process::serve_with(project.path(), &["--edit"], &[("CALLGATE_LOG__LEVEL", "off")]);
    let path = project.path().join("actions/hours.yaml");
    let page = async |name: &str| {
        let mut lines = Vec::new();
        while lines.len() < 15 {
            let (_, seen) = process.get(FILE).await;
            let line = format!("# {name} {}", lines.len());
            let text = format!("{}{line}\n", seen["text"].as_str().unwrap());
            let tag = format!("\"{}\"", seen["version"].as_str().unwrap());
            match put(&process, FILE, &text, ("if-match", &tag)).await.0 {
                200 => lines.push(line),
                412 => {}
                other => panic!("{other}"),
            }
        }
        lines
    };
    // Appends by itself, which loses nothing of what is there.
    let editor = tokio::task::spawn_blocking(move || {
        let lines: Vec<String> = (0..15).map(|number| format!("# editor {number}")).collect();
        for line in &lines {
            let mut text = fs::read_to_string(&path).unwrap();
            text.push_str(&format!("{line}\n"));
            let beside = path.with_extension("swp");
            // An editor looks whether the file has changed before it puts its own in the place.
            loop {
                let before = fs::read_to_string(&path).unwrap();
                if text.starts_with(&before) {
                    break;
                }
                text = format!("{before}{line}\n");
            }
            fs::write(&beside, &text).unwrap();
            fs::rename(&beside, &path).unwrap();
            std::thread::yield_now();
        }
        lines
    });
    let (one, other, editor) = tokio::join!(page("one"), page("other"), editor);
    let (_, last) = process.get(FILE).await;
    let last = last["text"].as_str().unwrap();
    // The editor's own look and step are two: what it overwrote in between was its doing. What it wrote stays.
    for line in editor.unwrap() {
        assert!(last.contains(&line), "{line} in {last}");
    }
    let kept = one.iter().chain(&other).filter(|line| last.contains(*line)).count();
    assert!(kept >= 15, "{kept} of 30 in {last}");
}

/// A text of some kilobytes must cost neither the process nor its memory.
#[tokio::test]
async fn hostile_texts_are_judged_and_do_no_harm() {
    let project = project(&[]);
    let process = Process::serve(project.path(), &[]);
    let action = "description: d\nurl: http://127.0.0.1:9/\n";
    let (open, close) = ("(".repeat(900), ")".repeat(900));
    let bomb = format!("a: &a {}\nb: [{}]\n", "x".repeat(50_000), vec!["*a"; 50_000].join(","));
    for (text, expected) in [
        (format!("{action}output_variables: [{{name: a, path: '$[?{open}@.a{close}]'}}]\n"), "nested deeper"),
        (format!("{action}success_when: '{open}@.status == 200{close}'\n"), "nested deeper"),
        (format!("{action}response: {{pick: ['$[?{open}@.a{close}]']}}\n"), "nested deeper"),
        (bomb, "bytes"),
    ] {
        let body = json!({"file": "actions/zz.yaml", "text": text});
        let (status, checked) = process.post("/v1/check", &body).await;
        let problems = checked["problems"].to_string();
        assert!(status == 200 && problems.contains(expected), "{status}: {problems}");
    }
    assert_eq!(process.call("hours", json!({})).await["status"], "success");
    let most = process.peak_memory();
    assert!(most.is_none_or(|bytes| bytes < 400 * 1024 * 1024), "{most:?}");
}

#[tokio::test]
async fn a_pipe_among_the_definitions_keeps_nobody_waiting() {
    let project = project(&[]);
    let process = Process::serve_with(project.path(), &["--edit"], &[]);
    let pipe = project.path().join("actions/pipe.yaml");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let body = json!({"file": "actions/hours.yaml", "text": HOURS});
    let (status, checked) = process.post("/v1/check", &body).await;
    assert!(status == 200 && checked["problems"].to_string().contains("is no regular file"), "{checked}");
    let (status, _) = put(&process, "/v1/definitions/actions/pipe.yaml", HOURS, ("if-none-match", "*")).await;
    assert_eq!(status, 500);
}
