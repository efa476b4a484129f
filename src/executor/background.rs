//! What goes on although nobody may wait for its result: hooks, and calls whose callers hung up.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Counts what goes on, so that a stop can wait for it.
#[derive(Debug, Default)]
pub(crate) struct Background {
    count: AtomicUsize,
    ended: Notify,
}

/// Something that goes on; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Going(Arc<Background>);

impl Drop for Going {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::AcqRel);
        self.0.ended.notify_waiters();
    }
}

impl Background {
    /// Counts one more until what comes back is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> Going {
        self.count.fetch_add(1, Ordering::AcqRel);
        Going(self.clone())
    }

    /// Does `work` to its end, whether somebody waits for it or not.
    #[expect(clippy::disallowed_methods, reason = "waited for by `none` at shutdown")]
    pub(super) fn run<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        let going = self.enter();
        tokio::spawn(async move {
            let done = work.await;
            drop(going);
            done
        })
    }

    /// Done when nothing goes on any more.
    pub(crate) async fn none(&self) {
        loop {
            // Asked for before the look, so that no end falls between the two.
            let ended = self.ended.notified();
            if self.count.load(Ordering::Acquire) == 0 {
                return;
            }
            ended.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_stop_waits_for_what_nobody_else_waits_for() {
        let background = Arc::new(Background::default());
        background.none().await;
        let (go, gone) = oneshot::channel::<()>();
        drop(background.run(gone));
        let mut waiting = std::pin::pin!(background.none());
        assert!(futures_util::poll!(&mut waiting).is_pending());
        go.send(()).unwrap();
        waiting.await;
    }
}
