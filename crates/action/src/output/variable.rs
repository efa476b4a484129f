//! Output variables, as they are defined.

use std::borrow::Cow;

use callgate_definition::OutputVariableDefinition;
use http::HeaderName;
use serde_json::Value;

use super::source::{ResponseProblem, Source};

/// A value to take from a response.
#[derive(Debug)]
pub struct Output {
    /// Dotted name of the variable.
    pub name: String,
    pub(super) source: Source,
    /// Whether the model is shown the value under `variables`.
    pub shown: bool,
    /// Whether the value is removed from the body that the model sees.
    pub hidden: bool,
    /// Whether the value is redacted in logs and events.
    pub sensitive: bool,
    /// Whether the variable keeps its value where an answer has none for it.
    pub keeps: bool,
}

impl Output {
    /// Compiles a definition.
    ///
    /// # Errors
    ///
    /// Every key that its source does not take, and why a path or a name is refused.
    pub(crate) fn compile(definition: &OutputVariableDefinition) -> Result<Self, Vec<ResponseProblem>> {
        Ok(Self {
            name: definition.name.clone(),
            source: Source::compile(definition)?,
            shown: definition.expose == Some(true),
            hidden: definition.expose == Some(false)
                || definition.sensitive && definition.expose != Some(true),
            sensitive: definition.sensitive,
            keeps: definition.keep,
        })
    }

    /// Whether its value is a part of the body.
    pub fn is_of_body(&self) -> bool {
        matches!(self.source, Source::Body(_))
    }

    /// Whether its value is the header of this name.
    pub fn is_of_header(&self, name: &HeaderName) -> bool {
        matches!(&self.source, Source::Header(of) if of == name)
    }

    /// Whether its value is all of the body, also where that is a text.
    pub fn is_all_of_body(&self) -> bool {
        matches!(&self.source, Source::Body(path) if path.is_root())
    }

    /// What of the body is its value; see [`Path::locate`](super::Path::locate).
    pub(super) fn locate<'b>(&'b self, body: &'b Value, found: impl FnMut(Cow<'b, str>, &'b Value)) -> bool {
        match &self.source {
            Source::Body(path) => path.locate(body, found),
            Source::Header(_) | Source::Status => true,
        }
    }
}
