//! What a server's settings say about how long it keeps what it was told.

use std::collections::{BTreeMap, BTreeSet};

use redis::Value;

use super::servers::Connection;

/// Asks a server what it may lose; each concern is a sentence with what to do. A
/// server that does not say is not suspected.
pub(super) async fn concerns(connection: &mut Connection) -> Vec<String> {
    let mut info = String::new();
    let mut of_nodes = BTreeMap::<String, String>::new();
    for section in ["memory", "persistence"] {
        match redis::cmd("INFO").arg(section).query_async(connection).await {
            // Each node of a cluster.
            Ok(Value::Map(nodes)) => {
                for (node, part) in nodes {
                    let (Ok(node), Ok(part)) = (redis::from_redis_value(node), text(part)) else { continue };
                    *of_nodes.entry(node).or_default() += &part;
                }
            }
            Ok(one) => info += &text(one).unwrap_or_default(),
            Err(_) => {}
        }
    }
    if connection.is_cluster() {
        let concerns: BTreeSet<String> = of_nodes.values().flat_map(|info| judge(info, None)).collect();
        return concerns.into_iter().collect();
    }
    // Hosted servers often refuse this.
    let save: Option<(String, String)> =
        redis::cmd("CONFIG").arg("GET").arg("save").query_async(connection).await.ok();
    judge(&info, save.as_ref().map(|(_, save)| save.as_str()))
}

fn text(value: Value) -> Result<String, redis::ParsingError> {
    redis::from_redis_value(value)
}

fn judge(info: &str, save: Option<&str>) -> Vec<String> {
    let of =
        |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    let mut concerns = Vec::new();
    if of("aof_enabled") == Some("0") {
        concerns.push(match save.map(str::trim) {
            Some("") => "Redis keeps nothing on disk: when it restarts, all that has been done is forgotten and may be done again; set `appendonly yes`".to_owned(),
            Some(save) => format!("Redis only saves snapshots (`save {save}`): when it dies, what was done since the last one is forgotten and may be done again; set `appendonly yes`"),
            None => "Redis has no append-only file: when it dies, what was done of late is forgotten and may be done again; set `appendonly yes`".to_owned(),
        });
    }
    if let Some(policy) = of("maxmemory_policy").filter(|policy| *policy != "noeviction") {
        concerns.push(format!("Redis may forget what has been done when its memory is full (`maxmemory-policy {policy}`): set `maxmemory-policy noeviction`"));
    }
    concerns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_may_forget_is_told_of() {
        let info = |aof: &str, policy: &str| {
            format!("# Memory\r\nmaxmemory_policy:{policy}\r\n\r\n# Persistence\r\naof_enabled:{aof}\r\n")
        };
        let safe = info("1", "noeviction");
        assert_eq!(judge(&safe, Some("")), Vec::<String>::new());
        // Another kind of server, which says nothing of it.
        assert_eq!(judge("", None), Vec::<String>::new());
        let unsafe_by =
            |aof: &str, policy: &str, save: Option<&str>| judge(&info(aof, policy), save).join("\n");
        assert!(unsafe_by("0", "noeviction", Some("")).starts_with("Redis keeps nothing on disk"));
        assert!(unsafe_by("0", "noeviction", Some("3600 1")).contains("(`save 3600 1`)"));
        assert!(unsafe_by("0", "noeviction", None).starts_with("Redis has no append-only file"));
        assert!(unsafe_by("1", "allkeys-lru", None).contains("`maxmemory-policy allkeys-lru`"));
        assert_eq!(judge(&info("0", "volatile-ttl"), Some("")).len(), 2);
    }
}
