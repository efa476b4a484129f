//! `callgate chat`

mod events;
mod line;
mod show;

use std::io::{self, BufRead as _, IsTerminal as _, Stdout, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use callgate::executor::Gateway;
use callgate::project::{self, Project};
use callgate::server::{self, AppState};
use callgate::tool::random_bytes;
use callgate_text::percent::{QUERY, encode};
use clap::Args;
use futures_util::stream::StreamExt as _;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use self::events::{Event, Reader};
use self::line::Line;
use self::show::Show;
use super::place;

/// How long what was begun may go on when the conversation is over.
const LAST_CALLS: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(crate) struct Chat {
    /// The agent; may be left out where there is only one
    #[arg(value_name = "AGENT")]
    agent: Option<String>,
    /// The project directory
    #[arg(default_value = ".", value_name = "DIR")]
    dir: PathBuf,
    /// The environment; may be left out where there is only one
    #[arg(long, short, value_name = "NAME")]
    environment: Option<String>,
    /// The conversation to go on with; a new one where left out
    #[arg(long, value_name = "ID")]
    conversation: Option<String>,
    /// Talk to the gateway that runs there, and not to the project
    #[arg(long, value_name = "URL", conflicts_with = "dir")]
    url: Option<String>,
    /// The key that this gateway asks for
    #[arg(long, value_name = "KEY", requires = "url")]
    key: Option<String>,
    /// Tell of the model's rounds and tokens too
    #[arg(long, short)]
    verbose: bool,
}

/// The conversation that is had.
struct Talk<'t> {
    line: &'t Line,
    agent: String,
    environment: String,
    conversation: String,
}

impl Chat {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        super::runtime()?.block_on(self.talk())
    }

    async fn talk(self) -> anyhow::Result<ExitCode> {
        match &self.url {
            Some(url) => self.over(&Line::to(url, self.key.as_deref())?, self.environment.clone()).await,
            None => {
                let Project { deployment, mut settings, problems, .. } =
                    place::loaded(project::load(&self.dir, None))?;
                for problem in problems.as_slice() {
                    eprintln!("{problem}");
                }
                let environment = place::chosen(self.environment.as_deref(), deployment.environment_names())?;
                // Who runs the project has no need of a key.
                settings.keys.clear();
                let state = AppState::new(Gateway::new(deployment), &settings);
                let gateway = state.gateway().clone();
                let line = Line::through(server::router(state));
                let code = self.over(&line, Some(environment)).await?;
                let _ = tokio::time::timeout(LAST_CALLS, gateway.background_done()).await;
                Ok(code)
            }
        }
    }

    /// Has the conversation over a line.
    async fn over(&self, line: &Line, environment: Option<String>) -> anyhow::Result<ExitCode> {
        let query = environment
            .as_deref()
            .map(|name| format!("?environment={}", encode(name, QUERY)))
            .unwrap_or_default();
        let listed = line.ask_for_json(&format!("v1/agents{query}")).await?;
        let environment =
            listed["environment"].as_str().context("what answers is not a gateway with agents")?;
        let talk = Talk {
            line,
            agent: agent_of(self.agent.as_deref(), &listed["agents"], environment)?,
            environment: environment.to_owned(),
            conversation: match &self.conversation {
                Some(id) => id.clone(),
                None => format!(
                    "chat-{:016x}",
                    u64::from_be_bytes(random_bytes().context("the system gives no random numbers")?)
                ),
            },
        };
        talk.go_on(self.verbose).await
    }
}

impl Talk<'_> {
    /// One turn for each line of standard input, until it ends.
    async fn go_on(&self, is_verbose: bool) -> anyhow::Result<ExitCode> {
        let is_typed = io::stdin().is_terminal();
        let is_terminal = io::stdout().is_terminal();
        let mut show = Show::new(io::stdout(), is_terminal, is_verbose);
        if is_typed && is_terminal {
            eprintln!(
                "{} ({}), conversation {}. Ctrl-C stops an answer, Ctrl-D ends.",
                self.agent, self.environment, self.conversation
            );
        }
        let mut interrupts = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
        let mut lines = lines();
        let mut has_failed = false;
        loop {
            if is_typed {
                quietly(show.prompt())?;
            }
            let said = tokio::select! {
                said = lines.recv() => said.transpose()?,
                _ = interrupts.recv() => None,
            };
            let Some(said) = said else { break };
            if said.trim().is_empty() {
                continue;
            }
            let answered = tokio::select! {
                biased;
                _ = interrupts.recv() => None,
                answered = self.turn(&said, &mut show) => Some(answered),
            };
            match answered {
                None => quietly(show.interrupted())?,
                Some(Ok(())) => {}
                Some(Err(error)) if is_closed(&error) => break,
                Some(Err(error)) => {
                    quietly(show.end())?;
                    eprintln!("callgate: {error:#}");
                    has_failed = true;
                }
            }
        }
        if is_typed && is_terminal {
            // The prompt stands there still.
            quietly(writeln!(io::stdout()))?;
        }
        Ok(if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    /// Says something, and shows what comes of it. Dropped, the answer is interrupted.
    async fn turn(&self, said: &str, show: &mut Show<Stdout>) -> anyhow::Result<()> {
        let body = json!({
            "environment": self.environment,
            "conversation_id": self.conversation,
            "text": said,
            "source": "cli",
        });
        let path = format!("v1/agents/{}/turns", encode(&self.agent, QUERY));
        let mut pieces = self.line.ask(&path, Some(&body)).await?;
        let mut reader = Reader::default();
        while let Some(piece) = pieces.next().await {
            for event in reader.read(&piece.context("the answer broke off")?) {
                show.event(&event)?;
                if let Event::Done { error, .. } = event {
                    return match error {
                        None => Ok(()),
                        Some((code, message)) => {
                            Err(anyhow::anyhow!("the agent could not answer: {message} ({code})"))
                        }
                    };
                }
            }
        }
        anyhow::bail!("the gateway ended the answer before the turn had ended")
    }
}

/// The agent of that name, or the only one there is.
fn agent_of(named: Option<&str>, listed: &Value, environment: &str) -> anyhow::Result<String> {
    let names: Vec<&str> =
        listed.as_array().into_iter().flatten().filter_map(|agent| agent["name"].as_str()).collect();
    match (named, names.as_slice()) {
        (_, []) => anyhow::bail!("environment `{environment}` has no agents: add agents/<name>.yaml"),
        (Some(name), _) if names.contains(&name) => Ok(name.to_owned()),
        (Some(name), _) => {
            anyhow::bail!("no agent `{name}` in `{environment}`; there are: {}", names.join(", "))
        }
        (None, [only]) => Ok((*only).to_owned()),
        (None, _) => anyhow::bail!("name an agent: {}", names.join(", ")),
    }
}

/// The lines of standard input, read on a thread of their own: a read cannot be called back, and ends with the process.
fn lines() -> mpsc::Receiver<io::Result<String>> {
    let (sender, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    lines
}

/// A reader that has read enough (`| head`) is no error.
fn quietly(written: io::Result<()>) -> anyhow::Result<()> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Whether nobody reads what is shown any more.
fn is_closed(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
