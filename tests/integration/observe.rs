//! What can be seen from outside: metrics, the audit, traces.

#[cfg(feature = "otlp")]
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value as AttributeValue},
    trace::v1::Span,
};
use serde_json::json;

use crate::harness::{Gateway, Process, files, write_project};
use crate::upstream::{Reply, Upstream};

const READ: (&str, &str) =
    ("actions/read.yaml", "description: reads\nconnection: api\npath: /read\nretry: {max_attempts: 1}\n");
const WRITE: (&str, &str) = (
    "actions/write.yaml",
    "description: writes\nconnection: api\nmethod: POST\npath: /write\nauth: key\nparameters: {type: object, properties: {a: {type: integer}}}\n",
);
const KEY: (&str, &str) = ("auth/key.yaml", "type: bearer\ntoken: {secret: api_token}\n");
const SECRETS: (&str, &str) = ("secrets.toml", "[development]\napi_token = \"hunter2hunter2\"\n");

async fn metrics(gateway: &Gateway) -> String {
    let answer = gateway.request("GET", "/metrics").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let media = answer.headers()["content-type"].to_str().unwrap().to_owned();
    assert!(media.starts_with("application/openmetrics-text"), "{media}");
    answer.text().await.unwrap()
}

#[track_caller]
fn assert_line(text: &str, line: &str) {
    assert!(text.lines().any(|one| one == line), "{line} is not in\n{text}");
}

#[tokio::test]
async fn metrics_count_calls_by_how_they_ended() {
    let upstream = Upstream::start(|request| match request.line() {
        "GET /read" => Reply::Json(500, "{}".to_owned()),
        _ => Reply::ok("{}"),
    })
    .await;
    let gateway = Gateway::start(&files(upstream.port, &[READ, WRITE, KEY, SECRETS])).await;
    for _ in 0..2 {
        gateway.call("read", json!({})).await;
    }
    for id in ["one", "one", "two"] {
        gateway
            .call_with(
                json!({"name": "write", "conversation_id": "c", "tool_call_id": id, "arguments": {"a": 1}}),
            )
            .await;
    }
    gateway.call("write", json!({"a": "one"})).await;
    gateway.call("no_such_tool \"}\n# evil", json!({})).await;
    let text = metrics(&gateway).await;
    let calls = |action: &str, status: &str, code: &str, count: u32| {
        format!(
            "callgate_tool_calls_total{{environment=\"development\",action=\"{action}\",status=\"{status}\",code=\"{code}\"}} {count}"
        )
    };
    assert_line(&text, &calls("read", "error", "upstream_error", 2));
    assert_line(&text, &calls("write", "success", "", 3));
    assert_line(&text, &calls("write", "exception", "invalid_arguments", 1));
    assert_line(&text, &calls("", "exception", "unknown_tool", 1));
    assert!(!text.contains("evil"), "what a model sends is no label:\n{text}");
    let of_write = "environment=\"development\",action=\"write\"";
    assert_line(&text, &format!("callgate_replays_total{{{of_write}}} 1"));
    assert_line(&text, &format!("callgate_upstream_attempts_total{{{of_write}}} 2"));
    assert_line(&text, &format!("callgate_tool_call_duration_seconds_count{{{of_write}}} 4"));
    assert_line(&text, &format!("callgate_tool_call_own_duration_seconds_count{{{of_write}}} 3"));
    assert_line(&text, &format!("callgate_tool_call_upstream_duration_seconds_count{{{of_write}}} 2"));
    assert_line(&text, "callgate_calls_in_flight 0");
    assert_line(&text, "callgate_breaker_state{environment=\"development\",connection=\"api\"} 0");
    assert_eq!(text.matches("# EOF").count(), 1);
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn metrics_tell_of_tokens_and_breakers() {
    let tokens = Upstream::start(|_| Reply::Json(500, "{}".to_owned())).await;
    let upstream = Upstream::start(|_| Reply::Json(500, "{}".to_owned())).await;
    let auth = format!(
        "type: oauth2_client_credentials\ntoken_url: http://127.0.0.1:{}/token\nclient_id: me\nclient_secret: {{secret: api_token}}\n",
        tokens.port
    );
    let connection = format!(
        "base_url: http://127.0.0.1:{}\nbreaker: {{min_calls: 2, open_ms: 3600000}}\n",
        upstream.port
    );
    let mut all = files(upstream.port, &[READ, WRITE, SECRETS]);
    all.retain(|(name, _)| *name != "connections/api.yaml");
    all.extend([("auth/key.yaml", auth), ("connections/api.yaml", connection)]);
    let gateway = Gateway::start(&all).await;
    gateway.call("write", json!({})).await;
    for _ in 0..3 {
        gateway.call("read", json!({})).await;
    }
    let text = metrics(&gateway).await;
    let fetches = "callgate_token_fetches_total{environment=\"development\",connector=\"key\"";
    assert_line(&text, &format!("{fetches},outcome=\"done\"}} 0"));
    assert_line(&text, &format!("{fetches},outcome=\"failed\"}} 1"));
    assert_line(&text, "callgate_breaker_state{environment=\"development\",connection=\"api\"} 2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_use_of_a_secret_is_told_by_name() {
    let upstream = Upstream::start(|_| Reply::ok("{}")).await;
    let key = callgate::server::NewKey::generate().unwrap();
    let settings = format!(
        "environments = [\"development\"]\n[egress.development]\nallow = [\"127.0.0.1\"]\n[[keys]]\nname = \"vapi\"\nhash = \"{}\"\n",
        key.hash
    );
    let mut all = files(upstream.port, &[READ, WRITE, KEY, SECRETS]);
    all.push(("callgate.toml", settings));
    let project = write_project(&all);
    let process = Process::serve(project.path(), &[]);
    for name in ["read", "write"] {
        let body = json!({"name": name, "tool_call_id": format!("{name}-1")}).to_string();
        let request = process.request("POST", "/v1/tool-calls").bearer_auth(&key.key);
        assert_eq!(process.send(request.body(body)).await.0, 200);
    }
    let line = process.wait_for("secret used");
    for part in ["INFO", "key=\"vapi\"", "secrets=\"api_token\"", "write-1", "http://127.0.0.1:"] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    process.wait_for("tool call done");
    let written = process.written();
    assert!(
        !written.contains("read-1") || !written.contains("secret used"),
        "only `write` uses a secret: {written}"
    );
    assert!(!line.contains("hunter2") && !written.contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_is_logged_with_all_that_a_call_is_logged_with() {
    let upstream = Upstream::start(|_| Reply::ok("{}")).await;
    let project = write_project(&files(upstream.port, &[WRITE, KEY, SECRETS]));
    let process = Process::serve(project.path(), &[]);
    let call = json!({"name": "write", "conversation_id": "c", "tool_call_id": "one", "arguments": {"a": 1}});
    process.post("/v1/tool-calls", &call).await;
    process.post("/v1/tool-calls", &call).await;
    let line = process.wait_for("tool call replayed");
    for part in [
        "INFO",
        "tool.name=\"write\"",
        "call.id=\"one\"",
        "first.id=\"one\"",
        "environment=\"development\"",
        "status=\"success\"",
        "http.status=200",
        "attempts=1",
        "duration_ms=",
    ] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fetch_of_a_token_is_told_whatever_comes_of_it() {
    let tokens = Upstream::start(|_| Reply::Json(500, "{}".to_owned())).await;
    let upstream = Upstream::start(|_| Reply::ok("{}")).await;
    let auth = format!(
        "type: oauth2_client_credentials\ntoken_url: http://127.0.0.1:{}/token\nclient_id: me\nclient_secret: {{secret: api_token}}\n",
        tokens.port
    );
    let settings = "environments = [\"development\"]\n[conversations.warm]\ndevelopment = [\"api\"]\n";
    let all = [WRITE, SECRETS, ("auth/key.yaml", &auth), ("callgate.toml", settings)];
    let project = write_project(&files(upstream.port, &all));
    let process = Process::serve(project.path(), &[]);
    let endpoint = format!("upstream=\"http://127.0.0.1:{}\"", tokens.port);
    for (path, body, purpose) in [
        ("/v1/conversations", json!({"id": "c"}), "purpose=\"background\""),
        ("/v1/tool-calls", json!({"name": "write"}), "purpose=\"call\""),
    ] {
        process.post(path, &body).await;
        let line = process.wait_for("secret used");
        let parts = ["auth.connector=\"key\"", "secrets=\"api_token\"", "environment=\"development\""];
        for part in parts.into_iter().chain([endpoint.as_str(), purpose]) {
            assert!(line.contains(part), "{part} is not in {line}");
        }
        process.wait_for("fetching a token failed");
    }
    assert_eq!(tokens.requests().len(), 2);
    assert!(
        upstream.requests().iter().all(|request| !request.line().starts_with("POST")),
        "no token, no call"
    );
}

#[cfg(feature = "otlp")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traces_go_from_the_caller_through_to_the_upstream() {
    let collector = Upstream::start(|_| Reply::whole("200 OK", b"")).await;
    let count = std::sync::atomic::AtomicUsize::new(0);
    let upstream =
        Upstream::start(move |request| match count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => Reply::Json(503, json!({"said": request.head}).to_string()),
            _ => Reply::ok(&json!({"said": request.head}).to_string()),
        })
        .await;
    let read = (
        "actions/read.yaml",
        "description: reads\nconnection: api\npath: /read\nauth: key\ntimeout_ms: 60000\nretry: {backoff_ms: 1}\n",
    );
    let project = write_project(&files(upstream.port, &[read, KEY, SECRETS]));
    let endpoint = format!("http://127.0.0.1:{}/v1/traces", collector.port);
    let mut process = Process::serve(project.path(), &[("CALLGATE_TRACES__ENDPOINT", &endpoint)]);
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let traced = |parent: &'static str, states: &[&str], body: serde_json::Value| {
        let request = process.request("POST", "/v1/tool-calls").header("traceparent", parent);
        let request = states.iter().fold(request, |request, state| request.header("tracestate", *state));
        process.send(request.body(body.to_string()))
    };
    let (status, _) =
        traced(parent, &["rojo=1", "congo=2"], json!({"name": "read", "tool_call_id": "call_1"})).await;
    assert_eq!(status, 200);
    // A call whose caller does not record is not recorded here either.
    let unsampled = "00-4bf92f3577b34da6a3ce929d0e0e4737-00f067aa0ba902b7-00";
    traced(unsampled, &[], json!({"name": "read"})).await;
    process.signal("TERM");
    assert_eq!(process.wait(), Some(0));

    let sent = collector.requests();
    assert_eq!(sent.len(), 1, "what waited was sent at the end");
    assert_eq!(sent[0].line(), "POST /v1/traces");
    process.assert_untold(&format!("{}\n{}", sent[0].head, sent[0].text()));
    let exported: ExportTraceServiceRequest = prost::Message::decode(sent[0].body.as_slice()).unwrap();
    let resource = exported.resource_spans[0].resource.clone().unwrap();
    assert_eq!(text(&resource.attributes, "service.name"), "callgate");
    let spans: Vec<_> =
        exported.resource_spans.iter().flat_map(|one| &one.scope_spans).flat_map(|one| &one.spans).collect();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert!(spans.iter().all(|span| hex(&span.trace_id) == "4bf92f3577b34da6a3ce929d0e0e4736"));
    let [first, second, call] = spans.as_slice() else { panic!("{spans:#?}") };
    assert_eq!(
        (call.name.as_str(), hex(&call.parent_span_id).as_str()),
        ("execute_tool read", "00f067aa0ba902b7")
    );
    assert_eq!(text(&call.attributes, "gen_ai.operation.name"), "execute_tool");
    assert_eq!(text(&call.attributes, "gen_ai.tool.call.id"), "call_1");
    for (span, status) in [(first, "503"), (second, "200")] {
        assert_eq!((span.name.as_str(), &span.parent_span_id), ("GET", &call.span_id));
        assert_eq!(text(&span.attributes, "http.response.status_code"), status);
        assert_eq!(text(&span.attributes, "server.address"), "127.0.0.1");
        assert!(span.start_time_unix_nano >= call.start_time_unix_nano);
        assert!(span.end_time_unix_nano <= call.end_time_unix_nano + 1_000_000);
    }
    assert_eq!(text(&second.attributes, "http.request.resend_count"), "1");
    // The upstream knows which attempt it is part of.
    let told: Vec<String> =
        upstream.requests().iter().map(|request| request.header("traceparent").unwrap().to_owned()).collect();
    let states: Vec<_> =
        upstream.requests().iter().map(|one| one.header("tracestate").map(str::to_owned)).collect();
    assert_eq!(states, [Some("rojo=1,congo=2".to_owned()), Some("rojo=1,congo=2".to_owned()), None]);
    assert!(spans.iter().all(|span| span.trace_state == "rojo=1,congo=2"), "{spans:#?}");
    let expected = |span: &Span| format!("00-{}-{}-01", hex(&span.trace_id), hex(&span.span_id));
    assert_eq!(told[..2], [expected(first), expected(second)]);
    assert!(
        told[2].starts_with("00-4bf92f3577b34da6a3ce929d0e0e4737-") && told[2].ends_with("-00"),
        "{told:?}"
    );
}

/// The value of an attribute, as text.
#[cfg(feature = "otlp")]
fn text(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|attribute| attribute.value.clone()).and_then(|value| value.value) {
        Some(AttributeValue::StringValue(text)) => text,
        Some(AttributeValue::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}
