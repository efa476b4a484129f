//! Which operations of a source are imported, and what a selection that selects nothing is told.

use std::collections::BTreeSet;

use callgate_text::closest;

use super::placeholder::short;
use super::report::{ImportError, Note, NoteKind};

/// Tags that a note lists.
const SHOWN: usize = 40;

/// Which names are imported: one name, or a regular expression for whole names.
#[derive(Clone, Debug)]
pub struct Only {
    name: String,
    pattern: Option<regex::Regex>,
}

impl Only {
    /// Reads what the user wrote.
    ///
    /// # Errors
    ///
    /// It is neither a name nor a regular expression.
    pub fn parse(text: &str) -> Result<Self, ImportError> {
        let built = regex::RegexBuilder::new(&format!("^(?:{text})$")).size_limit(1 << 20).build();
        match built {
            Ok(pattern) => Ok(Self { name: text.to_owned(), pattern: Some(pattern) }),
            Err(error) => Err(ImportError::new(
                "invalid_pattern",
                format!("`{text}` is neither a name nor a regular expression: {error}"),
                "such as get_order, or get_.*",
            )),
        }
    }

    fn matches(&self, name: &str) -> bool {
        self.name == name || self.pattern.as_ref().is_some_and(|pattern| pattern.is_match(name))
    }
}

/// A path with all that is below it; `*` stands for any text.
#[derive(Clone, Debug)]
pub struct PathPattern {
    text: String,
    pieces: Vec<String>,
}

impl PathPattern {
    /// Reads what the user wrote.
    ///
    /// # Errors
    ///
    /// It does not begin as a path does.
    pub fn parse(text: &str) -> Result<Self, ImportError> {
        if !text.starts_with(['/', '*']) {
            let message = format!("`{}` is no path", short(text));
            return Err(ImportError::new("invalid_pattern", message, "such as /orders, or /orders/*/items"));
        }
        let text = if text.len() > 1 { text.trim_end_matches('/') } else { text };
        Ok(Self { text: text.to_owned(), pieces: text.split('*').map(str::to_owned).collect() })
    }

    fn matches(&self, path: &str) -> bool {
        let Some((first, others)) = self.pieces.split_first() else { return false };
        let Some(mut rest) = path.strip_prefix(first.as_str()) else { return false };
        // The last piece may stand anywhere behind the others, as long as a step of the path ends there.
        let Some((last, between)) = others.split_last() else { return is_end(first, rest) };
        for piece in between {
            let Some(at) = rest.find(piece.as_str()) else { return false };
            rest = &rest[at + piece.len()..];
        }
        let mut ends = rest.match_indices(last.as_str()).map(|(at, _)| &rest[at + last.len()..]);
        last.is_empty() || ends.any(|after| is_end(last, after))
    }
}

/// Whether a step of a path ends between `before` and `after`.
fn is_end(before: &str, after: &str) -> bool {
    after.is_empty() || after.starts_with('/') || before.ends_with('/')
}

/// What is imported: each list is a choice, and all that are given must agree.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Names of tools.
    pub only: Vec<Only>,
    /// Tags (OpenAPI) or folders (Postman).
    pub tags: Vec<String>,
    /// Paths.
    pub paths: Vec<PathPattern>,
    /// Methods, in capitals.
    pub methods: Vec<String>,
    /// The most actions that are imported.
    pub limit: Option<usize>,
}

/// An operation that may be imported.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Candidate<'a> {
    pub(super) name: &'a str,
    pub(super) tags: &'a [&'a str],
    pub(super) method: &'a str,
    pub(super) path: &'a str,
}

/// What a selection has met in the source.
#[derive(Debug, Default)]
pub(super) struct Met {
    names: BTreeSet<String>,
    tags: Vec<String>,
    methods: BTreeSet<String>,
    /// The wishes that something agrees with, by option and position.
    fulfilled: BTreeSet<(&'static str, usize)>,
}

impl Selection {
    /// Whether the lists let `candidate` through; remembers in `met` what there is.
    pub(super) fn takes(&self, candidate: Candidate<'_>, met: &mut Met) -> bool {
        met.names.insert(candidate.name.to_owned());
        for tag in candidate.tags {
            if !met.tags.iter().any(|known| known.eq_ignore_ascii_case(tag)) {
                met.tags.push((*tag).to_owned());
            }
        }
        met.methods.insert(candidate.method.to_ascii_uppercase());
        let is_tagged = |tag: &String| candidate.tags.iter().any(|own| own.eq_ignore_ascii_case(tag));
        let is_of_method = |method: &String| candidate.method.eq_ignore_ascii_case(method);
        let fits = [
            met.any("--only", &self.only, |only| only.matches(candidate.name)),
            met.any("--tag", &self.tags, is_tagged),
            met.any("--path", &self.paths, |path| path.matches(candidate.path)),
            met.any("--method", &self.methods, is_of_method),
        ];
        fits.iter().all(|fits| *fits)
    }

    /// A note for each wish that nothing of the source agrees with.
    pub(super) fn unfulfilled(&self, met: &Met) -> Vec<Note> {
        let note = |code: &'static str, message: String, hint: String| {
            Note::new(NoteKind::Todo, "#", code, message, &hint)
        };
        let mut notes = Vec::new();
        for only in met.missed("--only", &self.only) {
            let near = closest(&only.name, &met.names);
            let hint = near.map_or_else(
                || "`--dry-run` without --only lists the names".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            notes.push(note("unknown_name", format!("no tool is called `{}`", short(&only.name)), hint));
        }
        for tag in met.missed("--tag", &self.tags) {
            let hint = match met.tags.len() {
                0 => "the source has no tags".to_owned(),
                all => {
                    let listed: Vec<String> = met.tags.iter().take(SHOWN).map(|tag| short(tag)).collect();
                    let more = if all > SHOWN { format!(" and {} more", all - SHOWN) } else { String::new() };
                    format!("there are: {}{more}", listed.join(", "))
                }
            };
            notes.push(note("unknown_tag", format!("nothing has the tag `{}`", short(tag)), hint));
        }
        for path in met.missed("--path", &self.paths) {
            let message = format!("no path is `{}` or below it", short(&path.text));
            let hint = "write it as the source does, without the server; `*` stands for any text".to_owned();
            notes.push(note("unknown_path", message, hint));
        }
        for method in met.missed("--method", &self.methods) {
            let known: Vec<&str> =
                met.methods.iter().map(String::as_str).filter(|method| !method.is_empty()).collect();
            let message = format!("nothing has the method `{}`", short(method));
            notes.push(note("unknown_method", message, format!("there are: {}", known.join(", "))));
        }
        notes
    }
}

impl Met {
    /// Whether `fits` says so of one of `wishes`, or there are none.
    fn any<T>(&mut self, option: &'static str, wishes: &[T], fits: impl Fn(&T) -> bool) -> bool {
        let mut any = wishes.is_empty();
        for (index, wish) in wishes.iter().enumerate() {
            if fits(wish) {
                self.fulfilled.insert((option, index));
                any = true;
            }
        }
        any
    }

    fn missed<'w, T>(&self, option: &'static str, wishes: &'w [T]) -> impl Iterator<Item = &'w T> {
        let missed = wishes.iter().enumerate();
        missed.filter(move |(index, _)| !self.fulfilled.contains(&(option, *index))).map(|(_, wish)| wish)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_selected_with_what_is_below_it() {
        for (pattern, path, expected) in [
            ("/orders", "/orders", true),
            ("/orders", "/orders/{id}", true),
            ("/orders/", "/orders/{id}", true),
            ("/orders", "/orders-old", false),
            ("/orders", "/v1/orders", false),
            ("/orders/{id}", "/orders/{id}/items", true),
            ("*/orders", "/v1/orders", true),
            ("*/orders", "/v1/orders-old/orders", true),
            ("/orders/*/items", "/orders/{id}/items/{n}", true),
            ("/orders/*/items", "/orders/{id}", false),
            ("/v*", "/v1/orders", true),
            ("*", "/", true),
            ("/", "/orders", true),
        ] {
            assert_eq!(PathPattern::parse(pattern).unwrap().matches(path), expected, "{pattern} {path}");
        }
        assert!(PathPattern::parse("orders").is_err());
    }
}
