//! A turn as a stream of events, which runs while it is polled.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;
use tokio::sync::mpsc;

use super::request::AgentEvent;
use crate::executor::Movable;

/// Events that wait for the caller to take them.
pub(super) const BUFFERED: usize = 16;

/// A turn. Dropped before its last event, its caller has hung up: the model is no longer listened to, a call that is not
/// sent is not made, and one that is sent runs to its end.
pub struct AgentStream {
    events: mpsc::Receiver<AgentEvent>,
    /// `None` once it is done.
    turn: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl AgentStream {
    pub(super) fn new(
        events: mpsc::Receiver<AgentEvent>,
        turn: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        Self { events, turn: Some(Box::pin(Movable::new(turn))) }
    }
}

impl Stream for AgentStream {
    type Item = AgentEvent;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<AgentEvent>> {
        if let Poll::Ready(Some(event)) = self.events.poll_recv(context) {
            return Poll::Ready(Some(event));
        }
        if let Some(turn) = &mut self.turn
            && turn.as_mut().poll(context).is_ready()
        {
            self.turn = None;
        }
        self.events.poll_recv(context)
    }
}
