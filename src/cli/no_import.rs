//! In place of `callgate import`, in a build without the feature `import`.

use std::process::ExitCode;

use callgate::settings::{Feature, LacksFeature};
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// This build of callgate cannot import
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    _arguments: Vec<String>,
}

impl Import {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        anyhow::bail!(LacksFeature(Feature::Import))
    }
}
