//! What can be wrong with a template, and with one rendering of it.
//!
//! Messages hold names, types and positions, never a value of the data: values may be secrets.

use super::tree::Root;

/// A place in the source: byte offset, line and column from 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) offset: usize,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// The stable code of a [`TemplateError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TemplateErrorCode {
    /// The text is not a template, or uses a name or an argument count that Go refuses.
    TemplateSyntax,
    /// The text uses a construct or a function outside the restricted language.
    ForbiddenConstruct,
    /// The place of a value in the JSON text cannot be told, or differs between branches.
    AmbiguousContext,
    /// The text can never render to what its target demands.
    InvalidTemplateOutput,
}

impl TemplateErrorCode {
    /// Returns the code as it appears in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TemplateSyntax => "template_syntax",
            Self::ForbiddenConstruct => "forbidden_construct",
            Self::AmbiguousContext => "ambiguous_context",
            Self::InvalidTemplateOutput => "invalid_template_output",
        }
    }
}

/// A problem found when a template is loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// The kind of problem.
    pub code: TemplateErrorCode,
    /// The line in the template's source, from 1.
    pub line: usize,
    /// The column in the template's source, from 1, in characters.
    pub column: usize,
    /// What is wrong, as a lowercase fragment.
    pub message: String,
    /// The word or sign at fault, where there is one.
    pub construct: Option<String>,
    /// How to write it instead, where that is known.
    pub hint: Option<String>,
}

impl TemplateError {
    /// Builds an error; long pieces of the source are cut.
    pub(super) fn new(
        code: TemplateErrorCode,
        place: Place,
        message: String,
        construct: Option<&str>,
        hint: Option<String>,
    ) -> Self {
        let construct = construct.map(|construct| clip(construct.to_owned()));
        Self {
            code,
            line: place.line,
            column: place.column,
            message: clip(message),
            construct,
            hint: hint.map(clip),
        }
    }
}

/// The most characters of a source that one message shows.
const MAX_SHOWN: usize = 200;

/// Cuts text of a source for a message.
pub(super) fn clip(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MAX_SHOWN) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// The stable code of a [`RenderError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RenderErrorCode {
    /// A value that has to be printed or ordered is absent or null.
    MissingVariable,
    /// An operation does not fit the value it met.
    TemplateError,
    /// The rendered text is not what its target demands.
    InvalidTemplateOutput,
}

impl RenderErrorCode {
    /// Returns the code as it appears in tool results.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MissingVariable => "missing_variable",
            Self::TemplateError => "template_error",
            Self::InvalidTemplateOutput => "invalid_template_output",
        }
    }
}

/// A problem met while a template is rendered with one call's data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RenderError {
    /// The kind of problem.
    pub code: RenderErrorCode,
    /// The reference or call at fault, as the template writes it.
    pub reference: Option<String>,
    /// Where the reference leads, if that is known without the data.
    pub root_and_path: Option<(Root, Vec<String>)>,
    /// The line from 1: in the template's source, or in the rendered text for `invalid_template_output`.
    pub line: usize,
    /// The column from 1, in characters (bytes of the rendered text for `invalid_template_output`).
    pub column: usize,
    /// What is wrong, as a lowercase fragment without any value of the data.
    pub message: String,
}
