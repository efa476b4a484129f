//! The inside of an action: tokens, their separation, and the words that are allowed.

use super::error::{Place, TemplateError, TemplateErrorCode};
use super::literal::{self, Literal};
use super::scan::{MAX_ERRORS, Scanner, Stop, Token, TokenKind};

/// The most parentheses open at one place.
const MAX_OPEN_PARENTHESES: usize = 32;
/// The most pipes in one action.
const MAX_PIPES: usize = 32;

const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

/// Spells a character for a message.
fn visible(c: char) -> String {
    if c.is_control() { c.escape_debug().to_string() } else { c.to_string() }
}

impl<'s> Scanner<'s> {
    /// Takes an action apart up to and including its `}}`; returns whether it trims the text behind it.
    pub(super) fn action(&mut self, open: Place) -> Result<bool, Stop> {
        let first = self.scan.tokens.len();
        let mut parentheses: Vec<usize> = Vec::new();
        let mut pipes = 0;
        loop {
            let spaces = self.rest().len() - self.rest().trim_start_matches(SPACES).len();
            self.offset += spaces;
            let trims = spaces > 0 && self.rest().starts_with("-}}");
            if trims || self.rest().starts_with("}}") {
                self.offset += usize::from(trims);
                self.mask(self.offset, "}}");
                self.offset += 2;
                if let Some(&parenthesis) = parentheses.last() {
                    let place = self.scan.tokens[parenthesis].place();
                    return self.fail(place, "`(` is never closed", None);
                }
                self.end_of_command(first, "}}")?;
                self.structure(open, first)?;
                return Ok(trims);
            }
            let Some(c) = self.rest().chars().next() else {
                let hint = "close it with `}}`".to_owned();
                return self.fail(open, "the action is never closed", Some(hint));
            };
            let start = self.offset;
            let place = self.place_at(start);
            let kind = self.token(c, place)?;
            self.separation(first, &kind, spaces > 0, place)?;
            match kind {
                TokenKind::Pipe => {
                    self.end_of_command(first, "|")?;
                    pipes += 1;
                    if pipes > MAX_PIPES {
                        return self.fail(place, format!("more than {MAX_PIPES} pipes in one action"), None);
                    }
                }
                TokenKind::Declare | TokenKind::Assign => self.binding(first, place)?,
                TokenKind::Open(_) => {
                    if parentheses.len() == MAX_OPEN_PARENTHESES {
                        let message = format!("parentheses are nested more than {MAX_OPEN_PARENTHESES} deep");
                        return self.fail(place, message, None);
                    }
                    parentheses.push(self.scan.tokens.len());
                }
                TokenKind::Close => {
                    self.end_of_command(first, ")")?;
                    let Some(parenthesis) = parentheses.pop() else {
                        return self.fail(place, "`)` closes nothing", None);
                    };
                    self.scan.tokens[parenthesis].kind = TokenKind::Open(self.scan.tokens.len());
                }
                _ => {}
            }
            // A literal is a `0` to the parser, which gives it back by its offset.
            let source = self.scan.source;
            let sign = if matches!(kind, TokenKind::Literal(_)) { "0" } else { &source[start..self.offset] };
            self.mask(start, sign);
            let bytes = start..self.offset;
            self.scan.tokens.push(Token { kind, bytes, line: place.line, column: place.column });
        }
    }

    /// Reads one token and leaves the offset behind it.
    fn token(&mut self, c: char, place: Place) -> Result<TokenKind, Stop> {
        let digit_follows = self.rest().as_bytes().get(1).is_some_and(u8::is_ascii_digit);
        match c {
            '|' => self.sign(1, TokenKind::Pipe),
            '(' => self.sign(1, TokenKind::Open(0)),
            ')' => self.sign(1, TokenKind::Close),
            '=' if !self.rest().starts_with("==") => self.sign(1, TokenKind::Assign),
            ':' if self.rest().starts_with(":=") => self.sign(2, TokenKind::Declare),
            '"' | '\'' => self.quoted(c, place),
            '`' => self.raw(place),
            '.' if !digit_follows => {
                self.offset += 1;
                let name = self.name();
                self.terminated(place)?;
                Ok(if name == 0 { TokenKind::Dot } else { TokenKind::Field })
            }
            '$' => {
                self.offset += 1;
                self.name();
                self.terminated(place)?;
                Ok(TokenKind::Variable)
            }
            '.' | '+' | '-' | '0'..='9' => self.number(place),
            c if c.is_alphabetic() || c == '_' => self.word(place),
            c => self.unexpected(c, place),
        }
    }

    fn sign(&mut self, length: usize, kind: TokenKind) -> Result<TokenKind, Stop> {
        self.offset += length;
        Ok(kind)
    }

    /// Skips letters, digits and `_`; returns how many bytes they take.
    fn name(&mut self) -> usize {
        let rest = self.rest();
        let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        self.offset += length;
        length
    }

    /// Checks that a name ends where Go lets names end.
    fn terminated(&mut self, start: Place) -> Result<(), Stop> {
        let rest = self.rest();
        if rest.is_empty()
            || rest.starts_with("}}")
            || rest.starts_with([' ', '\t', '\r', '\n', '.', ',', '|', ':', ')', '('])
        {
            return Ok(());
        }
        let place = self.place_at(self.offset);
        let c = rest.chars().next().unwrap_or_default();
        let hint = match c {
            '-' => self.hyphen_hint(start),
            '[' => Some("take an element with `index`, as in `index .parameters.list 0`".to_owned()),
            '=' => Some("put spaces around `=`".to_owned()),
            _ => None,
        };
        self.fail(place, format!("unexpected `{}` after a name", visible(c)), hint)
    }

    /// `index .parameters "a-b"` for `.parameters.a-b`, whose last field begins at `start`.
    fn hyphen_hint(&self, start: Place) -> Option<String> {
        let source = self.scan.source;
        let rest = &source[start.offset..];
        let name = rest.strip_prefix('.')?;
        let length = name.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').unwrap_or(name.len());
        let mut owner = start.offset;
        for token in self.scan.tokens.iter().rev() {
            if token.bytes.end != owner || !matches!(token.kind, TokenKind::Field | TokenKind::Variable) {
                break;
            }
            owner = token.bytes.start;
        }
        let owner = if owner == start.offset { "." } else { &source[owner..start.offset] };
        Some(format!("write `index {owner} \"{}\"`: Go takes no `-` in a name", &name[..length]))
    }

    fn unexpected(&mut self, c: char, place: Place) -> Result<TokenKind, Stop> {
        let hint = match c {
            '{' => Some("put a space between a brace of the text and the action: `{ {{…}} }`"),
            '=' => Some("compare with `eq`, as in `eq .parameters.x \"y\"`"),
            '!' => Some("write `not` or `ne`"),
            '&' => Some("write `and`, as in `and .parameters.x .parameters.y`"),
            '<' | '>' => Some("write `lt`, `le`, `gt` or `ge`"),
            ',' => Some("arguments are separated by spaces, and only one variable is set at a time"),
            '/' => Some("a comment stands alone and close to the braces: `{{/* text */}}`"),
            _ => None,
        };
        self.fail(place, format!("unexpected `{}` in an action", visible(c)), hint.map(str::to_owned))
    }

    fn literal(&mut self, literal: Literal) -> TokenKind {
        self.scan.literals.push(literal);
        TokenKind::Literal(self.scan.literals.len() - 1)
    }

    fn quoted(&mut self, quote: char, place: Place) -> Result<TokenKind, Stop> {
        let inner = &self.rest()[1..];
        let mut escaped = false;
        let end = inner.char_indices().find_map(|(at, c)| {
            let ends = !escaped && c == quote || c == '\n';
            escaped = !escaped && c == '\\';
            ends.then_some((at, c))
        });
        let Some((end, _)) = end.filter(|(_, c)| *c == quote) else {
            return self.fail(place, format!("`{quote}` is never closed"), None);
        };
        self.offset += end + 2;
        let literal = match quote {
            '"' => literal::unquote(&inner[..end]).map(Literal::Text),
            _ => literal::character(&inner[..end]).map(Literal::Number),
        };
        match literal {
            Ok(literal) => Ok(self.literal(literal)),
            Err(problem) => self.fail(place, problem, None),
        }
    }

    fn raw(&mut self, place: Place) -> Result<TokenKind, Stop> {
        let inner = &self.rest()[1..];
        let Some(end) = inner.find('`') else {
            return self.fail(place, "the raw string is never closed", None);
        };
        self.offset += end + 2;
        // Go drops carriage returns from raw strings.
        Ok(self.literal(Literal::Text(inner[..end].replace('\r', "").into())))
    }

    fn number(&mut self, place: Place) -> Result<TokenKind, Stop> {
        let text = self.rest();
        let bytes = text.as_bytes();
        let run =
            |at: usize, digits: fn(&u8) -> bool| at + bytes[at..].iter().take_while(|b| digits(b)).count();
        let one = |at: usize, of: &[u8]| at + usize::from(bytes.get(at).is_some_and(|b| of.contains(b)));
        let decimal: fn(&u8) -> bool = |b| b.is_ascii_digit() || *b == b'_';
        let signed = one(0, b"+-");
        let (mut at, digits, exponent): (usize, fn(&u8) -> bool, &[u8]) = match &bytes[signed..] {
            [b'0', b'x' | b'X', ..] => (signed + 2, |b| b.is_ascii_hexdigit() || *b == b'_', b"pP"),
            [b'0', b'o' | b'O' | b'b' | b'B', ..] => (signed + 2, decimal, b""),
            _ => (signed, decimal, b"eE"),
        };
        at = run(at, digits);
        if one(at, b".") > at {
            at = run(at + 1, digits);
        }
        if one(at, exponent) > at {
            at = run(one(at + 1, b"+-"), decimal);
        }
        at = one(at, b"i");
        self.offset += at;
        if self.rest().starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '+' | '-')) {
            return self.fail(place, "not a number", None);
        }
        match literal::number(&text[..at]) {
            Ok(number) => Ok(self.literal(Literal::Number(number))),
            Err(problem) => self.fail(place, problem, None),
        }
    }

    fn word(&mut self, place: Place) -> Result<TokenKind, Stop> {
        let start = self.offset;
        self.name();
        let word = &self.scan.source[start..self.offset];
        self.terminated(place)?;
        match word {
            "true" | "false" => return Ok(self.literal(Literal::Bool(word == "true"))),
            "nil" => return Ok(TokenKind::Nil),
            "if" | "with" | "else" | "end" | "eq" | "ne" | "lt" | "le" | "gt" | "ge" | "and" | "or"
            | "not" | "index" => return Ok(TokenKind::Word),
            _ => {}
        }
        let (message, hint) = match word {
            "range" | "template" | "define" | "block" | "break" | "continue" => (
                format!("`{word}` is not allowed in a template"),
                "a template may branch with `if` and `with`, not loop or include",
            ),
            "elseif" | "elsif" | "elif" => (format!("`{word}` is not a function"), "write `else if`"),
            "printf" | "print" | "println" | "len" | "html" | "js" | "urlquery" | "slice" | "call" => (
                format!("the function `{word}` is not allowed in a template"),
                "values are escaped and printed by the place they stand in; functions are `eq ne lt le gt ge and or not index`",
            ),
            _ => (
                format!("there is no function `{word}`"),
                "functions are `eq ne lt le gt ge and or not index`; values are `.parameters.x`, `.variables.x`, `.static_variables.x`; text takes quotes",
            ),
        };
        let code = TemplateErrorCode::ForbiddenConstruct;
        self.errors.push(TemplateError::new(code, place, message, Some(word), Some(hint.to_owned())));
        if self.errors.len() < MAX_ERRORS { Ok(TokenKind::Word) } else { Err(Stop) }
    }

    /// Checks that operands are separated as Go wants it: by space, or as the fields of a chain.
    fn separation(&mut self, first: usize, kind: &TokenKind, spaced: bool, place: Place) -> Result<(), Stop> {
        let Some(previous) = self.scan.tokens[first..].last() else { return Ok(()) };
        let is_operand = |kind: &TokenKind| {
            matches!(
                kind,
                TokenKind::Field
                    | TokenKind::Dot
                    | TokenKind::Variable
                    | TokenKind::Word
                    | TokenKind::Literal(_)
                    | TokenKind::Nil
            )
        };
        let ends_operand = is_operand(&previous.kind) || previous.kind == TokenKind::Close;
        let begins_operand = is_operand(kind) || matches!(kind, TokenKind::Open(_));
        let chains = *kind == TokenKind::Field
            && matches!(previous.kind, TokenKind::Field | TokenKind::Variable | TokenKind::Close);
        if spaced || chains || !ends_operand || !begins_operand {
            return Ok(());
        }
        self.fail(place, "a space is missing between two values", None)
    }

    /// Checks that `:=` or `=` stands behind the variable that begins its action or condition.
    fn binding(&mut self, first: usize, place: Place) -> Result<(), Stop> {
        let source = self.scan.source;
        match &self.scan.tokens[first..] {
            [words @ .., variable]
                if variable.kind == TokenKind::Variable
                    && words.iter().all(|token| token.kind == TokenKind::Word) =>
            {
                if variable.bytes.len() > 1 {
                    return Ok(());
                }
                self.fail(
                    place,
                    "`$` is the data itself and cannot be set",
                    Some("name the variable, as in `$x`".into()),
                )
            }
            _ => {
                let sign = &source[place.offset..self.offset];
                let hint = "set one variable per action, as in `{{$x := .parameters.x}}`".to_owned();
                self.fail(place, format!("unexpected `{sign}`"), Some(hint))
            }
        }
    }

    /// Checks that there is a value before the sign that ends a command.
    fn end_of_command(&mut self, first: usize, sign: &str) -> Result<(), Stop> {
        let empty = match self.scan.tokens[first..].last() {
            // The whole action is empty, which is said elsewhere.
            None => sign != "}}",
            Some(token) => {
                matches!(
                    token.kind,
                    TokenKind::Pipe | TokenKind::Open(_) | TokenKind::Declare | TokenKind::Assign
                )
            }
        };
        if !empty {
            return Ok(());
        }
        let place = self.place_at(self.offset.max(self.place.offset));
        self.fail(place, format!("a value is missing before `{sign}`"), None)
    }
}
