//! The layout is a promise: layers, doors and sizes are tests, not wishes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so and stops")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Lowest first. A module may use modules of lower ranks, and itself; modules of
/// one rank do not know each other.
const LAYERS: &[&[&str]] = &[
    &["definition"],
    &["action"],
    &["catalog"],
    &["tool"],
    &["secrets", "egress"],
    &["auth", "conversation"],
    &["executor", "dialect"],
    &["settings"],
    &["telemetry", "project", "import"],
    &["server", "demo"],
    &["fuzzing"],
];

/// What the layers below settings get as plain values.
const EXCEPTIONS: &[(&str, &str)] = &[
    // Whether a log filter can be used is for the log to say.
    ("settings", "telemetry"),
];

/// Crates that stay behind one door.
const DOORS: &[(&str, &[&str])] = &[
    ("aho_corasick", &["action", "secrets"]),
    ("arc_swap", &["executor", "server"]),
    ("axum", &["server", "demo"]),
    ("clap", &["cli", "main"]),
    ("anyhow", &["cli", "main"]),
    ("deunicode", &["import"]),
    ("encoding_rs", &["action"]),
    ("gotmpl", &["action"]),
    ("hyper", &["server"]),
    ("hyper_util", &["server"]),
    ("ipnet", &["egress"]),
    ("jsonschema", &["definition", "action"]),
    ("moka", &["conversation", "executor"]),
    ("notify", &["project"]),
    ("opentelemetry", &["telemetry"]),
    ("opentelemetry_http", &["egress"]),
    ("opentelemetry_otlp", &["telemetry"]),
    ("opentelemetry_sdk", &["telemetry"]),
    ("prometheus_client", &["telemetry"]),
    ("redis", &["conversation"]),
    ("regex", &["import"]),
    ("h2", &["egress"]),
    ("reqwest", &["egress"]),
    ("rusqlite", &["conversation"]),
    ("rustls", &["egress"]),
    ("rmcp", &["server"]),
    ("saphyr_parser", &["definition"]),
    ("schemars", &["definition", "settings"]),
    ("serde_json_path", &["action"]),
    ("subtle", &["auth", "server"]),
    // With its `use`, since rustls has a module of that name.
    // `secrets` seals by its keys what leaves; `auth` checks what others have signed.
    ("use ring", &["auth", "secrets"]),
    ("toml_edit", &["import"]),
    ("tracing_subscriber", &["telemetry"]),
];

/// Where the value of a secret may be looked at.
const EXPOSE: &[&str] = &["secrets", "egress", "auth", "import"];

/// Where something may be printed.
const PRINT: &[&str] = &["cli", "main"];

struct Source {
    path: PathBuf,
    module: String,
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![];
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let relative = path.strip_prefix(&root).unwrap();
                let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
                let module = first.trim_end_matches(".rs").to_owned();
                let text = fs::read_to_string(&path).unwrap();
                // Comments speak of other modules freely.
                let code = text
                    .lines()
                    .filter(|line| !line.trim_start().starts_with("//"))
                    .collect::<Vec<_>>()
                    .join("\n");
                files.push(Source { path: relative.to_owned(), module, code });
            }
        }
    }
    assert!(files.len() > 50, "only {} sources found", files.len());
    files
}

fn rank(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// The modules of this crate that `code` names: `crate::a::…`, `crate::{a, b::…}`.
fn used_modules(code: &str) -> Vec<String> {
    let mut used = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let (mut depth, mut word) = (0_usize, String::new());
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => used.push(std::mem::take(&mut word)),
                    _ if depth == 0 => word.push(c),
                    _ => {}
                }
            }
            used.push(word);
        } else {
            used.push(rest.to_owned());
        }
    }
    let name = |text: &String| {
        text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()
    };
    used.iter().map(name).filter(|name| !name.is_empty()).collect()
}

#[test]
fn modules_only_use_lower_layers() {
    let mut wrong = Vec::new();
    for source in sources() {
        let Some(own) = rank(&source.module) else {
            assert!(
                ["lib", "main", "cli"].contains(&source.module.as_str()),
                "{} is in no layer",
                source.module
            );
            continue;
        };
        for used in used_modules(&source.code) {
            let allowed = used == source.module
                || rank(&used).is_some_and(|rank| rank < own)
                || EXCEPTIONS.contains(&(source.module.as_str(), used.as_str()));
            if !allowed {
                wrong.push(format!("{} uses crate::{used}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_uses_sees_through_groups() {
    let used = used_modules("use crate::server::x; use crate::{action::{a, b}, tool}; crate::catalog::f()");
    assert_eq!(used, ["server", "action", "tool", "catalog"]);
}

/// Whether `name` stands in `code`, and not as the end of another name.
fn is_named(code: &str, name: &str) -> bool {
    let is_of_a_name = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(name).any(|(at, _)| !code[..at].ends_with(is_of_a_name))
}

#[test]
fn foreign_crates_stay_behind_their_doors() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (name, doors) in DOORS {
            let names = [format!("{name}::"), format!("use {name};")];
            let used = names.iter().any(|name| is_named(&source.code, name));
            if used && !doors.contains(&source.module.as_str()) {
                wrong.push(format!("{} uses {name}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn secrets_are_exposed_and_texts_printed_in_few_places() {
    let mut wrong = Vec::new();
    for source in sources() {
        if source.code.contains("expose_secret()") && !EXPOSE.contains(&source.module.as_str()) {
            wrong.push(format!("{} exposes a secret", source.path.display()));
        }
        let prints = ["println!(", "print!(", "eprintln!(", "eprint!(", "process::exit"];
        if prints.iter().any(|print| source.code.contains(print)) && !PRINT.contains(&source.module.as_str())
        {
            wrong.push(format!("{} prints", source.path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_can_be_read_in_one_sitting() {
    let mut sizes = BTreeMap::new();
    for source in sources() {
        let lines = source.code.lines().count();
        if lines > 600 {
            sizes.insert(source.path.display().to_string(), lines);
        }
    }
    assert!(sizes.is_empty(), "longer than 600 lines: {sizes:?}");
}
