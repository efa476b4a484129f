//! "Did you mean": the nearest of a few known words.

/// Longer words are never compared, so that a hostile name costs nothing.
const MAX_COMPARED_CHARS: usize = 64;

/// The known word closest to `word`, when it is close enough to be a slip of the pen.
pub(super) fn closest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let letters = fold(word)?;
    // One slip in a short word, two in a longer one.
    let allowed = if letters.len() <= 4 { 1 } else { 2 };
    known
        .into_iter()
        .filter(|candidate| *candidate != word)
        .filter_map(|candidate| Some((distance(&letters, &fold(candidate)?), candidate)))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Lower-case letters with `-`, `_` and blanks alike; `None` for a word too long to compare.
fn fold(word: &str) -> Option<Vec<char>> {
    let letters: Vec<char> = word
        .chars()
        .take(MAX_COMPARED_CHARS + 1)
        .flat_map(char::to_lowercase)
        .map(|c| if matches!(c, '-' | ' ') { '_' } else { c })
        .collect();
    (!letters.is_empty() && letters.len() <= MAX_COMPARED_CHARS).then_some(letters)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`.
fn distance(a: &[char], b: &[char]) -> usize {
    if a.len().abs_diff(b.len()) > 2 {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(word: &str, known: &[&str], expected: Option<&str>) {
        assert_eq!(closest(word, known.iter().copied()), expected, "{word}");
    }

    #[test]
    fn slips_are_found_and_other_words_are_not() {
        check("requred", &["required", "properties"], Some("required"));
        check("emial", &["email", "name"], Some("email"));
        check("customerEmail", &["customer_email"], Some("customer_email"));
        check("Priority", &["priority"], Some("priority"));
        check("foo", &["food"], Some("food"));
        check("colour", &["color"], Some("color"));
        check("a", &["b"], None);
        check("", &["b"], None);
        check("phone", &["email"], None);
        check("email", &["email"], None);
        check(&"x".repeat(100_000), &["x"], None);
    }
}
