//! What `callgate check` says of `speech` and `say`.

use serde_json::Value;

use super::products::PRODUCTS;
use crate::harness::{callgate, files, write_project};

/// `severity[code] line: message`, each.
fn problems(more: &[(&str, &str)], args: &[&str]) -> Vec<String> {
    let dir = write_project(&files(1, more));
    let mut all = vec!["check", dir.path().to_str().unwrap(), "--json"];
    all.extend(args);
    let output = callgate(&all).output().unwrap();
    let found: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let failed = found.iter().any(|one| one["severity"] == "error");
    assert_eq!(output.status.code(), Some(i32::from(failed)));
    let text = |one: &Value, member: &str| one[member].as_str().unwrap().to_owned();
    found
        .iter()
        .map(|one| {
            let (severity, code) = (text(one, "severity"), text(one, "code"));
            format!("{severity}[{code}] {}: {}", one["line"], text(one, "message"))
        })
        .collect()
}

#[track_caller]
fn check(speech: &str, expected: &[&str]) {
    let action = format!(
        "description: Looks.\nconnection: api\npath: /\nparameters: {{type: object, properties: {{n: {{type: integer}}}}}}\n{speech}\n"
    );
    let found = problems(&[("actions/look.yaml", &action)], &[]);
    assert_eq!(found.len(), expected.len(), "{speech}: {found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        let all_there = expected.split(" … ").all(|part| found.contains(part));
        assert!(all_there, "{speech}: {found} is not {expected}");
    }
}

#[test]
fn what_is_right_is_right() {
    check("speech: {start: One moment.}\nsay: true", &[]);
    check("speech:\n  start: {en: 'Order {{.parameters.n}}, {{.variables.account.name}}', de: Moment}", &[]);
    check("speech: {delayed: {after_ms: 100, text: {zh-Hant-TW: x}}, failed: x}", &[]);
    check("say: false\nspeech: {}", &[]);
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    check("speech: {begin: x}", &["error[unknown_key] 5: … `begin`"]);
    check("speech: {delayed: {after_ms: 99, text: x}}", &["error[ … 5: … 100"]);
    check("speech: {delayed: {after_ms: 120001, text: x}}", &["error[ … 5: … 120000"]);
    check("speech: {delayed: {text: x}}", &["error[ … `after_ms`"]);
    check("speech: {delayed: {after_ms: 200}}", &["error[ … `text`"]);
    check("speech: {start: ''}", &["error["]);
    check("speech: {start: {}}", &["error["]);
    check("speech: {start: {english: x}}", &["error["]);
    check("speech: {start: 7}", &["error["]);
    check("say: 'yes'", &["error["]);
    check("speech:\n  start:\n    en: '{{if .parameters.n}}x'", &["error[template_syntax] 7:"]);
    check("speech: {start: 'x {{.static_variables.shop}}'}", &["error[missing_static_variable] 5: … `shop`"]);
    check("speech: {failed: 'x {{.parameters.m}}'}", &["warning[unknown_parameter] 5: … `.parameters.m`"]);
    check(
        "timeout_ms: 3000\nspeech: {delayed: {after_ms: 3000, text: x}}",
        &["warning[never_said] 6: after 3000 ms the call is over: it has 3000 ms"],
    );
    check("bind: {say: x}\nsay: true", &["error[say_is_taken] 6: `say: true` adds a parameter `say`"]);
    let taken = "description: Looks.\nconnection: api\npath: /\nsay: true\nparameters: {type: object, properties: {say: {type: string}}}\n";
    let found = problems(&[("actions/look.yaml", taken)], &[]);
    assert!(found.len() == 1 && found[0].starts_with("error[say_is_taken] 4: "), "{found:?}");
}

#[test]
fn what_a_product_cannot_say_is_told_for_each() {
    assert_eq!(problems(&PRODUCTS, &[]), [""; 0]);
    let found = problems(&PRODUCTS, &["--dialect", "all"]);
    let all = "it is filled in by each call, and the product says only what is always the same";
    let nothing = "the product has nothing for it";
    let expected = [
        format!("vapi, retell, elevenlabs: `speech.start` is not said: {all}"),
        format!("vapi: `speech.failed.en` is not said: {all}"),
        format!("retell, elevenlabs: `speech.failed` is not said: {nothing}"),
        format!("retell: `speech.delayed.text` is not said: {nothing}"),
        format!("vapi: `say` is not said: {nothing}"),
        "vapi: `speech.start.gsw` is not said: the product has no code for this language".to_owned(),
    ];
    for one in &expected {
        assert!(found.iter().any(|found| found.contains(one)), "no {one} in {found:#?}");
    }
    let speech = found.iter().filter(|one| one.starts_with("warning[dialect_speech] ")).count();
    assert_eq!((speech, found.len()), (9, 9), "{found:#?}");
    assert_eq!(problems(&PRODUCTS, &["--dialect", "openai-chat"]), [""; 0], "whose callers speak themselves");
}

#[test]
fn the_command_line_prints_specs_in_a_language_and_what_became_of_each_text() {
    let dir = write_project(&files(1, &PRODUCTS));
    let run = |more: &[&str]| -> Value {
        let project = ["tools", "--project", dir.path().to_str().unwrap(), "--format", "retell"];
        let output = callgate(&[&project[..], more].concat()).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let of =
        |tools: &Value| tools.as_array().unwrap().iter().find(|tool| tool["name"] == "full").unwrap().clone();
    let specs = run(&["--language", "de", "--base-url", "https://gate.example.com"]);
    assert_eq!(of(&specs)["execution_message_description"], "Moment.");
    let report = of(&run(&["--report"]));
    let fates: Vec<(&str, &str)> = report["speech"]
        .as_array()
        .unwrap()
        .iter()
        .map(|note| (note["pointer"].as_str().unwrap(), note["fate"].as_str().unwrap()))
        .collect();
    let expected = [
        ("/speech/start/en", "kept"),
        ("/speech/start/de-CH", "lowered"),
        ("/speech/start/de", "lowered"),
        ("/speech/start/gsw", "lowered"),
        ("/speech/delayed/text", "lost"),
        ("/speech/failed", "lost"),
    ];
    assert_eq!(fates, expected);
}
