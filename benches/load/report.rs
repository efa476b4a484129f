//! The figures, as a table and as JSON.

use std::time::Duration;

use serde::Serialize;

use crate::driver::Outcome;
use crate::processes::Memory;
use crate::targets::Kind;

/// The concurrency that the aims speak of.
const AIM_AT: u32 = 64;

/// How many times the pass-through's CPU a call of a target should take at most.
fn aim(kind: Kind) -> Option<f64> {
    match kind {
        Kind::CallgatePlain => Some(1.25),
        Kind::Callgate => Some(1.6),
        Kind::CallgateSqlite | Kind::CallgateRedis => Some(3.0),
        _ => None,
    }
}

/// What a run of calls used.
pub(crate) struct Used {
    /// CPU of the target.
    pub(crate) cpu: Duration,
    /// CPU of the upstream.
    pub(crate) upstream_cpu: Duration,
    /// CPU of the Redis server that the target keeps conversations in.
    pub(crate) redis_cpu: Option<Duration>,
    /// Bytes that the target had written to disks.
    pub(crate) written: u64,
}

/// All that was measured.
#[derive(Serialize)]
pub(crate) struct Report {
    warmup: u64,
    rounds: u32,
    cpus: usize,
    /// For each concurrency one of calls and one of turns, as far as they were asked for.
    pub(crate) sections: Vec<Section>,
    /// The memory of open streams.
    pub(crate) streams: Vec<OpenStreams>,
}

impl Report {
    /// Starts a report.
    pub(crate) fn new(warmup: u64, rounds: u32) -> Self {
        let cpus = std::thread::available_parallelism().map_or(0, usize::from);
        Self { warmup, rounds, cpus, sections: Vec::new(), streams: Vec::new() }
    }

    /// Counts the failed calls.
    pub(crate) fn errors(&self) -> u64 {
        self.sections.iter().flat_map(|section| &section.targets).map(Figures::errors).sum()
    }
}

/// One target in one round.
#[derive(Clone, Serialize)]
pub(crate) struct Round {
    requests_per_s: f64,
    p50_us: f64,
    p99_us: f64,
    cpu_us_per_call: f64,
    upstream_cpu_us_per_call: f64,
    redis_cpu_us_per_call: Option<f64>,
    written_bytes_per_call: f64,
    errors: u64,
    first_error: Option<String>,
}

impl Round {
    /// Sums up a run of `calls` calls.
    pub(crate) fn new(calls: u64, outcome: &Outcome, used: &Used) -> Self {
        let per_call = |duration: Duration| micros(duration) / calls as f64;
        Self {
            requests_per_s: outcome.latencies.len() as f64 / outcome.elapsed.as_secs_f64(),
            p50_us: micros(outcome.percentile(0.50)),
            p99_us: micros(outcome.percentile(0.99)),
            cpu_us_per_call: per_call(used.cpu),
            upstream_cpu_us_per_call: per_call(used.upstream_cpu),
            redis_cpu_us_per_call: used.redis_cpu.map(per_call),
            written_bytes_per_call: used.written as f64 / calls as f64,
            errors: outcome.errors,
            first_error: outcome.first_error.clone(),
        }
    }
}

/// One target at one concurrency.
#[derive(Serialize)]
pub(crate) struct Figures {
    target: Kind,
    /// After the last round.
    pub(crate) memory: Memory,
    /// In the order they were measured.
    pub(crate) rounds: Vec<Round>,
}

impl Figures {
    /// Starts without rounds.
    pub(crate) fn new(target: Kind) -> Self {
        Self { target, memory: Memory::default(), rounds: Vec::new() }
    }

    fn errors(&self) -> u64 {
        self.rounds.iter().map(|round| round.errors).sum()
    }

    /// Returns the round with the median CPU time per call.
    fn median(&self) -> Option<&Round> {
        let mut rounds: Vec<_> = self.rounds.iter().collect();
        rounds.sort_by(|a, b| a.cpu_us_per_call.total_cmp(&b.cpu_us_per_call));
        rounds.get(rounds.len() / 2).copied()
    }
}

/// All targets at one concurrency.
#[derive(Serialize)]
pub(crate) struct Section {
    /// Calls in flight.
    pub(crate) concurrency: u32,
    /// Measured calls per target and round.
    pub(crate) calls: u64,
    /// In the order asked for.
    pub(crate) targets: Vec<Figures>,
}

impl Section {
    /// Prints the table, what went wrong, and how the gateway stands to the aim.
    #[expect(clippy::print_stdout, reason = "the benchmark's result")]
    pub(crate) fn print(&self) {
        let rounds = self.targets.first().map_or(0, |figures| figures.rounds.len());
        let (calls, timed) =
            if self.is_streamed() { ("turns", "; times are to the first token") } else { ("calls", "") };
        println!(
            "concurrency {}: {} {calls} a round, the round of {rounds} with the median CPU{timed}",
            self.concurrency, self.calls
        );
        println!(
            "{:<16}{:>11}{:>9}{:>9}{:>13}{:>10}{:>13}{:>12}{:>10}{:>10}{:>8}",
            "target",
            "requests/s",
            "p50 µs",
            "p99 µs",
            "CPU µs/call",
            "relative",
            "of Redis, µs",
            "disk B/call",
            "RSS MiB",
            "peak MiB",
            "errors"
        );
        for figures in &self.targets {
            let Some(round) = figures.median() else { continue };
            let told = |number: Option<f64>, digits: usize| {
                number.map_or_else(|| "-".to_owned(), |number| format!("{number:.digits$}"))
            };
            println!(
                "{:<16}{:>11.0}{:>9.0}{:>9.0}{:>13.1}{:>10}{:>13}{:>12.0}{:>10.1}{:>10.1}{:>8}",
                figures.target,
                round.requests_per_s,
                round.p50_us,
                round.p99_us,
                round.cpu_us_per_call,
                told(self.ratio(figures).map(|(median, ..)| median), 2),
                told(round.redis_cpu_us_per_call, 1),
                round.written_bytes_per_call,
                mebibytes(figures.memory.resident_kib),
                mebibytes(figures.memory.peak_kib),
                figures.errors(),
            );
        }
        for round in self.targets.iter().flat_map(|figures| &figures.rounds) {
            if let Some(error) = &round.first_error {
                println!("a failed call: {error}");
            }
        }
        for line in self.targets.iter().filter_map(|figures| self.judged(figures)) {
            println!("{line}");
        }
        for line in self.conversation_costs().into_iter().chain(self.turn_costs()) {
            println!("{line}");
        }
        println!();
    }

    /// What a conversation costs on each store, over a call that names none.
    fn conversation_costs(&self) -> Vec<String> {
        let Some(plain) = self.targets.iter().find(|figures| figures.target == Kind::CallgatePlain) else {
            return Vec::new();
        };
        let stores = self.targets.iter().filter(|figures| figures.target.is_conversational());
        let line = |figures: &Figures| {
            let (with, without) = (figures.median()?, plain.median()?);
            Some(format!(
                "{}: {:+.0} µs of the median latency and {:+.1} µs of CPU a call, over callgate-plain",
                figures.target,
                with.p50_us - without.p50_us,
                with.cpu_us_per_call - without.cpu_us_per_call
            ))
        };
        stores.filter_map(line).collect()
    }

    fn is_streamed(&self) -> bool {
        self.targets.iter().any(|figures| figures.target.is_streamed())
    }

    /// What a turn adds to the model's first token.
    fn turn_costs(&self) -> Vec<String> {
        let Some(model) = self.targets.iter().find(|figures| figures.target == Kind::Model) else {
            return Vec::new();
        };
        let turns = self.targets.iter().filter(|figures| figures.target.turn().is_some());
        let line = |figures: &Figures| {
            let (turn, model) = (figures.median()?, model.median()?);
            Some(format!(
                "{}: the first token {:+.0} µs (p50) and {:+.0} µs (p99) later than the model's own",
                figures.target,
                turn.p50_us - model.p50_us,
                turn.p99_us - model.p99_us
            ))
        };
        turns.filter_map(line).collect()
    }

    /// How many times the pass-through's CPU a target takes for a call: the medians, and the least and the most of a round.
    fn ratio(&self, figures: &Figures) -> Option<(f64, f64, f64)> {
        let is_baseline = |other: &&Figures| other.target == figures.target.baseline();
        let baseline = self.targets.iter().find(is_baseline)?;
        let median = figures.median()?.cpu_us_per_call / baseline.median()?.cpu_us_per_call;
        let by_round = figures.rounds.iter().zip(&baseline.rounds);
        let by_round = by_round.map(|(target, baseline)| target.cpu_us_per_call / baseline.cpu_us_per_call);
        let (low, high) =
            by_round.fold((f64::MAX, f64::MIN), |(low, high), ratio| (low.min(ratio), high.max(ratio)));
        Some((median, low, high))
    }

    /// How a target stands to its aim.
    fn judged(&self, figures: &Figures) -> Option<String> {
        let ((median, low, high), aim) = (self.ratio(figures)?, aim(figures.target)?);
        let verdict = match self.concurrency {
            AIM_AT if median <= aim => format!("; the aim of {aim} is met"),
            AIM_AT => format!("; the aim of {aim} is missed"),
            _ => String::new(),
        };
        Some(format!(
            "{}: {median:.2} times the pass-through's CPU a call (rounds {low:.2} to {high:.2}){verdict}",
            figures.target
        ))
    }
}

/// The memory of one target with streams open.
#[derive(Serialize)]
pub(crate) struct OpenStreams {
    /// Which target.
    pub(crate) target: Kind,
    /// How many streams were open at a time.
    pub(crate) streams: u32,
    /// Before them.
    pub(crate) before: Memory,
    /// While all of them were open.
    pub(crate) open: Memory,
    /// After they had ended.
    pub(crate) after: Memory,
}

impl OpenStreams {
    /// Prints a line.
    #[expect(clippy::print_stdout, reason = "the benchmark's result")]
    pub(crate) fn print(&self) {
        let more = self.open.resident_kib.saturating_sub(self.before.resident_kib);
        println!(
            "{:<16}{} open streams: {:.1} KiB each; {:.1} MiB before, {:.1} MiB open, {:.1} MiB after",
            self.target,
            self.streams,
            more as f64 / f64::from(self.streams),
            mebibytes(self.before.resident_kib),
            mebibytes(self.open.resident_kib),
            mebibytes(self.after.resident_kib),
        );
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn mebibytes(kib: u64) -> f64 {
    kib as f64 / 1024.0
}
