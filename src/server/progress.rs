//! Answers that must go on: who takes nothing of one for too long is let go.
//!
//! Over HTTP/1 that shows in the connection, whose writes wait ([`Progress`]). A client of HTTP/2 can keep one stream
//! waiting by opening no window for it, while the connection has nothing to write and pings are answered; so each
//! stream is watched too ([`Streams`], [`Watched`]).

use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use hyper::rt::Executor;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// A connection of which every write must get some of its bytes out in time. Time in which there is nothing to write
/// does not count: a stream of events may be silent for as long as it likes.
#[derive(Debug)]
pub(super) struct Progress<S> {
    stream: S,
    patience: Duration,
    /// Runs while a write waits.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Progress<S> {
    pub(super) fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, stalled: None }
    }

    /// What came of a write, or that it has waited for too long.
    fn judge<T>(&mut self, written: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(stalled.as_mut().poll(context));
        // Whoever asks again is told so again at once.
        stalled.as_mut().reset(Instant::now());
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing of its answer")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Progress<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Progress<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.judge(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        // A flush of nothing says nothing about a write that waits.
        if flushed.is_ready() { flushed } else { self.judge(flushed, context) }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.stream).poll_shutdown(context);
        self.judge(closed, context)
    }
}

tokio::task_local! {
    /// The wait of the stream that a task serves.
    static WAIT: Arc<Wait>;
}

/// Most bytes of an answer over HTTP/2 that are waited for at a time.
const PIECE: usize = 4_096;

/// Since when a part of an answer has been waiting for its client to take it.
#[derive(Debug, Default)]
struct Wait(Mutex<Option<Instant>>);

impl Wait {
    fn since(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    /// Done when one part has waited for this long. Looked at so often only, not for each part.
    async fn is_over(&self, patience: Duration) {
        loop {
            let since = self.since();
            sleep_until(since.unwrap_or_else(Instant::now) + patience).await;
            if since.is_some() && self.since() == since {
                return;
            }
        }
    }
}

/// Serves the streams of HTTP/2 connections; one whose client takes nothing of its answer is reset.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    patience: Duration,
}

impl Streams {
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience }
    }
}

impl<F> Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    #[expect(clippy::disallowed_methods, reason = "ends with the answer, or with its client's patience")]
    fn execute(&self, stream: F) {
        let (wait, patience) = (Arc::new(Wait::default()), self.patience);
        tokio::spawn(WAIT.scope(wait.clone(), async move {
            let stream = pin!(stream);
            tokio::select! {
                _ = stream => {}
                () = wait.is_over(patience) => {
                    tracing::debug!("a stream whose client takes nothing of its answer was reset");
                }
            }
        }));
    }
}

/// The body of an answer, which tells the stream that it belongs to when a part of it waits. Over HTTP/1, where the
/// connection itself is watched, it is as it was.
#[derive(Debug)]
pub(super) struct Watched {
    body: Body,
    /// What is left of a part, which is given out in pieces. The last one is a single byte: once that is taken, the
    /// window has room for all that was given out before.
    rest: Bytes,
    wait: Option<Arc<Wait>>,
}

impl Watched {
    pub(super) fn new(body: Body) -> Self {
        Self { body, rest: Bytes::new(), wait: WAIT.try_with(Arc::clone).ok() }
    }
}

impl hyper::body::Body for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(wait) = self.wait.clone() else { return Pin::new(&mut self.body).poll_frame(context) };
        wait.set(None);
        if self.rest.is_empty() {
            let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(part))) => self.rest = part,
                Some(Ok(Err(frame))) => return Poll::Ready(Some(Ok(frame))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        wait.set(Some(Instant::now()));
        let piece = PIECE.min(self.rest.len().saturating_sub(1)).max(1).min(self.rest.len());
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, following) = (self.rest.len() as u64, self.body.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(following.lower() + rest);
        if let Some(upper) = following.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_of_an_answer_is_hung_up_on() {
        let (gateway, _client) = duplex(1_024);
        let mut gateway = Progress::new(gateway, PATIENCE);
        let error = gateway.write_all(&[b'x'; 4_096]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_a_little_now_and_then_is_not() {
        let (gateway, mut client) = duplex(1_024);
        let mut gateway = Progress::new(gateway, PATIENCE);
        let read = async {
            let (mut taken, mut buffer) = (0, [0; 512]);
            while taken < 16_384 {
                tokio::time::sleep(PATIENCE - Duration::from_secs(1)).await;
                taken += client.read(&mut buffer).await.unwrap();
            }
            taken
        };
        let (written, taken) = tokio::join!(gateway.write_all(&[b'x'; 16_384]), read);
        assert!(written.is_ok());
        assert_eq!(taken, 16_384);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_with_nothing_to_write_is_no_stall() {
        let (gateway, mut client) = duplex(1_024);
        let mut gateway = Progress::new(gateway, PATIENCE);
        for _ in 0..5 {
            gateway.write_all(b"event").await.unwrap();
            tokio::time::sleep(PATIENCE * 100).await;
        }
        let mut buffer = [0; 25];
        client.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"eventeventeventeventevent");
    }
}
