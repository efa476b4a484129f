//! Very many conversations, each with a kilobyte of variables, or with an answer that has lists and objects.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use tokio::task::JoinSet;

use crate::http::{Connection, get};
use crate::processes::Process;

/// Connections that begin them.
const CONNECTIONS: u64 = 64;

/// Begins `count` conversations, and says what that took. Fails where one is
/// refused, or where the last one is not there.
pub(crate) async fn begin(gateway: SocketAddr, count: u64, process: &Process) -> Result<()> {
    let started = Instant::now();
    let mut connections = JoinSet::new();
    for first in 0..CONNECTIONS.min(count) {
        connections.spawn(some(gateway, first, count));
    }
    while let Some(done) = connections.join_next().await {
        done??;
    }
    let took = started.elapsed();
    let last = get(gateway, &format!("/v1/conversations/m{}?environment=production", count - 1)).await?;
    ensure!(last.status() == Some(200), "the last conversation is not there: {}", last.head);
    println!(
        "{count} conversations begun in {:.0} s; memory now: {} MiB, at most: {} MiB",
        took.as_secs_f64(),
        process.memory()?.resident_kib / 1024,
        process.memory()?.peak_kib / 1024
    );
    Ok(())
}

/// Every so many-th one, from `first` on.
async fn some(gateway: SocketAddr, first: u64, count: u64) -> Result<()> {
    let note = "x".repeat(1_000);
    let mut connection = Connection::open(gateway).await?;
    for number in (first..count).step_by(CONNECTIONS as usize) {
        let body = format!(
            "{{\"id\":\"m{number}\",\"environment\":\"production\",\"variables\":{{\"customer.note\":\"{note}\"}}}}"
        );
        let request = format!(
            "POST /v1/conversations HTTP/1.1\r\nHost: {gateway}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = connection.exchange(request.as_bytes()).await?;
        if answer.status() != Some(201) {
            bail!("conversation {number}: {} {}", answer.head, String::from_utf8_lossy(&answer.body));
        }
    }
    Ok(())
}

/// Calls `action` once in each of `count` conversations, and says what that took.
pub(crate) async fn answer(gateway: SocketAddr, action: &str, count: u64, process: &Process) -> Result<()> {
    let started = Instant::now();
    let before = process.memory()?.resident_kib / 1024;
    let mut connections = JoinSet::new();
    // A few at a time: what is under way takes memory too.
    for first in 0..4.min(count) {
        let action = action.to_owned();
        connections.spawn(async move {
            let mut connection = Connection::open(gateway).await?;
            for number in (first..count).step_by(4) {
                let body = format!(
                    "{{\"name\":\"{action}\",\"conversation_id\":\"{action}{number}\",\"tool_call_id\":\"{action}{number}\",\"arguments\":{{\"number\":{number}}}}}"
                );
                let request = format!(
                    "POST /v1/tool-calls HTTP/1.1\r\nHost: {gateway}\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                let answer = connection.exchange(request.as_bytes()).await?;
                let result: serde_json::Value = serde_json::from_slice(&answer.body)?;
                ensure!(result["status"] == "success", "{action} {number}: {result}");
            }
            Ok(())
        });
    }
    while let Some(done) = connections.join_next().await {
        done??;
    }
    let took = started.elapsed().as_secs_f64();
    // What is given back is given back a moment later.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let memory = process.memory()?;
    println!(
        "{count} conversations with an answer of `{action}` in {took:.1} s; memory before: {before} MiB, now: {} MiB, at most: {} MiB",
        memory.resident_kib / 1024,
        memory.peak_kib / 1024
    );
    Ok(())
}
