//! Sources as teams have them → files and report, compared with what is committed.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use callgate::import::{Imported, Only, Options, Selection, SourceKind, add_secrets, import};
use serde_json::Value;

use super::{checked, write};

fn kind(name: &str) -> SourceKind {
    match name.split('_').next().unwrap_or_default() {
        "openapi" => SourceKind::Openapi,
        "curl" => SourceKind::Curl,
        "postman" => SourceKind::Postman,
        "vapi" => SourceKind::Vapi,
        "elevenlabs" => SourceKind::Elevenlabs,
        "retell" => SourceKind::Retell,
        "voiceflow" => SourceKind::Voiceflow,
        "atoms" => SourceKind::Atoms,
        other => panic!("no importer `{other}`"),
    }
}

/// Everything that was made, in one text.
fn told(imported: &Imported, warnings: &[String]) -> String {
    let report = &imported.report;
    let mut text =
        format!("{} of {} imported, {} left out\n", report.imported.len(), report.operations, report.skipped);
    for action in &report.imported {
        writeln!(text, "{} <- {} ({})", action.name, action.place, action.request).unwrap();
    }
    for note in &report.notes {
        writeln!(text, "{note}").unwrap();
    }
    for secret in &report.secrets {
        writeln!(text, "secret {}{}", secret.name, if secret.found { "" } else { " (to fill in)" }).unwrap();
    }
    for warning in warnings {
        writeln!(text, "check: {warning}").unwrap();
    }
    for file in &imported.files {
        write!(text, "\n=== {}\n{}", file.path, file.text).unwrap();
    }
    write!(text, "\n=== secrets.toml\n{}", add_secrets("", &imported.secrets).unwrap().text).unwrap();
    text
}

#[test]
fn every_case_gives_what_is_committed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import");
    let mut cases: Vec<_> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 17, "only {} cases", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let name = case.file_name().unwrap().to_str().unwrap().to_owned();
        let source = ["source.json", "source.yaml", "source.txt"]
            .map(|file| case.join(file))
            .into_iter()
            .find(|file| file.exists())
            .unwrap();
        let given: Value = fs::read_to_string(case.join("options.json"))
            .map_or(Value::Null, |text| serde_json::from_str(&text).unwrap());
        let text_of = |key: &str| given.get(key).and_then(Value::as_str).map(str::to_owned);
        let options = Options {
            source: source.file_name().unwrap().to_str().unwrap().to_owned(),
            base_url: text_of("base_url"),
            environment: text_of("environment"),
            selection: Selection {
                tags: text_of("tag").into_iter().collect(),
                only: text_of("only").into_iter().map(|only| Only::parse(&only).unwrap()).collect(),
                ..Selection::default()
            },
            ..Options::default()
        };
        let text = fs::read_to_string(source).unwrap();
        let imported = import(kind(&name), &text, &options).unwrap_or_else(|error| panic!("{name}: {error}"));
        let dir = write(&imported);
        let warnings = checked(dir.path(), imported.report.imported.len());
        assert_secrets_stay_away(&imported);
        let told = told(&imported, &warnings);
        let expected = case.join("expected.txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&expected, &told).unwrap();
        }
        if fs::read_to_string(&expected).unwrap_or_default() != told {
            wrong.push(format!("{name}:\n{told}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// No value of a secret stands in a definition or in the report.
#[track_caller]
fn assert_secrets_stay_away(imported: &Imported) {
    let report = serde_json::to_string(&imported.report).unwrap();
    let toml = add_secrets("", &imported.secrets).unwrap().text;
    let toml: toml::Table = toml.parse().unwrap();
    for (_, values) in &toml {
        for (name, value) in values.as_table().unwrap() {
            let value = value.as_str().unwrap();
            if value == "replace-me" {
                continue;
            }
            assert!(!report.contains(value), "the report holds `{name}`");
            for file in &imported.files {
                assert!(!file.text.contains(value), "{} holds `{name}`", file.path);
            }
        }
    }
}
