//! Feeds arbitrary JSONPaths and bodies to output variables: what is hidden is not shown.
//!
//! Input: a path, a zero byte, another path, a zero byte, the body.
#![no_main]

use std::sync::Arc;

use callgate::action::output;
use callgate::catalog::Catalog;
use callgate::definition::{ActionDefinition, Document, Located, Problems, ProjectFiles};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

fuzz_target!(|input: &str| {
    let mut parts = input.splitn(3, '\0');
    let (Some(hidden), Some(shown), Some(body)) = (parts.next(), parts.next(), parts.next()) else { return };
    let action = json!({
        "description": "d",
        "url": "http://upstream.test/x",
        "output_variables": [
            {"name": "hidden", "path": hidden, "sensitive": true},
            {"name": "shown", "path": shown, "expose": true},
        ],
        "response": {"pick": [{"name": "one", "path": shown}, {"name": "all", "path": "$"}], "max_items": 3},
    });
    let mut problems = Problems::default();
    let files = ProjectFiles { actions: vec![located("a", action)], ..ProjectFiles::default() };
    let (catalog, _) = Catalog::compile(&files, &["development".to_owned()], &mut problems);
    let Some(action) = catalog.environments().first().and_then(|all| all.actions.first()) else { return };
    let Ok(value) = serde_json::from_str::<Value>(body) else { return };

    let found = output::extract(&action.outputs, &value);
    let secrets: Vec<&str> = found
        .iter()
        .filter(|one| one.hidden)
        .filter_map(|one| one.value.as_str())
        .filter(|text| text.chars().count() >= 4)
        .collect();
    let clean = output::hide(&action.outputs, &value, body);
    let clean: Value = serde_json::from_str(clean.as_deref().unwrap_or(body)).expect("what is left is JSON");
    secrets.iter().for_each(|secret| assert_untold(&clean, secret));
    let shaped = action.response.shape(&action.outputs, &value, body, true).expect("picked");
    let shaped: Value = serde_json::from_str(&shaped).expect("what is picked is JSON");
    secrets.iter().for_each(|secret| assert_untold(&shaped, secret));

    let texts: Vec<String> = secrets.iter().map(|text| (*text).to_owned()).collect();
    if let Some(clean) = output::Concealed::new(texts).out_of_json(body) {
        let clean: Value = serde_json::from_str(&clean).expect("what is left is JSON");
        secrets.iter().for_each(|secret| assert_untold(&clean, secret));
    }
});

/// A definition without its text: to check that against its schema takes a hundred times as long as the rest.
fn located(name: &str, value: Value) -> Located<ActionDefinition> {
    let definition = serde_json::from_value(value.clone()).expect("a definition");
    let document = Arc::new(Document::without_places("actions/a.yaml", value));
    Located { name: name.to_owned(), document, definition }
}

/// `secret` is in no text of `value`, unless the mark itself holds it.
fn assert_untold(value: &Value, secret: &str) {
    match value {
        Value::String(text) => {
            let rest = text.replace(output::HIDDEN, "\u{0}");
            assert!(!rest.contains(secret), "{secret:?} is told by {text:?}");
        }
        Value::Array(items) => items.iter().for_each(|item| assert_untold(item, secret)),
        Value::Object(map) => map.values().for_each(|item| assert_untold(item, secret)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
