//! Answers that are streams of server-sent events. A stream that has nothing to say sends comments.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream::{Stream, StreamExt as _, unfold};
use tokio::time::timeout;

/// The longest gap between two pieces. LiveKit's client gives a stream up after 10 seconds without a byte.
const KEEP_ALIVE: Duration = Duration::from_secs(4);
/// A comment: clients skip it (HTML, "Server-sent events").
const STILL_HERE: &[u8] = b": keep-alive\n\n";

/// Tells nginx and similar proxies to hold nothing back.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Answers with a stream; each piece is an event, or several.
pub(super) fn event_stream(pieces: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8")),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store")),
        (UNBUFFERED, HeaderValue::from_static("no")),
    ];
    let body = Body::from_stream(kept_alive(Box::pin(pieces)).map(Ok::<_, Infallible>));
    (headers, body).into_response()
}

/// The same pieces, with a comment in every long gap.
fn kept_alive(pieces: impl Stream<Item = Bytes> + Unpin) -> impl Stream<Item = Bytes> {
    unfold(pieces, |mut pieces| async move {
        match timeout(KEEP_ALIVE, pieces.next()).await {
            Ok(piece) => Some((piece?, pieces)),
            Err(_) => Some((Bytes::from_static(STILL_HERE), pieces)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_gap_is_longer_than_five_seconds() {
        let later = Box::pin(futures_util::stream::once(async {
            tokio::time::sleep(Duration::from_secs(18)).await;
            Bytes::from_static(b"data")
        }));
        let begun = tokio::time::Instant::now();
        let mut sent = Box::pin(kept_alive(later));
        let mut last = begun;
        let mut count = 0;
        while let Some(piece) = sent.next().await {
            assert!(last.elapsed() <= Duration::from_secs(5));
            last = tokio::time::Instant::now();
            count += 1;
            assert!(piece == STILL_HERE || piece == b"data"[..]);
        }
        assert_eq!(count, 5);
    }
}
