//! Feeds arbitrary template sources and values to the template: nothing may panic, hang or leave its place.
//!
//! Input: the target (one byte), the source, a zero byte, the value of `.parameters.a`.
#![no_main]

use callgate::action::template::{Data, Target, Template};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};

const TARGETS: [Target; 7] = [
    Target::Json,
    Target::Form,
    Target::Query,
    Target::Xml,
    Target::Text,
    Target::Header,
    Target::PathSegment,
];

/// A JSON text with a place in a string, one for a value and one for a key.
const PLACES: &str =
    r#"{"in": "<{{.parameters.a}}>", "at": {{.parameters.a}}, "{{.parameters.a}}!": 1}"#;

fuzz_target!(|input: (u8, &str)| {
    let (choice, text) = input;
    let target = TARGETS[usize::from(choice) % TARGETS.len()];
    let (source, value) = text.split_once('\0').unwrap_or((text, "x"));

    let none = Map::new();
    let parsed = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    let parameters = Map::from_iter([("a".to_owned(), parsed)]);
    let data = Data { parameters: &parameters, variables: &none, static_variables: &none };
    if let Ok(template) = Template::parse(source, target) {
        let rendered = template.render(&data);
        if let (Target::Json, Ok(text)) = (target, &rendered) {
            let checked = serde_json::from_str::<&serde_json::value::RawValue>(text);
            assert!(checked.is_ok(), "a rendered JSON body has to be JSON");
        }
        let _ = template.check_branches(&data);
        let _ = template.value(&data);
        let _ = template.sole_reference();
        assert!(template.as_static().is_none_or(|text| rendered.is_ok_and(|out| out == text)));
    }

    let parameters = Map::from_iter([("a".to_owned(), Value::String(value.to_owned()))]);
    let data = Data { parameters: &parameters, ..data };
    let places = Template::parse(PLACES, Target::Json).expect("the template is right");
    let rendered = places.render(&data).expect("a string has a place everywhere");
    let read: Value = serde_json::from_str(&rendered).expect("a rendered JSON body is JSON");
    let expected = json!({"in": format!("<{value}>"), "at": value, (format!("{value}!")): 1});
    assert_eq!(read, expected, "a value left its place");
});
