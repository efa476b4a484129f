//! What `callgate check` reports: one problem, its place, its rule, a way out.

use std::fmt;

use serde::Serialize;

/// How bad a [`Problem`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The project is not served.
    Error,
    /// The project is served; somebody should look.
    Warning,
}

/// One thing that is wrong in a project, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Whether the project can be served all the same.
    pub severity: Severity,
    /// The file, as it was named to the reader (relative to the project).
    pub file: String,
    /// Line of the culprit, 1-based; 0 where the file as a whole is meant.
    pub line: usize,
    /// Column of the culprit in characters, 1-based; 0 with line 0.
    pub column: usize,
    /// Stable name of the rule, such as `unknown_key`.
    pub code: &'static str,
    /// What is wrong: a lowercase fragment with the culprit in backticks.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Problem {
    /// Makes an error at a place.
    pub fn error(
        file: &str,
        (line, column): (usize, usize),
        code: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Error,
            file: file.to_owned(),
            line,
            column,
            code,
            message: message.into(),
            hint: None,
        }
    }

    /// Makes a warning at a place.
    pub fn warning(
        file: &str,
        place: (usize, usize),
        code: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self { severity: Severity::Warning, ..Self::error(file, place, code, message) }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what to do about it, where that is known.
    #[must_use]
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {severity}[{}]: {}", self.code, self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "\n    hint: {hint}")?;
        }
        Ok(())
    }
}

/// Problems found so far, in the order of finding and without repeats.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Adds a problem unless the very same one is known already (a file is
    /// compiled once per environment and says the same thing each time).
    pub fn push(&mut self, problem: Problem) {
        if !self.0.contains(&problem) {
            self.0.push(problem);
        }
    }

    /// Adds all of `more`.
    pub fn extend(&mut self, more: impl IntoIterator<Item = Problem>) {
        for problem in more {
            self.push(problem);
        }
    }

    /// Whether any of them keeps the project from being served.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// How many errors and how many warnings there are.
    pub fn counts(&self) -> (usize, usize) {
        let errors = self.0.iter().filter(|p| p.severity == Severity::Error).count();
        (errors, self.0.len() - errors)
    }

    /// The problems by file, then by place, errors and warnings mixed.
    #[must_use]
    pub fn sorted(mut self) -> Vec<Problem> {
        self.0.sort_by(|a, b| {
            (&a.file, a.line, a.column, a.severity).cmp(&(&b.file, b.line, b.column, b.severity))
        });
        self.0
    }

    /// The problems as found.
    pub fn as_slice(&self) -> &[Problem] {
        &self.0
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
