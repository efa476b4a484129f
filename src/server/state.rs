//! What the routes share.

use std::sync::Arc;

use arc_swap::ArcSwap;

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
}

impl AppState {
    /// Makes the state of a server.
    pub fn new(gateway: Gateway, settings: &Settings) -> Self {
        let keys = Arc::new(ArcSwap::from_pointee(Keys::new(&settings.keys)));
        Self { gateway, keys, server: Arc::new(settings.server.clone()) }
    }

    /// The same for a thread that makes its own connections to upstreams.
    #[must_use]
    pub fn for_worker(&self) -> Self {
        Self { gateway: self.gateway.for_worker(), ..self.clone() }
    }

    /// Takes the keys of reloaded settings; what `[server]` says holds until a restart.
    pub fn reload(&self, settings: &Settings) {
        self.keys.store(Arc::new(Keys::new(&settings.keys)));
    }

    /// What executes calls.
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    pub(super) fn keys(&self) -> arc_swap::Guard<Arc<Keys>> {
        self.keys.load()
    }

    pub(super) fn server(&self) -> &ServerSettings {
        &self.server
    }
}
