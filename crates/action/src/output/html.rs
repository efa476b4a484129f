//! An HTML page as the few words a person would read of it.

use callgate_text::disguise;

/// Elements whose content nobody reads.
const UNREAD: &[&str] =
    &["script", "style", "template", "noscript", "svg", "math", "iframe", "object", "select", "textarea"];
/// Elements that do not break a line: what they hold belongs to the word or sentence around.
const INLINE: &[&str] = &[
    "a", "abbr", "b", "bdi", "bdo", "cite", "code", "data", "dfn", "em", "font", "i", "kbd", "mark", "q",
    "s", "samp", "small", "span", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr",
];

/// Whether `text`, which came without a media type that says so, is an HTML page.
pub fn is_html(text: &str) -> bool {
    let mut rest = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    // Comments and an XML declaration may stand before it.
    for _ in 0..4 {
        let end = match rest {
            _ if rest.starts_with("<!--") => rest.find("-->").map(|at| at + 3),
            _ if rest.starts_with("<?") => rest.find("?>").map(|at| at + 2),
            _ => None,
        };
        let Some(end) = end else { break };
        rest = rest[end..].trim_start();
    }
    let head: String = rest.chars().take(15).collect::<String>().to_ascii_lowercase();
    head.starts_with("<!doctype html")
        || ["<html", "<head", "<body"].iter().any(|tag| {
            head.strip_prefix(tag).is_some_and(|rest| {
                rest.is_empty() || rest.starts_with(|c: char| c.is_whitespace() || c == '>')
            })
        })
}

/// The title and the visible text of an HTML page: no tags, scripts, styles or
/// comments; entities decoded; one space between words, one line for each block.
///
/// Takes any text, in time and memory in proportion to it: what is broken is
/// read as a browser would, or left out.
pub fn html_to_text(html: &str) -> String {
    let mut page = Page::default();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        page.text(&rest[..at]);
        rest = page.markup(&rest[at..]);
    }
    page.text(rest);
    page.into_text()
}

#[derive(Default)]
struct Page {
    title: String,
    body: String,
    in_title: bool,
    /// Whether a line, or else a space, comes before the next word.
    line_due: bool,
    space_due: bool,
    /// Comments and unread elements that have no end: looked for once.
    endless: Vec<&'static str>,
}

impl Page {
    /// Adds text between two tags.
    fn text(&mut self, text: &str) {
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let entity = if c == '&' { disguise::entity(rest.as_bytes()) } else { None };
            let (c, length) = entity.unwrap_or((c, c.len_utf8()));
            rest = &rest[length..];
            if c.is_whitespace() || c.is_control() {
                self.space_due = true;
            } else {
                self.push(c);
            }
        }
    }

    fn push(&mut self, c: char) {
        let out = if self.in_title { &mut self.title } else { &mut self.body };
        if !out.is_empty() {
            if self.line_due && !self.in_title {
                out.push('\n');
            } else if self.space_due || self.line_due {
                out.push(' ');
            }
        }
        (self.line_due, self.space_due) = (false, false);
        out.push(c);
    }

    /// Passes what begins with `<`; what comes after it.
    fn markup<'h>(&mut self, html: &'h str) -> &'h str {
        if let Some(comment) = html.strip_prefix("<!--") {
            // `<!-->` is a whole comment (WHATWG HTML section 13.2.5.43).
            let inner = comment.strip_prefix('>').or_else(|| comment.strip_prefix("->"));
            return inner.unwrap_or_else(|| self.after(comment, "-->", |text| text.find("-->")));
        }
        let name_at = if html[1..].starts_with('/') { 2 } else { 1 };
        let first = html[name_at..].chars().next();
        if !first.is_some_and(|c| c.is_ascii_alphabetic()) {
            return match first {
                Some('!' | '?') => html.find('>').map_or("", |end| &html[end + 1..]),
                _ if name_at == 2 => html.find('>').map_or("", |end| &html[end + 1..]),
                // A `<` that begins no tag is text.
                _ => {
                    self.push('<');
                    &html[1..]
                }
            };
        }
        let end = html[name_at..].find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        let name_end = end.map_or(html.len(), |end| name_at + end);
        let name = html[name_at..name_end].to_ascii_lowercase();
        let rest = after_tag(&html[name_end..]);
        let opens = name_at == 1;
        if name == "title" && self.title.is_empty() | !opens {
            self.in_title = opens;
            (self.line_due, self.space_due) = (false, false);
        } else if !INLINE.contains(&name.as_str()) {
            self.line_due = true;
        }
        match UNREAD.iter().find(|unread| opens && **unread == name) {
            Some(unread) => self.after(rest, unread, |text| find_end_tag(text, unread)),
            None => rest,
        }
    }

    /// What comes after the end that `find` finds; everything is left out where
    /// there is none. An end that was missed once is not looked for again.
    fn after<'h>(
        &mut self,
        html: &'h str,
        what: &'static str,
        find: impl Fn(&str) -> Option<usize>,
    ) -> &'h str {
        if self.endless.contains(&what) {
            return "";
        }
        match find(html) {
            Some(at) if what == "-->" => &html[at + what.len()..],
            Some(at) => &html[at..],
            None => {
                self.endless.push(what);
                ""
            }
        }
    }

    fn into_text(self) -> String {
        let Self { title, body, .. } = self;
        // Error pages begin with their title said again.
        match body.strip_prefix(title.as_str()) {
            _ if title.is_empty() => body,
            Some(rest) if rest.is_empty() || rest.starts_with('\n') => body,
            _ if body.is_empty() => title,
            _ => format!("{title}\n{body}"),
        }
    }
}

/// What comes after the attributes of a tag; a `>` in quotes does not end it.
fn after_tag(html: &str) -> &str {
    let mut quote = None;
    let mut previous = ' ';
    for (at, c) in html.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '>' => return &html[at + 1..],
            // A quote begins a value only after the equals sign.
            None if (c == '"' || c == '\'') && previous == '=' => quote = Some(c),
            None => {}
        }
        if !c.is_whitespace() {
            previous = c;
        }
    }
    // A tag that does not end takes the rest with it, as in a browser.
    ""
}

/// Where `</name` stands.
fn find_end_tag(html: &str, name: &str) -> Option<usize> {
    let bytes = html.as_bytes();
    memchr::memmem::find_iter(bytes, "</").find(|at| {
        let tag = bytes.get(at + 2..at + 2 + name.len());
        let after = bytes.get(at + 2 + name.len());
        tag.is_some_and(|tag| tag.eq_ignore_ascii_case(name.as_bytes()))
            && after.is_none_or(|byte| !byte.is_ascii_alphanumeric())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(html: &str, expected: &str) {
        assert_eq!(html_to_text(html), expected, "{html}");
    }

    #[test]
    fn an_error_page_is_its_title_and_its_sentences() {
        check(
            "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head>\n<body><h1>502 Bad Gateway</h1><hr>nginx</body></html>",
            "502 Bad Gateway\nnginx",
        );
        check(
            "<html><head><title>Oops</title><style>p{}</style><script>if (a</b>) x('</div>')</script></head>\
             <body><!-- <p>not this</p> --><h1>Sorry &amp; good&nbsp;bye</h1><p>It&#39;s <b>br</b>oken,\n  caf&eacute; &#x1F600; &unknown; 1 < 2</p></body>",
            "Oops\nSorry & good bye\nIt's broken, café 😀 &unknown; 1 < 2",
        );
        check("<p>one</p><p>two<br/>three</p><ul><li>a<li>b</ul>", "one\ntwo\nthree\na\nb");
        check(r#"<a title="x > y" href='>'>link</a> text"#, "link text");
        check("<SCRIPT>x</Script ><p>y", "y");
        check("just text", "just text");
        check("", "");
    }

    #[test]
    fn what_is_broken_is_left_out() {
        for (html, text) in [
            ("a<script>never ends", "a"),
            ("a<!-- never ends", "a"),
            ("a<!-->b", "ab"),
            ("a<!doctype", "a"),
            ("a<p", "a"),
            ("a<p title=\"never closed>b", "a"),
            ("a</>b</ x>c<?php echo ?>d", "abcd"),
            ("<title>never ends", "never ends"),
            ("<title>a</title><svg><title>b</title></svg>c", "a\nc"),
            ("&", "&"),
            ("&#0;&#xD800;&#99999999;", "&#0;&#xD800;&#99999999;"),
            ("<", "<"),
        ] {
            check(html, text);
        }
    }

    #[test]
    fn html_is_known_by_how_it_begins() {
        for html in [
            "<!DOCTYPE HTML PUBLIC",
            " \n<html>",
            "<!-- x --><html lang=en>",
            "<?xml version=\"1.0\"?>\n<html>",
            "<BODY>",
        ] {
            assert!(is_html(html), "{html}");
        }
        for other in ["<soap:Envelope>", "<htmlx>", "text <html>", "{\"a\":\"<html>\"}", "", "<!-- <html>"] {
            assert!(!is_html(other), "{other}");
        }
    }

    #[test]
    fn hostile_pages_are_read_once() {
        // In quadratic time this would take hours.
        for piece in
            ["<!--", "<script>", "<p title=\"", "</", "<", "&", "<style></", "<a b='c' d=\">\" ", "&#x"]
        {
            let page = piece.repeat(500_000);
            assert!(html_to_text(&page).len() <= page.len());
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken(html in "(<|>|</|<!--|-->|<script>|</script>|<title>|</title>|&amp;|&#60;|\"|'|=| |a|ü|\n){0,40}") {
            let text = html_to_text(&html);
            prop_assert!(text.len() <= html.len());
            prop_assert_eq!(text.trim(), &text);
        }
    }
}
