//! Where the values of a previewed request come from.

use serde_json::{Value, json};

use crate::api::Api;
use crate::harness::{Gateway, files};

const SECRETS: (&str, &str) = ("secrets.toml", "[development]\nkey = \"hunter2-hunter2\"\n");
const STATIC: (&str, &str) = ("variables.toml", "[development]\nREGION = \"eu\"\n");
const AUTH: (&str, &str) = ("auth/key.yaml", "type: bearer\ntoken: {secret: key}\n");

/// The texts of `segments` together.
fn joined(segments: &Value) -> String {
    segments.as_array().unwrap().iter().map(|segment| segment["text"].as_str().unwrap()).collect()
}

/// The values in `segments`: text, reference and source.
fn values(segments: &Value) -> Vec<(&str, &str, &str)> {
    let segments = segments.as_array().unwrap().iter().filter(|segment| segment["source"].is_string());
    segments
        .map(|segment| {
            let text = |name: &str| segment[name].as_str().unwrap();
            (text("text"), text("reference"), text("source"))
        })
        .collect()
}

/// Whether the parts say the same as the request.
fn assert_whole(preview: &Value) {
    let (request, parts) = (&preview["request"], &preview["parts"]);
    assert_eq!(joined(&parts["url"]), request["url"], "{preview}");
    let headers = request["headers"].as_object().unwrap();
    assert_eq!(headers.len(), parts["headers"].as_object().unwrap().len());
    for (name, value) in headers {
        assert_eq!(&joined(&parts["headers"][name]), value.as_str().unwrap(), "{name}");
    }
    match &request["body"] {
        Value::Null => assert_eq!(parts["body"], Value::Null),
        body => assert_eq!(&joined(&parts["body"]), body.as_str().unwrap()),
    }
}

#[tokio::test]
async fn each_value_names_its_source() {
    let action = (
        "actions/book.yaml",
        "description: Books.\nconnection: api\nmethod: POST\npath: /x/{{.parameters.id}}\nauth: key\n\
         parameters:\n  type: object\n  required: [id]\n  properties:\n    id: {type: string}\n    \
         size: {type: integer, default: 2}\n    pin: {type: string, x-sensitive: true}\n    who: {type: string}\n\
         bind: {who: '{{.variables.customer.name}}'}\n\
         query: {region: '{{.static_variables.REGION}}'}\n\
         headers: {X-Key: {secret: key, prefix: 'T '}, X-Note: 'n-{{.variables.note}}'}\n\
         body: |\n  {\"size\": {{.parameters.size}}, \"who\": \"{{.parameters.who}}\",\n   \
         {{with .parameters.pin}}\"pin\": \"{{.}}\",{{end}}\n   \"in\": \"{{.variables.conversation.environment}}\"}\n",
    );
    let api = Api(Gateway::start(&files(9, &[SECRETS, STATIC, AUTH, action])).await);
    let begun = json!({"id": "c", "variables": {"customer.name": "Ann"}});
    assert_eq!(api.post("/v1/conversations", &begun).await.status, 201);
    let asked = json!({
        "conversation_id": "c", "variables": {"note": "hi"}, "arguments": {"id": "a/b", "pin": "4711-x"},
    });
    let preview = api.post("/v1/actions/book/preview", &asked).await.body;
    assert_whole(&preview);
    let parts = &preview["parts"];
    assert_eq!(
        values(&parts["url"]),
        [("a%2Fb", ".parameters.id", "argument"), ("eu", ".static_variables.REGION", "static_variable")]
    );
    assert_eq!(
        values(&parts["body"]),
        [
            ("2", ".parameters.size", "default"),
            ("Ann", ".parameters.who", "bound"),
            ("***", ".", "argument"),
            ("development", ".variables.conversation.environment", "conversation_variable"),
        ]
    );
    assert_eq!(values(&parts["headers"]["x-note"]), [("hi", ".variables.note", "call_variable")]);
    assert_eq!(values(&parts["headers"]["x-key"]), [("***", "key", "secret")]);
    assert_eq!(values(&parts["headers"]["authorization"]), [("***", "key", "secret")]);
    let size = &parts["body"][1];
    assert_eq!(
        (&size["file"], &size["line"], &size["column"]),
        (&json!("actions/book.yaml"), &json!(18), &json!(14)),
        "{size}"
    );
    assert_eq!(
        preview["branches"],
        json!([{"condition": "with .parameters.pin", "taken": true, "file": "actions/book.yaml", "line": 19, "column": 6}])
    );
    let named: Vec<&str> = preview["credentials"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["variable"].as_str().unwrap())
        .collect();
    assert!(named.contains(&"KEY"), "{named:?}");
}

#[tokio::test]
async fn parts_are_the_request_whatever_its_form() {
    let forms = [
        ("flat_json", "method: POST\npath: /a\n"),
        ("flat_query", "method: GET\npath: '/a b/{{.parameters.s}}'\n"),
        ("flat_form", "method: POST\npath: /a\ncontent_type: application/x-www-form-urlencoded\n"),
        ("flat_parts", "method: POST\npath: /a\ncontent_type: multipart/form-data\n"),
        (
            "form",
            "method: POST\npath: /a\nform: {one: '{{.parameters.s}}', all: '{{.parameters.list}}', x: 'v-{{.parameters.s}}'}\n",
        ),
        (
            "parts",
            "method: POST\npath: /a\nmultipart: {one: {value: '{{.parameters.s}}', filename: f.txt}}\n",
        ),
        ("xml", "method: POST\npath: /a\ncontent_type: application/xml\nbody: '<a>{{.parameters.s}}</a>'\n"),
        ("root", "method: GET\npath: ''\n"),
    ];
    let actions: Vec<(String, String)> = forms
        .iter()
        .map(|(name, text)| {
            let schema = "parameters: {type: object, properties: {s: {type: string}, list: {type: array, items: {type: string}}}}\n";
            (format!("actions/{name}.yaml"), format!("description: d\nconnection: api\nauth: key\n{text}{schema}"))
        })
        .collect();
    let mut all: Vec<(&str, &str)> =
        actions.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    all.extend([SECRETS, AUTH]);
    let api = Api(Gateway::start(&files(9, &all)).await);
    for (name, _) in forms {
        for text in ["plain", "ä € 😀", "a&b=c d/e?f#g", "<&>\"'\\\n\u{202e}", "hunter2-hunter2", ""] {
            let asked = json!({"arguments": {"s": text, "list": ["x", text, "z"]}});
            let preview = api.post(&format!("/v1/actions/{name}/preview"), &asked).await.body;
            if preview.get("error").is_some() {
                continue;
            }
            assert_whole(&preview);
            let shown = preview.to_string();
            assert!(!shown.contains("hunter2"), "{shown}");
            if text == "plain" && name != "root" {
                let parts = [&preview["parts"]["url"], &preview["parts"]["body"]];
                let found = parts.iter().filter(|part| !part.is_null()).flat_map(|part| values(part));
                assert!(found.clone().any(|(text, ..)| text.contains("plain")), "{name}: {preview}");
                assert!(found.clone().all(|(_, _, source)| source == "argument"), "{name}: {preview}");
            }
        }
    }
}

#[tokio::test]
async fn a_secret_that_two_values_spell_is_not_shown_in_parts() {
    let action = (
        "actions/spell.yaml",
        "description: d\nconnection: api\nmethod: POST\npath: /a\nauth: key\n\
         parameters: {type: object, properties: {a: {type: string}, b: {type: string}}}\n\
         body: '{\"x\": \"{{.parameters.a}}{{.parameters.b}}\"}'\n",
    );
    let api = Api(Gateway::start(&files(9, &[SECRETS, AUTH, action])).await);
    let asked = json!({"arguments": {"a": "hunter2", "b": "-hunter2"}});
    let preview = api.post("/v1/actions/spell/preview", &asked).await.body;
    assert_whole(&preview);
    assert_eq!(preview["request"]["body"], "{\"x\": \"***\"}");
    assert_eq!(preview["parts"]["body"], json!([{"text": "{\"x\": \"***\"}"}]));
    assert!(!preview["curl"].as_str().unwrap().contains("hunter2"), "{preview}");
}
