//! The upstream: answers `/NUMBER` with the answer of that case.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use anyhow::Result;

/// The media type and the body of an answer.
pub(crate) type Answer = (&'static str, String);

/// Starts the upstream, with a thread for each connection.
pub(crate) fn start(answers: HashMap<usize, Answer>) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let answers = Arc::new(answers);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answers = answers.clone();
            std::thread::spawn(move || answer_all(stream, &answers));
        }
    });
    Ok(address)
}

fn answer_all(mut stream: TcpStream, answers: &HashMap<usize, Answer>) -> Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let (mut line, mut path, mut length) = (String::new(), String::new(), 0_u64);
        while reader.read_line(&mut line)? > 2 {
            if path.is_empty() {
                path = line.split(' ').nth(1).unwrap_or_default().to_owned();
            } else if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            line.clear();
        }
        if path.is_empty() {
            return Ok(());
        }
        std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink())?;
        let number = path.trim_start_matches('/').split('?').next().unwrap_or_default().parse::<usize>()?;
        let Some((media, body)) = answers.get(&number) else { return Ok(()) };
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: {media}\r\nContent-Length: {}\r\n\r\n", body.len())?;
        stream.write_all(body.as_bytes())?;
    }
}
