//! The load benchmark: what a tool call through Callgate costs, next to a bare pass-through proxy.
//!
//! `cargo bench --bench load` starts an upstream, the pass-through ([`passthrough`]) and `callgate serve`, each as a
//! process of its own, drives both in turn over loopback ([`driver`]) and reads from `/proc` what they used. The aims are
//! multiples of the pass-through's CPU a call, at concurrency 64. CPU per call is the figure to compare; wall time is noise
//! where the cores are shared. The exit code tells about failed calls, never about slow ones.
//!
//! What conversations cost on each store, over calls that belong to none:
//! `cargo bench --bench load -- --target callgate-plain,callgate,callgate-sqlite,callgate-redis`. The last one starts a
//! `redis-server` of its own, whose CPU time stands in a column of its own.
//!
//! What an agent adds to its model: `cargo bench --bench load -- --target
//! model,model-passthrough,turn,turn-one-call,turn-three-calls`. With `--streams 5000`, what open streams take of memory;
//! that needs about twice as many open files (`ulimit -n`).

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the benchmark's result is what it prints")]

mod driver;
mod http;
mod passthrough;
mod processes;
mod project;
mod report;
mod targets;
mod upstream;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::report::{Figures, Report, Section};
use crate::targets::{Kind, Target, Workshop};

/// The measured calls per round at `concurrency`, where `--calls` does not say: about a second's.
fn default_calls(concurrency: u32) -> u64 {
    // A debug build (`cargo test --benches`) only shows that everything still works.
    match concurrency {
        _ if cfg!(debug_assertions) => 200,
        1 => 5_000,
        _ => 30_000,
    }
}

/// The default calls before a measurement.
const DEFAULT_WARMUP: u64 = if cfg!(debug_assertions) { 64 } else { 2_000 };

/// Measures a tool call through Callgate against a bare pass-through proxy.
#[derive(Debug, Parser)]
struct Options {
    /// Measured calls per target, concurrency and round [default: about a second's].
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    calls: Option<u64>,
    /// Calls before each measurement that are not measured.
    #[arg(long, default_value_t = DEFAULT_WARMUP, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    warmup: u64,
    /// Rounds; the targets take turns within each.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Numbers of connections with one call in flight each.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 64], value_parser = clap::value_parser!(u32).range(1..=512))]
    concurrency: Vec<u32>,
    /// What to measure.
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = [Kind::Passthrough, Kind::Callgate])]
    target: Vec<Kind>,
    /// Also reads the memory of this many open streams of a turn, and of a pass-through of its model.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=9_000))]
    streams: Option<u32>,
    /// The callgate binary [default: $CALLGATE_BIN, else the one cargo built].
    #[arg(long)]
    callgate: Option<PathBuf>,
    /// Seconds after which the benchmark gives up.
    #[arg(long, default_value_t = 300)]
    time_limit: u64,
    /// Also writes every round's figures to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Passed by `cargo bench` to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
    /// The name filter of `cargo bench FILTER`.
    #[arg(hide = true)]
    filter: Option<String>,
    #[command(subcommand)]
    role: Option<Role>,
}

/// What a child process of the benchmark is.
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
enum Role {
    /// Answers every POST with the same ticket.
    #[command(hide = true)]
    Upstream,
    /// Forwards every POST to the upstream.
    #[command(hide = true)]
    Passthrough {
        /// Where the upstream listens.
        upstream: SocketAddr,
    },
}

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match options.role {
        Some(Role::Upstream) => upstream::serve(),
        Some(Role::Passthrough { upstream }) => passthrough::serve(upstream),
        None if options.filter.as_ref().is_some_and(|filter| !"load".contains(filter)) => Ok(()),
        None => drive(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not by returning it, which would add a backtrace.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the benchmark on this thread, within the time limit.
fn drive(options: &Options) -> Result<()> {
    if cfg!(debug_assertions) {
        println!("a debug build: this shows that the benchmark works; its figures mean nothing");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let limit = Duration::from_secs(options.time_limit);
    let report = runtime.block_on(async {
        // However it ends, the targets are stopped: dropping the measurement kills them.
        tokio::select! {
            report = measure_all(options) => report,
            () = tokio::time::sleep(limit) => Err(anyhow!("not done after {limit:?}; see --time-limit and --calls")),
            interrupted = interruption() => interrupted.and_then(|signal| Err(anyhow!("interrupted by {signal}"))),
        }
    })?;
    if let Some(path) = &options.json {
        let json = serde_json::to_vec_pretty(&report)?;
        std::fs::write(path, json).with_context(|| format!("failed to write {}", path.display()))?;
    }
    ensure!(report.errors() == 0, "{} calls failed", report.errors());
    Ok(())
}

/// Waits until somebody wants the benchmark to end.
async fn interruption() -> Result<&'static str> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => Ok("SIGINT"),
        _ = terminate.recv() => Ok("SIGTERM"),
    }
}

/// Measures every target at every concurrency, printing each table as soon as it is known.
async fn measure_all(options: &Options) -> Result<Report> {
    let mut kinds = options.target.clone();
    let binary = targets::callgate_binary(options.callgate.as_deref());
    if kinds.iter().any(|kind| kind.is_callgate()) && binary.is_none() {
        println!("callgate is left out: no binary; name one with --callgate or CALLGATE_BIN\n");
        kinds.retain(|kind| !kind.is_callgate());
    }
    if kinds.is_empty() && options.streams.is_none() {
        bail!("nothing to measure");
    }

    let workshop = Workshop::open(binary).await?;
    let mut report = Report::new(options.warmup, options.rounds);
    let (turns, calls): (Vec<_>, Vec<_>) = kinds.into_iter().partition(|kind| kind.is_streamed());
    for kinds in [calls, turns].iter().filter(|kinds| !kinds.is_empty()) {
        for &concurrency in &options.concurrency {
            let section = measure(options, &workshop, kinds, concurrency).await?;
            section.print();
            report.sections.push(section);
        }
    }
    if let Some(streams) = options.streams {
        for kind in [Kind::ModelPassthrough, Kind::Turn] {
            // Of its own, since a model that has been released makes nobody wait again.
            let workshop = Workshop::open(targets::callgate_binary(options.callgate.as_deref())).await?;
            let held =
                workshop.hold(kind, streams).await.with_context(|| format!("{streams} streams of {kind}"))?;
            held.print();
            report.streams.push(held);
        }
    }
    Ok(report)
}

/// Measures fresh processes of all `kinds` at one concurrency.
///
/// The order within a round is reversed from one round to the next, so that a machine that gets slower or faster does so
/// for all of them.
async fn measure(
    options: &Options,
    workshop: &Workshop,
    kinds: &[Kind],
    concurrency: u32,
) -> Result<Section> {
    let calls = options.calls.unwrap_or_else(|| default_calls(concurrency));
    let mut targets = Vec::new();
    for &kind in kinds {
        let target = workshop.start(kind).await.with_context(|| format!("failed to start {kind}"))?;
        targets.push((target, Figures::new(kind)));
    }
    for round in 0..options.rounds {
        let mut turns: Vec<_> = targets.iter_mut().collect();
        if round % 2 == 1 {
            turns.reverse();
        }
        for (target, figures) in turns {
            let measured = workshop.measure(target, concurrency, options.warmup, calls).await;
            let context = || format!("{} at concurrency {concurrency}, round {round}", target.kind);
            figures.rounds.push(measured.with_context(context)?);
        }
    }
    let finish = |(target, mut figures): (Target, Figures)| {
        figures.memory = target.memory(workshop)?;
        Ok(figures)
    };
    Ok(Section { concurrency, calls, targets: targets.into_iter().map(finish).collect::<Result<_>>()? })
}
