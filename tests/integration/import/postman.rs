//! Requests of Postman collections.

use callgate::import::{Imported, SourceKind};
use serde_json::{Value, json};

use super::sent::rendered;
use super::{imported, write};

/// Imports a collection of `items`.
fn collection(items: Value) -> Imported {
    let root = json!({"info": {"name": "Shop"}, "variable": [{"key": "base", "value": "https://shop.example"}], "item": items});
    imported(SourceKind::Postman, &root.to_string())
}

/// A request of `method` to `path` with `body`.
fn request(method: &str, path: &str, body: Value) -> Value {
    json!({"name": "Ask", "request": {"method": method, "url": format!("{{{{base}}}}{path}"), "body": body}})
}

/// What the only action of `imported` sends.
fn sent(imported: &Imported, arguments: Value) -> (String, String) {
    let dir = write(imported);
    let name =
        &imported.report.imported.first().unwrap_or_else(|| panic!("{:?}", imported.report.notes)).name;
    let (line, _, body) = rendered(dir.path(), name, arguments, json!({}));
    (line, body)
}

#[test]
fn a_get_whose_form_has_no_fields_has_no_body() {
    for body in [
        json!({"mode": "formdata", "formdata": []}),
        json!({"mode": "formdata", "formdata": [{"key": "a", "value": "b", "disabled": true}]}),
        json!({"mode": "urlencoded", "urlencoded": [{"key": "a", "value": "b", "disabled": true}]}),
        json!({"mode": "raw", "raw": ""}),
    ] {
        let imported = collection(json!([request("GET", "/a", body.clone())]));
        assert_eq!(
            sent(&imported, json!({})),
            ("GET https://shop.example/a".to_owned(), String::new()),
            "{body}"
        );
        let imported = collection(json!([request("POST", "/a", body.clone())]));
        assert_eq!(sent(&imported, json!({})).0, "POST https://shop.example/a", "{body}");
    }
    let full = request("GET", "/a", json!({"mode": "formdata", "formdata": [{"key": "a", "value": "b"}]}));
    assert_eq!(collection(json!([full])).report.notes[0].code, "body_not_allowed");
}

#[test]
fn variables_of_graphql_are_parameters_and_the_query_is_fixed() {
    let ask = |variables: &str| {
        let graphql =
            json!({"query": "query($id: ID!) { order(id: $id) { id \"x\" } }", "variables": variables});
        request("POST", "/graphql/17?page=2", json!({"mode": "graphql", "graphql": graphql}))
    };
    let query = json!("query($id: ID!) { order(id: $id) { id \"x\" } }");
    let body = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let imported = collection(json!([ask("{\"id\": \"5\", \"first\": 3, \"where\": {\"open\": true}}")]));
    let arguments = json!({"id": "9", "first": 1, "where": {"open": false}, "graphql_id": "18", "page": 4});
    let (line, text) = sent(&imported, arguments);
    assert_eq!(line, "POST https://shop.example/graphql/18?page=4");
    assert_eq!(
        body(&text),
        json!({"query": query, "variables": {"id": "9", "first": 1, "where": {"open": false}}})
    );
    let imported = collection(json!([ask("{\"id\": \"{{orderId}}\", \"fixed\": 1}")]));
    let (_, text) = sent(&imported, json!({"orderId": "9", "graphql_id": "18", "page": 4}));
    assert_eq!(body(&text), json!({"query": query, "variables": {"id": "9", "fixed": 1}}));
    for none in ["", "{}"] {
        let (_, text) = sent(&collection(json!([ask(none)])), json!({"graphql_id": "18", "page": 4}));
        assert_eq!(body(&text), json!({"query": query, "variables": {}}));
    }
}

#[test]
fn variables_of_folders_hold_inside_and_path_variables_keep_their_texts() {
    let ask =
        |name: &str| json!({"name": name, "request": {"method": "GET", "url": "{{base}}/{{area}}/{{lang}}"}});
    let inner =
        json!({"name": "Inner", "variable": [{"key": "area", "value": "inner"}], "item": [ask("In")]});
    let outer = json!({"name": "Outer", "variable": [{"key": "area", "value": "outer"}, {"key": "lang", "value": "de"}, {"key": "base", "value": ""}], "item": [inner, ask("Out")]});
    let imported = collection(json!([outer, ask("Beside")]));
    let dir = write(&imported);
    for (action, arguments, expected) in [
        ("in", json!({}), "inner/de"),
        ("out", json!({}), "outer/de"),
        ("beside", json!({"area": "a", "lang": "b"}), "a/b"),
    ] {
        let (line, ..) = rendered(dir.path(), action, arguments, json!({}));
        assert_eq!(line, format!("GET https://shop.example/{expected}"));
    }
    let url = json!({"raw": "{{base}}/orders/:orderId/:line/:key", "variable": [
        {"key": "orderId", "value": "A-7", "description": "The **number** on the bill"},
        {"key": "line", "value": "{{lineNo}}"},
        {"key": "key", "value": "hunter2", "description": {"content": "Which one"}},
    ]});
    let imported = collection(json!([{"name": "Line", "request": {"method": "GET", "url": url}}]));
    let action = &imported.files.iter().find(|file| file.path == "actions/line.yaml").unwrap().text;
    assert!(
        action.contains(
            "path: \"/orders/{{.parameters.orderId}}/{{.parameters.lineNo}}/{{.parameters.key}}\"\n"
        ),
        "{action}"
    );
    assert!(action.contains("description: The number on the bill\n      examples: [A-7]\n"), "{action}");
    assert!(action.contains("description: Which one\n") && !action.contains("hunter2"), "{action}");
    assert!(imported.report.notes.iter().any(|note| note.code == "secret_in_path"));
}
