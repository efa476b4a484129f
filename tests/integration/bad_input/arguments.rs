//! Arguments that a model got wrong, and values that try to break out of the
//! place they are put in.

use serde_json::{Value, json};

use super::told;
use crate::harness::{Gateway, files};
use crate::upstream::{Reply, Upstream};

const CREATE_NOTE: &str = "
description: Writes a note.
connection: api
method: POST
path: /notes
parameters:
  type: object
  properties:
    email: {type: string, format: email}
    priority: {type: string, enum: [low, medium, high]}
    count: {type: integer}
    tags: {type: array, items: {type: string}}
    flag: {type: boolean}
    more: {type: object}
  required: [email]
";

fn nested(open: &str, close: &str, depth: usize) -> String {
    format!("{}1{}", open.repeat(depth), close.repeat(depth))
}

/// A call that was never sent says so: nothing happened, change the arguments.
async fn check(gateway: &Gateway, arguments: &str, message: &str, places: &[(&str, &str)]) {
    let shown: String = arguments.chars().take(80).collect();
    let (status, result) = gateway
        .post("/v1/tool-calls", format!(r#"{{"name": "create_note", "arguments": {arguments}}}"#))
        .await;
    assert_eq!(status, 200, "{shown}: {result}");
    let (told, said) = told(&result);
    assert_eq!(told, ("exception", "invalid_arguments", "none", "with_changes"), "{shown}");
    assert_eq!(said, message, "{shown}");
    let violations: Vec<(&str, &str)> = result["error"]["violations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["pointer"].as_str().unwrap(), one["keyword"].as_str().unwrap()))
        .collect();
    assert_eq!(violations, places, "{shown}");
    assert_eq!((&result["body"], &result["attempts"]), (&Value::Null, &json!(0)), "{shown}");
}

#[tokio::test]
async fn wrong_arguments_say_what_to_change_and_send_nothing() {
    let upstream = Upstream::start(|_| Reply::ok("{}")).await;
    let gateway = Gateway::start(&files(upstream.port, &[("actions/create_note.yaml", CREATE_NOTE)])).await;
    let deep_text = json!(nested("[", "]", 10_000)).to_string();
    let deep = format!(r#"{{"email": "a@b.co", "more": {}}}"#, nested("{\"a\":", "}", 10_000));
    let long_name = format!(r#"{{"email": "a@b.co", "{}": 1}}"#, "x".repeat(200_000));
    let too_deep = "The arguments are nested too deeply; at most 127 levels are allowed.";
    for (arguments, message, places) in [
        (r#"{"email": 1}"#, "`email` must be text, not a number.", &[("/email", "type")][..]),
        (r#"{"email": null}"#, "`email` must be text, not null.", &[("/email", "type")]),
        ("{}", "`email` is required.", &[("/email", "required")]),
        ("null", "`email` is required.", &[("/email", "required")]),
        ("\"\"", "`email` is required.", &[("/email", "required")]),
        (
            r#"{"email": "a@b.co", "colour": "red"}"#,
            "`colour` is not a parameter of this tool; leave it out.",
            &[("/colour", "additionalProperties")],
        ),
        (
            r#"{"e-mail": "a@b.co"}"#,
            "`email` is required. `e-mail` is not a parameter of this tool; did you mean `email`?",
            &[("/email", "required"), ("/e-mail", "additionalProperties")],
        ),
        (
            r#"{"email": "a@b.co", "priority": "urgent"}"#,
            "`priority` must be one of low, medium, high.",
            &[("/priority", "enum")],
        ),
        (
            r#"{"email": "ann", "count": 1.5, "tags": "a", "flag": "yes"}"#,
            "`email` must be an e-mail address, like ann@example.com. `count` must be a whole number, not a fraction. \
             `tags` must be a list, not text. And 1 more problem.",
            &[("/email", "format"), ("/count", "type"), ("/tags", "type"), ("/flag", "type")],
        ),
        (
            r#"{"email": "a@b.co", "tags": ["a", 2]}"#,
            "`tags[1]` must be text, not a number.",
            &[("/tags/1", "type")],
        ),
        ("[]", "The arguments must be a JSON object, not a list.", &[("", "type")]),
        ("[1]", "The arguments must be a JSON object, not a list.", &[("", "type")]),
        ("1", "The arguments must be a JSON object, not a number.", &[("", "type")]),
        ("true", "The arguments must be a JSON object, not a true-or-false value.", &[("", "type")]),
        (r#""[1]""#, "The arguments must be a JSON object, not a list.", &[("", "type")]),
        (r#""\"{}\"""#, "`email` is required.", &[("/email", "required")]),
        (
            r#""{\"email\": \"a@b.co\", }""#,
            "The arguments are not valid JSON: trailing comma at character 21.",
            &[("", "json")],
        ),
        (
            r#""{\"email\": \"a@b.co\"\n\"count\": 1}""#,
            "The arguments are not valid JSON: expected `,` or `}` at line 2, column 1.",
            &[("", "json")],
        ),
        (
            r#""{\"email\": \"ann""#,
            "The arguments are cut off at character 14: the JSON is not complete.",
            &[("", "json")],
        ),
        (
            r#""{\"email\": \"a@b.co\"} and then some""#,
            "The arguments are not valid JSON: trailing characters at character 21.",
            &[("", "json")],
        ),
        (
            r#"{"email": "\ud800"}"#,
            "The arguments are not valid JSON: unexpected end of hex escape at character 18.",
            &[("", "json")],
        ),
        (
            r#"{"email": "a@b.co", "email": "c@d.co"}"#,
            "`email` is given twice.",
            &[("/email", "duplicateKey")],
        ),
        (
            r#""{\"email\": \"a@b.co\", \"email\": \"c@d.co\"}""#,
            "`email` is given twice.",
            &[("/email", "duplicateKey")],
        ),
        (
            r#"{"email": "a@b.co", "more": {"a": [{"b": 1, "b": 2}]}}"#,
            "`more.a[0].b` is given twice.",
            &[("/more/a/0/b", "duplicateKey")],
        ),
        (
            r#"{"email": "a@b.co", "`\n\u0000": 1}"#,
            "`'  ` is not a parameter of this tool; leave it out.",
            &[("/`\n\0", "additionalProperties")],
        ),
        (deep.as_str(), too_deep, &[("", "depth")]),
        (deep_text.as_str(), too_deep, &[("", "depth")]),
    ] {
        check(&gateway, arguments, message, places).await;
    }
    let (_, result) = gateway
        .post("/v1/tool-calls", format!(r#"{{"name": "create_note", "arguments": {long_name}}}"#))
        .await;
    assert_eq!(told(&result).0.1, "invalid_arguments");
    assert!(upstream.requests().is_empty(), "{:?}", upstream.requests());
}

#[tokio::test]
async fn an_unknown_tool_is_named_and_the_nearest_one_offered() {
    let gateway = Gateway::start(&files(1, &[("actions/create_note.yaml", CREATE_NOTE)])).await;
    let long = "x".repeat(500_000);
    for (name, message) in [
        ("creat_note", "There is no tool named `creat_note`. Did you mean `create_note`?".to_owned()),
        ("Create_Note", "There is no tool named `Create_Note`. Did you mean `create_note`?".to_owned()),
        ("delete_everything", "There is no tool named `delete_everything`.".to_owned()),
        ("", "There is no tool named ``.".to_owned()),
        ("a`b\n\0c", "There is no tool named `a b  c`.".to_owned()),
        (&long, format!("There is no tool named `{}`.", "x".repeat(80))),
    ] {
        let result = gateway.call(name, json!({})).await;
        assert_eq!(told(&result), (("exception", "unknown_tool", "none", "with_changes"), message.as_str()));
        assert_eq!(result["name"], name);
    }
}

/// What the upstream gets when `value` stands in a path, a query, a header and
/// a body: the request line, the header `x-note` and the body, or the error.
async fn place(gateway: &Gateway, upstream: &Upstream, tool: &str, value: &str) -> Result<String, Value> {
    let before = upstream.requests().len();
    let result = gateway.call(tool, json!({"value": value})).await;
    let requests = upstream.requests();
    match requests.get(before) {
        Some(request) => {
            assert_eq!(requests.len(), before + 1);
            assert_eq!(result["status"], "success", "{result}");
            let header = request.header("x-note").unwrap_or_default();
            Ok(format!("{}|{header}|{}", request.line(), request.text()))
        }
        None => Err(result),
    }
}

const PLACES: &[(&str, &str)] = &[
    (
        "actions/in_path.yaml",
        "description: d\nconnection: api\npath: /orders/{{.parameters.value}}/items\n\
         parameters: {type: object, properties: {value: {type: string}}}\n",
    ),
    (
        "actions/in_header.yaml",
        "description: d\nconnection: api\nmethod: DELETE\npath: /h\nheaders: {X-Note: '{{.parameters.value}}'}\n\
         query: {q: '{{.parameters.value}}'}\nparameters: {type: object, properties: {value: {type: string}}}\n",
    ),
    (
        "actions/in_body.yaml",
        "description: d\nconnection: api\nmethod: POST\npath: /b\n\
         parameters: {type: object, properties: {value: {type: string}}}\n\
         body: '{\"note\": \"{{.parameters.value}}\", \"whole\": {{.parameters.value}}}'\n",
    ),
    (
        "actions/in_form.yaml",
        "description: d\nconnection: api\nmethod: POST\npath: /f\nform: {note: '{{.parameters.value}}'}\n\
         parameters: {type: object, properties: {value: {type: string}}}\n",
    ),
];

#[tokio::test]
async fn a_path_parameter_stays_one_segment_or_is_refused() {
    let upstream = Upstream::start(|_| Reply::ok("{}")).await;
    let gateway = Gateway::start(&files(upstream.port, PLACES)).await;
    for (value, sent) in [
        ("a/b", "a%2Fb"),
        ("/", "%2F"),
        ("//evil.test/x", "%2F%2Fevil.test%2Fx"),
        ("a?b=c#d", "a%3Fb%3Dc%23d"),
        ("a%2Fb", "a%252Fb"),
        ("%2f", "%252f"),
        ("...", "..."),
        ("a b\u{e9}\u{1f695}", "a%20b%C3%A9%F0%9F%9A%95"),
        ("\r\nHost: evil.test\r\n\r\n", "%0D%0AHost%3A%20evil.test%0D%0A%0D%0A"),
        ("\0", "%00"),
        ("@evil.test", "%40evil.test"),
        ("0", "0"),
    ] {
        let got = place(&gateway, &upstream, "in_path", value).await;
        assert_eq!(got, Ok(format!("GET /orders/{sent}/items||")), "{value:?}");
    }
    for value in [
        "",
        ".",
        "..",
        "../admin",
        "a/../../admin",
        "%2e%2e",
        "%2E%2e/x",
        ".%2e",
        "..\\x",
        "..\\..\\x",
        "a/.",
    ] {
        let result = place(&gateway, &upstream, "in_path", value).await.unwrap_err();
        let (told, message) = told(&result);
        assert_eq!(told, ("exception", "template_error", "none", "with_changes"), "{value:?}");
        assert!(message.contains("`value`"), "{message}");
    }
}

#[tokio::test]
async fn a_header_value_stays_on_its_line_or_is_refused() {
    let upstream = Upstream::start(|_| Reply::ok("{}")).await;
    let gateway = Gateway::start(&files(upstream.port, PLACES)).await;
    for (value, line, header) in [
        ("plain", "DELETE /h?q=plain", "plain"),
        ("a\tb", "DELETE /h?q=a%09b", "a\tb"),
        ("a: b", "DELETE /h?q=a%3A%20b", "a: b"),
        ("caf\u{e9}", "DELETE /h?q=caf%C3%A9", "caf\u{e9}"),
        ("a&q=b#c", "DELETE /h?q=a%26q%3Db%23c", "a&q=b#c"),
    ] {
        let got = place(&gateway, &upstream, "in_header", value).await;
        assert_eq!(got, Ok(format!("{line}|{header}|")), "{value:?}");
    }
    for value in ["a\nX-Admin: 1", "a\r\n\r\nGET /admin HTTP/1.1", "a\rb", "a\0b", "\u{7f}"] {
        let result = place(&gateway, &upstream, "in_header", value).await.unwrap_err();
        let (told, message) = told(&result);
        assert_eq!(told, ("exception", "template_error", "none", "with_changes"), "{value:?}");
        assert!(message.contains("line break or control character"), "{message}");
    }
}

#[tokio::test]
async fn a_value_in_a_body_cannot_add_a_member() {
    let upstream = Upstream::start(|_| Reply::ok("{}")).await;
    let gateway = Gateway::start(&files(upstream.port, PLACES)).await;
    for value in [
        "\", \"admin\": true, \"x\": \"",
        "\\\", \"admin\": true, \"x\": \"\\",
        "\"}",
        "\\",
        "\\u0022",
        "{{.parameters.value}}",
        "}}{{",
        "\u{2028}\u{2029}",
        "\0\u{8}\n\r\t",
        "</script>",
        "a&note=b=c%26+d",
    ] {
        let sent = place(&gateway, &upstream, "in_body", value).await.unwrap();
        let body: Value = serde_json::from_str(sent.splitn(3, '|').nth(2).unwrap()).unwrap();
        assert_eq!(body, json!({"note": value, "whole": value}), "{value:?}");
        let sent = place(&gateway, &upstream, "in_form", value).await.unwrap();
        let url = format!("http://x/?{}", sent.splitn(3, '|').nth(2).unwrap());
        let pairs: Vec<(String, String)> =
            reqwest::Url::parse(&url).unwrap().query_pairs().into_owned().collect();
        assert_eq!(pairs, [("note".to_owned(), value.to_owned())], "{value:?}");
    }
}

#[tokio::test]
async fn a_value_that_is_missing_is_asked_for_by_name() {
    let upstream = Upstream::start(|_| Reply::ok("{}")).await;
    let gateway = Gateway::start(&files(upstream.port, PLACES)).await;
    for tool in ["in_path", "in_body"] {
        let result = gateway.call(tool, json!({})).await;
        let expected = "`value` is needed for this and was not given; ask the caller for it.";
        assert_eq!(told(&result), (("exception", "missing_variable", "none", "with_changes"), expected));
        assert_eq!(result["error"]["missing"], ".parameters.value");
    }
    assert!(upstream.requests().is_empty());
}
