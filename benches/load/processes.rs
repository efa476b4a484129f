//! Child processes, and what `/proc` tells about them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

/// One tick of `/proc/PID/stat`: Linux tells user space 100 Hz on every machine.
const TICK: Duration = Duration::from_millis(10);

/// A child process, killed when dropped.
pub(crate) struct Process(Child);

impl Process {
    /// Starts this program again as one of its roles, and returns the address that it announces.
    pub(crate) fn start_role(args: &[&str]) -> Result<(Self, SocketAddr)> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Self(command.spawn()?);
        let stdout = process.0.stdout.take().context("no pipe from the child")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let addr = line.trim().parse().context("the child ended before it listened")?;
        Ok((process, addr))
    }

    /// Starts `redis-server` or `valkey-server`, whichever is on the PATH, keeping its data in `folder`.
    pub(crate) fn start_redis(port: u16, folder: &Path) -> Result<Self> {
        let start = |program: &str| {
            Command::new(program)
                .args([
                    "--bind",
                    "127.0.0.1",
                    "--save",
                    "",
                    "--appendonly",
                    "yes",
                    "--port",
                    &port.to_string(),
                ])
                .arg("--dir")
                .arg(folder)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
        };
        let child = start("redis-server").or_else(|_| start("valkey-server"));
        Ok(Self(child.context("neither redis-server nor valkey-server can be started")?))
    }

    /// Starts the gateway on `project`, with its own default settings but for the address and `variables`.
    pub(crate) fn start_callgate(
        binary: &Path,
        project: &Path,
        listen: SocketAddr,
        log: &Path,
        variables: &[(&str, String)],
    ) -> Result<Self> {
        let log = File::create(log)?;
        let child = Command::new(binary)
            .arg("serve")
            .arg(project)
            .env("CALLGATE_SERVER__LISTEN", listen.to_string())
            .envs(variables.iter().map(|(name, value)| (*name, value)))
            .env_remove("RUST_LOG")
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("failed to run {}", binary.display()))?;
        Ok(Self(child))
    }

    /// Returns how the process ended, if it did.
    pub(crate) fn exited(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.0.try_wait()?)
    }

    /// Reads the CPU time used so far.
    pub(crate) fn cpu(&self) -> Result<CpuReading> {
        let threads = fs::read_dir(self.proc("task"))?.filter_map(|entry| {
            let path = entry.ok()?.path();
            let schedstat = fs::read_to_string(path.join("schedstat")).ok()?;
            let thread = path.file_name()?.to_str()?.parse().ok()?;
            Some((thread, Duration::from_nanos(schedstat.split(' ').next()?.parse().ok()?)))
        });
        Ok(CpuReading { threads: threads.collect(), whole: self.ticks()? })
    }

    /// Reads user and system time of the whole process.
    fn ticks(&self) -> Result<Duration> {
        let stat = fs::read_to_string(self.proc("stat"))?;
        // The program's name stands in parentheses and may hold spaces; the fields after it start with number 3.
        let (_, fields) = stat.rsplit_once(')').context("unknown form of /proc/PID/stat")?;
        let ticks: u32 =
            fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>).sum::<Result<_, _>>()?;
        Ok(TICK * ticks)
    }

    /// Reads the memory used.
    pub(crate) fn memory(&self) -> Result<Memory> {
        let status = fs::read_to_string(self.proc("status"))?;
        let kib = |name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().strip_suffix(" kB")?.parse().ok()
        };
        let memory = || Some(Memory { resident_kib: kib("VmRSS:")?, peak_kib: kib("VmHWM:")? });
        memory().context("unknown form of /proc/PID/status")
    }

    /// Reads how many bytes it has had written to disks.
    pub(crate) fn written(&self) -> Result<u64> {
        let io = fs::read_to_string(self.proc("io"))?;
        let bytes = io.lines().find_map(|line| line.strip_prefix("write_bytes:")?.trim().parse().ok());
        bytes.context("unknown form of /proc/PID/io")
    }

    fn proc(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.0.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only where the process is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The CPU time that a process had used at an instant.
pub(crate) struct CpuReading {
    /// Each living thread's time, to the nanosecond.
    threads: BTreeMap<u32, Duration>,
    /// The process's time with the threads that have ended, in whole ticks.
    whole: Duration,
}

impl CpuReading {
    /// Returns the CPU time between `earlier` and this reading.
    ///
    /// The threads' sum is finer; the process's own time is taken where threads ended in between and took theirs along,
    /// or where the kernel does not count per thread.
    pub(crate) fn since(&self, earlier: &Self) -> Duration {
        let spent = |(thread, now): (&u32, &Duration)| {
            now.saturating_sub(earlier.threads.get(thread).copied().unwrap_or_default())
        };
        let threads: Duration = self.threads.iter().map(spent).sum();
        let whole = self.whole.saturating_sub(earlier.whole);
        if whole > threads + 3 * TICK { whole } else { threads }
    }
}

/// A process's memory.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub(crate) struct Memory {
    /// Resident now.
    pub(crate) resident_kib: u64,
    /// The most that was ever resident.
    pub(crate) peak_kib: u64,
}

/// Tells the parent where this role listens, and ends the process when the parent ends, however that happens.
#[expect(clippy::print_stdout, reason = "the parent reads it")]
pub(crate) fn announce(addr: SocketAddr) {
    println!("{addr}");
    std::thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(0);
    });
}
