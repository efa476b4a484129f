//! What teams have, and what the importers make of it.
//!
//! A case is a folder of `tests/import`: the source, options where it needs
//! some, and everything that is made of it in one text.
//! `UPDATE_GOLDEN=1 cargo test --test pure import::golden` rewrites it.

mod written;
mod golden;
mod hostile;
mod properties;
mod sent;
mod secrets;
mod spoken;
mod openapi_auth;
mod postman;
mod curl;
mod names;
mod descriptions;
mod field;
mod selection;

use std::path::Path;

use callgate::definition::Severity;
use callgate::import::{Imported, Options, SourceKind, import};
use callgate::project;

use self::written::write;

/// Imports `text`, which is what it should be.
#[track_caller]
fn imported(kind: SourceKind, text: &str) -> Imported {
    import(kind, text, &Options { source: "test".to_owned(), ..Options::default() }).unwrap()
}

/// Everything `callgate check` says; asserts that none of it is an error.
#[track_caller]
fn checked(dir: &Path, actions: usize) -> Vec<String> {
    let project = project::load(dir, None);
    let environments = project.deployment.environments();
    let problems = project.problems.clone().sorted();
    let errors: Vec<String> = problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error)
        .map(ToString::to_string)
        .collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
    for environment in environments {
        assert_eq!(environment.actions.len(), actions, "{}", environment.name());
    }
    problems.iter().map(ToString::to_string).collect()
}
