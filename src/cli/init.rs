//! `callgate init`

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use callgate::demo::INIT_FILES;
use clap::Args;

use super::show;

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Where to make it
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

impl Init {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let dir = &self.dir;
        let taken: Vec<&str> =
            INIT_FILES.iter().map(|(name, _)| *name).filter(|name| dir.join(name).exists()).collect();
        anyhow::ensure!(
            taken.is_empty(),
            "{} has {} already; nothing was written",
            dir.display(),
            taken.join(", ")
        );
        for (name, text) in INIT_FILES {
            write(&dir.join(name), text)?;
        }
        show::write_schemas(&dir.join("schemas"))?;
        println!("made {}; next:", dir.display());
        println!("  callgate check {0}\n  callgate serve {0}", dir.display());
        Ok(ExitCode::SUCCESS)
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
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
