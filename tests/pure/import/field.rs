//! Sources as the field has them: what their importers once left out or changed without a word.

use std::fs;
use std::path::Path;

use axum::http::{HeaderMap, StatusCode};
use callgate::import::{Imported, NoteKind, Options, SourceKind, import};
use callgate::project;
use serde_json::{Value, json};

use super::sent::rendered;
use super::{checked, imported, write};

#[track_caller]
fn field(kind: SourceKind, file: &str) -> Imported {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/import").join(file);
    imported(kind, &fs::read_to_string(path).unwrap())
}

/// The text of the only file in `folder`.
#[track_caller]
fn only<'i>(imported: &'i Imported, folder: &str) -> &'i str {
    let found: Vec<_> = imported.files.iter().filter(|file| file.path.starts_with(folder)).collect();
    let [only] = found.as_slice() else { panic!("{:?}", imported.report) };
    &only.text
}

/// What the project of `imported` sends; everything passes the check.
#[track_caller]
fn sent(
    imported: &Imported,
    action: &str,
    arguments: Value,
    variables: Value,
) -> (String, Vec<String>, String) {
    let dir = write(imported);
    checked(dir.path(), imported.report.imported.len());
    rendered(dir.path(), action, arguments, variables)
}

fn codes(imported: &Imported) -> Vec<&'static str> {
    imported.report.notes.iter().map(|note| note.code).collect()
}

/// A document with the operation `GET /a`, which has `parts`.
fn openapi(parts: Value, more: Value) -> String {
    let mut operation = json!({"operationId": "get_a", "summary": "Gets a."});
    operation.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
    let mut document = json!({"openapi": "3.1.0", "info": {"title": "A", "version": "1"},
        "servers": [{"url": "https://a.example"}], "paths": {"/a": {"get": operation}}});
    document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    document.to_string()
}

#[test]
fn the_list_form_of_elevenlabs_is_read_like_the_other_form() {
    let imported = field(SourceKind::Elevenlabs, "el_list_format.json");
    let (line, headers, body) = sent(
        &imported,
        "book_slot",
        json!({"patient_id": "p 1", "date": "2026-12-01", "guest": {"name": "Ann"}}),
        json!({"conversation": {"id": "c-1"}, "system__caller_id": "+49"}),
    );
    assert_eq!(line, "POST https://clinic.example.com/api/patients/p%201/slots");
    let body: Value = serde_json::from_str(&body).unwrap();
    // What is bound is added when a call is made.
    assert_eq!(body["date"], "2026-12-01");
    assert_eq!(body["guest"], json!({"name": "Ann"}));
    assert!(headers.contains(&"x-team: voice".to_owned()), "{headers:?}");
    assert!(headers.contains(&"x-caller: +49".to_owned()), "{headers:?}");
    let action = only(&imported, "actions/");
    for line in [
        "call: \"{{.variables.conversation.id}}\"",
        "lang: en",
        "required: [patient_id, date]",
        "required: [name]",
        "secret: clinic_example_com_authorization",
    ] {
        assert!(action.contains(line), "{line}: {action}");
    }
}

#[test]
fn a_number_that_the_dashboard_of_elevenlabs_fixes_is_sent_as_a_number() {
    let tool = json!({"type": "webhook", "name": "book", "description": "Books.", "api_schema": {
        "url": "https://a.example/book", "method": "POST", "request_body_schema": {"type": "object", "properties": [
            {"id": "people", "type": "integer", "value_type": "constant", "constant_value": "2", "dynamic_variable": ""},
            {"id": "vip", "type": "boolean", "value_type": "constant", "constant_value": "true"},
            {"id": "code", "type": "string", "value_type": "constant", "constant_value": "007"},
            {"id": "tags", "type": "array", "value_type": "llm_prompt", "required": true, "description": "Tags",
             "items": {"type": "object", "properties": [{"id": "tag", "type": "string", "value_type": "llm_prompt", "required": true}]}}]}}});
    let imported = imported(SourceKind::Elevenlabs, &tool.to_string());
    let action = only(&imported, "actions/");
    for line in ["people: 2\n", "vip: true\n", "code: \"007\"\n", "required: [tags]", "required: [tag]"] {
        assert!(action.contains(line), "{line}: {action}");
    }
}

#[test]
fn an_optional_parameter_of_fastapi_is_sent_where_it_is_given() {
    let imported = field(SourceKind::Openapi, "fastapi_query_null.json");
    let name = imported.report.imported[0].name.clone();
    let (line, headers, _) = sent(&imported, &name, json!({"kind": "new"}), json!({}));
    assert_eq!((line.as_str(), headers.len()), ("GET https://clinic.example.com/slots?kind=new", 0));
    let given = json!({"kind": "new", "day": "2026-12-01", "limit": 5, "tags": ["a", "b"], "x_tenant": "t"});
    let (line, headers, _) = sent(&imported, &name, given, json!({}));
    for part in ["kind=new", "day=2026-12-01", "limit=5", "tags=a&tags=b"] {
        assert!(line.contains(part), "{line}");
    }
    assert_eq!(headers, ["x-tenant: t"]);
    assert_eq!(imported.report.of_kind(NoteKind::Lossy).count(), 0, "{:?}", imported.report.notes);
    let action = only(&imported, "actions/");
    assert!(action.contains("required: [kind]") && !action.contains("null"), "{action}");
}

#[test]
fn null_goes_from_every_place_that_cannot_say_it() {
    let parameter = |name: &str, place: &str, schema: Value| json!({"name": name, "in": place, "schema": schema, "required": place == "cookie"});
    let nothing = json!({"type": "null"});
    let source = openapi(
        json!({"parameters": [
            parameter("a", "query", json!({"type": ["string", "null"]})),
            parameter("b", "query", json!({"oneOf": [nothing, {"type": "integer"}, {"type": "string"}]})),
            parameter("c", "query", json!({"type": "object", "properties": {"d": {"anyOf": [{"type": "string"}, nothing]}}})),
            parameter("e", "header", json!({"anyOf": [{"type": "array", "items": {"type": "string"}}, nothing]})),
            parameter("f", "cookie", json!({"anyOf": [{"type": "string"}, nothing]})),
        ]}),
        json!({}),
    );
    let imported = imported(SourceKind::Openapi, &source);
    let given = json!({"a": "1", "b": 2, "c": {"d": "3"}, "e": "4", "f": "5"});
    let (line, headers, _) = sent(&imported, "get_a", given, json!({}));
    for part in ["a=1", "b=2", "d=3"] {
        assert!(line.contains(part), "{line}");
    }
    assert!(
        headers.contains(&"e: 4".to_owned()) && headers.contains(&"cookie: f=5".to_owned()),
        "{headers:?}"
    );
    let action = only(&imported, "actions/");
    assert!(!action.contains("null"), "{action}");
}

#[test]
fn a_fixed_value_called_like_its_variable_is_filled_from_the_conversation() {
    for (kind, source) in [
        (SourceKind::Vapi, None),
        (
            SourceKind::Elevenlabs,
            Some(json!({"type": "webhook", "name": "book", "description": "Books.", "api_schema": {
                "url": "https://clinic.example.com/book", "method": "POST", "request_body_schema": {"type": "object",
                "properties": {"day": {"type": "string", "description": "The day"}, "userid": {"type": "string", "dynamic_variable": "userid"}}}}})),
        ),
        (
            SourceKind::Retell,
            Some(
                json!({"type": "custom", "name": "book", "description": "Books.", "url": "https://clinic.example.com/book",
                "args_at_root": true, "parameters": {"type": "object", "properties":
                {"day": {"type": "string"}, "userid": {"type": "string", "const": "{{userid}}"}}}}),
            ),
        ),
    ] {
        let imported = match source {
            None => field(kind, "vapi_fixed_from_same_name.json"),
            Some(source) => imported(kind, &source.to_string()),
        };
        let action = only(&imported, "actions/");
        assert!(action.contains("userid: \"{{.variables.userid}}\""), "{kind:?}: {action}");
        let todo = imported.report.notes.iter().find(|note| note.code == "variables").unwrap();
        assert_eq!(todo.message, "reads `userid` of the conversation");
    }
}

#[test]
fn a_key_in_authorization_that_is_described_as_bearer_is_a_bearer_token() {
    let imported = field(SourceKind::Openapi, "nswag_jwt.json");
    let auth = only(&imported, "auth/");
    assert!(auth.contains("type: bearer\ntoken:\n  secret: clinic_api_jwt"), "{auth}");
}

/// A document whose key in `Authorization` is described by `description`.
fn keyed(description: &str) -> Imported {
    let key = json!({"type": "apiKey", "in": "header", "name": "authorization", "description": description});
    let more = json!({"components": {"securitySchemes": {"key": key}}, "security": [{"key": []}]});
    imported(SourceKind::Openapi, &openapi(json!({}), more))
}

#[test]
fn a_key_in_authorization_is_sent_with_the_word_that_its_description_has() {
    let word = keyed("Token-based authentication with required prefix \"Token\"");
    let action = only(&word, "actions/");
    assert!(action.contains("prefix: \"Token \""), "{action}");
    assert!(!codes(&word).contains(&"authorization"));
    let bare = keyed("The key of your account.");
    assert!(only(&bare, "auth/").contains("key_name: Authorization"));
    assert_eq!(codes(&bare), ["authorization"]);
    let basic = keyed("Basic {base64 of user:password}");
    assert!(only(&basic, "auth/").contains("type: basic"));
}

#[test]
fn a_header_authorization_without_a_security_scheme_is_a_connector_to_fill_in() {
    let imported = field(SourceKind::Openapi, "fastapi_header_auth.json");
    let auth = only(&imported, "auth/");
    assert!(auth.contains("type: api_key\nin: header\nkey_name: Authorization"), "{auth}");
    assert!(only(&imported, "connections/").contains("auth: clinic_api_authorization"));
    assert!(codes(&imported).contains(&"authorization"), "{:?}", imported.report.notes);
    assert_eq!(imported.report.secrets.len(), 1);
    assert_eq!(imported.report.of_kind(NoteKind::Lossy).count(), 0, "{:?}", imported.report.notes);
}

#[test]
fn headers_that_openapi_ignores_stay_ignored_where_a_scheme_says_what_is_sent() {
    let header =
        |name: &str| json!({"name": name, "in": "header", "required": true, "schema": {"type": "string"}});
    let parts = json!({"parameters": [header("Authorization"), header("Accept"), header("Content-Type")], "security": [{"b": []}]});
    let more = json!({"components": {"securitySchemes": {"b": {"type": "http", "scheme": "bearer"}}}});
    let imported = imported(SourceKind::Openapi, &openapi(parts, more));
    assert!(only(&imported, "auth/").contains("type: bearer"));
    let action = only(&imported, "actions/");
    assert!(!action.contains("headers") && !action.contains("parameters"), "{action}");
}

#[test]
fn a_function_of_vapi_goes_to_the_server_of_its_assistant() {
    let found = field(SourceKind::Vapi, "vapi_server_at_assistant.json");
    let action = only(&found, "actions/");
    assert!(action.contains("path: /vapi") && action.contains("timeout_ms: 15000"), "{action}");
    assert!(only(&found, "connections/").contains("base_url: https://hooks.example.com"));
    let tool = |server: Value| json!({"type": "function", "server": server, "function": {"name": "f", "description": "F."}});
    for (source, expected) in [
        // Its own server wins, with what it says of the time.
        (
            json!({"server": {"url": "https://a.example/a"}, "tools": [tool(json!({"url": "https://b.example/b"}))]}),
            "/b",
        ),
        (
            json!({"server": {"url": "https://a.example/a"}, "tools": [tool(json!({"timeoutSeconds": 7}))]}),
            "timeout_ms: 7000",
        ),
        // The nearest one around it wins; old exports write `serverUrl`.
        (
            json!({"server": {"url": "https://a.example/a"}, "assistant": {"serverUrl": "https://c.example/c", "model": {"tools": [tool(json!(null))]}}}),
            "/c",
        ),
        (
            json!({"server": {"url": "https://a.example/a"}, "members": [{"assistant": {"model": {"tools": [tool(json!({}))]}}}]}),
            "/a",
        ),
    ] {
        let imported = imported(SourceKind::Vapi, &source.to_string());
        assert!(only(&imported, "actions/").contains(expected), "{source}: {}", only(&imported, "actions/"));
    }
    let alone = imported(SourceKind::Vapi, &tool(json!(null)).to_string());
    assert_eq!(codes(&alone), ["no_url"]);
}

#[test]
fn a_file_that_may_be_left_out_is_no_text() {
    let imported = field(SourceKind::Openapi, "fastapi_optional_file.json");
    let action = only(&imported, "actions/");
    assert!(action.contains("subject") && !action.contains("photo"), "{action}");
    assert_eq!(imported.report.counts(NoteKind::Lossy), [("file_upload", 3)].into());
}

#[test]
fn a_file_is_known_by_all_that_documents_say_of_one() {
    let body = |media: &str, property: Value, required: Value, encoding: Value| {
        let schema = json!({"type": "object", "required": required, "properties": {"a": {"type": "string"}, "f": property}});
        json!({"openapi": "3.1.0", "info": {"title": "A", "version": "1"}, "servers": [{"url": "https://a.example"}],
            "paths": {"/a": {"post": {"summary": "A.", "requestBody": {"content": {media: {"schema": schema, "encoding": encoding}}}}}}})
        .to_string()
    };
    let parts = "multipart/form-data";
    let binary = json!({"type": "string", "format": "binary"});
    for (media, property, encoding) in [
        (parts, json!({"type": "string", "contentMediaType": "image/png"}), json!({})),
        (parts, json!({"type": "string"}), json!({"f": {"contentType": "image/png, image/jpeg"}})),
        (parts, json!({"allOf": [binary]}), json!({})),
        (parts, json!({"type": "array", "items": {"anyOf": [binary, {"type": "null"}]}}), json!({})),
        (parts, json!({"type": "file"}), json!({})),
        ("application/x-www-form-urlencoded", binary.clone(), json!({})),
    ] {
        let optional =
            imported(SourceKind::Openapi, &body(media, property.clone(), json!([]), encoding.clone()));
        assert_eq!(optional.report.counts(NoteKind::Lossy), [("file_upload", 1)].into(), "{property}");
        let required = imported(SourceKind::Openapi, &body(media, property.clone(), json!(["f"]), encoding));
        assert_eq!(codes(&required), ["file_upload"], "{property}");
        assert!(required.report.imported.is_empty(), "{property}");
    }
    for property in [
        json!({"anyOf": [binary, {"type": "string", "format": "uri"}]}),
        json!({"type": "string", "contentMediaType": "image/png", "contentEncoding": "base64"}),
        json!({"type": "string", "contentMediaType": "text/markdown"}),
    ] {
        let kept = imported(SourceKind::Openapi, &body(parts, property.clone(), json!([]), json!({})));
        assert_eq!(kept.report.of_kind(NoteKind::Lossy).count(), 0, "{property}: {:?}", kept.report.notes);
    }
}

#[test]
fn a_relative_server_before_localhost_is_told() {
    let imported = field(SourceKind::Openapi, "relative_server_first.json");
    let [note] = imported.report.of_kind(NoteKind::Todo).collect::<Vec<_>>()[..] else {
        panic!("{:?}", imported.report.notes)
    };
    assert_eq!((note.code, note.place.as_str()), ("server", "#/servers/0"));
    assert!(note.message.contains("`/api` is relative") && note.message.contains("localhost"), "{note}");
    assert!(note.hint.contains("--base-url"), "{note}");
}

#[test]
fn a_developers_machine_is_called_only_if_there_is_nothing_else() {
    let url = |url: &str| json!({"url": url});
    let base = |servers: Value| {
        let source = openapi(json!({}), json!({"servers": servers}));
        let imported = imported(SourceKind::Openapi, &source);
        let text = only(&imported, "connections/");
        let base = text.lines().find_map(|line| line.strip_prefix("base_url: ")).unwrap().to_owned();
        (base, codes(&imported))
    };
    let told = vec!["server"];
    let (local, live) = (url("http://localhost:3000"), url("https://api.example.com"));
    assert_eq!(base(json!([local, live])), ("https://api.example.com".to_owned(), vec![]));
    assert_eq!(base(json!([url("/v1"), local, live])), ("https://api.example.com".to_owned(), told.clone()));
    assert_eq!(base(json!([local])), ("http://localhost:3000".to_owned(), told.clone()));
    assert_eq!(base(json!([url("http://127.0.0.1:5000"), local])).1[0], "server");
    let source = openapi(json!({}), json!({"servers": [url("/v1"), local]}));
    let fetched = Options {
        source_url: Some("https://docs.example.com/openapi.json".to_owned()),
        ..Options::default()
    };
    let imported = import(SourceKind::Openapi, &source, &fetched).unwrap();
    assert!(only(&imported, "connections/").contains("base_url: https://docs.example.com/v1"));
}

#[test]
fn a_credential_out_of_a_variable_of_the_conversation_is_told() {
    let imported = field(SourceKind::Retell, "retell_auth_variable.json");
    let note = imported.report.notes.iter().find(|note| note.code == "credential_variable").unwrap();
    assert!(note.message.contains("`auth_token`"), "{note}");
    assert!(note.hint.contains("{{.variables.auth_token}}"), "{note}");
    assert!(only(&imported, "auth/").contains("type: bearer"));
}

#[test]
fn a_step_of_voiceflow_keeps_the_names_that_its_author_gave() {
    let imported = field(SourceKind::Voiceflow, "vf_null_fail.vf");
    let action = only(&imported, "actions/");
    assert!(action.contains("- name: json_response\n    path: $"), "{action}");
    let lost = imported.report.notes.iter().find(|note| note.code == "extraction").unwrap();
    assert!(lost.message.contains("response.results.{random}.title"), "{lost}");
}

#[test]
fn an_answer_of_graphql_with_errors_is_no_success() {
    let body = json!({"query": "query($id: ID!) { order(id: $id) { total } }", "variables": {"id": "7"}});
    let command = format!("curl https://a.example/graphql -H 'Content-Type: application/json' -d '{body}'");
    let curl = imported(SourceKind::Curl, &command);
    let vapi = field(SourceKind::Vapi, "vapi_server_at_assistant.json");
    for (imported, good, bad) in [
        (
            &curl,
            vec![
                json!({"data": {"order": null}}),
                json!({"data": {}, "errors": null}),
                json!({"data": {}, "errors": []}),
            ],
            vec![
                json!({"data": null, "errors": [{"message": "no"}]}),
                json!({"data": {}, "errors": [{}]}),
                json!({"data": null}),
                json!({}),
            ],
        ),
        (
            &vapi,
            vec![
                json!({"results": [{"result": "ok"}]}),
                json!({"results": [{"result": "ok", "error": null}]}),
                json!({}),
            ],
            vec![json!({"results": [{"error": "no slot"}]})],
        ),
    ] {
        let dir = write(imported);
        assert!(checked(dir.path(), 1).iter().all(|told| !told.contains("success_when")));
        let project = project::load(dir.path(), None);
        let condition = project.deployment.environments()[0].actions[0].action.success_when.as_ref().unwrap();
        let holds =
            |body: &Value| condition.holds(StatusCode::OK, &HeaderMap::new(), &mut Some(body.clone()));
        for body in good {
            assert_eq!(holds(&body), Some(true), "{body}");
        }
        for body in bad {
            assert_eq!(holds(&body), Some(false), "{body}");
        }
    }
}
