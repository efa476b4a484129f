//! The store in Redis that the settings ask for.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub(super) use crate::conversation::RedisError;
use crate::conversation::{RedisServers, RedisStore, Store};
use crate::definition::Problems;
use crate::settings::{Settings, StoreBackend, StoreSettings, StoreUrl};

/// Adds to `problems` what is wrong with the addresses and the certificates of the servers. A project that is no
/// directory, at `root`, has no files to look at.
pub(super) fn check(settings: &Settings, root: Option<&Path>, problems: &mut Problems) {
    let store = &settings.store;
    if store.backend != StoreBackend::Redis || store.url.is_none() {
        return;
    }
    if store.cluster && !store.sentinels.is_empty() {
        let message = "`cluster` and `sentinels` exclude each other";
        let hint = "Sentinels watch over servers outside of a cluster: leave one of the two out";
        problems.push(settings.error("/store/sentinels", message).hint(hint));
    }
    if !store.cluster && !store.nodes.is_empty() {
        let message = "`nodes` are the nodes of a cluster";
        problems.push(settings.error("/store/nodes", message).hint("add `cluster = true`"));
    }
    if let Err(error) = servers(store, root).and_then(|servers| servers.check()) {
        let setting = error.setting().unwrap_or("url");
        problems.push(settings.error(&format!("/store/{setting}"), error.to_string()));
    }
}

/// Opens the store of the project in `dir`.
///
/// # Errors
///
/// An address is none, or a file of certificates cannot be used.
pub(super) fn open(settings: &StoreSettings, dir: &Path) -> Result<Arc<dyn Store>, RedisError> {
    let patience = Duration::from_millis(settings.patience_ms);
    Ok(Arc::new(RedisStore::open(&servers(settings, Some(dir))?, &settings.prefix, patience)?))
}

fn servers(settings: &StoreSettings, root: Option<&Path>) -> Result<RedisServers, RedisError> {
    let read = |setting: &'static str, path: &Option<std::path::PathBuf>| {
        let (Some(path), Some(root)) = (path, root) else { return Ok(None) };
        let unreadable = |error: std::io::Error| RedisError::File {
            setting,
            reason: format!("`{}` cannot be read: {error}", path.display()),
        };
        std::fs::read(root.join(path)).map(Some).map_err(unreadable)
    };
    let lone = |setting, other: &str| RedisError::File { setting, reason: format!("it needs `{other}`") };
    if settings.client_cert_file.is_some() && settings.client_key_file.is_none() {
        return Err(lone("client_cert_file", "client_key_file"));
    }
    if settings.client_key_file.is_some() && settings.client_cert_file.is_none() {
        return Err(lone("client_key_file", "client_cert_file"));
    }
    let certificate = read("client_cert_file", &settings.client_cert_file)?;
    let key = read("client_key_file", &settings.client_key_file)?;
    Ok(RedisServers {
        url: settings.url.as_ref().map(StoreUrl::as_str).unwrap_or_default().to_owned(),
        is_cluster: settings.cluster,
        nodes: settings.nodes.clone(),
        sentinels: settings.sentinels.iter().map(|sentinel| sentinel.as_str().to_owned()).collect(),
        authorities: read("ca_file", &settings.ca_file)?,
        identity: certificate.zip(key),
    })
}
