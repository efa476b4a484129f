//! What is sent in `Authorization`, where a document declares that header as a plain key or parameter.

use serde_json::{Map, Value, json};

use crate::bundle::Bundle;
use crate::request::connector_keys;

/// How the value of `Authorization` is made of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Authorization {
    /// `Bearer` and a token.
    Bearer,
    /// `Basic` and a user name with a password.
    Basic,
    /// Another word and a key.
    Word(&'static str),
    /// Nothing says what stands before the key, if anything does.
    Unknown,
}

/// Words that services write before a key, besides `Bearer` and `Basic`.
const WORDS: &[&str] =
    &["Token", "ApiKey", "APIKey", "Apikey", "Api-Key", "Key", "JWT", "SSWS", "OAuth", "GenieKey", "Bot"];

impl Authorization {
    /// What the words of the document tell of it.
    pub(super) fn told_by(description: &str) -> Self {
        let quotes = ['"', '\'', '`', '(', ')', ',', '.'];
        let words: Vec<&str> = description.split_whitespace().take(200).collect();
        let is_word = |word: &str, known: &str| word.trim_matches(quotes).eq_ignore_ascii_case(known);
        if words.iter().any(|word| is_word(word, "bearer")) {
            return Self::Bearer;
        }
        // The word, and then what is to be put in: `Token <key>`, `Token {key}`, `Token your_key`.
        let is_key = |word: &str| {
            let bare = word.trim_start_matches(['"', '\'', '`']);
            bare.starts_with(['<', '{', '[']) || bare.to_ascii_lowercase().starts_with("your")
        };
        for (index, word) in words.iter().enumerate() {
            let next = words.get(index + 1).is_some_and(|next| is_key(next));
            let before = index.checked_sub(1).is_some_and(|before| is_word(words[before], "prefix"));
            if is_word(word, "basic") && (next || before) {
                return Self::Basic;
            }
            if let Some(known) = WORDS.iter().find(|known| is_word(word, known)).filter(|_| next || before) {
                return Self::Word(known);
            }
        }
        Self::Unknown
    }

    /// The keys of a connector, with null where a secret stands; `None` where only a header can say it.
    pub(super) fn connector(self) -> Option<Map<String, Value>> {
        match self {
            Self::Bearer => Some(connector_keys(&[("type", json!("bearer")), ("token", json!(null))])),
            Self::Basic => Some(connector_keys(&[
                ("type", json!("basic")),
                ("username", json!(null)),
                ("password", json!(null)),
            ])),
            Self::Word(_) => None,
            Self::Unknown => Some(connector_keys(&[
                ("type", json!("api_key")),
                ("in", json!("header")),
                ("key_name", json!("Authorization")),
                ("key", json!(null)),
            ])),
        }
    }

    /// What stands before the secret in a header.
    pub(super) fn prefix(self) -> String {
        match self {
            Self::Bearer => "Bearer ".to_owned(),
            Self::Basic => "Basic ".to_owned(),
            Self::Word(word) => format!("{word} "),
            Self::Unknown => String::new(),
        }
    }
}

/// Puts secrets called after `wish` where `keys` have null.
pub(super) fn fill(keys: &mut Map<String, Value>, wish: &str, bundle: &mut Bundle<'_>) {
    let several = keys.values().filter(|value| value.is_null()).count() > 1;
    for (key, value) in keys {
        if value.is_null() {
            let what = if several { format!("_{key}") } else { String::new() };
            *value = bundle.secret(&format!("{wish}{what}"), None, "");
        }
    }
}

/// What to do where nothing says what stands before the key.
pub(super) const WHOLE_VALUE: &str =
    "write the whole value into the secret, such as `Bearer` and the token, if the API wants it so";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_tell_what_stands_before_the_key() {
        for (description, expected) in [
            ("Type into the textbox: Bearer {your JWT token}.", Authorization::Bearer),
            (
                "JWT Authorization header using the Bearer scheme. Example: \"Authorization: Bearer 12345\"",
                Authorization::Bearer,
            ),
            ("Token-based authentication with required prefix \"Token\"", Authorization::Word("Token")),
            ("Use `Token <key>`", Authorization::Word("Token")),
            ("Basic {base64 of user and password}", Authorization::Basic),
            ("A basic key", Authorization::Unknown),
            ("Enter your token", Authorization::Unknown),
            ("Enter the key", Authorization::Unknown),
            ("", Authorization::Unknown),
        ] {
            assert_eq!(Authorization::told_by(description), expected, "{description}");
        }
    }
}
