//! A project directory → what is served, with every problem on the way.
//!
//! `callgate check`, start and reload run the same code.

use std::collections::BTreeSet;
use std::path::Path;

use crate::catalog::Catalog;
use crate::definition::{Problem, Problems, ProjectFiles, read_project};
use crate::executor::{Deployment, ExecutorLimits};
use crate::secrets::{Secrets, Sources};
use crate::settings::{FILE, Settings};

/// A project, loaded.
#[derive(Debug)]
pub struct Project {
    /// Its settings.
    pub settings: Settings,
    /// What it serves; of no use where there are errors.
    pub deployment: Deployment,
    /// What is wrong with it.
    pub problems: Problems,
}

/// Loads the project directory `dir`; tokens of `previous` live on.
pub fn load(dir: &Path, previous: Option<&Deployment>) -> Project {
    let mut problems = Problems::default();
    if !dir.is_dir() {
        let message = format!("`{}` is not a directory", dir.display());
        problems.push(
            Problem::error(&dir.display().to_string(), (0, 0), "unreadable", message)
                .hint("name a project directory; `callgate init DIR` makes one"),
        );
        return Project { settings: Settings::default(), deployment: Deployment::default(), problems };
    }
    let settings = Settings::load(dir, &mut problems);
    let files = read_project(dir, &mut problems);
    if files.actions.is_empty() && !problems.has_errors() {
        let message = "the project has no actions";
        problems
            .push(Problem::warning("actions", (0, 0), "no_actions", message).hint("add actions/<name>.yaml"));
    }
    let mut sources = settings.secret_sources();
    // A relative directory is the project's.
    sources.directory = sources.directory.map(|directory| dir.join(directory));
    let deployment = compile(&files, &settings, &sources, previous, &mut problems);
    Project { settings, deployment, problems }
}

/// Compiles files that are at hand already.
pub fn compile(
    files: &ProjectFiles,
    settings: &Settings,
    sources: &Sources,
    previous: Option<&Deployment>,
    problems: &mut Problems,
) -> Deployment {
    let environments = environments(files, settings);
    check_keys(settings, &environments, problems);
    let (catalog, uses) = Catalog::compile(files, &environments, problems);
    let secrets = Secrets::gather(&files.secrets, sources, &environments, problems);
    secrets.check(&uses, problems);
    let limits = ExecutorLimits {
        max_response_bytes: settings.limits.max_response_bytes,
        max_body_chars: settings.limits.max_body_chars,
    };
    Deployment::build(catalog, &secrets, limits, previous, problems)
}

/// The environments to serve: those of the settings, else all that are spoken of.
fn environments(files: &ProjectFiles, settings: &Settings) -> Vec<String> {
    if let Some(environments) = &settings.environments {
        return environments.clone();
    }
    let spoken: BTreeSet<&String> = files
        .secrets
        .environments
        .keys()
        .chain(files.variables.environments.keys())
        .chain(files.actions.iter().flat_map(|action| action.definition.environments.keys()))
        .chain(files.connections.iter().flat_map(|connection| connection.definition.environments.keys()))
        .chain(files.auth.iter().flat_map(|auth| auth.definition.environments.keys()))
        .collect();
    if spoken.is_empty() {
        return vec!["development".to_owned()];
    }
    spoken.into_iter().cloned().collect()
}

fn check_keys(settings: &Settings, environments: &[String], problems: &mut Problems) {
    for key in &settings.keys {
        for name in key.environments.iter().flatten().filter(|name| !environments.contains(name)) {
            let message = format!("the key `{}` is for environment `{name}`, which is not served", key.name);
            let hint = format!("served: {}", environments.join(", "));
            problems.push(Problem::warning(FILE, (0, 0), "unknown_environment", message).hint(hint));
        }
    }
}
