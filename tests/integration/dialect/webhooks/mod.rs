//! The webhooks of Vapi, Retell and ElevenLabs: who may call, every shape, what is answered.

mod elevenlabs;
mod retell;
mod vapi;

use std::time::{SystemTime, UNIX_EPOCH};

use ring::hmac;
use serde_json::{Value, json};

use super::{gateway, upstream};
use crate::harness::Gateway;

const SECRETS: (&str, &str) = (
    "secrets.toml",
    "[development]\nvapi_secret = \"vapi-secret-1\"\nvapi_hmac = \"hmac-secret-1\"\nretell_key = \"key_retell_1\"\n\
     eleven = \"eleven-secret-1\"\neleven_signature = \"wsec_1\"\n[staging]\nvapi_secret = \"vapi-secret-2\"\n",
);
const PAYLOAD: &str = "environments = [\"development\", \"staging\"]\n";

fn settings(more: &str) -> String {
    format!("{PAYLOAD}{more}")
}

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sign(algorithm: hmac::Algorithm, key: &[u8], payload: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(algorithm, key), payload).as_ref().to_vec()
}

/// Sends `body` with `headers`; status and body.
async fn send(
    gateway: &Gateway,
    method: &str,
    path: &str,
    headers: &[(&str, String)],
    body: impl Into<String>,
) -> (u16, Value) {
    let mut request = gateway.request(method, path).body(body.into());
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

#[tokio::test]
async fn a_webhook_without_rules_wants_what_every_route_wants() {
    let upstream = upstream().await;
    let paths = [
        "/webhooks/vapi/development",
        "/webhooks/retell/development",
        "/webhooks/retell/development/hours",
        "/webhooks/elevenlabs/development/hours",
    ];
    let key = callgate::server::NewKey::generate().unwrap();
    let keyed = settings(&format!(
        "[[keys]]\nname = \"one\"\nhash = \"{}\"\nenvironments = [\"development\"]\n",
        key.hash
    ));
    let guarded = gateway(upstream.port, &[("callgate.toml", &keyed)]).await;
    let open = gateway(upstream.port, &[("callgate.toml", PAYLOAD)]).await;
    for path in paths {
        let body = "{}";
        let bearer = vec![("authorization", format!("Bearer {}", key.key))];
        assert_eq!(send(&guarded, "POST", path, &bearer, body).await.0, 200, "{path}");
        assert_eq!(
            send(&guarded, "POST", path, &[("x-api-key", key.key.clone())], body).await.0,
            200,
            "{path}"
        );
        assert_eq!(send(&guarded, "POST", path, &[], body).await.0, 401, "{path}");
        let wrong = vec![("authorization", "Bearer cg_wrong".to_owned())];
        assert_eq!(send(&guarded, "POST", path, &wrong, "{nonsense").await.0, 401, "{path}");
        let elsewhere = path.replace("development", "staging");
        assert_eq!(send(&guarded, "POST", &elsewhere, &bearer, body).await.0, 403, "{path}");
        assert_eq!(send(&open, "POST", path, &[], body).await.0, 200, "{path}");
        let foreign = vec![("host", "evil.example.com".to_owned())];
        assert_eq!(send(&open, "POST", path, &foreign, body).await.0, 403, "{path}");
        let (status, problem) = send(&open, "POST", &path.replace("development", "nowhere"), &[], body).await;
        assert_eq!((status, &problem["code"]), (400, &json!("unknown_environment")), "{path}");
    }
}

#[tokio::test]
async fn a_webhook_that_a_key_lets_in_takes_of_its_rate() {
    let upstream = upstream().await;
    let key = callgate::server::NewKey::generate().unwrap();
    let rated = settings(&format!(
        "[[keys]]\nname = \"one\"\nhash = \"{}\"\nrate = {{per_second = 0.001, burst = 4}}\n",
        key.hash
    ));
    let gateway = gateway(upstream.port, &[("callgate.toml", &rated)]).await;
    let bearer = vec![("authorization", format!("Bearer {}", key.key))];
    let call =
        |id: &str| json!({"id": id, "type": "function", "function": {"name": "hours", "arguments": {}}});
    let vapi =
        |calls: Vec<Value>| json!({"message": {"type": "tool-calls", "toolCallList": calls}}).to_string();
    let path = "/webhooks/vapi/development";
    // Two calls, then five: all of a request or none.
    assert_eq!(send(&gateway, "POST", path, &bearer, vapi(vec![call("a"), call("b")])).await.0, 200);
    let (status, problem) = send(&gateway, "POST", path, &bearer, vapi(vec![call("c"); 5])).await;
    assert_eq!((status, &problem["code"]), (429, &json!("rate_limited")));
    let path = "/webhooks/elevenlabs/development/hours";
    let request = gateway.request("POST", path).bearer_auth(&key.key).body("{}").send().await.unwrap();
    assert_eq!(request.status(), 200);
    assert!(request.headers()["ratelimit"].to_str().unwrap().starts_with("\"key\";r=0;"));
    assert_eq!(send(&gateway, "GET", "/webhooks/retell/development/hours", &bearer, "").await.0, 429);
}

#[tokio::test]
async fn a_conversation_id_that_was_not_filled_in_is_refused() {
    let upstream = upstream().await;
    let gateway = gateway(upstream.port, &[("callgate.toml", PAYLOAD)]).await;
    let path = "/webhooks/retell/development/hours";
    let unfilled = vec![("callgate-conversation-id", "{{call_id}}".to_owned())];
    let (status, problem) = send(&gateway, "POST", path, &unfilled, "{}").await;
    assert_eq!((status, &problem["code"]), (400, &json!("invalid_request")));
    assert!(problem["detail"].as_str().unwrap().contains("not filled in"), "{problem}");
    let filled = vec![("callgate-conversation-id", "call_{1}".to_owned())];
    assert_eq!(send(&gateway, "POST", path, &filled, "{}").await.0, 200);
}

/// Each webhook with a call of `get_order`.
fn orders() -> [(&'static str, String); 4] {
    let arguments = json!({"number": "1"});
    let vapi = json!({"message": {"type": "tool-calls",
        "toolCallList": [{"id": "x", "name": "get_order", "arguments": arguments}]}});
    let retell = json!({"name": "get_order", "args": arguments, "call": {"call_id": "c"}});
    [
        ("/webhooks/vapi/development", vapi.to_string()),
        ("/webhooks/retell/development", retell.to_string()),
        ("/webhooks/retell/development/get_order", arguments.to_string()),
        ("/webhooks/elevenlabs/development/get_order", arguments.to_string()),
    ]
}

#[tokio::test]
async fn a_webhook_keeps_the_deadline_of_its_header() {
    let upstream = upstream().await;
    let gateway = gateway(upstream.port, &[("callgate.toml", PAYLOAD)]).await;
    for (path, body) in orders() {
        let over = [("callgate-deadline-ms", "0".to_owned())];
        let (status, answer) = send(&gateway, "POST", path, &over, body.clone()).await;
        assert_eq!(status, 200, "{path}: {answer}");
        assert!(answer.to_string().contains("There was no time left"), "{path}: {answer}");
        let broken = [("callgate-deadline-ms", "soon".to_owned())];
        let (status, problem) = send(&gateway, "POST", path, &broken, body).await;
        assert_eq!((status, &problem["code"]), (400, &json!("invalid_request")), "{path}");
    }
    assert_eq!(upstream.requests().len(), 0);
}

#[cfg(feature = "otlp")]
#[tokio::test]
async fn a_webhook_goes_on_with_the_trace_of_its_caller() {
    let upstream = upstream().await;
    let traced = settings("[traces]\nendpoint = \"http://127.0.0.1:1/v1/traces\"\n");
    let gateway = gateway(upstream.port, &[("callgate.toml", &traced)]).await;
    for (at, (path, body)) in orders().into_iter().enumerate() {
        let trace = format!("4bf92f3577b34da6a3ce929d0e0e473{at}");
        let parent = [
            ("traceparent", format!("00-{trace}-00f067aa0ba902b7-00")),
            ("callgate-conversation-id", format!("c-{at}")),
        ];
        assert_eq!(send(&gateway, "POST", path, &parent, body).await.0, 200, "{path}");
        let sent = upstream.requests().last().unwrap().header("traceparent").unwrap_or_default().to_owned();
        assert!(sent.contains(&trace), "{path}: {sent}");
    }
}

#[tokio::test]
async fn a_call_that_a_product_says_is_over_ends_its_conversation() {
    let upstream = upstream().await;
    let gateway = gateway(upstream.port, &[("callgate.toml", PAYLOAD)]).await;
    let vapi = |kind: &str| json!({"message": {"type": kind, "call": {"id": "c-vapi"}, "toolCallList": []}});
    let retell =
        |event: &str| json!({"event": event, "call": {"call_id": "c-retell", "call_status": "ended"}});
    for (path, id, other, over) in [
        ("/webhooks/vapi/development", "c-vapi", vapi("status-update"), vapi("end-of-call-report")),
        ("/webhooks/retell/development", "c-retell", retell("call_analyzed"), retell("call_ended")),
    ] {
        // One that never began.
        assert_eq!(send(&gateway, "POST", path, &[], over.to_string()).await, (200, json!({})), "{path}");
        let call = json!({"name": "add_note", "arguments": {"text": "x"}, "environment": "development",
            "conversation_id": id, "tool_call_id": "call_1"});
        assert_eq!(gateway.call_with(call.clone()).await["status"], "success");
        let ended_at = async || {
            let path = format!("/v1/conversations/{id}?environment=development");
            gateway.get(&path).await.1["ended_at"].clone()
        };
        assert_eq!(send(&gateway, "POST", path, &[], other.to_string()).await, (200, json!({})), "{path}");
        assert_eq!(ended_at().await, Value::Null, "{path}");
        // As often as it comes: Retell sends it again where it hears nothing.
        for _ in 0..2 {
            assert_eq!(send(&gateway, "POST", path, &[], over.to_string()).await, (200, json!({})), "{path}");
            assert!(ended_at().await.is_string(), "{path}");
        }
        let mut late = call;
        late["tool_call_id"] = json!("call_2");
        assert_eq!(gateway.call_with(late).await["error"]["code"], "conversation_ended");
    }
}

#[test]
fn a_webhook_setting_that_guards_nothing_is_found() {
    let check = |toml: &str| -> (Option<i32>, String) {
        let all = super::ALL.iter().map(|(name, text)| (*name, (*text).to_owned()));
        let mut files: Vec<(&str, String)> = all.collect();
        files.push(("connections/api.yaml", "base_url: http://127.0.0.1:1\n".to_owned()));
        files.push(("callgate.toml", settings(toml)));
        files.push((SECRETS.0, SECRETS.1.to_owned()));
        let dir = crate::harness::write_project(&files);
        let output =
            crate::harness::callgate(&["check", dir.path().to_str().unwrap(), "--json"]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = check("[webhooks.vapi]\n");
    assert!(code == Some(1) && text.contains("names no secret"), "{text}");
    let (code, text) = check("[webhooks.elevenlabs]\n");
    assert!(code == Some(1) && text.contains("names no secret"), "{text}");
    let (code, text) = check("[webhooks.retell]\napi_key = \"retell_key\"\n");
    assert!(code == Some(0) && text.contains("is not set in environment `staging`"), "{text}");
    let (code, text) = check("[webhooks.retell]\n");
    assert!(code == Some(1) && text.contains("api_key"), "{text}");
    let (code, text) = check("[webhooks.vappi]\nsecret = \"vapi_secret\"\n");
    assert!(code == Some(1) && text.contains("vappi"), "{text}");
}
