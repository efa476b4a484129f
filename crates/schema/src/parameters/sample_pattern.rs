//! A text that matches a regular expression, for the common ones.

/// Repetitions past this are not written out.
const MAX_REPEAT: usize = 64;
/// Groups inside groups are followed this far.
const MAX_DEPTH: usize = 16;
/// Longer results are given up.
const MAX_CHARS: usize = 4096;

/// Makes up a text for `pattern`; `None` for what it does not understand.
pub(super) fn matching(pattern: &str) -> Option<String> {
    let mut reader = Reader { rest: pattern.chars().collect(), at: 0 };
    let text = reader.alternatives(0)?;
    (reader.at == reader.rest.len()).then_some(text)
}

struct Reader {
    rest: Vec<char>,
    at: usize,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek();
        self.at += usize::from(next.is_some());
        next
    }

    fn take(&mut self, expected: char) -> bool {
        let taken = self.peek() == Some(expected);
        self.at += usize::from(taken);
        taken
    }

    /// Reads `a|b|c` and keeps the first.
    fn alternatives(&mut self, depth: usize) -> Option<String> {
        if depth > MAX_DEPTH {
            return None;
        }
        let first = self.sequence(depth)?;
        while self.take('|') {
            self.sequence(depth)?;
        }
        Some(first)
    }

    fn sequence(&mut self, depth: usize) -> Option<String> {
        let mut out = String::new();
        while let Some(next) = self.peek() {
            if matches!(next, '|' | ')') {
                break;
            }
            let piece = self.atom(depth)?;
            out.push_str(&piece.repeat(self.repetitions()?));
            if out.len() > MAX_CHARS {
                return None;
            }
        }
        Some(out)
    }

    fn atom(&mut self, depth: usize) -> Option<String> {
        Some(match self.next()? {
            '^' | '$' => String::new(),
            '.' => "x".to_owned(),
            '(' => {
                if self.take('?') {
                    // Look-around needs a search; names of groups mean nothing here.
                    match self.next()? {
                        ':' => {}
                        '<' if !matches!(self.peek()?, '=' | '!') => while self.next()? != '>' {},
                        _ => return None,
                    }
                }
                let inner = self.alternatives(depth + 1)?;
                self.take(')').then_some(inner)?
            }
            '[' => self.class()?.to_string(),
            '\\' => match self.escape()? {
                Escape::Nothing => String::new(),
                Escape::Char(c) => c.to_string(),
            },
            '*' | '+' | '?' => return None,
            other => other.to_string(),
        })
    }

    /// The fewest repetitions, but one where none would do, so that the text shows the part.
    fn repetitions(&mut self) -> Option<usize> {
        let times = match self.peek() {
            Some('*' | '+' | '?') => {
                self.at += 1;
                1
            }
            Some('{') => {
                self.at += 1;
                let least: usize = self.number().parse().ok()?;
                let most = if self.take(',') { self.number() } else { least.to_string() };
                if !self.take('}') || least > MAX_REPEAT {
                    return None;
                }
                if most == "0" { 0 } else { least.max(1) }
            }
            _ => return Some(1),
        };
        self.take('?');
        Some(times)
    }

    fn number(&mut self) -> String {
        let mut digits = String::new();
        while let Some(digit) = self.peek().filter(char::is_ascii_digit) {
            digits.push(digit);
            self.at += 1;
        }
        digits
    }

    fn escape(&mut self) -> Option<Escape> {
        Some(Escape::Char(match self.next()? {
            'b' | 'B' => return Some(Escape::Nothing),
            'd' => '1',
            'w' | 'D' | 'S' => 'a',
            's' | 'W' => ' ',
            't' => '\t',
            'n' => '\n',
            'r' => '\r',
            'p' | 'P' => {
                while self.next()? != '}' {}
                'A'
            }
            'u' => {
                let code: String = (0..4).map_while(|_| self.next()).collect();
                char::from_u32(u32::from_str_radix(&code, 16).ok()?)?
            }
            // A back-reference repeats what is not remembered.
            digit if digit.is_ascii_alphanumeric() => return None,
            literal => literal,
        }))
    }

    /// Reads `[…]` and picks one of its characters.
    fn class(&mut self) -> Option<char> {
        let negated = self.take('^');
        let mut ranges: Vec<(char, char)> = Vec::new();
        loop {
            let first = match self.next()? {
                ']' => break,
                '\\' => match self.escape()? {
                    Escape::Char(c) => c,
                    Escape::Nothing => '\u{8}',
                },
                c => c,
            };
            let is_range = self.peek() == Some('-') && self.rest.get(self.at + 1) != Some(&']');
            let last = match is_range {
                true => {
                    self.at += 1;
                    match self.next()? {
                        '\\' => match self.escape()? {
                            Escape::Char(c) => c,
                            Escape::Nothing => return None,
                        },
                        c => c,
                    }
                }
                false => first,
            };
            ranges.push((first, last));
        }
        match negated {
            false => ranges.first().map(|(first, _)| *first),
            true => ('a'..='z')
                .chain('A'..='Z')
                .chain('0'..='9')
                .chain(['-', '_', ' ', '.'])
                .find(|c| !ranges.iter().any(|(first, last)| (*first..=*last).contains(c))),
        }
    }
}

enum Escape {
    Nothing,
    Char(char),
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn common_patterns_get_a_text_that_matches() {
        for pattern in [
            r"^[A-Z]{3}-\d{4}$",
            r"^\+?[1-9]\d{1,14}$",
            r"^(mon|tue)$",
            r"^(?:[a-z]+\.)*[a-z]{2,}$",
            r"^[^a-y0-9]+$",
            r"^\p{Lu}\w*$",
            r"^\u0041.?$",
            r"^(?<year>\d{4})/x{0}$",
            r"^$",
            r"[\]\-a]",
        ] {
            let text = matching(pattern).expect(pattern);
            let schema = jsonschema::validator_for(&json!({ "pattern": pattern })).unwrap();
            assert!(schema.is_valid(&json!(text)), "{pattern} made {text:?}");
        }
    }

    #[test]
    fn other_patterns_are_left_alone() {
        for pattern in ["(?=a)b", "(a", "a)", "[a", "a{999999}", "*", r"(a)\1", "a{2", "\\"] {
            assert_eq!(matching(pattern), None, "{pattern}");
        }
        assert_eq!(matching(&"(".repeat(10_000)), None);
    }
}
