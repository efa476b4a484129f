//! Definitions as texts: listed, read, judged, and saved without losing what somebody else has saved.
//!
//! Only the definitions and `variables.toml` can be named. Secrets and settings cannot, by no name and through no link.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use data_encoding::HEXLOWER;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::definition::{DEFINITION_FOLDERS, Draft, MAX_FILE_BYTES, Problem, Problems, Severity};
use crate::tool::random_u64;

use super::load_with;

/// The one file beside the folders of definitions that can be edited.
const VARIABLES: &str = "variables.toml";
/// What the name of a definition ends in.
const ENDINGS: [&str; 3] = [".yaml", ".yml", ".json"];
/// The longest name of a file, in bytes.
const MAX_NAME_BYTES: usize = 200;

/// The definitions of a project directory. Clones share one lock: edits through them come one after the other.
#[derive(Clone, Debug)]
pub struct Edits {
    dir: PathBuf,
    one_at_a_time: Arc<Mutex<()>>,
}

/// A file that can be named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DefinitionFile {
    /// Its name, relative to the project.
    pub file: String,
    /// `action`, `agent`, `connection`, `auth` or `variables`.
    pub kind: &'static str,
}

/// The text of a file, and what tells it from any other text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefinitionText {
    /// The text, byte for byte.
    pub text: String,
    /// The same for two texts only if they are the same.
    pub version: String,
}

/// The version of a file that its author has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// There is no such file.
    Absent,
    /// It has this version.
    Version(String),
}

/// Why a file is not read or saved.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The name is none of a definition.
    #[error(
        "`{0}` names no definition: write actions/NAME.yaml, agents/NAME.yaml, connections/NAME.yaml, auth/NAME.yaml or variables.toml"
    )]
    Name(String),
    /// There is no such file.
    #[error("there is no file `{0}`")]
    NotFound(String),
    /// A link leads out of the folder, or would be written through.
    #[error("`{0}` is a link, and links are not followed here; edit the file that it leads to")]
    Link(String),
    /// The file is not as it was seen: somebody else has saved it.
    #[error("the file has changed since it was read; nothing was saved")]
    Changed(Option<DefinitionText>),
    /// The text would break the project.
    #[error("the project would have new errors with this text; nothing was saved")]
    Invalid(Vec<Problem>),
    /// The file system refuses.
    #[error("`{0}` cannot be read or saved: {1}")]
    Io(String, #[source] io::Error),
}

impl DefinitionText {
    fn of(text: String) -> Self {
        let version = HEXLOWER.encode(&Sha256::digest(&text)[..16]);
        Self { text, version }
    }
}

impl Edits {
    /// Edits of the project directory `dir`.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), one_at_a_time: Arc::default() }
    }

    /// Every file that can be named, by folder and name.
    pub fn list(&self) -> Vec<DefinitionFile> {
        let mut files = Vec::new();
        for folder in DEFINITION_FOLDERS {
            let entries = fs::read_dir(self.dir.join(folder)).into_iter().flatten().filter_map(Result::ok);
            let mut names: Vec<String> =
                entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
            names.sort();
            files.extend(names.iter().map(|name| format!("{folder}/{name}")));
        }
        files.push(VARIABLES.to_owned());
        let known = files.into_iter().filter_map(|file| {
            let named = Named::parse(&file).ok()?;
            self.resolve(&named).ok()?;
            Some(DefinitionFile { kind: named.kind(), file })
        });
        known.collect()
    }

    /// The text of `file`.
    ///
    /// # Errors
    ///
    /// There is no such file, or it cannot be read.
    pub fn read(&self, file: &str) -> Result<DefinitionText, EditError> {
        let named = Named::parse(file)?;
        let path = self.resolve(&named)?;
        read_text(file, &path)
    }

    /// Every problem that the project has with `text` as `file`. Nothing is saved.
    ///
    /// # Errors
    ///
    /// The name is none of a definition.
    pub fn check(&self, file: &str, text: &str) -> Result<Vec<Problem>, EditError> {
        Named::parse(file)?;
        Ok(self.problems(Some(Draft { file, text })))
    }

    /// Saves `text` as `file`, whole or not at all, and only over what its author has seen. Returns what is known of
    /// the project afterwards.
    ///
    /// # Errors
    ///
    /// Nothing was saved: see [`EditError`].
    pub fn save(
        &self,
        file: &str,
        text: &str,
        expected: &Expected,
    ) -> Result<(DefinitionText, Vec<Problem>), EditError> {
        let named = Named::parse(file)?;
        let _turn = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.writable(&named)?;
        let current = match read_text(file, &path) {
            Ok(current) => Some(current),
            Err(EditError::NotFound(_)) => None,
            Err(error) => return Err(error),
        };
        let is_as_seen = match expected {
            Expected::Absent => current.is_none(),
            Expected::Version(version) => current.as_ref().is_some_and(|current| current.version == *version),
        };
        if !is_as_seen {
            return Err(EditError::Changed(current));
        }
        let after = self.problems(Some(Draft { file, text }));
        let is_new = {
            let before = self.problems(None);
            // An edit moves other problems of its file up or down.
            let known = |problem: &Problem| {
                before.iter().any(|one| {
                    (&one.file, one.code, &one.message) == (&problem.file, problem.code, &problem.message)
                })
            };
            after.iter().any(|problem| problem.severity == Severity::Error && !known(problem))
        };
        if is_new {
            return Err(EditError::Invalid(after));
        }
        replace(file, &path, text, current.as_ref())?;
        Ok((DefinitionText::of(text.to_owned()), after))
    }

    fn problems(&self, draft: Option<Draft<'_>>) -> Vec<Problem> {
        let problems: Problems = load_with(&self.dir, draft, None).problems;
        problems.sorted()
    }

    /// Where the file is. A link may lead to another place within the folder, as Kubernetes mounts files; it may not lead
    /// out of it, where secrets are.
    fn resolve(&self, named: &Named<'_>) -> Result<PathBuf, EditError> {
        let (file, path) = (named.file, self.dir.join(named.file));
        let canonical = |path: &Path| match path.canonicalize() {
            Ok(path) => Ok(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(EditError::NotFound(file.to_owned()))
            }
            Err(error) => Err(EditError::Io(file.to_owned(), error)),
        };
        let (found, home) = (canonical(&path)?, canonical(&self.dir.join(named.folder))?);
        let has_its_name = found.file_name() == path.file_name();
        if !found.starts_with(home) || !has_its_name {
            return Err(EditError::Link(file.to_owned()));
        }
        if found.is_file() { Ok(found) } else { Err(EditError::NotFound(file.to_owned())) }
    }

    /// Where the file is or will be; no part of the way below the project is a link.
    fn writable(&self, named: &Named<'_>) -> Result<PathBuf, EditError> {
        let folder = self.dir.join(named.folder);
        let failed = |error| EditError::Io(named.file.to_owned(), error);
        if !named.folder.is_empty() && !folder.exists() {
            fs::create_dir(&folder).map_err(failed)?;
        }
        let path = self.dir.join(named.file);
        let is_link = |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
        if (!named.folder.is_empty() && is_link(&folder)) || is_link(&path) {
            return Err(EditError::Link(named.file.to_owned()));
        }
        Ok(path)
    }
}

/// A name that may be read and written.
struct Named<'a> {
    file: &'a str,
    /// The folder of definitions; empty for `variables.toml`.
    folder: &'a str,
}

impl<'a> Named<'a> {
    fn parse(file: &'a str) -> Result<Self, EditError> {
        if file == VARIABLES {
            return Ok(Self { file, folder: "" });
        }
        let parts = file.split_once('/').filter(|(folder, name)| {
            let is_plain = |sign: char| !sign.is_control() && !matches!(sign, '/' | '\\');
            DEFINITION_FOLDERS.contains(folder)
                && name.len() <= MAX_NAME_BYTES
                && name.chars().all(is_plain)
                && !name.starts_with('.')
                && ENDINGS.iter().any(|ending| name.len() > ending.len() && name.ends_with(ending))
        });
        match parts {
            Some((folder, _)) => Ok(Self { file, folder }),
            None => Err(EditError::Name(file.chars().take(80).collect())),
        }
    }

    fn kind(&self) -> &'static str {
        match self.folder {
            "actions" => "action",
            "agents" => "agent",
            "connections" => "connection",
            "auth" => "auth",
            _ => "variables",
        }
    }
}

fn read_text(file: &str, path: &Path) -> Result<DefinitionText, EditError> {
    let read = || {
        let found = fs::metadata(path)?;
        // To open a pipe would wait for whoever writes into it.
        if !found.is_file() || found.len() > MAX_FILE_BYTES {
            return Err(io::Error::other(format!("it is no file of {MAX_FILE_BYTES} bytes at most")));
        }
        fs::read_to_string(path)
    };
    match read() {
        Ok(text) => Ok(DefinitionText::of(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(EditError::NotFound(file.to_owned())),
        Err(error) => Err(EditError::Io(file.to_owned(), error)),
    }
}

/// Puts `text` in the place of `seen`, or where nothing was seen, as a new file.
fn replace(file: &str, path: &Path, text: &str, seen: Option<&DefinitionText>) -> Result<(), EditError> {
    let failed = |error| EditError::Io(file.to_owned(), error);
    let random = random_u64().map_err(|error| failed(io::Error::other(error)))?;
    // The watch and the reader pass over names that begin with a dot.
    let name = path.file_name().unwrap_or(OsStr::new("definition")).to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{random:016x}.saving"));
    let permissions = fs::metadata(path).ok().map(|found| found.permissions());
    let put = write_new(&beside, text, permissions).and_then(|()| match seen {
        Some(seen) => swap(&beside, path, seen),
        // Fails where the file has come to be meanwhile.
        None => fs::hard_link(&beside, path).map(|()| true).or_else(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Ok(false),
            _ => Err(error),
        }),
    });
    if !matches!(&put, Err(error) if error.kind() == io::ErrorKind::Interrupted) {
        let _ = fs::remove_file(&beside);
    }
    match put {
        Ok(true) => {}
        // Somebody has taken it away meanwhile.
        Err(error) if seen.is_some() && error.kind() == io::ErrorKind::NotFound => {
            return Err(EditError::Changed(None));
        }
        Ok(false) => return Err(EditError::Changed(read_text(file, path).ok())),
        Err(error) => return Err(failed(error)),
    }
    // So that the new name outlives a loss of power; the text has been written already.
    if let Some(folder) = path.parent().and_then(|folder| File::open(folder).ok()) {
        let _ = folder.sync_all();
    }
    Ok(())
}

fn write_new(path: &Path, text: &str, permissions: Option<Permissions>) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(text.as_bytes())?;
    if let Some(permissions) = permissions {
        file.set_permissions(permissions)?;
    }
    file.sync_all()
}

/// Swaps the two files in one step, and back where the old one is not the one that was seen: whoever saved in the
/// moment between has their text back in its place. Returns whether the new text stands.
#[cfg(target_os = "linux")]
fn swap(new: &Path, path: &Path, seen: &DefinitionText) -> io::Result<bool> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    let exchange = || renameat_with(CWD, new, CWD, path, RenameFlags::EXCHANGE);
    let is_seen = |path: &Path| fs::read(path).is_ok_and(|text| text == seen.text.as_bytes());
    match exchange() {
        Ok(()) => {}
        // Not every file system can.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => return rename_over(new, path, seen),
        Err(error) => return Err(error.into()),
    }
    if is_seen(new) {
        return Ok(true);
    }
    match exchange() {
        Ok(()) => Ok(false),
        // The other text stands beside, under the name that the error tells: it must not be taken away.
        Err(error) => Err(io::Error::new(
            io::ErrorKind::Interrupted,
            format!("the text of somebody else is kept in {}: {error}", new.display()),
        )),
    }
}

#[cfg(not(target_os = "linux"))]
fn swap(new: &Path, path: &Path, seen: &DefinitionText) -> io::Result<bool> {
    rename_over(new, path, seen)
}

/// The same where files cannot be swapped: what somebody saves between the look and the step is lost.
fn rename_over(new: &Path, path: &Path, seen: &DefinitionText) -> io::Result<bool> {
    if fs::read(path)? != seen.text.as_bytes() {
        return Ok(false);
    }
    fs::rename(new, path).map(|()| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project() -> (tempfile::TempDir, Edits) {
        let dir = tempfile::tempdir().unwrap();
        for folder in DEFINITION_FOLDERS {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        fs::write(dir.path().join("actions/hours.yaml"), HOURS).unwrap();
        let secrets = dir.path().join("secrets.toml");
        fs::write(&secrets, "[development]\nkey = \"hush-hush\"\n").unwrap();
        keep_private(&secrets);
        let edits = Edits::new(dir.path());
        (dir, edits)
    }

    #[cfg(unix)]
    fn keep_private(path: &Path) {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    }

    #[cfg(not(unix))]
    fn keep_private(_: &Path) {}

    const HOURS: &str = "description: When we are open\ntype: static\nresponse:\n  body: {open: true}\n";

    #[test]
    fn only_definitions_can_be_named() {
        let (dir, edits) = project();
        fs::write(dir.path().join("callgate.toml"), "").unwrap();
        for name in [
            "secrets.toml",
            "callgate.toml",
            "actions/../secrets.toml",
            "actions/../../etc/passwd.yaml",
            "actions//hours.yaml",
            "/actions/hours.yaml",
            "actions/.hidden.yaml",
            "actions/.yaml",
            "actions/hours.toml",
            "actions/a/b.yaml",
            "actions/a\\b.yaml",
            "actions/a\0.yaml",
            "actions",
            "",
        ] {
            assert!(matches!(edits.read(name), Err(EditError::Name(_))), "{name:?}");
            let saved = edits.save(name, HOURS, &Expected::Absent);
            assert!(matches!(saved, Err(EditError::Name(_))), "{name:?}");
        }
        let listed: Vec<String> = edits.list().into_iter().map(|one| one.file).collect();
        assert_eq!(listed, ["actions/hours.yaml"]);
    }

    #[cfg(unix)]
    #[test]
    fn no_link_leads_to_a_secret_or_is_written_through() {
        use std::os::unix::fs::symlink;
        let (dir, edits) = project();
        symlink("../secrets.toml", dir.path().join("actions/evil.yaml")).unwrap();
        symlink("secrets.toml", dir.path().join(VARIABLES)).unwrap();
        symlink("hours.yaml", dir.path().join("actions/again.yaml")).unwrap();
        for name in ["actions/evil.yaml", VARIABLES, "actions/again.yaml"] {
            assert!(matches!(edits.read(name), Err(EditError::Link(_))), "{name}");
            for expected in [Expected::Absent, Expected::Version("0".repeat(32))] {
                assert!(matches!(edits.save(name, HOURS, &expected), Err(EditError::Link(_))), "{name}");
            }
        }
        // As Kubernetes mounts a folder.
        fs::create_dir(dir.path().join("auth/..data")).unwrap();
        fs::write(dir.path().join("auth/..data/key.yaml"), "type: bearer\ntoken: key\n").unwrap();
        symlink("..data/key.yaml", dir.path().join("auth/key.yaml")).unwrap();
        let read = edits.read("auth/key.yaml").unwrap();
        assert_eq!(read.text, "type: bearer\ntoken: key\n");
        let saved = edits.save("auth/key.yaml", HOURS, &Expected::Version(read.version));
        assert!(matches!(saved, Err(EditError::Link(_))));
        assert!(fs::read_to_string(dir.path().join("secrets.toml")).unwrap().contains("hush-hush"));
    }

    #[test]
    fn a_text_is_saved_byte_for_byte_and_over_nothing_unseen() {
        let (dir, edits) = project();
        let path = dir.path().join("actions/hours.yaml");
        let seen = edits.read("actions/hours.yaml").unwrap();
        let odd = "# a comment\r\ndescription:   \"When we are open\"\r\ntype: static\nresponse: {body: {open: 9007199254740993}}";
        let (saved, problems) =
            edits.save("actions/hours.yaml", odd, &Expected::Version(seen.version.clone())).unwrap();
        assert_eq!((fs::read(&path).unwrap(), problems.len()), (odd.as_bytes().to_vec(), 0), "{problems:?}");
        assert_eq!(edits.read("actions/hours.yaml").unwrap(), saved);
        let late = edits.save("actions/hours.yaml", HOURS, &Expected::Version(seen.version));
        assert!(matches!(late, Err(EditError::Changed(Some(now))) if now == saved));
        let again = edits.save("actions/hours.yaml", HOURS, &Expected::Absent);
        assert!(matches!(again, Err(EditError::Changed(Some(_)))));
        let gone = edits.save("actions/new.yaml", HOURS, &Expected::Version("0".repeat(32)));
        assert!(matches!(gone, Err(EditError::Changed(None))));
        edits.save("actions/new.yaml", HOURS, &Expected::Absent).unwrap();
        let left: Vec<_> = fs::read_dir(dir.path().join("actions")).unwrap().collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }

    #[test]
    fn a_text_that_breaks_the_project_is_not_saved() {
        let (_dir, edits) = project();
        let seen = edits.read("actions/hours.yaml").unwrap();
        let broken = HOURS.replace("type: static", "type: statik");
        let refused = edits.save("actions/hours.yaml", &broken, &Expected::Version(seen.version.clone()));
        assert!(
            matches!(&refused, Err(EditError::Invalid(problems)) if problems[0].line == 2),
            "{refused:?}"
        );
        assert_eq!(edits.read("actions/hours.yaml").unwrap(), seen);
        assert!(!edits.check("actions/hours.yaml", &broken).unwrap().is_empty());
        assert_eq!(edits.check("actions/hours.yaml", HOURS).unwrap(), []);
    }

    #[test]
    fn an_agent_is_read_judged_and_saved_as_an_action_is() {
        let (dir, edits) = project();
        let agent = "instructions: Be kind.\nmodel: {provider: openai, base_url: 'https://llm.test/v1', model: m}\nactions: [hours]\n";
        let wrong = agent.replace("[hours]", "[hour]");
        let problems = edits.check("agents/desk.yaml", &wrong).unwrap();
        let found = problems.iter().map(|problem| (problem.file.as_str(), problem.line, problem.code));
        assert_eq!(found.collect::<Vec<_>>(), [("agents/desk.yaml", 3, "unknown_action")]);
        let refused = edits.save("agents/desk.yaml", &wrong, &Expected::Absent);
        assert!(matches!(refused, Err(EditError::Invalid(_))), "{refused:?}");
        edits.save("agents/desk.yaml", agent, &Expected::Absent).unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("agents/desk.yaml")).unwrap(), agent);
        let listed = edits.list().into_iter().map(|one| (one.file, one.kind));
        let expected = [("actions/hours.yaml", "action"), ("agents/desk.yaml", "agent")];
        assert_eq!(listed.collect::<Vec<_>>(), expected.map(|(file, kind)| (file.to_owned(), kind)));
    }

    /// Somebody saves in the very moment in which the page does.
    #[cfg(target_os = "linux")]
    #[test]
    fn what_was_saved_in_between_is_put_back() {
        let dir = tempfile::tempdir().unwrap();
        let (path, new) = (dir.path().join("a.yaml"), dir.path().join(".new"));
        let seen = DefinitionText::of("old".to_owned());
        fs::write(&path, "theirs").unwrap();
        fs::write(&new, "mine").unwrap();
        assert!(!swap(&new, &path, &seen).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
        fs::write(&path, "old").unwrap();
        assert!(swap(&new, &path, &seen).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }
}
