//! Pooled HTTP clients, one for each way out and connect timeout.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock, Weak};
use std::time::Duration;

use rustls::ClientConfig;

use super::error::EgressError;
use super::guard::{Lookup, Resolver};
use super::timing::TimedConnects;
use super::tls;
use super::ways::{Outlet, Way};

/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(90);

/// The clients of one thread's door. A client fixes the connect timeout and
/// judges addresses for one way, and so do its pooled connections.
#[derive(Debug)]
pub(super) struct Clients {
    lookup: Lookup,
    known: RwLock<HashMap<Key, Known>>,
}

/// A way, by where it stands in memory, and a connect timeout.
type Key = (usize, Duration);

#[derive(Debug)]
struct Known {
    /// Keeps the place in memory, so that no other way can stand there.
    way: Weak<Way>,
    client: reqwest::Client,
}

impl Clients {
    pub(super) fn new(lookup: Lookup) -> Self {
        Self { lookup, known: RwLock::default() }
    }

    /// Clients of their own for another thread; names are looked up together.
    pub(super) fn for_worker(&self) -> Self {
        Self::new(self.lookup.clone())
    }

    /// The client for `way`, made at its first use.
    pub(super) fn get(
        &self,
        way: &Arc<Way>,
        connect_timeout: Duration,
    ) -> Result<reqwest::Client, EgressError> {
        let key = (Arc::as_ptr(way).addr(), connect_timeout);
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = known.get(&key) {
                return Ok(known.client.clone());
            }
        }
        // Such as a system without any authorities.
        let tls = match &way.tls {
            Some(tls) => tls.config(),
            None => system_tls(),
        };
        let tls = tls.map_err(|error| EgressError::Unsendable(error.into()))?;
        let client = self.build(way, tls, connect_timeout);
        let client = client.map_err(|error| EgressError::Unsendable(error.into()))?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        // Ways that a reload has taken away.
        known.retain(|_, known| known.way.strong_count() > 0);
        known.insert(key, Known { way: Arc::downgrade(way), client: client.clone() });
        Ok(client)
    }

    fn build(
        &self,
        way: &Way,
        tls: ClientConfig,
        connect_timeout: Duration,
    ) -> reqwest::Result<reqwest::Client> {
        let Outlet { policy, proxy } = &way.outlet;
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            // Whether a request is sent again is for the action's own policy to say, and is counted.
            .retry(reqwest::retry::never())
            .no_proxy();
        let mut policy = policy.clone();
        if let Some(proxy) = proxy {
            // Naming it allows it; every name but its own is looked up at its end.
            policy = policy.with_host(proxy.host_str().unwrap_or_default());
            builder = builder.proxy(reqwest::Proxy::all(proxy.as_str())?);
        }
        builder
            .tls_backend_preconfigured(tls)
            .connector_layer(TimedConnects)
            .dns_resolver(Resolver::new(policy, self.lookup.clone()))
            .tcp_nodelay(true)
            .connect_timeout(connect_timeout)
            .pool_idle_timeout(IDLE)
            .user_agent(concat!("callgate/", env!("CARGO_PKG_VERSION")))
            .build()
    }
}

/// TLS by the system's authorities, which are read once for the process: all clients share them, and the sessions that can
/// be resumed.
///
/// # Errors
///
/// The authorities cannot be read.
fn system_tls() -> Result<ClientConfig, rustls::Error> {
    static SYSTEM: OnceLock<ClientConfig> = OnceLock::new();
    if let Some(known) = SYSTEM.get() {
        return Ok(known.clone());
    }
    let config = tls::config(&[], None)?;
    Ok(SYSTEM.get_or_init(|| config).clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::guard::LookUps;

    #[test]
    fn clients_of_ways_that_a_reload_took_away_are_dropped() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let clients = Clients::new(Lookup::System(LookUps::default()));
        let way = || Arc::new(Way { outlet: Outlet::default(), tls: None });
        let (kept, gone) = (way(), way());
        let second = Duration::from_secs(1);
        for _ in 0..3 {
            clients.get(&kept, second).unwrap();
            clients.get(&gone, second).unwrap();
        }
        let count = || clients.known.read().unwrap().len();
        assert_eq!(count(), 2);
        drop(gone);
        clients.get(&way(), second).unwrap();
        assert_eq!(count(), 2);
        clients.get(&kept, 2 * second).unwrap();
        assert_eq!(count(), 2, "a connect timeout of its own, in place of a way that is gone");
    }
}
