//! The upstream: answers every POST with the same ticket, as cheaply as it can.

use std::cell::{Cell, RefCell};
use std::net::Ipv4Addr;
use std::rc::Rc;

use anyhow::Result;
use tokio::net::TcpListener;
use tokio::task::{JoinSet, LocalSet};

use crate::http::{Connection, Message};
use crate::processes;
use crate::project;

/// What was asked so far.
#[derive(Default)]
struct Seen {
    posts: Cell<u64>,
    last: RefCell<Message>,
}

/// Serves until the benchmark ends.
pub(crate) fn serve() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        processes::announce(listener.local_addr()?);
        let seen = Rc::new(Seen::default());
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let connection = Connection::new(accepted?.0)?;
                    connections.spawn_local(answer_all(connection, Rc::clone(&seen)));
                }
                // A broken connection is the driver's or the gateway's error, and reported there.
                Some(_ended) = connections.join_next() => {}
            }
        }
    })
}

async fn answer_all(mut connection: Connection, seen: Rc<Seen>) -> Result<()> {
    let ticket = response(project::TICKET);
    while let Some(request) = connection.receive().await? {
        if request.head.starts_with("POST ") {
            seen.posts.set(seen.posts.get() + 1);
            seen.last.replace(request);
            connection.send(ticket.as_bytes()).await?;
        } else if request.head.starts_with("GET /count ") {
            connection.send(response(&seen.posts.get().to_string()).as_bytes()).await?;
        } else {
            let last = seen.last.borrow().clone();
            let text = format!("{}\r\n\r\n{}", last.head, String::from_utf8_lossy(&last.body));
            connection.send(response(&text).as_bytes()).await?;
        }
    }
    Ok(())
}

fn response(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
