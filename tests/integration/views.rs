//! All that is told of a call: its result, its line in the log, its events, its metrics, its span.
//!
//! `tests/data/views/calls.json` has what Callgate told of these calls when each view was made by itself. Times, ports and
//! the ids of spans are replaced by words.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::harness::{Process, files, write_project};
use crate::upstream::{Captured, Reply, Upstream};

const FILES: &[(&str, &str)] = &[
    (
        "callgate.toml",
        "environments = [\"development\"]\n[egress.development]\nallow = [\"127.0.0.1\"]\n[log]\nformat = \"json\"\n",
    ),
    ("secrets.toml", "[development]\napi_token = \"hunter2hunter2\"\n"),
    ("auth/key.yaml", "type: bearer\ntoken: {secret: api_token}\n"),
    (
        "actions/book.yaml",
        r#"description: books
connection: api
auth: key
method: POST
path: /book/{{.parameters.day}}
headers: {x-lang: "{{.parameters.lang}}"}
parameters:
  type: object
  required: [day]
  properties:
    day: {type: string}
    lang: {type: string, default: en}
    pin: {type: string, x-sensitive: true}
    guests: {type: array, items: {type: integer}}
output_variables:
  - {name: booking.id, path: $.id, expose: true}
  - {name: booking.code, path: $.code, sensitive: true}
  - {name: booking.note, path: $.note, expose: false}
"#,
    ),
    (
        "actions/find.yaml",
        "description: finds\nconnection: api\npath: /find\nparameters: {type: object, properties: {q: {type: string}}}\nquery: {q: \"{{.parameters.q}}\"}\nretry: {backoff_ms: 1}\n",
    ),
    (
        "actions/broken.yaml",
        "description: breaks\nconnection: api\npath: /broken\nretry: {max_attempts: 1}\n",
    ),
    (
        "actions/elsewhere.yaml",
        "description: goes elsewhere\nconnection: api\nmethod: POST\npath: /elsewhere\n",
    ),
    ("actions/hours.yaml", "description: says when\ntype: static\nresponse: {open: \"9 to 5\"}\n"),
];

fn answer(request: &Captured, again: &AtomicU32) -> Reply {
    match request.line() {
        line if line.starts_with("POST /book/") => Reply::Json(
            201,
            r#"{"id": "b1", "code": "s3cr3t-code", "note": "for our eyes", "echo": "s3cr3t-code, for our eyes"}"#
                .to_owned(),
        ),
        line if line.contains("q=again") && again.fetch_add(1, Ordering::Relaxed) == 0 => {
            Reply::Json(503, r#"{"error": "not now"}"#.to_owned())
        }
        line if line.starts_with("GET /find") => Reply::ok(r#"[{"n": 1.10}, {"n": 12345678901234567890}]"#),
        line if line.starts_with("GET /broken") => {
            Reply::Raw(b"HTTP/1.1 500 Internal Server Error\r\ncontent-type: text/html\r\ncontent-length: 46\r\nconnection: close\r\n\r\n<html><title>Oops</title><body>It broke</body>".to_vec())
        }
        _ => Reply::Raw(b"HTTP/1.1 302 Found\r\nlocation: /login?next=%2F\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec()),
    }
}

/// The calls, in their order.
fn calls() -> Vec<Value> {
    let call = |id: &str, name: &str, arguments: Value| json!({"name": name, "conversation_id": "c", "tool_call_id": id, "arguments": arguments});
    let book = json!({"day": "2026-12-01", "pin": "4711-pin", "guests": [2, 3]});
    let mut given = call("given", "book", json!({"day": "2026-12-03", "pin": "caller-pin"}));
    given["variables"] = json!({"caller.name": "Ada"});
    let mut alone = call("alone", "find", json!({"q": "x"}));
    alone.as_object_mut().unwrap().remove("conversation_id");
    vec![
        call("first", "book", book.clone()),
        call("first", "book", book),
        call("text", "book", json!("{\"day\": \"2026-12-02\", \"guests\": \"[1]\"}")),
        given,
        call("found", "find", json!({"q": "for our eyes"})),
        call("again", "find", json!({"q": "again"})),
        call("broken", "broken", json!({})),
        call("elsewhere", "elsewhere", json!({})),
        call("unfit", "book", json!({"pin": "4711-pin", "lang": 5})),
        call("unknown", "no_such_tool", json!({"a": 1})),
        call("hours", "hours", json!({})),
        alone,
    ]
}

/// Replaces what is another in each run.
fn steady(value: &mut Value, ports: &[u16]) {
    match value {
        Value::Object(members) => {
            // Which waits are worth a phase depends on the machine.
            members.shift_remove("phases");
            for (name, member) in members.iter_mut() {
                match name.as_str() {
                    "duration_ms" | "took_ms" | "wait_ms" if member.is_number() => {
                        *member = json!("TIME");
                    }
                    "timestamp" | "at" | "set_at" => *member = json!("TIME"),
                    "traceparent" => *member = json!("SPAN"),
                    _ => steady(member, ports),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| steady(item, ports)),
        Value::String(text) => {
            for port in ports {
                *text = text.replace(&format!(":{port}"), ":PORT");
            }
        }
        _ => {}
    }
}

/// The lines about calls, as JSON.
fn lines(log: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line.to_string().contains("call.id")).collect()
}

/// The counters, without those of time.
fn counters(metrics: &str) -> Vec<String> {
    let is_steady = |line: &&str| {
        line.starts_with("callgate_") && !line.contains("_bucket{") && !line.contains("_seconds_sum{")
    };
    let mut lines: Vec<String> = metrics.lines().filter(is_steady).map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

fn spans(exported: &[u8]) -> Vec<Value> {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Attribute;

    let exported: ExportTraceServiceRequest = prost::Message::decode(exported).unwrap();
    let spans = exported.resource_spans.iter().flat_map(|one| &one.scope_spans).flat_map(|one| &one.spans);
    let told = spans.map(|span| {
        let attributes = span.attributes.iter().filter(|one| one.key != "server.port").map(|one| {
            let value = match one.value.as_ref().and_then(|value| value.value.clone()) {
                Some(Attribute::StringValue(text)) => json!(text),
                Some(Attribute::IntValue(number)) => json!(number),
                other => json!(format!("{other:?}")),
            };
            (one.key.clone(), value)
        });
        let attributes: serde_json::Map<String, Value> = attributes.collect();
        let status = span.status.as_ref().map(|status| (status.code, status.message.clone()));
        json!({"name": span.name, "kind": span.kind, "attributes": attributes, "status": status})
    });
    told.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_views_of_a_call_are_as_they_were() {
    let collector = Upstream::start(|_| Reply::whole("200 OK", b"")).await;
    let again = AtomicU32::new(0);
    let upstream = Upstream::start(move |request| answer(request, &again)).await;
    let project = write_project(&files(upstream.port, FILES));
    let endpoint = format!("http://127.0.0.1:{}/v1/traces", collector.port);
    let mut process = Process::serve(project.path(), &[("CALLGATE_TRACES__ENDPOINT", &endpoint)]);
    let mut results = Vec::new();
    for (number, call) in calls().into_iter().enumerate() {
        let parent = format!("00-4bf92f3577b34da6a3ce929d0e0e{number:04}-00f067aa0ba902b7-01");
        let request = process.request("POST", "/v1/tool-calls").header("traceparent", parent);
        let (status, result) = process.send(request.body(call.to_string())).await;
        results.push(json!({"http_status": status, "result": result}));
    }
    let (_, feed) = process.get("/v1/conversations/c/events?limit=500").await;
    let (_, conversation) = process.get("/v1/conversations/c").await;
    let metrics = process.request("GET", "/metrics").send().await.unwrap().text().await.unwrap();
    process.signal("TERM");
    assert_eq!(process.wait(), Some(0));
    let requests = collector.requests();
    let spans: Vec<Value> = requests.iter().flat_map(|request| spans(&request.body)).collect();

    let mut told = json!({
        "results": results,
        "log": lines(&process.log()),
        "feed": feed["events"],
        "variables": conversation["variables"],
        "metrics": counters(&metrics),
        "spans": spans,
    });
    steady(&mut told, &[upstream.port, collector.port]);
    let text = serde_json::to_string_pretty(&told).unwrap();
    process.assert_untold(&text);
    let expected: Value = serde_json::from_str(include_str!("../data/views/calls.json")).unwrap();
    if told != expected {
        std::fs::write(std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("views.json"), &text).unwrap();
    }
    for view in ["results", "log", "feed", "variables", "metrics", "spans"] {
        match (told[view].as_array(), expected[view].as_array()) {
            (Some(told), Some(expected)) => {
                assert_eq!(told.len(), expected.len(), "{view}: {told:#?}");
                for (at, (told, expected)) in told.iter().zip(expected).enumerate() {
                    assert_eq!(told, expected, "{view} {at}");
                }
            }
            _ => assert_eq!(told[view], expected[view], "{view}"),
        }
    }
}
