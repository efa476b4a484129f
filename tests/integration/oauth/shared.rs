//! Tokens that nodes share through the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use callgate::conversation::{MemoryStore, Store};
use callgate::executor::Gateway;
use callgate::project;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{PROJECT, SECRET, shown, token, tool_call};
use crate::backend::{Backend, on_every_store};
use crate::harness::{files, write_project};
use crate::upstream::{Captured, Reply, Upstream};
use crate::watched::Watched;

const KEY: &str = "6b1f0c5ddc8a5e7e2f3d9c4b1a0f8e7d6c5b4a39281706f5e4d3c2b1a0998877";
const SHARING: &str =
    "environments = [\"development\"]\n[sealing]\nkeys = [\"SHARED_KEY\"]\n[store]\nshare_tokens = true\n";

/// A token server that counts and an API that takes tokens from a number on.
struct Servers {
    tokens: Upstream,
    api: Upstream,
    /// The lowest number of a token that the API takes.
    valid: Arc<AtomicUsize>,
}

impl Servers {
    async fn new(reply: impl Fn(Reply) -> Reply + Send + Sync + 'static) -> Self {
        let count = AtomicUsize::new(0);
        let tokens = Upstream::start(move |_| {
            let number = count.fetch_add(1, Ordering::SeqCst) + 1;
            reply(token(number, ", \"expires_in\": 3600"))
        })
        .await;
        let valid = Arc::new(AtomicUsize::new(1));
        let lowest = valid.clone();
        let api = Upstream::start(move |request: &Captured| {
            let token =
                request.header("authorization").and_then(|token| token.rsplit('-').next()?.parse().ok());
            if token.is_some_and(|number: usize| number >= lowest.load(Ordering::SeqCst)) {
                Reply::ok("{}")
            } else {
                Reply::Json(401, "{}".to_owned())
            }
        })
        .await;
        Self { tokens, api, valid }
    }

    /// A node with these settings and this secret of the client.
    fn node(&self, store: &Arc<dyn Store>, settings: &str, secret: &str) -> Gateway {
        let mut files = files(self.api.port, PROJECT);
        for (name, text) in &mut files {
            *text = text.replace("{token}", &self.tokens.port.to_string()).replace(SECRET, secret);
            if *name == "secrets.toml" {
                text.push_str(&format!("SHARED_KEY = \"{KEY}\"\n"));
            }
        }
        files.push(("callgate.toml", settings.to_owned()));
        let dir = write_project(&files);
        let project = project::load(dir.path(), None);
        assert!(!project.problems.has_errors(), "{:?}", project.problems);
        Gateway::with_store(project.deployment, store.clone(), Vec::new())
    }

    fn sharing(&self, store: &Arc<dyn Store>) -> Gateway {
        self.node(store, SHARING, SECRET)
    }

    fn fetched(&self) -> usize {
        self.tokens.requests().len()
    }
}

async fn read(node: &Gateway) -> Value {
    shown(node.execute(tool_call("read")).await)
}

async fn assert_read(node: &Gateway) {
    let result = read(node).await;
    assert_eq!(result["status"], "success", "{result}");
}

on_every_store! {
    async fn many_nodes_that_start_at_once_fetch_few_tokens(on) {
        let gate = Arc::new(Semaphore::new(0));
        let held = gate.clone();
        let servers = Servers::new(move |reply| Reply::Held(held.clone(), Box::new(reply))).await;
        let store: Arc<dyn Store> = Watched::new(on.fresh());
        let nodes: Vec<Gateway> = (0..30).map(|_| servers.sharing(&store)).collect();
        let calls = futures_util::future::join_all(nodes.iter().map(assert_read));
        tokio::join!(calls, async {
            servers.tokens.received(1).await;
            gate.add_permits(100);
        });
        // One; another where this machine is so busy that a node is taken for dead.
        assert!(servers.fetched() <= 3, "{}", servers.fetched());
        let fetched = servers.fetched();
        // One that starts later, or again, fetches none.
        assert_read(&servers.sharing(&store)).await;
        assert_eq!(servers.fetched(), fetched);
    }
}

on_every_store! {
    async fn a_token_that_is_refused_is_not_taken_from_another_node(on) {
        let servers = Servers::new(|reply| reply).await;
        let store: Arc<dyn Store> = Watched::new(on.fresh());
        let (one, two) = (servers.sharing(&store), servers.sharing(&store));
        assert_read(&one).await;
        assert_read(&two).await;
        assert_eq!(servers.fetched(), 1);
        servers.valid.store(2, Ordering::SeqCst);
        let renewed = read(&one).await;
        assert_eq!((&renewed["status"], &renewed["attempts"]), (&json!("success"), &json!(2)));
        assert_eq!(servers.fetched(), 2);
        // The other one takes what the first has fetched meanwhile.
        let renewed = read(&two).await;
        assert_eq!((&renewed["status"], &renewed["attempts"]), (&json!("success"), &json!(2)));
        assert_eq!(servers.fetched(), 2);
        // Where every token is refused, each call fetches one more and no more.
        servers.valid.store(usize::MAX, Ordering::SeqCst);
        assert_eq!(read(&one).await["error"]["code"], "upstream_unauthorized");
        assert_eq!(servers.fetched(), 3);
    }
}

#[tokio::test]
async fn what_lies_in_the_store_cannot_be_read() {
    let servers = Servers::new(|reply| reply).await;
    let backend = Backend::sqlite();
    let store = backend.named("one");
    assert_read(&servers.sharing(&store)).await;
    drop(store);
    let Backend::Sqlite(folder) = &backend else { panic!("SQLite") };
    let mut notes = 0;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        super::assert_untold(&text);
        notes += text.matches("CREATE TABLE notes").count();
    }
    assert!(notes > 0, "the file was read");
    let store = backend.named("one");
    assert_read(&servers.sharing(&store)).await;
    assert_eq!(servers.fetched(), 1, "it is there all the same");
}

#[tokio::test]
async fn a_token_is_shared_by_nodes_of_the_same_client_and_key_that_want_to() {
    let servers = Servers::new(|reply| reply).await;
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    assert_read(&servers.sharing(&store)).await;
    let other_key = SHARING.replace("SHARED_KEY", "crm_secret");
    for (settings, secret, fetched) in [
        (SHARING, "another-s3cr3t-of-the-client", 2),
        ("environments = [\"development\"]\n[sealing]\nkeys = [\"SHARED_KEY\"]\n", SECRET, 3),
        (SHARING, SECRET, 3),
    ] {
        assert_read(&servers.node(&store, settings, secret)).await;
        assert_eq!(servers.fetched(), fetched, "{settings}");
    }
    // A key that is none is found when the project is loaded.
    let dir = write_project(&[
        ("callgate.toml", other_key),
        ("secrets.toml", format!("[development]\ncrm_secret = \"{SECRET}\"\n")),
    ]);
    assert!(project::load(dir.path(), None).problems.has_errors());
}

#[tokio::test]
async fn a_node_that_died_while_it_fetched_holds_nobody_up_for_long() {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let servers = Servers::new(move |reply| Reply::Held(held.clone(), Box::new(reply))).await;
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let dying = servers.sharing(&store);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.spawn(async move { dying.execute(tool_call("read")).await });
    servers.tokens.received(1).await;
    // All that it does ends here, without another word to the store.
    runtime.shutdown_background();
    gate.add_permits(10);
    assert_read(&servers.sharing(&store)).await;
    assert_eq!(servers.fetched(), 2);
}

#[tokio::test]
async fn where_the_store_is_gone_each_node_fetches_its_own() {
    let Some(backend) = Backend::redis() else { return };
    let servers = Servers::new(|reply| reply).await;
    let store = backend.fresh();
    let one = servers.sharing(&store);
    assert_read(&one).await;
    let Backend::Redis(mut server) = backend else { panic!("Redis") };
    server.kill();
    assert_read(&one).await;
    assert_eq!(servers.fetched(), 1);
    assert_read(&servers.sharing(&store)).await;
    assert_eq!(servers.fetched(), 2);
}
