//! As much HTTP/1.1 as the driver and the upstream need: whole messages over a kept connection.

use std::io::ErrorKind;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use tokio::net::TcpStream;

/// The longest message that is read.
const MESSAGE_LIMIT: usize = 1 << 23;

/// A request or a response.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    /// The first line and the headers, without the empty line after them.
    pub(crate) head: String,
    /// The body, without its chunks' framing.
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// Returns a response's status.
    pub(crate) fn status(&self) -> Option<u16> {
        self.head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
    }
}

/// A connection that whole messages go over.
pub(crate) struct Connection {
    stream: TcpStream,
    /// What was read and not yet returned.
    buffer: Vec<u8>,
}

impl Connection {
    /// Takes over `stream`, which sends at once from now on.
    pub(crate) fn new(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096) })
    }

    /// Connects to `addr`.
    pub(crate) async fn open(addr: SocketAddr) -> Result<Self> {
        Self::new(TcpStream::connect(addr).await?)
    }

    /// Sends all of `bytes`.
    pub(crate) async fn send(&self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            match self.stream.try_write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.stream.writable().await?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Reads the next message, or nothing where the peer has closed the connection after a whole message.
    pub(crate) async fn receive(&mut self) -> Result<Option<Message>> {
        loop {
            if let Some((message, end)) = parse(&self.buffer)? {
                self.buffer.drain(..end);
                return Ok(Some(message));
            }
            ensure!(self.buffer.len() < MESSAGE_LIMIT, "a message longer than {MESSAGE_LIMIT} bytes");
            if self.fill().await? == 0 {
                ensure!(self.buffer.is_empty(), "the connection was closed within a message");
                return Ok(None);
            }
        }
    }

    /// Reads until `part` of the next message has come, which stays to be received.
    pub(crate) async fn wait_for(&mut self, part: &[u8]) -> Result<()> {
        while find(&self.buffer, part).is_none() {
            ensure!(self.buffer.len() < MESSAGE_LIMIT, "{MESSAGE_LIMIT} bytes came without the part");
            ensure!(
                self.fill().await? > 0,
                "the connection was closed before the part: {}",
                String::from_utf8_lossy(&self.buffer)
            );
        }
        Ok(())
    }

    /// Sends a request and reads its response.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Message> {
        self.send(request).await?;
        self.receive().await?.context("the connection was closed without an answer")
    }

    async fn fill(&mut self) -> Result<usize> {
        let mut bytes = [0; 4096];
        loop {
            match self.stream.try_read(&mut bytes) {
                Ok(read) => {
                    self.buffer.extend_from_slice(&bytes[..read]);
                    return Ok(read);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.stream.readable().await?,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Gets `path` over a connection of its own.
pub(crate) async fn get(addr: SocketAddr, path: &str) -> Result<Message> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    Connection::open(addr).await?.exchange(request.as_bytes()).await
}

/// Takes a whole message from the start of `bytes`, and says where it ends.
fn parse(bytes: &[u8]) -> Result<Option<(Message, usize)>> {
    let Some(head_end) = find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&bytes[..head_end])?;
    let start = head_end + 4;
    let body = match framing(head)? {
        Framing::Length(length) => {
            bytes.get(start..start + length).map(|body| (body.to_vec(), start + length))
        }
        Framing::Chunked => parse_chunks(bytes, start)?,
    };
    Ok(body.map(|(body, end)| (Message { head: head.to_owned(), body }, end)))
}

/// How a body's end is known.
enum Framing {
    Length(usize),
    Chunked,
}

fn framing(head: &str) -> Result<Framing> {
    let mut framing = Framing::Length(0);
    for line in head.split("\r\n").skip(1) {
        let (name, value) = line.split_once(':').context("a header without a colon")?;
        if name.eq_ignore_ascii_case("content-length") {
            let length = value.trim().parse()?;
            ensure!(length <= MESSAGE_LIMIT, "a body of {length} bytes");
            framing = Framing::Length(length);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            ensure!(value.trim().eq_ignore_ascii_case("chunked"), "unknown transfer encoding `{value}`");
            return Ok(Framing::Chunked);
        }
    }
    Ok(framing)
}

/// Joins the chunks that start at `position`; no trailers.
fn parse_chunks(bytes: &[u8], mut position: usize) -> Result<Option<(Vec<u8>, usize)>> {
    let mut body = Vec::new();
    loop {
        let Some(line) = find(&bytes[position..], b"\r\n") else { return Ok(None) };
        let size = std::str::from_utf8(&bytes[position..position + line])?;
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16)?;
        ensure!(size <= MESSAGE_LIMIT, "a chunk of {size} bytes");
        let start = position + line + 2;
        let Some(chunk) = bytes.get(start..start + size + 2) else { return Ok(None) };
        if !chunk.ends_with(b"\r\n") {
            bail!("a chunk without an end, or a trailer");
        }
        body.extend_from_slice(&chunk[..size]);
        position = start + size + 2;
        if size == 0 {
            return Ok(Some((body, position)));
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
