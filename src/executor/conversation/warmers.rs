//! The threads that make connections ready.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::egress::Egress;

/// The threads that make connections ready.
#[derive(Debug, Default)]
pub(in crate::executor) struct Warmers(pub(super) Mutex<Vec<Warmer>>);

/// A thread with connections of its own.
#[derive(Clone, Debug)]
pub(super) struct Warmer {
    pub(super) number: u64,
    pub(super) runtime: Handle,
    pub(super) egress: Egress,
    /// When a connection was made ready last, by origin and connect timeout.
    pub(super) made: Arc<Mutex<HashMap<(String, Duration), Instant>>>,
}
