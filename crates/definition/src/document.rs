//! A file as a JSON value that remembers where each part of it stands.

use std::collections::HashMap;

use serde_json::Value;

/// Where a value stands in its file. Lines and columns are 1-based, columns
/// count characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Where the key before the value starts, if it has one.
    pub key: Option<(usize, usize)>,
    /// Where the value starts.
    pub value: (usize, usize),
    /// Where the text of a string starts: after the opening quote, or on the
    /// line after `|`. `None` where positions inside cannot be told (folded
    /// or escaped text).
    pub text: Option<TextPlace>,
}

/// Where the characters of a string stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextPlace {
    /// Line of its first character.
    pub line: usize,
    /// Column of its first character; of every line for a block scalar.
    pub column: usize,
    /// Whether each line starts at `column` (a block scalar).
    pub block: bool,
}

/// A parsed file.
#[derive(Clone, Debug)]
pub struct Document {
    /// The name to report, relative to the project.
    pub file: String,
    /// What it says.
    pub value: Value,
    /// JSON Pointer (RFC 6901) to place.
    pub(super) places: HashMap<String, Place>,
}

impl Document {
    /// A value that stands in no file: all its places are 0:0.
    pub fn without_places(name: &str, value: Value) -> Self {
        let nowhere = Place { value: (0, 0), ..Place::default() };
        Self { file: name.to_owned(), value, places: HashMap::from([(String::new(), nowhere)]) }
    }

    /// The place of `pointer`, or of its nearest ancestor that exists.
    pub fn place(&self, pointer: &str) -> Place {
        let mut pointer = pointer;
        loop {
            if let Some(place) = self.places.get(pointer) {
                return *place;
            }
            match pointer.rfind('/') {
                Some(cut) => pointer = &pointer[..cut],
                None => return Place { value: (1, 1), ..Place::default() },
            }
        }
    }

    /// Where the value at `pointer` starts.
    pub fn at_value(&self, pointer: &str) -> (usize, usize) {
        self.place(pointer).value
    }

    /// Where the key of the value at `pointer` starts.
    pub fn at_key(&self, pointer: &str) -> (usize, usize) {
        let place = self.place(pointer);
        place.key.unwrap_or(place.value)
    }

    /// Where line `line`, column `column` (1-based) of the string at `pointer`
    /// stands in the file.
    pub fn at_text(&self, pointer: &str, line: usize, column: usize) -> (usize, usize) {
        let place = self.place(pointer);
        match place.text {
            Some(text) if text.block => (text.line + line - 1, text.column + column - 1),
            Some(text) if line == 1 => (text.line, text.column + column - 1),
            _ => place.value,
        }
    }
}
