//! WebSockets (RFC 6455) over HTTP/1.1, as a server speaks them.
//!
//! A [`Socket`] reads and writes in one task: [`Socket::receive`] goes on with what waits to be written while nothing
//! comes. What waits is bounded, and whoever makes it asks [`Socket::has_room`] first; the connection's own patience
//! ends one whose peer takes nothing.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use futures_util::{Sink as _, SinkExt as _, Stream as _, StreamExt as _};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use crate::executor::Movable;

use super::state::AppState;

/// Largest message that is read, in bytes.
pub(super) const MAX_MESSAGE: usize = 8 * 1024 * 1024;
/// Most messages that wait to be written.
const QUEUED: usize = 16;
/// How much is read at a time.
const READ: usize = 16 * 1024;
/// How long the end of a connection may take.
const CLOSING: Duration = Duration::from_secs(2);

/// A request that is to become a WebSocket.
pub(super) struct Upgrade {
    response: Response,
    upgraded: OnUpgrade,
}

impl Upgrade {
    /// Takes a request that asks for a WebSocket.
    ///
    /// # Errors
    ///
    /// It does not, and why.
    pub(super) fn of(mut request: Request) -> Result<Self, String> {
        let response = create_response_with_body(&request, Body::empty).map_err(|error| error.to_string())?;
        Ok(Self { response, upgraded: hyper::upgrade::on(&mut request) })
    }

    /// The answer that makes a WebSocket of the connection, over which `talk` goes on in a task of its own. A stop of the
    /// server waits for it.
    #[expect(clippy::disallowed_methods, reason = "a stop waits for it, by what it has entered")]
    pub(super) fn answer<F>(
        self,
        state: &AppState,
        talk: impl FnOnce(Socket<TokioIo<Upgraded>>) -> F + Send + 'static,
    ) -> Response
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Self { response, upgraded } = self;
        let going = state.running().enter();
        tokio::spawn(Movable::new(async move {
            match upgraded.await {
                Ok(upgraded) => talk(Socket::new(TokioIo::new(upgraded)).await).await,
                Err(error) => tracing::debug!(%error, "a client left before its connection was a WebSocket"),
            }
            drop(going);
        }));
        response
    }
}

/// One end of a WebSocket.
#[derive(Debug)]
pub(super) struct Socket<S> {
    stream: WebSocketStream<S>,
    /// What goes before all that waits.
    first: Option<Message>,
    queue: VecDeque<Message>,
    /// Whether all that was written is on its way.
    is_flushed: bool,
}

/// What [`Socket::receive`] met.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// A text.
    Text(Utf8Bytes),
    /// Bytes that are no text.
    Binary,
    /// There is room again for what is to be written.
    Room,
    /// The other end has gone.
    Gone,
    /// The other end does not speak as it should; the connection is to be closed with this code.
    Broken(CloseCode),
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    /// As the other end wants it.
    Answered,
    /// Without a word, as if the line were cut (code 1006 at the other end).
    Cut,
    /// With a code.
    Code(CloseCode),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Takes a connection on which the handshake is done.
    pub(super) async fn new(stream: S) -> Self {
        // What is written goes out at once; what the peer does not take waits in the queue, but for one message.
        let config = WebSocketConfig::default()
            .read_buffer_size(READ)
            .write_buffer_size(0)
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let stream = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
        Self { stream, first: None, queue: VecDeque::new(), is_flushed: true }
    }

    /// Whether one more text may wait.
    pub(super) fn has_room(&self) -> bool {
        self.queue.len() < QUEUED
    }

    /// Has `text` written behind what waits.
    pub(super) fn send(&mut self, text: String) {
        self.queue.push_back(Message::text(text));
    }

    /// Has `text` written before what waits, and in place of an earlier one that still does.
    pub(super) fn send_first(&mut self, text: String) {
        self.first = Some(Message::text(text));
    }

    /// Waits for something to come, and writes meanwhile what waits. Nothing is lost where this is dropped.
    pub(super) async fn receive(&mut self) -> Received {
        poll_fn(|context| self.poll_receive(context)).await
    }

    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Received> {
        let was_full = !self.has_room();
        if let Poll::Ready(Err(error)) = self.poll_write(context) {
            tracing::debug!(%error, "a WebSocket can no longer be written to");
            return Poll::Ready(Received::Gone);
        }
        if was_full && self.has_room() {
            return Poll::Ready(Received::Room);
        }
        loop {
            return Poll::Ready(match ready!(Pin::new(&mut self.stream).poll_next(context)) {
                Some(Ok(Message::Text(text))) => Received::Text(text),
                Some(Ok(Message::Binary(_))) => Received::Binary,
                // Answered already.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Ok(Message::Close(_))) | None => Received::Gone,
                Some(Err(error)) => {
                    tracing::debug!(%error, "a WebSocket can no longer be read");
                    match error {
                        Error::Capacity(_) => Received::Broken(CloseCode::Size),
                        Error::Utf8(_) => Received::Broken(CloseCode::Invalid),
                        Error::Protocol(_) => Received::Broken(CloseCode::Protocol),
                        _ => Received::Gone,
                    }
                }
            });
        }
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut stream = Pin::new(&mut self.stream);
        while self.first.is_some() || !self.queue.is_empty() {
            ready!(stream.as_mut().poll_ready(context))?;
            let Some(message) = self.first.take().or_else(|| self.queue.pop_front()) else { break };
            self.is_flushed = false;
            stream.as_mut().start_send(message)?;
        }
        if !self.is_flushed {
            ready!(stream.as_mut().poll_flush(context))?;
            self.is_flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes what waits, and ends the connection.
    pub(super) async fn close(mut self, closing: Closing) {
        let end = async {
            match closing {
                Closing::Answered => {}
                Closing::Cut => {
                    poll_fn(|context| self.poll_write(context)).await?;
                    return self.drain().await;
                }
                Closing::Code(code) => {
                    poll_fn(|context| self.poll_write(context)).await?;
                    let frame = CloseFrame { code, reason: Utf8Bytes::default() };
                    self.stream.send(Message::Close(Some(frame))).await?;
                }
            }
            // Until the other end has agreed.
            while let Some(Ok(_)) = self.stream.next().await {}
            self.drain().await
        };
        match tokio::time::timeout(CLOSING, end).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a WebSocket ended early"),
            Err(_) => tracing::debug!("a WebSocket was cut off: the other end did not end it"),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Says that no more comes, and passes over what still does: a connection that is dropped with something unread is
    /// reset, and the other end may lose what it has not read itself.
    async fn drain(&mut self) -> Result<(), Error> {
        let stream = self.stream.get_mut();
        stream.shutdown().await?;
        let mut unread = vec![0; READ];
        while stream.read(&mut unread).await? > 0 {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use axum::http::header::{
        CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
    };
    use futures_util::FutureExt as _;
    use tokio::io::{DuplexStream, duplex};
    use tokio::task::yield_now;

    use super::*;

    /// What the ends hold between them.
    const HELD: usize = 1_024;

    async fn ends() -> (Socket<DuplexStream>, WebSocketStream<DuplexStream>) {
        let (server, client) = duplex(HELD);
        let client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
        (Socket::new(server).await, client)
    }

    fn request(headers: &[(axum::http::HeaderName, &str)]) -> Request {
        let builder = axum::http::Request::builder().uri("/");
        let builder = headers.iter().fold(builder, |builder, (name, value)| builder.header(name, *value));
        builder.body(Body::empty()).unwrap()
    }

    #[test]
    fn a_request_becomes_a_websocket_only_where_it_asks_for_one() {
        // The key and its answer are those of RFC 6455, section 1.3.
        let whole = [
            (CONNECTION, "keep-alive, Upgrade"),
            (UPGRADE, "websocket"),
            (SEC_WEBSOCKET_VERSION, "13"),
            (SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let upgrade = Upgrade::of(request(&whole)).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(upgrade.response.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(upgrade.response.headers()[SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        for left_out in 0..whole.len() {
            let mut some = whole.to_vec();
            let (name, _) = some.remove(left_out);
            assert!(Upgrade::of(request(&some)).is_err(), "without {name}");
        }
    }

    #[tokio::test]
    async fn both_ways_go_on_together_and_what_is_urgent_goes_first() {
        let (mut socket, mut client) = ends().await;
        for text in ["one", "two"] {
            socket.send(text.to_owned());
        }
        socket.send_first("stale".to_owned());
        socket.send_first("first".to_owned());
        client.send(Message::text("hello")).await.unwrap();
        assert_eq!(socket.receive().await, Received::Text("hello".into()));
        assert!(socket.receive().now_or_never().is_none());
        for text in ["first", "one", "two"] {
            assert_eq!(client.next().await.unwrap().unwrap(), Message::text(text));
        }
        client.send(Message::binary(b"\x00".as_slice())).await.unwrap();
        assert_eq!(socket.receive().await, Received::Binary);
        client.send(Message::Ping(b"?".as_slice().into())).await.unwrap();
        assert!(socket.receive().now_or_never().is_none());
        assert_eq!(client.next().await.unwrap().unwrap(), Message::Pong(b"?".as_slice().into()));
    }

    #[tokio::test]
    async fn what_a_peer_does_not_take_is_bounded_and_what_it_says_is_heard() {
        let (mut socket, mut client) = ends().await;
        let text = "x".repeat(HELD);
        let mut sent = 0;
        while socket.has_room() {
            socket.send(text.clone());
            sent += 1;
            assert!(sent <= 2 * QUEUED, "there is room for ever");
            let _ = socket.receive().now_or_never();
        }
        client.get_mut().write_all(&[0x81, 0x80, 0, 0, 0, 0]).await.unwrap();
        assert_eq!(socket.receive().await, Received::Text("".into()));
        assert!(socket.receive().now_or_never().is_none());
        // The peer takes some, and there is room for more.
        let taking = async {
            for _ in 0..sent {
                assert_eq!(client.next().await.unwrap().unwrap(), Message::text(text.clone()));
            }
        };
        let writing = async {
            assert_eq!(socket.receive().await, Received::Room);
            socket.receive().await
        };
        tokio::select! {
            () = taking => {}
            received = writing => panic!("{received:?}"),
        }
    }

    #[tokio::test]
    async fn an_end_that_speaks_otherwise_is_told_so() {
        // No mask; a text that is none; a frame that is too large.
        let too_large = [&[0x81, 0xFF][..], &(MAX_MESSAGE as u64 + 1).to_be_bytes(), &[0; 4]].concat();
        for (bytes, code) in [
            (vec![0x81, 0x00], CloseCode::Protocol),
            (vec![0x81, 0x81, 0, 0, 0, 0, 0xFF], CloseCode::Invalid),
            (too_large, CloseCode::Size),
        ] {
            let (mut socket, mut client) = ends().await;
            client.get_mut().write_all(&bytes).await.unwrap();
            assert_eq!(socket.receive().await, Received::Broken(code));
            let told = async {
                let closed = client.next().await;
                drop(client);
                closed
            };
            let (closed, ()) = tokio::join!(told, socket.close(Closing::Code(code)));
            let Some(Ok(Message::Close(Some(frame)))) = closed else { panic!("{closed:?}") };
            assert_eq!(frame.code, code);
        }
    }

    #[tokio::test]
    async fn what_waits_is_written_before_a_connection_ends() {
        let (mut socket, mut client) = ends().await;
        socket.send("last".to_owned());
        let heard = async {
            assert_eq!(client.next().await.unwrap().unwrap(), Message::text("last"));
            // No frame says that it ends.
            let mut rest = Vec::new();
            client.get_mut().read_to_end(&mut rest).await.unwrap();
            assert!(rest.is_empty(), "{rest:?}");
            drop(client);
        };
        tokio::join!(socket.close(Closing::Cut), heard);
    }

    #[tokio::test]
    async fn who_closes_is_answered() {
        let (mut socket, mut client) = ends().await;
        let frame = CloseFrame { code: CloseCode::Normal, reason: "done".into() };
        client.send(Message::Close(Some(frame.clone()))).await.unwrap();
        assert_eq!(socket.receive().await, Received::Gone);
        let told = async {
            let closed = client.next().await;
            drop(client);
            closed
        };
        let (closed, ()) = tokio::join!(told, socket.close(Closing::Answered));
        assert_eq!(closed.unwrap().unwrap(), Message::Close(Some(frame)));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_long_for_a_peer_that_does_not_go() {
        let (mut socket, client) = ends().await;
        socket.send("x".repeat(10 * HELD));
        let begun = tokio::time::Instant::now();
        for closing in [Closing::Cut, Closing::Code(CloseCode::Normal)] {
            let (mut socket, _client) = ends().await;
            socket.send("x".repeat(10 * HELD));
            socket.close(closing).await;
        }
        socket.close(Closing::Answered).await;
        yield_now().await;
        assert!(begun.elapsed() < CLOSING * 4);
        drop(client);
    }
}
