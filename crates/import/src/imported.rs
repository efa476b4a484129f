//! What an import gives.

use secrecy::SecretString;

use super::report::Report;

/// A file to write, relative to the project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedFile {
    /// Such as `actions/get_order.yaml`.
    pub path: String,
    /// Its whole text.
    pub text: String,
}

/// A line for `secrets.toml`.
#[derive(Clone, Debug)]
pub struct ImportedSecret {
    /// The table it belongs to.
    pub environment: String,
    /// Its name.
    pub name: String,
    /// Its value, or a placeholder.
    pub value: SecretString,
    /// Whether somebody has to fill it in.
    pub is_placeholder: bool,
}

/// What an import gives.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The files, connectors first.
    pub files: Vec<ImportedFile>,
    /// The secrets they refer to, by environment.
    pub secrets: Vec<ImportedSecret>,
    /// What was done and what was not.
    pub report: Report,
}
