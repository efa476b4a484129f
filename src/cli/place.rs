//! The project and the environment that a command is about.

use std::path::PathBuf;

use callgate::project::{self, Project};
use clap::Args;

/// Which project, which environment.
#[derive(Debug, Args)]
pub(super) struct Where {
    /// The project directory
    #[arg(long, short, default_value = ".", value_name = "DIR")]
    pub(super) project: PathBuf,
    /// The environment; may be left out where the project has only one
    #[arg(long, short, value_name = "NAME")]
    environment: Option<String>,
}

impl Where {
    /// Loads the project; problems go to standard error.
    pub(super) fn load(&self) -> anyhow::Result<Project> {
        loaded(project::load(&self.project, None))
    }

    pub(super) fn environment(&self, project: &Project) -> anyhow::Result<String> {
        chosen(self.environment.as_deref(), project.deployment.environment_names())
    }
}

/// The environment that is named, or the only one that is served.
pub(super) fn chosen(named: Option<&str>, served: &[String]) -> anyhow::Result<String> {
    match (named, served) {
        (Some(name), _) if served.iter().any(|one| one == name) => Ok(name.to_owned()),
        (Some(name), _) => anyhow::bail!("no environment `{name}`; there are: {}", served.join(", ")),
        (None, [only]) => Ok(only.clone()),
        (None, _) => anyhow::bail!("name one with --environment: {}", served.join(", ")),
    }
}

/// The project, unless it has errors, which are printed.
pub(super) fn loaded(project: Project) -> anyhow::Result<Project> {
    if project.problems.has_errors() {
        super::check::print(project.problems);
        anyhow::bail!("the project has errors");
    }
    Ok(project)
}
