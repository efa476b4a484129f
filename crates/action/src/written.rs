//! Places in the files of a project.

use callgate_definition::Document;

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
