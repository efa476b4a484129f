//! Work that goes on when nobody waits for it any more.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use futures_util::future::CatchUnwind;
use tokio::runtime::Handle;

/// Work that is done where it is waited for, and by a task of its own from the moment that its
/// waiter is dropped. A task for each call would cost more than many calls do.
pub(super) struct Unbroken<F: Future + Send + 'static>(Option<Pin<Box<CatchUnwind<AssertUnwindSafe<F>>>>>);

/// The work panicked.
#[derive(Debug)]
pub(super) struct Panicked;

impl<F: Future + Send + 'static> Unbroken<F> {
    pub(super) fn new(work: F) -> Self {
        Self(Some(Box::pin(AssertUnwindSafe(work).catch_unwind())))
    }
}

impl<F: Future + Send + 'static> Future for Unbroken<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = &mut self.0 else { return Poll::Pending };
        let ended = work.as_mut().poll(context);
        if ended.is_ready() {
            self.0 = None;
        }
        ended.map(|ended| ended.map_err(|_| Panicked))
    }
}

impl<F: Future + Send + 'static> Drop for Unbroken<F> {
    fn drop(&mut self) {
        // Without a runtime there is nobody who could go on with it.
        // What it holds counts it, so that a stop of the server waits for it.
        if let (Some(work), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(async move { drop(work.await) });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn what_is_waited_for_is_had() {
        assert_eq!(Unbroken::new(async { 7 }).await.unwrap(), 7);
        let panicking = Unbroken::new(async {
            tokio::task::yield_now().await;
            std::panic::resume_unwind(Box::new("x"))
        });
        let ended: Result<(), Panicked> = panicking.await;
        assert!(ended.is_err());
    }

    #[tokio::test]
    async fn what_is_dropped_goes_on() {
        let (gate, done) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
        let work = |begun: bool| {
            let (gate, done) = (gate.clone(), done.clone());
            let mut work = Box::pin(Unbroken::new(async move {
                gate.notified().await;
                done.fetch_add(1, Ordering::SeqCst);
            }));
            if begun {
                assert!(work.as_mut().now_or_never().is_none());
            }
            work
        };
        async fn settle() {
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        }
        for begun in [false, true] {
            drop(work(begun));
        }
        settle().await;
        assert_eq!(done.load(Ordering::SeqCst), 0);
        gate.notify_waiters();
        settle().await;
        assert_eq!(done.load(Ordering::SeqCst), 2);
    }
}
