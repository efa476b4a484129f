//! `callgate demo`

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use callgate::definition::{Problems, ProjectFiles};
use callgate::executor::Gateway;
use callgate::secrets::Sources;
use callgate::server::{self, AppState};
use callgate::settings::Settings;
use callgate::telemetry::metrics::Metrics;
use callgate::{demo, project, telemetry};
use clap::Args;
use tokio::net::TcpListener;

use super::serve;

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Where the gateway listens
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where the example upstream listens; left out: 8081, or a free port where that is taken
    #[arg(long, value_name = "PORT")]
    upstream_port: Option<u16>,
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
                Ok(listener) => Ok(listener),
                Err(_) => TcpListener::bind(("127.0.0.1", 0)).await,
            },
        };
        let upstream =
            upstream.context("the example upstream cannot listen; choose another --upstream-port")?;
        let upstream_address = upstream.local_addr()?;
        let mut problems = Problems::default();
        let mut settings = Settings::from_text("", &mut problems);
        settings.server.listen = self.listen;
        settings.environments = Some(["development", "staging", "production"].map(str::to_owned).into());
        server::check_exposure(&settings)?;
        let files = demo::files(upstream_address.port());
        let files = ProjectFiles::from_texts(
            files.iter().map(|(name, text)| (name.as_str(), text.as_str())),
            &mut problems,
        );
        let deployment = project::compile(&files, &settings, &Sources::default(), None, &mut problems);
        if problems.has_errors() {
            super::check::print(problems);
            anyhow::bail!("the embedded example project has errors");
        }
        let log = telemetry::start(&settings.log).map_err(anyhow::Error::msg)?;
        log.mask(deployment.redactors());
        let listener = TcpListener::bind(self.listen)
            .await
            .with_context(|| format!("cannot listen on {}; choose another --listen", self.listen))?;
        let address = listener.local_addr()?;
        print_welcome(address, upstream_address);
        let metrics = Arc::new(Metrics::default());
        let gateway = Gateway::observed(deployment, vec![metrics.clone()]);
        let state = AppState::new(gateway, &settings).with_metrics(metrics);
        tokio::select! {
            () = server::serve(listener, state, serve::stop_signal(), Duration::from_secs(5)) => {}
            served = demo::serve(upstream) => served.context("the example upstream failed")?,
        }
        Ok(())
    }
}

fn print_welcome(gateway: SocketAddr, upstream: SocketAddr) {
    let call = r#"{"environment": "development", "name": "get_order_status", "arguments": {"order_number": "ORD-12345"}}"#;
    let preview = r#"{"environment": "development", "arguments": {"customer_email": "ann@example.com", "issue_description": "The parcel has not arrived"}}"#;
    println!(
        "callgate demo on http://{gateway}; its example upstream is http://{upstream}\n\n\
         List the tools that a model is offered:\n\n\
         curl -s 'http://{gateway}/v1/tools?environment=development'\n\n\
         Call one, as a voice orchestrator does:\n\n\
         curl -s 'http://{gateway}/v1/tool-calls' -H 'content-type: application/json' -d '{call}'\n\n\
         See the exact request of one, secrets masked, without sending it:\n\n\
         curl -s 'http://{gateway}/v1/actions/create_support_ticket/preview' -H 'content-type: application/json' -d '{preview}'\n",
    );
}
