//! Names of tools, parameters and files out of whatever a source calls them.

use std::collections::HashSet;

/// Longest name that every provider takes (Vapi).
const MAX_TOOL: usize = 40;
/// Longest name of a parameter that every provider takes.
const MAX_PARAMETER: usize = 64;
/// Longest name of a secret.
const MAX_SECRET: usize = 60;
/// Words that say nothing in a name that is too long.
const FILLERS: &[&str] =
    &["the", "a", "an", "of", "for", "by", "and", "to", "in", "with", "on", "at", "from", "using", "via"];

/// Words that tell one operation on a thing from another; they stay.
const VERBS: &[&str] = &[
    "get", "list", "read", "find", "search", "create", "add", "post", "put", "patch", "update", "set",
    "replace", "delete", "remove", "check", "enable", "disable", "start", "stop", "cancel", "approve",
    "upload", "download", "revoke", "connect", "watch",
];

/// The words of `text` in lowercase: split at everything but ASCII letters and
/// digits, and where capitals begin a word (`getHTTPLog2` → get http log2).
fn words(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().take(1_000).collect();
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    for (index, c) in chars.iter().copied().enumerate() {
        if !c.is_ascii_alphanumeric() {
            words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
            continue;
        }
        let before = index.checked_sub(1).map(|before| chars[before]);
        let after = chars.get(index + 1);
        let starts = c.is_ascii_uppercase()
            && (before.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
                || before.is_some_and(|b| b.is_ascii_uppercase())
                    && after.is_some_and(char::is_ascii_lowercase));
        if starts && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        word.push(c.to_ascii_lowercase());
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

/// A snake_case name of at most `max` characters; empty where `text` has no
/// ASCII letter or digit.
///
/// A long name loses its filler words first, then repeated words, then the
/// words after the first, one by one, but for verbs: names differ in their verb
/// and in their end.
fn snake(text: &str, max: usize) -> String {
    let mut words = words(text);
    let length = |words: &[String]| words.iter().map(|word| word.len() + 1).sum::<usize>().saturating_sub(1);
    if length(&words) > max {
        let mut index = 0;
        words.retain(|word| {
            index += 1;
            index == 1 || !FILLERS.contains(&word.as_str())
        });
    }
    if length(&words) > max {
        let mut seen = HashSet::new();
        words.retain(|word| seen.insert(word.clone()));
    }
    while length(&words) > max && words.len() > 2 {
        let last = words.len() - 1;
        let spare = words[1..last].iter().position(|word| !VERBS.contains(&word.as_str())).unwrap_or(0);
        words.remove(1 + spare);
    }
    let mut name = words.join("_");
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name.truncate(max);
    name
}

/// The name of a tool: snake_case, at most 40 characters.
pub(super) fn tool(text: &str) -> String {
    let name = snake(text, MAX_TOOL);
    if name.is_empty() { "imported_tool".to_owned() } else { name }
}

/// The name of a connection or connector: snake_case, at most 30 characters, so
/// that secrets named after it stay readable.
pub(super) fn part(text: &str, fallback: &str) -> String {
    let name = snake(text, 30);
    if name.is_empty() { fallback.to_owned() } else { name }
}

/// The name of a secret: snake_case, at most 60 characters.
pub(super) fn secret(text: &str) -> String {
    let name = snake(text, MAX_SECRET);
    if name.is_empty() { "secret".to_owned() } else { name }
}

/// The name of the secret `what` of `owner`, which stays whole, so that two
/// owners share none.
pub(super) fn secret_of(owner: &str, what: &str) -> String {
    let what = snake(what, MAX_SECRET.saturating_sub(owner.len() + 1));
    let what = what.strip_prefix(owner).map_or(what.as_str(), |rest| rest.trim_start_matches('_'));
    if what.is_empty() { format!("{owner}_secret") } else { format!("{owner}_{what}") }
}

/// A part of the name of a variable: snake_case.
pub(super) fn variable(text: &str) -> String {
    snake(text, 60)
}

/// The name of a connection: that of its API, or of its host where that one is long.
pub(super) fn connection(title: &str, host: &str) -> String {
    let name = snake(title, MAX_TOOL);
    if name.is_empty() || name.len() > 24 { part(host, "api") } else { name }
}

/// A name that a template can say after a dot: letters, digits and underscores.
/// A name that is one already stays as it is.
pub(super) fn parameter(wire: &str) -> String {
    let mut name = String::new();
    for c in wire.chars().take(1_000) {
        if c.is_ascii_alphanumeric() {
            name.push(c);
        } else if c == '<' || c == '>' {
            // `StartTime<` and `StartTime>` are two parameters.
            name.push_str(if c == '<' { "_lt" } else { "_gt" });
        } else if !name.ends_with('_') || c == '_' {
            name.push('_');
        }
    }
    let is_own = name == wire;
    let mut name = if is_own { name } else { name.trim_matches('_').to_owned() };
    if name.is_empty() {
        name.push_str("value");
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name.truncate(MAX_PARAMETER);
    name
}

/// Whether Go's template lexer reads `name` as one field.
pub(super) fn is_field(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    first && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Names that are given out once.
#[derive(Debug, Default)]
pub(super) struct Taken(HashSet<String>);

impl Taken {
    /// `name`, or `name_2`, `name_3`, …, of at most `max` characters.
    pub(super) fn unique(&mut self, name: &str, max: usize) -> String {
        let mut chosen = name.to_owned();
        let mut number = 2_usize;
        while !self.0.insert(chosen.clone()) {
            let suffix = format!("_{number}");
            let mut stem = name.to_owned();
            stem.truncate(max.saturating_sub(suffix.len()));
            chosen = format!("{}{suffix}", stem.trim_end_matches('_'));
            number += 1;
        }
        chosen
    }

    /// [`Self::unique`] for tools.
    pub(super) fn unique_tool(&mut self, name: &str) -> String {
        self.unique(name, MAX_TOOL)
    }

    pub(super) fn insert(&mut self, name: &str) -> bool {
        self.0.insert(name.to_owned())
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::action::ActionName;

    use super::*;

    #[track_caller]
    fn check(source: &str, expected: &str) {
        assert_eq!(tool(source), expected, "{source}");
    }

    #[test]
    fn tools_are_named_in_snake_case() {
        check("getOrderStatus", "get_order_status");
        check("GetHTTPLog2", "get_http_log2");
        check("repos/list-for-org", "repos_list_for_org");
        check("get /orders/{id}/items", "get_orders_id_items");
        check("2fa.enable", "_2fa_enable");
        check("../../etc/passwd", "etc_passwd");
        check("Größe ändern", "gr_e_ndern");
        check("東京", "imported_tool");
        check("a\u{0}b\nc", "a_b_c");
    }

    #[test]
    fn long_names_lose_fillers_and_then_words_after_the_verb() {
        check("actions/list-the-selected-repositories-for-a-secret", "actions_list_repositories_secret");
        check("actions/get-github-actions-permissions-organization", "actions_get_permissions_organization");
        check(
            "replaceAdmissionregistrationV1ValidatingWebhookConfiguration",
            "replace_validating_webhook_configuration",
        );
        check(&"x".repeat(90), &"x".repeat(40));
    }

    #[test]
    fn parameters_keep_names_that_templates_can_say() {
        for (wire, expected) in [
            ("customerId", "customerId"),
            ("_id", "_id"),
            ("page[size]", "page_size"),
            ("X-Api-Version", "X_Api_Version"),
            ("$filter", "filter"),
            ("1st", "_1st"),
            ("é", "value"),
            ("", "value"),
            ("a.b", "a_b"),
            ("StartTime>", "StartTime_gt"),
        ] {
            assert_eq!(parameter(wire), expected);
        }
    }

    #[test]
    fn secrets_are_named_after_their_owner() {
        for (what, expected) in [
            ("TOKEN", "api_stripe_com_token"),
            ("apiStripeComKey", "api_stripe_com_key"),
            ("api_stripe_com", "api_stripe_com_secret"),
            ("é", "api_stripe_com_secret"),
        ] {
            assert_eq!(secret_of("api_stripe_com", what), expected);
        }
        let (owner, long) = ("x".repeat(40), "a_long_name ".repeat(20));
        let name = secret_of(&owner, &long);
        assert!(name.starts_with(&format!("{owner}_")) && name.len() <= 60, "{name}");
    }

    #[test]
    fn names_are_given_out_once() {
        let mut taken = Taken::default();
        assert_eq!(taken.unique_tool("get"), "get");
        assert_eq!(taken.unique_tool("get"), "get_2");
        assert_eq!(taken.unique_tool("get"), "get_3");
        let long = "x".repeat(40);
        taken.insert(&long);
        assert_eq!(taken.unique_tool(&long), format!("{}_2", "x".repeat(38)));
    }

    proptest! {
        #[test]
        fn every_name_is_one_that_providers_take(source in any::<String>()) {
            let name = tool(&source);
            prop_assert!(ActionName::try_from(name.as_str()).is_ok() && name.len() <= 40, "{}", name);
            let name = parameter(&source);
            prop_assert!(is_field(&name) && name.len() <= 64, "{}", name);
        }
    }
}
