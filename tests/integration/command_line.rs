//! The program as people and supervisors use it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::harness::{Process, callgate, client, files, write_project};
use crate::upstream::{Reply, Upstream};

/// Runs the program to its end, off the runtime that an upstream may need.
async fn run(args: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = callgate(args);
    command.envs(variables.iter().copied());
    finish(command).await
}

async fn finish(mut command: Command) -> Output {
    let run = tokio::task::spawn_blocking(move || command.output().unwrap());
    tokio::time::timeout(Duration::from_secs(60), run).await.expect("it does not end").unwrap()
}

/// What was printed on standard output as JSON, and the exit status.
fn printed(output: &Output) -> (Value, Option<i32>) {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains('\u{1b}'), "colour in a pipe: {text:?}");
    let value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (value, output.status.code())
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const SECRET_USER: (&str, &str) = (
    "actions/read.yaml",
    "description: d\nconnection: api\npath: /read\nheaders:\n  X-Key: {secret: help-desk.key}\n",
);

#[tokio::test]
async fn the_help_of_every_command_has_an_example() {
    let output = run(&["--help"], &[]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    let commands: Vec<&str> = text
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(commands.len() >= 9, "{text}");
    for command in commands {
        for help in ["--help", "-h"] {
            let output = run(&[command, help], &[]).await;
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(text.contains("Example:\n  callgate "), "{command}: {text}");
            assert!(text.contains(&format!("callgate {command}")), "{command}: {text}");
            assert_eq!(output.status.code(), Some(0));
        }
    }
    let output = run(&["chekc"], &[]).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(errors(&output).contains("'check'"), "{}", errors(&output));
}

#[tokio::test]
async fn a_fresh_project_can_be_checked_listed_previewed_and_called() {
    let upstream = Upstream::start(|_| Reply::ok(r#"{"status": "shipped", "customer_id": "c-1"}"#)).await;
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("mine");
    let dir = dir.to_str().unwrap();
    let output = run(&["init", dir], &[]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let output = run(&["check", dir], &[]).await;
    let expected = "no problems: 1 action, environments development, staging, production\n";
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{output:?}");
    let connection = Path::new(dir).join("connections/orders.yaml");
    let text = fs::read_to_string(&connection).unwrap();
    fs::write(&connection, text.replace("127.0.0.1:8081", &format!("127.0.0.1:{}", upstream.port))).unwrap();

    let in_dir = |more: &[&str]| {
        let mut command = callgate(more);
        command.current_dir(dir);
        finish(command)
    };
    let (tools, status) = printed(&in_dir(&["tools", "-e", "development"]).await);
    assert_eq!(status, Some(0));
    assert_eq!(tools[0]["function"]["name"], "get_order_status");

    let arguments = ["get_order_status", "-e", "development", "order_number=00012"];
    let (preview, status) = printed(&in_dir(&[&["preview"], &arguments[..]].concat()).await);
    assert_eq!(status, Some(0));
    let url = format!("http://127.0.0.1:{}/orders?order_number=00012", upstream.port);
    assert_eq!(preview["request"]["url"], url);
    assert_eq!(preview["request"]["headers"]["authorization"], "Bearer ***");
    assert!(upstream.requests().is_empty(), "a preview sends nothing");

    let (result, status) = printed(&in_dir(&[&["call"], &arguments[..]].concat()).await);
    assert_eq!((status, &result["status"]), (Some(0), &json!("success")));
    assert_eq!(result["variables"], json!({"order.status": "shipped"}));
    assert_eq!(upstream.request().header("authorization"), Some("Bearer demo-bearer-token"));

    let (result, status) = printed(&in_dir(&["call", "get_order_status", "-e", "development"]).await);
    assert_eq!((status, &result["error"]["code"]), (Some(1), &json!("invalid_arguments")));
    let (result, status) = printed(&in_dir(&["preview", "get_ordr_status", "-e", "development"]).await);
    assert_eq!((status, &result["error"]["code"]), (Some(1), &json!("unknown_tool")));
    for (args, part) in [
        (&["tools"][..], "name one with --environment: development, staging, production"),
        (&["tools", "-e", "dev"], "no environment `dev`; there are: development, staging, production"),
        (&["tools", "-e", "development", "--format", "smoke"], "there is no format `smoke`"),
        (
            &["call", "get_order_status", "-e", "development", "order_number"],
            "`order_number` is not KEY=VALUE",
        ),
        (&["schema", "acton"], "no kind `acton`"),
    ] {
        let output = in_dir(args).await;
        assert_ne!(output.status.code(), Some(0), "{args:?}");
        assert!(errors(&output).contains(part), "{args:?}: {}", errors(&output));
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}

#[tokio::test]
async fn a_call_says_what_was_sent_and_where_it_was_redirected_when_that_is_asked_for() {
    let upstream = Upstream::start(|request| match request.line() {
        "POST /read?api_key=s3cr3t-of-the-key" => Reply::Raw(
            b"HTTP/1.1 302 Found\r\nlocation: https://ann:pa55word@new.example.com/read?lang=en&code=4f1c&k=s3cr3t-of-the-key&pin=4711-0815\r\n\
              set-cookie: session=abc\r\nx-request-id: req-1\r\nx-said: s3cr3t-of-the-key, 4711-0815\r\ncontent-length: 0\r\n\r\n"
                .to_vec(),
        ),
        _ => Reply::Close,
    })
    .await;
    let project = write_project(&files(
        upstream.port,
        &[
            ("secrets.toml", "[development]\nkey = \"s3cr3t-of-the-key\"\n"),
            ("auth/key.yaml", "type: api_key\nin: query\nkey_name: api_key\nkey: {secret: key}\n"),
            (
                "actions/read.yaml",
                "description: d\nconnection: api\nauth: key\nmethod: POST\npath: /read\nheaders: {X-Version: '2'}\n\
                 parameters: {type: object, properties: {pin: {type: string, x-sensitive: true}, name: {type: string}}}\n",
            ),
            ("actions/lost.yaml", "description: d\nconnection: api\npath: /lost\nretry: {max_attempts: 1}\n"),
        ],
    ));
    let dir = project.path().to_str().unwrap();
    let quiet = run(&["call", "read", "-p", dir, "pin=4711-0815", "name=Ann"], &[]).await;
    let output = run(&["call", "read", "-p", dir, "--verbose", "pin=4711-0815", "name=Ann"], &[]).await;
    let (result, status) = printed(&output);
    assert_eq!((status, &result["error"]["code"]), (Some(1), &json!("upstream_redirect")));
    assert_eq!(printed(&quiet).0["error"], result["error"], "the result is the same");
    assert!(quiet.stderr.is_empty(), "{}", errors(&quiet));
    let told = errors(&output);
    let lines: Vec<&str> = told.lines().collect();
    let place = "https://***@new.example.com/read?lang=en&code=***&k=***&pin=***";
    assert_eq!(lines[0], format!("> POST http://127.0.0.1:{}/read?api_key=***", upstream.port));
    for line in [
        "> x-version: 2",
        "> content-type: application/json",
        r#"> {"pin":"***","name":"Ann"}"#,
        "< 302",
        &format!("< location: {place}"),
        "< set-cookie: ***",
        "< x-request-id: req-1",
        "< x-said: ***, ***",
        &format!("* cause: a redirect to `{place}`"),
    ] {
        assert!(lines.contains(&line), "{line}\n{told}");
    }
    for untold in ["s3cr3t", "4711", "pa55word", "4f1c", "abc"] {
        assert!(!told.contains(untold), "{untold}: {told}");
    }
    let told = errors(&run(&["call", "lost", "-p", dir, "-v"], &[]).await);
    assert!(told.contains("> GET ") && told.contains("* no answer came\n* cause: "), "{told}");
    let told = errors(&run(&["call", "read", "-p", dir, "-v", "pin=[1]", "nam=x"], &[]).await);
    assert!(told.starts_with("* nothing was sent\n* cause: invalid arguments: "), "{told}");
}

#[tokio::test]
async fn the_log_says_where_a_redirect_leads() {
    let upstream = Upstream::start(|request| {
        let place =
            if request.line().contains("bare") { "" } else { "\r\nlocation: /v2/read?token=abc&q=4711-0815" };
        Reply::whole(&format!("308 Moved{place}"), b"")
    })
    .await;
    let action = |path: &str| {
        format!(
            "description: d\nconnection: api\npath: {path}\n\
             parameters: {{type: object, properties: {{pin: {{type: string, x-sensitive: true}}}}}}\n"
        )
    };
    let (read, bare) = (action("/read"), action("/bare"));
    let project = write_project(&files(
        upstream.port,
        &[("actions/read.yaml", read.as_str()), ("actions/bare.yaml", bare.as_str())],
    ));
    let gateway = Process::serve(project.path(), &[]);
    gateway.call("read", json!({"pin": "4711-0815"})).await;
    let log = gateway.wait_for("tool.name=\"read\"");
    let line = log.lines().find(|line| line.contains("upstream_redirect")).unwrap();
    assert!(line.ends_with("cause=\"a redirect to `/v2/read?token=***&q=***`\""), "{line}");
    gateway.call("bare", json!({})).await;
    let log = gateway.wait_for("tool.name=\"bare\"");
    assert!(log.contains("cause=\"a redirect that names no place\""), "{log}");
}

#[tokio::test]
async fn init_overwrites_nothing() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("secrets.toml"), "mine").unwrap();
    let output = run(&["init", dir.path().to_str().unwrap()], &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains("has secrets.toml already; nothing was written"), "{output:?}");
    let names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["secrets.toml"]);
    assert_eq!(fs::read_to_string(dir.path().join("secrets.toml")).unwrap(), "mine");
}

#[tokio::test]
async fn a_schema_is_printed_or_written() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(&["schema", "--write", dir.path().to_str().unwrap()], &[]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for kind in ["action", "agent", "connection", "auth", "variables", "secrets", "callgate"] {
        let (schema, status) = printed(&run(&["schema", kind], &[]).await);
        assert_eq!(status, Some(0));
        assert!(jsonschema::draft202012::new(&schema).is_ok(), "{kind}");
        let written = fs::read_to_string(dir.path().join(format!("{kind}.schema.json"))).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), schema, "{kind}");
    }
}

#[tokio::test]
async fn keygen_prints_a_key_once_and_the_hash_for_the_settings() {
    let output = run(&["keygen", "--name", "a \"b\"", "-e", "development"], &[]).await;
    let key = String::from_utf8(output.stdout.clone()).unwrap();
    let key = key.trim();
    assert!(key.starts_with("cg_") && key.len() == 3 + 64, "{key}");
    // All of it belongs into the file: `keygen 2>> callgate.toml`.
    let settings = errors(&output);
    assert!(!settings.contains(key), "{settings}");
    let text = format!("environments = [\"development\"]\n{settings}");
    let ping = ("actions/ping.yaml", "description: d\ntype: static\nresponse: pong\n".to_owned());
    let project = write_project(&[("callgate.toml", text), ping]);
    let process = Process::serve(project.path(), &[]);
    let http = client();
    let url = format!("{}/v1/tools", process.url);
    assert_eq!(http.get(&url).bearer_auth(key).send().await.unwrap().status(), 200);
    assert_eq!(http.get(&url).header("x-api-key", key).send().await.unwrap().status(), 200);
    assert_eq!(http.get(&url).send().await.unwrap().status(), 401);
    assert_ne!(output.stdout, run(&["keygen"], &[]).await.stdout);
    let admin = run(&["keygen", "--admin"], &[]).await;
    let settings: toml::Table = errors(&admin).parse().unwrap();
    assert_eq!(settings["keys"][0]["admin"].as_bool(), Some(true));
}

#[tokio::test]
async fn an_address_that_others_reach_needs_a_key() {
    let ping = ("actions/ping.yaml", "description: d\ntype: static\nresponse: pong\n".to_owned());
    let project = write_project(&[ping]);
    let dir = project.path().to_str().unwrap();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let output = run(&["serve", dir], &[("CALLGATE_SERVER__LISTEN", address)]).await;
        assert_eq!(output.status.code(), Some(1), "{address}");
        let said = errors(&output);
        assert!(said.contains(&format!("refusing to listen on {address}")), "{said}");
        assert!(said.contains("callgate keygen"), "{said}");
    }
    let output = run(&["serve", dir], &[("CALLGATE_SERVER__LISTEN", "here")]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        errors(&output).contains("CALLGATE_SERVER__LISTEN: error[invalid_setting]"),
        "{}",
        errors(&output)
    );
}

#[tokio::test]
async fn settings_come_from_variables_over_the_file() {
    let settings = "environments = [\"development\"]\n[server]\nmax_calls_per_request = 1\n[limits]\nmax_body_chars = 100\n";
    let ping = format!("description: d\ntype: static\nresponse: {}\n", "x".repeat(300));
    let project = write_project(&[("callgate.toml", settings.to_owned()), ("actions/ping.yaml", ping)]);
    let variables = [("CALLGATE_LIMITS__MAX_BODY_CHARS", "200"), ("CALLGATE_LOG__LEVEL", "off")];
    let process = Process::serve(project.path(), &variables);
    let result = process.call("ping", json!({})).await;
    assert_eq!(
        result["body"],
        format!(
            "{}\n[cut: the first 200 of 300 characters; ask for less, for example with a narrower query]",
            "x".repeat(200)
        )
    );
    let two = json!({"calls": [{"name": "ping"}, {"name": "ping"}]});
    assert_eq!(process.post("/v1/tool-calls", &two).await.0, 400);
    assert_eq!(process.written(), format!("the console is {}/console/\n", process.url));
    let port = process.url.trim_start_matches("http://").to_owned();
    assert_eq!(run(&["health", "--address", &port], &[]).await.status.code(), Some(0));
    drop(process);
    assert_eq!(run(&["health", "--address", &port], &[]).await.status.code(), Some(1));
}

#[tokio::test]
async fn a_secret_comes_from_a_file_a_directory_or_a_variable() {
    let upstream = Upstream::start(|_| Reply::ok("{}")).await;
    let mut all = files(upstream.port, &[SECRET_USER]);
    all.push((
        "callgate.toml",
        "environments = [\"development\"]\n[secrets]\ndirectory = \"mounted\"\n".to_owned(),
    ));
    let project = write_project(&all);
    let dir = project.path();
    let args = ["call", "read", "--project", dir.to_str().unwrap()];
    let output = run(&args, &[]).await;
    assert_eq!(output.status.code(), Some(1));
    let hint = "add `help-desk.key` under [development] in secrets.toml, or set CALLGATE_SECRET__DEVELOPMENT__HELP_DESK_KEY";
    assert!(errors(&output).contains(hint), "{}", errors(&output));

    let variable = ("CALLGATE_SECRET__DEVELOPMENT__HELP_DESK_KEY", "from-a-variable");
    let sent = || upstream.requests().last().and_then(|request| request.header("x-key").map(str::to_owned));
    assert_eq!(run(&args, &[variable]).await.status.code(), Some(0));
    assert_eq!(sent().as_deref(), Some("from-a-variable"));
    fs::write(dir.join("secrets.toml"), "[development]\n\"help-desk.key\" = \"from-the-toml\"\n").unwrap();
    assert_eq!(run(&args, &[]).await.status.code(), Some(0));
    assert_eq!(sent().as_deref(), Some("from-the-toml"));
    fs::create_dir_all(dir.join("mounted/development")).unwrap();
    fs::write(dir.join("mounted/help-desk.key"), "from-a-mount\n").unwrap();
    assert_eq!(run(&args, &[]).await.status.code(), Some(0));
    assert_eq!(sent().as_deref(), Some("from-a-mount"));
    fs::write(dir.join("mounted/development/help-desk.key"), "from-its-own-mount\r\n").unwrap();
    assert_eq!(run(&args, &[]).await.status.code(), Some(0));
    assert_eq!(sent().as_deref(), Some("from-its-own-mount"));
    assert_eq!(run(&args, &[variable]).await.status.code(), Some(0));
    assert_eq!(sent().as_deref(), Some("from-a-variable"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_takes_a_good_edit_and_refuses_a_broken_one() {
    let text = |answer: &str| format!("description: d\ntype: static\nresponse: {answer}\n");
    let project = write_project(&[("actions/ping.yaml", text("first"))]);
    let process = Process::serve(project.path(), &[("CALLGATE_SERVER__WATCH", "false")]);
    let path = project.path().join("actions/ping.yaml");
    let answer = async || process.call("ping", json!({})).await["body"].clone();
    assert_eq!(answer().await, "first");

    fs::write(&path, text("second")).unwrap();
    assert_eq!(answer().await, "first", "an edit alone changes nothing");
    process.signal("HUP");
    process.wait_for("reloaded");
    assert_eq!(answer().await, "second");

    fs::write(&path, "description: d\ntype: sttic\nresponse: third\n").unwrap();
    process.signal("HUP");
    process.wait_for("actions/ping.yaml:2:7: error[invalid_value]: `type` is `sttic`");
    process.wait_for("reload refused: the project has errors; the old one serves on");
    assert_eq!(answer().await, "second");

    fs::remove_dir_all(project.path().join("actions")).unwrap();
    fs::write(project.path().join("actions"), "a file where a folder was").unwrap();
    process.signal("HUP");
    process.wait_for("reload refused");
    assert_eq!(answer().await, "second");

    fs::remove_file(project.path().join("actions")).unwrap();
    fs::create_dir(project.path().join("actions")).unwrap();
    fs::write(&path, text("fourth")).unwrap();
    process.signal("HUP");
    process.wait_for("reloaded");
    assert_eq!(answer().await, "fourth");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_lets_calls_under_way_finish_and_takes_no_more() {
    for signal in ["TERM", "INT"] {
        let gate = Arc::new(Semaphore::new(0));
        let held = gate.clone();
        let upstream =
            Upstream::start(move |_| Reply::Held(held.clone(), Box::new(Reply::ok("{\"done\": true}"))))
                .await;
        let write = "description: d\nconnection: api\nmethod: POST\npath: /write\ntimeout_ms: 60000\n";
        let project = write_project(&files(upstream.port, &[("actions/write.yaml", write)]));
        let mut process = Process::serve(project.path(), &[("CALLGATE_SERVER__SHUTDOWN_GRACE_MS", "60000")]);
        let url = process.url.clone();
        let mut calls = JoinSet::new();
        calls.spawn(async move {
            let body = json!({"name": "write"}).to_string();
            let answer = client().post(format!("{url}/v1/tool-calls")).body(body).send().await.unwrap();
            answer.text().await.unwrap()
        });
        upstream.received(1).await;
        process.signal(signal);
        process.wait_for("stopping: no new calls, those under way may finish");
        let address = process.url.trim_start_matches("http://").to_owned();
        while tokio::net::TcpStream::connect(&address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        assert!(calls.try_join_next().is_none(), "the call is still under way");
        gate.add_permits(1);
        let result: Value = serde_json::from_str(&calls.join_next().await.unwrap().unwrap()).unwrap();
        assert_eq!(result["body"], json!({"done": true}), "{signal}");
        assert_eq!(process.wait(), Some(0), "{signal}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_waits_for_a_call_whose_caller_has_hung_up() {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let upstream =
        Upstream::start(move |_| Reply::Held(held.clone(), Box::new(Reply::ok("{\"done\": true}")))).await;
    let write = "description: d\nconnection: api\nmethod: POST\npath: /write\ntimeout_ms: 60000\n";
    let project = write_project(&files(upstream.port, &[("actions/write.yaml", write)]));
    let mut process = Process::serve(project.path(), &[("CALLGATE_SERVER__SHUTDOWN_GRACE_MS", "60000")]);
    let url = format!("{}/v1/tool-calls", process.url);
    let mut calls = JoinSet::new();
    calls.spawn(async move { client().post(url).body(json!({"name": "write"}).to_string()).send().await });
    upstream.received(1).await;
    calls.abort_all();
    while calls.join_next().await.is_some() {}
    process.signal("TERM");
    process.wait_for("stopping: no new calls, those under way may finish");
    gate.add_permits(1);
    process.wait_for("tool call done");
    assert_eq!(process.wait(), Some(0));
}

#[tokio::test]
async fn a_reload_that_would_leave_an_open_address_without_a_key_is_refused() {
    let action = ("actions/ping.yaml", "description: d\ntype: static\nresponse: pong\n".to_owned());
    let key = format!("[[keys]]\nname = \"a\"\nhash = \"sha256:{}\"\n", "0".repeat(64));
    let settings = ("callgate.toml", format!("environments = [\"development\"]\n{key}"));
    let project = write_project(&[action, settings]);
    let process = Process::serve(project.path(), &[("CALLGATE_SERVER__LISTEN", "0.0.0.0:0")]);
    fs::write(project.path().join("callgate.toml"), "environments = [\"development\"]\n").unwrap();
    process.signal("HUP");
    process.wait_for("reload refused: refusing to listen on 0.0.0.0:0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_never_ends_does_not_keep_a_stop_waiting_for_ever() {
    let upstream = Upstream::start(|_| Reply::Stall).await;
    let read = "description: d\nconnection: api\npath: /read\ntimeout_ms: 300000\n";
    let project = write_project(&files(upstream.port, &[("actions/read.yaml", read)]));
    let mut process = Process::serve(project.path(), &[("CALLGATE_SERVER__SHUTDOWN_GRACE_MS", "50")]);
    let url = format!("{}/v1/tool-calls", process.url);
    let mut calls = JoinSet::new();
    calls.spawn(
        async move { client().post(url).body(json!({"name": "read"}).to_string()).send().await.is_err() },
    );
    upstream.received(1).await;
    process.signal("TERM");
    assert_eq!(process.wait(), Some(0));
    assert!(calls.join_next().await.unwrap().unwrap(), "the connection is closed");
}

#[tokio::test]
async fn a_port_that_is_taken_and_a_project_with_errors_are_said_at_start() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let project = write_project(&[]);
    let dir = project.path().to_str().unwrap().to_owned();
    let output = run(&["serve", &dir], &[("CALLGATE_SERVER__LISTEN", &address)]).await;
    assert_eq!(output.status.code(), Some(1));
    let said = errors(&output);
    assert!(said.contains(&format!("cannot listen on {address}; set another address with")), "{said}");
    fs::create_dir(project.path().join("actions")).unwrap();
    fs::write(project.path().join("actions/x.yaml"), "description: d\n").unwrap();
    for command in [&["serve", &dir][..], &["tools", "-p", &dir], &["call", "x", "-p", &dir]] {
        let output = run(command, &[("CALLGATE_SERVER__LISTEN", "127.0.0.1:0")]).await;
        assert_eq!(output.status.code(), Some(1));
        assert!(errors(&output).contains("actions/x.yaml:1:1: error[missing_url]"), "{}", errors(&output));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn tools_are_printed_in_the_form_of_no_provider_too() {
    let action = "description: Says when.\ntype: static\nresponse: 9 to 5\n".to_owned();
    let dir = write_project(&[("actions/hours.yaml", action)]);
    let tools = |more: &[&str]| {
        let project = dir.path().to_str().unwrap();
        callgate(&[&["tools", "--project", project, "--format"], more].concat()).output().unwrap()
    };
    let output = tools(&["callgate"]);
    assert!(output.status.success(), "{output:?}");
    let specs: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&specs[0]["name"], &specs[0]["type"]), (&"hours".into(), &"static".into()), "{specs}");
    let output = tools(&["nobodys"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && told.contains("elevenlabs, callgate"), "{told}");
    assert!(!tools(&["callgate", "--report"]).status.success());
}
