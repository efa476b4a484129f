//! A request as a `curl` command that can be run: what must not be seen stands as a variable of the shell.

use http::header::AUTHORIZATION;
use serde::Serialize;
use utoipa::ToSchema;

use crate::action::ValueSource;

use super::parts::{RequestParts, Segment, Shell, joined, shell_name};

/// A variable that a `curl` command reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ShellVariable {
    /// Its name.
    pub variable: String,
    /// What to set it to.
    pub meaning: String,
}

/// The command, and the variables that it reads. `parts` has the headers of the definitions alone.
pub(super) fn command(method: &str, parts: &RequestParts) -> (String, Vec<ShellVariable>) {
    let mut writer = Writer { line: String::new(), variables: Vec::new() };
    writer.line.push_str(match method {
        "GET" => "curl",
        "HEAD" => "curl --head",
        _ => "curl -X ",
    });
    if !matches!(method, "GET" | "HEAD") {
        writer.line.push_str(method);
    }
    // Signs that curl would read as a pattern of several URLs.
    if parts.url.iter().any(|segment| segment.text.contains(['[', ']', '{', '}'])) {
        writer.line.push_str(" --globoff");
    }
    writer.line.push(' ');
    writer.word("", &parts.url);
    for (name, value) in &parts.headers {
        let basic = value.iter().find_map(|segment| match &segment.shell {
            Some(Shell::Basic { username, password }) => Some((username, password)),
            Some(Shell::Variable { .. }) | None => None,
        });
        match basic {
            Some((username, password)) if *name == AUTHORIZATION => {
                writer.line.push_str(" -u ");
                writer.value(username, "username");
                writer.text(":");
                writer.value(password, "password");
            }
            // A header without a value is written in another way (curl's manual).
            _ if joined(value).is_empty() => writer.line.push_str(&format!(" -H '{name};'")),
            _ => {
                writer.line.push_str(" -H ");
                writer.word(&format!("{name}: "), value);
            }
        }
    }
    if let Some(body) = &parts.body {
        writer.line.push_str(" --data-raw ");
        writer.word("", body);
    }
    (writer.line, writer.variables)
}

struct Writer {
    line: String,
    variables: Vec<ShellVariable>,
}

impl Writer {
    /// One word of a POSIX shell.
    fn word(&mut self, before: &str, segments: &[Segment]) {
        let mut fixed = before.to_owned();
        let mut is_empty = true;
        for segment in segments {
            match &segment.shell {
                Some(Shell::Variable { before, name, meaning, after }) => {
                    fixed.push_str(before);
                    if !fixed.is_empty() {
                        self.text(&std::mem::take(&mut fixed));
                    }
                    self.variable(name, meaning);
                    fixed.push_str(after);
                    is_empty = false;
                }
                Some(Shell::Basic { .. }) | None => fixed.push_str(&segment.text),
            }
        }
        if !fixed.is_empty() || is_empty {
            self.text(&fixed);
        }
    }

    /// Fixed text, in single quotes.
    fn text(&mut self, text: &str) {
        self.line.push_str(&format!("'{}'", text.replace('\'', r"'\''")));
    }

    /// A variable; two that mean two things have two names.
    fn variable(&mut self, name: &str, meaning: &str) {
        let known = self.variables.iter().find(|known| known.meaning == meaning);
        let name = known.map(|known| known.variable.clone()).unwrap_or_else(|| {
            let is_free = |name: &String| !self.variables.iter().any(|known| known.variable == *name);
            let numbered = (2..).map(|number| format!("{name}_{number}"));
            let mut names = std::iter::once(name.to_owned()).chain(numbered);
            let name = names.find(is_free).unwrap_or_default();
            self.variables.push(ShellVariable { variable: name.clone(), meaning: meaning.to_owned() });
            name
        });
        self.line.push_str(&format!("\"${name}\""));
    }

    fn value(&mut self, source: &ValueSource, what: &str) {
        match source {
            ValueSource::Secret { name, prefix } => {
                if !prefix.is_empty() {
                    self.text(prefix);
                }
                self.variable(&shell_name(name), &format!("the secret `{name}`"));
            }
            ValueSource::Plain(_) => {
                self.variable(&shell_name(what), &format!("the {what} of the connector"));
            }
        }
    }
}
