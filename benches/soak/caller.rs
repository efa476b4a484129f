//! One caller: an orchestrator that repeats itself, and sometimes sends nonsense.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::http::{Connection, Message};

/// The next write's number, among all callers.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// Writes of one conversation.
const CALLS_A_CONVERSATION: u64 = 20;

/// What a caller has seen.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// How long each answered call took.
    pub(crate) latencies: Vec<Duration>,
    /// Numbers of the writes that succeeded.
    pub(crate) written: Vec<u64>,
    pub(crate) replayed: u64,
    pub(crate) refused: u64,
    pub(crate) longest_refusal: Duration,
    /// Answers that are not what they must be.
    pub(crate) wrong: Vec<String>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.written.extend(other.written);
        self.replayed += other.replayed;
        self.refused += other.refused;
        self.longest_refusal = self.longest_refusal.max(other.longest_refusal);
        self.wrong.extend(other.wrong);
    }
}

/// One caller.
pub(crate) struct Caller {
    gateway: SocketAddr,
    /// State of its random numbers.
    random: u64,
    recent: Vec<u64>,
    tally: Tally,
}

impl Caller {
    pub(crate) fn new(gateway: SocketAddr, number: u32) -> Self {
        let random = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(u64::from(number) + 1);
        Self { gateway, random, recent: Vec::new(), tally: Tally::default() }
    }

    /// Calls until `end`, and once at least.
    pub(crate) async fn run(mut self, end: Instant) -> Result<Tally> {
        let mut one = Connection::open(self.gateway).await?;
        let mut other = Connection::open(self.gateway).await?;
        loop {
            match self.next() % 100 {
                0..60 => {
                    let number = NEXT.fetch_add(1, Ordering::Relaxed);
                    self.write(&mut one, number).await?;
                }
                // The same call again, a while later.
                60..72 if !self.recent.is_empty() => {
                    let at = usize::try_from(self.next())? % self.recent.len();
                    self.again(&mut one, self.recent[at]).await?;
                }
                // The same call twice at a time.
                72..80 => {
                    let number = NEXT.fetch_add(1, Ordering::Relaxed);
                    self.twice(&mut one, &mut other, number).await?;
                }
                80..85 => {
                    let wrong = self.call("write", "\"many\"", "wrong");
                    let answer = self.send(&mut one, &wrong).await?;
                    self.expect(answer, "exception");
                }
                _ => {
                    let read = self.call("read", "7", "read");
                    let answer = self.send(&mut one, &read).await?;
                    self.expect(answer, "success");
                }
            }
            if Instant::now() >= end {
                return Ok(self.tally);
            }
        }
    }

    async fn write(&mut self, connection: &mut Connection, number: u64) -> Result<()> {
        let call = self.numbered(number);
        if let Some(result) = self.send(connection, &call).await? {
            self.is_right(&result, number);
            self.remember(number);
        }
        Ok(())
    }

    async fn again(&mut self, connection: &mut Connection, number: u64) -> Result<()> {
        let call = self.numbered(number);
        if let Some(result) = self.send(connection, &call).await? {
            self.is_right(&result, number);
            if result["replayed"] != true {
                self.tally.wrong.push(format!("not replayed: {result}"));
            }
        }
        Ok(())
    }

    async fn twice(&mut self, one: &mut Connection, other: &mut Connection, number: u64) -> Result<()> {
        let call = self.numbered(number);
        let started = Instant::now();
        let (first, second) = tokio::join!(one.exchange(call.as_bytes()), other.exchange(call.as_bytes()));
        let results = [self.take(first?, started)?, self.take(second?, started)?];
        for result in results.iter().flatten() {
            self.is_right(result, number);
        }
        if results.iter().flatten().filter(|result| result["replayed"] != true).count() > 1 {
            self.tally.wrong.push(format!("both were executed: {results:?}"));
        }
        if results.iter().any(Option::is_some) {
            self.remember(number);
        }
        Ok(())
    }

    fn remember(&mut self, number: u64) {
        self.tally.written.push(number);
        if self.recent.len() >= 64 {
            self.recent.remove(0);
        }
        self.recent.push(number);
    }

    async fn send(&mut self, connection: &mut Connection, call: &str) -> Result<Option<Value>> {
        let started = Instant::now();
        let answer = connection.exchange(call.as_bytes()).await?;
        self.take(answer, started)
    }

    /// The result of a call; `None` where the gateway refused it early.
    fn take(&mut self, answer: Message, started: Instant) -> Result<Option<Value>> {
        if answer.status() == Some(503) {
            self.tally.refused += 1;
            self.tally.longest_refusal = self.tally.longest_refusal.max(started.elapsed());
            return Ok(None);
        }
        self.tally.latencies.push(started.elapsed());
        let result: Value = serde_json::from_slice(&answer.body).context("the answer is no JSON")?;
        self.tally.replayed += u64::from(result["replayed"] == true);
        Ok(Some(result))
    }

    fn is_right(&mut self, result: &Value, number: u64) {
        let id = format!("W-{number}");
        if result["status"] != "success" || result["body"]["id"] != id.as_str() {
            self.tally.wrong.push(format!("expected {id}: {result}"));
        }
    }

    fn expect(&mut self, result: Option<Value>, status: &str) {
        if let Some(result) = result.filter(|result| result["status"] != status) {
            self.tally.wrong.push(format!("expected {status}: {result}"));
        }
    }

    fn numbered(&self, number: u64) -> String {
        self.call("write", &number.to_string(), &number.to_string())
    }

    fn call(&self, name: &str, number: &str, id: &str) -> String {
        let conversation = number.parse::<u64>().map_or(0, |number| number / CALLS_A_CONVERSATION);
        // Reads and nonsense have no id of their own.
        let id = if id == number { format!("\"tool_call_id\":\"call_{id}\",") } else { String::new() };
        let body = format!(
            "{{\"name\":\"{name}\",{id}\"conversation_id\":\"c{conversation}\",\"arguments\":{{\"number\":{number}}}}}"
        );
        format!(
            "POST /v1/tool-calls HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n{body}",
            self.gateway,
            body.len()
        )
    }

    /// A random number (xorshift64).
    fn next(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}
