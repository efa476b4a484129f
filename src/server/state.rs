//! What the routes share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use crate::executor::Gateway;
use crate::settings::{ServerSettings, Settings};

use super::keys::Keys;

/// What the routes share. A clone is a few pointers.
#[derive(Clone, Debug)]
pub struct AppState {
    gateway: Gateway,
    /// Replaced whole on reload: a key that is taken away stops working then.
    keys: Arc<ArcSwap<Keys>>,
    server: Arc<ServerSettings>,
    /// The calls under way: some of them may have lost their callers.
    running: Arc<Running>,
}

/// Counts calls under way.
#[derive(Debug, Default)]
pub(super) struct Running {
    count: AtomicUsize,
    ended: Notify,
}

impl Running {
    /// Done when no call is under way.
    pub(super) async fn none(&self) {
        loop {
            // Asked for before the look, so that no end falls between the two.
            let ended = self.ended.notified();
            if self.count.load(Ordering::Acquire) == 0 {
                return;
            }
            ended.await;
        }
    }
}

/// A call under way; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct RunningCall(Arc<Running>);

impl Drop for RunningCall {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::AcqRel);
        self.0.ended.notify_waiters();
    }
}

impl AppState {
    /// Makes the state of a server.
    pub fn new(gateway: Gateway, settings: &Settings) -> Self {
        let keys = Arc::new(ArcSwap::from_pointee(Keys::new(&settings.keys)));
        Self { gateway, keys, server: Arc::new(settings.server.clone()), running: Arc::default() }
    }

    /// The same for a thread that makes its own connections to upstreams.
    #[must_use]
    pub fn for_worker(&self) -> Self {
        Self { gateway: self.gateway.for_worker(), running: Arc::default(), ..self.clone() }
    }

    /// Takes the keys of reloaded settings; what `[server]` says holds until a restart.
    pub fn reload(&self, settings: &Settings) {
        self.keys.store(Arc::new(Keys::new(&settings.keys)));
    }

    /// What executes calls.
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Counts a call until what comes back is dropped.
    pub(super) fn begin_call(&self) -> RunningCall {
        self.running.count.fetch_add(1, Ordering::AcqRel);
        RunningCall(self.running.clone())
    }

    pub(super) fn running(&self) -> Arc<Running> {
        self.running.clone()
    }

    pub(super) fn keys(&self) -> arc_swap::Guard<Arc<Keys>> {
        self.keys.load()
    }

    pub(super) fn server(&self) -> &ServerSettings {
        &self.server
    }
}
