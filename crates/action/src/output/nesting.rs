//! How deep and how long an expression of JSONPath may be: its parser calls itself for each level.

/// Most levels of brackets, parentheses and negations.
const MAX_LEVELS: usize = 64;
/// Longest expression, in bytes.
const MAX_BYTES: usize = 4_096;

/// Refuses an expression that is nested too deeply or too long to be parsed.
///
/// # Errors
///
/// Says which of the two.
pub(super) fn check(text: &str) -> Result<(), String> {
    if text.len() > MAX_BYTES {
        return Err(format!("it has {} bytes, and {MAX_BYTES} are allowed", text.len()));
    }
    let (mut open, mut negations, mut quote) = (0_usize, 0_usize, None);
    let mut signs = text.chars();
    while let Some(sign) = signs.next() {
        match (quote, sign) {
            (Some(_), '\\') => drop(signs.next()),
            (Some(closing), sign) if sign == closing => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(sign),
            (None, '(' | '[') => open += 1,
            (None, ')' | ']') => open = open.saturating_sub(1),
            (None, '!') => negations += 1,
            (None, _) => negations = 0,
        }
        if open + negations > MAX_LEVELS {
            return Err(format!("it is nested deeper than {MAX_LEVELS} levels"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nested_too_deeply_is_refused_before_it_is_parsed() {
        for text in ["$.a", "$['(((('].b", "$[?@.a == \"[[[[\\\"[\"]", &"$.a[0]".repeat(200)] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for deep in [
            format!("$[?{}@.a{}]", "(".repeat(1_000), ")".repeat(1_000)),
            format!("{}1{}", "length(value(".repeat(200), "))".repeat(200)),
            format!("$[?{}@.a]", "!".repeat(100)),
            "$[?@[?@".repeat(200),
        ] {
            assert!(check(&deep).unwrap_err().contains("nested"), "{deep}");
        }
        assert!(check(&"a".repeat(5_000)).unwrap_err().contains("bytes"));
    }
}
