//! The file: only its owner can read it, and one process has it.

use std::fs::{File, TryLockError};
use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Why a file cannot be the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqliteError {
    /// The folder or the lock cannot be made.
    #[error("cannot make `{path}`; set `path` of [store] to a place that can be written")]
    Io {
        /// What could not be made.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// There is no space for it.
    #[error(
        "nothing can be written beside `{path}`: {cause}; make room on that disk, or set `path` of [store] to another one"
    )]
    Full {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// Another process has the file.
    #[error(
        "`{0}` is in use by another process: stop that one, give this one a `path` of its own, or let both share `backend = \"redis\"` of [store]"
    )]
    InUse(PathBuf),
    /// The file is not as the last process left it.
    #[error(
        "the store `{path}` is not as the last process left it: {what}. If Callgate went on, it would do again what has been done. Put the right file back, or go on with what is there: `callgate serve --accept-new-store`"
    )]
    NotAsLeft {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The file cannot be used.
    #[error("cannot use `{path}`: {cause}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        cause: String,
    },
}

/// Takes the file for this process, whether or not it is there; gives what holds
/// it. Waits a while for another process that is about to end.
///
/// # Errors
///
/// Another process has the file, or its folder cannot be made.
pub(super) fn take(path: &Path, patience: Duration) -> Result<File, SqliteError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| SqliteError::Io { path, error }
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(failed(folder))?;
    }
    let lock_path = path.with_added_extension("lock");
    let lock = make_private(&lock_path).map_err(failed(&lock_path))?;
    wait_for(&lock, path, patience)?;
    probe(&lock).map_err(|cause| SqliteError::Full { path: path.to_owned(), cause })?;
    Ok(lock)
}

/// Writes a page and takes it back: a full disk is told at the start, and not by every call.
fn probe(mut lock: &File) -> io::Result<()> {
    lock.write_all(&[0; 4_096])?;
    lock.sync_data()?;
    // What cannot be cut, such as a device, was never made longer.
    let _ = lock.set_len(0);
    lock.rewind()
}

/// Makes the file where there is none.
///
/// # Errors
///
/// It cannot be made.
pub(super) fn make(path: &Path) -> Result<(), SqliteError> {
    match make_private(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(SqliteError::Io { path: path.to_owned(), error }),
    }
}

/// Opens a file that only its owner can read.
pub(super) fn make_private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn wait_for(lock: &File, path: &Path, patience: Duration) -> Result<(), SqliteError> {
    let began = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if began.elapsed() < patience => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(TryLockError::WouldBlock) => return Err(SqliteError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(SqliteError::Io { path: path.to_owned(), error }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told_at_the_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.db");
        std::os::unix::fs::symlink("/dev/full", dir.path().join("store.db.lock")).unwrap();
        let told = take(&path, Duration::ZERO).unwrap_err().to_string();
        assert!(told.contains("store.db`: No space left on device"), "{told}");
        assert!(told.contains("make room on that disk, or set `path` of [store]"), "{told}");
    }

    #[test]
    fn the_probe_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.db");
        drop(take(&path, Duration::ZERO).unwrap());
        drop(take(&path, Duration::ZERO).unwrap());
        assert_eq!(std::fs::metadata(dir.path().join("store.db.lock")).unwrap().len(), 0);
    }
}
