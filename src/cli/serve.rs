//! `callgate serve`

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use callgate::definition::Severity;
use callgate::executor::Gateway;
use callgate::project::{self, Project};
use callgate::server::{self, AppState};
use callgate::settings::Settings;
use callgate::telemetry;
use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The project directory
    #[arg(default_value = ".", value_name = "DIR")]
    dir: PathBuf,
}

impl Serve {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let project = super::loaded(project::load(&self.dir, None))?;
        for problem in project.problems.as_slice() {
            eprintln!("{problem}");
        }
        let _flush = telemetry::start(&project.settings.log).map_err(anyhow::Error::msg)?;
        // This one only accepts connections and waits for signals.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(serve(&self.dir, project))?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn serve(dir: &Path, project: Project) -> anyhow::Result<()> {
    let Project { settings, deployment, .. } = project;
    server::check_exposure(&settings)?;
    let gateway = Gateway::new(deployment);
    let listener = listen(&settings).await?;
    let address = listener.local_addr()?;
    let environments = gateway.deployment().environment_names().join(", ");
    eprintln!(
        "callgate {} serves {} on http://{address} ({environments})",
        env!("CARGO_PKG_VERSION"),
        dir.display()
    );
    let state = AppState::new(gateway.clone(), &settings);
    let grace = Duration::from_millis(settings.server.shutdown_grace_ms);
    tokio::select! {
        served = server::serve_on_workers(listener, &state, workers(&settings), stop_signal(), grace) => served?,
        never = reload_on_hangup(dir, &gateway, &state, &settings) => never?,
    }
    Ok(())
}

/// As many threads as the settings say, else as there are processors.
fn workers(settings: &Settings) -> NonZeroUsize {
    settings.server.workers.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
}

pub(super) async fn listen(settings: &Settings) -> anyhow::Result<TcpListener> {
    let address = settings.server.listen;
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}; set another address with CALLGATE_SERVER__LISTEN")
    })
}

/// Done at SIGTERM or SIGINT.
pub(super) async fn stop_signal() {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping: no new calls, those under way may finish");
}

/// Reloads the project at every SIGHUP: whole, or not at all.
async fn reload_on_hangup(
    dir: &Path,
    gateway: &Gateway,
    state: &AppState,
    started: &Settings,
) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    loop {
        hangup.recv().await;
        let (dir, previous) = (dir.to_owned(), gateway.deployment());
        let Project { settings, deployment, problems } =
            tokio::task::spawn_blocking(move || project::load(&dir, Some(&previous))).await?;
        let failed = problems.has_errors();
        for problem in problems.sorted() {
            match problem.severity {
                Severity::Error => tracing::error!("{problem}"),
                Severity::Warning => tracing::warn!("{problem}"),
            }
        }
        if failed {
            tracing::error!("reload refused: the project has errors; the old one serves on");
            continue;
        }
        // The address is the one it was started with, whatever the file says now.
        let now = Settings { server: started.server.clone(), ..settings.clone() };
        if let Err(error) = server::check_exposure(&now) {
            tracing::error!("reload refused: {error}");
            continue;
        }
        gateway.replace(deployment);
        state.reload(&settings);
        tracing::info!("reloaded");
        if settings.server != started.server || settings.log != started.log {
            tracing::warn!("what has changed under [server] and [log] takes effect at the next start");
        }
    }
}
