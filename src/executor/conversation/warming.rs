//! Connections and tokens that are made ready when a conversation starts.
//!
//! Connections belong to the thread that made them, and nobody knows which thread will have the
//! conversation's first call: so every thread that serves calls makes its own.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::egress::{Deadline, Limits, Route};
use crate::executor::gateway::Gateway;
use crate::executor::served::{Deployment, Upstream};

use super::warmers::Warmer;

/// How long a connection or a token may take to be ready.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection is taken for ready after it was made so.
const FRESH: Duration = Duration::from_secs(20);
/// Most bytes of an answer, of which there should be none.
const MAX_BYTES: usize = 1024;

/// A thread makes connections ready until this is dropped.
#[derive(Debug)]
pub struct Warming {
    gateway: Gateway,
    number: u64,
}

impl Drop for Warming {
    fn drop(&mut self) {
        self.gateway.warmers().retain(|one| one.number != self.number);
    }
}

impl Gateway {
    /// From now on this thread, whose runtime it is called in, has connections ready when a
    /// conversation starts.
    #[must_use]
    pub fn warm_here(&self) -> Warming {
        let mut warmers = self.warmers();
        let number = warmers.iter().map(|one| one.number + 1).max().unwrap_or(0);
        let (runtime, egress) = (Handle::current(), self.egress.clone());
        warmers.push(Warmer { number, runtime, egress, made: Arc::default() });
        drop(warmers);
        Warming { gateway: self.clone(), number }
    }

    fn warmers(&self) -> std::sync::MutexGuard<'_, Vec<Warmer>> {
        self.shared.warmers.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes ready what the environment's settings name, on every thread; waits for nothing.
    pub(super) fn warm(&self, deployment: &Arc<Deployment>, environment: &str) {
        let Some(environment) = deployment.environment(environment) else { return };
        if environment.warm.is_empty() {
            return;
        }
        let (gateway, warm) = (self.clone(), environment.warm.clone());
        drop(self.background.run(async move {
            join_all(warm.iter().map(|upstream| gateway.warm_token(upstream))).await;
        }));
        for warmer in self.warmers().iter().cloned() {
            let (warm, runtime) = (environment.warm.clone(), warmer.runtime.clone());
            // Nobody waits for it: it ends with the thread, or by its timeout.
            drop(runtime.spawn(async move { warmer.warm(&warm).await }));
        }
    }

    /// Has a token ready, which all threads share.
    async fn warm_token(&self, upstream: &Upstream) {
        let (deadline, tokens) = (Deadline::after(TIMEOUT), &self.shared.tokens);
        if let Err(error) = upstream.credentials.prepare(&self.egress, tokens, deadline).await {
            tracing::debug!(%error, "a token could not be had before it is needed");
        }
    }
}

impl Warmer {
    async fn warm(&self, upstreams: &[Arc<Upstream>]) {
        let stale = upstreams.iter().filter_map(|upstream| {
            let (route, connect_timeout) = (&upstream.route, upstream.http.connect_timeout);
            self.is_due(route, connect_timeout).then(|| self.connect(route, connect_timeout))
        });
        join_all(stale).await;
    }

    async fn connect(&self, route: &Route, connect_timeout: Duration) {
        let limits = Limits { connect_timeout, read_timeout: None, max_response_bytes: MAX_BYTES };
        if let Err(error) = self.egress.warm(route, limits, Deadline::after(TIMEOUT)).await {
            tracing::debug!(%error, "a connection could not be had before it is needed");
        }
    }

    /// Whether no connection was made ready a moment ago; notes that one is now.
    fn is_due(&self, route: &Route, connect_timeout: Duration) -> bool {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.retain(|_, at| at.elapsed() < FRESH);
        made.insert((route.origin(), connect_timeout), Instant::now()).is_none()
    }
}
