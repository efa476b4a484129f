//! `CALLGATE_…` variables: settings from outside the file, each judged by itself.

use figment::Figment;
use figment::providers::{Env, Serialized};
use figment::value::{Dict, Value};

use crate::definition::schema::Checker;
use crate::definition::{Document, Problem, Problems};
use crate::secrets::Sources;
use callgate_text::closest;

use super::{Settings, schema};

/// How the names of variables start.
const PREFIX: &str = "CALLGATE_";

/// What begins the names of variables that set something.
const SECTIONS: &[&str] = &[
    "environments",
    "server",
    "limits",
    "store",
    "secrets",
    "sealing",
    "log",
    "traces",
    "keys",
    "egress",
    "webhooks",
    "mcp",
    "conversations",
];

/// A variable that sets something.
#[derive(Debug)]
pub(super) struct Variable {
    /// As the process has it: `CALLGATE_LOG__LEVEL`.
    pub(super) name: String,
    /// What it sets: `/log/level`.
    pub(super) pointer: String,
    /// The settings that hold nothing else.
    pub(super) settings: Dict,
}

/// The variables of the process that set something and may; what is wrong with
/// the others is added to `problems`.
pub(super) fn read(problems: &mut Problems) -> Vec<Variable> {
    warn_of_strangers(problems);
    let section_of = |key: &str| key.split("__").next().unwrap_or_default().to_ascii_lowercase();
    let variables =
        Env::prefixed(PREFIX).filter(move |key| SECTIONS.contains(&section_of(key.as_str()).as_str()));
    let checker = Checker::new(schema(), false);
    let mut good = Vec::new();
    for (key, text) in variables.iter() {
        let path = key.as_str().replace("__", ".");
        let Ok(value) = text.parse::<Value>();
        let Some(settings) = figment::util::nest(&path, value).into_dict() else { continue };
        let name = format!("{PREFIX}{}", key.as_str().to_ascii_uppercase());
        let variable = Variable { name, pointer: format!("/{}", path.replace('.', "/")), settings };
        let wrong = variable.judge(&checker);
        if wrong.is_empty() {
            good.push(variable);
        }
        problems.extend(wrong);
    }
    good
}

impl Variable {
    /// What is wrong with it, whatever else is set: what it lacks may stand in the file, or
    /// in another variable.
    fn judge(&self, checker: &Checker) -> Vec<Problem> {
        let value = serde_json::to_value(&self.settings).unwrap_or_default();
        let mut wrong = checker.check(&Document::without_places(&self.name, value)).problems;
        wrong.retain(|problem| problem.code != "missing_key");
        for problem in wrong.iter_mut().filter(|problem| problem.message.contains("must be a list")) {
            problem.hint = Some("a list is written [production, staging]".to_owned());
        }
        if !wrong.is_empty() {
            return wrong;
        }
        let read = Figment::from(Serialized::defaults(&self.settings)).extract::<Settings>();
        let errors = read.err().into_iter().flatten();
        errors
            .filter(|error| !matches!(error.kind, figment::error::Kind::MissingField(_)))
            .map(|error| Problem::error(&self.name, (0, 0), "invalid_setting", explain(&error.kind)))
            .collect()
    }

    /// Whether it sets the value at `pointer`, or what that value is a part of. Names of
    /// variables do not tell capitals from small letters.
    pub(super) fn sets(set: &str, pointer: &str) -> bool {
        let head = pointer.get(..set.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(set))
            && matches!(pointer.as_bytes().get(set.len()), None | Some(b'/'))
    }
}

/// Warns of variables that were meant to set something, but do not.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the process's environment")]
fn warn_of_strangers(problems: &mut Problems) {
    for (name, _) in std::env::vars_os() {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
        let Some((section, _)) = name[PREFIX.len()..].split_once("__") else { continue };
        let section = section.to_ascii_lowercase();
        if !name.starts_with(Sources::PREFIX) && !SECTIONS.contains(&section.as_str()) {
            let hint = closest(&section, SECTIONS)
                .map(|near| format!("did you mean `CALLGATE_{}__…`?", near.to_uppercase()));
            let message = "this environment variable sets nothing";
            problems.push(Problem::warning(name, (0, 0), "unknown_variable", message).maybe_hint(hint));
        }
    }
}

/// What figment says, for people.
pub(super) fn explain(kind: &figment::error::Kind) -> String {
    let text = kind.to_string();
    if text.contains("socket address") {
        return "must be an IP address and a port, such as 127.0.0.1:8080".to_owned();
    }
    text.replace("a nonzero usize", "a whole number from 1 on")
        .replace("usize", "a whole number")
        .replace("u64", "a whole number")
        .replace("struct ", "the section ")
        // serde puts a list of names into quotes of its own.
        .replace("`one of `", "one of `")
        .replace("``", "`")
}
