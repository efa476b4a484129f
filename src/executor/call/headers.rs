//! The headers of an answer that a model is shown.

use http::HeaderMap;
use serde_json::{Map, Value};

use crate::action::Action;
use crate::action::output::{Concealed, HIDDEN, header_text};

/// Longest value that is shown, in characters.
const MAX_CHARS: usize = 1_000;

/// Headers by the names that the action gives them, before they are masked.
pub(super) type Headers = Vec<(String, String)>;

/// Those that the action names, as far as they came; `None` where it names none. `hidden` is what the answer itself hides,
/// `None` where that is more than can be looked for.
pub(super) fn chosen(
    headers: &HeaderMap,
    action: &Action,
    hidden: impl FnOnce() -> Option<Concealed>,
) -> Option<Headers> {
    if action.response.headers.is_empty() {
        return None;
    }
    let hidden = hidden();
    let found = action.response.headers.iter().filter_map(|(shown, name)| {
        let text = header_text(headers, name)?;
        let is_hidden = action.outputs.iter().any(|output| output.hidden && output.is_of_header(name));
        let text = match &hidden {
            Some(hidden) if !is_hidden => hidden.out_of_text(&text).unwrap_or(text),
            Some(_) | None => HIDDEN.to_owned(),
        };
        Some((shown.clone(), text))
    });
    Some(found.collect())
}

/// The same as a result has them: masked, then cut.
pub(super) fn shown(
    headers: Headers,
    concealed: &Concealed,
    redact: &impl Fn(String) -> String,
) -> Map<String, Value> {
    let shown = headers.into_iter().map(|(name, text)| {
        let text = concealed.out_of_text(&text).unwrap_or(text);
        (name, Value::String(cut(redact(text))))
    });
    shown.collect()
}

fn cut(text: String) -> String {
    match text.char_indices().nth(MAX_CHARS) {
        None => text,
        Some((at, _)) => {
            let all = text.chars().count();
            format!("{} [cut: the first {MAX_CHARS} of {all} characters]", &text[..at])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_masked_before_it_is_cut() {
        let redact = |text: String| text.replace("s3cr3t", "***");
        let concealed = Concealed::new(vec!["cust-4711".to_owned()]);
        let long = format!("{}s3cr3t", "x".repeat(MAX_CHARS - 3));
        let headers = vec![
            ("X-Request-Id".to_owned(), "req-1".to_owned()),
            ("Link".to_owned(), "</c/cust-4711?k=s3cr3t>".to_owned()),
            ("X-Long".to_owned(), long.clone()),
            ("X-Longer".to_owned(), format!("{long}!")),
        ];
        let shown = shown(headers, &concealed, &redact);
        assert_eq!(shown["X-Request-Id"], "req-1");
        assert_eq!(shown["Link"], "</c/[hidden]?k=***>");
        let masked = format!("{}***", "x".repeat(MAX_CHARS - 3));
        assert_eq!(shown["X-Long"], *masked);
        let cut = format!("{masked} [cut: the first 1000 of 1001 characters]");
        assert_eq!(shown["X-Longer"], *cut);
        assert_eq!(shown.keys().collect::<Vec<_>>(), ["X-Request-Id", "Link", "X-Long", "X-Longer"]);
    }
}
