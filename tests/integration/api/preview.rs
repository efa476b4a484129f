//! Previews: the exact request, secrets masked, and a line that a shell reads the same way.

use std::process::Command;

use serde_json::{Value, json};

use super::{Api, gateway};
use crate::harness::{Gateway, files};
use crate::judge::Judge;
use crate::upstream::{Captured, Reply, Upstream};

const SECRETS: (&str, &str) =
    ("secrets.toml", "[development]\nkey = \"hunter2-hunter2\"\npass = \"pa55word-pa55word\"\n");
const KEYED: (&str, &str) = (
    "actions/keyed.yaml",
    "description: d\nconnection: api\nmethod: POST\npath: /x/{{.parameters.id}}\nauth: key\n\
     parameters: {type: object, properties: {id: {type: string}, text: {type: string}}}\n\
     query: {q: '{{.parameters.text}}'}\nheaders: {X-Note: '{{.parameters.text}}', X-Key: {secret: key, prefix: 'Token '}}\n\
     body: '{\"text\": \"{{.parameters.text}}\"}'\n",
);

/// The words a shell makes of `line`, with each of its `credentials` set to `***`.
fn words(line: &str, credentials: &Value) -> Vec<String> {
    let rest = line.strip_prefix("curl ").unwrap_or_else(|| panic!("no curl line: {line}"));
    let mut shell = Command::new("sh");
    for credential in credentials.as_array().unwrap() {
        shell.env(credential["variable"].as_str().unwrap(), "***");
    }
    let output = shell.arg("-c").arg(format!("printf '%s\\0' {rest}")).output().unwrap();
    assert!(output.status.success(), "{line}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_terminator('\0').map(str::to_owned).collect()
}

/// Runs the command, with its credentials set, and expects of it what a call has sent.
async fn run_for_real(preview: &Value, upstream: &Upstream, by_a_call: &Captured) {
    if Judge::Curl.find().is_none() {
        return;
    }
    let mut shell = tokio::process::Command::new("sh");
    for (name, value) in [
        ("KEY", "hunter2-hunter2"),
        ("KEY_ENCODED", "hunter2-hunter2"),
        ("PASS", "pa55word-pa55word"),
        ("USERNAME", "robot"),
    ] {
        shell.env(name, value);
    }
    let before = upstream.requests().len();
    let line = format!("{} --silent --output /dev/null", preview["curl"].as_str().unwrap());
    let ran = shell.arg("-c").arg(&line).output().await.unwrap();
    assert!(ran.status.success(), "{line}: {ran:?}");
    let sent = upstream.requests()[before].clone();
    assert_eq!((sent.line(), sent.text()), (by_a_call.line(), by_a_call.text()), "{line}");
    for name in ["authorization", "x-api-key", "cookie", "x-key", "x-note", "content-type", "idempotency-key"]
    {
        assert_eq!(sent.header(name), by_a_call.header(name), "{name}: {line}");
    }
}

async fn check(auth: &str, expected_auth: &[(&str, &str)], in_url: &str) {
    let upstream = Upstream::start(|_| Reply::ok("{}")).await;
    let all = files(upstream.port, &[SECRETS, KEYED, ("auth/key.yaml", auth)]);
    let api = Api(Gateway::start(&all).await);
    for text in ["plain", "it's", "a\"b\\c $HOME `id` $(id) !x *", "é; rm -rf / & | > <", "--data"] {
        let arguments = json!({"id": "7", "text": text});
        let id = format!("call-{text}");
        let asked = json!({"tool_call_id": id, "arguments": arguments});
        let reply = api.post("/v1/actions/keyed/preview", &asked).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let request = &reply.body["request"];
        assert!(upstream.requests().len() < 10, "a preview sends nothing");
        let shown = reply.body.to_string();
        for secret in ["hunter2", "pa55word", "cm9ib3Q6"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
        let url = request["url"].as_str().unwrap();
        assert!(url.ends_with(in_url), "{url}");
        let headers = request["headers"].as_object().unwrap();
        assert_eq!(headers["x-key"], "Token ***");
        for (name, value) in expected_auth {
            assert_eq!(headers[*name], *value, "{auth}");
        }
        assert_eq!(request["body"], json!({"text": text}).to_string().replace("\":\"", "\": \""));

        // The line says the same in words.
        let words = words(reply.body["curl"].as_str().unwrap(), &reply.body["credentials"]);
        assert_eq!((words[0].as_str(), words[1].as_str(), words[2].as_str()), ("-X", "POST", url));
        let mut expected = Vec::new();
        for (name, value) in headers {
            if !["host", "user-agent", "accept", "accept-encoding"].contains(&name.as_str()) {
                expected.extend(match value.as_str().unwrap() {
                    "Basic ***" => ["-u".to_owned(), "***:***".to_owned()],
                    value => ["-H".to_owned(), format!("{name}: {value}")],
                });
            }
        }
        expected.extend(["--data-raw".to_owned(), request["body"].as_str().unwrap().to_owned()]);
        assert_eq!(words[3..], expected);

        // And a call sends what the preview showed.
        let before = upstream.requests().len();
        api.call(json!({"tool_call_id": id, "name": "keyed", "arguments": arguments})).await;
        let sent = upstream.requests()[before].clone();
        assert_eq!(sent.text(), request["body"].as_str().unwrap());
        for (name, value) in headers {
            let value = value.as_str().unwrap();
            let got = sent.header(name).unwrap_or_default();
            match value.split_once("***") {
                Some((start, _)) => assert!(got.starts_with(start) && got != value, "{name}: {got}"),
                None => assert_eq!(got, value, "{name}"),
            }
        }
        let names = sent.head.lines().skip(1).filter_map(|line| line.split(':').next());
        let extra: Vec<&str> = names.filter(|name| !headers.contains_key(&name.to_lowercase())).collect();
        assert_eq!(extra, ["content-length"], "headers that the preview does not show");
        run_for_real(&reply.body, &upstream, &sent).await;
    }
}

#[tokio::test]
async fn a_preview_shows_the_request_with_its_secrets_masked() {
    let bearer = [("authorization", "Bearer ***")];
    check("type: bearer\ntoken: {secret: key}\n", &bearer, "").await;
    let basic = [("authorization", "Basic ***")];
    check("type: basic\nusername: robot\npassword: {secret: pass}\n", &basic, "").await;
    let header = [("x-api-key", "***")];
    check("type: api_key\nin: header\nkey_name: X-Api-Key\nkey: {secret: key}\n", &header, "").await;
    check("type: api_key\nin: query\nkey_name: api_key\nkey: {secret: key}\n", &[], "&api_key=***").await;
    let cookie = [("cookie", "session=***")];
    check("type: api_key\nin: cookie\nkey_name: session\nkey: {secret: key}\n", &cookie, "").await;
}

#[tokio::test]
async fn a_secret_that_a_model_repeats_is_masked_too() {
    let all = files(1, &[SECRETS, KEYED, ("auth/key.yaml", "type: bearer\ntoken: {secret: key}\n")]);
    let api = Api(Gateway::start(&all).await);
    let arguments = json!({"id": "hunter2-hunter2", "text": "pa55word-pa55word"});
    let reply = api.post("/v1/actions/keyed/preview", &json!({"arguments": arguments})).await;
    assert_eq!(reply.status, 200);
    let shown = reply.body.to_string();
    assert!(!shown.contains("hunter2") && !shown.contains("pa55word"), "{shown}");
}

#[tokio::test]
async fn a_preview_that_cannot_be_says_what_the_call_would_say() {
    let api = gateway(1, &[]).await;
    let reply = api.post("/v1/actions/get_order/preview", &json!({"arguments": {}})).await;
    assert_eq!((reply.status, &reply.body["error"]["code"]), (200, &json!("invalid_arguments")));
    assert_eq!(reply.body.as_object().unwrap().len(), 1);
    let reply = api.post("/v1/actions/add_note/preview", &json!({})).await;
    assert_eq!((reply.status, &reply.body["error"]["missing"]), (200, &json!(".variables.order.customer")));
    let reply = api.post("/v1/actions/add_nte/preview", &json!({})).await;
    assert_eq!((reply.status, &reply.body["code"]), (404, &json!("unknown_tool")));
    assert_eq!(reply.body["error"]["message"], "There is no tool named `add_nte`. Did you mean `add_note`?");
    let reply = api.post("/v1/actions/get_order/preview", &json!({"calls": []})).await;
    assert_eq!((reply.status, &reply.body["code"]), (400, &json!("invalid_request")));
    for name in ["hours", "human"] {
        let reply = api.post(&format!("/v1/actions/{name}/preview"), &json!({})).await;
        assert_eq!((reply.status, &reply.body["curl"]), (200, &json!("# this action sends no request")));
        assert_eq!(reply.body["request"]["body"], Value::Null);
    }
}

#[tokio::test]
async fn what_a_conversation_keeps_sensitive_is_masked_though_the_model_may_see_it() {
    let action = (
        "actions/pay.yaml",
        "description: d\nconnection: api\nmethod: POST\npath: /pay\n\
         body: '{\"cvc\": \"{{.variables.cvc}}\", \"name\": \"{{.variables.name}}\"}'\n",
    );
    let api = Api(Gateway::start(&files(9, &[action])).await);
    let begin = json!({"id": "c1", "variables": {"cvc": "123", "name": "Ann"}, "sensitive": ["cvc"],
        "exposed": ["cvc", "name"]});
    assert_eq!(api.post("/v1/conversations", &begin).await.status, 201);
    let reply = api.post("/v1/actions/pay/preview", &json!({"conversation_id": "c1"})).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.body["request"]["body"], "{\"cvc\": \"***\", \"name\": \"Ann\"}");
    assert!(!reply.body.to_string().contains("123"), "{}", reply.body);
}
