//! The YAML of the documents passes the check as it is written.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use callgate::definition::Severity;
use callgate::project;

use super::project as write_project;

/// The YAML blocks of a document, each with the name of its file, which is its first line.
fn blocks(text: &str) -> Vec<(String, String)> {
    let fenced = text.split("\n```").skip(1).step_by(2);
    let yaml = fenced.filter_map(|block| block.strip_prefix("yaml\n"));
    let name = |block: &str| block.split_whitespace().nth(1).unwrap().to_owned();
    yaml.map(|block| (name(block), block.to_owned())).collect()
}

/// The connections and connectors that `text` names.
fn named(text: &str) -> Vec<(String, String)> {
    let of = |line: &str, key: &str| Some(line.strip_prefix(key)?.split_whitespace().next()?.to_owned());
    let connection = |name| (format!("connections/{name}.yaml"), "base_url: https://api.test\n".to_owned());
    let connector = |name| (format!("auth/{name}.yaml"), "type: bearer\ntoken: not-a-secret\n".to_owned());
    let connections = text.lines().filter_map(|line| of(line, "connection: ")).map(connection);
    connections.chain(text.lines().filter_map(|line| of(line, "auth: ")).map(connector)).collect()
}

/// A file with the secrets that `texts` name.
fn secrets<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    let named = texts.flat_map(|text| text.split("{secret: ").skip(1));
    let names: BTreeSet<&str> = named.filter_map(|rest| rest.split(['}', ',']).next()).collect();
    let lines: Vec<String> = names.iter().map(|name| format!("{name} = \"not-a-secret\"\n")).collect();
    format!("[development]\n{}", lines.concat())
}

#[test]
fn every_example_of_the_documents_passes_with_the_others_of_its_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut checked = 0;
    for document in docs.filter(|path| path.is_file()).chain([root.join("README.md")]) {
        let blocks = blocks(&fs::read_to_string(&document).unwrap());
        for (name, text) in &blocks {
            let mut files: BTreeMap<String, String> =
                blocks.iter().flat_map(|(_, text)| named(text)).collect();
            files.extend(blocks.iter().cloned());
            // A page may show a file twice.
            files.insert(name.clone(), text.clone());
            files.insert("secrets.toml".to_owned(), secrets(blocks.iter().map(|(_, text)| text.as_str())));
            let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
            let loaded = project::load(write_project(&files).path(), None);
            let problems = loaded.problems.as_slice().iter();
            let errors: Vec<String> = problems
                .filter(|one| one.severity == Severity::Error)
                // Certificates are the reader's own.
                .filter(|one| !(one.code == "invalid_tls" && one.message.contains("cannot be read")))
                .map(ToString::to_string)
                .collect();
            assert!(errors.is_empty(), "{}: {}", document.display(), errors.join("\n"));
            checked += 1;
        }
    }
    assert!(checked > 10, "only {checked} examples found");
}
