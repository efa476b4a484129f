//! Schemas brought down to what each provider takes, as golden files.
//!
//! `tests/data/dialect/schemas/<case>.json` is a schema, `tests/data/dialect/lowered/<case>.json` what
//! each dialect makes of it. `UPDATE_GOLDEN=1 cargo test --test pure dialect::lowering`
//! rewrites the latter; read the diff.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use callgate::dialect::lower::{Fate, Lowered, lower};
use serde_json::{Map, Value, json};

use super::variants::variants;

pub(super) fn schemas() -> BTreeMap<String, Value> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/dialect/schemas");
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        all.insert(name, serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap());
    }
    assert!(all.len() >= 32, "only {} schemas", all.len());
    all
}

fn golden(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/dialect/lowered/{case}.json"))
}

/// What a reader of the golden file wants to see.
fn describe(lowered: &Lowered) -> Value {
    let notes = |fate: Fate| -> Map<String, Value> {
        let notes = lowered.report.keywords.iter().filter(|note| note.fate == fate);
        notes.map(|note| (note.pointer.clone(), json!(note.how))).collect()
    };
    let mut described = json!({"schema": lowered.schema});
    if !lowered.sentences.is_empty() {
        described["sentences"] = json!(lowered.sentences);
    }
    for (name, fate) in [("lowered", Fate::Lowered), ("lost", Fate::Lost)] {
        let notes = notes(fate);
        if !notes.is_empty() {
            described[name] = Value::Object(notes);
        }
    }
    described
}

#[test]
fn every_dialect_lowers_every_schema_as_written_down() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    for (case, schema) in schemas() {
        // What is alike is written once, under the names of all that it is for.
        let mut forms: Vec<(Vec<String>, Value)> = Vec::new();
        for (name, dialect, strict) in variants() {
            let described = describe(&lower(&schema, dialect.profile(strict)));
            match forms.iter_mut().find(|(_, known)| *known == described) {
                Some((names, _)) => names.push(name),
                None => forms.push((vec![name], described)),
            }
        }
        let found: Map<String, Value> =
            forms.into_iter().map(|(names, described)| (names.join(", "), described)).collect();
        let text = format!("{}\n", serde_json::to_string_pretty(&Value::Object(found)).unwrap());
        let path = golden(&case);
        if update {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
        } else if fs::read_to_string(&path).unwrap_or_default() != text {
            wrong.push(case);
        }
    }
    assert!(wrong.is_empty(), "differ from tests/data/dialect/lowered: {wrong:?}");
}
