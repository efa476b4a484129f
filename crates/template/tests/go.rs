//! The two case files of the project: Go's own answers, and our rules where they differ.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so and stops")]

use callgate_template::{Data, RenderError, Target, Template};
use serde_json::{Map, Value};

/// What a template came to: a text, or a code and all the words around it.
enum Outcome {
    Text(String),
    Failed { code: &'static str, reference: Option<String>, construct: Option<String>, message: String },
}

fn load(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

fn run(template: &str, target: Target, data: &Value) -> Outcome {
    let root = |name: &str| data[name].as_object().unwrap();
    let data = Data {
        parameters: root("parameters"),
        variables: root("variables"),
        static_variables: root("static_variables"),
    };
    let template = match Template::parse(template, target) {
        Ok(template) => template,
        Err(errors) => {
            let error = &errors[0];
            let (construct, message) = (error.construct.clone(), error.message.clone());
            return Outcome::Failed { code: error.code.as_str(), reference: None, construct, message };
        }
    };
    // Whatever a template does, the check of branches stands it.
    let _ = template.check_branches(&data);
    match template.render(&data) {
        Ok(text) => Outcome::Text(text),
        Err(RenderError { code, reference, message, .. }) => {
            Outcome::Failed { code: code.as_str(), reference, construct: None, message }
        }
    }
}

#[test]
fn go_gives_the_same_answers() {
    let file = load(include_str!("data/go-parity.json"));
    let cases = file["cases"].as_array().unwrap();
    assert!(cases.len() > 100);
    for case in cases {
        let template = case["template"].as_str().unwrap();
        match (run(template, Target::Text, &file["data"]), case["output"].as_str()) {
            (Outcome::Text(text), Some(expected)) => assert_eq!(text, expected, "{template}"),
            (Outcome::Failed { code, .. }, None) => {
                assert!(
                    matches!(code, "template_syntax" | "forbidden_construct" | "template_error"),
                    "{template}: {code}"
                );
            }
            (Outcome::Text(text), None) => panic!("{template}: Go refuses, we say {text}"),
            (Outcome::Failed { code, message, .. }, Some(_)) => {
                panic!("{template}: {code}: {message}")
            }
        }
    }
}

#[test]
fn our_own_rules_hold() {
    let file = load(include_str!("data/semantics.json"));
    let cases = file["cases"].as_array().unwrap();
    assert!(cases.len() > 60);
    for case in cases {
        let template = case["template"].as_str().unwrap();
        let target = Target::for_content_type(case["content_type"].as_str().unwrap());
        match run(template, target, &file["data"]) {
            Outcome::Text(text) => match (case.get("output_json"), case["output"].as_str()) {
                (Some(expected), _) => assert_eq!(&load(&text), expected, "{template}"),
                (None, Some(expected)) => assert_eq!(text, expected, "{template}"),
                (None, None) => panic!("{template}: expected {}, got {text}", case["error"]),
            },
            Outcome::Failed { code, reference, construct, message } => {
                assert_eq!(Some(code), case["error"].as_str(), "{template}: {message}");
                if let Some(missing) = case["missing"].as_str() {
                    assert_eq!(reference.as_deref(), Some(missing), "{template}");
                }
                if let Some(expected) = case["construct"].as_str() {
                    assert_eq!(construct.as_deref(), Some(expected), "{template}");
                }
            }
        }
    }
}

#[test]
fn the_check_of_branches_finds_the_trailing_comma_of_the_case_file() {
    let empty = Map::new();
    let none = Data { parameters: &empty, variables: &empty, static_variables: &empty };
    let source = "{\"a\": \"x\",{{if .parameters.empty}}\"b\": 1{{end}}}";
    let report = Template::parse(source, Target::Json).unwrap().check_branches(&none);
    assert_eq!((report.combinations, report.failures.len(), report.truncated), (2, 1, false));
    let failure = &report.failures[0];
    assert_eq!(failure.branches, "`if .parameters.empty` (line 1) not taken");
    assert_eq!(failure.problem, "trailing comma at line 1 column 11 of the rendered text");
    assert_eq!((failure.line, failure.column), (1, 13));
    assert_eq!(failure.rendered_excerpt, "{\"a\": \"x\",}");
}
