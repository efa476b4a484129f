//! `callgate demo`

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use callgate::executor::Gateway;
use callgate::project::{self, Project};
use callgate::server::{self, AppState, Reloader};
use callgate::settings::FILE;
use callgate::telemetry::metrics::Metrics;
use callgate::{demo, telemetry};
use clap::Args;
use tokio::net::TcpListener;

use super::files::write;
use super::serve;

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Where the gateway listens
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where the example upstream listens; left out: 8081, or a free port where that is taken
    #[arg(long, value_name = "PORT")]
    upstream_port: Option<u16>,
    /// Where the example project is written and kept; left out: a temporary directory, removed at the end
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Demo {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        super::runtime()?.block_on(self.serve())?;
        Ok(ExitCode::SUCCESS)
    }

    async fn serve(self) -> anyhow::Result<()> {
        let upstream = match self.upstream_port {
            Some(port) => TcpListener::bind(("127.0.0.1", port)).await,
            None => match TcpListener::bind(("127.0.0.1", demo::UPSTREAM_PORT)).await {
                // Files that are kept name the port.
                Err(_) if self.dir.is_none() => TcpListener::bind(("127.0.0.1", 0)).await,
                bound => bound,
            },
        };
        let upstream =
            upstream.context("the example upstream cannot listen; choose another --upstream-port")?;
        let upstream_address = upstream.local_addr()?;
        let (_kept, dir) = match self.dir {
            Some(dir) => (None, dir),
            None => {
                let made = tempfile::Builder::new().prefix("callgate-demo-").tempdir();
                let made = made.context("cannot make a directory for the example project")?;
                let dir = made.path().to_owned();
                (Some(made), dir)
            }
        };
        make_project(&dir, upstream_address.port())?;
        let Project { mut settings, deployment, problems, .. } = super::loaded(project::load(&dir, None))?;
        settings.server.listen = self.listen;
        server::check_exposure(&settings)?;
        let log = telemetry::start(&settings.log).map_err(anyhow::Error::msg)?;
        log.mask(deployment.redactors());
        let listener = TcpListener::bind(self.listen)
            .await
            .with_context(|| format!("cannot listen on {}; choose another --listen", self.listen))?;
        let address = listener.local_addr()?;
        let metrics = Arc::new(Metrics::default());
        let gateway = Gateway::observed(deployment, vec![metrics.clone()]);
        let (stop, hangups) = (serve::stop_signal(), serve::hangups()?);
        let reloader = Reloader::new(dir.clone(), settings.clone(), log.masks(), problems);
        let state = AppState::new(gateway, &settings).with_metrics(metrics);
        let state = state.with_reloader(reloader.clone()).with_edits();
        print_welcome(address, upstream_address, &dir)?;
        tokio::select! {
            () = server::serve(listener, state.clone(), stop, Duration::from_secs(5)) => {}
            served = demo::serve(upstream) => served.context("the example upstream failed")?,
            never = serve::reload_when_told(&dir, settings.server.watch, hangups, (&reloader, &state)) => never?,
        }
        Ok(())
    }
}

/// Writes the example project, for an upstream on this port. A project that is there already stays as it is.
fn make_project(dir: &Path, upstream_port: u16) -> anyhow::Result<()> {
    if dir.join(FILE).exists() {
        return Ok(());
    }
    for (name, text) in demo::files(upstream_port) {
        write(&dir.join(&name), &text)?;
    }
    write(&dir.join(FILE), demo::SETTINGS)
}

fn print_welcome(gateway: SocketAddr, upstream: SocketAddr, dir: &Path) -> anyhow::Result<()> {
    let call = r#"{"environment": "development", "name": "get_order_status", "arguments": {"order_number": "ORD-12345"}}"#;
    let preview = r#"{"environment": "development", "arguments": {"customer_email": "ann@example.com", "issue_description": "The parcel has not arrived"}}"#;
    super::print_line(&format!(
        "Open this page in a browser to see the example actions, try them and edit them:\n\n\
         http://{gateway}/console/\n\n\
         The gateway is http://{gateway}; its example upstream is http://{upstream}.\n\
         The project is in {dir}; `callgate demo --dir DIR` keeps one.\n\n\
         List the tools that a model is offered:\n\n\
         curl -s 'http://{gateway}/v1/tools?environment=development'\n\n\
         Call one, as a voice orchestrator does:\n\n\
         curl -s 'http://{gateway}/v1/tool-calls' -H 'content-type: application/json' -d '{call}'\n\n\
         See the exact request of one, secrets masked, without sending it:\n\n\
         curl -s 'http://{gateway}/v1/actions/create_support_ticket/preview' -H 'content-type: application/json' -d '{preview}'\n",
        dir = dir.display(),
    ))
}
