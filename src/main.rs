//! The command line: the only place that prints and exits.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the command line talks to people")]

mod cli;

use std::process::ExitCode;

use clap::Parser as _;

/// A call makes some two hundred small allocations; this one makes them cheaper
/// than the system's does (`cargo bench --bench load`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
