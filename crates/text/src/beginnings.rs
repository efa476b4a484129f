//! Many long patterns, found by how they begin.
//!
//! An automaton takes some forty bytes for each byte of its patterns, and as long to be made as it is
//! large. Of long patterns one is made of the first bytes only; where these stand, the rest is compared.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use aho_corasick::AhoCorasick;

/// Bytes of a pattern that the automaton knows.
const BEGINNING: usize = 32;
/// Bytes that are compared in one text, at most. What begins so often like a pattern is masked to its end.
const MAX_COMPARED: usize = 16 * 1024 * 1024;

/// Patterns, by how they begin.
#[derive(Clone)]
pub(crate) struct Beginnings {
    finder: AhoCorasick,
    /// The patterns of each beginning, the longest first.
    patterns: Vec<Vec<Vec<u8>>>,
}

impl Beginnings {
    /// `None` where they are too many for an automaton.
    pub(crate) fn new(patterns: BTreeSet<Vec<u8>>) -> Option<Box<Self>> {
        let mut groups: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
        for pattern in patterns {
            let beginning = pattern[..pattern.len().min(BEGINNING)].to_vec();
            groups.entry(beginning).or_default().push(pattern);
        }
        let finder = AhoCorasick::new(groups.keys()).ok()?;
        let mut patterns: Vec<Vec<Vec<u8>>> = groups.into_values().collect();
        patterns.iter_mut().for_each(|group| group.sort_by_key(|pattern| std::cmp::Reverse(pattern.len())));
        Some(Box::new(Self { finder, patterns }))
    }

    pub(crate) fn len(&self) -> usize {
        self.patterns.iter().map(Vec::len).sum()
    }

    pub(crate) fn size(&self) -> usize {
        let texts: usize = self.patterns.iter().flatten().map(|pattern| pattern.len() + 24).sum();
        self.finder.memory_usage() + texts
    }

    /// Calls `found` with the places of the patterns in `bytes`; of several that begin at one place, with
    /// the longest.
    pub(crate) fn find(&self, bytes: &[u8], found: &mut dyn FnMut(Range<usize>)) {
        let mut compared = 0_usize;
        for place in self.finder.find_overlapping_iter(bytes) {
            let rest = &bytes[place.start()..];
            for pattern in &self.patterns[place.pattern().as_usize()] {
                compared += pattern.len();
                if rest.starts_with(pattern) {
                    found(place.start()..place.start() + pattern.len());
                    break;
                }
            }
            if compared > MAX_COMPARED {
                return found(place.start()..bytes.len());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beginnings(patterns: &[&str]) -> Box<Beginnings> {
        Beginnings::new(patterns.iter().map(|text| text.as_bytes().to_vec()).collect()).expect("an automaton")
    }

    fn places(patterns: &[&str], text: &str) -> Vec<Range<usize>> {
        let mut all = Vec::new();
        beginnings(patterns).find(text.as_bytes(), &mut |place| all.push(place));
        all
    }

    #[test]
    fn a_pattern_is_found_whole_also_where_another_one_only_begins() {
        let begin = "b".repeat(BEGINNING);
        let (short, long) = (format!("{begin}-x"), format!("{begin}-x-and-more"));
        let text = format!("a{long} {short} {begin}-y abc");
        let patterns = [short.as_str(), long.as_str(), "abc", "b-x"];
        let found: Vec<&str> = places(&patterns, &text).into_iter().map(|place| &text[place]).collect();
        assert_eq!(found, [long.as_str(), "b-x", short.as_str(), "b-x", "abc"]);
    }

    #[test]
    fn what_begins_like_a_pattern_everywhere_is_masked_to_its_end() {
        let pattern = format!("{}x", "a".repeat(100_000));
        let text = "a".repeat(200_000);
        let found = places(&[&pattern], &text);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].end, text.len());
        assert!(found[0].start < 1_000, "{found:?}");
    }
}
