//! Places in the files of a project.

use callgate_definition::{Document, Problem, Problems};
use callgate_text::push_token;

/// A place in a file of the project, for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenAt {
    /// The file, relative to the project.
    pub file: String,
    /// Line and column.
    pub place: (usize, usize),
}

impl WrittenAt {
    pub(crate) fn at(document: &Document, pointer: &str) -> Self {
        Self { file: document.file.clone(), place: document.at_value(pointer) }
    }
}

/// A place that needs a secret; whether the environment has it is for others
/// to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretUse {
    /// Name of the secret.
    pub name: String,
    /// The environment that needs it.
    pub environment: String,
    /// The file that names it.
    pub file: String,
    /// Where in the file.
    pub place: (usize, usize),
}

impl SecretUse {
    /// The use of the secret `name` at `pointer`.
    pub(crate) fn at(document: &Document, pointer: &str, name: &str, environment: &str) -> Self {
        let WrittenAt { file, place } = WrittenAt::at(document, pointer);
        Self { name: name.to_owned(), environment: environment.to_owned(), file, place }
    }
}

/// Where `key` stands: in the environment's override where it is set there.
pub(crate) fn pointer(overridden: bool, environment: &str, key: &str) -> String {
    if overridden { format!("/environments/{environment}/{key}") } else { format!("/{key}") }
}

/// `base` followed by `key`, escaped (RFC 6901).
pub(crate) fn pointer_to(base: &str, key: &str) -> String {
    let mut pointer = base.to_owned();
    push_token(&mut pointer, key);
    pointer
}

/// Warns about overrides for environments that nothing else speaks of: most
/// likely misspelled, and silently without effect.
pub(crate) fn check_known<'k>(
    document: &Document,
    named: impl Iterator<Item = &'k String>,
    known: &[String],
    problems: &mut Problems,
) {
    for name in named.filter(|name| !known.contains(name)) {
        let hint = callgate_text::closest(name, known)
            .map_or_else(|| format!("known: {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
        let place = document.at_key(&pointer_to("/environments", name));
        let message = format!("nothing else speaks of an environment `{name}`");
        problems.push(Problem::warning(&document.file, place, "unknown_environment", message).hint(hint));
    }
}
