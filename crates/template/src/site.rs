//! Where a template stands in a file.

use std::sync::Arc;

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourcePlace {
    /// The file, relative to the project.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
}

/// Where the text of a template stands in its file.
#[derive(Clone, Debug)]
pub struct Site {
    /// The file, relative to the project.
    pub file: Arc<str>,
    /// Line and column of its first character.
    pub start: (usize, usize),
    /// Whether each of its lines starts at that column, as in a block scalar of YAML; otherwise places after the
    /// first line cannot be told.
    pub is_block: bool,
}

impl Site {
    pub(super) fn at(&self, line: usize, column: usize) -> SourcePlace {
        let (first, start) = self.start;
        let (line, column) = match (self.is_block, line) {
            (true, _) => (first + line - 1, start + column - 1),
            (false, 1) => (first, start + column - 1),
            (false, _) => (first, start),
        };
        SourcePlace { file: self.file.clone(), line, column }
    }
}
