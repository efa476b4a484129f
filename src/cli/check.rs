//! `callgate check`

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use callgate::definition::Problems;
use callgate::dialect::lower::Count;
use callgate::dialect::{Dialect, UnknownDialect};
use callgate::executor::ServedEnvironment;
use callgate::project::{self, Project};
use callgate::tool::ToolSpec;
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The project directory
    #[arg(default_value = ".", value_name = "DIR")]
    dir: PathBuf,
    /// Print `[{severity, file, line, column, code, message, hint}]`
    #[arg(long)]
    json: bool,
    /// Warn of what a provider loses of the schemas, and of its limits: a format of `tools`, or `all`;
    /// may be repeated
    #[arg(long, value_name = "NAME", value_parser = Dialects::from_str)]
    dialect: Vec<Dialects>,
}

/// One dialect, or all of them.
#[derive(Clone, Debug)]
struct Dialects(Vec<Dialect>);

impl FromStr for Dialects {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        if name == "all" {
            return Ok(Self(Dialect::ALL.to_vec()));
        }
        name.parse()
            .map(|dialect| Self(vec![dialect]))
            .map_err(|error: UnknownDialect| format!("{error}, and all"))
    }
}

impl Check {
    pub(crate) fn run(self) -> ExitCode {
        let mut project = project::load(&self.dir, None);
        let dialects: Vec<Dialect> = self.dialect.iter().flat_map(|one| one.0.iter().copied()).collect();
        project::check_dialects(&mut project, &dialects);
        if !self.json {
            summarize(&project, &dialects);
        }
        let failed = project.problems.has_errors();
        if self.json {
            let problems = project.problems.sorted();
            let text = serde_json::to_string_pretty(&problems).unwrap_or_else(|_| "[]".to_owned());
            // A reader that has gone changes nothing about the verdict.
            let _ = super::print_line(&text);
        } else if project.problems.as_slice().is_empty() {
            let environments = project.deployment.environments();
            let actions = environments.iter().map(|one| one.actions.len()).max().unwrap_or(0);
            let agents = environments.iter().map(|one| one.agents().count()).max().unwrap_or(0);
            let agents = if agents == 0 { String::new() } else { format!(", {}", count(agents, "agent")) };
            println!(
                "no problems: {}{agents}, environments {}",
                count(actions, "action"),
                project.deployment.environment_names().join(", ")
            );
        } else {
            print(project.problems);
        }
        if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

/// Prints a line for each dialect: what became of all keywords, and the counts next to their limits.
fn summarize(project: &Project, dialects: &[Dialect]) {
    let mut seen = BTreeSet::new();
    let environments = project.deployment.environments().iter();
    let actions: Vec<_> = environments
        .flat_map(ServedEnvironment::offered)
        .map(|served| &served.action)
        .filter(|action| seen.insert(action.file.as_str()))
        .collect();
    let modes = dialects.iter().flat_map(|dialect| {
        [Some((dialect, false)), dialect.has_strict().then_some((dialect, true))].into_iter().flatten()
    });
    for (dialect, strict) in modes {
        let mut totals = [0; 3];
        // The most of any tool, next to the limit.
        let mut most: Vec<Count> = Vec::new();
        for action in &actions {
            let report = dialect.report(ToolSpec::from(*action), strict);
            let [kept, lowered, lost] = report.totals();
            totals = [totals[0] + kept, totals[1] + lowered, totals[2] + lost];
            for count in report.counts.into_iter().filter(|count| count.limit.is_some()) {
                match most.iter_mut().find(|known| known.what == count.what) {
                    Some(known) => known.found = known.found.max(count.found),
                    None => most.push(count),
                }
            }
        }
        let [kept, lowered, lost] = totals;
        let limits: Vec<String> = most
            .iter()
            .map(|count| format!("{} of {} {}", count.found, count.limit.unwrap_or_default(), count.what))
            .collect();
        println!(
            "{dialect}{}: {}; keywords: {kept} kept, {lowered} lowered, {lost} lost; at most {}",
            if strict { " strict" } else { "" },
            self::count(actions.len(), "tool"),
            if limits.is_empty() { "anything".to_owned() } else { limits.join(", ") }
        );
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
