//! Feeds arbitrary paths, queries and values to the URL builder: no value changes where a request goes.
//!
//! Input: the path, a zero byte, the query template, a zero byte, the value of `.parameters.x` (JSON or a text).
#![no_main]

use std::sync::Arc;

use callgate::action::Kind;
use callgate::action::template::Data;
use callgate::catalog::Catalog;
use callgate::definition::{Document, Located, Problems, ProjectFiles};
use libfuzzer_sys::fuzz_target;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use url::Url;

fuzz_target!(|input: &str| {
    let mut parts = input.splitn(3, '\0');
    let (Some(path), Some(query), Some(value)) = (parts.next(), parts.next(), parts.next()) else { return };
    let definition = json!({
        "description": "d",
        "connection": "api",
        "path": path,
        "query": {"q": query},
        "parameters": {"type": "object", "properties": {"x": {}, "y": {}}},
    });
    let mut problems = Problems::default();
    let connection = json!({"base_url": "http://upstream.test:81/base"});
    let files = ProjectFiles {
        actions: vec![located("a", definition)],
        connections: vec![located("api", connection)],
        ..ProjectFiles::default()
    };
    let (catalog, _) = Catalog::compile(&files, &["development".to_owned()], &mut problems);
    let Some(action) = catalog.environments().first().and_then(|all| all.actions.first()) else { return };
    let Kind::Http(http) = &action.kind else { return };
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    let shape = |x: Value| {
        let parameters = Map::from_iter([("x".to_owned(), x.clone()), ("y".to_owned(), x)]);
        let none = Map::new();
        let data = Data { parameters: &parameters, variables: &none, static_variables: &none };
        let url = http.render(&data).ok()?.url;
        let url = Url::parse(&url).unwrap_or_else(|error| panic!("{url:?} is no URL: {error}"));
        assert_eq!(&url[..url::Position::BeforePath], "http://upstream.test:81", "{url}");
        assert!(url.path() == "/base" || url.path().starts_with("/base/"), "{url}");
        assert_eq!(url.fragment(), None, "{url}");
        Some(url.path_segments().map_or(0, Iterator::count))
    };
    // A path without branches has as many segments whatever the value is.
    let branches = ["if", "with", "and", "or", "eq"].iter().any(|word| path.contains(word));
    if let (Some(one), Some(other), false) = (shape(value), shape(json!("x")), branches) {
        assert_eq!(one, other, "a value changed the shape of {path:?}");
    }
});

/// A definition without its text: to check that against its schema takes a hundred times as long as the rest.
fn located<T: DeserializeOwned>(name: &str, value: Value) -> Located<T> {
    let definition = serde_json::from_value(value.clone()).expect("a definition");
    let document = Arc::new(Document::without_places("file.yaml", value));
    Located { name: name.to_owned(), document, definition }
}
