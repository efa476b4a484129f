//! What one call pays for each step that is ours: validate, render, extract,
//! and the spec list.

use std::hint::black_box;

use callgate::action::output;
use callgate::action::parameters::parse_arguments;
use callgate::action::template::Data;
use callgate::action::{Action, Kind};
use callgate::catalog::Catalog;
use callgate::definition::{Problems, ProjectFiles};
use callgate::dialect::{Dialect, SpecOptions};
use callgate::tool::ToolSpec;
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

const ACTION: &str = concat!("url: https://helpdesk.example.com/tickets\n", include_str!("ticket.yaml"));

const ARGUMENTS: &str = r#"{"customer_email":"ada@example.com","issue_description":"The \"Pay\" button does nothing since yesterday, on the phone and on the laptop.","priority":"high"}"#;

const RESPONSE: &str = r#"{"ticket":{"id":"T-1001","status":"open","upload_token":"tok_7d9f2c41b8e64f0a9c3e5d7b1a2f4e68","url":"https://helpdesk.example.com/tickets/T-1001"},"message":"created","created_at":"2026-01-06T10:30:00Z"}"#;

fn catalog(actions: usize) -> Catalog {
    let names: Vec<String> =
        (0..actions).map(|number| format!("actions/create_ticket_{number}.yaml")).collect();
    let mut problems = Problems::default();
    let files = ProjectFiles::from_texts(names.iter().map(|name| (name.as_str(), ACTION)), &mut problems);
    let (catalog, _) = Catalog::compile(&files, &["production".to_owned()], &mut problems);
    assert!(!problems.has_errors(), "{problems:?}");
    catalog
}

fn arguments(action: &Action, raw: &RawValue) -> Map<String, Value> {
    let arguments = parse_arguments(raw).expect("arguments are an object");
    action.parameters.validate(arguments).expect("arguments are valid").into_map()
}

fn steps(criterion: &mut Criterion) {
    let catalog = catalog(1);
    let action = &catalog.environments()[0].actions[0];
    let raw = RawValue::from_string(ARGUMENTS.to_owned()).expect("JSON");
    criterion.bench_function("validate", |bencher| bencher.iter(|| arguments(action, black_box(&raw))));

    let parameters = arguments(action, &raw);
    let none = Map::new();
    let data = Data { parameters: &parameters, variables: &none, static_variables: &none };
    let Kind::Http(http) = &action.kind else { panic!("an HTTP action") };
    criterion
        .bench_function("render", |bencher| bencher.iter(|| http.render(black_box(&data)).expect("renders")));

    criterion.bench_function("extract", |bencher| {
        bencher.iter(|| {
            let body: Value = serde_json::from_str(black_box(RESPONSE)).expect("JSON");
            (output::extract(&action.outputs, &body), output::hide(&action.outputs, &body, RESPONSE))
        });
    });
}

fn specs(criterion: &mut Criterion) {
    let catalog = catalog(50);
    let actions = &catalog.environments()[0].actions;
    criterion.bench_function("spec list of 50 actions", |bencher| {
        bencher.iter(|| {
            let specs = Dialect::OpenAiChat
                .specs(black_box(actions).iter().map(ToolSpec::from), &SpecOptions::default())
                .expect("needs nothing more");
            serde_json::to_vec(&specs).expect("serializes")
        });
    });
}

criterion_group!(benches, steps, specs);
criterion_main!(benches);
