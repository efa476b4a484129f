//! The store that the settings ask for.

use std::path::Path;
use std::sync::Arc;

use crate::conversation::{MemoryStore, SqliteError, SqliteLimits, SqliteStore, Store};
use crate::definition::Problems;
use crate::settings::{Settings, StoreBackend, StoreSettings};

use super::remote::{self, RedisError};

/// Where the store of a project is, relative to it.
const STORE_FILE: &str = ".callgate/store.db";

/// Why there is no store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreOpenError {
    /// The file cannot be used.
    #[error(transparent)]
    Sqlite(#[from] SqliteError),
    /// An address or a certificate is none, or this build has no store in Redis.
    #[error(transparent)]
    Redis(#[from] RedisError),
}

/// Adds to `problems` what keeps the store from being opened, as far as the settings, and the files that they name in the project at `root`, tell.
pub(super) fn check(settings: &Settings, root: Option<&Path>, problems: &mut Problems) {
    remote::check(settings, root, problems);
}

/// Opens the store of the project in `dir`. A file that is not as the last process
/// left it is refused, unless `accept_new` says that it is meant.
///
/// # Errors
///
/// The file cannot be used or is refused, or the address is none. A server that cannot be
/// reached is no error: calls that need it are refused until it can.
pub fn open_store(
    settings: &StoreSettings,
    dir: &Path,
    accept_new: bool,
) -> Result<Arc<dyn Store>, StoreOpenError> {
    Ok(match settings.backend {
        StoreBackend::Memory => Arc::new(MemoryStore::default()),
        StoreBackend::Sqlite => {
            let path = settings.path.as_deref().unwrap_or(Path::new(STORE_FILE));
            let limits = SqliteLimits {
                conversations: settings.max_conversations,
                file_bytes: settings.max_file_mib.saturating_mul(1024 * 1024),
                ..SqliteLimits::default()
            };
            let open = if accept_new { SqliteStore::accept } else { SqliteStore::open };
            Arc::new(open(&dir.join(path), limits)?)
        }
        StoreBackend::Redis => remote::open(settings, dir)?,
    })
}
