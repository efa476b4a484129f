//! Numbers as their digits: compared and expanded without going through floating point.

use std::cmp::Ordering;

/// The most digits to which a number with an exponent is written out.
const MAX_EXPANDED_DIGITS: i64 = 40;

/// A decimal number, borrowed from its text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decimal<'a> {
    negative: bool,
    /// Digits before and after the point; leading zeros of the number are not among them.
    whole: &'a [u8],
    fraction: &'a [u8],
    /// The power of ten of the first digit.
    exponent: i64,
}

/// Compares two numbers in JSON's form, digit by digit: `3` is `3.0`. Those that are too long to be read stand before
/// all others.
pub fn compare_numbers(one: &str, other: &str) -> Ordering {
    match (Decimal::parse(one), Decimal::parse(other)) {
        (Some(one), Some(other)) => one.compare(other),
        (None, None) => one.cmp(other),
        (one, other) => one.is_some().cmp(&other.is_some()),
    }
}

impl<'a> Decimal<'a> {
    /// Reads a number in JSON's form, with or without digits on either side of the point.
    ///
    /// `None` for anything else and for exponents of more than 17 digits.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, power) = match text.find(['e', 'E']) {
            Some(at) => (&text[..at], parse_exponent(&text[at + 1..])?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let (mut whole, mut fraction) = (whole.as_bytes(), fraction.as_bytes());
        if whole.len() + fraction.len() == 0 || !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
            return None;
        }
        while let [b'0', rest @ ..] = whole {
            whole = rest;
        }
        let mut exponent = power + i64::try_from(whole.len()).ok()? - 1;
        if whole.is_empty() {
            while let [b'0', rest @ ..] = fraction {
                fraction = rest;
                exponent -= 1;
            }
        }
        Some(Self { negative, whole, fraction, exponent })
    }

    fn digits(self) -> impl Iterator<Item = u8> + 'a {
        self.whole.iter().chain(self.fraction).copied()
    }

    fn is_zero(self) -> bool {
        self.whole.is_empty() && self.fraction.is_empty()
    }

    /// Compares two numbers exactly.
    pub(super) fn compare(self, other: Self) -> Ordering {
        match (self.is_zero(), other.is_zero()) {
            (true, true) => return Ordering::Equal,
            (true, false) => {
                return if other.negative { Ordering::Greater } else { Ordering::Less };
            }
            (false, true) => return if self.negative { Ordering::Less } else { Ordering::Greater },
            (false, false) => {}
        }
        match (self.negative, other.negative) {
            (false, true) => return Ordering::Greater,
            (true, false) => return Ordering::Less,
            _ => {}
        }
        let magnitude = self.exponent.cmp(&other.exponent).then_with(|| {
            let (mut left, mut right) = (self.digits(), other.digits());
            loop {
                match (left.next(), right.next()) {
                    (None, None) => return Ordering::Equal,
                    (l, r) => match l.unwrap_or(b'0').cmp(&r.unwrap_or(b'0')) {
                        Ordering::Equal => {}
                        unequal => return unequal,
                    },
                }
            }
        });
        if self.negative { magnitude.reverse() } else { magnitude }
    }

    /// Writes the number without exponent or fraction, if it is an integer of bearable length.
    pub(super) fn to_integer(self) -> Option<String> {
        if self.is_zero() {
            return Some("0".to_owned());
        }
        if !(0..MAX_EXPANDED_DIGITS).contains(&self.exponent) {
            return None;
        }
        let length = usize::try_from(self.exponent).ok()? + 1;
        if self.digits().skip(length).any(|digit| digit != b'0') {
            return None;
        }
        let sign = self.negative.then_some('-');
        let digits = self.digits().map(char::from).chain(std::iter::repeat('0')).take(length);
        Some(sign.into_iter().chain(digits).collect())
    }
}

fn parse_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let significant = digits.trim_start_matches('0');
    if significant.len() > 17 {
        return None;
    }
    let value: i64 = if significant.is_empty() { 0 } else { significant.parse().ok()? };
    Some(if negative { -value } else { value })
}

/// Returns whether the number is zero, whatever its form; needs no exponent in range.
pub(super) fn is_zero(text: &str) -> bool {
    text.bytes().take_while(|byte| !matches!(byte, b'e' | b'E')).all(|byte| !matches!(byte, b'1'..=b'9'))
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::{Decimal, is_zero};

    #[track_caller]
    fn check(left: &str, right: &str, expected: Ordering) {
        let (l, r) = (Decimal::parse(left).unwrap(), Decimal::parse(right).unwrap());
        assert_eq!(l.compare(r), expected, "{left} against {right}");
        assert_eq!(r.compare(l), expected.reverse(), "{right} against {left}");
    }

    #[test]
    fn equal_values_in_different_forms_are_equal() {
        for (left, right) in [
            ("3", "3.0"),
            ("0", "-0.000e7"),
            ("1e3", "1000"),
            ("120e-2", "1.2"),
            ("0.00001", "1E-5"),
            ("1e99999999999999999", "10e99999999999999998"),
            (".5", "0.50"),
            ("5.", "5"),
            ("007", "7"),
        ] {
            check(left, right, Ordering::Equal);
        }
    }

    #[test]
    fn order_needs_no_floating_point() {
        for (less, greater) in [
            ("9007199254740992", "9007199254740993"),
            ("0.1", "0.1000000000000000000000000000000000001"),
            ("-2", "-1"),
            ("-1", "0"),
            ("0", "1e-99999999999"),
            ("-1e99999999999", "1e-99999999999"),
            ("99", "1e2"),
            ("1e2", "100.0001"),
        ] {
            check(less, greater, Ordering::Less);
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-", ".", "1e", "e5", "1e+", "0x10", "1e1234567890123456789", "1 ", "--1", "NaN"] {
            assert!(Decimal::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn integers_are_written_out() {
        for (text, expected) in [
            ("1e3", Some("1000")),
            ("-1.50e1", Some("-15")),
            ("100e-2", Some("1")),
            ("-0e0", Some("0")),
            ("15e-1", None),
            ("1e39", Some("1000000000000000000000000000000000000000")),
            ("1e40", None),
            ("1e-3", None),
        ] {
            assert_eq!(Decimal::parse(text).unwrap().to_integer().as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn zero_is_zero_in_every_form() {
        for text in ["0", "-0", "0.0", "0e5", "0.000E-9", "0e99999999999999999999999"] {
            assert!(is_zero(text), "{text}");
        }
        for text in ["1", "-0.1", "1e-99999999999999999999999", "0.0001"] {
            assert!(!is_zero(text), "{text}");
        }
    }
}
