//! Nothing leaks: marked secrets everywhere, an upstream that repeats all it is
//! told in every encoding, the log at its finest level, and a search through
//! every byte that comes out.

pub(crate) mod marks;
mod echo;
mod values;
mod variables;

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Process, callgate, write_project};
use crate::upstream::{Reply, Upstream};

use self::echo::Echo;
use self::marks::Marks;

/// Each with the characters that encoders are about. `{}` is its name.
const SECRETS: &[(&str, &str)] = &[
    ("bearer_token", "mk-bearer/\"q\" &u+%41 ~tail"),
    ("header_key", "mk-header/ü<x>'y' \\z+tail"),
    ("query_key", "mk-query/ü \"q\"&a=b+c%2Ftail"),
    ("cookie_key", "mk-cookie/plain-tail=="),
    ("basic_user", "mk-user/ü+tail"),
    ("basic_password", "mk-password/ü \"q\"+%tail"),
    ("client_id", "mk-client id/tail"),
    ("client_secret", "mk-secret/ü \"q\"&+%tail"),
    ("body_secret", "mk-body-client/+ secret-tail"),
    ("internal_key", "mk-internal/\"k\"\\ü+tail"),
    ("number", "4815162342110815"),
];
/// What the token server gives out; a header has to carry it.
const TOKEN: &str = "mk-token/+\"q\"=~tail";

/// Actions that carry each kind of credentials.
const ACTIONS: &[&str] =
    &["bearer", "header", "query", "cookie", "basic", "oauth", "oauth_body", "internal", "number"];

fn project(api: u16, tokens: u16, format: &str) -> TempDir {
    let secrets: String = SECRETS.iter().map(|(name, value)| format!("{name} = '''{value}'''\n")).collect();
    let mut files = vec![
        (
            "callgate.toml".to_owned(),
            format!("environments = [\"development\"]\n[log]\nlevel = \"trace\"\nformat = \"{format}\"\n"),
        ),
        ("secrets.toml".to_owned(), format!("[development]\n{secrets}")),
        ("connections/api.yaml".to_owned(), format!("base_url: http://127.0.0.1:{api}\n")),
        ("auth/bearer.yaml".to_owned(), "type: bearer\ntoken: {secret: bearer_token}\n".to_owned()),
        (
            "auth/number.yaml".to_owned(),
            "type: api_key\nin: header\nkey_name: X-Number\nkey: {secret: number}\n".to_owned(),
        ),
        (
            "auth/basic.yaml".to_owned(),
            "type: basic\nusername: {secret: basic_user}\npassword: {secret: basic_password}\n".to_owned(),
        ),
    ];
    for place in ["header", "query", "cookie"] {
        let text = format!("type: api_key\nin: {place}\nkey_name: X-Key\nkey: {{secret: {place}_key}}\n");
        files.push((format!("auth/{place}.yaml"), text));
    }
    for (name, id, secret, how) in [
        ("oauth", "{secret: client_id}", "client_secret", "header"),
        ("oauth_body", "public-client", "body_secret", "body"),
    ] {
        let text = format!(
            "type: oauth2_client_credentials\ntoken_url: http://127.0.0.1:{tokens}/token\nclient_id: {id}\n\
             client_secret: {{secret: {secret}}}\nclient_authentication: {how}\n"
        );
        files.push((format!("auth/{name}.yaml"), text));
    }
    let parameters = "method: POST\nparameters:\n  type: object\n  properties:\n    mode: {type: string}\n    way: {type: string}\n";
    for action in ACTIONS {
        let auth = if *action == "internal" {
            "headers: {X-Internal: {secret: internal_key}}\n".to_owned()
        } else {
            format!("auth: {action}\n")
        };
        let shown = "response: {headers: [X-Said, Set-Cookie, Location, WWW-Authenticate]}\n";
        let text = format!("description: d\nconnection: api\npath: /echo\n{auth}{shown}{parameters}");
        files.push((format!("actions/{action}.yaml"), text));
    }
    let files: Vec<(&str, String)> = files.iter().map(|(name, text)| (name.as_str(), text.clone())).collect();
    write_project(&files)
}

/// A gateway at the log level `trace`, and all that it has said.
struct Watched {
    dir: TempDir,
    process: Process,
    marks: Marks,
    _upstreams: [Upstream; 2],
}

impl Watched {
    async fn start(format: &str) -> Self {
        let api = Upstream::start(|request| Echo::of(request).reply()).await;
        let tokens = Upstream::start(|_| {
            Reply::ok(&json!({"access_token": TOKEN, "token_type": "bearer", "expires_in": 3600}).to_string())
        })
        .await;
        let dir = project(api.port, tokens.port, format);
        let marks = Marks::new(SECRETS.iter().copied().chain([("the access token", TOKEN)]));
        let process = Process::serve(dir.path(), &[]);
        Self { dir, process, marks, _upstreams: [api, tokens] }
    }

    /// Posts and looks through the answer.
    async fn post(&self, path: &str, body: &Value) -> Value {
        let (_, answer) = self.process.post(path, body).await;
        self.search(&format!("the answer to {path} {body}"), &answer.to_string());
        // As whoever takes the answer apart sees it.
        if let Some(text) = answer["body"].as_str() {
            self.search(&format!("the body of the answer to {body}"), text);
        }
        for (name, text) in answer["headers"].as_object().into_iter().flatten() {
            self.search(&format!("the header {name} of the answer to {body}"), text.as_str().unwrap());
        }
        answer
    }

    #[track_caller]
    fn search(&self, place: &str, text: &str) {
        self.marks.assert_none_in(place, text);
    }

    /// Stops the gateway and looks through its log, which has to say `lines`.
    fn stop(mut self, lines: &[&str]) {
        self.process.signal("TERM");
        assert_eq!(self.process.wait(), Some(0));
        let log = self.process.log();
        for line in lines {
            assert!(log.contains(line), "the log says nothing of {line}");
        }
        self.search("the log", &log);
    }
}

async fn repeat_everything(format: &str) {
    let gateway = Watched::start(format).await;
    let mut ended = std::collections::BTreeMap::<String, usize>::new();
    for action in ACTIONS {
        for (mode, ways) in Echo::modes() {
            for way in ways {
                let call = json!({"name": action, "arguments": {"mode": mode, "way": way}});
                let result = gateway.post("/v1/tool-calls", &call).await;
                let status = result["status"].as_str().unwrap_or_else(|| panic!("no result: {result}"));
                *ended.entry(status.to_owned()).or_default() += 1;
                if mode == "headers" {
                    assert!(result["headers"]["X-Said"].is_string(), "{result}");
                }
                if mode == "json" && way == "raw" {
                    assert!(result.to_string().contains("***"), "nothing was masked: {result}");
                }
            }
        }
        let preview = format!("/v1/actions/{action}/preview");
        let shown = gateway.post(&preview, &json!({"arguments": {"mode": "json"}})).await;
        assert!(shown.to_string().contains("***"), "{shown}");
        gateway.post(&preview, &json!({"arguments": {"mode": 1}})).await;
    }
    for status in ["success", "error", "failure"] {
        assert!(ended.get(status).is_some_and(|count| *count >= ACTIONS.len()), "{ended:?}");
    }
    gateway.post("/v1/tool-calls", &json!({"name": "nothing", "arguments": {}})).await;
    gateway.post("/v1/tool-calls", &json!({"name": "bearer", "environment": "nowhere"})).await;
    let lines: &[&str] = match format {
        "json" => &["\"level\":\"TRACE\"", "tool call done", "tool call failed"],
        _ => &["TRACE", "tool call done", "tool call failed"],
    };
    gateway.stop(lines);
}

#[tokio::test]
async fn what_an_upstream_repeats_in_any_encoding_is_masked_everywhere() {
    repeat_everything("text").await;
}

#[tokio::test]
async fn what_an_upstream_repeats_is_masked_in_a_log_of_json_too() {
    repeat_everything("json").await;
}

#[tokio::test]
async fn a_reload_and_a_check_tell_no_secret_of_a_broken_project() {
    let gateway = Watched::start("text").await;
    let path = gateway.dir.path().join("secrets.toml");
    let good = fs::read_to_string(&path).unwrap();
    // Each breaks the file where a secret stands.
    let broken = [
        good.replace("header_key = '''", "header_key = ''"),
        good.replace("cookie_key = '''mk-cookie/plain-tail=='''", "cookie_key = mk-cookie/plain-tail=="),
        good.replace("number = '''4815162342110815'''", "number = 4815162342110815"),
        good.replace("number = '''4815162342110815'''", "number = ['''4815162342110815''']"),
        good.replace(
            "cookie_key = '''mk-cookie/plain-tail=='''",
            "cookie_key = '''mk-cookie\u{7}/plain-tail=='''",
        ),
        good.replace("number = ", "number_two = "),
        format!("{good}number = '''4815162342110815'''\n"),
        good.replace("[development]", ""),
    ];
    for text in broken {
        assert_ne!(text, good);
        fs::write(&path, &text).unwrap();
        gateway.process.signal("HUP");
        gateway.process.wait_for("reload refused");
        for more in [&[][..], &["--json"]] {
            let output = callgate(&[&["check", gateway.dir.path().to_str().unwrap()], more].concat())
                .output()
                .unwrap();
            assert_eq!(output.status.code(), Some(1), "{text}");
            gateway.search("check", &String::from_utf8_lossy(&[output.stdout, output.stderr].concat()));
        }
    }
    fs::write(&path, &good).unwrap();
    gateway.process.signal("HUP");
    gateway.process.wait_for("reloaded");
    gateway.stop(&["reload refused"]);
}

#[tokio::test]
async fn what_a_token_server_says_about_a_client_is_masked() {
    // It repeats what it knows of the client, each time in another encoding.
    let ways = marks::ENCODINGS.len();
    let count = AtomicUsize::new(0);
    let tokens = Upstream::start(move |request| {
        let own: &[&str] = match request.header("authorization") {
            Some(_) => &["client_id", "client_secret"],
            None => &["body_secret"],
        };
        let count = count.fetch_add(1, Ordering::SeqCst);
        let (_, encode) = marks::ENCODINGS[count % ways];
        let known: Vec<&str> =
            SECRETS.iter().filter(|(name, _)| own.contains(name)).map(|(_, value)| *value).collect();
        // At the end of what is logged of it too: half a secret is one.
        let said: Vec<String> = known.iter().map(|value| encode(value)).collect();
        let said = format!("{}{}", ".".repeat(count % 3 * 80), said.join(" "));
        Reply::Json(400, json!({"error": encode(known[0]), "error_description": said}).to_string())
    })
    .await;
    let api = Upstream::start(|_| Reply::ok("{}")).await;
    let dir = project(api.port, tokens.port, "text");
    let process = Process::serve(dir.path(), &[]);
    for _ in 0..2 * ways {
        for action in ["oauth", "oauth_body"] {
            let result = process.call(action, json!({})).await;
            assert_eq!(result["error"]["code"], "auth_failed", "{result}");
        }
    }
    process.wait_for("fetching a token failed");
    let log = process.log();
    assert!(log.contains("refused: ***"), "{log}");
    for part in ["mk-client", "mk-secret", "mk-body-client"] {
        assert!(!log.contains(part), "{part} is in the log: {log}");
    }
}
