//! The upstream: counts how often each write was done.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use tokio::net::TcpListener;
use tokio::task::{JoinSet, LocalSet};

use crate::http::Connection;

/// How often each write was done, by its number.
#[derive(Debug, Default)]
pub(crate) struct Done(Mutex<HashMap<u64, u32>>);

impl Done {
    /// How many of the writes that succeeded are not there, and how many were done more than once.
    pub(crate) fn compare(&self, written: &[u64]) -> (usize, usize) {
        let done = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = written.iter().filter(|number| !done.contains_key(number)).count();
        (lost, done.values().filter(|times| **times > 1).count())
    }

    fn add(&self, number: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(number).or_default() += 1;
    }
}

/// Starts the upstream on a thread of its own.
pub(crate) fn start() -> Result<(SocketAddr, Arc<Done>)> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let done = Arc::new(Done::default());
    let counted = done.clone();
    std::thread::spawn(move || -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, async {
            let listener = TcpListener::from_std(listener)?;
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let connection = Connection::new(accepted?.0)?;
                        connections.spawn_local(answer_all(connection, counted.clone()));
                    }
                    Some(_ended) = connections.join_next() => {}
                }
            }
        })
    });
    Ok((address, done))
}

async fn answer_all(mut connection: Connection, done: Arc<Done>) -> Result<()> {
    while let Some(request) = connection.receive().await? {
        let body = if request.head.starts_with("POST ") {
            let sent: serde_json::Value = serde_json::from_slice(&request.body)?;
            let number = sent["number"].as_u64().unwrap_or_default();
            done.add(number);
            let (order, slots) = (object(number), list(15));
            let note = "n".repeat(400);
            format!("{{\"id\":\"W-{number}\",\"order\":{order},\"slots\":{slots},\"note\":\"{note}\"}}")
        } else if request.head.starts_with("GET /large") {
            format!("{{\"list\":[{}]}}", vec!["{\"a\":1}"; 32_000].join(","))
        } else if request.head.starts_with("GET /lists") {
            format!("{{\"slots\":{}}}", list(15))
        } else {
            "{\"state\":\"open\"}".to_owned()
        };
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ";
        connection.send(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes()).await?;
    }
    Ok(())
}

/// A small object, as APIs have them.
fn object(number: u64) -> String {
    format!(
        "{{\"id\":{number},\"start\":\"2026-11-29T09:00:00Z\",\"room\":{{\"name\":\"Blue\",\"floor\":2}},\"free\":true}}"
    )
}

fn list(objects: u64) -> String {
    format!("[{}]", (0..objects).map(object).collect::<Vec<_>>().join(","))
}
