//! Requests of Postman collections.

use callgate::import::{Imported, NoteKind, Options, SourceKind, import};
use serde_json::{Value, json};

use super::curl::{file, source, told};
use super::sent::rendered;
use super::{checked, imported, write};

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

/// Imports a source of `tests/data/import`, which passes the check.
fn field(name: &str, options: &Options) -> Imported {
    let imported = import(SourceKind::Postman, &source(name), options).unwrap();
    checked(write(&imported).path(), imported.report.imported.len());
    imported
}

fn codes(imported: &Imported, kind: NoteKind) -> Vec<&'static str> {
    imported.report.of_kind(kind).map(|note| note.code).collect()
}

#[test]
fn variables_of_graphql_are_not_lost_where_they_are_an_object() {
    let imported = field("pm_graphql_object_variables.json", &Options::default());
    let dir = write(&imported);
    for action in ["find_order", "find_order_text"] {
        let (_, _, body) = rendered(dir.path(), action, json!({"id": "7"}), json!({}));
        let query = "query($id: ID!){ order(id:$id){ id } }";
        let expected = json!({"query": query, "variables": {"id": "7"}});
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), expected, "{action}");
    }
}

#[test]
fn generated_stand_ins_are_types_and_no_examples() {
    let imported = field("pm_generated_placeholders.json", &Options::default());
    let action = file(&imported, "actions/add_training.yaml");
    for part in [
        "userId:\n      type: integer\n",
        "startTime:\n      type: string\n      description: Start time.\n      format: date-time\n",
        "distance:\n      type: number\n",
        "note:\n      type: string\n",
        "notify:\n      type: boolean\n      description: Whether to tell the user\n",
    ] {
        assert!(action.contains(part), "{part}: {action}");
    }
    assert!(!action.contains("examples") && !action.contains('<'), "{action}");
}

#[test]
fn generated_collections_say_what_is_required_and_what_is_not() {
    let field = |key: &str, value: &str, description: &str| json!({"key": key, "value": value, "description": {"content": description}});
    let request = json!({"method": "POST", "url": {"raw": "{{base}}/orders/:id/{{kind}}", "query": [field("day", "<date>", "(Required) Which day"), field("page", "<integer>", "The page")],
        "variable": [{"key": "id", "value": "<long>", "description": "(Required) The order"}]},
        "header": [field("X-Tenant", "<string>", "Who asks"), field("X-Api-Key", "<string>", "")],
        "body": {"mode": "urlencoded", "urlencoded": [field("note", "<string>", "(Required) What to note"), field("tags", "<string>,<string>", "")]}});
    let root = json!({"info": {"name": "Shop"}, "variable": [{"key": "base", "value": "https://shop.example"}, {"key": "kind", "value": "<string>"}], "item": [{"name": "Note it", "request": request}]});
    let imported = imported(SourceKind::Postman, &root.to_string());
    let dir = write(&imported);
    checked(dir.path(), 1);
    let action = file(&imported, "actions/note_it.yaml");
    assert!(action.contains("required: [note, id, kind, day]\n"), "{action}");
    assert!(
        action.contains("description: Which day\n") && action.contains("description: The order\n"),
        "{action}"
    );
    assert!(!action.contains("examples") && !action.contains('<'), "{action}");
    let needed = json!({"note": "n", "id": 7, "kind": "k", "day": "2026-01-06"});
    let (line, headers, body) = rendered(dir.path(), "note_it", needed, json!({}));
    assert_eq!(line, "POST https://shop.example/orders/7/k?day=2026-01-06");
    assert_eq!(body, "note=n");
    assert_eq!(headers, ["content-type: application/x-www-form-urlencoded"]);
    let all = json!({"note": "n", "id": 7, "kind": "k", "day": "2026-01-06", "page": 2, "X_Tenant": "t", "tags": "a"});
    let (line, headers, body) = rendered(dir.path(), "note_it", all, json!({}));
    assert_eq!(line, "POST https://shop.example/orders/7/k?day=2026-01-06&page=2");
    assert_eq!(body, "note=n&tags=a");
    assert!(headers.contains(&"x-tenant: t".to_owned()), "{headers:?}");
}

#[test]
fn a_key_that_names_a_thing_is_no_secret() {
    let imported = field("pm_key_in_body.json", &Options::default());
    let dir = write(&imported);
    let arguments = json!({"unit_id": "u", "unit_version": 3});
    let (line, _, body) = rendered(dir.path(), "change_parent_unit", arguments, json!({}));
    assert_eq!(line, "POST https://shop.example.com/units/u");
    assert!(body.contains("\"key\":\"acme\""), "{body}");
    assert_eq!(imported.report.notes.iter().filter(|note| note.code.starts_with("secret")).count(), 0);
}

#[test]
fn each_host_without_a_value_is_told_once_and_can_be_given_by_name() {
    let requests = |imported: &Imported| -> Vec<String> {
        imported.report.imported.iter().map(|action| action.name.clone()).collect()
    };
    let none = field("pm_two_hosts.json", &Options::default());
    assert_eq!(codes(&none, NoteKind::Refused), ["token_request", "dynamic_host"]);
    let todos: Vec<String> = none.report.of_kind(NoteKind::Todo).map(ToString::to_string).collect();
    assert_eq!(todos.len(), 2, "{todos:?}");
    assert!(
        todos[0].contains("`{{auth_url}}`") && todos[0].contains("--base-url auth_url=https://"),
        "{todos:?}"
    );
    assert!(todos[1].contains("`{{host}}`"), "{todos:?}");
    let named = |urls: &[(&str, &str)], base_url: Option<&str>| Options {
        urls: urls.iter().map(|(name, url)| ((*name).to_owned(), (*url).to_owned())).collect(),
        base_url: base_url.map(str::to_owned),
        ..Options::default()
    };
    let given = field("pm_two_hosts.json", &named(&[("host", "https://shop.example")], None));
    assert_eq!(requests(&given), ["query_carts"]);
    assert!(file(&given, "connections/shop_example.yaml").contains("base_url: https://shop.example\n"));
    let text = source("pm_two_hosts.json");
    let misspelt =
        import(SourceKind::Postman, &text, &named(&[("hots", "https://a.example")], None)).unwrap_err();
    assert_eq!(misspelt.message, "--base-url hots=…: the collection has no `{{hots}}`");
    assert_eq!(misspelt.hint, "did you mean `host`?");
    let foreign =
        import(SourceKind::Openapi, "{}", &named(&[("host", "https://a.example")], None)).unwrap_err();
    assert_eq!(foreign.code, "base_url_name");
    // The host of most requests is the one that the option is taken for.
    let item = |url: &str| json!({"name": format!("Get {url}"), "request": {"method": "GET", "url": url}});
    let root = json!({"item": [item("{{other}}/a"), item("{{host}}/b"), item("{{host}}/c"), item("https://third.example/d")]}).to_string();
    let several = import(SourceKind::Postman, &root, &named(&[], Some("https://shop.example"))).unwrap();
    assert_eq!(several.report.imported.len(), 3, "{:?}", several.report.notes);
    assert_eq!(codes(&several, NoteKind::Refused), ["dynamic_host"]);
    let hosts: Vec<&str> =
        codes(&several, NoteKind::Todo).into_iter().filter(|code| *code == "host").collect();
    assert_eq!(hosts.len(), 3, "{:?}", several.report.notes);
    assert!(file(&several, "connections/third_example.yaml").contains("base_url: https://third.example\n"));
    let one = json!({"item": [item("{{host}}/b"), item("{{host}}/c")]}).to_string();
    let one = import(SourceKind::Postman, &one, &named(&[], Some("https://shop.example"))).unwrap();
    assert!(!codes(&one, NoteKind::Todo).contains(&"host"), "{:?}", one.report.notes);
}

#[test]
fn what_a_collection_says_of_oauth2_in_variables_is_resolved() {
    let imported = field("pm_oauth_variable_url.json", &Options::default());
    let auth = file(&imported, "auth/api_example_com_oauth2.yaml");
    assert!(auth.contains("token_url: https://auth.example.com/oauth/token\n"), "{auth}");
    assert!(auth.contains("scopes: [read:orders]\n"), "{auth}");
    assert_eq!(codes(&imported, NoteKind::Lossy), [] as [&str; 0], "{:?}", imported.report.notes);
    let ask = |keys: Value| {
        let auth = json!({"type": "oauth2", "oauth2": keys});
        let request = json!({"method": "GET", "url": "{{base}}/a", "auth": auth});
        json!({"variable": [{"key": "base", "value": "https://a.example"}, {"key": "where", "value": "https://t.example"}, {"key": "grant", "value": "client_credentials"}],
            "item": [{"name": "Get a", "request": request}]})
    };
    let source = ask(json!([
        {"key": "grant_type", "value": "{{grant}}"}, {"key": "accessTokenUrl", "value": "{{where}}/token"},
        {"key": "tokenRequestParams", "value": [{"key": "audience", "value": "{{base}}"}, {"key": "resource", "value": "r"}, {"key": "off", "value": "x", "enabled": false}]},
    ]));
    let imported = super::imported(SourceKind::Postman, &source.to_string());
    checked(write(&imported).path(), 1);
    let auth = file(&imported, "auth/a_example_oauth2.yaml");
    assert!(auth.contains("audience: https://a.example\nextra_params:\n  resource: r\n"), "{auth}");
    let source = ask(json!({"grant_type": "client_credentials", "accessTokenUrl": "{{unknown}}/token"}));
    let imported = super::imported(SourceKind::Postman, &source.to_string());
    let note = told(&imported, "auth");
    assert!(note.contains("`{{unknown}}/token` is not known") && !note.contains("person"), "{note}");
}

#[test]
fn a_bearer_token_that_is_empty_is_one_to_fill_in() {
    let auth = json!({"type": "bearer", "bearer": [{"key": "token", "value": ""}]});
    let request = json!({"method": "GET", "url": "{{base}}/a", "auth": auth});
    let imported = collection(json!([{"name": "Get a", "request": request}]));
    let secrets: Vec<(&str, bool)> =
        imported.secrets.iter().map(|secret| (secret.name.as_str(), secret.is_placeholder)).collect();
    assert_eq!(secrets, [("shop_example_token", true)]);
    assert!(file(&imported, "auth/shop_example_bearer.yaml").contains("type: bearer\n"));
}
