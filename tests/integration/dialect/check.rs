//! `callgate check --dialect` and `callgate tools --report`.

use std::process::Output;

use serde_json::{Value, json};

use super::ALL;
use crate::harness::{callgate, files, write_project};

/// What no model but MCP's can be told, and a name that Vapi does not take.
const HARD: (&str, &str) = (
    "actions/an_action_with_quite_a_long_name_for_a_tool.yaml",
    "description: Hard.\ntype: static\nresponse: x\nparameters:\n  type: object\n  properties:\n    tree: {$ref: '#/$defs/node'}\n    \
     map:\n      type: object\n      additionalProperties: {type: string}\n    city: {type: string, enum: [ENUM]}\n  $defs:\n    \
     node: {type: object, properties: {next: {$ref: '#/$defs/node'}}}\n",
);

fn run(args: &[&str]) -> (Output, String) {
    let output = callgate(args).output().unwrap();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    (output, text)
}

fn project(more: &[(&str, &str)]) -> tempfile::TempDir {
    let cities: Vec<String> = (0..1_001).map(|n| format!("city-{n}")).collect();
    let mut all = files(1, &[&ALL[..], more].concat());
    for (_, text) in &mut all {
        *text = text.replace("ENUM", &cities.join(", "));
    }
    write_project(&all)
}

#[test]
fn a_project_that_loses_nothing_is_clean_for_every_dialect() {
    let dir = project(&[]);
    let path = dir.path().to_str().unwrap();
    let (output, text) = run(&["check", path, "--dialect", "all", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), json!([]), "{text}");
    let (_, text) = run(&["check", path, "--dialect", "all"]);
    for dialect in callgate::dialect::Dialect::ALL {
        assert!(
            text.lines().any(|line| line.starts_with(&format!("{dialect}: 5 tools; keywords: "))),
            "{text}"
        );
    }
    assert!(text.contains("openai-chat strict: ") && text.contains(" of 5000 properties"), "{text}");
    assert!(text.contains("no problems: 5 actions"), "{text}");
}

#[test]
fn each_loss_is_a_warning_with_its_place_and_all_who_lose_it() {
    let dir = project(&[HARD]);
    let path = dir.path().to_str().unwrap();
    let (output, text) = run(&["check", path, "--dialect", "all", "--json"]);
    assert_eq!(output.status.code(), Some(0), "losses are warnings");
    let problems: Vec<Value> = serde_json::from_str(&text).unwrap();
    let find = |code: &str, part: &str| {
        let found = problems
            .iter()
            .find(|problem| problem["code"] == code && problem["message"].as_str().unwrap().contains(part));
        found.unwrap_or_else(|| panic!("no {code} {part}: {text}"))
    };
    let lost = find("dialect_lost", "contains itself");
    assert_eq!((&lost["severity"], &lost["file"]), (&json!("warning"), &json!(HARD.0)));
    assert_eq!(lost["line"], 13, "{lost}");
    let message = lost["message"].as_str().unwrap();
    assert!(
        message.starts_with("openai-realtime, gemini-schema, vapi, retell, elevenlabs: `$ref` is lost"),
        "{message}"
    );
    let map = find("dialect_lost", "`additionalProperties` is lost");
    let message = map["message"].as_str().unwrap();
    assert!(
        message.starts_with("openai-chat strict, openai-responses strict, openai-realtime strict: "),
        "{message}"
    );
    assert_eq!(map["line"], 10, "{map}");
    let name = find("dialect_limit", "characters of the name");
    assert!(
        name["message"].as_str().unwrap().starts_with("vapi: 43 characters of the name; 40 are allowed"),
        "{name}"
    );
    let values = find("dialect_limit", "values of enums");
    assert!(
        values["message"].as_str().unwrap().contains("1002 values of enums; 1000 are allowed"),
        "{values}"
    );
    // One dialect speaks for itself only.
    let (_, text) = run(&["check", path, "--dialect", "mcp", "--json"]);
    assert!(!text.contains("dialect_"), "{text}");
    let (_, text) = run(&["check", path, "--dialect", "vapi", "--dialect", "retell", "--json"]);
    assert!(text.contains("\"vapi, retell: `$ref` is lost"), "{text}");
    let (output, _) = run(&["check", path, "--dialect", "vappi"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("there is no format `vappi`") && said.contains("elevenlabs, and all"), "{said}");
}

#[test]
fn the_report_has_every_keyword_and_count() {
    let dir = project(&[]);
    let path = dir.path().to_str().unwrap();
    let (_, text) = run(&["tools", "--project", path, "--format", "gemini", "--report"]);
    let reports: Vec<Value> = serde_json::from_str(&text).unwrap();
    let ticket = reports.iter().find(|report| report["name"] == "open_ticket").unwrap();
    let keyword = |pointer: &str| {
        let found = ticket["keywords"].as_array().unwrap().iter().find(|note| note["pointer"] == pointer);
        found.unwrap_or_else(|| panic!("nothing of {pointer}: {ticket}")).clone()
    };
    assert_eq!(keyword("/type"), json!({"pointer": "/type", "fate": "kept"}));
    assert_eq!(keyword("/allOf")["fate"], "lowered");
    assert_eq!(keyword("/allOf/1/then")["fate"], "lowered");
    let count = json!({"what": "characters of the name", "found": 11, "limit": 64});
    assert!(ticket["counts"].as_array().unwrap().contains(&count), "{ticket}");
    let (_, strict) = run(&["tools", "--project", path, "--strict"]);
    assert!(strict.contains("\"strict\": true"), "{strict}");
    let (_, vapi) =
        run(&["tools", "--project", path, "--format", "vapi", "--base-url", "https://g.example.com"]);
    assert!(vapi.contains("https://g.example.com/webhooks/vapi/development"), "{vapi}");
}
