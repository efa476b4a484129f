//! httpbin as the upstream: what arrives there, and what comes back.

use std::sync::OnceLock;
use std::time::Instant;

use serde_json::{Value, json};

use crate::harness::{Gateway, Server};
use crate::judge::Judge;

/// The one httpbin of this test binary; it goes when our end of its stdin does.
fn httpbin() -> Option<u16> {
    static SERVER: OnceLock<Server> = OnceLock::new();
    let python = Judge::Httpbin.find()?.join("venv/bin/python");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/external/httpbin_server.py");
    Some(SERVER.get_or_init(|| Server::start(&python, &[script])).port)
}

/// An action `name` of the connection `httpbin`; `more` is YAML.
fn action(name: &str, method: &str, path: &str, more: &str) -> (String, String) {
    let text = format!(
        "description: Asks httpbin. For tests.\nconnection: httpbin\nmethod: {method}\npath: \"{path}\"\n{more}\n"
    );
    (format!("actions/{name}.yaml"), text)
}

fn file(name: &str, text: &str) -> (String, String) {
    (name.to_owned(), text.to_owned())
}

/// A gateway with `files` and the connection `httpbin`, or `None` where httpbin is not installed.
async fn gateway(files: &[(String, String)]) -> Option<Gateway> {
    let port = httpbin()?;
    let mut all = vec![("connections/httpbin.yaml", format!("base_url: http://127.0.0.1:{port}\n"))];
    all.extend(files.iter().map(|(name, text)| (name.as_str(), text.clone())));
    Some(Gateway::start(&all).await)
}

/// Asserts success and gives the body.
#[track_caller]
fn body(result: &Value) -> &Value {
    assert_eq!(result["status"], "success", "{result:#}");
    assert_eq!(result["error"], Value::Null, "{result:#}");
    &result["body"]
}

/// The body as the model reads it.
fn text(body: &Value) -> String {
    body.as_str().map_or_else(|| body.to_string(), str::to_owned)
}

fn is_empty(body: &Value) -> bool {
    body.is_null() || body == ""
}

const TEXT: &str = "parameters: {type: object, properties: {text: {type: string}}, required: [text]}\n";

/// Strings that some encoding on the way would like to change.
const AWKWARD: [&str; 6] = [
    "plain",
    "a b+c%20d&e=f;g",
    "\"quoted\" \\ back\\slash",
    "two\nlines\tand a tab",
    "Zoë Straße 東京 😀",
    "{{.parameters.text}} </x> '",
];

// --- methods ---------------------------------------------------------------------------

const MANY: &str = "
parameters:
  type: object
  properties:
    text: {type: string}
    count: {type: integer}
    flag: {type: boolean}
    empty: {type: string}
    tags: {type: array, items: {type: string}}
    nested: {type: object, properties: {a: {type: integer}}}
    absent: {type: string}
";

fn many() -> Value {
    json!({"text": "a b&c=d", "count": 0, "flag": false, "empty": "", "tags": ["x", "y z"], "nested": {"a": 1}})
}

#[tokio::test]
async fn get_and_delete_send_their_arguments_in_the_query() {
    let files = [action("get", "GET", "/anything", MANY), action("delete", "DELETE", "/anything", MANY)];
    let Some(gateway) = gateway(&files).await else { return };
    for (name, method) in [("get", "GET"), ("delete", "DELETE")] {
        let result = gateway.call(name, many()).await;
        let body = body(&result);
        assert_eq!(body["method"], method);
        assert_eq!(
            body["args"],
            json!({"text": "a b&c=d", "count": "0", "flag": "false", "empty": "", "tags": ["x", "y z"], "nested": "{\"a\":1}"}),
        );
        assert_eq!(body["data"], "");
        assert_eq!(result["status_code"], 200);
    }
}

#[tokio::test]
async fn post_put_and_patch_send_their_arguments_as_one_flat_object() {
    let methods = ["POST", "PUT", "PATCH"];
    let files = methods.map(|method| action(&method.to_lowercase(), method, "/anything", MANY));
    let Some(gateway) = gateway(&files).await else { return };
    for method in methods {
        let result = gateway.call(&method.to_lowercase(), many()).await;
        let body = body(&result);
        assert_eq!(body["method"], method);
        assert_eq!(body["json"], many());
        assert_eq!(body["args"], json!({}));
        let content_type = text(&body["headers"]["Content-Type"]);
        assert!(content_type.starts_with("application/json"), "{content_type}");
    }
}

#[tokio::test]
async fn each_method_has_its_own_route_too() {
    let methods = ["GET", "POST", "PUT", "PATCH", "DELETE"];
    let files = methods.map(|method| {
        let name = method.to_lowercase();
        action(&name, method, &format!("/{name}"), TEXT)
    });
    let Some(gateway) = gateway(&files).await else { return };
    for method in methods {
        let result = gateway.call(&method.to_lowercase(), json!({"text": "x"})).await;
        let body = body(&result);
        let echoed = if ["GET", "DELETE"].contains(&method) { &body["args"] } else { &body["json"] };
        assert_eq!(echoed, &json!({"text": "x"}), "{method}");
    }
}

#[tokio::test]
async fn head_and_options_succeed_without_a_body() {
    let files = [action("head", "HEAD", "/get", TEXT), action("options", "OPTIONS", "/get", TEXT)];
    let Some(gateway) = gateway(&files).await else { return };
    for name in ["head", "options"] {
        let result = gateway.call(name, json!({"text": "x"})).await;
        assert!(is_empty(body(&result)), "{result:#}");
        assert_eq!(result["status_code"], 200);
    }
}

// --- bodies ----------------------------------------------------------------------------

#[tokio::test]
async fn a_template_gives_every_string_back() {
    let more = r#"
parameters:
  type: object
  properties: {text: {type: string}, priority: {type: string, enum: [low, high]}, count: {type: integer}}
  required: [text, count]
body: |
  {"ticket": {"text": "{{.parameters.text}}",
    {{- if .parameters.priority}} "priority": "{{.parameters.priority}}",{{end}}
    "count": {{.parameters.count}}, "whole": {{.parameters.text}}}}
"#;
    let Some(gateway) = gateway(&[action("ticket", "POST", "/post", more)]).await else { return };
    for text in AWKWARD {
        let result = gateway.call("ticket", json!({"text": text, "count": 0})).await;
        assert_eq!(body(&result)["json"], json!({"ticket": {"text": text, "count": 0, "whole": text}}));
    }
    let result = gateway.call("ticket", json!({"text": "x", "count": 2, "priority": "high"})).await;
    assert_eq!(body(&result)["json"]["ticket"]["priority"], "high");
}

#[tokio::test]
async fn a_form_gives_every_string_back() {
    let more = format!("{TEXT}form: {{note: \"{{{{.parameters.text}}}}\", channel: voice, retries: 0}}");
    let Some(gateway) = gateway(&[action("form", "POST", "/post", &more)]).await else { return };
    for text in AWKWARD {
        let result = gateway.call("form", json!({"text": text})).await;
        let body = body(&result);
        assert_eq!(body["form"], json!({"note": text, "channel": "voice", "retries": "0"}));
        assert_eq!(body["headers"]["Content-Type"], "application/x-www-form-urlencoded");
    }
}

#[tokio::test]
async fn multipart_parts_are_fields_and_files() {
    let more = format!(
        "{TEXT}multipart:\n  note: {{value: \"{{{{.parameters.text}}}}\"}}\n  \
         transcript: {{value: \"said: {{{{.parameters.text}}}}\", filename: transcript.txt, content_type: text/plain}}"
    );
    let Some(gateway) = gateway(&[action("upload", "POST", "/post", &more)]).await else { return };
    for text in AWKWARD {
        let result = gateway.call("upload", json!({"text": text})).await;
        let body = body(&result);
        assert_eq!(body["form"], json!({"note": text}));
        assert_eq!(body["files"], json!({"transcript": format!("said: {text}")}));
        let content_type = body["headers"]["Content-Type"].as_str().unwrap_or_default();
        assert!(content_type.starts_with("multipart/form-data; boundary="), "{content_type}");
    }
}

#[tokio::test]
async fn a_text_body_is_sent_as_it_is_rendered() {
    let more = format!("{TEXT}content_type: text/plain\nbody: \"note: {{{{.parameters.text}}}}\"");
    let Some(gateway) = gateway(&[action("note", "PUT", "/put", &more)]).await else { return };
    for text in AWKWARD {
        let result = gateway.call("note", json!({"text": text})).await;
        let body = body(&result);
        assert_eq!(body["data"], format!("note: {text}"));
        let content_type = body["headers"]["Content-Type"].as_str().unwrap_or_default();
        assert!(content_type.starts_with("text/plain"), "{content_type}");
    }
}

#[tokio::test]
async fn an_xml_body_escapes_its_values() {
    let more =
        format!("{TEXT}content_type: application/xml\nbody: \"<note>{{{{.parameters.text}}}}</note>\"");
    let Some(gateway) = gateway(&[action("note", "POST", "/post", &more)]).await else { return };
    let result = gateway.call("note", json!({"text": "1 < 2 & 3 </note><admin/>"})).await;
    let data = text(&body(&result)["data"]);
    assert!(data.starts_with("<note>1 &lt; 2 &amp; 3 &lt;/note"), "{data}");
    assert_eq!(data.matches('<').count(), 2, "{data}");
}

// --- path, query, headers ----------------------------------------------------------------

#[tokio::test]
async fn a_path_value_is_one_segment_and_is_not_sent_again() {
    let path = "/anything/notes/{{.parameters.text}}/tail";
    let Some(gateway) = gateway(&[action("note", "GET", path, TEXT)]).await else { return };
    let result = gateway.call("note", json!({"text": "what?x=1#y z"})).await;
    let body = body(&result);
    assert_eq!(body["args"], json!({}));
    let url = text(&body["url"]);
    assert!(url.ends_with("/anything/notes/what%3Fx=1%23y%20z/tail"), "{url}");
}

#[tokio::test]
async fn an_argument_that_a_query_template_places_is_not_sent_again() {
    let more = format!("{TEXT}query: {{lang: en, echo: \"<{{{{.parameters.text}}}}>\", page: 1}}");
    let Some(gateway) = gateway(&[action("search", "GET", "/get?v=2", &more)]).await else { return };
    for text in AWKWARD {
        let result = gateway.call("search", json!({"text": text})).await;
        assert_eq!(
            body(&result)["args"],
            json!({"v": "2", "lang": "en", "echo": format!("<{text}>"), "page": "1"}),
        );
    }
}

#[tokio::test]
async fn the_upstream_gets_its_own_host_and_our_headers_only() {
    let more = format!(
        "{TEXT}headers: {{X-API-Version: \"1.0\", X-Retries: 0, X-Caller: \"id {{{{.parameters.text}}}}\"}}"
    );
    let Some(gateway) = gateway(&[action("headers", "GET", "/headers", &more)]).await else { return };
    let Some(port) = httpbin() else { return };
    let result = gateway.call("headers", json!({"text": "42; q=\"x\""})).await;
    let headers = &body(&result)["headers"];
    assert_eq!(headers["Host"], format!("127.0.0.1:{port}"));
    assert_eq!(headers["X-Api-Version"], "1.0");
    assert_eq!(headers["X-Retries"], "0");
    assert_eq!(headers["X-Caller"], "id 42; q=\"x\"");
    let encodings = text(&headers["Accept-Encoding"]);
    assert!(encodings.contains("gzip") && encodings.contains("br"), "{encodings}");
    for absent in ["Authorization", "Cookie", "Content-Type", "Content-Length", "X-Forwarded-Host"] {
        assert!(headers.get(absent).is_none(), "{absent}: {headers:#}");
    }
}

#[tokio::test]
async fn a_header_value_with_a_newline_is_never_sent() {
    let more = format!("{TEXT}headers: {{X-Caller: \"{{{{.parameters.text}}}}\"}}");
    let Some(gateway) = gateway(&[action("headers", "GET", "/headers", &more)]).await else { return };
    let result = gateway.call("headers", json!({"text": "a\r\nX-Admin: 1"})).await;
    assert_eq!(result["status"], "exception", "{result:#}");
    assert_eq!(result["error"]["effect"], "none", "{result:#}");
}

// --- answers -----------------------------------------------------------------------------

#[tokio::test]
async fn a_redirect_is_the_result_and_is_not_followed() {
    // Nothing listens on port 1: following would be a `failure`, not a 302.
    let to = "/redirect-to?url=http://127.0.0.1:1/";
    let files = [
        action("get", "GET", to, ""),
        action("post", "POST", &format!("{to}&status_code=307"), TEXT),
        action("relative", "GET", "/relative-redirect/1", ""),
    ];
    let Some(gateway) = gateway(&files).await else { return };
    for (name, arguments, code) in
        [("get", json!({}), 302), ("post", json!({"text": "x"}), 307), ("relative", json!({}), 302)]
    {
        let result = gateway.call(name, arguments).await;
        assert_eq!(
            (&result["status"], &result["status_code"]),
            (&json!("error"), &json!(code)),
            "{result:#}"
        );
        assert!(result["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{result:#}");
    }
}

#[tokio::test]
async fn status_codes_decide_the_status() {
    let codes = [200, 201, 204, 400, 401, 404, 429, 500, 503];
    let files = codes.map(|code| action(&format!("answers_{code}"), "GET", &format!("/status/{code}"), ""));
    let Some(gateway) = gateway(&files).await else { return };
    for code in codes {
        let result = gateway.call(&format!("answers_{code}"), json!({})).await;
        assert_eq!(result["status_code"], code, "{result:#}");
        if code < 300 {
            assert!(is_empty(body(&result)), "{result:#}");
        } else {
            assert_eq!(result["status"], "error", "{result:#}");
            let error = &result["error"];
            for key in ["code", "message", "effect", "retry"] {
                assert!(error[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {result:#}");
            }
        }
    }
}

#[tokio::test]
async fn the_body_of_an_error_is_there() {
    let Some(gateway) = gateway(&[action("teapot", "GET", "/status/418", "")]).await else { return };
    let result = gateway.call("teapot", json!({})).await;
    assert_eq!((&result["status"], &result["status_code"]), (&json!("error"), &json!(418)), "{result:#}");
    assert!(text(&result["body"]).contains("teapot"), "{result:#}");
}

#[tokio::test]
async fn compressed_answers_are_decoded() {
    let files = [action("gzip", "GET", "/gzip", ""), action("brotli", "GET", "/brotli", "")];
    let Some(gateway) = gateway(&files).await else { return };
    assert_eq!(body(&gateway.call("gzip", json!({})).await)["gzipped"], true);
    assert_eq!(body(&gateway.call("brotli", json!({})).await)["brotli"], true);
}

#[tokio::test]
async fn values_are_taken_from_an_answer() {
    let more = "
output_variables:
  - {name: show.title, path: $.slideshow.title, expose: true}
  - {name: show.first, path: '$.slideshow.slides[0].title', expose: true}
  - {name: show.author, path: $.slideshow.author, expose: false}
  - {name: show.missing, path: $.slideshow.missing, expose: true}
";
    let Some(gateway) = gateway(&[action("show", "GET", "/json", more)]).await else { return };
    let result = gateway.call("show", json!({})).await;
    assert_eq!(body(&result)["slideshow"]["date"], "date of publication");
    assert_eq!(result["variables"]["show.title"], "Sample Slide Show", "{result:#}");
    assert_eq!(result["variables"]["show.first"], "Wake up to WonderWidgets!", "{result:#}");
    assert!(!text(&result["body"]).contains("Yours Truly"), "{result:#}");
}

#[tokio::test]
async fn unicode_text_stays_as_it_is() {
    let Some(gateway) = gateway(&[action("utf8", "GET", "/encoding/utf8", "")]).await else { return };
    let result = gateway.call("utf8", json!({})).await;
    let page = body(&result).as_str().expect("a text");
    for part in ["∮ E⋅da = Q", "สิบสองกษัตริย์", "ሰማይ አይታረስ", "⡌⠁⠧⠑", "Οὐχὶ ταὐτὰ"]
    {
        assert!(page.contains(part), "{part}");
    }
    // The page itself shows the replacement character once.
    assert_eq!(page.matches('\u{fffd}').count(), 1);
}

#[tokio::test]
async fn text_of_other_types_stays_text() {
    let files = [action("xml", "GET", "/xml", ""), action("robots", "GET", "/robots.txt", "")];
    let Some(gateway) = gateway(&files).await else { return };
    let result = gateway.call("xml", json!({})).await;
    assert!(body(&result).as_str().is_some_and(|xml| xml.contains("<slideshow")), "{result:#}");
    let result = gateway.call("robots", json!({})).await;
    assert!(body(&result).as_str().is_some_and(|robots| robots.contains("Disallow: /deny")), "{result:#}");
}

#[tokio::test]
async fn binary_is_described_and_not_dumped() {
    let files = [
        action("png", "GET", "/image/png", ""),
        action("jpeg", "GET", "/image/jpeg", ""),
        action("bytes", "GET", "/bytes/4096?seed=7", ""),
        action("chunked", "GET", "/stream-bytes/4096?seed=7&chunk_size=100", ""),
    ];
    let Some(gateway) = gateway(&files).await else { return };
    for (name, media_type, size) in [
        ("png", "image/png", Some("8090")),
        ("jpeg", "image/jpeg", None),
        ("bytes", "application/octet-stream", Some("4096")),
        ("chunked", "application/octet-stream", Some("4096")),
    ] {
        let result = gateway.call(name, json!({})).await;
        let described = text(body(&result));
        assert!(described.contains(media_type), "{described}");
        let digits = described.replace([',', '_', ' '], "");
        assert!(size.is_none_or(|size| digits.contains(size)), "{described}");
        assert!(described.len() < 500, "{} bytes dumped", described.len());
    }
}

#[tokio::test]
async fn lines_of_json_that_call_themselves_json_arrive_whole() {
    let Some(gateway) = gateway(&[action("stream", "GET", "/stream/3", "")]).await else { return };
    let result = gateway.call("stream", json!({})).await;
    let lines = text(body(&result));
    assert_eq!(lines.matches("\"origin\"").count(), 3, "{lines}");
}

// --- time ------------------------------------------------------------------------------------

/// Milliseconds that are too few, and how many more are, where the time was over before the request was sent.
const TOO_FEW: [u64; 2] = [500, 8_000];

/// Makes a call with each of those until one has been sent; it must come to a timeout that came in time.
async fn assert_timeout(call: impl AsyncFn(u64) -> Value, effect: &str) {
    for too_few in TOO_FEW {
        let started = Instant::now();
        let result = call(too_few).await;
        let (took, error) = (started.elapsed().as_millis(), &result["error"]);
        assert_eq!(error["code"], "timeout", "{result:#}");
        if result["attempts"] != 0 && error["effect"] == effect {
            let retry = if effect == "unknown" { "no" } else { "later" };
            assert_eq!(
                (&result["status"], &error["retry"]),
                (&json!("failure"), &json!(retry)),
                "{result:#}"
            );
            let too_few = u128::from(too_few);
            return assert!((too_few - 100..too_few + 9_000).contains(&took), "{took}");
        }
    }
    panic!("no request is sent in time, or its effect is not {effect}");
}

#[tokio::test]
async fn a_slow_answer_is_a_timeout() {
    let slow = |too_few| format!("{TEXT}timeout_ms: {too_few}");
    let read = TOO_FEW.map(|few| action(&format!("read_{few}"), "GET", "/delay/10", &slow(few)));
    let write = TOO_FEW.map(|few| action(&format!("write_{few}"), "POST", "/delay/10", &slow(few)));
    let Some(gateway) = gateway(&[read, write].concat()).await else { return };
    for (name, effect) in [("read", "none"), ("write", "unknown")] {
        let call = async |too_few| gateway.call(&format!("{name}_{too_few}"), json!({"text": "x"})).await;
        assert_timeout(call, effect).await;
    }
}

#[tokio::test]
async fn the_callers_deadline_wins_over_a_longer_timeout() {
    let patient = [action("read", "GET", "/delay/10", "timeout_ms: 60000")];
    let Some(gateway) = gateway(&patient).await else { return };
    let call = async |too_few| gateway.call_with(json!({"name": "read", "deadline_ms": too_few})).await;
    assert_timeout(call, "none").await;
}

#[tokio::test]
async fn the_body_must_arrive_in_time_too() {
    let path = "/drip?numbytes=10&duration=10&delay=0";
    let drips = TOO_FEW.map(|few| action(&format!("drip_{few}"), "GET", path, &format!("timeout_ms: {few}")));
    let Some(gateway) = gateway(&drips).await else { return };
    assert_timeout(async |too_few| gateway.call(&format!("drip_{too_few}"), json!({})).await, "none").await;
}

#[tokio::test]
async fn a_slow_answer_in_time_is_an_answer() {
    let files = [
        action("delay", "GET", "/delay/1", "timeout_ms: 60000"),
        action("drip", "GET", "/drip?numbytes=5&duration=1&delay=0", "timeout_ms: 60000"),
        action("drip_201", "GET", "/drip?numbytes=5&duration=0&delay=0&code=201", ""),
    ];
    let Some(gateway) = gateway(&files).await else { return };
    let result = gateway.call("delay", json!({})).await;
    body(&result);
    assert!(result["duration_ms"].as_u64().is_some_and(|took| took >= 900), "{result:#}");
    body(&gateway.call("drip", json!({})).await);
    let result = gateway.call("drip_201", json!({})).await;
    body(&result);
    assert_eq!(result["status_code"], 201);
}

// --- credentials -------------------------------------------------------------------------------

const SECRETS: &str = "[development]
password = \"correct horse battery\"
key = \"sk-7f3d9a1c5e8b\"
wrong = \"not the password\"
";

/// Base64 of `agent:correct horse battery`, as `Authorization: Basic` carries it.
const BASIC: &str = "YWdlbnQ6Y29ycmVjdCBob3JzZSBiYXR0ZXJ5";

/// Asserts that no secret of [`SECRETS`] is in `result`, however httpbin echoed it.
#[track_caller]
fn assert_no_secret(result: &Value) {
    let printed = result.to_string();
    for secret in [
        "correct horse battery",
        "correct%20horse%20battery",
        "correct+horse+battery",
        "sk-7f3d9a1c5e8b",
        BASIC,
    ] {
        assert!(!printed.contains(secret), "`{secret}` in {printed}");
    }
}

fn secrets() -> (String, String) {
    file("secrets.toml", SECRETS)
}

#[tokio::test]
async fn basic_credentials_are_taken() {
    let path = "/basic-auth/agent/correct%20horse%20battery";
    let files = [
        secrets(),
        file("auth/good.yaml", "type: basic\nusername: agent\npassword: {secret: password}\n"),
        file("auth/bad.yaml", "type: basic\nusername: agent\npassword: {secret: wrong}\n"),
        action("good", "GET", path, "auth: good"),
        action("bad", "GET", path, "auth: bad"),
        action("echo", "GET", "/headers", "auth: good"),
    ];
    let Some(gateway) = gateway(&files).await else { return };
    let result = gateway.call("good", json!({})).await;
    assert_eq!(body(&result)["authenticated"], true);
    assert_no_secret(&result);
    let result = gateway.call("bad", json!({})).await;
    assert_eq!((&result["status"], &result["status_code"]), (&json!("error"), &json!(401)), "{result:#}");
    let result = gateway.call("echo", json!({})).await;
    assert!(body(&result)["headers"].get("Authorization").is_some(), "{result:#}");
    assert_no_secret(&result);
}

#[tokio::test]
async fn a_bearer_token_is_taken_and_its_echo_hidden() {
    let files = [
        secrets(),
        file("auth/token.yaml", "type: bearer\ntoken: {secret: key}\n"),
        action("with", "GET", "/bearer", "auth: token"),
        action("without", "GET", "/bearer", ""),
    ];
    let Some(gateway) = gateway(&files).await else { return };
    let result = gateway.call("with", json!({})).await;
    assert_eq!(body(&result)["authenticated"], true);
    assert_no_secret(&result);
    let result = gateway.call("without", json!({})).await;
    assert_eq!((&result["status"], &result["status_code"]), (&json!("error"), &json!(401)), "{result:#}");
}

#[tokio::test]
async fn an_api_key_travels_where_it_should_and_its_echo_is_hidden() {
    let key = |location: &str, name: &str| {
        format!("type: api_key\nin: {location}\nkey_name: {name}\nkey: {{secret: key}}\n")
    };
    let files = [
        secrets(),
        file("auth/header.yaml", &key("header", "X-Api-Key")),
        file("auth/query.yaml", &key("query", "api_key")),
        file("auth/cookie.yaml", &key("cookie", "session")),
        action("header", "GET", "/headers", "auth: header"),
        action("query", "GET", "/get", &format!("{TEXT}auth: query")),
        action("cookie", "GET", "/cookies", "auth: cookie\nheaders: {Cookie: lang=en}"),
    ];
    let Some(gateway) = gateway(&files).await else { return };

    let result = gateway.call("header", json!({})).await;
    assert!(body(&result)["headers"].get("X-Api-Key").is_some(), "{result:#}");
    assert_no_secret(&result);

    let result = gateway.call("query", json!({"text": "x"})).await;
    assert!(body(&result)["args"].get("api_key").is_some(), "{result:#}");
    assert_eq!(body(&result)["args"]["text"], "x");
    assert_no_secret(&result);

    let result = gateway.call("cookie", json!({})).await;
    assert!(body(&result)["cookies"].get("session").is_some(), "{result:#}");
    assert_eq!(body(&result)["cookies"]["lang"], "en", "a connector and a header combine");
    assert_no_secret(&result);
}

#[tokio::test]
async fn a_connector_and_secret_headers_combine() {
    let files = [
        secrets(),
        file("auth/basic.yaml", "type: basic\nusername: agent\npassword: {secret: password}\n"),
        action(
            "both",
            "GET",
            "/headers",
            "auth: basic\nheaders: {X-Internal-Key: {secret: key, prefix: 'Key '}}",
        ),
    ];
    let Some(gateway) = gateway(&files).await else { return };
    let result = gateway.call("both", json!({})).await;
    let headers = &body(&result)["headers"];
    assert!(headers["Authorization"].as_str().is_some_and(|value| value.starts_with("Basic ")), "{result:#}");
    assert!(headers["X-Internal-Key"].as_str().is_some_and(|value| value.starts_with("Key ")), "{result:#}");
    assert_no_secret(&result);
}
