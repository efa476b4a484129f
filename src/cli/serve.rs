//! `callgate serve`

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use callgate::executor::{Gateway, Observer};
use callgate::project::{self, Project, Watch};
use callgate::server::{self, AppState, Reloader};
use callgate::settings::Settings;
use callgate::telemetry::metrics::Metrics;
use callgate::telemetry::traces::Traces;
use callgate::telemetry::{self, LogMask};
use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The project directory
    #[arg(default_value = ".", value_name = "DIR")]
    dir: PathBuf,

    /// Go on with a store file that is not as the last process left it: lost, emptied, replaced or older
    #[arg(long)]
    accept_new_store: bool,

    /// Allow editing definitions in the console; if there are keys, for keys with `admin = true`
    #[arg(long)]
    edit: bool,
}

impl Serve {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let project = super::loaded(project::load(&self.dir, None))?;
        for problem in project.problems.as_slice() {
            eprintln!("{problem}");
        }
        let log = telemetry::start(&project.settings.log).map_err(anyhow::Error::msg)?;
        log.mask(project.deployment.redactors());
        // This one only accepts connections and waits for signals.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(serve(&self, project, log.masks()))?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn serve(options: &Serve, project: Project, log: LogMask) -> anyhow::Result<()> {
    let dir = options.dir.as_path();
    let Project { settings, deployment, files, problems } = project;
    // As written they are of no use any more.
    drop(files);
    server::check_exposure(&settings)?;
    let metrics = Arc::new(Metrics::default());
    let mut observers: Vec<Arc<dyn Observer>> = vec![metrics.clone()];
    if let Some(endpoint) = &settings.traces.endpoint {
        let traces = Traces::start(endpoint).map_err(anyhow::Error::msg);
        observers.push(Arc::new(traces.context("cannot trace to `[traces] endpoint`")?));
    }
    let store = project::open_store(&settings.store, dir, options.accept_new_store)?;
    let gateway = Gateway::with_store(deployment, store, observers);
    let listener = listen(&settings).await?;
    let address = listener.local_addr()?;
    let environments = gateway.deployment().environment_names().join(", ");
    // Before anybody is told that this serves: a signal that nobody catches ends the process.
    let (stop, hangups) = (stop_signal(), hangups()?);
    eprintln!(
        "callgate {} serves {} on http://{address} ({environments})",
        env!("CARGO_PKG_VERSION"),
        dir.display()
    );
    let reloader = Reloader::new(dir.to_owned(), settings.clone(), log, problems);
    let state = AppState::new(gateway, &settings).with_reloader(reloader.clone()).with_metrics(metrics);
    let state = if options.edit { state.with_edits() } else { state };
    if settings.server.has_console() {
        eprintln!("the console is http://{address}/console/");
    }
    let grace = Duration::from_millis(settings.server.shutdown_grace_ms);
    tokio::select! {
        served = server::serve_on_workers(listener, &state, workers(&settings), stop, grace) => served?,
        never = reload_when_told(dir, settings.server.watch, hangups, (&reloader, &state)) => never?,
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
///
/// The signals are caught from the call on, before the future is first asked.
pub(super) fn stop_signal() -> impl Future<Output = ()> + Send + 'static {
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async move {
        let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: no new calls, those under way may finish");
    }
}

/// Every SIGHUP from now on.
pub(super) fn hangups() -> anyhow::Result<Signal> {
    signal(SignalKind::hangup()).context("cannot listen for SIGHUP")
}

/// Reloads the project at every SIGHUP, and at every edit of its files unless
/// the settings say otherwise.
pub(super) async fn reload_when_told(
    dir: &Path,
    watch: bool,
    mut hangups: Signal,
    (reloader, state): (&Reloader, &AppState),
) -> anyhow::Result<()> {
    let mut edits = None;
    if watch {
        match Watch::new(dir) {
            Ok(watch) => edits = Some(watch),
            Err(error) => tracing::warn!(%error, "edits are not noticed; reload with SIGHUP"),
        }
    }
    loop {
        tokio::select! {
            signal = hangups.recv() => if signal.is_none() { return std::future::pending().await },
            Some(()) = edited(&mut edits) => tracing::info!("the project's files have been edited"),
        }
        // What came of it is in the log.
        let _ = state.reload_from(reloader).await;
    }
}

async fn edited(edits: &mut Option<Watch>) -> Option<()> {
    match edits {
        Some(watch) => watch.edited().await,
        None => std::future::pending().await,
    }
}
