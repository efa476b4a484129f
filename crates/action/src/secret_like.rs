//! What looks like a secret, by its name or by itself. Where this errs, it errs by taking a
//! plain value for a secret: it then stands in `secrets.toml`, or is warned of, which is harmless.

/// Parts of names that promise a secret.
const NAMES: &[&str] = &[
    "authorization",
    "apikey",
    "api_key",
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "credential",
    "signature",
    "session",
    "private_key",
    "access_key",
    "subscription_key",
    "auth_key",
    "client_key",
    "cookie",
];
/// Whole names that promise one; as parts of names they do not.
const WHOLE: &[&str] = &["key", "auth", "pwd", "sig", "jwt", "pat", "pin", "cvc", "cvv", "code_verifier"];
/// Names that look like one and are not.
const HARMLESS: &[&str] = &[
    "idempotency_key",
    "page_token",
    "next_page_token",
    "next_token",
    "continuation_token",
    "token_type",
    "max_tokens",
    "cursor_token",
    "session_id_format",
    "sync_token",
    "pagination_token",
];
/// How values of well-known secrets begin.
const PREFIXES: &[&str] = &[
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "rk_test_",
    "sk-",
    "whsec_",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "xapp-",
    "AKIA",
    "ASIA",
    "AIza",
    "ya29.",
    "SG.",
    "shpat_",
    "shpss_",
    "npm_",
    "pypi-",
    "dop_v1_",
    "VF.DM.",
    "VF.WS.",
    "Bearer ",
    "bearer ",
];

/// Whether a header, query parameter or field called `name` holds a secret.
pub fn is_secret_name(name: &str) -> bool {
    let folded = fold(name);
    let base = folded.strip_prefix("x_").unwrap_or(&folded);
    if HARMLESS.contains(&base) {
        return false;
    }
    WHOLE.contains(&base)
        || NAMES.iter().any(|part| base.contains(part))
        || base.ends_with("_key") && base.matches('_').count() <= 2
        || base.ends_with("_auth")
}

/// Whether a member `name` of a body, whose text is `value`, holds a secret. Bodies are full of keys that
/// name things (`"key": "acme"`), so that those are judged by what they hold.
pub fn is_secret_member(name: &str, value: &str) -> bool {
    let folded = fold(name);
    let is_key =
        folded == "key" || folded.ends_with("_key") && !NAMES.iter().any(|part| folded.contains(part));
    match is_key {
        true => {
            let is_word = value.bytes().all(|b| b.is_ascii_alphanumeric());
            is_secret_value(value) || is_word && is_random(value, 16)
        }
        false => is_secret_name(name),
    }
}

/// Lowercase words with `_` between them: `X-Api-Key`, `apiKey` and `api_key` alike.
fn fold(name: &str) -> String {
    let mut folded = String::new();
    let mut before = '_';
    for c in name.chars().take(200) {
        if c.is_ascii_uppercase() && before.is_ascii_lowercase() {
            folded.push('_');
        }
        folded.push(if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' });
        before = c;
    }
    folded
}

/// Whether a header, query parameter or field `name` gives a secret away by its `value`.
pub fn is_secret(name: &str, value: &str) -> bool {
    let value = value.trim();
    // `Bearer <token>`
    let bare = value.split_once(' ').map_or(value, |(_, rest)| rest.trim());
    !is_stand_in(bare) && (is_secret_name(name) || is_secret_value(value))
}

/// Whether `value` looks like a secret whatever it is called.
pub fn is_secret_value(value: &str) -> bool {
    let value = value.trim();
    has_known_form(value) || is_random(value, 32)
}

/// Whether `text`, or a word of it, looks like a secret whatever it is called.
pub fn holds_secret_value(text: &str) -> bool {
    is_secret_value(text) || words(text).any(is_secret_value)
}

/// Whether a word of `text` begins as secrets of well-known services do.
pub fn holds_known_form(text: &str) -> bool {
    words(text).any(has_known_form)
}

fn has_known_form(value: &str) -> bool {
    let is_jwt = value.starts_with("eyJ") && value.matches('.').count() == 2;
    is_jwt || PREFIXES.iter().any(|prefix| value.len() >= prefix.len() + 8 && value.starts_with(prefix))
}

/// The words of `text`, cut where no key goes on.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+' | '/' | '.')))
}

/// Whether `value` only stands where a secret belongs: `$TOKEN` in single
/// quotes, `<token>`, `YOUR_API_KEY`, `xxxx`.
pub fn is_stand_in(value: &str) -> bool {
    let value = value.trim();
    let lower = value.to_ascii_lowercase();
    let is_variable = value.strip_prefix('$').is_some_and(|name| {
        let name = name.trim_matches(['{', '}']);
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    });
    let is_framed = [('<', '>'), ('[', ']'), ('%', '%')]
        .iter()
        .any(|(open, close)| value.len() > 2 && value.starts_with(*open) && value.ends_with(*close));
    let is_word = [
        "your_",
        "your-",
        "yourapi",
        "yourtoken",
        "changeme",
        "change-me",
        "replace-me",
        "replace_me",
        "placeholder",
    ]
    .iter()
    .any(|word| lower.contains(word));
    is_variable || is_framed || is_word || lower.bytes().all(|b| matches!(b, b'x' | b'*' | b'.' | b'-'))
}

/// Whether `value` is one long word of mixed letters and digits, as keys are,
/// and no UUID.
pub fn is_random(value: &str, least: usize) -> bool {
    let one_word = value
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+' | b'/' | b'=' | b'.'));
    if value.len() < least || !one_word || is_uuid(value) || value.contains("//") {
        return false;
    }
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let letters = value.bytes().filter(u8::is_ascii_alphabetic).count();
    // A path or a hyphenated sentence has many separators, a key few.
    let separators = value.len() - digits - letters;
    digits >= 4 && letters >= 4 && separators * 8 <= value.len()
}

/// Whether `value` is a UUID (RFC 9562), which names things rather than opens them.
pub fn is_uuid(value: &str) -> bool {
    let groups: Vec<&str> = value.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    lengths == [8, 4, 4, 4, 12] && groups.iter().all(|group| group.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known() {
        for name in [
            "Authorization",
            "X-Api-Key",
            "apikey",
            "apiKey",
            "X-Auth-Token",
            "access_token",
            "Ocp-Apim-Subscription-Key",
            "key",
            "X-Amz-Signature",
            "client_secret",
            "Password",
            "X-Auth",
            "sessionid",
            "DD-APPLICATION-KEY",
            "Cookie",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "Accept",
            "Content-Type",
            "X-Request-Id",
            "keyword",
            "monkey",
            "Idempotency-Key",
            "page_token",
            "author",
            "limit",
            "X-GitHub-Api-Version",
            "order_id",
            "primary_key_column_name_of_table",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn a_key_of_a_body_is_judged_by_its_value() {
        for (name, value) in [
            ("key", "acme"),
            ("key", "business-unit-1234"),
            ("parentKey", "acme"),
            ("sort_key", "created_at"),
            ("key", ""),
        ] {
            assert!(!is_secret_member(name, value), "{name}: {value}");
        }
        for (name, value) in [
            ("key", "verysecretkey1234"),
            ("key", "sk_live_4eC39HqLyjWDarjtT1zdp7dc"),
            ("apiKey", "acme"),
            ("password", "acme"),
            ("x-access-key", "acme"),
        ] {
            assert!(is_secret_member(name, value), "{name}: {value}");
        }
    }

    #[test]
    fn what_only_stands_for_a_secret_is_told_from_one() {
        for value in
            ["$TOKEN", "${API_KEY}", "<token>", "YOUR_API_KEY", "xxxx-xxxx", "***", "%KEY%", "replace-me"]
        {
            assert!(is_stand_in(value), "{value}");
        }
        for value in ["sk_live_4eC39HqLyjWDarjtT1zdp7dc", "$5 a day", "hunter2", "yours"] {
            assert!(!is_stand_in(value), "{value}");
        }
    }

    #[test]
    fn values_of_secrets_are_known() {
        for value in [
            "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
            "ghp_0123456789abcdef",
            "xoxb-1234-5678-abcdef",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
            "9f86d081884c7d659a2feaa0c55ad015",
            "Bearer 0123456789",
        ] {
            assert!(is_secret_value(value), "{value}");
        }
        for value in [
            "shipped",
            "ORD-12345",
            "3fa85f64-5717-4562-b3fc-2c963f66afa6",
            "2026-01-06T10:30:00Z",
            "https://a.test/hooks/1234567890abcdef",
            "a-long-sentence-with-hyphens-and-2-numbers-in-it",
            "sk-ip",
            "",
        ] {
            assert!(!is_secret_value(value), "{value}");
        }
    }

    #[test]
    fn a_secret_is_found_among_other_words() {
        let known = "<token>ghp_0123456789abcdef</token>";
        assert!(holds_secret_value(known) && holds_known_form(known));
        let random = "a=9f86d081884c7d659a2feaa0c55ad015&b=c";
        assert!(holds_secret_value(random) && !holds_known_form(random));
        for text in [
            "https://a.test/hooks/1234567890abcdef?since=2026-01-06T10:30:00Z",
            "query { order(id: \"3fa85f64-5717-4562-b3fc-2c963f66afa6\") { status } }",
            "",
        ] {
            assert!(!holds_secret_value(text), "{text}");
        }
    }
}
