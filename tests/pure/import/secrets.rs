//! Secrets of a source: in connectors, headers and `secrets.toml`, and nowhere else.

use callgate::import::{Imported, NoteKind, SourceKind};
use serde_json::{Value, json};

use super::{checked, imported, write};

const KEY: &str = "sk_live_4eC39HqLyjWDarjtT1zdp7dc";
const PASSWORD: &str = "hunter2-correct-horse";

/// Every file and the report in one text: what may be committed.
fn public(imported: &Imported) -> String {
    let report = serde_json::to_string(&imported.report).unwrap();
    imported.files.iter().fold(report, |all, file| format!("{all}\n=== {}\n{}", file.path, file.text))
}

fn codes(imported: &Imported, kind: NoteKind) -> Vec<&'static str> {
    imported.report.of_kind(kind).map(|note| note.code).collect()
}

/// `source` is refused with `code`, and tells nothing of `KEY` and `PASSWORD`.
#[track_caller]
fn check_refused(kind: SourceKind, source: &str, code: &str) {
    let imported = imported(kind, source);
    let public = public(&imported);
    assert!(!public.contains(KEY) && !public.contains("hunter2"), "{source}: {public}");
    assert_eq!(codes(&imported, NoteKind::Refused), [code], "{source}: {public}");
}

/// `source` is imported with a secret of its own, and tells nothing of its value.
#[track_caller]
fn check_carried(kind: SourceKind, source: &str) -> String {
    let imported = imported(kind, source);
    let public = public(&imported);
    assert!(!public.contains(KEY) && !public.contains("hunter2"), "{source}: {public}");
    assert_eq!(imported.report.imported.len(), 1, "{source}: {public}");
    assert!(imported.secrets.iter().any(|secret| !secret.is_placeholder), "{source}: {public}");
    let dir = write(&imported);
    checked(dir.path(), 1);
    public
}

/// A collection of one request, with a key and a password as variables.
fn collection(request: Value) -> String {
    json!({
        "info": {"schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"},
        "variable": [
            {"key": "base", "value": "https://a.example"}, {"key": "api_key", "value": KEY},
            {"key": "nested", "value": "{{api_key}}"}, {"key": "password", "value": PASSWORD},
            {"key": "locale", "value": "de"},
        ],
        "item": [{"name": "Send it", "request": request}],
    })
    .to_string()
}

#[test]
fn variables_of_a_collection_are_judged_by_what_they_hold() {
    let url = "{{base}}/x";
    let post = |body: Value| collection(json!({"method": "POST", "url": url, "body": body}));
    for variable in ["api_key", "nested", "password"] {
        let used = format!("{{{{{variable}}}}}");
        for body in [
            json!({"mode": "raw", "raw": format!("{{\"a\": \"{used}\"}}"), "options": {"raw": {"language": "json"}}}),
            json!({"mode": "urlencoded", "urlencoded": [{"key": "a", "value": used}]}),
            json!({"mode": "formdata", "formdata": [{"key": "a", "value": used, "type": "text"}]}),
            json!({"mode": "raw", "raw": format!("key is {used} here"), "options": {"raw": {"language": "text"}}}),
            json!({"mode": "graphql", "graphql": {"query": "{a}", "variables": format!("{{\"a\": \"{used}\"}}")}}),
        ] {
            check_refused(SourceKind::Postman, &post(body), "secret_in_body");
        }
        let path = collection(json!({"method": "GET", "url": format!("{url}/{used}/y")}));
        let header =
            collection(json!({"method": "GET", "url": url, "header": [{"key": "X-Tenant", "value": used}]}));
        let query = collection(
            json!({"method": "GET", "url": {"raw": url, "query": [{"key": "tenant", "value": used}]}}),
        );
        check_refused(SourceKind::Postman, &path, "secret_in_path");
        let header = check_carried(SourceKind::Postman, &header);
        assert!(header.contains("key_name: X-Tenant\n"), "{header}");
        let query = check_carried(SourceKind::Postman, &query);
        assert!(query.contains("in: query\nkey_name: tenant\n"), "{query}");
    }
    let harmless = collection(
        json!({"method": "GET", "url": {"raw": url, "query": [{"key": "lang", "value": "{{locale}}"}]}}),
    );
    let public = public(&imported(SourceKind::Postman, &harmless));
    assert!(public.contains("query:\n  lang: de\n"), "{public}");
}

#[test]
fn variables_of_folders_and_paths_and_graphql_are_judged_by_what_they_hold() {
    // What the collection's variable is made of is known in the folder only.
    let check = |code: &str, request: Value| {
        let item = json!({"name": "Send it", "request": request});
        let inner = json!({"name": "Inner", "variable": [{"key": "locale", "value": "de"}], "item": [item]});
        let outer = json!({"name": "Outer", "variable": [{"key": "token", "value": KEY}], "item": [inner]});
        let root = json!({"variable": [{"key": "base", "value": "https://a.example"}, {"key": "joined", "value": "x {{token}}"}], "item": [outer]});
        match code {
            "" => check_carried(SourceKind::Postman, &root.to_string()),
            code => {
                check_refused(SourceKind::Postman, &root.to_string(), code);
                String::new()
            }
        }
    };
    let header = |value: &str| json!({"method": "GET", "url": "{{base}}/{{locale}}", "header": [{"key": "X-Tenant", "value": value}]});
    let path = |value: &str| json!({"method": "GET", "url": {"raw": "{{base}}/x/:what/y", "variable": [{"key": "what", "value": value}]}});
    let graphql = |query: &str, variables: &str| {
        let body = json!({"mode": "graphql", "graphql": {"query": query, "variables": variables}});
        json!({"method": "POST", "url": "{{base}}/{{locale}}", "body": body})
    };
    for used in ["{{token}}", "{{joined}}"] {
        check("", header(used));
        check("secret_in_path", path(used));
        check("secret_in_path", path(&format!("bot-{used}")));
        check("secret_in_body", graphql("{a}", &format!("{{\"a\": \"{used}\"}}")));
        check("secret_in_body", graphql(&format!("{{a(b: \"{used}\")}}"), ""));
    }
    check("secret_in_path", path(KEY));
    check("secret_in_body", graphql(&format!("{{a(b: \"{KEY}\")}}"), ""));
    check("secret_in_body", graphql("{a}", &format!("{{\"a\": \"{{{{locale}}}}\", \"b\": \"{KEY}\"}}")));
    check("secret_in_body", graphql("{a}", "{\"a\": \"{{locale}}\", \"password\": \"hunter2\"}"));
}

#[test]
fn fields_of_a_form_are_judged_by_their_names_too() {
    for (mode, extra) in [("urlencoded", json!({})), ("formdata", json!({"type": "text"}))] {
        let mut field = json!({"key": "password", "value": "{{word}}"});
        field.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let source = json!({
            "variable": [{"key": "word", "value": PASSWORD}],
            "item": [{"name": "a", "request": {"method": "POST", "url": "https://a.example/x", "body": {"mode": mode, mode: [field]}}}],
        });
        check_refused(SourceKind::Postman, &source.to_string(), "secret_in_body");
    }
}

#[test]
fn what_a_product_fixes_is_no_place_for_a_secret() {
    let vapi = |method: &str, parameters: Value, body: Value| {
        json!({"type": "apiRequest", "name": "a", "description": "Does it.", "method": method, "url": "https://a.example/x", "parameters": parameters, "body": body}).to_string()
    };
    let none = json!({});
    let token = json!({"type": "object", "properties": {"token": {"type": "string", "value": "ghp_0123456789abcdefghij"}}});
    for source in [
        vapi("POST", json!([{"key": "api_key", "value": KEY}]), none.clone()),
        vapi("POST", json!([{"key": "auth", "value": {"password": "hunter2-correct"}}]), none.clone()),
        vapi("POST", json!([{"key": "list", "value": ["a", KEY]}]), none.clone()),
        vapi("POST", json!([]), token),
    ] {
        check_refused(SourceKind::Vapi, &source, "secret_in_body");
    }
    check_carried(SourceKind::Vapi, &vapi("GET", json!([{"key": "api_key", "value": KEY}]), none.clone()));
    check_carried(SourceKind::Vapi, &vapi("GET", json!([{"key": "page_size", "value": KEY}]), none));
    let retell = |method: &str| {
        json!({"type": "custom", "name": "a", "description": "Does it.", "method": method, "url": "https://a.example/x", "args_at_root": true,
            "parameters": {"type": "object", "properties": {"api_key": {"type": "string", "const": KEY}}, "required": ["api_key"]}}).to_string()
    };
    check_refused(SourceKind::Retell, &retell("POST"), "secret_in_body");
    check_carried(SourceKind::Retell, &retell("GET"));
    let elevenlabs = |api: Value| {
        let mut schema = json!({"url": "https://a.example/x", "method": "POST"});
        schema.as_object_mut().unwrap().extend(api.as_object().unwrap().clone());
        json!({"type": "webhook", "name": "a", "description": "Does it.", "api_schema": schema}).to_string()
    };
    let object = |properties: Value| json!({"type": "object", "properties": properties});
    let key = json!({"type": "string", "constant_value": KEY});
    let nested =
        object(json!({"nested": object(json!({"key": key})), "b": {"type": "string", "description": "B"}}));
    check_refused(
        SourceKind::Elevenlabs,
        &elevenlabs(json!({"request_body_schema": nested})),
        "secret_in_body",
    );
    let word =
        object(json!({"a": object(json!({"password": {"type": "string", "constant_value": PASSWORD}}))}));
    check_refused(
        SourceKind::Elevenlabs,
        &elevenlabs(json!({"request_body_schema": word})),
        "secret_in_body",
    );
    let flat = object(json!({"api_key": key}));
    check_refused(
        SourceKind::Elevenlabs,
        &elevenlabs(json!({"request_body_schema": flat})),
        "secret_in_body",
    );
    check_carried(
        SourceKind::Elevenlabs,
        &elevenlabs(json!({"query_params_schema": {"properties": {"api_key": key}}})),
    );
    check_refused(
        SourceKind::Elevenlabs,
        &elevenlabs(json!({"url": "https://a.example/{api_key}/x", "path_params_schema": {"api_key": key}})),
        "secret_in_path",
    );
}

#[test]
fn a_secret_that_a_model_would_be_shown_is_left_out_of_its_schema() {
    let source = json!({"type": "apiRequest", "name": "a", "description": "Does it.", "method": "POST", "url": "https://a.example/x",
        "body": {"type": "object", "properties": {"token": {"type": "string", "default": PASSWORD}, "note": {"type": "string", "examples": [KEY, "b"]}}}});
    let imported = imported(SourceKind::Vapi, &source.to_string());
    let public = public(&imported);
    assert!(!public.contains(KEY) && !public.contains("hunter2"), "{public}");
    assert_eq!(codes(&imported, NoteKind::Lossy), ["secret_in_schema", "secret_in_schema"], "{public}");
    checked(write(&imported).path(), 1);
}

#[test]
fn bodies_that_stay_as_they_are_hold_no_secret() {
    for body in [
        "-H 'Content-Type: application/json' -d '{\"id\": {{id}}, \"password\": \"hunter2\", \"apiKey\": \"abcd-efgh\"}'",
        "-H 'Content-Type: application/json' -d '{\"id\": {{id}}, \"in\": [{\"secrets\": [\"hunter2\"]}]}'",
        "-H 'Content-Type: application/json' -d '{\"id\": {{id}}, \"a\": \"key sk_live_4eC39HqLyjWDarjtT1zdp7dc\"}'",
        "-H 'Content-Type: application/json' -d '{{#if x}}{\"password\": \"hunter2\"}{{else}}{\"a\": 1}{{/if}}'",
        "-H 'Content-Type: text/xml' -d '<a><password>hunter2</password></a>'",
        "-H 'Content-Type: text/xml' -d '<a><b>sk_live_4eC39HqLyjWDarjtT1zdp7dc</b></a>'",
        "-H 'Content-Type: text/xml' -d '<a password=\"hunter2\" id=\"{{id}}\"/>'",
        "-H 'Content-Type: text/plain' -d 'password=hunter2'",
        "-H 'Content-Type: text/plain' -d 'password: hunter2 {{id}}'",
    ] {
        check_refused(SourceKind::Curl, &format!("curl https://a.example/x {body}"), "secret_in_body");
    }
    for body in [
        "-H 'Content-Type: application/json' -d '{\"id\": {{id}}, \"token\": \"{{token}}\", \"note\": \"a password: none\"}'",
        "-H 'Content-Type: text/xml' -d '<a xmlns=\"http://a.example/2026\"><token>{{token}}</token><password/></a>'",
        "-H 'Content-Type: text/plain' -d 'The key to {{city}} is patience.'",
    ] {
        let imported = imported(SourceKind::Curl, &format!("curl https://a.example/x {body}"));
        assert_eq!(imported.report.imported.len(), 1, "{body}: {:?}", imported.report.notes);
    }
}

#[test]
fn documents_without_a_server_of_their_own_share_no_secret() {
    let document = |title: &str| {
        let operation = json!({"summary": "Gets it.", "servers": [{"url": "https://a.example"}], "security": [{"token": []}]});
        json!({"openapi": "3.1.0", "info": {"title": title, "version": "1"}, "paths": {"/x": {"get": operation}},
            "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}}})
    };
    for (title, expected) in [("Billing", "billing_token"), ("Orders", "orders_token")] {
        let imported = imported(SourceKind::Openapi, &document(title).to_string());
        let names: Vec<&str> = imported.secrets.iter().map(|secret| secret.name.as_str()).collect();
        assert_eq!(names, [expected], "{:?}", imported.report.notes);
    }
}

#[test]
fn secrets_in_parts_are_told_like_those_of_forms() {
    let imported = imported(
        SourceKind::Curl,
        &format!("curl https://a.example/x -F 'password={PASSWORD}' -F 'a={KEY}' -F 'b=c'"),
    );
    let public = public(&imported);
    assert!(!public.contains(KEY) && !public.contains("hunter2"), "{public}");
    assert_eq!(codes(&imported, NoteKind::Lossy), ["secret_in_body", "secret_in_body"]);
}

#[test]
fn an_example_that_holds_a_secret_among_other_words_is_none() {
    for body in [format!("--json '{{\"note\": \"key {KEY}\"}}'"), format!("-d 'note=key {KEY}'")] {
        let imported = imported(SourceKind::Curl, &format!("curl https://a.example/x {body}"));
        let public = public(&imported);
        assert!(!public.contains(KEY), "{public}");
        assert_eq!(codes(&imported, NoteKind::Lossy), ["secret_in_body"], "{public}");
        assert_eq!(imported.report.imported.len(), 1);
    }
}

#[test]
fn an_address_that_is_a_secret_itself_is_refused() {
    for (url, part) in [
        ("https://hooks.slack.com/services/T00000000/B00000000/abcdEFGH1234ijkl5678mnop", "abcdefgh"),
        ("https://hooks.slack.com/triggers/T0/123/abcdefgh12345678", "abcdefgh"),
        ("https://discord.com/api/webhooks/123456789012345678/abcdEFGH-short", "abcdefgh"),
        ("https://canary.discord.com/api/v10/webhooks/123456789012345678/abcdEFGH-short", "abcdefgh"),
        ("https://acme.webhook.office.com/webhookb2/abcdefgh@x/IncomingWebhook/y/z", "abcdefgh"),
        ("https://a.example/pay/sk_live_4eC39HqLyjWDarjtT1zdp7dc/x", "4ec39"),
    ] {
        let imported = imported(SourceKind::Curl, &format!("curl {url} --json '{{\"text\": \"hi\"}}'"));
        let public = public(&imported).to_lowercase();
        assert!(!public.contains(part) && !public.contains("b00000000"), "{url}: {public}");
        assert_eq!(codes(&imported, NoteKind::Refused), ["secret_in_path"], "{url}: {public}");
    }
    let id = "curl https://a.example/pages/9f86d081884c7d659a2feaa0c55ad015";
    assert_eq!(imported(SourceKind::Curl, id).report.imported.len(), 1);
    assert_eq!(imported(SourceKind::Curl, "curl https://discord.com/api/users/me").report.imported.len(), 1);
}
