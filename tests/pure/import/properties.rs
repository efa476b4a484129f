//! Whatever comes in, what goes out passes the check.

use callgate::import::{Options, SourceKind, import};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{checked, write};

/// Values with the words of documents in them, so that importers get deep into them.
fn values() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        prop::sample::select(vec![
            "string",
            "object",
            "array",
            "integer",
            "{{x}}",
            "{x}",
            "https://a.example/{{p}}/b",
            "https://a.example",
            "POST",
            "GET",
            "DELETE",
            "api_key",
            "query",
            "header",
            "cookie",
            "path",
            "Bearer {{t}}",
            "custom",
            "webhook",
            "apiRequest",
            "#/components/schemas/A",
            "$.a",
            "application/json",
            "{\"a\": {x}}",
            "",
            "deepObject",
            "nested",
        ])
        .prop_map(str::to_owned),
        "[a-zA-Z{}%$ ./:\"-]{0,12}",
    ];
    let key = prop::sample::select(vec![
        "type",
        "name",
        "url",
        "method",
        "headers",
        "parameters",
        "properties",
        "required",
        "items",
        "description",
        "$ref",
        "schema",
        "in",
        "style",
        "explode",
        "content",
        "application/json",
        "body",
        "query",
        "value",
        "key",
        "api_schema",
        "request_body_schema",
        "enum",
        "nullable",
        "allOf",
        "oneOf",
        "additionalProperties",
        "format",
        "pattern",
        "default",
        "data",
        "mode",
        "raw",
        "auth",
        "request",
        "item",
        "constant_value",
        "dynamic_variable",
        "server",
        "function",
        "x-y",
        "a",
        "application/x-www-form-urlencoded",
        "security",
    ]);
    let leaf = prop_oneof![
        word.prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        (-3_i64..300).prop_map(Value::from),
        Just(Value::Null)
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((key.clone(), inner), 0..6).prop_map(|members| Value::Object(
                members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>()
            )),
        ]
    })
}

fn check(kind: SourceKind, text: &str) {
    if let Ok(imported) = import(kind, text, &Options { source: "fuzz".to_owned(), ..Options::default() }) {
        let dir = write(&imported);
        checked(dir.path(), imported.report.imported.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_operation_is_imported_rightly_or_refused(
        parameters in prop::collection::vec(values(), 0..4),
        body in values(),
        schema in values(),
        path in "/[a-z{}/#?.]{0,12}",
    ) {
        for version in ["3.0.0", "3.1.0"] {
            let document = json!({
                "openapi": version, "servers": [{"url": "https://a.example"}],
                "paths": {&path: {
                    "get": {"summary": "s", "parameters": parameters},
                    "post": {"summary": "s", "requestBody": body},
                    "put": {"summary": "s", "requestBody": {"content": {"application/json": {"schema": schema}}}},
                    "patch": {"summary": "s", "requestBody": {"content": {"application/x-www-form-urlencoded": {"schema": {"type": "object", "properties": {"a": schema}}}}}},
                    "delete": {"summary": "s", "parameters": [{"name": "q", "in": "query", "style": "deepObject", "schema": schema}]},
                }},
                "components": {"schemas": {"A": schema}},
            });
            check(SourceKind::Openapi, &document.to_string());
        }
    }

    #[test]
    fn any_tool_is_imported_rightly_or_refused(tool in values(), parameters in values(), body in values()) {
        let mut tool = tool;
        if let Value::Object(map) = &mut tool {
            map.entry("name").or_insert_with(|| json!("tool"));
            map.entry("url").or_insert_with(|| json!("https://a.example/{x}"));
            map.entry("method").or_insert_with(|| json!("POST"));
            map.insert("parameters".to_owned(), json!({"type": "object", "properties": {"p": parameters}}));
            map.insert("body".to_owned(), body.clone());
            map.insert("api_schema".to_owned(), json!({"url": "https://a.example/{p}", "method": "POST", "request_body_schema": body, "path_params_schema": {"p": parameters}}));
        }
        for (kind, name) in [
            (SourceKind::Vapi, "apiRequest"), (SourceKind::Retell, "custom"), (SourceKind::Elevenlabs, "webhook"),
            (SourceKind::Voiceflow, "api"), (SourceKind::Atoms, "api_call"),
        ] {
            if let Value::Object(map) = &mut tool {
                map.insert("type".to_owned(), json!(name));
            }
            check(kind, &tool.to_string());
        }
        check(SourceKind::Postman, &json!({"item": [{"name": "x", "request": tool}, {"name": "y", "request": {"url": "https://a.example/x", "method": "POST", "body": body, "auth": parameters}}]}).to_string());
    }

    #[test]
    fn any_command_is_imported_rightly_or_refused(
        words in prop::collection::vec(
            prop_oneof![
                prop::sample::select(vec!["-X", "POST", "-H", "'A: {{b}}'", "-d", "'{\"a\": {{b}}}'", "a=b", "-F", "-u", "x:y", "-G", "--json", "{}", "-b", "s=1", "https://a.example/{x}?q=$Y", "-k", "--url", "'Cookie: a=b; c=d'"]).prop_map(str::to_owned),
                "[a-z{}'\"$:/=&%-]{0,10}",
            ],
            0..9,
        ),
    ) {
        check(SourceKind::Curl, &format!("curl {}", words.join(" ")));
        check(SourceKind::Curl, &format!("curl https://a.example/p {}", words.join(" ")));
    }
}
