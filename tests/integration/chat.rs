//! `callgate chat`, as people and scripts use it.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Semaphore;

use crate::harness::{Process, callgate, files, write_project};
use crate::upstream::{Captured, ClosedPort, Reply, Upstream};
use crate::wait::until_found;

const GET_ORDER: &str = "description: Finds an order.\nconnection: api\npath: /orders\n\
    parameters: {type: object, properties: {id: {type: integer}}, required: [id]}\nspeech: {start: Let me look.}\n";

fn agent(port: u16) -> String {
    format!(
        "instructions: You answer for the shop.\nmodel: {{provider: openai, base_url: 'http://127.0.0.1:{port}/v1', model: tiny}}\n\
         fillers: {{announce_after_ms: 0}}\non_failure: {{model: I am sorry.}}\n"
    )
}

fn project(port: u16, more: &[(&'static str, &str)]) -> TempDir {
    let mut all = files(port, &[("actions/get_order.yaml", GET_ORDER)]);
    all.push(("agents/front_desk.yaml", agent(port)));
    all.extend(more.iter().map(|(name, text)| (*name, (*text).to_owned())));
    write_project(&all)
}

/// The head of a stream, and an event for each piece of an answer.
fn stream(deltas: &[Value]) -> Vec<u8> {
    let mut bytes =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n".to_vec();
    for delta in deltas {
        let chunk = json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]});
        bytes.extend_from_slice(format!("data: {chunk}\n\n").as_bytes());
    }
    bytes
}

fn ended(mut bytes: Vec<u8>, reason: &str) -> Reply {
    let last = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]});
    bytes.extend_from_slice(format!("data: {last}\n\ndata: [DONE]\n\n").as_bytes());
    Reply::Raw(bytes)
}

/// A model's answer.
fn says(text: &str) -> Reply {
    ended(stream(&[json!({"content": text})]), "stop")
}

/// A model's call.
fn calls(name: &str, arguments: &Value) -> Reply {
    let function = json!({"name": name, "arguments": arguments.to_string()});
    let call = json!({"index": 0, "id": "c1", "type": "function", "function": function});
    ended(stream(&[json!({"tool_calls": [call]})]), "tool_calls")
}

/// The messages of a request to the model.
fn messages(request: &Captured) -> Vec<Value> {
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    body["messages"].as_array().unwrap().clone()
}

/// What the user said last, and whether a tool's result came after it.
fn heard(request: &Captured) -> (String, bool) {
    let messages = messages(request);
    let said = messages.iter().rfind(|message| message["role"] == "user").unwrap();
    (said["content"].as_str().unwrap().to_owned(), messages.last().unwrap()["role"] == "tool")
}

/// `callgate chat`, with its standard input open.
struct Chat {
    child: Child,
    input: Option<ChildStdin>,
    shown: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
}

impl Chat {
    fn start(args: &[&str]) -> Self {
        let mut command = callgate(&[&["chat"], args].concat());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let shown = Arc::new(Mutex::new(String::new()));
        let (out, mut from) = (shown.clone(), child.stdout.take().unwrap());
        let reader = std::thread::spawn(move || {
            let mut piece = [0; 1024];
            while let Ok(length @ 1..) = from.read(&mut piece) {
                out.lock().unwrap().push_str(std::str::from_utf8(&piece[..length]).unwrap());
            }
        });
        let input = child.stdin.take();
        Self { child, input, shown, reader }
    }

    fn say(&mut self, text: &str) {
        self.input.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Waits until this is shown.
    async fn wait_for(&self, part: &str) {
        let (shown, part) = (self.shown.clone(), part.to_owned());
        let wait = move || {
            until_found(&format!("{part:?} on standard output"), || {
                shown.lock().unwrap().contains(&part).then_some(())
            });
        };
        tokio::task::spawn_blocking(wait).await.unwrap();
    }

    fn interrupt(&self) {
        let pid = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    }

    /// Waits for its end; gives what it has shown, what it has written to standard error, and its exit status.
    async fn end(mut self) -> (String, String, Option<i32>) {
        drop(self.input.take());
        let end = off_the_runtime(move || {
            let output = self.child.wait_with_output().unwrap();
            self.reader.join().unwrap();
            let shown = self.shown.lock().unwrap().clone();
            (shown, String::from_utf8_lossy(&output.stderr).into_owned(), output.status.code())
        });
        end.await
    }
}

async fn off_the_runtime<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let work = tokio::task::spawn_blocking(work);
    tokio::time::timeout(Duration::from_secs(60), work).await.expect("it does not end").unwrap()
}

/// Has a whole conversation; gives what it has shown, what it has written to standard error, and its exit status.
async fn chat(args: &[&str], input: &str) -> (String, String, Option<i32>) {
    let mut chat = Chat::start(args);
    chat.say(input);
    chat.end().await
}

/// The same lines without their times.
fn without_times(shown: &str) -> String {
    let mut text = String::new();
    for line in shown.lines() {
        let untimed = line
            .strip_prefix("[+")
            .and_then(|rest| rest.split_once(" s "))
            .map(|(_, rest)| format!("[{rest}"));
        let line = untimed.unwrap_or_else(|| line.to_owned());
        let digits: String = line.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
        text.push_str(&digits.replace("99", "9").replace("99", "9"));
        text.push('\n');
    }
    text
}

/// A shop whose model looks an order up for every question that has one.
fn shop(orders: Reply) -> impl Fn(&Captured) -> Reply + Send + Sync + 'static {
    move |request| match request.line().split([' ', '?']).nth(1).unwrap() {
        "/v1/chat/completions" => match heard(request) {
            (said, false) if said.contains("order") => calls("get_order", &json!({"id": 7})),
            (_, true) => says("It is on\nits way."),
            (said, false) => says(&format!("You said {said}.")),
        },
        "/orders" => orders.clone(),
        other => panic!("{other}"),
    }
}

const SCRIPT: &str = "Where is my order?\n\n  \nThanks\n";
const SHOWN: &str = "[call get_order {\"id\":9}]\n[start filler] Let me look.\n[get_order success, 9 ms]\n\
                     It is on\nits way.\nYou said Thanks.\n";

/// Has the conversation of [`SCRIPT`], in which the service answers only when the caller has heard a filler.
async fn a_script(args: &[&str], gate: &Semaphore) -> (String, String, Option<i32>) {
    let mut chat = Chat::start(args);
    chat.say(SCRIPT);
    chat.wait_for("Let me look.").await;
    gate.add_permits(1);
    chat.end().await
}

#[tokio::test]
async fn a_line_of_a_script_is_a_turn_of_one_conversation() {
    let gate = Arc::new(Semaphore::new(0));
    let upstream = Upstream::start(shop(Reply::Held(gate.clone(), Box::new(Reply::ok("{}"))))).await;
    let project = project(upstream.port, &[]);
    let (shown, errors, status) = a_script(&["front_desk", project.path().to_str().unwrap()], &gate).await;
    assert_eq!((without_times(&shown).as_str(), errors.as_str(), status), (SHOWN, "", Some(0)), "{shown}");
    // The model of the second turn has seen the first one, with its hidden round.
    let last = messages(upstream.requests().last().unwrap());
    let roles: Vec<&str> = last.iter().filter_map(|message| message["role"].as_str()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "tool", "assistant", "user"], "{last:?}");
}

#[tokio::test]
async fn a_running_gateway_is_talked_to_with_its_key() {
    let gate = Arc::new(Semaphore::new(0));
    let upstream = Upstream::start(shop(Reply::Held(gate.clone(), Box::new(Reply::ok("{}"))))).await;
    let made = callgate(&["keygen", "--name", "ann"]).output().unwrap();
    let key = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    let allow = "environments = [\"development\"]\n[egress.development]\nallow = [\"127.0.0.1\"]\n";
    let settings = format!("{allow}{}", String::from_utf8(made.stderr).unwrap());
    let project = project(upstream.port, &[("callgate.toml", settings.as_str())]);
    let gateway = Process::serve(project.path(), &[]);
    let url = gateway.url.as_str();
    // The only agent needs no name.
    let with_key = ["--url", url, "--key", &key, "--conversation", "phone/1 a", "--verbose"];
    let (shown, errors, status) = a_script(&with_key, &gate).await;
    assert_eq!((errors.as_str(), status), ("", Some(0)), "{shown}");
    assert!(shown.contains("[round 1: tiny, first token ") && shown.contains(" tokens in, "), "{shown}");
    assert!(shown.ends_with("out]\n"), "{shown}");

    // The gateway keeps the conversation, and somebody else goes on with it.
    let request = gateway.request("GET", "/v1/conversations/phone%2F1%20a/events").bearer_auth(&key);
    let (code, feed) = gateway.send(request).await;
    assert_eq!(code, 200, "{feed}");
    let called =
        feed["events"].as_array().unwrap().iter().find(|event| event["type"] == "tool_called").unwrap();
    assert_eq!(called["data"]["source"], "cli", "{called}");
    let (shown, _, _) =
        chat(&["front_desk", "--url", url, "--key", &key, "--conversation", "phone/1 a"], "And?\n").await;
    assert_eq!(shown, "You said And?.\n");
    assert!(messages(upstream.requests().last().unwrap()).len() > 6);

    for (args, part) in [
        (&["--url", url][..], "a key is needed"),
        (&["--url", url, "--key", "cg_wrong"], "this key is not known here (unauthorized)"),
        (
            &["back_desk", "--url", url, "--key", &key],
            "no agent `back_desk` in `development`; there are: front_desk",
        ),
        (&["--url", url, "--key", &key, "-e", "staging"], "no environment `staging` is served"),
    ] {
        let (shown, errors, status) = chat(args, "Hello\n").await;
        assert_eq!((shown.as_str(), status), ("", Some(1)), "{args:?}: {errors}");
        assert!(errors.contains(part), "{args:?}: {errors}");
    }
}

#[tokio::test]
async fn a_turn_that_fails_is_told_and_the_script_goes_on() {
    let upstream = Upstream::start(|request| match heard(request).0.as_str() {
        "fail" => Reply::Json(401, r#"{"error": {"message": "no such key"}}"#.to_owned()),
        said => says(&format!("You said {said}.")),
    })
    .await;
    let project = project(upstream.port, &[]);
    let (shown, errors, status) =
        chat(&["front_desk", project.path().to_str().unwrap()], "fail\nHello").await;
    assert_eq!(without_times(&shown), "[failure] I am sorry.\nYou said Hello.\n");
    assert!(
        errors.starts_with("callgate: the agent could not answer: ")
            && errors.contains("(model_credentials)"),
        "{errors}"
    );
    assert_eq!(status, Some(1));
}

#[tokio::test]
async fn an_interrupt_stops_the_answer_and_between_two_answers_the_conversation() {
    let upstream = Upstream::start(|request| match heard(request).0.as_str() {
        "long" => Reply::RawThenStall(stream(&[json!({"content": "It is a long story"})])),
        said => says(&format!("You said {said}.")),
    })
    .await;
    let project = project(upstream.port, &[]);
    let gateway = Process::serve(project.path(), &[]);
    for args in
        [&["front_desk", project.path().to_str().unwrap()][..], &["front_desk", "--url", &gateway.url]]
    {
        let mut chat = Chat::start(args);
        chat.say("long\n");
        chat.wait_for("a long story").await;
        chat.interrupt();
        chat.wait_for("[interrupted]").await;
        chat.say("Hello\n");
        chat.wait_for("You said Hello.\n").await;
        chat.interrupt();
        // Its input is still open.
        let open = chat.input.take();
        let (shown, errors, status) = chat.end().await;
        drop(open);
        assert_eq!(shown, "It is a long story\n[interrupted]\nYou said Hello.\n", "{args:?}");
        assert_eq!((errors.as_str(), status), ("", Some(0)), "{args:?}");
    }
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let other = agent(1);
    let two = project(1, &[("agents/night_desk.yaml", other.as_str())]);
    let none = write_project(&files(1, &[("actions/get_order.yaml", GET_ORDER)]));
    let several = "environments = [\"development\", \"staging\"]\n";
    let places = project(1, &[("callgate.toml", several)]);
    let dir = |project: &TempDir| project.path().to_str().unwrap().to_owned();
    let (two, none, places) = (dir(&two), dir(&none), dir(&places));
    let closed = ClosedPort::new();
    let nobody = format!("http://127.0.0.1:{}", closed.port);
    let run = async |args: &[&str], status: i32, part: &str| {
        let (shown, errors, code) = chat(args, "Hello\n").await;
        assert_eq!((shown.as_str(), code), ("", Some(status)), "{args:?}: {errors}");
        assert!(errors.contains(part), "{args:?}: {errors}");
    };
    run(&["back_desk", &two], 1, "no agent `back_desk` in `development`; there are: front_desk, night_desk")
        .await;
    run(&["front_desk", &none], 1, "environment `development` has no agents: add agents/<name>.yaml").await;
    run(&["front_desk", &places], 1, "name one with --environment: development, staging").await;
    run(&["front_desk", &places, "-e", "prod"], 1, "no environment `prod`; there are: development, staging")
        .await;
    run(&["--url", &nobody], 1, &format!("cannot reach {nobody}/: ")).await;
    run(&["--url", "127.0.0.1:8080"], 1, "`127.0.0.1:8080` is not").await;
    run(&["front_desk", &two, "--url", &nobody], 2, "cannot be used with").await;
    run(&["front_desk", "--key", "cg_1"], 2, "--url").await;
    let output: Output = callgate(&["chat"]).current_dir(&two).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("name an agent: front_desk, night_desk"), "{errors}");
}
