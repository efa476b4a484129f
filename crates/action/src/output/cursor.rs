//! A place in JSON text that is known to be valid.

use std::borrow::Cow;
use std::ops::Range;

/// Walks JSON text without reading what it says.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next byte; 0 at the end.
    pub(super) fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    pub(super) fn skip_space(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
    }

    /// Goes past the space and the commas before the next member or item;
    /// false, and past its bracket, where the object or list is over.
    pub(super) fn next_in(&mut self) -> bool {
        loop {
            match self.peek() {
                b',' | b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                b']' | b'}' | 0 => {
                    self.at += 1;
                    return false;
                }
                _ => return true,
            }
        }
    }

    /// Passes a member's name and the colon after it; where the name stands.
    pub(super) fn skip_name(&mut self) -> Range<usize> {
        let start = self.at;
        self.skip_string();
        let name = start..self.at;
        self.skip_space();
        self.at += 1;
        self.skip_space();
        name
    }

    /// What the string at `place`, quotes included, says.
    pub(super) fn content(&self, place: Range<usize>) -> Cow<'a, str> {
        let quoted = self.text.get(place).unwrap_or_default();
        if quoted.contains('\\') {
            Cow::Owned(serde_json::from_str(quoted).unwrap_or_default())
        } else {
            Cow::Borrowed(quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default())
        }
    }

    pub(super) fn skip_string(&mut self) {
        self.at += 1;
        loop {
            match self.peek() {
                b'"' | 0 => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at = (self.at + 1).min(self.text.len());
    }

    /// Passes a number, `true`, `false` or `null`.
    pub(super) fn skip_word(&mut self) {
        while !matches!(self.peek(), b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r' | 0) {
            self.at += 1;
        }
    }

    /// Passes a value of any depth.
    pub(super) fn skip_value(&mut self) {
        let mut depth = 0_usize;
        loop {
            match self.peek() {
                b'"' => self.skip_string(),
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                }
                b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' if depth > 0 => self.at += 1,
                0 => return,
                _ => self.skip_word_or_byte(),
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn skip_word_or_byte(&mut self) {
        let start = self.at;
        self.skip_word();
        if self.at == start {
            self.at += 1;
        }
    }
}
