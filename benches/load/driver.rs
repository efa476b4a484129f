//! The load: a fixed number of calls over kept connections, one call in flight on each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::task::JoinSet;

use crate::http::{Connection, Message};
use crate::project::{self, Asked, CallRequest};

/// The next call's number, for the whole benchmark: the gateway answers a number it has seen without calling the upstream.
static NEXT_CALL: AtomicU64 = AtomicU64::new(1);

/// Where and how a target is called.
#[derive(Clone)]
pub(crate) struct Endpoint {
    addr: SocketAddr,
    request: CallRequest,
    /// Part of every right answer.
    expected: &'static str,
    /// The part whose coming is timed; the whole answer's where there is none.
    timed: Option<&'static str>,
}

impl Endpoint {
    /// Describes `POST path`, whose right answers have status 200 and contain `expected`.
    pub(crate) fn new(addr: SocketAddr, path: &str, asked: &Asked, expected: &'static str) -> Self {
        Self { addr, request: CallRequest::new(addr, path, asked), expected, timed: None }
    }

    /// Describes an agent, or a model, whose answers are streams and timed by their first token.
    pub(crate) fn streamed(addr: SocketAddr, asked: &Asked) -> Self {
        let request = CallRequest::new(addr, "/v1/chat/completions", asked);
        Self { addr, request, expected: project::LAST_TOKEN, timed: Some(project::FIRST_TOKEN) }
    }

    /// Where the target listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }
}

/// What a run of calls gave.
#[derive(Default)]
pub(crate) struct Outcome {
    /// From the first call's start to the last one's end.
    pub(crate) elapsed: Duration,
    /// How long each right answer took, or its first token where it is a stream; shortest first.
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
            let (answer, latency) = match timed(&mut self.connection, request, self.endpoint.timed).await {
                Ok(answered) => answered,
                Err(error) => {
                    outcome.first_error.get_or_insert(format!("{error:#}"));
                    return (None, outcome);
                }
            };
            match check(&answer, self.endpoint.expected) {
                Ok(()) => outcome.latencies.push(latency),
                Err(error) => drop(outcome.first_error.get_or_insert_with(|| error.to_string())),
            }
        }
        (Some(self), outcome)
    }
}

/// Makes one request; says how long the answer took, or its `part`.
async fn timed(
    connection: &mut Connection,
    request: &[u8],
    part: Option<&str>,
) -> Result<(Message, Duration)> {
    let started = Instant::now();
    let Some(part) = part else {
        let answer = connection.exchange(request).await?;
        return Ok((answer, started.elapsed()));
    };
    connection.send(request).await?;
    connection.wait_for(part.as_bytes()).await?;
    let latency = started.elapsed();
    let answer = connection.receive().await?.context("the connection was closed within an answer")?;
    Ok((answer, latency))
}

/// Streams that have begun and are held open.
pub(crate) struct Held {
    connections: Vec<Connection>,
    expected: &'static str,
}

impl Held {
    /// Opens `streams` streams and waits for the first token of each.
    pub(crate) async fn open(endpoint: &Endpoint, streams: u32) -> Result<Self> {
        let mut request = endpoint.request.clone();
        let mut connections = Vec::new();
        let part = endpoint.timed.unwrap_or(endpoint.expected);
        for number in 0..streams {
            let mut connection = Connection::open(endpoint.addr).await.context("failed to connect")?;
            connection.send(request.numbered(NEXT_CALL.fetch_add(1, Ordering::Relaxed))).await?;
            connection
                .wait_for(part.as_bytes())
                .await
                .with_context(|| format!("stream {number} does not begin"))?;
            connections.push(connection);
        }
        Ok(Self { connections, expected: endpoint.expected })
    }

    /// Reads all of them to their ends.
    pub(crate) async fn finish(self) -> Result<()> {
        for mut connection in self.connections {
            let answer = connection.receive().await?.context("a stream was closed before its end")?;
            check(&answer, self.expected)?;
        }
        Ok(())
    }
}

fn check(answer: &Message, expected: &str) -> Result<()> {
    let body = std::str::from_utf8(&answer.body)?;
    let right = answer.status() == Some(200) && body.contains(expected);
    ensure!(right, "expected status 200 and `{expected}`, got:\n{}\n\n{body}", answer.head);
    Ok(())
}
