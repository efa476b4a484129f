//! A project, calls and an upstream's answers, all arbitrary, through the whole of the gateway over real sockets.
//!
//! Whatever they are: every call gets a result or a problem document, the result is consistent, no secret comes out, and
//! no write arrives twice that may not.
#![no_main]

use std::collections::{HashMap, VecDeque};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use callgate::definition::{Problems, ProjectFiles};
use callgate::executor::Gateway;
use callgate::project;
use callgate::secrets::Sources;
use callgate::server::{self, AppState};
use callgate::settings::Settings;
use http_body_util::BodyExt as _;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tower_service::Service as _;

const SECRET: &str = "f4zz-s3cret-0f-the-upstream";

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    /// Drawn first, so that a short input makes a call too.
    first: Call<'a>,
    method: u8,
    schema: u8,
    path: Option<&'a str>,
    body: Option<&'a str>,
    outputs: Vec<(&'a str, Option<bool>, bool)>,
    pick: Option<&'a str>,
    max_items: Option<u8>,
    idempotent: Option<bool>,
    on: u8,
    calls: Vec<Call<'a>>,
    answers: Vec<Answer<'a>>,
}

#[derive(Arbitrary, Debug)]
struct Call<'a> {
    id: Option<u8>,
    conversation: Option<u8>,
    slot: u8,
    text: &'a str,
    /// In place of well-formed arguments.
    raw: Option<&'a str>,
}

#[derive(Arbitrary, Debug)]
struct Answer<'a> {
    status: u16,
    media: u8,
    body: &'a str,
    /// The secret stands in the body.
    echo: bool,
    /// The length is a lie, or the answer is cut off.
    length: Option<u8>,
    /// Not HTTP at all.
    raw: Option<&'a [u8]>,
}

/// What an upstream does, and what it got.
#[derive(Default)]
struct Upstream {
    answers: VecDeque<Vec<u8>>,
    /// Idempotency-Key → how often it came.
    keys: HashMap<String, u32>,
    port: u16,
}

static UPSTREAM: LazyLock<Mutex<Upstream>> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = answer(stream);
        }
    });
    Mutex::new(Upstream { port, ..Upstream::default() })
});

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("runtime")
});

/// Reads one request, answers what is next, and hangs up.
fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let (mut request, mut piece) = (Vec::new(), [0; 4096]);
    let head = loop {
        if let Some(at) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        let read = stream.read(&mut piece)?;
        if read == 0 {
            return Ok(());
        }
        request.extend_from_slice(&piece[..read]);
    };
    let text = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
    let header = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.map(|value| value.trim().to_owned())
    };
    let length: usize = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while request.len() < head + length {
        let read = stream.read(&mut piece)?;
        if read == 0 {
            return Ok(());
        }
        request.extend_from_slice(&piece[..read]);
    }
    let bytes = {
        let mut upstream = UPSTREAM.lock().expect("the upstream");
        if let Some(key) = header("idempotency-key") {
            *upstream.keys.entry(key).or_default() += 1;
        }
        upstream.answers.pop_front().unwrap_or_else(|| b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_vec())
    };
    stream.write_all(&bytes)
}

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

fn schema(choice: u8) -> Value {
    let text = json!({"type": "string", "maxLength": 200});
    match choice % 4 {
        0 => json!({"type": "object", "properties": {"slot": {"type": "integer"}, "text": text}}),
        1 => json!({"type": "object", "properties": {"slot": {"type": "integer", "default": 3}, "text": {"x-sensitive": true}}}),
        2 => json!({"type": "object", "properties": {"slot": {"enum": [1, 2]}, "text": text}, "required": ["text"]}),
        _ => json!({"type": "object", "additionalProperties": true}),
    }
}

fn definitions(input: &Input<'_>, port: u16) -> Vec<(&'static str, String)> {
    let outputs: Vec<Value> = input
        .outputs
        .iter()
        .take(4)
        .enumerate()
        .map(|(number, (path, expose, sensitive))| {
            json!({"name": format!("v{number}"), "path": path, "expose": expose, "sensitive": sensitive})
        })
        .collect();
    let statuses = [json!([429, 503]), json!(["connect_failed"]), json!(["connection_lost", 500])];
    let mut action = json!({
        "description": "d", "connection": "api", "method": METHODS[usize::from(input.method) % METHODS.len()],
        "parameters": schema(input.schema), "output_variables": outputs, "timeout_ms": 2000,
        "retry": {"backoff_ms": 0, "on": statuses[usize::from(input.on) % 3]},
    });
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            action[key] = value;
        }
    };
    set("path", Some(json!(input.path.unwrap_or("/x/{{.parameters.text}}"))));
    set("body", input.body.map(|body| json!(body)));
    set("idempotent", input.idempotent.map(Value::Bool));
    let response = match (input.pick, input.max_items) {
        (None, None) => None,
        (pick, items) => {
            let mut response = json!({});
            if let Some(pick) = pick {
                response["pick"] = json!([pick]);
            }
            if let Some(items) = items {
                response["max_items"] = json!(items);
            }
            Some(response)
        }
    };
    set("response", response);
    let connection = json!({
        "base_url": format!("http://127.0.0.1:{port}"), "auth": "key", "breaker": {"enabled": false},
    });
    vec![
        ("actions/a.yaml", action.to_string()),
        ("connections/api.yaml", connection.to_string()),
        ("auth/key.yaml", json!({"type": "bearer", "token": {"secret": "token"}}).to_string()),
        ("secrets.toml", format!("[development]\ntoken = \"{SECRET}\"\n")),
    ]
}

fn wire(answer: &Answer<'_>) -> Vec<u8> {
    if let Some(raw) = answer.raw {
        return raw.to_vec();
    }
    let media = ["application/json", "text/plain", "text/html", "application/octet-stream", ""];
    let body = if answer.echo { format!("{}{SECRET}", answer.body) } else { answer.body.to_owned() };
    let length = answer.length.map_or(body.len(), usize::from);
    let status = 200 + answer.status % 400;
    let media = media[usize::from(answer.media) % media.len()];
    format!("HTTP/1.1 {status} X\r\ncontent-type: {media}\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}

fuzz_target!(|input: Input<'_>| {
    let port = UPSTREAM.lock().expect("the upstream").port;
    let definitions = definitions(&input, port);
    let mut problems = Problems::default();
    let files = ProjectFiles::from_texts(definitions.iter().map(|(name, text)| (*name, text.as_str())), &mut problems);
    let mut settings = Settings::default();
    settings.environments = Some(vec!["development".to_owned()]);
    let deployment = project::compile(&files, &settings, &Sources::default(), None, &mut problems);
    if problems.has_errors() {
        return;
    }
    {
        let mut upstream = UPSTREAM.lock().expect("the upstream");
        upstream.answers = input.answers.iter().take(8).map(wire).collect();
        upstream.keys.clear();
    }
    let retried = input.idempotent.unwrap_or(["PUT", "DELETE"].contains(&METHODS[usize::from(input.method) % 7]));
    let router = RUNTIME.block_on(async { server::router(AppState::new(Gateway::new(deployment), &settings)) });
    for call in std::iter::once(&input.first).chain(input.calls.iter().take(5)) {
        let arguments = call.raw.map_or_else(|| json!({"slot": call.slot, "text": call.text}), |raw| json!(raw));
        let body = json!({
            "name": "a", "arguments": arguments, "tool_call_id": call.id.map(|id| id.to_string()),
            "conversation_id": call.conversation.map(|id| (id % 3).to_string()),
        });
        let request = Request::post("/v1/tool-calls").header("host", "localhost");
        let request = request.body(Body::from(body.to_string())).expect("request");
        let (status, answer) = RUNTIME.block_on(async {
            let response = router.clone().call(request).await.unwrap_or_else(|never| match never {});
            (response.status().as_u16(), response.into_body().collect().await.expect("body").to_bytes())
        });
        let text = String::from_utf8_lossy(&answer);
        // What the model itself sent is its own.
        if !body.to_string().contains(SECRET) {
            assert!(!text.contains(SECRET), "the secret comes out: {text}");
        }
        let result: Value = serde_json::from_slice(&answer).expect("JSON");
        assert_eq!(status, 200, "{result}");
        let error = &result["error"];
        assert_eq!(result["status"] == "success", error.is_null(), "{result}");
        if error["effect"] == "unknown" {
            assert_eq!(error["retry"], "no", "{result}");
        }
        if result["status"] == "exception" {
            assert_eq!(error["effect"], "none", "{result}");
        }
    }
    let upstream = UPSTREAM.lock().expect("the upstream");
    let most = upstream.keys.values().copied().max().unwrap_or(0);
    assert!(most <= if retried { 2 } else { 1 }, "a write arrived {most} times");
});
