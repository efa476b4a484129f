//! The stores that tests run on, and a Redis of the test's own.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use callgate::conversation::{MemoryLimits, MemoryStore, SqliteLimits, SqliteStore, Store};
#[cfg(feature = "redis")]
use callgate::conversation::{RedisServers, RedisStore};
/// No server is started in a build without the store in Redis.
#[cfg(not(feature = "redis"))]
type RedisStore = MemoryStore;
#[cfg(not(feature = "redis"))]
#[derive(Debug)]
pub(crate) struct RedisServers;
#[cfg(not(feature = "redis"))]
impl RedisServers {
    fn one(_: &str) -> Self {
        Self
    }
}
use tempfile::TempDir;

use crate::judge::Judge;
use crate::log;
use crate::wait::until_found;

/// How long an answer of a store may take where nothing is the matter: a machine of few slow cores stands still at times.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A kind of store, and where it lies.
pub(crate) enum Backend {
    /// In this process.
    Memory,
    /// A folder of files.
    Sqlite(TempDir),
    /// A server of the test's own.
    Redis(RedisServer),
    /// A cluster that other tests use too.
    Cluster(Arc<RedisCluster>),
}

/// Limits of a store whose file nobody else uses. A process that another test is just starting has all open files of this
/// one for a moment, and with them their locks.
pub(crate) fn patient() -> SqliteLimits {
    SqliteLimits { patience: Duration::from_secs(60), ..SqliteLimits::default() }
}

impl Backend {
    /// A folder for SQLite.
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    /// A server, where there is one to be started.
    pub(crate) fn redis() -> Option<Self> {
        RedisServer::start(&[]).map(Self::Redis)
    }

    /// A cluster of three nodes. They need some seconds to become one, so that tests which run at the same time share it;
    /// the last of them stops it.
    pub(crate) fn cluster() -> Option<Self> {
        static CLUSTER: Mutex<Weak<RedisCluster>> = Mutex::new(Weak::new());
        let mut known = CLUSTER.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cluster) = known.upgrade() {
            return Some(Self::Cluster(cluster));
        }
        let cluster = Arc::new(RedisCluster::start(&[], false)?);
        *known = Arc::downgrade(&cluster);
        Some(Self::Cluster(cluster))
    }

    /// An empty store.
    pub(crate) fn fresh(&self) -> Arc<dyn Store> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        self.named(&format!("store-{}", NUMBER.fetch_add(1, Ordering::Relaxed)))
    }

    /// The store of a name; in memory it is always another one.
    pub(crate) fn named(&self, name: &str) -> Arc<dyn Store> {
        match self {
            Self::Memory => Arc::new(MemoryStore::new(MemoryLimits::default())),
            Self::Sqlite(folder) => {
                let open = || SqliteStore::open(&folder.path().join(name), patient()).unwrap();
                Arc::new(log::span().in_scope(open))
            }
            Self::Redis(server) => Arc::new(server.store(name)),
            Self::Cluster(cluster) => Arc::new(cluster.store(name)),
        }
    }
}

/// Makes three tests of one: on every store. `on` is the [`Backend`].
macro_rules! on_every_store {
    ($(#[$attribute:meta])* async fn $name:ident($on:ident) $body:block) => {
        mod $name {
            use super::*;

            async fn check($on: &crate::backend::Backend) $body

            #[tokio::test]
            $(#[$attribute])*
            async fn memory() {
                check(&crate::backend::Backend::Memory).await;
            }

            #[tokio::test]
            $(#[$attribute])*
            async fn sqlite() {
                check(&crate::backend::Backend::sqlite()).await;
            }

            #[tokio::test]
            $(#[$attribute])*
            async fn redis() {
                if let Some(redis) = crate::backend::Backend::redis() {
                    check(&redis).await;
                }
            }
        }
    };
}
pub(crate) use on_every_store;

/// `redis-server` or `valkey-server`, on a free port, killed on drop.
pub(crate) struct RedisServer {
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    /// What it wants to hear before anything else.
    password: Option<String>,
    program: PathBuf,
    options: Vec<String>,
    folder: TempDir,
    child: Child,
}

impl RedisServer {
    /// Starts a server that keeps what it was told; `None` where there is no
    /// program for it, which is said once.
    pub(crate) fn start(options: &[&str]) -> Option<Self> {
        Self::start_with(|| options.iter().map(|option| (*option).to_owned()).collect())
    }

    pub(crate) fn start_with(options: impl Fn() -> Vec<String>) -> Option<Self> {
        let program = Judge::Redis.find()?;
        // Others may take a port that was free a moment ago.
        for _ in 0..20 {
            let (folder, port, options) = (tempfile::tempdir().unwrap(), free_port(), options());
            let child = spawn(&program, port, folder.path(), &options);
            let password = options.iter().position(|option| option == "--requirepass");
            let password = password.map(|at| options[at + 1].clone());
            let mut server = Self { port, password, program: program.clone(), options, folder, child };
            if server.comes_up() {
                return Some(server);
            }
        }
        panic!("{} ends as soon as it is started", program.display());
    }

    /// A store on it; all keys begin with `prefix`.
    pub(crate) fn store(&self, prefix: &str) -> RedisStore {
        self.store_for(prefix, PATIENCE)
    }

    /// The same where a server that does not answer is to be given up.
    pub(crate) fn store_for(&self, prefix: &str, patience: Duration) -> RedisStore {
        open(&RedisServers::one(&self.url()), prefix, patience)
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Kills it, as a crash does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends it a signal, such as `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success(), "kill -{name}");
    }

    /// Starts it again with what it had stored.
    pub(crate) fn restart(&mut self) {
        self.child = spawn(&self.program, self.port, self.folder.path(), &self.options);
        assert!(self.comes_up(), "redis-server does not start again on port {}", self.port);
    }

    /// What it answers to a command.
    pub(crate) fn ask(&self, command: &str) -> String {
        self.try_ask(command).unwrap_or_default()
    }

    fn try_ask(&self, command: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let first = self.password.as_ref().map(|password| format!("AUTH {password}\r\n")).unwrap_or_default();
        stream.write_all(format!("{first}{command}\r\nQUIT\r\n").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// Waits until this very server answers and knows what it had stored; `false` where it ends before.
    fn comes_up(&mut self) -> bool {
        let itself = format!("process_id:{}\r", self.child.id());
        until_found("an answer of redis-server", || {
            if self.child.try_wait().unwrap().is_some() {
                return Some(false);
            }
            let answer = self.try_ask("INFO").unwrap_or_default();
            (answer.contains(&itself) && answer.contains("\nloading:0\r")).then_some(true)
        })
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Nodes that share the slots of a Redis Cluster.
pub(crate) struct RedisCluster {
    /// Three masters, and where it was asked for the replica of the first.
    pub nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts it, where there is a program for it.
    pub(crate) fn start(options: &[&str], with_replica: bool) -> Option<Self> {
        const MASTERS: usize = 3;
        let count = if with_replica { MASTERS + 1 } else { MASTERS };
        let mut nodes: Vec<(RedisServer, u16)> = Vec::new();
        for _ in 0..count {
            let bus = free_port();
            let of_node = || {
                let own = ["--cluster-enabled", "yes", "--cluster-port", &bus.to_string()].map(str::to_owned);
                own.into_iter().chain(options.iter().map(|option| (*option).to_owned())).collect()
            };
            nodes.push((RedisServer::start_with(of_node)?, bus));
        }
        let (first, first_bus) = &nodes[0];
        for (at, (node, _)) in nodes.iter().enumerate() {
            assert!(node.ask(&format!("CLUSTER SET-CONFIG-EPOCH {}", at + 1)).contains("OK"));
            if at < MASTERS {
                let (from, to) = (at * 16_384 / MASTERS, (at + 1) * 16_384 / MASTERS - 1);
                assert!(node.ask(&format!("CLUSTER ADDSLOTSRANGE {from} {to}")).contains("OK"));
            }
            let meet = format!("CLUSTER MEET 127.0.0.1 {} {first_bus}", first.port);
            assert!(at == 0 || node.ask(&meet).contains("OK"));
        }
        let is_whole = |node: &RedisServer| {
            let info = node.ask("CLUSTER INFO");
            info.contains("cluster_state:ok") && info.contains(&format!("cluster_known_nodes:{count}"))
        };
        until_found("the cluster", || nodes.iter().all(|(node, _)| is_whole(node)).then_some(()));
        if with_replica {
            let id = first.ask("CLUSTER MYID");
            let id = id.lines().nth(1).expect("a node has an id");
            let replica = &nodes[MASTERS].0;
            assert!(replica.ask(&format!("CLUSTER REPLICATE {id}")).contains("OK"));
            until_found("the replica", || {
                replica.ask("INFO replication").contains("master_link_status:up").then_some(())
            });
        }
        Some(Self { nodes: nodes.into_iter().map(|(node, _)| node).collect() })
    }

    /// A store on it, which has to find its third node by itself.
    pub(crate) fn store(&self, prefix: &str) -> RedisStore {
        open(&self.servers(), prefix, PATIENCE)
    }

    /// Where it is.
    #[cfg(feature = "redis")]
    pub(crate) fn servers(&self) -> RedisServers {
        RedisServers {
            url: self.nodes[0].url(),
            is_cluster: true,
            nodes: vec![format!("127.0.0.1:{}", self.nodes[1].port)],
            ..RedisServers::default()
        }
    }

    #[cfg(not(feature = "redis"))]
    fn servers(&self) -> RedisServers {
        RedisServers::one(&self.nodes[0].url())
    }
}

/// A store on these servers.
pub(crate) fn open(servers: &RedisServers, prefix: &str, patience: Duration) -> RedisStore {
    #[cfg(feature = "redis")]
    return log::span().in_scope(|| RedisStore::open(servers, prefix, patience).unwrap());
    #[cfg(not(feature = "redis"))]
    unreachable!(
        "no server is started in a build without the store in Redis: {servers:?}, {prefix}, {patience:?}"
    );
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn spawn(program: &Path, port: u16, folder: &Path, options: &Vec<String>) -> Child {
    Command::new(program)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"])
        // What is answered has been handed to the system then, so that it outlives a kill. By the
        // default the server answers without, for up to two seconds, while the disk is slow.
        .args(["--appendfsync", "no"])
        .arg("--dir")
        .arg(folder)
        .args(options)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()))
}

/// What a wrapper of another store, in its field `store`, passes on as it is.
macro_rules! passed_on {
    (all $wrapper:ty) => {
        passed_on!(feed $wrapper);
        passed_on!(notes $wrapper);
        passed_on!(turns $wrapper);
        passed_on!(store $wrapper);
    };
    (feed $wrapper:ty) => {
        impl callgate::conversation::Feed for $wrapper {
            fn events<'a>(
                &'a self,
                key: &'a ConversationKey,
                after: u64,
                limit: usize,
            ) -> Answer<'a, callgate::conversation::event::EventPage> {
                self.store.events(key, after, limit)
            }

            fn follow<'a>(&'a self, key: &'a ConversationKey, after: u64) -> Answer<'a, ()> {
                self.store.follow(key, after)
            }
        }
    };
    (notes $wrapper:ty) => {
        impl callgate::conversation::Notes for $wrapper {
            fn note<'a>(&'a self, name: &'a str) -> Answer<'a, Option<String>> {
                self.store.note(name)
            }

            fn put_note<'a>(
                &'a self,
                name: &'a str,
                text: &'a str,
                keep: std::time::Duration,
            ) -> Pending<'a, ()> {
                self.store.put_note(name, text, keep)
            }

            fn add_note<'a>(
                &'a self,
                name: &'a str,
                text: &'a str,
                keep: std::time::Duration,
            ) -> Pending<'a, bool> {
                self.store.add_note(name, text, keep)
            }

            fn remove_note<'a>(&'a self, name: &'a str, text: &'a str) -> Pending<'a, ()> {
                self.store.remove_note(name, text)
            }
        }
    };
    (turns $wrapper:ty) => {
        impl callgate::conversation::Turns for $wrapper {
            fn add_turn<'a>(&'a self, key: &'a ConversationKey, text: &'a str) -> Pending<'a, bool> {
                self.store.add_turn(key, text)
            }

            fn turns<'a>(&'a self, key: &'a ConversationKey) -> Answer<'a, Vec<std::sync::Arc<str>>> {
                self.store.turns(key)
            }
        }
    };
    (store $wrapper:ty) => {
        impl callgate::conversation::Store for $wrapper {
            fn backend(&self) -> &'static str {
                self.store.backend()
            }

            fn patience(&self) -> std::time::Duration {
                $crate::backend::PATIENCE
            }
        }
    };
    (conversations) => {
        fn update<'a>(&'a self, key: &'a ConversationKey, change: Change) -> Pending<'a, Applied> {
            self.store.update(key, change)
        }

        fn forget<'a>(&'a self, key: &'a ConversationKey) -> Pending<'a, bool> {
            self.store.forget(key)
        }

        fn list<'a>(
            &'a self,
            scope: &'a callgate::tool::Scope,
            after: Option<callgate::conversation::ListPosition>,
            limit: usize,
        ) -> Answer<'a, Vec<callgate::conversation::Summary>> {
            self.store.list(scope, after, limit)
        }
    };
}
pub(crate) use passed_on;
