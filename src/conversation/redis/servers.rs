//! Where the store is: one server, a cluster, or the master that Sentinels name.

use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, Cmd, ConnectionInfo, IntoConnectionInfo as _, Pipeline,
    RedisError as Failure, RedisFuture, TlsCertificates, TlsMode, Value,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::Mutex;
use url::Url;

use super::error::RedisError;

/// How often a cluster's client sends a command again: once each to a node that has it by another node's word, and to one
/// that has taken over.
const RETRIES: u32 = 3;

/// Where the store is. Addresses may hold passwords: `Debug` shows none of them.
#[derive(Clone, Default)]
pub struct RedisServers {
    /// The server, or a node of the cluster: `redis://[user:password@]host:port/db`, or `rediss://…` for TLS. With
    /// [`RedisServers::sentinels`], its host is the name that they know the master by.
    pub url: String,
    /// Whether it is a cluster.
    pub is_cluster: bool,
    /// More nodes of the cluster to begin with, as `host:port`.
    pub nodes: Vec<String>,
    /// Sentinels, as `host:port`, or as addresses where they want a password of their own.
    pub sentinels: Vec<String>,
    /// Authorities that vouch for the servers, in place of the system's: PEM.
    pub authorities: Option<Vec<u8>>,
    /// The certificate that Callgate shows, and its private key: PEM.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl std::fmt::Debug for RedisServers {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("RedisServers")
            .field("is_cluster", &self.is_cluster)
            .field("nodes", &self.nodes.len())
            .field("sentinels", &self.sentinels.len())
            .finish_non_exhaustive()
    }
}

impl RedisServers {
    /// One server.
    pub fn one(url: &str) -> Self {
        Self { url: url.to_owned(), ..Self::default() }
    }

    /// Judges the addresses and the certificates, without a connection.
    ///
    /// # Errors
    ///
    /// An address is none, a certificate is none, or they do not go together.
    pub fn check(&self) -> Result<(), RedisError> {
        self.client().map(drop)
    }

    pub(super) fn client(&self) -> Result<Servers, RedisError> {
        let url = Url::parse(&self.url).map_err(|error| RedisError::address("url", error.to_string()))?;
        let info = info("url", &self.url)?;
        let certificates = self.certificates(&url)?;
        if !self.sentinels.is_empty() {
            return self.watched(&url, &info, certificates);
        }
        if self.is_cluster {
            let mut nodes = vec![info];
            for node in &self.nodes {
                nodes.push(self::info("nodes", &beside(&url, "nodes", node)?)?);
            }
            let mut builder = ClusterClient::builder(nodes).retries(RETRIES);
            if let Some(certificates) = certificates {
                builder = builder.certs(certificates);
            }
            return builder.build().map(Servers::Cluster).map_err(|error| unfit("url", &error));
        }
        let client = match certificates {
            Some(certificates) => Client::build_with_tls(info, certificates),
            None => Client::open(info),
        };
        client.map(Servers::One).map_err(|error| unfit("url", &error))
    }

    fn certificates(&self, url: &Url) -> Result<Option<TlsCertificates>, RedisError> {
        if self.authorities.is_none() && self.identity.is_none() {
            return Ok(None);
        }
        if url.scheme() != "rediss" {
            return Err(RedisError::address("url", "certificates need `rediss://`".to_owned()));
        }
        let judge = |setting, pem: &[u8]| match CertificateDer::pem_slice_iter(pem).next() {
            Some(Ok(_)) => Ok(()),
            _ => Err(RedisError::File { setting, reason: "it holds no certificate in PEM".to_owned() }),
        };
        if let Some(pem) = &self.authorities {
            judge("ca_file", pem)?;
        }
        if let Some((certificate, key)) = &self.identity {
            judge("client_cert_file", certificate)?;
            PrivateKeyDer::from_pem_slice(key).map_err(|_| RedisError::File {
                setting: "client_key_file",
                reason: "it holds no private key in PEM".to_owned(),
            })?;
        }
        let identity = self.identity.as_ref();
        let client_tls = identity.map(|(certificate, key)| ClientTlsConfig {
            client_cert: certificate.clone(),
            client_key: key.clone(),
        });
        Ok(Some(TlsCertificates { client_tls, root_cert: self.authorities.clone() }))
    }

    fn watched(
        &self,
        url: &Url,
        master: &ConnectionInfo,
        certificates: Option<TlsCertificates>,
    ) -> Result<Servers, RedisError> {
        let mut sentinels = Vec::new();
        for sentinel in &self.sentinels {
            let address = match Url::parse(sentinel) {
                Ok(address) if address.has_host() => sentinel.clone(),
                _ => format!("{}://{sentinel}", url.scheme()),
            };
            sentinels.push(info("sentinels", &address)?);
        }
        let of = |info: &ConnectionInfo| {
            let settings = info.redis_settings();
            (settings.username().map(str::to_owned), settings.password().map(str::to_owned))
        };
        let own = sentinels.first().map(of).unwrap_or_default();
        if sentinels.iter().any(|sentinel| of(sentinel) != own) {
            let reason = "they do not all have the same user and password";
            return Err(RedisError::address("sentinels", reason.to_owned()));
        }
        let is_tls = |info: &ConnectionInfo| matches!(info.addr(), redis::ConnectionAddr::TcpTls { .. });
        let sentinels_use_tls = sentinels.iter().all(is_tls);
        let addresses = sentinels.iter().map(|sentinel| sentinel.addr().clone());
        let name = url.host_str().unwrap_or_default();
        let unfit = |error: Failure| unfit("sentinels", &error);
        let mut builder =
            SentinelClientBuilder::new(addresses, name, SentinelServerType::Master).map_err(unfit)?;
        if let Some(user) = own.0 {
            builder = builder.set_client_to_sentinel_username(user);
        }
        if let Some(password) = own.1 {
            builder = builder.set_client_to_sentinel_password(password);
        }
        builder = builder.set_client_to_redis_db(master.redis_settings().db());
        let (user, password) = of(master);
        if let Some(user) = user {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = password {
            builder = builder.set_client_to_redis_password(password);
        }
        if is_tls(master) {
            builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
        }
        if let Some(certificates) = certificates {
            if sentinels_use_tls {
                builder = builder.set_client_to_sentinel_certificates(certificates.clone());
            }
            builder = builder.set_client_to_redis_certificates(certificates);
        }
        builder.build().map(|client| Servers::Sentinels(Mutex::new(client))).map_err(unfit)
    }
}

/// The address of another node, with the scheme and the credentials of the first.
fn beside(first: &Url, setting: &'static str, node: &str) -> Result<String, RedisError> {
    let unfit = |reason: &str| RedisError::address(setting, reason.to_owned());
    let other = Url::parse(&format!("redis://{node}")).map_err(|error| unfit(&error.to_string()))?;
    if !matches!(other.path(), "" | "/") || !other.username().is_empty() {
        return Err(unfit("more than host and port"));
    }
    let mut address = first.clone();
    let host = address.set_host(other.host_str());
    let port = address.set_port(other.port());
    match (host, port) {
        (Ok(()), Ok(())) => Ok(address.into()),
        _ => Err(unfit("no host and port")),
    }
}

fn info(setting: &'static str, address: &str) -> Result<ConnectionInfo, RedisError> {
    address.into_connection_info().map_err(|error| unfit(setting, &error))
}

/// What the library says may quote the address, and with it a password: only its kind is told.
fn unfit(setting: &'static str, error: &Failure) -> RedisError {
    RedisError::address(setting, error.category().to_owned())
}

/// What makes connections.
pub(super) enum Servers {
    One(Client),
    Cluster(ClusterClient),
    Sentinels(Mutex<SentinelClient>),
}

impl std::fmt::Debug for Servers {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::One(_) => "One",
            Self::Cluster(_) => "Cluster",
            Self::Sentinels(_) => "Sentinels",
        })
    }
}

impl Servers {
    /// Makes a connection that can be used.
    pub(super) async fn connect(&self, patience: Duration) -> Result<Connection, Failure> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(patience))
            .set_response_timeout(Some(patience));
        let mut connection = match self {
            Self::One(client) => client.get_multiplexed_async_connection_with_config(&config).await?,
            Self::Sentinels(client) => client.lock().await.get_async_connection_with_config(&config).await?,
            Self::Cluster(client) => {
                let config = redis::cluster::ClusterConfig::new()
                    .set_connection_timeout(patience)
                    .set_response_timeout(patience);
                let connection = client.get_async_connection_with_config(config).await?;
                return Ok(Connection::Cluster(connection));
            }
        };
        redis::cmd("PING").exec_async(&mut connection).await?;
        Ok(Connection::One(connection))
    }
}

/// A connection that all commands share.
#[derive(Clone)]
pub(super) enum Connection {
    One(MultiplexedConnection),
    /// It finds moved slots and lost nodes again by itself.
    Cluster(ClusterConnection),
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(if self.is_cluster() { "Cluster" } else { "One" })
    }
}

impl Connection {
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}
