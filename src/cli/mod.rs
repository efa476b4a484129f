//! The commands, one file each where they are more than a few lines.

mod call;
mod chat;
mod check;
mod demo;
mod files;
#[cfg_attr(not(feature = "import"), path = "no_import.rs")]
mod import;
mod init;
mod mcp;
mod place;
mod serve;
mod show;
mod terminal;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::place::{Where, loaded};
use self::terminal::{print_line, runtime};

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
        after_help = "Example:\n  callgate demo\n  callgate demo --dir my-demo\n  callgate demo --listen 127.0.0.1:9000 --upstream-port 9001"
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
    /// Talk to an agent: one turn for each line of standard input
    #[command(
        after_help = "Example:\n  callgate chat front_desk my-project --environment development\n  callgate chat front_desk --url http://127.0.0.1:8080 --key cg_… --conversation phone-1\n  printf 'Where is my order?\\nThank you.\\n' | callgate chat front_desk my-project\n\nCtrl-C stops an answer, as a caller does who speaks over it; Ctrl-D ends. Exit status 1 if a turn failed."
    )]
    Chat(chat::Chat),
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
            Self::Chat(command) => command.run(),
            Self::Mcp(command) => command.run(),
            Self::Preview(command) => command.run(),
            Self::Schema(command) => command.run(),
            Self::Keygen(command) => command.run(),
            Self::Health(command) => command.run(),
        }
    }
}
