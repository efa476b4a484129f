//! A connection that must go on: who takes nothing of an answer for too long is hung up on.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

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
