//! The commands, one file each where they are more than a few lines.

mod call;
mod check;
mod demo;
#[cfg_attr(not(feature = "import"), path = "no_import.rs")]
mod import;
mod init;
mod mcp;
mod serve;
mod show;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use callgate::project::{self, Project};
use clap::{Args, Parser, Subcommand};

/// A tool-calling gateway for voice agents: HTTP actions in, LLM tools out.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100, after_help = "Start here:  callgate demo")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve a project over HTTP
    #[command(
        after_help = "Example:\n  callgate serve my-project\n  CALLGATE_SERVER__LISTEN=127.0.0.1:9000 callgate serve my-project\n\nSIGHUP reloads the project; a broken edit is reported and the old project serves on."
    )]
    Serve(serve::Serve),
    /// Serve the example project with its example upstream
    #[command(
        after_help = "Example:\n  callgate demo\n  callgate demo --listen 127.0.0.1:9000 --upstream-port 9001"
    )]
    Demo(demo::Demo),
    /// Make a project with one action, ready to edit
    #[command(after_help = "Example:\n  callgate init my-project")]
    Init(init::Init),
    /// Find every problem of a project at once
    #[command(
        after_help = "Example:\n  callgate check my-project\n  callgate check my-project --json\n  callgate check my-project --dialect all\n\nExit status 1 if there is an error; warnings alone are 0."
    )]
    Check(check::Check),
    /// Make actions of what you have: OpenAPI, curl, Postman, tools of other products
    #[command(
        after_help = "Example:\n  callgate import openapi openapi.yaml --project my-project --only 'get_.*' --dry-run\n  callgate import curl 'curl https://api.example.com/orders/42 -H \"Authorization: Bearer $TOKEN\"'\n  callgate import postman collection.json --tag Orders\n\nSecrets go to secrets.toml. Exit status 1 if nothing was imported."
    )]
    Import(import::Import),
    /// Print the tool specs that a model is offered
    #[command(
        after_help = "Example:\n  callgate tools --project my-project --environment staging --format openai-chat\n  callgate tools --format vapi --base-url https://gate.example.com\n  callgate tools --format gemini --report"
    )]
    Tools(show::Tools),
    /// Execute an action once, for real
    #[command(
        after_help = "Example:\n  callgate call get_order_status --environment development order_number=ORD-12345\n  callgate call create_ticket 'customer={\"name\": \"Ann\"}' priority=high\n  callgate call get_order_status --verbose order_number=ORD-12345\n\nThe result is coloured on a terminal and plain JSON in a pipe. Exit status 1 unless it is a success."
    )]
    Call(call::Call),
    /// Serve the tools to a desktop client by MCP, over standard input and output
    #[command(
        after_help = "Example:\n  callgate mcp --project my-project --environment production\n\nIn claude_desktop_config.json:\n  {\"mcpServers\": {\"orders\": {\"command\": \"callgate\", \"args\": [\"mcp\", \"--project\", \"/path/to/project\"]}}}\n\nOver HTTP, `callgate serve` has the same at /mcp/{environment}."
    )]
    Mcp(mcp::Mcp),
    /// Show the exact request of an action without sending it, secrets masked
    #[command(
        after_help = "Example:\n  callgate preview get_order_status --environment development order_number=ORD-12345"
    )]
    Preview(call::Preview),
    /// Print or write the JSON Schemas of the project's files
    #[command(after_help = "Example:\n  callgate schema action\n  callgate schema --write schemas")]
    Schema(show::Schema),
    /// Make a key for somebody who may call the gateway
    #[command(
        after_help = "Example:\n  callgate keygen --name vapi --environment production\n\nThe key is shown once; the settings hold its hash."
    )]
    Keygen(show::Keygen),
    /// Ask a running gateway whether it is alive (for container health checks)
    #[command(after_help = "Example:\n  callgate health --address 127.0.0.1:8080")]
    Health(show::Health),
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Serve(command) => command.run(),
            Self::Demo(command) => command.run(),
            Self::Init(command) => command.run(),
            Self::Check(command) => Ok(command.run()),
            Self::Import(command) => command.run(),
            Self::Tools(command) => command.run(),
            Self::Call(command) => command.run(),
            Self::Mcp(command) => command.run(),
            Self::Preview(command) => command.run(),
            Self::Schema(command) => command.run(),
            Self::Keygen(command) => command.run(),
            Self::Health(command) => command.run(),
        }
    }
}

/// Which project, which environment.
#[derive(Debug, Args)]
struct Where {
    /// The project directory
    #[arg(long, short, default_value = ".", value_name = "DIR")]
    project: PathBuf,
    /// The environment; may be left out where the project has only one
    #[arg(long, short, value_name = "NAME")]
    environment: Option<String>,
}

impl Where {
    /// Loads the project; problems go to standard error.
    fn load(&self) -> anyhow::Result<Project> {
        loaded(project::load(&self.project, None))
    }

    fn environment(&self, project: &Project) -> anyhow::Result<String> {
        let served = project.deployment.environment_names();
        match (&self.environment, served) {
            (Some(name), _) if served.contains(name) => Ok(name.clone()),
            (Some(name), _) => anyhow::bail!("no environment `{name}`; there are: {}", served.join(", ")),
            (None, [only]) => Ok(only.clone()),
            (None, _) => anyhow::bail!("name one with --environment: {}", served.join(", ")),
        }
    }
}

/// The project, unless it has errors, which are printed.
fn loaded(project: Project) -> anyhow::Result<Project> {
    if project.problems.has_errors() {
        check::print(project.problems);
        anyhow::bail!("the project has errors");
    }
    Ok(project)
}

/// Prints a line to standard output; a reader that has read enough (`| head`)
/// is no error.
fn print_line(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}
