//! The syntaxes that files are written in.

use super::document::Document;
use super::problem::Problem;
use super::{toml, yaml};

/// The syntax of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// YAML 1.2 (JSON is YAML too).
    Yaml,
    /// TOML 1.0.
    Toml,
}

impl Document {
    /// Parses `text`.
    ///
    /// # Errors
    ///
    /// Every syntax error and every repeated key, each with its place.
    pub fn parse(file: &str, text: &str, format: Format) -> Result<Self, Vec<Problem>> {
        match format {
            Format::Yaml => yaml::parse(file, text),
            Format::Toml => toml::parse(file, text),
        }
    }
}
