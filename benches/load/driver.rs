//! The load: a fixed number of calls over kept connections, one call in flight on each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::task::JoinSet;

use crate::http::{Connection, Message};
use crate::project::CallRequest;

/// The next call's number, for the whole benchmark: the gateway answers a number it has seen without calling the upstream.
static NEXT_CALL: AtomicU64 = AtomicU64::new(1);

/// Where and how a target is called.
#[derive(Clone)]
pub(crate) struct Endpoint {
    addr: SocketAddr,
    request: CallRequest,
    /// Part of every right answer.
    expected: &'static str,
}

impl Endpoint {
    /// Describes `POST path`, whose right answers have status 200 and contain `expected`.
    pub(crate) fn new(addr: SocketAddr, path: &str, expected: &'static str) -> Self {
        Self { addr, request: CallRequest::new(addr, path, false), expected }
    }

    /// The same with calls that belong to no conversation.
    pub(crate) fn plain(addr: SocketAddr, path: &str, expected: &'static str) -> Self {
        Self { addr, request: CallRequest::new(addr, path, true), expected }
    }
}

/// What a run of calls gave.
#[derive(Default)]
pub(crate) struct Outcome {
    /// From the first call's start to the last one's end.
    pub(crate) elapsed: Duration,
    /// How long each right answer took, shortest first.
    pub(crate) latencies: Vec<Duration>,
    /// Calls without a right answer.
    pub(crate) errors: u64,
    /// What was wrong with one of them.
    pub(crate) first_error: Option<String>,
}

impl Outcome {
    /// Returns the latency that `share` of the right answers kept to.
    pub(crate) fn percentile(&self, share: f64) -> Duration {
        let rank = (self.latencies.len() as f64 * share).ceil() as usize;
        self.latencies.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

/// Open connections to one target.
pub(crate) struct Driver {
    clients: Vec<Client>,
}

impl Driver {
    /// Opens `concurrency` connections.
    pub(crate) async fn connect(endpoint: &Endpoint, concurrency: u32) -> Result<Self> {
        let mut clients = Vec::new();
        for _ in 0..concurrency {
            let connection = Connection::open(endpoint.addr).await.context("failed to connect")?;
            clients.push(Client { connection, endpoint: endpoint.clone() });
        }
        Ok(Self { clients })
    }

    /// Makes `calls` calls, each connection taking the next one as soon as it is free.
    pub(crate) async fn run(&mut self, calls: u64) -> Result<Outcome> {
        let started = Instant::now();
        let taken = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        for client in self.clients.drain(..) {
            tasks.spawn(client.run(calls, Arc::clone(&taken)));
        }

        let mut outcome = Outcome::default();
        while let Some(joined) = tasks.join_next().await {
            let (client, part) = joined?;
            self.clients.extend(client);
            outcome.latencies.extend(part.latencies);
            outcome.first_error = outcome.first_error.or(part.first_error);
        }
        outcome.elapsed = started.elapsed();
        outcome.latencies.sort_unstable();
        outcome.errors = calls - outcome.latencies.len() as u64;
        Ok(outcome)
    }
}

/// One connection.
struct Client {
    connection: Connection,
    endpoint: Endpoint,
}

impl Client {
    /// Makes calls until `calls` are taken by all clients together; a broken connection is not opened again.
    async fn run(mut self, calls: u64, taken: Arc<AtomicU64>) -> (Option<Self>, Outcome) {
        let mut outcome = Outcome::default();
        while taken.fetch_add(1, Ordering::Relaxed) < calls {
            let request = self.endpoint.request.numbered(NEXT_CALL.fetch_add(1, Ordering::Relaxed));
            let started = Instant::now();
            let answer = match self.connection.exchange(request).await {
                Ok(answer) => answer,
                Err(error) => {
                    outcome.first_error.get_or_insert(format!("{error:#}"));
                    return (None, outcome);
                }
            };
            let latency = started.elapsed();
            match check(&answer, self.endpoint.expected) {
                Ok(()) => outcome.latencies.push(latency),
                Err(error) => drop(outcome.first_error.get_or_insert_with(|| error.to_string())),
            }
        }
        (Some(self), outcome)
    }
}

fn check(answer: &Message, expected: &str) -> Result<()> {
    let body = std::str::from_utf8(&answer.body)?;
    let right = answer.status() == Some(200) && body.contains(expected);
    ensure!(right, "expected status 200 and `{expected}`, got:\n{}\n\n{body}", answer.head);
    Ok(())
}
