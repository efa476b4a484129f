//! Descriptions in Markdown and HTML → one or two plain sentences.

/// Longest description of an action that is made; Vapi cuts at 1,000.
const MAX_CHARS: usize = 500;
/// Longest text that is looked at.
const MAX_SOURCE: usize = 20_000;

/// At most two sentences of `source`, without markup; empty where there is none.
pub(super) fn text(source: &str) -> String {
    sentences(&plain(source), 2, MAX_CHARS)
}

/// A longer description, such as that of a parameter: all of it, at most `max` characters.
pub(super) fn bounded(source: &str, max: usize) -> String {
    sentences(&plain(source), usize::MAX, max)
}

/// The text without tags, links, code fences and line breaks.
fn plain(source: &str) -> String {
    let mut end = source.len().min(MAX_SOURCE);
    while !source.is_char_boundary(end) {
        end -= 1;
    }
    let source = &source[..end];
    let mut out = String::new();
    let mut fenced = false;
    for line in source.lines() {
        let line = line.trim();
        if line.starts_with("```") || line.starts_with("~~~") {
            fenced = !fenced;
            continue;
        }
        // Tables and rules say nothing when read aloud.
        if fenced || line.starts_with('|') || line.chars().all(|c| matches!(c, '-' | '=' | '*' | '_')) {
            continue;
        }
        let is_heading = line.starts_with('#');
        let line = line.trim_start_matches(['#', '>', '*', ' ']).trim_start_matches("- ");
        without_markup(line, &mut out);
        if is_heading && !out.trim_end().ends_with(['.', '!', '?', ':']) {
            out.push('.');
        }
        out.push(' ');
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn without_markup(line: &str, out: &mut String) {
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '<' => match rest.find('>') {
                Some(end) if rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/') => {
                    out.push(' ');
                    rest = &rest[end + 1..];
                    // A tag inside a sentence leaves no blank before its full stop.
                    if rest.starts_with(['.', ',', ')', ':', ';']) && out.ends_with(' ') {
                        out.pop();
                    }
                }
                _ => out.push(c),
            },
            // [text](address) is its text.
            ']' if rest.starts_with('(') => match rest.find(')') {
                Some(end) => rest = &rest[end + 1..],
                None => out.push(c),
            },
            '[' if rest.contains("](") => {}
            '!' if rest.starts_with('[') => {}
            '*' if rest.starts_with('*') => rest = &rest[1..],
            '\\' if rest.starts_with(['_', '*', '[', ']', '`', '#']) => {}
            '&' => {
                let entity = [
                    ("amp;", "&"),
                    ("lt;", "<"),
                    ("gt;", ">"),
                    ("quot;", "\""),
                    ("#39;", "'"),
                    ("nbsp;", " "),
                ];
                match entity.iter().find(|(name, _)| rest.starts_with(name)) {
                    Some((name, text)) => {
                        out.push_str(text);
                        rest = &rest[name.len()..];
                    }
                    None => out.push(c),
                }
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
}

/// The first `count` sentences of `text`, cut at a word after `max` characters.
fn sentences(text: &str, count: usize, max: usize) -> String {
    let mut end = text.len();
    let mut seen = 0;
    for (at, _) in text.match_indices(". ").chain(text.match_indices("! ")).chain(text.match_indices("? ")) {
        // `e.g. ` and `v1. ` end no sentence.
        let word = text[..at].rsplit(' ').next().unwrap_or_default();
        if matches!(word.trim_start_matches('('), "e.g" | "i.e" | "etc" | "vs" | "approx" | "No") {
            continue;
        }
        seen += 1;
        if seen == count {
            end = at + 1;
            break;
        }
    }
    let mut text = &text[..end];
    if let Some((cut, _)) = text.char_indices().nth(max) {
        text = text[..cut].rsplit_once(' ').map_or(&text[..cut], |(head, _)| head);
        return format!("{}…", text.trim_end_matches([',', ';', ':']));
    }
    text.to_owned()
}

/// `summary` and `description` as one text of at most two sentences.
pub(super) fn joined(summary: &str, description: &str) -> String {
    let (summary, description) = (plain(summary), plain(description));
    let head = sentences(&summary, 1, MAX_CHARS);
    let head = head.trim_end_matches('.');
    if head.is_empty() {
        return sentences(&description, 2, MAX_CHARS);
    }
    let tail = sentences(&description, 1, MAX_CHARS);
    let same = |text: &str| text.to_lowercase().replace(|c: char| !c.is_alphanumeric(), "");
    if tail.is_empty() || same(&tail).starts_with(&same(head)) {
        let whole = if tail.is_empty() { head.to_owned() } else { tail };
        return ended(&whole);
    }
    sentences(&format!("{} {}", ended(head), ended(&tail)), 3, MAX_CHARS)
}

/// `text` with a full stop.
fn ended(text: &str) -> String {
    if text.ends_with(['.', '!', '?', '…']) { text.to_owned() } else { format!("{text}.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_left_out_and_two_sentences_are_kept() {
        let source = "## Charges\n<p>To charge a <code>card</code>, create a [Charge](https://a.test/x) (e.g. a card). It's **fast**.</p>\n\n```\ncode\n```\nMore &amp; more.";
        assert_eq!(text(source), "Charges. To charge a card, create a Charge (e.g. a card).");
        assert_eq!(text("  \n\t"), "");
        assert_eq!(text("a\u{0}b"), "a b");
    }

    #[test]
    fn a_summary_and_a_description_are_joined_without_repeating() {
        assert_eq!(
            joined("List orders", "Gives all orders. Newest first."),
            "List orders. Gives all orders."
        );
        assert_eq!(joined("List orders", "List orders of a customer."), "List orders of a customer.");
        assert_eq!(joined("List orders.", ""), "List orders.");
        assert_eq!(joined("", "One. Two. Three."), "One. Two.");
        assert_eq!(joined("", ""), "");
    }

    #[test]
    fn long_texts_are_cut_at_a_word() {
        let cut = text(&"word ".repeat(2_000));
        assert!(cut.chars().count() <= 501 && cut.ends_with("word…"), "{cut}");
        assert!(text(&"é".repeat(30_000)).chars().count() <= 501);
    }
}
