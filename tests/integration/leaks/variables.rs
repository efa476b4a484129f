//! Secrets and tokens that an upstream repeats where an output variable is: whatever a conversation remembers of
//! them is masked, for what comes later knows neither a token that was fetched nor a secret that was changed.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Process, write_project};
use crate::upstream::{Captured, Reply, Upstream};

use super::marks::Marks;

const SECRETS: &[(&str, &str)] = &[
    ("bearer_token", "mk-bearer-token-1"),
    ("basic_password", "mk-basic-password-1"),
    ("client_secret", "mk-client-secret-1"),
];
const KINDS: [&str; 3] = ["bearer", "basic", "oauth"];
const SEALING_KEY: &str = "6b1f0c5ddc8a5e7e2f3d9c4b1a0f8e7d6c5b4a39281706f5e4d3c2b1a0998877";
const HERE: &str = "environment=development";

fn secrets(round: usize) -> String {
    let mut text = format!("[development]\nSTATE_KEY = \"{SEALING_KEY}\"\n");
    for (name, value) in SECRETS {
        text.push_str(&format!("{name} = \"{}\"\n", value.replace("-1", &format!("-{round}"))));
    }
    text
}

fn token(round: usize) -> String {
    format!("mk-access-token-{round}")
}

/// What a request was allowed with, as a variable, and all of it in a list.
fn repeat(request: &Captured) -> Reply {
    let shown = request.header("authorization").unwrap_or_default();
    let credential = shown.split_once(' ').map_or("", |(_, credential)| credential);
    let decoded = STANDARD.decode(credential).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let all = json!([{"head": request.head, (shown): decoded}, STANDARD.encode(shown)]);
    Reply::ok(&json!({"tok": credential, "all": all}).to_string())
}

fn project(api: u16, tokens: u16, other: u16) -> TempDir {
    let base = |port: u16| format!("base_url: http://127.0.0.1:{port}\n");
    let settings =
        "environments = [\"development\"]\n[log]\nlevel = \"trace\"\n[sealing]\nkeys = [\"STATE_KEY\"]\n";
    let oauth = format!(
        "type: oauth2_client_credentials\ntoken_url: http://127.0.0.1:{tokens}/token\nclient_id: me\n\
         client_secret: {{secret: client_secret}}\n"
    );
    let pass = "description: d\nconnection: other\nmethod: POST\npath: /pass\nbind:\n  tok: '{{.variables.session.tok}}'\n  \
                kept: '{{.variables.session.kept}}'\n  all: '{{.variables.session.all}}'\n";
    let save = "description: d\nconnection: other\nmethod: POST\npath: /save\non: end\n\
                body: '{\"record\": {{.variables.conversation.record}}}'\n";
    let mut files = vec![
        ("callgate.toml".to_owned(), settings.to_owned()),
        ("secrets.toml".to_owned(), secrets(1)),
        ("connections/api.yaml".to_owned(), base(api)),
        ("connections/other.yaml".to_owned(), base(other)),
        ("auth/bearer.yaml".to_owned(), "type: bearer\ntoken: {secret: bearer_token}\n".to_owned()),
        (
            "auth/basic.yaml".to_owned(),
            "type: basic\nusername: me\npassword: {secret: basic_password}\n".to_owned(),
        ),
        ("auth/oauth.yaml".to_owned(), oauth),
        ("actions/pass.yaml".to_owned(), pass.to_owned()),
        ("actions/save.yaml".to_owned(), save.to_owned()),
    ];
    for kind in KINDS {
        let action = format!(
            "description: d\nconnection: api\npath: /read\nauth: {kind}\noutput_variables:\n  \
             - {{name: session.tok, path: $.tok, expose: true}}\n  - {{name: session.kept, path: $.tok}}\n  \
             - {{name: session.all, path: $.all, expose: true}}\n"
        );
        files.push((format!("actions/{kind}.yaml"), action));
    }
    let files: Vec<(&str, String)> = files.iter().map(|(name, text)| (name.as_str(), text.clone())).collect();
    write_project(&files)
}

/// A gateway, each of whose answers is looked through.
struct Searched {
    process: Process,
    marks: Marks,
}

impl Searched {
    #[track_caller]
    fn search(&self, place: &str, text: &str) {
        self.marks.assert_none_in(place, text);
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> Value {
        let request = self.process.request(method, path).body(body.to_string());
        let (status, answer) = self.process.send(request).await;
        assert!(status < 300, "{method} {path}: {answer}");
        self.search(&format!("the answer to {method} {path} {body}"), &answer.to_string());
        answer
    }

    async fn call(&self, body: Value) -> Value {
        let result = self.ask("POST", "/v1/tool-calls", body).await;
        assert_eq!(result["status"], "success", "{result}");
        result
    }

    /// What is told of a conversation in all the ways there are.
    async fn look_at(&self, conversation: &str) {
        let path = format!("/v1/conversations/{conversation}");
        let known = self.ask("GET", &format!("{path}?{HERE}"), Value::Null).await;
        assert_eq!(known["variables"]["session.tok"]["value"], "***", "{known}");
        let prompt = json!({"template": "{{.variables.session.tok}} {{.variables.session.all}}"});
        let text = self.ask("POST", &format!("{path}/render?{HERE}"), prompt).await;
        assert!(text["text"].as_str().unwrap().starts_with("*** "), "{text}");
        let feed = self.ask("GET", &format!("{path}/events?{HERE}&limit=100"), Value::Null).await;
        assert!(feed.to_string().contains("variable_set"), "{feed}");
        let shown =
            self.ask("POST", "/v1/actions/pass/preview", json!({"conversation_id": conversation})).await;
        assert!(shown.to_string().contains("***"), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_variable_keeps_what_an_upstream_repeats_of_a_secret_or_a_token() {
    let round = Arc::new(AtomicUsize::new(1));
    let current = round.clone();
    let tokens = Upstream::start(move |_| {
        let token = token(current.load(Ordering::SeqCst));
        Reply::ok(&json!({"access_token": token, "token_type": "bearer", "expires_in": 3600}).to_string())
    })
    .await;
    let api = Upstream::start(repeat).await;
    let other = Upstream::start(|request| Reply::ok(&json!({"said": request.text()}).to_string())).await;
    let dir = project(api.port, tokens.port, other.port);
    let (token, pair) = (token(1), STANDARD.encode("me:mk-basic-password-1"));
    let more = [("the access token", token.as_str()), ("the pair of basic", pair.as_str())];
    let marks = Marks::new(SECRETS.iter().copied().chain(more));
    let gateway = Searched { process: Process::serve(dir.path(), &[]), marks };

    for kind in KINDS {
        let result = gateway.call(json!({"name": kind, "conversation_id": kind})).await;
        assert_eq!(result["variables"]["session.tok"], "***", "{result}");
        let passed =
            gateway.call(json!({"name": "pass", "conversation_id": kind, "tool_call_id": "1"})).await;
        assert!(passed["body"].to_string().contains("***"), "{passed}");
        gateway.look_at(kind).await;
        // The same in a conversation that its caller carries.
        let result = gateway.call(json!({"name": kind, "state": ""})).await;
        let shown = json!({"state": result["state"]});
        gateway.ask("POST", "/v1/actions/pass/preview", shown).await;
        gateway.call(json!({"name": "pass", "state": result["state"]})).await;
    }

    // What was remembered before a secret was changed is not told after it.
    round.store(2, Ordering::SeqCst);
    fs::write(dir.path().join("secrets.toml"), secrets(2)).unwrap();
    gateway.process.signal("HUP");
    gateway.process.wait_for("reloaded");
    for kind in KINDS {
        gateway.look_at(kind).await;
        gateway.call(json!({"name": "pass", "conversation_id": kind, "tool_call_id": "2"})).await;
        gateway.ask("DELETE", &format!("/v1/conversations/{kind}?{HERE}"), Value::Null).await;
    }

    // Nothing of it went to the other host: two calls of each conversation, one of each state, and the records.
    other.received(4 * KINDS.len()).await;
    for request in other.requests() {
        gateway.search("a request to another host", &format!("{}\n{}", request.head, request.text()));
    }
    let records = other.requests().iter().filter(|request| request.line() == "POST /save").count();
    assert_eq!(records, KINDS.len());
    gateway.search("the log", &gateway.process.log());
}
