//! The soak: a gateway under more load than it takes, for minutes.
//!
//! `cargo bench --bench soak -- --seconds 600` starts an upstream and `callgate serve`, and keeps more calls in flight
//! than the gateway accepts: writes, the same writes again, the same write twice at a time, reads and wrong arguments.
//! It fails where a write was lost or done twice, where two answers to one call differ, or where memory grows without
//! an end. How fast it was is printed, and decides nothing. `--conversations 1000000` begins as many before;
//! `--large 200` and `--lists 4480` have as many conversations answered by lists of objects, of 256 kB and of 15 objects.
//! `CALLGATE_STORE__BACKEND=memory` takes another store.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the result is what it prints")]

#[expect(dead_code, reason = "the soak test reads whole answers only")]
#[path = "../load/http.rs"]
mod http;
#[path = "../load/processes.rs"]
#[expect(dead_code, reason = "the load benchmark uses all of it")]
mod processes;
mod caller;
mod crowd;
mod upstream;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use tokio::task::JoinSet;

use crate::caller::{Caller, Tally};
use crate::processes::Process;
use crate::upstream::Done;

/// Soaks a gateway.
#[derive(Debug, Parser)]
struct Options {
    /// How long.
    #[arg(long, default_value_t = if cfg!(debug_assertions) { 2 } else { 600 }, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Callers, each with two connections.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=512))]
    callers: u32,
    /// Conversations that are begun before, each with a kilobyte of variables.
    #[arg(long, default_value_t = if cfg!(debug_assertions) { 1_000 } else { 0 })]
    conversations: u64,
    /// Conversations that are answered before by 256 kB, a list of small objects.
    #[arg(long, default_value_t = if cfg!(debug_assertions) { 4 } else { 0 })]
    large: u64,
    /// Conversations that are answered before by a list of 15 objects.
    #[arg(long, default_value_t = if cfg!(debug_assertions) { 100 } else { 0 })]
    lists: u64,
    /// Calls that the gateway takes at a time; what comes beyond is refused.
    #[arg(long, default_value_t = 64)]
    max_calls_in_flight: u32,
    /// The callgate binary [default: the one cargo built].
    #[arg(long)]
    callgate: Option<PathBuf>,
    /// Passed by `cargo bench` to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
    /// The name filter of `cargo bench FILTER`.
    #[arg(hide = true)]
    filter: Option<String>,
}

const FILES: [(&str, &str); 4] = [
    ("callgate.toml", "environments = [\"production\"]\n[log]\nlevel = \"error\"\n"),
    ("connections/api.yaml", "base_url: http://UPSTREAM\nauth: key\n"),
    ("auth/key.yaml", "type: bearer\ntoken: {secret: token}\n"),
    ("secrets.toml", "[production]\ntoken = \"soak-5f1c9d0e7a3b\"\n"),
];

const WRITE: &str = "description: writes\nconnection: api\nmethod: POST\npath: /write\nparameters: {type: object, properties: {number: {type: integer}, note: {type: string}}, required: [number]}\noutput_variables:\n  - {name: written.id, path: $.id, expose: true}\n  - {name: written.order, path: $.order, expose: true}\n  - {name: written.slots, path: $.slots}\n";
const READ: &str = "description: reads\nconnection: api\npath: /read\nparameters: {type: object, properties: {number: {type: integer}}}\n";

const LARGE: &str = "description: reads much\nconnection: api\npath: /large\nparameters: {type: object, properties: {number: {type: integer}}}\noutput_variables:\n  - {name: large, path: $.list}\n";
const LISTS: &str = "description: reads a list\nconnection: api\npath: /lists\nparameters: {type: object, properties: {number: {type: integer}}}\noutput_variables:\n  - {name: slots, path: $.slots}\n";

fn main() -> ExitCode {
    let options = Options::parse();
    if options.filter.as_ref().is_some_and(|filter| !"soak".contains(filter)) {
        return ExitCode::SUCCESS;
    }
    match soak(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn soak(options: &Options) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (address, done) = upstream::start()?;
    let actions = [("write", WRITE), ("read", READ), ("large", LARGE), ("lists", LISTS)];
    let actions = actions.map(|(name, text)| (format!("actions/{name}.yaml"), text));
    let files = FILES.iter().map(|(path, text)| ((*path).to_owned(), *text));
    for (path, text) in files.chain(actions) {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().context("a file without a folder")?)?;
        let mut text = text.replace("UPSTREAM", &address.to_string());
        // As a test it proves that nothing is lost, on a machine however slow.
        if cfg!(debug_assertions) && text.starts_with("description: ") {
            text.push_str("timeout_ms: 60000\n");
        }
        fs::write(path, text)?;
    }
    let gateway = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let binary =
        options.callgate.clone().or_else(|| option_env!("CARGO_BIN_EXE_callgate").map(PathBuf::from));
    let binary = binary.context("no callgate binary; name one with --callgate")?;
    let process = start(&binary, folder.path(), gateway, options.max_calls_in_flight)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(drive(options, gateway, &process, &done))
}

fn start(binary: &Path, folder: &Path, listen: SocketAddr, most: u32) -> Result<Process> {
    let settings = folder.join("callgate.toml");
    let text = fs::read_to_string(&settings)?;
    fs::write(&settings, format!("{text}[server]\nmax_calls_in_flight = {most}\n"))?;
    Process::start_callgate(binary, folder, listen, &folder.join("log"), &[])
}

async fn drive(options: &Options, gateway: SocketAddr, process: &Process, done: &Arc<Done>) -> Result<()> {
    wait_until_ready(gateway).await?;
    if options.conversations > 0 {
        crowd::begin(gateway, options.conversations, process).await?;
    }
    for (action, count) in [("large", options.large), ("lists", options.lists)] {
        if count > 0 {
            crowd::answer(gateway, action, count, process).await?;
        }
    }
    let started = Instant::now();
    let end = started + Duration::from_secs(options.seconds);
    let mut callers = JoinSet::new();
    for number in 0..options.callers {
        callers.spawn(Caller::new(gateway, number).run(end));
    }
    let mut memory = Vec::new();
    let pause = Duration::from_secs((options.seconds / 60).clamp(1, 10));
    while Instant::now() < end {
        tokio::time::sleep(pause.min(end.saturating_duration_since(Instant::now()))).await;
        let kib = process.memory()?.resident_kib;
        memory.push(kib);
        println!("{:>5} s  {:>7} MiB", started.elapsed().as_secs(), kib / 1024);
    }
    let mut all = Tally::default();
    while let Some(caller) = callers.join_next().await {
        all.add(caller??);
    }
    report(&mut all, started.elapsed(), done, &memory)
}

fn report(all: &mut Tally, elapsed: Duration, done: &Done, memory: &[u64]) -> Result<()> {
    all.latencies.sort_unstable();
    let at = |share: f64| {
        let rank = (all.latencies.len() as f64 * share).ceil() as usize;
        all.latencies.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    };
    println!(
        "{} s: {} calls answered ({:.0} a second), of them {} replayed; {} refused early (503)",
        elapsed.as_secs(),
        all.latencies.len(),
        all.latencies.len() as f64 / elapsed.as_secs_f64(),
        all.replayed,
        all.refused
    );
    println!(
        "answered calls: p50 {:.1?}, p99 {:.1?}, longest {:.1?}; refusals: longest {:.1?}",
        at(0.5),
        at(0.99),
        at(1.0),
        all.longest_refusal
    );
    let (lost, twice) = done.compare(&all.written);
    println!(
        "{} writes; lost: {lost}; done twice: {twice}; wrong answers: {}",
        all.written.len(),
        all.wrong.len()
    );
    for wrong in all.wrong.iter().take(5) {
        println!("  {wrong}");
    }
    let most = |part: &[u64]| part.iter().max().copied().unwrap_or_default() / 1024;
    // What is remembered fills up first; the first third does not count.
    let (filling, rest) = memory.split_at(memory.len() / 3);
    let (before, after) = rest.split_at(rest.len() / 2);
    println!(
        "memory at most: {} MiB while it filled, then {} MiB, then {} MiB",
        most(filling),
        most(before),
        most(after)
    );
    ensure!(
        lost == 0 && twice == 0 && all.wrong.is_empty(),
        "calls were lost, done twice or answered wrongly"
    );
    // A few seconds fill what is kept, and say nothing of growth.
    let is_flat = most(after) <= most(before) + most(before) / 10 + 8;
    ensure!(is_flat || elapsed < Duration::from_secs(60), "memory grows");
    ensure!(!all.written.is_empty(), "nothing was written");
    Ok(())
}

async fn wait_until_ready(gateway: SocketAddr) -> Result<()> {
    for _ in 0..500 {
        if http::get(gateway, "/readyz").await.is_ok_and(|answer| answer.status() == Some(200)) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    anyhow::bail!("the gateway does not start")
}
