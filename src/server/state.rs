//! What the routes share.

use std::sync::Arc;

use crate::executor::Gateway;
use crate::settings::{ServerSettings, Settings};

use super::keys::Keys;

/// What the routes share. A clone is a pointer.
#[derive(Clone, Debug)]
pub struct AppState(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    gateway: Gateway,
    keys: Keys,
    server: ServerSettings,
}

impl AppState {
    /// Makes the state of a server.
    pub fn new(gateway: Gateway, settings: &Settings) -> Self {
        let keys = Keys::new(&settings.keys);
        Self(Arc::new(Inner { gateway, keys, server: settings.server.clone() }))
    }

    /// The same for a thread that makes its own connections to upstreams.
    #[must_use]
    pub fn for_worker(&self) -> Self {
        let Inner { gateway, keys, server } = &*self.0;
        Self(Arc::new(Inner { gateway: gateway.for_worker(), keys: keys.clone(), server: server.clone() }))
    }

    /// What executes calls.
    pub fn gateway(&self) -> &Gateway {
        &self.0.gateway
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.0.keys
    }

    pub(super) fn server(&self) -> &ServerSettings {
        &self.0.server
    }
}
