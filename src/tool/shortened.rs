//! Texts of a caller's choosing, as much of them as is worth telling.

use std::borrow::Cow;

/// Longest text of a caller's choosing in a line of the log, in characters.
pub const MAX_CHOSEN: usize = 200;

/// `text` with `limit` characters at most, and how many it had.
pub fn shortened(text: &str, limit: usize) -> Cow<'_, str> {
    match text.char_indices().nth(limit) {
        Some((end, _)) => {
            let length = grouped(text.chars().count() as u64);
            Cow::Owned(format!("{}… ({length} characters)", &text[..end]))
        }
        None => Cow::Borrowed(text),
    }
}

/// A number as people write it: `4,812`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && at % 3 == first {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_cut_and_its_length_told() {
        assert_eq!(shortened("get_order", MAX_CHOSEN), "get_order");
        let exact = "é".repeat(MAX_CHOSEN);
        assert_eq!(shortened(&exact, MAX_CHOSEN), exact);
        let long = shortened(&"é".repeat(900_000), MAX_CHOSEN).into_owned();
        assert_eq!(long, exact + "… (900,000 characters)");
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [(7, "7"), (812, "812"), (4_812, "4,812"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
