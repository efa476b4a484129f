//! Names of tools, parameters and files out of whatever a source calls them.

use std::borrow::Cow;
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

/// Words of capitals that a word in small letters may follow at once.
const ACRONYMS: &[&str] =
    &["api", "json", "xml", "url", "html", "http", "sms", "pdf", "csv", "sql", "crm", "uuid"];

/// More words that do something, but say nothing about what they do it to.
const MORE_VERBS: &[&str] = &[
    "fetch", "retrieve", "show", "index", "view", "edit", "save", "submit", "send", "store", "destroy",
    "insert", "modify", "change", "upsert", "query", "lookup", "execute", "run", "count",
];
/// Words beside a verb that do not say what it is done to.
const VAGUE: &[&str] = &[
    "all", "one", "id", "ids", "new", "single", "many", "multiple", "bulk", "batch", "info", "detail",
    "details", "data", "this", "specific", "existing", "it",
];
/// Verbs before which a list is no thing of its own.
const READS: &[&str] = &["get", "fetch", "retrieve", "show", "view"];
/// Words of folders and paths that every API has.
const EVERYWHERE: &[&str] = &[
    "api",
    "apis",
    "rest",
    "endpoint",
    "endpoints",
    "request",
    "requests",
    "collection",
    "service",
    "public",
    "default",
    "general",
    "misc",
    "other",
];

/// `text` in ASCII: other letters are written as they sound (`ü` is u, `東` is dong).
fn ascii(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let chars: Vec<char> = text.chars().take(1_000).collect();
    let mut out = String::new();
    for (index, c) in chars.iter().copied().enumerate() {
        let sound = if c.is_ascii() { None } else { deunicode::deunicode_char(c) };
        match sound {
            None if c.is_ascii() => out.push(c),
            // An accent by itself belongs to the letter before it.
            Some("") => {}
            Some(sound) if c.is_alphanumeric() => {
                let is_loud =
                    c.is_uppercase() && !chars.get(index + 1).is_some_and(|next| next.is_lowercase());
                out.extend(sound.chars().filter(|c| c.is_ascii_alphanumeric() || *c == ' ').map(|letter| {
                    match (is_loud, c.is_uppercase()) {
                        (true, _) => letter.to_ascii_uppercase(),
                        (false, true) => letter,
                        (false, false) => letter.to_ascii_lowercase(),
                    }
                }));
            }
            _ => out.push(' '),
        }
    }
    Cow::Owned(out)
}

/// The words of `text` in lowercase: split at everything but letters and digits,
/// and where capitals begin a word (`getHTTPLog2` → get http log2).
fn words(text: &str) -> Vec<String> {
    let chars: Vec<char> = ascii(text).chars().take(1_000).collect();
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
        // `JSONresponse` is JSON and a response.
        let is_small = |c: &char| c.is_ascii_lowercase();
        let ends = c.is_ascii_uppercase()
            && chars.iter().skip(index + 1).take_while(|c| is_small(c)).count() > 1
            && ACRONYMS.iter().any(|known| {
                known
                    .strip_prefix(word.as_str())
                    .is_some_and(|rest| rest.chars().eq([c.to_ascii_lowercase()]))
            });
        if starts && !ends && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        word.push(c.to_ascii_lowercase());
        if ends {
            words.push(std::mem::take(&mut word));
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

/// A snake_case name of at most `max` characters; empty where `text` has no
/// letter or digit.
///
/// A long name loses its filler words first, then repeated words, then the
/// words after the first, one by one, but for verbs: names differ in their verb
/// and in their end.
fn snake(text: &str, max: usize) -> String {
    snake_of(words(text), max)
}

fn snake_of(mut words: Vec<String>, max: usize) -> String {
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

/// What a source calls an operation, and what else a name can be made of.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Called<'s> {
    /// What the source calls it; may be empty.
    pub(super) name: &'s str,
    pub(super) method: &'s str,
    /// The path, with placeholders in braces.
    pub(super) path: &'s str,
    /// The tag or the folders it stands in, the innermost last.
    pub(super) groups: &'s [&'s str],
}

impl Called<'_> {
    /// The name of the tool.
    pub(super) fn tool(&self) -> String {
        let own = words(without_path(self.name, self.method, self.path));
        if is_little(&own) {
            return tool(&format!("{} {}", self.method.to_lowercase(), self.path));
        }
        snake_of(if is_bare(&own) { self.joined(own) } else { own }, MAX_TOOL)
    }

    /// A longer name, for where another tool has the short one.
    pub(super) fn tool_of_group(&self) -> String {
        let own = words(without_path(self.name, self.method, self.path));
        let name = snake_of(self.joined(own), MAX_TOOL);
        if name.is_empty() { self.tool() } else { name }
    }

    /// `own` with what it is about, before `by` where that is in it.
    fn joined(&self, own: Vec<String>) -> Vec<String> {
        let stem = |word: &str| word.trim_end_matches('s').to_owned();
        let known: Vec<String> = own.iter().map(|word| stem(word)).collect();
        let telling = |text: &str| -> Vec<String> {
            let says_more = |word: &String| {
                !EVERYWHERE.contains(&word.as_str()) && !is_version(word) && !known.contains(&stem(word))
            };
            words(text).into_iter().filter(says_more).collect()
        };
        let places = self.groups.iter().copied().rev().chain(self.path.split('/').rev());
        let about = places
            .filter(|place| !place.contains(['{', '}', ':']))
            .map(telling)
            .find(|words| !words.is_empty())
            .unwrap_or_default();
        let at = own.iter().position(|word| word == "by").unwrap_or(own.len());
        let mut joined = own;
        joined.splice(at..at, about);
        joined
    }
}

/// Whether the words are too few to name something: no letter, or one.
fn is_little(words: &[String]) -> bool {
    words.iter().flat_map(|word| word.bytes()).filter(u8::is_ascii_alphabetic).count() < 2
}

/// Whether the words are a verb and nothing that it is done to.
fn is_bare(words: &[String]) -> bool {
    let Some((verb, rest)) = words.split_first() else { return false };
    let is_one_of = |list: &[&str], word: &str| list.contains(&word);
    let is_vague = |word: &String| {
        is_one_of(VAGUE, word) || is_one_of(FILLERS, word) || word == "list" && is_one_of(READS, verb)
    };
    // What ends in a filler is cut off, or the name of something (`get_a`).
    (is_one_of(VERBS, verb) || is_one_of(MORE_VERBS, verb))
        && rest.iter().all(is_vague)
        && rest.last().is_none_or(|last| !is_one_of(FILLERS, last))
}

/// `v1`, `v2beta1`, `2024`: a version of an API.
fn is_version(word: &str) -> bool {
    let rest = word.strip_prefix('v').unwrap_or(word);
    rest.starts_with(|c: char| c.is_ascii_digit())
}

/// `id` without the path and the method that some frameworks write into it:
/// `list_tools_api_v1_tools_get` of FastAPI, `ApiV1ToolsListTools` of Litestar.
fn without_path<'i>(id: &'i str, method: &str, path: &str) -> &'i str {
    let written: String = path.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
    for path in [written.as_str(), written.trim_end_matches('_')] {
        let ending = format!("{path}_{}", method.to_lowercase());
        let at = id.len().saturating_sub(ending.len());
        if id.get(at..).is_some_and(|end| end.eq_ignore_ascii_case(&ending)) {
            let rest = id[..at].trim_end_matches('_');
            return if rest.is_empty() { id } else { rest };
        }
    }
    let (of_path, of_id) = (words(path), words(id));
    let rest = of_id.get(of_path.len()..).unwrap_or_default();
    let begins = rest
        .first()
        .is_some_and(|word| VERBS.contains(&word.as_str()) || MORE_VERBS.contains(&word.as_str()));
    if of_path.len() < 2 || rest.len() < 2 || !begins || !of_id.starts_with(&of_path) {
        return id;
    }
    let mut letters = of_path.iter().map(String::len).sum::<usize>();
    let rest = id.trim_start_matches(|c: char| {
        let is_of_path = letters > 0;
        letters -= usize::from(is_of_path && c.is_ascii_alphanumeric());
        is_of_path
    });
    rest.trim_start_matches(|c: char| !c.is_ascii_alphanumeric())
}

/// Whether `name` says what is done, and to what.
pub(super) fn is_telling(name: &str) -> bool {
    let words = words(name);
    !is_little(&words) && !is_bare(&words)
}

/// Whether `text` holds a letter or a digit.
pub(super) fn is_nameable(text: &str) -> bool {
    !words(text).is_empty()
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
    for c in ascii(wire).trim().chars().take(1_000) {
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

    use callgate_action::ActionName;

    use super::*;

    #[track_caller]
    fn check(source: &str, expected: &str) {
        assert_eq!(tool(source), expected, "{source}");
    }

    #[test]
    fn tools_are_named_in_snake_case() {
        check("getOrderStatus", "get_order_status");
        check("GetHTTPLog2", "get_http_log2");
        check("JSONresponse", "json_response");
        check("getAPIkey", "get_api_key");
        check("repos/list-for-org", "repos_list_for_org");
        check("get /orders/{id}/items", "get_orders_id_items");
        check("2fa.enable", "_2fa_enable");
        check("../../etc/passwd", "etc_passwd");
        check("Größe ändern", "grosse_andern");
        check("Añadir artículo", "anadir_articulo");
        check("ЩИТ и Щит: Получить", "shchit_i_shchit_poluchit");
        check("东京", "dong_jing");
        check("cafe\u{301} 🚀 menu", "cafe_menu");
        check("🚀", "imported_tool");
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
    fn a_verb_alone_is_joined_with_what_it_is_done_to() {
        let called = |name, groups| Called { name, method: "GET", path: "/api/v1/orders/{id}", groups };
        for (name, groups, expected) in [
            ("Create", &["Orders"] as &[&str], "create_orders"),
            ("Get by ID", &["Orders"], "get_orders_by_id"),
            ("get all", &["Shop", "Customer Orders", "v2"], "get_all_customer_orders"),
            ("List", &[], "list_orders"),
            ("List", &["API"], "list_orders"),
            ("List orders", &["Shop"], "list_orders"),
            ("Get list", &["Lists", "Shop"], "get_list_shop"),
            ("Create item", &["Stock"], "create_item"),
            ("Delete a check", &["Uptime"], "delete_a_check"),
            ("getA", &["Shop"], "get_a"),
            ("1.", &["Shop"], "get_api_v1_orders_id"),
            ("", &[], "get_api_v1_orders_id"),
            ("健康检查", &["Shop"], "jian_kang_jian_cha"),
        ] {
            assert_eq!(called(name, groups).tool(), expected, "{name}");
        }
        assert_eq!(called("List orders", &["Shop"]).tool_of_group(), "list_orders_shop");
    }

    #[test]
    fn the_path_is_taken_out_of_an_id_that_holds_it() {
        for (id, method, path, expected) in [
            ("list_tools_api_v1_tools_get", "get", "/api/v1/tools", "list_tools"),
            ("get_patient_patients__patient_id__get", "get", "/patients/{patient_id}", "get_patient"),
            ("create_item_items__post", "post", "/items/", "create_item"),
            ("read_root__get", "get", "/", "read_root"),
            ("list_tools_get", "get", "/tools", "list"),
            ("tools_get", "get", "/tools", "tools_get"),
            ("get_api_v1_tools", "get", "/api/v1/tools", "get_api_v1_tools"),
            ("OrdersOrderIdGetOrder", "get", "/orders/{order_id}", "GetOrder"),
            ("orders_list", "get", "/orders", "orders_list"),
            ("search/issues-and-pull-requests", "get", "/search/issues", "search/issues-and-pull-requests"),
            ("repos/list-for-org", "get", "/orgs/{org}/repos", "repos/list-for-org"),
            ("größe_größe_get", "get", "/größe", "größe"),
            ("é", "get", "/a", "é"),
        ] {
            assert_eq!(without_path(id, method, path), expected, "{id}");
        }
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
            ("größe", "grosse"),
            ("…", "value"),
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
            ("…", "api_stripe_com_secret"),
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
            let called = Called { name: &source, method: "get", path: &source, groups: &[&source] };
            for name in [called.tool(), called.tool_of_group()] {
                prop_assert!(ActionName::try_from(name.as_str()).is_ok() && name.len() <= 40, "{}", name);
            }
            let name = tool(&source);
            prop_assert!(ActionName::try_from(name.as_str()).is_ok() && name.len() <= 40, "{}", name);
            let name = parameter(&source);
            prop_assert!(is_field(&name) && name.len() <= 64, "{}", name);
        }
    }
}
