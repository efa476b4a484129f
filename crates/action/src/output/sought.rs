//! Texts and numbers that must not be seen, and finding them.

use serde_json::Value;

use callgate_text::{Finder, disguise};

/// What stands in the body where a value was taken away.
pub const HIDDEN: &str = "[hidden]";

/// Shortest text that is looked for all over the body; shorter ones are hidden
/// only where the path finds them, or half the body would vanish.
const MIN_SOUGHT: usize = 4;
/// Up to so many hidden texts are looked for one after the other: faster than
/// building a finder for all of them.
const FEW: usize = 8;
/// Longest number that is looked for in other spellings than its own.
const MAX_DIGITS: usize = 40;

/// What is looked for.
#[derive(Debug, Default)]
pub(super) struct Sought {
    texts: Vec<String>,
    /// In their one spelling; sorted.
    numbers: Vec<String>,
    finder: Finder,
}

impl Sought {
    /// What `values` must not be seen as.
    pub(super) fn of<'v>(values: impl IntoIterator<Item = &'v Value>) -> Self {
        let mut texts = Vec::new();
        values.into_iter().for_each(|value| collect(value, &mut texts));
        Self::texts(texts)
    }

    /// Looks for `texts`, and for the numbers that they spell.
    pub(super) fn texts(mut texts: Vec<String>) -> Self {
        let mut numbers = Vec::new();
        for index in 0..texts.len() {
            let Some((number, plain)) = one_spelling(&texts[index]) else { continue };
            if plain.len() >= MIN_SOUGHT {
                numbers.push(number);
                texts.push(plain);
            }
        }
        numbers.sort_unstable();
        texts.sort_unstable();
        texts.dedup();
        let all = (texts.len() > FEW).then(|| Finder::all(&texts)).flatten();
        let finder = all.unwrap_or_else(|| Finder::each(&texts));
        Self { texts, numbers, finder }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// `text` without what is sought, as it stands or in disguise; `None` where
    /// it holds nothing of it.
    pub(super) fn clean(&self, text: &str) -> Option<String> {
        if self.texts.is_empty() || text.len() < self.finder.shortest() {
            return None;
        }
        disguise::replace(text, HIDDEN, |bytes, found| self.finder.find(bytes, found))
    }

    /// Whether something of it may be in JSON: looks for the texts as they
    /// stand, and takes escapes and numbers, which have other spellings, as a yes.
    pub(super) fn may_be_in(&self, json: &str) -> bool {
        !self.numbers.is_empty() || disguise::has_escapes(json) || self.finder.is_in(json.as_bytes())
    }

    /// Whether `text` is one of the sought numbers, however it is written.
    pub(super) fn has_number(&self, text: &str) -> bool {
        let is_sought = |(number, _): (String, String)| self.numbers.binary_search(&number).is_ok();
        !self.numbers.is_empty() && one_spelling(text).is_some_and(is_sought)
    }

    /// Takes what is sought out of `value`. A text or number that is sought as a
    /// whole was exposed on purpose; what stands inside of an exposed list or
    /// object was not.
    pub(super) fn clean_inside(&self, value: &mut Value) {
        match value {
            Value::String(text) if self.texts.binary_search(text).is_ok() => {}
            Value::Number(_) => {}
            value => self.clean_value(value),
        }
    }

    fn clean_value(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Some(clean) = self.clean(text) {
                    *text = clean;
                }
            }
            Value::Number(number) if self.has_number(number.as_str()) => *value = Value::from(HIDDEN),
            Value::Array(items) => items.iter_mut().for_each(|item| self.clean_value(item)),
            Value::Object(map) => {
                if map.keys().any(|name| self.clean(name).is_some()) {
                    let clean = |name: String| self.clean(&name).unwrap_or(name);
                    *map = std::mem::take(map).into_iter().map(|(name, item)| (clean(name), item)).collect();
                }
                map.values_mut().for_each(|item| self.clean_value(item));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// What a hidden value must not be seen as, anywhere: its texts and numbers
/// that are long enough to be looked for.
pub fn sought_texts(value: &Value) -> Vec<String> {
    let mut texts = Vec::new();
    collect(value, &mut texts);
    texts
}

fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) if text.chars().count() >= MIN_SOUGHT => texts.push(text.clone()),
        Value::Number(number) if number.as_str().len() >= MIN_SOUGHT => {
            texts.push(number.as_str().to_owned());
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(map) => map.values().for_each(|item| collect(item, texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A JSON number in a form that is the same however it is written, and without
/// an exponent; `None` for what is none, or too long to be anything but itself.
fn one_spelling(text: &str) -> Option<(String, String)> {
    let (sign, unsigned) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    // A leading zero makes a text of digits a code, not a number.
    let leads = whole.len() > 1 && whole.starts_with('0');
    if whole.is_empty() || leads || !digits(whole) || !digits(fraction) || mantissa.len() > MAX_DIGITS {
        return None;
    }
    let exponent: i32 = exponent.strip_prefix('+').unwrap_or(exponent).parse().ok()?;
    let all = format!("{whole}{fraction}");
    let significant = all.trim_start_matches('0');
    let short = significant.trim_end_matches('0');
    if short.is_empty() {
        return Some(("0".to_owned(), "0".to_owned()));
    }
    let dropped = i32::try_from(significant.len() - short.len()).ok()?;
    let scale = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?.checked_add(dropped)?;
    let zeros = usize::try_from(scale.unsigned_abs()).ok().filter(|zeros| *zeros <= MAX_DIGITS)?;
    let plain = if scale >= 0 {
        format!("{sign}{short}{}", "0".repeat(zeros))
    } else if zeros < short.len() {
        let (whole, fraction) = short.split_at(short.len() - zeros);
        format!("{sign}{whole}.{fraction}")
    } else {
        format!("{sign}0.{}{short}", "0".repeat(zeros - short.len()))
    };
    Some((format!("{sign}{short}e{scale}"), plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_spelling() {
        for (text, plain) in [
            ("90001", "90001"),
            ("90001.0", "90001"),
            ("9.0001e4", "90001"),
            ("9.0001E+4", "90001"),
            ("900010e-1", "90001"),
            ("-1.50", "-1.5"),
            ("0.00125", "0.00125"),
            ("1.25e-3", "0.00125"),
            ("12e3", "12000"),
            ("0.0", "0"),
        ] {
            assert_eq!(one_spelling(text).map(|(_, plain)| plain).as_deref(), Some(plain), "{text}");
        }
        assert_eq!(one_spelling("90001").map(|n| n.0), one_spelling("9.00010e4").map(|n| n.0));
        for text in ["", "-", "0123", "1e999999999999", "1e400", "x1", "1.2.3", "1e", "+1"] {
            assert_eq!(one_spelling(text), None, "{text}");
        }
    }

    #[test]
    fn a_text_that_spells_a_number_is_found_as_one() {
        let sought = Sought::texts(vec!["4929".to_owned()]);
        assert!(sought.has_number("4929") && sought.has_number("4929.0") && !sought.has_number("49290"));
        assert_eq!(sought.clean("pin 4929!").as_deref(), Some("pin [hidden]!"));
        // A code with leading zeros is no number.
        assert!(!Sought::texts(vec!["0001".to_owned()]).has_number("1"));
        assert!(!Sought::texts(vec!["1.00".to_owned()]).has_number("1"));
    }
}
