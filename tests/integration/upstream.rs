//! An upstream that shows the exact bytes it was sent and answers what the test says.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;

use crate::wait::until_so;

/// A request, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Captured {
    /// Request line and headers, without the empty line.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Captured {
    /// `GET /path`
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1")
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// What an upstream does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// A complete answer.
    Json(u16, String),
    /// These bytes, then close a moment later. A complete answer has to say `connection: close`, as [`Self::whole`]
    /// does: a client that keeps the connection sends its next request on it.
    Raw(Vec<u8>),
    /// Nothing, and close.
    Close,
    /// These bytes, then RST instead of FIN.
    Reset(Vec<u8>),
    /// Nothing, for ever.
    Stall,
    /// These bytes, then nothing for ever.
    RawThenStall(Vec<u8>),
    /// A head, then zeros without end.
    Endless(Vec<u8>),
    /// A head, then this piece so often, then close; [`Upstream::hung_up`] tells when it stopped.
    Repeat(Vec<u8>, Vec<u8>, usize),
    /// These bytes one at a time, and again, without end.
    Trickle(Vec<u8>),
    /// An answer once there is a permit.
    Held(Arc<Semaphore>, Box<Reply>),
    /// A complete answer after a while.
    After(Duration, Box<Reply>),
}

impl Reply {
    /// `200` and this JSON.
    pub(crate) fn ok(body: &str) -> Self {
        Self::Json(200, body.to_owned())
    }

    /// An answer of this head (the status, and headers on lines of their own) and body, after which the connection ends.
    pub(crate) fn whole(head: &str, body: &[u8]) -> Self {
        let head = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
        Self::Raw([head.as_bytes(), body].concat())
    }
}

/// A port where nobody listens, kept so that nobody else will.
#[derive(Debug)]
pub(crate) struct ClosedPort {
    /// The port, on 127.0.0.1.
    pub port: u16,
    socket: TcpSocket,
}

impl ClosedPort {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self { port: socket.local_addr().unwrap().port(), socket }
    }

    /// Listens there after all.
    pub(crate) fn listen(self) -> TcpListener {
        self.socket.listen(1_024).unwrap()
    }
}

/// The tokens that the upstreams of this process have given out, by port.
static TOKENS: LazyLock<Mutex<HashMap<u16, BTreeSet<String>>>> = LazyLock::new(Mutex::default);

/// The tokens that the upstream on `port` has given out.
pub(crate) fn tokens_of(port: u16) -> Vec<String> {
    TOKENS.lock().unwrap().get(&port).into_iter().flatten().cloned().collect()
}

/// Remembers the token in an answer, where it is one to a token request.
fn note_token(port: u16, answer: &str) {
    if answer.contains("\"access_token\"")
        && let Ok(serde_json::Value::Object(members)) = serde_json::from_str(answer)
        && let Some(token) = members.get("access_token").and_then(serde_json::Value::as_str)
    {
        TOKENS.lock().unwrap().entry(port).or_default().insert(token.to_owned());
    }
}

/// An upstream on a port of its own.
pub(crate) struct Upstream {
    /// Where it listens.
    pub port: u16,
    requests: Arc<Mutex<Vec<Captured>>>,
    flood: Arc<Flood>,
}

/// What became of answers that are too long.
struct Flood {
    /// Bytes that the peer took.
    taken: AtomicU64,
    /// One permit for each answer that is over.
    over: Semaphore,
}

impl Upstream {
    /// Starts an upstream that answers each request by `reply`.
    pub(crate) async fn start(reply: impl Fn(&Captured) -> Reply + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap(), reply)
    }

    /// The same where `listener` listens.
    pub(crate) fn on(
        listener: TcpListener,
        reply: impl Fn(&Captured) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let port = listener.local_addr().unwrap().port();
        TOKENS.lock().unwrap().remove(&port);
        let requests = Arc::new(Mutex::new(Vec::new()));
        let flood = Arc::new(Flood { taken: AtomicU64::new(0), over: Semaphore::new(0) });
        let (kept, reply, counted) = (requests.clone(), Arc::new(reply), flood.clone());
        tokio::task::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::task::spawn(converse(stream, kept.clone(), reply.clone(), counted.clone()));
            }
        });
        Self { port, requests, flood }
    }

    /// Waits until the peer has hung up on one too long answer (or taken it
    /// whole); says how many bytes all of them got rid of.
    pub(crate) async fn hung_up(&self) -> u64 {
        let over = tokio::time::timeout(Duration::from_secs(60), self.flood.over.acquire()).await;
        over.expect("the connection is still open after a minute").unwrap().forget();
        self.flood.taken.load(Ordering::SeqCst)
    }

    /// Waits until `count` requests have come.
    pub(crate) async fn received(&self, count: usize) {
        until_so(&format!("request {count}"), || self.requests.lock().unwrap().len() >= count).await;
    }

    /// Every request so far.
    pub(crate) fn requests(&self) -> Vec<Captured> {
        self.requests.lock().unwrap().clone()
    }

    /// The only request so far.
    pub(crate) fn request(&self) -> Captured {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests[0].clone()
    }
}

async fn converse<F: Fn(&Captured) -> Reply>(
    mut stream: TcpStream,
    kept: Arc<Mutex<Vec<Captured>>>,
    reply: Arc<F>,
    flood: Arc<Flood>,
) {
    let mut buffer = Vec::new();
    while let Some(request) = read(&mut stream, &mut buffer).await {
        kept.lock().unwrap().push(request.clone());
        let mut next = reply(&request);
        if let Reply::After(wait, then) = next {
            tokio::time::sleep(wait).await;
            next = *then;
        }
        if let Reply::Held(gate, then) = next {
            gate.acquire().await.unwrap().forget();
            next = *then;
        }
        match next {
            Reply::Json(status, body) => {
                note_token(stream.local_addr().unwrap().port(), &body);
                let head = format!(
                    "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                let sent = stream.write_all(format!("{head}{body}").as_bytes()).await;
                if sent.is_err() {
                    return;
                }
            }
            Reply::Raw(bytes) => {
                let _ = stream.write_all(&bytes).await;
                // Every run loses the race that would otherwise be lost once in a thousand.
                tokio::time::sleep(Duration::from_millis(10)).await;
                return;
            }
            Reply::Reset(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.set_zero_linger();
                return;
            }
            Reply::Close | Reply::After(..) | Reply::Held(..) => return,
            Reply::Stall => return std::future::pending().await,
            Reply::RawThenStall(bytes) => {
                let _ = stream.write_all(&bytes).await;
                return std::future::pending().await;
            }
            Reply::Endless(head) => {
                return flood.pour(&mut stream, &head, &[b'0'; 64 * 1024], usize::MAX).await;
            }
            Reply::Repeat(head, piece, times) => {
                return flood.pour(&mut stream, &head, &piece, times).await;
            }
            Reply::Trickle(bytes) => {
                let mut pace = tokio::time::interval(Duration::from_millis(10));
                for byte in bytes.iter().cycle() {
                    pace.tick().await;
                    if stream.write_all(&[*byte]).await.is_err() {
                        break;
                    }
                }
                flood.over.add_permits(1);
                return;
            }
        }
    }
}

impl Flood {
    async fn pour(&self, stream: &mut TcpStream, head: &[u8], piece: &[u8], times: usize) {
        let _ = stream.write_all(head).await;
        for _ in 0..times {
            if stream.write_all(piece).await.is_err() {
                break;
            }
            self.taken.fetch_add(piece.len() as u64, Ordering::SeqCst);
        }
        self.over.add_permits(1);
    }
}

/// Reads one request; `None` when the peer has gone.
pub(crate) async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Captured> {
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
    let mut request = Captured { head, body: Vec::new() };
    let length: usize = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    let body_start = head_end + 4;
    while buffer.len() < body_start + length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    request.body = buffer[body_start..body_start + length].to_vec();
    buffer.drain(..body_start + length);
    Some(request)
}
