//! The words of a command line, as a POSIX shell splits them (sections 2.2 and
//! 2.6.5 of the Shell Command Language), with `$'…'` of bash, which browsers copy.

/// Longest command line.
const MAX_BYTES: usize = 1024 * 1024;

/// A command line, read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) words: Vec<String>,
    /// Commands whose output a shell would put into a word, with the placeholders that stand there.
    pub(super) commands: Vec<Command>,
    /// What the output of the command goes to, after `|`.
    pub(super) pipe: Option<String>,
}

/// A command within a word.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Command {
    /// Its program.
    pub(super) program: String,
    pub(super) placeholder: String,
}

/// Splits `text` into words. `$NAME` and `${NAME}` become `{{NAME}}`, because
/// what they stand for is not known here; in single quotes they are text. In double quotes, `$(command)` becomes
/// a placeholder too.
///
/// # Errors
///
/// A quote that never closes, a construct that a shell would run.
pub(super) fn split(text: &str) -> Result<Line, String> {
    if text.len() > MAX_BYTES {
        return Err(format!("the command has {} bytes, more than {MAX_BYTES}", text.len()));
    }
    let mut words = Words { chars: text.chars().peekable(), line: Line::default(), word: None };
    words.run()?;
    Ok(words.line)
}

struct Words<'t> {
    chars: std::iter::Peekable<std::str::Chars<'t>>,
    line: Line,
    word: Option<String>,
}

impl Words<'_> {
    fn push(&mut self, c: char) {
        self.word.get_or_insert_default().push(c);
    }

    fn end_word(&mut self) {
        self.line.words.extend(self.word.take());
    }

    fn run(&mut self) -> Result<(), String> {
        while let Some(c) = self.chars.next() {
            match c {
                ' ' | '\t' | '\n' | '\r' => self.end_word(),
                '#' if self.word.is_none() => while self.chars.next().is_some_and(|c| c != '\n') {},
                '\'' => self.single()?,
                '"' => self.double()?,
                '\\' => match self.chars.next() {
                    // A line that goes on; Windows ends lines with two characters.
                    Some('\n') => {}
                    Some('\r') if self.chars.peek() == Some(&'\n') => {
                        self.chars.next();
                    }
                    Some(c) => self.push(c),
                    None => return Err("the command ends in a backslash".to_owned()),
                },
                '$' => self.dollar(false)?,
                '`' => return Err("a command in backticks is not run".to_owned()),
                // What becomes of the answer is not the request's.
                '|' if self.chars.peek() != Some(&'|') => {
                    self.line.pipe = Some(self.chars.by_ref().collect::<String>().trim().to_owned());
                }
                ';' | '|' | '&' | '<' | '>' | '(' | ')' => {
                    return Err(format!(
                        "`{c}` outside quotes: one command is imported; quote addresses that hold it"
                    ));
                }
                c => self.push(c),
            }
        }
        self.end_word();
        Ok(())
    }

    fn single(&mut self) -> Result<(), String> {
        self.word.get_or_insert_default();
        loop {
            match self.chars.next() {
                Some('\'') => return Ok(()),
                Some(c) => self.push(c),
                None => return Err("a single quote is never closed".to_owned()),
            }
        }
    }

    fn double(&mut self) -> Result<(), String> {
        self.word.get_or_insert_default();
        loop {
            match self.chars.next() {
                Some('"') => return Ok(()),
                Some('\\') => match self.chars.next() {
                    Some('\n') => {}
                    Some(c @ ('"' | '\\' | '$' | '`')) => self.push(c),
                    Some(c) => {
                        self.push('\\');
                        self.push(c);
                    }
                    None => return Err("a double quote is never closed".to_owned()),
                },
                Some('$') => self.dollar(true)?,
                Some('`') => self.command('`')?,
                Some(c) => self.push(c),
                None => return Err("a double quote is never closed".to_owned()),
            }
        }
    }

    fn dollar(&mut self, quoted: bool) -> Result<(), String> {
        match self.chars.peek().copied() {
            Some('\'') if !quoted => {
                self.chars.next();
                self.ansi()
            }
            Some('(') if quoted => {
                self.chars.next();
                self.command(')')
            }
            Some('(') => Err("`$(…)` is not run".to_owned()),
            Some('{') => {
                self.chars.next();
                let mut name = String::new();
                loop {
                    match self.chars.next() {
                        Some('}') => break,
                        Some(c) => name.push(c),
                        None => return Err("`${` is never closed".to_owned()),
                    }
                }
                // `${NAME:-default}`
                let name: String =
                    name.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
                    return Err("`${…}` names no variable".to_owned());
                }
                self.variable(&name);
                Ok(())
            }
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                let mut name = String::new();
                while let Some(c) =
                    self.chars.peek().copied().filter(|c| c.is_ascii_alphanumeric() || *c == '_')
                {
                    name.push(c);
                    self.chars.next();
                }
                self.variable(&name);
                Ok(())
            }
            _ => {
                self.push('$');
                Ok(())
            }
        }
    }

    /// A command up to `end`: a placeholder that is called as the command is.
    fn command(&mut self, end: char) -> Result<(), String> {
        let (mut command, mut depth, mut quote) = (String::new(), 0_usize, None);
        loop {
            let Some(c) = self.chars.next() else {
                return Err("a command in quotes is never closed".to_owned());
            };
            match c {
                c if quote == Some(c) => quote = None,
                _ if quote.is_some() => {}
                c if c == end && depth == 0 => break,
                '"' | '\'' => quote = Some(c),
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            command.push(c);
        }
        let program = command.split_whitespace().next().unwrap_or_default().to_owned();
        if program == "cat" || program.starts_with('<') {
            return Err(
                "a command that reads a file is not run; put the content of the file in its place".to_owned()
            );
        }
        let words: Vec<&str> = command
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic()) && word.len() <= 20)
            .take(6)
            .collect();
        let placeholder = if words.is_empty() { "value".to_owned() } else { words.join("_").to_lowercase() };
        self.variable(&placeholder);
        self.line.commands.push(Command { program, placeholder });
        Ok(())
    }

    fn variable(&mut self, name: &str) {
        self.word.get_or_insert_default().push_str(&format!("{{{{{name}}}}}"));
    }

    /// `$'…'`: the escapes of ANSI C, of which some are bytes.
    fn ansi(&mut self) -> Result<(), String> {
        let mut bytes = Vec::new();
        self.escaped(&mut bytes)?;
        let word = self.word.get_or_insert_default();
        for chunk in bytes.utf8_chunks() {
            word.push_str(chunk.valid());
            // What is no UTF-8 is taken for Latin-1.
            word.extend(chunk.invalid().iter().copied().map(char::from));
        }
        Ok(())
    }

    fn escaped(&mut self, bytes: &mut Vec<u8>) -> Result<(), String> {
        let open = || "a `$'` is never closed".to_owned();
        loop {
            match self.chars.next().ok_or_else(open)? {
                '\'' => return Ok(()),
                '\\' => {
                    let c = match self.chars.next().ok_or_else(open)? {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        'a' => '\u{7}',
                        'b' => '\u{8}',
                        'e' | 'E' => '\u{1b}',
                        'f' => '\u{c}',
                        'v' => '\u{b}',
                        'u' => self.character(4),
                        'U' => self.character(8),
                        // A shell keeps the lower eight bits of `\777`.
                        'x' => {
                            bytes.push(self.code(16, 2).to_le_bytes()[0]);
                            continue;
                        }
                        digit @ '0'..='7' => {
                            let first = digit.to_digit(8).unwrap_or_default() << (3 * self.digits(8, 2));
                            bytes.push((first | self.code(8, 2)).to_le_bytes()[0]);
                            continue;
                        }
                        other => other,
                    };
                    push(bytes, c);
                }
                c => push(bytes, c),
            }
        }
    }

    /// The character of `\u` or `\U`; two halves of one, as browsers write it, are joined.
    fn character(&mut self, most: usize) -> char {
        let mut code = self.code(16, most);
        if (0xd800..0xdc00).contains(&code) {
            let mut ahead = self.chars.clone();
            if ahead.next() == Some('\\') && ahead.next() == Some('u') {
                let before = std::mem::replace(&mut self.chars, ahead);
                let low = self.code(16, 4);
                if (0xdc00..0xe000).contains(&low) {
                    code = 0x1_0000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                } else {
                    self.chars = before;
                }
            }
        }
        char::from_u32(code).unwrap_or('\u{fffd}')
    }

    /// How many of the next characters, up to `most`, are digits.
    fn digits(&self, radix: u32, most: usize) -> usize {
        self.chars.clone().take(most).take_while(|c| c.is_digit(radix)).count()
    }

    fn code(&mut self, radix: u32, most: usize) -> u32 {
        let count = self.digits(radix, most);
        self.chars
            .by_ref()
            .take(count)
            .filter_map(|c| c.to_digit(radix))
            .fold(0_u32, |code, digit| code.wrapping_mul(radix).wrapping_add(digit))
    }
}

fn push(bytes: &mut Vec<u8>, c: char) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(split(text).unwrap().words, expected, "{text}");
    }

    #[test]
    fn words_are_split_as_a_shell_does() {
        check("curl -X POST  'a b' \"c d\" e\\ f", &["curl", "-X", "POST", "a b", "c d", "e f"]);
        check("a \\\n  b \\\r\n c", &["a", "b", "c"]);
        check("'{\"a\": \"$b\"}' \"{\\\"a\\\": \\\"x\\\\n\\\"}\"", &["{\"a\": \"$b\"}", "{\"a\": \"x\\n\"}"]);
        check("$'it\\'s\\n\\u00e9\\x41\\101'", &["it's\néAA"]);
        check("$'\\xc3\\xa9\\303\\251\\xe9é\\7x\\1234'", &["ééé\u{e9}\u{7}xS4"]);
        check("$'\\ud83d\\ude00 \\ud83dx \\ud83d\\u0041 \\U0001f600'", &["😀 \u{fffd}x \u{fffd}A 😀"]);
        check(
            "-H \"Authorization: Bearer $TOKEN\" ${ID:-5}/x '$X'",
            &["-H", "Authorization: Bearer {{TOKEN}}", "{{ID}}/x", "$X"],
        );
        check("'' \"\"", &["", ""]);
        check("a # comment\nb a#b", &["a", "b", "a#b"]);
    }

    #[test]
    fn what_a_shell_would_run_or_wait_for_is_refused() {
        for text in [
            "'a",
            "\"a",
            "a `id`",
            "$(id)",
            "\"$(cat a)\"",
            "\"$(<a)\"",
            "\"$(id",
            "a; b",
            "a || b",
            "a & b",
            "a > b",
            "$'a",
            "${a",
            "a \\",
            "${}",
        ] {
            assert!(split(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_command_in_quotes_is_a_placeholder_and_a_pipe_ends_the_request() {
        let line =
            split("curl -H \"A: Bearer $(gcloud auth print-access-token --a 'x)')\" b | jq '.a[]' | c")
                .unwrap();
        assert_eq!(line.words, ["curl", "-H", "A: Bearer {{gcloud_auth_print_access_token_a}}", "b"]);
        assert_eq!(line.pipe.as_deref(), Some("jq '.a[]' | c"));
        let commands: Vec<&str> = line.commands.iter().map(|command| command.program.as_str()).collect();
        assert_eq!(commands, ["gcloud"]);
        assert_eq!(split("\"a `date +%s` $((1 + (2)))\"").unwrap().words, ["a {{date_s}} {{value}}"]);
    }

    proptest! {
        /// shlex knows neither variables nor operators; where there are none, it is right.
        #[test]
        fn words_are_those_of_shlex(
            // No backslash at the end of a line: shlex takes the end of a line that goes on for an empty word.
            text in "([a-z \\\\'\"{}:/#-]|[a-z '\"{}:/#-]\n){0,40}",
        ) {
            match (split(&text), shlex::split(&text)) {
                (Ok(ours), Some(theirs)) => prop_assert_eq!(ours.words, theirs),
                (Err(_), None) => {}
                (ours, theirs) => prop_assert!(false, "{:?} {:?}", ours, theirs),
            }
        }

        #[test]
        fn any_text_is_split_or_refused(text in any::<String>()) {
            let _ = split(&text);
        }
    }
}
