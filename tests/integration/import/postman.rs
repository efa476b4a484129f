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
