//! What imported actions send: the request that the source describes.

use std::fs;
use std::path::Path;

use callgate::action::Kind;
use callgate::action::template::Data;
use callgate::import::{NoteKind, Options, SourceKind, import};
use callgate::project;
use serde_json::{Map, Value, json};

use super::write;

/// The request of `action` out of the case `case`, as `METHOD url`, headers and body.
fn sent(
    kind: SourceKind,
    case: &str,
    file: &str,
    action: &str,
    arguments: Value,
    variables: Value,
) -> (String, Vec<String>, String) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import").join(case).join(file);
    let imported = import(kind, &fs::read_to_string(source).unwrap(), &Options::default()).unwrap();
    let dir = write(&imported);
    rendered(dir.path(), action, arguments, variables)
}

/// The request that the action `action` of the project `dir` makes.
pub(super) fn rendered(
    dir: &Path,
    action: &str,
    arguments: Value,
    variables: Value,
) -> (String, Vec<String>, String) {
    let project = project::load(dir, None);
    let actions = &project.deployment.environments()[0].actions;
    let action = &actions.iter().find(|known| known.action.name.to_string() == action).unwrap().action;
    let arguments = action.parameters.validate(arguments.as_object().unwrap().clone()).unwrap();
    let (variables, none) = (variables.as_object().unwrap().clone(), Map::new());
    let parameters = arguments.into_map();
    let Kind::Http(http) = &action.kind else { panic!() };
    let data = Data { parameters: &parameters, variables: &variables, static_variables: &none };
    let request = http.render(&data).unwrap();
    let headers =
        request.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    let body = request.body.map(|body| String::from_utf8(body.to_vec()).unwrap()).unwrap_or_default();
    (format!("{} {}", request.method, request.url), headers, body)
}

fn openapi(case: &str, action: &str, arguments: Value) -> (String, Vec<String>, String) {
    let file = if case == "openapi_30_orders" { "source.yaml" } else { "source.json" };
    sent(SourceKind::Openapi, case, file, action, arguments, json!({}))
}

#[test]
fn parameters_travel_where_the_document_puts_them() {
    let (line, headers, body) = openapi(
        "openapi_30_orders",
        "list_orders",
        json!({"customer_id": "C 1", "status": ["open", "shipped"], "fields": "id,total", "ids": "1|2", "page": {"size": 5}, "where": {"total": 2}, "X_Trace": "t", "tenant": "acme"}),
    );
    assert_eq!(
        line,
        "GET https://api.orders.example/v1/orders?customer-id=C%201&page%5Bsize%5D=5&status=open&status=shipped&fields=id%2Ctotal&ids=1%7C2&where=%7B%22total%22%3A2%7D"
    );
    assert_eq!(headers, ["x-trace: t", "x-api-version: 2", "cookie: tenant=acme"]);
    assert_eq!(body, "");
}

#[test]
fn properties_of_a_body_are_the_body_and_nothing_else_is() {
    let arguments = json!({"lines": [{"sku": "A", "count": 1}], "payment": {"kind": "card", "token": "t"}, "id": "123e4567-e89b-42d3-a456-426614174000"});
    let (line, _, body) = openapi("openapi_30_orders", "create_order", arguments);
    assert_eq!(line, "POST https://api.orders.example/v1/orders?id=123e4567-e89b-42d3-a456-426614174000");
    assert_eq!(
        body,
        "{\"lines\":[{\"sku\":\"A\",\"count\":1}],\"payment\":{\"kind\":\"card\",\"token\":\"t\"}}"
    );
    let (line, headers, body) =
        openapi("openapi_30_orders", "patch_orders_id", json!({"id": "a", "id_in_path": "ORD-12345"}));
    assert_eq!(line, "PATCH https://api.orders.example/v1/orders/ORD-12345");
    assert_eq!(headers, ["content-type: application/merge-patch+json"]);
    assert_eq!(body, "{\"id\":\"a\"}");
    let (line, _, body) =
        openapi("openapi_30_orders", "cancel_order", json!({"id": "ORD-12345", "body": {"reason": "late"}}));
    assert_eq!(
        (line.as_str(), body.as_str()),
        ("DELETE https://api.orders.example/v1/orders/ORD-12345", "{\"reason\":\"late\"}")
    );
    let (_, _, body) = openapi("openapi_30_orders", "cancel_order", json!({"id": "ORD-12345"}));
    assert_eq!(body, "{}");
}

#[test]
fn bodies_that_are_no_objects_and_forms_are_written_as_they_should() {
    let case = "openapi_31_bodies";
    assert_eq!(openapi(case, "list", json!({"body": ["a", "b"]})).2, "[\"a\",\"b\"]");
    assert_eq!(openapi(case, "choice", json!({"body": {"b": "x"}})).2, "{\"b\":\"x\"}");
    assert_eq!(openapi(case, "text", json!({"body": "a\n\"b\""})).2, "a\n\"b\"");
    assert_eq!(openapi(case, "form", json!({"user": "a&b", "n": 1})).2, "user=a%26b&n=1");
    let (_, headers, body) = openapi(
        case,
        "deep",
        json!({"ship": {"city": "Köln"}, "card": {"number": "4"}, "expand": ["a", "b"]}),
    );
    assert_eq!(headers, ["content-type: application/x-www-form-urlencoded"]);
    assert_eq!(body, "ship%5Bcity%5D=K%C3%B6ln&card%5Bnumber%5D=4&expand%5B%5D=a&expand%5B%5D=b");
    // A member of the body with the name of a query parameter: the body is one parameter.
    let (line, _, body) =
        openapi(case, "clash", json!({"body": {"id": "body"}, "id": 7, "id_in_query": "q"}));
    assert_eq!(
        (line.as_str(), body.as_str()),
        ("POST https://bodies.example/clash/7?id=q", "{\"id\":\"body\"}")
    );
}

#[test]
fn a_body_that_counts_as_false_travels() {
    let body = |schema: Value| json!({"put": {"summary": "s", "requestBody": {"content": {"application/json": {"schema": schema}}}}});
    let document = json!({"openapi": "3.1.0", "info": {"title": "Flags"}, "servers": [{"url": "https://flags.example"}], "paths": {
        "/flag": body(json!({"type": "boolean"})), "/count": body(json!({"enum": [0, 1]})), "/any": body(json!({})), "/list": body(json!({"type": "array", "items": {"type": "integer"}})),
    }});
    let imported = import(SourceKind::Openapi, &document.to_string(), &Options::default()).unwrap();
    let dir = write(&imported);
    for (action, value) in [
        ("put_flag", json!(false)),
        ("put_flag", json!(true)),
        ("put_count", json!(0)),
        ("put_any", json!(false)),
        ("put_any", json!("")),
        ("put_list", json!([])),
    ] {
        let (_, _, sent) = rendered(dir.path(), action, json!({"body": value}), json!({}));
        assert_eq!(sent, value.to_string(), "{action}");
    }
    assert_eq!(rendered(dir.path(), "put_any", json!({}), json!({})).2, "{}");
    assert_eq!(rendered(dir.path(), "put_list", json!({}), json!({})).2, "[]");
    // A scalar has no form that says nothing: it is required.
    assert_eq!(imported.report.counts(NoteKind::Lossy), [("required", 2)].into());
    assert_eq!(imported.report.notes.len(), 1);
}

#[test]
fn tools_of_other_products_send_what_they_sent_there() {
    let variables = json!({"customer": {"number": "+49", "locale": "de"}, "call": {"type": "web"}, "conversation": {"id": "c-1"}, "tenant": "acme"});
    let (line, headers, body) = sent(
        SourceKind::Vapi,
        "vapi_tools",
        "source.json",
        "lookup_order",
        json!({"orderId": "7", "X_Reason": "asked"}),
        variables.clone(),
    );
    assert_eq!(line, "POST https://api.example.com/customers/%2B49/orders/7");
    assert_eq!(headers, ["x-env: prod", "x-reason: asked", "content-type: application/json"]);
    // What is bound joins the arguments when a call is executed; here it is left out.
    assert_eq!(body, "{\"limit\":5}");
    let (line, _, body) = sent(
        SourceKind::Vapi,
        "vapi_tools",
        "source.json",
        "get_weather",
        json!({"city": "Paris"}),
        variables.clone(),
    );
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(line, "POST https://hooks.example.com/vapi");
    assert_eq!(
        body["message"]["toolCallList"],
        json!([{"id": "c-1", "name": "get_weather", "arguments": {"city": "Paris"}}])
    );
    let (line, _, body) = sent(
        SourceKind::Retell,
        "retell_functions",
        "source.json",
        "book_appointment",
        json!({"date": "2026-01-02"}),
        variables,
    );
    assert_eq!(line, "POST https://hooks.example.com/retell/acme");
    assert_eq!(
        serde_json::from_str::<Value>(&body).unwrap(),
        json!({"name": "book_appointment", "args": {"date": "2026-01-02"}, "call": {"call_id": "c-1"}})
    );
}

#[test]
fn what_is_optional_in_the_source_is_optional_here() {
    let optional = |name: &str| json!({"name": name, "type": "string", "required": false});
    let tool = json!({
        "name": "order", "description": "Orders.", "method": "POST",
        "url": "https://api.example/orders/{{area}}?note={{note}}&tag=t-{{tag}}",
        "headers": {"X-Note": "{{note}}"},
        "llmParameters": [
            {"name": "qty", "type": "integer", "required": false}, optional("note"), optional("area"), optional("tag"),
        ],
        "body": {"qty": "{{qty}}", "text": "{{qty}} of {{note}}", "in": {"note": "{{note}}"}, "fixed": 1},
    });
    let imported = import(SourceKind::Atoms, &tool.to_string(), &Options::default()).unwrap();
    let dir = write(&imported);
    let order = |arguments: Value| {
        let (line, headers, body) = rendered(dir.path(), "order", arguments, json!({}));
        (line, headers, serde_json::from_str::<Value>(&body).unwrap())
    };
    let (line, headers, body) = order(json!({"area": "eu"}));
    assert_eq!(line, "POST https://api.example/orders/eu?tag=t-");
    assert_eq!(headers, ["content-type: application/json"]);
    assert_eq!(body, json!({"text": " of ", "in": {}, "fixed": 1}));
    let (line, headers, body) = order(json!({"area": "eu", "qty": 0, "note": "n", "tag": "x"}));
    assert_eq!(line, "POST https://api.example/orders/eu?note=n&tag=t-x");
    assert_eq!(headers, ["x-note: n", "content-type: application/json"]);
    assert_eq!(body, json!({"qty": "0", "text": "0 of n", "in": {"note": "n"}, "fixed": 1}));
    // A segment of the path cannot be left out.
    let notes: Vec<String> = imported.report.notes.iter().map(ToString::to_string).collect();
    assert!(notes.len() == 1 && notes[0].contains("`area` is required here"), "{notes:?}");
    // Nor can a value that stands in a list of a JSON body.
    let step = json!({
        "url": "https://api.example/a", "method": "POST", "bodyType": "rawInput", "content": "{\"all\": [{size}]}",
        "inputVariables": {"size": {"type": "number", "required": false}},
    });
    let imported = import(SourceKind::Voiceflow, &step.to_string(), &Options::default()).unwrap();
    let action = imported.files.iter().find(|file| file.path.starts_with("actions/")).unwrap();
    assert!(action.text.contains("required: [size]\n"), "{}", action.text);
    assert!(imported.report.notes.iter().any(|note| note.code == "required"), "{:?}", imported.report.notes);
}

/// The request of a curl command, with the arguments that its parameters are examples of.
fn curl(command: &str, arguments: Value) -> (String, String) {
    let imported = import(SourceKind::Curl, command, &Options::default()).unwrap();
    let dir = write(&imported);
    let name = imported.report.imported[0].name.clone();
    let (line, _, body) = rendered(dir.path(), &name, arguments, json!({}));
    (line, body)
}

#[test]
fn a_command_sends_what_curl_sends() {
    for (command, arguments, line, body) in [
        (
            "curl 'https://a.example/x/42?q=a%20b&q=c'",
            json!({"x_id": "43", "q": ["a b", "c"]}),
            "GET https://a.example/x/43?q=a%20b&q=c",
            "",
        ),
        (
            "curl https://a.example/x -d a=1 -d b=%26",
            json!({"a": 1, "b": "&"}),
            "POST https://a.example/x",
            "a=1&b=%26",
        ),
        (
            "curl 'https://a.example/x?a=1' -d a=2 -d b=3",
            json!({"a": 2, "b": 3, "a_2": 1}),
            "POST https://a.example/x?a=1",
            "a=2&b=3",
        ),
        (
            "curl 'https://a.example/x?a=1' --json '{\"a\": 2, \"b c\": true}'",
            json!({"a": 2, "b c": true, "a_2": 1}),
            "POST https://a.example/x?a=1",
            "{\"a\": 2, \"b c\": true}\n",
        ),
        (
            "curl -X DELETE https://a.example/x --json '{\"a\": [1]}'",
            json!({"a": [1]}),
            "DELETE https://a.example/x",
            "{\"a\": [1]}\n",
        ),
        (
            "curl -X PUT https://a.example/{id} --json '{\"n\": {{n}}, \"s\": \"{{s}}\"}'",
            json!({"id": "a/b", "n": 5, "s": "\"q\""}),
            "PUT https://a.example/a%2Fb",
            "{\"n\": 5, \"s\": \"\\\"q\\\"\"}\n",
        ),
        (
            "curl -G https://a.example/x --data-urlencode 'q=a&b' -d n=1",
            json!({"q": "a&b", "n": 1}),
            "GET https://a.example/x?q=a%26b&n=1",
            "",
        ),
    ] {
        let (found, sent) = curl(command, arguments);
        assert_eq!((found.as_str(), sent.as_str()), (line, body), "{command}");
    }
}

#[test]
fn what_the_shell_and_curl_make_of_an_option_is_what_is_sent() {
    let text = "-H 'Content-Type: text/plain'";
    for (command, arguments, line, body) in [
        ("curl -d '' https://a.example/x".to_owned(), json!({}), "POST https://a.example/x", ""),
        (
            "curl --data-urlencode '' https://a.example/x".to_owned(),
            json!({}),
            "POST https://a.example/x",
            "",
        ),
        ("curl -d '' -X PUT https://a.example/x".to_owned(), json!({}), "PUT https://a.example/x", ""),
        ("curl -G -d '' https://a.example/x".to_owned(), json!({}), "GET https://a.example/x", ""),
        (
            "curl --url-query 'a=b c' https://a.example/x".to_owned(),
            json!({"a": "d e"}),
            "GET https://a.example/x?a=d%20e",
            "",
        ),
        (
            "curl --url-query '+b=1&c=%26' https://a.example/x?a=1 --url-query d=2".to_owned(),
            json!({"a": 1, "b": 1, "c": "&", "d": 2}),
            "GET https://a.example/x?a=1&b=1&c=%26&d=2",
            "",
        ),
        (
            format!(
                "curl https://a.example/x {text} --data-urlencode 'a=b c' -d 'd&e' --data-urlencode '=f g'"
            ),
            json!({}),
            "POST https://a.example/x",
            "a=b%20c&d&e&f%20g",
        ),
        (
            format!("curl https://a.example/x {text} --data-urlencode 'a=b {{{{c}}}}'"),
            json!({"c": "d"}),
            "POST https://a.example/x",
            "a=b%20d",
        ),
        (
            "curl https://a.example/x --json '{ \"drink\":' --json ' \"coffee\" }'".to_owned(),
            json!({"drink": "tea"}),
            "POST https://a.example/x",
            "{\"drink\":\"tea\"}",
        ),
        (
            format!(
                "curl https://a.example/x {text} --data-binary $'\\xc3\\xa9 \\303\\251 \\ud83d\\ude00 \\xe9 é'"
            ),
            json!({}),
            "POST https://a.example/x",
            "é é 😀 é é",
        ),
    ] {
        let (found, sent) = curl(&command, arguments);
        assert_eq!((found.as_str(), sent.as_str()), (line, body), "{command}");
    }
}

#[test]
fn a_header_that_is_given_twice_is_told() {
    let imported =
        import(SourceKind::Curl, "curl https://a.example/x -H 'X-A: 1' -H 'x-a: 2'", &Options::default())
            .unwrap();
    let codes: Vec<&str> = imported.report.of_kind(NoteKind::Lossy).map(|note| note.code).collect();
    assert_eq!(codes, ["repeated_header"]);
    assert!(imported.files.iter().any(|file| file.text.contains("headers:\n  X-A: \"1\"\n")));
}
