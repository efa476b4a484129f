//! Files of a project, written.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

/// Writes a file and the folder that it is in. Nobody else may read a file of secrets.
pub(super) fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    if path.file_name().is_some_and(|name| name == "secrets.toml") {
        keep_private(path)?;
    }
    Ok(())
}

#[cfg(unix)]
fn keep_private(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
        .context("cannot make the secrets file private")
}

#[cfg(not(unix))]
fn keep_private(_: &Path) -> anyhow::Result<()> {
    Ok(())
}
