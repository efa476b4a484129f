//! Cases of one template and its outcome, behind one `check`.

mod analysis;
mod language;
mod output;

use serde_json::{Map, Value as Json};

use super::{Data, Target, Template};

const PARAMETERS: &str = r#"{"name": "Ann", "email": "", "n": 3, "f": 1.50, "zero": 0, "neg": -2, "big": 9007199254740993,
    "kilo": 1e3, "huge": 1e400, "t": true, "fl": false, "nul": null, "list": ["a", "b", null], "none": [],
    "obj": {"k": "v", "deep": {"x": "y"}, "a-b": "dash", "a.b": "dot"}, "void": {}, "key": "k", "at": 1,
    "parameters": "inner", "status": "active", "_u": 1, "naïve": "é", "up": "../admin", "slash": "a/b", "dot": ".",
    "line": "a\nb", "nums": [1, 2.50, 10e1]}"#;

#[track_caller]
fn with_data<T>(work: impl FnOnce(&Data<'_>) -> T) -> T {
    let parameters: Map<String, Json> = serde_json::from_str(PARAMETERS).unwrap();
    let variables = serde_json::from_str(r#"{"account": {"status": "gold"}, "lang": "en"}"#).unwrap();
    let static_variables = serde_json::from_str(r#"{"REGION": "eu"}"#).unwrap();
    work(&Data { parameters: &parameters, variables: &variables, static_variables: &static_variables })
}

/// Parses and renders; problems become "code construct-or-reference at line:column".
fn outcome(template: &str, target: Target) -> String {
    let template = match Template::parse(template, target) {
        Ok(template) => template,
        Err(errors) => {
            let lines = errors.iter().map(|error| {
                let construct = error.construct.as_deref().unwrap_or("-");
                format!("{} {construct} at {}:{}", error.code.as_str(), error.line, error.column)
            });
            return lines.collect::<Vec<_>>().join("; ");
        }
    };
    with_data(|data| match template.render(data) {
        Ok(text) => text,
        Err(error) => {
            let reference = error.reference.as_deref().unwrap_or("-");
            format!("{} {reference} at {}:{}", error.code.as_str(), error.line, error.column)
        }
    })
}

#[track_caller]
fn check(template: &str, expected: &str) {
    assert_eq!(outcome(template, Target::Text), expected, "{template}");
}

#[track_caller]
fn check_in(target: Target, template: &str, expected: &str) {
    assert_eq!(outcome(template, target), expected, "{target:?} {template}");
}

/// Checks that a template is refused at load or at render, whatever the words.
#[track_caller]
fn refused(template: &str) {
    let outcome = outcome(template, Target::Text);
    let codes = ["template_syntax", "forbidden_construct", "template_error"];
    assert!(codes.iter().any(|code| outcome.starts_with(code)), "{template}: {outcome}");
}
