//! What the routes of the MCP server share.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::settings::McpSettings;

use super::sessions::Sessions;

/// What the routes of the MCP server share.
#[derive(Debug)]
pub(crate) struct Mcp {
    pub(super) sessions: Arc<Sessions>,
    /// By when a call is answered, unless its request says otherwise.
    pub(super) deadline: Duration,
    /// Counts reloads.
    pub(super) reloads: watch::Sender<u64>,
    /// Whether streams that stay open are to end.
    stopping: watch::Sender<bool>,
}

impl Mcp {
    pub(crate) fn new(settings: &McpSettings) -> Self {
        let idle = Duration::from_millis(settings.session_idle_ms);
        Self {
            sessions: Arc::new(Sessions::new(settings.max_sessions, idle)),
            deadline: Duration::from_millis(settings.deadline_ms),
            reloads: watch::Sender::new(0),
            stopping: watch::Sender::new(false),
        }
    }

    /// Another deployment is served: those whose tools have changed are told.
    pub(crate) fn reloaded(&self) {
        self.reloads.send_modify(|reloads| *reloads += 1);
    }

    /// Ends the streams that wait for news; calls under way are answered.
    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Done when [`Self::stop`] has been called.
    pub(super) fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stopping = self.stopping.subscribe();
        async move {
            // The sender is gone only with the server.
            let _ = stopping.wait_for(|stopping| *stopping).await;
        }
    }
}
