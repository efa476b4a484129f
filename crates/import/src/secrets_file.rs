//! Secrets added to the text of `secrets.toml`; nothing that stands there is
//! changed, and no comment is lost.

use secrecy::ExposeSecret;
use toml_edit::{DocumentMut, Item, Table, value};

use callgate_definition::SECRET_PLACEHOLDER;

use super::ImportedSecret;
use super::report::ImportError;

/// What begins a file that was not there.
const HEAD: &str = "# Secrets by environment. Never commit this file.\n\n";

/// The text of `secrets.toml` with `secrets` added.
#[derive(Debug)]
pub struct SecretsText {
    /// The whole new text.
    pub text: String,
    /// How many were added.
    pub added: usize,
    /// Names that have another value already, by environment; they were left as they are.
    pub kept: Vec<(String, String)>,
}

/// Adds `secrets` to `text`, the file as it is (empty where there is none).
///
/// # Errors
///
/// `text` is not TOML, or an environment in it is no table.
pub fn add_secrets(text: &str, secrets: &[ImportedSecret]) -> Result<SecretsText, ImportError> {
    let broken = |message: String| {
        ImportError::new(
            "secrets_file",
            format!("secrets.toml: {message}"),
            "mend the file; nothing was written",
        )
    };
    // The parser's own message quotes the line, which holds a secret.
    let mut document: DocumentMut = text.parse().map_err(|_| broken("not valid TOML".to_owned()))?;
    let (mut added, mut kept) = (0, Vec::new());
    for secret in secrets {
        let table = document.entry(&secret.environment).or_insert_with(|| Item::Table(Table::new()));
        let Some(table) = table.as_table_like_mut() else {
            return Err(broken(format!("`{}` is not a table", secret.environment)));
        };
        let ours = secret.value.expose_secret();
        match table.get(&secret.name).map(Item::as_str) {
            Some(known) if known == Some(ours) => {}
            Some(known) if known.is_none_or(is_set) => {
                if !secret.is_placeholder {
                    kept.push((secret.environment.clone(), secret.name.clone()));
                }
            }
            _ => {
                table.insert(&secret.name, value(ours));
                added += 1;
            }
        }
    }
    let head = if text.is_empty() && added > 0 { HEAD } else { "" };
    Ok(SecretsText { text: format!("{head}{document}"), added, kept })
}

/// Whether `text` is a value: an import before may have left its placeholder.
pub(super) fn is_set(text: &str) -> bool {
    !text.is_empty() && text != SECRET_PLACEHOLDER
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    fn secret(environment: &str, name: &str, value: &str) -> ImportedSecret {
        ImportedSecret {
            environment: environment.to_owned(),
            name: name.to_owned(),
            value: SecretString::from(value),
            is_placeholder: false,
        }
    }

    #[test]
    fn what_stands_there_stays_with_its_comments() {
        let text = "# mine\n[development]\na = \"1\" # keep\n\n[production]\n";
        let secrets = [
            secret("development", "a", "new"),
            secret("development", "b", "q\"\n"),
            secret("staging", "b", "x"),
        ];
        let result = add_secrets(text, &secrets).unwrap();
        assert_eq!((result.added, result.kept), (2, vec![("development".to_owned(), "a".to_owned())]));
        assert!(result.text.starts_with("# mine\n[development]\na = \"1\" # keep\nb = "), "{}", result.text);
        let read: DocumentMut = result.text.parse().unwrap();
        assert_eq!(read["development"]["b"].as_str(), Some("q\"\n"));
        assert_eq!(read["staging"]["b"].as_str(), Some("x"));
    }

    #[test]
    fn a_placeholder_is_no_value_and_replaces_none() {
        let text = "[a]\nx = \"replace-me\"\ny = \"\"\nz = \"1\"\n";
        let placeholder =
            |name: &str| ImportedSecret { is_placeholder: true, ..secret("a", name, SECRET_PLACEHOLDER) };
        let result = add_secrets(text, &["x", "z"].map(placeholder)).unwrap();
        assert_eq!((result.added, result.kept, result.text.as_str()), (0, Vec::new(), text));
        let result = add_secrets(text, &["x", "y", "z"].map(|name| secret("a", name, "1"))).unwrap();
        assert_eq!((result.added, result.kept), (2, Vec::new()));
        assert_eq!(result.text, "[a]\nx = \"1\"\ny = \"1\"\nz = \"1\"\n");
    }

    #[test]
    fn a_new_file_says_what_it_is_and_a_broken_one_is_left_alone() {
        let result = add_secrets("", &[secret("development", "a", "1")]).unwrap();
        assert_eq!(result.text, format!("{HEAD}[development]\na = \"1\"\n"));
        assert_eq!(add_secrets("", &[]).unwrap().text, "");
        for broken in ["[a\nhunter2", "development = 1\n"] {
            let error = add_secrets(broken, &[secret("development", "a", "1")]).unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
