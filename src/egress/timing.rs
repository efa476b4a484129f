//! When the steps of an exchange with an upstream happened.
//!
//! The client library makes a connection within the future of the request that needs it, and tells nobody of it. So the
//! request has its [`Marks`] with it, and what is asked on the way (the resolver, the connector, the store of TLS
//! sessions) marks the moment in them. A request that takes a connection of the pool has no such marks.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Instant;

use rustls::NamedGroup;
use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::pki_types::ServerName;
use tower_layer::Layer;
use tower_service::Service;

/// Sessions that are kept to be resumed, as the TLS library keeps them by itself.
const KEPT_SESSIONS: usize = 256;

tokio::task_local! {
    static MARKS: Option<Arc<Marks>>;
}

/// The moments of one exchange.
#[derive(Debug, Default)]
pub struct Marks {
    /// The name is looked up.
    pub looked_up: OnceLock<Instant>,
    /// Its addresses are known.
    pub resolved: OnceLock<Instant>,
    /// A connection is being made.
    pub connecting: OnceLock<Instant>,
    /// The connection stands, and keys are agreed on.
    pub shaking_hands: OnceLock<Instant>,
    /// The connection can be used.
    pub connected: OnceLock<Instant>,
    /// The head of the answer has come.
    pub head: OnceLock<Instant>,
}

/// Polls `work` with these marks.
pub(super) async fn marking<T>(marks: Option<Arc<Marks>>, work: impl Future<Output = T>) -> T {
    MARKS.scope(marks, work).await
}

/// Marks a moment of the current exchange; the first mark of its kind holds.
pub(super) fn mark(which: impl FnOnce(&Marks) -> &OnceLock<Instant>) {
    // Outside of an exchange there is nothing to mark.
    let _ = MARKS.try_with(|marks| {
        if let Some(marks) = marks {
            let _ = which(marks).set(Instant::now());
        }
    });
}

/// Marks when connections are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimedConnects;

impl<S> Layer<S> for TimedConnects {
    type Service = TimedConnector<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TimedConnector { inner }
    }
}

/// A connector whose connections are marked.
#[derive(Clone, Debug)]
pub(super) struct TimedConnector<S> {
    inner: S,
}

impl<S, R> Service<R> for TimedConnector<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let connecting = self.inner.call(request);
        Box::pin(async move {
            mark(|marks| &marks.connecting);
            let connection = connecting.await;
            if connection.is_ok() {
                mark(|marks| &marks.connected);
            }
            connection
        })
    }
}

/// The store of TLS sessions, which is asked for one when a handshake begins.
pub(super) struct TimedSessions(ClientSessionMemoryCache);

impl TimedSessions {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(ClientSessionMemoryCache::new(KEPT_SESSIONS)))
    }
}

impl fmt::Debug for TimedSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TimedSessions")
    }
}

impl ClientSessionStore for TimedSessions {
    fn set_kx_hint(&self, server: ServerName<'static>, group: NamedGroup) {
        self.0.set_kx_hint(server, group);
    }

    fn kx_hint(&self, server: &ServerName<'_>) -> Option<NamedGroup> {
        mark(|marks| &marks.shaking_hands);
        self.0.kx_hint(server)
    }

    fn set_tls12_session(&self, server: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.0.set_tls12_session(server, value);
    }

    fn tls12_session(&self, server: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.0.tls12_session(server)
    }

    fn remove_tls12_session(&self, server: &ServerName<'static>) {
        self.0.remove_tls12_session(server);
    }

    fn insert_tls13_ticket(&self, server: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.0.insert_tls13_ticket(server, value);
    }

    fn take_tls13_ticket(&self, server: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.take_tls13_ticket(server)
    }
}
