//! Edits on disk, noticed.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use crate::definition::Problems;
use crate::settings::{FILE, Settings};

/// Folders and files that make a project.
const PARTS: [&str; 7] = ["actions", "agents", "connections", "auth", "variables.toml", "secrets.toml", FILE];
/// How long nothing may change before an edit counts as whole: editors write in several steps.
const QUIET: Duration = Duration::from_millis(200);
/// How long an edit that does not come to rest is waited for.
const LONGEST: Duration = Duration::from_secs(5);

/// Tells of edits in a project directory.
#[derive(Debug)]
pub struct Watch {
    watcher: RecommendedWatcher,
    dir: PathBuf,
    /// Where `[secrets] directory` is, which may be outside the project.
    secrets: Arc<Mutex<Option<PathBuf>>>,
    edits: mpsc::UnboundedReceiver<()>,
}

impl Watch {
    /// Watches `dir`.
    ///
    /// # Errors
    ///
    /// The system cannot watch it, such as for lack of inotify watches.
    pub fn new(dir: &Path) -> notify::Result<Self> {
        let dir = dir.canonicalize().map_err(notify::Error::io)?;
        let (sender, edits) = mpsc::unbounded_channel();
        let (root, secrets) = (dir.clone(), Arc::<Mutex<Option<PathBuf>>>::default());
        let mounted = secrets.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // What is only read, and what is beside the project (a database, an editor's swap file), is no edit.
            let edit = event.ok().filter(|event| !matches!(event.kind, EventKind::Access(_)));
            let paths = edit.map(|event| event.paths).unwrap_or_default();
            let edited = paths.iter().find(|path| is_part(&root, path) || is_within(&mounted, path));
            if let Some(path) = edited {
                tracing::debug!("{} has been edited", path.display());
                // Nobody listens any more only where the watch is being dropped.
                let _ = sender.send(());
            }
        })?;
        let mut watch = Self { watcher, dir, secrets, edits };
        watch.watcher.watch(&watch.dir, RecursiveMode::NonRecursive)?;
        watch.watch_folders();
        Ok(watch)
    }

    /// Done when something has been edited and has come to rest; `None` where
    /// nothing can be told any more.
    pub async fn edited(&mut self) -> Option<()> {
        self.edits.recv().await?;
        let rest = async {
            while tokio::time::timeout(QUIET, self.edits.recv()).await.is_ok_and(|edit| edit.is_some()) {}
        };
        // An edit that goes on and on is looked at all the same.
        let _ = tokio::time::timeout(LONGEST, rest).await;
        self.watch_folders();
        Some(())
    }

    /// Watches the folders that are there by now.
    fn watch_folders(&mut self) {
        // Where the secrets are may have been edited itself; what is wrong with the file is for the reload to say.
        let settings = Settings::load(&self.dir, &mut Problems::default());
        let mounted = settings.secrets.directory.and_then(|path| self.dir.join(path).canonicalize().ok());
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&mounted);
        let folders = PARTS.iter().map(|part| self.dir.join(part)).chain(mounted);
        for folder in folders.filter(|path| path.is_dir()) {
            if let Err(error) = self.watcher.watch(&folder, RecursiveMode::Recursive) {
                tracing::warn!(%error, folder = %folder.display(), "edits in this folder are not noticed");
            }
        }
    }
}

/// Whether `path` is in the folder of secrets.
fn is_within(secrets: &Mutex<Option<PathBuf>>, path: &Path) -> bool {
    let secrets = secrets.lock().unwrap_or_else(PoisonError::into_inner);
    secrets.as_ref().is_some_and(|folder| path.starts_with(folder))
}

/// Whether `path` belongs to the project in `root`. Kubernetes swaps a link
/// called `..data` when it updates mounted files.
fn is_part(root: &Path, path: &Path) -> bool {
    let Some(first) = path.strip_prefix(root).ok().and_then(|path| path.components().next()) else {
        return false;
    };
    let first = first.as_os_str();
    first == "..data" || PARTS.iter().any(|part| first == OsStr::new(part))
}
