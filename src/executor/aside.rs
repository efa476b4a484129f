//! Long work beside the threads that serve calls.
//!
//! Each thread of the server serves many calls, and one that computes for long keeps all others waiting.
//! So a call that is about to do long work takes a seat, of which there are few, and moves: what it does
//! until it next waits for something is done by a thread for blocking work. A [`Movable`] around the
//! call does the moving; without one, the work is done where it is.

use std::cell::Cell;
use std::fmt;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::egress::{Deadline, DeadlineExceeded};

/// Calls that wait for a seat, for each seat there is.
const MAX_WAITING: usize = 64;

thread_local! {
    static PLACE: Cell<Place> = const { Cell::new(Place::Fixed) };
}

/// Where a call is at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Where it stays: nobody moves it.
    Fixed,
    /// On a thread of the server.
    Served,
    /// The same, and it wants to move.
    Leaving,
    /// On a thread for blocking work.
    Aside,
}

/// The seats.
#[derive(Debug)]
pub(super) struct Seats {
    free: Arc<Semaphore>,
    count: usize,
    waiting: AtomicUsize,
}

/// The right to do long work; free again when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    _permit: Option<OwnedSemaphorePermit>,
}

/// Why there is no seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoSeat {
    /// The deadline passed before one was free.
    TooLate,
    /// As many calls wait for one as may.
    Full,
}

impl Default for Seats {
    /// Half as many as there are processors: the others serve the calls that need none.
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self::new((processors / 2).max(1))
    }
}

impl Seats {
    pub(super) fn new(count: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(count)), count, waiting: AtomicUsize::new(0) }
    }

    /// Waits for a seat and moves to it.
    pub(super) async fn take(&self, deadline: Deadline) -> Result<Seat, NoSeat> {
        if PLACE.get() == Place::Fixed {
            return Ok(Seat { _permit: None });
        }
        let seat = self.wait_for_one(deadline).await?;
        Leave.await;
        if deadline.left().is_zero() { Err(NoSeat::TooLate) } else { Ok(seat) }
    }

    /// Has `work` done at a seat, and moves to it, if the call can be moved. If the deadline comes first, the call goes on
    /// without: what cannot be interrupted keeps its seat until it ends.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        deadline: Deadline,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<(T, Seat), NoSeat> {
        let seat = self.wait_for_one(deadline).await?;
        match deadline.within(spawn_blocking(move || (work(), seat))).await {
            Ok(Ok(done)) => {
                Leave.await;
                Ok(done)
            }
            Ok(Err(error)) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime ends, and all that runs on it.
                Err(_) => std::future::pending().await,
            },
            Err(DeadlineExceeded) => Err(NoSeat::TooLate),
        }
    }

    /// Waits for a seat.
    async fn wait_for_one(&self, deadline: Deadline) -> Result<Seat, NoSeat> {
        let permit = match self.free.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let _waiting = Waiting::begin(&self.waiting, self.count * MAX_WAITING).ok_or(NoSeat::Full)?;
                let acquired = deadline.within(self.free.clone().acquire_owned()).await;
                // It is never closed.
                acquired.ok().and_then(Result::ok).ok_or(NoSeat::TooLate)?
            }
        };
        Ok(Seat { _permit: Some(permit) })
    }
}

/// One more waits, until this is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(waiting: &'a AtomicUsize, most: usize) -> Option<Self> {
        let one = Self(waiting);
        // Counted off again when `one` is dropped.
        (waiting.fetch_add(1, Ordering::AcqRel) < most).then_some(one)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Done when the call is no longer on a thread of the server.
struct Leave;

impl Future for Leave {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        match PLACE.get() {
            Place::Fixed | Place::Aside => Poll::Ready(()),
            Place::Served | Place::Leaving => {
                // `Movable` sees this and goes on elsewhere at once: nobody has to wake it.
                PLACE.set(Place::Leaving);
                Poll::Pending
            }
        }
    }
}

/// Work that can move to another thread while it goes on.
pub struct Movable<F: Future>(State<F>);

impl<F: Future> fmt::Debug for Movable<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Movable").finish_non_exhaustive()
    }
}

/// Work that has been polled elsewhere, and what came of that.
type Moved<F> = (Pin<Box<F>>, Poll<<F as Future>::Output>);

enum State<F: Future> {
    Here(Pin<Box<F>>),
    Aside(JoinHandle<Moved<F>>),
    Over,
}

impl<F> Movable<F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    /// Work that begins where it is first polled.
    pub fn new(work: F) -> Self {
        Self(State::Here(Box::pin(work)))
    }
}

impl<F> Future for Movable<F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let state = &mut self.get_mut().0;
        loop {
            match std::mem::replace(state, State::Over) {
                State::Here(mut work) => match poll_at(Place::Served, &mut work, context) {
                    (Poll::Ready(output), _) => return Poll::Ready(output),
                    (Poll::Pending, Place::Leaving) => {
                        let waker = context.waker().clone();
                        *state = State::Aside(spawn_blocking(move || {
                            let (polled, _) =
                                poll_at(Place::Aside, &mut work, &mut Context::from_waker(&waker));
                            (work, polled)
                        }));
                    }
                    (Poll::Pending, _) => {
                        *state = State::Here(work);
                        return Poll::Pending;
                    }
                },
                State::Aside(mut moved) => match Pin::new(&mut moved).poll(context) {
                    Poll::Pending => {
                        *state = State::Aside(moved);
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok((_, Poll::Ready(output)))) => return Poll::Ready(output),
                    // What woke it meanwhile woke this: looked at once more.
                    Poll::Ready(Ok((work, Poll::Pending))) => *state = State::Here(work),
                    Poll::Ready(Err(error)) => match error.try_into_panic() {
                        Ok(panic) => resume_unwind(panic),
                        // The runtime ends, and all that runs on it.
                        Err(_) => return Poll::Pending,
                    },
                },
                State::Over => return Poll::Pending,
            }
        }
    }
}

/// Polls `work` as being at `place`; says where it wants to be afterwards.
fn poll_at<F: Future>(
    place: Place,
    work: &mut Pin<Box<F>>,
    context: &mut Context<'_>,
) -> (Poll<F::Output>, Place) {
    /// Puts the place of the outer work back, also after a panic.
    struct Outer(Place);
    impl Drop for Outer {
        fn drop(&mut self) {
            PLACE.set(self.0);
        }
    }
    let _outer = Outer(PLACE.replace(place));
    let polled = work.as_mut().poll(context);
    (polled, PLACE.get())
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use futures_util::FutureExt as _;

    fn soon() -> Deadline {
        Deadline::after(Duration::from_secs(60))
    }

    #[tokio::test]
    async fn long_work_is_done_on_another_thread_and_what_follows_a_wait_is_not() {
        let (seats, here) = (Arc::new(Seats::new(1)), thread::current().id());
        let work = Movable::new(async move {
            let before = thread::current().id();
            let seat = seats.take(soon()).await.expect("a seat");
            let during = thread::current().id();
            drop(seat);
            // Ready only where it was before: elsewhere it has to wait, and so to go back.
            poll_fn(|context| match thread::current().id() == here {
                true => Poll::Ready(()),
                false => {
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
            })
            .await;
            (before, during)
        });
        let (before, during) = work.await;
        assert_eq!(before, here);
        assert_ne!(during, here);
    }

    #[tokio::test]
    async fn work_that_nobody_moves_stays_where_it_is() {
        let here = thread::current().id();
        let _seat = Seats::new(1).take(soon()).await.expect("a seat");
        assert_eq!(thread::current().id(), here);
    }

    #[tokio::test]
    async fn who_finds_no_seat_waits_until_the_deadline_and_one_too_many_does_not() {
        let seats = Arc::new(Seats::new(1));
        let taken = seats.free.clone().try_acquire_owned().expect("a seat");
        let take = |deadline: Deadline| {
            let seats = seats.clone();
            Movable::new(async move { seats.take(deadline).await.map(drop) })
        };
        assert_eq!(take(Deadline::after(Duration::ZERO)).await, Err(NoSeat::TooLate));
        let mut waiting: Vec<_> = (0..MAX_WAITING).map(|_| take(soon())).collect();
        for one in &mut waiting {
            assert!(one.now_or_never().is_none());
        }
        assert_eq!(take(soon()).await, Err(NoSeat::Full));
        drop(taken);
        for one in waiting {
            assert_eq!(one.await, Ok(()));
        }
        assert_eq!(seats.waiting.load(Ordering::Acquire), 0);
    }

    #[tokio::test]
    async fn who_has_no_time_left_goes_on_without_the_work_which_keeps_its_seat_until_it_ends() {
        let seats = Arc::new(Seats::new(1));
        let (end, until) = std::sync::mpsc::channel::<()>();
        let all = seats.clone();
        let call = Movable::new(async move {
            let work = move || until.recv().is_ok();
            all.run(Deadline::after(Duration::from_millis(1)), work).await.map(|(done, _)| done)
        });
        assert_eq!(call.await, Err(NoSeat::TooLate));
        assert_eq!(seats.free.available_permits(), 0);
        end.send(()).expect("the work goes on");
        drop(seats.free.clone().acquire_owned().await.expect("a seat"));
    }

    #[tokio::test]
    async fn what_follows_the_work_is_done_at_its_seat() {
        let (seats, here) = (Arc::new(Seats::new(1)), thread::current().id());
        let all = seats.clone();
        let work = Movable::new(async move {
            let (during, seat) = all.run(soon(), || thread::current().id()).await.expect("a seat");
            let after = (thread::current().id(), all.free.available_permits());
            drop(seat);
            (during, after)
        });
        let (during, (after, free)) = work.await;
        assert!(during != here && after != here);
        assert_eq!((free, seats.free.available_permits()), (0, 1));
    }

    #[tokio::test]
    async fn a_panic_aside_is_the_panic_of_the_work() {
        let seats = Seats::new(1);
        let work = Movable::new(async move {
            let _seat = seats.take(soon()).await;
            resume_unwind(Box::new("aside"))
        });
        let ended: Result<(), _> = std::panic::AssertUnwindSafe(work).catch_unwind().await;
        assert_eq!(ended.expect_err("a panic").downcast_ref::<&str>(), Some(&"aside"));
    }
}
