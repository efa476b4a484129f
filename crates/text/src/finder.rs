//! Finds a fixed set of patterns in bytes.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};
use memchr::memmem;

use super::beginnings::Beginnings;

/// A fixed set of patterns, and the way to look for them.
///
/// `Debug` shows how many there are and never what they are: they may be secrets.
#[derive(Clone)]
pub struct Finder {
    method: Method,
    shortest: usize,
}

#[derive(Clone)]
enum Method {
    /// One after the other.
    Each(Vec<memmem::Finder<'static>>),
    /// All at once.
    All(AhoCorasick),
    /// All at once by how they begin.
    Beginnings(Box<Beginnings>),
}

impl Finder {
    /// Looks for one pattern after the other: quick to make, for a few patterns.
    pub fn each<P: AsRef<[u8]>>(patterns: &[P]) -> Self {
        let finders = patterns.iter().map(|pattern| memmem::Finder::new(pattern.as_ref()).into_owned());
        Self { method: Method::Each(finders.collect()), shortest: shortest(patterns) }
    }

    /// Looks for all patterns in one pass; of those that begin at one place it finds the longest.
    /// `None` if an automaton cannot hold them.
    pub fn all<P: AsRef<[u8]>>(patterns: &[P]) -> Option<Self> {
        let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(patterns).ok()?;
        Some(Self { method: Method::All(finder), shortest: shortest(patterns) })
    }

    /// Looks for many long patterns in one pass, with an automaton of their first bytes only, which
    /// takes far less memory. `None` if an automaton cannot hold even those.
    pub fn beginnings(patterns: BTreeSet<Vec<u8>>) -> Option<Self> {
        let shortest = patterns.iter().map(Vec::len).min().unwrap_or_default();
        Some(Self { method: Method::Beginnings(Beginnings::new(patterns)?), shortest })
    }

    /// The number of patterns.
    pub fn len(&self) -> usize {
        match &self.method {
            Method::Each(finders) => finders.len(),
            Method::All(finder) => finder.patterns_len(),
            Method::Beginnings(beginnings) => beginnings.len(),
        }
    }

    /// Whether there are no patterns.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The length of the shortest pattern in bytes: a shorter text holds none. No escape is shorter
    /// than what it stands for, so the same is true of an escaped text.
    pub fn shortest(&self) -> usize {
        self.shortest
    }

    /// The memory it takes, roughly, in bytes.
    pub fn size(&self) -> usize {
        match &self.method {
            Method::Each(finders) => finders.iter().map(|finder| finder.needle().len() + 64).sum(),
            Method::All(finder) => finder.memory_usage(),
            Method::Beginnings(beginnings) => beginnings.size(),
        }
    }

    /// Calls `found` with each place where a pattern stands in `bytes`.
    pub fn find(&self, bytes: &[u8], found: &mut dyn FnMut(Range<usize>)) {
        match &self.method {
            Method::Each(finders) => {
                for finder in finders {
                    let length = finder.needle().len();
                    finder.find_iter(bytes).for_each(|at| found(at..at + length));
                }
            }
            Method::All(finder) => finder.find_iter(bytes).for_each(|place| found(place.range())),
            Method::Beginnings(beginnings) => beginnings.find(bytes, found),
        }
    }

    /// Whether a pattern stands in `bytes`.
    pub fn is_in(&self, bytes: &[u8]) -> bool {
        match &self.method {
            Method::Each(finders) => finders.iter().any(|finder| finder.find(bytes).is_some()),
            Method::All(finder) => finder.is_match(bytes),
            Method::Beginnings(beginnings) => {
                let mut any = false;
                beginnings.find(bytes, &mut |_| any = true);
                any
            }
        }
    }
}

impl Default for Finder {
    /// Finds nothing.
    fn default() -> Self {
        Self { method: Method::Each(Vec::new()), shortest: 0 }
    }
}

impl fmt::Debug for Finder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Finder({} patterns)", self.len())
    }
}

fn shortest<P: AsRef<[u8]>>(patterns: &[P]) -> usize {
    patterns.iter().map(|pattern| pattern.as_ref().len()).min().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_method_finds_the_same() {
        let patterns = ["secret", "token", "to"];
        let all = patterns.iter().map(|text| text.as_bytes().to_vec()).collect();
        let text = b"a token, a secret, and what is not: tken";
        for finder in [Some(Finder::each(&patterns)), Finder::all(&patterns), Finder::beginnings(all)]
            .map(Option::unwrap)
        {
            assert_eq!((finder.len(), finder.shortest(), finder.is_empty()), (3, 2, false));
            assert!(finder.is_in(text) && !finder.is_in(b"nothing"));
            let mut places = Vec::new();
            finder.find(text, &mut |place| places.push(place));
            assert!(places.contains(&(2..7)) && places.contains(&(11..17)), "{places:?}");
            assert_eq!(format!("{finder:?}"), "Finder(3 patterns)");
        }
        assert!(!Finder::default().is_in(b"text") && Finder::default().is_empty());
    }
}
