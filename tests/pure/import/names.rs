//! What tools are called.

use callgate::import::{Imported, Options, Selection, SourceKind, import};
use serde_json::{Value, json};

use super::curl::{file, source};
use super::{checked, imported, write};

#[track_caller]
fn check(imported: &Imported, expected: &[&str]) {
    let names: Vec<&str> = imported.report.imported.iter().map(|action| action.name.as_str()).collect();
    assert_eq!(names, expected);
    checked(write(imported).path(), expected.len());
}

#[test]
fn names_in_other_letters_are_written_as_they_sound() {
    let imported = imported(SourceKind::Postman, &source("pm_nonascii_names.json"));
    check(
        &imported,
        &["jian_kang_jian_cha", "cha_xun_suo_you_yong_hu", "terminubersicht_fur_arzte", "anadir_articulo"],
    );
    assert!(file(&imported, "actions/jian_kang_jian_cha.yaml").contains("description: \"健康检查.\"\n"));
    // The wire has the name as it was.
    let source = json!({"type": "custom", "name": "größe", "description": "Sets it.", "url": "https://a.example/x", "args_at_root": true,
        "parameters": {"type": "object", "properties": {"größe": {"type": "string"}}}});
    check(&super::imported(SourceKind::Retell, &source.to_string()), &["grosse"]);
}

/// A collection of requests, each a name and a URL, in folders.
fn collection(folders: &[(&str, &[(&str, &str)])]) -> String {
    let items: Vec<Value> = folders
        .iter()
        .map(|(folder, requests)| {
            let requests: Vec<Value> = requests
                .iter()
                .map(|(name, path)| json!({"name": name, "request": {"method": "GET", "url": format!("https://a.example{path}")}}))
                .collect();
            json!({"name": folder, "item": requests})
        })
        .collect();
    json!({"item": items}).to_string()
}

#[test]
fn a_verb_alone_takes_the_folder_it_stands_in() {
    let source = collection(&[
        ("Orders", &[("Create", "/orders"), ("Get by id", "/orders/:id"), ("List all", "/orders")]),
        (
            "Customers 👥",
            &[("Create", "/customers"), ("🔎", "/customers/search"), ("Get order", "/orders/1")],
        ),
        ("Carts", &[("Get order", "/orders/3")]),
        ("v1", &[("Delete", "/v1/carts/:id"), ("Get order", "/orders/2")]),
    ]);
    let imported = imported(SourceKind::Postman, &source);
    check(
        &imported,
        &[
            "create_orders",
            "get_orders_by_id",
            "list_all_orders",
            "create_customers",
            "get_customers_search",
            "get_order",
            "get_order_carts",
            "delete_carts",
            "get_order_2",
        ],
    );
    assert!(file(&imported, "actions/list_all_orders.yaml").contains("description: List all orders.\n"));
    // A name is the same whatever is chosen.
    let options = Options {
        selection: Selection { tags: vec!["Customers 👥".to_owned()], ..Selection::default() },
        ..Options::default()
    };
    let some = import(SourceKind::Postman, &source, &options).unwrap();
    check(&some, &["create_customers", "get_customers_search", "get_order"]);
}

#[test]
fn the_path_in_an_operation_id_is_left_out_where_names_stay_different() {
    let operation = |id: &str, tag: &str| json!({"summary": "Does it.", "operationId": id, "tags": [tag]});
    let document = |paths: Value| {
        json!({"openapi": "3.1.0", "info": {"title": "Tools"}, "servers": [{"url": "https://a.example"}], "paths": paths}).to_string()
    };
    let source = document(json!({
        "/api/v1/tools": {"get": operation("list_tools_api_v1_tools_get", "tools"), "post": operation("create_api_v1_tools_post", "tools")},
        "/patients/{patient_id}": {"get": operation("get_patient_patients__patient_id__get", "patients")},
        "/a/items": {"get": operation("read_items_a_items_get", "alpha")},
        "/b/items": {"get": operation("read_items_b_items_get", "beta")},
        "/c": {"get": operation("read_x_c_get", "same")},
        "/d": {"get": operation("read_x_d_get", "same")},
        "/orders": {"get": operation("list", "Orders"), "post": operation("create", "Orders")},
        "/items/{id}": {"get": json!({"summary": "Does it.", "tags": ["Stock"]})},
    }));
    let mut value: Value = serde_json::from_str(&source).unwrap();
    for (path, name) in [("/patients/{patient_id}", "patient_id"), ("/items/{id}", "id")] {
        value["paths"][path]["get"]["parameters"] =
            json!([{"name": name, "in": "path", "required": true, "schema": {"type": "string"}}]);
    }
    check(
        &imported(SourceKind::Openapi, &value.to_string()),
        &[
            "list_tools",
            "create_tools",
            "get_patient",
            "read_items_alpha",
            "read_items_beta",
            "read_x_c_get",
            "read_x_d_get",
            "list_orders",
            "create_orders",
            "get_items_id",
        ],
    );
}
