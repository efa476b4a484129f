//! `callgate import`: what teams have, and what becomes of it.
//!
//! A case is a folder of `tests/import`: the source, options where it needs
//! some, and everything that is made of it in one text.
//! `UPDATE_GOLDEN=1 cargo test --test integration import::golden` rewrites it.

mod golden;
mod hostile;
mod properties;
mod command;
mod sent;
mod secrets;
mod again;
mod spoken;
mod openapi_auth;
mod postman;
mod curl;
mod names;
mod descriptions;
mod field;
mod selection;

use std::fs;
use std::path::Path;

use callgate::definition::Severity;
use callgate::import::{Imported, Options, SourceKind, add_secrets, import};
use callgate::project;
use tempfile::TempDir;

/// Imports `text`, which is what it should be.
#[track_caller]
fn imported(kind: SourceKind, text: &str) -> Imported {
    import(kind, text, &Options { source: "test".to_owned(), ..Options::default() }).unwrap()
}

/// Writes everything as the command does.
pub(crate) fn write(imported: &Imported) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in &imported.files {
        let path = dir.path().join(&file.path);
        assert!(path.starts_with(dir.path()), "{path:?}");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &file.text).unwrap();
    }
    write_secrets(imported, dir.path());
    dir
}

fn write_secrets(imported: &Imported, dir: &Path) {
    if imported.secrets.is_empty() {
        return;
    }
    let path = dir.join("secrets.toml");
    fs::write(&path, add_secrets("", &imported.secrets).unwrap().text).unwrap();
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
    fs::set_permissions(&path, permissions).unwrap();
}

/// Everything `callgate check` says; asserts that none of it is an error.
#[track_caller]
fn checked(dir: &Path, actions: usize) -> Vec<String> {
    let project = project::load(dir, None);
    let environments = project.deployment.catalog.environments();
    let problems = project.problems.clone().sorted();
    let errors: Vec<String> = problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error)
        .map(ToString::to_string)
        .collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
    for environment in environments {
        assert_eq!(environment.actions.len(), actions, "{}", environment.name);
    }
    problems.iter().map(ToString::to_string).collect()
}
