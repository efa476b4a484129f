//! How long a call waits for the computing of another one.
//!
//! `cargo bench --bench bystander` starts an upstream and `callgate serve` with a single worker, makes one
//! costly call after the other, and meanwhile calls an action that does next to nothing on the same thread.
//! For each costly call it prints how long that took, how it ended, and how long the other calls waited at
//! most. It decides nothing.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the result is what it prints")]

#[expect(dead_code, reason = "the benchmark reads whole answers only")]
#[path = "../load/http.rs"]
mod http;
#[path = "../load/processes.rs"]
#[expect(dead_code, reason = "the load benchmark uses all of it")]
mod processes;
mod cases;
mod upstream;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use tokio::task::JoinSet;

use crate::cases::Case;
use crate::http::Connection;
use crate::processes::Process;

/// Measures what costly calls cost others.
#[derive(Debug, Parser)]
struct Options {
    /// How often each costly call is made; the middle one counts.
    #[arg(long, default_value_t = if cfg!(debug_assertions) { 1 } else { 3 })]
    rounds: usize,
    /// Only the cases with this in their name.
    #[arg(long, default_value = "")]
    case: String,
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

const HOURS: &str = "description: Says when.\ntype: static\nresponse: {open: '9 to 5'}\n";

fn main() -> ExitCode {
    let options = Options::parse();
    if options.filter.as_ref().is_some_and(|filter| !"bystander".contains(filter)) {
        return ExitCode::SUCCESS;
    }
    match measure(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> Result<()> {
    let mut cases = cases::all();
    cases.retain(|case| case.name.contains(&options.case));
    let folder = tempfile::tempdir()?;
    let upstream = upstream::start(cases.iter().map(|case| (case.number, case.answer())).collect())?;
    write(folder.path(), upstream, &cases)?;
    let gateway = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let binary =
        options.callgate.clone().or_else(|| option_env!("CARGO_BIN_EXE_callgate").map(PathBuf::from));
    let binary = binary.context("no callgate binary; name one with --callgate")?;
    let _process = Process::start_callgate(&binary, folder.path(), gateway, &folder.path().join("log"), &[])?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        wait_until_ready(gateway).await?;
        println!("{:<48} {:>9} {:>9}  ends in", "costly call", "takes", "others");
        for case in &cases {
            let mut rounds = Vec::new();
            for round in 0..options.rounds.max(1) {
                rounds.push(one(gateway, case, round).await.with_context(|| case.name.clone())?);
            }
            rounds.sort_by_key(|round| round.0);
            let (took, _, ended) = &rounds[rounds.len() / 2];
            let longest = rounds.iter().map(|round| round.1).max().unwrap_or_default();
            println!("{:<48} {:>6.1} ms {:>6.1} ms  {ended}", case.name, ms(*took), ms(longest));
        }
        Ok(())
    })
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn write(folder: &Path, upstream: SocketAddr, cases: &[Case]) -> Result<()> {
    let mut files = vec![
        (
            "callgate.toml".to_owned(),
            "environments = [\"production\"]\n[log]\nlevel = \"error\"\n[server]\nworkers = 1\n".to_owned(),
        ),
        ("connections/api.yaml".to_owned(), format!("base_url: http://{upstream}\nauth: key\n")),
        ("auth/key.yaml".to_owned(), "type: bearer\ntoken: {secret: token}\n".to_owned()),
        ("secrets.toml".to_owned(), "[production]\ntoken = \"bystander-5f1c9d0e7a3b\"\n".to_owned()),
        ("actions/hours.yaml".to_owned(), HOURS.to_owned()),
    ];
    for case in cases {
        files.push((format!("actions/{}.yaml", case.action()), case.definition()));
    }
    for (path, text) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().context("a file without a folder")?)?;
        fs::write(path, text)?;
    }
    Ok(())
}

/// Makes one costly call; how long it took, how long others waited at most, and how it ended.
async fn one(gateway: SocketAddr, case: &Case, round: usize) -> Result<(Duration, Duration, String)> {
    let conversation = format!("c-{}-{round}", case.name.replace(' ', "-"));
    if let Some(variables) = &case.variables {
        let names: Vec<&String> = variables.keys().filter(|_| case.is_sensitive).collect();
        let begin = serde_json::json!({"id": conversation, "variables": variables, "sensitive": names});
        post(gateway, "/v1/conversations", &begin.to_string()).await?;
    }
    let (line, body) = case.request(&conversation);
    let asked = request(gateway, &line, &body);
    let mut tasks = JoinSet::new();
    let costly = tasks.spawn(async move {
        let started = Instant::now();
        let answer = Connection::open(gateway).await?.exchange(asked.as_bytes()).await;
        answer.map(|answer| (started.elapsed(), answer))
    });
    let (mut connection, mut longest) = (Connection::open(gateway).await?, Duration::ZERO);
    let hours = request(gateway, "POST /v1/tool-calls", "{\"name\":\"hours\"}");
    while !costly.is_finished() {
        let started = Instant::now();
        connection.exchange(hours.as_bytes()).await?;
        longest = longest.max(started.elapsed());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let (took, answer) = tasks.join_next().await.context("the costly call is gone")???;
    let status = answer.status().unwrap_or_default();
    let answer: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let ended = answer["error"]["code"].as_str().or(answer["status"].as_str()).map(str::to_owned);
    Ok((took, longest, ended.unwrap_or_else(|| format!("HTTP {status}"))))
}

fn request(gateway: SocketAddr, line: &str, body: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: {gateway}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

async fn post(gateway: SocketAddr, path: &str, body: &str) -> Result<Vec<u8>> {
    let mut connection = Connection::open(gateway).await?;
    let answer = connection.exchange(request(gateway, &format!("POST {path}"), body).as_bytes()).await?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    ensure!(answer.status().is_some_and(|status| status < 300), "{path}: {}\n{text}", answer.head);
    Ok(answer.body)
}

async fn wait_until_ready(gateway: SocketAddr) -> Result<()> {
    for _ in 0..1_000 {
        if http::get(gateway, "/readyz").await.is_ok_and(|answer| answer.status() == Some(200)) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    anyhow::bail!("the gateway does not start")
}
