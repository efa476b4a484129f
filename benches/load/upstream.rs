//! The upstream: answers every call with the same ticket, and is the agent's model, as cheaply as it can.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::rc::Rc;

use anyhow::Result;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};

use crate::http::{Connection, Message};
use crate::processes;
use crate::project;

/// What was asked so far.
struct Seen {
    posts: Cell<u64>,
    last_ticket: RefCell<Message>,
    released: watch::Sender<bool>,
}

/// Serves until the benchmark ends.
pub(crate) fn serve() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        processes::announce(listener.local_addr()?);
        let seen = Rc::new(Seen {
            posts: Cell::default(),
            last_ticket: RefCell::default(),
            released: watch::Sender::new(false),
        });
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
            if request.head.starts_with("POST /v1/chat/completions ") {
                speak(&connection, &String::from_utf8_lossy(&request.body), &seen.released).await?;
            } else {
                seen.last_ticket.replace(request);
                connection.send(ticket.as_bytes()).await?;
            }
        } else if request.head.starts_with("GET /count ") {
            connection.send(response(&seen.posts.get().to_string()).as_bytes()).await?;
        } else if request.head.starts_with("GET /release ") {
            seen.released.send_replace(true);
            connection.send(response("released").as_bytes()).await?;
        } else {
            let last = seen.last_ticket.borrow().clone();
            let text = format!("{}\r\n\r\n{}", last.head, String::from_utf8_lossy(&last.body));
            connection.send(response(&text).as_bytes()).await?;
        }
    }
    Ok(())
}

/// Streams the model's answer to `request`: first the calls that the caller has asked for, and once their results are
/// there, or where there are no tools, the words. Each piece is sent by itself, as models do.
async fn speak(connection: &Connection, request: &str, released: &watch::Sender<bool>) -> Result<()> {
    const HEAD: &str =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let tickets = if request.contains(r#""tools":"#) && !request.contains(r#""role":"tool""#) {
        after(request, project::ASKS_FOR, 1).and_then(|digit| digit.parse().ok()).unwrap_or(0)
    } else {
        0
    };
    connection.send(HEAD.as_bytes()).await?;
    let finish = if tickets == 0 {
        let waits = request.contains(project::ASKS_TO_WAIT);
        for (number, word) in project::WORDS.iter().enumerate() {
            if waits && number == 1 {
                released.subscribe().wait_for(|released| *released).await?;
            }
            connection.send(piece(&format!(r#"{{"content":"{word}"}}"#), "null").as_bytes()).await?;
        }
        r#""stop""#
    } else {
        let number = after(request, "No. ", 10).unwrap_or_default();
        for index in 0..tickets {
            connection.send(piece(&call(index, number), "null").as_bytes()).await?;
        }
        r#""tool_calls""#
    };
    let end = format!("{}{}0\r\n\r\n", piece("{}", finish), chunk("data: [DONE]\n\n"));
    connection.send(end.as_bytes()).await
}

/// The delta of call `index`, whose arguments are those that the benchmark's other calls have.
fn call(index: usize, number: &str) -> String {
    let mut arguments = String::new();
    let _ = write!(
        arguments,
        r#"{{\"customer_email\":\"ada@example.com\",\"issue_description\":\"No. {number}, part {index}: The \\\"Pay\\\" button does nothing since yesterday, on the phone and on the laptop.\",\"priority\":\"high\"}}"#
    );
    format!(
        r#"{{"tool_calls":[{{"index":{index},"id":"call_{number}_{index}","type":"function","function":{{"name":"create_support_ticket","arguments":"{arguments}"}}}}]}}"#
    )
}

/// The `length` bytes after `mark`.
fn after<'a>(text: &'a str, mark: &str, length: usize) -> Option<&'a str> {
    let start = text.find(mark)? + mark.len();
    text.get(start..start + length)
}

/// A piece of a completion, as an event in a chunk.
fn piece(delta: &str, finish: &str) -> String {
    chunk(&format!(
        "data: {}\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n",
        r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1767695400,"model":"scripted","#
    ))
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

fn response(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
