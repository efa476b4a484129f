//! A text that matches a regular expression.

use regex_syntax::ast::parse::ParserBuilder;
use regex_syntax::ast::{
    Ast, ClassPerlKind, ClassSet, ClassSetItem, Literal, RepetitionKind, RepetitionRange,
};
use regex_syntax::hir::translate::Translator;
use regex_syntax::hir::{Class, HirKind};

/// Repetitions past this are not written out.
const MAX_REPEAT: u32 = 64;
/// Groups inside groups are followed this far.
const MAX_DEPTH: u32 = 16;
/// Longer results are given up.
const MAX_CHARS: usize = 4096;
/// What stands for a character of a class that says only what it leaves out, the plainest first.
const PLAIN: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_ .";

/// Makes up a text for `pattern`; `None` if it cannot be read (look-around, references back) or the
/// text would be long.
pub(super) fn matching(pattern: &str) -> Option<String> {
    let ast = ParserBuilder::new().nest_limit(MAX_DEPTH).build().parse(pattern).ok()?;
    let mut text = String::new();
    push(&ast, pattern, &mut text)?;
    Some(text)
}

/// Appends what `ast` matches: of alternatives the first, of repetitions the fewest, but at least one,
/// so that the text shows the part.
fn push(ast: &Ast, pattern: &str, out: &mut String) -> Option<()> {
    match ast {
        Ast::Empty(_) | Ast::Flags(_) | Ast::Assertion(_) => {}
        Ast::Dot(_) => out.push('x'),
        Ast::Literal(literal) => out.push(literal.c),
        Ast::ClassPerl(class) => out.push(of_perl(&class.kind, class.negated)),
        Ast::ClassUnicode(_) => out.push(of_class(ast, pattern)?),
        Ast::ClassBracketed(class) => {
            let first = match (&class.kind, class.negated) {
                (ClassSet::Item(item), false) => first_of(item),
                _ => None,
            };
            out.push(first.or_else(|| of_class(ast, pattern))?);
        }
        Ast::Group(group) => push(&group.ast, pattern, out)?,
        Ast::Concat(all) => all.asts.iter().try_for_each(|one| push(one, pattern, out))?,
        Ast::Alternation(all) => push(all.asts.first()?, pattern, out)?,
        Ast::Repetition(repetition) => {
            let (least, most) = match &repetition.op.kind {
                RepetitionKind::ZeroOrOne | RepetitionKind::ZeroOrMore | RepetitionKind::OneOrMore => {
                    (1, None)
                }
                RepetitionKind::Range(RepetitionRange::Exactly(times)) => (*times, Some(*times)),
                RepetitionKind::Range(RepetitionRange::AtLeast(least)) => (*least, None),
                RepetitionKind::Range(RepetitionRange::Bounded(least, most)) => (*least, Some(*most)),
            };
            if least > MAX_REPEAT {
                return None;
            }
            let mut piece = String::new();
            push(&repetition.ast, pattern, &mut piece)?;
            let times = if most == Some(0) { 0 } else { least.max(1) };
            if out.len() + piece.len() * times as usize > MAX_CHARS {
                return None;
            }
            out.push_str(&piece.repeat(times as usize));
        }
    }
    (out.len() <= MAX_CHARS).then_some(())
}

fn of_perl(kind: &ClassPerlKind, negated: bool) -> char {
    match (kind, negated) {
        (ClassPerlKind::Digit, false) => '1',
        (ClassPerlKind::Word, false) | (ClassPerlKind::Digit | ClassPerlKind::Space, true) => 'a',
        (ClassPerlKind::Space, false) | (ClassPerlKind::Word, true) => ' ',
    }
}

/// The character that an author names first in `[…]`; `None` if a name stands there.
fn first_of(item: &ClassSetItem) -> Option<char> {
    match item {
        ClassSetItem::Literal(Literal { c, .. }) => Some(*c),
        ClassSetItem::Range(range) => Some(range.start.c),
        ClassSetItem::Perl(class) => Some(of_perl(&class.kind, class.negated)),
        ClassSetItem::Union(union) => first_of(union.items.first()?),
        ClassSetItem::Bracketed(class) => match (&class.kind, class.negated) {
            (ClassSet::Item(item), false) => first_of(item),
            _ => None,
        },
        ClassSetItem::Empty(_) | ClassSetItem::Ascii(_) | ClassSetItem::Unicode(_) => None,
    }
}

/// The plainest character that the class `ast` takes, else its first one.
fn of_class(ast: &Ast, pattern: &str) -> Option<char> {
    let hir = Translator::new().translate(pattern, ast).ok()?;
    let class = match hir.kind() {
        HirKind::Class(Class::Unicode(class)) => class.clone(),
        HirKind::Class(Class::Bytes(class)) => class.to_unicode_class()?,
        // A class of one character.
        HirKind::Literal(literal) => return std::str::from_utf8(&literal.0).ok()?.chars().next(),
        _ => return None,
    };
    let takes = |c: &char| class.ranges().iter().any(|range| (range.start()..=range.end()).contains(c));
    PLAIN
        .chars()
        .find(takes)
        .or_else(|| class.ranges().first().map(regex_syntax::hir::ClassUnicodeRange::start))
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
