//! `CALLGATE_…` variables: settings from outside the file, each judged by itself.

use serde_json::{Map, Value};

use crate::definition::schema::Checker;
use crate::definition::{Document, Problem, Problems};
use crate::secrets::Sources;
use callgate_text::closest;

use super::extract::extract;
use super::sections::{Settings, schema};
use super::text::value_of;

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
    "agents",
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
    pub(super) settings: Map<String, Value>,
}

/// The variables of the process that set something and may; what is wrong with
/// the others is added to `problems`.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the process's environment")]
pub(super) fn read(problems: &mut Problems) -> Vec<Variable> {
    warn_of_strangers(problems);
    let checker = Checker::new(schema(), false);
    let mut good = Vec::new();
    for (name, text) in std::env::vars_os() {
        let (name, text) = (name.to_string_lossy(), text.to_string_lossy());
        let Some(variable) = Variable::parse(&name, &text) else { continue };
        let wrong = variable.judge(&checker);
        if wrong.is_empty() {
            good.push(variable);
        }
        problems.extend(wrong);
    }
    good
}

impl Variable {
    /// The variable `name` with this text, where it sets something. Names do not tell capitals from small letters.
    fn parse(name: &str, text: &str) -> Option<Self> {
        let name = name.trim();
        let key = name.get(PREFIX.len()..).filter(|_| name[..PREFIX.len()].eq_ignore_ascii_case(PREFIX))?;
        let key = key.trim().to_ascii_lowercase();
        if !SECTIONS.contains(&key.split("__").next()?) || key.split('.').any(str::is_empty) {
            return None;
        }
        let path = key.replace("__", ".");
        // Names that follow an empty one say nothing.
        let names: Vec<&str> = path.split('.').take_while(|name| !name.is_empty()).collect();
        let nested = names
            .iter()
            .rev()
            .fold(value_of(text), |value, name| Value::Object(Map::from_iter([((*name).to_owned(), value)])));
        let Value::Object(settings) = nested else { return None };
        let name = format!("{PREFIX}{}", key.to_ascii_uppercase());
        Some(Self { name, pointer: format!("/{}", path.replace('.', "/")), settings })
    }

    /// What is wrong with it, whatever else is set: what it lacks may stand in the file, or
    /// in another variable.
    fn judge(&self, checker: &Checker) -> Vec<Problem> {
        let value = Value::Object(self.settings.clone());
        let mut wrong = checker.check(&Document::without_places(&self.name, value.clone())).problems;
        wrong.retain(|problem| problem.code != "missing_key");
        for problem in wrong.iter_mut().filter(|problem| problem.message.contains("must be a list")) {
            problem.hint = Some("a list is written [production, staging]".to_owned());
        }
        if !wrong.is_empty() {
            return wrong;
        }
        let unfit = extract::<Settings>(&value).err().filter(|unfit| !unfit.is_missing);
        let problem = unfit.map(|unfit| Problem::error(&self.name, (0, 0), "invalid_setting", unfit.reason));
        problem.into_iter().collect()
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

/// Lays `over` over `settings`: a section over a section, anything else in place of what was there.
pub(super) fn lay_over(settings: &mut Map<String, Value>, over: Map<String, Value>) {
    for (name, value) in over {
        match (settings.get_mut(&name), value) {
            (Some(Value::Object(below)), Value::Object(above)) => lay_over(below, above),
            (_, value) => {
                settings.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(name: &str, text: &str, expected: Option<(&str, &str, Value)>) {
        let variable = Variable::parse(name, text);
        let read = variable.map(|read| (read.name, read.pointer, Value::Object(read.settings)));
        assert_eq!(read, expected.map(|(name, at, value)| (name.to_owned(), at.to_owned(), value)), "{name}");
    }

    #[test]
    fn a_name_says_what_is_set_and_a_text_to_what() {
        check(
            "CALLGATE_LOG__LEVEL",
            "debug",
            Some(("CALLGATE_LOG__LEVEL", "/log/level", json!({"log": {"level": "debug"}}))),
        );
        check(
            "callgate_Server__Rate__Burst",
            "5",
            Some((
                "CALLGATE_SERVER__RATE__BURST",
                "/server/rate/burst",
                json!({"server": {"rate": {"burst": 5}}}),
            )),
        );
        check(
            "CALLGATE_ENVIRONMENTS",
            "[a, b]",
            Some(("CALLGATE_ENVIRONMENTS", "/environments", json!({"environments": ["a", "b"]}))),
        );
        check(
            "CALLGATE_LOG____LEVEL",
            "debug",
            Some(("CALLGATE_LOG____LEVEL", "/log//level", json!({"log": "debug"}))),
        );
        for stranger in
            ["CALLGATE_EXTERNAL", "CALLGATE_SECRET__A__B", "CALLGATE_LOG.LEVEL", "LOG__LEVEL", "CALLGÄTE", ""]
        {
            check(stranger, "debug", None);
        }
    }

    #[test]
    fn sections_are_laid_over_each_other_and_lists_are_replaced() {
        let object = |value: Value| value.as_object().cloned().unwrap();
        let mut settings =
            object(json!({"log": {"level": "info", "format": "text"}, "environments": ["a", "b"]}));
        lay_over(
            &mut settings,
            object(json!({"log": {"level": "debug"}, "environments": ["c"], "store": {}})),
        );
        let expected =
            json!({"log": {"level": "debug", "format": "text"}, "environments": ["c"], "store": {}});
        assert_eq!(Value::Object(settings), expected);
    }
}
