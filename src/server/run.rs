//! Listening, and stopping without losing a call.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;

use crate::settings::Settings;

use super::{AppState, router};

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Anybody on the network could call.
    #[error(
        "refusing to listen on {0}, which is not loopback, without a key: run `callgate keygen` and add its [[keys]] to callgate.toml"
    )]
    Exposed(SocketAddr),
    /// Listening failed later on.
    #[error("the server failed")]
    Io(#[from] io::Error),
}

/// Refuses an address that the network can reach while no key guards it.
///
/// # Errors
///
/// [`ServeError::Exposed`].
pub fn check_exposure(settings: &Settings) -> Result<(), ServeError> {
    let listen = settings.server.listen;
    if settings.keys.is_empty() && !listen.ip().is_loopback() {
        return Err(ServeError::Exposed(listen));
    }
    Ok(())
}

/// Serves until `stop` is done; then takes no more calls and lets those under
/// way finish, for `grace` at most.
///
/// # Errors
///
/// The listener fails.
pub async fn serve(
    listener: TcpListener,
    state: AppState,
    stop: impl Future<Output = ()> + Send + 'static,
    grace: Duration,
) -> Result<(), ServeError> {
    let (stopped, mut when_stopped) = tokio::sync::watch::channel(());
    let stop = async move {
        stop.await;
        drop(stopped);
    };
    // Answers are small and awaited by a person: never wait to fill a packet.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
    });
    let serving = axum::serve(listener, router(state)).with_graceful_shutdown(stop);
    let overdue = async {
        let _ = when_stopped.changed().await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        served = async { serving.await } => served.map_err(ServeError::from),
        () = overdue => {
            tracing::warn!(grace_ms = grace.as_millis(), "calls were still under way at the end of the grace period");
            Ok(())
        }
    }
}
