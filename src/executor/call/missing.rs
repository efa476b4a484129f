//! What a model hears where values are missing: which ones, and where to get them.

use crate::action::template::{RenderError, Root};

/// The longest sentence that is easily spoken.
const MAX_CHARS: usize = 200;

/// One sentence that names every missing value, or as many as it has room for.
pub(super) fn in_words(first: &RenderError, others: &[RenderError]) -> String {
    if others.is_empty() {
        return of_one(first);
    }
    let all: Vec<&RenderError> = std::iter::once(first).chain(others).collect();
    let sentences = (1..=all.len()).rev().map(|shown| of_several(&all, shown));
    let mut shorter = sentences.skip_while(|sentence| sentence.chars().count() > MAX_CHARS);
    shorter.next().unwrap_or_else(|| of_one(first))
}

fn of_one(missing: &RenderError) -> String {
    let name = name(missing);
    match root(missing) {
        Some(Root::Parameters) => {
            format!("{name} is needed for this and was not given; ask the caller for it.")
        }
        Some(Root::Variables) => {
            format!("{name} is needed for this and is not known yet in this conversation; find it out first.")
        }
        Some(Root::StaticVariables) => format!("This tool is not set up completely: {name} is missing."),
        None => format!("A value that is needed for this is missing: {name}."),
    }
}

/// Names the first `shown` values and counts the rest.
fn of_several(all: &[&RenderError], shown: usize) -> String {
    let named = &all[..shown];
    let mut names: Vec<String> = named.iter().map(|one| name(one)).collect();
    if shown < all.len() {
        names.push(format!("{} more", all.len() - shown));
    }
    let list = joined(&names);
    let root = root(all[0]);
    if all.iter().any(|one| self::root(one) != root) {
        let ways = [
            (Some(Root::Parameters), "ask the caller"),
            (Some(Root::Variables), "find out first"),
            (Some(Root::StaticVariables), "not set up"),
            (None, "missing"),
        ];
        let parts = ways.into_iter().filter_map(|(root, way)| {
            let names = named.iter().filter(|one| self::root(one) == root).map(|one| name(one));
            let names: Vec<String> = names.collect();
            (!names.is_empty()).then(|| format!("{} ({way})", joined(&names)))
        });
        let mut parts: Vec<String> = parts.collect();
        if shown < all.len() {
            parts.push(format!("{} more", all.len() - shown));
        }
        return format!("Values that are needed for this are missing: {}.", parts.join("; "));
    }
    match root {
        Some(Root::Parameters) => {
            format!("{list} are needed for this and were not given; ask the caller for them.")
        }
        Some(Root::Variables) => format!(
            "{list} are needed for this and are not known yet in this conversation; find them out first."
        ),
        Some(Root::StaticVariables) => format!("This tool is not set up completely: {list} are missing."),
        None => format!("Values that are needed for this are missing: {list}."),
    }
}

fn root(missing: &RenderError) -> Option<Root> {
    missing.root_and_path.as_ref().map(|(root, _)| *root)
}

/// The path as a model knows it; as the template writes it, where that is not known.
fn name(missing: &RenderError) -> String {
    let path = missing.root_and_path.as_ref().map(|(_, path)| path.join("."));
    let name = path.or_else(|| missing.reference.clone());
    format!("`{}`", name.as_deref().unwrap_or("a value"))
}

fn joined(names: &[String]) -> String {
    match names {
        [head @ .., last] if !head.is_empty() => format!("{} and {last}", head.join(", ")),
        names => names.concat(),
    }
}

#[cfg(test)]
mod tests {
    use crate::action::template::RenderErrorCode;

    use super::*;

    fn missing(root: Root, path: &str) -> RenderError {
        RenderError {
            code: RenderErrorCode::MissingVariable,
            reference: Some(format!(".x.{path}")),
            root_and_path: Some((root, path.split('.').map(str::to_owned).collect())),
            line: 1,
            column: 1,
            message: "is missing".to_owned(),
        }
    }

    #[track_caller]
    fn check(all: &[(Root, &str)], expected: &str) {
        let all: Vec<RenderError> = all.iter().map(|(root, path)| missing(*root, path)).collect();
        assert_eq!(in_words(&all[0], &all[1..]), expected);
    }

    #[test]
    fn one_sentence_names_all_that_is_missing_and_where_to_get_it() {
        use Root::{Parameters, StaticVariables, Variables};
        check(
            &[(Parameters, "email"), (Parameters, "address.city")],
            "`email` and `address.city` are needed for this and were not given; ask the caller for them.",
        );
        check(
            &[(Variables, "order.id"), (Variables, "slot"), (Variables, "day")],
            "`order.id`, `slot` and `day` are needed for this and are not known yet in this conversation; find them out first.",
        );
        check(
            &[(Variables, "order.id"), (Parameters, "email"), (StaticVariables, "shop")],
            "Values that are needed for this are missing: `email` (ask the caller); `order.id` (find out first); `shop` (not set up).",
        );
    }

    #[test]
    fn what_a_sentence_has_no_room_for_is_counted() {
        let names: Vec<String> = (0..10).map(|number| format!("a_rather_long_name_{number}")).collect();
        let all: Vec<RenderError> = names.iter().map(|name| missing(Root::Parameters, name)).collect();
        let sentence = in_words(&all[0], &all[1..]);
        assert!(sentence.chars().count() <= MAX_CHARS, "{sentence}");
        assert!(sentence.contains("`a_rather_long_name_0`") && sentence.contains(" more are"), "{sentence}");
    }
}
