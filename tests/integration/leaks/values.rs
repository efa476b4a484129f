//! Values that are no secrets of the project, but of a caller or an upstream:
//! `x-sensitive` arguments and hidden output variables.

use serde_json::{Value, json};

use crate::harness::{Process, write_project};
use crate::upstream::{Reply, Upstream};

use super::marks::{ENCODINGS, Marks};

const PIN: &str = "mk-pin/ü \"4929\"";
const CARD: &str = "4111111111111111";
const HIDDEN: &str = "mk-hidden/ü \"t\" +x";
const SHOWN: &str = "mk-shown-and-sensitive";

const PAY: &str = "description: d
connection: api
path: /pay
method: POST
parameters:
  type: object
  properties:
    mode: {type: string}
    pin: {type: string, maxLength: 20, x-sensitive: true}
    card: {$ref: '#/$defs/card'}
    amount: {type: number}
  $defs:
    card:
      type: object
      x-sensitive: true
      properties: {number: {type: integer}}
      additionalProperties: false
output_variables:
  - {name: pay.token, path: $.token, sensitive: true}
  - {name: pay.receipt, path: $.receipt, sensitive: true, expose: true}
headers: {X-Pin: '{{if .parameters.amount}}{{if gt .parameters.amount 5}}{{.parameters.pin}}{{end}}{{end}}'}
";

fn answer(way: Option<&str>) -> Reply {
    let escapes = [
        "raw",
        "JSON",
        "JSON in JSON",
        "JSON escapes",
        "percent",
        "percent in full",
        "percent twice",
        "HTML",
        "HTML numbers",
    ];
    let all: Vec<String> =
        ENCODINGS.iter().filter(|(way, _)| escapes.contains(way)).map(|(_, encode)| encode(HIDDEN)).collect();
    let said = all.join(" | ");
    match way {
        Some("success") => Reply::ok(
            &json!({"token": HIDDEN, "receipt": SHOWN, "said": said, "each": all, (HIDDEN): 1}).to_string(),
        ),
        Some("error") => Reply::Json(409, json!({"error": said, "each": all}).to_string()),
        Some("text") => Reply::Raw(
            format!("HTTP/1.1 500 X\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n{said}")
                .into_bytes(),
        ),
        Some("page") => Reply::Raw(
            format!(
                "HTTP/1.1 500 X\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n<p>{}</p>",
                all[7]
            )
            .into_bytes(),
        ),
        _ => Reply::Close,
    }
}

#[tokio::test]
async fn values_of_callers_and_upstreams_stay_out_of_what_is_written_down() {
    let upstream = Upstream::start(|request| {
        let asked: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        answer(asked["mode"].as_str())
    })
    .await;
    let connection = format!("base_url: http://127.0.0.1:{}\n", upstream.port);
    let log = "environments = [\"development\"]\n[log]\nlevel = \"trace\"\n".to_owned();
    let dir = write_project(&[
        ("callgate.toml", log),
        ("connections/api.yaml", connection),
        ("actions/pay.yaml", PAY.to_owned()),
    ]);
    let mut process = Process::serve(dir.path(), &[]);
    let hidden = Marks::of("a hidden output", HIDDEN);
    let arguments = Marks::new([("a sensitive argument", PIN), ("a number in a sensitive argument", CARD)]);

    let card: u64 = CARD.parse().unwrap();
    for mode in ["success", "error", "text", "page", "nothing"] {
        let call = json!({"name": "pay", "conversation_id": "c", "arguments": {"mode": mode, "pin": PIN, "card": {"number": card}}});
        let (_, result) = process.post("/v1/tool-calls", &call).await;
        hidden.assert_none_in(mode, &result.to_string());
        if let Some(text) = result["body"].as_str() {
            hidden.assert_none_in(mode, text);
        }
        if mode == "success" {
            assert_eq!(result["variables"], json!({"pay.receipt": SHOWN}));
            assert_eq!(result["body"]["token"], "[hidden]");
        }
    }

    // Every way in which they can be wrong.
    let wrong = [
        json!({"pin": format!("{PIN}-which-is-too-long-now"), "card": {"number": CARD}}),
        json!({"pin": [PIN], "card": [card]}),
        json!({"pinn": PIN, "crad": card}),
        json!({"card": {"number": 1, (CARD): PIN}}),
        json!({"pin": PIN, "amount": 9}),
        json!(PIN),
        json!(format!("{{\"pin\": \"{CARD}\"")),
        json!([PIN]),
    ];
    for arguments_sent in wrong {
        let call = json!({"name": "pay", "arguments": arguments_sent});
        let (_, result) = process.post("/v1/tool-calls", &call).await;
        let (_, preview) = process.post("/v1/actions/pay/preview", &call).await;
        arguments.assert_none_in("a result", &result["error"].to_string());
        arguments.assert_none_in("a preview", &preview.to_string());
    }
    let call = json!({"arguments": {"mode": "success", "pin": PIN, "card": {"number": card}, "amount": 1}});
    let (_, preview) = process.post("/v1/actions/pay/preview", &call).await;
    let preview = preview.to_string();
    assert!(preview.contains("***"), "{preview}");
    arguments.assert_none_in("a preview", &preview);

    let tools = process.get("/v1/tools").await.1.to_string();
    assert!(tools.contains("\"pin\"") && !tools.contains("x-sensitive"), "{tools}");

    process.signal("TERM");
    assert_eq!(process.wait(), Some(0));
    let log = process.log();
    assert!(log.contains("TRACE") && log.contains("tool call failed"), "{log}");
    arguments.assert_none_in("the log", &log);
    hidden.assert_none_in("the log", &log);
    Marks::of("a sensitive output that is shown", SHOWN).assert_none_in("the log", &log);
}
