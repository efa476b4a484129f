//! Descriptions in Markdown and HTML → one or two plain sentences; those that are written for a model stay whole.

use callgate_text::disguise;

/// Longest description of an action that is made of a documentation.
const MAX_CHARS: usize = 500;
/// Longest description that every provider takes (Vapi cuts at 1,000).
const MAX_WHOLE: usize = 1_000;
/// Longest text that is looked at.
const MAX_SOURCE: usize = 20_000;

/// At most two sentences of `source`, without markup; empty where there is none.
pub(super) fn text(source: &str) -> String {
    sentences(&plain(source), 2, MAX_CHARS)
}

/// Whether [`text`] leaves something of `source` out.
pub(super) fn is_cut(source: &str) -> bool {
    text(source) != plain(source)
}

/// All of `source`, which somebody wrote for a model, lines and markup as they are; where it is longer than
/// every provider takes, its beginning, and how long it was.
pub(super) fn whole(source: &str) -> (String, Option<usize>) {
    let lines = source.replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<String> = lines
        .trim()
        .split('\n')
        .map(|line| {
            let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            line.trim_end().to_owned()
        })
        .collect();
    let text = lines.join("\n");
    let length = text.chars().count();
    let Some((limit, _)) = text.char_indices().nth(MAX_WHOLE - 1).filter(|_| length > MAX_WHOLE) else {
        return (text, None);
    };
    let head = &text[..limit];
    // After a sentence or a line, where that leaves most of it.
    let end = ends(&text).into_iter().chain(head.match_indices('\n').map(|(at, _)| at));
    let end = end.filter(|end| *end <= limit && *end > limit / 2).max();
    let head = match end {
        Some(end) => &text[..end],
        None => head.rsplit_once(' ').map_or(head, |(head, _)| head),
    };
    (format!("{}…", head.trim_end()), Some(length))
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
                let from = line.len() - rest.len() - 1;
                match disguise::entity(&line.as_bytes()[from..]) {
                    Some((c, length)) => {
                        out.push(c);
                        rest = &line[from + length..];
                    }
                    None => out.push(c),
                }
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
}

/// Words that a full stop shortens.
const ABBREVIATIONS: &[&str] = &[
    "eg", "e.g", "ie", "i.e", "etc", "vs", "approx", "ca", "cf", "incl", "excl", "resp", "min", "max", "no",
    "nr", "mr", "mrs", "ms", "dr", "st", "inc", "ltd", "co", "corp", "fig", "p", "pp", "z.b", "d.h", "u.a",
    "bzw", "ggf", "usw", "p.ej", "ej", "p.ex", "ex",
];

/// Where sentences end in `text`: after each mark that ends one.
fn ends(text: &str) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut before = "";
    for (at, c) in text.char_indices() {
        let (head, rest) = (&text[..at], &text[at + c.len_utf8()..]);
        match c {
            '(' => open.push(at),
            ')' => drop(open.pop()),
            '。' | '！' | '？' if open.is_empty() => ends.push(at + c.len_utf8()),
            // What stands in parentheses belongs to the sentence around them, if they are closed.
            '.' | '!' | '?' if rest.starts_with(' ') && (open.is_empty() || !rest.contains(')')) => {
                let word = head[before.len()..].trim_start_matches(['(', '"', '\'', '[']).to_lowercase();
                let is_short = c == '.' && ABBREVIATIONS.contains(&word.as_str());
                let goes_on = rest.trim_start().starts_with(char::is_lowercase);
                if !is_short && !goes_on {
                    ends.push(at + 1);
                }
            }
            ' ' => before = &text[..=at],
            _ => {}
        }
    }
    ends
}

/// The first `count` sentences of `text`, cut at a word after `max` characters.
fn sentences(text: &str, count: usize, max: usize) -> String {
    let end = ends(text).get(count.saturating_sub(1)).copied().unwrap_or(text.len());
    let mut text = text[..end].trim_end();
    if let Some((cut, _)) = text.char_indices().nth(max) {
        text = text[..cut].rsplit_once(' ').map_or(&text[..cut], |(head, _)| head);
        return format!("{}…", text.trim_end_matches([',', ';', ':']));
    }
    text.to_owned()
}

/// Whether [`joined`] leaves something of `description` out.
pub(super) fn is_joined_cut(summary: &str, description: &str) -> bool {
    let (joined, description) = (joined(summary, description), plain(description));
    !description.is_empty() && !joined.contains(description.trim_end_matches('.'))
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
    fn an_abbreviation_ends_no_sentence() {
        for (source, expected) in [
            (
                "Create contact. You can create a contact (ie. user or lead). Leads have no email.",
                "Create contact. You can create a contact (ie. user or lead).",
            ),
            ("A contact, eg. A lead. Two. Three.", "A contact, eg. A lead. Two."),
            ("Lists all (Paid. Open. Late) bills. Two. Three.", "Lists all (Paid. Open. Late) bills. Two."),
            ("Lists (all. Two. Three.", "Lists (all. Two."),
            ("Version 1.2 of it! Two? Three.", "Version 1.2 of it! Two?"),
            ("查询订单。取消订单。删除订单。", "查询订单。取消订单。"),
        ] {
            assert_eq!(text(source), expected);
            assert!(is_cut(source), "{source}");
        }
        assert!(!is_cut("One. **Two**."));
        assert!(
            is_joined_cut("List", "One. Two.")
                && !is_joined_cut("List", "One.")
                && !is_joined_cut("List", "")
        );
    }

    #[test]
    fn what_is_written_for_a_model_stays_whole_up_to_the_limit_of_providers() {
        let source = "Books a slot.\r\n\r\n- Only after a *yes*. \n- Never twice.\u{0}\n";
        assert_eq!(
            whole(source),
            ("Books a slot.\n\n- Only after a *yes*.\n- Never twice.".to_owned(), None)
        );
        let (text, length) = whole(&"Ask for the day. ".repeat(100));
        assert_eq!(length, Some(1_699));
        assert!(text.ends_with("Ask for the day.…") && text.chars().count() > 900, "{text}");
        let (text, _) = whole(&"é".repeat(2_000));
        assert_eq!(text.chars().count(), 1_000);
        assert_eq!(whole(&"é".repeat(1_000)).1, None);
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
