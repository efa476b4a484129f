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
