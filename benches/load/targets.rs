//! What is measured, and one measurement.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::driver::{Driver, Endpoint, Held};
use crate::http;
use crate::processes::{CpuReading, Memory, Process};
use crate::project::{self, Asked};
use crate::report::{OpenStreams, Round, Used};

/// How long a target may take from its start to its first answer.
const START_LIMIT: Duration = Duration::from_secs(20);

/// Turns before the memory of open streams is read for the first time.
const TURNS_BEFORE_STREAMS: u64 = 200;

/// Pause before each reading of CPU time, so that work a gateway does after its answer is counted as well.
const SETTLE: Duration = Duration::from_millis(100);

/// A target by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// The upstream itself: what the driver can do at most.
    Upstream,
    /// The baseline.
    Passthrough,
    /// The gateway, with calls that belong to no conversation.
    CallgatePlain,
    /// The gateway, with conversations in memory.
    Callgate,
    /// The gateway, with conversations in a file.
    CallgateSqlite,
    /// The gateway, with conversations in a Redis of the benchmark's own.
    CallgateRedis,
    /// The agent's model itself, streaming.
    Model,
    /// The baseline of turns.
    ModelPassthrough,
    /// A turn of an agent that calls nothing.
    Turn,
    /// A turn with one call: two rounds.
    TurnOneCall,
    /// A turn with three calls at a time: two rounds.
    TurnThreeCalls,
}

impl Kind {
    /// Whether it is the gateway.
    pub(crate) fn is_callgate(self) -> bool {
        self == Self::CallgatePlain || self.is_conversational() || self.turn().is_some()
    }

    /// How many calls each of its turns makes, where turns of an agent are measured.
    pub(crate) fn turn(self) -> Option<usize> {
        match self {
            Self::Turn => Some(0),
            Self::TurnOneCall => Some(1),
            Self::TurnThreeCalls => Some(3),
            _ => None,
        }
    }

    /// Whether its answers are streams of a model's words.
    pub(crate) fn is_streamed(self) -> bool {
        matches!(self, Self::Model | Self::ModelPassthrough) || self.turn().is_some()
    }

    /// What its CPU is compared with.
    pub(crate) fn baseline(self) -> Self {
        if self.is_streamed() { Self::ModelPassthrough } else { Self::Passthrough }
    }

    /// How many requests the upstream gets for one of its own.
    fn upstream_requests(self) -> u64 {
        match self.turn() {
            None | Some(0) => 1,
            Some(calls) => calls as u64 + 2,
        }
    }

    /// Whether its calls belong to conversations, which it keeps.
    pub(crate) fn is_conversational(self) -> bool {
        matches!(self, Self::Callgate | Self::CallgateSqlite | Self::CallgateRedis)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Upstream => "upstream",
            Self::Passthrough => "pass-through",
            Self::CallgatePlain => "callgate-plain",
            Self::Callgate => "callgate",
            Self::CallgateSqlite => "callgate-sqlite",
            Self::CallgateRedis => "callgate-redis",
            Self::Model => "model",
            Self::ModelPassthrough => "model-pass-thr.",
            Self::Turn => "turn",
            Self::TurnOneCall => "turn, 1 call",
            Self::TurnThreeCalls => "turn, 3 calls",
        })
    }
}

/// A running target.
pub(crate) struct Target {
    /// Which one it is.
    pub(crate) kind: Kind,
    /// Where and how it is called.
    endpoint: Endpoint,
    /// Its own process; the upstream's belongs to the [`Workshop`].
    process: Option<Process>,
    /// The server that it keeps conversations in.
    redis: Option<Process>,
}

impl Target {
    /// Reads how much memory the target uses.
    pub(crate) fn memory(&self, workshop: &Workshop) -> Result<Memory> {
        self.process(workshop).memory()
    }

    fn process<'a>(&'a self, workshop: &'a Workshop) -> &'a Process {
        self.process.as_ref().unwrap_or(&workshop.upstream)
    }
}

/// What all targets share: the upstream and a folder for projects and logs.
pub(crate) struct Workshop {
    /// The upstream's process.
    upstream: Process,
    /// Where the upstream listens.
    upstream_addr: SocketAddr,
    /// The gateway's binary, where there is one.
    callgate: Option<PathBuf>,
    /// Holds a project for every start of the gateway; removed at the end.
    folder: TempDir,
}

impl Workshop {
    /// Starts the upstream.
    pub(crate) async fn open(callgate: Option<PathBuf>) -> Result<Self> {
        let (upstream, upstream_addr) =
            Process::start_role(&["upstream"]).context("failed to start the upstream")?;
        Ok(Self { upstream, upstream_addr, callgate, folder: tempfile::tempdir()? })
    }

    /// Starts a target and waits until it answers.
    pub(crate) async fn start(&self, kind: Kind) -> Result<Target> {
        let asked = match (kind, kind.turn()) {
            (_, Some(tickets)) => Asked::Turn { tickets },
            (Kind::Model | Kind::ModelPassthrough, _) => Asked::Turn { tickets: 0 },
            (Kind::CallgatePlain, _) => Asked::PlainCall,
            _ => Asked::Call,
        };
        self.start_asked(kind, &asked).await
    }

    async fn start_asked(&self, kind: Kind, asked: &Asked) -> Result<Target> {
        let (mut process, mut redis) = (None, None);
        let addr = match kind {
            Kind::Upstream | Kind::Model => self.upstream_addr,
            Kind::Passthrough | Kind::ModelPassthrough => {
                let started = Process::start_role(&["passthrough", &self.upstream_addr.to_string()])?;
                process = Some(started.0);
                started.1
            }
            _ => {
                let (gateway, addr);
                (gateway, redis, addr) = self.start_callgate(kind).await?;
                process = Some(gateway);
                addr
            }
        };
        let endpoint = match kind {
            _ if kind.is_streamed() => Endpoint::streamed(addr, asked),
            Kind::Upstream => Endpoint::new(addr, "/tickets", asked, project::UPSTREAM_ANSWERS),
            Kind::Passthrough => Endpoint::new(addr, "/", asked, project::UPSTREAM_ANSWERS),
            _ => Endpoint::new(addr, "/v1/tool-calls", asked, project::GATEWAY_ANSWERS),
        };
        Ok(Target { kind, endpoint, process, redis })
    }

    async fn start_callgate(&self, kind: Kind) -> Result<(Process, Option<Process>, SocketAddr)> {
        let binary = self.callgate.as_deref().context("no callgate binary")?;
        let listen = free_address()?;
        let folder = self.folder.path().join(format!("project-{}", listen.port()));
        project::write(&folder, self.upstream_addr)?;
        let log = folder.with_extension("log");
        let backend = match kind {
            Kind::CallgateSqlite => "sqlite",
            Kind::CallgateRedis => "redis",
            _ => "memory",
        };
        let mut variables = vec![
            ("CALLGATE_STORE__BACKEND", backend.to_owned()),
            // Each open stream is a call in flight.
            ("CALLGATE_SERVER__MAX_CALLS_IN_FLIGHT", "20000".to_owned()),
        ];
        let mut redis = None;
        if kind == Kind::CallgateRedis {
            let port = free_address()?.port();
            redis = Some(Process::start_redis(port, &folder)?);
            variables.push(("CALLGATE_STORE__URL", format!("redis://127.0.0.1:{port}/0")));
            wait_for_port(port).await?;
        }
        let mut process = Process::start_callgate(binary, &folder, listen, &log, &variables)?;
        if let Err(error) = wait_until_ready(&mut process, listen).await {
            bail!("{error:#}; its log ends:\n{}", tail(&log));
        }
        Ok((process, redis, listen))
    }

    /// Holds `streams` streams of `kind` open, each after its first token, and reads the memory that they take.
    pub(crate) async fn hold(&self, kind: Kind, streams: u32) -> Result<OpenStreams> {
        let target = self.start_asked(kind, &Asked::WaitingTurn).await?;
        // What the first turns allocate once is not the streams' own.
        let quick = Endpoint::streamed(target.endpoint.addr(), &Asked::Turn { tickets: 0 });
        let warm = Driver::connect(&quick, 8).await?.run(TURNS_BEFORE_STREAMS).await?;
        ensure!(warm.errors == 0, "a turn failed: {:?}", warm.first_error);
        let before = target.memory(self)?;
        let held = Held::open(&target.endpoint, streams).await?;
        tokio::time::sleep(SETTLE).await;
        let open = target.memory(self)?;
        http::get(self.upstream_addr, "/release").await?;
        held.finish().await?;
        tokio::time::sleep(SETTLE).await;
        Ok(OpenStreams { target: kind, streams, before, open, after: target.memory(self)? })
    }

    /// Drives `target` with `warmup` calls, then with `calls` measured ones.
    ///
    /// # Errors
    ///
    /// Fails where the upstream did not get exactly as many requests as the calls make, or not the request it should
    /// get: then something else was measured. Calls that fail are counted in the result.
    pub(crate) async fn measure(
        &self,
        target: &Target,
        concurrency: u32,
        warmup: u64,
        calls: u64,
    ) -> Result<Round> {
        let mut driver = Driver::connect(&target.endpoint, concurrency).await?;
        let warm = driver.run(warmup).await?;
        if let Some(error) = warm.first_error {
            bail!("{} of {warmup} warm-up calls failed, the first with: {error}", warm.errors);
        }
        if target.kind.is_callgate() && target.kind.turn() != Some(0) {
            self.check_last_request().await?;
        }

        tokio::time::sleep(SETTLE).await;
        let count = self.upstream_count().await?;
        let before = self.used(target)?;
        let outcome = driver.run(calls).await?;
        tokio::time::sleep(SETTLE).await;
        let used = self.used(target)?.since(&before);
        let reached = self.upstream_count().await? - count;

        if outcome.errors == 0 {
            let due = calls * target.kind.upstream_requests();
            ensure!(reached == due, "{calls} calls made {reached} upstream requests, not {due}");
        }
        Ok(Round::new(calls, &outcome, &used))
    }

    /// Reads what the target and its helpers have used so far.
    fn used(&self, target: &Target) -> Result<Usage> {
        let process = target.process(self);
        Ok(Usage {
            cpu: process.cpu()?,
            upstream_cpu: self.upstream.cpu()?,
            redis_cpu: target.redis.as_ref().map(Process::cpu).transpose()?,
            written: process.written()?,
        })
    }

    async fn upstream_count(&self) -> Result<u64> {
        let answer = http::get(self.upstream_addr, "/count").await?;
        Ok(std::str::from_utf8(&answer.body)?.parse()?)
    }

    /// Makes sure that the gateway does the work it is measured for.
    async fn check_last_request(&self) -> Result<()> {
        let answer = http::get(self.upstream_addr, "/last").await?;
        let request = String::from_utf8_lossy(&answer.body).to_lowercase();
        for part in project::UPSTREAM_SEES {
            ensure!(request.contains(part), "the upstream's request lacks `{part}`:\n{request}");
        }
        Ok(())
    }
}

/// What a target and its helpers had used at an instant.
struct Usage {
    cpu: CpuReading,
    upstream_cpu: CpuReading,
    redis_cpu: Option<CpuReading>,
    written: u64,
}

impl Usage {
    /// What was used since `earlier`.
    fn since(&self, earlier: &Self) -> Used {
        let redis = self.redis_cpu.as_ref().zip(earlier.redis_cpu.as_ref());
        Used {
            cpu: self.cpu.since(&earlier.cpu),
            upstream_cpu: self.upstream_cpu.since(&earlier.upstream_cpu),
            redis_cpu: redis.map(|(now, earlier)| now.since(earlier)),
            written: self.written - earlier.written,
        }
    }
}

/// Finds the gateway's binary: the one named, that of the environment, or the one cargo built for this benchmark.
pub(crate) fn callgate_binary(named: Option<&Path>) -> Option<PathBuf> {
    let named = named.map(Path::to_path_buf);
    let built = || option_env!("CARGO_BIN_EXE_callgate").map(PathBuf::from);
    #[expect(clippy::disallowed_methods, reason = "the benchmark's own setting")]
    let path = named.or_else(|| std::env::var_os("CALLGATE_BIN").map(PathBuf::from)).or_else(built)?;
    path.is_file().then_some(path)
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Waits until somebody listens.
async fn wait_for_port(port: u16) -> Result<()> {
    let listening = async {
        while tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(START_LIMIT, listening).await.context("the Redis server does not come up")
}

async fn wait_until_ready(process: &mut Process, addr: SocketAddr) -> Result<()> {
    let ready = async {
        loop {
            if let Some(status) = process.exited()? {
                bail!("callgate ended with {status}");
            }
            if http::get(addr, "/readyz").await.is_ok_and(|answer| answer.status() == Some(200)) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(START_LIMIT, ready)
        .await
        .with_context(|| format!("not ready after {START_LIMIT:?}"))?
}

/// Returns the last lines of a log.
fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
