//! Secrets from outside the secrets file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::definition::{Problem, Problems};
use callgate_text::closest;

/// Largest secret file.
const MAX_BYTES: u64 = 64 * 1024;

/// Where secrets come from besides the secrets file.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// A directory of files, as Docker and Kubernetes mount them:
    /// `<environment>/<name>`, or `<name>` for every environment.
    pub directory: Option<PathBuf>,
    /// Environment variables that start with [`Sources::PREFIX`], without it.
    pub variables: Vec<(String, SecretString)>,
}

impl Sources {
    /// How the name of an environment variable that holds a secret starts.
    pub const PREFIX: &'static str = "CALLGATE_SECRET__";

    /// The environment variable for a secret: `CALLGATE_SECRET__PRODUCTION__HELPDESK_KEY`.
    pub fn variable_name(environment: &str, name: &str) -> String {
        format!("{}{}__{}", Self::PREFIX, shout(environment), shout(name))
    }

    /// Warns of variables for environments that are not among `known`: most likely misspelled.
    pub fn warn_of_strangers(&self, known: &[String], problems: &mut Problems) {
        let known: Vec<String> = known.iter().map(|name| shout(name)).collect();
        let is_known = |variable: &str| {
            known.iter().any(|name| variable.strip_prefix(name).is_some_and(|rest| rest.starts_with("__")))
        };
        for (variable, _) in self.variables.iter().filter(|(variable, _)| !is_known(variable)) {
            let near = variable.split_once("__").and_then(|(environment, _)| closest(environment, &known));
            let hint = match near {
                Some(near) => format!("did you mean `{}{near}__…`?", Self::PREFIX),
                None => format!("write {}<ENVIRONMENT>__<NAME>; known: {}", Self::PREFIX, known.join(", ")),
            };
            let name = format!("{}{variable}", Self::PREFIX);
            let message = "this environment variable sets no secret of any environment";
            problems.push(Problem::warning(&name, (0, 0), "unknown_variable", message).hint(hint));
        }
    }

    /// The secrets of `environment` that come from files, by name.
    pub(super) fn files(&self, environment: &str, problems: &mut Problems) -> BTreeMap<String, SecretString> {
        let mut secrets = BTreeMap::new();
        if let Some(directory) = &self.directory {
            if !directory.is_dir() {
                problems.push(
                    Problem::warning(
                        "callgate.toml",
                        (0, 0),
                        "invalid_setting",
                        format!("`secrets.directory` is {}, which is not a directory", directory.display()),
                    )
                    .hint("mount it, or leave the setting out"),
                );
            }
            read_files(directory, &mut secrets, problems);
            read_files(&directory.join(environment), &mut secrets, problems);
        }
        secrets
    }

    /// The secrets of `environment` that come from variables, by name in capitals.
    pub(super) fn variables(&self, environment: &str) -> BTreeMap<String, SecretString> {
        let prefix = format!("{}__", shout(environment));
        self.variables
            .iter()
            .filter_map(|(variable, value)| Some((variable.strip_prefix(&prefix)?.to_owned(), value.clone())))
            .collect()
    }
}

/// Reads each file of `directory` as the secret of its name; one line end at
/// the end of the file is not part of it.
fn read_files(directory: &Path, secrets: &mut BTreeMap<String, SecretString>, problems: &mut Problems) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.filter_map(Result::ok) {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = entry.path();
        let Ok(metadata) = fs::metadata(&path) else { continue };
        if name.starts_with('.') || !metadata.is_file() {
            continue;
        }
        let text = if metadata.len() > MAX_BYTES {
            Err(format!("larger than {MAX_BYTES} bytes"))
        } else {
            fs::read_to_string(&path).map_err(|error| error.to_string())
        };
        match text {
            Ok(text) => {
                let text = text.strip_suffix('\n').unwrap_or(&text);
                let text = text.strip_suffix('\r').unwrap_or(text);
                secrets.insert(name, SecretString::from(text));
            }
            Err(reason) => {
                let file = path.display().to_string();
                problems.push(Problem::error(
                    &file,
                    (0, 0),
                    "unreadable",
                    format!("cannot read this secret: {reason}"),
                ));
            }
        }
    }
}

/// A name as environment variables write it: in capitals, `_` for what they cannot hold.
pub(super) fn shout(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::definition::SecretsFile;
    use crate::secrets::Secrets;

    #[test]
    fn a_variable_wins_over_a_file_and_a_file_of_the_environment_over_a_common_one() {
        let dir = tempfile::tempdir().expect("temp dir");
        fs::create_dir(dir.path().join("production")).expect("create");
        fs::write(dir.path().join("a"), "common-a\n").expect("write");
        fs::write(dir.path().join("b"), "common-b\n").expect("write");
        fs::write(dir.path().join("c"), "common-c").expect("write");
        fs::write(dir.path().join("production/b"), "own-b\r\n").expect("write");
        fs::write(dir.path().join("production/c"), "own-c").expect("write");
        let sources = Sources {
            directory: Some(dir.path().to_owned()),
            variables: vec![("PRODUCTION__C".to_owned(), SecretString::from("var-c"))],
        };
        let mut problems = Problems::default();
        let environments = ["production".to_owned()];
        let secrets = Secrets::gather(&SecretsFile::default(), &sources, &environments, &mut problems);
        let value = |name: &str| secrets.get("production", name).expect("set").expose_secret().to_owned();
        assert_eq!((value("a"), value("b"), value("c")), ("common-a".into(), "own-b".into(), "var-c".into()));
        assert_eq!(problems, Problems::default());
        assert_eq!(
            Sources::variable_name("production", "help-desk.key"),
            "CALLGATE_SECRET__PRODUCTION__HELP_DESK_KEY"
        );
    }
}
