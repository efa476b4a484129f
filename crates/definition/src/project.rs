//! A project directory, read file by file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::document::Document;
use super::format::Format;
use super::problem::{Problem, Problems};
use super::schema::{Checked, Checker, FileKind};
use super::{ActionDefinition, AgentDefinition, AuthDefinition, ConnectionDefinition};
use callgate_text::{closest, push_token};

/// Largest definition file.
pub const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The folders of a project that hold definitions.
pub const DEFINITION_FOLDERS: [&str; 4] = ["actions", "agents", "connections", "auth"];

/// What an import leaves in `secrets.toml` where the source holds no value: nothing that is set.
pub const SECRET_PLACEHOLDER: &str = "replace-me";

/// A definition, its name, and the file it stands in.
#[derive(Clone, Debug)]
pub struct Located<T> {
    /// The name other files use.
    pub name: String,
    /// The file, for places.
    pub document: Arc<Document>,
    /// What it says.
    pub definition: T,
}

/// `variables.toml`: static variables by environment.
#[derive(Clone, Debug, Default)]
pub struct VariablesFile {
    /// The file, if there is one.
    pub document: Option<Arc<Document>>,
    /// Environment to name to value.
    pub environments: BTreeMap<String, Map<String, Value>>,
}

/// `secrets.toml`: secrets by environment.
#[derive(Clone, Debug, Default)]
pub struct SecretsFile {
    /// The file's name, if there is one.
    pub file: Option<String>,
    /// Environment to name to value.
    pub environments: BTreeMap<String, BTreeMap<String, SecretString>>,
}

/// Everything a project directory defines, as written.
#[derive(Clone, Debug, Default)]
pub struct ProjectFiles {
    /// `actions/*`, by file name.
    pub actions: Vec<Located<ActionDefinition>>,
    /// `agents/*`.
    pub agents: Vec<Located<AgentDefinition>>,
    /// `connections/*`.
    pub connections: Vec<Located<ConnectionDefinition>>,
    /// `auth/*`.
    pub auth: Vec<Located<AuthDefinition>>,
    /// `variables.toml`.
    pub variables: VariablesFile,
    /// `secrets.toml`.
    pub secrets: SecretsFile,
    /// The project directory, where it is one: what names of other files are relative to.
    pub root: Option<PathBuf>,
}

impl ProjectFiles {
    /// Reads files that are at hand already: `(name relative to the project, text)`.
    pub fn from_texts<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
        problems: &mut Problems,
    ) -> Self {
        let mut project = Self::default();
        let mut reader = Reader::new(problems);
        for (file, text) in files {
            reader.take(&mut project, file, text);
        }
        reader.finish(&mut project);
        project
    }
}

/// A file's text that is judged in place of the one on disk.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    /// The file, relative to the project; it need not be there.
    pub file: &'a str,
    /// Its text.
    pub text: &'a str,
}

/// Reads the project directory `dir`; what could not be read is a problem, the
/// rest is returned all the same so that everything wrong is found at once.
pub fn read_project(dir: &Path, draft: Option<Draft<'_>>, problems: &mut Problems) -> ProjectFiles {
    let mut files = Vec::new();
    for folder in DEFINITION_FOLDERS {
        list(dir, folder, &mut files, problems);
    }
    for name in ["variables.toml", "secrets.toml"] {
        if dir.join(name).exists() {
            files.push(name.to_owned());
        }
    }
    if let Some(draft) = draft.filter(|draft| !files.iter().any(|file| file == draft.file)) {
        files.push(draft.file.to_owned());
    }
    let texts: Vec<(String, String)> = files
        .into_iter()
        .filter_map(|name| {
            if let Some(draft) = draft.filter(|draft| draft.file == name) {
                return Some((name, draft.text.to_owned()));
            }
            match read_text(&dir.join(&name), &name) {
                Ok(text) => Some((name, text)),
                Err(problem) => {
                    problems.push(problem);
                    None
                }
            }
        })
        .collect();
    warn_if_readable(dir, problems);
    warn_of_strays(dir, problems);
    let texts = texts.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    ProjectFiles { root: Some(dir.to_owned()), ..ProjectFiles::from_texts(texts, problems) }
}

/// Reads and parses one file; the format follows its ending.
///
/// # Errors
///
/// Why it cannot be read, or every syntax error in it.
pub fn read_document(path: &Path, name: &str) -> Result<Document, Vec<Problem>> {
    let text = read_text(path, name).map_err(|problem| vec![problem])?;
    let format = if name.ends_with(".toml") { Format::Toml } else { Format::Yaml };
    Document::parse(name, &text, format)
}

/// Reads the text of a secrets file.
pub fn read_secrets_text(file: &str, text: &str, problems: &mut Problems) -> SecretsFile {
    ProjectFiles::from_texts([(file, text)], problems).secrets
}

fn list(dir: &Path, folder: &str, files: &mut Vec<String>, problems: &mut Problems) {
    let path = dir.join(folder);
    if !path.exists() {
        return;
    }
    let entries = match fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(error) => {
            problems.push(Problem::error(
                folder,
                (0, 0),
                "unreadable",
                format!("cannot list this folder: {error}"),
            ));
            return;
        }
    };
    let mut names: Vec<String> =
        entries.filter_map(Result::ok).filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    for name in names {
        if name.starts_with('.') || path.join(&name).is_dir() {
            continue;
        }
        let file = format!("{folder}/{name}");
        if [".yaml", ".yml", ".json"].iter().any(|ending| name.ends_with(ending)) {
            files.push(file);
        } else {
            problems.push(
                Problem::warning(&file, (0, 0), "ignored_file", "this file is not read")
                    .hint("a definition ends in .yaml, .yml or .json"),
            );
        }
    }
}

fn read_text(path: &Path, name: &str) -> Result<String, Problem> {
    let unreadable = |reason: String| Problem::error(name, (0, 0), "unreadable", reason);
    let found = fs::metadata(path).map_err(|error| unreadable(format!("cannot be read: {error}")))?;
    // To open a pipe would wait for whoever writes into it.
    if !found.is_file() {
        return Err(unreadable("is no regular file".to_owned()));
    }
    let size = found.len();
    if size > MAX_FILE_BYTES {
        return Err(unreadable(format!(
            "has {size} bytes, more than the {MAX_FILE_BYTES} a definition may have"
        )));
    }
    let bytes = fs::read(path).map_err(|error| unreadable(format!("cannot be read: {error}")))?;
    String::from_utf8(bytes).map_err(|error| {
        let good =
            String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]).into_owned();
        let line = good.matches('\n').count() + 1;
        let column = good.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
        Problem::error(name, (line, column), "invalid_utf8", "not valid UTF-8 from here on")
            .hint("save the file as UTF-8")
    })
}

/// Warns of files and folders whose names look like those of a project but are not.
fn warn_of_strays(dir: &Path, problems: &mut Problems) {
    const KNOWN: &[&str] =
        &["actions", "agents", "connections", "auth", "variables.toml", "secrets.toml", "callgate.toml"];
    let stem = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    let stems: Vec<String> = KNOWN.iter().map(|name| stem(name)).collect();
    let Ok(entries) = fs::read_dir(dir) else { return };
    let mut names: Vec<String> =
        entries.filter_map(Result::ok).filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    for name in names.iter().filter(|name| !KNOWN.contains(&name.as_str()) && !name.contains(".example")) {
        let own = stem(name);
        let meant = stems.iter().position(|known| *known == own).or_else(|| {
            let near = closest(&own, &stems)?;
            stems.iter().position(|known| known == near)
        });
        if let Some(meant) = meant {
            problems.push(
                Problem::warning(name, (0, 0), "ignored_file", "this is not read")
                    .hint(format!("did you mean `{}`?", KNOWN[meant])),
            );
        }
    }
}

#[cfg(unix)]
fn warn_if_readable(dir: &Path, problems: &mut Problems) {
    use std::os::unix::fs::PermissionsExt;
    let Ok(metadata) = fs::metadata(dir.join("secrets.toml")) else { return };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o044 != 0 {
        problems.push(
            Problem::warning(
                "secrets.toml",
                (0, 0),
                "secrets_readable",
                format!("others can read this file (mode {mode:03o})"),
            )
            .hint("chmod 600 secrets.toml"),
        );
    }
}

#[cfg(not(unix))]
fn warn_if_readable(_: &Path, _: &mut Problems) {}

struct Reader<'a> {
    problems: &'a mut Problems,
    action: Checker,
    agent: Checker,
    connection: Checker,
    auth: Checker,
}

impl<'a> Reader<'a> {
    fn new(problems: &'a mut Problems) -> Self {
        Self {
            problems,
            action: FileKind::Action.checker(),
            agent: FileKind::Agent.checker(),
            connection: FileKind::Connection.checker(),
            auth: FileKind::Auth.checker(),
        }
    }

    fn take(&mut self, project: &mut ProjectFiles, file: &str, text: &str) {
        let format = if file.ends_with(".toml") { Format::Toml } else { Format::Yaml };
        let document = match Document::parse(file, text, format) {
            Ok(document) => document,
            Err(problems) => return self.problems.extend(problems),
        };
        match file.split('/').next() {
            Some("actions") => {
                let checked = self.action.check(&document);
                project.actions.extend(self.mirror(document, checked));
            }
            Some("agents") => {
                let checked = self.agent.check(&document);
                project.agents.extend(self.mirror(document, checked));
            }
            Some("connections") => {
                let checked = self.connection.check(&document);
                project.connections.extend(self.mirror(document, checked));
            }
            Some("auth") => {
                let checked = self.auth.check(&document);
                project.auth.extend(self.mirror(document, checked));
            }
            _ if file.ends_with("variables.toml") => self.variables(project, document),
            _ => self.secrets(project, document),
        }
    }

    /// A checked document as its type; its problems are kept either way.
    fn mirror<T: DeserializeOwned>(&mut self, document: Document, checked: Checked) -> Option<Located<T>> {
        let failed = !checked.problems.is_empty();
        self.problems.extend(checked.problems);
        let stem = document
            .file
            .rsplit('/')
            .next()
            .and_then(|name| name.rsplit_once('.'))
            .map_or("", |(stem, _)| stem);
        let name = document.value.get("name").and_then(Value::as_str).unwrap_or(stem).to_owned();
        match serde_json::from_value(checked.value) {
            Ok(definition) => Some(Located { name, document: Arc::new(document), definition }),
            Err(_) if failed => None,
            Err(error) => {
                self.problems.push(Problem::error(
                    &document.file,
                    (1, 1),
                    "invalid_value",
                    error.to_string(),
                ));
                None
            }
        }
    }

    fn variables(&mut self, project: &mut ProjectFiles, document: Document) {
        let problems = FileKind::Variables.checker().check(&document).problems;
        if problems.is_empty() {
            for (environment, values) in document.value.as_object().into_iter().flatten() {
                if let Some(values) = values.as_object() {
                    project.variables.environments.insert(environment.clone(), values.clone());
                }
            }
        }
        self.problems.extend(problems);
        project.variables.document = Some(Arc::new(document));
    }

    fn secrets(&mut self, project: &mut ProjectFiles, document: Document) {
        let problems = FileKind::Secrets.checker().check(&document).problems;
        if problems.is_empty() {
            for (environment, values) in document.value.as_object().into_iter().flatten() {
                for (name, _) in
                    values.as_object().into_iter().flatten().filter(|(_, value)| *value == SECRET_PLACEHOLDER)
                {
                    let mut pointer = String::new();
                    [environment, name].into_iter().for_each(|token| push_token(&mut pointer, token));
                    let message =
                        format!("the secret `{name}` of {environment} is still `{SECRET_PLACEHOLDER}`");
                    self.problems.push(
                        Problem::warning(
                            &document.file,
                            document.at_value(&pointer),
                            "secret_to_fill_in",
                            message,
                        )
                        .hint("write its value there"),
                    );
                }
                let values =
                    values.as_object().into_iter().flatten().filter_map(|(name, value)| {
                        Some((name.clone(), SecretString::from(value.as_str()?)))
                    });
                project.secrets.environments.insert(environment.clone(), values.collect());
            }
        }
        self.problems.extend(problems);
        project.secrets.file = Some(document.file);
    }

    /// Names that two files claim.
    fn finish(self, project: &mut ProjectFiles) {
        unique(&mut project.actions, "action", self.problems);
        unique(&mut project.agents, "agent", self.problems);
        unique(&mut project.connections, "connection", self.problems);
        unique(&mut project.auth, "auth connector", self.problems);
    }
}

fn unique<T>(items: &mut Vec<Located<T>>, what: &str, problems: &mut Problems) {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    items.retain(|item| {
        let file = &item.document.file;
        if let Some(first) = seen.get(&item.name) {
            problems.push(
                Problem::error(
                    file,
                    item.document.at_value("/name"),
                    "duplicate_name",
                    format!("the {what} `{}` is defined in {first} already", item.name),
                )
                .hint("rename one of the two"),
            );
            return false;
        }
        seen.insert(item.name.clone(), file.clone());
        true
    });
}
