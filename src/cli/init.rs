//! `callgate init`

use std::path::PathBuf;
use std::process::ExitCode;

use callgate::demo::INIT_FILES;
use clap::Args;

use super::files::write;
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
