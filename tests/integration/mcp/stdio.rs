//! `callgate mcp`: the same over standard input and output.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use super::{GREET, HOURS, ORDER, call, initialize, message};
use crate::harness::{callgate, files, write_project};
use crate::upstream::{Reply, Upstream};

struct Pipe {
    child: Child,
    to: Option<ChildStdin>,
    from: Receiver<String>,
}

impl Pipe {
    fn start(args: &[&str]) -> Self {
        let mut command = callgate(args);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (lines, from) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            stdout
                .lines()
                .map_while(Result::ok)
                .take_while(|line| lines.send(line.clone()).is_ok())
                .for_each(drop);
        });
        Self { to: child.stdin.take(), child, from }
    }

    fn write(&mut self, message: &Value) {
        writeln!(self.to.as_mut().unwrap(), "{message}").unwrap();
    }

    /// The next message that `is_it`; there is nothing but messages on standard output.
    fn read(&self, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line = self.from.recv_timeout(Duration::from_secs(60)).expect("no message in a minute");
            let message: Value =
                serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            assert_eq!(message["jsonrpc"], "2.0");
            if is_it(&message) {
                return message;
            }
        }
    }

    fn ask(&mut self, message: &Value) -> Value {
        self.write(message);
        self.read(|answer| answer["id"] == message["id"])
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_desktop_client_lists_and_calls_over_pipes() {
    let upstream = Upstream::start(|_| Reply::ok("{\"customer\": \"c1\"}")).await;
    let project = write_project(&files(upstream.port, &[ORDER, GREET, HOURS]));
    let dir = project.path().to_str().unwrap();
    let mut pipe = Pipe::start(&["mcp", "--project", dir, "--environment", "development"]);
    assert_eq!(pipe.ask(&initialize("2025-06-18"))["result"]["protocolVersion"], "2025-06-18");
    pipe.write(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    let list = pipe.ask(&message(1, "tools/list", json!({})));
    assert_eq!(list["result"]["tools"].as_array().unwrap().len(), 3);
    assert_eq!(pipe.ask(&call(2, "get_order", json!({"number": "7"})))["result"]["isError"], false);
    // One process is one conversation.
    assert_eq!(pipe.ask(&call(3, "greet", json!({})))["result"]["isError"], false);
    assert_eq!(upstream.requests()[1].text(), "{\"customer\":\"c1\"}");
    assert_eq!(pipe.ask(&call(4, "get_order", json!({"number": 7})))["result"]["isError"], true);
    // What is no message costs nobody the rest.
    writeln!(pipe.to.as_mut().unwrap(), "{{broken").unwrap();
    assert_eq!(pipe.ask(&message(5, "ping", json!({})))["result"], json!({}));

    fs::write(project.path().join(HOURS.0), HOURS.1.replace("Says when.", "Says it.")).unwrap();
    pipe.read(|message| message["method"] == "notifications/tools/list_changed");
    let list = pipe.ask(&message(6, "tools/list", json!({})));
    assert_eq!(list["result"]["tools"][2]["description"], "Says it.");

    drop(pipe.to.take());
    assert!(pipe.child.wait().unwrap().success());
}

#[test]
fn a_project_with_errors_is_no_server() {
    let project = write_project(&[("actions/x.yaml", "description: d\ntype: sttic\n".to_owned())]);
    let output = callgate(&["mcp", "--project", project.path().to_str().unwrap()]).output().unwrap();
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("`type` is `sttic`"), "{output:?}");
}
