//! The layout is a promise: layers, doors and the absence of circles are tests, not wishes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so and stops")]

#[path = "tidy/graph.rs"]
mod graph;
#[path = "tidy/reader.rs"]
mod reader;
#[path = "tidy/tests.rs"]
mod tests;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use graph::{End, Place, Workspace, circles};
use syn::Item;

/// The modules of the gateway, lowest first. A module may use modules of lower ranks, and itself;
/// modules of one rank do not know each other. `src/lib.rs` and ARCHITECTURE.md list them in this order.
const LAYERS: &[&[&str]] = &[
    &["catalog"],
    &["tool"],
    &["secrets", "egress"],
    &["auth", "conversation"],
    &["executor", "dialect"],
    &["agent"],
    &["settings"],
    &["telemetry", "project"],
    &["demo", "server"],
    &["fuzzing"],
];

/// The crates under `crates/`. Cargo sees to it that none uses one that uses it.
const CRATES: &[&str] = &["text", "template", "schema", "definition", "action", "import", "model"];

/// What the layers below settings get as plain values.
const EXCEPTIONS: &[(&str, &str)] = &[
    // Whether a log filter can be used is for the log to say.
    ("settings", "telemetry"),
];

/// Crates that stay behind one door: modules of the gateway, or folders of `crates/`.
const DOORS: &[(&str, &[&str])] = &[
    ("aho_corasick", &["text"]),
    ("arc_swap", &["executor", "server"]),
    ("axum", &["server", "demo"]),
    ("callgate_import", &["cli", "fuzzing", "lib", "main"]),
    ("clap", &["cli", "main"]),
    ("anyhow", &["cli", "main"]),
    ("deunicode", &["import"]),
    ("encoding_rs", &["action"]),
    ("flate2", &["server"]),
    ("gotmpl", &["template"]),
    ("hyper", &["server"]),
    ("hyper_util", &["server"]),
    ("ipnet", &["egress"]),
    ("jsonschema", &["definition", "schema"]),
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
    ("rust_embed", &["server"]),
    ("rustix", &["main", "project"]),
    // The store in Redis judges files of certificates.
    ("rustls", &["conversation", "egress"]),
    ("rustls_platform_verifier", &["egress"]),
    ("rmcp", &["server"]),
    ("saphyr_parser", &["definition"]),
    ("schemars", &["definition", "settings"]),
    ("serde_json_path", &["action"]),
    ("strsim", &["text"]),
    ("subtle", &["server"]),
    // `secrets` seals by its keys what leaves; `server` checks what others have signed.
    ("ring", &["secrets", "server"]),
    ("tokio_tungstenite", &["server"]),
    ("toml_edit", &["import"]),
    ("tracing_subscriber", &["telemetry"]),
];

/// Where the value of a secret may be looked at.
const EXPOSE: &[&str] = &["secrets", "egress", "auth", "import", "server"];

/// Where something may be printed.
const PRINT: &[&str] = &["cli", "main"];

/// Circles of files that are still to be opened. A file that is in no circle any more must be struck
/// out, and none comes in.
///
/// What makes a circle: a file uses another one if its code names an item that the other one defines,
/// whichever re-export it names it by. `mod child;` and `pub use child::Item;` are no uses, nor is what
/// stands under `#[cfg(test)]`, nor a call of a method, whose type nobody knows without a type checker.
const CIRCLES: &[&[&str]] = &[];
/// Everything is read once, for all tests.
static WORKSPACE: LazyLock<Workspace> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = |path: &Path| fs::read_to_string(root.join(path)).ok();
    let mut crates = vec![
        reader::read("callgate", Path::new("src/lib.rs"), &text),
        reader::read("main", Path::new("src/main.rs"), &text),
    ];
    let mut folders: Vec<PathBuf> = fs::read_dir(root.join("crates"))
        .map(|folders| folders.map(|folder| folder.unwrap().path()).collect())
        .unwrap_or_default();
    folders.sort();
    for folder in folders {
        let manifest: toml::Table = fs::read_to_string(folder.join("Cargo.toml")).unwrap().parse().unwrap();
        let name = manifest["package"]["name"].as_str().unwrap().replace('-', "_");
        let file = folder.strip_prefix(root).unwrap().join("src/lib.rs");
        crates.push(reader::read(&name, &file, &text));
    }
    Workspace { crates }
});

/// What rules are made for: a module of the gateway, or a whole crate under `crates/` by the name of
/// its folder.
fn part(place: Place) -> String {
    let file = &WORKSPACE.module(place).file;
    let mut parts = file.iter().map(|part| part.to_str().unwrap());
    if parts.next() == Some("crates") {
        return parts.next().unwrap().to_owned();
    }
    parts.next().unwrap().trim_end_matches(".rs").to_owned()
}

fn rank(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

#[track_caller]
fn assert_none(wrong: &BTreeSet<String>) {
    assert!(wrong.is_empty(), "{}", wrong.iter().cloned().collect::<Vec<_>>().join("\n"));
}

#[test]
fn modules_only_use_lower_layers() {
    let mut wrong = BTreeSet::new();
    for place in WORKSPACE.places().filter(|(of, _)| *of == 0) {
        let own = part(place);
        if own == "lib" {
            continue;
        }
        let own_rank = rank(&own).unwrap_or_else(|| panic!("{own} is in no layer"));
        for path in WORKSPACE.named(place) {
            let mut through = Vec::new();
            WORKSPACE.follow(place, path, &mut through);
            let within = through.into_iter().filter(|(of, _)| *of == 0);
            for used in within.map(part).filter(|used| *used != own && used != "lib") {
                let allowed = rank(&used).is_some_and(|rank| rank < own_rank)
                    || EXCEPTIONS.contains(&(own.as_str(), used.as_str()));
                if !allowed {
                    let file = WORKSPACE.module(place).file.display();
                    wrong.insert(format!("{file} uses {used}: {}", path.join("::")));
                }
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn files_form_no_circles() {
    let edges = WORKSPACE.edges();
    let circles = circles(&edges);
    let mut wrong = Vec::new();
    for circle in &circles {
        let is_in =
            |files: &[&str]| circle.iter().all(|file| files.iter().any(|known| Path::new(known) == file));
        if CIRCLES.iter().any(|files| is_in(files)) {
            continue;
        }
        wrong.push(format!("a circle of {} files:", circle.len()));
        let inner = edges.iter().filter(|((from, to), _)| circle.contains(from) && circle.contains(to));
        wrong.extend(inner.map(|((from, to), names)| {
            let names = names.iter().cloned().collect::<Vec<_>>().join(", ");
            format!("  {} uses {}: {names}", from.display(), to.display())
        }));
    }
    for file in CIRCLES.concat() {
        if !circles.iter().any(|circle| circle.contains(Path::new(file))) {
            wrong.push(format!("{file} is in no circle any more: strike it out of CIRCLES"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn foreign_crates_stay_behind_their_doors() {
    let mut wrong = BTreeSet::new();
    for place in WORKSPACE.places() {
        let own = part(place);
        for path in WORKSPACE.named(place) {
            let mut through = Vec::new();
            let end = WORKSPACE.follow(place, path, &mut through);
            let crates = through.iter().filter(|(of, _)| *of != place.0);
            let mut named: BTreeSet<&str> =
                crates.map(|(of, _)| WORKSPACE.crates[*of].name.as_str()).collect();
            if let Some(End::Foreign(name)) = &end {
                named.insert(name);
            }
            // A single name in code may be anything's; a crate alone is named by `use` only.
            let is_import = || WORKSPACE.module(place).imports.iter().any(|import| import.path == path);
            if path.len() == 1 && !is_import() {
                continue;
            }
            for name in named {
                let doors = DOORS.iter().find(|(known, _)| *known == name).map(|(_, doors)| doors);
                if doors.is_some_and(|doors| !doors.contains(&own.as_str())) {
                    wrong.insert(format!("{} uses {name}", WORKSPACE.module(place).file.display()));
                }
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn secrets_are_exposed_and_texts_printed_in_few_places() {
    let mut wrong = BTreeSet::new();
    for place in WORKSPACE.places() {
        let module = WORKSPACE.module(place);
        let own = part(place);
        if module.calls.contains("expose_secret") && !EXPOSE.contains(&own.as_str()) {
            wrong.insert(format!("{} exposes a secret", module.file.display()));
        }
        let prints =
            ["println", "print", "eprintln", "eprint"].iter().any(|name| module.macros.contains(*name));
        let exits =
            WORKSPACE.named(place).any(|path| path.ends_with(&["process".to_owned(), "exit".to_owned()]));
        if (prints || exits) && !PRINT.contains(&own.as_str()) {
            wrong.insert(format!("{} prints or exits", module.file.display()));
        }
    }
    assert_none(&wrong);
}

/// A path that the reader loses is one that no rule sees.
#[test]
fn the_reader_finds_what_every_path_leads_to() {
    let mut wrong = BTreeSet::new();
    for place in WORKSPACE.places() {
        for path in WORKSPACE.named(place) {
            let is_ours = ["crate", "self", "super"].contains(&path[0].as_str()) && path.len() > 1;
            if is_ours && WORKSPACE.follow(place, path, &mut Vec::new()).is_none() {
                wrong.insert(format!("{}: {}", WORKSPACE.module(place).file.display(), path.join("::")));
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn every_file_belongs_to_a_crate() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read: BTreeSet<&Path> =
        WORKSPACE.places().map(|place| WORKSPACE.module(place).file.as_path()).collect();
    let mut wrong = BTreeSet::new();
    let mut folders = vec![root.join("src"), root.join("crates")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let own = path.strip_prefix(root).unwrap();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs")
                && !read.contains(own)
                && !own.iter().any(|part| part == "tests" || part == "tests.rs")
            {
                wrong.insert(format!("{} is read by nobody", own.display()));
            }
        }
    }
    assert_none(&wrong);
    assert!(read.len() > 300, "only {} sources found", read.len());
}

fn text(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

#[test]
fn modules_are_listed_in_one_order() {
    let order: Vec<String> = LAYERS.concat().into_iter().map(str::to_owned).collect();
    let root = syn::parse_file(&text("src/lib.rs")).unwrap();
    let declared = root.items.iter().filter_map(|item| match item {
        Item::Mod(module) => Some(module.ident.to_string()),
        _ => None,
    });
    assert_eq!(declared.collect::<Vec<_>>(), order, "src/lib.rs");
    let map = text("ARCHITECTURE.md");
    let described = map.lines().filter_map(|line| line.strip_prefix("- `")?.split_once("`: "));
    let (crates, modules): (Vec<&str>, Vec<&str>) =
        described.map(|(name, _)| name).partition(|name| name.starts_with("crates/"));
    assert_eq!(modules, order, "ARCHITECTURE.md");
    let crates: Vec<&str> = crates.into_iter().map(|name| name.trim_start_matches("crates/")).collect();
    assert_eq!(crates, CRATES, "ARCHITECTURE.md");
    let mut folders: Vec<_> = WORKSPACE.places().filter(|(of, at)| *of > 1 && *at == 0).map(part).collect();
    folders.sort_by_key(|folder| CRATES.iter().position(|known| known == folder));
    assert_eq!(folders, CRATES);
}

/// The documents that are not only history, by their paths.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned(), root.join("docs"), root.join("crates")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() && folder != root {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                found.push(path);
            }
        }
    }
    assert!(found.len() > 20, "only {} documents found", found.len());
    found
}

/// What stands outside of code.
fn prose(text: &str) -> String {
    let mut is_code = false;
    let lines = text.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_fence && !is_code
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The anchors of a page: its headings, as GitHub writes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text)
        .lines()
        .filter_map(|line| {
            let heading = line.trim_start_matches('#');
            (heading.len() < line.len() && heading.starts_with(' ')).then(|| heading.trim().to_lowercase())
        })
        .collect::<Vec<_>>();
    let anchor = |heading: String| {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.into_iter().map(anchor).collect()
}

#[test]
fn links_of_documents_lead_somewhere() {
    let mut wrong = BTreeSet::new();
    let mut seen = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for link in prose(&text).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) =
                link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
            let target =
                if file.is_empty() { document.clone() } else { document.parent().unwrap().join(file) };
            let leads = match anchor {
                None => target.exists(),
                Some(anchor) => fs::read_to_string(&target).is_ok_and(|text| anchors(&text).contains(anchor)),
            };
            if !leads {
                wrong.insert(format!("{}: {link}", document.display()));
            }
            seen += 1;
        }
    }
    assert_none(&wrong);
    assert!(seen > 100, "only {seen} links found");
}

/// What a document writes as the path of a source is one.
#[test]
fn paths_in_documents_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wrong = BTreeSet::new();
    let mut seen = 0;
    for document in ["ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "README.md"] {
        for word in text(document).split('`').skip(1).step_by(2) {
            let is_path = word.contains('/') && !word.contains([' ', '{', '*', '<', ':', '…']);
            let is_ours = ["src/", "crates/", "tests/", "docs/", "fuzz/", "benches/"]
                .iter()
                .any(|top| word.starts_with(top));
            let is_source = word.ends_with(".rs");
            if !is_path || !(is_ours || is_source) {
                continue;
            }
            seen += 1;
            if !root.join(word).exists() && !root.join("src").join(word).exists() {
                wrong.insert(format!("{document}: {word}"));
            }
        }
    }
    assert_none(&wrong);
    assert!(seen > 20, "only {seen} paths found");
}
