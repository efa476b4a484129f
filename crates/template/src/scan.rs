//! The lexical pass: Go's own rules for texts, actions, tokens and blocks.
//!
//! It finds what `gotmpl` lets pass, bounds what `gotmpl` would recurse on, and reports forbidden
//! words, several at once. The result feeds `gotmpl` with a [`Scan::masked`] source of equal length.

use std::ops::Range;

use super::error::{Place, TemplateError, TemplateErrorCode};
use super::literal::Literal;

/// The longest template source, in bytes.
pub(super) const MAX_SOURCE_BYTES: usize = 256 * 1024;
/// The most constructs open at one place.
const MAX_OPEN_BLOCKS: usize = 32;
/// The most constructs and `else if` branches open at one place; each is a recursion of
/// `gotmpl`'s parser, which takes up to 16 KiB of stack for it in a debug build.
const MAX_OPEN_BRANCHES: usize = 96;
/// The number of problems after which a scan stops.
pub(super) const MAX_ERRORS: usize = 20;

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind {
    /// `.name`, either an operand or the continuation of one.
    Field,
    /// `.` alone.
    Dot,
    /// `$` or `$name`.
    Variable,
    /// A function or keyword.
    Word,
    /// A literal; the index is the one into [`Scan::literals`].
    Literal(usize),
    /// `nil`.
    Nil,
    /// `|`.
    Pipe,
    /// `:=`.
    Declare,
    /// `=`.
    Assign,
    /// `(`, with the index of its `)` among the tokens.
    Open(usize),
    /// `)`.
    Close,
}

/// A piece of an action and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) bytes: Range<usize>,
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Token {
    pub(super) fn place(&self) -> Place {
        Place { offset: self.bytes.start, line: self.line, column: self.column }
    }
}

/// The source, taken apart.
#[derive(Debug)]
pub(super) struct Scan<'s> {
    /// The whole source.
    pub(super) source: &'s str,
    /// The source with every text, comment, trim marker and literal blanked; all offsets agree.
    pub(super) masked: String,
    /// All tokens of all actions in the order of the source.
    pub(super) tokens: Vec<Token>,
    /// The literals that tokens refer to.
    pub(super) literals: Vec<Literal>,
    /// Trimmed pieces of text, each with the offset of the gap between actions that it stands in.
    texts: Vec<(usize, Range<usize>)>,
}

impl<'s> Scan<'s> {
    /// Takes `source` apart, or returns every problem found on the way.
    pub(super) fn run(source: &'s str) -> Result<Self, Vec<TemplateError>> {
        let scan = Scan {
            source,
            masked: String::with_capacity(source.len() + 1),
            tokens: Vec::new(),
            literals: Vec::new(),
            texts: Vec::new(),
        };
        let start = Place { offset: 0, line: 1, column: 1 };
        let mut scanner =
            Scanner { scan, offset: 0, place: start, blocks: Vec::new(), branches: 0, errors: Vec::new() };
        let complete = scanner.template().is_ok();
        if complete {
            for block in std::mem::take(&mut scanner.blocks) {
                let message = format!("`{}` is never closed", block.word);
                scanner.error(
                    block.place,
                    message,
                    Some(&block.word),
                    Some("close it with `{{end}}`".into()),
                );
            }
        }
        if scanner.errors.is_empty() { Ok(scanner.scan) } else { Err(scanner.errors) }
    }

    /// Returns the trimmed text in the gap that begins at `offset`, piece by piece.
    pub(super) fn texts_at(&self, offset: usize) -> impl Iterator<Item = Range<usize>> + '_ {
        let first = self.texts.partition_point(|(gap, _)| *gap < offset);
        self.texts[first..].iter().take_while(move |(gap, _)| *gap == offset).map(|(_, text)| text.clone())
    }

    /// Returns the index of the token that begins at `offset`.
    pub(super) fn token_at(&self, offset: usize) -> Option<usize> {
        self.tokens.binary_search_by_key(&offset, |token| token.bytes.start).ok()
    }
}

/// An open `{{if}}` or the like.
struct Block {
    word: String,
    place: Place,
    /// Recursions of the parser this block stands for: itself and its `else if`s.
    branches: usize,
    has_else: bool,
}

/// Ends the scan; the error has been recorded.
pub(super) struct Stop;

/// A scan on its way; the inside of actions is read in `tokens`.
pub(super) struct Scanner<'s> {
    pub(super) scan: Scan<'s>,
    pub(super) offset: usize,
    /// The last place computed; moves forward only, so that all places together cost one pass.
    pub(super) place: Place,
    blocks: Vec<Block>,
    branches: usize,
    pub(super) errors: Vec<TemplateError>,
}

impl<'s> Scanner<'s> {
    pub(super) fn rest(&self) -> &'s str {
        &self.scan.source[self.offset..]
    }

    pub(super) fn place_at(&mut self, offset: usize) -> Place {
        for c in self.scan.source[self.place.offset..offset].chars() {
            if c == '\n' {
                self.place.line += 1;
                self.place.column = 1;
            } else {
                self.place.column += 1;
            }
        }
        self.place.offset = offset;
        self.place
    }

    fn error(&mut self, place: Place, message: String, construct: Option<&str>, hint: Option<String>) {
        self.errors.push(TemplateError::new(
            TemplateErrorCode::TemplateSyntax,
            place,
            message,
            construct,
            hint,
        ));
    }

    /// Records an error that the scan can go on after, up to a limit.
    fn note(
        &mut self,
        place: Place,
        message: String,
        construct: &str,
        hint: Option<&str>,
    ) -> Result<(), Stop> {
        self.error(place, message, Some(construct), hint.map(str::to_owned));
        if self.errors.len() < MAX_ERRORS { Ok(()) } else { Err(Stop) }
    }

    /// Records an error after which nothing more can be told.
    pub(super) fn fail<T>(
        &mut self,
        place: Place,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Result<T, Stop> {
        self.error(place, message.into(), None, hint);
        Err(Stop)
    }

    /// Blanks the source from where the mask ends up to `offset`, and writes `sign` there.
    pub(super) fn mask(&mut self, offset: usize, sign: &str) {
        self.scan.masked.extend(std::iter::repeat_n(' ', offset - self.scan.masked.len()));
        self.scan.masked.push_str(sign);
    }

    fn template(&mut self) -> Result<(), Stop> {
        let source = self.scan.source;
        let mut gap = 0;
        let mut trim_start = false;
        loop {
            let text_end = self.rest().find("{{").map_or(source.len(), |at| self.offset + at);
            let inner = source.get(text_end + 2..).unwrap_or_default();
            let trim_end = matches!(inner.as_bytes(), [b'-', b' ' | b'\t' | b'\r' | b'\n', ..]);
            self.text(gap, self.offset..text_end, trim_start, trim_end);
            if text_end == source.len() {
                self.mask(text_end, "");
                return Ok(());
            }
            let open = self.place_at(text_end);
            self.offset = text_end + if trim_end { 4 } else { 2 };
            if self.rest().starts_with("/*") {
                trim_start = self.comment(open)?;
            } else {
                self.mask(text_end, "{{");
                trim_start = self.action(open)?;
                gap = self.offset;
            }
        }
    }

    fn text(&mut self, gap: usize, mut bytes: Range<usize>, trim_start: bool, trim_end: bool) {
        const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];
        if trim_start {
            let text = &self.scan.source[bytes.clone()];
            bytes.start += text.len() - text.trim_start_matches(SPACES).len();
        }
        if trim_end {
            bytes.end = bytes.start + self.scan.source[bytes.clone()].trim_end_matches(SPACES).len();
        }
        if !bytes.is_empty() {
            self.scan.texts.push((gap, bytes));
        }
    }

    /// Skips a comment; returns whether it trims the text behind it.
    fn comment(&mut self, open: Place) -> Result<bool, Stop> {
        let Some(at) = self.rest().find("*/") else {
            return self.fail(open, "the comment is never closed", Some("close it with `*/}}`".into()));
        };
        self.offset += at + 2;
        let after = self.rest().as_bytes();
        let (length, trims) = match after {
            [b'}', b'}', ..] => (2, false),
            [b' ' | b'\t' | b'\r' | b'\n', b'-', b'}', b'}', ..] => (4, true),
            _ => {
                let hint = "a comment is an action of its own: `{{/* text */}}`".to_owned();
                return self.fail(open, "a comment has to end with `*/}}` or `*/ -}}`", Some(hint));
            }
        };
        self.offset += length;
        Ok(trims)
    }

    /// Follows the block structure at the end of an action whose tokens begin at `first`.
    pub(super) fn structure(&mut self, open: Place, first: usize) -> Result<(), Stop> {
        let source = self.scan.source;
        let tokens = &self.scan.tokens[first..];
        let Some(token) = tokens.first() else {
            return self.note(open, "an action may not be empty".into(), "{{}}", None);
        };
        let word_of = |token: &Token| match token.kind {
            TokenKind::Word => &source[token.bytes.clone()],
            _ => "",
        };
        let is_keyword = |word: &str| matches!(word, "if" | "with" | "else" | "end");
        let (place, word, count) = (token.place(), word_of(token), tokens.len());
        let next = tokens.get(1).map(word_of).filter(|next| word == "else" && matches!(*next, "if" | "with"));
        let head = if is_keyword(word) { 1 + usize::from(next.is_some()) } else { 0 };
        let stray = tokens[head..]
            .iter()
            .find(|token| is_keyword(word_of(token)) || head == 1 && matches!(word, "end" | "else"));
        if let Some(stray) = stray {
            let culprit = &source[stray.bytes.clone()];
            let (place, message) = (stray.place(), format!("unexpected `{culprit}` in an action"));
            self.note(place, message, culprit, None)?;
        } else if count == head
            && !matches!(tokens[head - 1].kind, TokenKind::Word if count == 1 && matches!(word, "end" | "else"))
        {
            let keyword = next.unwrap_or(word);
            self.note(place, format!("`{keyword}` needs a condition"), keyword, None)?;
        }
        match word {
            "if" | "with" | "range" | "define" | "block" => self.open_block(word, place),
            "else" => self.else_branch(place, next),
            "end" => match self.blocks.pop() {
                Some(block) => {
                    self.branches -= block.branches;
                    Ok(())
                }
                None => self.note(place, "`end` closes nothing".into(), "end", Some("remove it")),
            },
            _ => Ok(()),
        }
    }

    fn open_block(&mut self, word: &str, place: Place) -> Result<(), Stop> {
        self.branches += 1;
        if self.blocks.len() == MAX_OPEN_BLOCKS {
            return self.fail(place, format!("constructs are nested more than {MAX_OPEN_BLOCKS} deep"), None);
        }
        self.blocks.push(Block { word: word.to_owned(), place, branches: 1, has_else: false });
        self.bound_branches(place)
    }

    fn bound_branches(&mut self, place: Place) -> Result<(), Stop> {
        if self.branches > MAX_OPEN_BRANCHES {
            let hint = format!("at most {MAX_OPEN_BRANCHES} may be open at one place");
            return self.fail(place, "too many `else if` branches", Some(hint));
        }
        Ok(())
    }

    fn else_branch(&mut self, place: Place, next: Option<&str>) -> Result<(), Stop> {
        let Some(block) = self.blocks.last_mut() else {
            return self.note(place, "`else` belongs to no `if` or `with`".into(), "else", Some("remove it"));
        };
        let word = block.word.clone();
        if block.has_else {
            let message = format!("`{word}` has more than one `else`, or a branch after it");
            return self.note(place, message, "else", None);
        }
        match next {
            Some(next) if next == word => {
                block.branches += 1;
                self.branches += 1;
                self.bound_branches(place)
            }
            Some(next @ ("if" | "with")) => {
                let message = format!("`else {next}` cannot continue `{word}`");
                let hint = format!("write `{{{{else}}}}{{{{{next} …}}}} … {{{{end}}}}`");
                self.note(place, message, "else", Some(&hint))
            }
            _ => {
                block.has_else = true;
                Ok(())
            }
        }
    }
}
