//! The words of an answer, without the thinking that some models write in front of them.

use super::limits::MAX_TEXT;
use super::reply::{Delta, StreamError};

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";
/// Most white space in front of which `<think>` is still looked for.
const MAX_SPACE: usize = 64;

/// Collects what is said.
#[derive(Debug)]
pub(crate) struct Said {
    text: String,
    place: Place,
    bytes: usize,
}

/// Where in an answer the next piece belongs.
#[derive(Debug)]
enum Place {
    /// At the beginning: what is held may become `<think>`.
    Beginning(String),
    /// In `<think>`; the end of what was read, which may become `</think>`.
    Thought(String),
    /// Between `</think>` and the first word.
    Gap,
    /// In the words.
    Words,
}

impl Said {
    /// Takes everything for words.
    pub(crate) fn plain() -> Self {
        Self { text: String::new(), place: Place::Words, bytes: 0 }
    }

    /// Leaves out `<think>…</think>` at the beginning.
    pub(crate) fn without_thinking() -> Self {
        Self { place: Place::Beginning(String::new()), ..Self::plain() }
    }

    /// Takes a piece of the answer, and gives what of it can be said now.
    ///
    /// # Errors
    ///
    /// The answer has more than 1 MiB.
    pub(crate) fn push(&mut self, piece: &str, out: &mut Vec<Delta>) -> Result<(), StreamError> {
        self.bytes = self.bytes.saturating_add(piece.len());
        if self.bytes > MAX_TEXT {
            return Err(StreamError::TooLarge("the text"));
        }
        let mut rest = piece.to_owned();
        loop {
            match &mut self.place {
                Place::Beginning(held) => {
                    held.push_str(&rest);
                    let begun = held.trim_start();
                    if let Some(thought) = begun.strip_prefix(OPEN) {
                        rest = thought.to_owned();
                        self.place = Place::Thought(String::new());
                        continue;
                    }
                    if OPEN.starts_with(begun) && held.len() <= MAX_SPACE {
                        return Ok(());
                    }
                    rest = std::mem::take(held);
                    self.place = Place::Words;
                }
                Place::Thought(end) => {
                    end.push_str(&rest);
                    let Some((_, after)) = end.split_once(CLOSE) else {
                        let kept = (1..CLOSE.len()).rev().find(|length| end.ends_with(&CLOSE[..*length]));
                        *end = CLOSE[..kept.unwrap_or_default()].to_owned();
                        return Ok(());
                    };
                    rest = after.to_owned();
                    self.place = Place::Gap;
                }
                Place::Gap => {
                    rest = rest.trim_start().to_owned();
                    if rest.is_empty() {
                        return Ok(());
                    }
                    self.place = Place::Words;
                }
                Place::Words => {
                    self.say(rest, out);
                    return Ok(());
                }
            }
        }
    }

    /// Gives what was held back: no more of the answer decides what it is.
    pub(crate) fn settle(&mut self, out: &mut Vec<Delta>) {
        if let Place::Beginning(held) = &mut self.place {
            let held = std::mem::take(held);
            self.place = Place::Words;
            self.say(held, out);
        }
    }

    fn say(&mut self, words: String, out: &mut Vec<Delta>) {
        if !words.is_empty() {
            self.text.push_str(&words);
            out.push(Delta::Text(words));
        }
    }

    /// What has been said.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What has been said, and nothing more comes.
    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(pieces: &[&str]) -> String {
        let (mut said, mut out) = (Said::without_thinking(), Vec::new());
        for piece in pieces {
            said.push(piece, &mut out).unwrap();
        }
        said.settle(&mut out);
        let told: String = out.into_iter().map(|Delta::Text(text)| text).collect();
        assert_eq!(told, said.text());
        told
    }

    #[test]
    fn thinking_at_the_beginning_is_not_said_in_whatever_pieces_it_comes() {
        for (text, expected) in [
            ("<think>They want </thin food.</think>\n\nHello <think>x</think>", "Hello <think>x</think>"),
            ("\n <think></think>Hello", "Hello"),
            ("<think>never ends</think", ""),
            ("<thin", "<thin"),
            ("<thinking>is fine", "<thinking>is fine"),
            ("Hello <think>", "Hello <think>"),
            ("  Hello", "  Hello"),
            ("<think>\u{fc}ber</think>\u{fc}", "\u{fc}"),
        ] {
            assert_eq!(said(&[text]), expected);
            for at in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
                assert_eq!(said(&[&text[..at], &text[at..]]), expected, "{text} at {at}");
            }
            let each: Vec<String> = text.chars().map(String::from).collect();
            let each: Vec<&str> = each.iter().map(String::as_str).collect();
            assert_eq!(said(&each), expected, "{text} letter by letter");
        }
    }

    #[test]
    fn words_are_given_as_soon_as_they_cannot_be_thinking() {
        let (mut said, mut out) = (Said::without_thinking(), Vec::new());
        said.push("<th", &mut out).unwrap();
        assert_eq!(out, []);
        said.push("ree", &mut out).unwrap();
        assert_eq!(out, [Delta::Text("<three".to_owned())]);
    }

    #[test]
    fn white_space_is_not_held_back_for_ever() {
        let (mut said, mut out) = (Said::without_thinking(), Vec::new());
        (0..=MAX_SPACE).for_each(|_| said.push(" ", &mut out).unwrap());
        assert_eq!(said.text().len(), MAX_SPACE + 1);
    }

    #[test]
    fn a_text_has_a_largest_size_with_its_thinking() {
        let mut said = Said::without_thinking();
        let piece = "x".repeat(MAX_TEXT);
        assert_eq!(said.push("<think>", &mut Vec::new()), Ok(()));
        assert_eq!(said.push(&piece, &mut Vec::new()), Err(StreamError::TooLarge("the text")));
    }
}
