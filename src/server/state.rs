//! What the routes share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::agent::AgentTools;
use crate::executor::{Background, Gateway, Going};
use crate::settings::{ServerSettings, Settings};
use crate::telemetry::metrics::{Gauges, Metrics, of_environments};

use super::inbound::keys::Keys;
use super::mcp::Mcp;
use super::problem::{ProblemCode, ProblemDocument};
use super::reloader::Reloader;
use super::specs::KeptSpecs;

/// Most feeds that are followed at a time, in this process.
pub(super) const MAX_FOLLOWERS: usize = 256;
/// When to come again after the process had no room: calls are short.
pub(super) const ROOM_AFTER_SECONDS: u64 = 1;

/// How long a request waits for the check of another one.
const WORKSHOP_WAIT: Duration = Duration::from_secs(10);

/// What the routes share. A clone is one pointer, which threads do not share with
/// each other: each request takes several.
#[derive(Clone, Debug)]
pub struct AppState(Arc<Shared>);

#[derive(Clone, Debug)]
struct Shared {
    gateway: Gateway,
    /// Replaced whole on reload: a key that is taken away stops working then.
    keys: Arc<ArcSwap<Keys>>,
    server: Arc<ServerSettings>,
    /// Loads the project again; `None` where there is no directory to load it from.
    reloader: Option<Arc<Reloader>>,
    started_at: jiff::Timestamp,
    /// One for each project that may be compiled at a time because a page asks.
    workshop: Arc<Semaphore>,
    /// Whether definitions can be edited.
    is_editable: bool,
    /// Whether the server takes no more calls.
    stopping: Arc<AtomicBool>,
    specs: Arc<KeptSpecs>,
    agent_tools: Arc<AgentTools>,
    /// The calls under way: some of them may have lost their callers.
    running: Arc<Background>,
    /// One for each feed that the whole process may have followers of.
    followers: Arc<Semaphore>,
    /// Whether streams that stay open are to end.
    stop_bell: Arc<watch::Sender<bool>>,
    /// Whether calls are traced.
    is_tracing: bool,
    /// The MCP server.
    mcp: Arc<Mcp>,
    /// What is counted.
    metrics: Arc<Metrics>,
    /// One for each call that the whole process may have under way.
    places: Arc<Semaphore>,
}

/// A call under way; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct RunningCall {
    _going: Going,
    _place: OwnedSemaphorePermit,
}

impl AppState {
    /// Makes the state of a server.
    pub fn new(gateway: Gateway, settings: &Settings) -> Self {
        let server = Arc::new(settings.server.clone());
        let keys = Keys::new(settings, server.rate.as_ref(), None);
        let places = Arc::new(Semaphore::new(server.max_calls_in_flight));
        Self(Arc::new(Shared {
            gateway,
            keys: Arc::new(ArcSwap::from_pointee(keys)),
            server,
            reloader: None,
            started_at: jiff::Timestamp::now(),
            workshop: Arc::new(Semaphore::new(1)),
            is_editable: false,
            stopping: Arc::default(),
            running: Arc::default(),
            mcp: Arc::new(Mcp::new(&settings.mcp)),
            metrics: Arc::default(),
            is_tracing: settings.traces.endpoint.is_some(),
            specs: Arc::default(),
            agent_tools: Arc::default(),
            followers: Arc::new(Semaphore::new(MAX_FOLLOWERS)),
            stop_bell: Arc::new(watch::Sender::new(false)),
            places,
        }))
    }

    fn with(&self, change: impl FnOnce(&mut Shared)) -> Self {
        let mut shared = (*self.0).clone();
        change(&mut shared);
        Self(Arc::new(shared))
    }

    /// The same with a way to reload.
    #[must_use]
    pub fn with_reloader(self, reloader: Arc<Reloader>) -> Self {
        self.with(|shared| shared.reloader = Some(reloader))
    }

    /// The same, where those who may reload the project may edit its definitions too.
    #[must_use]
    pub fn with_edits(self) -> Self {
        self.with(|shared| shared.is_editable = true)
    }

    /// Whether definitions can be edited.
    pub(super) fn is_editable(&self) -> bool {
        self.0.is_editable
    }

    pub(super) fn reloader(&self) -> Option<&Arc<Reloader>> {
        self.0.reloader.as_ref()
    }

    /// The same with what `metrics` counts; the gateway must have it among its observers.
    #[must_use]
    pub fn with_metrics(self, metrics: Arc<Metrics>) -> Self {
        self.with(|shared| shared.metrics = metrics)
    }

    /// All metrics of the environments that `may_see` lets through, as text.
    pub(super) fn render_metrics(&self, may_see: &dyn Fn(&str) -> bool) -> String {
        let deployment = self.0.gateway.deployment();
        let all = self.0.metrics.render(&Gauges {
            in_flight: self.calls().0,
            token_fetches: deployment.token_fetches(),
            breakers: deployment.breakers(),
        });
        of_environments(&all, may_see)
    }

    /// Does `work` on a thread that does not serve calls, one job at a time: compiling a project may take seconds. A caller
    /// that hangs up before its turn leaves the queue.
    ///
    /// # Errors
    ///
    /// Its turn does not come in time, or it breaks.
    pub(super) async fn in_workshop<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ProblemDocument> {
        let turn = tokio::time::timeout(WORKSHOP_WAIT, self.0.workshop.clone().acquire_owned()).await;
        // It is never closed.
        let Ok(Ok(turn)) = turn else {
            let detail = "definitions are being checked for others; nothing was done";
            return Err(ProblemDocument::new(ProblemCode::Overloaded, detail).retry_after(ROOM_AFTER_SECONDS));
        };
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        done.await.map_err(|error| ProblemDocument::new(ProblemCode::Internal, error.to_string()))
    }

    /// What is counted.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Calls under way, and the most there may be.
    pub(super) fn calls(&self) -> (usize, usize) {
        let most = self.0.server.max_calls_in_flight;
        (most.saturating_sub(self.0.places.available_permits()), most)
    }

    /// When the server was made.
    pub(super) fn started_at(&self) -> jiff::Timestamp {
        self.0.started_at
    }

    /// Whether calls are traced.
    pub(super) fn is_tracing(&self) -> bool {
        self.0.is_tracing
    }

    /// No more calls are taken from now on.
    pub(super) fn stop(&self) {
        self.0.stopping.store(true, Ordering::Release);
        self.0.mcp.stop();
        self.0.stop_bell.send_replace(true);
    }

    /// Done when no more calls are taken.
    pub(super) fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stopping = self.0.stop_bell.subscribe();
        async move {
            // The sender is gone only with the server.
            let _ = stopping.wait_for(|stopping| *stopping).await;
        }
    }

    /// A place among those who follow feeds; `None` where there is none left.
    pub(super) fn follow(&self) -> Option<OwnedSemaphorePermit> {
        self.0.followers.clone().try_acquire_owned().ok()
    }

    /// Whether no more calls are taken.
    pub(super) fn is_stopping(&self) -> bool {
        self.0.stopping.load(Ordering::Acquire)
    }

    /// The same for a thread that makes its own connections to upstreams.
    #[must_use]
    pub fn for_worker(&self) -> Self {
        self.with(|shared| {
            shared.gateway = shared.gateway.for_worker();
            shared.running = Arc::default();
        })
    }

    /// Takes the keys of reloaded settings, and tells MCP clients whose tools have changed; what `[server]` says holds until a restart.
    pub fn reload(&self, settings: &Settings) {
        let keys = Keys::new(settings, self.0.server.rate.as_ref(), Some(&self.keys()));
        self.0.keys.store(Arc::new(keys));
        self.0.mcp.reloaded();
    }

    /// What executes calls.
    pub fn gateway(&self) -> &Gateway {
        &self.0.gateway
    }

    /// Whether one more call may be under way.
    pub(super) fn has_room(&self) -> bool {
        self.0.places.available_permits() > 0
    }

    /// Counts `calls` until what comes back is dropped, one by one; all or none
    /// of them, so that no part of a request is executed.
    ///
    /// # Errors
    ///
    /// There is no room for all of them.
    pub(super) fn begin_calls(&self, calls: usize) -> Result<Vec<RunningCall>, ProblemDocument> {
        let all = u32::try_from(calls)
            .ok()
            .and_then(|calls| self.0.places.clone().try_acquire_many_owned(calls).ok());
        let mut places = all.ok_or_else(no_room)?;
        let begun = std::iter::from_fn(|| places.split(1))
            .take(calls)
            .map(|place| RunningCall { _going: self.0.running.enter(), _place: place });
        Ok(begun.collect())
    }

    /// Whether the page at `/console/` is served.
    pub(super) fn has_console(&self) -> bool {
        self.0.server.has_console()
    }

    pub(super) fn running(&self) -> Arc<Background> {
        self.0.running.clone()
    }

    pub(super) fn keys(&self) -> arc_swap::Guard<Arc<Keys>> {
        self.0.keys.load()
    }

    /// Whether keys guard the gateway.
    pub(super) fn has_keys(&self) -> bool {
        !self.keys().is_empty()
    }

    #[cfg(feature = "mcp")]
    pub(super) fn mcp(&self) -> &Arc<Mcp> {
        &self.0.mcp
    }

    pub(super) fn specs(&self) -> &KeptSpecs {
        &self.0.specs
    }

    /// The tools of agents, as models take them.
    pub(super) fn agent_tools(&self) -> &Arc<AgentTools> {
        &self.0.agent_tools
    }

    pub(super) fn server(&self) -> &ServerSettings {
        &self.0.server
    }
}

/// The process has no room for a call.
pub(super) fn no_room() -> ProblemDocument {
    let detail = "too many calls are in flight (`max_calls_in_flight`); nothing was done";
    ProblemDocument::new(ProblemCode::Overloaded, detail).retry_after(ROOM_AFTER_SECONDS)
}
