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
    use_small_pages();
    let command = cli::Arguments::parse().command;
    match command.run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("callgate: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Has the kernel use no huge pages: of 2 MiB that hold a few live bytes, nothing can be given back. Calls that wait take a
/// third less memory so, and no call waits until 2 MiB are zeroed. Where that cannot be had, it is no harm.
fn use_small_pages() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}
