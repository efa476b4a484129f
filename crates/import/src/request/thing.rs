//! Segments of a path that name one thing: what an example shows there is the model's to choose.

use callgate_action::secret_like;

use super::wall;

/// Endings that tell a format.
const ENDINGS: &[&str] = &[".json", ".xml"];
/// What stands before the version of an API.
const VERSIONED: &[&str] = &["api", "apis", "rest", "v", "version", "versions"];

/// The name of a thing that `segment` is, and the ending after it; `before` is the segment before.
pub(super) fn of<'s>(segment: &'s str, before: &str) -> Option<(&'s str, &'s str)> {
    let ending = ENDINGS.iter().find(|ending| segment.ends_with(**ending)).map_or(0, |ending| ending.len());
    let (name, ending) = segment.split_at(segment.len() - ending);
    let is_number = !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
    // `/1/boards` and `/api/2/issue` are versions.
    let may_be_version = name.len() == 1
        && (!before.contains(|c: char| c.is_ascii_alphabetic())
            || VERSIONED.contains(&before.to_ascii_lowercase().as_str()));
    let is_thing =
        is_number && !may_be_version || secret_like::is_uuid(name) || is_made(name) || is_marked(name);
    (is_thing && !wall::is_secret_segment(name)).then_some((name, ending))
}

/// Names that databases make: 24 hexadecimal digits of MongoDB, a ULID.
fn is_made(name: &str) -> bool {
    let has_digit = name.bytes().any(|b| b.is_ascii_digit());
    match name.len() {
        24 => has_digit && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')),
        26 => has_digit && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'Z')),
        _ => false,
    }
}

/// Names with a mark of their kind before them: `ORD-12345`, `cus_9s6XKzkNRiz8i3`.
fn is_marked(name: &str) -> bool {
    let is_mark = |mark: &str, is_letter: fn(&u8) -> bool| {
        (2..=5).contains(&mark.len()) && mark.bytes().all(|b| is_letter(&b))
    };
    let is_numbered = name.split_once('-').is_some_and(|(mark, number)| {
        is_mark(mark, u8::is_ascii_uppercase)
            && number.len() > 1
            && number.bytes().all(|b| b.is_ascii_digit())
    });
    let is_random = name.split_once('_').is_some_and(|(mark, rest)| {
        is_mark(mark, u8::is_ascii_lowercase)
            && rest.len() >= 8
            && rest.bytes().all(|b| b.is_ascii_alphanumeric())
            && rest.bytes().filter(u8::is_ascii_digit).count() > 1
    });
    is_numbered || is_random
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_one_thing_is_told_from_a_version_and_from_a_word() {
        for (segment, before, expected) in [
            ("1", "hotels", Some(("1", ""))),
            ("42", "", Some(("42", ""))),
            ("35436.json", "tickets", Some(("35436", ".json"))),
            (
                "550e8400-e29b-41d4-a716-446655440000",
                "orders",
                Some(("550e8400-e29b-41d4-a716-446655440000", "")),
            ),
            ("507f1f77bcf86cd799439011", "hotels", Some(("507f1f77bcf86cd799439011", ""))),
            ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "a", Some(("01ARZ3NDEKTSV4RRFFQ69G5FAV", ""))),
            ("ORD-12345", "orders", Some(("ORD-12345", ""))),
            ("cus_9s6XKzkNRiz8i3", "customers", Some(("cus_9s6XKzkNRiz8i3", ""))),
            ("1", "", None),
            ("2", "api", None),
            ("v2", "api", None),
            ("2010-04-01", "", None),
            ("tickets.json", "v2", None),
            ("web-2", "a", None),
            ("line_items", "a", None),
            ("sk_live_4eC39HqLyjWDarjtT1zdp7dc", "pay", None),
            ("", "a", None),
        ] {
            assert_eq!(of(segment, before), expected, "{segment}");
        }
    }
}
