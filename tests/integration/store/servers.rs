//! Redis as several servers: a cluster, Sentinels, TLS.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use callgate::conversation::{ConversationKey, Ended, Opening, RedisServers, StoreError};
use serde_json::json;
use tempfile::TempDir;

use super::turns::{add, texts, turns};
use super::{AnyStore, again, claim, key, open, result, set, try_claim};
use crate::backend::{PATIENCE, RedisCluster, RedisServer, free_port, open as store_on};
use crate::egress::tls::Authority;
use crate::judge::Judge;
use crate::wait::{until, until_so};

/// How many keys a server has.
fn size(server: &RedisServer) -> u64 {
    server.ask("DBSIZE").lines().find_map(|line| line.strip_prefix(':')?.parse().ok()).unwrap_or_default()
}

#[tokio::test]
async fn conversations_are_spread_over_the_nodes_of_a_cluster() {
    let Some(cluster) = RedisCluster::start(&[], false) else { return };
    let store: AnyStore = Arc::new(cluster.store("spread"));
    let keys: Vec<ConversationKey> = (0..60).map(|number| key(&format!("c{number}"))).collect();
    for key in &keys {
        assert!(store.open(key, Opening::default()).await.unwrap().is_new);
        store.update(key, set("caller", json!(key.id()))).await.unwrap();
    }
    for node in &cluster.nodes {
        assert!(size(node) > 0, "a node has nothing");
    }
    let listed = store.list(keys[0].scope(), None, 100).await.unwrap();
    assert_eq!(listed.len(), keys.len());
    for key in &keys {
        let found = store.find(key).await.unwrap().unwrap();
        assert_eq!(found.variables["caller"].value, json!(key.id()));
    }
}

#[tokio::test]
async fn slots_that_move_to_another_node_are_found_there() {
    let Some(cluster) = RedisCluster::start(&[], false) else { return };
    let store: AnyStore = Arc::new(cluster.store("moved"));
    open(&store).await;
    assert!(add(&store, &key("c"), "one").await);
    let first = claim(1);
    assert_eq!(try_claim(&store, &first).await, "fresh");
    store.sending(&first).await.unwrap();
    let keys = |node: &RedisServer| {
        let keys = node.ask("KEYS moved:{*");
        let names = keys.lines().filter(|line| line.starts_with("moved:")).map(str::to_owned);
        names.collect::<Vec<_>>()
    };
    let from = cluster.nodes.iter().find(|node| !keys(node).is_empty()).expect("one node has it");
    let to = cluster.nodes.iter().find(|node| node.port != from.port).unwrap();
    let names = keys(from);
    let id = |node: &RedisServer| node.ask("CLUSTER MYID").lines().nth(1).unwrap().to_owned();
    let slot = from.ask(&format!("CLUSTER KEYSLOT {}", names[0]));
    let slot = slot.lines().find_map(|line| line.strip_prefix(':')).unwrap().to_owned();
    let said = |answer: String| assert!(answer.contains("OK"), "{answer}");
    said(to.ask(&format!("CLUSTER SETSLOT {slot} IMPORTING {}", id(from))));
    said(from.ask(&format!("CLUSTER SETSLOT {slot} MIGRATING {}", id(to))));
    said(from.ask(&format!("MIGRATE 127.0.0.1 {} \"\" 0 60000 KEYS {}", to.port, names.join(" "))));
    // While the slot is under way, the old node sends everybody on for what it no longer has.
    assert_eq!(try_claim(&store, &again(&first)).await, "under way");
    for node in [to, from] {
        said(node.ask(&format!("CLUSTER SETSLOT {slot} NODE {}", id(to))));
    }
    assert_eq!(try_claim(&store, &again(&first)).await, "under way");
    store.settle(&first, &result("call_1"), set("booking.id", json!(1))).await.unwrap();
    assert_eq!(try_claim(&store, &again(&first)).await, "settled");
    assert!(add(&store, &key("c"), "two").await);
    assert_eq!(turns(&store, &key("c")).await, texts(["one", "two"]));
    assert_eq!(keys(from), Vec::<String>::new());
}

#[tokio::test]
async fn a_node_that_dies_is_replaced_and_the_others_go_on_meanwhile() {
    let options = ["--cluster-node-timeout", "2000", "--cluster-require-full-coverage", "no"];
    let Some(mut cluster) = RedisCluster::start(&options, true) else { return };
    let store: AnyStore = Arc::new(store_on(&cluster.servers(), "failover", PATIENCE / 4));
    // Conversations on the first node, which has a replica, and on the others.
    let (mut there, mut elsewhere) = (Vec::new(), Vec::new());
    for number in 0..30 {
        let key = key(&format!("c{number}"));
        let before = size(&cluster.nodes[0]);
        store.open(&key, Opening::default()).await.unwrap();
        // Besides, the listing of all of them is somewhere.
        if size(&cluster.nodes[0]) > before { there.push(key) } else { elsewhere.push(key) }
    }
    let (there, elsewhere) = (there.pop().expect("one is there"), elsewhere.pop().expect("one is elsewhere"));
    let mut call = claim(1);
    call.key = callgate::conversation::ClaimKey::new(Some(&there), [1; 32]);
    call.conversation = Some(there.clone());
    assert_eq!(try_claim(&store, &call).await, "fresh");
    store.sending(&call).await.unwrap();
    let all_replicated = || {
        let offset = |name: &str, node: &RedisServer| {
            let info = node.ask("INFO replication");
            info.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned)
        };
        offset("master_repl_offset:", &cluster.nodes[0]) == offset("slave_repl_offset:", &cluster.nodes[3])
    };
    until_so("the replica has everything", all_replicated).await;

    cluster.nodes[0].kill();
    // What was done upstream cannot be stored now: it waits.
    let settled = store.settle(&call, &result("call_1"), set("booking.id", json!(1))).await;
    assert!(matches!(settled, Err(StoreError::Unavailable { .. })), "{settled:?}");
    store.update(&elsewhere, set("caller", json!("Ada"))).await.unwrap();
    let found = until("the replica takes over, and it is stored", async || {
        let found = store.find(&there).await.ok()??;
        found.variables.contains_key("booking.id").then_some(found)
    })
    .await;
    assert_eq!(found.variables["booking.id"].value, json!(1));
    assert!(matches!(store.ended(call.key).await.unwrap(), Ended::Settled(_)));
    assert_eq!(try_claim(&store, &again(&call)).await, "settled", "it is not done twice");
}

/// A process that watches over a master.
struct Sentinel {
    port: u16,
    child: Child,
    _folder: TempDir,
}

impl Sentinel {
    fn start(master: u16, password: &str, own_password: &str) -> Self {
        let program = Judge::Redis.find().expect("the servers were found");
        for _ in 0..20 {
            let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
            let config = folder.path().join("sentinel.conf");
            let lines = [
                format!("port {port}"),
                "bind 127.0.0.1".to_owned(),
                format!("requirepass {own_password}"),
                format!("sentinel monitor mymaster 127.0.0.1 {master} 1"),
                format!("sentinel auth-pass mymaster {password}"),
                "sentinel down-after-milliseconds mymaster 1000".to_owned(),
                "sentinel failover-timeout mymaster 5000".to_owned(),
            ];
            fs::write(&config, lines.join("\n")).unwrap();
            let child = Command::new(&program)
                .arg(&config)
                .arg("--sentinel")
                .current_dir(folder.path())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut sentinel = Self { port, child, _folder: folder };
            let is_up = crate::wait::until_found("a Sentinel", || {
                if sentinel.child.try_wait().unwrap().is_some() {
                    return Some(false);
                }
                std::net::TcpStream::connect(("127.0.0.1", port)).is_ok().then_some(true)
            });
            if is_up {
                return sentinel;
            }
        }
        panic!("a Sentinel ends as soon as it is started");
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn the_master_that_sentinels_name_is_followed() {
    let with_passwords = ["--requirepass", "of-servers", "--masterauth", "of-servers"];
    let Some(mut master) = RedisServer::start(&with_passwords) else { return };
    let follow = format!("127.0.0.1 {}", master.port);
    let replica = [&with_passwords[..], &["--replicaof", &follow]].concat();
    let Some(replica) = RedisServer::start(&replica) else { return };
    until_so("the replica", || replica.ask("INFO replication").contains("master_link_status:up")).await;
    let sentinel = Sentinel::start(master.port, "of-servers", "of-sentinels");
    let servers = RedisServers {
        url: "redis://:of-servers@mymaster/0".to_owned(),
        // The first one is not there.
        sentinels: [free_port(), sentinel.port]
            .map(|port| format!("redis://:of-sentinels@127.0.0.1:{port}"))
            .to_vec(),
        ..RedisServers::default()
    };
    let store: AnyStore = Arc::new(store_on(&servers, "watched", PATIENCE / 4));
    until("a connection", async || store.open(&key("c"), Opening::default()).await.ok()).await;
    let call = claim(1);
    assert_eq!(try_claim(&store, &call).await, "fresh");
    store.sending(&call).await.unwrap();
    let has_claim = || replica.ask("KEYS watched:*").contains(":claim:");
    until_so("the replica has the claim", has_claim).await;

    master.kill();
    let settled = store.settle(&call, &result("call_1"), set("booking.id", json!(1))).await;
    assert!(matches!(settled, Err(StoreError::Unavailable { .. })), "{settled:?}");
    let found = until("the replica takes over", async || store.find(&key("c")).await.ok().flatten()).await;
    assert_eq!(found.variables["booking.id"].value, json!(1), "what waited is written first");
    assert!(replica.ask("INFO replication").contains("role:master"));
    assert_eq!(try_claim(&store, &again(&call)).await, "settled");
}

#[tokio::test]
async fn certificates_of_ones_own_are_believed_and_shown() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (certificate, private) = authority.server().pem();
    let files = [
        ("--tls-cert-file", file("server.pem", &certificate)),
        ("--tls-key-file", file("server.key", &private)),
        ("--tls-ca-cert-file", file("ca.pem", &authority.pem())),
    ];
    let tls_port = std::cell::Cell::new(0);
    let Some(_server) = RedisServer::start_with(|| {
        tls_port.set(free_port());
        let mut options = vec!["--tls-port".to_owned(), tls_port.get().to_string()];
        options.extend(files.iter().flat_map(|(name, path)| [(*name).to_owned(), path.clone()]));
        options.extend(["--tls-auth-clients", "yes"].map(str::to_owned));
        options
    }) else {
        return;
    };
    let (certificate, private) = authority.client().pem();
    let good = RedisServers {
        url: format!("rediss://127.0.0.1:{}", tls_port.get()),
        authorities: Some(authority.pem().into_bytes()),
        identity: Some((certificate.into_bytes(), private.into_bytes())),
        ..RedisServers::default()
    };
    let store: AnyStore = Arc::new(store_on(&good, "tls", PATIENCE));
    assert!(store.open(&key("c"), Opening::default()).await.unwrap().is_new);

    let (certificate, private) = stranger.client().pem();
    let shown = Some((certificate.into_bytes(), private.into_bytes()));
    let refused = [
        ("the system's authorities", RedisServers { authorities: None, ..good.clone() }),
        ("another", RedisServers { authorities: Some(stranger.pem().into_bytes()), ..good.clone() }),
        ("nothing shown", RedisServers { identity: None, ..good.clone() }),
        ("another's shown", RedisServers { identity: shown, ..good.clone() }),
    ];
    for (name, servers) in refused {
        let store: AnyStore = Arc::new(store_on(&servers, "tls", Duration::from_millis(500)));
        let found = store.find(&key("c")).await;
        assert!(matches!(found, Err(StoreError::Unavailable { .. })), "{name}: {found:?}");
    }
}
