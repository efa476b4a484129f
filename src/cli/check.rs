//! `callgate check`

use std::path::PathBuf;
use std::process::ExitCode;

use callgate::definition::Problems;
use callgate::project;
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The project directory
    #[arg(default_value = ".", value_name = "DIR")]
    dir: PathBuf,
    /// Print `[{severity, file, line, column, code, message, hint}]`
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(crate) fn run(self) -> ExitCode {
        let project = project::load(&self.dir, None);
        let failed = project.problems.has_errors();
        if self.json {
            let problems = project.problems.sorted();
            let text = serde_json::to_string_pretty(&problems).unwrap_or_else(|_| "[]".to_owned());
            // A reader that has gone changes nothing about the verdict.
            let _ = super::print_line(&text);
        } else if project.problems.as_slice().is_empty() {
            let environments = project.deployment.catalog.environments();
            let actions = environments.iter().map(|one| one.actions.len()).max().unwrap_or(0);
            println!(
                "no problems: {}, environments {}",
                count(actions, "action"),
                project.deployment.environment_names().join(", ")
            );
        } else {
            print(project.problems);
        }
        if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

/// Prints problems for people, to standard error.
pub(super) fn print(problems: Problems) {
    let (errors, warnings) = problems.counts();
    for problem in problems.sorted() {
        eprintln!("{problem}");
    }
    eprintln!("{}, {}", count(errors, "error"), count(warnings, "warning"));
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
