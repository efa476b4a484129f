//! The store in Redis that the settings ask for.

use std::sync::Arc;
use std::time::Duration;

pub(super) use crate::conversation::RedisError;
use crate::conversation::{RedisStore, Store};
use crate::definition::Problems;
use crate::settings::{Settings, StoreBackend, StoreSettings, StoreUrl};

/// Adds to `problems` what is wrong with the address of the server.
pub(super) fn check(settings: &Settings, problems: &mut Problems) {
    let url = settings.store.url.as_ref().filter(|_| settings.store.backend == StoreBackend::Redis);
    if let Some(Err(error)) = url.map(|url| RedisStore::check_url(url.as_str())) {
        problems.push(settings.error("/store/url", error.to_string()));
    }
}

/// Opens the store.
///
/// # Errors
///
/// The address is none.
pub(super) fn open(settings: &StoreSettings) -> Result<Arc<dyn Store>, RedisError> {
    let url = settings.url.as_ref().map(StoreUrl::as_str).unwrap_or_default();
    let patience = Duration::from_millis(settings.patience_ms);
    Ok(Arc::new(RedisStore::open(url, &settings.prefix, patience)?))
}
