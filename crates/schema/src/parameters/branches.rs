//! Which branch of an `anyOf` or a `oneOf` the model meant, and what it still lacks.
use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind as Kind;
use serde_json::Value;

use super::explain::Explainer;
use super::finding::type_words;
use super::path::Path;
use super::text;

type Branch = Vec<ValidationError<'static>>;

impl Explainer<'_> {
    /// Explains a value that fits no branch.
    pub(super) fn push_branches(&mut self, error: &ValidationError<'_>, branches: &[Branch]) {
        let here = error.instance_path().as_str();
        let keyword = error.kind().keyword();
        let at = self.path(error);
        // A branch for another type of value says nothing about this one.
        let fitting: Vec<&Branch> =
            branches.iter().filter(|branch| !branch.iter().any(|e| is_type_at(e, here))).collect();
        if fitting.is_empty() {
            let expected = types(branches, here);
            let whole = expected.contains("whole");
            let actual = text::actual_type(error.instance(), whole);
            let predicate = format!("must be {expected}, not {actual}");
            return self.add(&at, error, keyword, expected, predicate);
        }
        // Nor does a branch that a tag inside the value rules out (`{"kind": {"const": …}}`).
        let tagged: Vec<&Branch> = fitting
            .iter()
            .copied()
            .filter(|branch| !branch.iter().any(|e| is_choice(e) && is_child(e, here)))
            .collect();
        let candidates = if tagged.is_empty() { &fitting } else { &tagged };
        if self.push_choice(candidates, keyword) || self.push_required_choice(error, candidates) {
            return;
        }
        if let [only] = candidates.as_slice() {
            return only.iter().for_each(|inner| self.push(inner));
        }
        let Some(closest) = candidates.iter().min_by_key(|branch| branch.len()) else { return };
        let mut inner = self.for_branch();
        inner.explain(closest);
        let inner = inner.found.into_iter().next();
        let expected = format!("one of {} allowed forms", branches.len());
        let (said, masked) = match &inner {
            Some(inner) => (inner.sentence.as_str(), inner.masked()),
            None => ("another value is needed.", "another value is needed."),
        };
        let got = text::short(error.instance());
        self.add_sentence(&at, keyword, expected.clone(), got, |subject, mask| {
            let inner = if mask { masked } else { said };
            format!("{subject} must fit {expected}; in the closest, {inner}")
        });
    }

    /// Several branches that differ in the values of one place are one list of values.
    fn push_choice(&mut self, branches: &[&Branch], keyword: &str) -> bool {
        let mut options: Vec<&Value> = Vec::new();
        let mut place: Option<&ValidationError<'_>> = None;
        for branch in branches {
            let Some(choice) = branch.iter().find(|inner| is_choice(inner)) else { return false };
            let first = place.get_or_insert(choice);
            if first.instance_path().as_str() != choice.instance_path().as_str() {
                return false;
            }
            let values: Vec<&Value> = match choice.kind() {
                Kind::Constant { expected_value } => vec![&**expected_value],
                Kind::Enum { options } => options.as_array().into_iter().flatten().collect(),
                _ => Vec::new(),
            };
            for value in values {
                if !options.contains(&value) {
                    options.push(value);
                }
            }
        }
        let (Some(place), true) = (place, branches.len() > 1) else { return false };
        let at = Path::from_pointer(place.instance_path().as_str(), self.arguments);
        let expected = text::one_of(options.into_iter());
        self.add(&at, place, keyword, expected.clone(), format!("must be {expected}"));
        true
    }

    /// Several branches that each lack one property are a choice of properties.
    fn push_required_choice(&mut self, error: &ValidationError<'_>, branches: &[&Branch]) -> bool {
        let here = error.instance_path().as_str();
        let names: Option<Vec<String>> = branches
            .iter()
            .map(|branch| match branch.as_slice() {
                [inner] if inner.instance_path().as_str() == here => match inner.kind() {
                    Kind::Required { property } => Some(format!("`{}`", property.as_str()?)),
                    _ => None,
                },
                _ => None,
            })
            .collect();
        let Some(names) = names.filter(|names| names.len() > 1) else { return false };
        let keyword = error.kind().keyword();
        let least = if keyword == "oneOf" { "exactly" } else { "at least" };
        let expected = format!("{least} one of {}", text::join(&names, "or"));
        let at = self.path(error);
        self.add(&at, error, keyword, expected.clone(), format!("must have {expected}"));
        true
    }
}

fn is_type_at(error: &ValidationError<'_>, pointer: &str) -> bool {
    matches!(error.kind(), Kind::Type { .. }) && error.instance_path().as_str() == pointer
}

fn is_choice(error: &ValidationError<'_>) -> bool {
    matches!(error.kind(), Kind::Constant { .. } | Kind::Enum { .. })
}

fn is_child(error: &ValidationError<'_>, pointer: &str) -> bool {
    error
        .instance_path()
        .as_str()
        .strip_prefix(pointer)
        .and_then(|rest| rest.strip_prefix('/'))
        .is_some_and(|rest| !rest.contains('/'))
}

/// The types that the branches ask for at `pointer`, as one phrase.
fn types(branches: &[Branch], pointer: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for error in branches.iter().flatten().filter(|error| is_type_at(error, pointer)) {
        let Kind::Type { kind } = error.kind() else { continue };
        let (phrase, _) = type_words(kind);
        if !words.contains(&phrase) {
            words.push(phrase);
        }
    }
    words.sort_by_key(|word| word == "null");
    text::join(&words, "or")
}
