//! Sources that nobody would write, but somebody might send.

use std::fmt::Write as _;

use callgate::import::{
    Existing, ExistingConnection, ExistingConnector, NoteKind, Only, Options, Selection, SourceKind, import,
};
use serde_json::{Value, json};

use super::{checked, imported, write};

fn refused(kind: SourceKind, text: &str) -> (&'static str, String) {
    let error = import(kind, text, &Options::default()).unwrap_err();
    (error.code, error.to_string())
}

/// A document with `paths`.
fn document(paths: Value) -> Value {
    json!({"openapi": "3.0.3", "info": {"title": "Api", "version": "1"}, "servers": [{"url": "https://api.example"}], "paths": paths})
}

fn post(schema: Value) -> Value {
    json!({"post": {"summary": "Posts", "requestBody": {"required": true, "content": {"application/json": {"schema": schema}}}}})
}

/// The codes of everything that was refused.
fn codes(text: &str) -> Vec<&'static str> {
    imported(SourceKind::Openapi, text).report.of_kind(NoteKind::Refused).map(|note| note.code).collect()
}

#[test]
fn what_is_no_source_of_its_kind_says_so() {
    use SourceKind::{Atoms, Curl, Elevenlabs, Openapi, Postman, Retell, Vapi, Voiceflow};
    for (kind, text, code) in [
        (Openapi, "{}", "unsupported_format"),
        (Openapi, "[]", "unsupported_format"),
        (Openapi, "", "unsupported_format"),
        (Openapi, "{\"openapi\": \"2.5\"}", "unsupported_format"),
        (Openapi, "{\"openapi\": \"3.0.0\"}", "no_paths"),
        (Openapi, "{\"openapi\": ", "json_syntax"),
        (Openapi, "a: [b", "yaml_syntax"),
        (Openapi, "a: *b", "yaml_syntax"),
        (Postman, "{\"requests\": [], \"order\": []}", "unsupported_format"),
        (Postman, "{}", "unsupported_format"),
        (Curl, "", "no_url"),
        (Curl, "curl 'https://a", "shell_syntax"),
        (Curl, "curl https://a.example; rm -rf /", "shell_syntax"),
        (Curl, "curl https://a.example $(id)", "shell_syntax"),
        (Curl, "curl --what https://a.example", "curl_option"),
        (Curl, "curl -d @/etc/passwd https://a.example", "file"),
        (Curl, "curl -F f=@/etc/passwd https://a.example", "file"),
        (Curl, "curl -T /etc/passwd https://a.example", "file"),
        (Curl, "curl https://a.example -H", "missing_value"),
        (Vapi, "{\"type\": \"nothing\"}", "unsupported_format"),
        (Elevenlabs, "[1, 2]", "unsupported_format"),
        (Retell, "{}", "unsupported_format"),
        (Voiceflow, "{}", "unsupported_format"),
        (Atoms, "null", "unsupported_format"),
    ] {
        let (found, message) = refused(kind, text);
        assert_eq!(found, code, "{text}: {message}");
    }
    let (_, message) = refused(Openapi, "{\"swagger\": \"2.0\", \"paths\": {}}");
    assert!(message.contains("Swagger 2.0") && message.contains("swagger2openapi"), "{message}");
}

#[test]
fn bombs_are_refused_before_they_take_memory() {
    let mut bomb = String::from("openapi: 3.0.0\na0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for n in 1..12 {
        writeln!(bomb, "a{n}: &a{n} [{}]", vec![format!("*a{}", n - 1); 10].join(",")).unwrap();
    }
    assert_eq!(refused(SourceKind::Openapi, &bomb).0, "yaml_syntax");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(refused(SourceKind::Openapi, &deep).0, "json_syntax");
    assert_eq!(refused(SourceKind::Openapi, &"- ".repeat(100_000)).0, "yaml_syntax");
    assert_eq!(
        refused(SourceKind::Openapi, &" ".repeat(callgate::import::MAX_SOURCE_BYTES + 1)).0,
        "too_large"
    );
    assert_eq!(refused(SourceKind::Curl, &"a".repeat(2 << 20)).0, "shell_syntax");
}

#[test]
fn references_that_multiply_or_go_in_circles_end() {
    // Each schema holds the next one twice: 2^40 if written out.
    let mut schemas = serde_json::Map::new();
    for n in 0..40 {
        let next = json!({"$ref": format!("#/components/schemas/S{}", n + 1)});
        schemas.insert(format!("S{n}"), json!({"type": "object", "properties": {"a": next, "b": next}}));
    }
    schemas.insert("S40".to_owned(), json!({"type": "string"}));
    schemas.insert("Loop".to_owned(), json!({"$ref": "#/components/schemas/Loop"}));
    schemas.insert("Ping".to_owned(), json!({"$ref": "#/components/schemas/Pong"}));
    schemas.insert("Pong".to_owned(), json!({"$ref": "#/components/schemas/Ping"}));
    schemas.insert("All".to_owned(), json!({"allOf": [{"$ref": "#/components/schemas/All"}]}));
    let reference = |name: &str| post(json!({"$ref": format!("#/components/schemas/{name}")}));
    let mut document = document(json!({
        "/doubling": reference("S0"), "/loop": reference("Loop"), "/ping": reference("Ping"), "/all": reference("All"),
        "/itself": {"$ref": "#/paths/~1itself"}, "/nowhere": {"$ref": "#/paths/~1x"}, "/away": {"$ref": "https://a.example/x.json"},
    }));
    document["components"] = json!({"schemas": schemas});
    let imported = imported(SourceKind::Openapi, &document.to_string());
    let dir = write(&imported);
    checked(dir.path(), imported.report.imported.len());
    let refused: Vec<(&str, &str)> =
        imported.report.of_kind(NoteKind::Refused).map(|note| (note.place.as_str(), note.code)).collect();
    for expected in [
        ("#/paths/~1itself", "circular_ref"),
        ("#/paths/~1nowhere", "missing_ref"),
        ("#/paths/~1away", "external_ref"),
        ("#/paths/~1all/post", "circular_ref"),
        ("#/paths/~1loop/post", "circular_ref"),
        ("#/paths/~1ping/post", "circular_ref"),
    ] {
        assert!(refused.contains(&expected), "{expected:?} not in {refused:?}");
    }
    assert!(
        imported.report.imported.iter().any(|action| action.place == "#/paths/~1doubling/post"),
        "{refused:?}"
    );
}

#[test]
fn large_schemas_are_cut_and_too_large_ones_refused() {
    let inner: Value = (0..120)
        .map(|n| (format!("inner{n}"), json!({"type": "string", "enum": ["a", "b"]})))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let outer: Value = (0..100)
        .map(|n| (format!("outer{n}"), json!({"type": "object", "properties": inner})))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let wide: Value = (0..5_000)
        .map(|n| (format!("p{n}"), json!({"type": "string"})))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let document = document(json!({
        "/cut": post(json!({"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {"type": "object", "properties": outer}}}}})),
        "/wide": post(json!({"type": "object", "properties": wide})),
    }));
    let imported = imported(SourceKind::Openapi, &document.to_string());
    let dir = write(&imported);
    checked(dir.path(), 1);
    let codes: Vec<&str> = imported.report.notes.iter().map(|note| note.code).collect();
    assert_eq!(codes, ["schema_cut", "schema_too_large"]);
    assert!(imported.files.iter().all(|file| file.text.len() < 200_000));
}

#[test]
fn names_cannot_leave_their_folder_or_meet() {
    let operation = |id: &str| json!({"get": {"operationId": id, "summary": "s"}});
    let long = "x".repeat(500);
    let document = document(json!({
        "/a": operation("../../etc/passwd"), "/b": operation("..\\..\\x"), "/c": operation("a\u{0}b\nc"), "/d": operation("GetThing"), "/e": operation("get_thing"),
        "/f": operation("東京"), "/g": operation(""), "/h": operation(&long), "/i": operation("con"), "/{x}/../y": operation("dots"), "/j#k": operation("fragment"), "/l\u{7}": operation("bell"),
    }));
    let imported = imported(SourceKind::Openapi, &document.to_string());
    let dir = write(&imported);
    checked(dir.path(), imported.report.imported.len());
    for file in &imported.files {
        let (folder, name) = file.path.split_once('/').unwrap();
        assert!(["actions", "connections", "auth"].contains(&folder), "{}", file.path);
        assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.'), "{}", file.path);
        assert!(file.text.chars().all(|c| c == '\n' || !c.is_control()), "{}", file.path);
    }
    let names: Vec<&str> = imported.report.imported.iter().map(|action| action.name.as_str()).collect();
    assert!(names.contains(&"get_thing") && names.contains(&"get_thing_2"), "{names:?}");
    let refused: Vec<&str> =
        imported.report.of_kind(NoteKind::Refused).map(|note| note.place.as_str()).collect();
    assert_eq!(refused.len(), 2, "{refused:?}");
}

#[test]
fn texts_of_a_document_cannot_become_templates_or_keys() {
    let document = document(json!({"/a/{id}/{{x}}": {"get": {
    "summary": "Says {{.parameters.id}} \u{1b}[31m and\n---\nauth: none",
    "parameters": [
        {"name": "id", "in": "path", "required": true, "schema": {"type": "string"}},
        {"name": "q\"}}{{x", "in": "query", "schema": {"type": "string"}},
        {"name": "X-Fixed", "in": "header", "required": true, "schema": {"type": "string", "enum": ["{{.variables.x}}"]}},
        {"name": "Bad Header\n", "in": "header", "schema": {"type": "string"}},
        {"name": "Host", "in": "header", "schema": {"type": "string"}},
        {"name": "c=1; d", "in": "cookie", "required": false, "schema": {"type": "string"}}
    ]}}}));
    let imported = imported(SourceKind::Openapi, &document.to_string());
    let dir = write(&imported);
    checked(dir.path(), imported.report.imported.len());
    for file in imported.files.iter().filter(|file| file.path.starts_with("actions/")) {
        assert!(!file.text.contains("auth: none\n"), "{}", file.text);
        assert!(!file.text.contains("{{.variables"), "{}", file.text);
    }
}

#[test]
fn a_cookie_parameter_cannot_begin_another_cookie() {
    let document = document(
        json!({"/a": {"get": {"summary": "s", "parameters": [{"name": "tenant", "in": "cookie", "required": true, "schema": {"type": "string", "pattern": "^.*$"}}]}}}),
    );
    let imported = imported(SourceKind::Openapi, &document.to_string());
    let dir = write(&imported);
    let project = callgate::project::load(dir.path(), None);
    let action = &project.deployment.environments()[0].actions[0].action;
    let validate = |value: &str| {
        action.parameters.validate(json!({"tenant": value}).as_object().unwrap().clone()).is_ok()
    };
    assert!(validate("acme-1"));
    for value in ["a; admin=1", "a b", "a\nb", "a,b"] {
        assert!(!validate(value), "{value}");
    }
}

#[test]
fn secrets_that_no_connector_can_carry_are_refused_and_not_told() {
    let secret = "sk_live_4eC39HqLyjWDarjtT1zdp7dc";
    for command in [
        format!("curl https://a.example/x -d 'k={secret}' -H 'X-Key: {secret}'"),
        format!("curl https://a.example/{secret}{secret}/x"),
        format!("curl 'https://a.example/x?key={secret}&token=0123456789abcdef'"),
        format!("curl https://a.example/x -H 'Content-Type: text/plain' -d {secret}"),
        format!("curl https://a.example/x -H 'X-A: b {secret} c' -H 'Authorization: Bearer {secret}'"),
    ] {
        let imported = imported(SourceKind::Curl, &command);
        let report = serde_json::to_string(&imported.report).unwrap();
        assert!(!report.contains(secret), "{command}: {report}");
        assert!(imported.files.iter().all(|file| !file.text.contains(secret)), "{command}");
    }
}

#[test]
fn what_the_project_has_is_used_and_never_replaced() {
    let options = |replace: bool| Options {
        replace,
        environments: Some(vec!["development".to_owned(), "production".to_owned()]),
        environment: Some("production".to_owned()),
        existing: Existing {
            actions: [("get_orders".to_owned(), "actions/get_orders.yaml".to_owned())].into(),
            connections: vec![ExistingConnection {
                name: "mine".to_owned(),
                base_url: "https://a.example/".to_owned(),
                auth: Some("key".to_owned()),
                ..ExistingConnection::default()
            }],
            auth: vec![ExistingConnector {
                name: "key".to_owned(),
                keys: json!({"type": "bearer", "token": {"secret": "mine_token"}})
                    .as_object()
                    .unwrap()
                    .clone(),
                connections: ["mine".to_owned()].into(),
            }],
            ..Existing::default()
        },
        ..Options::default()
    };
    let command = "curl https://a.example/orders -H 'Authorization: Bearer $TOKEN'";
    let refused = import(SourceKind::Curl, command, &options(false)).unwrap();
    assert_eq!(refused.report.notes.last().unwrap().code, "exists");
    assert!(refused.files.is_empty() && refused.secrets.is_empty());
    let replaced = import(SourceKind::Curl, command, &options(true)).unwrap();
    let paths: Vec<&str> = replaced.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["actions/get_orders.yaml"]);
    assert!(
        replaced.files[0].text.contains("connection: mine\n") && !replaced.files[0].text.contains("auth"),
        "{}",
        replaced.files[0].text
    );
    let other =
        import(SourceKind::Curl, "curl https://a.example/other -u ann:hunter2secret", &options(false))
            .unwrap();
    assert!(other.files.iter().any(|file| file.text.contains("auth: mine_basic\n")), "{:?}", other.files);
    let secrets: Vec<(&str, bool)> =
        other.secrets.iter().map(|secret| (secret.environment.as_str(), secret.is_placeholder)).collect();
    assert_eq!(secrets, [("development", true), ("production", false)]);
}

#[test]
fn only_and_tag_choose_without_changing_names() {
    let operation = |tag: &str| json!({"get": {"operationId": "same", "summary": "s", "tags": [tag]}});
    let text =
        document(json!({"/a": operation("x"), "/b": operation("Y"), "/c": operation("x")})).to_string();
    let names = |options: Options| -> Vec<String> {
        let imported = import(SourceKind::Openapi, &text, &options).unwrap();
        assert_eq!(imported.report.operations, 3);
        assert_eq!(imported.report.skipped, 3 - imported.report.imported.len());
        imported.report.imported.into_iter().map(|action| action.name).collect()
    };
    assert_eq!(names(Options::default()), ["same", "same_2", "same_3"]);
    assert_eq!(
        names(Options {
            selection: Selection { tags: vec!["y".to_owned()], ..Selection::default() },
            ..Options::default()
        }),
        ["same_2"]
    );
    assert_eq!(
        names(Options {
            selection: Selection { only: vec![Only::parse("same_[23]").unwrap()], ..Selection::default() },
            ..Options::default()
        }),
        ["same_2", "same_3"]
    );
    assert_eq!(
        names(Options {
            selection: Selection { only: vec![Only::parse("same").unwrap()], ..Selection::default() },
            ..Options::default()
        }),
        ["same"]
    );
    assert_eq!(Only::parse("(").unwrap_err().code, "invalid_pattern");
}

#[test]
fn a_document_without_a_usable_server_needs_one_from_outside() {
    for servers in [
        json!(null),
        json!([]),
        json!([{"url": "/v1"}]),
        json!([{"url": "https://{tenant}.example"}]),
        json!([{"url": "ftp://a.example"}]),
    ] {
        let mut document = document(json!({"/a": {"get": {"summary": "s"}}}));
        document["servers"] = servers;
        let text = document.to_string();
        assert_eq!(codes(&text), ["no_server"], "{text}");
        let options = Options { base_url: Some("https://b.example/base".to_owned()), ..Options::default() };
        let imported = import(SourceKind::Openapi, &text, &options).unwrap();
        assert!(
            imported.files[0].text.contains("base_url: https://b.example/base\n"),
            "{}",
            imported.files[0].text
        );
    }
    let mut document = document(json!({"/a": {"get": {"summary": "s"}}}));
    document["servers"] = json!([{"url": "../v1"}]);
    let options = Options {
        source_url: Some("https://c.example/docs/x/openapi.json".to_owned()),
        ..Options::default()
    };
    let imported = import(SourceKind::Openapi, &document.to_string(), &options).unwrap();
    assert!(
        imported.files[0].text.contains("base_url: https://c.example/docs/v1\n"),
        "{}",
        imported.files[0].text
    );
}

#[test]
fn a_base_url_from_outside_keeps_the_path_of_the_server() {
    let path = json!({"/a": {"get": {"summary": "s"}}});
    for (server, base_url, expected) in [
        (json!("/api/v3"), "https://rel.test", "https://rel.test/api/v3"),
        (json!("/api/v3/"), "https://rel.test/", "https://rel.test/api/v3"),
        (json!("https://m.test/v1"), "http://localhost:8080", "http://localhost:8080/v1"),
        (json!("https://{region}.m.test:{port}/v1"), "https://rel.test", "https://rel.test/v1"),
        (json!("//m.test"), "https://rel.test", "https://rel.test"),
        (json!("/{stage}"), "https://rel.test", "https://rel.test"),
        (json!("https://m.test/v1"), "https://rel.test/own", "https://rel.test/own"),
    ] {
        let base_of = |place: &[&str]| {
            let mut document = document(path.clone());
            document["servers"] = json!([{"url": "https://other.test/other"}]);
            let owner = place.iter().fold(&mut document, |value, key| &mut value[*key]);
            owner["servers"] = json!([{"url": server}]);
            let options = Options { base_url: Some(base_url.to_owned()), ..Options::default() };
            let imported = import(SourceKind::Openapi, &document.to_string(), &options).unwrap();
            assert_eq!(imported.report.imported.len(), 1);
            imported.files[0].text.lines().nth(1).unwrap().to_owned()
        };
        for place in [&[] as &[&str], &["paths", "/a"], &["paths", "/a", "get"]] {
            assert_eq!(base_of(place), format!("base_url: {expected}"), "{server} {base_url} {place:?}");
        }
    }
    let mut document = document(path);
    document["servers"] = json!([{"url": "/{stage}/v1", "variables": {"stage": {"default": "beta"}}}]);
    let options = Options { base_url: Some("https://rel.test".to_owned()), ..Options::default() };
    let imported = import(SourceKind::Openapi, &document.to_string(), &options).unwrap();
    assert!(imported.files[0].text.contains("base_url: https://rel.test/beta/v1\n"), "{:?}", imported.files);
    assert_eq!(imported.report.notes[0].code, "server_variables");
}

#[test]
fn a_command_is_curl_wherever_it_is_installed_and_nothing_else() {
    for name in ["curl", "/usr/bin/curl", "curl.exe", "C:/tools/curl.exe", "$ curl"] {
        let text = format!("{name} https://api.example.com/orders");
        assert_eq!(imported(SourceKind::Curl, &text).report.imported.len(), 1, "{name}");
    }
    for (text, named) in [
        ("wget https://foo.example", "wget"),
        ("http GET https://x.example/a", "http"),
        ("ls -la", "ls"),
        ("mycurl https://foo.example", "mycurl"),
        ("-X POST https://foo.example", "-X"),
        ("https://foo.example", "https://foo.example"),
    ] {
        let (code, message) = refused(SourceKind::Curl, text);
        assert_eq!(code, "not_curl", "{text}");
        assert!(message.starts_with(&format!("the command is `{named}`, not curl")), "{text}: {message}");
    }
    assert_eq!(refused(SourceKind::Curl, "$ ").0, "no_url");
}
