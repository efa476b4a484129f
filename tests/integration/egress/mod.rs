//! The way out: which addresses, over which connections, how many at a time.

mod guard;
mod http2;
mod oversize;
mod pressure;
mod proxy;
mod silence;
pub(crate) mod tls;
