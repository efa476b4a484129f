//! The command line: the only place that prints and exits.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the command line talks to people")]

mod cli;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let command = cli::Arguments::parse().command;
    match command.run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("callgate: {error:#}");
            ExitCode::FAILURE
        }
    }
}
