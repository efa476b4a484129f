//! The words of a message that was interrupted, in the provider's own form of it.

/// What becomes of the words of a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The words of each part; empty where nothing is left of it.
    pub(crate) parts: Vec<String>,
    /// Words that stand in no part.
    pub(crate) rest: String,
}

/// Brings the words of `parts` to `text`, which mostly is their beginning; `None` where they are `text`.
pub(crate) fn cut(parts: &[&str], text: &str) -> Option<Cut> {
    if parts.concat() == text {
        return None;
    }
    let mut rest = text;
    let mut cut: Vec<String> = parts
        .iter()
        .map(|part| {
            let kept = match rest.strip_prefix(part) {
                Some(after) => {
                    rest = after;
                    *part
                }
                None => std::mem::take(&mut rest),
            };
            kept.to_owned()
        })
        .collect();
    if let (false, Some(last)) = (rest.is_empty(), cut.last_mut()) {
        last.push_str(std::mem::take(&mut rest));
    }
    Some(Cut { parts: cut, rest: rest.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_become_the_text() {
        let made = |parts: &[&str], text: &str| cut(parts, text).map(|cut| (cut.parts, cut.rest));
        let expect = |parts: &[&str], rest: &str| {
            Some((parts.iter().map(|part| (*part).to_owned()).collect(), rest.to_owned()))
        };
        assert_eq!(made(&["Hello ", "world"], "Hello world"), None);
        assert_eq!(made(&[], ""), None);
        assert_eq!(made(&["Hello ", "world"], "Hello wo"), expect(&["Hello ", "wo"], ""));
        assert_eq!(made(&["Hello ", "world"], "Hel"), expect(&["Hel", ""], ""));
        assert_eq!(made(&["Hello"], ""), expect(&[""], ""));
        assert_eq!(made(&["Hello", ""], "Other"), expect(&["Other", ""], ""));
        assert_eq!(made(&["Hello"], "Hello you"), expect(&["Hello you"], ""));
        assert_eq!(made(&[], "Hello"), expect(&[], "Hello"));
    }
}
