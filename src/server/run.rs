//! Listening, and stopping without losing a call.

use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};

use super::exposure::ServeError;
use super::progress::{Progress, Streams, Watched};
use super::routes::router;
use super::state::AppState;

/// How long a connection is kept without a request, the head of the next one
/// included; longer than clients usually keep theirs (60 s), so that it is
/// the client who hangs up. A new connection is kept as long as any other: an
/// HTTP client may open one to spare and use it later.
const IDLE: Duration = Duration::from_secs(75);

/// How long clients may take to read the last of their answers once the server has stopped and no call is under way;
/// never more than half the grace.
const LAST_READS: Duration = Duration::from_secs(5);

/// Serves until `stop` is done; then takes no more calls and lets those under
/// way finish, for `grace` at most.
#[expect(clippy::disallowed_methods, reason = "waited for by `connections` at shutdown")]
pub async fn serve<L>(
    mut listener: L,
    state: AppState,
    stop: impl Future<Output = ()> + Send + 'static,
    grace: Duration,
) where
    L: Listener,
    L::Addr: Debug,
{
    let (running, stopping) = (state.running(), state.clone());
    let _warming = state.gateway().warm_here();
    let patience = Duration::from_millis(state.server().write_timeout_ms);
    let routes = router(state);
    let connections = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            (stream, _) = listener.accept() => {
                tokio::task::spawn(converse(stream, patience, routes.clone(), connections.watcher()));
            }
            () = &mut stop => break,
        }
    }
    stopping.stop();
    drop(listener);
    let work = async {
        // Calls go on when their callers hang up; they are waited for too.
        running.none().await;
        stopping.gateway().background_done().await;
    };
    let finishing = async {
        let mut closed = pin!(connections.shutdown());
        tokio::select! {
            () = &mut closed => {}
            () = work => {
                // Who does not read keeps nobody waiting but for a while.
                if tokio::time::timeout(LAST_READS.min(grace / 2), closed).await.is_err() {
                    tracing::info!("clients that did not read the last of their answers were hung up on");
                }
                return;
            }
        }
        running.none().await;
        stopping.gateway().background_done().await;
    };
    if tokio::time::timeout(grace, finishing).await.is_err() {
        tracing::warn!(
            grace_ms = grace.as_millis(),
            "calls were still under way at the end of the grace period"
        );
    }
}

/// Serves one connection for as long as requests come over it. A client that
/// keeps the gateway waiting for the head of a request is hung up on, so that
/// nobody holds connections by sending a byte now and then; so is one that takes nothing of an answer for as long
/// as there is `patience`.
async fn converse<I>(stream: I, patience: Duration, routes: Router, watcher: Watcher)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (begun, mut when_begun) = watch::channel(false);
    let routes = TowerToHyperService::new(routes);
    let service = service_fn(move |request: Request<Incoming>| {
        begun.send_replace(true);
        let answer = routes.call(request);
        async move { answer.await.map(|answer| answer.map(Watched::new)) }
    });
    let stream = Progress::new(stream, patience);
    let mut builder = Builder::new(Streams::new(patience));
    // The time between two requests is counted too: this is also how long an idle connection is kept.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(IDLE);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(IDLE);
    // A connection that is upgraded is over here: what times it then is for whoever took it, who still has the stream's
    // own patience, and is counted among what a stop waits for.
    let connection =
        watcher.watch(builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned());
    // Until its first request it is not known which protocol the client speaks, and none of them counts the time.
    let silent = async {
        if tokio::time::timeout(IDLE, when_begun.wait_for(|begun| *begun)).await.is_ok() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        // A request that came in time counts, also if the process was not running when it came.
        biased;
        served = connection => {
            if let Err(error) = served {
                tracing::debug!(error, "a connection ended early");
            }
        }
        () = silent => tracing::debug!("a client that sent no request was hung up on"),
    }
}

/// Serves as [`serve`] does, on `workers` threads that share nothing on a
/// call's way: each has its own runtime, its own connections to callers and its
/// own connections to upstreams, so that no call waits for another thread to
/// wake up.
///
/// # Errors
///
/// No thread can be started.
pub async fn serve_on_workers(
    listener: TcpListener,
    state: &AppState,
    workers: NonZeroUsize,
    stop: impl Future<Output = ()> + Send + 'static,
    grace: Duration,
) -> Result<(), ServeError> {
    let address = listener.local_addr()?;
    let (stopping, stopped) = watch::channel(false);
    let mut senders = Vec::new();
    let mut ended = Vec::new();
    for number in 0..workers.get() {
        let (sender, accepted) = mpsc::unbounded_channel();
        let (end, when_ended) = oneshot::channel();
        let (state, mut stopped) = (state.for_worker(), stopped.clone());
        let worker = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let served = runtime.map(|runtime| {
                let stop = async move {
                    let _ = stopped.wait_for(|stopped| *stopped).await;
                };
                runtime.block_on(serve(Accepted { address, accepted }, state, stop, grace));
            });
            // Nobody listens any more only where the server has been dropped.
            let _ = end.send(served);
        };
        std::thread::Builder::new().name(format!("worker-{number}")).spawn(worker)?;
        senders.push(sender);
        ended.push(when_ended);
    }
    tokio::select! {
        () = deal_out(&listener, &senders) => {}
        () = stop => {}
    }
    drop(listener);
    let _ = stopping.send(true);
    for end in ended {
        if let Ok(served) = end.await {
            served?;
        }
    }
    Ok(())
}

/// Gives every connection to the next worker in turn.
async fn deal_out(listener: &TcpListener, workers: &[mpsc::UnboundedSender<std::net::TcpStream>]) {
    for worker in workers.iter().cycle() {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    // Answers are small and awaited by a person: never wait to fill a packet.
                    let stream = stream.set_nodelay(true).and_then(|()| stream.into_std());
                    match stream.map(|stream| worker.send(stream)) {
                        Ok(Ok(())) => break,
                        Ok(Err(_)) => return,
                        Err(error) => tracing::debug!(%error, "a connection was lost before it was served"),
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    // Most likely out of file descriptors: wait for some to come back.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

/// The connections dealt out to one worker.
struct Accepted {
    address: SocketAddr,
    accepted: mpsc::UnboundedReceiver<std::net::TcpStream>,
}

impl Listener for Accepted {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Some(stream) = self.accepted.recv().await else { return std::future::pending().await };
            let peer = stream.peer_addr();
            if let (Ok(stream), Ok(peer)) = (TcpStream::from_std(stream), peer) {
                return (stream, peer);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}

#[cfg(test)]
mod tests {
    use axum::extract::Request;
    use axum::http::StatusCode;
    use axum::http::header::{CONNECTION, UPGRADE};
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);
    /// More than the ends of a connection hold between them.
    const MUCH: usize = 1024 * 1024;

    /// A connection that has become something else: it repeats what comes, or writes without end where the first byte
    /// says so. What came of that is told at last.
    async fn upgraded(connections: &GracefulShutdown) -> (DuplexStream, oneshot::Receiver<io::Result<()>>) {
        let (ended, when_ended) = oneshot::channel();
        let ended = std::sync::Arc::new(std::sync::Mutex::new(Some(ended)));
        let echo = move |mut request: Request| {
            let upgrade = hyper::upgrade::on(&mut request);
            let ended = ended.lock().unwrap().take().unwrap();
            #[expect(clippy::disallowed_methods, reason = "ends with the test")]
            tokio::spawn(async move {
                let mut stream = TokioIo::new(upgrade.await.unwrap());
                let mut byte = [0];
                let end = loop {
                    match stream.read_exact(&mut byte).await {
                        Ok(_) if byte == *b"!" => break stream.write_all(&vec![0; MUCH]).await,
                        Ok(_) => stream.write_all(&byte).await.unwrap(),
                        Err(error) => break Err(error),
                    }
                };
                let _ = ended.send(end);
            });
            async { (StatusCode::SWITCHING_PROTOCOLS, [(CONNECTION, "upgrade"), (UPGRADE, "echo")]) }
        };
        let routes = Router::new().route("/", get(echo));
        let (gateway, mut client) = duplex(1_024);
        let watcher = connections.watcher();
        #[expect(clippy::disallowed_methods, reason = "ends with the test")]
        tokio::spawn(converse(gateway, PATIENCE, routes, watcher));
        let request = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
        client.write_all(request).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        (client, when_ended)
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_was_upgraded_may_be_silent_for_as_long_as_it_likes() {
        let connections = GracefulShutdown::new();
        let (mut client, _ended) = upgraded(&connections).await;
        for sign in *b"abc" {
            tokio::time::sleep((IDLE + PATIENCE) * 10).await;
            client.write_u8(sign).await.unwrap();
            assert_eq!(client.read_u8().await.unwrap(), sign);
        }
        // It is no connection of HTTP any more that a stop would wait for.
        connections.shutdown().await;
        client.write_u8(b'd').await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'd');
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_of_an_upgraded_connection_is_hung_up_on() {
        let (mut client, ended) = upgraded(&GracefulShutdown::new()).await;
        client.write_u8(b'!').await.unwrap();
        assert_eq!(ended.await.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
