//! Feeds arbitrary JSON Schemas and arguments to the compiler of parameters.
//!
//! Input: the schema, a zero byte, the arguments as a model would send them.
#![no_main]

use callgate::action::parameters::Parameters;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use serde_json::value::RawValue;

fuzz_target!(|input: &str| {
    let (schema, arguments) = input.split_once('\0').unwrap_or((input, "{}"));
    let Ok(schema) = serde_json::from_str::<Value>(schema) else { return };
    let Ok(parameters) = Parameters::compile(Some(&schema)) else { return };
    assert!(parameters.warnings().iter().all(|problem| problem.warning));
    let names: Vec<&str> = parameters.names().take(2).collect();
    let seen = parameters.schema_without(&names);
    assert!(Parameters::compile(Some(&seen)).is_ok(), "what a model is offered is a schema");
    // Made-up arguments are for templates; what is promised of them is that they are made up.
    let sample = parameters.sample();
    let _ = parameters.validate(sample);

    let Ok(raw) = RawValue::from_string(arguments.to_owned()) else { return };
    match parameters.read(&raw) {
        Ok(arguments) => {
            let sensitive = parameters.sensitive_texts(&arguments);
            match parameters.validate(arguments) {
                Ok(valid) => {
                    // What is valid stays valid, defaults and all.
                    let again = parameters.validate(valid.clone().into_map());
                    assert!(again.is_ok_and(|again| again == valid));
                }
                Err(invalid) => {
                    assert!(!invalid.violations.is_empty() && invalid.violations.len() <= 20);
                    for text in sensitive.iter().filter(|text| text.len() > 40) {
                        let got = invalid.violations.iter().any(|one| one.got.contains(text.as_str()));
                        assert!(!got, "a sensitive value was repeated");
                    }
                }
            }
        }
        Err(invalid) => assert!(!invalid.message().is_empty()),
    }
});
