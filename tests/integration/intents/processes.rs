//! Gateways that are processes of their own, so that they can be killed.

use std::cell::RefCell;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::Fault;
use super::desk::{ACTIONS, Desk};
use super::world::post;
use crate::backend::{PATIENCE, RedisServer};
use crate::harness::{Process, client, files, write_project};

/// Nodes of one project, with the server that they share.
pub(super) struct Processes {
    pub desk: Desk,
    pub client: reqwest::Client,
    project: TempDir,
    redis: Option<RefCell<RedisServer>>,
    nodes: Vec<RefCell<Process>>,
}

impl Processes {
    /// One node with a file.
    pub(super) async fn sqlite() -> Self {
        Self::of(None, 1).await
    }

    /// Two nodes on a server, where there is one to be started.
    pub(super) async fn redis() -> Option<Self> {
        let redis = RedisServer::start(&[])?;
        Some(Self::of(Some(redis), 2).await)
    }

    async fn of(redis: Option<RedisServer>, nodes: usize) -> Self {
        let desk = Desk::open().await;
        let project = write_project(&files(desk.upstream.port, ACTIONS));
        let nodes = (0..nodes).map(|_| RefCell::new(serve(project.path(), redis.as_ref()))).collect();
        Self { desk, client: client(), project, redis: redis.map(RefCell::new), nodes }
    }

    pub(super) fn url(&self, node: usize) -> String {
        self.nodes[node % self.nodes.len()].borrow().url.clone()
    }

    /// How many calls a node has noticed the hang-up of.
    pub(super) fn hang_ups(&self, node: usize) -> usize {
        self.nodes[node % self.nodes.len()].borrow().hang_ups()
    }

    fn start_again(&self, node: usize) {
        let redis = self.redis.as_ref().map(RefCell::borrow);
        *self.nodes[node].borrow_mut() = serve(self.project.path(), redis.as_deref());
    }

    /// Posts a request while a fault befalls a process.
    pub(super) async fn deliver(
        &self,
        conversation: &str,
        fault: Fault,
        node: usize,
        request: &Value,
    ) -> Option<Vec<Value>> {
        let node = node % self.nodes.len();
        match (fault, &self.redis) {
            (Fault::Killed, _) => self.killed(conversation, node, request).await,
            (Fault::Restarted, _) => {
                self.nodes[node].borrow().signal("TERM");
                self.nodes[node].borrow_mut().wait();
                self.start_again(node);
                post(&self.client, &self.url(node), request).await
            }
            (Fault::Paused, Some(redis)) => {
                redis.borrow().signal("STOP");
                let told = post(&self.client, &self.url(node), &hurried(request)).await;
                redis.borrow().signal("CONT");
                told
            }
            (Fault::StoreKilled, Some(redis)) => {
                redis.borrow_mut().kill();
                let told = post(&self.client, &self.url(node), &hurried(request)).await;
                redis.borrow_mut().restart();
                told
            }
            _ => post(&self.client, &self.url(node), request).await,
        }
    }

    /// Kills the node once the request is sent; what was sent is answered after that.
    async fn killed(&self, conversation: &str, node: usize, request: &Value) -> Option<Vec<Value>> {
        let (url, arrived) = (self.url(node), self.desk.arrived(conversation));
        self.desk.hold(conversation);
        let told = tokio::select! {
            told = post(&self.client, &url, request) => told,
            () = self.desk.arrives(conversation, arrived) => {
                self.nodes[node].borrow().signal("KILL");
                self.nodes[node].borrow_mut().wait();
                self.start_again(node);
                None
            }
        };
        self.desk.release(conversation);
        told
    }
}

fn hurried(request: &Value) -> Value {
    let mut request = request.clone();
    request["deadline_ms"] = json!(400);
    request
}

fn serve(project: &Path, redis: Option<&RedisServer>) -> Process {
    let patience = PATIENCE.as_millis().to_string();
    let url = redis.map(RedisServer::url).unwrap_or_default();
    // Hang-ups are told of at this level.
    let level = "error,callgate::server::execution=debug";
    let mut variables =
        vec![("CALLGATE_LOG__LEVEL", level), ("CALLGATE_STORE__PATIENCE_MS", patience.as_str())];
    if redis.is_some() {
        variables.extend([("CALLGATE_STORE__BACKEND", "redis"), ("CALLGATE_STORE__URL", url.as_str())]);
    }
    Process::serve(project, &variables)
}
