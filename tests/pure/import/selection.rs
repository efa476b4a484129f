//! What of a source is imported, and what a selection that goes wrong is told.

use callgate::definition::{Problems, ProjectFiles};
use callgate::demo::INIT_FILES;
use callgate::import::{
    Existing, Imported, NoteKind, Only, Options, PathPattern, Report, Selection, SourceKind, import,
};
use serde_json::{Map, Value, json};

/// A document with orders and customers, tagged by what they are about.
fn shop() -> String {
    let operation = |id: &str, tag: &str| json!({"operationId": id, "summary": "Does it.", "tags": [tag]});
    json!({"openapi": "3.0.3", "info": {"title": "Shop", "version": "1"}, "servers": [{"url": "https://api.example.com"}],
        "paths": {
            "/orders": {"get": operation("list_orders", "Orders"), "post": operation("create_order", "Orders")},
            "/orders/{id}": {"get": operation("get_order", "Orders"), "delete": operation("delete_order", "Orders")},
            "/customers": {"get": operation("list_customers", "Customers")},
            "/health": {"get": operation("get_health", "Ops")}}})
    .to_string()
}

fn selected(selection: Selection) -> Imported {
    import(SourceKind::Openapi, &shop(), &Options { selection, ..Options::default() }).unwrap()
}

fn names(report: &Report) -> Vec<&str> {
    report.imported.iter().map(|action| action.name.as_str()).collect()
}

#[track_caller]
fn check(selection: Selection, expected: &[&str]) {
    let report = selected(selection).report;
    assert_eq!(names(&report), expected);
    assert_eq!(report.skipped, 6 - expected.len());
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn what_is_named_more_than_once_is_a_choice_and_what_is_named_differently_must_agree() {
    let only = |texts: &[&str]| texts.iter().map(|text| Only::parse(text).unwrap()).collect::<Vec<_>>();
    let paths =
        |texts: &[&str]| texts.iter().map(|text| PathPattern::parse(text).unwrap()).collect::<Vec<_>>();
    let all = Selection::default;
    check(Selection { tags: texts(&["customers", "Ops"]), ..all() }, &["list_customers", "get_health"]);
    check(
        Selection { only: only(&["get_health", "list_.*"]), ..all() },
        &["list_orders", "list_customers", "get_health"],
    );
    check(Selection { methods: texts(&["POST", "DELETE"]), ..all() }, &["create_order", "delete_order"]);
    check(Selection { paths: paths(&["/orders/*"]), ..all() }, &["get_order", "delete_order"]);
    check(
        Selection { paths: paths(&["/orders", "/health"]), methods: texts(&["GET"]), ..all() },
        &["list_orders", "get_order", "get_health"],
    );
    check(Selection { limit: Some(2), ..all() }, &["list_orders", "create_order"]);
    check(Selection { limit: Some(1), tags: texts(&["Customers"]), ..all() }, &["list_customers"]);
}

#[test]
fn an_unknown_tag_lists_those_that_there_are() {
    let report = selected(Selection { tags: texts(&["Order", "Ops"]), ..Selection::default() }).report;
    assert_eq!(names(&report), ["get_health"]);
    let [note] = report.notes.as_slice() else { panic!("{:?}", report.notes) };
    assert_eq!(
        note.to_string(),
        "#: to do[unknown_tag]: nothing has the tag `Order`\n    hint: there are: Orders, Customers, Ops"
    );
}

#[test]
fn a_name_a_path_and_a_method_that_nothing_has_are_told() {
    let report = selected(Selection {
        only: vec![Only::parse("list_order").unwrap(), Only::parse("get_.*").unwrap()],
        paths: vec![PathPattern::parse("/order").unwrap()],
        methods: texts(&["PUT"]),
        ..Selection::default()
    })
    .report;
    let told: Vec<(&str, &str)> = report.notes.iter().map(|note| (note.code, note.hint.as_str())).collect();
    assert_eq!(
        told,
        [
            ("unknown_name", "did you mean `list_orders`?"),
            ("unknown_path", "write it as the source does, without the server; `*` stands for any text"),
            ("unknown_method", "there are: DELETE, GET, POST"),
        ]
    );
}

#[test]
fn tools_of_products_are_selected_by_path_and_method_too() {
    let tool = |name: &str, method: &str, path: &str| json!({"type": "custom", "name": name, "description": "D.", "method": method, "url": format!("https://a.example{path}?x={{{{x}}}}"), "parameters": {"type": "object"}});
    let source = json!({"general_tools": [tool("a", "GET", "/a/{{id}}"), tool("b", "POST", "/a"), tool("c", "GET", "/c"), {"type": "end_call", "name": "d"}]});
    let selection = Selection {
        paths: vec![PathPattern::parse("/a").unwrap()],
        methods: texts(&["GET"]),
        ..Selection::default()
    };
    let options = Options { selection, ..Options::default() };
    let report = import(SourceKind::Retell, &source.to_string(), &options).unwrap().report;
    assert_eq!((names(&report), report.operations, report.skipped), (vec!["a"], 4, 3));
    assert_eq!(report.of_kind(NoteKind::Refused).count(), 0, "{:?}", report.notes);
}

/// A document of `count` operations, each with a description of `size` bytes.
fn many(count: usize, size: usize) -> Report {
    let paths: Map<String, Value> = (0..count)
        .map(|index| {
            let parameter =
                json!({"name": "a", "in": "query", "schema": {"type": "string", "enum": ["x".repeat(size)]}});
            let operation = json!({"operationId": format!("get_thing_{index}"), "parameters": [parameter]});
            (format!("/{index}"), json!({"get": operation}))
        })
        .collect();
    let document = json!({"openapi": "3.0.3", "info": {"title": "Many", "version": "1"}, "servers": [{"url": "https://a.example"}], "paths": paths});
    import(SourceKind::Openapi, &document.to_string(), &Options::default()).unwrap().report
}

#[test]
fn more_tools_than_a_provider_takes_are_warned_of() {
    let codes = |report: &Report| report.notes.iter().map(|note| note.code).collect::<Vec<_>>();
    assert_eq!(codes(&many(128, 1)), ["no_description"]);
    let report = many(129, 1);
    assert_eq!(codes(&report), ["no_description", "many_tools"]);
    assert!(
        report.notes[1].message.contains("129 tools") && report.notes[1].message.contains("128"),
        "{}",
        report.notes[1]
    );
    let report = many(2, 40_000);
    assert_eq!(codes(&report), ["no_description", "large_tools"]);
    assert!(report.notes[1].message.contains("81 kB"), "{}", report.notes[1]);
}

#[test]
fn the_same_note_stands_once_and_names_the_tools() {
    let report = many(9, 1);
    let [note] = report.notes.as_slice() else { panic!("{:?}", report.notes) };
    assert_eq!(note.also.len(), 8);
    assert_eq!(report.counts(NoteKind::Todo), [("no_description", 9)].into());
    let line = note.to_string();
    let named = "get_thing_0, get_thing_1, get_thing_2, get_thing_3, get_thing_4 and 4 more: the operation";
    assert!(line.contains(named), "{line}");
}

#[test]
fn what_is_imported_has_nothing_to_do_with_the_sample_of_init() {
    let files = ProjectFiles::from_texts(INIT_FILES.iter().copied(), &mut Problems::default());
    let existing = Existing::of(&files).without_sample(INIT_FILES);
    let made = import(SourceKind::Openapi, &shop(), &Options { existing, ..Options::default() }).unwrap();
    let action = made.files.iter().find(|file| file.path == "actions/get_order.yaml").unwrap();
    assert!(action.text.contains("connection: shop"), "{}", action.text);
    assert!(made.files.iter().any(|file| file.path == "connections/shop.yaml"));
    // Once its address is another one, the connection is the project's own.
    let own: Vec<(&str, String)> = INIT_FILES
        .iter()
        .map(|(name, text)| {
            (*name, text.replace("base_url: https://api.example.com", "base_url: https://api.shop.example"))
        })
        .collect();
    let files = ProjectFiles::from_texts(
        own.iter().map(|(name, text)| (*name, text.as_str())),
        &mut Problems::default(),
    );
    let existing = Existing::of(&files).without_sample(INIT_FILES);
    let source = shop().replace("api.example.com", "api.shop.example");
    let made = import(SourceKind::Openapi, &source, &Options { existing, ..Options::default() }).unwrap();
    assert!(made.files.iter().all(|file| !file.path.starts_with("connections/")));
    let note = made.report.notes.iter().find(|note| note.code == "connection_headers").unwrap();
    assert!(note.message.contains("`orders`") && note.message.contains("`X-Region`"), "{note}");
}
