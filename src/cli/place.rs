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
        let served = project.deployment.environment_names();
        match (&self.environment, served) {
            (Some(name), _) if served.contains(name) => Ok(name.clone()),
            (Some(name), _) => anyhow::bail!("no environment `{name}`; there are: {}", served.join(", ")),
            (None, [only]) => Ok(only.clone()),
            (None, _) => anyhow::bail!("name one with --environment: {}", served.join(", ")),
        }
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
