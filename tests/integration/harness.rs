//! A gateway over a real socket, and what else tests need.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Once;
use std::time::Duration;

use callgate::executor::{ExecutorLimits, Gateway as Executor};
use callgate::project;
use callgate::server::{self, AppState};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// A gateway over a real socket, its project in a temporary directory.
pub struct Gateway {
    /// `http://127.0.0.1:<port>`
    pub url: String,
    /// The project directory.
    pub project: TempDir,
    client: reqwest::Client,
    _stop: oneshot::Sender<()>,
}

/// Writes the files of a project; without a `callgate.toml` it serves `development`.
pub fn write_project(files: &[(&str, String)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    if !files.iter().any(|(name, _)| *name == "callgate.toml") {
        fs::write(dir.path().join("callgate.toml"), "environments = [\"development\"]\n").unwrap();
    }
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    dir
}

impl Gateway {
    /// Starts a gateway; panics with the problems if the project is refused.
    pub async fn start(files: &[(&str, String)]) -> Self {
        let dir = write_project(files);
        let project = project::load(dir.path(), None);
        let problems: Vec<String> =
            project.problems.clone().sorted().iter().map(ToString::to_string).collect();
        assert!(!project.problems.has_errors(), "the project is refused:\n{}", problems.join("\n"));
        let limits = ExecutorLimits {
            max_response_bytes: project.settings.limits.max_response_bytes,
            max_body_chars: project.settings.limits.max_body_chars,
        };
        let state = AppState::new(Executor::new(project.deployment, limits), &project.settings);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let stopping = async {
            let _ = stopped.await;
        };
        tokio::task::spawn(server::serve(listener, state, stopping, Duration::from_secs(1)));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { url, project: dir, client, _stop: stop }
    }

    /// Calls `name` in `development`; the HTTP status must be 200.
    pub async fn call(&self, name: &str, arguments: Value) -> Value {
        self.call_with(json!({"environment": "development", "name": name, "arguments": arguments})).await
    }

    /// Posts a whole request to `/v1/tool-calls`; the HTTP status must be 200.
    pub async fn call_with(&self, body: Value) -> Value {
        let (status, answer) = self.post("/v1/tool-calls", body.to_string()).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// Posts `body`, whatever it is.
    pub async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
        let request =
            self.client.post(format!("{}{path}", self.url)).header("content-type", "application/json");
        answer(request.body(body).send().await.unwrap()).await
    }

    /// Gets `path`.
    pub async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.client.get(format!("{}{path}", self.url)).send().await.unwrap()).await
    }

    /// A request of the test's own making.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method.parse().unwrap(), format!("{}{path}", self.url))
    }
}

async fn answer(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    let value = if text.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    };
    (status, value)
}

/// A project of one connection `api` to `port`, without credentials, and the
/// given files.
pub fn files<'a>(port: u16, more: &[(&'a str, &str)]) -> Vec<(&'a str, String)> {
    let connection = format!("base_url: http://127.0.0.1:{port}\n");
    let mut files = vec![("connections/api.yaml", connection)];
    files.extend(more.iter().map(|(name, text)| (*name, text.replace("{port}", &port.to_string()))));
    files
}

/// Where `tests/external/install.sh` puts things; `None` where it has not run,
/// which is said once.
pub fn external() -> Option<PathBuf> {
    static SAID: Once = Once::new();
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/external");
    #[expect(clippy::disallowed_methods, reason = "a test's own setting")]
    let dir = std::env::var_os("CALLGATE_EXTERNAL").map_or(default, PathBuf::from);
    if dir.join("installed").exists() {
        return Some(dir);
    }
    SAID.call_once(|| {
        eprintln!(
            "skipped: tests against httpbin and oidc-provider, because tests/external/install.sh has not run"
        );
    });
    None
}

/// A child process that prints `listening <port>`; it is killed on drop.
pub struct Server {
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    child: Child,
    _stdin: Option<ChildStdin>,
}

impl Server {
    /// Starts `program` and waits for its port.
    pub fn start(program: &Path, args: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
        let stdin = child.stdin.take();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("listening ")?.trim().parse().ok())
            .unwrap_or_else(|| panic!("{} printed no `listening <port>`", program.display()));
        Self { port, child, _stdin: stdin }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
