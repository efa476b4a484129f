//! Whether the gateway may listen where the settings say.

use std::io;
use std::net::SocketAddr;

use crate::settings::Settings;

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
    if settings.is_exposed() { Err(ServeError::Exposed(settings.server.listen)) } else { Ok(()) }
}
