//! Upstreams that fail in every way a network knows.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use crate::egress::tls::{Authority, Identity, front};
use crate::upstream::{Captured, ClosedPort, Reply, Upstream};

/// One way to fail.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub name: &'static str,
    pub kind: Kind,
    /// Whether it befalls the body of an answer.
    pub in_body: bool,
    /// Whether it goes on for ever.
    pub stalls: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// Nobody listens.
    Refused,
    /// Resets the connection as soon as a request begins to come.
    Reset,
    /// Resets a connection of this scheme as soon as it is there.
    ResetAtAccept(&'static str),
    /// Takes connections and never reads.
    NeverReads,
    /// The same where TLS is wanted.
    NeverShakesHands,
    /// Speaks no TLS where TLS is wanted.
    NoTls,
    /// Shows this certificate, to those who believe its authority, or to others.
    Shows(fn(&Authority) -> Identity, Believed),
    /// Reads a request and does this.
    Replies(Reply),
    /// This for the first attempt, and that for the next one.
    Flapping(Reply, Reply),
}

/// Whether a certificate's authority is one that the connection names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Believed {
    Yes,
    No,
}

/// An upstream that fails.
pub(super) enum Target {
    Closed(ClosedPort),
    Listening(TcpListener, &'static str),
    Resetting(u16, &'static str),
    Plain(Upstream, &'static str),
    /// Behind TLS on a port of its own; with the authority that the connection names.
    Tls(Upstream, u16, String),
}

impl Target {
    pub(super) async fn start(fault: &Fault) -> Self {
        match fault.kind.clone() {
            Kind::Refused => Self::Closed(ClosedPort::new()),
            Kind::NeverReads => Self::Listening(TcpListener::bind("127.0.0.1:0").await.unwrap(), "http"),
            Kind::NeverShakesHands => {
                Self::Listening(TcpListener::bind("127.0.0.1:0").await.unwrap(), "https")
            }
            Kind::Reset => Self::Resetting(resetting(true).await, "http"),
            Kind::ResetAtAccept(scheme) => Self::Resetting(resetting(false).await, scheme),
            Kind::Shows(certificate, believed) => {
                let upstream = Upstream::start(|_| Reply::ok("{}")).await;
                let (authority, other) = (Authority::new(), Authority::new());
                let port = front(&upstream, &certificate(&authority), None).await;
                let named = if believed == Believed::Yes { &authority } else { &other };
                Self::Tls(upstream, port, named.pem())
            }
            Kind::NoTls => Self::Plain(Upstream::start(|_| Reply::ok("{}")).await, "https"),
            Kind::Replies(reply) => Self::Plain(Upstream::start(move |_| reply.clone()).await, "http"),
            Kind::Flapping(first, then) => {
                let seen = Mutex::new(HashSet::new());
                let reply = move |request: &Captured| {
                    let known = request.header("idempotency-key").map(str::to_owned);
                    let is_read = known.is_none();
                    let mut seen = seen.lock().unwrap();
                    let is_first = seen.insert(known);
                    // A read has no key: its attempts take turns.
                    if is_read && !is_first {
                        seen.remove(&None);
                    }
                    if is_first { first.clone() } else { then.clone() }
                };
                Self::Plain(Upstream::start(reply).await, "http")
            }
        }
    }

    pub(super) fn url(&self) -> String {
        match self {
            Self::Closed(ClosedPort { port, .. }) => format!("http://127.0.0.1:{port}"),
            Self::Resetting(port, scheme) => format!("{scheme}://127.0.0.1:{port}"),
            Self::Tls(_, port, _) => format!("https://127.0.0.1:{port}"),
            Self::Listening(listener, scheme) => format!("{scheme}://{}", listener.local_addr().unwrap()),
            Self::Plain(upstream, scheme) => format!("{scheme}://127.0.0.1:{}", upstream.port),
        }
    }

    /// The authority that the connection to it names, where it names one.
    pub(super) fn authority(&self) -> Option<&str> {
        match self {
            Self::Tls(_, _, pem) => Some(pem),
            Self::Closed(_) | Self::Listening(..) | Self::Resetting(..) | Self::Plain(..) => None,
        }
    }

    /// What came, where somebody read it.
    pub(super) fn requests(&self) -> Option<Vec<Captured>> {
        match self {
            Self::Closed(_) => Some(Vec::new()),
            Self::Listening(..) | Self::Resetting(..) => None,
            Self::Plain(upstream, _) | Self::Tls(upstream, ..) => Some(upstream.requests()),
        }
    }
}

/// A port where connections end by RST instead of FIN: as soon as something comes, or at once.
pub(super) async fn resetting(reads_first: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::task::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::task::spawn(async move {
                if reads_first {
                    let _ = stream.read_u8().await;
                }
                let _ = stream.set_zero_linger();
            });
        }
    });
    port
}

/// An answer of this status, after which the connection ends: another attempt needs another one.
fn status(status: u16, more: &str) -> Kind {
    Kind::Replies(Reply::whole(&format!("{status} X\r\ncontent-type: application/json{more}"), b"{}"))
}

fn raw(text: &str) -> Reply {
    Reply::Raw(text.as_bytes().to_vec())
}

/// All of them, in the order of a request's way.
pub(super) fn faults() -> Vec<Fault> {
    const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
    let plain = |name, kind| Fault { name, kind, in_body: false, stalls: false };
    let replies = |name, reply| plain(name, Kind::Replies(reply));
    let body = |name, text: &str| Fault {
        in_body: true,
        ..replies(name, Reply::Raw(format!("{HEAD}{text}").into_bytes()))
    };
    let stalls = |name, reply| Fault { stalls: true, ..replies(name, reply) };
    let stall_after = |text: String| Reply::RawThenStall(text.into_bytes());
    vec![
        plain("nobody listens", Kind::Refused),
        plain("no TLS where TLS is wanted", Kind::NoTls),
        plain("reset before TLS begins", Kind::ResetAtAccept("https")),
        Fault { stalls: true, ..plain("stalled in the TLS handshake", Kind::NeverShakesHands) },
        plain("a certificate of an unknown authority", Kind::Shows(Authority::server, Believed::No)),
        plain("an expired certificate", Kind::Shows(Authority::expired_server, Believed::Yes)),
        plain("a certificate for another name", Kind::Shows(Authority::other_server, Believed::Yes)),
        plain("reset while the request is read", Kind::Reset),
        Fault { stalls: true, ..plain("connected, never read", Kind::NeverReads) },
        replies("reset after the request", Reply::Reset(Vec::new())),
        replies("closed after the request", Reply::Close),
        replies("closed within the answer's head", raw("HTTP/1.1 200 OK\r\ncontent-ty")),
        replies("an answer that is no HTTP", raw("SSH-2.0-OpenSSH_9.6\r\n")),
        stalls("no answer in time", Reply::Stall),
        stalls("stalled within the head", stall_after("HTTP/1.1 200 OK\r\ncontent-ty".to_owned())),
        stalls("head and a byte at a time", Reply::Trickle(b"HTTP/1.1 200 OK\r\nx-slow: slow\r\n".to_vec())),
        Fault {
            in_body: true,
            ..stalls(
                "stalled within the body",
                stall_after(format!("{HEAD}content-length: 20\r\n\r\n{{\"a\"")),
            )
        },
        Fault {
            in_body: true,
            ..replies(
                "reset within the body",
                Reply::Reset(format!("{HEAD}content-length: 20\r\n\r\n{{\"a\": 1}}").into_bytes()),
            )
        },
        body("closed within the body", "content-length: 20\r\n\r\n{\"a\": 1}"),
        body("a chunked body without its end", "transfer-encoding: chunked\r\n\r\n8\r\n{\"a\": 1}\r\n"),
        body("half a JSON", "content-length: 5\r\n\r\n{\"a\":"),
        body("a broken encoding", "content-encoding: gzip\r\ncontent-length: 8\r\n\r\nnot gzip"),
        body("a body beyond the limit", "content-length: 99999999999\r\n\r\n{"),
        plain("redirect (302)", status(302, "\r\nlocation: http://169.254.169.254/")),
        plain("bad request (400)", status(400, "")),
        plain("unauthorized (401)", status(401, "")),
        plain("forbidden (403)", status(403, "")),
        plain("not found (404)", status(404, "")),
        plain("request timeout (408)", status(408, "")),
        plain("conflict (409)", status(409, "")),
        plain("unprocessable (422)", status(422, "")),
        plain("too many requests (429)", status(429, "")),
        plain("too many requests (429), to wait a minute", status(429, "\r\nretry-after: 60")),
        plain("server error (500)", status(500, "")),
        plain("bad gateway (502)", status(502, "")),
        plain("unavailable (503)", status(503, "")),
        plain("unavailable (503), to wait a minute", status(503, "\r\nretry-after: 60")),
        plain("gateway timeout (504)", status(504, "")),
        plain(
            "unavailable (503), then closed",
            Kind::Flapping(Reply::Json(503, "{}".to_owned()), Reply::Close),
        ),
        plain(
            "unavailable (503), then rejected (422)",
            Kind::Flapping(Reply::Json(503, "{}".to_owned()), Reply::Json(422, "{}".to_owned())),
        ),
        body("more bytes than the body has", "content-length: 8\r\n\r\n{\"a\": 1}HTTP/1.1 500 X\r\n\r\n"),
        replies(
            "a slow answer within the deadline",
            Reply::After(Duration::from_millis(100), Box::new(Reply::Json(200, String::new()))),
        ),
    ]
}
