//! "Did you mean": the nearest of a few known words.

/// Longer words are never compared, so that a hostile name costs nothing.
const MAX_COMPARED_CHARS: usize = 64;

/// The known word closest to `word`, when it is close enough to be a slip of the pen.
pub fn closest<'k, S: AsRef<str> + ?Sized + 'k>(
    word: &str,
    known: impl IntoIterator<Item = &'k S>,
) -> Option<&'k str> {
    let letters = fold(word)?;
    // One slip in a short word, two in a longer one.
    let allowed = if letters.chars().count() <= 4 { 1 } else { 2 };
    known
        .into_iter()
        .map(AsRef::as_ref)
        .filter(|candidate| *candidate != word)
        .filter_map(|candidate| Some((strsim::damerau_levenshtein(&letters, &fold(candidate)?), candidate)))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Lower-case letters with `-`, `_` and blanks alike; `None` for a word too long to compare.
fn fold(word: &str) -> Option<String> {
    if word.is_empty() || word.chars().nth(MAX_COMPARED_CHARS).is_some() {
        return None;
    }
    Some(word.to_lowercase().replace(['-', ' '], "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(word: &str, known: &[&str], expected: Option<&str>) {
        assert_eq!(closest(word, known), expected, "{word}");
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
