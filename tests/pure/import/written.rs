//! What was imported, as a project.

use std::fs;
use std::path::Path;

use callgate::import::{Imported, add_secrets};
use tempfile::TempDir;

/// Writes everything as the command does.
pub(crate) fn write(imported: &Imported) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in &imported.files {
        let path = dir.path().join(&file.path);
        assert!(path.starts_with(dir.path()), "{path:?}");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &file.text).unwrap();
    }
    write_secrets(imported, dir.path());
    dir
}

fn write_secrets(imported: &Imported, dir: &Path) {
    if imported.secrets.is_empty() {
        return;
    }
    let path = dir.join("secrets.toml");
    fs::write(&path, add_secrets("", &imported.secrets).unwrap().text).unwrap();
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
    fs::set_permissions(&path, permissions).unwrap();
}
