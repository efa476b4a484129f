//! How a turn looks on a terminal, and in a pipe.

use std::io::{self, Write};

use super::events::Event;

const DIM: &str = "\u{1b}[2m";
const RESET: &str = "\u{1b}[0m";
/// As much is shown of arguments and of what the model is told.
const LONGEST_DETAIL: usize = 300;

/// Writes what is told of turns: what the model says as it comes, all else on lines of its own, in brackets.
pub(super) struct Show<W> {
    out: W,
    is_terminal: bool,
    /// Whether rounds and tokens are told too.
    is_verbose: bool,
    /// Whether the line has something in it.
    is_in_line: bool,
}

impl<W: Write> Show<W> {
    pub(super) fn new(out: W, is_terminal: bool, is_verbose: bool) -> Self {
        Self { out, is_terminal, is_verbose, is_in_line: false }
    }

    /// Asks for a line.
    pub(super) fn prompt(&mut self) -> io::Result<()> {
        if self.is_terminal {
            self.out.write_all(b"> ")?;
            self.out.flush()?;
        }
        Ok(())
    }

    /// Shows an event.
    pub(super) fn event(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Text { text, source, .. } if source == "model" => self.say(text),
            Event::Text { text, source, at_ms } => {
                let words = match source.as_str() {
                    "start" | "delayed" => format!("{source} filler"),
                    other => other.to_owned(),
                };
                self.note(Some(*at_ms), &words, Some(text.trim()))
            }
            Event::Round { round, model, first_token_ms, took_ms } if self.is_verbose => {
                let words =
                    format!("round {round}: {model}, first token {first_token_ms} ms, took {took_ms} ms");
                self.note(None, &words, None)
            }
            Event::Round { .. } => Ok(()),
            Event::Started { name, arguments, at_ms } => {
                self.note(Some(*at_ms), &format!("call {name} {}", beginning(arguments)), None)
            }
            Event::Ended { name, status, duration_ms, replayed, content, at_ms } => {
                let status_word = status.as_deref().unwrap_or("not executed");
                let took = duration_ms.map(|ms| format!(", {ms} ms")).unwrap_or_default();
                let again = if *replayed { ", replayed" } else { "" };
                let is_success = status_word == "success";
                let told = if is_success { String::new() } else { format!(": {}", beginning(content)) };
                self.note(Some(*at_ms), &format!("{name} {status_word}{took}{again}{told}"), None)
            }
            Event::Passed { name, arguments } => {
                self.note(None, &format!("for the caller to do: {name} {}", beginning(arguments)), None)
            }
            Event::Handover { to } => {
                self.note(None, format!("handed over to {to}").trim_end_matches(" to "), None)
            }
            Event::Done { is_cut_off, input_tokens, output_tokens, at_ms, .. } => {
                if *is_cut_off {
                    self.note(None, "cut off at the limit of tokens", None)?;
                }
                if self.is_verbose {
                    let words = format!("took {at_ms} ms, {input_tokens} tokens in, {output_tokens} out");
                    self.note(None, &words, None)?;
                }
                self.end()
            }
        }
    }

    /// Says that the answer was interrupted.
    pub(super) fn interrupted(&mut self) -> io::Result<()> {
        self.note(None, "interrupted", None)?;
        self.end()
    }

    /// Ends the line, if there is something in it.
    pub(super) fn end(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.is_in_line) {
            self.out.write_all(b"\n")?;
        }
        self.out.flush()
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        // What follows a line of its own begins one.
        let text = if self.is_in_line { text } else { text.trim_start() };
        let text = clean(text);
        if text.is_empty() {
            return Ok(());
        }
        self.is_in_line = !text.ends_with('\n');
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    /// A line of its own: when and what, and what was said.
    fn note(&mut self, at_ms: Option<u64>, what: &str, said: Option<&str>) -> io::Result<()> {
        self.end()?;
        let at = at_ms.map(since).unwrap_or_default();
        let said = said.map(|said| format!(" {said}")).unwrap_or_default();
        let line = clean(&format!("[{at}{what}]{said}")).replace('\n', " ");
        match self.is_terminal {
            true => writeln!(self.out, "{DIM}{line}{RESET}")?,
            false => writeln!(self.out, "{line}")?,
        }
        self.out.flush()
    }
}

/// A time since the turn began: `+1.2 s `.
fn since(ms: u64) -> String {
    let tenths = ms.saturating_add(50) / 100;
    format!("+{}.{} s ", tenths / 10, tenths % 10)
}

fn beginning(text: &str) -> String {
    match text.char_indices().nth(LONGEST_DETAIL) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}

/// The text without what would move the cursor of a terminal.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str, source: &str) -> Event {
        Event::Text { text: text.to_owned(), source: source.to_owned(), at_ms: 1_230 }
    }

    fn done(is_cut_off: bool) -> Event {
        Event::Done { is_cut_off, input_tokens: 12, output_tokens: 3, error: None, at_ms: 900 }
    }

    fn shown(is_terminal: bool, is_verbose: bool, events: &[Event]) -> String {
        let mut out = Vec::new();
        let mut show = Show::new(&mut out, is_terminal, is_verbose);
        for event in events {
            show.event(event).unwrap();
        }
        String::from_utf8(out).unwrap()
    }

    fn call(status: Option<&str>, content: &str) -> Event {
        let status = status.map(str::to_owned);
        let duration_ms = status.as_ref().map(|_| 7);
        Event::Ended {
            name: "get".to_owned(),
            status,
            duration_ms,
            replayed: true,
            content: content.to_owned(),
            at_ms: 40,
        }
    }

    #[test]
    fn the_words_of_the_model_stand_alone_and_all_else_in_brackets() {
        let started =
            Event::Started { name: "get".to_owned(), arguments: r#"{"id":1}"#.to_owned(), at_ms: 20 };
        let events = [
            text("Let me ", "model"),
            text("look.", "model"),
            started,
            text("One moment. ", "start"),
            call(Some("success"), "{}"),
            text(" It is\n", "model"),
            text("here.", "model"),
            done(true),
        ];
        let expected = "Let me look.\n[+0.0 s call get {\"id\":1}]\n[+1.2 s start filler] One moment.\n\
                        [+0.0 s get success, 7 ms, replayed]\nIt is\nhere.\n[cut off at the limit of tokens]\n";
        assert_eq!(shown(false, false, &events), expected);
        let on_terminal = shown(true, false, &events);
        assert!(
            on_terminal.contains("\u{1b}[2m[+1.2 s start filler] One moment.\u{1b}[0m\n"),
            "{on_terminal:?}"
        );
        assert!(on_terminal.contains("Let me look.\n"), "the model's words are not dimmed: {on_terminal:?}");
    }

    #[test]
    fn rounds_and_tokens_are_told_on_request() {
        let round = Event::Round { round: 2, model: "m".to_owned(), first_token_ms: 4, took_ms: 9 };
        let events = [round, text("Yes.", "model"), done(false)];
        assert_eq!(shown(false, false, &events), "Yes.\n");
        let told = "[round 2: m, first token 4 ms, took 9 ms]\nYes.\n[took 900 ms, 12 tokens in, 3 out]\n";
        assert_eq!(shown(false, true, &events), told);
    }

    #[test]
    fn what_went_wrong_is_told_with_its_reason() {
        let refused = [call(None, "there is no such tool"), call(Some("error"), &"x".repeat(400))];
        let expected = format!(
            "[+0.0 s get not executed, replayed: there is no such tool]\n[+0.0 s get error, 7 ms, replayed: {}…]\n",
            "x".repeat(300)
        );
        assert_eq!(shown(false, false, &refused), expected);
        let handed = [Event::Handover { to: "+1555".to_owned() }, Event::Handover { to: String::new() }];
        assert_eq!(shown(false, false, &handed), "[handed over to +1555]\n[handed over]\n");
    }

    #[test]
    fn nothing_from_outside_moves_the_cursor() {
        let events = [
            text("a\u{1b}[2Jb\r\u{7}\u{9b}c\td", "model"),
            text("e\u{1b}]0;x\nf", "start"),
            Event::Started { name: "\u{1b}g".to_owned(), arguments: "\u{8}".to_owned(), at_ms: 0 },
        ];
        let expected = "a [2Jb   c\td\n[+1.2 s start filler] e ]0;x f\n[+0.0 s call  g  ]\n";
        assert_eq!(shown(false, false, &events), expected);
    }

    #[test]
    fn times_are_rounded_to_tenths_of_a_second() {
        assert_eq!(
            [0, 49, 50, 1_230, 59_970].map(since),
            ["+0.0 s ", "+0.0 s ", "+0.1 s ", "+1.2 s ", "+60.0 s "]
        );
    }
}
