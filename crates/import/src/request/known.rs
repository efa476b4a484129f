//! Placeholders whose text is known: the variables of a collection.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::infer;
use callgate_action::secret_like;

/// How often a known text may hold another placeholder.
const MAX_ROUNDS: usize = 5;
/// Longest text that anything is filled into, in bytes.
const MAX_TEXT: usize = 64 * 1024;
/// Most bytes that filling texts into each other may make.
const MAX_TOTAL: usize = 4 * 1024 * 1024;
/// Shortest text that is a secret because of its name alone.
const MIN_SECRET: usize = 6;

/// Texts by the name of their placeholder.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    texts: BTreeMap<String, String>,
    /// Names of those that are secrets, or hold one.
    secrets: BTreeSet<String>,
}

impl Known {
    /// `texts`, filled into each other; empty ones and names of types (`<string>`) are not known.
    pub(crate) fn new(texts: Vec<(String, String)>) -> Self {
        let texts =
            texts.into_iter().filter(|(_, text)| !text.is_empty() && !infer::is_stand_in(text)).collect();
        let mut known = Self { texts, secrets: BTreeSet::new() };
        known.judge();
        let mut total = 0;
        for _ in 0..MAX_ROUNDS {
            let holds = |(_, text): &(&String, &String)| text.contains("{{");
            let holders: Vec<String> =
                known.texts.iter().filter(holds).map(|(name, _)| name.clone()).collect();
            for name in holders {
                let text = &known.texts[&name];
                let (is_secret, filled) = (known.uses_secret(text), known.filled(text).into_owned());
                total += filled.len();
                if total > MAX_TOTAL {
                    break;
                }
                // What a secret is filled into is one from now on.
                known.secrets.extend(is_secret.then(|| name.clone()));
                known.texts.insert(name, filled);
            }
        }
        known.judge();
        known
    }

    /// Looks for secrets among the texts, each by itself.
    fn judge(&mut self) {
        let is_secret = |(name, text): &(&String, &String)| {
            let is_named = secret_like::is_secret_member(name, text)
                && text.len() >= MIN_SECRET
                && !text.contains("{{")
                && !secret_like::is_stand_in(text);
            is_named || secret_like::holds_secret_value(text)
        };
        let found = self.texts.iter().filter(is_secret).map(|(name, _)| name.clone());
        self.secrets.extend(found);
    }

    /// Bytes of the texts.
    pub(crate) fn size(&self) -> usize {
        self.texts.values().map(String::len).sum()
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(String::as_str)
    }

    pub(super) fn is_secret(&self, name: &str) -> bool {
        self.secrets.contains(name)
    }

    /// Whether a secret would be filled into `text`.
    pub(super) fn uses_secret(&self, text: &str) -> bool {
        let mut uses = false;
        self.fill(text, &mut |name| {
            uses |= self.is_secret(name);
            None
        });
        uses
    }

    /// `text` with everything filled in that is known.
    pub(super) fn filled<'t>(&'t self, text: &'t str) -> Cow<'t, str> {
        self.fill(text, &mut |name| self.get(name))
    }

    /// `text` with everything filled in that is known and no secret.
    pub(crate) fn filled_openly<'t>(&'t self, text: &'t str) -> Cow<'t, str> {
        self.fill(text, &mut |name| self.get(name).filter(|_| !self.is_secret(name)))
    }

    fn fill<'t>(&'t self, text: &'t str, text_of: &mut dyn FnMut(&str) -> Option<&'t str>) -> Cow<'t, str> {
        if self.texts.is_empty() || !text.contains("{{") {
            return Cow::Borrowed(text);
        }
        let (mut out, mut rest) = (String::new(), text);
        while let Some(at) = rest.find("{{").filter(|_| out.len() <= MAX_TEXT) {
            let (before, after) = rest.split_at(at);
            out.push_str(before);
            let inner = after[2..].find("}}").map(|end| &after[2..2 + end]);
            match inner.and_then(|inner| Some((inner, text_of(inner.trim())?))) {
                Some((inner, known)) => {
                    out.push_str(known);
                    rest = &after[inner.len() + 4..];
                }
                None => {
                    out.push('{');
                    rest = &after[1..];
                }
            }
        }
        out.push_str(rest);
        Cow::Owned(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(texts: &[(&str, &str)]) -> Known {
        Known::new(texts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect())
    }

    #[test]
    fn what_is_known_is_filled_in_and_the_rest_stays() {
        let known = known(&[("a", "1"), ("b", "{{a}}2"), ("c", ""), ("d", "{{d}}")]);
        assert_eq!(known.filled("{{{a}}} {{ b }} {{c}} {{d}} {{e}} {{"), "{1} 12 {{c}} {{d}} {{e}} {{");
        assert_eq!(known.filled("plain"), "plain");
    }

    #[test]
    fn a_text_that_holds_a_secret_is_one() {
        let known = known(&[
            ("password", "hunter2"),
            ("inner", "x{{password}}"),
            ("outer", "{{ inner }}"),
            ("key", "sk_live_4eC39HqLyjWDarjtT1zdp7dc"),
            ("url", "https://a.test/{{locale}}"),
            ("locale", "de"),
            ("token", "YOUR_API_KEY"),
            ("pin", "1"),
        ]);
        for name in ["password", "inner", "outer", "key"] {
            assert!(known.is_secret(name), "{name}");
            assert!(known.uses_secret(&format!("a {{{{{name}}}}}")), "{name}");
        }
        for name in ["url", "locale", "token", "pin", "nothing"] {
            assert!(!known.is_secret(name), "{name}");
        }
        assert_eq!(known.filled_openly("{{url}} {{outer}}"), "https://a.test/de {{outer}}");
    }

    #[test]
    fn texts_that_multiply_end() {
        let name = |n: usize| format!("v{n}");
        let texts = (0..2_000).map(|n| (name(n), format!("{{{{v{}}}}}", (n + 1) % 2_000).repeat(100)));
        let known = Known::new(texts.collect());
        let size: usize = (0..2_000).filter_map(|n| known.get(&name(n))).map(str::len).sum();
        assert!(size < 2 * MAX_TOTAL, "{size}");
    }
}
