//! Credentials of an OpenAPI document.

use callgate::import::{Imported, Options, SourceKind, import};
use serde_json::{Value, json};

use super::{checked, write};

/// Imports a document of one operation that needs `scheme`.
fn secured(server: Value, scheme: &Value, parameters: &Value, options: &Options) -> Imported {
    let document = json!({
        "openapi": "3.0.3", "info": {"title": "Api", "version": "1"}, "servers": [server], "security": [{"it": []}],
        "paths": {"/a": {"get": {"summary": "Gets a", "operationId": "get_a", "parameters": parameters}}},
        "components": {"securitySchemes": {"it": scheme}},
    });
    let imported = import(SourceKind::Openapi, &document.to_string(), options).unwrap();
    checked(write(&imported).path(), imported.report.imported.len());
    imported
}

fn file<'i>(imported: &'i Imported, folder: &str) -> &'i str {
    &imported.files.iter().find(|file| file.path.starts_with(folder)).unwrap().text
}

#[test]
fn a_relative_token_url_is_relative_to_the_connection() {
    let client = |url: &str| json!({"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": url, "scopes": {}}}});
    let varies = json!({"url": "https://{region}.shop.test:{port}/v1", "variables": {"region": {"default": "eu"}, "port": {"default": "8443"}}});
    for (server, base_url, token_url, expected) in [
        (json!({"url": "https://a.test/v1"}), None, "/oauth/token", "https://a.test/oauth/token"),
        (json!({"url": "https://a.test/v1"}), None, "token", "https://a.test/v1/token"),
        (varies, None, "/oauth/token", "https://eu.shop.test:8443/oauth/token"),
        (json!({"url": "/v1"}), Some("https://b.test"), "/oauth/token", "https://b.test/oauth/token"),
        (
            json!({"url": "https://a.test/v1"}),
            Some("https://b.test"),
            "/oauth/token",
            "https://b.test/oauth/token",
        ),
        (json!({"url": "/v1"}), Some("https://b.test"), "https://c.test/token", "https://c.test/token"),
    ] {
        let options = Options { base_url: base_url.map(str::to_owned), ..Options::default() };
        let imported = secured(server, &client(token_url), &json!([]), &options);
        let auth = file(&imported, "auth/");
        assert!(auth.contains("type: oauth2_client_credentials\n"), "{auth}");
        assert!(auth.contains(&format!("token_url: {expected}\n")), "{auth}");
    }
    let imported = secured(
        json!({"url": "https://a.test"}),
        &client("ftp://a.test/token"),
        &json!([]),
        &Options::default(),
    );
    let notes: Vec<&str> = imported.report.notes.iter().map(|note| note.message.as_str()).collect();
    assert_eq!(
        notes,
        [
            "the token URL `ftp://a.test/token` of `it` is not one of http or https; it becomes a bearer connector with a fixed token"
        ]
    );
}

#[test]
fn a_key_that_is_a_parameter_as_well_is_one_key() {
    for (place, named, again) in [
        ("query", "api_key", "api_key"),
        ("header", "X-Api-Key", "x-api-key"),
        ("header", "X-Tenant", "X-Tenant"),
        ("cookie", "sid", "sid"),
    ] {
        let scheme = json!({"type": "apiKey", "in": place, "name": named});
        let again = json!([{"name": again, "in": place, "required": true, "schema": {"type": "string"}}]);
        let imported = secured(json!({"url": "https://a.test"}), &scheme, &again, &Options::default());
        assert_eq!(imported.report.imported.len(), 1, "{:?}", imported.report.notes);
        let secrets: Vec<&str> = imported.report.secrets.iter().map(|secret| secret.name.as_str()).collect();
        assert_eq!(secrets, ["api_it"], "{place} {named}");
        assert_eq!(
            file(&imported, "actions/").lines().skip(2).collect::<Vec<_>>(),
            ["description: Gets a.", "connection: api", "path: /a"]
        );
    }
    // Another name, or another place, is another value.
    let scheme = json!({"type": "apiKey", "in": "query", "name": "tenant"});
    let other = json!([{"name": "tenant", "in": "header", "schema": {"type": "string"}}]);
    let imported = secured(json!({"url": "https://a.test"}), &scheme, &other, &Options::default());
    assert!(
        file(&imported, "actions/").contains("headers:\n  tenant: \"{{.parameters.tenant}}\"\n"),
        "{}",
        file(&imported, "actions/")
    );
}
