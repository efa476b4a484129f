//! `callgate mcp`

use std::process::ExitCode;

use callgate::executor::Gateway;
use callgate::server::{self, AppState, Reloader};
use callgate::settings::Feature;
use callgate::telemetry;
use clap::Args;

use super::Where;
use super::serve::{hangups, reload_when_told};

#[derive(Debug, Args)]
pub(crate) struct Mcp {
    #[command(flatten)]
    place: Where,
    /// The conversation that the calls belong to; one of its own where left out
    #[arg(long, value_name = "ID")]
    conversation: Option<String>,
}

impl Mcp {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        Feature::Mcp.require()?;
        let project = self.place.load()?;
        let environment = self.place.environment(&project)?;
        for problem in project.problems.as_slice() {
            eprintln!("{problem}");
        }
        let log = telemetry::start(&project.settings.log).map_err(anyhow::Error::msg)?;
        log.mask(project.deployment.redactors());
        let dir = self.place.project;
        let settings = project.settings;
        let reloader = Reloader::new(dir.clone(), settings.clone(), log.masks(), project.problems);
        let state =
            AppState::new(Gateway::new(project.deployment), &settings).with_reloader(reloader.clone());
        let runtime = super::runtime()?;
        runtime.block_on(async {
            let hangups = hangups()?;
            tokio::select! {
                served = server::serve_stdio(state.clone(), environment, self.conversation) => Ok(served?),
                never = reload_when_told(&dir, settings.server.watch, hangups, (&reloader, &state)) => never,
            }
        })?;
        // A read of standard input cannot be called back, and the client may keep it open.
        runtime.shutdown_background();
        Ok(ExitCode::SUCCESS)
    }
}
