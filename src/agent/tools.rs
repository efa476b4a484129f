//! How a turn has its calls executed.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::dialect::Outcome;
use crate::executor::{CallControl, Started};
use crate::tool::ToolCall;

/// Executes the calls of a turn. The server implements it: it counts calls, and knows what a caller waits for.
pub trait Tools: Clone + Send + Sync + 'static {
    /// A result that the caller has yet to hear of. Dropped, the caller has hung up before.
    type Waiting: Send + 'static;

    /// Begins the calls of one round; each does nothing until it is polled. They come back in their order.
    fn begin(&self, calls: Vec<ToolCall>) -> Vec<BegunCall<Self::Waiting>>;

    /// The caller has heard of a result.
    fn answered(&self, waiting: Self::Waiting) -> impl Future<Output = ()> + Send;

    /// The caller has hung up while the call is under way: what is not sent is cancelled, what is sent runs to its end.
    fn abandoned(&self, call: BegunCall<Self::Waiting>) -> impl Future<Output = Outcome> + Send;
}

/// A call that is under way.
pub struct BegunCall<W> {
    /// How far it is.
    pub control: Arc<CallControl>,
    /// Told when it goes ahead.
    pub started: oneshot::Receiver<Started>,
    /// What comes of it, and who has yet to hear of that.
    pub work: CallWork<W>,
}

/// What comes of a call, in its own time.
pub type CallWork<W> = Pin<Box<dyn Future<Output = (Outcome, Option<W>)> + Send>>;
