//! Literals as Go reads and prints them: strings, characters, numbers.

/// A literal of the template's source.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    /// A quoted or raw string, without its quotes.
    Text(Box<str>),
    /// A number or a character.
    Number(NumberLiteral),
    /// `true` or `false`.
    Bool(bool),
}

/// A number of the source: as it compares and as it prints.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct NumberLiteral {
    /// The decimal form that comparisons use; keeps every digit written.
    pub(super) decimal: Box<str>,
    /// The form that Go prints.
    pub(super) printed: Box<str>,
}

impl NumberLiteral {
    fn integer(value: i64) -> Self {
        let text: Box<str> = value.to_string().into();
        Self { decimal: text.clone(), printed: text }
    }

    fn float(value: f64, decimal: &str) -> Self {
        Self { decimal: decimal.into(), printed: print_float(value).into() }
    }
}

/// Takes the escapes out of a quoted string's inner text, as `strconv.Unquote` does.
pub(super) fn unquote(inner: &str) -> Result<Box<str>, &'static str> {
    if !inner.contains('\\') {
        return Ok(inner.into());
    }
    // Bytes, because `\xc3\xa9` spells one character.
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let (escaped, after) = read_escape(&rest[at + 1..], '"')?;
        match escaped {
            Escaped::Byte(byte) => bytes.push(byte),
            Escaped::Char(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        rest = after;
    }
    bytes.extend_from_slice(rest.as_bytes());
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.into()),
        Err(_) => Err("the escapes do not spell UTF-8 text"),
    }
}

/// Reads a character literal's inner text (`a` of `'a'`) as its code point.
pub(super) fn character(inner: &str) -> Result<NumberLiteral, &'static str> {
    let (code, rest) = match inner.strip_prefix('\\') {
        Some(escape) => match read_escape(escape, '\'')? {
            (Escaped::Byte(byte), rest) => (u32::from(byte), rest),
            (Escaped::Char(c), rest) => (u32::from(c), rest),
        },
        None => {
            let mut chars = inner.chars();
            match chars.next() {
                Some(c) => (u32::from(c), chars.as_str()),
                None => return Err("a character literal holds one character"),
            }
        }
    };
    if !rest.is_empty() {
        return Err("a character literal holds one character");
    }
    Ok(NumberLiteral::integer(i64::from(code)))
}

enum Escaped {
    Byte(u8),
    Char(char),
}

/// Reads the escape after a backslash; returns it and the text behind it.
fn read_escape(text: &str, quote: char) -> Result<(Escaped, &str), &'static str> {
    const UNKNOWN: &str = "unknown escape: Go knows \\a \\b \\f \\n \\r \\t \\v \\\\ \\xNN \\uNNNN \\UNNNNNNNN \\NNN and the quote";
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return Err(UNKNOWN) };
    let rest = chars.as_str();
    let simple = match first {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        '\\' => '\\',
        c if c == quote => c,
        'x' => {
            let (value, rest) = read_digits(rest, 2, 16)?;
            return u8::try_from(value).map(|byte| (Escaped::Byte(byte), rest)).map_err(|_| UNKNOWN);
        }
        'u' | 'U' => {
            let (value, rest) = read_digits(rest, if first == 'u' { 4 } else { 8 }, 16)?;
            let c = char::from_u32(value).ok_or("the escape names no Unicode character")?;
            return Ok((Escaped::Char(c), rest));
        }
        '0'..='7' => {
            let (value, rest) = read_digits(text, 3, 8)?;
            let byte = u8::try_from(value).map_err(|_| "an octal escape is at most \\377")?;
            return Ok((Escaped::Byte(byte), rest));
        }
        _ => return Err(UNKNOWN),
    };
    Ok((Escaped::Char(simple), rest))
}

fn read_digits(text: &str, count: usize, radix: u32) -> Result<(u32, &str), &'static str> {
    const SHORT: &str = "the escape has too few digits";
    let digits = text.get(..count).ok_or(SHORT)?;
    // `from_str_radix` would take a sign.
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(SHORT);
    }
    let value = u32::from_str_radix(digits, radix).map_err(|_| SHORT)?;
    Ok((value, &text[count..]))
}

/// Reads a number as `text/template/parse` does: an integer if it is one, else a fraction.
pub(super) fn number(text: &str) -> Result<NumberLiteral, &'static str> {
    const ILLEGAL: &str = "not a number";
    if text.ends_with('i') {
        return Err("complex numbers are not allowed");
    }
    if text.contains('_') && !underscores_separate_digits(text) {
        return Err("`_` has to stand between digits");
    }
    let clean = text.replace('_', "");
    if let Some(value) = integer(&clean) {
        return Ok(NumberLiteral::integer(value));
    }
    if !clean.contains(['.', 'e', 'E', 'p', 'P']) {
        return Err("not an integer of 64 bits");
    }
    let unsigned = clean.trim_start_matches(['+', '-']);
    if unsigned.starts_with("0x") || unsigned.starts_with("0X") {
        let value = hex_float(&unsigned[2..]).filter(|value| value.is_finite()).ok_or(ILLEGAL)?;
        let value = if clean.starts_with('-') { -value } else { value };
        return Ok(NumberLiteral::float(value, &format!("{value:e}")));
    }
    let decimal = clean.strip_prefix('+').unwrap_or(&clean);
    match decimal.parse::<f64>() {
        // The guard keeps out Rust's own words, `inf` and `nan`.
        Ok(value) if value.is_finite() && unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') => {
            Ok(NumberLiteral::float(value, decimal))
        }
        _ => Err(ILLEGAL),
    }
}

/// `strconv.ParseInt(text, 0, 64)`.
fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.starts_with(|c: char| c.is_digit(radix)) {
        return None;
    }
    let magnitude = i128::from(u64::from_str_radix(digits, radix).ok()?);
    i64::try_from(if negative { -magnitude } else { magnitude }).ok()
}

/// Go's `underscoreOK`: each `_` follows a digit or the base prefix, and a digit follows it.
fn underscores_separate_digits(text: &str) -> bool {
    let text = text.trim_start_matches(['+', '-']).as_bytes();
    let prefixed = matches!(text, [b'0', b'x' | b'X' | b'o' | b'O' | b'b' | b'B', ..]);
    let hex = matches!(text, [b'0', b'x' | b'X', ..]);
    let mut previous = if prefixed { b'0' } else { b'!' };
    for &byte in &text[if prefixed { 2 } else { 0 }..] {
        let digit = byte.is_ascii_digit() || hex && byte.is_ascii_hexdigit();
        match (byte, digit) {
            (_, true) => previous = b'0',
            (b'_', _) if previous == b'0' => previous = b'_',
            (b'_', _) => return false,
            _ if previous == b'_' => return false,
            _ => previous = b'!',
        }
    }
    previous != b'_'
}

/// `1.8p3` of `0x1.8p3`; the exponent is a must, as in Go.
fn hex_float(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0.0_f64;
    for digit in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let shift = i32::try_from(fraction.len()).ok()?.checked_mul(4)?;
    let exponent = exponent.parse::<i32>().ok()?.checked_sub(shift)?;
    Some(value * 2.0_f64.powi(exponent))
}

/// Prints the shortest digits as Go's `%v` does: with an exponent below 1e-04 and from 1e+06 on.
fn print_float(value: f64) -> String {
    let scientific = format!("{value:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return value.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}
