//! A gateway over a real socket, and what else tests need.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use callgate::conversation::{MemoryStore, Store};
use callgate::executor::Gateway as Executor;
use callgate::project;
use callgate::server::{self, AppState};
use callgate::telemetry::metrics::Metrics;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OnceCell, oneshot};

use crate::leaks::marks::{self, Marks};
use crate::log::Log;
use crate::relay::Relay;
use crate::upstream::tokens_of;
use crate::wait::{until, until_found, until_so};

/// A gateway over a real socket, its project in a temporary directory.
pub(crate) struct Gateway {
    /// `http://127.0.0.1:<port>`
    pub url: String,
    /// The project directory, kept as long as the gateway.
    _project: TempDir,
    client: reqwest::Client,
    /// Where requests of a test's own making go, so that no byte of an answer is overlooked.
    relay: Relay,
    untold: Untold,
    /// What it logs.
    pub log: Log,
    openapi: OnceCell<Value>,
    stop: Mutex<Option<oneshot::Sender<()>>>,
}

/// What may be in no answer and in no line of the log: the secrets of a project, and the tokens that its connectors
/// are given.
struct Untold {
    secrets: Marks,
    /// Where the tokens come from.
    token_ports: Vec<u16>,
    /// Those that are known so far.
    tokens: Mutex<(Vec<String>, Arc<Marks>)>,
}

impl Untold {
    fn of(dir: &Path) -> Self {
        let secrets = marks::secrets(&fs::read_to_string(dir.join("secrets.toml")).unwrap_or_default());
        let connectors = fs::read_dir(dir.join("auth")).into_iter().flatten().flatten();
        let ports = connectors.flat_map(|file| {
            let text = fs::read_to_string(file.path()).unwrap_or_default();
            let urls = text.lines().filter_map(|line| line.trim().strip_prefix("token_url:"));
            urls.filter_map(|url| url::Url::parse(url.trim()).ok()?.port()).collect::<Vec<_>>()
        });
        let tokens = Mutex::new((Vec::new(), Arc::new(Marks::new([]))));
        Self { secrets, token_ports: ports.collect(), tokens }
    }

    fn is_empty(&self) -> bool {
        self.secrets.is_empty() && self.token_ports.is_empty()
    }

    /// Panics where `text` holds something of it in any encoding.
    #[track_caller]
    fn assert_not_in(&self, place: &str, text: &str) {
        self.secrets.assert_none_in(place, text);
        self.tokens().assert_none_in(place, text);
    }

    /// The tokens that the connectors have been given so far.
    fn tokens(&self) -> Arc<Marks> {
        let tokens: Vec<String> = self.token_ports.iter().flat_map(|port| tokens_of(*port)).collect();
        let mut known = self.tokens.lock().unwrap();
        if known.0 != tokens {
            let marks = Marks::new(tokens.iter().map(|token| ("a token", token.as_str())));
            *known = (tokens, Arc::new(marks));
        }
        known.1.clone()
    }
}

/// Writes the files of a project; without a `callgate.toml` it serves `development`.
pub(crate) fn write_project(files: &[(&str, String)]) -> TempDir {
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

/// Puts another text into a file as a whole: who watches it never sees half of it.
pub(crate) fn replace(path: &Path, text: &str) {
    let beside = path.with_file_name(".beside.swp");
    fs::write(&beside, text).unwrap();
    fs::rename(&beside, path).unwrap();
}

impl Gateway {
    /// Starts a gateway; panics with the problems if the project is refused.
    pub(crate) async fn start(files: &[(&str, String)]) -> Self {
        Self::start_on(files, Arc::new(MemoryStore::default())).await
    }

    /// The same with a store of the test's own.
    pub(crate) async fn start_on(files: &[(&str, String)], store: Arc<dyn Store>) -> Self {
        let log = Log::start();
        let dir = write_project(files);
        let project = project::load(dir.path(), None);
        let problems: Vec<String> =
            project.problems.clone().sorted().iter().map(ToString::to_string).collect();
        assert!(!project.problems.has_errors(), "the project is refused:\n{}", problems.join("\n"));
        let metrics = Arc::new(Metrics::default());
        let executor = Executor::with_store(project.deployment, store, vec![metrics.clone()]);
        let state = AppState::new(executor, &project.settings).with_metrics(metrics);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let stopping = async {
            let _ = stopped.await;
        };
        tokio::task::spawn(server::serve(listener, state, stopping, Duration::from_secs(1)));
        let (relay, untold) = (Relay::before(&url).await, Untold::of(dir.path()));
        Self {
            url,
            _project: dir,
            client: client(),
            relay,
            untold,
            log,
            openapi: OnceCell::new(),
            stop: Mutex::new(Some(stop)),
        }
    }

    /// Has it stop, as SIGTERM does.
    pub(crate) fn stop(&self) {
        drop(self.stop.lock().unwrap().take());
    }

    /// Calls `name` in `development`; the HTTP status must be 200.
    pub(crate) async fn call(&self, name: &str, arguments: Value) -> Value {
        self.call_with(json!({"environment": "development", "name": name, "arguments": arguments})).await
    }

    /// Posts a whole request to `/v1/tool-calls`; the HTTP status must be 200.
    pub(crate) async fn call_with(&self, body: Value) -> Value {
        let (status, answer) = self.post("/v1/tool-calls", body.to_string()).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// Posts `body`, whatever it is.
    pub(crate) async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
        let request =
            self.client.post(format!("{}{path}", self.url)).header("content-type", "application/json");
        answer(request.body(body), &self.untold).await
    }

    /// Gets `path`.
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.client.get(format!("{}{path}", self.url)), &self.untold).await
    }

    /// Panics where `text` holds a secret of the project in any encoding.
    #[track_caller]
    pub(crate) fn assert_untold(&self, text: &str) {
        self.untold.assert_not_in("an answer", text);
    }

    /// A request of the test's own making; all of its answer is looked through in the end.
    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method.parse().unwrap(), format!("{}{path}", self.relay.url))
    }
}

impl Gateway {
    /// Its own OpenAPI document.
    pub(crate) async fn openapi(&self) -> &Value {
        self.openapi.get_or_init(async || self.get("/openapi.json").await.1).await
    }

    /// Waits until it has taken note of all that came over its connections so far, in the order in which it came: a
    /// request over a further connection has been answered. So it is with one thread.
    pub(crate) async fn caught_up(&self) {
        assert_eq!(client().get(format!("{}/healthz", self.url)).send().await.unwrap().status(), 200);
    }

    /// Uses none of the connections of its earlier requests any more.
    pub(crate) fn reconnect(&mut self) {
        self.client = client();
    }
}

/// What a gateway logs, at the level `debug`, for each call whose caller has hung up, once all that follows from it is done.
const HUNG_UP: &str = "a caller has hung up";

impl Gateway {
    /// How many calls it has noticed the hang-up of.
    pub(crate) fn hang_ups(&self) -> usize {
        self.log.text().matches(HUNG_UP).count()
    }

    /// Waits until it has noticed the hang-up of so many calls in all.
    pub(crate) async fn hung_up(&self, calls: usize) {
        until_so(&format!("hang-up {calls}"), || self.hang_ups() >= calls).await;
    }

    /// Waits until no call is under way any more.
    pub(crate) async fn at_rest(&self) {
        until("the end of all calls", async || {
            let (_, metrics) = self.get("/metrics").await;
            metrics.as_str()?.contains("callgate_calls_in_flight 0\n").then_some(())
        })
        .await;
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if !std::thread::panicking() && !self.untold.is_empty() {
            self.untold.assert_not_in("the log", &self.log.text());
            self.untold.assert_not_in("an answer", &self.relay.seen());
        }
    }
}

/// A client for the gateway's own API.
pub(crate) fn client() -> reqwest::Client {
    // Fails only where a provider is set already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // It speaks plain HTTP: to read the system's certificates would take longer than most tests.
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only([]);
    // Sooner than the gateway closes a connection that nobody uses: no request goes out just then.
    builder.pool_idle_timeout(Duration::from_secs(20)).build().unwrap()
}

/// An HTTP answer, taken apart by hand.
#[derive(Clone, Debug)]
pub(crate) struct RawAnswer {
    /// The HTTP status.
    pub status: u16,
    /// Status line and headers.
    pub head: String,
    /// What came after them.
    pub body: String,
}

impl RawAnswer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Sends `bytes` as they are to `url`, and reads until the server hangs up; a
/// `connection: close` among the bytes makes it do so.
pub(crate) async fn send_raw(url: &str, bytes: &[u8]) -> RawAnswer {
    let address = url.trim_start_matches("http://");
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let (mut from, mut to) = stream.split();
        let mut answer = Vec::new();
        // A server that refuses a body may hang up before all of it is written.
        let (_, read) = tokio::join!(to.write_all(bytes), from.read_to_end(&mut answer));
        if answer.is_empty() {
            read.unwrap();
        }
        String::from_utf8_lossy(&answer).into_owned()
    };
    let text = tokio::time::timeout(Duration::from_secs(60), exchange).await.expect("no answer in a minute");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP answer: {text:?}"));
    let status = head.get(9..12).and_then(|digits| digits.parse().ok()).unwrap_or(0);
    RawAnswer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

/// Sends a request and looks through the answer.
async fn answer(request: reqwest::RequestBuilder, untold: &Untold) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.unwrap();
    untold.assert_not_in("an answer", &format!("{headers:?}\n{text}"));
    let value = if text.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    };
    (status, value)
}

/// A project of one connection `api` to `port`, without credentials, and the
/// given files.
pub(crate) fn files<'a>(port: u16, more: &[(&'a str, &str)]) -> Vec<(&'a str, String)> {
    let connection = format!("base_url: http://127.0.0.1:{port}\n");
    let mut files = vec![("connections/api.yaml", connection)];
    files.extend(more.iter().map(|(name, text)| (*name, text.replace("{port}", &port.to_string()))));
    files
}

/// A child process that prints `listening <port>`; it is killed on drop.
pub(crate) struct Server {
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    child: Child,
    _stdin: Option<ChildStdin>,
}

impl Server {
    /// Starts `program` and waits for its port.
    pub(crate) fn start(program: &Path, args: &[&str]) -> Self {
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

/// The real program, serving a project; it is killed on drop.
pub(crate) struct Process {
    /// `http://127.0.0.1:<port>`
    pub url: String,
    client: reqwest::Client,
    child: Child,
    lines: std::sync::Arc<std::sync::Mutex<Lines>>,
    untold: Untold,
}

/// What the program has written to standard error, and who waits for more.
#[derive(Default)]
struct Lines {
    text: String,
    /// The same, with what was waited for.
    all: String,
    over: bool,
}

/// Makes a command of the real program that knows nothing of this process's settings.
pub(crate) fn callgate(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callgate"));
    command.args(args).env_clear().stdin(Stdio::null());
    command
}

impl Process {
    /// Starts `callgate serve DIR` on a free port, with these environment variables.
    pub(crate) fn serve(dir: &Path, variables: &[(&str, &str)]) -> Self {
        Self::serve_with(dir, &[], variables)
    }

    /// The same with these options.
    pub(crate) fn serve_with(dir: &Path, options: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = callgate(&[&["serve", dir.to_str().unwrap()], options].concat());
        command.env("CALLGATE_SERVER__LISTEN", "127.0.0.1:0").envs(variables.iter().copied());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = std::sync::Arc::new(std::sync::Mutex::new(Lines::default()));
        let (written, mut from) = (lines.clone(), BufReader::new(child.stderr.take().unwrap()));
        std::thread::spawn(move || {
            let mut line = String::new();
            while from.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
                let mut lines = written.lock().unwrap();
                lines.text.push_str(&line);
                lines.all.push_str(&line);
                drop(lines);
                line.clear();
            }
            written.lock().unwrap().over = true;
        });
        let mut process =
            Self { url: String::new(), client: client(), child, lines, untold: Untold::of(dir) };
        let start = process.wait_for("callgate 0.1.0 serves ");
        let url = start.split(" on ").nth(1).and_then(|rest| rest.split_whitespace().next());
        process.url = url.unwrap_or_else(|| panic!("no address in {start:?}")).to_owned();
        process
    }

    /// What has been written to standard error so far.
    pub(crate) fn written(&self) -> String {
        self.lines.lock().unwrap().text.clone()
    }

    /// Everything that was written to standard error.
    pub(crate) fn log(&self) -> String {
        self.lines.lock().unwrap().all.clone()
    }

    /// Waits for a line with `part` among those written and takes everything
    /// up to it away; gives that line.
    pub(crate) fn wait_for(&self, part: &str) -> String {
        until_found(&format!("{part:?} in the log"), || {
            let mut lines = self.lines.lock().unwrap();
            let Some(at) = lines.text.find(part) else {
                assert!(!lines.over, "it ended without writing {part:?}: {}", lines.text);
                return None;
            };
            let start = lines.text[..at].rfind('\n').map_or(0, |end| end + 1);
            let end = lines.text[at..].find('\n').map_or(lines.text.len(), |end| at + end + 1);
            let line = lines.text[start..end].to_owned();
            lines.text.drain(..end);
            Some(line)
        })
    }

    /// How many calls it has noticed the hang-up of, where it logs that.
    pub(crate) fn hang_ups(&self) -> usize {
        self.log().matches(HUNG_UP).count()
    }

    /// Sends a signal, such as `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success(), "kill -{name}");
    }

    /// Waits until it has ended and all that it wrote has been read; its exit status.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        let ended = || self.child.try_wait().unwrap().filter(|_| self.lines.lock().unwrap().over);
        until_found("the end of the gateway", ended).code()
    }

    /// The most memory it has used so far, in kilobytes; `None` where the system does not say.
    pub(crate) fn peak_memory(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok())
    }

    /// Posts JSON to `path`.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.send(self.request("POST", path).body(body.to_string())).await
    }

    /// Gets `path`.
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.send(self.request("GET", path)).await
    }

    /// A request of the test's own making, for [`Self::send`].
    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method.parse().unwrap(), format!("{}{path}", self.url))
    }

    /// Sends a request and looks through the answer.
    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        answer(request, &self.untold).await
    }

    /// Panics where `text` holds a secret of the project, or a token, in any encoding.
    #[cfg(feature = "otlp")]
    #[track_caller]
    pub(crate) fn assert_untold(&self, text: &str) {
        self.untold.assert_not_in("what came out", text);
    }

    /// Calls an action.
    pub(crate) async fn call(&self, name: &str, arguments: Value) -> Value {
        let (status, result) =
            self.post("/v1/tool-calls", &json!({"name": name, "arguments": arguments})).await;
        assert_eq!(status, 200, "{result}");
        result
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            self.wait();
            self.untold.assert_not_in("the log", &self.log());
        }
    }
}
